"""Attribution figures: order, signs, remainders and shares that add up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboard.figures.attribution import (
    FeatureContribution,
    beeswarm,
    feature_bars,
    method_agreement,
    modality_bars,
    modality_share,
    owc_blocks,
    waterfall,
)
from dashboard.figures.attribution.bars import ordinal
from dashboard.figures.attribution.beeswarm import LANE_HALF_WIDTH, pack
from dashboard.figures.palette import LIGHT


def features(n: int = 30) -> list[FeatureContribution]:
    values = np.random.default_rng(0).normal(size=n)
    return [
        FeatureContribution(name=f"f{i}", contribution=float(v), value=float(i), percentile=50.0)
        for i, v in enumerate(values)
    ]


def only(figure: go.Figure, meta: str) -> Any:
    (trace,) = [trace for trace in figure.data if trace.meta == meta]
    return trace


def test_modalities_are_sorted_by_size_with_direction_in_words_and_colour() -> None:
    chart = modality_bars({"clinical": 0.1, "genomics": -0.5, "pathology": 0.3}, theme="light")
    bars = only(chart.figure, "contributions")
    assert list(bars.x) == [-0.5, 0.3, 0.1]
    assert list(bars.text) == [
        "−0.50<br>lowers risk",
        "+0.30<br>raises risk",
        "+0.10<br>raises risk",
    ]
    assert list(bars.marker.color) == [LIGHT.lowers, LIGHT.raises, LIGHT.raises]
    assert chart.table["contribution"].tolist() == [-0.5, 0.3, 0.1]
    assert "sum −0.10" in chart.finding


def test_a_contribution_that_rounds_to_nothing_is_no_direction() -> None:
    chart = modality_bars({"a": 0.004}, theme="light")
    assert list(only(chart.figure, "contributions").text) == ["0.00<br>no change"]


def test_top_features_and_remainder_sum_to_all_contributions() -> None:
    every = features()
    chart = feature_bars(every, theme="light", k=10)
    bars = only(chart.figure, "contributions")
    assert len(bars.x) == 11
    assert sum(bars.x) == pytest.approx(sum(f.contribution for f in every))
    assert np.all(np.diff(np.abs(bars.x[:10])) <= 0)
    assert chart.figure.layout.yaxis.ticktext[-1] == "20 more"
    assert chart.table["contribution"].tolist() == pytest.approx(list(bars.x))


def test_a_feature_names_its_value_unit_and_percentile_and_a_missing_one_is_hatched() -> None:
    chart = feature_bars(
        [
            FeatureContribution(
                name="tumour size", contribution=0.4, value=23.04, unit="mm", percentile=91.2
            ),
            FeatureContribution(name="grade", contribution=0.3, value=None),
        ],
        theme="dark",
    )
    first, second = chart.figure.layout.yaxis.ticktext
    assert "tumour size" in first
    assert "23 mm, 91st percentile" in first
    assert "(missing)" in second
    assert list(only(chart.figure, "contributions").marker.pattern.shape) == ["", "/"]


def test_no_remainder_row_when_all_features_are_drawn() -> None:
    chart = feature_bars(features(4), theme="light", k=10)
    assert len(chart.table) == 4


@pytest.mark.parametrize(
    ("percentile", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (92, "92nd")]
)
def test_percentiles_are_ordinals(percentile: float, text: str) -> None:
    assert ordinal(percentile) == text


def test_the_waterfall_leads_from_the_baseline_to_the_score() -> None:
    every = features()
    total = -0.4 + sum(f.contribution for f in every)
    chart = waterfall(every, baseline=-0.4, total=total, theme="light", k=5)
    steps = only(chart.figure, "waterfall")
    assert list(steps.measure) == ["absolute", *["relative"] * 6, "total"]
    assert sum(steps.x[:-1]) == pytest.approx(steps.x[-1])
    assert "not attributed" not in chart.finding


def test_what_contributions_leave_unexplained_is_a_row_of_its_own() -> None:
    chart = waterfall(features(3), baseline=0.0, total=5.0, theme="light")
    rows = chart.table.set_index("row")["log_risk"]
    assert rows["not attributed"] == pytest.approx(5 - sum(f.contribution for f in features(3)))
    assert "not attributed" in chart.finding


def explanation(n: int = 100, p: int = 6) -> SimpleNamespace:
    rng = np.random.default_rng(0)
    data = rng.normal(size=(n, p))
    values = data * np.arange(1, p + 1)
    data[0, p - 1] = np.nan
    return SimpleNamespace(values=values, data=data, feature_names=[f"f{j}" for j in range(p)])


def test_beeswarm_lanes_are_the_strongest_features() -> None:
    chart = beeswarm(explanation(), theme="light", k=3)
    assert list(chart.figure.layout.yaxis.ticktext) == ["f5", "f4", "f3"]
    expected = np.abs(explanation().values).mean(axis=0)[[5, 4, 3]]
    assert chart.table["mean_absolute_contribution"].tolist() == pytest.approx(expected.tolist())


def test_beeswarm_colours_by_percentile_and_leaves_missing_values_open() -> None:
    some = explanation()
    chart = beeswarm(some, theme="light", k=6, tokens=[f"t{i}" for i in range(100)])
    known, missing = only(chart.figure, "known"), only(chart.figure, "missing")
    assert len(known.x) + len(missing.x) == 600
    assert list(missing.customdata) == ["t0"]
    assert missing.marker.symbol == "circle-open"
    lane = [i for i, y in enumerate(known.y) if round(y) == 1]
    order = np.argsort(np.asarray(known.x)[lane])
    colours = np.asarray(known.marker.color)[lane][order]
    assert (np.diff(colours) > 0).all()  # contributions here rise with the value


def test_beeswarm_draws_no_more_points_than_allowed_and_says_so() -> None:
    chart = beeswarm(explanation(1000), theme="light", k=5, max_points=500)
    assert sum(len(trace.x) for trace in chart.figure.data) == 500
    assert "1,000 patients; 100 of them drawn" in chart.finding


def test_packing_is_repeatable_and_stays_in_its_lane() -> None:
    x = np.random.default_rng(1).normal(size=300)
    offsets = pack(x)
    assert np.array_equal(offsets, pack(x))
    assert np.abs(offsets).max() <= LANE_HALF_WIDTH
    same = pack(np.zeros(50))
    assert len(np.unique(same)) == 50


def test_shares_sum_to_100_and_the_means_stand_beside_them() -> None:
    groups = {
        "cohort": {"pathology": 0.4, "genomics": 0.6},
        "low": {"pathology": 0.1, "genomics": 0.1},
    }
    chart = modality_share(groups, {"cohort": 90, "low": 30}, theme="light")
    shares = [trace for trace in chart.figure.data if trace.meta == "share"]
    amounts = [trace for trace in chart.figure.data if trace.meta == "amount"]
    assert np.sum([trace.x for trace in shares], axis=0) == pytest.approx([100, 100])
    assert list(amounts[1].x) == [0.6, 0.1]
    assert chart.table.groupby("group")["share_percent"].sum().tolist() == pytest.approx([100, 100])
    assert chart.finding.startswith("genomics carries 60 % of the contributions in cohort")
    assert "90 patients" in chart.finding


def test_a_group_without_contributions_has_no_share() -> None:
    chart = modality_share({"cohort": {"a": 0.0, "b": 0.0}}, {"cohort": 3}, theme="light")
    assert chart.table["share_percent"].tolist() == [0, 0]


def test_method_agreement_writes_every_correlation_and_names_the_worst_pair() -> None:
    names = ["ig", "deeplift", "ablation"]
    rho = np.array([[1, 0.9, 0.4], [0.9, 1, 0.2], [0.4, 0.2, 1]])
    chart = method_agreement(
        pd.DataFrame(rho, index=names, columns=names), n_features=30, theme="dark"
    )
    written = [a.text for a in chart.figure.layout.annotations]
    assert written == [f"{value:.2f}" for value in rho.ravel()]
    assert "ablation and deeplift (Spearman 0.20; 3 pairs compared)" in chart.finding
    assert chart.table["ig"].tolist() == [1, 0.9, 0.4]


def test_block_weights_show_mean_and_range_of_the_patients() -> None:
    chart = owc_blocks({"LMF": [0.2, 0.4], "pathology": [0.5, 0.9]}, theme="light")
    bars = only(chart.figure, "weights")
    assert list(bars.x) == pytest.approx([0.3, 0.7])
    assert list(bars.error_x.array) == pytest.approx([0.1, 0.2])
    assert chart.table["lowest"].tolist() == [0.2, 0.5]
