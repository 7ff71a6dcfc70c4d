"""Forest plot of hazard ratios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from camlif.wording import count
from dashboard.figures.chart import Chart, escape, format_p
from dashboard.figures.layout import Marks, base_figure, hover_text
from dashboard.figures.palette import Theme, palette

ROW_HEIGHT = 34
TEXT_MARGIN = 210
"""Pixels right of the plot for "1.82 (1.31 to 2.53), p < 0.001"."""
WIDEST = 50.0
"""Hazard ratios beyond 1/50 and 50 are cut off at the axis with an arrow."""
TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestRow:
    """One hazard ratio with its 95 % interval; ``p_value`` is None for a reference level."""

    name: str
    ratio: float
    low: float
    high: float
    p_value: float | None = None

    @property
    def is_reference(self) -> bool:
        """Whether the row is the level that others are compared with."""
        return self.p_value is None

    @property
    def text(self) -> str:
        """Numbers in words: ``1.82 (1.31 to 2.53), p < 0.001``."""
        if self.p_value is None:
            return "1 (reference)"
        return f"{self.ratio:.2f} ({self.low:.2f} to {_upper(self.high)}), {format_p(self.p_value)}"


def forest_chart(rows: Sequence[ForestRow], *, n: int, events: int, theme: Theme) -> Chart:
    """Draw hazard ratios of one Cox model on a log axis.

    Parameters
    ----------
    rows : sequence of ForestRow
        From top to bottom.
    n, events : int
        Patients and events in the model.
    theme : {"light", "dark"}
    """
    p = palette(theme)
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


def _upper(value: float) -> str:
    return f"{value:.2f}" if value < 1000 else "over 1000"


def _limits(rows: Sequence[ForestRow]) -> tuple[float, float]:
    """Axis ends: around every interval, at least 0.5 to 2, at most 1/`WIDEST` to `WIDEST`."""
    lows = [row.low for row in rows if np.isfinite(row.low) and row.low > 0]
    highs = [row.high for row in rows if np.isfinite(row.high)]
    low = max(min([*lows, 0.5]) / 1.2, 1 / WIDEST)
    high = min(max([*highs, 2.0]) * 1.2, WIDEST)
    return low, high


def _add_row(
    figure: go.Figure, marks: Marks, row: ForestRow, y: float, low: float, high: float
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
            "symbol": "diamond-open" if row.is_reference else "square",
            "size": 11,
            "color": p.text if row.is_reference else p.low,
            "line": {"color": p.text, "width": 1},
        },
        meta="ratio",
        **hover_text([f"{escape(row.name, limit=60)}<br>{escape(row.text)}"]),
    )
    marks.text(escape(row.text), x=1, xref="paper", xanchor="left", xshift=8, y=y)


def _finding(rows: Sequence[ForestRow], n: int, events: int) -> str:
    model = f"Cox model of {count(n, 'patient')} with {count(events, 'event')}"
    tested = [row for row in rows if row.p_value is not None]
    if not tested:
        return f"{model}: no hazard ratio was estimated."
    strongest = min(tested, key=lambda row: row.p_value if row.p_value is not None else 1.0)
    return (
        f"{model}: the smallest p belongs to {strongest.name}, hazard ratio "
        f"{strongest.ratio:.2f} (95 % CI {strongest.low:.2f} to {_upper(strongest.high)}), "
        f"{format_p(strongest.p_value or 0.0)}."
    )
