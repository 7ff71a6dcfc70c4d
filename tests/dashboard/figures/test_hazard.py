"""Hazard scatter: nobody is lost, points stay put, selection sees tokens only."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from dashboard.figures.hazard import HazardPoints, hazard_chart, jitter
from dashboard.figures.palette import Theme

CUTOFFS = {"low | high": 0.2}


def points(n: int = 120, seed: int = 0, *, subtype: bool = True) -> HazardPoints:
    rng = np.random.default_rng(seed)
    names = rng.choice(["IWA", "IMA", "ODG"], n)
    shift = {"IWA": 2.0, "IMA": 0.0, "ODG": -2.0}
    return HazardPoints(
        token=[f"t{i}" for i in range(n)],
        z=rng.normal(size=n) * 0.3 + np.array([shift[name] for name in names]),
        subtype=names.tolist() if subtype else None,
        grade=rng.choice(["II", "III", "IV"], n).tolist(),
        stratum=rng.choice(["low", "high", "intermediate"], n).tolist(),
    )


def drawn(figure: go.Figure) -> list[Any]:
    return [trace for trace in figure.data if trace.meta == "points"]


def column_names(figure: go.Figure) -> list[str]:
    return [text.split("<br>")[0] for text in figure.layout.xaxis.ticktext]


def test_columns_are_ordered_by_their_median() -> None:
    figure = hazard_chart(points(), cutoffs=CUTOFFS, theme="light").figure
    assert column_names(figure) == ["ODG", "IMA", "IWA"]


def test_patients_without_a_subtype_keep_a_last_column_and_are_counted() -> None:
    known = points(40)
    assert known.subtype is not None
    subtype = [None, float("nan"), " ", *list(known.subtype)[3:]]
    chart = hazard_chart(
        HazardPoints(token=known.token, z=known.z + 0, subtype=subtype, grade=known.grade),
        cutoffs=CUTOFFS,
        theme="light",
    )
    assert column_names(chart.figure)[-1] == "not given"
    assert sum(len(trace.x) for trace in drawn(chart.figure)) == 40
    assert "subtype not given for 3" in chart.finding


def test_unscored_patients_are_left_out_and_counted() -> None:
    some = points(30)
    z = some.z.copy()
    z[:4] = np.nan
    chart = hazard_chart(
        HazardPoints(token=some.token, z=z, subtype=some.subtype), cutoffs={}, theme="dark"
    )
    assert sum(len(trace.x) for trace in drawn(chart.figure)) == 26
    assert "26 patients scored" in chart.finding
    assert "4 without a score" in chart.finding


def test_customdata_holds_the_token_and_nothing_else() -> None:
    chart = hazard_chart(points(), cutoffs=CUTOFFS, theme="light", current="t3")
    tokens = [t for trace in drawn(chart.figure) for t in trace.customdata]
    assert sorted(tokens) == sorted(f"t{i}" for i in range(120))
    others = [t for t in chart.figure.data if t.meta not in ("points", "current")]
    assert all(trace.customdata is None for trace in others)


def test_a_point_keeps_its_place_when_others_are_filtered_out() -> None:
    some = points()
    assert some.subtype is not None
    assert some.grade is not None

    def places(rows: list[int]) -> dict[str, float]:
        part = HazardPoints(
            token=[some.token[i] for i in rows],
            z=some.z[rows],
            subtype=[some.subtype[i] for i in rows],  # type: ignore[index]
            grade=[some.grade[i] for i in rows],  # type: ignore[index]
        )
        figure = hazard_chart(part, cutoffs={}, theme="light").figure
        return {
            t: x for trace in drawn(figure) for t, x in zip(trace.customdata, trace.x, strict=True)
        }

    everyone, half = places(list(range(120))), places(list(range(0, 120, 2)))
    assert {t: everyone[t] for t in half} == pytest.approx(half)


def test_jitter_fills_the_unit_interval() -> None:
    values = np.array([jitter(f"t{i}") for i in range(500)])
    assert 0 <= values.min() < 0.05
    assert 0.95 < values.max() <= 1


def test_points_lie_right_of_the_half_violin() -> None:
    figure = hazard_chart(points(), cutoffs={}, theme="light").figure
    for trace in drawn(figure):
        assert ((np.asarray(trace.x) % 1) < 0.5).all()
    for trace in figure.data:
        if trace.meta == "violin":
            assert (np.asarray(trace.x) <= np.asarray(trace.x)[0]).all()


def test_grades_are_told_apart_by_colour_fill_and_size() -> None:
    figure = hazard_chart(points(), cutoffs={}, theme="light").figure
    styles = {(t.marker.line.color, t.marker.color, t.marker.size) for t in drawn(figure)}
    assert [len({s[i] for s in styles}) for i in range(3)] == [3, 3, 3]


def test_without_subtypes_the_columns_are_the_strata_in_order_of_risk() -> None:
    chart = hazard_chart(points(subtype=False), cutoffs={}, theme="light")
    assert column_names(chart.figure) == ["low", "intermediate", "high"]
    assert "risk group" in chart.finding


def test_the_table_carries_the_medians_drawn_and_counts_everyone() -> None:
    chart = hazard_chart(points(), cutoffs=CUTOFFS, theme="light")
    whole = chart.table[chart.table["grade"] == "all"].set_index("column")
    lines = [trace.y[0] for trace in chart.figure.data if trace.meta == "median"]
    assert whole["median_z"].loc[column_names(chart.figure)].tolist() == pytest.approx(lines)
    assert whole["n"].sum() == 120
    above = whole["at_or_above low | high (+0.20)"].sum()
    assert above == (points().z >= 0.2).sum()


def test_the_current_case_is_ringed_and_labelled() -> None:
    some = points()
    figure = hazard_chart(some, cutoffs={}, theme="dark", current="t7").figure
    (ring,) = [trace for trace in figure.data if trace.meta == "current"]
    assert ring.y[0] == some.z[7]
    assert any(str(a.text).startswith("this case") for a in figure.layout.annotations)


@pytest.mark.parametrize(
    ("n", "kind"), [(2_000, "scatter"), (2_001, "scattergl"), (20_000, "scattergl")]
)
def test_points_are_svg_up_to_2000_and_webgl_up_to_20000(n: int, kind: str) -> None:
    figure = hazard_chart(points(n), cutoffs={}, theme="light").figure
    assert {trace.type for trace in drawn(figure)} == {kind}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_above_20000_a_density_counts_everyone_and_points_come_on_demand(theme: Theme) -> None:
    chart = hazard_chart(
        points(20_001), cutoffs=CUTOFFS, theme=theme, current="t5", on_demand=["t1", "t2"]
    )
    (density,) = [trace for trace in chart.figure.data if trace.meta == "density"]
    assert np.nansum(density.z) == 20_001
    assert sorted(t for trace in drawn(chart.figure) for t in trace.customdata) == [
        "t1",
        "t2",
        "t5",
    ]


def test_many_subtypes_share_a_column_and_nobody_is_lost() -> None:
    n = 200
    part = HazardPoints(
        token=[str(i) for i in range(n)],
        z=np.linspace(-1, 1, n),
        subtype=[f"s{i % 40}" for i in range(n)],
    )
    chart = hazard_chart(part, cutoffs={}, theme="light")
    assert len(column_names(chart.figure)) == 12
    assert column_names(chart.figure)[-1] == "other"
    assert sum(len(trace.x) for trace in drawn(chart.figure)) == n


def test_nobody_scored_says_so() -> None:
    nobody = HazardPoints(token=["a"], z=np.array([np.nan]), subtype=["IWA"])
    chart = hazard_chart(nobody, cutoffs=CUTOFFS, theme="light")
    assert chart.finding == "No patient has a score (1 patient unscored)."
    assert chart.table.empty
