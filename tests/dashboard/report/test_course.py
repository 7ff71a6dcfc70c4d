"""The course of a patient in charts and files: drawn where it is given, hidden with the outcome."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from camlif.data.course import CourseEvent, CourseKind
from dashboard.figures.course import MOST_DRAWN, course_axis, course_chart
from dashboard.figures.palette import Theme
from dashboard.report.build import withhold
from dashboard.report.content import N_EVENTS, NO_INPUT
from dashboard.report.pdf import case_pdf
from tests.dashboard.report.cases import case_of, changed, read, squeezed, text_of

COURSE = (
    CourseEvent(-3.0, 0.5, "treatment", "Neoadjuvant: <b>FOLFOX</b>"),
    CourseEvent(0.0, None, "diagnosis", "Diagnosis"),
    CourseEvent(1.2, None, "surgery", "Resection of 左肺"),
    CourseEvent(14.5, None, "recurrence", "Recurrence"),
)


def test_the_pdf_draws_the_course_on_its_page_and_says_that_no_model_read_it() -> None:
    pdf = case_pdf(changed(case_of("whole"), course=COURSE))
    assert len(read(pdf).pages) == 1
    text = text_of(pdf)
    assert "4 events over 17.5 months, Neoadjuvant: <b>FOLFOX</b> to Recurrence." in text
    assert NO_INPUT in text
    for event in COURSE:
        assert squeezed(event.label) in text
        assert event.when in text
    assert "Course" not in text_of(case_pdf(case_of("whole")))


def test_what_waits_for_the_estimate_is_not_in_the_file() -> None:
    hidden = withhold(changed(case_of("whole"), course=COURSE))
    assert [(e.label, e.stop) for e in hidden.record.course] == [
        ("Neoadjuvant: <b>FOLFOX</b>", None),
        ("Diagnosis", None),
    ]
    text = text_of(case_pdf(hidden))
    assert "Recurrence" not in text
    assert "Resection" not in text


def test_a_long_course_says_how_many_more_the_json_file_has() -> None:
    course = tuple(CourseEvent(float(i), None, "other", f"Lab {i}") for i in range(40))
    report = changed(case_of("whole"), course=course)
    assert f"{40 - N_EVENTS} more are in the JSON file." in text_of(case_pdf(report))
    assert len(json.loads(report.record.to_json())["course"]) == 40


@pytest.mark.parametrize("theme", get_args(Theme))
def test_the_chart_has_a_line_for_each_event_and_its_table_has_all(theme: Theme) -> None:
    chart = course_chart(COURSE, theme=theme)
    assert [text.text for text in chart.figure.layout.annotations] == [
        *("Neoadjuvant: &lt;b&gt;FOLFOX&lt;/b&gt;", "Diagnosis", "Resection of 左肺", "Recurrence")
    ]
    assert [list(trace.x) for trace in chart.figure.data] == [[-3.0, 0.5], [0.0], [1.2], [14.5]]
    assert chart.table["until"].notna().tolist() == [True, False, False, False]
    many = [CourseEvent(float(i), None, "other", str(i)) for i in range(100)]
    chart = course_chart(many, theme=theme)
    assert (len(chart.figure.data), len(chart.table)) == (MOST_DRAWN, 100)


@pytest.mark.parametrize("kind", get_args(CourseKind))
@pytest.mark.parametrize("start", [-30.0, 0.0, 0.01, 700.0])
def test_the_axis_holds_time_zero_and_every_event(kind: CourseKind, start: float) -> None:
    left, right, ticks = course_axis([CourseEvent(start, start + 2, kind, "x")])
    assert left <= min(0, start) <= max(0, start + 2) <= right
    assert 1 <= len(ticks) <= 12
    assert left <= ticks[0] <= ticks[-1] <= right
