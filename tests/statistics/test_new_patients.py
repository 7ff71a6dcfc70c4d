"""Measures of patients that a model was not made of, beside independent ones."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from lifelines import KaplanMeierFitter
from scipy.stats import poisson
from sksurv.metrics import brier_score as sksurv_brier
from sksurv.metrics import concordance_index_ipcw

from camlif.exceptions import EstimationError
from camlif.statistics.new_patients import (
    brier_gain,
    calibration_in_the_large,
    expected_over_observed,
    uno_c_index,
)
from camlif.statistics.outcome import FollowUp

HORIZON = 24.0


def patients(n: int, *, seed: int, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray, FollowUp]:
    """Risks, predicted survival at the horizon, and outcomes whose hazard is ``factor`` times."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=n)
    rate = 0.02 * np.exp(risk)
    time = rng.exponential(1 / (factor * rate))
    censoring = rng.uniform(6, 80, size=n)
    followed = FollowUp.check(time <= censoring, np.minimum(time, censoring))
    return risk, np.exp(-rate * HORIZON), followed


def test_expected_over_observed_is_that_of_lifelines_kaplan_meier() -> None:
    _, survival, followed = patients(300, seed=1)
    found = expected_over_observed(survival, followed, horizon=HORIZON)
    curve = KaplanMeierFitter().fit(followed.duration, followed.event)
    observed = 1 - float(curve.predict(HORIZON))
    assert found.value == pytest.approx((1 - survival).mean() / observed)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high


def test_the_interval_of_expected_over_observed_holds_the_truth_as_often_as_it_says() -> None:
    held = 0
    for seed in range(60):
        _, survival, followed = patients(150, seed=100 + seed)
        found = expected_over_observed(survival, followed, horizon=HORIZON, n_resamples=100)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 1 <= found.high
    assert held >= 51  # of 60: 57 are expected, 51 or fewer come in 1 of 200 such tests


def test_twice_the_hazard_is_seen_in_the_large() -> None:
    risk, _, followed = patients(400, seed=2, factor=2.0)
    hazard = 0.02 * np.exp(risk) * followed.duration
    found = calibration_in_the_large(hazard, int(followed.event.sum()))
    fit = sm.GLM(
        followed.event.astype(float),
        np.ones(len(risk)),
        family=sm.families.Poisson(),
        offset=np.log(hazard),
    ).fit()
    assert found.value == pytest.approx(np.exp(-fit.params[0]))
    assert found.low is not None
    assert found.high is not None
    assert found.high < 1


def test_the_ends_in_the_large_are_the_poisson_means_that_just_allow_the_count() -> None:
    found = calibration_in_the_large(np.full(10, 2.0), 12)
    assert found.low is not None
    assert found.high is not None
    fewest, most = 20.0 / found.high, 20.0 / found.low
    assert poisson.sf(11, fewest) == pytest.approx(0.025)
    assert poisson.cdf(12, most) == pytest.approx(0.025)


@pytest.mark.parametrize(("hazard", "events"), [(1.0, 0), (0.0, 5)])
def test_without_events_nothing_is_said_in_the_large(hazard: float, events: int) -> None:
    with pytest.raises(EstimationError):
        calibration_in_the_large(np.full(5, hazard), events)


def test_unos_index_is_that_of_scikit_survival() -> None:
    risk, _, followed = patients(120, seed=3)
    outcome = np.array(
        list(zip(followed.event, followed.duration, strict=True)),
        dtype=[("event", bool), ("time", float)],
    )
    tau = float(followed.duration.max())
    found = uno_c_index(risk, followed, n_resamples=50)
    assert found.value == pytest.approx(concordance_index_ipcw(outcome, outcome, risk, tau=tau)[0])
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high


def test_equal_risks_rank_nobody() -> None:
    _, _, followed = patients(50, seed=4)
    with pytest.raises(EstimationError, match="equal"):
        uno_c_index(np.zeros(50), followed)


def test_the_gain_is_the_difference_of_two_brier_scores_of_scikit_survival() -> None:
    _, survival, followed = patients(300, seed=5)
    outcome = np.array(
        list(zip(followed.event, followed.duration, strict=True)),
        dtype=[("event", bool), ("time", float)],
    )
    curve = KaplanMeierFitter().fit(followed.duration, followed.event)
    average = np.full((300, 1), float(curve.predict(HORIZON)))
    scores = [
        float(sksurv_brier(outcome, outcome, s, HORIZON)[1][0])
        for s in (average, survival[:, None])
    ]
    found = brier_gain(survival, followed, horizon=HORIZON, n_resamples=100)
    assert found.value == pytest.approx(scores[0] - scores[1])
    assert found.low is not None
    assert found.low > 0


def test_without_follow_up_to_the_horizon_there_is_no_gain() -> None:
    _, survival, followed = patients(100, seed=6)
    with pytest.raises(EstimationError):
        brier_gain(survival, followed, horizon=500.0)
