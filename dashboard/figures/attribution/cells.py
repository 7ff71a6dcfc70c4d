"""Labelled cells: a heat map whose numbers are written in it, readable on every tone.

A figure and a matrix go in; the figure gets cells, names and a scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.figures.layout import Marks
from dashboard.figures.palette import Theme, blend, readable_on

CELL_HEIGHT = 48
TILT_FROM = 5
"""Columns from which their names are tilted."""


@dataclass(frozen=True, slots=True)
class CellScale:
    """Tones at equal distances from ``low`` to ``high``; values beyond take the end's."""

    stops: tuple[str, ...]
    low: float
    high: float

    def color(self, value: float) -> str:
        """Tone of a value; that of the lowest for NaN."""
        share = (np.nan_to_num(value, nan=self.low) - self.low) / (self.high - self.low)
        place = float(np.clip(share, 0, 1)) * (len(self.stops) - 1)
        left = min(int(place), len(self.stops) - 2)
        return blend(self.stops[left], self.stops[left + 1], place - left)

    @property
    def plotly(self) -> list[list[float | str]]:
        """The same for Plotly."""
        return [[i / (len(self.stops) - 1), tone] for i, tone in enumerate(self.stops)]


def add_cells(
    figure: go.Figure,
    values: NDArray[np.float64],
    *,
    texts: Sequence[Sequence[str]],
    hovers: Sequence[Sequence[str]],
    scale: CellScale,
    theme: Theme,
) -> None:
    """Draw cells, the first row on top; a NaN stays empty but for its text.

    Parameters
    ----------
    figure : plotly Figure
    values : float64, shape (rows, columns)
    texts, hovers : per cell, escaped
    scale : CellScale
    theme : {"light", "dark"}
    """
    figure.add_heatmap(
        x=list(range(values.shape[1])),
        y=list(range(values.shape[0])),
        z=values,
        zmin=scale.low,
        zmax=scale.high,
        colorscale=scale.plotly,
        showscale=False,
        xgap=2,
        ygap=2,
        text=[list(row) for row in hovers],
        hoverinfo="text",
        meta="cells",
    )
    marks = Marks(theme)
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            marks.text(texts[i][j], x=j, y=i, color=readable_on(scale.color(value), theme))
    marks.put_on(figure)


def cell_axes(figure: go.Figure, *, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Name rows and columns, escaped; call it after `base_figure`.

    Parameters
    ----------
    figure : Figure
    rows, columns : sequence of str
        Names from the top and from the left.
    """
    figure.update_xaxes(
        range=[-0.5, len(columns) - 0.5],
        tickvals=list(range(len(columns))),
        ticktext=list(columns),
        tickangle=-35 if len(columns) >= TILT_FROM else 0,
        showgrid=False,
    )
    figure.update_yaxes(
        range=[len(rows) - 0.5, -0.5],
        tickvals=list(range(len(rows))),
        ticktext=list(rows),
        showgrid=False,
    )
