"""Beeswarm: contributions of the strongest features over patients, coloured by feature value.

An explanation of n patients goes in, a `Chart` comes out. After the beeswarm of SHAP (Lundberg et
al., Nature Machine Intelligence 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from scipy.stats import rankdata

from camlif.wording import count
from dashboard.figures.chart import Chart, escape, signed
from dashboard.figures.layout import SMALL_FONT_SIZE, base_figure, empty_figure, hover_text
from dashboard.figures.palette import Theme, palette

LANE_HEIGHT = 38
LANE_HALF_WIDTH = 0.42
PACKING_BINS = 80
MAX_POINTS = 6_000
"""Points drawn over all lanes: keeps the page under its data budget."""
MAX_SVG_POINTS = 2_000
MAX_NAME = 30


class Explanation(Protocol):
    """What the beeswarm reads of a ``shap.Explanation``.

    Attributes
    ----------
    values : float array, shape (n, p)
        Contributions in log risk.
    data : float array, shape (n, p)
        Raw feature values; NaN where missing.
    feature_names : sequence of str, length p
    """

    values: NDArray[np.float64]
    data: NDArray[np.float64]
    feature_names: Sequence[str]


def beeswarm(
    explanation: Explanation,
    *,
    theme: Theme,
    k: int = 15,
    tokens: Sequence[str] | None = None,
    max_points: int = MAX_POINTS,
) -> Chart:
    """Draw one lane per feature, one point per patient.

    Parameters
    ----------
    explanation : Explanation
    theme : {"light", "dark"}
    k : int
        Features drawn, by mean absolute contribution over all patients.
    tokens : sequence of str, optional
        Token of each patient, handed back by selections.
    max_points : int
        Most points over all lanes. Beyond it the same evenly spaced patients are drawn in every
        lane, and the finding says how many; means still count everyone.

    Notes
    -----
    Colour is the percentile of the value among the patients drawn from; a missing value is open.
    """
    values = np.asarray(explanation.values, dtype=float)
    data = np.asarray(explanation.data, dtype=float)
    strength = np.abs(values).mean(axis=0) if len(values) else np.zeros(values.shape[1])
    order = np.argsort(-strength, kind="stable")[:k]
    names = [str(explanation.feature_names[j]) for j in order]
    table = pd.DataFrame(
        {
            "feature": names,
            "mean_absolute_contribution": strength[order],
            "mean_contribution": values[:, order].mean(axis=0) if len(values) else np.nan,
            "missing": np.isnan(data[:, order]).sum(axis=0),
            "n": len(values),
        }
    )
    alt = f"Contributions of the {count(len(names), 'strongest feature')} over patients"
    if not len(values) or not names:
        return Chart(empty_figure("No patient", theme), "No patient is explained.", table, alt)
    rows = _drawn(len(values), max(max_points // len(names), 1))
    figure = go.Figure()
    _add_points(
        figure,
        values[np.ix_(rows, order)],
        _percentiles(data[:, order])[rows],
        names,
        theme,
        None if tokens is None else [tokens[i] for i in rows],
    )
    base_figure(figure, theme, height=130 + LANE_HEIGHT * len(names))
    figure.update_xaxes(
        title_text="Contribution to log risk (right of 0 raises it)",
        zeroline=True,
        zerolinecolor=palette(theme).text,
    )
    figure.update_yaxes(
        range=[len(names) - 0.4, -0.6],
        tickvals=list(range(len(names))),
        ticktext=[escape(name, limit=MAX_NAME) for name in names],
        showline=False,
    )
    shown = "" if len(rows) == len(values) else f"; {len(rows):,} of them drawn"
    finding = (
        f"{names[0]} moves the log risk most, by {strength[order[0]]:.2f} on average, over "
        f"{count(len(values), 'patient')}{shown}."
    )
    return Chart(figure, finding, table, alt)


def pack(x: NDArray[np.float64], bins: int = PACKING_BINS) -> NDArray[np.float64]:
    """Offset points of a lane so that crowded places grow wide, the same on every call.

    Parameters
    ----------
    x : float, shape (n,)
    bins : int
        Cells along the lane; within a cell points alternate around the middle.

    Returns
    -------
    float64, shape (n,)
        From -`LANE_HALF_WIDTH` to `LANE_HALF_WIDTH`.
    """
    span = float(np.ptp(x)) or 1.0
    cell = np.minimum(((x - x.min()) / span * bins).astype(int), bins - 1)
    order = np.lexsort((x, cell))
    starts = np.searchsorted(cell[order], cell[order], side="left")
    place = np.empty(len(x), dtype=int)
    place[order] = np.arange(len(x)) - starts
    side = np.where(place % 2, (place + 1) // 2, -(place // 2)).astype(float)
    widest = max(float(np.abs(side).max()), 6.0)  # a few points stay near the middle
    return np.asarray(LANE_HALF_WIDTH * side / widest, dtype=float)


def _drawn(n: int, limit: int) -> NDArray[np.int_]:
    return np.arange(n) if n <= limit else np.linspace(0, n - 1, limit).astype(int)


def _percentiles(data: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mid-rank percentile of every value within its column; NaN where missing."""
    ranks = rankdata(data, axis=0, nan_policy="omit")
    observed = np.isfinite(data).sum(axis=0)
    return np.asarray(100 * (ranks - 0.5) / np.maximum(observed, 1), dtype=float)


def _add_points(
    figure: go.Figure,
    values: NDArray[np.float64],
    percentile: NDArray[np.float64],
    names: Sequence[str],
    theme: Theme,
    tokens: Sequence[str] | None,
) -> None:
    """Add one trace of points with a value and one of those without."""
    p = palette(theme)
    lane = np.broadcast_to(np.arange(len(names)), values.shape)
    y = lane + np.stack([pack(column) for column in values.T], axis=1)
    row = np.broadcast_to(np.arange(len(values))[:, None], values.shape)
    missing = np.isnan(percentile)
    trace = go.Scatter if values.size <= MAX_SVG_POINTS else go.Scattergl
    for part, word in ((~missing, "known"), (missing, "missing")):
        if not part.any():
            continue
        texts = [
            f"{escape(names[j], limit=60)}<br>"
            + ("value missing" if np.isnan(q) else f"value at percentile {q:.0f}")
            + f"<br>{signed(v)} in log risk"
            for j, q, v in zip(lane[part], percentile[part], values[part], strict=True)
        ]
        marker = (
            _known_marker(percentile[part], theme)
            if word == "known"
            else {
                "symbol": "circle-open",
                "size": 6,
                "color": p.outline,
            }
        )
        figure.add_trace(
            trace(
                x=values[part],
                y=y[part],
                mode="markers",
                marker=marker,
                name="value missing",
                showlegend=word == "missing",
                customdata=None if tokens is None else [tokens[i] for i in row[part]],
                meta=word,
                **hover_text(texts),
            )
        )


def _known_marker(percentile: NDArray[np.float64], theme: Theme) -> dict[str, object]:
    p = palette(theme)
    low, high = p.values
    return {
        "size": 6,
        "color": percentile,
        "cmin": 0,
        "cmax": 100,
        "colorscale": [[0, low], [0.5, p.outline], [1, high]],
        "colorbar": {
            "title": {
                "text": "Feature value, percentile of the cohort",
                "font": {"size": SMALL_FONT_SIZE, "color": p.text},
                "side": "top",
            },
            "tickfont": {"size": SMALL_FONT_SIZE, "color": p.text},
            "tickvals": [0, 50, 100],
            "ticktext": ["low", "middle", "high"],
            "orientation": "h",
            "thickness": 10,
            "len": 0.6,
            "x": 1,
            "xanchor": "right",
            "y": 1.01,
            "yanchor": "bottom",
        },
    }
