"""P-values over the splits of a cross-validation: against lifelines, and where risks are noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from camlif.data.splits import make_splits
from camlif.exceptions import DataError
from camlif.statistics import split_p_values

Learner = Callable[[NDArray, NDArray], NDArray[np.float64]]


class Outcomes(NamedTuple):
    log_risk: NDArray[np.float64]
    event: NDArray[np.bool_]
    duration: NDArray[np.float64]


def cross_validation(n: int = 120, splits: int = 5) -> tuple[Outcomes, NDArray, NDArray]:
    rng = np.random.default_rng(4)
    log_risk = 0.6 * rng.standard_normal(n)
    to_event, censoring = rng.exponential(40 * np.exp(-log_risk)), rng.exponential(60.0, n)
    outcomes = Outcomes(log_risk, to_event <= censoring, np.minimum(to_event, censoring))
    risk = log_risk[:, None] + rng.normal(size=(n, splits))
    risk = risk * (1 + np.arange(splits)) + 3 * np.arange(splits)  # each model has its own scale
    test = rng.random((splits, n)) < 0.4
    test[:, 7] = False  # never tested
    return outcomes, risk, test


def log_rank_of(
    risk: NDArray[np.float64], event: NDArray[np.bool_], duration: NDArray, cutoff: float
) -> float:
    from lifelines.statistics import logrank_test

    low = risk < cutoff
    return float(logrank_test(duration[low], duration[~low], event[low], event[~low]).p_value)


def test_pooled_p_value_takes_every_test_row_with_its_raw_risk() -> None:
    (_, event, duration), risk, test = cross_validation()
    rows = np.concatenate([np.flatnonzero(t) for t in test])
    raw = np.concatenate([risk[t, e] for e, t in enumerate(test)])
    expected = log_rank_of(raw, event[rows], duration[rows], np.median(raw))
    assert split_p_values(risk, event, duration, test=test).pooled == pytest.approx(expected)


def test_unique_p_value_takes_one_row_per_tested_patient_with_its_mean_z() -> None:
    (_, event, duration), risk, test = cross_validation()
    z = np.full(test.shape, np.nan)
    for e, t in enumerate(test):
        z[e, t] = (risk[t, e] - risk[t, e].mean()) / risk[t, e].std(ddof=1)
    known = test.any(axis=0)
    assert not known.all()
    mean = np.nanmean(z[:, known], axis=0)
    expected = log_rank_of(mean, event[known], duration[known], np.median(mean))
    assert split_p_values(risk, event, duration, test=test).unique == pytest.approx(expected)


def test_p_over_splits_is_that_of_the_mean_z_of_correlated_test_parts() -> None:
    (_, event, duration), risk, test = cross_validation()
    z = []
    for e, t in enumerate(test):
        high = risk[t, e] >= np.median(risk[~t, e])
        p = log_rank_of(risk[t, e], event[t], duration[t], np.median(risk[~t, e]))
        more = event[t][high].mean() / duration[t][high].mean()
        fewer = event[t][~high].mean() / duration[t][~high].mean()
        z.append(np.sign(more - fewer) * norm.isf(p / 2))
    variance = 1 / 5 + 4 / 5 * test.mean()
    found = split_p_values(risk, event, duration, test=test)
    assert found.over_splits == pytest.approx(2 * norm.sf(abs(np.mean(z)) / np.sqrt(variance)))
    assert found.n_splits == 5


def _null_p_values(learner: Learner, runs: int) -> NDArray[np.float64]:
    """P-values over 15 covering splits of cohorts in which features say nothing, (runs, 2)."""
    rng, found = np.random.default_rng(0), []
    for _ in range(runs):
        n = 150
        x = rng.standard_normal((n, 10))
        to_event, censoring = rng.exponential(size=n), 1.5 * rng.exponential(size=n)
        event, duration = to_event <= censoring, np.minimum(to_event, censoring)
        ids = np.arange(n).astype(str)
        test = make_splits(ids, event, seed=int(rng.integers(2**31))).test
        risk = np.stack(
            [x @ learner(x[~t], martingale_residuals(event[~t], duration[~t])) for t in test],
            axis=1,
        )
        p = split_p_values(risk, event, duration, test=test)
        found.append((p.over_splits, p.unique))
    return np.array(found, dtype=float)


def martingale_residuals(event: NDArray[np.bool_], duration: NDArray) -> NDArray[np.float64]:
    """Observed less expected events under one hazard for all (Nelson and Aalen), no ties."""
    order = np.argsort(duration)
    found = np.empty(len(duration))
    found[order] = event[order] - np.cumsum(event[order] / np.arange(len(duration), 0, -1))
    return found


def _all_columns(x: NDArray, residual: NDArray) -> NDArray[np.float64]:
    return x.T @ residual


def _best_columns(x: NDArray, residual: NDArray) -> NDArray[np.float64]:
    weight = x.T @ residual
    return np.where(np.abs(weight) >= np.sort(np.abs(weight))[-3], weight, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("learner", [_all_columns, _best_columns])
def test_p_over_splits_holds_its_level_where_nothing_is_to_be_learned(learner: Learner) -> None:
    below = (_null_p_values(learner, 400) < 0.05).mean(axis=0)
    assert 0.03 <= below[0] <= 0.07  # 400 runs of a level of 0.05: 0.028 to 0.071 in 95 of 100
    assert below[1] > 0.08  # one row per patient does not


def test_a_patient_exactly_at_the_cutoff_is_high() -> None:
    event, duration = np.ones(20, dtype=bool), np.arange(20.0, 0.0, -1.0)
    risk = np.where(np.arange(20) < 3, -1.0, 1.0)  # the median is 1: with "<=" nobody were high
    found = split_p_values(risk[:, None], event, duration, test=np.ones((1, 20), dtype=bool))
    assert found.pooled == pytest.approx(log_rank_of(risk, event, duration, 1.0))


def test_splits_without_a_p_value_of_their_own_are_not_counted() -> None:
    (_, event, duration), risk, test = cross_validation()
    test[0] = True  # no training part
    test[1, event] = False  # no event among the tested
    assert split_p_values(risk, event, duration, test=test).n_splits == 3


def test_splits_of_other_shape_raise() -> None:
    (_, event, duration), risk, test = cross_validation()
    with pytest.raises(DataError, match="per patient and split"):
        split_p_values(risk, event, duration, test=test.T)
