"""The course of a patient as lines and marks over the months from time zero.

Events go in, a `Chart` or the places of its axis come out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from camlif.data.course import CourseEvent, chief_events, course_sentence
from dashboard.figures.chart import Chart, escape
from dashboard.figures.layout import Marks, base_figure, hover_text
from dashboard.figures.palette import Theme, palette

STEPS = (1, 3, 6, 12, 24, 60, 120, 240)
"""Months between ticks."""
MOST_TICKS = 10
ROW_PX, AROUND_PX = 34, 76
MAX_LABEL = 48
MOST_DRAWN = 24
"""Events of a chart."""


def course_axis(events: Sequence[CourseEvent]) -> tuple[float, float, list[int]]:
    """Return the ends of an axis that holds all events and time zero, and its ticks, months."""
    left = min(0.0, *(e.start for e in events))
    right = max(1.0, *(e.start if e.stop is None else e.stop for e in events))
    step = next((s for s in STEPS if (right - left) / s < MOST_TICKS), STEPS[-1])
    ticks = range(int(np.floor(left / step)) * step, int(right) + 1, step)
    return min(left, ticks[0]), right, list(ticks)


def course_chart(course: Sequence[CourseEvent], *, theme: Theme) -> Chart:
    """Draw a line of each event, the first on top: a bar from beginning to end, else a mark.

    Parameters
    ----------
    course : sequence of CourseEvent
        At least one, in order; the chief ones are drawn, the table has all.
    theme : {"light", "dark"}
    """
    events = chief_events(course, MOST_DRAWN)
    left, right, ticks = course_axis(events)
    color, room = palette(theme).text, 0.03 * (right - left)
    figure = go.Figure()
    for y, event in enumerate(events):
        figure.add_scatter(
            x=[event.start] if event.stop is None else [event.start, event.stop],
            y=[y] if event.stop is None else [y, y],
            mode="markers" if event.stop is None else "lines",
            line={"color": color, "width": 7},
            marker={"color": color, "size": 9, "symbol": "diamond"},
            **hover_text([f"{escape(event.label)}<br>months {event.when}"] * 2),
        )
    base_figure(figure, theme, height=AROUND_PX + ROW_PX * len(events), legend=False)
    figure.update_xaxes(
        range=[left - room, right + room], tickvals=ticks, title="Months from time zero"
    )
    figure.update_yaxes(range=[len(events) - 0.6, -0.8], visible=False)
    marks = Marks(theme)
    marks.vertical(0, color=palette(theme).outline, dash="dot")
    for y, event in enumerate(events):  # above its line: beside it there is no room on a phone
        label = escape(event.label, limit=MAX_LABEL)
        marks.text(label, x=0, xref="paper", xanchor="left", y=y - 0.45)
    marks.put_on(figure)
    return Chart(figure, course_sentence(course), _table(course), "Course of the patient")


def _table(course: Sequence[CourseEvent]) -> pd.DataFrame:
    columns = {
        "months": [round(e.start, 2) for e in course],
        "until": [np.nan if e.stop is None else round(e.stop, 2) for e in course],
        "what": [e.label for e in course],
        "kind": [e.kind for e in course],
    }
    return pd.DataFrame(columns)
