"""WCAG 2.2 AA as axe-core sees it, and what it does not look at: headings, title, visible focus."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
GRAVE = {"serious", "critical"}
TRANSITION = 150
"""Milliseconds in which a style settles."""


@dataclass(frozen=True)
class Gap:
    """A rule that the framework's own markup breaks, and where; Help names it to users."""

    within: str
    reason: str
    help: str


FRAMEWORK = {
    "list": Gap(
        '[data-testid="stSidebarNavItems"]',
        "st.navigation puts a div for every section between the list and its items",
        "menu of pages",
    ),
    "listitem": Gap(
        '[data-testid="stSidebarNavItems"]',
        "st.navigation puts a div for every section between the list and its items",
        "menu of pages",
    ),
}
"""By rule id. A finding of these rules anywhere else is ours."""

_RUN = """tags => axe.run(document, {
  runOnly: tags, resultTypes: ['violations'], rules: {'target-size': {enabled: true}},
})"""
_OURS = """([selector, targets]) => targets.filter(t => {
  const e = document.querySelector(t);
  return !e || !e.closest(selector);
})"""
_HEADINGS = """() => [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')]
  .map(h => Number(h.tagName[1]))"""
_STYLE = """e => {
  const seen = [];
  for (let at = e; at && at !== document.body && seen.length < 8; at = at.parentElement) {
    const s = getComputedStyle(at);
    seen.push([s.outlineStyle, s.outlineColor, s.boxShadow, s.borderColor].join());
  }
  return seen.join('|');
}"""


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


def findings(page: Page) -> list[str]:
    """Serious and critical findings of axe-core that are ours, with the first element of each."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_axe())
    found = []
    for violation in page.evaluate(_RUN, TAGS)["violations"]:
        if violation["impact"] not in GRAVE:
            continue
        targets = [node["target"][0] for node in violation["nodes"]]
        gap = FRAMEWORK.get(violation["id"])
        ours = page.evaluate(_OURS, [gap.within, targets]) if gap else targets
        found += [f"{violation['id']} ({violation['impact']}): {target}" for target in ours]
    return found


def headings(page: Page) -> list[int]:
    """Levels of all headings in order."""
    levels: list[int] = page.evaluate(_HEADINGS)
    return levels


def in_order(levels: list[int]) -> bool:
    """One heading of the first level, which comes first, and no level skipped on the way down."""
    steps = all(b <= a + 1 for a, b in pairwise(levels))
    return levels[:1] == [1] and levels.count(1) == 1 and steps


def unseen_focus(page: Page, *, stops: int) -> list[str]:
    """Elements among the first ``stops`` of the Tab key whose outline, shadow or border stays."""
    unseen = []
    for _ in range(stops):
        page.keyboard.press("Tab")
        page.wait_for_timeout(TRANSITION)
        element = page.evaluate_handle("() => document.activeElement")
        focused = element.evaluate(_STYLE)
        element.evaluate("e => e.blur()")
        page.wait_for_timeout(TRANSITION)
        if element.evaluate(_STYLE) == focused:
            unseen.append(element.evaluate("e => e.outerHTML.slice(0, 120)"))
    return unseen
