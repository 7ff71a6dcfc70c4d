"""The fonts of a report: DejaVu Sans, embedded in every file.

They come with matplotlib, which lifelines needs, under the Bitstream Vera and DejaVu licence (free
to embed and to pass on; ``LICENSE_DEJAVU`` beside them). They have Latin, Greek and Cyrillic
letters; other scripts show as boxes.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from reportlab.graphics.shapes import STATE_DEFAULTS
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"


@cache
def register() -> None:
    """Make both faces known to ReportLab, once in a process."""
    folder = Path(str(files("matplotlib"))) / "mpl-data" / "fonts" / "ttf"
    for name in (REGULAR, BOLD):
        pdfmetrics.registerFont(TTFont(name, folder / f"{name}.ttf"))
    pdfmetrics.registerFontFamily(REGULAR, REGULAR, BOLD, REGULAR, BOLD)
    # Else every drawing first sets Helvetica, which is not embedded.
    STATE_DEFAULTS["fontName"] = REGULAR


MIN_SIZE = 5.2


def fitting(text: str, font: str, size: float, width: float) -> float:
    """Return the size at which a text fits a width in points, `MIN_SIZE` to ``size``.

    Parameters
    ----------
    text, font : str
    size, width : float
        Points.
    """
    needed = pdfmetrics.stringWidth(text, font, size)
    return float(size if needed <= width else max(MIN_SIZE, size * max(width, 0) / needed))


def shorten(text: str, font: str, size: float, width: float) -> str:
    """Cut a text to a width in points; a cut one ends in an ellipsis.

    Parameters
    ----------
    text, font : str
    size, width : float
        Points.
    """
    text = " ".join(text.split())
    if pdfmetrics.stringWidth(text, font, size) <= width:
        return text
    while text and pdfmetrics.stringWidth(f"{text}…", font, size) > width:
        text = text[:-1].rstrip()
    return f"{text}…"
