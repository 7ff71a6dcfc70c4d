"""A case beside another patient and against a group, and the features inside its reasons."""

from __future__ import annotations

from tests.browser.conftest import ROOT, NewPage, StartServer
from tests.browser.steps import (
    SLOW,
    healthy,
    pick,
    pick_view,
    press,
    rerun,
    settled,
    shot,
    shown,
    words,
)
from tests.browser.test_board import commit_first

WORDS = 350


def test_two_patients_and_a_group_are_compared_and_commit_first_hides_the_other(
    start_server: StartServer, new_page: NewPage
) -> None:
    server = start_server(models=ROOT / "models")
    page, record = new_page()
    page.goto(server.url)
    settled(page)
    assert words(page) <= WORDS
    for view in ("Curve", "Words", "Icons"):
        pick_view(page, view)
    page.get_by_text("Features inside the groups").click()
    rerun(page)
    assert "Largest single feature: " in shown(page)
    page.get_by_text("Compare with a patient or a group").click()
    rerun(page)
    box = page.get_by_role("combobox", name="Other patient")
    pick(page, box, "SYN-G0003", page.get_by_text("They differ most in"))
    settled(page)
    assert "SYN-G0003" in shown(page)
    assert "Features whose contributions differ most" in shown(page)
    shot(page, "compare_patients")
    pick_view(page, "A group")
    box = page.get_by_role("combobox", name="Group", exact=True)
    pick(page, box, "Risk group high", page.get_by_text("against the mean of: Risk group high"))
    settled(page)
    assert "Features that set this case apart most" in shown(page)
    shot(page, "compare_group")
    healthy(page, record, server)

    commit_first(page)
    assert "Compare with a patient or a group" not in shown(page)
    page.locator("[class*=st-key-estimate_group_]").get_by_text("Low", exact=True).click()
    press(page, "Record and show the result")
    page.get_by_text("Compare with a patient or a group").wait_for(timeout=SLOW)
    if not page.get_by_text("A patient", exact=True).is_visible():
        page.get_by_text("Compare with a patient or a group").click()
        rerun(page)
    pick_view(page, "A patient")
    if "stays hidden until the board has recorded its estimate" not in shown(page):
        box = page.get_by_role("combobox", name="Other patient")
        pick(page, box, "SYN-G0003", page.get_by_text("stays hidden until"))
    assert "They differ most in" not in shown(page)
