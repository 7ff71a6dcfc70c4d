"""Runs in a real browser: a second training is not dropped, and an upload's is tried again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.conftest import NewPage, StartServer
from tests.browser.steps import SLOW, add_files, go, press, rerun, sample_tables, settled, shown

if TYPE_CHECKING:
    from playwright.sync_api import Page


def train(page: Page, name: str) -> None:
    page.get_by_label("Name of the model").fill(name)
    page.get_by_role("button", name="Start training").click()
    rerun(page)


def cancel(page: Page) -> None:
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled at step").wait_for(timeout=SLOW)
    settled(page)


def test_a_second_training_with_another_name_waits_for_the_first(
    start_server: StartServer, new_page: NewPage
) -> None:
    server = start_server()
    page, _ = new_page()
    page.goto(f"{server.url}/runs")
    settled(page)
    train(page, "first")
    train(page, "second")
    page.get_by_text("Waiting for the run under way.").wait_for(timeout=SLOW)
    assert "under way already" not in shown(page)
    folders = sorted(path.name for path in (server.home / "runs").iterdir() if path.is_dir())
    assert len(folders) == 2
    cancel(page)
    page.locator(".st-key-pick_run input").click()
    page.get_by_role("option").nth(1).click()
    rerun(page)
    cancel(page)


def test_the_training_of_an_upload_is_tried_again_after_a_reload(
    start_server: StartServer, new_page: NewPage, tmp_path: Path
) -> None:
    server = start_server()
    page, _ = new_page()
    page.goto(f"{server.url}/data")
    settled(page)
    upload(page, tmp_path)
    go(page, "Runs")
    train(page, "own")
    cancel(page)
    page.reload()
    settled(page)
    page.goto(f"{server.url}/data")
    settled(page)
    upload(page, tmp_path)
    go(page, "Runs")
    again = page.get_by_role("button", name="Try again")
    again.click()
    page.get_by_role("button", name="Cancel").wait_for(timeout=SLOW)
    cancel(page)


def upload(page: Page, folder: Path) -> None:
    add_files(page, sample_tables(folder, "OWN", rows=None))
    anyway = page.get_by_text("Score all the same")
    if anyway.count():
        anyway.click()
        settled(page)
    press(page, "Score this cohort")
    page.get_by_text("Patients shown", exact=True).wait_for(timeout=SLOW)
    settled(page)
