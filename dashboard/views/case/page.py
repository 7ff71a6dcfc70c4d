"""Case review: the sixty-second answer about one patient.

The workspace goes in; the case that `dashboard.views.case.picker` names is drawn, panel by panel.
"""

from __future__ import annotations

import streamlit as st

from dashboard.components import trail, worklists
from dashboard.components.case_view import CaseView, ModelledCase, ScoredCase, view_case
from dashboard.session import state
from dashboard.views.case import (
    board,
    case_exports,
    commit_first,
    compare,
    course,
    data,
    evidence,
    interactions,
    panels,
    picker,
    what_if,
)


def main() -> None:
    """Draw the page."""
    workspace = state.workspace()
    options = picker.options(workspace)
    if not options:
        st.info("No patient passes the filters. Reset them in the sidebar.")
        return
    if state.UNKNOWN_LINK.is_set:
        picker.ask_instead(workspace, options)
        return
    with st.container(key="case_page"):
        with st.container(horizontal=True, vertical_alignment="center", key="case_bar"):
            case = view_case(workspace, picker.pick(workspace, options))
            worklists.menu(case)
            hidden = commit_first.waiting(case)
            if hidden is None:
                _actions(case)
        trail.case_opened(case, result_hidden=hidden is not None)
        if hidden is not None:
            _before_commitment(hidden)
        else:
            with st.container(key="case_first"):
                _first_screen(case)
            if isinstance(case, ScoredCase):
                _below(case)
        course.panel(case, hidden=hidden is not None)
        board.panel(case)


def _before_commitment(case: ScoredCase) -> None:
    left, right = st.columns([7, 21], border=True)
    with left:
        data.patient(case)
    with right:
        commit_first.form(case)


def _actions(case: CaseView) -> None:
    if isinstance(case, ModelledCase):
        case_exports.menu(case)


def _first_screen(case: CaseView) -> None:
    scored = isinstance(case, ScoredCase)
    left, middle, *right = st.columns([12, 26, 19] if scored else [12, 45], border=True)
    with left:
        data.patient(case)
    with middle:
        if isinstance(case, ScoredCase):
            panels.result(case)
        elif isinstance(case, ModelledCase):
            data.no_score(case)
        else:
            data.no_model(case)
    if isinstance(case, ScoredCase):
        with right[0]:
            panels.certainty(case)
        panels.curves(case)


def _below(case: ScoredCase) -> None:
    compare.panel(case)
    evidence.contributions(case)
    what_if.panel(case)
    interactions.panel(case)
    evidence.similar(case)
    evidence.caveats(case)


main()
