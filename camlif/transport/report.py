"""The report of a validation as files: HTML and PDF for readers, JSON for programs.

A validation goes in, texts and bytes come out; the same validation of the same day gives the same.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined

from camlif.statistics import KaplanMeierCurve
from camlif.transport.document import Block, Drawing, blocks
from camlif.transport.validation import Validation
from camlif.typeset.families import families
from camlif.typeset.letters import breakable, printable
from camlif.typeset.pdf import set_pdf
from camlif.version import package_version
from camlif.wording import RESEARCH_USE

TEMPLATES = Path(__file__).parent / "template"


def to_json(found: Validation) -> str:
    """Everything that was measured, in full precision; what is undefined is null."""
    record = {"notice": RESEARCH_USE, "time_unit": "months", "title": found.title, **_plain(found)}
    return json.dumps(record, indent=1, allow_nan=False) + "\n"


def to_html(found: Validation, created: dt.date) -> str:
    """Set the report as one HTML file, which asks for nothing from anywhere.

    Parameters
    ----------
    found : Validation
    created : date
    """
    rendering = Environment(undefined=StrictUndefined, autoescape=True)
    text = (TEMPLATES / "report.html.jinja").read_text(encoding="utf-8")
    return rendering.from_string(text).render(
        title=_title(found),
        notice=RESEARCH_USE,
        blocks=list(blocks(found)),
        foot=_foot(found, created),
    )


def to_pdf(found: Validation, created: dt.date) -> bytes:
    """Set the report as PDF/UA-1.

    Parameters
    ----------
    found : Validation
    created : date
    """
    lacking: set[str] = set()
    document = {
        "title": printable(_title(found), lacking),
        "notice": RESEARCH_USE,
        "fonts": list(families()),
        "foot": printable(_foot(found, created), lacking),
        "blocks": [_set(block, lacking) for block in blocks(found)],
    }
    inputs = {"report": json.dumps(document, ensure_ascii=False, allow_nan=False)}
    return set_pdf(TEMPLATES / "report.typ", inputs, created)


def _title(found: Validation) -> str:
    return f"{found.title} of {found.model} in {found.cohort}"


def _foot(found: Validation, created: dt.date) -> str:
    return f"camlif {package_version()}, model {found.digest[:12]}, {created.isoformat()}"


def _set(block: Block, lacking: set[str]) -> dict[str, Any]:
    """Make all words of a block printable; a drawing has its letters as paths."""
    found = asdict(block)
    svg = found.pop("svg", None)
    found = _words(found, lacking)
    return found if not isinstance(block, Drawing) else {**found, "svg": svg}


def _words(value: Any, lacking: set[str]) -> Any:
    if isinstance(value, str):
        return breakable(printable(value, lacking))
    if isinstance(value, dict):
        return {key: _words(part, lacking) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_words(part, lacking) for part in value]
    return value


def _plain(value: Any) -> Any:
    """Return dataclasses, arrays and numbers as JSON has them; NaN and infinity are null."""
    if isinstance(value, KaplanMeierCurve):
        return {name: _plain(array) for name, array in value.to_arrays().items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
