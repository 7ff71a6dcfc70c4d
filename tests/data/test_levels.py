"""Levels of categories written in other ways: the same word, or none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from camlif.data.levels import as_levels, match_levels

SEX = ("female", "male")


@pytest.mark.parametrize(
    "cell", ["male", "Male", "MALE", " male ", "M", "ｍａｌｅ", "Mann", "varón"]
)
def test_the_same_word_is_found_however_it_is_written(cell: str) -> None:
    assert match_levels([cell], SEX) == {cell: "male"}


@pytest.mark.parametrize(
    ("cell", "levels", "level"),
    [
        ("Male", ("F", "M"), "M"),
        ("Stage-III", ("stage ii", "stage iii"), "stage iii"),
        ("oral_cavity", ("Larynx", "Oral Cavity"), "Oral Cavity"),
        ("2.0", ("1", "2"), "2"),
    ],
)
def test_case_hyphens_and_decimal_zeros_are_no_difference(
    cell: str, levels: tuple[str, ...], level: str
) -> None:
    assert match_levels([cell], levels) == {cell: level}


@pytest.mark.parametrize("cell", ["1", "2", "divers", "H", "", "malefemale", "10"])
def test_codes_and_other_words_are_unknown(cell: str) -> None:
    assert match_levels([cell], SEX) == {cell: None}


@pytest.mark.parametrize(
    ("cell", "levels", "level"),
    [
        ("w", SEX, "female"),
        ("Weiblich", ("Frau", "Mann", "unknown"), "Frau"),
        ("m", ("low", "male"), None),
        ("weiblich", ("f", "t"), None),
    ],
)
def test_words_of_a_sex_are_one_where_the_levels_are_sexes(
    cell: str, levels: tuple[str, ...], level: str | None
) -> None:
    assert match_levels([cell], levels) == {cell: level}


def test_a_word_that_may_be_two_levels_is_unknown_and_a_level_itself_is_not() -> None:
    assert match_levels(["Male", "m"], ("M", "m", "F")) == {"Male": None, "m": "m"}


def test_missing_cells_stay_missing_and_unknown_ones_become_so() -> None:
    cells = pd.Series(["Male", None, "divers", np.nan, "female"])
    assert as_levels(cells, SEX).tolist() == ["male", None, None, None, "female"]


def test_numbers_name_levels_that_are_numbers() -> None:
    assert as_levels(pd.Series([2.0, 3.0, np.nan]), ("2", "4")).tolist() == ["2", None, None]
