"""Kaplan-Meier curves as traces: steps, band, tail, censor marks.

A sketch and lines with curves in months go in; the sketch gets the traces.

Survival is drawn in per cent. "Reliable" is the part of a curve with at least `RELIABLE_AT_RISK`
patients at risk; beyond it the line is faint and the band stops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlif.arrays import Float64Array
from camlif.statistics import KaplanMeierCurve
from camlif.wording import count
from dashboard.figures.chart import escape
from dashboard.figures.layout import TimeAxis, TimeUnit, coordinates, hover_text
from dashboard.figures.palette import LineStyle, Theme, line_styles, rgba
from dashboard.figures.sketch import Sketch

RELIABLE_AT_RISK = 10
"""Patients at risk below which a curve is tail."""
MIN_AT_END = 5
"""Patients at risk where a curve ends: with one, a single event takes it to 0."""
MAX_VERTICES = 400
"""Of a curve, and of its censor marks: steps of two pixels or so, quick to draw."""
TICK, TICK_WIDTH = 4.0, 0.0015
"""Height of a censor mark, in per cent of survival, and its share of the axis's width."""
TAIL_OPACITY = 0.35
BAND_OPACITY = 0.15
BOLD_WIDTH = 4.0


@dataclass(frozen=True, slots=True)
class Line:
    """A curve and how to draw it."""

    name: str
    curve: KaplanMeierCurve
    style: LineStyle
    bold: bool = False
    band: bool = True

    @property
    def n(self) -> int:
        """Patients in the group."""
        return self.curve.n_patients

    @property
    def events(self) -> int:
        """Events in the group."""
        return self.curve.n_events

    @property
    def reliable_until(self) -> float:
        """Last time with at least `RELIABLE_AT_RISK` at risk, months; 0 if the group is smaller."""
        return last_time(self.curve, RELIABLE_AT_RISK)


def stratum_lines(
    curves: Mapping[str, KaplanMeierCurve], own: str | None, theme: Theme
) -> list[Line]:
    """Curves of risk strata, lowest risk first; that named ``own`` is bold and alone has a band.

    Parameters
    ----------
    curves : mapping of str to KaplanMeierCurve
        By stratum, in months.
    own : str or None
        Stratum of the case in view.
    theme : {"light", "dark"}
    """
    names = list(curves)
    return [
        Line(
            name=name,
            curve=curves[name],
            style=style,
            bold=name == own,
            band=own is None or name == own,
        )
        for name, style in zip(names, line_styles(_roles(names), theme), strict=True)
    ]


def _roles(names: Sequence[str]) -> list[str | None]:
    """Two or three strata take the stratum colours by rank, whatever they are called."""
    by_count: dict[int, list[str | None]] = {
        2: ["low", "high"],
        3: ["low", "intermediate", "high"],
    }
    return by_count.get(len(names), [None] * len(names))


def start_words(lines: Sequence[Line]) -> str:
    """Say where curves begin that patients enter late; empty where all begin at time zero."""
    late = [line for line in lines if line.n and line.curve.start > 0]
    if not late:
        return ""
    latest = max(line.curve.start for line in late)
    first = late[0].curve.start
    when = f"{first:.1f}" if first == latest else f"up to {latest:.1f}"
    return (
        f" Patients enter late: curves begin at {when} months, where enough of them are under "
        "observation, and are of those without the event by then."
    )


@dataclass(frozen=True, slots=True)
class Steps:
    """Vertices of a step curve from (0, 100 %), in months and per cent."""

    time: Float64Array
    survival: Float64Array
    low: Float64Array
    high: Float64Array

    def between(self, start: float, stop: float) -> Steps:
        """Cut out a stretch; both ends get a vertex on the curve."""
        ends = np.unique([start, stop])
        inner = self.time[(self.time > start) & (self.time < stop)]
        time = np.concatenate([ends[:1], inner, ends[1:]])
        row = np.searchsorted(self.time, time, side="right") - 1
        return Steps(time, self.survival[row], self.low[row], self.high[row])


def last_time(curve: KaplanMeierCurve, at_risk: int) -> float:
    """Last time with at least so many patients at risk, months; 0 if there is none."""
    times = curve.time[curve.at_risk >= at_risk]
    return float(times.max()) if len(times) else 0.0


def time_axis(
    curves: Sequence[KaplanMeierCurve],
    unit: TimeUnit,
    *,
    zoom_to: float | None = None,
    full_tail: bool = False,
) -> TimeAxis:
    """Return the axis up to the end of the last curve.

    Parameters
    ----------
    curves : sequence of KaplanMeierCurve
    unit : {"months", "years"}
    zoom_to : float, optional
        Latest end, months.
    full_tail : bool
        Draw curves to the last follow-up; else to `MIN_AT_END`, where any curve has as many.
    """
    enough = any(last_time(curve, MIN_AT_END) for curve in curves)
    least = MIN_AT_END if enough and not full_tail else 1
    end = max((last_time(curve, least) for curve in curves), default=0.0) or 1.0
    return TimeAxis(min(end, zoom_to) if zoom_to else end, unit, least)


def curve_end(line: Line, axis: TimeAxis) -> float:
    """Where a curve ends on an axis, months; 0 if its group is too small to be drawn."""
    return min(last_time(line.curve, axis.least), axis.end)


def _thinned(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Return at most so many rows, evenly spread, the first and the last among them."""
    if len(rows) <= most:
        return rows
    kept: NDArray[np.intp] = rows[np.linspace(0, len(rows) - 1, most).astype(int)]
    return kept


def steps_of(curve: KaplanMeierCurve) -> Steps:
    """Vertices at the event times and the last follow-up, at most `MAX_VERTICES`."""
    time = curve.time
    keep = curve.events > 0
    keep[-1] = True
    rows = np.flatnonzero(keep & (time > 0))
    rows = _thinned(rows, MAX_VERTICES - 2)  # one for the origin, one for a cut end
    at_origin = np.flatnonzero(time == 0)
    first = [100.0 * float(curve.survival[at_origin[0]])] if len(at_origin) else [100.0]

    def column(values: Float64Array) -> Float64Array:
        return np.concatenate([first, 100.0 * values[rows]])

    return Steps(
        np.concatenate([[0.0], time[rows]]),
        column(curve.survival),
        column(curve.low),
        column(curve.high),
    )


def add_line(
    sketch: Sketch, line: Line, axis: TimeAxis, *, event_free: str, show_interval: bool
) -> None:
    """Add the band, the reliable part, the faint tail and the censor marks of one group.

    Parameters
    ----------
    sketch : Sketch
    line : Line
        Nothing is drawn of a group without patients.
    axis : TimeAxis
    event_free : str
        What not having had the event is called.
    show_interval : bool
        Draw the band of the 95 % interval.
    """
    if not line.n:
        return
    steps = steps_of(line.curve)
    last = curve_end(line, axis)
    turn = min(line.reliable_until, last)
    if show_interval and line.band and turn > 0:
        for edge in band_edges(line, steps.between(0, turn), axis):
            sketch.add_scatter(**edge)
    legend = f"{escape(line.name, limit=40)} (n = {line.n:,}, {count(line.events, 'event')})"
    for part, opacity in ((steps.between(0, turn), 1.0), (steps.between(turn, last), TAIL_OPACITY)):
        if len(part.time) < 2 and not (turn == last == 0):
            continue
        sketch.add_scatter(
            x=coordinates(axis.scale(part.time)),
            y=coordinates(part.survival),
            mode="lines",
            line={
                "shape": "hv",
                "color": line.style.color,
                "dash": line.style.dash,
                "width": BOLD_WIDTH if line.bold else line.style.width,
            },
            opacity=opacity,
            name=legend,
            legendgroup=line.name,
            showlegend=opacity == 1.0 or turn == 0,
            meta="curve" if opacity == 1.0 else "tail",
            **hover_text(_hover(line, part, axis, event_free)),
            row=1,
            col=1,
        )
    _add_censor_marks(sketch, line, steps, axis)


def _hover(line: Line, part: Steps, axis: TimeAxis, event_free: str) -> list[str]:
    n_at_risk = line.curve.at_risk_at(part.time)
    return [
        f"{escape(line.name, limit=40)}<br>{t:.3g} {axis.unit}: {s:.0f} % {escape(event_free)} "
        f"(95 % CI {low:.0f} to {high:.0f})<br>at risk: {n:.0f}"
        for t, s, low, high, n in zip(
            axis.scale(part.time), part.survival, part.low, part.high, n_at_risk, strict=True
        )
    ]


def add_beside(sketch: Sketch, of: Line, what: str, **trace: Any) -> None:
    """Add a shape that comes and goes with its group's curve and says nothing of its own.

    Parameters
    ----------
    sketch : Sketch
    of : Line
        The group.
    what : str
        Kept as the trace's ``meta``.
    **trace
        As `Sketch.add_scatter` takes it.
    """
    sketch.add_scatter(**_beside(of, what), **trace)


def _beside(of: Line, what: str) -> dict[str, Any]:
    return {"legendgroup": of.name, "showlegend": False, "hoverinfo": "skip", "meta": what}


def band_edges(line: Line, part: Steps, axis: TimeAxis) -> list[dict[str, Any]]:
    """Return the traces of a 95 % band: its lower edge, and the upper, filled down to the lower.

    Parameters
    ----------
    line : Line
        The group.
    part : Steps
        Of its curve, where the band is drawn.
    axis : TimeAxis
    """
    drawn = np.isfinite(part.low) & np.isfinite(part.high)
    return [
        _beside(line, "band")
        | {
            "x": coordinates(axis.scale(part.time[drawn])),
            "y": coordinates(edge[drawn]),
            "mode": "lines",
            "line": {"shape": "hv", "width": 0, "color": line.style.color},
            "fill": fill,
            "fillcolor": rgba(line.style.color, BAND_OPACITY),
        }
        for edge, fill in ((part.low, "none"), (part.high, "tonexty"))
    ]


def _add_censor_marks(sketch: Sketch, line: Line, steps: Steps, axis: TimeAxis) -> None:
    """Add the marks of one opacity as one filled path.

    A marker, or a line with gaps, would be an element of the page for each mark: much of the time
    that a chart takes to draw.
    """
    time = line.curve.time
    rows = np.flatnonzero((line.curve.censored > 0) & (time <= curve_end(line, axis)))
    rows = _thinned(rows, MAX_VERTICES)
    level = steps.survival[np.searchsorted(steps.time, time[rows], side="right") - 1]
    in_tail = time[rows] > line.reliable_until
    for part, opacity in ((~in_tail, 1.0), (in_tail, TAIL_OPACITY)):
        if not part.any():
            continue
        x, y = _ticks(axis.scale(time[rows][part]), level[part], float(axis.scale(axis.end)))
        add_beside(
            sketch,
            line,
            "censored",
            x=coordinates(x),
            y=coordinates(y),
            mode="none",
            fill="toself",
            fillcolor=line.style.color,
            opacity=opacity,
        )


def _ticks(x: Float64Array, y: Float64Array, width: float) -> tuple[Float64Array, Float64Array]:
    """Outline a tick at every place in one polygon: there over the upper halves, back the lower.

    Between two ticks both ways are the same, so nothing is filled.
    """
    half = TICK_WIDTH * width / 2
    across = np.column_stack([x - half, x - half, x + half, x + half]).ravel()
    tips = TICK / 2 * np.tile([0.0, 1.0, 1.0, 0.0], len(x))
    middle = np.repeat(y, 4)
    upper, lower = middle + tips, middle - tips
    return np.concatenate([across, across[::-1]]), np.concatenate([upper, lower[::-1]])


def at_risk(line: Line, months: float) -> int:
    """Patients with duration >= t."""
    return int(line.curve.at_risk_at([months])[0])


def survival_at(line: Line, months: float) -> float:
    """Survival probability at t; NaN for an empty group and after the last follow-up."""
    return float(line.curve.at([months])[0])


def curve_table(name: str, curve: KaplanMeierCurve) -> pd.DataFrame:
    """Numbers of one curve, one row per distinct time, probabilities from 0 to 1."""
    columns = ("time", "at_risk", "events", "censored", "survival", "low", "high")
    names = ("time_months", "at_risk", "events", "censored", "survival", "lower", "upper")
    values = {label: getattr(curve, column) for label, column in zip(names, columns, strict=True)}
    table = pd.DataFrame(values)
    table.insert(0, "group", name)
    return table
