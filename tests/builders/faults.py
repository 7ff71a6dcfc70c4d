"""A disk that fills up and a process that is killed, at each change that is made to files."""

from __future__ import annotations

import errno
import os
import resource
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

DONE, FAILED, SURVIVED, KILLED = 0, 3, 4, 9
CHANGES = ("open", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir")
Fault = Literal["kill", "full disk"]


def each_cut(action: Callable[[], object], home: Path, fault: Fault) -> Iterator[int]:
    """Run an action in one child process after another, each cut off at a later change in ``home``.

    Yields the exit status after each: `KILLED`, `FAILED` with an OSError, `SURVIVED` where the
    action got by without the change; ends with the first child that was not cut off: `DONE`.
    """
    for change in range(1000):
        status = _in_child(action, lambda at=change: _cut_off(home, at, fault))  # type: ignore[misc]
        yield status
        if status == DONE:
            return
    raise AssertionError("the action never ends")


def each_limit(action: Callable[[], object], limits: range) -> Iterator[int]:
    """Run an action in child processes that may write so many bytes to a file and no more."""

    def limit_to(size: int) -> Callable[[], bool]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        return lambda: False

    for size in limits:
        yield _in_child(action, lambda size=size: limit_to(size))  # type: ignore[misc]


def _cut_off(home: Path, at: int, fault: Fault) -> Callable[[], bool]:
    left = at

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event not in CHANGES or not str(arguments[0]).startswith(str(home)):
            return
        if event == "open" and not int(str(arguments[2])) & (os.O_WRONLY | os.O_RDWR):
            return
        left -= 1
        if left == -1 and fault == "kill":
            os._exit(KILLED)
        if left == -1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))

    sys.addaudithook(watch)
    return lambda: left < 0


def _in_child(action: Callable[[], object], prepare: Callable[[], Callable[[], bool]]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of before the fork are idle
        child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        was_cut = prepare()
        action()
        status = SURVIVED if was_cut() else DONE
    except OSError:
        status = FAILED
    finally:
        os._exit(status)
