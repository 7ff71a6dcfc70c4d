"""What is written on Kaplan-Meier curves: medians, landmarks, names at their ends, numbers at risk.

A sketch and its lines, with curves in months, go in; the sketch gets the traces and labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dashboard.figures.chart import escape
from dashboard.figures.layout import (
    SMALL_FONT_SIZE,
    Marks,
    TimeAxis,
    coordinates,
    spread,
)
from dashboard.figures.palette import Theme, palette, rgba, text_tone
from dashboard.figures.sketch import Sketch
from dashboard.figures.survival_lines import Line, add_beside, at_risk, curve_end, survival_at

LABEL_GAP = 6.0
"""Smallest distance of two line-end labels, in per cent of survival."""
LABEL_PX = 18
"""The same in pixels: a line of small text on its plate."""
MAX_LABEL = 24
RISK_LABEL_GAP = 22
"""Pixels between group names and the numbers at risk at time 0, which are centred on it."""
END_ROOM, END_LETTERS = 124, 17
"""Pixels and letters right of the plot for names at the ends of curves; a phone hides them."""
FAR_END = 0.85
"""A curve that ends before this share of the axis is labelled where it ends, on a plate."""


def add_median(sketch: Sketch, line: Line, axis: TimeAxis) -> None:
    """Drop a dotted line from 50 % to the axis where the median is reached.

    Parameters
    ----------
    sketch : Sketch
    line : Line
    axis : TimeAxis
    """
    median = line.curve.median
    if median is None or median > curve_end(line, axis):
        return
    x = float(axis.scale(median))
    add_beside(
        sketch,
        line,
        "median",
        x=[0, x, x],
        y=[50, 50, 0],
        mode="lines",
        line={"color": line.style.color, "dash": "dot", "width": 1},
    )


def add_landmark(marks: Marks, lines: Sequence[Line], axis: TimeAxis, months: float) -> None:
    """Draw a dashed vertical line with S(t) of every group whose curve reaches that time.

    Parameters
    ----------
    marks : Marks
        Takes the line and its labels.
    lines : sequence of Line
    axis : TimeAxis
    months : float
        Nothing is drawn outside the axis.
    """
    if not 0 < months <= axis.end:
        return
    x = float(axis.scale(months))
    p = palette(marks.theme)
    marks.vertical(x, color=p.muted)
    followed = [line for line in lines if at_risk(line, months) >= axis.least]
    values = [100.0 * survival_at(line, months) for line in followed]
    for line, value, y in zip(followed, values, spread(values, LABEL_GAP, 3, 97), strict=True):
        marks.text(
            f"{value:.0f} %",
            x=x,
            y=y,
            xanchor="left",
            xshift=4,
            bgcolor=rgba(p.page, 0.75),
            color=text_tone(line.style.color, marks.theme),
        )


def add_end_labels(
    marks: Marks, ends: Sequence[tuple[str, float, float, str]], axis: TimeAxis, *, plot_px: float
) -> None:
    """Name the curves at their ends.

    Parameters
    ----------
    marks : Marks
    ends : sequence of (name, months, per cent, colour)
    axis : TimeAxis
    plot_px : float
        Height of the plot of 0 to 100 %.
    """
    gap = max(LABEL_GAP, 100 * LABEL_PX / plot_px)
    heights = spread([y for _, _, y, _ in ends], gap, 2, 100)
    for (name, months, _, color), y in zip(ends, heights, strict=True):
        far = months >= FAR_END * axis.end
        marks.text(
            escape(name, limit=END_LETTERS if far else MAX_LABEL),
            x=float(axis.scale(axis.end if far else months)),
            y=y,
            xanchor="left",
            xshift=5,
            align="left",
            bgcolor=None if far else rgba(palette(marks.theme).page, 0.75),
            color=text_tone(color, marks.theme),
        )


def ends_of(lines: Sequence[Line], axis: TimeAxis) -> list[tuple[str, float, float, str]]:
    """Where the curves that are drawn end on an axis, as `add_end_labels` takes it."""
    return [
        (line.name, end, 100.0 * survival_at(line, end), line.style.color)
        for line in lines
        if (end := curve_end(line, axis)) > 0
    ]


def add_risk_table(sketch: Sketch, lines: Sequence[Line], axis: TimeAxis, theme: Theme) -> None:
    """Write the number at risk (durations >= t) below the curves, in legend order.

    Parameters
    ----------
    sketch : Sketch
        With a second row of axes.
    lines : sequence of Line
    axis : TimeAxis
    theme : {"light", "dark"}
    """
    ticks = axis.ticks
    sketch.add_scatter(
        x=coordinates(np.tile(axis.scale(ticks), len(lines))),
        y=coordinates(np.repeat(-np.arange(len(lines)), len(ticks))),
        mode="text",
        text=[f"{at_risk(line, t):,}" for line in lines for t in ticks],
        textfont={"size": SMALL_FONT_SIZE, "color": palette(theme).text},
        cliponaxis=False,
        showlegend=False,
        hoverinfo="skip",
        meta="at risk",
        row=2,
        col=1,
    )


def risk_axis(lines: Sequence[Line]) -> dict[str, Any]:
    """Settings of the axis that names the groups beside their numbers at risk."""
    return {
        "range": [-len(lines) + 0.4, 0.6],
        "tickvals": [-i for i in range(len(lines))],
        "ticktext": [
            f'<span style="color:{line.style.color}">■</span> {escape(line.name, limit=MAX_LABEL)}'
            for line in lines
        ],
        "showgrid": False,
        "showline": False,
        "ticklabelstandoff": RISK_LABEL_GAP,
    }
