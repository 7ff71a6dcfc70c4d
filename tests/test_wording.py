"""Tables for spreadsheets: text cannot start a formula, numbers stay numbers."""

from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camlif.wording import cap_ages, quote_formulas, shown_age, to_csv, unquote_formula

STARTS = ["=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠"]


def _read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("start", STARTS, ids=ascii)
@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_text_that_would_start_a_formula_is_led_by_an_apostrophe(start: str, dtype: str) -> None:
    cell = f"{start}1+cmd|' /C calc'!A0"
    table = pd.DataFrame({"patient_id": pd.Series([cell, "P1"], dtype=dtype)})
    assert quote_formulas(table)["patient_id"].tolist() == [f"'{cell}", "P1"]


@pytest.mark.parametrize("start", STARTS, ids=ascii)
def test_headers_are_quoted_too(start: str) -> None:
    assert quote_formulas(pd.DataFrame({f"{start}A1": [1.0]})).columns.tolist() == [f"'{start}A1"]


def test_numbers_stay_numbers() -> None:
    table = pd.DataFrame({"z": [-1.5, np.nan], "n": [-2, 3], "mixed": pd.Series([-1.5, "-x"])})
    safe = quote_formulas(table)
    assert safe["z"].dtype == float
    assert safe["n"].tolist() == [-2, 3]
    assert safe["mixed"].tolist() == [-1.5, "'-x"]
    assert _read(to_csv(table))[1] == ["-1.5", "-2", "-1.5"]


def test_the_table_given_is_left_alone() -> None:
    table = pd.DataFrame({"=a": ["=b"]})
    quote_formulas(table)
    assert table.columns.tolist() == ["=a"]
    assert table["=a"].tolist() == ["=b"]


def test_missing_text_stays_empty() -> None:
    assert _read(to_csv(pd.DataFrame({"a": [None, "x"], "b": [1, 2]}))) == [
        ["a", "b"],
        ["", "1"],
        ["x", "2"],
    ]


def test_doubled_column_names_are_kept_apart() -> None:
    table = pd.DataFrame([["=1", "+2"]], columns=["a", "a"])
    assert quote_formulas(table).to_numpy().tolist() == [["'=1", "'+2"]]


@settings(deadline=None)
@given(st.lists(st.text(max_size=12) | st.text("'=-1", max_size=4), min_size=1, max_size=5))
def test_no_cell_of_the_file_starts_a_formula(cells: list[str]) -> None:
    rows = quote_formulas(pd.DataFrame({"a": pd.Series(cells, dtype=object)}))["a"]
    assert not any(cell.startswith(tuple(STARTS)) for cell in rows)
    assert [unquote_formula(cell) for cell in rows] == cells


@pytest.mark.parametrize(
    ("age", "shown"),
    [(0, "0"), (89, "89"), (89.4, "89"), (90, "90+"), (104, "90+"), (np.inf, "90+")],
)
def test_ages_over_89_are_one_group(age: float, shown: str) -> None:
    assert shown_age(age) == shown


@pytest.mark.parametrize("dtype", [np.float32, object])
def test_only_the_column_of_ages_is_capped_and_the_original_stays(dtype: type) -> None:
    values: np.ndarray = np.array([[95, 95], [89, 99], [np.nan, 100]], dtype=dtype)
    capped = cap_ages(values, ["age", "size_mm"])
    np.testing.assert_array_equal(capped.astype(float), [[90, 95], [89, 99], [np.nan, 100]])
    assert values[0, 0] == 95
