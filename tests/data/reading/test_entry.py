"""Delayed entry: recognised, mapped, checked, carried to the cohort and its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from camlif.data.cohort import Cohort
from camlif.data.manifest import read_manifest
from camlif.data.reading.assignments import assign
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.readers import load_cohort, read_cohort
from camlif.data.reading.writing import write_cohort
from camlif.statistics.outcome import LATE_ENTRY, life_table

CT = b"patient_id,v\na,1\nb,2\nc,4\nd,3\n"
ROWS = (("a", 9, 1, 2), ("b", 8, 0, 0), ("c", 7, 1, 6.5), ("d", 12, 0, 3))


def read(
    name: str = "entry_months", *, entries: tuple[object, ...] | None = None, toml: str = ""
) -> tuple[Cohort | None, CheckReport]:
    cells = entries or tuple(row[3] for row in ROWS)
    lines = [f"{p},{t},{e},{c}" for (p, t, e, _), c in zip(ROWS, cells, strict=True)]
    clinical = "\n".join([f"patient_id,survival_months,event,{name}", *lines])
    files = {"clinical.csv": clinical.encode(), "ct.csv": CT}
    return read_cohort(files | ({"cohort.toml": toml.encode()} if toml else {}))


def cohort_of(cohort: Cohort | None) -> Cohort:
    assert cohort is not None
    return cohort


@pytest.mark.parametrize(
    ("name", "per_month"),
    [
        ("entry_months", 1),
        ("Delayed entry", 1),
        ("time_at_entry", 1),
        ("left_truncation", 1),
        ("entry_years", 12),
        ("entry_time_days", 1 / 30.4375),
    ],
)
def test_a_usual_name_is_recognised_in_its_unit_else_that_of_the_follow_up(
    name: str, per_month: float
) -> None:
    entries = tuple(0.05 * row[3] for row in ROWS)
    cohort, report = read(name, entries=entries)
    found = cohort_of(cohort)
    assert found.entry == pytest.approx(per_month * np.array(entries))
    assert found.enters_late
    assert name not in report.inputs
    (assignment,) = [a for a in report.mapping if a.role == "entry"]
    assert assignment.chosen == (name,)
    assert LATE_ENTRY in [p.message for p in report.warnings]


@pytest.mark.parametrize("name", ["entry_site", "date_of_entry", "grade"])
def test_other_names_are_no_entry_time(name: str) -> None:
    cohort, _ = read(name)
    assert cohort_of(cohort).entry is None


def test_a_column_is_chosen_and_taken_back_by_the_mapping() -> None:
    chosen, report = read("since", toml='[clinical]\nentry = "since"\n')
    assert cohort_of(chosen).entry is not None
    (assignment,) = [a for a in report.mapping if a.role == "entry"]
    assert assignment.confidence == "given"
    (change,) = assign(report, assignment, ())
    assert (change.path, change.value) == (("clinical", "entry"), "")
    none, _ = read(toml='[clinical]\nentry = ""\n')
    assert cohort_of(none).entry is None
    assert "entry_months" not in [c.name for c in cohort_of(none).schema.clinical]


def test_an_entry_that_is_not_before_the_end_is_an_error_with_its_rows() -> None:
    cohort, report = read(entries=(2, 8, 6, 13))
    assert cohort is None
    (problem,) = report.errors
    assert (problem.code, problem.column, problem.rows) == ("E-10", "entry_months", (3, 5))


def test_patients_who_enter_too_late_can_be_left_without_outcome() -> None:
    cohort, _ = read(entries=(2, 8, 6, 13), toml='[clinical]\nlate_entries = "drop"\n')
    assert cohort_of(cohort).with_outcome.tolist() == [True, False, True, False]


def test_a_missing_entry_leaves_a_patient_without_outcome_and_a_negative_one_is_zero() -> None:
    cohort, report = read(entries=("", -4, 6, 3))
    assert cohort_of(cohort).with_outcome.tolist() == [False, True, True, True]
    assert np.nan_to_num(cohort_of(cohort).entry, nan=-1).tolist() == [-1, 0, 6, 3]
    said = [p.message for p in report.problems]
    assert any("1 patient without entry, follow-up time or event status" in text for text in said)
    assert any("before time zero counts as entry at time zero" in text for text in said)


def test_follow_up_of_the_report_counts_from_entry() -> None:
    _, report = read()
    assert report.outcome is not None
    table = life_table([0, 1, 0, 1], [9, 8, 7, 12], [2, 0, 6.5, 3])
    reached = table.time[table.survival <= 0.5]
    assert report.outcome.median_months == reached[0]
    assert report.to_json()["outcome"]["entry_column"] == "entry_months"


def test_entry_survives_selection_writing_and_reading(tmp_path: Path) -> None:
    cohort = cohort_of(read()[0])
    write_cohort(cohort, tmp_path)
    again = load_cohort(tmp_path)
    assert again.entry is not None
    np.testing.assert_array_equal(again.entry, cohort.entry)
    assert read_manifest(tmp_path / "cohort.toml").clinical.entry == "entry_months"
    assert cohort.take([2, 0]).entry.tolist() == [6.5, 2]  # type: ignore[union-attr]  # has one
    assert cohort.digest != cohort_of(read(entries=(1, 0, 6.5, 3))[0]).digest


def test_a_cohort_without_entries_has_the_digest_it_had() -> None:
    with_zeros, without = cohort_of(read(entries=(0, 0, 0, 0))[0]), cohort_of(read("other")[0])
    assert without.entry is None
    assert not with_zeros.enters_late
