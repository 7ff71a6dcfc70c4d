"""Where the database is, who can read it, how it is brought up to date, what goes wrong with it."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from dashboard.store import RiskGroup, Store, StoreError
from dashboard.store.database import migrate, open_database
from dashboard.store.models import Base
from tests.dashboard.store.records import ADMINISTRATOR, COHORT, REVIEWER, case, token

POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX systems")
SECRET = "a sentence that must not stay"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@POSIX
def test_only_the_owner_can_read_the_file(tmp_path: Path, sqlite_url: str) -> None:
    before = os.umask(0)
    try:
        store = Store(sqlite_url)
        store.add_note(REVIEWER, case(), "private")
        folder = tmp_path / "records"
        files = sorted(path.name for path in folder.iterdir())
        assert files == ["records.sqlite", "records.sqlite-shm", "records.sqlite-wal"]
        assert {mode(path) for path in folder.iterdir()} == {0o600}
        assert mode(folder) == 0o700
        store.close()
    finally:
        os.umask(before)


@POSIX
def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path, sqlite_url: str) -> None:
    folder = tmp_path / "records"
    folder.mkdir(mode=0o755)
    (folder / "records.sqlite").touch(mode=0o644)
    Store(sqlite_url).close()
    assert mode(folder) == 0o700
    assert mode(folder / "records.sqlite") == 0o600


def test_the_database_can_be_anywhere(tmp_path: Path) -> None:
    place = tmp_path / "a folder" / "board.db"
    Store(f"sqlite:///{place}").close()
    assert place.is_file()


def test_sqlite_keeps_its_promises(sqlite_url: str) -> None:
    engine = open_database(sqlite_url)
    with engine.connect() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "secure_delete")
        }
    engine.dispose()
    assert values == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "synchronous": 2,
        "secure_delete": 1,
    }


def test_a_record_needs_its_cohort(sqlite_url: str) -> None:
    engine = open_database(sqlite_url)
    insert = "INSERT INTO note VALUES (1, 'nobody', '0123456789abcdef', 'a', 't', 'text')"
    with pytest.raises(Exception, match="FOREIGN KEY"), engine.begin() as connection:
        connection.execute(text(insert))
    engine.dispose()


def test_what_was_erased_cannot_be_read_from_the_file(tmp_path: Path, sqlite_url: str) -> None:
    store = Store(sqlite_url)
    store.add_note(REVIEWER, case(), SECRET)
    assert SECRET.encode() in everything_in(tmp_path)
    store.erase(ADMINISTRATOR, COHORT.digest)
    assert SECRET.encode() not in everything_in(tmp_path)
    store.close()


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


# Migrations


def test_the_migrations_make_the_tables_of_the_models(url: str) -> None:
    engine = open_database(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_opening_again_changes_nothing(url: str) -> None:
    first = Store(url)
    first.add_note(REVIEWER, case(), "kept")
    first.close()
    second = Store(url)
    assert [note.text for note in second.notes(token(1))] == ["kept"]
    second.close()


def test_a_database_of_the_first_revision_is_brought_up_to_date(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("dashboard.store.database.migrate", lambda engine: migrate(engine, "0001"))
        engine = open_database(url)
    assert "estimate" not in inspect(engine).get_table_names()
    digest, then = f"'{COHORT.digest}'", "'2026-01-02T03:04:05.000000+00:00'"
    note = f"1, {digest}, '{token(1)}', 'session 9', {then}, 'written long ago'"
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO cohort VALUES ({digest}, 'Old', {then})"))
        connection.execute(text(f"INSERT INTO note VALUES ({note})"))
    engine.dispose()
    store = Store(url)
    assert [note.text for note in store.notes(token(1))] == ["written long ago"]
    store.record_estimate(REVIEWER, case(), RiskGroup.LOW, model_result="Low risk")
    assert store.verify_audit().intact
    store.close()


def test_an_interrupted_migration_leaves_the_old_tables(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.create_index", stop)
        with pytest.raises(KeyboardInterrupt):
            open_database(url)
    engine = create_engine(url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    Store(url).close()


def test_a_newer_database_is_refused(url: str) -> None:
    Store(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreError, match="newer version of this program"):
        Store(url)


# What goes wrong


@pytest.mark.parametrize(
    ("url_", "reason"),
    [
        ("records.sqlite", "no database URL"),
        ("oracle17://x", "no database URL"),
        ("mysql://board@host/records", "names mysql"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_an_address_that_cannot_be_used_says_how_to_write_one(url_: str, reason: str) -> None:
    with pytest.raises(StoreError, match=reason):
        Store(url_)


def test_a_missing_driver_is_named() -> None:
    with pytest.raises(StoreError, match=r"pg8000.*pip install"):
        Store("postgresql+pg8000://board:secret@127.0.0.1:1/records")


def test_a_server_that_is_away_is_said_without_its_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError, match="cannot be reached") as told:
        Store("postgresql://board:secret@127.0.0.1:1/records")
    assert "secret" not in str(told.value)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"board\.db cannot be created"):
        Store(f"sqlite:///{tmp_path / 'file' / 'board.db'}")


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    place = tmp_path / "board.db"
    place.write_bytes(b"no database at all, but long enough to be read as one" * 20)
    with pytest.raises(StoreError, match="damaged"):
        Store(f"sqlite:///{place}")


def test_a_locked_database_gives_up_with_words(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.store.database.BUSY_SECONDS", 0.1)
    store = Store(sqlite_url)
    blocker = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="cannot be reached or written"):
        store.add_note(REVIEWER, case(), "waits in vain")
    blocker.execute("ROLLBACK")
    blocker.close()
    store.add_note(REVIEWER, case(), "kept")
    store.close()
