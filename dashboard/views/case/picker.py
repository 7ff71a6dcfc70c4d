"""Which case the Case page shows: search, previous, next, link.

The workspace and an address go in, a row of the cohort comes out.
"""

from __future__ import annotations

import streamlit as st

from dashboard import messages
from dashboard.components import worklists
from dashboard.components.text import plain
from dashboard.session import address, state
from dashboard.session.keys import SessionKey
from dashboard.session.state import Workspace

TYPED: SessionKey[int | str] = SessionKey(state.CASE.name)
"""The picker's value: a row, or what was typed into it."""
FOLLOWED: SessionKey[str] = SessionKey("followed_link")
INSTEAD: SessionKey[int | None] = SessionKey("case_instead")
NOT_FOUND: SessionKey[tuple[str, list[str]]] = SessionKey("case_not_found")
MANY, NEAR = 1000, 200
"""Up to how many cases the list offers all; how many near ones where there are more.

The list goes to the browser at every rerun, which makes an item of each.
"""
NAMED = 5
"""Identifiers named of those that a typed text is part of."""


def options(workspace: Workspace) -> list[int]:
    """Rows of the worklist, else those that pass the filters, once a case has been opened."""
    opened = state.OPEN_CASE.pop()
    if opened is None:
        opened = _linked(workspace)
    if opened is not None:
        state.CASE.set(opened)
        _chosen()
    listed = worklists.rows(workspace, opened)
    return [int(row) for row in workspace.shown.nonzero()[0]] if listed is None else listed


def _linked(workspace: Workspace) -> int | None:
    """Row of the case of a new link; an unknown token leaves the choice as it is."""
    token = state.AWAITED_CASE.pop() or st.query_params.get(address.CASE)
    if token is None or token == FOLLOWED.get():
        return None
    FOLLOWED.set(token)
    row = workspace.row_of(token)
    if row is None:
        state.UNKNOWN_LINK.set(token)
    return row


def _chosen() -> None:
    """A case has been chosen: the link that led nowhere no longer matters."""
    state.UNKNOWN_LINK.pop()


def ask_instead(workspace: Workspace, rows: list[int]) -> None:
    """Say that the case of a link is not here, and offer the others without showing one."""
    st.warning(plain(messages.text("E-31")))
    ids = workspace.cohort.patient_ids

    def changed() -> None:
        picked = INSTEAD.get()
        if picked is not None:
            state.CASE.set(picked)
            _chosen()

    st.selectbox(
        "Case",
        rows[:MANY],
        index=None,
        key=INSTEAD.name,
        format_func=lambda row: str(ids[row]),
        on_change=changed,
        placeholder="Pick a case",
        width=260,
    )


def _step(rows: list[int], by: int) -> None:
    at = rows.index(state.CASE.require())
    state.CASE.set(rows[(at + by) % len(rows)])
    _chosen()


def _near(rows: list[int], at: int) -> list[int]:
    """Rows about a place, the same for its neighbours most of the time; all where they are few."""
    if len(rows) <= MANY:
        return rows
    half = NEAR // 2
    start = max(0, at // half * half - half // 2)
    return rows[start : start + NEAR]


def _typed(workspace: Workspace, rows: list[int], before: int) -> None:
    """Open the case whose identifier, or a part that no other has, was typed."""
    value = TYPED.require()
    if isinstance(value, str):
        ids = {row: str(workspace.cohort.patient_ids[row]) for row in rows}
        found = _with(ids, value.strip())
        one = len(found) == 1
        state.CASE.set(found[0] if one else before)
        if not one:
            NOT_FOUND.set((value, [ids[row] for row in found]))
    _chosen()


def _with(ids: dict[int, str], typed: str) -> list[int]:
    """Row with the identifier typed, else all with identifiers that it is part of."""
    exact = [row for row, name in ids.items() if name == typed]
    part = typed.casefold()
    return exact[:1] or [row for row, name in ids.items() if part in name.casefold()]


def _not_found(walked: str) -> None:
    """Say why what was typed opened no case, and what would."""
    typed, names = NOT_FOUND.pop() or ("", [])
    if not names:
        st.warning(plain(f"No case {typed} is among the {walked}."))
        return
    named = ", ".join(names[:NAMED]) + (" and others" if len(names) > NAMED else "")
    st.warning(plain(f"{len(names):,} of the {walked} have {typed} in them: {named}. Type more."))


def opened(rows: list[int]) -> int:
    """Return the row of the chosen case; the first where it is none of the rows."""
    if state.CASE.get() not in rows:
        state.CASE.set(rows[0])
    return state.CASE.require()


def pick(workspace: Workspace, rows: list[int]) -> int:
    """Draw the picker; return the row of the chosen case."""
    ids = workspace.cohort.patient_ids
    before = opened(rows)
    offered = _near(rows, rows.index(before))
    more = len(offered) < len(rows)
    picked = st.selectbox(
        "Case",
        offered,
        key=state.CASE.name,
        format_func=lambda r: str(ids[r]) if isinstance(r, int) else r,
        on_change=_typed,
        args=(workspace, rows, before),
        accept_new_options=more,
        persist_state="session",
        width=260,
        label_visibility="collapsed",
        help="Type an identifier or a part of it to open any case." if more else "Type to search.",
    )
    row = picked if isinstance(picked, int) else before
    walked = f"{len(rows):,} {worklists.what_is_walked(workspace)}"
    if NOT_FOUND.is_set:
        _not_found(walked)
    walk(rows)
    st.markdown(f"{rows.index(row) + 1:,} of {walked}", width="content")
    name_in_address(workspace, row)
    return row


def walk(rows: list[int]) -> None:
    """Draw the buttons to the case before and the next one."""
    for label, by, keys in (("Previous", -1, "Alt+K"), ("Next", 1, "Alt+J")):
        st.button(label, key=f"case_{by}", on_click=_step, args=(rows, by), shortcut=keys)


def name_in_address(workspace: Workspace, row: int) -> None:
    """Name the case by its token in the address: a reload shows it again."""
    token = workspace.loaded.tokens[row]
    st.query_params[address.CASE] = token
    FOLLOWED.set(token)
