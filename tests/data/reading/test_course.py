"""The course of patients: read from timelines and clinical dates, for people, never an input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from camlif.data.cohort import Cohort
from camlif.data.course import CourseEvent, before_prediction, chief_events, course_sentence
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.course import kind_of
from camlif.data.reading.readers import read_cohort
from camlif.data.reading.words import parts

IDS = [f"P{i:03d}" for i in range(30)]
MONTH = 30.4375


def days(first: str) -> list[str]:
    return list(pd.date_range(first, periods=len(IDS)).strftime("%Y-%m-%d"))


def clinical(**more: object) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"patient_id": IDS, "age": rng.integers(40, 80, len(IDS))})
    table["survival_months"] = rng.uniform(2, 60, len(IDS)).round(1)
    table["event"] = np.arange(len(IDS)) % 2
    return table.assign(**more)


def read(
    table: pd.DataFrame, timeline: pd.DataFrame | None = None, name: str = "data_timeline_x.txt"
) -> tuple[Cohort, CheckReport]:
    features = np.random.default_rng(2).normal(size=(len(IDS), 6))
    ct = pd.DataFrame(features, columns=[f"f{i}" for i in range(6)])
    ct.insert(0, "patient_id", IDS)
    files = {"clinical.csv": table.to_csv(index=False).encode()}
    files["ct.csv"] = ct.to_csv(index=False).encode()
    if timeline is not None:
        files[name] = timeline.to_csv(index=False, sep="\t").encode()
    cohort, report = read_cohort(files)
    assert cohort is not None, report.problems
    return cohort, report


def timeline(*rows: tuple[object, ...]) -> pd.DataFrame:
    names = ("PATIENT_ID", "START_DATE", "STOP_DATE", "EVENT_TYPE", "TREATMENT_TYPE", "AGENT")
    return pd.DataFrame(rows, columns=list(names))


def rows_of(cohort: Cohort, row: int) -> list[tuple[object, ...]]:
    return [(e.start, e.stop, e.kind, e.label) for e in cohort.course_of(row)]


# Timeline files


@pytest.mark.parametrize("name", ["data_timeline_x.txt", "what_happened.tsv"])
def test_a_timeline_is_told_by_its_header_and_used_for_the_course_only(name: str) -> None:
    table = timeline(
        ("P000", 60.875, 121.75, "TREATMENT", "Chemotherapy", "Temozolomide"),
        ("P000", 0, "", "SURGERY", "", ""),
        ("P001", 304.375, "", "STATUS", "Recurrence", ""),
    )
    cohort, report = read(clinical(), table, name)
    assert {file.name: file.role for file in report.files}[name] == "course"
    assert any("Used for the course only" in problem.line for problem in report.problems)
    assert not report.errors
    assert cohort.schema.names == ("ct",)
    assert rows_of(cohort, 1) == [(10.0, None, "recurrence", "Recurrence")]
    surgery, treatment = rows_of(cohort, 0)
    assert surgery[2:] == ("surgery", "Surgery")
    assert treatment == (2.0, 4.0, "treatment", "Treatment: Chemotherapy, Temozolomide")
    assert cohort.course_of(2) == ()


def test_rows_that_cannot_be_placed_are_said_with_their_rows() -> None:
    table = timeline(
        ("P000", "soon", "", "SURGERY", "", ""),
        ("P001", 5, "", "SURGERY", "", ""),
        ("nobody", 5, "", "SURGERY", "", ""),
    )
    cohort, report = read(clinical(), table)
    undated = next(p for p in report.problems if "no day in START_DATE" in p.message)
    assert undated.rows == (2,)
    assert any("1 row is of no patient" in p.message for p in report.problems)
    assert cohort.course is not None
    assert set(cohort.course["patient_id"]) == {"P001"}


# Dates and days of the clinical table


DATED = {
    "date_of_diagnosis": days("2015-01-01"),
    "surgery_date": days("2015-01-11"),
    "radiation_start_date": days("2015-02-01"),
    "radiation_end_date": days("2015-03-01"),
    "days_to_recurrence": [100.0] * len(IDS),
    "months_to_last_followup": [12.0] * len(IDS),
}


def test_dates_and_days_of_the_clinical_table_count_from_diagnosis() -> None:
    cohort, _ = read(clinical(**DATED))
    found = rows_of(cohort, 3)
    kinds = ["diagnosis", "surgery", "treatment", "recurrence", "last contact"]
    assert [row[2] for row in found] == kinds
    starts = [0, 10 / MONTH, 31 / MONTH, 100 / MONTH, 12]
    assert [row[0] for row in found] == pytest.approx(starts)
    assert found[2][1] == pytest.approx(59 / MONTH)
    assert [row[3] for row in found] == [
        *("Diagnosis", "Surgery", "Radiation", "Recurrence", "Last followup")
    ]


def test_nothing_of_the_course_is_an_input_or_changes_the_digest() -> None:
    table = timeline(("P000", 5, "", "SURGERY", "", ""))
    plain, _ = read(clinical(), None)
    timed, _ = read(clinical(), table)
    dated, report = read(clinical(**DATED), table)
    for cohort in (plain, timed, dated):
        assert [column.name for column in cohort.schema.clinical] == ["age"]
    assert timed.digest == plain.digest
    left = {role.column for role in report.no_inputs["clinical.csv"]}
    assert left == set(DATED)


def test_no_course_is_made_of_the_outcome_alone_or_of_a_birth() -> None:
    outcome = clinical().drop(columns="survival_months")
    outcome["days_to_death"] = [300.0 if e else np.nan for e in outcome["event"]]
    outcome["days_to_last_followup"] = [np.nan if e else 500.0 for e in outcome["event"]]
    assert read(outcome)[0].course is None
    assert read(clinical())[0].course is None
    assert read(clinical(days_to_birth=[-20_000.0 - i for i in range(len(IDS))]))[0].course is None


def test_patients_taken_keep_their_own_course() -> None:
    cohort, _ = read(clinical(**DATED))
    part = cohort.take([4, 2])
    assert part.course is not None
    assert set(part.course["patient_id"]) == {"P004", "P002"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("date_of_death", "death"),
        ("days_to_last_contact", "last contact"),
        ("DATE_LAST_FOLLOW_UP", "last contact"),
        ("months_to_progression", "recurrence"),
        ("Resection date", "surgery"),
        ("chemotherapy_start", "treatment"),
        ("date_of_diagnosis", "diagnosis"),
        ("collection_date", "other"),
        ("date_of_birth", "other"),
    ],
)
def test_a_name_says_what_happened(name: str, kind: str) -> None:
    assert kind_of(parts(name)) == kind


def event(start: float, kind: str, label: str, stop: float | None = None) -> CourseEvent:
    return CourseEvent(start, stop, kind, label)  # type: ignore[arg-type]


def test_before_the_prediction_nothing_later_and_no_outcome_is_known() -> None:
    course = [
        event(-2, "treatment", "Neoadjuvant", stop=1),
        event(-1, "recurrence", "Earlier tumour"),
        event(0, "diagnosis", "Diagnosis"),
        event(0.5, "surgery", "Surgery"),
        event(9, "death", "Death"),
    ]
    known = before_prediction(course)
    assert [(e.label, e.stop) for e in known] == [("Neoadjuvant", None), ("Diagnosis", None)]


def test_laboratory_tests_give_way_first_where_there_is_room_for_few() -> None:
    course = [event(i, "other", f"Lab {i}") for i in range(5)] + [event(9, "death", "Death")]
    assert [e.label for e in chief_events(course, 3)] == ["Lab 0", "Lab 1", "Death"]
    assert chief_events(course, 9) == tuple(course)


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (1, "1 event: Visit 0 at 0.0 months."),
        (2, "2 events over 6.0 months, Visit 0 to Visit 1."),
        (1200, "1,200 events over 7194.0 months, Visit 0 to Visit 1199."),
    ],
)
def test_a_course_is_said_in_one_sentence(n: int, words: str) -> None:
    assert course_sentence([event(6 * i, "other", f"Visit {i}") for i in range(n)]) == words
