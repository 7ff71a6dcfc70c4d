"""Work in daemon threads, which the interpreter ends amid anything when it ends itself.

One that is killed within a library's C++ takes the process down ("terminate called without an
active exception"), so that a server which was told to end looks as if it had crashed. What is at
work when the interpreter ends is waited for, a while; what waits for its turn is not begun.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 20.0
"""Seconds for which the end waits: above what one computation of a page takes."""

_changed = threading.Condition()
_state = {"at_work": 0, "ends": 0}


@contextmanager
def at_work() -> Iterator[bool]:
    """Hold back the end of the interpreter; whether there is still time to begin."""
    with _changed:
        begins = not _state["ends"]
        _state["at_work"] += begins
    try:
        yield begins
    finally:
        with _changed:
            _state["at_work"] -= begins
            _changed.notify_all()


def _await_work() -> None:
    with _changed:
        _state["ends"] = 1
        _changed.wait_for(lambda: not _state["at_work"], PATIENCE)


atexit.register(_await_work)
