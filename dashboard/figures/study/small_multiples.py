"""Small multiples of Kaplan-Meier curves: the risk groups of every variant on the same axes.

One set of groups a variant goes in, a `Chart` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from camlif.config import HORIZONS
from camlif.data.schema import Endpoint
from camlif.statistics import kaplan_meier
from camlif.statistics.outcome import FollowUp
from camlif.wording import count
from dashboard.figures.chart import Chart, escape
from dashboard.figures.layout import (
    Marks,
    TimeAxis,
    TimeUnit,
    base_figure,
    empty_figure,
    hover_text,
)
from dashboard.figures.palette import STRATUM_ROLES, Theme, line_styles
from dashboard.figures.survival_lines import (
    TAIL_OPACITY,
    Line,
    band_edges,
    curve_end,
    curve_table,
    steps_of,
    time_axis,
)

PER_LINE = 4
PANEL_HEIGHT = 230
HEADING_PX = 40
WITHIN = "separation of risk groups within this variant; not a test between variants"
"""Caption that belongs under the chart."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CurvePanel:
    """Patients of one variant with their risk groups; arrays have shape (n,).

    Attributes
    ----------
    title : str
    followed : FollowUp
        Months.
    stratum : ndarray of str
        Among ``low``, ``intermediate`` and ``high``.
    """

    title: str
    followed: FollowUp
    stratum: NDArray[np.str_]


def curves_by_variant(
    panels: Sequence[CurvePanel],
    *,
    theme: Theme,
    endpoint: Endpoint,
    months_or_years: TimeUnit = "years",
) -> Chart:
    """Draw the survival of every variant's risk groups, one panel each, on shared axes.

    Parameters
    ----------
    panels : sequence of CurvePanel
    theme : {"light", "dark"}
    endpoint : Endpoint
    months_or_years : {"months", "years"}

    Notes
    -----
    Bands are pointwise 95 % intervals. There is no p-value: that of held-out groups does not hold
    its level for every learner (`camlif.statistics.SplitPValues`).
    """
    alt = f"Kaplan-Meier curves of {endpoint.name} by risk group, one panel per variant"
    if not panels:
        return Chart(
            empty_figure("No variant", theme), "No variant was chosen.", pd.DataFrame(), alt
        )
    lines = [_lines(panel, theme) for panel in panels]
    axis = time_axis([line.curve for part in lines for line in part], months_or_years)
    n_columns = min(len(panels), PER_LINE)
    n_lines = -(-len(panels) // n_columns)
    height = n_lines * PANEL_HEIGHT + 90
    figure = make_subplots(
        rows=n_lines,
        cols=n_columns,
        shared_xaxes="all",
        shared_yaxes="all",
        horizontal_spacing=0.02,
        vertical_spacing=(HEADING_PX + 12) / height if n_lines > 1 else 0,
    )
    seen: set[str] = set()
    for k, part in enumerate(lines):
        for line in part:
            _add_curve(figure, line, axis, endpoint, k // n_columns + 1, k % n_columns + 1)
            figure.data[-1].showlegend = line.name not in seen
            seen.add(line.name)
    base_figure(figure, theme, height=height)
    figure.update_layout(
        margin={"t": HEADING_PX + 34}, legend={"y": 1.0, "yref": "container", "yanchor": "top"}
    )
    figure.update_xaxes(**axis.settings())
    figure.update_xaxes(row=n_lines, title_text=f"{axis.unit.capitalize()} of follow-up")
    figure.update_yaxes(range=[0, 102], tickvals=[0, 25, 50, 75, 100])
    figure.update_yaxes(col=1, title_text=f"{escape(endpoint.event_free.capitalize())} (%)")
    marks = Marks(theme)
    for k, panel in enumerate(panels):
        _head(marks, panel, k)
    marks.put_on(figure)
    return Chart(figure, _finding(panels, lines, endpoint), _table(panels, lines), alt)


def _lines(panel: CurvePanel, theme: Theme) -> list[Line]:
    names = [name for name in STRATUM_ROLES if (panel.stratum == name).any()]
    return [
        Line(
            name=name,
            curve=kaplan_meier(group.event, group.duration, group.entry),
            style=style,
        )
        for name, style in zip(names, line_styles(names, theme), strict=True)
        for group in [panel.followed.take(panel.stratum == name)]
    ]


def _add_curve(
    figure: go.Figure, line: Line, axis: TimeAxis, endpoint: Endpoint, row: int, column: int
) -> None:
    """Add the band and the faint tail, then the reliable part, which explains the colour."""
    steps = steps_of(line.curve)
    last = curve_end(line, axis)
    turn = min(line.reliable_until, last)
    reliable = steps.between(0, turn)
    for edge in band_edges(line, reliable, axis):
        figure.add_scatter(**edge, row=row, col=column)
    for part, opacity in ((steps.between(turn, last), TAIL_OPACITY), (reliable, 1.0)):
        texts = [
            f"{escape(line.name)}<br>{t:.3g} {axis.unit}: {s:.0f} % {escape(endpoint.event_free)}"
            f"<br>at risk: {n:.0f}"
            for t, s, n in zip(
                axis.scale(part.time),
                part.survival,
                line.curve.at_risk_at(part.time),
                strict=True,
            )
        ]
        figure.add_scatter(
            x=axis.scale(part.time),
            y=part.survival,
            mode="lines",
            line={
                "shape": "hv",
                "color": line.style.color,
                "dash": line.style.dash,
                "width": line.style.width,
            },
            opacity=opacity,
            name=f"{line.name} risk group of the model",
            legendgroup=line.name,
            showlegend=False,
            meta="curve" if opacity == 1.0 else "tail",
            **hover_text(texts),
            row=row,
            col=column,
        )


def _head(marks: Marks, panel: CurvePanel, place: int) -> None:
    n, events = len(panel.followed), int(panel.followed.event.sum())
    marks.over_panel(
        place,
        f"{escape(panel.title, limit=30)}<br>n = {n:,}, {count(events, 'event')}",
        x=0,
        xanchor="left",
        align="left",
    )


def _table(panels: Sequence[CurvePanel], lines: Sequence[Sequence[Line]]) -> pd.DataFrame:
    tables = []
    for panel, part in zip(panels, lines, strict=True):
        for line in part:
            table = curve_table(line.name, line.curve)
            table.insert(0, "variant", panel.title)
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _finding(
    panels: Sequence[CurvePanel], lines: Sequence[Sequence[Line]], endpoint: Endpoint
) -> str:
    """Survival of the first panel's groups at the last horizon that all of them reach."""
    sizes = sorted({len(panel.followed) for panel in panels})
    n = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    about = f"{count(len(panels), 'panel')}, {endpoint.name}, {n} in each"
    until = min((line.reliable_until for line in lines[0]), default=0.0)
    reached = [months for months in HORIZONS if months <= until]
    if not reached:
        return f"Risk groups of {panels[0].title}: followed too briefly to compare; {about}."
    alive = ", ".join(
        f"{line.name} {100 * float(line.curve.at(reached[-1])):.0f}" for line in lines[0]
    )
    return (
        f"Of 100 of each risk group of {panels[0].title}, {endpoint.event_free} at "
        f"{count(reached[-1], 'month')}: {alive}; {about}."
    )
