"""Hazard of short against long survivors, and who lies in an interval of the hazard.

Points with z and follow-up go in, a `Chart` comes out. After Figure A6(b) of An et al., AAAI 2025.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from camlif.data.schema import Endpoint
from camlif.wording import count, period
from dashboard.figures.chart import Chart, signed
from dashboard.figures.layout import base_figure, empty_figure, hover_text
from dashboard.figures.palette import Theme, palette, rgba

BINS = 15
PAPER_LIMIT = 1.75
"""Half-width of the paper's z axis; the axis grows where patients lie beyond it."""


def short_long_chart(
    z: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    cutoff_months: float,
    endpoint: Endpoint,
    theme: Theme,
) -> Chart:
    """Draw densities of the hazard z-score of short and long survivors.

    Parameters
    ----------
    z : array_like, shape (n,)
        Hazard z-scores; NaN where unscored.
    event : array_like of bool, shape (n,)
    duration : array_like, shape (n,), months
    cutoff_months : float
        Short is ``duration <= cutoff_months``.
    endpoint : Endpoint
    theme : {"light", "dark"}

    Notes
    -----
    Only patients with an observed event have a known survival time; the finding says how many are
    left out and that this favours short follow-up.

    References
    ----------
    CA-MLIF (AAAI 2025), Figure A6(b).
    """
    risk, had_event, months = (
        np.asarray(z, dtype=float),
        np.asarray(event, dtype=bool),
        np.asarray(duration, dtype=float),
    )
    shown = had_event & np.isfinite(risk)
    n_left_out = int((~had_event & np.isfinite(risk)).sum())
    alt = "Hazard z-score of short and long survivors"
    p = palette(theme)
    when = period(cutoff_months)
    groups = (
        (f"{when} or less", risk[shown & (months <= cutoff_months)], p.high, "solid"),
        (f"more than {when}", risk[shown & (months > cutoff_months)], p.low, "dash"),
    )
    if not shown.any():
        finding = f"No scored patient has an observed event ({endpoint.event_noun})."
        return Chart(empty_figure("No observed event", theme), finding, pd.DataFrame(), alt)
    limit = max(PAPER_LIMIT, float(np.abs(risk[shown]).max()))
    edges = np.linspace(-limit, limit, BINS + 1)
    figure, rows = go.Figure(), []
    for name, values, color, dash in groups:
        counts = np.histogram(values, bins=edges)[0]
        density = counts / max(len(values), 1) / np.diff(edges)
        _add_histogram(figure, name, counts, density, edges, color, dash)
        rows.append(_bins(name, counts, density, edges))
    base_figure(figure, theme, height=380)
    figure.update_xaxes(title_text="Hazard z-score", range=[-limit, limit])
    figure.update_yaxes(title_text="Density", rangemode="tozero")
    return Chart(
        figure=figure,
        finding=_finding([(name, values) for name, values, _, _ in groups], endpoint, n_left_out),
        table=pd.concat(rows, ignore_index=True),
        alt=alt,
    )


def interval_composition(
    z: ArrayLike, group: Sequence[str], intervals: Sequence[tuple[float, float]]
) -> pd.DataFrame:
    """Count the levels of a group (grade, subtype) within intervals of the hazard z-score.

    Parameters
    ----------
    z : array_like, shape (n,)
    group : sequence of str, length n
    intervals : sequence of (low, high)
        ``low <= z < high``.

    Returns
    -------
    DataFrame
        One row per interval: ``z`` in words, ``n`` and one count per level.
    """
    risk, levels = np.asarray(z, dtype=float), np.asarray(group, dtype=str)
    rows = []
    for low, high in intervals:
        inside = levels[(risk >= low) & (risk < high)]
        counts = {str(level): int((inside == level).sum()) for level in np.unique(levels)}
        rows.append({"z": _between(low, high), "n": len(inside), **counts})
    return pd.DataFrame(rows)


def _between(low: float, high: float) -> str:
    """Say an interval of z; an end that is not finite is left open."""
    if np.isinf(low):
        return f"below {signed(high)}"
    return f"{signed(low)} and over" if np.isinf(high) else f"{signed(low)} to {signed(high)}"


def _add_histogram(
    figure: go.Figure,
    name: str,
    counts: NDArray[np.int_],
    density: NDArray[np.float64],
    edges: NDArray[np.float64],
    color: str,
    dash: str,
) -> None:
    texts = [
        f"{name}<br>z {signed(low)} to {signed(high)}: {n:,} of {counts.sum():,}"
        for low, high, n in zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
    ]
    figure.add_scatter(
        x=np.concatenate([edges, edges[-1:]]),
        y=np.concatenate([density, density[-1:], [0.0]]),
        mode="lines",
        line={"shape": "hv", "color": color, "width": 2, "dash": dash},
        fill="tozeroy",
        fillcolor=rgba(color, 0.22),
        name=f"{name} (n = {counts.sum():,})",
        meta="histogram",
        **hover_text([*texts, texts[-1], texts[-1]]),
    )


def _bins(
    name: str,
    counts: NDArray[np.int_],
    density: NDArray[np.float64],
    edges: NDArray[np.float64],
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "survival": name,
            "low_z": edges[:-1],
            "high_z": edges[1:],
            "patients": counts,
            "density": density,
        }
    )


def _finding(
    groups: Sequence[tuple[str, NDArray[np.float64]]], endpoint: Endpoint, n_left_out: int
) -> str:
    parts = [
        f"{signed(float(np.median(values)))} for {name} (n = {len(values):,})"
        if len(values)
        else f"nobody with {name}"
        for name, values in groups
    ]
    n = sum(len(values) for _, values in groups)
    return (
        f"Median hazard z: {' and '.join(parts)}, among {count(n, 'patient')} with the event "
        f"({endpoint.event_noun}); {count(n_left_out, 'patient')} without it left out, "
        "which favours short follow-up."
    )
