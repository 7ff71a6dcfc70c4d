"""Blocks of a page: texts and pictures in columns, measured before they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from xml.sax.saxutils import escape

from reportlab.graphics import renderPDF
from reportlab.graphics.shapes import Drawing
from reportlab.lib.colors import HexColor
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import Paragraph

from dashboard.figures.chart import ELLIPSIS
from dashboard.figures.palette import LIGHT
from dashboard.report.fonts import BOLD, REGULAR, register
from dashboard.report.tags import TaggedCanvas

GAP = 14.0
"""Points between columns."""
SIZES = {"h1": 13.0, "h2": 8.6, "label": 11.5, "body": 7.6, "small": 6.7}
TAGS = {"h1": "H1", "h2": "H2"}
LEADING = 1.27
MAX_LINE = 400
"""No line of any style holds more characters."""


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph.

    Attributes
    ----------
    words : str
        Plain text; anything that looks like markup is shown as it is.
    style : str
        Key of `SIZES`.
    lead : str
        Words set bold before the text.
    color : str
    bullet : bool
    lines : int
        Most lines; a longer text is cut and ends in an ellipsis.
    """

    words: str
    style: str = "body"
    lead: str = ""
    color: str = LIGHT.text
    bullet: bool = False
    lines: int = 5


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure drawn for the width it gets; ``alt`` says in words what it shows."""

    draw: Callable[[float], Drawing]
    alt: str
    share: float = 1.0
    beside: tuple[Text, ...] = ()
    """Texts to the right of a picture that does not take the whole width."""


Item = Text | Picture
Block = Sequence[Item]


@dataclass(frozen=True, slots=True)
class Row:
    """Blocks side by side, with their shares of the width."""

    blocks: tuple[Block, ...]
    shares: tuple[float, ...] = (1.0,)


@cache
def _style(name: str, scale: float, color: str, *, bullet: bool) -> ParagraphStyle:
    register()
    size = SIZES[name] * scale
    bold = name in ("h1", "h2", "label")
    return ParagraphStyle(
        f"{name}-{scale}-{color}-{bullet}",
        fontName=BOLD if bold else REGULAR,
        fontSize=size,
        leading=LEADING * size,
        spaceAfter={"h1": 1, "h2": 3, "label": 2}.get(name, 1.6) * scale,
        textColor=HexColor(color),
        leftIndent=8 if bullet else 0,
        bulletFontName=REGULAR,
        bulletFontSize=size,
        uriWasteReduce=0,
    )


def paragraph(text: Text, scale: float, width: float) -> tuple[Paragraph, float]:
    """Set a text, its characters never read as markup; return it with its height, points.

    Parameters
    ----------
    text : Text
    scale : float
        Of all sizes, 1 as designed.
    width : float
        Points.
    """
    style = _style(text.style, scale, text.color, bullet=text.bullet)
    limit = text.lines * style.leading + 0.1
    most = MAX_LINE * text.lines
    flow, height = _wrapped(text, text.words[: most + 1], style, width)
    if height <= limit:
        return flow, height
    fits, too_long = 0, min(len(text.words), most)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        _, height = _wrapped(text, _cut(text.words, middle), style, width)
        fits, too_long = (middle, too_long) if height <= limit else (fits, middle)
    return _wrapped(text, _cut(text.words, fits), style, width)


def _cut(words: str, characters: int) -> str:
    return f"{words[:characters].rstrip()}{ELLIPSIS}"


def _wrapped(
    text: Text, words: str, style: ParagraphStyle, width: float
) -> tuple[Paragraph, float]:
    lead = f"<b>{escape(text.lead)}</b> " if text.lead else ""
    bullet = "•" if text.bullet else None
    flow = Paragraph(lead + escape(words), style, bulletText=bullet)
    return flow, float(flow.wrap(width, 10_000)[1])


@dataclass(frozen=True, slots=True)
class Page:
    """A place to draw: the canvas, the scale of its texts, and the left and right edge."""

    canvas: TaggedCanvas
    scale: float
    left: float
    width: float

    def draw_row(self, row: Row, top: float) -> float:
        """Draw blocks side by side; return the lowest end."""
        x, ends = self.left, [top]
        for block, width in zip(row.blocks, _widths(row, self.width), strict=True):
            ends.append(self._draw_block(block, x, top, width))
            x += width + GAP
        return min(ends)

    def _draw_block(self, block: Block, x: float, top: float, width: float) -> float:
        for item in block:
            if isinstance(item, Text):
                top = self._draw_text(item, x, top, width)
            else:
                top = self._draw_picture(item, x, top, width)
        return top

    def _draw_text(self, text: Text, x: float, top: float, width: float) -> float:
        flow, height = paragraph(text, self.scale, width)
        with self.canvas.tagged(TAGS.get(text.style, "P")):
            flow.drawOn(self.canvas, x, top - height)
        return top - height - float(flow.style.spaceAfter)

    def _draw_picture(self, picture: Picture, x: float, top: float, width: float) -> float:
        drawing = picture.draw(picture.share * width)
        with self.canvas.tagged("Figure", alt=picture.alt):
            renderPDF.draw(drawing, self.canvas, x, top - drawing.height)
        end = top - float(drawing.height)
        if picture.beside:
            start = x + drawing.width + 10
            beside = self._draw_block(picture.beside, start, top, x + width - start)
            end = min(end, beside)
        return end - 3


def measure_row(row: Row, width: float, scale: float) -> float:
    """Height that a row will take, points.

    Parameters
    ----------
    row : Row
    width : float
        Points.
    scale : float
        Of all sizes, 1 as designed.
    """
    return max(
        _block_height(block, column, scale)
        for block, column in zip(row.blocks, _widths(row, width), strict=True)
    )


def _widths(row: Row, width: float) -> list[float]:
    room = width - GAP * (len(row.blocks) - 1)
    return [room * share / sum(row.shares) for share in row.shares]


def _block_height(block: Block, width: float, scale: float) -> float:
    height = 0.0
    for item in block:
        if isinstance(item, Text):
            flow, own = paragraph(item, scale, width)
            height += own + float(flow.style.spaceAfter)
        else:
            drawing = item.draw(item.share * width)
            beside = _block_height(item.beside, width - drawing.width - 10, scale)
            height += max(drawing.height, beside) + 3
    return height
