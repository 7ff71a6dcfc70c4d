"""A board's meeting in a real browser: its worklist and notes outlive a killed server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from camlif.data.samples import load_sample
from dashboard.store import Store, default_url
from tests.browser.conftest import NewPage, Server, StartServer
from tests.browser.steps import SLOW, healthy, settled, shot, shown

if TYPE_CHECKING:
    from playwright.sync_api import Page

CASES = 3


def open_menu(page: Page, key: str) -> None:
    page.locator(f".st-key-{key} button").first.click()
    page.wait_for_timeout(500)


def token_of(page: Page) -> str:
    return re.findall(r"case=([0-9a-f]{16})", page.url)[0]


def review(page: Page, number: int) -> str:
    """Commit to an estimate, see the result, write a note; return the case token."""
    page.locator("[class*=st-key-estimate_group_]").get_by_text("High", exact=True).click()
    page.get_by_role("button", name="Record and show the result").click()
    page.get_by_text("Where this case sits").wait_for(timeout=SLOW)
    settled(page)
    page.get_by_role("textbox", name="Note", exact=True).fill(f"Note number {number}")
    page.get_by_role("button", name="Add note").click()
    page.get_by_text(f"Note number {number}").wait_for(timeout=SLOW)
    settled(page)
    return token_of(page)


def next_case(page: Page, token: str) -> None:
    page.get_by_role("heading", name="Notes and decision").click()  # no field has the focus
    page.keyboard.press("Alt+j")
    page.wait_for_function("token => !location.href.includes(token)", arg=token, timeout=SLOW)
    settled(page)


def test_a_meeting_outlives_a_killed_server(start_server: StartServer, new_page: NewPage) -> None:
    server = start_server()
    page, record = new_page()
    page.goto(f"{server.url}/cohort?view=Table")
    settled(page)
    open_menu(page, "shown_worklist")
    page.get_by_label("Name of the new worklist").fill("Board")
    page.keyboard.press("Tab")
    settled(page)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("480 cases on Board.").wait_for(timeout=SLOW)
    page.goto(f"{server.url}/?worklist=1")
    settled(page)
    assert "1 of 480 on the list" in shown(page)
    open_menu(page, "board_menu")
    page.get_by_text("Commit first", exact=True).first.click()
    settled(page)
    page.keyboard.press("Escape")
    reviewed = []
    for number in range(CASES):
        reviewed.append(review(page, number))
        if number == 1:
            address = page.url
            server.kill()
            server.start()
            page.goto(address)
            page.get_by_text("Note number 1").wait_for(timeout=SLOW)
            settled(page)
            record.console.clear()  # the page had lost its server for a while
            assert "2 of 480 on the list" in shown(page)
        order = "before the result was shown" if number else "after the result had been shown"
        assert order in shown(page)
        shot(page, f"meeting_{number}")
        next_case(page, reviewed[-1])
    assert len(set(reviewed)) == CASES
    assert "hidden until the board has recorded" in shown(page)
    healthy(page, record, server)
    check_database(server, reviewed)


def check_database(server: Server, reviewed: list[str]) -> None:
    home = server.home
    store = Store(default_url(home))
    try:
        for number, token in enumerate(reviewed):
            assert [note.text for note in store.notes(token)] == [f"Note number {number}"]
        assert store.verify_audit().intact
    finally:
        store.close()
    content = b"".join(path.read_bytes() for path in (home / "records").iterdir())
    ids = [str(i) for i in load_sample("glioma").patient_ids]
    assert [i for i in ids if i.encode() in content] == []


def test_a_download_leaves_an_event(server: Server, new_page: NewPage) -> None:
    page, record = new_page()
    page.goto(f"{server.url}/cohort?view=Table")
    settled(page)
    page.get_by_text("Download", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Numbers (CSV)").click()
    assert "patient" in Path(download.value.path()).read_text("utf-8")
    settled(page)
    store = Store(default_url(server.home))
    events = [event for event in store.audit_events() if event.action == "exported"]
    store.close()
    assert [event.export_type for event in events[:1]] == ["numbers of patients"]
    healthy(page, record, server)
