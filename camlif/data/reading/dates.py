"""Dates written in any usual way to days; whether day or month comes first is told by the table.

In come text cells, out come days since 1970-01-01. ``2015-03-01``, ``1.3.2015`` and ``1-Mar-2015``
are clear; ``03/04/2015`` is clear once any cell of any date column has a number above 12 in one of
the two places, and is asked about else.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from camlif.data.reading.values import blank_missing

Order = Literal["dmy", "mdy"]
FIRST_TWO_DIGIT_YEAR = 1940
"""``40`` stands for 1940 and ``39`` for 2039."""

_EPOCH = datetime.date(1970, 1, 1).toordinal()
_SPREADSHEET_EPOCH = datetime.date(1899, 12, 30).toordinal()
_SERIALS = (10_000, 60_000)
"""Days of a spreadsheet's calendar: 1927 to 2064."""

_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ].*)?")
_COMPACT = re.compile(r"((?:19|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_SIGNED = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})(?: .*)?")
_NAMED = re.compile(r"(\d{1,2})[-. /]*([^\W\d_]{3,9})\.?[-. /]*(\d{4}|\d{2})")
_NAMED_FIRST = re.compile(r"([^\W\d_]{3,9})\.?[-. /]+(\d{1,2}),?[-. /]+(\d{4})")
_MONTHS = {
    start: number
    for number, starts in enumerate(
        (
            *("jan ene", "feb fev", "mar mär", "apr abr", "may mai mag", "jun giu", "jul lug"),
            *("aug ago", "sep set", "oct okt ott out", "nov", "dec dez dic"),
        ),
        start=1,
    )
    for start in starts.split()
}


@dataclass(frozen=True, slots=True)
class Dates:
    """A column read as dates.

    Attributes
    ----------
    days : float64, shape (n,)
        Since 1970-01-01; NaN where missing or no date.
    bad_rows : int array
        Positions of cells that are no dates.
    open_rows : int array
        Positions of cells whose order is not known.
    """

    days: NDArray[np.float64]
    bad_rows: NDArray[np.int_]
    open_rows: NDArray[np.int_]


def order_of(columns: Iterable[pa.ChunkedArray]) -> Order | None:
    """Return the order of day and month that the date columns of a table show; None if open."""
    first = second = False
    for column in columns:
        for cell in blank_missing(column).drop_null().to_pylist():
            found = _SIGNED.fullmatch(cell)
            if found:
                first |= int(found[1]) > 12 or found[2] == "."
                second |= int(found[3]) > 12
    if first == second:
        return None
    return "dmy" if first else "mdy"


def read_dates(column: pa.ChunkedArray, order: Order | None) -> Dates:
    """Read a column of dates."""
    cells = blank_missing(column).to_pylist()
    days = np.full(len(cells), np.nan)
    bad, unclear = [], []
    for i, cell in enumerate(cells):
        if cell is None:
            continue
        try:
            day = _day(cell, order)
        except ValueError:
            bad.append(i)
            continue
        if day is None:
            unclear.append(i)
        else:
            days[i] = day
    return Dates(days, np.array(bad, dtype=int), np.array(unclear, dtype=int))


def _day(cell: str, order: Order | None) -> float | None:
    """Return the day of a cell, None where its order is open; ValueError where it is no date."""
    if (found := _ISO.fullmatch(cell)) or (found := _COMPACT.fullmatch(cell)):
        return _ordinal(int(found[1]), int(found[2]), int(found[3]))
    if found := _SIGNED.fullmatch(cell):
        first, second, year = int(found[1]), int(found[3]), _year(found[4])
        if found[2] == "." or first == second or first > 12:
            return _ordinal(year, second, first)
        if second > 12:
            return _ordinal(year, first, second)
        if order is None:
            return None
        return _ordinal(year, *((second, first) if order == "dmy" else (first, second)))
    if found := _NAMED.fullmatch(cell):
        return _ordinal(_year(found[3]), _month(found[2]), int(found[1]))
    if found := _NAMED_FIRST.fullmatch(cell):
        return _ordinal(int(found[3]), _month(found[1]), int(found[2]))
    serial = float(cell)
    if _SERIALS[0] <= serial <= _SERIALS[1]:
        return serial + _SPREADSHEET_EPOCH - _EPOCH
    raise ValueError(cell)


def _ordinal(year: int, month: int, day: int) -> float:
    return float(datetime.date(year, month, day).toordinal() - _EPOCH)


def _year(text: str) -> int:
    year = int(text)
    if len(text) == 4:
        return year
    century = FIRST_TWO_DIGIT_YEAR - FIRST_TWO_DIGIT_YEAR % 100
    return year + century if year >= FIRST_TWO_DIGIT_YEAR % 100 else year + century + 100


def _month(name: str) -> int:
    number = _MONTHS.get(name.lower()[:3])
    if number is None:
        raise ValueError(name)
    return number
