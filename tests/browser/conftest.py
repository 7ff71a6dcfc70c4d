"""A server in a process of its own, and a Chromium that records what it sends and prints."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.builders.models import tiny_models

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 60
PASS_THE_GATE = """const pressed = new WeakSet();
setInterval(() => {
  for (const button of document.querySelectorAll('[role=dialog] button'))
    if (button.innerText.trim() === 'I understand' && !pressed.has(button)) {
      pressed.add(button);
      button.click();
    }
}, 100);"""
"""What a session asks once, accepted in the background.

Pressed once: a second time, while the dialog closes, runs a page again that a test has begun to
use, and that run drops the answer to a download.
"""
LATE = "TimeoutError"
"""What a browser on a busy machine fails with; a test that does is run once more, and counted."""


def _missing() -> str | None:
    if not CHROMIUM.is_file():
        return f"no browser at {CHROMIUM}"
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = _missing()
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=[LATE]))
            if reason is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


@dataclass
class Server:
    """A dashboard on a port and a home of its own, which it keeps when it is started again.

    ``module`` is what runs it: Streamlit itself imports nothing before its first visitor does.
    """

    port: int
    home: Path
    models: Path
    arguments: tuple[str, ...] = ()
    module: str = "tests.browser.serve"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.home / "server.log"

    def start(self) -> None:
        """Start it and wait until it answers."""
        environment = os.environ | {
            "CAMLIF_MODELS": str(self.models),
            "CAMLIF_HOME": str(self.home),
            "OMP_NUM_THREADS": "1",
        }
        run = [sys.executable, "-m", self.module, "run", "dashboard/app.py"]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [*run, "--server.port", str(self.port), *self.arguments],
                cwd=ROOT,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS
        while not _healthy(self.url):
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the dashboard did not start:\n{self.log.read_text('utf-8')}")
            time.sleep(0.2)

    def kill(self) -> None:
        """End it without warning, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=20)

    def end(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=20)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with one tiny model per sample."""
    folder = tiny_models(tmp_path_factory, ("glioma", "luad"))
    hancock = ROOT / "models" / "hancock"
    if (hancock / "model.safetensors").is_file():
        (folder / "hancock").symlink_to(hancock)
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


StartServer = Callable[..., Server]


@pytest.fixture(scope="session")
def start_server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Start dashboards, by default of the tiny models; all are ended after the tests.

    Positional arguments are Streamlit's, others those of `Server`.
    """
    running: list[Server] = []

    def start(*arguments: str, **options: Any) -> Server:
        home = tmp_path_factory.mktemp("home")
        server = Server(free_port(), home, **{"models": models, "arguments": arguments} | options)
        running.append(server)
        server.start()
        return server

    yield start
    for server in running:
        server.end()


@pytest.fixture(scope="session")
def server(start_server: StartServer) -> Server:
    """The dashboard that most tests share."""
    return start_server()


@dataclass
class Record:
    """What a page asked for and printed."""

    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def foreign(self, url: str) -> list[str]:
        """Requests to anywhere but the server itself."""
        own = (url, url.replace("http://", "ws://"), "data:", "blob:")
        return [r for r in self.requests if not r.startswith(own)]

    def errors(self) -> list[str]:
        """Console errors but those of Streamlit's search for its server.

        Its client asks below the page's own address first, ``/cohort/_stcore/health``, since the
        application might live there, and then at the root. Only a page that changes Streamlit's
        own ``index.html`` could name the root beforehand.
        """
        asks = re.compile(r"404 \(Not Found\) \S+/\w+/_stcore/(health|host-config)$")
        return [line for line in self.console if not asks.search(line)]


NewPage = Callable[..., "tuple[Page, Record]"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[NewPage]:
    """Open a page in a context of its own that records requests, console and addresses."""
    contexts = []

    def make(*, pass_gate: bool = True, **options: object) -> tuple[Page, Record]:
        size = {"width": 1440, "height": 900}
        context = browser.new_context(viewport=size, accept_downloads=True, **options)  # type: ignore[arg-type]
        contexts.append(context)
        context.add_init_script(PASS_THE_GATE if pass_gate else "")
        page, record = context.new_page(), Record()
        page.on("request", lambda request: record.requests.append(request.url))
        page.on("websocket", lambda socket: record.requests.append(socket.url))
        page.on("framenavigated", lambda frame: record.addresses.append(frame.url))
        page.on("pageerror", lambda error: record.console.append(str(error)))
        page.on(
            "console",
            lambda line: (
                record.console.append(f"{line.text} {line.location.get('url', '')}")
                if line.type == "error"
                else None
            ),
        )
        return page, record

    yield make
    for context in contexts:
        context.close()
