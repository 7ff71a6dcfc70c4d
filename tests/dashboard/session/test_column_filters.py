"""Bars of clinical columns: every patient is in one, and filters say whom they let pass."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.session.column_filters import MAX_BINS, NOT_GIVEN, Bar, bars_of

numbers = st.lists(
    st.none() | st.floats(-1e6, 1e6, allow_nan=False) | st.integers(0, 100).map(float),
    min_size=2,
    max_size=60,
)
texts = st.lists(st.none() | st.sampled_from(["I", "II", "IIIA", "x" * 40]), min_size=2)


@given(numbers.map(lambda v: pd.Series(v, dtype="float64")))
def test_every_number_is_in_one_bar(values: pd.Series) -> None:
    bars = bars_of(values)
    if bars:
        held = np.sum([bar.holds(values) for bar in bars], axis=0)
        assert (held == 1).all()
        assert len(bars) <= MAX_BINS + 1
    else:
        assert values.nunique() < 2


@given(texts.map(lambda v: pd.Series(v, dtype="string")))
def test_every_text_is_in_one_bar(values: pd.Series) -> None:
    bars = bars_of(values)
    if bars:
        assert (np.sum([bar.holds(values) for bar in bars], axis=0) == 1).all()
        assert bars[-1].text == NOT_GIVEN or not values.isna().any()


def test_ranges_have_round_ends_and_the_last_has_its_end() -> None:
    bars = bars_of(pd.Series(np.arange(31, 81, dtype=float)))
    assert [bar.text for bar in bars[:2]] == ["30 to <35", "35 to <40"]
    assert bars[-1] == Bar("75 to 80", 75.0, 80.0, to_end=True)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pd.Series([0.0, 1.0, np.nan]), ["0", "1", NOT_GIVEN]),
        (pd.Series(["b", "a", "b"], dtype="string"), ["a", "b"]),
        (pd.Series(["a", "a"], dtype="string"), []),
        (pd.Series([f"free text {i}" for i in range(40)], dtype="string"), []),
    ],
)
def test_few_values_are_bars_of_their_own(values: pd.Series, said: list[str]) -> None:
    assert [bar.text for bar in bars_of(values)] == said
