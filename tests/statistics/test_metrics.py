"""Ranking, Brier and calibration measures against scikit-survival, lifelines and known truth."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from camlif.exceptions import (
    ConfigError,
    DataError,
    EstimationError,
    NoComparablePairsError,
    NoEventsError,
)
from camlif.statistics import (
    bootstrap_c_index,
    brier_score,
    calibration,
    concordance,
    concordance_index,
    count_pairs,
    integrated_brier_score,
    ipcw_c_index,
    time_dependent_auc,
)
from camlif.statistics.horizon import KNOTS, _spline
from camlif.statistics.pairs import compiled_counter, count_later
from tests.builders.strategies import Patients, patients

# Eight patients with a tie of three in time, two of them events.
DURATION = np.array([5, 3, 3, 8, 2, 3, 9, 6], dtype=float)
EVENT = np.array([1, 1, 1, 0, 0, 0, 1, 1], dtype=bool)
LOG_RISK = np.array([0.5, -0.2, 1.0, 0.3, 2.0, 0.0, -1.0, 0.1])
TIED_RISK = np.array([0.5, 0.5, 1.0, 0.3, 2.0, 0.0, -1.0, 0.5])


def draw(n: int, *, spread: float = 1.0, seed: int = 0) -> tuple[Patients, NDArray[np.float64]]:
    """Patients with exponential follow-up rounded to months, and their true hazard a month."""
    rng = np.random.default_rng(seed)
    risk = (spread * rng.standard_normal(n)).round(1)
    hazard = np.exp(risk) / 30
    until_event, until_leaving = rng.exponential(1 / hazard), rng.exponential(50, n)
    duration = np.ceil(np.minimum(until_event, until_leaving))
    return Patients(risk, until_event <= until_leaving, duration), hazard


# C-index


@pytest.mark.parametrize(
    ("risk", "ties", "expected"),
    [
        (LOG_RISK, "strict", 9 / 13),
        (LOG_RISK, "half", 0.666667),
        (TIED_RISK, "strict", 10 / 13),
        (TIED_RISK, "half", 13.5 / 15),
    ],
)
def test_c_index_has_its_golden_values(
    risk: NDArray[np.float64], ties: str, expected: float
) -> None:
    found = concordance_index(risk, EVENT, DURATION, ties=ties)  # type: ignore[arg-type]
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("sign", "ties", "expected"),
    [(-1, "half", 1), (1, "half", 0), (0, "half", 0.5), (-1, "strict", 1), (0, "strict", 0)],
)
def test_perfect_reversed_and_constant_risk(sign: int, ties: str, expected: float) -> None:
    duration = np.arange(1.0, 8.0)
    found = concordance_index(sign * duration, np.ones(7), duration, ties=ties)  # type: ignore[arg-type]
    assert found == expected


def by_pairs(p: Patients, *, strict: bool) -> tuple[int, int, int]:
    """Concordant, discordant and tied pairs by comparing everyone with everyone."""
    won = lost = tied = 0
    for i in np.flatnonzero(p.event):
        for j in range(len(p.risk)):
            same = p.duration[j] == p.duration[i] and not p.event[j] and not strict
            if p.duration[j] > p.duration[i] or same:
                won += p.risk[i] > p.risk[j]
                lost += p.risk[i] < p.risk[j]
                tied += p.risk[i] == p.risk[j]
    return int(won), int(lost), int(tied)


@pytest.mark.parametrize("ties", ["half", "strict"])
@given(p=patients(tied_risks=True))
def test_pair_counts_equal_a_loop_over_all_pairs(p: Patients, ties: str) -> None:
    counts = count_pairs(*p, ties=ties)  # type: ignore[arg-type]
    expected = by_pairs(p, strict=ties == "strict")
    assert (counts.concordant, counts.discordant, counts.tied_risk) == expected
    assert counts.comparable == sum(expected)


@pytest.mark.parametrize("ties", ["half", "strict"])
@given(p=patients(tied_risks=True))
def test_pair_counts_of_the_tree_equal_a_loop_over_all_pairs(p: Patients, ties: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(concordance, "COMPILED_FROM", 0)
        patch.setattr(concordance, "compiled_counter", lambda: count_later)
        counts = count_pairs(*p, ties=ties)  # type: ignore[arg-type]
    expected = by_pairs(p, strict=ties == "strict")
    assert (counts.concordant, counts.discordant, counts.tied_risk) == expected


def test_compiled_counts_of_many_patients_equal_those_of_numpy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("numba")
    p, _ = draw(3000)
    by_numpy = count_pairs(*p)
    monkeypatch.setattr(concordance, "COMPILED_FROM", len(p.risk))
    monkeypatch.setattr(concordance, "PairCounter", None)  # must not be asked
    assert count_pairs(*p) == by_numpy


def test_many_patients_are_counted_without_numba_too(monkeypatch: pytest.MonkeyPatch) -> None:
    p, _ = draw(3000)
    by_numpy = count_pairs(*p)
    compiled_counter.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(concordance, "COMPILED_FROM", 0)
    assert count_pairs(*p) == by_numpy
    assert compiled_counter() is None
    compiled_counter.cache_clear()


@given(p=patients(min_size=2, tied_risks=True))
def test_c_index_equals_lifelines_and_scikit_survival(p: Patients) -> None:
    from lifelines.utils import concordance_index as by_lifelines
    from sksurv.metrics import concordance_index_censored

    assume(count_pairs(*p).comparable)
    found = concordance_index(*p)
    assert found == pytest.approx(by_lifelines(p.duration, -p.risk, p.event), abs=1e-12)
    expected = concordance_index_censored(p.event, p.duration, p.risk)[0]
    assert found == pytest.approx(expected, abs=1e-12)


@given(p=patients(min_size=2))
def test_c_index_uses_only_the_order_of_risks(p: Patients) -> None:
    assume(count_pairs(*p).comparable)
    rank = np.unique(p.risk, return_inverse=True)[1].astype(float)
    assert concordance_index(*p) == concordance_index(*p._replace(risk=np.exp(rank)))
    assert concordance_index(*p) == pytest.approx(
        1 - concordance_index(*p._replace(risk=-p.risk)), abs=1e-12
    )


@pytest.mark.parametrize(
    ("event", "duration"), [([0, 0, 0], [1, 2, 3]), ([0, 0, 1], [1, 2, 3]), ([1], [1])]
)
def test_no_comparable_pair_raises(event: list[int], duration: list[float]) -> None:
    with pytest.raises(NoComparablePairsError, match="No two patients"):
        concordance_index(np.arange(len(event), dtype=float), event, duration)


def test_unknown_ties_raise() -> None:
    with pytest.raises(ConfigError, match="ties"):
        concordance_index(LOG_RISK, EVENT, DURATION, ties="harrell")  # type: ignore[arg-type]


def test_bootstrap_interval_is_that_of_c_indices_of_redrawn_patients() -> None:
    (risk, event, duration), _ = draw(40)
    interval = bootstrap_c_index(risk, event, duration, n_resamples=60, seed=5)
    rows = np.random.default_rng(5).integers(40, size=(60, 40))
    values = [concordance_index(risk[r], event[r], duration[r]) for r in rows]
    assert (interval.low, interval.high) == pytest.approx(np.quantile(values, [0.025, 0.975]))
    assert interval.value == concordance_index(risk, event, duration)
    assert (interval.n_patients, interval.n_events) == (40, int(event.sum()))
    assert not interval.subsampled


def test_bootstrap_of_a_large_cohort_says_that_it_takes_a_subsample() -> None:
    (risk, event, duration), _ = draw(200)
    interval = bootstrap_c_index(risk, event, duration, n_resamples=20, max_patients=50)
    assert interval.subsampled
    assert (interval.n_patients, interval.n_resampled_patients) == (200, 50)
    assert interval.value == concordance_index(risk, event, duration)


@pytest.mark.parametrize("setting", [{"n_resamples": 1}, {"confidence": 1.0}])
def test_bootstrap_refuses_impossible_settings(setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        bootstrap_c_index(LOG_RISK, EVENT, DURATION, **setting)  # type: ignore[arg-type]


# Weighted for censoring


@settings(max_examples=60)
@given(
    p=patients(min_size=4, min_events=1, tied_risks=True, max_size=30),
    tau=st.integers(2, 7).map(float),
)
def test_ipcw_c_index_equals_scikit_survival(p: Patients, tau: float) -> None:
    from sksurv.metrics import concordance_index_ipcw
    from sksurv.util import Surv

    try:
        found = ipcw_c_index(*p, train_event=p.event, train_duration=p.duration, tau=tau)
    except EstimationError:
        assume(False)
    outcome = Surv.from_arrays(p.event, p.duration)
    expected = concordance_index_ipcw(outcome, outcome, p.risk, tau=tau)[0]
    assert found == pytest.approx(expected, abs=1e-12)


def test_ipcw_c_index_without_censoring_is_the_c_index() -> None:
    (risk, _, duration), _ = draw(100)
    event = np.ones(100, dtype=bool)
    found = ipcw_c_index(risk, event, duration, train_event=event, train_duration=duration)
    assert found == pytest.approx(concordance_index(risk, event, duration), abs=1e-12)


def test_ipcw_c_index_compares_in_chunks_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    p, _ = draw(100)
    outcome = {"train_event": p.event, "train_duration": p.duration}
    at_once = ipcw_c_index(*p, **outcome, tau=40)
    monkeypatch.setattr("camlif.statistics.discrimination.CELLS", 300)
    assert ipcw_c_index(*p, **outcome, tau=40) == pytest.approx(at_once, abs=1e-12)


def test_weighted_measures_equal_scikit_survival_on_other_patients_with_ties() -> None:
    from sksurv import metrics as reference
    from sksurv.util import Surv

    p, hazard = draw(400)
    times = np.array([6.0, 12.0, 24.0, 36.0])
    survival = np.exp(-hazard[:, None] * times)
    train, test = np.arange(400) < 250, np.arange(400) >= 250
    outcome = Surv.from_arrays(p.event, p.duration)
    part = (p.event[test], p.duration[test])
    weights = {"train_event": p.event[train], "train_duration": p.duration[train]}

    expected = reference.cumulative_dynamic_auc(outcome[train], outcome[test], p.risk[test], times)[
        0
    ]
    found = time_dependent_auc(p.risk[test], *part, horizons=times, **weights)
    assert found == pytest.approx(expected, abs=1e-12)

    expected = reference.brier_score(outcome[train], outcome[test], survival[test], times)[1]
    scores = [
        brier_score(survival[test, i], *part, horizon=horizon, **weights)
        for i, horizon in enumerate(times)
    ]
    assert scores == pytest.approx(expected.tolist(), abs=1e-12)

    mean = integrated_brier_score(survival[test], *part, times=times, **weights)
    assert mean == pytest.approx(
        reference.integrated_brier_score(outcome[train], outcome[test], survival[test], times),
        abs=1e-12,
    )


def test_brier_scores_equal_torchsurv_in_float32() -> None:
    from torchsurv.metrics.brier_score import BrierScore
    from torchsurv.stats.ipcw import get_ipcw

    p, hazard = draw(200)
    times = torch.tensor([6.0, 12.0, 24.0])
    survival = np.exp(-hazard[:, None] * times.numpy())
    event, duration = torch.from_numpy(p.event), torch.from_numpy(p.duration).float()
    expected = BrierScore()(
        torch.from_numpy(survival).float(),
        event,
        duration,
        times,
        get_ipcw(event, duration),
        get_ipcw(event, duration, times),
    )
    weights = {"train_event": p.event, "train_duration": p.duration}
    for i, horizon in enumerate(times.tolist()):
        found = brier_score(survival[:, i], p.event, p.duration, horizon=horizon, **weights)
        assert found == pytest.approx(float(expected[i]), abs=1e-6)


def test_an_event_at_the_horizon_itself_is_a_case() -> None:
    event, duration = [1, 1, 1, 0], [5.0, 12.3, 20.0, 30.0]  # 12.3 is no float32
    weights = {"train_event": event, "train_duration": duration}
    auc = time_dependent_auc([0.5, 0.1, 0.3, 0.2], event, duration, horizons=[12.3], **weights)
    assert auc.tolist() == [0.5]
    score = brier_score([0.2, 0.3, 0.8, 0.9], event, duration, horizon=12.3, **weights)
    assert score == pytest.approx((0.2**2 + 0.3**2 + 0.2**2 + 0.1**2) / 4)


def test_always_saying_one_half_scores_a_quarter() -> None:
    p, _ = draw(100)
    event = np.ones(100, dtype=bool)
    score = brier_score(
        np.full(100, 0.5),
        event,
        p.duration,
        horizon=12,
        train_event=event,
        train_duration=p.duration,
    )
    assert score == pytest.approx(0.25)


def test_events_after_the_training_follow_up_cannot_be_weighed() -> None:
    train = {"train_event": [1, 0, 0], "train_duration": [2.0, 4.0, 6.0]}
    event, duration = [1, 1, 0], [3.0, 7.0, 8.0]
    with pytest.raises(EstimationError, match=r"followed beyond 6, so censoring .* at 7"):
        ipcw_c_index([3.0, 2.0, 1.0], event, duration, **train)
    assert ipcw_c_index([3.0, 2.0, 1.0], event, duration, **train, tau=6.0) == 1.0
    with pytest.raises(EstimationError, match="followed beyond 6"):
        brier_score([0.1, 0.2, 0.3], event, duration, horizon=7.5, **train)


@pytest.mark.parametrize(("horizon", "match"), [(0.5, "Nobody has had"), (9.0, "beyond 9")])
def test_auc_needs_cases_and_controls(horizon: float, match: str) -> None:
    weights = {"train_event": EVENT, "train_duration": DURATION}
    with pytest.raises(EstimationError, match=match):
        time_dependent_auc(LOG_RISK, EVENT, DURATION, horizons=[horizon], **weights)


def test_brier_score_needs_someone_followed_beyond_the_horizon() -> None:
    weights = {"train_event": EVENT, "train_duration": DURATION}
    with pytest.raises(EstimationError, match="Nobody was followed beyond 9"):
        brier_score(np.full(8, 0.5), EVENT, DURATION, horizon=9, **weights)


@pytest.mark.parametrize(
    ("survival", "times"),
    [
        (np.full((8, 2), 0.5), [4.0, 4.0]),
        (np.full((8, 2), 0.5), [4.0]),
        (np.full((8, 2), 0.5), [2.0, 4.0, 6.0]),
        (np.full((8, 2), 1.5), [2.0, 4.0]),
        (np.full((8, 2), np.nan), [2.0, 4.0]),
    ],
)
def test_unusable_survival_or_times_raise(
    survival: NDArray[np.float64], times: list[float]
) -> None:
    with pytest.raises(DataError):
        integrated_brier_score(
            survival, EVENT, DURATION, times=times, train_event=EVENT, train_duration=DURATION
        )


# Calibration


def test_true_probabilities_are_calibrated() -> None:
    p, hazard = draw(5000)
    result = calibration(np.exp(-24 * hazard), p.event, p.duration, horizon=24)
    assert result.ratio == pytest.approx(1.0, abs=0.03)
    assert result.ici is not None
    assert result.ici < 0.02
    inside = [b.low <= b.predicted <= b.high for b in result.bins]  # type: ignore[operator]
    assert sum(inside) >= len(inside) - 2


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_calibration_index_is_the_mean_distance_to_the_true_probability(factor: float) -> None:
    p, hazard = draw(5000)
    truth, predicted = np.exp(-24 * hazard), np.exp(-24 * factor * hazard)
    result = calibration(predicted, p.event, p.duration, horizon=24)
    assert result.ici == pytest.approx(np.abs(truth - predicted).mean(), abs=0.02)
    assert (result.ratio > 1) == (factor > 1)
    assert result.expected == pytest.approx(1 - predicted.mean())


def test_calibration_index_sees_predictions_that_are_too_spread() -> None:
    p, hazard = draw(5000)
    truth, predicted = np.exp(-24 * hazard), np.exp(-24 / 30 * (30 * hazard) ** 2.5)
    result = calibration(predicted, p.event, p.duration, horizon=24)
    assert result.ici == pytest.approx(np.abs(truth - predicted).mean(), abs=0.02)


def test_bins_are_deciles_with_the_kaplan_meier_of_lifelines() -> None:
    from lifelines import KaplanMeierFitter

    p, _ = draw(400)
    survival = np.linspace(0.05, 0.95, 400)[np.argsort(np.argsort(-p.risk))]
    result = calibration(survival, p.event, p.duration, horizon=12)
    assert [b.n_patients for b in result.bins] == [40] * 10
    order = np.argsort(survival)
    for found, rows in zip(result.bins, np.split(order, 10), strict=True):
        fitted = KaplanMeierFitter().fit(p.duration[rows], p.event[rows])
        low, high = fitted.confidence_interval_.loc[:12].iloc[-1]
        assert found.observed == pytest.approx(fitted.predict(12))
        assert (found.low, found.high) == pytest.approx((low, high))
        assert found.predicted == pytest.approx(survival[rows].mean())
        assert found.n_events == int((p.event[rows] & (p.duration[rows] <= 12)).sum())


@settings(max_examples=25)
@given(n=st.integers(1, 130), levels=st.integers(1, 40), seed=st.integers(0, 99))
def test_bins_hold_20_patients_and_never_split_equal_predictions(
    n: int, levels: int, seed: int
) -> None:
    from camlif.statistics.horizon import _bin_rows

    predicted = np.random.default_rng(seed).integers(levels, size=n) / levels
    bins = _bin_rows(predicted, max(1, min(10, n // 20)))
    assert sorted(np.concatenate(bins).tolist()) == list(range(n))
    assert len(bins) <= 10
    assert len(bins) == 1 or min(len(rows) for rows in bins) >= 20
    for lower, upper in pairwise(bins):
        assert predicted[lower].max() < predicted[upper].min()


def test_the_calibration_index_reads_the_step_function_that_is_shown() -> None:
    """Outcomes at every twelfth month only: at 30 months the last step is that of 24."""
    p, hazard = draw(400)
    predicted = np.exp(-24 * hazard)
    yearly = 12 * np.ceil(p.duration / 12)
    at_24 = calibration(predicted, p.event, yearly, horizon=24)
    at_30 = calibration(predicted, p.event, yearly, horizon=30)
    assert at_30.observed == at_24.observed
    assert at_30.ici == pytest.approx(at_24.ici, abs=1e-12)


def test_one_prediction_for_everyone_is_compared_with_kaplan_meier() -> None:
    p, _ = draw(200)
    result = calibration(np.full(200, 0.4), p.event, p.duration, horizon=24)
    assert len(result.bins) == 1
    assert result.ici == pytest.approx(abs(0.6 - result.observed))


def test_a_bin_whose_follow_up_ends_early_has_no_observed_value() -> None:
    event = np.ones(60, dtype=bool)
    duration = np.concatenate([np.full(30, 50.0), np.full(30, 10.0)])
    event[:25] = False
    event[30:] = [True] * 5 + [False] * 25
    survival = np.concatenate([np.full(30, 0.9), np.full(30, 0.2)])
    result = calibration(survival, event, duration, horizon=24)
    assert result.ici is None  # the two predictions tell who leaves early, so no curve is fitted
    first, second = result.bins
    assert (first.predicted, first.observed, first.low, first.high) == (
        pytest.approx(0.2),
        None,
        None,
        None,
    )
    assert (second.observed, second.low, second.high) == (1.0, 1.0, 1.0)


def test_certain_predictions_do_not_break_the_smooth_curve() -> None:
    p, hazard = draw(300)
    survival = np.exp(-24 * hazard)
    survival[:5], survival[5:10] = 0.0, 1.0
    assert calibration(survival, p.event, p.duration, horizon=24).ici is not None


def test_calibration_result_is_plain_enough_for_json() -> None:
    p, hazard = draw(100)
    result = asdict(calibration(np.exp(-24 * hazard), p.event, p.duration, horizon=24))
    assert json.loads(json.dumps(result, allow_nan=False))["n_patients"] == 100


@pytest.mark.parametrize(
    ("survival", "event", "horizon", "error", "match"),
    [
        ([0.5, np.nan, 0.5], [1, 1, 0], 2.0, EstimationError, "1 patient has no predicted"),
        ([0.5, 0.5, 0.5], [1, 1, 0], 4.0, EstimationError, "ends at 3 months, before 4 months"),
        ([0.5, 0.5, 0.5], [0, 0, 1], 2.0, NoEventsError, "No event was observed by 2"),
        ([0.5, 0.5], [1, 1, 0], 2.0, DataError, "one value per patient"),
        ([0.5, 0.5, 1.2], [1, 1, 0], 2.0, DataError, "no probabilities"),
    ],
)
def test_undefined_calibration_raises(
    survival: list[float], event: list[int], horizon: float, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        calibration(survival, event, [1.0, 2.0, 3.0], horizon=horizon)


def test_the_smooth_curve_is_straight_beyond_its_outer_knots() -> None:
    x = np.linspace(-3.0, 3.0, 601)
    _, bend = _spline(x).T
    curvature = np.abs(np.diff(bend, 2))
    outside = np.abs(x[1:-1]) > np.quantile(x, KNOTS[-1]) + 0.02
    assert curvature[outside].max() < 1e-9
    assert curvature[~outside].max() > 1e-6


def test_two_times_are_enough_for_an_integrated_score() -> None:
    event, duration = np.array([True, True, True, True]), np.array([1.0, 2.0, 3.0, 4.0])
    survival = np.array([[0.1, 0.1], [0.6, 0.1], [0.8, 0.3], [0.9, 0.7]])
    times = np.array([1.5, 2.5])
    alive = duration[:, None] > times
    scores = ((survival - alive) ** 2).mean(axis=0)
    assert integrated_brier_score(
        survival,
        event,
        duration,
        times=times,
        train_event=event,
        train_duration=duration,
    ) == pytest.approx(scores.mean())
