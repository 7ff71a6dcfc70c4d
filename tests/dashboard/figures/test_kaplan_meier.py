"""Kaplan-Meier figures against hand tables and lifelines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from lifelines import KaplanMeierFitter
from numpy.typing import NDArray

from camlif.data.schema import Endpoint
from camlif.statistics import kaplan_meier
from dashboard.figures.chart import Chart
from dashboard.figures.kaplan_meier import (
    Grouping,
    KmGroup,
    case_curve_chart,
    compare_groupings_chart,
    kaplan_meier_chart,
    survival_table,
)
from dashboard.figures.layout import TimeAxis, spread
from dashboard.figures.palette import Theme
from dashboard.figures.survival_lines import MAX_VERTICES, TAIL_OPACITY, TICK, TICK_WIDTH

DEATH = Endpoint()
METASTASIS = Endpoint("distant metastasis", "distant metastasis", "free of distant metastasis")


def group(
    name: str,
    duration: Sequence[float],
    event: Sequence[int] | None = None,
    role: str | None = None,
) -> KmGroup:
    durations = np.asarray(duration, dtype=float)
    events = np.ones(len(durations)) if event is None else np.asarray(event)
    return KmGroup(name, events.astype(bool), durations, role)


def random_group(n: int, *, name: str = "a", seed: int = 0, role: str | None = None) -> KmGroup:
    rng = np.random.default_rng(seed)
    time, leave = rng.exponential(30, n), rng.uniform(5, 90, n)
    return KmGroup(name, time <= leave, np.minimum(time, leave).round(1), role)


def traces(figure: go.Figure, meta: str) -> list[Any]:
    return [trace for trace in figure.data if trace.meta == meta]


def risk_rows(figure: go.Figure) -> list[list[str]]:
    """Numbers at risk of every group, from the top."""
    (trace,) = traces(figure, "at risk")
    rows: dict[float, list[str]] = {}
    for y, text in zip(trace.y, trace.text, strict=True):
        rows.setdefault(-y, []).append(text)
    return [rows[place] for place in sorted(rows)]


TIES = group("ties", [6, 6, 12, 12, 12, 18, 24], [1, 0, 1, 1, 0, 0, 1])


def test_late_entries_are_at_risk_from_entry_on_and_gone_if_censored_before() -> None:
    entry = np.array([0, 0, 8.0, 0, 11, 0, 0])
    late = replace(TIES, entry=entry)
    chart = kaplan_meier_chart([late], theme="light", endpoint=DEATH, full_tail=True)
    rows = chart.table.set_index("time_months")["at_risk"].to_dict()
    assert rows == {6: 5, 8: 3, 11: 4, 12: 5, 18: 2, 24: 1}
    assert [t.name for t in chart.figure.data if t.showlegend] == ["ties (n = 7, 4 events)"]

    cut = kaplan_meier_chart([late], theme="light", endpoint=DEATH, censor_at=10)
    assert [t.name for t in cut.figure.data if t.showlegend] == ["ties (n = 6, 1 event)"]


def test_a_curve_that_patients_enter_late_says_where_it_begins() -> None:
    whole = random_group(60)
    late = replace(whole, entry=0.5 * whole.duration * (np.arange(60) % 2))
    early_event = KmGroup(
        "late",
        np.append(late.event, True),
        np.append(late.duration, 0.3),
        entry=np.append(np.maximum(late.entry, 1.0), 0.0),
    )
    kept = np.append(early_event.entry[:-1] < early_event.duration[:-1], True)
    group = KmGroup(
        "late", early_event.event[kept], early_event.duration[kept], entry=early_event.entry[kept]
    )
    start = group.curve.start
    assert start >= 1
    chart = kaplan_meier_chart([group], theme="light", endpoint=DEATH)
    assert f"curves begin at {start:.1f} months" in chart.finding
    assert "late" not in kaplan_meier_chart([whole], theme="light", endpoint=DEATH).finding
    own = case_curve_chart(
        {"low": whole.curve, "high": group.curve},
        "high",
        None,
        None,
        None,
        None,
        endpoint=DEATH,
        theme="light",
    )
    assert f"curves begin at {start:.1f} months" in own.finding


def test_number_at_risk_counts_durations_at_least_t_with_ties_and_an_empty_group() -> None:
    chart = kaplan_meier_chart(
        [TIES, group("nobody", [])], theme="light", endpoint=DEATH, full_tail=True
    )
    assert list(traces(chart.figure, "at risk")[0].x) == [0, 6, 12, 18, 24] * 2
    assert risk_rows(chart.figure) == [["7", "7", "5", "2", "1"], ["0"] * 5]
    assert "no patient in nobody" in chart.finding


def test_steps_of_a_hand_worked_group() -> None:
    """S: 6/7 at 6, then 6/7 * 3/5 at 12, then 0 at 24."""
    chart = kaplan_meier_chart([TIES], theme="light", endpoint=DEATH, full_tail=True)
    (tail,) = traces(chart.figure, "tail")  # fewer than ten patients: all of it is tail
    assert list(tail.x) == [0, 6, 12, 24]
    assert tail.y == pytest.approx([100, 600 / 7, 1800 / 35, 0])
    assert tail.line.shape == "hv"


def test_table_equals_lifelines_with_its_log_log_limits() -> None:
    patients = random_group(150)
    table = survival_table([patients])
    fitter = KaplanMeierFitter().fit(patients.duration, patients.event)
    expected = fitter.survival_function_.loc[table["time_months"]].to_numpy()[:, 0]
    limits = fitter.confidence_interval_.loc[table["time_months"]].to_numpy()
    known = table["lower"].notna().to_numpy() & np.isfinite(limits[:, 0])
    assert table["survival"].to_numpy() == pytest.approx(expected, abs=1e-12)
    assert table.loc[known, ["lower", "upper"]].to_numpy() == pytest.approx(limits[known], abs=1e-6)
    assert table["events"].sum() + table["censored"].sum() == 150


def test_the_chart_draws_the_numbers_of_its_table() -> None:
    chart = kaplan_meier_chart([random_group(150)], theme="light", endpoint=DEATH)
    by_time = chart.table.set_index("time_months")["survival"]
    for trace in traces(chart.figure, "curve") + traces(chart.figure, "tail"):
        for x, y in zip(trace.x[1:], trace.y[1:], strict=True):
            assert y == pytest.approx(100 * by_time[x], abs=5.1e-5)  # rounded


def test_the_tail_starts_where_fewer_than_ten_are_at_risk_and_the_band_stops_there() -> None:
    chart = kaplan_meier_chart([group("a", range(1, 31))], theme="light", endpoint=DEATH)
    (curve,), (tail,) = traces(chart.figure, "curve"), traces(chart.figure, "tail")
    assert curve.x[-1] == tail.x[0] == 21  # durations 21 to 30 are ten patients
    assert (curve.opacity, tail.opacity) == (1.0, TAIL_OPACITY)
    assert max(band.x[-1] for band in traces(chart.figure, "band")) == 21


def test_the_axis_ends_at_the_last_time_with_five_at_risk_in_any_group() -> None:
    groups = [group("a", range(1, 31)), group("b", range(1, 11))]
    chart = kaplan_meier_chart(groups, theme="light", endpoint=DEATH)
    full = kaplan_meier_chart(groups, theme="light", endpoint=DEATH, full_tail=True)
    assert chart.figure.layout.xaxis.range == (0, 26)
    assert full.figure.layout.xaxis.range == (0, 30)


def test_a_group_below_ten_patients_has_no_band_but_a_legend_entry() -> None:
    chart = kaplan_meier_chart([group("few", range(1, 8))], theme="light", endpoint=DEATH)
    assert traces(chart.figure, "band") == []
    assert [t.name for t in chart.figure.data if t.showlegend] == ["few (n = 7, 7 events)"]


def test_a_curve_has_at_most_two_thousand_vertices_all_on_the_estimate() -> None:
    patients = group("a", np.linspace(1, 99, 5001).tolist())
    chart = kaplan_meier_chart([patients], theme="light", endpoint=DEATH)
    (curve,), (tail,) = traces(chart.figure, "curve"), traces(chart.figure, "tail")
    assert len(curve.x) + len(tail.x) - 1 <= MAX_VERTICES
    estimate = kaplan_meier(patients.event, patients.duration)
    times = np.asarray(curve.x[:-1]) + 1e-4  # rounded, maybe to just before the step
    assert curve.y[:-1] == pytest.approx(100 * estimate.at(times), abs=5.1e-5)


def test_every_censored_time_has_a_tick_on_the_curve_and_nothing_is_filled_between() -> None:
    patients = random_group(60)
    chart = kaplan_meier_chart([patients], theme="light", endpoint=DEATH, full_tail=True)
    estimate = kaplan_meier(patients.event, patients.duration)
    censored = np.unique(patients.duration[~patients.event])
    marks = traces(chart.figure, "censored")
    assert [mark.opacity for mark in marks] == [1.0, TAIL_OPACITY]
    upper = [np.asarray(axis)[: len(axis) // 2] for mark in marks for axis in (mark.x, mark.y)]
    x, y = np.concatenate(upper[::2]), np.concatenate(upper[1::2])
    assert (x[1::4] + x[2::4]) / 2 == pytest.approx(censored, rel=1e-6)
    assert y[1::4] - TICK / 2 == pytest.approx(100 * estimate.at(censored), rel=1e-5)
    filled = sum(_area(np.asarray(mark.x), np.asarray(mark.y)) for mark in marks)
    one = TICK * TICK_WIDTH * chart.figure.layout.xaxis.range[1]
    assert filled == pytest.approx(len(censored) * one, rel=0.01)


def _area(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Area of a polygon (the shoelace formula)."""
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def test_zoom_changes_the_axis_but_no_estimate() -> None:
    whole = kaplan_meier_chart([random_group(99)], theme="light", endpoint=DEATH)
    near = kaplan_meier_chart([random_group(99)], theme="light", endpoint=DEATH, zoom_to=24)
    assert near.figure.layout.xaxis.range == (0, 24)
    assert near.table.equals(whole.table)


def test_censoring_at_a_time_turns_later_events_into_censored_patients() -> None:
    chart = kaplan_meier_chart([TIES], theme="light", endpoint=DEATH, censor_at=12)
    assert chart.table["time_months"].tolist() == [6, 12]
    assert chart.table["events"].tolist() == [1, 2]
    assert chart.table["censored"].tolist() == [1, 3]
    assert "censored at 1 year" in chart.finding


@pytest.mark.parametrize("end", [12.0, 30.0, 36.0, 60.0, 100.0, 130.0, 200.0, 300.0])
def test_five_to_nine_ticks_show(end: float) -> None:
    axis = TimeAxis(end, "months")
    steps = np.unique(np.diff(axis.ticks))
    assert 5 <= len(axis.ticks) <= 9
    assert len(steps) == 1
    assert axis.ticks[-1] <= end


def test_ticks_are_six_twelve_or_twenty_four_months_where_they_can_be() -> None:
    assert [np.diff(TimeAxis(end, "months").ticks)[0] for end in (30, 60, 150)] == [6, 12, 24]


def test_years_show_the_same_curve_divided_by_twelve() -> None:
    months = kaplan_meier_chart([random_group(80)], theme="light", endpoint=DEATH)
    years = kaplan_meier_chart(
        [random_group(80)], theme="light", endpoint=DEATH, months_or_years="years"
    )
    (a,), (b,) = traces(months.figure, "curve"), traces(years.figure, "curve")
    assert np.asarray(b.x) * 12 == pytest.approx(np.asarray(a.x), abs=6.6e-4)  # rounded


def test_landmarks_write_the_survival_of_every_group_still_followed() -> None:
    groups = [group("a", [5.0] * 5 + [40.0] * 15), group("b", [3.0] * 12)]
    chart = kaplan_meier_chart(groups, theme="light", endpoint=DEATH, landmarks=(12,))
    written = [a.text for a in chart.figure.layout.annotations if str(a.text).endswith(" %")]
    assert written == ["75 %"]


def test_the_median_drops_to_the_axis_only_where_it_is_reached() -> None:
    groups = [group("a", range(1, 31)), group("b", range(1, 31), [0] * 30)]
    chart = kaplan_meier_chart(groups, theme="light", endpoint=DEATH)
    (median,) = traces(chart.figure, "median")
    assert list(median.x) == [0, 15, 15]


def test_survival_axis_starts_at_zero_and_names_the_endpoint() -> None:
    chart = kaplan_meier_chart([random_group(50)], theme="dark", endpoint=METASTASIS)
    assert chart.figure.layout.yaxis.range[0] == 0
    assert chart.figure.layout.yaxis.title.text == "Free of distant metastasis (%)"
    assert "alive" not in chart.finding


def test_curves_and_risk_table_share_the_time_axis_in_three_to_one() -> None:
    layout = kaplan_meier_chart([random_group(50)], theme="light", endpoint=DEATH).figure.layout
    curves, table = (np.ptp(axis.domain) for axis in (layout.yaxis, layout.yaxis2))
    assert curves / table == pytest.approx(3)
    assert layout.xaxis.range == layout.xaxis2.range


def test_highlighted_group_is_bold_and_the_legend_keeps_its_order() -> None:
    groups = [random_group(50, name=n, seed=i, role=n) for i, n in enumerate(("low", "high"))]
    chart = kaplan_meier_chart(groups, theme="light", endpoint=DEATH, highlight="low")
    curves = traces(chart.figure, "curve")
    assert [c.legendgroup for c in curves] == ["high", "low"]  # the bold one lies on top
    assert curves[1].line.width > curves[0].line.width
    assert curves[1].legendrank < curves[0].legendrank


def test_no_patient_at_all_gives_a_chart_and_says_so() -> None:
    chart = kaplan_meier_chart([group("a", [])], theme="light", endpoint=DEATH)
    assert chart.finding == "No patient with follow-up is in these groups."
    assert chart.table.empty


def test_the_finding_gives_denominators_horizon_and_endpoint() -> None:
    groups = [group("low", [40] * 20, [0] * 20), group("high", [10] * 15 + [40] * 5)]
    chart = kaplan_meier_chart(groups, theme="light", endpoint=DEATH)
    assert chart.finding == (
        "Of 100 patients, alive at 3 years: 100 in low (n = 20), 25 in high (n = 20); "
        "overall survival, 40 patients, 20 events."
    )


def compared(**options: Any) -> Chart:
    predicted = [random_group(60, name=n, seed=i) for i, n in enumerate(("low", "high"))]
    actual = [random_group(60, name=n, seed=i + 9) for i, n in enumerate(("low", "G2"))]
    kinds = (Grouping("Risk group", predicted), Grouping("Size", actual))
    return compare_groupings_chart(*kinds, theme="light", endpoint=DEATH, **options)


def test_two_kinds_of_groups_share_neither_colour_nor_dash_and_are_named_by_their_kind() -> None:
    chart = compared()
    curves = traces(chart.figure, "curve")
    assert [c.line.dash == "solid" for c in curves] == [True, True, False, False]
    assert len({c.line.color for c in curves}) == len({c.legendgroup for c in curves}) == 4
    assert chart.table.groupby("grouping")["group"].unique().map(list).to_dict() == {
        "Risk group": ["Risk group: low", "high"],
        "Size": ["Size: low", "G2"],
    }
    assert chart.finding.startswith("Risk group: Of 100 patients")
    assert "Size: Of 100 patients" in chart.finding
    assert "redicted" not in chart.finding + chart.alt


def test_two_kinds_of_groups_take_the_options_of_one() -> None:
    chart = compared(zoom_to=24, censor_at=24, landmarks=(12,), show_interval=True)
    assert chart.figure.layout.xaxis.range[1] <= 24
    assert chart.table["time_months"].max() <= 24
    assert len([a for a in chart.figure.layout.annotations if str(a.text).endswith(" %")]) == 4
    assert traces(chart.figure, "band")
    assert chart.finding.count("censored at 2 years") == 2


def falls_to_nothing() -> list[KmGroup]:
    """The lower curve is the last but for one patient, whose event takes the upper one to 0."""
    upper = group("intermediate", [*range(10, 40), 70], [1] * 15 + [0] * 15 + [1])
    lower = group("high", range(10, 45), [1] * 25 + [0] * 10)
    return [upper, lower]


def test_a_curve_ends_with_five_at_risk_and_names_stand_in_the_order_of_the_ends() -> None:
    chart = kaplan_meier_chart(falls_to_nothing(), theme="light", endpoint=DEATH)
    for trace in traces(chart.figure, "tail") + traces(chart.figure, "censored"):
        assert max(trace.x) <= 41
    last = {t.legendgroup: t.y[-1] for t in traces(chart.figure, "tail")}
    assert last["intermediate"] > last["high"] > 0
    names = {a.text: a.y for a in chart.figure.layout.annotations}
    assert names["intermediate"] > names["high"]
    full = kaplan_meier_chart(falls_to_nothing(), theme="light", endpoint=DEATH, full_tail=True)
    assert min(min(t.y) for t in traces(full.figure, "tail")) == 0


def test_a_group_too_small_for_a_curve_is_named_instead() -> None:
    groups = [group("large", range(1, 31)), group("few", range(1, 5))]
    chart = kaplan_meier_chart(groups, theme="light", endpoint=DEATH)
    assert "few" not in {a.text for a in chart.figure.layout.annotations}
    assert "too few patients for a curve in few" in chart.finding


def strata_curves() -> dict[str, Any]:
    groups = [random_group(90, name=n, seed=i) for i, n in enumerate(("low", "high"))]
    return {g.name: kaplan_meier(g.event, g.duration) for g in groups}


def test_a_case_shows_its_own_stratum_bold_and_its_prediction_dashed_with_interval() -> None:
    times = np.arange(0.0, 61.0)
    survival = np.exp(-times / 50)
    chart = case_curve_chart(
        strata_curves(),
        "high",
        times,
        survival,
        survival**1.2,
        survival**0.8,
        endpoint=DEATH,
        theme="light",
    )
    (prediction,) = traces(chart.figure, "prediction")
    assert prediction.line.dash == "dash"
    assert prediction.y[36] == pytest.approx(100 * survival[36])
    assert traces(chart.figure, "curve")[-1].legendgroup == "high"
    own = chart.table[chart.table["group"] == "this case (predicted)"]
    assert own["survival"].tolist() == survival.tolist()
    assert "At 3 years, the model expects about 49 (42 to 56); in its risk group" in chart.finding


def test_a_case_behind_a_closed_gate_shows_the_strata_and_says_that_no_curve_is_predicted() -> None:
    closed = np.array([np.nan])
    chart = case_curve_chart(
        strata_curves(), "low", np.zeros(1), closed, closed, closed, endpoint=DEATH, theme="dark"
    )
    assert traces(chart.figure, "prediction") == []
    assert "no curve is predicted for this case" in chart.finding
    assert "n = 90" in chart.finding


def test_without_a_case_the_training_strata_speak_for_themselves() -> None:
    chart = case_curve_chart(
        strata_curves(), None, None, None, None, None, endpoint=DEATH, theme="light"
    )
    assert "case" not in chart.finding + chart.alt
    assert "180 patients" in chart.finding
    assert len({c.line.width for c in traces(chart.figure, "curve")}) == 1


def test_labels_keep_their_distance_order_and_bounds() -> None:
    placed = spread([10, 11, 50, 99, 100], 6, 2, 100)
    assert np.diff(placed).min() >= 6 - 1e-9
    assert placed.min() >= 2
    assert placed.max() <= 100
    assert spread([80, 20], 6).tolist() == [80, 20]


def test_a_case_is_shown_beside_its_subtype_and_only_its_own_stratum_has_a_band() -> None:
    same = random_group(40, name="same", seed=7)
    chart = case_curve_chart(
        strata_curves(),
        "low",
        None,
        None,
        None,
        None,
        endpoint=DEATH,
        theme="light",
        subtype=("same subtype", kaplan_meier(same.event, same.duration)),
    )
    curves = {c.legendgroup: c for c in traces(chart.figure, "curve")}
    assert set(curves) == {"low", "high", "same subtype"}
    assert len({c.line.color for c in curves.values()}) == 3
    assert {b.legendgroup for b in traces(chart.figure, "band")} == {"low"}
    assert len(risk_rows(chart.figure)) == 3
    assert "of 40 others in this cohort, same subtype," in chart.finding
    assert "same subtype" in chart.table["group"].tolist()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_drawn_unchecked_is_what_plotly_accepts(theme: Theme) -> None:
    curves = strata_curves()
    times = np.linspace(0, 40, 9)
    survival = np.exp(-times / 40)
    prediction = (times, survival, 0.9 * survival, np.minimum(1, 1.1 * survival))
    charts = (
        case_curve_chart(curves, next(iter(curves)), *prediction, endpoint=DEATH, theme=theme),
        kaplan_meier_chart(
            [random_group(90, name="a<b>"), random_group(40, name="b", seed=1)],
            theme=theme,
            endpoint=DEATH,
            landmarks=[12],
        ),
    )
    for chart in charts:
        checked = go.Figure(chart.figure.to_dict())
        assert json.loads(checked.to_json()) == json.loads(chart.figure.to_json())
