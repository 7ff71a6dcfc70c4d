"""Small vector figures of a report: icon array, agreement strip, bars of contributions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from reportlab.graphics.shapes import Circle, Drawing, Line, Polygon, Rect, String
from reportlab.lib.colors import HexColor, white
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase.pdfmetrics import stringWidth

from camlif.model.case import CaseScore
from dashboard.figures.agreement import STACK_WIDTH, stack, z_limits
from dashboard.figures.chart import signed
from dashboard.figures.icons import PEOPLE, PER_ROW, largest_remainder
from dashboard.figures.palette import LIGHT, strata_colors, text_tone
from dashboard.report.fonts import BOLD, REGULAR, fitting, shorten
from dashboard.report.record import CaseRecord

FONT_SIZE, SMALL = 6.8, 6.2
BAND_OPACITY = 0.14
ROW = 15.5
STRIP_HEIGHT = 62.0
MIN_LABEL = 46.0
"""Points that the name of a band may take, beyond the band too."""


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: float = FONT_SIZE,
    color: str = LIGHT.text,
    anchor: str = "start",
    bold: bool = False,
) -> String:
    """Write a line of text in an embedded font.

    Parameters
    ----------
    x, y : float
        Points from the lower left.
    words : str
    size : float
        Points.
    color : str
        Hex.
    anchor : {"start", "middle", "end"}
    bold : bool
    """
    return String(
        x,
        y,
        words,
        fontName=BOLD if bold else REGULAR,
        fontSize=size,
        fillColor=HexColor(color),
        textAnchor=anchor,
    )


def rule(
    x0: float,
    y0: float,
    x1: float,
    y1: float,
    *,
    color: str = LIGHT.outline,
    width: float = 0.6,
    dash: Sequence[float] | None = None,
) -> Line:
    """Draw a straight line.

    Parameters
    ----------
    x0, y0, x1, y1 : float
        Points from the lower left.
    color : str
        Hex.
    width : float
        Points.
    dash : sequence of float, optional
        Points drawn and left out.
    """
    return Line(
        x0, y0, x1, y1, strokeColor=HexColor(color), strokeWidth=width, strokeDashArray=dash
    )


def icon_array(event_free: float, side: float) -> Drawing:
    """Draw how many of 100 patients are free of the event (share, 0 to 1), row by row."""
    drawing = Drawing(side, side)
    free, _ = largest_remainder((event_free, 1 - event_free))
    cell = side / PER_ROW
    for i in range(PEOPLE):
        x = cell * (i % PER_ROW + 0.5)
        y = side - cell * (i // PER_ROW + 0.5)
        drawing.add(_person(x, y, cell) if i < free else _cross(x, y, cell))
    return drawing


def _person(x: float, y: float, cell: float) -> Polygon:
    """A head on shoulders as one closed outline."""
    turn = np.linspace(-0.2 * np.pi, 1.2 * np.pi, 14)
    head = [(0.17 * np.cos(a), 0.24 + 0.17 * np.sin(a)) for a in turn]
    body = [(-0.3, 0.02), (-0.3, -0.4), (0.3, -0.4), (0.3, 0.02)]
    points = [v for px, py in (*head, *body) for v in (x + cell * px, y + cell * py)]
    return Polygon(points, fillColor=HexColor(LIGHT.low), strokeColor=None, strokeWidth=0)


def _cross(x: float, y: float, cell: float) -> Polygon:
    arm, half = 0.33 * cell, 0.09 * cell
    plus = [
        (half, half), (half, arm), (-half, arm), (-half, half), (-arm, half), (-arm, -half),
        (-half, -half), (-half, -arm), (half, -arm), (half, -half), (arm, -half), (arm, half),
    ]  # fmt: skip
    root = 0.5**0.5
    points = [v for px, py in plus for v in (x + root * (px - py), y + root * (px + py))]
    return Polygon(points, fillColor=white, strokeColor=HexColor(LIGHT.outline), strokeWidth=0.5)


def agreement_strip(record: CaseRecord, result: CaseScore, width: float) -> Drawing:
    """Draw every member's z over the bands of the strata; open dots saw the patient.

    Parameters
    ----------
    record : CaseRecord
        Has the cut-offs of the strata.
    result : CaseScore
        Has the members.
    width : float
        Points.
    """
    height, low_y = STRIP_HEIGHT, 11.0
    drawing = Drawing(width, height)
    z = np.array([np.nan if m.z is None else m.z for m in result.members])
    counted = np.array([m.used for m in result.members]) & np.isfinite(z)
    own = (result.z.value, result.z.low, result.z.high)
    left, right = z_limits(z, record.cutoffs, own)

    def at(value: float) -> float:
        return width * (value - left) / (right - left)

    _bands(drawing, record, (left, right), at, bottom=low_y, top=height)
    heights = stack(z[counted], STACK_WIDTH * (right - left))
    step = min(5.0, (height - 42) / max(1, int(heights.max(initial=0))))
    for value, level in zip(z[counted], heights, strict=True):
        drawing.add(
            Circle(
                at(value), 31 + step * level, 2.3, fillColor=HexColor(LIGHT.text),
                strokeColor=white, strokeWidth=0.4,
            )
        )  # fmt: skip
    for value in z[~counted & np.isfinite(z)]:
        drawing.add(
            Circle(
                at(value), 15, 1.9, fillColor=None,
                strokeColor=HexColor(LIGHT.outline), strokeWidth=0.7,
            )
        )  # fmt: skip
    _interval(drawing, [at(v) for v in own], 23.0)
    for tick in range(int(np.ceil(left)), int(np.floor(right)) + 1):
        drawing.add(text(at(tick), 2, f"{tick}".replace("-", "−"), anchor="middle", size=SMALL))
    return drawing


def _bands(
    drawing: Drawing,
    record: CaseRecord,
    limits: tuple[float, float],
    at: Callable[[float], float],
    *,
    bottom: float,
    top: float,
) -> None:
    edges = [limits[0], *record.cutoffs, limits[1]]
    colors = strata_colors(len(record.strata), "light")
    for name, color, start, end in zip(record.strata, colors, edges[:-1], edges[1:], strict=True):
        x0, x1 = at(start), at(end)
        drawing.add(
            Rect(
                x0, bottom, x1 - x0, top - bottom, fillColor=HexColor(color),
                fillOpacity=BAND_OPACITY, strokeColor=None, strokeWidth=0,
            )
        )  # fmt: skip
        size = fitting(name, BOLD, 6.4, x1 - x0 - 2)
        label = shorten(name, BOLD, size, max(x1 - x0 - 2, MIN_LABEL))
        tone = text_tone(color, "light", 6.0)
        drawing.add(
            text((x0 + x1) / 2, top - 8, label, size=size, color=tone, anchor="middle", bold=True)
        )
    for cut in record.cutoffs:
        drawing.add(rule(at(cut), bottom, at(cut), top, color=LIGHT.muted, dash=(2, 2)))


def _interval(drawing: Drawing, places: Sequence[float], y: float) -> None:
    """The mean of the members as a diamond, with its interval."""
    middle, low, high = places
    color = HexColor(LIGHT.raises)
    for line in ((low, y, high, y), (low, y - 2.5, low, y + 2.5), (high, y - 2.5, high, y + 2.5)):
        drawing.add(Line(*line, strokeColor=color, strokeWidth=1))
    points = [middle - 3.4, y, middle, y + 3.4, middle + 3.4, y, middle, y - 3.4]
    drawing.add(Polygon(points, fillColor=color, strokeColor=white, strokeWidth=0.4))


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a bar chart: name, a second text under it, and a contribution in log risk."""

    name: str
    detail: str
    value: float


def bars(rows: Sequence[Bar], width: float, *, label_share: float = 0.55) -> Drawing:
    """Draw signed contributions: orange to the right raises risk, blue to the left lowers it.

    Parameters
    ----------
    rows : sequence of Bar
    width : float
        Points.
    label_share : float
        Share of the width that labels take, in (0, 1).
    """
    has_details = any(row.detail for row in rows)
    row_height = ROW + (3.5 if has_details else 0)
    drawing = Drawing(width, row_height * len(rows))
    label_width = label_share * width
    room = 24.0  # for the numbers beyond the bars
    low = min(0.0, *(r.value for r in rows)) if rows else 0.0
    high = max(0.0, *(r.value for r in rows)) if rows else 0.0
    span = max(high - low, 1e-6)
    left = label_width + (room if low < 0 else 4)
    scale = (width - left - (room if high > 0 else 4)) / span
    zero = left - low * scale
    for i, row in enumerate(rows):
        middle = row_height * (len(rows) - i - 0.5)
        _bar_label(drawing, row, middle, label_width - 6)
        color = LIGHT.raises if row.value > 0 else LIGHT.lowers
        length = abs(row.value) * scale
        start = zero if row.value > 0 else zero - length
        drawing.add(
            Rect(
                start, middle - 4.2, max(length, 0.2), 8.4,
                fillColor=HexColor(color), strokeColor=None, strokeWidth=0,
            )
        )  # fmt: skip
        end, anchor = (start + length + 2, "start") if row.value > 0 else (start - 2, "end")
        number = signed(row.value)
        drawing.add(text(end, middle - 2.4, number, color=text_tone(color, "light"), anchor=anchor))
    drawing.add(rule(zero, 0, zero, row_height * len(rows), color=LIGHT.text, width=0.7))
    return drawing


def _whole_label(drawing: Drawing, name: str, middle: float, width: float) -> None:
    """Draw a name on one line, or on two small ones where it does not fit."""
    if stringWidth(name, REGULAR, FONT_SIZE) <= width:
        drawing.add(text(0, middle - 2.4, name))
        return
    first, *rest = simpleSplit(name, REGULAR, SMALL, width)
    lines = [first, shorten(" ".join(rest), REGULAR, SMALL, width)] if rest else [first]
    for line, y in zip(lines, (middle + 0.8, middle - 6.2), strict=False):
        drawing.add(text(0, y, line, size=SMALL))


def _bar_label(drawing: Drawing, row: Bar, middle: float, width: float) -> None:
    if not row.detail:
        _whole_label(drawing, row.name, middle, width)
        return
    drawing.add(text(0, middle + 1.4, shorten(row.name, REGULAR, FONT_SIZE, width)))
    detail = shorten(row.detail, REGULAR, SMALL, width)
    drawing.add(text(0, middle - 6.6, detail, size=SMALL, color=LIGHT.muted))
