"""Filters by columns of the clinical table: some of its values, or a range of its numbers.

A click on a bar goes in; the patients who pass, and the filters in words, come out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from camlif.arrays import BoolArray
from camlif.data.cohort import MAX_CATEGORIES, Cohort
from camlif.wording import OLDEST_SHOWN, listed
from dashboard.session.keys import SessionKey

NOT_GIVEN = "not given"
MAX_BINS = 10
FEW_NUMBERS = 6
"""A column with so few different numbers is drawn and filtered by its values."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Some values of a column: those with one text, or the numbers of a range.

    Attributes
    ----------
    text : str
        The value, or the range in words.
    low, high : float or None
        Ends of a range; None for a value.
    to_end : bool
        Whether the range has its upper end in it.
    """

    text: str
    low: float | None = None
    high: float | None = None
    to_end: bool = False

    def holds(self, values: pd.Series) -> BoolArray:
        """Whether each value of the column is one of these."""
        if self.low is None or self.high is None:
            return np.asarray(texts_of(values) == self.text)
        numbers = values.to_numpy("float64")
        with np.errstate(invalid="ignore"):
            below = numbers <= self.high if self.to_end else numbers < self.high
            return np.asarray((numbers >= self.low) & below)


COLUMN_FILTERS: SessionKey[dict[str, tuple[Bar, ...]]] = SessionKey("column_filters")
"""Bars whose patients are shown, by column; a column without any filters nothing."""


def clinical_values(cohort: Cohort, column: str) -> pd.Series:
    """Return a clinical column, a value per patient: numbers or texts."""
    values = cohort.clinical[column].reset_index(drop=True)
    return values.astype("float64" if pd.api.types.is_numeric_dtype(values) else "string")


def values_of(cohort: Cohort, column: str) -> pd.Series:
    """Return a clinical column as it is shown: old ages as one."""
    values = clinical_values(cohort, column)
    is_age = column == "age" and pd.api.types.is_numeric_dtype(values)
    return values.clip(upper=OLDEST_SHOWN) if is_age else values


def texts_of(values: pd.Series) -> pd.Series:
    """Return the value of each patient as it is written on a bar."""
    if pd.api.types.is_numeric_dtype(values):
        return (
            (values + 0.0).map("{:g}".format, na_action="ignore").astype("string").fillna(NOT_GIVEN)
        )
    return values.astype("string").fillna(NOT_GIVEN)


def bars_of(values: pd.Series) -> tuple[Bar, ...]:
    """Return the bars of a column, the missing last; none where one value or too many are there.

    Parameters
    ----------
    values : Series
        As `values_of` returns them.
    """
    known = values.dropna()
    n_values = int(known.nunique())
    if n_values < 2:
        return ()
    if pd.api.types.is_numeric_dtype(values) and n_values > FEW_NUMBERS:
        bars = _ranges(float(known.min()), float(known.max()))
    elif n_values <= MAX_CATEGORIES:
        texts = texts_of(pd.Series(sorted(known.unique())))
        bars = tuple(Bar(text) for text in dict.fromkeys(texts))
    else:
        return ()
    return (*bars, Bar(NOT_GIVEN)) if len(known) < len(values) else bars


def _ranges(low: float, high: float) -> tuple[Bar, ...]:
    """Ranges with round ends, at most `MAX_BINS`."""
    unit = 10.0 ** np.floor(np.log10((high - low) / MAX_BINS))
    steps = (unit * k for k in (1, 2, 5, 10, 20))
    step = next(s for s in steps if np.ceil(high / s) - np.floor(low / s) <= MAX_BINS)
    first, last = int(np.floor(low / step)), int(np.ceil(high / step))
    ends = [float(k * step) for k in range(first, last + 1)]
    ends[0], ends[-1] = min(ends[0], low), max(ends[-1], high)  # whatever rounding did
    return tuple(
        Bar(f"{a:g} to {'' if b == ends[-1] else '<'}{b:g}", a, b, to_end=b == ends[-1])
        for a, b in pairwise(ends)
    )


def toggle(column: str, bar: Bar) -> None:
    """Show patients of a bar, too, or no longer."""
    filters = dict(COLUMN_FILTERS.get() or {})
    bars = filters.get(column, ())
    left = tuple(b for b in bars if b != bar) if bar in bars else (*bars, bar)
    filters[column] = left
    COLUMN_FILTERS.set({name: kept for name, kept in filters.items() if kept})


def drop(column: str) -> None:
    """Filter by a column no longer."""
    filters = COLUMN_FILTERS.get() or {}
    COLUMN_FILTERS.set({name: kept for name, kept in filters.items() if name != column})


def passing(cohort: Cohort) -> BoolArray:
    """Patients who pass the filters of all columns, shape (n,)."""
    shown = np.ones(len(cohort), dtype=bool)
    for column, bars in (COLUMN_FILTERS.get() or {}).items():
        if column in cohort.clinical:
            values = values_of(cohort, column)
            shown &= np.any([bar.holds(values) for bar in bars], axis=0)
    return shown


def in_words() -> dict[str, str]:
    """Each filter as a sentence says it, by column: ``stage: II and III``."""
    filters = COLUMN_FILTERS.get() or {}
    return {name: f"{name}: {listed([b.text for b in bars])}" for name, bars in filters.items()}
