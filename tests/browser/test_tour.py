"""The dashboard in a real browser: what people see, what leaves the machine, what a link holds."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pypdf
import pytest

from camlif.data.samples import load_sample
from dashboard import messages
from tests.browser import accessibility
from tests.browser.conftest import NewPage, Record, Server, StartServer
from tests.browser.steps import (
    FAILED,
    SLOW,
    add_files,
    go,
    healthy,
    opened_patient,
    pick_view,
    press,
    sample_tables,
    settled,
    shot,
    shown,
    words,
)

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PAGES = (
    "Case",
    "Meeting",
    "Cohort",
    "Explain",
    "Ablation",
    "Comparison",
    "Validation",
    "Upload & check",
    "Runs",
    "Model card",
    "Records",
    "Help",
)
MOST_WORDS = 350


def addresses_hold_no(ids: set[str], page: Page, record: Record) -> bool:
    return not any(i in a for i in ids for a in [*record.addresses, *record.requests, page.url])


def tab_to(page: Page, target: Locator, presses: int = 10) -> None:
    """Move the focus with the Tab key until the target has it."""
    for _ in range(presses):
        page.keyboard.press("Tab")
        page.wait_for_timeout(200)
        if target.evaluate("e => e === document.activeElement"):
            return
    pytest.fail(f"Tab never reached {target}.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_opens_and_says_no_more_than_is_read(
    server: Server, new_page: NewPage, scheme: str
) -> None:
    page, record = new_page(color_scheme=scheme)
    started = time.monotonic()
    page.goto(server.url)
    page.locator(".js-plotly-plot").first.wait_for(timeout=SLOW)
    print(f"\n{scheme}: first chart after {time.monotonic() - started:.1f} s")
    settled(page)
    said = {}
    for name in PAGES:
        started = time.monotonic()
        go(page, name)
        print(f"{scheme}: {name} after {time.monotonic() - started:.1f} s")
        shot(page, f"{name.split()[0].lower()}_{scheme}")
        healthy(page, record, server)
        for figure in page.get_by_test_id("stPlotlyChart").all():
            assert figure.evaluate(
                "e => !!(e.closest('[aria-label]') || "
                "e.querySelector('[aria-label], [alt], [role=img]'))"
            )
        assert accessibility.findings(page) == [], name
        assert accessibility.in_order(accessibility.headings(page)), name
        assert page.title().startswith(name)
        said[name] = words(page)
    assert {name: n for name, n in said.items() if n > MOST_WORDS} == {}
    ids = {str(i) for i in load_sample("glioma").patient_ids}
    assert addresses_hold_no(ids, page, record)


def test_no_page_that_is_opened_by_its_address_prints_an_error(
    server: Server, new_page: NewPage
) -> None:
    page, record = new_page()
    page.goto(server.url)
    settled(page)
    assert record.console == []
    links = page.get_by_test_id("stSidebarNavLink")
    addresses = [str(link.get_attribute("href")) for link in links.all()]
    assert len(addresses) == len(PAGES)
    for address in addresses:
        page.goto(address)
        settled(page)
        assert record.errors() == [], address
    assert len(record.console) <= 2 * len(PAGES)  # what Streamlit asks for, twice a page


def test_a_session_begins_with_the_gate_and_focus_is_seen(
    server: Server, new_page: NewPage
) -> None:
    page, record = new_page(pass_gate=False)
    page.goto(server.url)
    gate = page.get_by_role("dialog", name="Research use only")
    gate.wait_for(timeout=SLOW)
    page.wait_for_selector('[data-test-script-state="notRunning"]', timeout=SLOW)
    assert accessibility.findings(page) == []
    page.keyboard.press("Escape")
    assert gate.is_visible()
    accept = gate.get_by_role("button", name="I understand")
    tab_to(page, accept)
    page.keyboard.press("Enter")
    gate.wait_for(state="hidden", timeout=SLOW)
    settled(page)
    assert accessibility.unseen_focus(page, stops=30) == []
    healthy(page, record, server)


def test_switching_pages_fast_on_a_cold_server_breaks_nothing(
    start_server: StartServer, new_page: NewPage
) -> None:
    server = start_server(module="streamlit")
    page, record = new_page()
    page.goto(server.url)
    links = page.get_by_test_id("stSidebarNavLink")
    links.first.wait_for(timeout=SLOW)
    for k in range(10):
        links.nth((k + 1) % len(PAGES)).click()
        page.wait_for_timeout(250)
    settled(page)
    healthy(page, record, server)
    log = server.log.read_text("utf-8")
    assert not FAILED.search(log)
    assert "page failed" not in log


def test_points_drawn_round_become_a_group_with_its_number(
    server: Server, new_page: NewPage
) -> None:
    page, record = new_page()
    page.goto(f"{server.url}/cohort")
    settled(page)
    logged = len(server.log.read_text("utf-8"))
    pick_view(page, "Hazard by subtype")
    plot = page.get_by_test_id("stPlotlyChart").first
    plot.scroll_into_view_if_needed()
    area = plot.locator(".nsewdrag").first
    page.wait_for_timeout(500)
    plot.hover()
    plot.locator('[data-attr="dragmode"][data-val="select"]').click()
    box = area.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.5, steps=8)
    page.mouse.up()
    chip = page.get_by_text(re.compile(r"^\d+ patients selected$"))
    chip.wait_for(timeout=SLOW)
    n = int(re.findall(r"\d+", chip.inner_text())[0])
    assert 1 < n < 480
    shot(page, "hazard_selected")
    press(page, "Compare in Kaplan-Meier")
    chart = page.get_by_test_id("stPlotlyChart").first
    chart.wait_for()
    shot(page, "selection_curves")
    assert f"selected (n = {n}" in chart.inner_text() or re.search(
        rf"selected\D+{n}\b", chart.inner_text()
    )
    assert "Stack (most recent call last)" not in server.log.read_text("utf-8")[logged:]
    healthy(page, record, server)


def test_a_row_of_the_table_opens_its_case(server: Server, new_page: NewPage) -> None:
    page, record = new_page()
    page.goto(f"{server.url}/cohort")
    settled(page)
    pick_view(page, "Table")
    grid = page.get_by_test_id("stDataFrame").first
    grid.scroll_into_view_if_needed()
    box = grid.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 16, box["y"] + 35 * 2.5)
    page.get_by_text("Who and what data").wait_for(timeout=SLOW)
    settled(page)
    cohort = load_sample("glioma")
    assert str(cohort.patient_ids[1]) in shown(page)
    assert re.search(r"[?&]case=[0-9a-f]{16}\b", page.url)
    assert addresses_hold_no({str(i) for i in cohort.patient_ids}, page, record)
    token_url = page.url
    page.goto(token_url)
    settled(page)
    assert str(cohort.patient_ids[1]) in shown(page)
    healthy(page, record, server)


def test_the_keyboard_moves_to_the_next_case(server: Server, new_page: NewPage) -> None:
    page, _ = new_page()
    page.goto(server.url)
    settled(page)
    before = page.url
    page.mouse.click(900, 130)
    page.keyboard.press("Alt+j")
    page.wait_for_function("before => location.href !== before", arg=before, timeout=SLOW)
    settled(page)
    assert "2 of 480 shown" in shown(page)
    page.keyboard.press("Alt+k")
    page.get_by_text("1 of 480 shown").wait_for(timeout=SLOW)


def test_the_case_is_downloaded_under_its_token(server: Server, new_page: NewPage) -> None:
    page, _ = new_page()
    page.goto(server.url)
    settled(page)
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Case (JSON)").click()
    record = json.loads(waiting.value.path().read_text("utf-8"))
    token = re.findall(r"case=([0-9a-f]{16})", page.url)[0]
    assert waiting.value.suggested_filename == f"case_{token}.json"
    assert record["case"] == token
    assert record["patient_id"] is None
    assert record["notice"] == messages.BANNER
    assert record["model"]["name"] == "glioma"
    assert record["model"]["endpoint"] == load_sample("glioma").info.endpoint.name
    ids = {str(i) for i in load_sample("glioma").patient_ids}
    assert not any(i in json.dumps(record) for i in ids)


def test_alt_p_saves_the_one_page_pdf_of_the_case(server: Server, new_page: NewPage) -> None:
    page, _ = new_page()
    page.goto(server.url)
    settled(page)
    with page.expect_download(timeout=SLOW) as waiting:
        page.keyboard.press("Alt+p")
    token = re.findall(r"case=([0-9a-f]{16})", page.url)[0]
    assert waiting.value.suggested_filename == f"report_{token}.pdf"
    (printed,) = pypdf.PdfReader(waiting.value.path()).pages
    text = " ".join(printed.extract_text().split())
    for wanted in (messages.BANNER, f"Case {token}", "Model glioma of"):
        assert wanted in text


def test_an_upload_is_checked_scored_and_seen_by_nobody_else(
    server: Server, new_page: NewPage, tmp_path: Path
) -> None:
    page, record = new_page()
    other, _ = new_page()
    page.goto(f"{server.url}/data")
    settled(page)
    add_files(page, sample_tables(tmp_path, "SECRET"))
    page.get_by_text("4. Model match and score").wait_for(timeout=SLOW)
    settled(page)
    shot(page, "upload_checked")
    healthy(page, record, server)
    page.get_by_role("button", name="Score this cohort").click()
    page.get_by_text("Patients shown", exact=True).wait_for(timeout=SLOW)
    settled(page)
    for name in PAGES:
        go(page, name)
        shot(page, f"upload_{name.split()[0].lower()}")
        healthy(page, record, server)
    go(page, "Case")
    assert "Uploaded" in shown(page)
    identifier = opened_patient(page)
    assert not re.search(rf"[/=]{re.escape(identifier)}(?![0-9a-f])", page.url)
    token = re.findall(r"case=([0-9a-f]{16})", page.url)[0]

    other.goto(f"{server.url}/?case={token}")
    settled(other)
    assert "E-31" in shown(other)
    assert "Uploaded tables" not in shown(other)
    assert identifier not in shown(other)

    press(page, "Forget my data")
    assert opened_patient(page) != identifier
