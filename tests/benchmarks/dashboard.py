"""The dashboard in a real browser beside its budgets: first chart, reload, page, widget, case.

Each cohort size has a server of its own, in a copy of the project whose sample cohort has so many
simulated patients. Seconds are those of the clock: what a person waits. The processor time is that
of the server.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from dashboard.messages import BANNER
from tests.benchmarks.harness import Line, Timing
from tests.browser.conftest import ARGUMENTS, CHROMIUM, PASS_THE_GATE, ROOT, free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, WebSocket

RUN = (sys.executable, "-m", "streamlit", "run", "dashboard/app.py")
SIZES = {1000: "1k", 10_000: "10k", 100_000: "100k"}
BUDGETS: dict[str, tuple[float, float, float]] = {
    "cold server and browser to title": (3, 4, 7),
    "cold server and browser to first chart": (8, 9, 12),
    "reload to first chart": (3, 4.5, 9),
    "page switch to chart": (2, 2.5, 5),
    "widget change on KM": (0.4, 0.5, 1),
    "next case, explained anew": (2.0, 2.0, 2.2),
    "next case": (0.5, 0.5, 0.7),
}
"""Seconds at each size (`dashboard.md` 10)."""
REPEATS = 5
IDLE_SHARE = 0.02
"""Of a processor: what an idle server may take."""
WAIT = 900_000
"""Milliseconds: reading and scoring 100,000 patients is part of their first visit."""
CHART = """() => [...document.querySelectorAll('.js-plotly-plot')]
  .some(e => e.getBoundingClientRect().height > 100 && e.data?.length > 0)"""
IDLE = '[data-test-script-state="notRunning"]'
DRAWN = "() => new Promise(done => requestIdleCallback(() => done()))"
"""Resolves when a page has nothing left to do."""
LONGEST_END = 200
"""Bytes of the message that a run has ended, at most: charts need not be read."""


def run(device: str, *, full: bool) -> Iterator[Line]:
    """All sizes, the largest only if asked for; the pages run on the CPU."""
    from playwright.sync_api import sync_playwright

    if device != "cpu":
        return
    sizes = list(SIZES)[: None if full else 2]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        for i, n in enumerate(sizes):
            with tempfile.TemporaryDirectory() as folder:
                for job, timing in _visit(browser, Path(folder), n):
                    yield Line(f"{job}, {SIZES[n]} patients", timing, f"{BUDGETS[job][i]:g} s")
        browser.close()


def _visit(browser: Browser, folder: Path, n: int) -> Iterator[tuple[str, Timing]]:
    """Measure every action at one size."""
    _copy_project(folder, n)
    server, url = start(folder, folder / "home")
    try:
        watch = Watch(server.pid)
        tab = Tab(browser)
        tab.page.goto(url)
        tab.page.get_by_text(BANNER).first.wait_for(timeout=WAIT)
        yield "cold server and browser to title", watch.stop()
        tab.wait_for_chart()
        yield "cold server and browser to first chart", watch.stop()
        tab.settle()
        yield "reload to first chart", _repeat(watch, lambda: tab.open(url), tab)
        names = iter(("Cohort", "Case") * REPEATS)
        yield "page switch to chart", _repeat(watch, lambda: tab.switch(next(names)), tab)
        tab.switch("Cohort")
        tab.settle()
        units = iter(("years", "months") * REPEATS)
        yield (
            "widget change on KM",
            _repeat(watch, lambda: tab.press(next(units), "stButtonGroup"), tab),
        )
        tab.switch("Case")
        tab.settle()
        for job, button in (("next case, explained anew", "Next"), ("next case", "Previous")):
            yield job, _repeat(watch, lambda b=button: tab.press(b, "stButton"), tab)
        tab.close()
    finally:
        server.terminate()
        server.wait(timeout=60)


def _copy_project(folder: Path, n: int) -> None:
    for name in ("camlif", "dashboard", ".streamlit"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "models").symlink_to(ROOT / "models")
    sample = str(folder / "sample_data" / "glioma")
    command = ["simulate", "glioma", "--patients", str(n), "--seed", "1", "--out", sample]
    subprocess.run(
        [sys.executable, "-m", "camlif", *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )


def start(folder: Path, home: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server of the project in a folder; return it when it answers."""
    port = free_port()
    environment = os.environ | {"CAMLIF_HOME": str(home), "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [*RUN, "--server.port", str(port)],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                return server, url
        except OSError:
            time.sleep(0.05)
    raise SystemExit("The dashboard did not start.")


class Watch:
    """Seconds of the clock, and of a process's processor time, since the last start."""

    def __init__(self, process: int) -> None:
        self.stat = Path(f"/proc/{process}/stat")
        self.start()

    def start(self) -> None:
        self.clock, self.processor = time.perf_counter(), self._busy()

    def stop(self) -> Timing:
        return Timing(time.perf_counter() - self.clock, self._busy() - self.processor)

    def wait_until_idle(self, seconds: float) -> None:
        """Return when next to nothing has been done for so long."""
        busy = -1.0
        while self._busy() - busy > IDLE_SHARE * seconds:
            busy = self._busy()
            time.sleep(seconds)

    def _busy(self) -> float:
        fields = self.stat.read_text("utf-8").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _repeat(watch: Watch, action: Callable[[], None], tab: Tab) -> Timing:
    """Return the median of an action whose first round, which may fill a cache, is not counted."""
    timings = []
    for _ in range(REPEATS):
        watch.start()
        action()
        timings.append(watch.stop())
        tab.settle()
    kept = timings[1:]
    return Timing(
        statistics.median(t.clock for t in kept), statistics.median(t.processor for t in kept)
    )


class Tab:
    """The dashboard in a window of its own, which has passed the gate.

    Parameters
    ----------
    browser : Browser
    patience : float
        Milliseconds until a run that does not end counts as failed.
    """

    def __init__(self, browser: Browser, patience: float = WAIT) -> None:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_init_script(PASS_THE_GATE)
        self.page = context.new_page()
        self.page.on("websocket", self._connected)
        self._patience = patience

    def close(self) -> None:
        """Close the window."""
        self.page.context.close()

    def open(self, url: str) -> None:
        """Load a page, or load it anew, until a chart is there."""
        self.page.goto(url)
        self.wait_for_chart()

    def wait_for_chart(self) -> None:
        """Wait until a chart is drawn."""
        self.page.wait_for_function(CHART, timeout=self._patience)

    def settle(self) -> None:
        """Wait until nothing runs, the background's imports and the late panels included."""
        for _ in range(2):
            self.page.wait_for_timeout(500)
            self.page.wait_for_selector(IDLE, timeout=self._patience)

    def switch(self, name: str) -> None:
        """Turn to a page by its link in the sidebar, until a chart is there."""
        self.rerun(self.page.get_by_test_id("stSidebarNavLink").filter(has_text=name).first.click)
        self.wait_for_chart()

    def press(self, name: str, kind: str) -> None:
        """Press a button of a kind of widget by its words."""
        self.rerun(self.page.get_by_test_id(kind).get_by_text(name, exact=True).first.click)

    def rerun(self, action: Callable[[], None]) -> None:
        """Do something that makes the page run again, and wait until a run has been drawn.

        The server's own message is what counts: a busy browser draws the beginning and the end of
        a quick run at once, and never shows that the page runs.
        """
        with self._socket.expect_event("framereceived", _ends_a_run, timeout=self._patience):
            action()
        self.page.evaluate(DRAWN)

    def _connected(self, socket: WebSocket) -> None:
        self._socket = socket


def _ends_a_run(frame: str | bytes) -> bool:
    """Whether a message says that the script has ended, and not to begin anew."""
    if isinstance(frame, str) or len(frame) > LONGEST_END:
        return False
    message = ForwardMsg.FromString(frame)
    return (
        message.WhichOneof("type") == "script_finished"
        and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
    )
