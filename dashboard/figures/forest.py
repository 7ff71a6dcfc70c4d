"""Forest plot of hazard ratios.

Hazard ratios of a Cox model with intervals go in, a `Chart` on a logarithmic axis comes out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from camlif.statistics import HazardRatio
from camlif.wording import count, format_p
from dashboard.figures.chart import Chart, escape
from dashboard.figures.layout import Marks, base_figure, hover_text
from dashboard.figures.palette import Theme, palette

ROW_HEIGHT = 34
TEXT_MARGIN = 210
"""Pixels right of the plot for "1.82 (1.31 to 2.53), p < 0.001"."""
WIDEST = 50.0
"""Hazard ratios beyond 1/50 and 50 are cut off at the axis with an arrow."""
TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


def forest_chart(
    rows: Sequence[HazardRatio],
    *,
    n: int,
    events: int,
    theme: Theme,
    untested: Collection[str] = (),
) -> Chart:
    """Draw hazard ratios of one Cox model on a log axis.

    Parameters
    ----------
    rows : sequence of HazardRatio
        From top to bottom.
    n, events : int
        Patients and events in the model.
    theme : {"light", "dark"}
    untested : collection of str
        Rows whose p-value is withheld.
    """
    p = palette(theme)
    rows = [replace(r, p_value=np.nan) if r.name in untested else r for r in rows]
    figure = go.Figure()
    marks = Marks(theme)
    marks.vertical(1, color=p.text, dash="solid")
    low, high = _limits(rows)
    for place, row in enumerate(rows):
        _add_row(figure, marks, row, -place, low, high)
    base_figure(figure, theme, height=110 + ROW_HEIGHT * len(rows), legend=False)
    marks.put_on(figure)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    figure.update_xaxes(
        type="log",
        range=[float(np.log10(low)), float(np.log10(high))],
        tickvals=ticks,
        ticktext=[f"{tick:g}" for tick in ticks],
        title_text="Hazard ratio (log scale); above 1: more events",
    )
    figure.update_yaxes(
        range=[-len(rows) + 0.4, 0.6],
        tickvals=[-i for i in range(len(rows))],
        ticktext=[escape(row.name, limit=36) for row in rows],
        showgrid=False,
    )
    figure.update_layout(margin={"r": TEXT_MARGIN})
    return Chart(
        figure=figure,
        finding=_finding(rows, n, events),
        table=pd.DataFrame(
            {
                "variable": [row.name for row in rows],
                "hazard_ratio": [row.ratio for row in rows],
                "lower": [row.low for row in rows],
                "upper": [row.high for row in rows],
                "p": [row.p_value for row in rows],
            }
        ),
        alt=f"Forest plot of {count(len(rows), 'hazard ratio')}",
    )


def _text(row: HazardRatio) -> str:
    """Say it: ``1.82 (1.31 to 2.53), p < 0.001``."""
    upper = f"{row.high:.2f}" if row.high < 1000 else "over 1000"
    tested = "" if np.isnan(row.p_value) else f", {format_p(row.p_value)}"
    return f"{row.ratio:.2f} ({row.low:.2f} to {upper}){tested}"


def _limits(rows: Sequence[HazardRatio]) -> tuple[float, float]:
    """Axis ends: around every interval, at least 0.5 to 2, at most 1/`WIDEST` to `WIDEST`."""
    lows = [row.low for row in rows if np.isfinite(row.low) and row.low > 0]
    highs = [row.high for row in rows if np.isfinite(row.high)]
    low = max(min([*lows, 0.5]) / 1.2, 1 / WIDEST)
    high = min(max([*highs, 2.0]) * 1.2, WIDEST)
    return low, high


def _add_row(
    figure: go.Figure, marks: Marks, row: HazardRatio, y: float, low: float, high: float
) -> None:
    p = palette(marks.theme)
    ends = [max(row.low, low), min(row.high, high)]
    cut = [row.low < low, row.high > high]
    figure.add_scatter(
        x=ends,
        y=[y, y],
        mode="lines+markers",
        line={"color": p.text, "width": 2},
        marker={
            "symbol": [
                ("arrow-left" if cut[0] else "line-ns"),
                ("arrow-right" if cut[1] else "line-ns"),
            ],
            "size": 10,
            "color": p.text,
            "line": {"color": p.text, "width": 2},
        },
        cliponaxis=False,
        hoverinfo="skip",
        meta="interval",
    )
    figure.add_scatter(
        x=[min(max(row.ratio, low), high)],
        y=[y],
        mode="markers",
        marker={
            "symbol": "square",
            "size": 11,
            "color": p.low,
            "line": {"color": p.text, "width": 1},
        },
        meta="ratio",
        **hover_text([f"{escape(row.name, limit=60)}<br>{escape(_text(row))}"]),
    )
    marks.text(escape(_text(row)), x=1, xref="paper", xanchor="left", xshift=8, y=y)


def _finding(rows: Sequence[HazardRatio], n: int, events: int) -> str:
    model = f"Cox model of {count(n, 'patient')} with {count(events, 'event')}"
    if not rows:
        return f"{model}: no hazard ratio was estimated."
    tested = [row for row in rows if not np.isnan(row.p_value)]
    if len(tested) == len(rows):
        row, said = min(rows, key=lambda row: row.p_value), "the smallest p belongs to"
    else:  # a withheld p may be the smallest
        row, said = max(rows, key=lambda row: abs(np.log(row.ratio))), "farthest from 1 is"
    return f"{model}: {said} {row.name}, hazard ratio (95 % CI) {_text(row)}."
