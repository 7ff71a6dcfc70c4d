"""Curves and hazards of held-out patients: groups, p-values, counts and who is left out."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from lifelines import KaplanMeierFitter

from camlif.data.schema import Endpoint
from camlif.exceptions import EstimationError
from camlif.study.heldout import MEDIAN, QUARTILES, TERTILES
from dashboard.figures.layout import DIGITS
from dashboard.figures.palette import LIGHT
from dashboard.figures.study.hazard_panels import hazard_panels, swarm
from dashboard.figures.study.small_multiples import curves_by_variant
from dashboard.figures.study.strata_and_grades import (
    NO_GRADE,
    name_rows,
    pooling_words,
    strata_chart,
)
from tests.dashboard.figures.study.figures import curve_panel, hazards, panel, patients

DEATH = Endpoint()


def traces(figure: go.Figure, meta: str) -> list[Any]:
    return [trace for trace in figure.data if trace.meta == meta]


# Curves by variant


def test_every_panel_has_its_numbers_and_bands_and_no_p_value() -> None:
    panels = [curve_panel("one", seed=1), curve_panel("two", n=200, seed=2)]
    figure = curves_by_variant(panels, theme="light", endpoint=DEATH).figure
    for drawn, note in zip(panels, figure.layout.annotations, strict=True):
        assert f"n = {len(drawn.followed)}" in note.text
        assert "log-rank" not in note.text
    assert len(traces(figure, "band")) == 2 * 2 * 2  # both edges of two groups in two panels


def test_the_band_of_a_panel_is_the_interval_of_lifelines() -> None:
    drawn = curve_panel("one")
    chart = curves_by_variant([drawn], theme="light", endpoint=DEATH, months_or_years="months")
    low_edge = next(t for t in traces(chart.figure, "band") if t.legendgroup == "low")
    low = drawn.stratum == "low"
    fitter = KaplanMeierFitter().fit(drawn.followed.duration[low], drawn.followed.event[low])
    interval = fitter.confidence_interval_survival_function_
    rounding = 10.0**-DIGITS
    times = np.array(low_edge.x)[1:-1] + rounding
    row = np.searchsorted(interval.index, times, side="right") - 1
    expected = (100 * interval.iloc[row, 0]).tolist()
    assert list(low_edge.y[1:-1]) == pytest.approx(expected, abs=rounding)


def test_the_finding_says_how_many_of_each_group_are_alive() -> None:
    drawn = curve_panel("one")
    finding = curves_by_variant([drawn], theme="light", endpoint=DEATH).finding
    months = int(re.findall(r"at (\d+) months", finding)[0])
    for name in ("low", "high"):
        own = drawn.stratum == name
        fitter = KaplanMeierFitter().fit(drawn.followed.duration[own], drawn.followed.event[own])
        assert f"{name} {100 * float(fitter.predict(months)):.0f}" in finding


def test_curves_of_a_panel_equal_lifelines() -> None:
    drawn = curve_panel("one")
    chart = curves_by_variant([drawn], theme="light", endpoint=DEATH, months_or_years="months")
    curve = next(t for t in traces(chart.figure, "curve") if t.legendgroup == "low")
    low = drawn.stratum == "low"
    fitter = KaplanMeierFitter().fit(drawn.followed.duration[low], drawn.followed.event[low])
    expected = 100 * fitter.survival_function_at_times(np.array(curve.x) + 1e-9).to_numpy()
    assert list(curve.y) == pytest.approx(expected.tolist())


def test_panels_share_their_axes() -> None:
    panels = [curve_panel(str(k), seed=k) for k in range(6)]
    layout = curves_by_variant(panels, theme="light", endpoint=DEATH).figure.layout
    names = ["xaxis", *(f"xaxis{k}" for k in range(2, 7))]
    assert len({tuple(layout[name].range) for name in names}) == 1
    assert sum(layout[name].matches is None for name in names) == 1  # the one they follow


def test_groups_followed_too_briefly_are_said_to_be() -> None:
    finding = curves_by_variant([curve_panel("few", n=14)], theme="light", endpoint=DEATH).finding
    assert "followed too briefly to compare" in finding


def test_the_legend_explains_each_group_once() -> None:
    panels = [curve_panel(str(k), seed=k) for k in range(3)]
    figure = curves_by_variant(panels, theme="light", endpoint=DEATH).figure
    shown = [trace.name for trace in figure.data if trace.showlegend]
    assert shown == ["low risk group of the model", "high risk group of the model"]


# Hazard by subtype


def test_points_are_the_patients_with_subtype_and_grade() -> None:
    drawn = panel("CA-MLIF")
    figure = hazard_panels([drawn], theme="light", unit="u").figure
    known = [
        z
        for z, subtype, grade in zip(drawn.z, drawn.subtype, drawn.grade, strict=True)
        if subtype is not None and grade is not None
    ]
    shown = np.concatenate([trace.y for trace in traces(figure, "points")])
    assert sorted(shown) == pytest.approx(sorted(known))


def test_the_finding_has_medians_counts_and_what_was_left_out() -> None:
    drawn = panel("CA-MLIF")
    chart = hazard_panels(
        [panel("other"), drawn], theme="light", unit="one row per patient", order=("ODG", "IWA")
    )
    keep = [s == "ODG" and g is not None for s, g in zip(drawn.subtype, drawn.grade, strict=True)]
    median, n = np.median(drawn.z[keep]), sum(keep)
    sign = "+" if median > 0 else "−"
    assert f"of CA-MLIF: ODG {sign}{abs(median):.2f} (n = {n})" in chart.finding
    left_out = sum(s is None or g is None for s, g in zip(drawn.subtype, drawn.grade, strict=True))
    assert chart.finding.endswith(
        f"one row per patient; {left_out} without subtype or grade left out."
    )


def test_models_share_the_scale_of_z() -> None:
    wide = panel("wide")
    wide = replace(wide, z=3 * wide.z)
    layout = hazard_panels([panel("narrow"), wide], theme="light", unit="u").figure.layout
    assert layout.yaxis.range == layout.yaxis2.range
    low, high = layout.yaxis.range
    known = [z for z, s, g in zip(wide.z, wide.subtype, wide.grade, strict=True) if s and g]
    assert low < min(known) < max(known) < high


def test_grades_have_the_tones_of_the_paper() -> None:
    drawn = panel("x")
    roman = replace(drawn, grade=[g if g in ("II", "III", "IV") else None for g in drawn.grade])
    figure = hazard_panels([roman], theme="light", unit="u").figure
    tones = {t.legendgroup: t.marker.line.color for t in traces(figure, "legend")}
    assert tones == dict(zip(("II", "III", "IV"), LIGHT.grades[1:], strict=True))


def test_a_cohort_without_grades_says_so() -> None:
    drawn = replace(panel("x"), grade=[None] * 1000)
    chart = hazard_panels([drawn], theme="light", unit="u", column_title="WHO subtype")
    assert chart.finding.startswith("No patient has both WHO subtype and grade")


def test_the_table_holds_no_single_patient() -> None:
    table = hazards().table
    assert set(table.columns) == {"model", "subtype", "grade", "n", "q1_z", "median_z", "q3_z"}
    assert len(table) == 4 * 3 * 4


def test_boxes_have_a_grade_within_each_subtype() -> None:
    figure = hazards(boxes=True).figure
    assert len(traces(figure, "boxes")) == 4 * 4
    assert traces(figure, "points") == []


def test_a_box_has_the_quartiles_of_its_grade_and_subtype() -> None:
    drawn = panel("x")
    figure = hazard_panels([drawn], theme="light", unit="u", order=("IWA",), boxes=True).figure
    box = next(t for t in traces(figure, "boxes") if t.legendgroup == "II")
    own = [
        z
        for z, subtype, grade in zip(drawn.z, drawn.subtype, drawn.grade, strict=True)
        if (subtype, grade) == ("IWA", "II")
    ]
    expected = np.percentile(own, [25, 50, 75])
    assert [box.q1[0], box.median[0], box.q3[0]] == pytest.approx(expected.tolist())
    assert min(own) <= box.lowerfence[0] < box.q1[0]
    assert box.q3[0] < box.upperfence[0] <= max(own)


@pytest.mark.parametrize(
    ("n", "meta", "kind"),
    [(2000, "points", "scatter"), (4000, "points", "scattergl"), (40_000, "boxes", "box")],
)
def test_many_points_are_drawn_by_lighter_means(n: int, meta: str, kind: str) -> None:
    figure = hazard_panels([panel("x", n)], theme="light", unit="u").figure
    assert {trace.type for trace in traces(figure, meta)} == {kind}


def test_dots_of_a_swarm_never_leave_their_column() -> None:
    offsets = swarm(np.zeros(200))
    assert np.abs(offsets).max() <= 0.42
    assert len(np.unique(offsets)) == 200
    assert swarm(np.array([0.0, 1.0, 2.0])).tolist() == [0, 0, 0]


# Strata against grades


def test_strata_of_held_out_risks_are_not_tested_and_why_is_said() -> None:
    chart = strata_chart(patients(), TERTILES, theme="light", endpoint=DEATH)
    assert chart.finding.count("No log-rank p-value: held-out risks come from models") == 1
    assert "p = " not in chart.finding
    assert "p < " not in chart.finding


def test_grades_are_dashed_and_strata_solid() -> None:
    figure = strata_chart(patients(), QUARTILES, theme="light", endpoint=DEATH).figure
    dash = {t.legendgroup: t.line.dash for t in figure.data if t.meta in ("curve", "tail")}
    assert {name: d for name, d in dash.items() if "quarter" in name} == dict.fromkeys(
        ("first quarter", "second quarter", "third quarter", "fourth quarter"), "solid"
    )
    assert {d for name, d in dash.items() if "grade" in name} & {"solid"} == set()


def test_patients_without_a_grade_are_counted() -> None:
    found = patients()
    n = sum(grade is None for grade in found.grade)
    finding = strata_chart(found, TERTILES, theme="light", endpoint=DEATH).finding
    assert f"{n} rows without grade left out of the grades." in finding


def test_a_cohort_without_grades_has_a_binary_figure_only() -> None:
    bare = replace(patients(), grade=[None] * 240)
    with pytest.raises(EstimationError, match=re.escape(NO_GRADE)):
        strata_chart(bare, QUARTILES, theme="light", endpoint=DEATH)
    chart = strata_chart(bare, MEDIAN, theme="light", endpoint=DEATH, against_grades=False)
    assert "No log-rank p-value" in chart.finding


def test_equal_risks_that_empty_a_stratum_are_explained() -> None:
    found = patients()
    flat = replace(found, held=replace(found.held, risk=np.zeros(240)))
    with pytest.raises(EstimationError, match="leave nobody in low, intermediate: too many are"):
        strata_chart(flat, TERTILES, theme="light", endpoint=DEATH)


def test_pooled_rows_are_never_called_patients() -> None:
    pooled = patients(unit="pooled")
    chart = strata_chart(pooled, TERTILES, theme="light", endpoint=DEATH)
    assert "patient" not in chart.finding
    assert "240 pooled rows" in chart.finding
    assert "No log-rank p-value" in chart.finding
    assert "it would be too small" in chart.finding


def test_pooling_is_said_with_rows_patients_and_splits() -> None:
    assert pooling_words(patients().held) == (
        "one row per patient, the mean z over the splits that tested it: 240 patients, 15 splits"
    )
    assert pooling_words(patients(unit="pooled").held) == (
        "one row per patient and split, pooled: 240 rows of 80 patients, 15 splits"
    )


def test_a_finding_on_patients_keeps_its_words() -> None:
    chart = hazards()
    assert name_rows(chart, patients().held) is chart


def test_a_part_of_the_patients_is_counted_anew() -> None:
    found = patients(unit="pooled")
    part = found.take(np.array([subtype == "ODG" for subtype in found.subtype]))
    assert set(part.subtype) == {"ODG"}
    assert len(part.held) == len(part.followed) == len(part.grade) == 60
    assert part.held.n_patients == len(set(part.held.patient_id.tolist()))
