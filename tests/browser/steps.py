"""What people do in the browser, and what every page must be afterwards."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from dashboard import messages
from tests.browser.conftest import ROOT, Record, Server

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SECONDS = 1000
SLOW = 120 * SECONDS
STILL = '[data-test-script-state="notRunning"]'
PANELS = (
    "Who and what data",
    "Result",
    "How sure",
    "Where this case sits",
)
"""The first four of the Case page."""
_WORDS = r"""() => {
  const main = document.querySelector('[data-testid=stMain]');
  const texts = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  const drawn = 'svg, canvas, style, script, [data-testid=stDataFrame], '
    + '[data-testid=stIconMaterial]';
  let words = 0;
  while (texts.nextNode()) {
    const place = texts.currentNode.parentElement;
    if (place.closest(drawn) || !place.checkVisibility({checkVisibilityCSS: true})) continue;
    words += (texts.currentNode.textContent.match(/\p{L}[\p{L}\p{N}'’-]*/gu) || []).length;
  }
  return words;
}"""
FAILED = re.compile(r"Traceback|E-50: |circular import|partially initialized", re.IGNORECASE)


def settled(page: Page) -> None:
    """Wait until the script has run, the footer is there and no further run begins by itself."""
    page.wait_for_selector(STILL, timeout=SLOW)
    # The first: a page that is just left has one, too.
    page.get_by_role("button", name="Forget my data").first.wait_for(timeout=SLOW)
    page.wait_for_selector(STILL, timeout=SLOW)
    while _begins(page, seconds=0.3):
        page.wait_for_selector(STILL, timeout=SLOW)


def rerun(page: Page) -> None:
    """Wait until the script has run anew after a click; one that runs none is waited for, too."""
    _begins(page, seconds=0.5)
    settled(page)


def _begins(page: Page, *, seconds: float) -> bool:
    """Whether the script begins to run within ``seconds``."""
    from playwright.sync_api import TimeoutError as NotBegun

    try:
        page.wait_for_selector('[data-test-script-state="running"]', timeout=seconds * SECONDS)
    except NotBegun:
        return False
    return True


def go(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebarNavLink").filter(has_text=name).first.click()
    rerun(page)


def shot(page: Page, name: str) -> None:
    folder = os.environ.get("CAMLIF_SHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def shown(page: Page) -> str:
    return page.locator("body").inner_text()


def healthy(page: Page, record: Record, server: Server) -> None:
    assert not FAILED.search(shown(page))
    assert messages.BANNER in shown(page)
    assert record.foreign(server.url) == []
    assert record.errors() == []


def holds(field: Locator, text: str) -> None:
    """Wait until a field holds a text."""
    from playwright.sync_api import expect

    expect(field).to_have_value(text, timeout=SLOW)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).first.click()
    rerun(page)


def pick(page: Page, box: Locator, option: str, taken: Locator) -> None:
    """Choose from a list until ``taken`` shows that it was chosen.

    A list closes when anything around it scrolls, an opening expander included; a click that
    falls into its closing chooses nothing.
    """
    from playwright.sync_api import TimeoutError as NotChosen

    last = time.monotonic() + SLOW / SECONDS
    while True:
        if box.get_attribute("aria-expanded") != "true":
            box.click()
        try:
            page.get_by_role("option", name=option).first.click(timeout=5 * SECONDS)
            taken.first.wait_for(timeout=5 * SECONDS)
            return
        except NotChosen:
            if time.monotonic() > last:
                raise


def unfold(page: Page, button: str, inside: Locator) -> None:
    """Open a popover until what is in it is there; one closes when the expander around it opens."""
    from playwright.sync_api import TimeoutError as NotOpened

    last = time.monotonic() + SLOW / SECONDS
    while True:
        page.get_by_role("button", name=button).click()
        try:
            inside.wait_for(timeout=5 * SECONDS)
            return
        except NotOpened:
            if time.monotonic() > last:
                raise


def add_files(page: Page, files: Sequence[Path]) -> None:
    """Give files to Upload & check, which must be open, and have them checked."""
    page.locator('input[type="file"]').set_input_files([str(file) for file in files])
    page.wait_for_function(
        "() => [...document.querySelectorAll('button')]"
        ".some(b => b.innerText.includes('Check files') && !b.disabled)",
        timeout=SLOW,
    )
    settled(page)
    press(page, "Check files")


def open_cohort(page: Page, name: str) -> None:
    cohorts = page.locator(".st-key-pick_cohort input")
    pick(page, cohorts, name, page.locator("[data-testid=stMain] strong").get_by_text(name))
    settled(page)


def pick_view(page: Page, name: str) -> None:
    page.get_by_test_id("stButtonGroup").get_by_text(name, exact=True).click()
    rerun(page)


def sample_tables(folder: Path, prefix: str, rows: int | None = 60) -> list[Path]:
    """Tables of the first patients of the lung sample, called ``prefix`` and a number."""
    paths = []
    for source in sorted((ROOT / "sample_data" / "luad").glob("*.csv*")):
        table = pd.read_csv(source, dtype=str, nrows=rows)
        table["patient_id"] = table["patient_id"].str.replace("SYN", prefix)
        paths.append(folder / source.name.removesuffix(".gz"))
        table.to_csv(paths[-1], index=False)
    return paths


def opened_patient(page: Page) -> str:
    """Identifier at the head of the first panel of Case."""
    heading = page.get_by_role("heading", name="Who and what data", exact=True)
    panel = page.get_by_test_id("stColumn").filter(has=heading).last
    return panel.locator("strong").first.inner_text()


def words(page: Page) -> int:
    """Words of a page that are read before anything is opened, less those drawn in charts."""
    return int(page.evaluate(_WORDS))


def bottoms(page: Page) -> dict[str, float]:
    """Lower edge of each of the first four panels, in pixels from the top of the screen."""
    found = {}
    for title in PANELS[:3]:
        heading = page.get_by_role("heading", name=title, exact=True)
        found[title] = heading.evaluate(
            "e => e.closest('[data-testid=stColumn]').getBoundingClientRect().bottom"
        )
    panel = page.locator(".st-key-case_curves_panel")
    found[PANELS[3]] = panel.evaluate("e => e.getBoundingClientRect().bottom")
    return found
