"""The frame of a survival chart: curves above, number at risk below, labels between.

Lines and an axis go in, a sketch comes out, and with its labels a figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from camlif.data.schema import Endpoint
from dashboard.figures.layout import Marks, TimeAxis, base_layout, label_room
from dashboard.figures.palette import Theme, palette
from dashboard.figures.sketch import Sketch
from dashboard.figures.survival_labels import (
    END_ROOM,
    RISK_LABEL_GAP,
    add_end_labels,
    add_landmark,
    add_median,
    add_risk_table,
    risk_axis,
)
from dashboard.figures.survival_lines import Line, add_line

CURVE_SHARE = 0.75
MIN_HEIGHT = 520
ROW_HEIGHT = 90
RISK_ROW_PX = 17
BETWEEN_ROWS_PX, CLOSE_ROWS_PX = 82, 64
"""Room for tick labels, axis title and the heading of the number at risk; where height is given."""
VALUES_PX, CLOSE_TOP_PX, BOTTOM_PX = 66, 18, 20
"""Tick labels and title left of the curves; above them where height is given; below all."""
OUTSIDE_PX = 48
"""Margins above and below the two rows."""
LEGEND_ROW_PX = 20
"""Of a legend, which has a row for each curve where the screen is narrow."""


def draw(
    lines: Sequence[Line],
    axis: TimeAxis,
    theme: Theme,
    endpoint: Endpoint,
    *,
    show_interval: bool,
    medians: bool = True,
    height: int | None = None,
) -> Sketch:
    """Draw curves and number at risk.

    Parameters
    ----------
    lines : sequence of Line
    axis : TimeAxis
    theme : {"light", "dark"}
    endpoint : Endpoint
        Names the vertical axis.
    show_interval : bool
        Draw the bands of the 95 % intervals.
    medians : bool
        Mark medians that are reached.
    height : int, optional
        Pixels, without room for a legend; by default what the curves need.
    """
    close = height is not None
    between = CLOSE_ROWS_PX if close else BETWEEN_ROWS_PX
    height = height or max(MIN_HEIGHT, ROW_HEIGHT * len(lines) + 200)
    inner = height - OUTSIDE_PX - between
    table_share = max(1 - CURVE_SHARE, RISK_ROW_PX * len(lines) / inner)
    gap = between / (height - OUTSIDE_PX)
    layout = _axes(lines, axis, endpoint)
    if close:
        layout["margin"]["t"] = CLOSE_TOP_PX
    rows = _two_rows((1 - gap) * table_share, gap)
    sketch = Sketch(layout=base_layout(rows, theme, height=height, legend=not close, layout=layout))
    for line in sorted(lines, key=lambda line: line.bold):  # bold on top; legend order by rank
        add_line(sketch, line, axis, event_free=endpoint.event_free, show_interval=show_interval)
    _restore_legend_order(sketch, lines)
    for line in lines if medians else ():
        add_median(sketch, line, axis)
    add_risk_table(sketch, lines, axis, theme)
    return sketch


def _two_rows(below: float, gap: float) -> dict[str, Any]:
    """Axes of two plots that share the time axis; height of the lower one and gap as shares."""
    return {
        "xaxis": {"anchor": "y", "domain": [0.0, 1.0], "matches": "x2"},
        "yaxis": {"anchor": "x", "domain": [below + gap, 1.0]},
        "xaxis2": {"anchor": "y2", "domain": [0.0, 1.0]},
        "yaxis2": {"anchor": "x2", "domain": [0.0, below]},
    }


def _axes(lines: Sequence[Line], axis: TimeAxis, endpoint: Endpoint) -> dict[str, Any]:
    """Settings of the curves' axes, and of those of the number at risk below."""
    risk = risk_axis(lines)
    names = label_room(risk["ticktext"], RISK_LABEL_GAP)
    return {
        "margin": {"b": BOTTOM_PX, "l": max(names, VALUES_PX)},
        "xaxis": axis.settings() | {"showticklabels": True, "title": {"text": _axis_title(axis)}},
        "xaxis2": axis.settings() | {"showticklabels": False, "showgrid": False, "showline": False},
        "yaxis": {
            "range": [0, 102],
            "tickvals": [0, 20, 40, 60, 80, 100],
            "title": {"text": f"{endpoint.event_free.capitalize()} (%)"},
        },
        "yaxis2": risk,
    }


def label(
    sketch: Sketch,
    lines: Sequence[Line],
    ends: Sequence[tuple[str, float, float, str]],
    axis: TimeAxis,
    theme: Theme,
    landmarks: Sequence[float] = (),
) -> go.Figure:
    """Write landmarks, the names at the curves' ends and the heading of the number at risk.

    Parameters
    ----------
    sketch : Sketch
        As `draw` returned it.
    lines : sequence of Line
    ends : sequence of (str, float, float, str)
        End labels, as `survival_lines.add_end_labels` takes them.
    axis : TimeAxis
    theme : {"light", "dark"}
    landmarks : sequence of float
        Months.
    """
    layout, marks = sketch.layout, Marks(theme)
    marks.text(  # the first, by which a phone knows it
        "Number at risk",
        x=0,
        xref="x2 domain",
        xanchor="left",
        y=1.02,
        yref="y2 domain",
        yanchor="bottom",
        color=palette(theme).muted,
    )
    for months in landmarks:
        add_landmark(marks, lines, axis, months)
    low, high = layout["yaxis"]["domain"]
    legend_px = LEGEND_ROW_PX * len(lines) if layout["showlegend"] else 0
    plot_px = (high - low) * (layout["height"] - OUTSIDE_PX - legend_px)
    add_end_labels(marks, ends, axis, plot_px=plot_px)
    layout["annotations"] = marks.texts
    if marks.lines:
        layout["shapes"] = marks.lines
    layout["margin"]["r"] = END_ROOM
    return sketch.figure()


def _restore_legend_order(sketch: Sketch, lines: Sequence[Line]) -> None:
    rank = {line.name: 1000 + i for i, line in enumerate(lines)}
    for trace in sketch.traces:
        trace["legendrank"] = rank[trace["legendgroup"]]


def _axis_title(axis: TimeAxis) -> str:
    return f"{axis.unit.capitalize()} of follow-up"
