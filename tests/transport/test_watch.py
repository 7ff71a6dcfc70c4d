"""A model in use is watched: numbers against formulas, alarms at their stated rate."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from scipy.stats import betabinom, nbinom

from camlif.statistics import GateResult, fit_calibration
from camlif.statistics.outcome import FollowUp
from camlif.transport.watch import first_alarm
from camlif.transport.watch_evidence import (
    above_evidence,
    bin_counts,
    population_stability,
    rate_evidence,
    rate_limits,
    shares_evidence,
    slope_evidence,
    windows,
)
from camlif.transport.watch_inputs import comparable_risk
from camlif.transport.watch_outcomes import Followed, watch_outcomes
from tests.builders.watched import Drift, use_model

RATE = 0.05


# Evidence


def test_evidence_of_a_share_has_mean_1_without_a_change() -> None:
    n, n_training, share = 30, 400, 0.12
    hits = np.arange(n + 1.0)
    counts, shares = np.stack([hits, n - hits], axis=1), np.array([share, 1 - share])
    chance = betabinom.pmf(hits, n, n_training * share, n_training * (1 - share))
    evidence = shares_evidence(counts, shares, np.array(n_training))
    assert (chance * np.exp(evidence)).sum() == pytest.approx(1, abs=1e-9)


def test_evidence_of_a_rate_has_mean_1_without_a_change() -> None:
    events, expected, n_training = np.arange(400.0), 20.0, 150
    chance = nbinom.pmf(events, n_training, n_training / (n_training + expected))
    evidence = rate_evidence(events, np.full(len(events), expected), n_training)
    assert (chance * np.exp(evidence)).sum() == pytest.approx(1, abs=1e-6)


def test_evidence_of_a_slope_has_mean_1_without_a_change() -> None:
    information, n_training = 12.0, 80.0
    sd = np.sqrt(information + information**2 / n_training)
    score = np.linspace(-20 * sd, 20 * sd, 20_001)
    chance = np.exp(-0.5 * (score / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
    evidence = slope_evidence(score, np.full(len(score), information), n_training)
    assert np.trapezoid(chance * np.exp(evidence), score) == pytest.approx(1, abs=1e-6)


def test_shares_below_what_is_expected_are_no_evidence_of_more() -> None:
    assert above_evidence(np.array([2.0]), np.array([100.0]), 0.05)[0] < 0
    assert above_evidence(np.array([20.0]), np.array([100.0]), 0.05)[0] > 5


def test_nobody_is_no_evidence() -> None:
    nobody = np.zeros(1)
    for evidence in (
        shares_evidence(np.zeros((1, 5)), np.full(5, 0.2), np.array(300)),
        rate_evidence(nobody, nobody, 100),
        slope_evidence(nobody, nobody, 100),
        above_evidence(nobody, nobody, 0.05),
    ):
        assert evidence == pytest.approx(0, abs=1e-12)


def test_events_within_the_limits_give_no_alarm_and_those_beyond_do() -> None:
    low, high = rate_limits(40.0, 170, np.log(960))
    assert high is not None

    def evidence(events: int) -> float:
        return float(rate_evidence(np.array([float(events)]), np.array([40.0]), 170)[0])

    assert max(evidence(low), evidence(high)) < np.log(960)
    assert min(evidence(low - 1), evidence(high + 1)) >= np.log(960)


def test_windows_are_sums_from_each_month_until_the_last() -> None:
    last = windows(np.array([1.0, 2.0, 4.0]))[-1]
    assert last.tolist() == [7.0, 6.0, 4.0]


def test_an_alarm_names_the_month_since_when_a_change_is_likeliest() -> None:
    evidence = [np.array([0.0]), np.array([1.0, 3.0]), np.array([1.0, 8.0, 2.0])]
    assert first_alarm(evidence, 5.0) == (1, 2)
    assert first_alarm(evidence, 9.0) is None


# Inputs


def test_stability_index_is_that_of_the_formula() -> None:
    counts, shares = np.array([30.0, 20.0, 20.0, 20.0, 10.0]), np.full(5, 0.2)
    own = (counts + 0.5) / 102.5
    by_hand = sum((a - 0.2) * np.log(a / 0.2) for a in own)
    assert population_stability(counts, shares) == pytest.approx(by_hand)
    assert np.isnan(population_stability(np.zeros(5), shares))


def test_patients_on_an_edge_count_as_training_patients_there_did() -> None:
    at_zero = np.array([4.0, 4.0, 7.0, 8.0])  # a column that is 0 in 4 of 10 patients
    counts = bin_counts(np.array([0.0, 0.0, 6.0, 8.0]), at_zero, np.array(10.0))
    assert counts.tolist() == [2, 2, 2, 2, 2]


def test_risks_are_compared_by_as_many_members_as_training_patients_had() -> None:
    members = np.array([[1.0, 2.0, 3.0, 4.0]] * 3)
    seen = np.array([[True, True, False, False], [False, False, True, True], [True] * 4])
    assert comparable_risk(members, seen).tolist() == [3.5, 1.5, 3.5]


# Outcomes


def _gate(*, is_open: bool) -> Any:
    return SimpleNamespace(
        modalities=("ct",),
        open_until=24 if is_open else 0,
        n_events=40,
        gates=(
            cast(GateResult, SimpleNamespace(verdict="closed", reason="observed 3 times expected")),
        ),
    )


def _reference(*, is_open: bool = True) -> Any:
    """Cumulative hazard 0.02 a month up to 40 months."""
    rng = np.random.default_rng(0)
    duration = np.arange(1.0, 41.0)
    calibration = replace(
        fit_calibration(rng.normal(size=40), np.ones(40), duration),
        slope=1.0,
        cumulative_hazard=0.02 * duration,
    )
    found = SimpleNamespace(validation=_gate(is_open=is_open), calibration=calibration)

    def by_set(presence: Any) -> Any:
        yield found, np.arange(len(presence))

    return SimpleNamespace(
        mean=0.0,
        sd=1.0,
        by_set=by_set,
        survival_at_end=lambda risk, _, end: calibration.survival_at_end(risk, end),
    )


def _followed(event: list[bool], duration: list[float], **others: Any) -> Followed:
    n = len(event)
    parts = {
        "log_risk": np.zeros(n),
        "presence": np.ones((n, 1), dtype=bool),
        "unlike": np.zeros(n, dtype=bool),
        "start": np.zeros(n),
    }
    outcome = FollowUp.check(event, duration)
    return Followed(outcome=outcome, **{**parts, **others})


MONTH_ENDS = 30.4375 * np.arange(1, 7)


def test_events_and_hazards_count_in_the_month_in_which_they_fall() -> None:
    start = 30.4375 * np.array([0.0, 2.0])
    found = watch_outcomes(
        _followed([True, False], [3.0, 2.0], start=start), _reference(), MONTH_ENDS, resamples=2
    )
    assert found.observed.tolist() == [0, 0, 1, 0, 0, 0]
    # The first is under observation in months 1 to 3, the second in months 3 and 4.
    assert found.expected == pytest.approx([0.02, 0.02, 0.04, 0.02, 0, 0])


def test_follow_up_counts_up_to_the_last_horizon_at_which_risk_is_shown() -> None:
    ends = 30.4375 * np.arange(1, 41)
    found = watch_outcomes(_followed([True], [30.0]), _reference(), ends, resamples=2)
    assert found.observed.sum() == 0
    assert found.expected.sum() == pytest.approx(24 * 0.02)


def test_late_entry_is_not_under_observation() -> None:
    late = replace(_followed([True], [5.0]), outcome=FollowUp.check([True], [5.0], np.array([3.0])))
    found = watch_outcomes(late, _reference(), MONTH_ENDS, resamples=2)
    assert found.expected == pytest.approx([0, 0, 0, 0.02, 0.02, 0])


def test_withheld_absolute_risk_is_in_no_sum_and_said() -> None:
    followed = _followed([True, True], [3.0, 4.0])
    closed = watch_outcomes(followed, _reference(is_open=False), MONTH_ENDS, resamples=2)
    assert closed.expected.sum() == closed.observed.sum() == closed.counted == 0
    ((reason, n),) = closed.withheld.items()
    assert n == 2
    assert reason.startswith("ct: the calibration check fails")
    unlike = replace(followed, unlike=np.array([True, False]))
    found = watch_outcomes(unlike, _reference(), MONTH_ENDS, resamples=2)
    assert found.observed.sum() == found.counted == 1
    assert found.withheld == {"unlike the training data": 1}


# Alarms


@pytest.mark.parametrize(
    ("drift", "kind"),
    [
        (Drift(hazard=4.0), "events"),
        (Drift(scale=1.5), "distance"),
        (Drift(absent=0.5), "missing"),
    ],
)
def test_a_change_gives_an_alarm_of_its_kind(drift: Drift, kind: str) -> None:
    assert use_model(3, drift).first(kind) <= 12


@pytest.mark.slow
def test_false_alarms_are_no_more_than_stated() -> None:
    alarms = [np.isfinite(use_model(seed, rate=RATE).first()) for seed in range(500)]
    assert np.mean(alarms) <= RATE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("drift", "kind", "months"),
    [
        (Drift(hazard=2.0), "events", 12),
        (Drift(scale=1.3), "distance", 2),
        (Drift(absent=0.3), "missing", 6),
    ],
)
def test_changes_are_found_in_half_of_the_runs_within_so_many_months(
    drift: Drift, kind: str, months: int
) -> None:
    assert np.median([use_model(seed, drift).first(kind) for seed in range(60)]) <= months
