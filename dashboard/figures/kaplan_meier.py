"""Kaplan-Meier charts: groups, two groupings over each other, and one case among the strata.

Groups with outcomes in months go in, a `Chart` comes out. Two groupings follow Figures A5 and A6(a)
of An et al., AAAI 2025.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from camlif.data.schema import Endpoint
from camlif.statistics import KaplanMeierCurve, kaplan_meier
from camlif.wording import count, listed, of_100, period, range_of_100
from dashboard.figures.chart import Chart
from dashboard.figures.layout import TimeAxis, TimeUnit
from dashboard.figures.palette import (
    LineStyle,
    Theme,
    broken_styles,
    line_styles,
    palette,
    solid_styles,
)
from dashboard.figures.prediction import PredictedCurve, add_prediction
from dashboard.figures.survival_frame import draw, label
from dashboard.figures.survival_labels import ends_of
from dashboard.figures.survival_lines import (
    Line,
    at_risk,
    curve_end,
    curve_table,
    start_words,
    stratum_lines,
    survival_at,
    time_axis,
)

FINDING_HORIZONS = (36, 60, 24, 12, 6)
"""Months at which the finding reads the curves: the first that the axis reaches."""
MAX_IN_FINDING = 4


@dataclass(frozen=True, slots=True)
class KmGroup:
    """Patients drawn as one curve.

    Attributes
    ----------
    name : str
        Untrusted text; escaped where drawn.
    event : bool, shape (n,)
    duration : float, shape (n,), months
    role : str or None
        ``"low"``, ``"intermediate"`` or ``"high"`` for a risk stratum, which fixes colour and dash;
        otherwise both follow from the order of the groups.
    entry : float, shape (n,), months, or None
        When each patient came under observation; None where all were from time zero.
    """

    name: str
    event: NDArray[np.bool_]
    duration: NDArray[np.float64]
    role: str | None = None
    entry: NDArray[np.float64] | None = None

    @property
    def curve(self) -> KaplanMeierCurve:
        """Its estimate."""
        return kaplan_meier(self.event, self.duration, self.entry)


def kaplan_meier_chart(
    groups: Sequence[KmGroup],
    *,
    theme: Theme,
    endpoint: Endpoint,
    months_or_years: TimeUnit = "months",
    show_interval: bool = True,
    landmarks: Sequence[float] = (),
    zoom_to: float | None = None,
    censor_at: float | None = None,
    full_tail: bool = False,
    highlight: str | None = None,
    own_curve: tuple[ArrayLike, ArrayLike] | None = None,
) -> Chart:
    """Draw survival curves of groups with the number at risk below.

    Parameters
    ----------
    groups : sequence of KmGroup
        In legend order.
    theme : {"light", "dark"}
    endpoint : Endpoint
        Gives the words for the outcome.
    months_or_years : {"months", "years"}
    show_interval : bool
        Whether to draw 95 % log-log bands.
    landmarks : sequence of float
        Months at which survival is written on the chart.
    zoom_to : float, optional
        End of the axis in months; changes no estimate.
    censor_at : float, optional
        Months at which everyone still followed is censored; changes the estimates.
    full_tail : bool
        Whether to draw a curve beyond its last time with five patients at risk.
    highlight : str, optional
        Name of the group drawn bold.
    own_curve : (times, survival), optional
        A predicted curve to lay over the groups; months and probabilities.
    """
    censored = [_censor(group, censor_at) for group in groups]
    lines = [
        Line(
            name=g.name,
            curve=g.curve,
            style=style,
            bold=g.name == highlight,
        )
        for g, style in zip(censored, line_styles([g.role for g in groups], theme), strict=True)
    ]
    curves = [line.curve for line in lines]
    axis = time_axis(curves, months_or_years, zoom_to=zoom_to, full_tail=full_tail)
    sketch = draw(lines, axis, theme, endpoint, show_interval=show_interval)
    ends = ends_of(lines, axis)
    table = survival_table(censored)
    if own_curve is not None:
        own = PredictedCurve.shown(*own_curve)
        if own is not None:
            ends.append(add_prediction(sketch, own, axis, theme))
            table = pd.concat([table, own.table()], ignore_index=True)
    figure = label(sketch, lines, ends, axis, theme, landmarks)
    return Chart(
        figure=figure,
        finding=_finding(lines, axis, endpoint, landmarks, censor_at),
        table=table,
        alt=f"Kaplan-Meier curves of {endpoint.name} for {count(len(groups), 'group')}",
    )


@dataclass(frozen=True, slots=True)
class Grouping:
    """Groups of one kind, lowest risk first; ``name`` says of what kind, as untrusted text."""

    name: str
    groups: Sequence[KmGroup]


def compare_groupings_chart(
    first: Grouping,
    second: Grouping,
    *,
    theme: Theme,
    endpoint: Endpoint,
    months_or_years: TimeUnit = "years",
    show_interval: bool = False,
    landmarks: Sequence[float] = (),
    zoom_to: float | None = None,
    censor_at: float | None = None,
    full_tail: bool = False,
) -> Chart:
    """Lay the groups of one kind (solid) over those of another (broken lines).

    Parameters
    ----------
    first, second : Grouping
        Groups that both have are named with their kind.
    theme, endpoint, months_or_years, show_interval, landmarks, zoom_to, censor_at, full_tail
        As in `kaplan_meier_chart`.

    References
    ----------
    CA-MLIF (AAAI 2025), Figures A5 and A6(a).
    """
    shared = {g.name for g in first.groups} & {g.name for g in second.groups}
    kinds = [_apart(_censored(kind, censor_at), shared) for kind in (first, second)]
    styles = (solid_styles(len(first.groups), theme), broken_styles(len(second.groups), theme))
    parts = [
        [Line(g.name, g.curve, style) for g, style in zip(kind.groups, part, strict=True)]
        for kind, part in zip(kinds, styles, strict=True)
    ]
    lines = [line for part in parts for line in part]
    curves = [line.curve for line in lines]
    axis = time_axis(curves, months_or_years, zoom_to=zoom_to, full_tail=full_tail)
    sketch = draw(lines, axis, theme, endpoint, show_interval=show_interval, medians=False)
    figure = label(sketch, lines, ends_of(lines, axis), axis, theme, landmarks)
    tables = [survival_table(kind.groups).assign(grouping=kind.name) for kind in kinds]
    findings = [
        f"{kind.name[:1].upper()}{kind.name[1:]}: "
        f"{_finding(part, axis, endpoint, landmarks, censor_at)}"
        for kind, part in zip(kinds, parts, strict=True)
    ]
    return Chart(
        figure=figure,
        finding=" ".join(findings),
        table=pd.concat(tables, ignore_index=True),
        alt=f"Kaplan-Meier curves of {endpoint.name}, {first.name} against {second.name}",
    )


def _censored(kind: Grouping, months: float | None) -> Grouping:
    return Grouping(kind.name, [_censor(group, months) for group in kind.groups])


def _apart(kind: Grouping, shared: Collection[str]) -> Grouping:
    """Name groups with their kind where another kind has groups of the same name."""
    return Grouping(
        kind.name,
        [replace(g, name=f"{kind.name}: {g.name}") if g.name in shared else g for g in kind.groups],
    )


def case_curve_chart(
    stratum_curves: Mapping[str, KaplanMeierCurve],
    own_stratum: str | None,
    times: ArrayLike | None,
    survival: ArrayLike | None,
    low: ArrayLike | None,
    high: ArrayLike | None,
    *,
    endpoint: Endpoint,
    theme: Theme,
    months_or_years: TimeUnit = "months",
    height: int | None = None,
    subtype: tuple[str, KaplanMeierCurve] | None = None,
) -> Chart:
    """Draw one patient's predicted curve among the curves of the training strata.

    Parameters
    ----------
    stratum_curves : mapping of stratum to KaplanMeierCurve
        Of the training cohort, lowest risk first.
    own_stratum : str or None
        The patient's stratum, drawn bold; None shows the training strata by themselves.
    times, survival, low, high : array_like, shape (t,), or None
        Predicted curve with interval; None or all NaN where the calibration gate is closed.
    endpoint : Endpoint
    theme : {"light", "dark"}
    months_or_years : {"months", "years"}
    height : int, optional
        Pixels; by default as much as the number of curves needs. If given, the names at the ends
        of the curves and beside the numbers at risk stand for a legend.
    subtype : (name, KaplanMeierCurve), optional
        Other patients of the cohort in view with the same subtype; the name says so.
    """
    lines = stratum_lines(stratum_curves, own_stratum, theme)
    if subtype is not None:
        lines.append(subtype_line(*subtype, theme))
    axis = time_axis([line.curve for line in lines], months_or_years)
    sketch = draw(lines, axis, theme, endpoint, show_interval=True, medians=False, height=height)
    ends = ends_of(lines, axis)
    tables = [curve_table(line.name, line.curve) for line in lines]
    predicted = None
    if times is not None and survival is not None:
        predicted = PredictedCurve.shown(times, survival, low, high)
    if predicted is not None:
        ends.append(add_prediction(sketch, predicted, axis, theme))
        tables.append(predicted.table())
    figure = label(sketch, lines, ends, axis, theme)
    table = pd.concat(tables, ignore_index=True)
    own = next((line for line in lines if line.name == own_stratum), None)
    if own is None and predicted is None:
        alt = f"Kaplan-Meier curves of {endpoint.name} for the strata of the training cohort"
        return Chart(figure, _finding(lines, axis, endpoint, ()), table, alt)
    return Chart(
        figure=figure,
        finding=_case_finding(own, predicted, axis, endpoint, lines[-1] if subtype else None),
        table=table,
        alt=f"Predicted {endpoint.name} of this case among the curves of the training strata",
    )


def survival_table(groups: Sequence[KmGroup]) -> pd.DataFrame:
    """Numbers behind the curves: one row per group and distinct time.

    Returns
    -------
    DataFrame
        Columns ``group, time_months, at_risk, events, censored, survival, lower, upper``;
        probabilities from 0 to 1, 95 % log-log limits. A group without patients has no rows.
    """
    tables = [curve_table(g.name, g.curve) for g in groups]
    return pd.concat(tables, ignore_index=True)


def subtype_line(name: str, curve: KaplanMeierCurve, theme: Theme) -> Line:
    """How patients of the same subtype are drawn beside the strata: without a band.

    Parameters
    ----------
    name : str
        Of the subtype; escaped where drawn.
    curve : KaplanMeierCurve
        In months.
    theme : {"light", "dark"}
    """
    style = LineStyle(palette(theme).modalities[0], "longdash")
    return Line(name=name, curve=curve, style=style, band=False)


def _censor(group: KmGroup, months: float | None) -> KmGroup:
    if months is None:
        return group
    # Whoever enters later is never under observation by then.
    there = np.ones(len(group.event), bool) if group.entry is None else group.entry < months
    return KmGroup(
        group.name,
        (group.event & (group.duration <= months))[there],
        np.minimum(group.duration, months)[there],
        group.role,
        None if group.entry is None else group.entry[there],
    )


def _horizon(landmarks: Sequence[float], end: float) -> float:
    shared = [m for m in FINDING_HORIZONS if m in landmarks]
    candidates = [float(m) for m in (*shared, *landmarks, *FINDING_HORIZONS) if 0 < m <= end]
    return candidates[0] if candidates else end


def _of_100(line: Line, months: float, least: int) -> str:
    if at_risk(line, months) < least:
        few = f"fewer than {least}" if least > 1 else "nobody"
        return f"{few} followed that long in {line.name} (n = {line.n:,})"
    return f"{100 * survival_at(line, months):.0f} in {line.name} (n = {line.n:,})"


def _finding(
    lines: Sequence[Line],
    axis: TimeAxis,
    endpoint: Endpoint,
    landmarks: Sequence[float],
    censor_at: float | None = None,
) -> str:
    filled = [line for line in lines if line.n]
    if not filled:
        return "No patient with follow-up is in these groups."
    months = _horizon(landmarks, axis.end)
    named = filled if len(filled) <= MAX_IN_FINDING else [filled[0], filled[-1]]
    empty = [line.name for line in lines if not line.n]
    small = [line.name for line in filled if not curve_end(line, axis)]
    n, events = sum(line.n for line in filled), sum(line.events for line in filled)
    return (
        f"Of 100 patients, {endpoint.event_free} at {_when(months)}: "
        f"{', '.join(_of_100(line, months, axis.least) for line in named)}; {endpoint.name}, "
        f"{count(n, 'patient')}, {count(events, 'event')}"
        + (f", censored at {_when(censor_at)}" if censor_at else "")
        + (f"; no patient in {listed(empty)}" if empty else "")
        + (f"; too few patients for a curve in {listed(small)}" if small else "")
        + f".{start_words(lines)}"
    )


def _when(months: float) -> str:
    return period(round(months, 1))


def _case_finding(
    own: Line | None,
    predicted: PredictedCurve | None,
    axis: TimeAxis,
    endpoint: Endpoint,
    subtype: Line | None,
) -> str:
    end = axis.end if predicted is None else min(axis.end, float(predicted.times[-1]))
    months = _horizon((), end)
    group = (
        "this case has no risk group"
        if own is None
        else f"in its risk group {own.name}, {100 * survival_at(own, months):.0f} of 100 were "
        f"{endpoint.event_free} (training cohort, n = {own.n:,}, {count(own.events, 'event')})"
    )
    if subtype is not None and at_risk(subtype, months):
        share = 100 * survival_at(subtype, months)
        group += (
            f"; of {count(subtype.n, 'other')} in this cohort, {subtype.name}, {share:.0f} of 100"
        )
    start = start_words([line for line in (own, subtype) if line is not None])
    when = f"At {_when(months)}"
    if predicted is None:
        return (
            f"{when}, {group}; no curve is predicted for this case, since absolute risk is "
            f"hidden.{start}"
        )
    # The sentence of the result says it whole; here it must fit one line beside the group.
    value, low, high = predicted.at(months)
    expected = f"{of_100(value)} ({range_of_100(low, high)})"
    return f"{when}, the model expects {expected}; {group}.{start}"
