"""Dots and slopes of a study: the numbers drawn are those of the results, printed values apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from camlif.statistics.splits import corrected_interval
from dashboard.figures.study.differences import slope_chart
from dashboard.figures.study.dots import ZoomedAxis, dot_chart
from dashboard.figures.study.rows import C_INDEX, MEASURES, paired_rows, study_rows
from tests.dashboard.figures.study.figures import (
    NO_CA,
    PRINTED,
    REFERENCE,
    dots,
    results,
    slopes,
)


def traces(figure: go.Figure, meta: str) -> list[Any]:
    return [trace for trace in figure.data if trace.meta == meta]


def texts(figure: go.Figure) -> list[str]:
    return [note.text for note in figure.layout.annotations]


def values_of(key: tuple[str, str, str]) -> np.ndarray[Any, np.dtype[np.float64]]:
    table = results()
    own = (table[["method", "variant", "head"]] == list(key)).all(axis=1)
    return table.loc[own, "c_index"].to_numpy()


def test_rows_with_matched_heads_stand_apart_from_native_ones() -> None:
    rows = study_rows(results(), C_INDEX)
    assert [(row.section, row.title) for row in rows[2:5]] == [
        ("Published rivals, matched heads", "GPDBN"),
        ("Published rivals, matched heads", "MCAT"),
        ("Published rivals, native heads", "GPDBN, native"),
    ]


def test_the_filled_dot_is_the_mean_of_this_run_with_the_corrected_interval() -> None:
    (means,) = traces(dots().figure, "means")
    own = corrected_interval(values_of(REFERENCE), n_train=80, n_test=20)
    assert means.x[0] == pytest.approx(own.mean)
    assert means.x[0] + means.error_x.array[0] == pytest.approx(own.high)
    assert means.x[0] - means.error_x.arrayminus[0] == pytest.approx(own.low)
    assert f"{own.mean:.3f} ({own.low:.3f} to {own.high:.3f})" in texts(dots().figure)


def test_the_thin_dots_are_the_splits() -> None:
    (splits,) = traces(dots().figure, "splits")
    expected = [row.values for row in study_rows(results(), C_INDEX)]
    assert list(splits.x) == pytest.approx(np.concatenate(expected).tolist())


def test_printed_values_are_hollow_marks_and_enter_no_mean() -> None:
    with_marks, without = (
        dots().figure,
        dot_chart(study_rows(results(), C_INDEX), C_INDEX, theme="light").figure,
    )
    (printed,) = traces(with_marks, "printed")
    assert list(printed.x) == [PRINTED[REFERENCE], PRINTED[NO_CA]]
    assert printed.marker.symbol == "diamond-open"
    assert traces(without, "printed") == []
    assert list(traces(with_marks, "means")[0].x) == list(traces(without, "means")[0].x)


def test_only_the_c_index_has_printed_values() -> None:
    rows = study_rows(results(), MEASURES["Integrated Brier score"], printed=PRINTED)
    assert all(row.printed is None for row in rows)


def test_that_printed_values_do_not_compare_is_written_on_a_chart_that_has_them() -> None:
    rows = study_rows(results(), C_INDEX, printed=PRINTED)
    told = dot_chart(rows, C_INDEX, theme="light", not_comparable="not comparable")
    assert "not comparable" in texts(told.figure)
    bare = dot_chart(study_rows(results(), C_INDEX), C_INDEX, theme="light", not_comparable="no")
    assert "no" not in texts(bare.figure)


def test_a_zoomed_axis_is_broken_between_chance_and_the_data() -> None:
    figure = dots().figure
    axis = figure.layout.xaxis
    assert axis.ticktext[0] == "0.5<br>chance"
    shown = [*traces(figure, "splits")[0].x, *PRINTED.values()]
    assert axis.range[0] < axis.tickvals[0] < min(shown)
    assert axis.tickvals[0] > 0.5  # not to scale, hence the mark
    assert "//" in texts(figure)


def test_an_axis_that_reaches_chance_has_no_break() -> None:
    axis = ZoomedAxis.around([0.51, 0.7], 0.5)
    assert not axis.broken
    assert axis.anchor_at == 0.5
    assert axis.start <= 0.5


def test_every_value_lies_on_the_axis() -> None:
    figure = dots().figure
    low, high = figure.layout.xaxis.range
    (means,) = traces(figure, "means")
    drawn = [
        *traces(figure, "splits")[0].x,
        *traces(figure, "printed")[0].x,
        *(np.array(means.x) + means.error_x.array),
        *(np.array(means.x) - means.error_x.arrayminus),
    ]
    assert low < min(drawn)
    assert max(drawn) < high


def test_a_split_without_the_measure_is_left_out_of_its_rows() -> None:
    rows = study_rows(results(), MEASURES["AUC at 60 months"])
    assert {len(row.values) for row in rows} == {14}
    assert 2 not in rows[0].split


def test_chosen_splits_only_are_used() -> None:
    rows = study_rows(results(), C_INDEX, splits=(1, 4))
    assert rows[0].split.tolist() == [1, 4]
    assert rows[0].values == pytest.approx(values_of(REFERENCE)[[1, 4]])


def test_one_split_has_no_interval() -> None:
    (row, *_) = study_rows(results(), C_INDEX, splits=(1,))
    assert row.interval is None
    assert row.text.endswith("(one split)")
    chart = dot_chart([row], C_INDEX, theme="light")
    assert traces(chart.figure, "means")[0].error_x.array[0] == 0


def test_the_finding_names_the_best_row_and_counts_printed_marks() -> None:
    finding = dots().finding
    best = values_of(("mcat", "mcat", "matched")).mean()
    assert finding.startswith(f"Highest mean C-index of 6 rows: MCAT {best:.3f} (")
    assert "15 splits of this run; 2 hollow marks printed in the paper" in finding


def test_the_lowest_brier_score_is_the_best() -> None:
    measure = MEASURES["Integrated Brier score"]
    finding = dot_chart(study_rows(results(), measure), measure, theme="light").finding
    assert finding.startswith("Lowest mean Integrated Brier score of 6 rows: MCAT")


def test_no_row_is_said() -> None:
    chart = dot_chart([], C_INDEX, theme="light")
    assert chart.finding == "No variant has a C-index in the splits chosen."


# Differences


def test_slopes_join_the_values_of_a_split() -> None:
    figure = slopes().figure
    ahead, behind = traces(figure, "slopes")[:2]
    own, reference = values_of(NO_CA), values_of(REFERENCE)
    worse = own < reference
    drawn = np.array(ahead.y).reshape(-1, 3)
    assert drawn[:, 0] == pytest.approx(own[worse])
    assert drawn[:, 1] == pytest.approx(reference[worse])
    assert len(np.array(behind.y).reshape(-1, 3)) == int((~worse).sum())
    assert ahead.line.dash != behind.line.dash  # not by colour alone


def test_wins_of_the_reference_are_counted() -> None:
    wins = int((values_of(NO_CA) < values_of(REFERENCE)).sum())
    head = texts(slopes().figure)[0]
    assert f"CA-MLIF better in {wins} of 15" in head
    assert slopes().finding.startswith(
        f"CA-MLIF has the better C-index in {wins} of 15 splits against w/o CA"
    )


def test_a_lower_brier_score_wins() -> None:
    measure = MEASURES["Integrated Brier score"]
    c_index = paired_rows(study_rows(results(), C_INDEX), REFERENCE, C_INDEX)
    brier = paired_rows(study_rows(results(), measure), REFERENCE, measure)
    # In these results the score falls as the C-index rises.
    assert [p.reference_wins for p in brier] == [p.reference_wins for p in c_index]


def test_the_mean_difference_has_the_corrected_interval() -> None:
    difference = values_of(NO_CA) - values_of(REFERENCE)
    expected = corrected_interval(difference, n_train=80, n_test=20)
    (pair, *_) = paired_rows(study_rows(results(), C_INDEX), REFERENCE, C_INDEX)
    assert pair.interval == expected
    assert f"{expected.mean:+.3f}".replace("-", "−") in texts(slopes().figure)[0]


def test_pairs_have_common_splits_only() -> None:
    table = results()
    missing = (table["variant"] == "no_ca") & (table["split"] < 5)
    (pair, *_) = paired_rows(study_rows(table[~missing], C_INDEX), REFERENCE, C_INDEX)
    assert pair.split.tolist() == list(range(5, 15))
    assert pair.reference == pytest.approx(values_of(REFERENCE)[5:])


def test_without_the_reference_there_is_nothing_to_compare() -> None:
    table = results()
    rows = study_rows(table[table["variant"] != "default"], C_INDEX)
    assert paired_rows(rows, REFERENCE, C_INDEX) == ()
    chart = slope_chart([], C_INDEX, theme="light", reference="CA-MLIF")
    assert chart.finding == "There is nothing to compare with CA-MLIF in the splits chosen."
