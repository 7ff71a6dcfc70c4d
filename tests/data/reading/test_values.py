"""Cells to numbers and identifiers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camlif.data.reading.values import Numbers, clean_ids, sentinels, to_numbers


def numbers(*cells: str) -> Numbers:
    return to_numbers(pa.chunked_array([pa.array(cells, pa.string())]))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_come_back_exactly(values: list[float]) -> None:
    assert numbers(*map(repr, values)).values.tolist() == values
    assert numbers("NA", *map(repr, values)).values[1:].tolist() == values


@pytest.mark.parametrize(
    "cell", ["", " ", "NA", "n/a", "NaN", "null", ".", "-", "[Not Available]", "<NA>"]
)
def test_usual_words_for_missing_are_missing_and_not_bad(cell: str) -> None:
    read = numbers("1", cell)

    assert np.isnan(read.values[1])
    assert not len(read.bad_rows)


def test_texts_are_reported_with_rows_and_values() -> None:
    read = numbers("1", "high", "+2.5", "1e-3", "=1+1", "high", "1_000", "0x10")

    assert read.bad_rows.tolist() == [1, 4, 5, 6, 7]
    assert read.bad_values == ("high", "=1+1", "1_000", "0x10")
    assert read.values[[0, 2, 3]].tolist() == [1.0, 2.5, 0.001]


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e999"])
def test_infinity_is_missing_and_counted(cell: str) -> None:
    for cells in ((cell, "1"), (cell, "1", "NA")):
        read = numbers(*cells)
        assert np.isnan(read.values[0])
        assert read.infinite_rows.tolist() == [0]


@pytest.mark.parametrize("cell", ["'--", "*", "#DIV/0!", "#N/A", "not reported"])
def test_other_marks_are_missing_and_told_of(cell: str) -> None:
    read = numbers("1", cell, "2")

    assert (read.marks, read.marked_rows.tolist()) == ((cell,), [1])
    assert not len(read.bad_rows)


def test_a_number_in_brackets_is_no_word_for_missing() -> None:
    assert numbers("1", "[1.25]").bad_values == ("[1.25]",)


@pytest.mark.parametrize("cell", ["2015-03-01", "1-Mar", "01.03.2015", "3/4/15", "Mar-98"])
def test_dates_among_numbers_are_known_as_such(cell: str) -> None:
    assert numbers("1", cell, "high").date_rows.tolist() == [1]


def test_true_and_false_are_numbers_beside_nothing_else() -> None:
    assert numbers("True", "false", "1", "").values[:3].tolist() == [1.0, 0.0, 1.0]
    assert numbers("True", "2.5").bad_values == ("True",)


def test_codes_far_from_all_other_values_are_suspected() -> None:
    assert sentinels(np.array([1.0, 2.0, 3.0, 999.0])) == (999.0,)
    assert sentinels(np.array([900.0, 999.0, 1100.0])) == ()
    assert sentinels(np.array([-9.0, 0.1, 0.5])) == (-9.0,)


def test_identifiers_keep_zeros_and_lose_invisible_differences() -> None:
    cells = pa.chunked_array([["001", "NA", "1E05", "Ame\u0301lie", "a\u00a0b", None]])

    assert clean_ids(cells) == ["001", "NA", "1E05", "Am\u00e9lie", "a b", ""]


def test_whole_numbers_beyond_the_exact_ones_of_a_float_are_rounded() -> None:
    numbers = to_numbers(pa.chunked_array([pa.array([1, 2**60 + 1])]))

    assert numbers.values.tolist() == [1.0, 2.0**60]
