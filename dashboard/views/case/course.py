"""What happened to the patient, in one line; drawn once opened. Nothing where none is given.

A case goes in and is drawn. While its result waits for the board's estimate, so does what came
after time zero.
"""

from __future__ import annotations

import streamlit as st

from camlif.data.course import before_prediction
from camlif.wording import count
from dashboard.components.case_view import CaseView
from dashboard.components.chart import show_chart, theme
from dashboard.components.text import plain
from dashboard.figures.course import course_chart
from dashboard.report.content import NO_INPUT


def panel(case: CaseView, *, hidden: bool) -> None:
    """Draw the panel.

    Parameters
    ----------
    case : CaseView
    hidden : bool
        Whether the outcome waits for the board's estimate.
    """
    events = case.workspace.cohort.course_of(case.row)
    if not events:
        return
    shown = before_prediction(events) if hidden else events
    st.header("Course", anchor=False)
    if len(shown) < len(events):
        later = count(len(events) - len(shown), "event")
        st.caption(f"Hidden until the board's estimate: {later} after time zero or of the outcome.")
    if not shown:
        return
    chart = course_chart(shown, theme=theme())
    with st.expander(plain(chart.finding)):
        show_chart(chart, key="case_course", finding=False)
        st.caption(NO_INPUT)
