"""Do predicted frequencies hold? Observed against predicted survival in groups, by horizon.

Results of `camlif.statistics.horizon.calibration` go in, a `Chart` with one panel for each
comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from camlif.data.schema import Endpoint
from camlif.wording import count, listed, period
from dashboard.figures.chart import Chart, escape
from dashboard.figures.layout import (
    FONT_SIZE,
    SMALL_FONT_SIZE,
    base_figure,
    empty_figure,
    hover_text,
)
from dashboard.figures.palette import Theme, palette

if TYPE_CHECKING:
    from camlif.statistics import CalibrationResult

HEIGHT = 440
HISTOGRAM_BINS = 20
ROW_HEIGHTS = (0.82, 0.18)
COLUMNS = ("horizon", "predicted", "observed", "lower", "upper", "n", "events")


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationPanel:
    """Calibration at one horizon, and every patient's predicted survival for the histogram."""

    result: CalibrationResult
    predicted: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


def calibration_chart(
    panels: Sequence[CalibrationPanel], *, endpoint: Endpoint, theme: Theme
) -> Chart:
    """Draw observed against predicted survival in groups of predicted risk, a panel a horizon.

    Parameters
    ----------
    panels : sequence of CalibrationPanel
        Groups that are not followed to the horizon are left out.
    endpoint : Endpoint
    theme : {"light", "dark"}
    """
    table = _table(panels)
    times = listed([period(panel.result.horizon) for panel in panels])
    alt = f"Calibration of {endpoint.name} at {times}"
    if not panels or table["observed"].isna().all():
        finding = f"Observed {endpoint.name} is not known in any group."
        return Chart(empty_figure("Not observed", theme), finding, table, alt)
    figure = make_subplots(
        rows=2,
        cols=len(panels),
        row_heights=list(ROW_HEIGHTS),
        vertical_spacing=0.03,
        horizontal_spacing=0.06,
        shared_xaxes=True,
    )
    for column, panel in enumerate(panels, start=1):
        _add_panel(figure, panel, column, theme)
    base_figure(figure, theme, height=HEIGHT)
    figure.update_layout(margin={"t": 64}, bargap=0.05)
    # At the figure's edge: above the plots it would not follow when the window changes.
    figure.layout.legend.update(y=1, yanchor="top", yref="container")
    _axes(figure, panels, endpoint, theme)
    return Chart(figure, _finding(panels, endpoint), table, alt)


def _table(panels: Sequence[CalibrationPanel]) -> pd.DataFrame:
    rows = [
        (
            period(panel.result.horizon),
            b.predicted,
            b.observed,
            b.low,
            b.high,
            b.n_patients,
            b.n_events,
        )
        for panel in panels
        for b in panel.result.bins
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"observed": float, "lower": float, "upper": float})


def _add_panel(figure: go.Figure, panel: CalibrationPanel, column: int, theme: Theme) -> None:
    p = palette(theme)
    known = _table([panel]).dropna(subset="observed")
    value = 100 * known["observed"]
    first = column == 1
    figure.add_scatter(
        x=[0, 100],
        y=[0, 100],
        mode="lines",
        line={"color": p.muted, "dash": "dash", "width": 1},
        name="perfect calibration",
        showlegend=first,
        hoverinfo="skip",
        meta="diagonal",
        row=1,
        col=column,
    )
    figure.add_scatter(
        x=100 * known["predicted"],
        y=value,
        mode="markers",
        marker={"symbol": "circle", "size": 9, "color": p.low},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": (100 * known["upper"] - value).fillna(0),
            "arrayminus": (value - 100 * known["lower"]).fillna(0),
            "color": p.low,
            "thickness": 1.5,
        },
        name="patients of similar prediction: Kaplan-Meier, 95 % CI",
        showlegend=first,
        meta="groups",
        row=1,
        col=column,
        **hover_text([_hover(row) for row in known.itertuples()]),
    )
    counts, edges = np.histogram(panel.predicted, bins=HISTOGRAM_BINS, range=(0, 1))
    figure.add_bar(
        x=100 * (edges[:-1] + edges[1:]) / 2,
        y=counts,
        marker={"color": p.outline},
        name="patients by prediction",
        showlegend=first,
        meta="histogram",
        row=2,
        col=column,
        **hover_text(
            [
                f"{100 * a:.0f} to {100 * b:.0f} %: {count(int(n), 'patient')}"
                for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)
            ]
        ),
    )


def _hover(row: object) -> str:
    return (
        f"predicted {100 * row.predicted:.0f} %, observed {100 * row.observed:.0f} % "  # type: ignore[attr-defined]  # a named tuple of `COLUMNS`
        f"({100 * row.lower:.0f} to {100 * row.upper:.0f})<br>n = {row.n:,}"  # type: ignore[attr-defined]
    )


def _axes(
    figure: go.Figure, panels: Sequence[CalibrationPanel], endpoint: Endpoint, theme: Theme
) -> None:
    word = escape(endpoint.event_free)
    figure.update_xaxes(range=[0, 102], tickvals=[0, 25, 50, 75, 100])
    figure.update_xaxes(title_text=f"Predicted {word} (%)", row=2)
    figure.update_yaxes(range=[0, 102], tickvals=[0, 25, 50, 75, 100], row=1)
    figure.update_yaxes(showgrid=False, nticks=2, row=2)
    figure.update_yaxes(title_text=f"Observed {word} (%)", row=1, col=1)
    figure.update_yaxes(title_text="n", row=2, col=1)
    color = palette(theme).text
    for column, panel in enumerate(panels, start=1):
        r = panel.result
        ici = "" if r.ici is None else f", ICI {100 * r.ici:.1f} points"
        figure.add_annotation(
            text=f"<b>{period(r.horizon)}</b>: E:O {r.ratio:.2f}{ici}",
            font={"size": FONT_SIZE if len(panels) < 3 else SMALL_FONT_SIZE, "color": color},
            x=0,
            xref="x domain" if column == 1 else f"x{column} domain",
            xanchor="left",
            y=1,
            yref="paper",
            yanchor="bottom",
            yshift=2,
            showarrow=False,
        )


def _finding(panels: Sequence[CalibrationPanel], endpoint: Endpoint) -> str:
    ratios = listed([f"{p.result.ratio:.2f} at {period(p.result.horizon)}" for p in panels])
    last = panels[-1].result
    return (
        f"Expected over observed events: {ratios} ({endpoint.name}, "
        f"{count(last.n_patients, 'patient')}, {count(last.n_events, 'event')} by "
        f"{period(last.horizon)})."
    )
