"""The calibration gate: what opens and closes it, and how often noise and truth do."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from camlif.exceptions import ConfigError
from camlif.statistics import GateResult, calibration_gates, fit_calibration, judge_predictions
from camlif.statistics.calibration import (
    calibration_slope,
    cross_fitted_slope,
)
from camlif.statistics.gate import MAX_ICI, MIN_EVENTS, MIN_PATIENTS, MIN_SLOPE, _slope_off
from tests.builders.outcomes import (
    Outcomes,
    count_opened,
    late_horizon,
    opened_by_models_of_noise,
    with_events,
)

HORIZON = 36


def draw(n: int, *, spread: float = 1.0, leave: float = 60.0, seed: int = 0) -> Outcomes:
    rng = np.random.default_rng(seed)
    log_risk = spread * rng.standard_normal(n)
    until_event = rng.exponential(size=n) * 40 / np.exp(log_risk)
    until_leaving = rng.exponential(leave, n)
    return Outcomes(log_risk, until_event <= until_leaving, np.minimum(until_event, until_leaving))


def gate_at(horizon: int, *cohort: NDArray[np.generic], seed: int = 0) -> GateResult:
    (gate,) = calibration_gates(*cohort, horizons=[horizon], seed=seed)
    return gate


def judge(
    risk: NDArray[np.float64],
    survival: NDArray[np.float64],
    *outcome: NDArray[np.generic],
    held_out: bool = False,
) -> GateResult:
    (gate,) = judge_predictions(
        risk, survival[:, None], *outcome, horizons=[HORIZON], held_out=held_out
    )
    return gate


def test_gate_opens_for_a_large_cohort_whose_risks_hold() -> None:
    risk, event, duration = draw(400)
    gate = gate_at(HORIZON, risk, event, duration)
    assert gate.open
    assert (gate.verdict, gate.reason) == ("open", "")
    assert gate.ratio == pytest.approx(1.0, abs=0.1)
    assert (gate.n_patients, gate.n_events) == (400, int((event & (duration <= HORIZON)).sum()))
    assert gate.slope == pytest.approx(fit_calibration(risk, event, duration).slope)
    assert gate.slope_low is not None
    assert gate.slope_high is not None
    assert gate.slope_low < 1.0 < gate.slope_high
    assert gate.ici is not None
    assert gate.ici_high is not None
    assert gate.ici < gate.ici_high


def test_few_patients_or_events_leave_it_untested() -> None:
    gate = gate_at(60, *draw(MIN_PATIENTS - 1, leave=200.0))
    assert (gate.verdict, gate.reason) == ("untested", "only 99 patients; 100 are needed")
    gate = gate_at(6, *draw(200))
    assert gate.verdict == "untested"
    assert gate.reason == f"only {gate.n_events} events by 6 months; 50 are needed"


def test_events_count_up_to_and_including_the_horizon() -> None:
    risk, event, duration = draw(300, leave=100.0)
    earliest = np.argsort(np.where(event, duration, np.inf))
    duration = duration.copy()
    duration[event] += HORIZON + 1.0
    duration[earliest[:MIN_EVENTS]] = HORIZON
    assert gate_at(HORIZON, risk, event, duration).n_events == MIN_EVENTS
    duration[earliest[0]] += 1e-6
    assert gate_at(HORIZON, risk, event, duration).n_events == MIN_EVENTS - 1


def test_follow_up_that_ends_before_the_horizon_leaves_it_untested() -> None:
    risk, event, duration = draw(400)
    early = (risk, event & (duration < 30), np.minimum(duration, 30.0))
    gate = gate_at(HORIZON, *early)
    assert gate.verdict == "untested"
    assert "36" in gate.reason
    assert gate.ratio is None


def test_it_closes_where_expected_and_observed_events_differ() -> None:
    risk, event, duration = draw(800, spread=2.0, leave=1e9, seed=6)
    leave = np.where(risk > 0, 2.0, 1e9)  # patients at risk leave early: Kaplan-Meier misses them
    seen = event & (duration <= leave)
    gate = gate_at(HORIZON, risk, seen, np.minimum(duration, leave))
    assert gate.ratio is not None
    assert gate.ratio > 1.25
    assert gate.verdict == "closed"
    assert gate.reason == f"expected / observed events {gate.ratio:.2f}, outside 0.8 to 1.25"


def test_it_closes_for_risks_in_reverse() -> None:
    risk, event, duration = draw(400)
    gate = gate_at(HORIZON, -risk, event, duration)
    assert gate.verdict == "closed"
    assert gate.reason.startswith("the risks may not rank patients (calibration slope -")


def test_it_closes_for_risks_that_tell_nobody_apart() -> None:
    _, event, duration = draw(400)
    gate = gate_at(HORIZON, np.zeros(400), event, duration)
    assert (gate.verdict, gate.reason[:20]) == ("closed", "All risks are equal,")


def test_it_closes_for_probabilities_that_are_far_off_but_right_on_average() -> None:
    risk, event, duration = draw(2000, leave=1e9)
    chance = 1 - np.exp(-HORIZON / 40 * np.exp(risk))
    wrong = 1 - np.clip(chance.mean() + 0.3 * (chance - chance.mean()), 0, 1)
    gate = judge(risk, wrong, event, duration)
    assert gate.ratio == pytest.approx(1.0, abs=0.1)
    assert gate.ici is not None
    assert gate.ici > MAX_ICI
    assert gate.verdict == "closed"
    assert gate.reason == (
        f"predicted and observed risk lie {100 * gate.ici:.0f} points apart on average; "
        "5 are allowed"
    )
    right = judge(risk, 1 - chance, event, duration)
    assert right.open


def test_a_ratio_beyond_chance_closes_it_however_few_the_events() -> None:
    risk, event, duration = draw(97, leave=1e9, seed=2)
    survival = np.exp(-HORIZON / 40 * np.exp(risk))
    rare = duration * 8.0  # an eighth of the hazard
    gate = judge(risk, survival, event, rare)
    assert gate.n_events < MIN_EVENTS
    assert gate.ratio is not None
    assert gate.ratio > 2
    assert gate.verdict == "closed"
    assert gate.reason.startswith(f"expected / observed events {gate.ratio:.2f}, outside")
    chance = judge(risk, survival, event, duration * 1.4)
    assert chance.verdict == "untested"


def test_risks_held_out_of_one_cohort_have_a_wider_slope_than_those_of_new_patients() -> None:
    risk, event, duration = draw(400)
    survival = np.exp(-HORIZON / 40 * np.exp(risk))
    new, held_out = (
        judge(risk, survival, event, duration, held_out=held_out) for held_out in (False, True)
    )
    assert new.slope == held_out.slope
    assert new.slope is not None
    assert new.slope_low is not None
    assert held_out.slope_low is not None
    ratio = (held_out.slope - held_out.slope_low) / (new.slope - new.slope_low)  # type: ignore[operator]  # known above
    assert ratio == pytest.approx(np.sqrt(2))


def test_it_closes_where_a_slope_of_some_patients_does_not_hold_for_the_others() -> None:
    p = with_events(300, 100, seed=0, spread=0.35)
    gate = gate_at(late_horizon(p), *p)
    assert gate.slope_low is not None
    assert gate.slope_low > 0
    assert gate.slope_after is not None
    assert gate.slope_after < MIN_SLOPE
    assert gate.verdict == "closed"
    assert gate.reason == (
        f"risks calibrated on other patients are too spread: slope {gate.slope_after:.3f}, "
        "outside 0.9 to 1.1"
    )
    assert gate_at(HORIZON, *draw(400)).slope_after == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("after", "fault"), [(0.85, "too spread"), (0.9, ""), (1.1, ""), (1.2, "too alike")]
)
def test_a_slope_on_other_patients_says_in_which_direction_it_is_off(
    after: float, fault: str
) -> None:
    gate = replace(gate_at(HORIZON, *draw(400)), slope_after=after)
    assert fault in _slope_off(gate)
    assert bool(fault) == bool(_slope_off(gate))


def test_the_cross_fitted_slope_is_the_shrinkage_of_van_houwelingen_and_le_cessie() -> None:
    left, shrinkage = [], []
    for seed in range(40):
        p = with_events(300, 150, seed=seed, spread=0.4)
        slope = calibration_slope(*p)
        left.append(cross_fitted_slope(*p, seed=seed))
        shrinkage.append(1 - (slope.error / slope.value) ** 2)
    assert np.mean(left) == pytest.approx(np.mean(shrinkage), abs=0.02)


def test_gate_is_deterministic_and_survives_json() -> None:
    cohort = draw(400)
    gate = gate_at(HORIZON, *cohort)
    assert gate == gate_at(HORIZON, *cohort)
    other = gate_at(HORIZON, *cohort, seed=1)
    assert gate.ratio != other.ratio  # another partition, hence other fits
    assert GateResult(**json.loads(json.dumps(asdict(gate)))) == gate


def test_gate_needs_a_positive_horizon() -> None:
    with pytest.raises(ConfigError, match="horizon"):
        gate_at(0, *draw(100))


# How often it opens; the counts of 200 runs stand beside the tests.


@pytest.mark.slow
def test_noise_opens_it_in_at_most_5_of_100_runs() -> None:
    assert count_opened(200, noise=True) <= 10


@pytest.mark.slow
@pytest.mark.parametrize("n", [200, 300])
def test_a_well_specified_model_with_100_events_opens_it_in_9_of_10_runs(n: int) -> None:
    assert count_opened(200, n=n, noise=False) >= 180


@pytest.mark.slow
def test_a_weak_model_with_100_events_opens_it_less_often() -> None:
    """C-index 0.63: 167 of 200; in the others the fitted slope need not hold for new patients."""
    assert 150 <= count_opened(200, n=300, noise=False, spread=0.5) <= 180


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_columns", "penalizer", "n_runs"), [(5, 0.01, 200), (20, 0.1, 100), (100, 0.3, 20)]
)
def test_held_out_risks_of_a_model_of_noise_open_it_in_at_most_5_of_100_runs(
    n_columns: int, penalizer: float, n_runs: int
) -> None:
    """The benchmark of calibration makes 200 runs of each: 0 open it."""
    assert opened_by_models_of_noise(n_runs, n_columns, penalizer) <= n_runs // 20
