"""The audit trail only grows, and shows when somebody went past that."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError

from dashboard.access.access import Action
from dashboard.store import Store, StoreError
from dashboard.store.database import open_database, writing
from dashboard.store.models import AuditEvent
from tests.dashboard.store.records import COHORT, MODEL, REVIEWER, VIEWER, case, token

REFUSAL = "never changed"


@pytest.fixture
def three_events(store: Store) -> Store:
    for number in range(3):
        store.record(VIEWER, Action.CASE_OPENED, case_token=token(number))
    return store


def test_every_write_has_its_event(store: Store) -> None:
    store.add_note(REVIEWER, case(), "seen")
    (event,) = store.audit_events()
    assert event.action == "note added"
    assert event.author == REVIEWER.name
    assert event.cohort_digest == COHORT.digest
    assert event.model_digest == MODEL
    assert event.case_token == token(1)
    assert event.export_type is None


def test_an_event_holds_no_value(store: Store) -> None:
    store.add_note(REVIEWER, case(), "tumour of 42 mm")
    (event,) = store.audit_events()
    columns = AuditEvent.__table__.columns.keys()
    assert not any("42" in str(getattr(event, name)) for name in ("author", "action"))
    assert set(columns) == {
        *("id", "recorded", "author", "action", "cohort_digest", "model_digest", "case_token"),
        *("export_type", "previous", "seal"),
    }


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET author = 'somebody else'",
        "DELETE FROM audit_event",
        "DELETE FROM audit_event WHERE id = 2",
    ],
)
def test_the_database_refuses_to_change_the_trail(
    three_events: Store, url: str, statement: str
) -> None:
    engine = create_engine(url)
    with pytest.raises(DatabaseError, match=REFUSAL), engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
    assert three_events.verify_audit().n_events == 3


def test_sqlite_refuses_to_replace_an_event(sqlite_url: str) -> None:
    store = Store(sqlite_url)
    store.record(VIEWER, Action.CASE_OPENED)
    engine = open_database(sqlite_url)
    row = "SELECT id, recorded, 'x', action, NULL, NULL, NULL, NULL, previous, seal"
    with pytest.raises(DatabaseError, match=REFUSAL), engine.begin() as connection:
        connection.execute(text(f"INSERT OR REPLACE INTO audit_event {row} FROM audit_event"))
    engine.dispose()
    store.close()


@pytest.mark.parametrize("change", ["edit", "delete"])
def test_the_session_refuses_to_change_the_trail(
    three_events: Store, url: str, change: str
) -> None:
    engine = open_database(url)

    def write() -> None:
        with writing(engine) as session:
            row = session.get_one(AuditEvent, 2)
            if change == "edit":
                row.author = "somebody else"
            else:
                session.delete(row)

    with pytest.raises(StoreError, match="cannot be changed"):
        write()
    engine.dispose()
    assert three_events.verify_audit().intact


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE audit_event SET author = 'somebody else' WHERE id = 2", 2),
        ("DELETE FROM audit_event WHERE id = 2", 2),
        ("DELETE FROM audit_event WHERE id = 1", 1),
    ],
)
def test_a_change_past_the_triggers_shows(
    three_events: Store, url: str, statement: str, broken_at: int
) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER audit_event_no_update"))
            connection.execute(text("DROP TRIGGER audit_event_no_delete"))
        else:
            connection.execute(text("DROP TRIGGER audit_event_append_only ON audit_event"))
        connection.execute(text(statement))
    engine.dispose()
    report = three_events.verify_audit()
    assert not report.intact
    assert report.broken_at == broken_at


def test_writers_at_the_same_time_make_one_chain(store: Store) -> None:
    def write(writer: int) -> None:
        for number in range(10):
            store.add_note(REVIEWER, case(writer + 1), f"{writer}/{number}")

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = store.verify_audit()
    assert report.intact
    assert report.n_events == 40
    for writer in range(4):
        kept = [note.text for note in reversed(store.notes(token(writer + 1)))]
        assert kept == [f"{writer}/{number}" for number in range(10)]
