"""Where a table's header is: below its titles, and below a row that names groups of columns.

A table as it stands in its file goes in; the same with its own header comes out, and what stood
above it is told. A row is only taken for a header where nothing else can be meant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from camlif.data.formats.raw import RawTable
from camlif.data.reading.names import promise
from camlif.data.reading.problems import Findings, examples
from camlif.exceptions import SchemaError
from camlif.wording import count

MAX_ABOVE = 10
"""Rows above a header that are looked at."""

MIN_WIDTH = 3
"""Columns of a table of which a row with one cell is a title."""

_NUMBER = re.compile(r"[+-]?\d*[.,]?\d+(?:[eE][+-]?\d+)?")


def with_its_header(file: str, raw: RawTable, found: Findings) -> RawTable:
    """Return the table with the row that names its columns as header.

    Parameters
    ----------
    file : str
    raw : RawTable
        Of text cells; typed tables have headers of their own.
    found : Findings
        Takes a note of the rows that stood above.

    Raises
    ------
    SchemaError
        E-01 if the table has no header.
    """
    if not all(pa.types.is_string(column.type) for column in raw.table.columns):
        return raw
    first = raw.table.slice(0, MAX_ABOVE + 2)
    columns = [column.to_pylist() for column in first.columns]
    rows = [raw.header, *([c[i] for c in columns] for i in range(len(first)))]
    rows = [[(cell or "").strip() for cell in row] for row in rows]
    at = _first_full(rows)
    if at + 2 < len(rows) and _names_groups(rows[at], rows[at + 1], rows[at + 2]):
        at += 1
    above = [*raw.above, *(cell for row in rows[:at] for cell in row if cell)]
    if above:
        found.note(
            f"{count(at + len(raw.above), 'row')} above the header left out: {examples(above)}.",
            file=file,
        )
    _refuse_values(rows[at], rows[at + 1 :])
    return replace(
        raw, header=rows[at], table=raw.table.slice(at), row_numbers=raw.row_numbers[at:]
    )


def _refuse_values(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Refuse a table without a header, of which the first patient would be the names of columns."""
    first, *others = header
    numbers = [cell for cell in others if _NUMBER.fullmatch(cell)]
    told = {_shape(row[0]) for row in rows if row[0]}
    alike = any(c.isdigit() for c in first) and told == {_shape(first)}
    # A header of whole numbers may count the columns.
    values = any("." in cell or "," in cell for cell in numbers) or not first.isdigit()
    if alike and values and 2 * len(numbers) >= len(others) > 0:
        raise SchemaError(
            f"The first row holds values where names of columns should be: {examples(header)}.",
            code="E-01",
            rows=(1,),
            fix="Put a row with the names of the columns first.",
        )


def _shape(cell: str) -> str:
    """Return a cell with one letter for all letters and one digit for all digits."""
    return re.sub(r"\d+", "9", re.sub(r"[^\W\d_]+", "a", cell))


def _first_full(rows: Sequence[Sequence[str]]) -> int:
    """Return the first row that is no title, which has one cell, or is blank; 0 where all are."""
    if len(rows[0]) < MIN_WIDTH:
        return 0
    full = (i for i, row in enumerate(rows[: MAX_ABOVE + 1]) if sum(map(bool, row)) > 1)
    return next(full, 0)


def _names_groups(first: Sequence[str], second: Sequence[str], third: Sequence[str]) -> bool:
    """Whether a row with gaps stands over one that names columns, and that over numbers."""
    named = all(second) and len(set(second)) == len(second)
    if not named or all(first[1:]) or any(map(_NUMBER.fullmatch, second)):
        return False
    hints = [hint for hint in map(promise, second) if hint is not None]
    known = any(hint.kind in ("identifier", "outcome") for hint in hints)
    return known and any(map(_NUMBER.fullmatch, third))
