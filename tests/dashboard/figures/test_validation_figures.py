"""Calibration, measures over time, decision curve and distances: what is drawn and what is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from camlif.data.schema import Endpoint
from camlif.statistics import (
    CalibrationBin,
    CalibrationResult,
    DecisionCurve,
    HorizonPerformance,
    PerformanceOverTime,
)
from dashboard.figures.calibration import CalibrationPanel, calibration_chart
from dashboard.figures.decision import decision_chart
from dashboard.figures.distance import MAX_POINTS, ModalityDistance, distance_chart
from dashboard.figures.over_time import auc_chart, brier_chart


def of(figure: go.Figure, meta: str) -> list[Any]:
    return [trace for trace in figure.data if trace.meta == meta]


def calibration(horizon: float = 36, ratio: float = 1.11) -> CalibrationResult:
    bins = (
        CalibrationBin(n_patients=50, n_events=30, predicted=0.3, observed=0.4, low=0.3, high=0.5),
        CalibrationBin(n_patients=50, n_events=5, predicted=0.9, observed=0.9, low=0.8, high=0.95),
        CalibrationBin(
            n_patients=20, n_events=2, predicted=0.95, observed=None, low=None, high=None
        ),
    )
    return CalibrationResult(
        horizon=horizon,
        n_patients=120,
        n_events=37,
        expected=0.4,
        observed=0.36,
        ratio=ratio,
        ici=0.052,
        bins=bins,
    )


def test_calibration_draws_known_groups_with_their_intervals() -> None:
    panel = CalibrationPanel(calibration(), np.array([0.31, 0.32, 0.91]))
    chart = calibration_chart([panel], endpoint=Endpoint(), theme="light")
    (groups,) = of(chart.figure, "groups")
    assert list(groups.x) == pytest.approx([30, 90])
    assert list(groups.y) == pytest.approx([40, 90])
    assert list(groups.error_y.array) == pytest.approx([10, 5])
    assert list(groups.error_y.arrayminus) == pytest.approx([10, 10])
    (diagonal,) = of(chart.figure, "diagonal")
    assert list(diagonal.x) == list(diagonal.y) == [0, 100]
    (histogram,) = of(chart.figure, "histogram")
    assert sum(histogram.y) == 3
    assert max(histogram.y) == 2
    assert len(chart.table) == 3
    assert chart.finding == (
        "Expected over observed events: 1.11 at 3 years "
        "(overall survival, 120 patients, 37 events by 3 years)."
    )


def test_calibration_has_a_panel_and_a_ratio_for_every_horizon() -> None:
    panels = [CalibrationPanel(calibration(h, r)) for h, r in ((12, 0.9), (36, 1.1), (60, 1.3))]
    chart = calibration_chart(panels, endpoint=Endpoint(), theme="dark")
    assert len(of(chart.figure, "groups")) == 3
    assert {trace.xaxis for trace in of(chart.figure, "groups")} == {"x", "x2", "x3"}
    titles = [a.text for a in chart.figure.layout.annotations]
    assert titles == [
        "<b>1 year</b>: E:O 0.90, ICI 5.2 points",
        "<b>3 years</b>: E:O 1.10, ICI 5.2 points",
        "<b>5 years</b>: E:O 1.30, ICI 5.2 points",
    ]
    assert "0.90 at 1 year, 1.10 at 3 years and 1.30 at 5 years" in chart.finding
    assert chart.table["horizon"].unique().tolist() == ["1 year", "3 years", "5 years"]


def test_calibration_uses_the_words_of_the_endpoint() -> None:
    endpoint = Endpoint("distant metastasis", "distant metastasis", "free of <b>metastasis</b>")
    chart = calibration_chart([CalibrationPanel(calibration())], endpoint=endpoint, theme="light")
    titles = [chart.figure.layout.xaxis2.title.text, chart.figure.layout.yaxis.title.text]
    assert titles == [
        "Predicted free of &lt;b&gt;metastasis&lt;/b&gt; (%)",
        "Observed free of &lt;b&gt;metastasis&lt;/b&gt; (%)",
    ]


def test_calibration_of_groups_nobody_followed_says_so() -> None:
    lost = tuple(replace(b, observed=None, low=None, high=None) for b in calibration().bins)
    panel = CalibrationPanel(replace(calibration(), bins=lost))
    chart = calibration_chart([panel], endpoint=Endpoint(), theme="light")
    assert not chart.figure.data
    assert "not known in any group" in chart.finding
    assert not calibration_chart([], endpoint=Endpoint(), theme="light").figure.data


def horizon(
    months: float, auc: float | None = 0.8, brier: float | None = 0.1
) -> HorizonPerformance:
    return HorizonPerformance(
        horizon=months,
        n_cases=30,
        n_controls=70,
        auc=auc,
        low=None if auc is None else auc - 0.05,
        high=None if auc is None else auc + 0.04,
        brier=brier,
        null=None if brier is None else 0.2,
    )


def over_time(*horizons: HorizonPerformance, ibs: float | None = 0.15) -> PerformanceOverTime:
    return PerformanceOverTime(
        n_patients=120,
        n_events=50,
        horizons=horizons,
        first=12.0,
        last=36.0,
        ibs=ibs,
        null_ibs=0.2,
    )


def test_auc_is_drawn_where_defined_with_its_interval() -> None:
    result = over_time(horizon(12, 0.81), horizon(24, 0.7), horizon(36, None))
    chart = auc_chart(result, theme="light")
    (line,) = of(chart.figure, "auc")
    assert list(line.x) == [1, 2]
    assert list(line.y) == [0.81, 0.7]
    assert list(line.error_y.array) == pytest.approx([0.04, 0.04])
    assert list(line.error_y.arrayminus) == pytest.approx([0.05, 0.05])
    assert list(chart.figure.layout.xaxis.tickvals) == [1, 2, 3]
    assert chart.figure.layout.yaxis.range[0] < 0.5
    assert len(chart.table) == 3
    assert chart.finding == "AUC 0.81 at 1 year and 0.70 at 2 years (120 patients, 50 events)."


def test_brier_scores_stand_against_kaplan_meier() -> None:
    chart = brier_chart(over_time(horizon(12), horizon(36)), theme="dark")
    (model,), (null,) = of(chart.figure, "model"), of(chart.figure, "null")
    assert list(model.y) == [0.1, 0.1]
    assert list(null.y) == [0.2, 0.2]
    assert chart.figure.layout.yaxis.range[0] == 0
    assert chart.finding == (
        "Brier score over years 1 to 3: 0.150; Kaplan-Meier 0.200 (25 % less error)."
    )
    worse = brier_chart(over_time(horizon(12), horizon(36), ibs=0.25), theme="dark")
    assert "25 % more error" in worse.finding


def test_brier_scores_of_patients_who_all_stay_free_of_the_event_are_not_compared() -> None:
    result = replace(over_time(replace(horizon(12, brier=0.0), null=0.0), ibs=0.0), null_ibs=0.0)
    chart = brier_chart(result, theme="light")
    assert chart.finding == "Brier score over years 1 to 3: 0.000; Kaplan-Meier 0.000."
    assert chart.figure.layout.yaxis.range[1] > 0


def test_measures_that_are_defined_nowhere_say_so() -> None:
    result = over_time(horizon(12, None, None), ibs=None)
    for chart in (auc_chart(result, theme="light"), brier_chart(result, theme="light")):
        assert not chart.figure.data
        assert "defined at no horizon" in chart.finding


def curve(model: list[float]) -> DecisionCurve:
    return DecisionCurve(
        horizon=36.0,
        n_patients=100,
        n_events=30,
        thresholds=np.array([0.1, 0.2, 0.3, 0.4]),
        model=np.array(model),
        everyone=np.array([0.2, 0.1, -0.1, -0.5]),
        n_flagged=np.array([90, 60, 30, 10]),
    )


def test_decision_curve_says_where_the_model_gains() -> None:
    chart = decision_chart(curve([0.2, 0.15, 0.1, 0.0]), event_noun="death", theme="light")
    assert chart.finding == (
        "Flagging by the model gains most for thresholds from 20 to 30 % risk of death by 3 years "
        "(100 patients, 30 events by 3 years)."
    )
    (line,) = of(chart.figure, "flag by the model")
    assert list(line.x) == pytest.approx([10, 20, 30, 40])
    assert chart.table["flagged"].tolist() == [90, 60, 30, 10]
    assert chart.figure.layout.yaxis.range[0] > -0.5


def test_decision_curve_says_gaps_and_nothing_gained() -> None:
    gaps = decision_chart(curve([0.3, np.nan, 0.1, 0.0]), event_noun="death", theme="light")
    assert "from 10 to 30 % risk of death by 3 years, with gaps" in gaps.finding
    none = decision_chart(curve([0.1, 0.1, -0.1, 0.0]), event_noun="death", theme="light")
    assert none.finding.startswith("At no threshold")


def test_distances_are_drawn_in_three_classes_and_counted() -> None:
    ct = ModalityDistance(
        name="CT <b>", distance=np.array([0.5, 1.0, 1.5, 3.0, np.nan]), p95=1.2, p99=2.0
    )
    genes = ModalityDistance(name="Genes", distance=np.array([np.nan] * 5), p95=1.0, p99=2.0)
    chart = distance_chart([ct, genes], theme="light")
    drawn = {trace.meta: list(trace.x) for trace in chart.figure.data}
    assert drawn == {
        "up to the 95th": [0.5, 1.0],
        "95th to 99th": [1.5],
        "beyond the 99th": [3.0],
    }
    assert chart.figure.layout.yaxis.ticktext[0] == "CT &lt;b&gt;"
    assert [shape.x0 for shape in chart.figure.layout.shapes] == [1.2, 2.0, 1.0, 2.0]
    assert chart.table[["patients", "beyond_95th", "beyond_99th"]].to_numpy().tolist() == [
        [4, 2, 1],
        [0, 0, 0],
    ]
    assert "1 of 4 patients in CT <b> (25.0 %); 1 % is usual." in chart.finding


def test_thinning_spares_the_far_points_and_none_at_all_says_so() -> None:
    distance = np.concatenate([np.linspace(0, 0.9, 3 * MAX_POINTS), np.full(MAX_POINTS + 1, 9.0)])
    row = ModalityDistance(name="CT", distance=distance, p95=1.0, p99=2.0)
    chart = distance_chart([row], theme="light")
    assert len(of(chart.figure, "up to the 95th")[0].x) == MAX_POINTS
    assert len(of(chart.figure, "beyond the 99th")[0].x) == MAX_POINTS + 1
    assert chart.table["patients"].tolist() == [len(distance)]
    absent = ModalityDistance(name="CT", distance=np.array([np.nan]), p95=1.0, p99=2.0)
    assert not distance_chart([absent], theme="light").figure.data
