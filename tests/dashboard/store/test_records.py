"""What is kept about cases, and the rules that it obeys; on SQLite and PostgreSQL alike."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.access.access import AccessError, Action
from dashboard.store import CaseKey, CohortKey, RiskGroup, SettingName, Store, StoreError
from tests.dashboard.store.records import (
    ADMINISTRATOR,
    COHORT,
    MODEL,
    OTHER,
    REVIEWER,
    VIEWER,
    case,
    token,
)


def actions(store: Store) -> list[str]:
    return [event.action for event in reversed(store.audit_events())]


# Notes


def test_a_note_is_read_back_with_author_and_time(store: Store) -> None:
    before = datetime.now(UTC)
    store.add_note(REVIEWER, case(), "  Slides reviewed; γ-knife planned.\n")
    (note,) = store.notes(token(1))
    assert note.text == "Slides reviewed; γ-knife planned."
    assert note.author == REVIEWER.name
    assert before <= note.recorded <= datetime.now(UTC)
    assert note.recorded.utcoffset() == timedelta(0)
    assert store.notes(token(2)) == []


def test_notes_come_newest_first(store: Store) -> None:
    for number in range(3):
        store.add_note(REVIEWER, case(), f"note {number}")
    assert [note.text for note in store.notes(token(1))] == ["note 2", "note 1", "note 0"]


def test_a_note_survives_a_corrected_table(store: Store) -> None:
    store.add_note(REVIEWER, case(), "before the correction")
    corrected = CohortKey(digest="d" * 64, title=COHORT.title)
    store.add_note(REVIEWER, case(cohort=corrected), "after it")
    digests = [note.cohort_digest for note in store.notes(token(1))]
    assert digests == [corrected.digest, COHORT.digest]


@pytest.mark.parametrize(
    ("text", "reason"), [(" \n", "empty"), ("x" * 4001, "4,001 characters"), ("a\0b", "NUL")]
)
def test_a_note_that_cannot_be_kept_says_why(store: Store, text: str, reason: str) -> None:
    with pytest.raises(StoreError, match=reason):
        store.add_note(REVIEWER, case(), text)
    assert store.cohorts() == ()
    assert actions(store) == []


# Keys


@pytest.mark.parametrize("key", ["P0017", "TCGA-02-0047-01A", "0123456789ABCDEF", "", "0" * 15])
def test_only_a_token_is_a_key(key: str) -> None:
    with pytest.raises(StoreError, match="no case token"):
        CaseKey(cohort=COHORT, token=key)


def test_the_audit_trail_takes_only_tokens(store: Store) -> None:
    with pytest.raises(StoreError, match="no case token"):
        store.record(VIEWER, Action.CASE_OPENED, case_token="TCGA-02-0047-01A")
    assert actions(store) == []


@pytest.mark.parametrize("digest", ["P0017", "a" * 63, "A" * 64])
def test_only_a_digest_names_a_cohort_or_a_model(digest: str) -> None:
    with pytest.raises(StoreError, match="no digest"):
        CohortKey(digest=digest, title="")
    with pytest.raises(StoreError, match="no digest"):
        CaseKey(cohort=COHORT, token=token(1), model_digest=digest)


# Estimates and decisions


def test_an_estimate_before_the_result_was_shown_is_blind(store: Store) -> None:
    store.record_estimate(REVIEWER, case(), RiskGroup.HIGH, model_result="Low risk")
    found = store.estimate(case())
    assert found is not None
    assert found.risk_group is RiskGroup.HIGH
    assert found.model_result == "Low risk"
    assert found.result_shown is None


def test_an_estimate_after_the_result_was_shown_says_since_when(store: Store) -> None:
    shown = {"cohort_digest": COHORT.digest, "model_digest": MODEL, "case_token": token(1)}
    for _ in range(2):
        store.record(VIEWER, Action.RESULT_SHOWN, **shown)
    store.record_estimate(REVIEWER, case(), RiskGroup.LOW, model_result="Low risk")
    found = store.estimate(case())
    assert found is not None
    assert found.result_shown == store.audit_events()[-1].recorded


@pytest.mark.parametrize(
    "other",
    [
        {"case_token": token(2)},
        {"model_digest": "e" * 64},
        {"cohort_digest": OTHER.digest},
        {"action": Action.CASE_OPENED},
    ],
    ids=["another case", "another model", "another cohort", "opened only"],
)
def test_only_the_same_result_spoils_an_estimate(store: Store, other: dict[str, str]) -> None:
    event = {
        "action": Action.RESULT_SHOWN,
        "cohort_digest": COHORT.digest,
        "model_digest": MODEL,
        "case_token": token(1),
    }
    store.record(VIEWER, **(event | other))  # type: ignore[arg-type]
    store.record_estimate(REVIEWER, case(), RiskGroup.LOW, model_result="Low risk")
    found = store.estimate(case())
    assert found is not None
    assert found.result_shown is None


def test_an_estimate_is_made_once_for_a_result(store: Store) -> None:
    store.record_estimate(REVIEWER, case(), RiskGroup.HIGH, model_result="Low risk")
    with pytest.raises(StoreError, match="recorded before"):
        store.record_estimate(REVIEWER, case(), RiskGroup.LOW, model_result="Low risk")
    found = store.estimate(case())
    assert found is not None
    assert found.risk_group is RiskGroup.HIGH
    another_model = case(model="e" * 64)
    assert store.estimate(another_model) is None
    store.record_estimate(REVIEWER, another_model, RiskGroup.LOW, model_result="Low risk")


def test_without_a_model_there_is_nothing_to_estimate_before(store: Store) -> None:
    with pytest.raises(StoreError, match="No model scores"):
        store.record_estimate(REVIEWER, case(model=None), RiskGroup.LOW, model_result="")


def test_a_decision_follows_the_estimate(store: Store) -> None:
    estimate = store.record_estimate(REVIEWER, case(), RiskGroup.HIGH, model_result="Low risk")
    store.record_decision(REVIEWER, case(), RiskGroup.INTERMEDIATE, "Discuss again in March")
    store.record_decision(REVIEWER, case(), None, "Second review asked for")
    latest, first = store.decisions(token(1))
    assert (first.risk_group, first.text) == (RiskGroup.INTERMEDIATE, "Discuss again in March")
    assert (latest.risk_group, latest.text) == (None, "Second review asked for")
    assert first.estimate_id == latest.estimate_id == estimate.id


def test_commit_first_refuses_a_decision_without_an_estimate(store: Store) -> None:
    with pytest.raises(StoreError, match="estimate first"):
        store.record_decision(REVIEWER, case(), RiskGroup.LOW, "", commit_first=True)
    no_model = case(model=None)  # no result to wait for
    store.record_decision(REVIEWER, no_model, RiskGroup.LOW, "", commit_first=True)
    estimate = store.record_estimate(REVIEWER, case(), RiskGroup.LOW, model_result="Low risk")
    assert store.estimated(COHORT, estimate.model_digest) == {token(1)}
    store.record_decision(REVIEWER, case(), RiskGroup.LOW, "", commit_first=True)
    assert len(store.decisions(token(1))) == 2


def test_a_decision_says_something(store: Store) -> None:
    with pytest.raises(StoreError, match="Choose a risk group"):
        store.record_decision(REVIEWER, case(), None, "  ")


# Worklists


def test_a_worklist_keeps_the_order_of_adding(store: Store) -> None:
    board = store.create_worklist(REVIEWER, COHORT, " Board  24 Nov ", [token(3), token(1)])
    board = store.add_to_worklist(REVIEWER, board.id, [token(2), token(3), token(2)])
    assert board.name == "Board 24 Nov"
    assert board.tokens == (token(3), token(1), token(2))
    board = store.remove_from_worklist(REVIEWER, board.id, token(1))
    board = store.add_to_worklist(REVIEWER, board.id, [token(1)])
    assert store.worklists(COHORT) == (board,)
    assert board.tokens == (token(3), token(2), token(1))


def test_versions_of_a_cohort_share_worklists_and_others_do_not(store: Store) -> None:
    board = store.create_worklist(REVIEWER, COHORT, "Board", [token(1)])
    corrected = CohortKey(digest="d" * 64, title=COHORT.title)
    assert store.worklists(corrected) == (board,)
    assert store.worklists(OTHER) == ()
    with pytest.raises(StoreError, match="name already"):
        store.create_worklist(REVIEWER, corrected, "Board", [])


@pytest.mark.parametrize(("name", "reason"), [("  ", "name"), ("x" * 61, "up to 60")])
def test_a_worklist_needs_a_name(store: Store, name: str, reason: str) -> None:
    with pytest.raises(StoreError, match=reason):
        store.create_worklist(REVIEWER, COHORT, name, [])


def test_a_worklist_stays_reviewable(store: Store) -> None:
    board = store.create_worklist(REVIEWER, COHORT, "Board", [token(i) for i in range(500)])
    with pytest.raises(StoreError, match="501"):
        store.add_to_worklist(REVIEWER, board.id, [token(500)])
    assert len(store.worklists(COHORT)[0].tokens) == 500


def test_a_deleted_worklist_is_told_apart_from_an_empty_one(store: Store) -> None:
    board = store.create_worklist(REVIEWER, COHORT, "Board", [token(1)])
    store.delete_worklist(REVIEWER, board.id)
    assert store.worklists(COHORT) == ()
    with pytest.raises(StoreError, match="deleted in the meantime"):
        store.add_to_worklist(REVIEWER, board.id, [token(1)])


# Switches and roles


def test_nothing_is_kept_while_storage_is_off(store: Store) -> None:
    board = store.create_worklist(REVIEWER, COHORT, "Board", [token(1)])
    store.add_note(REVIEWER, case(), "kept")
    store.switch(ADMINISTRATOR, SettingName.KEEP_RECORDS, on=False)
    writes = (
        lambda: store.add_note(REVIEWER, case(), "lost"),
        lambda: store.record_estimate(REVIEWER, case(), RiskGroup.LOW, model_result="Low risk"),
        lambda: store.record_decision(REVIEWER, case(), RiskGroup.LOW, ""),
        lambda: store.create_worklist(REVIEWER, COHORT, "Second", []),
        lambda: store.add_to_worklist(REVIEWER, board.id, [token(2)]),
    )
    before = actions(store)
    for write in writes:
        with pytest.raises(StoreError, match="switched off"):
            write()
    assert actions(store) == before
    assert [note.text for note in store.notes(token(1))] == ["kept"]
    store.switch(ADMINISTRATOR, SettingName.KEEP_RECORDS, on=True)
    store.add_note(REVIEWER, case(), "kept again")


def test_a_viewer_changes_nothing(store: Store) -> None:
    with pytest.raises(AccessError, match="needs the role reviewer; yours is viewer"):
        store.add_note(VIEWER, case(), "no")
    with pytest.raises(AccessError):
        store.record_estimate(VIEWER, case(), RiskGroup.LOW, model_result="Low risk")
    with pytest.raises(AccessError):
        store.record_decision(VIEWER, case(), RiskGroup.LOW, "")
    with pytest.raises(AccessError):
        store.create_worklist(VIEWER, COHORT, "Board", [])
    with pytest.raises(AccessError):
        store.switch(VIEWER, SettingName.KEEP_RECORDS, on=False)
    assert (store.cohorts(), actions(store)) == ((), [])


def test_only_an_administrator_exports_erases_and_switches_storage(store: Store) -> None:
    store.add_note(REVIEWER, case(), "kept")
    with pytest.raises(AccessError):
        store.export(REVIEWER, COHORT.digest)
    with pytest.raises(AccessError):
        store.erase(REVIEWER, COHORT.digest)
    with pytest.raises(AccessError):
        store.switch(REVIEWER, SettingName.KEEP_RECORDS, on=False)
    assert len(store.notes(token(1))) == 1
    assert store.is_on(SettingName.KEEP_RECORDS)


# Export and erase


@pytest.fixture
def filled(store: Store) -> Store:
    store.create_worklist(REVIEWER, COHORT, "Board", [token(1), token(2)])
    store.add_note(REVIEWER, case(), "=HYPERLINK(1)")
    store.record_estimate(REVIEWER, case(), RiskGroup.HIGH, model_result="Low risk")
    store.record_decision(REVIEWER, case(), RiskGroup.LOW, "Agreed after discussion")
    store.add_note(REVIEWER, case(2, OTHER), "another cohort")
    return store


def test_an_export_holds_everything_about_one_cohort(filled: Store) -> None:
    records = filled.export(ADMINISTRATOR, COHORT.digest)
    data = json.loads(json.dumps(records.to_json()))
    assert data["cohort"] == {"title": COHORT.title, "digest": COHORT.digest}
    kinds = ["worklist entry", "worklist entry", "note", "estimate", "decision"]
    assert [record["kind"] for record in data["records"]] == kinds
    estimate = data["records"][3]
    assert estimate["risk_group"] == "high"
    assert estimate["model_result"] == "Low risk"
    assert estimate["result_shown_before"] is False
    assert "another cohort" not in json.dumps(data)


def test_an_exported_table_starts_no_formula(filled: Store) -> None:
    text = filled.export(ADMINISTRATOR, COHORT.digest).to_csv()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["position"] for row in rows] == ["1", "2", "", "", ""]
    assert rows[2]["text"] == "'=HYPERLINK(1)"
    assert rows[4]["text"] == "Agreed after discussion"


def test_an_erased_cohort_is_gone_and_the_trail_says_so(filled: Store) -> None:
    filled.erase(ADMINISTRATOR, COHORT.digest)
    assert [summary.cohort for summary in filled.cohorts()] == [OTHER]
    assert filled.notes(token(1)) == []
    assert filled.decisions(token(1)) == []
    assert filled.estimate(case()) is None
    assert filled.worklists(COHORT) == ()
    assert [note.text for note in filled.notes(token(2))] == ["another cohort"]
    last = filled.audit_events()[0]
    assert (last.action, last.cohort_digest) == (Action.RECORDS_ERASED, COHORT.digest)
    assert Action.NOTE_ADDED in actions(filled)
    with pytest.raises(StoreError, match="Nothing is kept"):
        filled.erase(ADMINISTRATOR, COHORT.digest)


def test_a_summary_counts_what_is_kept(filled: Store) -> None:
    newest, oldest = filled.cohorts()
    assert (newest.cohort, newest.notes, newest.worklists) == (OTHER, 1, 0)
    assert (oldest.worklists, oldest.notes, oldest.estimates, oldest.decisions) == (1, 1, 1, 1)
