"""A case as it is and as changed: survival curve, models, contributions. Before dashed or open.

A `WhatIf` or its parts go in, a `Chart` comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from camlif.data.schema import Endpoint
from camlif.wording import count, of_100, period, range_of_100, verb
from dashboard.figures.agreement import band_names, band_shapes
from dashboard.figures.attribution.bars import direction
from dashboard.figures.chart import Chart, escape, signed
from dashboard.figures.layout import TimeAxis, base_figure, empty_figure, hover_text
from dashboard.figures.palette import Theme, palette, rgba
from dashboard.figures.prediction import PredictedCurve
from dashboard.figures.survival_lines import BAND_OPACITY

BEFORE, AFTER = "as it is", "as changed"
HEIGHT = 300
MEMBERS_HEIGHT = 210
ROW_HEIGHT = 62
BAR_WIDTH = 0.34
MIN_HALF_WIDTH = 2.0
"""The axis of z shows at least -2 to 2."""
FINDING_MONTHS = (36, 60, 24, 12)
MAX_NAME = 30


def changed_curves(
    before: PredictedCurve | None, after: PredictedCurve | None, *, endpoint: Endpoint, theme: Theme
) -> Chart:
    """Draw the predicted survival before (dashed) and after (solid, with the models' spread).

    Parameters
    ----------
    before, after : PredictedCurve or None
        None where absolute risk is hidden or the model abstains.
    endpoint : Endpoint
    theme : {"light", "dark"}
    """
    curves = {name: c for name, c in ((BEFORE, before), (AFTER, after)) if c is not None}
    tables = [curve.table().assign(group=name) for name, curve in curves.items()]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    alt = "Predicted curve of this case as it is and as changed"
    if before is None or after is None:
        finding = "No two curves to compare: absolute risk is hidden or not predicted."
        return Chart(empty_figure("No curves to compare", theme), finding, table, alt)
    p = palette(theme)
    axis = TimeAxis(float(min(before.times[-1], after.times[-1])), "months")
    figure = go.Figure()
    x = axis.scale(after.times)
    if np.isfinite(after.low).all():
        figure.add_scatter(
            x=np.concatenate([x, x[::-1]]),
            y=100 * np.concatenate([after.low, after.high[::-1]]),
            mode="lines",
            line={"width": 0},
            fill="toself",
            fillcolor=rgba(p.raises, BAND_OPACITY),
            showlegend=False,
            hoverinfo="skip",
            meta="band",
        )
    for name, curve in curves.items():
        figure.add_scatter(
            x=axis.scale(curve.times),
            y=100 * curve.survival,
            mode="lines",
            line={"color": p.text, "dash": "dash", "width": 2}
            if name == BEFORE
            else {"color": p.raises, "dash": "solid", "width": 3},
            name=name,
            meta=name,
            **hover_text(
                [
                    f"{name}<br>{t:.3g} months: {of_100(s)} of 100"
                    for t, s in zip(curve.times, curve.survival, strict=True)
                ]
            ),
        )
    base_figure(figure, theme, height=HEIGHT)
    figure.update_xaxes(title_text="Months", **axis.settings())
    figure.update_yaxes(
        range=[0, 102], title_text=f"{escape(endpoint.event_free.capitalize(), limit=40)} (%)"
    )
    months = next((float(m) for m in FINDING_MONTHS if m <= axis.end), axis.end)
    was, (now, low, high) = before.at(months)[0], after.at(months)
    finding = (
        f"Of 100 patients with such a score, {endpoint.event_free} at {period(months)}: "
        f"{of_100(was)} {BEFORE}, {of_100(now)} {AFTER} (model interval {range_of_100(low, high)})."
    )
    return Chart(figure, finding, table, alt)


def changed_members(
    before: ArrayLike,
    after: ArrayLike,
    *,
    cutoffs: Sequence[float],
    strata: Sequence[str],
    theme: Theme,
) -> Chart:
    """Draw every model's z before (open) and after (filled), and their means, over the strata.

    Parameters
    ----------
    before, after : array_like, shape (e,)
        Of the models that count, in the same order.
    cutoffs : sequence of float
        Ascending; a z equal to a cut-off is in the upper stratum.
    strata : sequence of str
        One more than the cut-offs, lowest risk first.
    theme : {"light", "dark"}
    """
    was, now = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    table = pd.DataFrame({"model": np.arange(1, len(was) + 1), "z_before": was, "z_after": now})
    alt = "Where each model places this case as it is and as changed"
    if not len(was) or not np.isfinite(now).all():
        finding = "No model scores the case as changed."
        return Chart(empty_figure("Not scored as changed", theme), finding, table, alt)
    p = palette(theme)
    figure = go.Figure()
    _add_strata(figure, was, now, cutoffs, strata, theme)
    links = np.stack([was, now, np.full(len(was), np.nan)], axis=1).ravel()
    figure.add_scatter(
        x=links,
        y=np.tile([1.0, 0.0, np.nan], len(was)),
        mode="lines",
        line={"color": p.outline, "width": 1},
        showlegend=False,
        hoverinfo="skip",
        meta="links",
    )
    for name, z, y, symbol in ((BEFORE, was, 1.0, "circle-open"), (AFTER, now, 0.0, "circle")):
        figure.add_scatter(
            x=z,
            y=np.full(len(z), y),
            mode="markers",
            marker={"symbol": symbol, "size": 11, "color": p.text},
            showlegend=False,
            meta=name,
            **hover_text([f"model {i + 1}, {name}: z = {signed(v)}" for i, v in enumerate(z)]),
        )
        figure.add_scatter(
            x=[z.mean()],
            y=[y],
            mode="markers",
            marker={"symbol": "diamond", "size": 15, "color": p.raises},
            showlegend=False,
            meta=f"mean {name}",
            **hover_text([f"mean {name}: z = {signed(float(z.mean()))}"]),
        )
    return Chart(figure, _members_finding(was, now, cutoffs, strata), table, alt)


def _add_strata(
    figure: go.Figure,
    was: NDArray[np.float64],
    now: NDArray[np.float64],
    cutoffs: Sequence[float],
    strata: Sequence[str],
    theme: Theme,
) -> None:
    """Bands of the strata, and axes wide enough for all of them."""
    every = [*was, *now, *cutoffs]
    low, high = min(-MIN_HALF_WIDTH, *every), max(MIN_HALF_WIDTH, *every)
    pad = 0.05 * (high - low)
    edges = [low - pad, *cutoffs, high + pad]
    base_figure(figure, theme, height=MEMBERS_HEIGHT, legend=False, layout={"margin": {"t": 28}})
    figure.layout.shapes = band_shapes(edges, theme)
    figure.layout.annotations = band_names(edges, strata, theme)
    figure.update_xaxes(range=[edges[0], edges[-1]], title_text="Hazard z-score", showgrid=False)
    figure.update_yaxes(
        range=[-0.5, 1.5], tickvals=[1, 0], ticktext=[BEFORE, AFTER], showgrid=False
    )


def _members_finding(
    was: NDArray[np.float64],
    now: NDArray[np.float64],
    cutoffs: Sequence[float],
    strata: Sequence[str],
) -> str:
    place = np.searchsorted(np.asarray(cutoffs, dtype=float), now, side="right")
    counts = np.bincount(place, minlength=len(strata))
    up, down = int((now > was).sum()), int((now < was).sum())
    moved = [
        f"{n} {word}"
        for n, word in (
            (up, verb(up, "moves up", "move up")),
            (down, verb(down, "moves down", "move down")),
        )
        if n
    ] or ["none moves"]
    most = int(counts.max())
    return (
        f"Of {count(len(now), 'model')}, {' and '.join(moved)}; {most} "
        f"{verb(most, 'places', 'place')} the changed case in {strata[int(counts.argmax())]} "
        f"(mean z {signed(float(was.mean()))} to {signed(float(now.mean()))})."
    )


def changed_contributions(
    before: Mapping[str, float], after: Mapping[str, float], *, theme: Theme
) -> Chart:
    """Draw each modality's contribution before (hatched) and after (solid).

    Parameters
    ----------
    before, after : mapping of modality to float
        Shapley values in log risk, of the same modalities.
    theme : {"light", "dark"}
    """
    names = list(before)
    was, now = [float(before[n]) for n in names], [float(after[n]) for n in names]
    table = pd.DataFrame({"modality": names, "before": was, "after": now})
    alt = "Contribution of each modality to this case as it is and as changed"
    if not names:
        finding = "No modality is explained."
        return Chart(empty_figure("No modality", theme), finding, table, alt)
    p = palette(theme)
    figure = go.Figure()
    for name, values, shift, pattern in ((BEFORE, was, -0.2, "/"), (AFTER, now, 0.2, "")):
        tones = [p.raises if v > 0 else p.lowers for v in values]
        figure.add_bar(
            orientation="h",
            x=values,
            y=[i + shift for i in range(len(names))],
            width=BAR_WIDTH,
            marker={
                "color": tones,
                "line": {"color": tones, "width": 1},
                "pattern": {"shape": pattern, "fillmode": "overlay", "fgcolor": p.page, "size": 7},
            },
            text=[f"{signed(v)} {name}" for v in values],
            textposition="outside",
            textfont={"size": 12, "color": p.text},
            cliponaxis=False,
            meta=name,
            **hover_text(
                [
                    f"{escape(n, limit=80)} {name}<br>{signed(v)} in log risk: {direction(v)}"
                    for n, v in zip(names, values, strict=True)
                ]
            ),
        )
    base_figure(figure, theme, height=90 + ROW_HEIGHT * len(names), legend=False)
    low, high = min(0.0, *was, *now), max(0.0, *was, *now)
    pad = 0.45 * max(high - low, 1e-6)
    figure.update_xaxes(
        range=[low - pad * (low < 0), high + pad * (high > 0 or low == 0)],
        title_text="Contribution to log risk",
        zeroline=True,
        zerolinecolor=p.text,
    )
    figure.update_yaxes(
        range=[len(names) - 0.5, -0.5],
        tickvals=list(range(len(names))),
        ticktext=[escape(n, limit=MAX_NAME) for n in names],
        showgrid=False,
    )
    at = int(np.abs(np.subtract(now, was)).argmax())
    finding = (
        f"{names[at]} changes most: {signed(was[at])} to {signed(now[at])}; the sum goes from "
        f"{signed(sum(was))} to {signed(sum(now))} in log risk."
    )
    return Chart(figure, finding, table, alt)
