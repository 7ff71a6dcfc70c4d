"""What a session holds in a real browser: links, reloads, drafts, filters, the gate, the board."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from camlif.data.samples import load_sample
from dashboard.store import Store, default_url
from tests.browser.conftest import NewPage, Server
from tests.browser.steps import (
    SLOW,
    add_files,
    go,
    healthy,
    holds,
    open_cohort,
    opened_patient,
    pick,
    press,
    rerun,
    sample_tables,
    settled,
    shot,
    shown,
)

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.slow
PRINTED_WIDTH = 1047
"""Pixels between the margins of a landscape A4 page."""
RESULTS = ("Who and what data", "Where this case sits", "Patients shown")


def link_of(page: Page) -> str:
    """What Copy link offers."""
    page.get_by_role("button", name="Copy link").click()
    code = page.get_by_test_id("stCode").filter(has_text="http").last
    code.wait_for(timeout=SLOW)
    found = code.inner_text().strip()
    page.keyboard.press("Escape")
    return found


def shows_nothing_but(page: Page, sentence: str) -> None:
    settled(page)
    assert sentence in shown(page)
    assert [word for word in RESULTS if word in shown(page)] == []
    assert page.locator(".js-plotly-plot").count() == 0


def note_field(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Note", exact=True)


def decision_field(page: Page) -> Locator:
    return page.get_by_role("textbox", name="What was decided", exact=True)


def score(page: Page, folder: Path) -> None:
    """Upload tables and score them, whatever the check warns of."""
    add_files(page, sample_tables(folder, "OWN"))
    anyway = page.get_by_text("Score all the same")
    if anyway.count():
        anyway.click()
        settled(page)
    press(page, "Score this cohort")


# Links and reloads


def test_a_link_carries_case_cohort_and_model_and_a_reload_keeps_them(
    server: Server, new_page: NewPage
) -> None:
    page, record = new_page()
    page.goto(server.url)
    settled(page)
    open_cohort(page, "Synthetic lung")
    press(page, "Next")
    address, opened = link_of(page), opened_patient(page)
    assert {"case", "cohort=luad", "model=luad"} <= set(
        re.findall(r"case|cohort=\w+|model=\w+", address)
    )
    other, _ = new_page()
    other.goto(address)
    settled(other)
    assert opened_patient(other) == opened
    other.goto(re.sub(r"case=[0-9a-f]+", "case=0123456789abcdef", address))
    shows_nothing_but(other, "E-31")
    shot(other, "link_unknown")
    for name in ("Cohort", "Validation", "Runs"):
        go(page, name)
        page.reload()
        settled(page)
        assert "Synthetic lung" in shown(page), name
    healthy(page, record, server)


def test_a_link_to_an_upload_waits_for_the_same_tables(
    server: Server, new_page: NewPage, tmp_path: Path
) -> None:
    page, _ = new_page()
    page.goto(f"{server.url}/data")
    settled(page)
    score(page, tmp_path)
    go(page, "Case")
    press(page, "Next")
    address, opened = link_of(page), opened_patient(page)
    assert opened not in address
    other, record = new_page()
    other.goto(address)
    shows_nothing_but(other, "E-42")
    assert other.locator(".st-key-header").count() == 0
    shot(other, "link_upload")
    go(other, "Upload & check")
    score(other, tmp_path)
    other.get_by_text("Who and what data").wait_for(timeout=SLOW)
    settled(other)
    assert opened_patient(other) == opened
    other.reload()
    shows_nothing_but(other, "E-42")
    healthy(other, record, server)


# What is typed


def test_nothing_typed_is_lost_to_a_colleague_a_page_a_case_a_key_or_a_reload(
    server: Server, new_page: NewPage
) -> None:
    (page, record), (colleague, _) = new_page(), new_page()
    for each in (page, colleague):
        each.goto(server.url)
        settled(each)
        press(each, "Next")
    note_field(page).fill("Mine, half written")
    decision_field(colleague).fill("Theirs, half written")
    note_field(colleague).fill("Theirs")
    press(colleague, "Add note")
    holds(note_field(colleague), "")
    holds(decision_field(colleague), "Theirs, half written")
    decision_field(page).fill("Decided here")
    press(page, "Record decision")
    holds(decision_field(page), "")
    holds(note_field(page), "Mine, half written")
    press(colleague, "Record decision")
    colleague.get_by_text("Theirs, half written").first.wait_for(timeout=SLOW)
    assert "Decided here" in shown(colleague)

    opened = opened_patient(page)
    note_field(page).press("Alt+j")
    page.wait_for_timeout(500)
    settled(page)
    assert opened_patient(page) == opened
    for leave, back in (("Next", "Previous"), ("Cohort", "Case")):
        for step in (leave, back):
            (go if step in ("Cohort", "Case") else press)(page, step)
        assert opened_patient(page) == opened
        holds(note_field(page), "Mine, half written")
    note_field(page).press("End")
    page.keyboard.type(" still")
    page.reload()
    settled(page)
    holds(note_field(page), "Mine, half written still")
    shot(page, "draft_restored")
    press(page, "Add note")
    holds(note_field(page), "")
    page.reload()
    settled(page)
    assert note_field(page).input_value() == ""
    assert shown(page).count("Mine, half written still") == 1
    healthy(page, record, server)


def test_the_name_of_a_worklist_outlives_a_reload_and_forgetting_erases_it(
    server: Server, new_page: NewPage
) -> None:
    page, _ = new_page()
    page.goto(server.url)
    settled(page)
    for _ in range(2):
        page.locator(".st-key-board_menu button").first.click()
        field = page.get_by_label("Name of the new worklist")
        field.wait_for(timeout=SLOW)
        if field.input_value() == "":
            field.type("Tumour board")
            page.reload()
            settled(page)
    holds(field, "Tumour board")
    page.keyboard.press("Escape")
    press(page, "Forget my data")
    page.locator(".st-key-board_menu button").first.click()
    field.wait_for(timeout=SLOW)
    assert field.input_value() == ""


# Gate


def test_nothing_is_drawn_or_logged_as_shown_before_the_gate(
    server: Server, new_page: NewPage
) -> None:
    def events() -> list[str]:
        store = Store(default_url(server.home))
        try:
            return [event.action for event in reversed(store.audit_events())]
        finally:
            store.close()

    page, _ = new_page(pass_gate=False)
    before = len(events())
    page.goto(server.url)
    accept = page.get_by_role("button", name="I understand")
    accept.wait_for(timeout=SLOW)
    page.wait_for_selector('[data-test-script-state="notRunning"]', timeout=SLOW)
    shot(page, "gate")
    assert [word for word in RESULTS if word in shown(page)] == []
    assert page.get_by_test_id("stSidebarNavLink").count() == 0
    assert page.locator(".st-key-header").count() == 0
    assert "result shown" not in events()[before:]
    accept.click()
    settled(page)
    page.get_by_text("Who and what data").wait_for(timeout=SLOW)
    since = events()[before:]
    assert since.index("research use accepted") < since.index("result shown")


# Filters


def shown_patients(page: Page) -> int:
    settled(page)
    return int(re.findall(r"n = (\d+) of 480 shown", shown(page))[0])


def test_reset_filters_takes_every_filter_back_for_good(server: Server, new_page: NewPage) -> None:
    page, record = new_page()
    page.goto(f"{server.url}/cohort")
    settled(page)
    grade = page.get_by_role("combobox", name="WHO grade")
    pick(page, grade, "IV", page.locator('.st-key-grade [aria-label="IV"]'))
    page.keyboard.press("Escape")
    page.locator(".st-key-age_range input[type=range]").first.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert shown_patients(page) < 480
    press(page, "Reset filters")
    assert shown_patients(page) == 480
    assert page.locator('.st-key-grade [aria-label="IV"]').count() == 0
    shot(page, "filters_reset")
    complete = int(load_sample("glioma").presence.all(axis=1).sum())
    page.get_by_text("All modalities present").click()
    page.wait_for_timeout(300)
    assert shown_patients(page) == complete
    healthy(page, record, server)


# The board


def toggle_commit_first(page: Page) -> None:
    page.locator(".st-key-board_menu button").first.click()
    page.get_by_text("Commit first", exact=True).first.click()
    settled(page)
    page.keyboard.press("Escape")


def test_commit_first_hides_results_in_its_own_tab_alone_and_on_cohort_too(
    server: Server, new_page: NewPage
) -> None:
    (page, record), (other, _) = new_page(), new_page()
    for each in (page, other):
        each.goto(server.url)
        settled(each)
    toggle_commit_first(page)
    page.get_by_text("Commit first is on in this browser tab").wait_for(timeout=SLOW)
    assert "commit" not in link_of(page)
    other.reload()
    settled(other)
    assert "Where this case sits" in shown(other)
    page.reload()
    settled(page)
    assert "Where this case sits" not in shown(page)
    shot(page, "commit_first")
    go(page, "Cohort")
    page.get_by_test_id("stButtonGroup").get_by_text("Hazard by subtype", exact=True).click()
    page.get_by_text("stay hidden here until").wait_for(timeout=SLOW)
    assert page.locator(".st-key-hazard .js-plotly-plot").count() == 0
    shot(page, "commit_first_cohort")
    healthy(page, record, server)


def test_erasing_closes_its_dialogue(server: Server, new_page: NewPage) -> None:
    page, record = new_page()
    page.goto(server.url)
    settled(page)
    note_field(page).fill("To be erased")
    press(page, "Add note")
    go(page, "Records")
    press(page, "Erase")
    page.get_by_text("Erase them for good").click()
    settled(page)
    page.get_by_role("button", name="Erase records").click()
    page.get_by_text("Erase them for good").wait_for(state="hidden", timeout=SLOW)
    healthy(page, record, server)


# Inputs and print


def test_enter_picks_one_of_the_options_that_fit(server: Server, new_page: NewPage) -> None:
    page, record = new_page()
    page.goto(f"{server.url}/runs")
    settled(page)
    page.get_by_role("tab", name="Run a study").click()
    rerun(page)
    methods = page.locator(".st-key-study_form_methods")
    chosen = methods.locator("[data-tag]")
    chosen.first.wait_for(timeout=SLOW)
    before = chosen.count()
    methods.get_by_role("combobox").fill("cox")
    page.get_by_role("option").first.wait_for(timeout=SLOW)
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    assert chosen.count() == before + 1
    healthy(page, record, server)


@pytest.mark.parametrize("name", ["", "cohort"])
def test_the_print_of_the_browser_cuts_no_chart(
    server: Server, new_page: NewPage, name: str
) -> None:
    page, _ = new_page()
    page.goto(f"{server.url}/{name}")
    page.locator(".js-plotly-plot").first.wait_for(timeout=SLOW)
    settled(page)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": PRINTED_WIDTH, "height": 720})
    for chart in page.locator(".js-plotly-plot svg.main-svg").all():
        box = chart.bounding_box()
        if box is not None:
            assert box["x"] + box["width"] <= PRINTED_WIDTH + 1
    shot(page, f"print_{name or 'case'}")
