"""Meeting: a board walks a worklist, case by case, in large type.

The worklist and the meeting that the address names go in; the case in view is drawn with what was
said last time and the forms. Without a meeting the page is `dashboard.views.meeting.lobby`.
"""

from __future__ import annotations

import streamlit as st

from dashboard.components import trail, worklists
from dashboard.components.case_view import CaseView, ModelledCase, ScoredCase, view_case
from dashboard.components.text import plain
from dashboard.components.worklists import show_errors
from dashboard.session import address, state
from dashboard.session.state import Workspace
from dashboard.store import Meeting, Worklist
from dashboard.views.case import board, commit_first, course, data, panels, picker
from dashboard.views.meeting import lobby

KEYS = "Alt+J: next case. Alt+K: previous. Alt+L: leave. None of them works while you type."


def main() -> None:
    """Draw the page."""
    workspace = state.workspace()
    with show_errors():
        worklists.choose_the_only(workspace)
        rows = picker.options(workspace)
        worklist = worklists.chosen(workspace)
        worklists.name_in_address(worklist)
        meeting = None if worklist is None else lobby.joined(worklist)
        if worklist is None or meeting is None or not rows:
            lobby.draw(workspace, worklist)
            return
        with st.container(key="meeting_page"):
            _case(workspace, worklist, meeting, rows)


def _case(workspace: Workspace, worklist: Worklist, meeting: Meeting, rows: list[int]) -> None:
    row = picker.opened(rows)
    case = view_case(workspace, row)
    picker.name_in_address(workspace, row)
    _bar(case, worklist, rows)
    hidden = commit_first.waiting(case)
    trail.case_opened(case, result_hidden=hidden is not None)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        data.patient(case)
        if hidden is not None:
            commit_first.form(hidden)
        else:
            _result(case)
    with right:
        board.meeting_panel(case, meeting)
    if hidden is None and isinstance(case, ScoredCase):
        panels.curves(case)
    course.panel(case, hidden=hidden is not None)


def _bar(case: CaseView, worklist: Worklist, rows: list[int]) -> None:
    """Say where the meeting is; walk on, or leave with the same case open."""
    with st.container(horizontal=True, vertical_alignment="center", key="meeting_bar"):
        place = f"{rows.index(case.row) + 1:,} of {len(rows):,}"
        st.markdown(f"**{place}** · {plain(worklist.name)}", width="content")
        picker.walk(rows)
        if st.button("Leave", key="meeting_leave", shortcut="Alt+L"):
            lobby.leave()
            where = {worklists.CHOSEN.name: str(worklist.id), address.CASE: case.token}
            st.switch_page("views/case/page.py", query_params=where)
        st.button("Agenda and files", key="meeting_agenda", on_click=lobby.leave)
    worklists.say_absent(case.workspace, worklist)
    st.caption(KEYS)


def _result(case: CaseView) -> None:
    if not isinstance(case, ModelledCase):
        data.no_model(case)
    elif not isinstance(case, ScoredCase):
        data.no_score(case)
    else:
        with st.container(key="meeting_result"):
            panels.result(case)
            panels.state_and_reason(case)


main()
