"""Worklists on the pages: which cases a board walks, and how cases get on a list.

The workspace goes in; widgets and the rows to walk come out. Errors of the store are shown beside
the widget.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import streamlit as st

from camlif.exceptions import CamlifError
from camlif.wording import count
from dashboard import messages
from dashboard.access.access import Action, allowed
from dashboard.components import drafts
from dashboard.components.case_view import CaseView
from dashboard.components.text import plain
from dashboard.components.trail import cohort_key, record
from dashboard.session import address, resources, state
from dashboard.session.keys import SessionKey
from dashboard.session.state import Workspace
from dashboard.session.user import current_user
from dashboard.store import StoreError, Worklist
from dashboard.store.identifiers import check_free_of_identifiers

CHOSEN: SessionKey[int] = SessionKey("worklist")
PICKED: SessionKey[int] = SessionKey("pick_worklist")
MEETING_PAGE, MEETING_ICON = "views/meeting/page.py", ":material/co_present:"
NEW = ALL = 0  # no worklist has this number


@contextmanager
def show_errors() -> Iterator[None]:
    """Say what a record cannot be kept for, in the place where it was asked for."""
    try:
        yield
    except CamlifError as error:
        st.error(plain(messages.describe(error)))


def available(workspace: Workspace) -> tuple[Worklist, ...]:
    """Worklists with a case of the loaded cohort; none where the store cannot be read."""
    try:
        lists = resources.store().worklists(cohort_key(workspace.loaded))
    except StoreError:
        return ()
    here = set(workspace.loaded.tokens)
    return tuple(found for found in lists if here.intersection(found.tokens))


def chosen(workspace: Workspace) -> Worklist | None:
    """The worklist that the session walks, by its own choice or by its address; None for all."""
    return _chosen_of(available(workspace))


def _chosen_of(lists: Sequence[Worklist]) -> Worklist | None:
    if not CHOSEN.is_set:
        linked = st.query_params.get(CHOSEN.name, "")
        CHOSEN.set(int(linked) if linked.isdecimal() else ALL)
    number = CHOSEN.require()
    return next((found for found in lists if found.id == number), None)


def choose_the_only(workspace: Workspace) -> None:
    """Walk the worklist of a cohort that has one; of several one has to be chosen."""
    lists = available(workspace)
    if len(lists) == 1:
        CHOSEN.set(lists[0].id)


def rows(workspace: Workspace, opened: int | None) -> list[int] | None:
    """Rows of the chosen worklist in its order; None for all cases.

    A case that a link or another page opens leaves a worklist that it is not on.
    """
    worklist = chosen(workspace)
    if worklist is None:
        return None
    places = {token: row for row, token in enumerate(workspace.loaded.tokens)}
    listed = [places[token] for token in worklist.tokens if token in places]
    if opened is not None and opened not in listed:
        CHOSEN.set(ALL)
        return None
    return listed


def absent(workspace: Workspace, worklist: Worklist) -> int:
    """How many cases of a worklist the loaded tables do not have."""
    return len(set(worklist.tokens) - set(workspace.loaded.tokens))


def absent_words(workspace: Workspace, worklist: Worklist) -> str:
    """Say how many cases the loaded tables do not have; empty where they have all."""
    missing = absent(workspace, worklist)
    return f"Not in the loaded tables: {count(missing, 'case')} of this list." if missing else ""


def say_absent(workspace: Workspace, worklist: Worklist) -> None:
    """Warn of the cases of a worklist that the loaded tables do not have."""
    words = absent_words(workspace, worklist)
    if words:
        st.warning(plain(words))


def what_is_walked(workspace: Workspace) -> str:
    """Say what previous and next walk, after "3 of 12"; no case of a list is dropped silently."""
    worklist = chosen(workspace)
    if worklist is None:
        return "shown"
    missing = absent(workspace, worklist)
    return f"on the list, {missing} not loaded" if missing else "on the list"


def menu(case: CaseView) -> None:
    """Draw the board's menu: worklist to walk, this case's place on lists, commit first."""
    workspace, lists = case.workspace, available(case.workspace)
    worklist = _chosen_of(lists)
    name_in_address(worklist)
    label = "All cases" if worklist is None else f"Worklist: {plain(worklist.name)}"
    with st.popover(label, key="board_menu", icon=":material/checklist:"):
        pick(lists, worklist)
        if lists:
            _meeting(case, worklist)
        if worklist is not None:
            _current(case, worklist)
        st.divider()
        send(workspace, lists, (case.token,), key="add_case", title="Add this case to")
        st.divider()
        commit_first_switch()


def _meeting(case: CaseView, worklist: Worklist | None) -> None:
    """Offer to walk the list, or the one to be chosen there, in a meeting."""
    if not st.button("Open in meeting mode", key="worklist_meeting", icon=MEETING_ICON):
        return
    where = {} if worklist is None else {CHOSEN.name: str(worklist.id)}
    st.switch_page(MEETING_PAGE, query_params=where | {address.CASE: case.token})


def name_in_address(worklist: Worklist | None) -> None:
    """Name the worklist by its number in the address: a reload walks it again."""
    if worklist is None:
        st.query_params.pop(CHOSEN.name, None)
    else:
        st.query_params[CHOSEN.name] = str(worklist.id)


def pick(lists: Sequence[Worklist], worklist: Worklist | None) -> None:
    """Choose the worklist to walk, of those given, or all cases."""
    names = {found.id: found.name for found in lists}

    def changed() -> None:
        CHOSEN.set(PICKED.require())

    PICKED.set(ALL if worklist is None else worklist.id)
    st.selectbox(
        "Walk the cases of",
        [ALL, *names],
        format_func=lambda number: names.get(number, "All cases"),
        key=PICKED.name,
        on_change=changed,
    )


def _current(case: CaseView, worklist: Worklist) -> None:
    """Say what of the list is not here, and offer to take this case off it."""
    say_absent(case.workspace, worklist)
    if not allowed(Action.WORKLIST_CHANGED, current_user().role):
        return
    if st.button("Take this case off the list", key="worklist_remove"):
        with show_errors():
            resources.store().remove_from_worklist(current_user(), worklist.id, case.token)
            st.rerun()


def send(
    workspace: Workspace,
    lists: Sequence[Worklist],
    tokens: Sequence[str],
    *,
    key: str,
    title: str = "Add to",
) -> None:
    """Draw the form that puts cases on a worklist, an old or a new one.

    Parameters
    ----------
    workspace : Workspace
    lists : sequence of Worklist
        The old ones.
    tokens : sequence of str
        Of the cases.
    key : str
        Begins the keys of its widgets.
    title : str
        Label of the choice of a worklist.
    """
    if not allowed(Action.WORKLIST_CHANGED, current_user().role):
        st.caption("Worklists are made by reviewers.")
        return
    names = {found.id: found.name for found in lists}
    target = st.selectbox(
        title,
        [*names, NEW],
        format_func=lambda number: names.get(number, "a new worklist"),
        key=_target(key).name,
    )
    if target == NEW:
        st.text_input("Name of the new worklist", key=_new_name(key).name)
    st.button("Add", key=f"{key}_send", on_click=_send, args=(workspace, tokens, key))
    sent, refused = _sent_to(key).pop(), _refused(key).pop()
    if sent:
        st.success(plain(sent))
    if refused:
        st.error(plain(refused))


def _target(key: str) -> SessionKey[int]:
    return SessionKey(f"{key}_target")


def _new_name(key: str) -> SessionKey[str]:
    return SessionKey(f"{key}_name")


def _sent_to(key: str) -> SessionKey[str]:
    return SessionKey(f"{key}_sent")


def _refused(key: str) -> SessionKey[str]:
    return SessionKey(f"{key}_refused")


def _send(workspace: Workspace, tokens: Sequence[str], key: str) -> None:
    """Put cases on the list that the form names; a new list is the form's next choice."""
    target, name = _target(key).require(), _new_name(key).get() or ""
    try:
        worklist = _sent(workspace, tokens, target, name)
    except CamlifError as error:
        _refused(key).set(messages.describe(error))
        return
    if target == NEW:
        drafts.saved(_new_name(key), name)
    _target(key).set(worklist.id)
    _sent_to(key).set(f"{count(len(worklist.tokens), 'case')} on {worklist.name}.")


def _sent(workspace: Workspace, tokens: Sequence[str], target: int, name: str) -> Worklist:
    store, author = resources.store(), current_user()
    if target != NEW:
        return store.add_to_worklist(author, target, tokens)
    check_free_of_identifiers(name, workspace.cohort.patient_ids)
    return store.create_worklist(author, cohort_key(workspace.loaded), name, tokens)


def commit_first_switch() -> None:
    """Draw the switch by which this session hides results until the board has committed itself."""
    wanted: SessionKey[bool] = SessionKey("commit_first")

    def turned() -> None:
        on = wanted.require()
        state.COMMIT_FIRST.set(on)
        record(Action.COMMIT_FIRST_ON if on else Action.COMMIT_FIRST_OFF)

    wanted.set(bool(state.COMMIT_FIRST.get()))
    st.toggle(
        "Commit first",
        key=wanted.name,
        on_change=turned,
        disabled=not allowed(Action.COMMIT_FIRST_ON, current_user().role),
        help="In this browser tab alone: hides the model's result of a case until the board has "
        "recorded its own estimate.",
    )
