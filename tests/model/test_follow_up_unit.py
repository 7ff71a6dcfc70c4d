"""Follow-up in another unit: what is told of, and what is not."""

from __future__ import annotations

import numpy as np
import pytest

from camlif.model.follow_up_unit import FollowUpFacts, unit_warning
from camlif.statistics.outcome import FollowUp


def cohort(
    *, seed: int = 0, n: int = 200, mean: float = 40.0, end: float = 90.0, unit: float = 1.0
) -> FollowUpFacts:
    """Exponential times to the event, in months, censored evenly up to ``end``."""
    rng = np.random.default_rng(seed)
    event_time, last = rng.exponential(mean, n), rng.uniform(0, end, n)
    duration = np.minimum(event_time, last) * unit
    return FollowUpFacts.of(FollowUp(event_time <= last, duration, None))


KNOWN = cohort(seed=1, n=500)


@pytest.mark.parametrize("unit", [30.4375, 12, 365.25, 1 / 12, 1 / 30.4375])
@pytest.mark.parametrize("n", [30, 200])
def test_another_unit_is_told(unit: float, n: int) -> None:
    assert unit_warning(cohort(n=n, unit=unit), KNOWN) is not None


@pytest.mark.parametrize("seed", range(20))
def test_the_same_unit_is_not(seed: int) -> None:
    assert unit_warning(cohort(seed=seed, n=30), KNOWN) is None


@pytest.mark.parametrize(("mean", "end"), [(40.0, 9.0), (40.0, 600.0), (16.0, 90.0), (200.0, 90.0)])
def test_longer_or_shorter_follow_up_and_other_risks_are_not(mean: float, end: float) -> None:
    assert unit_warning(cohort(mean=mean, end=end), KNOWN) is None


def test_too_few_events_tell_nothing() -> None:
    assert unit_warning(cohort(n=4, unit=30.4375), KNOWN) is None


def test_months_count_from_entry_on() -> None:
    followed = FollowUp(np.array([True, False]), np.array([10.0, 20.0]), np.array([4.0, 0.0]))
    facts = FollowUpFacts.of(followed)
    assert (facts.months, facts.median, facts.rate) == (26.0, 15.0, 1 / 26)
    assert facts.words == "median follow-up 15 months, 1 event in 2 patients, 46 a year per 100"


def test_the_warning_says_both_follow_ups_with_their_unit() -> None:
    found = FollowUpFacts(n_patients=40, n_events=20, median=600, months=24000)
    known = FollowUpFacts(n_patients=400, n_events=200, median=20, months=8000)
    assert unit_warning(found, known) == (
        "Follow-up seems to be in another unit than in training: median follow-up 600 months, "
        "20 events in 40 patients, 1 a year per 100; in training median follow-up 20 months, 200 "
        "events in 400 patients, 30 a year per 100."
    )
