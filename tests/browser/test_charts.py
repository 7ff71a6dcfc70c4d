"""Charts as the browser draws them: where curves end, names stand, and what is compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from camlif.data.samples import load_sample
from tests.browser.conftest import NewPage, Server
from tests.browser.steps import SLOW, healthy, open_cohort, pick, pick_view, settled, shot, shown

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.slow

_DRAWN = """e => ({
  curves: e.data.filter(t => ['curve', 'tail'].includes(t.meta))
    .map(t => ({group: t.legendgroup, x: t.x, y: t.y})),
  names: e._fullLayout.annotations.map(a => ({text: a.text, x: a.x, y: a.y})),
  at_risk: e.data.filter(t => t.meta === 'at risk').map(t => ({x: t.x, y: t.y, text: t.text})),
})"""
_CROSSED = """e => {
  const box = n => n.getBoundingClientRect();
  const lines = [...e.querySelectorAll('.shapelayer path')].map(box).filter(r => r.width < 3);
  const names = [...e.querySelectorAll('.annotation-text')].map(box);
  return {
    lines: lines.length,
    names: names.length,
    crossed: names.filter(n => lines.some(
      l => l.left < n.right && l.right > n.left && l.top < n.bottom - 1 && l.bottom > n.top
    )).length,
    touching: names.filter((n, i) => i > 0 && names[i - 1].right > n.left).length,
    outside: names.filter(n => n.left < box(e).left || n.right > box(e).right).length,
  };
}"""
WIDTHS = (1440, 1024, 390)


def plot(page: Page, key: str) -> Locator:
    found = page.locator(f".st-key-{key} .js-plotly-plot").first
    found.wait_for()
    return found


def ends(drawn: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Last point of each group's curve."""
    return {c["group"]: (c["x"][-1], c["y"][-1]) for c in drawn["curves"]}  # the tail comes last


def test_curves_end_with_five_at_risk_and_are_named_in_the_order_of_their_ends(
    server: Server, new_page: NewPage
) -> None:
    page, _ = new_page()
    page.goto(f"{server.url}/cohort")
    settled(page)
    drawn = plot(page, "kaplan_meier").evaluate(_DRAWN)
    found = ends(drawn)
    assert set(found) == {"low", "intermediate", "high"}
    places = {n["text"]: n["y"] for n in drawn["names"] if n["text"] in found}
    assert sorted(places, key=places.__getitem__) == sorted(found, key=lambda g: found[g][1])
    (risk,) = drawn["at_risk"]
    for place, group in enumerate(("low", "intermediate", "high")):
        row = [
            (x, int(text.replace(",", "")))
            for x, y, text in zip(risk["x"], risk["y"], risk["text"], strict=True)
            if y == -place
        ]
        assert all(n >= 5 for x, n in row if x <= found[group][0]), group
    shot(page, "cohort_curves")


def test_names_of_the_strata_cross_no_cutoff_line_at_any_width(
    server: Server, new_page: NewPage
) -> None:
    page, _ = new_page()
    page.goto(server.url)
    settled(page)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(1000)
        found = plot(page, "agreement").evaluate(_CROSSED)
        assert found == {"lines": 2, "names": 3, "crossed": 0, "touching": 0, "outside": 0}, width


def test_two_groupings_are_called_by_their_names_and_both_are_tested(
    server: Server, new_page: NewPage
) -> None:
    page, _ = new_page()
    page.goto(f"{server.url}/cohort")
    settled(page)
    box = page.get_by_role("combobox", name="Compare with")
    pick(page, box, "sex", page.get_by_text("sex: pairwise log-rank"))
    settled(page)
    text = shown(page)
    assert "Predicted" not in text
    assert "Actual" not in text
    assert "sex: overall survival; n = " in text
    for name in ("Risk group", "sex"):
        assert f"{name[:1].upper()}{name[1:]}: Of 100 patients" in text
        assert f"{name}: pairwise log-rank (Holm)" in text
        assert f"{name}: hazard ratios" in text
    dashes = plot(page, "kaplan_meier").evaluate(
        "e => Object.fromEntries(e.data.filter(t => t.meta === 'curve')"
        ".map(t => [t.legendgroup, t.line.dash]))"
    )
    assert {dashes[name] for name in ("low", "intermediate", "high")} == {"solid"}
    assert "solid" not in {dashes[name] for name in ("male", "female")}
    shot(page, "cohort_compared")


def test_hazard_without_subtypes_says_that_risk_groups_separate_by_construction(
    server: Server, new_page: NewPage
) -> None:
    page, _ = new_page()
    page.goto(f"{server.url}/cohort")
    settled(page)
    open_cohort(page, "Synthetic lung")
    pick_view(page, "Hazard by subtype")
    plot(page, "hazard")
    assert "No subtype is given" in shown(page)
    assert "separate by construction" in shown(page)


def test_a_click_on_a_clinical_bar_filters_and_a_second_one_adds_to_it(
    server: Server, new_page: NewPage
) -> None:
    page, record = new_page()
    page.goto(f"{server.url}/cohort?cohort=glioma")
    settled(page)
    pick_view(page, "Clinical")
    sidebar = page.get_by_test_id("stSidebar")
    sex = page.locator(".st-key-clinical .subplot.x2y2 .point path")
    sex.first.wait_for(timeout=SLOW)
    women = int((load_sample("glioma").clinical["sex"] == "female").sum())
    for place, shown_ in ((0, women), (1, 480)):
        box = sex.nth(place).bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 4)
        sidebar.get_by_text(f"n = {shown_} of 480 shown").wait_for(timeout=SLOW)
        settled(page)
    sidebar.get_by_role("button", name="sex: female and male").click()
    settled(page)
    assert sidebar.get_by_role("button", name="sex:").count() == 0
    healthy(page, record, server)
    shot(page, "clinical")


def test_every_chart_saves_a_png_and_a_picture_for_a_column_of_a_paper(
    server: Server, new_page: NewPage, tmp_path: Path
) -> None:
    page, _ = new_page()
    page.goto(f"{server.url}/cohort")
    settled(page)
    chart = plot(page, "kaplan_meier")
    chart.hover()
    with page.expect_download() as download:
        chart.locator(".modebar-btn.picture", has_text="PNG").click()
    assert download.value.suggested_filename.endswith(".png")
    download.value.save_as(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes()[:4] == b"\x89PNG"
    with page.expect_download() as download:
        chart.locator(".modebar-btn.picture", has_text="85 mm").click()
    download.value.save_as(tmp_path / "chart.svg")
    assert re.search(r'<svg[^>]*width="450"', (tmp_path / "chart.svg").read_text())


def test_the_numbers_of_a_chart_can_be_saved_once_its_table_is_opened(
    server: Server, new_page: NewPage
) -> None:
    page, record = new_page()
    page.goto(f"{server.url}/cohort")
    settled(page)
    numbers = page.get_by_role("button", name="Numbers (CSV)")
    assert numbers.count() == 0
    page.locator(".st-key-kaplan_meier_table button").first.click()
    with page.expect_download() as waiting:
        numbers.click()
    assert Path(waiting.value.path()).read_text("utf-8").count("\n") > 100
    healthy(page, record, server)
