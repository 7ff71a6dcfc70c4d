"""Survivors, forest, agreement, overlap and C-index."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from camlif.data.schema import Endpoint
from camlif.statistics import HazardRatio
from camlif.statistics.splits import Interval
from dashboard.figures.agreement import NARROWEST_PX, agreement_strip, stack
from dashboard.figures.discrimination import c_index_dots
from dashboard.figures.forest import forest_chart
from dashboard.figures.layout import CHARACTER_PX
from dashboard.figures.overlap import overlap_chart
from dashboard.figures.survivors import interval_composition, short_long_chart

STRATA = ("low", "intermediate", "high")


def of(figure: go.Figure, meta: str) -> list[Any]:
    return [trace for trace in figure.data if trace.meta == meta]


def test_survivors_count_observed_events_only_and_the_cutoff_itself_is_short() -> None:
    chart = short_long_chart(
        [1.0, 0.5, -1.0, 0.0, np.nan],
        [1, 1, 1, 0, 1],
        [10, 42, 43, 20, 5],
        cutoff_months=42,
        endpoint=Endpoint(),
        theme="light",
    )
    patients = chart.table.groupby("survival", sort=False)["patients"].sum()
    assert patients.to_dict() == {"42 months or less": 2, "more than 42 months": 1}
    assert "among 3 patients with the event (death); 1 patient without it left out" in chart.finding


def test_survivor_densities_integrate_to_one_on_common_bins() -> None:
    rng = np.random.default_rng(0)
    chart = short_long_chart(
        rng.normal(size=300) * 2,
        np.ones(300),
        rng.exponential(40, 300),
        cutoff_months=42,
        endpoint=Endpoint(),
        theme="dark",
    )
    width = chart.table["high_z"] - chart.table["low_z"]
    area = (chart.table["density"] * width).groupby(chart.table["survival"]).sum()
    assert area.tolist() == pytest.approx([1, 1])
    assert chart.table["patients"].sum() == 300  # the axis grows, nobody falls outside


def test_composition_of_hazard_intervals() -> None:
    table = interval_composition([0.0, 0.5, 1.0, 2.0], ["II", "IV", "IV", "II"], [(0, 1), (1, 3)])
    assert table[["n", "II", "IV"]].to_numpy().tolist() == [[2, 1, 1], [2, 1, 1]]
    assert table["z"].tolist() == ["0.00 to +1.00", "+1.00 to +3.00"]


def test_open_ends_of_hazard_intervals_are_said_in_words() -> None:
    ends = [(-np.inf, -1.4), (-1.4, 0.5), (0.5, np.inf)]
    table = interval_composition([0.0, 2.0], ["II", "IV"], ends)
    assert table["z"].tolist() == ["below −1.40", "−1.40 to +0.50", "+0.50 and over"]
    assert "nfinity" not in table.to_json()


ROWS = (
    HazardRatio(name="score", ratio=1.82, low=1.31, high=2.53, p_value=0.0002),
    HazardRatio(name="grade II", ratio=1, low=0.5, high=2, p_value=1.0),
    HazardRatio(name="rare", ratio=80.0, low=0.001, high=np.inf, p_value=0.4),
)


def test_forest_writes_ratio_interval_and_p_and_draws_a_line_at_one() -> None:
    chart = forest_chart(ROWS, n=612, events=214, theme="light")
    texts = [a.text for a in chart.figure.layout.annotations]
    assert texts[:2] == ["1.82 (1.31 to 2.53), p &lt; 0.001", "1.00 (0.50 to 2.00), p = 1"]
    assert chart.figure.layout.xaxis.type == "log"
    assert [shape.x0 for shape in chart.figure.layout.shapes] == [1]
    assert chart.table["hazard_ratio"].tolist() == [1.82, 1, 80]
    assert "612 patients with 214 events" in chart.finding


def test_an_interval_beyond_the_axis_ends_in_an_arrow() -> None:
    figure = forest_chart(ROWS, n=10, events=5, theme="light").figure
    low, high = 10 ** np.asarray(figure.layout.xaxis.range)
    wide = of(figure, "interval")[2]
    assert list(wide.marker.symbol) == ["arrow-left", "arrow-right"]
    assert list(wide.x) == pytest.approx([low, high])


def test_agreement_counts_members_that_did_not_see_the_case() -> None:
    chart = agreement_strip(
        [1.0, 1.2, 0.1, 1.5, np.nan],
        [True, True, True, False, True],
        cutoffs=(-0.5, 0.5),
        strata=STRATA,
        theme="light",
        ensemble=(0.77, 0.1, 1.4),
    )
    assert chart.finding == (
        "2 of 3 models place this case in high (mean z +0.77); 1 that saw it is not counted."
    )
    assert sorted(of(chart.figure, "used")[0].x) == [0.1, 1.0, 1.2]
    assert list(of(chart.figure, "unused")[0].x) == [1.5]
    assert chart.table["stratum"].tolist() == ["high", "high", "intermediate", "high", None]


def test_a_member_on_a_cutoff_is_in_the_upper_stratum() -> None:
    chart = agreement_strip([0.5], [True], cutoffs=(0.5,), strata=("low", "high"), theme="dark")
    assert chart.table["stratum"].tolist() == ["high"]


def test_bands_and_cutoffs_are_drawn_for_every_stratum() -> None:
    figure = agreement_strip(
        [0.0], [True], cutoffs=(-0.5, 0.5), strata=STRATA, theme="light"
    ).figure
    assert [s.x0 for s in figure.layout.shapes if s.type == "line"] == [-0.5, 0.5]
    assert [a.text for a in figure.layout.annotations] == list(STRATA)


@pytest.mark.parametrize("cutoffs", [(-0.1, 0.1), (-1.9, -1.7), (1.8, 1.95), (-2.4, 2.4)])
def test_names_of_the_strata_stand_above_the_cutoff_lines_and_clear_of_one_another(
    cutoffs: tuple[float, float],
) -> None:
    figure = agreement_strip(
        [0.0], [True], cutoffs=cutoffs, strata=STRATA, theme="dark", compact=True
    ).figure
    names = figure.layout.annotations
    assert {(a.yref, a.y, a.yanchor) for a in names} == {("paper", 1, "bottom")}
    assert {s.y1 for s in figure.layout.shapes} == {1}
    low, high = figure.layout.xaxis.range
    px = [NARROWEST_PX * (a.x - low) / (high - low) for a in names]
    half = [CHARACTER_PX * len(a.text) / 2 for a in names]
    assert px[0] >= half[0] - 0.01
    assert px[-1] <= NARROWEST_PX - half[-1] + 0.01
    assert all(px[i] + half[i] <= px[i + 1] - half[i + 1] + 0.01 for i in range(len(names) - 1))


def test_a_case_that_every_member_saw_has_no_count() -> None:
    chart = agreement_strip(
        [1.0, 2.0], [False, False], cutoffs=(0,), strata=("a", "b"), theme="dark"
    )
    assert chart.finding.startswith("No unbiased prediction: 0 of 2")


def test_stacked_dots_never_touch() -> None:
    x = np.random.default_rng(0).normal(size=60)
    height = stack(x, 0.2)
    for level in range(height.max() + 1):
        assert np.diff(np.sort(x[height == level])).min(initial=1.0) >= 0.2


def test_overlap_counts_every_combination_and_every_modality() -> None:
    presence = [[1, 1], [1, 1], [1, 0], [0, 1], [0, 0], [1, 1]]
    chart = overlap_chart(presence, ["pathology", "genomics"], theme="light")
    assert chart.table.set_index("modalities")["patients"].to_dict() == {
        "pathology + genomics": 3,
        "pathology": 1,
        "genomics": 1,
        "none": 1,
    }
    assert list(of(chart.figure, "counts")[0].y) == chart.table["patients"].tolist()
    assert list(chart.figure.layout.yaxis2.ticktext) == ["pathology (n = 4)", "genomics (n = 4)"]
    assert chart.finding == "3 of 6 patients have all 2 modalities; 1 has none."


def test_overlap_matrix_links_the_modalities_of_a_combination() -> None:
    figure = overlap_chart([[1, 0, 1]], ["a", "b", "c"], theme="dark").figure
    assert [list(trace.y) for trace in of(figure, "link")] == [[0, 2]]
    assert list(of(figure, "present")[0].y) == [0, 2]
    assert list(of(figure, "absent")[0].y) == [1]


def test_rare_combinations_stay_in_the_table() -> None:
    presence = [[i >> j & 1 for j in range(4)] for i in range(16) for _ in range(20 - i)]
    chart = overlap_chart(presence, list("abcd"), theme="light", max_combinations=5)
    assert len(of(chart.figure, "counts")[0].y) == 5
    assert chart.table["patients"].sum() == len(presence)
    assert "the 11 rarest combinations (110 patients) are in the table only" in chart.finding


def test_c_index_shows_splits_mean_interval_chance_and_ceiling() -> None:
    splits = [0.70, 0.72, 0.74]
    chart = c_index_dots(
        splits,
        Interval(value=0.72, low=0.69, high=0.75),
        scheme="covering",
        n=500,
        events=210,
        theme="light",
        heldout=Interval(value=0.715, low=0.68, high=0.74),
        oracle=0.81,
    )
    assert list(of(chart.figure, "splits")[0].x) == splits
    assert [list(t.x) for t in of(chart.figure, "interval")] == [
        [0.69, 0.72, 0.75],
        [0.68, 0.715, 0.74],
    ]
    assert [shape.x0 for shape in chart.figure.layout.shapes] == [0.5, 0.81]
    low, high = chart.figure.layout.xaxis.range
    assert low < 0.5
    assert high > 0.81
    assert chart.table.set_index("what")["c_index"].to_dict()["true log-hazard"] == 0.81
    assert chart.finding == (
        "Mean C-index 0.720 (95 % interval 0.690 to 0.750) over 3 covering splits; "
        "500 patients, 210 events; the true log-hazard reaches 0.810."
    )


def test_forest_says_no_p_of_a_row_whose_test_would_be_wrong() -> None:
    names = [row.name for row in ROWS]
    chart = forest_chart(ROWS, n=612, events=214, theme="light", untested=names[:1])
    texts = [a.text for a in chart.figure.layout.annotations]
    assert texts[:2] == ["1.82 (1.31 to 2.53)", "1.00 (0.50 to 2.00), p = 1"]
    assert chart.table["p"].isna().tolist() == [True, False, False]
    assert "smallest p" not in chart.finding
