"""The look shared by all figures, label spreading and the time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from dashboard.figures.palette import Theme, palette

FONT_SIZE = 13
SMALL_FONT_SIZE = 12
CHARACTER_PX = 7.3
TRANSPARENT = "rgba(0,0,0,0)"
MONTHS_PER_YEAR = 12
TimeUnit = Literal["months", "years"]

_TICK_STEPS = (6, 12, 24, 3, 36, 48, 60, 1, 2, 120, 240, 0.5)
_MIN_TICKS, _MAX_TICKS = 5, 9


def base_figure(figure: go.Figure, theme: Theme, *, height: int, legend: bool = True) -> go.Figure:
    """Apply transparent backgrounds, palette text colours and a legend above the plot.

    Call it last but for axis ranges: it touches every axis the figure has.
    """
    p = palette(theme)
    figure.update_layout(
        template="none",
        height=height,
        paper_bgcolor=TRANSPARENT,
        plot_bgcolor=TRANSPARENT,
        font={"size": FONT_SIZE, "color": p.text, "family": "Source Sans, Arial, sans-serif"},
        margin={"l": 60, "r": 20, "t": 36 if legend else 20, "b": 48},
        showlegend=legend,
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"size": FONT_SIZE, "color": p.text},
            "bgcolor": TRANSPARENT,
        },
        hoverlabel={"bgcolor": p.page, "bordercolor": p.outline, "font": {"color": p.text}},
    )
    axis = {
        "gridcolor": p.grid,
        "linecolor": p.outline,
        "tickfont": {"size": SMALL_FONT_SIZE, "color": p.text},
        "title_font": {"size": FONT_SIZE, "color": p.text},
        "zeroline": False,
        "automargin": True,
    }
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def empty_figure(message: str, theme: Theme, *, height: int = 240) -> go.Figure:
    """Return a figure that says why nothing is drawn; the message is a constant, not user text."""
    figure = base_figure(go.Figure(), theme, height=height, legend=False)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(text=message, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False)
    return figure


def hover_text(texts: Sequence[str]) -> dict[str, Any]:
    """Trace arguments that show prepared, escaped texts and nothing else.

    ``hovertext`` passes no template, so a name from a file cannot act as one.
    """
    return {"hovertext": list(texts), "hoverinfo": "text"}


def spread(
    positions: ArrayLike, gap: float, low: float = -np.inf, high: float = np.inf
) -> NDArray[np.float64]:
    """Move labels apart to at least ``gap``, keeping their order and, if they fit, the bounds.

    Parameters
    ----------
    positions : array_like, shape (n,)
    gap : float
        Smallest distance, in the unit of the positions.
    low, high : float
        Bounds; labels that cannot all fit overrun the upper one.
    """
    wanted = np.asarray(positions, dtype=float)
    order = np.argsort(wanted, kind="stable")
    placed = wanted[order].copy()
    for i in range(len(placed)):
        placed[i] = max(placed[i], low if i == 0 else placed[i - 1] + gap)
    for i in range(len(placed) - 1, -1, -1):
        placed[i] = min(placed[i], high if i == len(placed) - 1 else placed[i + 1] - gap)
    if len(placed) and placed[0] < low:
        placed += low - placed[0]
    result = np.empty_like(placed)
    result[order] = placed
    return result


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Follow-up axis from 0 to ``end`` months, shown in months or years."""

    end: float
    unit: TimeUnit

    def scale(self, months: ArrayLike) -> NDArray[np.float64]:
        """Convert months to the unit shown."""
        values = np.asarray(months, dtype=float)
        return values / MONTHS_PER_YEAR if self.unit == "years" else values

    @property
    def ticks(self) -> NDArray[np.float64]:
        """Tick positions in months: every 6, 12 or 24 where that gives five to nine of them."""
        for step in _TICK_STEPS:
            n = int(np.floor(self.end / step)) + 1
            if _MIN_TICKS <= n <= _MAX_TICKS:
                return step * np.arange(n, dtype=float)
        return np.linspace(0, self.end, _MIN_TICKS)

    def settings(self) -> dict[str, Any]:
        """Arguments of Plotly's x axis."""
        ticks = self.scale(self.ticks)
        return {
            "range": [0, float(self.scale(self.end))],
            "tickvals": ticks.tolist(),
            "ticktext": [f"{tick:.3g}" for tick in ticks],
        }


def period(months: float) -> str:
    """Say a time as ``3 years`` or ``18 months``."""
    if months % MONTHS_PER_YEAR == 0 and months > 0:
        years = int(months // MONTHS_PER_YEAR)
        return f"{years} year" + ("s" if years != 1 else "")
    return f"{months:g} month" + ("s" if months != 1 else "")
