"""Opening the database: place, permissions, pragmas, migrations, transactions.

An address goes in, an engine or a transaction comes out. Raises `StoreError` where the database
cannot be opened, is of a newer version, or refuses; nothing of a transaction is kept then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.orm import Session

from camlif.exceptions import CamlifError

MIGRATIONS = Path(__file__).parent / "migrations"
FOLDER, FILE = "records", "records.sqlite"
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
BUSY_SECONDS = 10
CONNECT_SECONDS = 3
APPEND_LOCK = 0x63616D6C
"""Any number, the same in every process: PostgreSQL's writers queue behind it."""
WRITES = "writes"  # execution option of a connection
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # a confirmed write survives a power cut, too
    "foreign_keys=ON",
    "secure_delete=ON",  # what was erased cannot be read from the file
    "recursive_triggers=ON",  # or REPLACE would delete rows past the triggers
)


class StoreError(CamlifError, RuntimeError):
    """Records that cannot be kept or read, or that would break a rule."""


def default_url(home: Path) -> str:
    """Return the URL of the SQLite file in the installation's own folder."""
    return URL.create("sqlite", database=str(home / FOLDER / FILE)).render_as_string()


def open_database(url: str) -> Engine:
    """Connect and bring the tables up to date.

    Parameters
    ----------
    url : str
        SQLAlchemy's form: ``sqlite:///PATH`` or ``postgresql://USER:PASSWORD@HOST/NAME``.

    Raises
    ------
    StoreError
        If the URL cannot be used, the database cannot be reached, read or written, or a newer
        version of the program wrote it.
    """
    place = _parsed(url)
    try:
        engine = _sqlite(place) if place.get_backend_name() == "sqlite" else _server(place)
    except ModuleNotFoundError as error:
        raise StoreError(
            f"The driver of {place.drivername} is not installed ({error.name}). "
            "For PostgreSQL: pip install 'psycopg[binary]'."
        ) from error
    try:
        migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the tables to a revision, in one transaction: a stop on the way changes nothing.

    Raises
    ------
    StoreError
        As `open_database`.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        with writing(engine) as session:
            config.attributes["connection"] = session.connection()
            command.upgrade(config, revision)
    except (CommandError, RevisionError) as error:
        raise StoreError(
            "The records were written by a newer version of this program. Update it, or name "
            "another database in CAMLIF_DATABASE."
        ) from error


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """One transaction that no other writer can come between; it is on disk when the block ends.

    Raises
    ------
    StoreError
        If the database refuses; nothing of the block is kept then.
    """
    with _store_errors(), Session(engine, expire_on_commit=False) as session, session.begin():
        connection = session.connection(execution_options={WRITES: True})
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": APPEND_LOCK})
        yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """One consistent view of the database.

    Raises
    ------
    StoreError
        If it cannot be read.
    """
    with _store_errors(), Session(engine, expire_on_commit=False) as session:
        yield session


def empty_journal(engine: Engine) -> None:
    """Move SQLite's journal into the file, so that nothing deleted can be read from it."""
    if engine.dialect.name != "sqlite":
        return
    with _store_errors():
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()


@contextmanager
def _store_errors() -> Iterator[None]:
    """Errors of the database in plain words; its own text may quote values."""
    try:
        yield
    except OperationalError as error:
        raise StoreError(
            "The records database cannot be reached or written. Check that its place exists, "
            "has room and may be written, then try again."
        ) from error
    except DatabaseError as error:
        if "not a database" in str(error.orig) or "malformed" in str(error.orig):
            raise StoreError(
                "The records database is damaged. Put a copy of it back, or move the file away "
                "to begin anew."
            ) from error
        raise StoreError(f"The records database refused: {type(error.orig).__name__}.") from error
    except SQLAlchemyError as error:
        raise StoreError(f"The records database failed: {type(error).__name__}.") from error


def _parsed(url: str) -> URL:
    try:
        place = make_url(url)
        place.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise StoreError(
            "CAMLIF_DATABASE is no database URL. Write sqlite:///FILE or "
            "postgresql://USER:PASSWORD@HOST/NAME."
        ) from error
    if place.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreError(
            f"CAMLIF_DATABASE names {place.get_backend_name()}. SQLite and PostgreSQL can be used."
        )
    return place


def _sqlite(place: URL) -> Engine:
    if not place.database or place.database == ":memory:":
        raise StoreError("CAMLIF_DATABASE names no file. Write sqlite:///FILE.")
    _create_privately(Path(place.database))
    engine = create_engine(place, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # The driver would open transactions late and commit before it changes a table.
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        immediate = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _server(place: URL) -> Engine:
    arguments = {"connect_timeout": CONNECT_SECONDS}
    return create_engine(place, connect_args=arguments, pool_pre_ping=True)


def _create_privately(path: Path) -> None:
    """Make the file readable by its owner alone before a byte is in it.

    SQLite gives its journal the same permissions.
    """
    try:
        path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        if path.parent.name == FOLDER:
            path.parent.chmod(PRIVATE_FOLDER)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, PRIVATE_FILE))
        path.chmod(PRIVATE_FILE)
    except OSError as error:
        raise StoreError(
            f"The records database {path.name} cannot be created or opened ({error.strerror}). "
            "Name a place that may be written in CAMLIF_DATABASE."
        ) from error
