"""Dates written in any usual way to days; whether day or month comes first is told by the table.

In come text cells, out come days since 1970-01-01. ``2015-03-01``, ``1.3.2015`` and ``1-Mar-2015``
are clear; ``03/04/2015`` is clear once any cell of its column, else of any date column, has a
number above 12 in one of the two places, and is asked about else. Where a column has both, the
fewer such cells are named as mixed. ``2015-31-03`` is a day before its month by the same rule.
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

from camlif.arrays import Float64Array
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.values import blank_missing
from camlif.wording import count, verb

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
_NAMED = re.compile(
    r"(\d{1,2})(?:st|nd|rd|th|er|º|°)?[-. /]*(?:de |of )?([^\W\d_]{3,12})\.?[-., /]*(?:de |del )?"
    r"(\d{4}|\d{2})"
)
_NAMED_FIRST = re.compile(
    r"(?:[^\W\d_]+day, )?([^\W\d_]{3,12})\.?[-. /]+(\d{1,2})(?:st|nd|rd|th)?,?[-. /]+(\d{4})"
)
_MONTHS = (
    "jan ene gen sty led", "feb fev fév fevr févr lut", "mar mär mrt marec", "apr abr avr kwi",
    "may mai mag mei maj", "jun juin giu cze", "jul juil lug lip", "aug ago aou aoû sie",
    "sep set wrz", "oct okt ott out paź", "nov lis", "dec dez dic déc gru",
)  # fmt: skip
"""Starts of the months' names in English, German, French, Spanish, Italian, Portuguese, Dutch,
Nordic languages and Polish; four letters go before three, because of juin and juillet."""

_MONTH_OF = {start: number for number, row in enumerate(_MONTHS, 1) for start in row.split()}
YEARS_OF_PATIENTS = (1900, 2100)
"""From the first of January of the one until that of the other."""

FEW_MIXED = 0.05
"""Share of a column's dates that may be slips; more of them make every other cell doubtful."""


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
    mixed_rows : int array
        Positions of cells that contradict the order of most others.
    """

    days: NDArray[np.float64]
    bad_rows: NDArray[np.int_]
    open_rows: NDArray[np.int_]
    mixed_rows: NDArray[np.int_]


def order_of(columns: Iterable[pa.ChunkedArray]) -> Order | None:
    """Return the order of day and month that the date columns of a table show; None if open."""
    shown = {_shown(blank_missing(c).to_pylist(), _SIGNED, (1, 3))[0] for c in columns} - {None}
    return ("dmy" if shown.pop() else "mdy") if len(shown) == 1 else None


def _shown(
    cells: list[str | None], pattern: re.Pattern[str], places: tuple[int, int]
) -> tuple[bool | None, list[int]]:
    """Return whether the first place is the day's, None if open, and who says the contrary."""
    first, second = [], []
    for i, cell in enumerate(cells):
        if cell is not None and (found := pattern.fullmatch(cell)):
            if int(found[places[0]]) > 12:
                first.append(i)
            elif int(found[places[1]]) > 12:
                second.append(i)
    if not first and not second:
        return None, []
    return len(first) > len(second), min(first, second, key=len)


def read_dates(column: pa.ChunkedArray, order: Order | None) -> Dates:
    """Read a column of dates; its own cells go before the order that the table shows."""
    cells = [None if c is None else c.replace(". ", ".") for c in blank_missing(column).to_pylist()]
    own, mixed = _shown(cells, _SIGNED, (1, 3))
    if own is not None:
        order = "dmy" if own else "mdy"
    day_before_month, also_mixed = _shown(cells, _ISO, (2, 3))
    contrary = {*mixed, *also_mixed}
    days = np.full(len(cells), np.nan)
    bad, unclear = [], []
    for i, cell in enumerate(cells):
        if cell is None or i in contrary:
            continue
        try:
            day = _day(cell, order, day_before_month=bool(day_before_month))
        except ValueError:
            bad.append(i)
            continue
        if day is None:
            unclear.append(i)
        else:
            days[i] = day
    rows = (np.array(r, dtype=int) for r in (bad, unclear, sorted(contrary)))
    return Dates(days, *rows)


def _day(cell: str, order: Order | None, *, day_before_month: bool) -> float | None:
    """Return the day of a cell, None where its order is open; ValueError where it is no date."""
    if (found := _ISO.fullmatch(cell)) or (found := _COMPACT.fullmatch(cell)):
        second, third = int(found[2]), int(found[3])
        turned = day_before_month and not cell[4].isdigit()
        return _ordinal(int(found[1]), *((third, second) if turned else (second, third)))
    if found := _SIGNED.fullmatch(cell):
        first, second, year = int(found[1]), int(found[3]), _year(found[4])
        # Points part day, month and year in this order, unless the table says otherwise.
        order = order or ("dmy" if found[2] == "." or first == second else None)
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


def report_odd_days(
    table: PatientTable, column: str, start: Float64Array, end: Float64Array, found: Findings
) -> None:
    """Refuse dates of no patient of today, and tell of those that are yet to come.

    Buddhist and Islamic years give other lengths of time than those of the common era.

    Parameters
    ----------
    table : PatientTable
    column : str
        The one of the ends.
    start, end : float64, shape (n,)
        Days since 1970-01-01; NaN where missing.
    found : Findings
        Takes an error or a warning E-09.
    """
    today = datetime.date.today().toordinal() - _EPOCH
    first, last = (_ordinal(year, 1, 1) for year in YEARS_OF_PATIENTS)
    impossible = (np.fmin(start, end) < first) | (np.fmax(start, end) >= last)
    for report, odd, what, fix in (
        (found.error, impossible, "no patient's", "Write dates in years of the common era."),
        (
            found.warn,
            ~impossible & (end > today + 1),
            "in the future",
            "Correct it if it is wrong.",
        ),
    ):
        rows = np.flatnonzero(odd)
        if len(rows):
            days = np.where(start[rows] < first, start[rows], end[rows])
            dates = (datetime.date.fromordinal(round(day) + _EPOCH).isoformat() for day in days)
            report(
                f"{count(len(rows), 'date')} {verb(len(rows), 'is', 'are')} {what}: "
                f"{examples(dates)}.",
                code="E-09",
                file=table.rows.file,
                column=column,
                rows=table.rows_at(rows),
                fix=fix,
            )


def _ordinal(year: int, month: int, day: int) -> float:
    return float(datetime.date(year, month, day).toordinal() - _EPOCH)


def _year(text: str) -> int:
    year = int(text)
    if len(text) == 4:
        return year
    century = FIRST_TWO_DIGIT_YEAR - FIRST_TWO_DIGIT_YEAR % 100
    return year + century if year >= FIRST_TWO_DIGIT_YEAR % 100 else year + century + 100


def _month(name: str) -> int:
    lower = name.lower()
    number = _MONTH_OF.get(lower[:4]) or _MONTH_OF.get(lower[:3])
    if number is None:
        raise ValueError(name)
    return number
