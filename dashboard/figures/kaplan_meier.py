"""Kaplan-Meier charts: groups, two groupings over each other, and one case among the strata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray
from plotly.subplots import make_subplots

from camlif.data.schema import Endpoint
from camlif.survival import KaplanMeierCurve, kaplan_meier
from dashboard.figures.chart import Chart, count
from dashboard.figures.layout import Marks, TimeAxis, TimeUnit, base_figure, period
from dashboard.figures.palette import (
    LineStyle,
    Theme,
    line_styles,
    palette,
    strata_colors,
)
from dashboard.figures.prediction import Prediction, add_prediction
from dashboard.figures.survival_lines import (
    Line,
    add_end_labels,
    add_landmark,
    add_line,
    add_median,
    add_risk_table,
    at_risk,
    axis_end,
    curve_table,
    end_of,
    survival_at,
)

CURVE_SHARE = 0.75
MIN_HEIGHT = 520
ROW_HEIGHT = 90
BETWEEN_ROWS_PX = 82
"""Room for tick labels, axis title and the heading of the number at risk."""
OUTSIDE_PX = 48
"""Margins above and below the two rows."""
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
    """

    name: str
    event: NDArray[np.bool_]
    duration: NDArray[np.float64]
    role: str | None = None


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
            curve=kaplan_meier(g.event, g.duration),
            style=style,
            bold=g.name == highlight,
        )
        for g, style in zip(censored, line_styles([g.role for g in groups], theme), strict=True)
    ]
    axis = _axis(lines, months_or_years, zoom_to=zoom_to, full_tail=full_tail)
    figure = _draw(lines, axis, theme, endpoint, show_interval=show_interval)
    ends = [end_of(line, axis) for line in lines if line.n]
    table = survival_table(censored)
    if own_curve is not None:
        own = Prediction.shown(*own_curve)
        if own is not None:
            ends.append(add_prediction(figure, own, axis, theme))
            table = pd.concat([table, own.table()], ignore_index=True)
    _label(figure, lines, ends, axis, theme, landmarks)
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

    References
    ----------
    CA-MLIF (AAAI 2025), Figures A5 and A6(a).
    """
    lines = [
        Line(name=g.name, curve=kaplan_meier(g.event, g.duration), style=LineStyle(color, dash))
        for part, dash in ((predicted, "solid"), (actual, "dash"))
        for g, color in zip(part, strata_colors(len(part), theme), strict=True)
    ]
    axis = _axis(lines, months_or_years, zoom_to=None, full_tail=full_tail)
    figure = _draw(lines, axis, theme, endpoint, show_interval=show_interval, medians=False)
    _label(figure, lines, [end_of(line, axis) for line in lines if line.n], axis, theme)
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
        Pixels; by default as much as the number of curves needs.
    """
    names = list(stratum_curves)
    lines = [
        Line(name=name, curve=stratum_curves[name], style=style, bold=name == own_stratum)
        for name, style in zip(names, line_styles(_roles(names), theme), strict=True)
    ]
    axis = _axis(lines, months_or_years, zoom_to=None, full_tail=False)
    figure = _draw(lines, axis, theme, endpoint, show_interval=True, medians=False, height=height)
    ends = [end_of(line, axis) for line in lines]
    tables = [curve_table(line.name, line.curve) for line in lines]
    predicted = None
    if times is not None and survival is not None:
        predicted = Prediction.shown(times, survival, low, high)
    if predicted is not None:
        ends.append(add_prediction(figure, predicted, axis, theme))
        tables.append(predicted.table())
    _label(figure, lines, ends, axis, theme)
    table = pd.concat(tables, ignore_index=True)
    own = next((line for line in lines if line.name == own_stratum), None)
    if own is None and predicted is None:
        alt = f"Kaplan-Meier curves of {endpoint.name} for the strata of the training cohort"
        return Chart(figure, _finding(lines, axis, endpoint, ()), table, alt)
    return Chart(
        figure=figure,
        finding=_case_finding(own, predicted, axis, endpoint),
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
    tables = [curve_table(g.name, kaplan_meier(g.event, g.duration)) for g in groups]
    return pd.concat(tables, ignore_index=True)


def _censor(group: KmGroup, months: float | None) -> KmGroup:
    if months is None:
        return group
    return KmGroup(
        group.name,
        group.event & (group.duration <= months),
        np.minimum(group.duration, months),
        group.role,
    )


def _roles(names: Sequence[str]) -> list[str | None]:
    """Two or three strata take the stratum colours by rank, whatever they are called."""
    by_count: dict[int, list[str | None]] = {
        2: ["low", "high"],
        3: ["low", "intermediate", "high"],
    }
    return by_count.get(len(names), [None] * len(names))


def _axis(
    lines: Sequence[Line], unit: TimeUnit, *, zoom_to: float | None, full_tail: bool
) -> TimeAxis:
    end = axis_end([line.curve for line in lines], full_tail=full_tail)
    return TimeAxis(min(end, zoom_to) if zoom_to else end, unit)


def _draw(
    lines: Sequence[Line],
    axis: TimeAxis,
    theme: Theme,
    endpoint: Endpoint,
    *,
    show_interval: bool,
    medians: bool = True,
    height: int | None = None,
) -> go.Figure:
    height = height or max(MIN_HEIGHT, ROW_HEIGHT * len(lines) + 200)
    figure = make_subplots(
        rows=2,
        cols=1,
        shared_xaxes=True,
        row_heights=[CURVE_SHARE, 1 - CURVE_SHARE],
        vertical_spacing=BETWEEN_ROWS_PX / (height - OUTSIDE_PX),
    )
    base_figure(figure, theme, height=height)
    figure.update_layout(margin={"b": 12})
    for line in sorted(lines, key=lambda line: line.bold):  # bold on top; legend order by rank
        add_line(figure, line, axis, event_free=endpoint.event_free, show_interval=show_interval)
    _restore_legend_order(figure, lines)
    for line in lines if medians else ():
        add_median(figure, line, axis)
    add_risk_table(figure, lines, axis, theme)
    figure.update_xaxes(**axis.settings())
    figure.update_xaxes(row=1, col=1, showticklabels=True, title_text=_axis_title(axis))
    figure.update_xaxes(row=2, col=1, showticklabels=False, showgrid=False, showline=False)
    figure.update_yaxes(
        row=1,
        col=1,
        range=[0, 102],
        tickvals=[0, 20, 40, 60, 80, 100],
        title_text=f"{endpoint.event_free.capitalize()} (%)",
    )
    return figure


def _label(
    figure: go.Figure,
    lines: Sequence[Line],
    ends: Sequence[tuple[str, float, float, str]],
    axis: TimeAxis,
    theme: Theme,
    landmarks: Sequence[float] = (),
) -> None:
    """Write landmarks, the names at the curves' ends and the heading of the number at risk."""
    marks = Marks(theme)
    for months in landmarks:
        add_landmark(marks, lines, axis, months)
    margin = add_end_labels(marks, ends, axis)
    marks.text(
        "Number at risk",
        x=0,
        xref="x2 domain",
        xanchor="left",
        y=1.02,
        yref="y2 domain",
        yanchor="bottom",
        color=palette(theme).muted,
    )
    marks.put_on(figure)
    figure.update_layout(margin={"r": margin})


def _restore_legend_order(figure: go.Figure, lines: Sequence[Line]) -> None:
    rank = {line.name: 1000 + i for i, line in enumerate(lines)}
    for trace in figure.data:
        if trace.legendgroup in rank:
            trace.legendrank = rank[trace.legendgroup]


def _axis_title(axis: TimeAxis) -> str:
    return f"{axis.unit.capitalize()} of follow-up"


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
        + "."
    )


def _when(months: float) -> str:
    return period(round(months, 1))


def _case_finding(
    own: Line | None,
    predicted: Prediction | None,
    axis: TimeAxis,
    endpoint: Endpoint,
) -> str:
    end = axis.end if predicted is None else min(axis.end, float(predicted.times[-1]))
    months = _horizon((), end)
    group = (
        "This case has no risk group"
        if own is None
        else f"In its risk group {own.name}, {100 * survival_at(own, months):.0f} of 100 were "
        f"{endpoint.event_free} at {_when(months)} (training cohort, n = {own.n:,}, "
        f"{count(own.events, 'event')})"
    )
    if predicted is None:
        return f"{group}; no curve is predicted for this case, since absolute survival is hidden."
    value, low, high = (100 * part for part in predicted.at(months))
    return (
        f"For patients with a score like this, about {value:.0f} of 100 are {endpoint.event_free} "
        f"at {_when(months)} (model interval {low:.0f} to {high:.0f}; {endpoint.name}). {group}."
    )
