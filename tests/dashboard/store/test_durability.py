"""A writer killed at any moment: what it had confirmed is there, and nothing is half there."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dashboard.store import Store, default_url
from tests.dashboard.store.records import token

ROOT = Path(__file__).resolve().parents[3]
ROUNDS = 6
WRITER = """
import sys
from dashboard.access.access import Role, User
from dashboard.store import CaseKey, CohortKey, Store
store = Store(sys.argv[1])
author = User(name="session 0", role=Role.REVIEWER)
case = CaseKey(cohort=CohortKey(digest="a" * 64, title="T"), token="%s")
number = 0
while True:
    store.add_note(author, case, f"{sys.argv[2]}/{number} " + "x" * 3000)
    print(f"{sys.argv[2]}/{number}", flush=True)
    number += 1
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL of POSIX systems")
@pytest.mark.slow
def test_a_killed_writer_loses_nothing_that_it_confirmed(tmp_path: Path) -> None:
    url, chance = default_url(tmp_path), random.Random(0)
    confirmed: list[str] = []
    for round_ in range(ROUNDS):
        command = [sys.executable, "-c", WRITER % token(1), url, str(round_)]
        writer = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        seen = [writer.stdout.readline().strip() for _ in range(chance.randrange(1, 40))]
        time.sleep(chance.random() / 50)  # somewhere within the next writes
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split("\n")[:-1]  # a line cut short was not confirmed
        assert writer.wait() == -signal.SIGKILL
        writer.stdout.close()
        confirmed += seen + rest
    assert all(re.fullmatch(r"\d+/\d+", line) for line in confirmed)
    store = Store(url)
    kept = [note.text.split()[0] for note in store.notes(token(1))]
    report = store.verify_audit()
    store.close()
    assert set(confirmed) <= set(kept)
    assert len(kept) - len(confirmed) <= ROUNDS  # at most the one under way
    assert report.intact
    assert report.n_events == len(kept)
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
