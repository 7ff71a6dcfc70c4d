"""PDF/UA-1 (ISO 14289-1) by Typst, which enforces it.

A template and what it is handed go in, the file's bytes come out. Typst sees the template's folder,
the fonts of `camlif.typeset.families` and what it is handed; nothing else of the machine, and no
network.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import typst

from camlif.typeset.families import load_fonts

KEPT_RUNS = 11
"""Runs after which Typst drops what none of them used: tens of megabytes of each report."""


def set_pdf(template: Path, inputs: Mapping[str, str], created: dt.date) -> bytes:
    """Set a document; the same input gives the same bytes.

    Parameters
    ----------
    template : Path
        A ``.typ`` file, which sees its own folder.
    inputs : mapping of name to text
        ``sys.inputs`` of the template.
    created : date
        Of the document.
    """
    pdf: bytes = typst.compile(
        template,
        root=template.parent,
        font_paths=load_fonts(),
        ignore_system_fonts=True,
        sys_inputs=dict(inputs),
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
