"""People at work on one server: seconds they wait, and processor seconds that each click costs.

Visitors walk Case, Cohort and Explain at the same time, each from a case of its own, with a pause
after each click: some as `protocol.Visitor`, which costs next to nothing, some in browsers, which
share the processor with the server. The processor time is the server's alone, per interaction.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from camlif.data.samples import load_sample
from tests.benchmarks.dashboard import Tab, Watch, start
from tests.benchmarks.harness import Line, Timing
from tests.benchmarks.protocol import Visitor
from tests.browser.conftest import ARGUMENTS, CHROMIUM, ROOT

Step = tuple[str, ...]
NEXT, PREVIOUS = ("click", "case_1"), ("click", "case_-1")
YEARS, MONTHS = ("choose", "time_unit", "years"), ("choose", "time_unit", "months")
CASE, COHORT, EXPLAIN = ("go", ""), ("go", "cohort"), ("go", "explain")
WALK: tuple[Step, ...] = (
    *(NEXT, NEXT, ("choose", "year", "5 y"), NEXT, PREVIOUS),
    *(COHORT, YEARS, ("choose", "view", "Hazard by subtype"), ("choose", "view", "Kaplan-Meier")),
    *(MONTHS, EXPLAIN, CASE, NEXT, NEXT, ("choose", "year", "3 y"), NEXT, COHORT, YEARS, MONTHS),
    CASE,
)
"""Twenty interactions, each of which changes something: a browser sends nothing otherwise."""
SINGLE = {
    "next case": (NEXT,) * 10,
    "horizon on Case": (("choose", "year", "5 y"), ("choose", "year", "3 y")) * 5,
    "time axis on Cohort": (YEARS, MONTHS) * 5,
    "page switch": (COHORT, CASE) * 5,
}
"""What one visitor repeats, and in what the processor time of each kind is told."""
PROCESSOR = 0.12
"""Goal: seconds of the server's processor per interaction."""
ENTRY = 300
"""Seconds within which all visitors have come in."""
PATIENCE = 60_000
"""Milliseconds until what a browser does counts as failed."""
QUIET = 2.0
"""Seconds without work after which a server counts as idle."""


@dataclass(frozen=True)
class Load:
    """So many visitors with a pause between clicks, in seconds, and what is asked of the waits."""

    visitors: int
    pause: float
    p95: float
    longest: float = np.inf
    in_browsers: bool = False

    @property
    def name(self) -> str:
        kind = "browsers" if self.in_browsers else "protocol clients"
        return f"{self.visitors} {kind}, {self.pause:g} s between clicks"

    @property
    def goal(self) -> str:
        longest = "" if np.isinf(self.longest) else f", none over {self.longest:g} s"
        return f"{PROCESSOR:g} s of processor, p95 {self.p95:g} s{longest}"


LOADS = (
    Load(5, 2, 0.6),
    Load(20, 4, 1.5),
    Load(5, 2, 2.0, longest=4.0, in_browsers=True),
)


class Person(Protocol):
    """Who can take a step; seconds until the page stands again come back."""

    def click(self, key: str) -> float: ...

    def choose(self, key: str, value: str) -> float: ...

    def go(self, page: str) -> float: ...

    def close(self) -> None: ...


def run(device: str, *, full: bool) -> Iterator[Line]:
    """One visitor, then each load on a server that has been used before; on the CPU."""
    if device != "cpu":
        return
    with tempfile.TemporaryDirectory() as home:
        with _server(Path(home)) as (url, watch):
            yield _first_explanations(url, watch)
        with _server(Path(home)) as (url, watch):
            yield from _single(url, watch)
            for load in LOADS:
                yield _measure(load, url, watch)


@contextmanager
def _server(home: Path) -> Iterator[tuple[str, Watch]]:
    """A server of the shipped models and cohorts, ready and idle."""
    server, url = start(ROOT, home)
    try:
        watch = Watch(server.pid)
        Visitor(url).close()
        watch.wait_until_idle(QUIET)
        yield url, watch
    finally:
        server.terminate()
        server.wait(timeout=60)


def _first_explanations(url: str, watch: Watch) -> Line:
    """Five people open Explain at once where nothing has been computed."""
    people = [Visitor(url) for _ in range(5)]
    watch.start()
    with ThreadPoolExecutor(len(people)) as pool:
        waits = list(pool.map(lambda person: person.go("explain"), people))
    timing = Timing(max(waits), watch.stop().processor)
    for person in people:
        person.close()
    return Line("five first visits to Explain at once, the last to see it", timing)


def _single(url: str, watch: Watch) -> Iterator[Line]:
    """One visitor without a pause: what each kind of click costs."""
    person = Visitor(url)
    for job, steps in SINGLE.items():
        person.go("cohort" if steps[0] == YEARS else "")
        watch.wait_until_idle(QUIET)
        watch.start()
        waits, sizes = [], []
        for step in steps:
            waits.append(take(person, step))
            sizes.append(person.received)
        timing = Timing(statistics.median(waits), watch.stop().processor / len(steps))
        note = f"{statistics.median(sizes) / 1000:.0f} kB sent"
        yield Line(f"{job}, one visitor", timing, f"{PROCESSOR:g} s of processor", note=note)
    person.close()


def _measure(load: Load, url: str, watch: Watch) -> Line:
    """All visitors of a load, begun within one pause of each other."""
    ids = load_sample("glioma").patient_ids
    begin = threading.Barrier(load.visitors + 1, timeout=ENTRY)

    def visit(number: int) -> list[float]:
        person = _enter(url, load)
        try:
            person.choose("case_row", str(ids[(number + 1) * len(ids) // (load.visitors + 1)]))
            begin.wait()
            time.sleep(number * load.pause / load.visitors)
            waits = []
            for step in WALK:
                waits.append(take(person, step))
                time.sleep(load.pause)
            return waits
        except Exception:
            begin.abort()  # or the others wait for this one
            raise
        finally:
            person.close()

    with ThreadPoolExecutor(load.visitors) as pool:
        visits = [pool.submit(visit, number) for number in range(load.visitors)]
        begin.wait()
        watch.start()
        waits = np.concatenate([visit.result() for visit in visits])
    processor = watch.stop().processor / len(waits)
    p50, p95 = np.quantile(waits, (0.5, 0.95))
    slowest = " ".join(WALK[int(np.argmax(waits)) % len(WALK)])
    note = f"p95 {p95:.2f} s, longest {waits.max():.2f} s ({slowest})"
    return Line(load.name, Timing(float(p50), processor), load.goal, note=note)


def take(person: Person, step: Step) -> float:
    """Take a step of a walk; return the seconds until the page stands again."""
    act: Callable[..., float] = getattr(person, step[0])
    try:
        return act(*step[1:])
    except Exception as error:
        error.add_note(f"at {' '.join(step)}")
        raise


def _enter(url: str, load: Load) -> Person:
    return Reader(url) if load.in_browsers else Visitor(url)


class Reader:
    """Somebody with a browser of their own; made and used in one thread."""

    PAGES: ClassVar[dict[str, str]] = {"": "Case", "cohort": "Cohort", "explain": "Explain"}

    def __init__(self, url: str) -> None:
        from playwright.sync_api import sync_playwright

        self._driver = sync_playwright().start()
        browser = self._driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        self._tab = Tab(browser, PATIENCE)
        self._page = self._tab.page
        self._tab.open(url)

    def close(self) -> None:
        """Close the browser."""
        self._tab.close()
        self._driver.stop()

    def click(self, key: str) -> float:
        """Press the button of a key."""
        return self._time(self._page.locator(f".st-key-{key} button").click)

    def choose(self, key: str, value: str) -> float:
        """Choose one of some buttons, or type into a list."""
        place = self._page.locator(f".st-key-{key}")
        buttons = place.get_by_text(value, exact=True)
        if place.get_by_test_id("stButtonGroup").count() or not place.locator("input").count():
            return self._time(buttons.first.click)
        place.locator("input").fill(value)
        return self._time(lambda: place.locator("input").press("Enter"))

    def go(self, page: str) -> float:
        """Turn to a page by its link in the sidebar."""
        begun = time.perf_counter()
        self._tab.switch(self.PAGES[page])
        return time.perf_counter() - begun

    def _time(self, action: Callable[[], None]) -> float:
        begun = time.perf_counter()
        self._tab.rerun(action)
        self._tab.wait_for_chart()
        return time.perf_counter() - begun
