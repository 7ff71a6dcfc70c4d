"""Which case the Case page shows: search, previous, next, link."""

from __future__ import annotations

import streamlit as st

from dashboard import messages, state
from dashboard.components import worklists
from dashboard.components.text import plain
from dashboard.state import Workspace

LINK = "case"  # query parameter: a token, never an identifier
FOLLOWED = "followed_link"


def options(workspace: Workspace) -> list[int]:
    """Rows of the worklist, else those that pass the filters, once a case has been opened."""
    opened = st.session_state.pop("open_case", None)
    if opened is None:
        opened = _linked(workspace)
    if opened is not None:
        st.session_state[state.CASE] = opened
        _chosen()
    if state.UNKNOWN_LINK in st.session_state:
        st.warning(plain(messages.text("E-31")))
    listed = worklists.rows(workspace, opened)
    return [int(row) for row in workspace.shown.nonzero()[0]] if listed is None else listed


def _linked(workspace: Workspace) -> int | None:
    """Row of the case of a new link; an unknown token leaves the choice as it is."""
    token = st.query_params.get(LINK)
    if token is None or token == st.session_state.get(FOLLOWED):
        return None
    st.session_state[FOLLOWED] = token
    row = workspace.row_of(token)
    if row is None:
        st.session_state[state.UNKNOWN_LINK] = token
    return row


def _chosen() -> None:
    """A case has been chosen: the link that led nowhere no longer matters."""
    st.session_state.pop(state.UNKNOWN_LINK, None)


def _step(rows: list[int], by: int) -> None:
    at = rows.index(st.session_state[state.CASE])
    st.session_state[state.CASE] = rows[(at + by) % len(rows)]
    _chosen()


def pick(workspace: Workspace, rows: list[int]) -> int:
    """Draw the picker; return the row of the chosen case."""
    ids = workspace.cohort.patient_ids
    if st.session_state.get(state.CASE) not in rows:
        st.session_state[state.CASE] = rows[0]
    row: int = st.selectbox(
        "Case",
        rows,
        key=state.CASE,
        format_func=lambda r: str(ids[r]),
        on_change=_chosen,
        persist_state="session",
        width=260,
        label_visibility="collapsed",
        help="Type to search.",
    )
    for label, by, keys in (("Previous", -1, "Alt+K"), ("Next", 1, "Alt+J")):
        st.button(label, key=f"case_{by}", on_click=_step, args=(rows, by), shortcut=keys)
    walked = worklists.what_is_walked(workspace)
    st.markdown(f"{rows.index(row) + 1:,} of {len(rows):,} {walked}", width="content")
    token = workspace.loaded.tokens[row]
    st.query_params[LINK] = token
    st.session_state[FOLLOWED] = token
    return row
