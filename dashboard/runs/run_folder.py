"""The folder of a run: its record, log and progress, and a lock that says whether it is alive.

A folder goes in, a `Job`, its progress and its log come out. What is damaged or gone is
None; `ConfigError` is raised where the system has no file locks.

| File | Holds |
|---|---|
| ``job.json`` | `Job`: what was asked, state, times |
| ``log.txt`` | what the process printed |
| ``progress.json`` | `camlif.progress.Progress`, written by the process |
| ``lock`` | locked by the process as long as it lives |
| ``cohort/`` | tables of an uploaded cohort, readable by the owner only; gone when the run ends |

The lock outlives the server that started the process, and no other process can inherit it by
chance as it could a process number.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from camlif.exceptions import ConfigError
from camlif.files import write_text
from camlif.progress import Progress, read_progress

if os.name == "posix":
    import fcntl

Kind = Literal["train", "study"]
RunState = Literal["queued", "running", "finished", "failed", "cancelled", "stopped"]
ACTIVE: tuple[RunState, ...] = ("queued", "running")
UNFINISHED: tuple[RunState, ...] = ("failed", "cancelled", "stopped")
"""Ended without a result: may be tried again."""

JOB, LOG, PROGRESS, LOCK, TABLES = "job.json", "log.txt", "progress.json", "lock", "cohort"
TAIL_BYTES = 32_768
_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What a run is asked to do.

    Attributes
    ----------
    kind : {"train", "study"}
    title : str
        Of the cohort.
    cohort_digest : str
    arguments : tuple of str
        Of ``python -m camlif``; paths are relative to the run's folder.
    settings : mapping of str to plain value
        What was chosen, for people to read.
    result : str
        Model folder or study folder, relative to the run's folder. Two runs of the same kind,
        cohort, settings and result are one.
    private : bool
        The cohort is an upload: its tables are in `TABLES` until the run ends.
    owner : str or None
        Pseudonym of whoever started it.
    """

    kind: Kind
    title: str
    cohort_digest: str
    arguments: tuple[str, ...]
    settings: Mapping[str, Any]
    result: str
    private: bool = False
    owner: str | None = None

    @property
    def fingerprint(self) -> str:
        """The same for runs that would compute the same and keep it in the same place."""
        asked = [self.kind, self.cohort_digest, dict(self.settings), self.result]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A run.

    Attributes
    ----------
    id : str
        Name of its folder.
    request : JobRequest
    state : str
        ``stopped`` is a run whose process vanished: killed, or ended by a restart of the machine.
    created, started, ended : float or None
        Seconds since the epoch.
    pid : int or None
        Process, which leads a group of its own.
    exit_code : int or None
    """

    id: str
    request: JobRequest
    state: RunState
    created: float
    started: float | None = None
    ended: float | None = None
    pid: int | None = None
    exit_code: int | None = None

    @property
    def active(self) -> bool:
        """Whether it runs or waits."""
        return self.state in ACTIVE


def is_id(text: str) -> bool:
    """Whether a text from an address can name a run: nothing else may reach a path."""
    return _ID.fullmatch(text) is not None


def write_job(folder: Path, job: Job) -> None:
    """Write the record so that it is never seen half-written."""
    write_text(folder / JOB, json.dumps(asdict(job), indent=1) + "\n")


def read_job(folder: Path) -> Job | None:
    """Read the record; None where there is none that can be read."""
    try:
        data = json.loads((folder / JOB).read_text("utf-8"))
        request = data.pop("request")
        request["arguments"] = tuple(request["arguments"])
        return Job(request=JobRequest(**request), **data)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def progress_of(folder: Path) -> Progress | None:
    """How far the process says it is; None where it has said nothing yet."""
    try:
        return read_progress(folder / PROGRESS)
    except (OSError, ValueError, TypeError):
        return None


def log_tail(folder: Path, lines: int = 40) -> str:
    """Return the last lines that the process printed."""
    try:
        with (folder / LOG).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def take_lock(folder: Path) -> int:
    """Lock a run and return the descriptor, which the process has to inherit.

    Raises
    ------
    ConfigError
        Where the system has no such locks.
    """
    if os.name != "posix":
        raise ConfigError("Runs are started from the page on Linux and macOS only.")
    descriptor = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def is_alive(folder: Path) -> bool:
    """Whether the run's process still holds the lock."""
    if os.name != "posix":
        return False
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
