"""A board meets: the packet, ten cases by keyboard behind commit first, the minutes."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pypdf
import pytest

from dashboard.report.build import HIDDEN
from dashboard.store import Store, default_url
from tests.browser import accessibility
from tests.browser.conftest import NewPage, Server, StartServer
from tests.browser.steps import SLOW, healthy, holds, press, rerun, settled, shot, shown, words
from tests.browser.test_board import (
    BOARD,
    CASES,
    Seconds,
    commit_first,
    discussed,
    put_on_list,
    search,
    timed,
    token_of,
)
from tests.browser.test_tour import MOST_WORDS

if TYPE_CHECKING:
    from playwright.sync_api import Page

LONG = "Second opinion asked for. " * 120
SAID = {0: "下次复查核磁共振", 1: "مراجعة بعد شهر", 2: LONG.strip()}
"""What some cases' decisions say; the others' say their number."""
LOOSE = 120.0
"""Seconds of a case that no machine takes; `make bench`, on a quiet one, judges."""


def decision_of(number: int) -> str:
    return SAID.get(number, f"Decision number {number}.")


def saved(page: Page, name: str) -> list[str]:
    """Save a file of the lobby; return the text of its pages without spaces."""
    with page.expect_download(timeout=SLOW) as waiting:
        page.get_by_role("button", name=name).click()
    pages = pypdf.PdfReader(Path(waiting.value.path())).pages
    return ["".join(page.extract_text().split()) for page in pages]


def show_ids(page: Page) -> None:
    page.get_by_role("button", name="Paper").click()
    page.get_by_text("Show the patient id in files").click()
    rerun(page)
    page.keyboard.press("Escape")


def commit(page: Page) -> None:
    assert "hidden until the board has recorded" in shown(page)
    assert page.locator(".js-plotly-plot").count() == 0
    page.locator("[class*=st-key-estimate_group_]").get_by_text("High", exact=True).click()
    page.get_by_role("button", name="Record and show the result").click()
    page.get_by_text("before the result was shown").first.wait_for(timeout=SLOW)
    settled(page)


def decide(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="What was decided", exact=True).fill(text)
    page.get_by_role("button", name="Record decision").click()
    page.get_by_test_id("stMarkdown").get_by_text(text[:40]).first.wait_for(timeout=SLOW)
    settled(page)


def next_case(page: Page) -> None:
    page.get_by_role("heading", name="Last time").click()  # no field has the focus
    token = token_of(page)
    page.keyboard.press("Alt+j")
    page.wait_for_function("token => !location.href.includes(token)", arg=token, timeout=SLOW)
    settled(page)


@pytest.fixture(scope="module")
def met(start_server: StartServer) -> Server:
    """A dashboard of this meeting alone."""
    return start_server()


@pytest.fixture(scope="module")
def later(start_server: StartServer) -> Server:
    """A dashboard for the tests that come after a decision, in whatever order."""
    return start_server()


def open_meeting(page: Page, server: Server) -> None:
    """Open Meeting with a worklist of one case, about which something was decided before."""
    page.goto(f"{server.url}/meeting")
    settled(page)
    if "No worklist has a case" in shown(page):
        page.goto(server.url)
        settled(page)
        search(page, discussed()[0], defaultdict(list))
        put_on_list(page, 0)
        decide(page, decision_of(0))
    page.goto(f"{server.url}/meeting?worklist=1")
    settled(page)
    page.locator(".st-key-meeting_begin button").click()
    page.get_by_role("heading", name="Last time").wait_for(timeout=SLOW)
    settled(page)


def test_ten_cases_are_discussed_with_a_packet_before_and_minutes_after(
    met: Server, new_page: NewPage
) -> None:
    page, record = new_page()
    seconds: Seconds = defaultdict(list)
    page.goto(met.url)
    settled(page)
    commit_first(page)
    for number, patient in enumerate(discussed()):
        search(page, patient, seconds)
        put_on_list(page, number)
    page.locator(".st-key-board_menu button").first.click()
    page.get_by_role("button", name="Open in meeting mode").click()
    page.get_by_role("button", name="Begin the meeting").wait_for(timeout=SLOW)
    settled(page)
    show_ids(page)
    with timed(seconds, "packet before"):
        cover, *pages = saved(page, "Packet before the meeting")
    hidden = "".join(HIDDEN.split())
    assert cover.count(hidden) == CASES
    assert len(pages) == CASES
    assert all(hidden in printed for printed in pages)
    for patient in discussed():
        assert f"(patient{patient})" in cover
    press(page, "Begin the meeting")
    for number in range(CASES):
        with timed(seconds, "a case from its opening to the next"):
            assert f"{number + 1} of {CASES}" in shown(page)
            commit(page)
            decide(page, decision_of(number))
            if number == 0:
                shot(page, "meeting_case")
                assert words(page) <= MOST_WORDS
            next_case(page)
    press(page, "Agenda and files")
    press(page, "End the meeting")
    with timed(seconds, "minutes after"):
        printed = saved(page, "Minutes with decisions")
    check_minutes(met, printed)
    healthy(page, record, met)
    print()
    for step, each in seconds.items():
        print(f"{step}: median {sorted(each)[len(each) // 2]:.1f} s, most {max(each):.1f} s")
    assert max(seconds["a case from its opening to the next"]) < LOOSE


def check_minutes(server: Server, printed: list[str]) -> None:
    """All that was decided is there, whole, with who decided it; every result is shown now."""
    store = Store(default_url(server.home))
    author = store.audit_events()[0].author.replace(" ", "")
    store.close()
    text = "".join(printed)
    assert f"Minutes:{BOARD}".replace(" ", "") in printed[0]
    assert "".join(HIDDEN.split()) not in text
    for number in range(CASES):
        wanted = decision_of(number).replace(" ", "")
        if number == 1:
            wanted = "مراجعة"  # words of Arabic come back in the order of the page
        assert wanted in text, number
    assert text.count(f"({author},") >= CASES
    assert f"about{CASES}of{CASES}cases" in text


def test_what_was_decided_is_said_at_the_next_meeting(later: Server, new_page: NewPage) -> None:
    page, record = new_page()
    open_meeting(page, later)
    said = page.get_by_role("heading", name="Last time")
    assert decision_of(0) in shown(page)
    note = page.get_by_role("textbox", name="Note", exact=True)
    before = page.url
    note.fill("Half written")
    for keys in ("Alt+j", "Alt+k", "Alt+l"):
        note.press(keys)
    page.wait_for_timeout(500)
    settled(page)
    assert page.url == before
    assert note.input_value() == "Half written"
    page.reload()
    said.wait_for(timeout=SLOW)
    holds(note, "Half written")
    said.click()
    token = token_of(page)
    page.keyboard.press("Alt+l")
    page.get_by_role("heading", name="Notes and decision").wait_for(timeout=SLOW)
    settled(page)
    assert token_of(page) == token
    assert re.search(r"[?&]worklist=1\b", page.url)
    healthy(page, record, later)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_meeting_can_be_read_by_everybody_on_every_screen(
    later: Server, new_page: NewPage, scheme: str
) -> None:
    page, record = new_page(color_scheme=scheme)
    open_meeting(page, later)
    assert accessibility.findings(page) == []
    assert accessibility.in_order(accessibility.headings(page))
    for width, height in ((1440, 900), (1024, 768), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(500)
        main = page.locator("[data-testid=stMain]")
        assert main.evaluate("e => e.scrollWidth") <= width
        size = page.locator(".st-key-meeting_result p").first.evaluate(
            "e => parseFloat(getComputedStyle(e).fontSize)"
        )
        assert size >= 20
        shot(page, f"meeting_{width}_{scheme}")
    healthy(page, record, later)
