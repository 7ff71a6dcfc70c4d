"""What the figures of a report show, as numbers: survival curves, agreement strip, icon array.

A case's record goes in; months, per cents, places and colours come out, which
``template/figures.typ`` draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlif.data.course import CourseEvent
from camlif.model.case import CaseScore
from dashboard.figures.agreement import STACK_WIDTH, name_places, stack, z_limits
from dashboard.figures.course import course_axis
from dashboard.figures.icons import largest_remainder
from dashboard.figures.kaplan_meier import subtype_line
from dashboard.figures.layout import TimeAxis
from dashboard.figures.palette import LIGHT, band_tones, strata_colors, text_tone
from dashboard.figures.survival_labels import FAR_END, ends_of
from dashboard.figures.survival_lines import (
    Line,
    Steps,
    at_risk,
    curve_end,
    steps_of,
    stratum_lines,
    time_axis,
)
from dashboard.report.build import CaseReport
from dashboard.report.record import CaseRecord, CurveRecord

DIGITS = 3
"""Of a month and of a per cent in a drawing: far finer than a page shows."""

Points = list[tuple[float, float]]


def icon_array(event_free: float) -> dict[str, Any]:
    """Return how many of 100 patients are free of the event (share, 0 to 1)."""
    return {"free": largest_remainder((event_free, 1 - event_free))[0]}


def course_lines(events: Sequence[CourseEvent]) -> dict[str, Any]:
    """Return the months of each event with its label, and an axis that holds time zero."""
    left, right, ticks = course_axis(events)
    rows = [
        {
            "label": event.label,
            "when": event.when,
            "start": round(event.start, DIGITS),
            "stop": round(event.start if event.stop is None else event.stop, DIGITS),
        }
        for event in events
    ]
    return {"left": left, "right": right, "ticks": ticks, "rows": rows}


def agreement_strip(record: CaseRecord, result: CaseScore) -> dict[str, Any]:
    """Return every member's z with the bands of the strata and the mean with its interval."""
    z = np.array([np.nan if m.z is None else m.z for m in result.members])
    counted = np.array([m.used for m in result.members]) & np.isfinite(z)
    own = (result.z.value, result.z.low, result.z.high)
    left, right = z_limits(z, record.cutoffs, own)
    heights = stack(z[counted], STACK_WIDTH * (right - left))
    edges = [left, *record.cutoffs, right]
    colors = strata_colors(len(record.strata), "light")
    return {
        "left": left,
        "right": right,
        "bands": [
            {
                "name": name,
                "color": band,
                "tone": text_tone(color, "light"),
                "start": start,
                "end": end,
                "place": place,
            }
            for name, color, band, (start, end), place in zip(
                record.strata,
                colors,
                band_tones(len(colors), "light"),
                pairwise(edges),
                name_places(edges, record.strata),
                strict=True,
            )
        ],
        "cutoffs": list(record.cutoffs),
        "counted": list(zip(z[counted].tolist(), heights.tolist(), strict=True)),
        "tallest": int(heights.max(initial=0)),
        "open": z[~counted & np.isfinite(z)].tolist(),
        "own": list(own),
        "ticks": list(range(int(np.ceil(left)), int(np.floor(right)) + 1)),
    }


def survival_curves(report: CaseReport, curve: CurveRecord) -> dict[str, Any]:
    """Return the strata, the case's own bold, and its predicted curve with its interval.

    Points are (months, per cent); lines come in the order in which they are drawn.
    """
    record = report.record
    lines = stratum_lines(report.curves, record.result.stratum if record.result else None, "light")
    if report.subtype is not None:
        lines.append(subtype_line(*report.subtype, "light"))
    axis = time_axis([line.curve for line in lines], "months")
    drawn = [_line(line, axis) | {"place": place} for place, line in enumerate(lines)]
    case, band = _prediction(curve, axis)
    ends = ends_of(lines, axis)
    if case:
        ends.append(("this case", *case[-1], LIGHT.text))
    named: list[dict[str, Any]] = [
        {"name": name, "months": months, "percent": percent, "tone": text_tone(color, "light")}
        for name, months, percent, color in ends
    ]
    return {
        "title": f"{record.model.event_free.capitalize()} (%) by month of follow-up",
        "end": axis.end,
        "ticks": axis.ticks.tolist(),
        "tick-names": [f"{months:.3g}" for months in axis.ticks],
        "lines": sorted(drawn, key=lambda line: bool(line["bold"])),
        "case": case,
        "case-band": band,
        "far": [end for end in named if end["months"] >= FAR_END * axis.end],
        "early": [end for end in named if end["months"] < FAR_END * axis.end],
    }


def _line(line: Line, axis: TimeAxis) -> dict[str, Any]:
    reliable: Points = []
    tail: Points = []
    band: Points = []
    censored: tuple[Points, Points] = ([], [])
    if line.n:
        steps = steps_of(line.curve)
        last = curve_end(line, axis)
        turn = min(line.reliable_until, last)
        until = steps.between(0, turn)
        reliable = _stairs(until.time, until.survival)
        beyond = steps.between(turn, last)
        tail = _stairs(beyond.time, beyond.survival)
        band = _band(until) if line.band and turn > 0 else []
        censored = _censored(line, steps, axis)
    return {
        "name": line.name,
        "color": line.style.color,
        "tone": text_tone(line.style.color, "light"),
        "dash": line.style.dash,
        "bold": line.bold,
        "reliable": reliable,
        "tail": tail,
        "band": band,
        "censored": censored[0],
        "censored-tail": censored[1],
        "at-risk": [f"{at_risk(line, months):,}" for months in axis.ticks],
    }


def _points(months: Sequence[float], percent: Sequence[float]) -> Points:
    return [(round(t, DIGITS), round(s, DIGITS)) for t, s in zip(months, percent, strict=True)]


def _stairs(time: NDArray[np.float64], values: NDArray[np.float64]) -> Points:
    """Corners of a step curve that keeps its value until the next time."""
    return _points(np.repeat(time, 2)[1:].tolist(), np.repeat(values, 2)[:-1].tolist())


def _band(part: Steps) -> Points:
    drawn = np.isfinite(part.low) & np.isfinite(part.high)
    if drawn.sum() < 2:
        return []
    time = part.time[drawn]
    return [*_stairs(time, part.high[drawn]), *_stairs(time, part.low[drawn])[::-1]]


def _censored(line: Line, steps: Steps, axis: TimeAxis) -> tuple[Points, Points]:
    """Places of the censored, first where the curve is reliable, then of its tail."""
    time = line.curve.time[(line.curve.censored > 0) & (line.curve.time <= curve_end(line, axis))]
    level = steps.survival[np.searchsorted(steps.time, time, side="right") - 1]
    tail = time > line.reliable_until
    before, after = (_points(time[part].tolist(), level[part].tolist()) for part in (~tail, tail))
    return before, after


def _prediction(curve: CurveRecord, axis: TimeAxis) -> tuple[Points, Points]:
    """Predicted survival and the outline of its interval; both empty where it is hidden."""
    if len(curve.times) < 2:
        return [], []
    times = np.array(curve.times)
    shown = times <= axis.end
    months = times[shown].tolist()
    low, middle, high = (
        (100 * np.array(part)[shown]).tolist() for part in (curve.low, curve.survival, curve.high)
    )
    return _points(months, middle), _points([*months, *months[::-1]], [*low, *high[::-1]])
