"""The course of a patient on the Case page: folded, and hidden with what it would tell."""

from __future__ import annotations

import pytest

from camlif.data.cohort import Cohort
from camlif.data.course import CourseEvent, course_line
from dashboard.report.content import NO_INPUT
from dashboard.store import RiskGroup, Store
from tests.dashboard.conftest import OpenApp
from tests.dashboard.views.test_board import estimate
from tests.dashboard.views.test_pages import problems_of, text_of

COURSE = (
    CourseEvent(-1.0, None, "surgery", "Biopsy"),
    CourseEvent(0.0, None, "diagnosis", "Diagnosis"),
    CourseEvent(2.0, 5.0, "treatment", "Temozolomide"),
    CourseEvent(9.0, None, "death", "Death"),
)


def test_a_course_in_a_line_says_months_once_and_how_many_more_there_are() -> None:
    brief = CourseEvent(-0.2, 0.3, "treatment", "Radiation")
    assert course_line([brief]) == "Radiation 0"
    assert course_line([*COURSE, *COURSE], n=2) == "Biopsy -1, Diagnosis 0 and 6 more"
    assert course_line([]) == ""


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody has the same course."""
    monkeypatch.setattr(Cohort, "course_of", lambda *_: COURSE)


@pytest.mark.usefixtures("given")
def test_the_course_is_one_line_that_opens(open_app: OpenApp, store: Store) -> None:
    app = open_app()
    assert problems_of(app) == []
    assert "4 events over 10.0 months, Biopsy to Death." in text_of(app)
    assert NO_INPUT in text_of(app)
    similar = next(d.value for d in app.dataframe if "distance" in d.value)
    said = {"Biopsy -1, Diagnosis 0, Temozolomide 2 to 5, Death 9"}
    assert set(similar["course (months)"]) == said


def test_without_a_course_there_is_no_panel(open_app: OpenApp, store: Store) -> None:
    app = open_app()
    assert "Course" not in [header.value for header in app.header]
    assert not any("course (months)" in d.value for d in app.dataframe)


@pytest.mark.usefixtures("given")
def test_what_came_later_waits_for_the_board_s_estimate(open_app: OpenApp, store: Store) -> None:
    app = open_app(commits_first=True)
    assert problems_of(app) == []
    shown = text_of(app)
    assert "2 events over 1.0 months, Biopsy to Diagnosis." in shown
    assert "Hidden until the board's estimate: 2 events after time zero or of the outcome." in shown
    assert "Death" not in shown
    assert "Temozolomide" not in shown
    estimate(app, RiskGroup.HIGH)
    assert "Biopsy to Death." in text_of(app)
