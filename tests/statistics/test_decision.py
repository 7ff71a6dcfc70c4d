"""Net benefit against counts, hand computation and its closed form."""

from __future__ import annotations

import numpy as np
import pytest

from camlif.exceptions import DataError, EstimationError
from camlif.statistics import calibration, decision_curve

RISK = np.array([0.9, 0.8, 0.6, 0.5, 0.4, 0.2, 0.1, 0.05])
EVENT = np.array([1, 1, 0, 1, 0, 1, 0, 0], dtype=bool)


def test_without_censoring_net_benefit_is_made_of_counts() -> None:
    duration = np.where(EVENT, 10.0, 90.0)
    thresholds = np.array([0.1, 0.3, 0.5, 0.7])
    found = decision_curve(1 - RISK, EVENT, duration, horizon=60, thresholds=thresholds)
    for p, model, everyone, flagged in zip(
        thresholds, found.model, found.everyone, found.n_flagged, strict=True
    ):
        predicted = 1 - (1 - RISK)  # the same rounding
        chosen = predicted >= p
        true, false = (chosen & EVENT).sum(), (chosen & ~EVENT).sum()
        assert flagged == chosen.sum()
        assert model == pytest.approx(true / 8 - false / 8 * p / (1 - p))
        assert everyone == pytest.approx(4 / 8 - 4 / 8 * p / (1 - p))
    assert (found.n_patients, found.n_events) == (8, 4)


def test_an_event_at_the_horizon_has_happened_by_it() -> None:
    duration = np.where(EVENT, 60.0, 90.0)
    found = decision_curve(1 - RISK, EVENT, duration, horizon=60, thresholds=[0.3])
    assert found.n_events == 4
    calibrated = calibration(1 - RISK, EVENT, duration, horizon=60)
    assert calibrated.n_events == 4
    assert calibrated.observed == pytest.approx(0.5)


def test_censored_patients_count_through_kaplan_meier() -> None:
    # Flagged: A event at 10, B censored at 20, C event at 30, D followed to 70.
    # S(60) of the flagged = 3/4 * 1/2 = 3/8. Of all five: 4/5 * 2/3 = 8/15.
    survival = np.array([0.2, 0.2, 0.2, 0.2, 0.9])
    event = np.array([1, 0, 1, 0, 0], dtype=bool)
    duration = np.array([10.0, 20.0, 30.0, 70.0, 80.0])
    found = decision_curve(survival, event, duration, horizon=60, thresholds=[0.25])
    odds = 1 / 3
    assert found.n_flagged.tolist() == [4]
    assert found.model[0] == pytest.approx(4 / 5 * 5 / 8 - 4 / 5 * 3 / 8 * odds)
    assert found.everyone[0] == pytest.approx(7 / 15 - 8 / 15 * odds)


def test_flagging_everyone_is_worth_nothing_at_the_observed_risk() -> None:
    rng = np.random.default_rng(0)
    duration = np.ceil(rng.exponential(40, 200))
    event = rng.random(200) < 0.7
    curve = np.cumprod(
        [1 - (event & (duration == t)).sum() / (duration >= t).sum() for t in range(1, 37)]
    )
    found = decision_curve(
        np.full(200, 0.01), event, duration, horizon=36, thresholds=[1 - curve[-1]]
    )
    assert found.everyone[0] == pytest.approx(0)
    assert found.model[0] == found.everyone[0]


def test_true_probabilities_are_worth_more_than_either_extreme_at_every_threshold() -> None:
    rng = np.random.default_rng(1)
    n = 20_000
    hazard = np.exp(1.5 * rng.standard_normal(n)) / 40
    until, leaving = rng.exponential(1 / hazard), rng.exponential(80, n)
    thresholds = np.arange(0.1, 0.95, 0.1)
    found = decision_curve(
        np.exp(-36 * hazard),
        until <= leaving,
        np.minimum(until, leaving),
        horizon=36,
        thresholds=thresholds,
    )
    assert (found.model > np.maximum(found.everyone, 0)).all()
    # Closed form: E[(r - (1 - r) p / (1 - p)) 1(r >= p)] for the true risk r.
    risk = 1 - np.exp(-36 * hazard)
    for p, model in zip(thresholds, found.model, strict=True):
        gain = (risk - (1 - risk) * p / (1 - p)) * (risk >= p)
        assert model == pytest.approx(gain.mean(), abs=0.01)


def test_nobody_flagged_is_worth_nothing_and_an_unfollowed_group_is_unknown() -> None:
    survival = np.array([0.4, 0.4, 0.9, 0.9])
    event = np.array([1, 0, 0, 1], dtype=bool)
    duration = np.array([5.0, 10.0, 50.0, 20.0])
    found = decision_curve(survival, event, duration, horizon=36, thresholds=[0.05, 0.5, 0.7])
    assert np.isfinite(found.model[0])
    assert np.isnan(found.model[1])  # the flagged are followed to 10 months only
    assert found.model[2] == 0
    assert found.n_flagged.tolist() == [4, 2, 0]


@pytest.mark.parametrize(
    ("survival", "horizon", "thresholds", "error"),
    [
        ([0.5, 0.5], 36.0, [0.2], EstimationError),
        ([0.5, np.nan], 8.0, [0.2], EstimationError),
        ([0.5, 1.5], 8.0, [0.2], DataError),
        ([0.5], 8.0, [0.2], DataError),
        ([0.5, 0.5], 8.0, [0.0], DataError),
        ([0.5, 0.5], 8.0, [1.0], DataError),
    ],
)
def test_impossible_input_raises(
    survival: list[float], horizon: float, thresholds: list[float], error: type[Exception]
) -> None:
    with pytest.raises(error):
        decision_curve(survival, [True, False], [5.0, 10.0], horizon=horizon, thresholds=thresholds)
