"""An interpreter that ends lets work end that is begun, and begins none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys, threading, time
from pathlib import Path
from dashboard.runs.shared_work import SharedWork

began = threading.Event()
work = SharedWork(1)
def first():
    began.set()
    time.sleep(0.5)
    Path(sys.argv[1], "first").touch()
held = [work.ask("first", first), work.ask("second", Path(sys.argv[1], "second").touch)]
began.wait()
"""


def test_what_is_begun_ends_and_what_waits_is_not_begun(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        cwd=Path(__file__).resolve().parents[3],
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert [path.name for path in tmp_path.iterdir()] == ["first"]
