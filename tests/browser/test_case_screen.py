"""The Case page on the screens that people have: what fits without scrolling, what can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dashboard import messages
from tests.browser.conftest import ROOT, NewPage, Server, StartServer
from tests.browser.steps import PANELS, SLOW, bottoms, rerun, settled, shot

if TYPE_CHECKING:
    from playwright.sync_api import Page

CASES = 4
SCREENS = ((1440, 900), (1024, 768))
SMALLEST_ICONS = 160
SMALLEST_LETTERS = 11
_BANNER = """e => ({
  text: e.innerText, cut: e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight,
  below: document.querySelector('.st-key-header').getBoundingClientRect().top
    - e.getBoundingClientRect().bottom,
})"""
_FILLED = """() => {
  const panel = document.querySelector('.st-key-case_curves_panel').getBoundingClientRect();
  const chart = document.querySelector('.st-key-case_curves .main-svg').getBoundingClientRect();
  return Math.abs(chart.width - panel.width) <= 2;
}"""
"""Whether the chart is as wide as its panel."""
_OVERLAPS = """e => {
  const texts = [...e.querySelectorAll('.annotation-text-g')].filter(t => t.checkVisibility());
  const boxes = texts.map(t => [t.textContent, t.getBoundingClientRect()]);
  return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([, q]) =>
    p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 1 && q.top < p.bottom - 1
  ).map(([b]) => `${a} on ${b}`));
}"""
"""Texts in a chart that lie on each other."""
_AT_RISK = """e => {
  const box = n => n.getBoundingClientRect();
  const numbers = [...e.querySelectorAll('.textpoint text, .points text')].filter(
    n => /^[0-9,]+$/.test(n.textContent));
  const boxes = numbers.map(box);
  return {
    numbers: boxes.length,
    size: Math.min(...numbers.map(n => parseFloat(getComputedStyle(n).fontSize))),
    apart: boxes.every((a, i) => boxes.every((b, j) => i === j || a.right < b.left
      || b.right < a.left || a.bottom <= b.top + 2 || b.bottom <= a.top + 2)),
    right: Math.max(...boxes.map(b => b.right)),
    plot: box(e.querySelector('.nsewdrag')).width,
  };
}"""


@pytest.fixture(scope="module")
def shipped(start_server: StartServer) -> Server:
    """A dashboard of the models that users have: they say most of a case."""
    return start_server(models=ROOT / "models")


def icons(page: Page) -> float:
    return float(
        page.locator(".st-key-case_picture img").evaluate("e => e.getBoundingClientRect().width")
    )


@pytest.mark.parametrize("cohort", ["glioma", "luad"])
def test_four_panels_and_people_who_can_be_counted_fit_a_screen(
    shipped: Server, new_page: NewPage, cohort: str
) -> None:
    page, _ = new_page()
    page.goto(f"{shipped.url}/?cohort={cohort}")
    settled(page)
    for case in range(CASES):
        page.get_by_text(f"{case + 1} of 480 shown").wait_for(timeout=SLOW)
        page.locator(".st-key-case_curves .js-plotly-plot").wait_for(timeout=SLOW)
        for width, height in SCREENS:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(300)
            found = bottoms(page)
            assert set(found) == set(PANELS)
            assert max(found.values()) <= height, (width, case, found)
            assert icons(page) >= SMALLEST_ICONS
            page.wait_for_function(_FILLED, timeout=SLOW)
            assert page.locator(".st-key-case_curves").evaluate(_OVERLAPS) == []
            assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 0
            shot(page, f"case_{width}_{cohort}_{case}")
        page.keyboard.press("Alt+j")
        rerun(page)


@pytest.mark.parametrize("width", [320, 390])
def test_a_narrow_screen_stacks_the_panels_and_scrolls_one_way(
    server: Server, new_page: NewPage, width: int
) -> None:
    page, _ = new_page()
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(server.url)
    settled(page)
    shot(page, f"case_{width}")
    wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    assert max(wide, page.evaluate("document.documentElement.scrollWidth")) <= width
    tops = [
        page.get_by_role("heading", name=title, exact=True).evaluate(
            "e => e.getBoundingClientRect().top"
        )
        for title in PANELS
    ]
    assert tops == sorted(tops)
    assert len(set(tops)) == len(PANELS)


def test_a_phone_shows_the_banner_whole_and_charts_with_numbers_that_can_be_read(
    server: Server, new_page: NewPage
) -> None:
    page, _ = new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(server.url)
    settled(page)
    banner = page.locator(".camlif-banner").evaluate(_BANNER)
    assert banner["text"] == messages.BANNER
    assert not banner["cut"]
    assert banner["below"] >= 0
    assert icons(page) >= SMALLEST_ICONS
    for chart, path in (("case_curves", ""), ("kaplan_meier", "/cohort")):
        page.goto(server.url + path)
        settled(page)
        plot = page.locator(f".st-key-{chart} .js-plotly-plot").first
        plot.wait_for()
        found = plot.evaluate(_AT_RISK)
        assert found["numbers"] >= 9
        assert found["size"] >= SMALLEST_LETTERS
        assert found["apart"], chart
        assert found["right"] <= 390
        assert found["plot"] >= 200
        shot(page, f"{chart}_390")
