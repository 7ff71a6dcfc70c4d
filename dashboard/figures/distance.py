"""How far patients lie from the training data, modality by modality.

Percentiles of distance by modality go in, a `Chart` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from camlif.wording import count, listed
from dashboard.figures.chart import Chart, escape
from dashboard.figures.layout import SMALL_FONT_SIZE, base_figure, empty_figure, hover_text
from dashboard.figures.palette import Theme, palette

ROW_HEIGHT = 96
HALF_BAND = 0.3
MAX_POINTS = 2000
"""Points a row; of more patients those nearest are thinned, never those beyond the 99th."""
USUAL, FAR, BEYOND = "up to the 95th", "95th to 99th", "beyond the 99th"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModalityDistance:
    """Distances of one modality.

    Attributes
    ----------
    name : str
        As shown.
    distance : float64, shape (n,)
        NaN where the modality is absent.
    p95, p99 : float
        Training percentiles.
    """

    name: str
    distance: NDArray[np.float64]
    p95: float
    p99: float

    @property
    def known(self) -> NDArray[np.float64]:
        """Distances of the patients who have the modality."""
        return self.distance[np.isfinite(self.distance)]


def distance_chart(rows: Sequence[ModalityDistance], *, theme: Theme) -> Chart:
    """Draw every patient's distance, with the training percentiles as bars.

    Parameters
    ----------
    rows : sequence of ModalityDistance
    theme : {"light", "dark"}
    """
    table = _table(rows)
    alt = "Distance from the training data by modality"
    if not any(len(row.known) for row in rows):
        finding = "No patient has a modality of the model."
        return Chart(empty_figure("No modality", theme), finding, table, alt)
    p = palette(theme)
    figure = go.Figure()
    for label, color, symbol in (
        (USUAL, p.low, "circle"),
        (FAR, p.intermediate, "diamond"),
        (BEYOND, p.high, "x"),
    ):
        _add_points(figure, rows, label, color, symbol)
    for place, row in enumerate(rows):
        for limit, word in ((row.p95, "95th"), (row.p99, "99th")):
            _add_limit(figure, limit, place, word, theme)
    base_figure(figure, theme, height=90 + ROW_HEIGHT * len(rows))
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[escape(row.name, limit=24) for row in rows],
        range=[len(rows) - 0.5, -0.6],
        showgrid=False,
    )
    figure.update_xaxes(
        rangemode="tozero", title_text="Distance from the training median (robust SDs)"
    )
    return Chart(figure, _finding(rows), table, alt)


def _class_of(row: ModalityDistance, label: str) -> NDArray[np.float64]:
    d = row.known
    inside = {
        USUAL: d <= row.p95,
        FAR: (d > row.p95) & (d <= row.p99),
        BEYOND: d > row.p99,
    }[label]
    found: NDArray[np.float64] = d[inside]
    if len(found) > MAX_POINTS and label != BEYOND:
        found = np.sort(found)[np.linspace(0, len(found) - 1, MAX_POINTS).astype(int)]
    return found


def _add_points(
    figure: go.Figure, rows: Sequence[ModalityDistance], label: str, color: str, symbol: str
) -> None:
    x, y, words = [], [], []
    rng = np.random.default_rng(0)  # the same jitter on every rerun
    n = 0
    for place, row in enumerate(rows):
        shown = _class_of(row, label)
        n += len(shown)
        x += shown.tolist()
        y += (place + rng.uniform(-HALF_BAND / 2, HALF_BAND / 2, len(shown))).tolist()
        words += [f"{escape(row.name)}: {d:.2f}, {label} training percentile" for d in shown]
    if not n:
        return
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"symbol": symbol, "size": 6, "color": color, "opacity": 0.75},
        name=f"{label} training percentile",
        meta=label,
        **hover_text(words),
    )


def _add_limit(figure: go.Figure, x: float, place: int, word: str, theme: Theme) -> None:
    p = palette(theme)
    figure.add_shape(
        type="line",
        x0=x,
        x1=x,
        y0=place - HALF_BAND,
        y1=place + HALF_BAND,
        line={"color": p.text, "width": 2, "dash": "dash" if word == "95th" else "solid"},
    )
    figure.add_annotation(
        x=x,
        y=place - HALF_BAND,
        text=word,
        xanchor="right" if word == "95th" else "left",
        yanchor="bottom",
        showarrow=False,
        font={"size": SMALL_FONT_SIZE, "color": p.text},
    )


def _table(rows: Sequence[ModalityDistance]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (
                row.name,
                len(row.known),
                float(np.median(row.known)) if len(row.known) else np.nan,
                row.p95,
                row.p99,
                int((row.known > row.p95).sum()),
                int((row.known > row.p99).sum()),
            )
            for row in rows
        ],
        columns=[
            "modality",
            "patients",
            "median",
            "training_95th",
            "training_99th",
            "beyond_95th",
            "beyond_99th",
        ],
    )


def _finding(rows: Sequence[ModalityDistance]) -> str:
    said = []
    for row in rows:
        n = len(row.known)
        if n:
            beyond = int((row.known > row.p99).sum())
            said.append(
                f"{beyond:,} of {count(n, 'patient')} in {row.name} ({100 * beyond / n:.1f} %)"
            )
    return f"Beyond the training 99th percentile: {listed(said)}; 1 % is usual."
