"""Two groups are made in the browser and compared; a click draws a column."""

from __future__ import annotations

import pytest

from tests.browser.conftest import NewPage, Server
from tests.browser.steps import SLOW, healthy, pick, pick_view, press, settled, shot, unfold

pytestmark = pytest.mark.slow


def test_two_groups_are_made_and_compared(server: Server, new_page: NewPage) -> None:
    page, record = new_page()
    page.goto(f"{server.url}/cohort?cohort=glioma")
    settled(page)
    pick_view(page, "Groups")
    for stratum in ("high", "low"):
        name = page.get_by_label("Name of the group")
        unfold(page, "New group", name)
        source = page.locator(".st-key-group_source input")
        strata = page.locator(".st-key-group_stratum input")
        pick(page, source, "Risk group", strata)
        pick(page, strata, stratum, page.get_by_text(f"risk: {stratum}, model"))
        settled(page)
        name.fill(f"Risk {stratum}")
        name.press("Enter")
        settled(page)
        press(page, "Save group")
        page.keyboard.press("Escape")
        settled(page)
    page.get_by_text("What distinguishes them").first.wait_for(timeout=SLOW)
    assert "differ between Risk high and Risk low" in page.locator("body").inner_text()
    healthy(page, record, server)
    shot(page, "groups_compared")
    grid = page.locator(".st-key-differences").get_by_test_id("stDataFrame")
    grid.scroll_into_view_if_needed()
    box = grid.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 16, box["y"] + 35 * 1.5)
    page.locator(".st-key-column_by_group").wait_for(timeout=SLOW)
    settled(page)
    shot(page, "groups_column")
    press(page, "In Kaplan-Meier")
    page.locator(".st-key-kaplan_meier").wait_for(timeout=SLOW)
    assert "Groups compared: overall survival" in page.locator("body").inner_text()
    healthy(page, record, server)
    shot(page, "groups_curves")
