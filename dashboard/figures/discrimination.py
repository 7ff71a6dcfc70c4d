"""How well a model ranks: the C-index of every split.

The C-index of every split goes in, a `Chart` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from camlif.statistics.splits import Interval
from camlif.wording import count, with_interval
from dashboard.figures.agreement import stack
from dashboard.figures.chart import Chart
from dashboard.figures.layout import SMALL_FONT_SIZE, base_figure, hover_text
from dashboard.figures.palette import Theme, palette

CHANCE = 0.5
STACK_WIDTH = 0.012
"""C-indices closer than this are stacked."""
STACK_STEP = 0.16
MEAN_Y = -0.3
"""Value, low, high."""


def c_index_dots(
    per_split: Sequence[float],
    interval: Interval,
    *,
    scheme: str,
    n: int,
    events: int,
    theme: Theme,
    heldout: Interval | None = None,
    oracle: float | None = None,
) -> Chart:
    """Draw the test C-index of every split with its mean and interval.

    Parameters
    ----------
    per_split : sequence of float
    interval : Interval
        95 %, Nadeau-Bengio corrected.
    scheme : str
        Split scheme; stands beside every result.
    n, events : int
        Training cohort.
    theme : {"light", "dark"}
    heldout : Interval, optional
        Pooled over held-out patients, with bootstrap interval.
    oracle : float, optional
        C-index of the true log-hazard of a simulated cohort.
    """
    p = palette(theme)
    values = np.asarray(per_split, dtype=float)
    figure = go.Figure()
    figure.add_scatter(
        x=values,
        y=0.1 + STACK_STEP * stack(values, STACK_WIDTH),
        mode="markers",
        marker={"symbol": "circle", "size": 10, "color": p.low, "line": {"color": p.page}},
        name=f"one split ({len(values)})",
        meta="splits",
        **hover_text([f"split {i + 1}: {v:.3f}" for i, v in enumerate(values)]),
    )
    _add_interval(figure, interval, MEAN_Y, "diamond", "mean of splits, 95 % interval", p.text)
    if heldout is not None:
        word = "pooled over patients, 95 % bootstrap"
        _add_interval(figure, heldout, MEAN_Y - 0.3, "square", word, p.raises)
    base_figure(figure, theme, height=280)
    shown = [*values.tolist(), *_numbers(interval), *(_numbers(heldout) if heldout else ()), CHANCE]
    shown += [oracle] if oracle is not None else []
    figure.update_xaxes(
        range=[min(shown) - 0.03, max(shown) + 0.05], title_text="C-index on held-out patients"
    )
    top = max(1.0, float(figure.data[0].y.max()) + 0.45 if len(values) else 1.0)
    figure.update_yaxes(range=[MEAN_Y - 0.6, top], visible=False)
    _add_reference(figure, CHANCE, "0.5: chance", theme)
    if oracle is not None:
        word = f"{oracle:.3f}: true log-hazard"
        _add_reference(figure, oracle, word, theme, anchor="right")
    return Chart(
        figure=figure,
        finding=_finding(interval, len(values), scheme, n, events, oracle),
        table=_c_index_table(values, interval, heldout, oracle),
        alt="C-index of every split with mean and interval",
    )


def _numbers(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


def _add_interval(
    figure: go.Figure, interval: Interval, y: float, symbol: str, name: str, color: str
) -> None:
    value, low, high = _numbers(interval)
    figure.add_scatter(
        x=[low, value, high],
        y=[y, y, y],
        mode="lines+markers",
        line={"color": color, "width": 2},
        marker={
            "symbol": ["line-ns", symbol, "line-ns"],
            "size": [10, 12, 10],
            "color": color,
            "line": {"color": color, "width": 2},
        },
        name=name,
        meta="interval",
        **hover_text([f"{name}: {with_interval(value, low, high, digits=3)}"] * 3),
    )


def _add_reference(
    figure: go.Figure, x: float, text: str, theme: Theme, anchor: str = "left"
) -> None:
    p = palette(theme)
    figure.add_vline(x=x, line={"color": p.muted, "dash": "dash", "width": 1})
    figure.add_annotation(
        x=x,
        y=1,
        yref="paper",
        yanchor="top",
        xanchor=anchor,
        xshift=3 if anchor == "left" else -3,
        text=text,
        showarrow=False,
        font={"size": SMALL_FONT_SIZE, "color": p.muted},
    )


def _finding(
    interval: Interval, n_splits: int, scheme: str, n: int, events: int, oracle: float | None
) -> str:
    value, low, high = _numbers(interval)
    ceiling = f"; the true log-hazard reaches {oracle:.3f}" if oracle is not None else ""
    return (
        f"Mean C-index {value:.3f} (95 % interval {low:.3f} to {high:.3f}) over "
        f"{count(n_splits, f'{scheme} split')}; {count(n, 'patient')}, "
        f"{count(events, 'event')}{ceiling}."
    )


def _c_index_table(
    values: NDArray[np.float64],
    interval: Interval,
    heldout: Interval | None,
    oracle: float | None,
) -> pd.DataFrame:
    rows: list[tuple[str, float, float, float]] = [
        (f"split {i + 1}", float(v), np.nan, np.nan) for i, v in enumerate(values)
    ]
    rows.append(("mean of splits", *_numbers(interval)))
    if heldout is not None:
        rows.append(("pooled over patients", *_numbers(heldout)))
    if oracle is not None:
        rows.append(("true log-hazard", oracle, np.nan, np.nan))
    return pd.DataFrame(rows, columns=["what", "c_index", "lower", "upper"])
