"""The look shared by all figures, label spreading and the time axis.

A figure goes in, and gets fonts, colours, axes and marks of a theme.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
from numpy.typing import ArrayLike, NDArray

from camlif.wording import MONTHS_PER_YEAR
from dashboard.figures.palette import Theme, palette

FONT_SIZE = 13
SMALL_FONT_SIZE = 12
CHARACTER_PX = 7.3
TITLE_GAP = 10
"""Pixels between tick labels and the title of an axis."""
TRANSPARENT = "rgba(0,0,0,0)"
LABEL_CHARACTER_PX = 6.8
"""Of tick labels, which are small; a little more than most texts take."""
DIGITS = 4
"""Of coordinates: finer than a pixel in months, years and per cent, and half the bytes."""
TimeUnit = Literal["months", "years"]

_TICK_STEPS = (6, 12, 24, 3, 36, 48, 60, 1, 2, 120, 240, 0.5)
_MIN_TICKS, _MAX_TICKS = 5, 9

pio.templates.default = None  # the page would take a template for a change and draw all anew


def base_figure(
    figure: go.Figure,
    theme: Theme,
    *,
    height: int,
    legend: bool = True,
    layout: Mapping[str, Any] | None = None,
) -> go.Figure:
    """Apply transparent backgrounds, palette text colours and a legend above the plot.

    Call it last but for axis ranges: it touches every axis the figure has.

    Parameters
    ----------
    figure : Figure
        Changed, and returned.
    theme, height, legend, layout
        As in `base_layout`.
    """
    old = figure.layout.to_plotly_json()
    figure.layout = base_layout(old, theme, height=height, legend=legend, layout=layout)
    return figure


def base_layout(
    old: Mapping[str, Any],
    theme: Theme,
    *,
    height: int,
    legend: bool = True,
    layout: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a layout with what all figures share.

    Parameters
    ----------
    old : mapping
        Layout so far, with every axis.
    theme : {"light", "dark"}
    height : int
        Pixels.
    legend : bool
        Show one.
    layout : mapping, optional
        Nested settings of the figure's own, set over these: later, one by one, they take ten times
        as long.
    """
    p = palette(theme)
    axis = {
        "gridcolor": p.grid,
        "linecolor": p.outline,
        "tickfont": {"size": SMALL_FONT_SIZE, "color": p.text},
        "title": {"font": {"size": FONT_SIZE, "color": p.text}, "standoff": TITLE_GAP},
        "zeroline": False,
        "automargin": True,
    }
    font = {"size": FONT_SIZE, "color": p.text}
    axes = {name for name in old if name.startswith(("xaxis", "yaxis"))} | {"xaxis", "yaxis"}
    new = {
        "height": height,
        "paper_bgcolor": TRANSPARENT,
        "plot_bgcolor": TRANSPARENT,
        "font": font | {"family": "Source Sans, Arial, sans-serif"},
        "margin": {"l": 60, "r": 20, "t": 36 if legend else 20, "b": 48},
        "showlegend": legend,
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "font": font,
            "bgcolor": TRANSPARENT,
        },
        "hoverlabel": {"bgcolor": p.page, "bordercolor": p.outline, "font": {"color": p.text}},
        **dict.fromkeys(sorted(axes), axis),
    }
    return _merged(_merged(old, new), layout or {})


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings with those of ``new`` over those of ``old``."""
    inner = {
        key: _merged(old[key], value)
        for key, value in new.items()
        if isinstance(value, dict) and isinstance(old.get(key), dict)
    }
    return {**old, **new, **inner}


@dataclass(frozen=True, slots=True)
class Marks:
    """Texts and lines set at once: Plotly checks all earlier ones on every single addition."""

    theme: Theme
    texts: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)

    def text(self, text: str, *, color: str | None = None, **place: Any) -> None:
        """Write an escaped text; ``place`` are arguments of a Plotly annotation."""
        font = {"size": SMALL_FONT_SIZE, "color": color or palette(self.theme).text}
        given = {name: value for name, value in place.items() if value is not None}
        self.texts.append({"text": text, "showarrow": False, "font": font, **given})

    def over_panel(self, place: int, text: str, **where: Any) -> None:
        """Write an escaped text over one of several plots.

        Parameters
        ----------
        place : int
            Of the plot, from 0.
        text : str
        **where
            Further arguments of a Plotly annotation, such as ``x`` as a share of the plot's width.
        """
        axis = "" if place == 0 else str(place + 1)
        over: dict[str, Any] = {
            "xref": f"x{axis} domain",
            "yref": f"y{axis} domain",
            "y": 1,
            "yanchor": "bottom",
        }
        self.text(text, **over, **where)

    def vertical(self, x: float, *, color: str, dash: str = "dash") -> None:
        """Draw a line over the height of the first plot.

        Parameters
        ----------
        x : float
            In units of the axis.
        color : str
            Hex.
        dash : str
            As Plotly names it.
        """
        self._line(color, dash, x0=x, x1=x, y0=0, y1=1, xref="x", yref="y domain")

    def horizontal(self, y: float, *, color: str, dash: str = "dash") -> None:
        """Draw a line over the width of the first plot.

        Parameters
        ----------
        y : float
            In units of the axis.
        color, dash
            As in `vertical`.
        """
        self._line(color, dash, x0=0, x1=1, y0=y, y1=y, xref="x domain", yref="y")

    def _line(self, color: str, dash: str, **place: Any) -> None:
        line = {"color": color, "dash": dash, "width": 1}
        self.lines.append({"type": "line", "line": line, **place})

    def put_on(self, figure: go.Figure) -> None:
        """Set the marks on a figure, in place of any it has."""
        figure.layout.annotations = self.texts
        figure.layout.shapes = self.lines


def empty_figure(message: str, theme: Theme, *, height: int = 240) -> go.Figure:
    """Return a figure that says why nothing is drawn; the message is a constant, not user text.

    Parameters
    ----------
    message : str
    theme : {"light", "dark"}
    height : int
        Pixels.
    """
    figure = base_figure(go.Figure(), theme, height=height, legend=False)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(text=message, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False)
    return figure


def coordinates(values: ArrayLike) -> list[float]:
    """Return values as a trace takes them, rounded to `DIGITS`.

    An array goes to the browser in a form that Plotly takes for new data each time it is asked to
    draw, and the page asks twice.
    """
    rounded: list[float] = np.round(np.asarray(values, dtype=float), DIGITS).tolist()
    return rounded


def label_room(labels: Sequence[str], gap: float = 0) -> int:
    """Estimate the pixels that tick labels take beside a plot.

    Where it is too little Plotly finds out and draws a second time.
    """
    lines = [line for label in labels for line in re.sub("<(?!br>)[^>]*>", "", label).split("<br>")]
    longest = max((len(html.unescape(line)) for line in lines), default=0)
    return int(gap + LABEL_CHARACTER_PX * longest)


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
    """Follow-up axis from 0 to ``end`` months, shown in months or years.

    A curve on it ends with its last time with ``least`` patients at risk.
    """

    end: float
    unit: TimeUnit
    least: int = 1

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
