"""Clinical columns at a glance: how many patients have which value, of all and of those shown.

Counts go in, a `Chart` of small bar charts comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from camlif.wording import count, listed
from dashboard.figures.chart import Chart, escape
from dashboard.figures.layout import Marks, base_figure, empty_figure, hover_text
from dashboard.figures.palette import Theme, line_styles, palette

PER_LINE = 3
"""Columns beside each other."""
PANEL_HEIGHT = 250
HEADING_PX = 26
LABELS_PX = 84


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCounts:
    """Patients by value of a clinical column.

    Attributes
    ----------
    name : str
    values : tuple of str
        A bar each, ranges of numbers in order.
    shown, all : tuple of int
        Patients shown, and of the whole cohort, by bar.
    picked : tuple of bool
        Whether the bar is filtered by.
    """

    name: str
    values: tuple[str, ...]
    shown: tuple[int, ...]
    all: tuple[int, ...]
    picked: tuple[bool, ...]


def clinical_chart(columns: Sequence[ColumnCounts], *, theme: Theme) -> Chart:
    """Draw a bar chart per column: those shown in front of all.

    Parameters
    ----------
    columns : sequence of ColumnCounts
    theme : {"light", "dark"}

    Notes
    -----
    A bar's ``customdata`` is the place of its column and its own among the column's bars.
    """
    alt = f"Patients by value of {count(len(columns), 'clinical column')}"
    table = _table(columns)
    if not columns:
        return Chart(empty_figure("No column to draw", theme), _finding(columns), table, alt)
    n_lines = -(-len(columns) // PER_LINE)
    height = n_lines * PANEL_HEIGHT + 40
    figure = make_subplots(
        rows=n_lines,
        cols=PER_LINE,
        horizontal_spacing=0.07,
        vertical_spacing=(HEADING_PX + LABELS_PX) / height if n_lines > 1 else 0,
    )
    (front,) = line_styles((None,), theme)
    for k, column in enumerate(columns):
        _add_column(figure, column, k, palette(theme).outline, front.color)
    base_figure(figure, theme, height=height, legend=False)
    figure.update_layout(
        barmode="overlay", bargap=0.15, margin={"t": HEADING_PX + 8, "b": LABELS_PX}
    )
    figure.update_xaxes(showgrid=False, tickangle=-35)
    figure.update_yaxes(rangemode="tozero", nticks=4)
    marks = Marks(theme)
    for k, column in enumerate(columns):
        marks.over_panel(k, f"<b>{escape(column.name, limit=40)}</b>", x=0, xanchor="left")
    marks.put_on(figure)
    return Chart(figure, _finding(columns), table, alt)


def _add_column(
    figure: go.Figure, column: ColumnCounts, place: int, behind: str, front: str
) -> None:
    at = {"row": place // PER_LINE + 1, "col": place % PER_LINE + 1}
    labels = [escape(value, limit=18) for value in column.values]
    keys = [[place, bar] for bar in range(len(labels))]
    texts = [
        f"{escape(column.name, limit=40)}: {escape(value, limit=60)}<br>{shown:,} of {n:,} shown"
        for value, shown, n in zip(column.values, column.shown, column.all, strict=True)
    ]
    filtered = any(column.picked)
    for counts, color, opacity in ((column.all, behind, 0.35), (column.shown, front, 1.0)):
        figure.add_bar(
            # Two long values may be cut to the same label: bars stand by place.
            x=list(range(len(labels))),
            y=list(counts),
            marker={
                "color": color,
                "opacity": opacity,
                "line": {
                    "color": front,
                    "width": [2.0 if filtered and on else 0.0 for on in column.picked],
                },
            },
            customdata=keys,
            meta="patients",
            **hover_text(texts),
            **at,
        )
    figure.update_xaxes(tickvals=list(range(len(labels))), ticktext=labels, **at)


def _table(columns: Sequence[ColumnCounts]) -> pd.DataFrame:
    rows = [
        {"column": column.name, "value": value, "shown": shown, "all": n}
        for column in columns
        for value, shown, n in zip(column.values, column.shown, column.all, strict=True)
    ]
    return pd.DataFrame(rows, columns=["column", "value", "shown", "all"])


def _finding(columns: Sequence[ColumnCounts]) -> str:
    if not columns:
        return "No clinical column has two to thirty different values, or numbers."
    filtered = [column.name for column in columns if any(column.picked)]
    shown, n = sum(columns[0].shown), sum(columns[0].all)
    by = f", filtered by {listed(filtered)}" if filtered else ""
    return f"{shown:,} of {count(n, 'patient')} shown{by}. Click a bar to filter by it."
