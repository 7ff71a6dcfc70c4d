"""Kaplan-Meier charts: groups, two groupings over each other, and one case among the strata.

Groups with outcomes in months go in, a `Chart` comes out. Two groupings follow Figures A5 and A6(a)
of An et al., AAAI 2025.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from camlif.data.schema import Endpoint
from camlif.statistics import KaplanMeierCurve, kaplan_meier
from camlif.wording import count, of_100, period, range_of_100
from dashboard.figures.chart import Chart
from dashboard.figures.layout import TimeAxis, TimeUnit
from dashboard.figures.palette import (
    LineStyle,
    Theme,
    line_styles,
    palette,
    strata_colors,
)
from dashboard.figures.prediction import PredictedCurve, add_prediction
from dashboard.figures.survival_frame import draw, label, time_axis
from dashboard.figures.survival_labels import end_of
from dashboard.figures.survival_lines import (
    Line,
    at_risk,
    curve_table,
    start_words,
    stratum_lines,
    survival_at,
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
        Whether to draw beyond the last time with five patients at risk in a group.
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
    axis = time_axis(lines, months_or_years, zoom_to=zoom_to, full_tail=full_tail)
    figure = draw(lines, axis, theme, endpoint, show_interval=show_interval)
    ends = [end_of(line, axis) for line in lines if line.n]
    table = survival_table(censored)
    if own_curve is not None:
        own = PredictedCurve.shown(*own_curve)
        if own is not None:
            ends.append(add_prediction(figure, own, axis, theme))
            table = pd.concat([table, own.table()], ignore_index=True)
    label(figure, lines, ends, axis, theme, landmarks)
    return Chart(
        figure=figure,
        finding=_finding(lines, axis, endpoint, landmarks, censor_at),
        table=table,
        alt=f"Kaplan-Meier curves of {endpoint.name} for {count(len(groups), 'group')}",
    )


def compare_groupings_chart(
    predicted: Sequence[KmGroup],
    actual: Sequence[KmGroup],
    *,
    theme: Theme,
    endpoint: Endpoint,
    months_or_years: TimeUnit = "years",
    show_interval: bool = False,
    full_tail: bool = False,
) -> Chart:
    """Lay predicted risk groups (solid) over actual groups such as grades (dashed).

    Both are coloured by their order, lowest risk first, so that curves of the same rank compare.

    Parameters
    ----------
    predicted, actual : sequence of KmGroup
        Lowest risk first.
    theme : {"light", "dark"}
    endpoint : Endpoint
    months_or_years : {"months", "years"}
        Unit of the axis.
    show_interval : bool
        Draw the bands of the 95 % intervals.
    full_tail : bool
        Draw curves to the last follow-up, however few are at risk.

    References
    ----------
    CA-MLIF (AAAI 2025), Figures A5 and A6(a).
    """
    lines = [
        Line(name=g.name, curve=g.curve, style=LineStyle(color, dash))
        for part, dash in ((predicted, "solid"), (actual, "dash"))
        for g, color in zip(part, strata_colors(len(part), theme), strict=True)
    ]
    axis = time_axis(lines, months_or_years, zoom_to=None, full_tail=full_tail)
    figure = draw(lines, axis, theme, endpoint, show_interval=show_interval, medians=False)
    label(figure, lines, [end_of(line, axis) for line in lines if line.n], axis, theme)
    tables = [
        survival_table(part).assign(grouping=name)
        for name, part in (("predicted", predicted), ("actual", actual))
    ]
    k = len(predicted)
    return Chart(
        figure=figure,
        finding=(
            f"Predicted: {_finding(lines[:k], axis, endpoint, ())} "
            f"Actual: {_finding(lines[k:], axis, endpoint, ())}"
        ),
        table=pd.concat(tables, ignore_index=True),
        alt=f"Kaplan-Meier curves of {endpoint.name}, predicted groups against actual groups",
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
    axis = time_axis(lines, months_or_years, zoom_to=None, full_tail=False)
    figure = draw(lines, axis, theme, endpoint, show_interval=True, medians=False, height=height)
    ends = [end_of(line, axis) for line in lines]
    tables = [curve_table(line.name, line.curve) for line in lines]
    predicted = None
    if times is not None and survival is not None:
        predicted = PredictedCurve.shown(times, survival, low, high)
    if predicted is not None:
        ends.append(add_prediction(figure, predicted, axis, theme))
        tables.append(predicted.table())
    label(figure, lines, ends, axis, theme)
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


def _of_100(line: Line, months: float) -> str:
    if not at_risk(line, months):
        return f"not followed that long in {line.name} (n = {line.n:,})"
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
    n, events = sum(line.n for line in filled), sum(line.events for line in filled)
    return (
        f"Of 100 patients, {endpoint.event_free} at {_when(months)}: "
        f"{', '.join(_of_100(line, months) for line in named)}; {endpoint.name}, "
        f"{count(n, 'patient')}, {count(events, 'event')}"
        + (f", censored at {_when(censor_at)}" if censor_at else "")
        + (f"; no patient in {', '.join(empty)}" if empty else "")
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
        group += f"; of {subtype.n:,} others in this cohort, {subtype.name}, {share:.0f} of 100"
    start = start_words([line for line in (own, subtype) if line is not None])
    when = f"At {_when(months)}"
    if predicted is None:
        return (
            f"{when}, {group}; no curve is predicted for this case, since absolute survival is "
            f"hidden.{start}"
        )
    # The sentence of the result says it whole; here it must fit one line beside the group.
    value, low, high = predicted.at(months)
    expected = f"{of_100(value)} ({range_of_100(low, high)})"
    return f"{when}, the model expects {expected}; {group}.{start}"
