"""Survival curves of a report: the training strata, the case's prediction, numbers at risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from reportlab.graphics.shapes import Drawing, Line, Polygon, PolyLine, Rect
from reportlab.lib.colors import HexColor, white
from reportlab.pdfbase.pdfmetrics import stringWidth

from dashboard.figures.kaplan_meier import subtype_line
from dashboard.figures.layout import TimeAxis, spread
from dashboard.figures.palette import LIGHT, text_tone
from dashboard.figures.survival_lines import (
    BAND_OPACITY,
    FAR_END,
    TAIL_OPACITY,
    Steps,
    at_risk,
    axis_end,
    end_of,
    steps_of,
    stratum_lines,
)
from dashboard.figures.survival_lines import Line as Curve
from dashboard.report.build import CaseReport
from dashboard.report.drawings import FONT_SIZE, rule, text
from dashboard.report.fonts import BOLD, REGULAR, fitting, shorten

DASHES = {
    "solid": None,
    "dash": (5, 2.5),
    "dashdot": (6, 2, 1.2, 2),
    "dot": (1.2, 2),
    "longdash": (8, 3),
}
PREDICTION_DASH = (3.5, 2)
MARGIN_LEFT, MARGIN_RIGHT = 72.0, 66.0
MARGIN_TOP = 16.0
RISK_ROW = 9.0
BETWEEN = 34.0
"""Points between the axis and the first row of numbers at risk."""
LABEL_GAP = 8.0
HIGHEST, TICKS = 100.0, (0, 20, 40, 60, 80, 100)


@dataclass(frozen=True, slots=True)
class _Plot:
    """Places of months and per cent in a drawing, points."""

    drawing: Drawing
    axis: TimeAxis
    width: float
    bottom: float
    height: float

    def x(self, months: float) -> float:
        return MARGIN_LEFT + self.width * months / self.axis.end

    def y(self, percent: float) -> float:
        return self.bottom + self.height * percent / HIGHEST

    def points(self, months: Sequence[float], percent: Sequence[float]) -> list[float]:
        return [v for t, s in zip(months, percent, strict=True) for v in (self.x(t), self.y(s))]


def survival_curves(report: CaseReport, width: float, height: float) -> Drawing:
    """Draw the strata, the case's own bold, and its predicted curve with its interval.

    Parameters
    ----------
    report : CaseReport
    width, height : float
        Points.
    """
    record = report.record
    lines = stratum_lines(report.curves, record.result.stratum if record.result else None, "light")
    if report.subtype is not None:
        lines.append(subtype_line(*report.subtype, "light"))
    axis = TimeAxis(axis_end([line.curve for line in lines], full_tail=False), "months")
    bottom = BETWEEN + RISK_ROW * len(lines)
    plot = _Plot(
        Drawing(width, height), axis, width - MARGIN_LEFT - MARGIN_RIGHT, bottom,
        height - bottom - MARGIN_TOP,
    )  # fmt: skip
    _axes(plot, f"{record.model.event_free.capitalize()} (%)")
    for line in sorted(lines, key=lambda line: line.bold):
        _curve(plot, line)
    ends = [end_of(line, axis) for line in lines if line.n]
    if record.curve is not None and len(record.curve.times) > 1:
        ends.append(_prediction(plot, report))
    _labels(plot, ends, width)
    _numbers_at_risk(plot, lines)
    return plot.drawing


def _axes(plot: _Plot, title: str) -> None:
    add = plot.drawing.add
    left, right = plot.x(0), plot.x(plot.axis.end)
    for tick in TICKS:
        add(rule(left, plot.y(tick), right, plot.y(tick), color=LIGHT.grid, width=0.5))
        add(text(left - 4, plot.y(tick) - 2.3, f"{tick}", anchor="end"))
    for months in plot.axis.ticks:
        x = plot.x(float(months))
        add(rule(x, plot.bottom, x, plot.bottom - 2.5))
        add(text(x, plot.bottom - 10, f"{months:.3g}", anchor="middle"))
    add(rule(left, plot.bottom, right, plot.bottom))
    add(rule(left, plot.bottom, left, plot.y(HIGHEST)))
    add(text((left + right) / 2, plot.bottom - 19, "Months of follow-up", anchor="middle"))
    # Above the axis instead of turned: it stays readable.
    add(text(0, plot.y(HIGHEST) + 7, shorten(title, REGULAR, FONT_SIZE, right), color=LIGHT.muted))


def _stairs(steps: Steps, values: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Corners of a step curve that keeps its value until the next time."""
    months = np.repeat(steps.time, 2)[1:].tolist()
    return months, np.repeat(values, 2)[:-1].tolist()


def _curve(plot: _Plot, line: Curve) -> None:
    if not line.n:
        return
    steps = steps_of(line.curve)
    last = min(float(steps.time[-1]), plot.axis.end)
    turn = min(line.reliable_until, last)
    color = HexColor(line.style.color)
    if turn > 0 and line.band:
        _band(plot, steps.between(0, turn), line)
    for part, opacity in ((steps.between(0, turn), 1.0), (steps.between(turn, last), TAIL_OPACITY)):
        if len(part.time) > 1:
            plot.drawing.add(
                PolyLine(
                    plot.points(*_stairs(part, part.survival)), strokeColor=color,
                    strokeWidth=2.2 if line.bold else 1.1, strokeOpacity=opacity,
                    strokeDashArray=DASHES.get(line.style.dash), fillColor=None,
                )
            )  # fmt: skip
    _censored(plot, line, steps)


def _band(plot: _Plot, part: Steps, line: Curve) -> None:
    drawn = np.isfinite(part.low) & np.isfinite(part.high)
    if drawn.sum() < 2:
        return
    kept = Steps(part.time[drawn], part.survival[drawn], part.low[drawn], part.high[drawn])
    upper, lower = (plot.points(*_stairs(kept, edge)) for edge in (kept.high, kept.low))
    back = [v for pair in zip(lower[-2::-2], lower[::-2], strict=True) for v in pair]
    plot.drawing.add(
        Polygon(
            [*upper, *back], fillColor=HexColor(line.style.color), fillOpacity=BAND_OPACITY,
            strokeColor=None, strokeWidth=0,
        )
    )  # fmt: skip


def _censored(plot: _Plot, line: Curve, steps: Steps) -> None:
    time = line.curve.time[(line.curve.censored > 0) & (line.curve.time <= plot.axis.end)]
    level = steps.survival[np.searchsorted(steps.time, time, side="right") - 1]
    for months, percent in zip(time, level, strict=True):
        x, y = plot.x(float(months)), plot.y(float(percent))
        opacity = TAIL_OPACITY if months > line.reliable_until else 1.0
        plot.drawing.add(
            Line(
                x, y - 1.8, x, y + 1.8, strokeColor=HexColor(line.style.color),
                strokeWidth=0.5, strokeOpacity=opacity,
            )
        )  # fmt: skip


def _prediction(plot: _Plot, report: CaseReport) -> tuple[str, float, float, str]:
    curve = report.record.curve
    assert curve is not None  # noqa: S101
    times = np.array(curve.times)
    shown = times <= plot.axis.end
    months = times[shown].tolist()
    low, middle, high = (
        (100 * np.array(part)[shown]).tolist() for part in (curve.low, curve.survival, curve.high)
    )
    color = HexColor(LIGHT.text)
    edge = plot.points([*months, *months[::-1]], [*low, *high[::-1]])
    plot.drawing.add(
        Polygon(edge, fillColor=color, fillOpacity=BAND_OPACITY, strokeColor=None, strokeWidth=0)
    )
    plot.drawing.add(
        PolyLine(
            plot.points(months, middle), strokeColor=color, strokeWidth=1.5,
            strokeDashArray=PREDICTION_DASH, fillColor=None,
        )
    )  # fmt: skip
    return "this case", months[-1], middle[-1], LIGHT.text


def _labels(plot: _Plot, ends: Sequence[tuple[str, float, float, str]], width: float) -> None:
    """Name the curves right of the plot; one that ends early is named where it ends."""
    right = plot.x(plot.axis.end)
    far = [end for end in ends if end[1] >= FAR_END * plot.axis.end]
    places = [plot.y(percent) for _, _, percent, _ in far]
    heights = spread(places, LABEL_GAP, plot.bottom, plot.y(HIGHEST))
    for (name, _, _, color), y in zip(far, heights, strict=True):
        size = fitting(name, BOLD, FONT_SIZE, width - right - 6)
        words = shorten(name, BOLD, size, width - right - 6)
        tone = text_tone(color, "light")
        plot.drawing.add(text(right + 5, y - 2.3, words, size=size, color=tone, bold=True))
    for name, months, percent, color in ends:
        if months < FAR_END * plot.axis.end:
            words = shorten(name, BOLD, FONT_SIZE, right - plot.x(months))
            _plate(plot, words, plot.x(months) + 3, plot.y(percent), text_tone(color, "light"))


def _plate(plot: _Plot, words: str, x: float, y: float, color: str) -> None:
    size = stringWidth(words, BOLD, FONT_SIZE)
    plot.drawing.add(
        Rect(
            x - 1, y - 4, size + 2, 8.4, fillColor=white, fillOpacity=0.8,
            strokeColor=None, strokeWidth=0,
        )
    )  # fmt: skip
    plot.drawing.add(text(x, y - 2.3, words, color=color, bold=True))


def _numbers_at_risk(plot: _Plot, lines: Sequence[Curve]) -> None:
    add = plot.drawing.add
    top = plot.bottom - BETWEEN
    add(text(0, top + 5, "Number at risk", color=LIGHT.muted, size=6.2))
    room = MARGIN_LEFT - 14
    for i, line in enumerate(lines):
        y = top - RISK_ROW * (i + 1) + 5
        tone, size = text_tone(line.style.color, "light"), fitting(line.name, BOLD, FONT_SIZE, room)
        add(text(0, y, shorten(line.name, BOLD, size, room), color=tone, size=size, bold=True))
        for months in plot.axis.ticks:
            add(text(plot.x(float(months)), y, f"{at_risk(line, months):,}", anchor="middle"))
