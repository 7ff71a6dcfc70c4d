"""Checks of outcome arrays, and the life table against lifelines and hand counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from camlif.exceptions import DataError
from camlif.statistics.outcome import check_numbers, check_outcome, life_table
from tests.builders.strategies import Patients, patients

# Months 2 and 3 hold ties: an event with a patient who leaves, and two events.
EVENT = [1, 0, 1, 1, 0, 1]
DURATION = [2.0, 2.0, 3.0, 3.0, 5.0, 7.0]


def test_life_table_counts_ties_as_by_hand() -> None:
    table = life_table(EVENT, DURATION)
    assert table.time.tolist() == [2, 3, 5, 7]
    assert table.at_risk.tolist() == [6, 4, 2, 1]
    assert table.events.tolist() == [1, 2, 0, 1]
    assert table.left.tolist() == [1, 0, 1, 0]


def test_survival_and_greenwood_have_their_worked_values() -> None:
    table = life_table(EVENT, DURATION)
    assert table.survival.tolist() == pytest.approx([5 / 6, 5 / 12, 5 / 12, 0])
    assert table.greenwood.tolist() == pytest.approx([1 / 30, 17 / 60, 17 / 60, np.inf])


def test_survival_is_a_right_continuous_step_that_starts_at_one() -> None:
    table = life_table(EVENT, DURATION)
    assert table.survival_at([0, 1.9, 2, 2.5, 3, 6.9, 7, 8]).tolist() == pytest.approx(
        [1, 1, 5 / 6, 5 / 6, 5 / 12, 5 / 12, 0, 0]
    )


def test_survival_after_the_last_duration_is_unknown_unless_zero() -> None:
    assert np.isnan(life_table([1, 0], [1.0, 4.0]).survival_at(4.1))
    assert life_table([1, 1], [1.0, 4.0]).survival_at(4.1) == 0


@given(p=patients())
def test_life_table_equals_lifelines(p: Patients) -> None:
    from lifelines.utils import survival_table_from_events

    expected = survival_table_from_events(p.duration, p.event).loc[1:]  # drops its row of birth
    table = life_table(p.event, p.duration)
    assert table.time.tolist() == expected.index.tolist()
    assert table.at_risk.tolist() == expected["at_risk"].tolist()
    assert table.events.tolist() == expected["observed"].tolist()
    assert table.left.tolist() == expected["censored"].tolist()


# Entry at months 1, 2.5 and 3; the others are followed from the start.
ENTRY = [0.0, 1.0, 2.5, 0.0, 3.0, -2.0]


def test_late_entries_are_at_risk_only_afterwards_as_by_hand() -> None:
    table = life_table(EVENT, DURATION, ENTRY)
    assert table.time.tolist() == [1, 2, 2.5, 3, 5, 7]
    assert table.at_risk.tolist() == [3, 4, 2, 3, 2, 1]
    assert table.events.tolist() == [0, 1, 0, 2, 0, 1]
    assert table.left.tolist() == [0, 1, 0, 0, 1, 0]
    assert table.survival.tolist() == pytest.approx([1, 3 / 4, 3 / 4, 1 / 4, 1 / 4, 0])


def test_before_anybody_enters_nobody_is_at_risk_and_survival_is_one() -> None:
    table = life_table([1, 1], [3.0, 4.0], [1.0, 2.0])
    assert table.at_risk.tolist() == [0, 1, 2, 1]
    assert table.survival.tolist() == [1, 1, 0.5, 0]
    assert np.isfinite(table.greenwood[:3]).all()


@given(p=patients())
def test_entry_at_zero_changes_nothing(p: Patients) -> None:
    plain, entered = life_table(p.event, p.duration), life_table(p.event, p.duration, p.event * 0)
    for name in ("time", "at_risk", "events", "left"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(entered, name))


def test_an_entry_after_the_follow_up_is_refused() -> None:
    with pytest.raises(DataError, match="2 patients enter") as caught:
        life_table([1, 0, 1], [2.0, 3.0, 4.0], [2.0, 5.0, 1.0])
    assert caught.value.code == "E-10"


@given(p=patients())
def test_log_log_band_encloses_survival_within_0_and_1(p: Patients) -> None:
    table = life_table(p.event, p.duration)
    low, high = table.log_log_band()
    inside = table.survival > 0
    assert np.isnan(low[~inside]).all()
    assert np.isnan(high[~inside]).all()
    assert (low[inside] >= 0).all()
    assert (low[inside] <= table.survival[inside]).all()
    assert (table.survival[inside] <= high[inside]).all()
    assert (high[inside] <= 1).all()


@pytest.mark.parametrize(
    ("event", "duration", "match"),
    [
        ([1, 2], [1.0, 2.0], "other than 0 and 1"),
        ([1, 0], [1.0, np.nan], "duration holds 1 missing"),
        ([1, np.nan], [1.0, 2.0], "event holds 1 missing"),
        ([1, 0], [1.0, np.inf], "infinite"),
        ([1, 0, 1], [1.0, 2.0], "one value per patient"),
        ([[1, 0]], [[1.0, 2.0]], "one value per patient"),
        (["yes", "no"], [1.0, 2.0], "no numbers"),
    ],
)
def test_unusable_outcomes_raise(event: object, duration: object, match: str) -> None:
    with pytest.raises(DataError, match=match):
        check_outcome(event, duration)  # type: ignore[arg-type]


def test_event_codes_other_than_0_and_1_are_named() -> None:
    with pytest.raises(DataError) as caught:
        check_outcome([1, 2, 1], [1.0, 2.0, 3.0])
    assert caught.value.code == "E-11"
    assert caught.value.found == "1, 2"


def test_the_first_broken_position_is_named() -> None:
    with pytest.raises(DataError, match="the first at position 2"):
        check_numbers("age", [1.0, 2.0, np.inf, np.nan])


def test_negative_durations_raise_with_their_count() -> None:
    with pytest.raises(DataError, match="2 follow-up times are below zero") as caught:
        life_table([1, 1, 0], [-1.0, -2.0, 3.0])
    assert caught.value.code == "E-10"


def test_nobody_has_no_life_table() -> None:
    with pytest.raises(DataError, match="no patient"):
        life_table([], [])
