"""Where each member of the ensemble places a case: a dot strip over the bands of the strata.

The members' z, cut-offs and the ensemble's z with interval go in, a `Chart` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from camlif.wording import count, verb
from dashboard.figures.chart import Chart, escape, signed
from dashboard.figures.layout import (
    CHARACTER_PX,
    SMALL_FONT_SIZE,
    base_layout,
    coordinates,
    empty_figure,
    hover_text,
    spread,
)
from dashboard.figures.palette import Theme, band_tones, palette, strata_colors, text_tone
from dashboard.figures.sketch import Sketch

HEIGHT = 230
COMPACT_HEIGHT = 96
COMPACT_MARGIN = {"l": 8, "r": 8, "t": 18, "b": 22}
MAX_NAME = 16
"""Letters of a stratum's name."""
NARROWEST_PX = 240
"""Width at which the names of the strata still have room beside one another."""
MIN_HALF_WIDTH = 2.0
"""The axis shows at least z from -2 to 2."""
STACK_WIDTH = 0.035
"""Dots closer than this share of the axis are stacked."""
STACK_STEP = 0.16
UNUSED_Y = -0.35
ENSEMBLE_Y = -0.12


def agreement_strip(
    member_z: ArrayLike,
    used: ArrayLike,
    *,
    cutoffs: Sequence[float],
    strata: Sequence[str],
    theme: Theme,
    ensemble: tuple[float, float, float] | None = None,
    compact: bool = False,
) -> Chart:
    """Draw every member's z for one case.

    Parameters
    ----------
    member_z : array_like, shape (e,)
        NaN where a member has no result.
    used : array_like of bool, shape (e,)
        False for a member that saw the patient in training: shown open, left out of the count.
    cutoffs : sequence of float
        Ascending; a z equal to a cut-off is in the upper stratum.
    strata : sequence of str
        One more than the cut-offs, lowest risk first.
    theme : {"light", "dark"}
    ensemble : (z, low, high), optional
        Mean of the members used, with its interval.
    compact : bool
        Leave out legend and axis title, for a place that says both in words.
    """
    z = np.asarray(member_z, dtype=float)
    counted = np.asarray(used, dtype=bool) & np.isfinite(z)
    place = np.searchsorted(np.asarray(cutoffs, dtype=float), z, side="right")
    table = pd.DataFrame(
        {
            "member": np.arange(1, len(z) + 1),
            "z": z,
            "stratum": [
                strata[i] if np.isfinite(v) else None for i, v in zip(place, z, strict=True)
            ],
            "used": counted,
        }
    )
    alt = "Where each model of the ensemble places this case"
    if not counted.any():
        finding = f"No unbiased prediction: 0 of {count(len(z), 'model')} had not seen this case."
        return Chart(empty_figure("No unbiased prediction", theme), finding, table, alt)
    sketch = Sketch()
    low, high = z_limits(z, cutoffs, ensemble)
    _add_bands(sketch, cutoffs, strata, low, high, theme)
    _add_members(sketch, z, counted, low, high, theme)
    if ensemble is not None:
        _add_ensemble(sketch, ensemble, theme)
    top = max(max(trace["y"]) for trace in sketch.traces if trace["meta"] == "used")
    sketch.layout = base_layout(
        sketch.layout,
        theme,
        height=COMPACT_HEIGHT if compact else HEIGHT,
        legend=not compact,
        layout={
            "margin": COMPACT_MARGIN if compact else {"t": 56},
            "legend": {"y": 1, "yref": "container", "yanchor": "top"},
            "xaxis": {
                "range": [low, high],
                "title": {"text": None if compact else "Hazard z-score"},
                "showgrid": False,
            },
            "yaxis": {"range": [UNUSED_Y - 0.15, max(1.0, top + 0.3)], "visible": False},
        },
    )
    return Chart(sketch.figure(), _finding(place, counted, strata, z, ensemble), table, alt)


def z_limits(
    z: NDArray[np.float64], cutoffs: Sequence[float], ensemble: tuple[float, float, float] | None
) -> tuple[float, float]:
    """Ends of the axis of z, with room around every member, cut-off and the interval.

    Parameters
    ----------
    z : float64, shape (e,)
        Of the members, in standard deviations of held-out risks; NaN where one does not count.
    cutoffs : sequence of float
        Between the strata, in the same unit.
    ensemble : tuple of float or None
        The ensemble's z and the ends of its interval.
    """
    shown = [*z[np.isfinite(z)].tolist(), *cutoffs, *(ensemble or ())]
    low = min(-MIN_HALF_WIDTH, *shown)
    high = max(MIN_HALF_WIDTH, *shown)
    pad = 0.05 * (high - low)
    return low - pad, high + pad


def _add_bands(
    sketch: Sketch,
    cutoffs: Sequence[float],
    strata: Sequence[str],
    low: float,
    high: float,
    theme: Theme,
) -> None:
    edges = [low, *cutoffs, high]
    line = {"color": palette(theme).muted, "dash": "dash", "width": 1}
    whole = {"xref": "x", "yref": "y domain", "y0": 0, "y1": 1}
    marks = [{"type": "line", "x0": c, "x1": c, "line": line, **whole} for c in cutoffs]
    sketch.layout["shapes"] = band_shapes(edges, theme) + marks
    sketch.layout["annotations"] = band_names(edges, strata, theme)


def band_shapes(edges: Sequence[float], theme: Theme) -> list[dict[str, Any]]:
    """Shapes of the strata over the whole height, as Plotly takes them.

    Parameters
    ----------
    edges : sequence of float
        Ends of the axis with the cut-offs between them, ascending.
    theme : {"light", "dark"}
    """
    return [
        {
            "type": "rect",
            "x0": left,
            "x1": right,
            "xref": "x",
            "yref": "y domain",
            "y0": 0,
            "y1": 1,
            "fillcolor": tone,
            "line": {"width": 0},
            "layer": "below",
        }
        for tone, (left, right) in zip(
            band_tones(len(edges) - 1, theme), pairwise(edges), strict=True
        )
    ]


def band_names(edges: Sequence[float], strata: Sequence[str], theme: Theme) -> list[dict[str, Any]]:
    """Names of the strata above the plot, where no cut-off line crosses them.

    Parameters
    ----------
    edges, theme
        As in `band_shapes`.
    strata : sequence of str
        Names, lowest risk first.
    """
    return [
        {
            "x": x,
            "y": 1,
            "yref": "paper",
            "yanchor": "bottom",
            "text": escape(name, limit=MAX_NAME),
            "showarrow": False,
            "font": {"size": SMALL_FONT_SIZE, "color": text_tone(color, theme)},
        }
        for name, color, x in zip(
            strata, strata_colors(len(strata), theme), name_places(edges, strata), strict=True
        )
    ]


def name_places(edges: Sequence[float], strata: Sequence[str]) -> list[float]:
    """Where the names of the strata are centred: on their bands, but clear of one another.

    Parameters
    ----------
    edges, strata
        As in `band_names`.
    """
    unit = (edges[-1] - edges[0]) / NARROWEST_PX
    half = [unit * CHARACTER_PX * min(len(name), MAX_NAME) / 2 for name in strata]
    gap = max((a + b for a, b in pairwise(half)), default=0.0) + unit * CHARACTER_PX
    centres = [(left + right) / 2 for left, right in pairwise(edges)]
    places: list[float] = spread(centres, gap, edges[0] + half[0], edges[-1] - half[-1]).tolist()
    return places


def _add_members(
    sketch: Sketch,
    z: NDArray[np.float64],
    counted: NDArray[np.bool_],
    low: float,
    high: float,
    theme: Theme,
) -> None:
    p = palette(theme)
    groups = (
        (counted, "used", "circle", 0.1, "model that did not see the case"),
        (~counted & np.isfinite(z), "unused", "circle-open", UNUSED_Y, "model that saw the case"),
    )
    for rows, meta, symbol, base, word in groups:
        members = np.flatnonzero(rows)
        if not len(members):
            continue
        stacked = base + STACK_STEP * stack(z[members], STACK_WIDTH * (high - low))
        sketch.add_scatter(
            x=coordinates(z[members]),
            y=coordinates(stacked if meta == "used" else np.full(len(members), base)),
            mode="markers",
            marker={
                "symbol": symbol,
                "size": 11,
                "color": p.text if meta == "used" else p.outline,
                "line": {"color": p.page if meta == "used" else p.outline, "width": 1},
            },
            name=f"{word}, {'counted' if meta == 'used' else 'not counted'} ({len(members)})",
            meta=meta,
            **hover_text([f"model {i + 1}: z = {signed(z[i])}" for i in members]),
        )


def stack(values: ArrayLike, width: float) -> NDArray[np.int_]:
    """Height in a dot plot: 0 for the first dot, one more for each that would touch it."""
    x = np.asarray(values, dtype=float)
    height = np.zeros(len(x), dtype=np.int_)
    last: list[float] = []
    for i in np.argsort(x, kind="stable"):
        level = next((k for k, right in enumerate(last) if x[i] - right >= width), len(last))
        if level == len(last):
            last.append(x[i])
        last[level] = x[i]
        height[i] = level
    return height


def _add_ensemble(sketch: Sketch, ensemble: tuple[float, float, float], theme: Theme) -> None:
    value, low, high = ensemble
    color = palette(theme).raises
    sketch.add_scatter(
        x=[low, value, high],
        y=[ENSEMBLE_Y] * 3,
        mode="lines+markers",
        line={"color": color, "width": 2},
        marker={
            "symbol": ["line-ns", "diamond", "line-ns"],
            "size": [10, 13, 10],
            "color": color,
            "line": {"color": color, "width": 2},
        },
        name="their mean and spread",
        meta="ensemble",
        **hover_text([f"mean z {signed(value)} ({signed(low)} to {signed(high)})"] * 3),
    )


def _finding(
    place: NDArray[np.int_],
    counted: NDArray[np.bool_],
    strata: Sequence[str],
    z: NDArray[np.float64],
    ensemble: tuple[float, float, float] | None,
) -> str:
    counts = np.bincount(place[counted], minlength=len(strata))
    n = int(counted.sum())
    left_out = int((~counted & np.isfinite(z)).sum())
    return (
        f"{counts.max()} of {count(n, 'model')} {verb(n, 'places', 'place')} this case in "
        f"{strata[int(counts.argmax())]}"
        + (f" (mean z {signed(ensemble[0])})" if ensemble else "")
        + (
            f"; {left_out} that saw it {verb(left_out, 'is', 'are')} not counted"
            if left_out
            else ""
        )
        + "."
    )
