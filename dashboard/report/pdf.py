"""Case reports as PDF: one page a case, and a worklist with a cover."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence
from typing import Literal

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4, LETTER

from dashboard import messages
from dashboard.figures.palette import LIGHT
from dashboard.report import content
from dashboard.report.build import CaseReport
from dashboard.report.content import FULL, TIGHT, Limits
from dashboard.report.cover import LINE_GAP, cover_pages
from dashboard.report.curves import survival_curves
from dashboard.report.fonts import BOLD
from dashboard.report.layout import Page, Picture, Row, Text, measure_row
from dashboard.report.tags import TaggedCanvas

Paper = Literal["A4", "Letter"]
PAPERS: dict[Paper, tuple[float, float]] = {"A4": A4, "Letter": LETTER}
AUTHOR = "camlif"
MARGIN = 34.0
BANNER_HEIGHT = 19.0
ROW_GAP = 7.0
MAX_CURVES = 250.0
PLANS = (
    *((scale, 165.0, FULL) for scale in (1.0, 0.96, 0.92)),
    (0.92, 135.0, FULL),
    (0.88, 120.0, FULL),
    (0.88, 100.0, TIGHT),
    (0.84, 90.0, TIGHT),
    (0.8, 70.0, TIGHT),
)
"""Scale of the texts, least height of the curves in points, limits: the first that fits."""


def case_pdf(report: CaseReport, paper: Paper = "A4") -> bytes:
    """Draw one case on one page.

    The same report gives the same bytes. Long texts are cut, small ones set smaller, before the
    page would overflow; what is cut is in the JSON file.
    """
    record = report.record
    title = f"Case report {record.case}"
    return _document([report], [], paper, title=title, created=record.created)


def worklist_pdf(
    reports: Sequence[CaseReport], paper: Paper = "A4", *, title: str, note: str = ""
) -> bytes:
    """Draw a table of the cases with a note above it, then a page for each.

    Parameters
    ----------
    reports : sequence of CaseReport
        Of one cohort and model, in the order of the pages.
    paper : {"A4", "Letter"}
    title : str
        Of the document.
    note : str
        Above the table.

    Raises
    ------
    ValueError
        If there is no report.
    """
    if not reports:
        raise ValueError("A worklist needs at least one case.")
    created = reports[0].record.created
    covers = cover_pages(reports, title, note, _body_height(paper))
    return _document(reports, covers, paper, title=title, created=created)


def _document(
    reports: Sequence[CaseReport],
    covers: Sequence[Sequence[Row]],
    paper: Paper,
    *,
    title: str,
    created: dt.date,
) -> bytes:
    file = io.BytesIO()
    canvas = TaggedCanvas(
        file,
        page=PAPERS[paper],
        title=title,
        author=AUTHOR,
        subject=messages.BANNER,
        created=created,
    )
    total = len(covers) + len(reports)
    for i, rows in enumerate(covers):
        _draw_cover(canvas, rows, paper, (i + 1, total))
    for i, report in enumerate(reports):
        _draw_case(canvas, report, paper, (len(covers) + i + 1, total))
    canvas.save()
    return file.getvalue()


def _body_height(paper: Paper) -> float:
    return PAPERS[paper][1] - 2 * MARGIN - BANNER_HEIGHT - 2 * ROW_GAP


def _banner(canvas: TaggedCanvas, page: Page, top: float, number: tuple[int, int]) -> float:
    """The line on every page, and the page's number."""
    bottom = top - BANNER_HEIGHT
    with canvas.artifact():
        canvas.setFillColor(HexColor("#FFFFFF"))
        canvas.setStrokeColor(HexColor("#5B0F0F"))
        canvas.setLineWidth(1.2)
        canvas.rect(page.left, bottom, page.width, BANNER_HEIGHT, fill=1)
    with canvas.tagged("P"):
        canvas.setFillColor(HexColor("#5B0F0F"))
        canvas.setFont(BOLD, 8.2)
        canvas.drawCentredString(page.left + page.width / 2, bottom + 6.2, messages.BANNER)
    with canvas.tagged("P"):
        canvas.setFillColor(HexColor(LIGHT.muted))
        canvas.setFont(BOLD, 6.5)
        words = f"Page {number[0]} of {number[1]}"
        canvas.drawRightString(page.left + page.width, MARGIN - 14, words)
    return bottom - ROW_GAP


def _draw_cover(
    canvas: TaggedCanvas, rows: Sequence[Row], paper: Paper, number: tuple[int, int]
) -> None:
    width, height = PAPERS[paper]
    page = Page(canvas, 1.0, MARGIN, width - 2 * MARGIN)
    top = _banner(canvas, page, height - MARGIN, number)
    for row in rows:
        top = page.draw_row(row, top) - LINE_GAP
        _separate(canvas, page, top + LINE_GAP / 2)
    canvas.showPage()


def _draw_case(
    canvas: TaggedCanvas, report: CaseReport, paper: Paper, number: tuple[int, int]
) -> None:
    width, height = PAPERS[paper]
    scale, curves, limits = plan(report, paper)
    page = Page(canvas, scale, MARGIN, width - 2 * MARGIN)
    top = _banner(canvas, page, height - MARGIN, number)
    for row in _rows(report, curves, limits):
        _separate(canvas, page, top + ROW_GAP / 2)
        top = page.draw_row(row, top) - ROW_GAP
    foot = content.footer(report.record)
    page.draw_row(foot, MARGIN + measure_row(foot, page.width, scale))
    canvas.showPage()


def _separate(canvas: TaggedCanvas, page: Page, y: float) -> None:
    with canvas.artifact():
        canvas.setStrokeColor(HexColor(LIGHT.grid))
        canvas.setLineWidth(0.6)
        canvas.line(page.left, y, page.left + page.width, y)


def plan(report: CaseReport, paper: Paper) -> tuple[float, float, Limits]:
    """Choose the scale of the texts, the height of the curves in points, and the limits.

    Raises
    ------
    ValueError
        If the report does not fit the page at the smallest scale.
    """
    width = PAPERS[paper][0] - 2 * MARGIN
    for scale, least, limits in PLANS:
        rows = [*_rows(report, 0.0, limits), content.footer(report.record)]
        used = sum(measure_row(row, width, scale) + ROW_GAP for row in rows)
        room = _body_height(paper) - used
        if report.record.curve is None and room >= 0:
            return scale, 0.0, limits
        if room >= least:
            return scale, min(room, MAX_CURVES), limits
    raise ValueError(f"The report of case {report.record.case} does not fit a page.")


def _rows(report: CaseReport, curves: float, limits: Limits) -> list[Row]:
    rows = [content.header(report.record), *content.rows_above(report, limits)]
    if report.record.curve is not None:
        rows.append(_curves_row(report, curves))
    return [*rows, *content.rows_below(report, limits)]


def _curves_row(report: CaseReport, height: float) -> Row:
    curve = report.record.curve
    finding = "" if curve is None else curve.finding
    texts = (Text("Where this case sits", "h2"), Text(finding))
    if not height:
        return Row((texts,))
    picture = Picture(lambda width: survival_curves(report, width, height), alt=finding)
    return Row(((*texts, picture),))
