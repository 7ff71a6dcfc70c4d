"""Notes and decision: what the board writes about a case and what it decided.

A case goes in; notes and a decision are kept in the store. What it refuses is shown at the form.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from camlif.exceptions import CamlifError
from camlif.wording import count
from dashboard import messages
from dashboard.access.access import Action, allowed
from dashboard.components import drafts
from dashboard.components.case_view import CaseView
from dashboard.components.text import moment, plain, plain_lines, say_refusal
from dashboard.components.trail import case_key
from dashboard.components.worklists import show_errors
from dashboard.session import resources
from dashboard.session.keys import SessionKey
from dashboard.session.user import current_user
from dashboard.store import Decision, Meeting, Note, RiskGroup, SettingName, StoreError
from dashboard.store.export import decision_row, estimate_row, note_row
from dashboard.store.identifiers import check_free_of_identifiers
from dashboard.views.case import commit_first

STORAGE_OFF = (
    "The administrator has switched storage off: notes, estimates, decisions and worklists are "
    "not kept."
)
NOTE_REFUSED: SessionKey[str] = SessionKey("note_refused")
DECISION_REFUSED: SessionKey[str] = SessionKey("decision_refused")
"""Why the last note or decision was not kept."""
SHOWN_BEFORE = 3
"""Entries of earlier meetings that are read without opening more."""
LEAVE_OUT = "Kept on this computer under the case token. Leave names and identifiers out."


def panel(case: CaseView) -> None:
    """Draw the panel."""
    st.header("Notes and decision", anchor=False)
    with show_errors():
        keeps, store = _keeps(), resources.store()
        left, right = st.columns(2)
        with left:
            st.markdown("**Notes**")
            notes = store.notes(case.token)
            if not _note_form(case, keeps=keeps) and not notes:
                st.caption("No note so far.")
            for note in notes:
                _entry(case, note)
        with right:
            st.markdown("**The board's decision**")
            decisions = store.decisions(case.token)
            if not _decision_form(case, keeps=keeps) and not decisions:
                st.caption("No decision so far.")
            for place, decision in enumerate(decisions):
                _entry(case, decision, "Earlier decision. " if place else "")


def meeting_panel(case: CaseView, meeting: Meeting) -> None:
    """Draw what was said before a meeting, the forms, and what was recorded in it."""
    with show_errors():
        keeps, store = _keeps(), resources.store()
        rows: list[Note | Decision] = [*store.decisions(case.token), *store.notes(case.token)]
        rows.sort(key=lambda row: row.recorded, reverse=True)
        st.header("Last time", anchor=False)
        _said_before(case, [row for row in rows if row.recorded < meeting.began])
        st.header("In this meeting", anchor=False)
        _decision_form(case, keeps=keeps)
        _note_form(case, keeps=keeps)
        for row in rows:
            if meeting.holds(row.recorded):
                _entry(case, row, f"{_kind(row)}. ")


def _said_before(case: CaseView, rows: Sequence[Note | Decision]) -> None:
    """Show the latest decision, then the latest of the rest; earlier entries once opened."""
    if not rows:
        st.markdown("Nothing was recorded about this case before this meeting.")
        return
    ordered = sorted(rows, key=lambda row: row is not _latest_decision(rows))
    for row in ordered[:SHOWN_BEFORE]:
        _entry(case, row, f"{_kind(row)}. ")
    earlier = ordered[SHOWN_BEFORE:]
    if earlier:
        with st.expander(count(len(earlier), "earlier entry", "earlier entries")):
            for row in earlier:
                _entry(case, row, f"{_kind(row)}. ")


def _latest_decision(rows: Sequence[Note | Decision]) -> Decision | None:
    return next((row for row in rows if isinstance(row, Decision)), None)


def _kind(row: Note | Decision) -> str:
    return "Decision" if isinstance(row, Decision) else "Note"


def _keeps() -> bool:
    """Whether anything can be kept; else say that storage is off."""
    keeps = resources.store().is_on(SettingName.KEEP_RECORDS)
    if not keeps:
        st.info(STORAGE_OFF)
    return keeps


def record(case: CaseView) -> dict[str, Any]:
    """Return what the board kept about a case, as plain values for its JSON file."""
    try:
        store = resources.store()
        estimate = commit_first.estimate_of(case)
        return {
            "estimate": None if estimate is None else estimate_row(estimate),
            "decisions": [decision_row(decision) for decision in store.decisions(case.token)],
            "notes": [note_row(note) for note in store.notes(case.token)],
        }
    except StoreError:
        return {}


def _may(action: Action) -> bool:
    return allowed(action, current_user().role)


def _note_form(case: CaseView, *, keeps: bool) -> bool:
    """Draw the form of a note, where the user may write one; return whether."""
    if not (keeps and _may(Action.NOTE_ADDED)):
        return False
    field: SessionKey[str] = SessionKey(f"note_text_{case.token}")
    with st.form(f"note_{case.token}", border=False):
        st.text_area("Note", key=field.name, height=90, help=LEAVE_OUT)
        st.form_submit_button("Add note", key="note_add", on_click=_add_note, args=(case, field))
    say_refusal(NOTE_REFUSED)
    return True


def _add_note(case: CaseView, field: SessionKey[str]) -> None:
    text = field.get() or ""
    try:
        check_free_of_identifiers(text, case.workspace.cohort.patient_ids)
        resources.store().add_note(current_user(), case_key(case), text)
    except CamlifError as error:
        NOTE_REFUSED.set(messages.describe(error))
    else:
        drafts.saved(field, text)


def _decision_form(case: CaseView, *, keeps: bool) -> bool:
    """Draw the estimate and the form of a decision; return whether there is a form."""
    estimate = commit_first.estimate_of(case)
    if estimate is not None:
        st.markdown(plain(commit_first.estimate_sentence(estimate)))
    if commit_first.waiting(case) is not None:
        st.caption("The decision follows the board's estimate.")
        return False
    if not (keeps and _may(Action.DECISION_RECORDED)):
        return False
    group: SessionKey[RiskGroup | None] = SessionKey(f"decision_group_{case.token}")
    field: SessionKey[str] = SessionKey(f"decision_text_{case.token}")
    # Outside of the form, which would send it with the text only: it is kept as soon as it is set.
    st.segmented_control(
        "Risk group by the board",
        list(RiskGroup),
        format_func=lambda g: g.value.capitalize(),
        key=group.name,
        persist_state="session",
    )
    with st.form(f"decision_{case.token}", border=False):
        st.text_area("What was decided", key=field.name, height=68, help=LEAVE_OUT)
        st.form_submit_button(
            "Record decision", key="decision_add", on_click=_decide, args=(case, group, field)
        )
    say_refusal(DECISION_REFUSED)
    return True


def _decide(case: CaseView, group: SessionKey[RiskGroup | None], field: SessionKey[str]) -> None:
    text = field.get() or ""
    try:
        check_free_of_identifiers(text, case.workspace.cohort.patient_ids)
        resources.store().record_decision(
            current_user(), case_key(case), group.get(), text, commit_first=commit_first.is_on()
        )
    except CamlifError as error:
        DECISION_REFUSED.set(messages.describe(error))
    else:
        group.set(None)
        drafts.saved(field, text)


def _entry(case: CaseView, row: Note | Decision, before: str = "") -> None:
    group = row.risk_group if isinstance(row, Decision) else None
    title = "" if group is None else f"**{group.value.capitalize()}**  \n"
    with st.container(border=True, gap="small"):
        st.markdown(title + plain_lines(row.text))
        st.caption(plain(f"{before}{_said(row.recorded, row.author)}{_version(case, row)}"))


def _said(recorded: datetime, author: str) -> str:
    return f"{moment(recorded)}, {author}"


def _version(case: CaseView, row: Note | Decision) -> str:
    same = row.cohort_digest == case.workspace.loaded.digest
    return "" if same else ". Written for another version of these tables"
