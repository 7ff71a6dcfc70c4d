"""Case reports as PDF: a page a case, and a worklist with a cover.

Reports go in, the file's bytes come out; no text of theirs can make it fail.

Typst sets them by ``template/report.typ`` as PDF/UA-1 (ISO 14289-1), which it enforces. It sees
this template, the fonts of `dashboard.report.fonts` and the JSON it is handed; nothing else of the
machine, and no network.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import typst

from dashboard import messages
from dashboard.figures.palette import LIGHT
from dashboard.report import content
from dashboard.report.blocks import Row, Text
from dashboard.report.build import CaseReport
from dashboard.report.cover import Minutes, cover_blocks
from dashboard.report.fonts import families, load_fonts
from dashboard.report.letters import breakable, printable
from dashboard.report.record import CaseRecord

Paper = Literal["A4", "Letter"]
PAPERS: tuple[Paper, ...] = ("A4", "Letter")
AUTHOR = "camlif"
TEMPLATE = Path(__file__).parent / "template"
KEPT_RUNS = 11
"""Runs after which Typst drops what none of them used: tens of megabytes of each report."""
TONES = {
    "text": LIGHT.text,
    "muted": LIGHT.muted,
    "grid": LIGHT.grid,
    "outline": LIGHT.outline,
    "low": LIGHT.low,
    "raises": LIGHT.raises,
    "lowers": LIGHT.lowers,
    "notice": "#5B0F0F",
}


def case_pdf(report: CaseReport, paper: Paper = "A4") -> bytes:
    """Draw one case.

    The same report gives the same bytes. It takes one page, set smaller where it would take more;
    what does not fit at the smallest size goes on on the next page.
    """
    title = f"Case report {report.record.case}"
    return _compile([report], None, paper, title=title)


def worklist_pdf(
    reports: Sequence[CaseReport],
    paper: Paper = "A4",
    *,
    title: str,
    note: str = "",
    minutes: Minutes | None = None,
) -> bytes:
    """Draw a table of the cases with a note above it, then each as `case_pdf` does.

    Parameters
    ----------
    reports : sequence of CaseReport
        Of one cohort and model, in the order of the pages.
    paper : {"A4", "Letter"}
    title : str
        Of the document.
    note : str
        Above the table.
    minutes : Minutes, optional
        What the table says of each case instead of warnings and the last decision.

    Raises
    ------
    ValueError
        If there is no report.
    """
    if not reports:
        raise ValueError("A worklist needs at least one case.")
    cover = Row((cover_blocks(reports, title, note, minutes),))
    return _compile(reports, _page([cover], reports[0].record), paper, title=title)


def _compile(
    reports: Sequence[CaseReport], cover: dict[str, Any] | None, paper: Paper, *, title: str
) -> bytes:
    created = reports[0].record.created
    document = {
        "title": printable(content.cut(title, content.MAX_TITLE), set()),
        "author": AUTHOR,
        "notice": messages.BANNER,
        "paper": paper,
        "fonts": list(families()),
        "cover": cover,
        "cases": [_page(content.rows(report), report.record) for report in reports],
    }
    pdf = typst.compile(
        TEMPLATE / "report.typ",
        root=TEMPLATE,
        font_paths=load_fonts(),
        ignore_system_fonts=True,
        sys_inputs={
            "report": json.dumps(document, ensure_ascii=False, allow_nan=False),
            "tones": json.dumps(TONES),
        },
        pdf_standards=["ua-1"],
        timestamp=dt.datetime(created.year, created.month, created.day, tzinfo=dt.UTC),
    )
    _forget()
    return pdf


def _forget() -> None:
    """Drop what Typst keeps of the last runs, lest a server holds the layout of each report."""
    no_fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False)
    for _ in range(KEPT_RUNS):
        typst.compile(b"", font_paths=no_fonts)


def _page(rows: Sequence[Row], record: CaseRecord) -> dict[str, Any]:
    """Return rows and footer as the template takes them, with what stands for letters they lack."""
    lacking: set[str] = set()
    names = content.names(record)
    found = [_set(asdict(row), lacking, names) for row in rows]
    foot = printable(content.footer(record), lacking)
    if lacking:
        note = Row(((Text(content.lacking_words(sorted(lacking)), "small"),),))
        found.append(asdict(note))
    return {"rows": found, "foot": foot}


def _set(value: Any, lacking: set[str], names: Sequence[str]) -> Any:
    """Make all texts of a tree printable."""
    if isinstance(value, str):
        return breakable(printable(value, lacking, names))
    if isinstance(value, dict):
        return {key: _set(part, lacking, names) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_set(part, lacking, names) for part in value]
    return value
