"""Figures of a case as it is and as changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from camlif.data.schema import Endpoint
from dashboard.figures.prediction import PredictedCurve
from dashboard.figures.what_if import (
    AFTER,
    BEFORE,
    changed_contributions,
    changed_curves,
    changed_members,
)

TIMES = np.arange(61.0)


def only(figure: go.Figure, meta: str) -> Any:
    (trace,) = [trace for trace in figure.data if trace.meta == meta]
    return trace


def predicted(rate: float) -> PredictedCurve:
    curve = PredictedCurve.shown(
        TIMES, np.exp(-rate * TIMES), np.exp(-1.2 * rate * TIMES), np.exp(-0.8 * rate * TIMES)
    )
    assert curve is not None
    return curve


def test_before_is_dashed_and_after_is_solid() -> None:
    chart = changed_curves(predicted(0.01), predicted(0.02), endpoint=Endpoint(), theme="light")
    assert only(chart.figure, BEFORE).line.dash == "dash"
    assert only(chart.figure, AFTER).line.dash == "solid"
    # exp(-0.36) = 0.70 and exp(-0.72) = 0.49 at 36 months; interval exp(-0.864) to exp(-0.576).
    words = "alive at 3 years: about 70 as it is, about 49 as changed (model interval 42 to 56)"
    assert words in chart.finding
    assert set(chart.table["group"]) == {BEFORE, AFTER}


def test_survival_below_5_of_100_is_no_number() -> None:
    chart = changed_curves(predicted(0.01), predicted(0.15), endpoint=Endpoint(), theme="light")
    assert "fewer than 5 as changed (model interval fewer than 5)" in chart.finding
    assert only(chart.figure, AFTER).hovertext[36].endswith("36 months: fewer than 5 of 100")


def test_a_hidden_curve_leaves_nothing_to_compare() -> None:
    chart = changed_curves(predicted(0.01), None, endpoint=Endpoint(), theme="light")
    assert "hidden or not predicted" in chart.finding
    assert not [t for t in chart.figure.data if t.meta in (BEFORE, AFTER)]


def test_each_model_is_linked_to_itself() -> None:
    chart = changed_members(
        [-1.0, 0.2, 0.5],
        [0.5, 0.1, 1.5],
        cutoffs=(0.0, 1.0),
        strata=("low", "mid", "top"),
        theme="light",
    )
    np.testing.assert_array_equal(only(chart.figure, BEFORE).x, [-1.0, 0.2, 0.5])
    np.testing.assert_array_equal(only(chart.figure, AFTER).x, [0.5, 0.1, 1.5])
    links = np.asarray(only(chart.figure, "links").x, dtype=float).reshape(3, 3)
    np.testing.assert_array_equal(links[:, :2], [[-1.0, 0.5], [0.2, 0.1], [0.5, 1.5]])
    assert "2 move up and 1 moves down; 2 place the changed case in mid" in chart.finding
    assert only(chart.figure, BEFORE).marker.symbol == "circle-open"


def test_models_that_abstain_are_not_drawn() -> None:
    chart = changed_members(
        [0.1, 0.2], [np.nan, np.nan], cutoffs=(0.0,), strata=("low", "high"), theme="light"
    )
    assert "No model scores" in chart.finding


def test_contributions_stand_side_by_side_and_sum_up() -> None:
    chart = changed_contributions({"A": 0.5, "B": -0.2}, {"A": -0.4, "B": -0.2}, theme="dark")
    assert list(only(chart.figure, BEFORE).x) == [0.5, -0.2]
    assert list(only(chart.figure, AFTER).x) == [-0.4, -0.2]
    assert "A changes most: +0.50 to −0.40; the sum goes from +0.30 to −0.60" in chart.finding
