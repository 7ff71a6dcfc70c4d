"""Time jobs side by side and hold the lines of the table.

The machine may be shared, so each line has the seconds of processor time beside those of the clock,
and a job and its peer take turns: what slows one slows the other. Processor time includes that of
processes which a job started and has ended.
"""

from __future__ import annotations

import gc
import os
import platform
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path

import torch

PACKAGES = ("torch", "numpy", "numba", "lifelines", "torchsurv", "captum", "streamlit")
GIB = 2**30


@dataclass(frozen=True)
class Timing:
    """Medians over repeated runs, in seconds of the clock and of processor time."""

    clock: float
    processor: float


@dataclass(frozen=True)
class Line:
    """One line of the table: a job, what it took, its target, and a peer measured in turn."""

    job: str
    timing: Timing
    target: str = ""
    peer: str = ""
    peer_timing: Timing | None = None
    note: str = ""
    by_clock: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times the peer's processor time the job's is below; or its time by the clock."""
        if self.peer_timing is None:
            return None
        if self.by_clock:
            return self.peer_timing.clock / self.timing.clock
        return self.peer_timing.processor / self.timing.processor

    def cells(self) -> list[str]:
        """Cells of the table's row."""
        peer = f"{self.peer}: {seconds(self.peer_timing)}" if self.peer_timing else ""
        ratio = f"{self.ratio:.2g}x" if self.ratio else ""
        ratio += " (clock)" if ratio and self.by_clock else ""
        return [self.job, seconds(self.timing), peer, ratio, self.target, self.note]


HEADINGS = ("job", "clock / processor", "peer: clock / processor", "ratio", "target", "note")


def seconds(timing: Timing) -> str:
    """Write both times with three digits."""
    return f"{_short(timing.clock)} / {_short(timing.processor)}"


def _short(value: float) -> str:
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a Markdown table."""
    rows = [HEADINGS, ["---"] * len(HEADINGS), *(line.cells() for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def measure(
    *jobs: Callable[[], object], repeats: int = 3, device: str = "cpu", warm: bool = True
) -> list[Timing]:
    """Run jobs in turn, ``repeats`` rounds after one that is not counted; one `Timing` each."""
    runs: list[list[tuple[float, float]]] = [[] for _ in jobs]
    for round_ in range(repeats + warm):
        for job, kept in zip(jobs, runs, strict=True):
            gc.collect()
            clock, processor = time.perf_counter(), processor_time()
            job()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            if round_ >= warm:
                kept.append((time.perf_counter() - clock, processor_time() - processor))
    return [Timing(*(statistics.median(part) for part in zip(*kept, strict=True))) for kept in runs]


def processor_time() -> float:
    """Processor time of this process and of its children that have ended."""
    return time.process_time() + sum(os.times()[2:4])


def epoch_timing(train: Callable[[Callable[[object], None]], object]) -> Timing:
    """Time an epoch, the median of all but the first, which pays for what is prepared once.

    ``train`` takes a function that it calls after each epoch.
    """
    marks: list[tuple[float, float]] = []
    train(lambda _: marks.append((time.perf_counter(), processor_time())))
    clock, processor = (
        statistics.median(after - before for before, after in pairwise(times))
        for times in zip(*marks, strict=True)
    )
    return Timing(clock, processor)


def peak_memory() -> str:
    """Most memory this process has held."""
    scale = 1 if sys.platform == "darwin" else 1024
    return f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / GIB:.2f} GiB"


class FamilyMemory:
    """Most memory that this process and its children have held together, shared pages once.

    Looks every half second while in use; Linux only.
    """

    def __init__(self) -> None:
        self.peak = 0.0
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> FamilyMemory:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watch.join()

    def __str__(self) -> str:
        return f"peak {self.peak:.2f} GiB over all processes"

    def _look(self) -> None:
        while not self._done.wait(0.5):
            threads = Path("/proc/self/task").iterdir()
            children = [c for t in threads for c in _read(t / "children").split()]
            self.peak = max(self.peak, sum(map(_proportional, ("self", *children))) / GIB)


def _proportional(process: str) -> int:
    """Bytes of a process, with its share of what it has in common with others."""
    lines = _read(Path(f"/proc/{process}/smaps_rollup")).splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _read(file: Path) -> str:
    """Return the text of a file; none if its process or thread has ended."""
    try:
        return file.read_text("utf-8")
    except OSError:
        return ""


def machine() -> str:
    """Say what was measured on, with how busy it is now."""
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    return (
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()}, "
        f"Python {platform.python_version()}, load average {load}"
    )


def versions() -> str:
    """Versions of the packages that the numbers depend on."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} absent")
    return ", ".join(found)


def _processor() -> str:
    known = Path("/proc/cpuinfo")
    lines = known.read_text("utf-8").splitlines() if known.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
