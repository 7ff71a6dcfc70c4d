"""Parts of the hazard scatters: half-violin, median line, counts for large cohorts, legend.

A figure and the z of a column go in; the figure gets the marks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.stats import gaussian_kde

from camlif.arrays import Float64Array
from camlif.wording import count
from dashboard.figures.chart import escape, signed
from dashboard.figures.layout import SMALL_FONT_SIZE, hover_text
from dashboard.figures.palette import GradeStyle, Theme, palette, rgba

POINT_START, POINT_END = 0.04, 0.42
"""Where points lie right of their column's centre; the half-violin lies left of it."""
VIOLIN_WIDTH = 0.38
MIN_FOR_VIOLIN = 10
VIOLIN_STEPS = 80
MAX_FOR_DENSITY = 5_000
DENSITY_BINS = 40


def add_violin(figure: go.Figure, z: Float64Array, place: int, theme: Theme) -> None:
    """Half-violin of one column; too few or equal values have no density.

    Parameters
    ----------
    figure : Figure
    z : float64, shape (n,)
        Of the column's patients, in standard deviations of held-out risks.
    place : int
        Of the column, from 0 at the left.
    theme : {"light", "dark"}
    """
    if len(z) < MIN_FOR_VIOLIN or np.ptp(z) == 0:
        return
    p = palette(theme)
    sample = np.sort(z)[np.linspace(0, len(z) - 1, min(len(z), MAX_FOR_DENSITY)).astype(int)]
    grid = np.linspace(z.min(), z.max(), VIOLIN_STEPS)
    density = gaussian_kde(sample)(grid)
    x = place - VIOLIN_WIDTH * density / density.max()
    figure.add_scatter(
        x=np.concatenate([[place], x, [place]]),
        y=np.concatenate([grid[:1], grid, grid[-1:]]),
        mode="lines",
        line={"color": p.outline, "width": 1},
        fill="toself",
        fillcolor=rgba(p.outline, 0.15),
        showlegend=False,
        hoverinfo="skip",
        meta="violin",
    )


def add_median(figure: go.Figure, z: Float64Array, place: int, theme: Theme) -> None:
    """Median line of one column, across its half-violin and its points.

    Parameters
    ----------
    figure, z, place, theme
        As in `add_violin`.
    """
    p = palette(theme)
    median = float(np.median(z))
    figure.add_scatter(
        x=[place - VIOLIN_WIDTH, place + POINT_END],
        y=[median, median],
        mode="lines",
        line={"color": p.text, "width": 2},
        showlegend=False,
        meta="median",
        **hover_text([f"median {signed(median)} (n = {len(z):,})"] * 2),
    )


def add_density(
    figure: go.Figure, frame: pd.DataFrame, columns: Sequence[str], theme: Theme
) -> None:
    """Count patients per cell of z in every column.

    Parameters
    ----------
    figure : Figure
    frame : DataFrame
        A row per patient with ``z`` and ``column``.
    columns : sequence of str
        Names of the columns from the left.
    theme : {"light", "dark"}
    """
    p = palette(theme)
    edges = np.linspace(frame["z"].min(), frame["z"].max(), DENSITY_BINS + 1)
    z = frame["z"].to_numpy()
    counts = np.stack(
        [np.histogram(z[frame["column"] == name], bins=edges)[0] for name in columns], axis=1
    )
    texts = [
        [
            f"{escape(name, limit=40)}<br>z {signed(low)} to {signed(high)}: {count(n, 'patient')}"
            for name, n in zip(columns, row, strict=True)
        ]
        for low, high, row in zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
    ]
    figure.add_heatmap(
        x=list(range(len(columns))),
        y=(edges[:-1] + edges[1:]) / 2,
        z=np.where(counts > 0, counts, np.nan),
        zmin=0,
        colorscale=[[0, p.scale[0]], [1, p.scale[1]]],
        colorbar={
            "title": {"text": "patients", "font": {"size": SMALL_FONT_SIZE}, "side": "top"},
            "tickfont": {"color": p.text, "size": SMALL_FONT_SIZE},
            "orientation": "h",
            "thickness": 10,
            "len": 0.4,
            "x": 1,
            "xanchor": "right",
            "y": 1.02,
            "yanchor": "bottom",
        },
        xgap=12,
        text=texts,
        hoverinfo="text",
        meta="density",
    )


def add_grade_legend(figure: go.Figure, grade: str, style: GradeStyle, note: str = "") -> None:
    """Explain a grade by a circle: the points' own symbols stand for subtypes.

    Parameters
    ----------
    figure : Figure
    grade : str
        Its name; escaped.
    style : GradeStyle
    note : str
        Added to the name.
    """
    figure.add_scatter(
        x=[None],
        y=[None],
        mode="markers",
        marker={
            "symbol": "circle",
            "size": style.size + 2,
            "color": rgba(style.color, style.fill),
            "line": {"color": style.color, "width": 1.3},
        },
        name=f"grade {escape(grade, limit=24)}{note}",
        legendgroup=grade,
        hoverinfo="skip",
        meta="legend",
    )
