"""Case reports as PDF: a page a case, and a worklist with a cover.

Reports go in, the file's bytes come out; no text of theirs can make it fail.

Typst sets them by ``template/report.typ``, see `camlif.typeset.pdf`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from camlif.typeset.families import families
from camlif.typeset.letters import breakable, printable
from camlif.typeset.pdf import set_pdf
from dashboard import messages
from dashboard.figures.palette import LIGHT
from dashboard.report import content
from dashboard.report.blocks import Row, Text
from dashboard.report.build import CaseReport
from dashboard.report.cover import Minutes, cover_blocks
from dashboard.report.record import CaseRecord

Paper = Literal["A4", "Letter"]
PAPERS: tuple[Paper, ...] = ("A4", "Letter")
AUTHOR = "camlif"
TEMPLATE = Path(__file__).parent / "template" / "report.typ"
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
    document = {
        "title": printable(content.cut(title, content.MAX_TITLE), set()),
        "author": AUTHOR,
        "notice": messages.BANNER,
        "paper": paper,
        "fonts": list(families()),
        "cover": cover,
        "cases": [_page(content.rows(report), report.record) for report in reports],
    }
    inputs = {
        "report": json.dumps(document, ensure_ascii=False, allow_nan=False),
        "tones": json.dumps(TONES),
    }
    return set_pdf(TEMPLATE, inputs, reports[0].record.created)


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
