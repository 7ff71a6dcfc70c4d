"""A store on SQLite and, where its programs and driver are installed, on PostgreSQL."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from dashboard.store import Store, default_url

SERVER_FOLDERS = "/usr/lib/postgresql/*/bin"


def _program(name: str) -> str | None:
    found = sorted(Path("/").glob(f"{SERVER_FOLDERS[1:]}/{name}"))
    return str(found[-1]) if found else shutil.which(name)


def _missing() -> str | None:
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed"
    if _program("initdb") is None or _program("pg_ctl") is None:
        return "no PostgreSQL server is installed"
    return None


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL server of these tests alone."""
    reason = _missing()
    if reason is not None:
        pytest.skip(reason)
    # A server refuses to run as root, and its socket's path must be short.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="camlif_pg_"))
    if user is not None:
        shutil.chown(folder, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(*command: str) -> None:
        subprocess.run(
            command, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60
        )

    control, data = _program("pg_ctl"), str(folder / "data")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    run(str(_program("initdb")), "-D", data, "-U", "camlif", "--auth=trust", "-E", "UTF8")
    run(str(control), "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
    yield f"postgresql://camlif@127.0.0.1:{port}/postgres"
    run(str(control), "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return default_url(tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    address: str = request.getfixturevalue("server_url")
    engine = create_engine(address)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return address


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()
