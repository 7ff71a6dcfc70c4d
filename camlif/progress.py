"""How far a long run is: a record for callbacks, and a file that a dashboard polls.

Steps go in, a frozen `Progress` comes out, or JSON in a file. A file that is not there is read as
None; one that holds something else raises ValueError or TypeError.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from camlif.files import write_text

State = Literal["running", "finished", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """State of a run.

    Attributes
    ----------
    state : {"running", "finished", "failed", "cancelled"}
    step, total : int
        Units of work done, and all of them: cells of a study, epochs of a training.
    eta_seconds : float or None
        Estimated time left; None where there is no estimate yet.
    message : str
    """

    state: State
    step: int
    total: int
    eta_seconds: float | None
    message: str

    @classmethod
    def running(cls, step: int, total: int, eta_seconds: float | None, message: str) -> Progress:
        """Return the state of a run that goes on.

        Parameters
        ----------
        step, total : int
            Steps done, of all.
        eta_seconds : float or None
            Expected until the end; None where there is nothing to go by.
        message : str
            What is being done.
        """
        return cls(
            state="running", step=step, total=total, eta_seconds=eta_seconds, message=message
        )


def write_progress(path: Path, progress: Progress) -> None:
    """Write a progress file that is never seen half-written; after a power cut nobody needs it."""
    write_text(path, json.dumps(asdict(progress)) + "\n", lasting=False)


def read_progress(path: Path) -> Progress | None:
    """Read a progress file; None where there is none yet.

    Raises
    ------
    ValueError, TypeError
        If the file holds something else.
    """
    if not path.is_file():
        return None
    return Progress(**json.loads(path.read_text("utf-8")))


@contextmanager
def kept_in(path: Path | None) -> Iterator[Callable[[Progress], None]]:
    """Keep the progress of a run in a file, and how it ended: finished, failed or cancelled.

    Parameters
    ----------
    path : Path or None
        None: nowhere.

    Yields
    ------
    callable
        Takes a `Progress`.
    """
    last = Progress(state="running", step=0, total=0, eta_seconds=None, message="starting")

    def keep(progress: Progress) -> None:
        nonlocal last
        last = progress
        if path is not None:
            write_progress(path, progress)

    keep(last)
    try:
        yield keep
    except BaseException as error:
        state: State = "failed" if isinstance(error, Exception) else "cancelled"
        message = str(error) if isinstance(error, Exception) else "cancelled"
        keep(replace(last, state=state, eta_seconds=None, message=message))
        raise
    keep(replace(last, state="finished", eta_seconds=0.0))
