"""Meetings on a worklist: one at a time, kept with the list, in the trail."""

from __future__ import annotations

import pytest

from dashboard.access.access import AccessError
from dashboard.store import SettingName, Store, StoreError, Worklist
from tests.dashboard.store.records import ADMINISTRATOR, COHORT, REVIEWER, VIEWER, case, token


@pytest.fixture
def board(store: Store) -> Worklist:
    return store.create_worklist(REVIEWER, COHORT, "Board", [token(1), token(2)])


def test_a_meeting_holds_what_is_recorded_between_its_beginning_and_its_end(
    store: Store, board: Worklist
) -> None:
    before = store.add_note(REVIEWER, case(), "prepared")
    meeting = store.meetings.begin(REVIEWER, board.id)
    said = store.add_note(REVIEWER, case(), "said")
    assert (meeting.holds(before.recorded), meeting.holds(said.recorded)) == (False, True)
    ended = store.meetings.end(REVIEWER, meeting.id)
    after = store.add_note(REVIEWER, case(), "added later")
    assert (ended.holds(said.recorded), ended.holds(after.recorded)) == (True, False)
    assert store.meetings.of(board.id) == (ended,)
    actions = [event.action for event in store.audit_events()]
    assert actions[1:4] == ["meeting ended", "note added", "meeting begun"]


def test_a_meeting_that_goes_on_is_joined_and_one_that_ended_is_followed_by_another(
    store: Store, board: Worklist
) -> None:
    first = store.meetings.begin(REVIEWER, board.id)
    assert store.meetings.begin(ADMINISTRATOR, board.id) == first
    ended = store.meetings.end(REVIEWER, first.id)
    assert store.meetings.end(REVIEWER, first.id) == ended
    second = store.meetings.begin(REVIEWER, board.id)
    assert store.meetings.of(board.id) == (second, ended)


def test_a_viewer_begins_no_meeting_and_nobody_does_while_storage_is_off(
    store: Store, board: Worklist
) -> None:
    with pytest.raises(AccessError, match="needs the role reviewer"):
        store.meetings.begin(VIEWER, board.id)
    store.switch(ADMINISTRATOR, SettingName.KEEP_RECORDS, on=False)
    with pytest.raises(StoreError, match="switched off"):
        store.meetings.begin(REVIEWER, board.id)
    assert store.meetings.of(board.id) == ()


def test_a_meeting_is_exported_and_goes_with_its_list(store: Store, board: Worklist) -> None:
    meeting = store.meetings.begin(REVIEWER, board.id)
    rows = store.export(ADMINISTRATOR, COHORT.digest).rows
    (row,) = (row for row in rows if row["kind"] == "meeting")
    assert (row["worklist"], row["author"], row["ended"]) == ("Board", REVIEWER.name, None)
    store.delete_worklist(REVIEWER, board.id)
    with pytest.raises(StoreError, match="deleted in the meantime"):
        store.meetings.end(REVIEWER, meeting.id)
    with pytest.raises(StoreError, match="deleted in the meantime"):
        store.meetings.begin(REVIEWER, board.id)
