"""Before and after a meeting: the agenda, its beginning and end, and the packet and the minutes.

A worklist goes in; the meeting that the session has joined comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from dashboard.access.access import Action, allowed
from dashboard.components import trail, worklists
from dashboard.components.text import moment, plain, zone
from dashboard.components.worklists import show_errors
from dashboard.report.build import board_text
from dashboard.report.cover import Minutes
from dashboard.session import resources, state
from dashboard.session.keys import SessionKey
from dashboard.session.state import Workspace
from dashboard.session.user import current_user
from dashboard.store import CaseKey, Decision, Estimate, Meeting, Note, Worklist
from dashboard.store.export import as_row, decision_row
from dashboard.views.case import case_exports

MEETING: SessionKey[int] = SessionKey("meeting")
"""Number of the meeting that this session has joined, also in the address; 0 for none."""
MINUTES_OF: SessionKey[int] = SessionKey("minutes_of")
NONE = 0  # no meeting has this number


def joined(worklist: Worklist) -> Meeting | None:
    """Return the meeting that the session or its address has joined, while it goes on."""
    if not MEETING.is_set:
        linked = st.query_params.get(MEETING.name, "")
        MEETING.set(int(linked) if linked.isdecimal() else NONE)
    number = MEETING.require()
    meetings = resources.store().meetings.of(worklist.id) if number else ()
    found = next((m for m in meetings if m.id == number and m.ended is None), None)
    _name_in_address(found)
    return found


def leave() -> None:
    """Go on without the meeting, which does not end by that."""
    MEETING.set(NONE)


def _name_in_address(meeting: Meeting | None) -> None:
    if meeting is None:
        st.query_params.pop(MEETING.name, None)
    else:
        st.query_params[MEETING.name] = str(meeting.id)


def draw(workspace: Workspace, worklist: Worklist | None) -> None:
    """Draw the lobby."""
    st.markdown(
        "A board walks a worklist case by case, in large type: what was said last time, the "
        "result, and the decision and notes in place."
    )
    lists = worklists.available(workspace)
    if not lists:
        st.info("No worklist has a case of this cohort. Make one on Case, in the menu All cases.")
        st.page_link("views/case/page.py", label="Open Case")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        worklists.pick(lists, worklist)
    if worklist is None:
        st.info("Choose the worklist that the board walks.")
        return
    worklists.say_absent(workspace, worklist)
    rows = worklists.rows(workspace, None) or []
    meetings = resources.store().meetings.of(worklist.id)
    with st.container(horizontal=True, vertical_alignment="center", key="meeting_lobby"):
        _begin(worklist, meetings, rows)
        worklists.commit_first_switch()
    _files(workspace, worklist, rows, meetings)
    _agenda(workspace, rows)


def _begin(worklist: Worklist, meetings: Sequence[Meeting], rows: Sequence[int]) -> None:
    """Begin a meeting with the first case, join the one that goes on, or end it."""
    going_on = next((meeting for meeting in meetings if meeting.ended is None), None)
    if going_on is None and not allowed(Action.MEETING_BEGUN, current_user().role):
        st.caption("Meetings are begun by reviewers.")
        return
    label = "Begin the meeting"
    if going_on is not None:
        label = f"Go on with the meeting of {moment(going_on.began)}"
    if st.button(plain(label), key="meeting_begin", type="primary"):
        with show_errors():
            MEETING.set(resources.store().meetings.begin(current_user(), worklist.id).id)
            if going_on is None and rows:
                state.OPEN_CASE.set(rows[0])
            st.rerun()
    if going_on is None or not allowed(Action.MEETING_ENDED, current_user().role):
        return
    if st.button("End the meeting", key="meeting_end"):
        with show_errors():
            resources.store().meetings.end(current_user(), going_on.id)
            st.rerun()


def _files(
    workspace: Workspace, worklist: Worklist, rows: Sequence[int], meetings: Sequence[Meeting]
) -> None:
    """Offer the packet, and the minutes of a meeting."""
    st.header("Files", anchor=False)
    if workspace.scoring is None:
        st.caption("No installed model fits this cohort, so there is nothing to print.")
        return
    note = worklists.absent_words(workspace, worklist)
    with st.container(horizontal=True, vertical_alignment="center"):
        case_exports.worklist_button(
            workspace,
            rows,
            title=f"Agenda: {worklist.name}",
            key="packet",
            label="Packet before the meeting (PDF)",
            note=note,
        )
        meeting = _pick_meeting(meetings)
        if meeting is not None:
            case_exports.worklist_button(
                workspace,
                rows,
                title=f"Minutes: {worklist.name}",
                key="minutes",
                label="Minutes with decisions (PDF)",
                note=note,
                minutes=partial(_minutes, workspace, rows, meeting, zone()),
            )
        with st.popover("Paper"):
            case_exports.options()


def _pick_meeting(meetings: Sequence[Meeting]) -> Meeting | None:
    """Return the meeting whose minutes are offered: the latest unless another is chosen."""
    if len(meetings) < 2:
        return next(iter(meetings), None)
    by_number = {meeting.id: meeting for meeting in meetings}
    chosen = st.selectbox(
        "Minutes of",
        list(by_number),
        format_func=lambda number: moment(by_number[number].began),
        key=MINUTES_OF.name,
        width=260,
    )
    return by_number[chosen]


def _minutes(
    workspace: Workspace, rows: Sequence[int], meeting: Meeting, time_zone: str
) -> Minutes:
    said = {}
    for token in (workspace.loaded.tokens[row] for row in rows):
        kept = (row for row in _kept(workspace, token) if meeting.holds(row.recorded))
        said[token] = [as_row(row) for row in sorted(kept, key=lambda row: row.recorded)]
    return Minutes(began=meeting.began, ended=meeting.ended, zone=time_zone, said=said)


def _kept(workspace: Workspace, token: str) -> list[Note | Estimate | Decision]:
    """Everything that the board has recorded about a case, with its estimate of this model's."""
    store, scoring = resources.store(), workspace.scoring
    kept: list[Note | Estimate | Decision] = [*store.decisions(token), *store.notes(token)]
    if scoring is not None:
        cohort = trail.cohort_key(workspace.loaded)
        key = CaseKey(cohort=cohort, token=token, model_digest=scoring.model.digest)
        estimate = store.estimate(key)
        kept += [] if estimate is None else [estimate]
    return kept


def _agenda(workspace: Workspace, rows: Sequence[int]) -> None:
    """Every case with the board's last decision; results stand in the meeting and in the files."""
    st.header("Agenda", anchor=False)
    store, tokens = resources.store(), workspace.loaded.tokens
    table = []
    for number, row in enumerate(rows, start=1):
        last = next(iter(store.decisions(tokens[row])), None)
        table.append(
            {
                "No.": number,
                "patient": str(workspace.cohort.patient_ids[row]),
                "last decision": "none so far" if last is None else board_text(decision_row(last)),
                "recorded": "" if last is None else moment(last.recorded),
                "by": "" if last is None else last.author,
            }
        )
    st.dataframe(
        pd.DataFrame(table),
        hide_index=True,
        key="meeting_agenda_table",
        column_config={"No.": st.column_config.NumberColumn(width="small")},
        alt="Cases of the worklist in their order, with the board's last decision",
    )
