"""How a table writes its numbers: decimal and thousands marks, and units behind them.

In comes a table of text cells; out comes the same table whose numbers are written with a decimal
point and nothing else, so that every later step reads them alike. Each column is decided from all
of its cells; what one column leaves open, the other columns of the file decide: ``1,735`` beside
``539`` is a thousand, beside ``0,25`` a decimal. A column that stays open is an error that names
its cells, and ``decimal`` in the manifest answers it. Identifiers are never rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from camlif.data.manifest import DurationUnit
from camlif.data.reading.names import promise
from camlif.data.reading.problems import MAX_ROWS, Findings, examples
from camlif.data.reading.tables import TextTable
from camlif.data.reading.values import blank_missing, is_plain
from camlif.data.reading.vocabulary import SHORT_UNITS, UNITS
from camlif.data.reading.words import named_unit
from camlif.wording import count

Mark = Literal[",", "."]
FEW_COLUMNS = 200
"""Only tables as narrow as clinical ones, or with commas, are searched for points of thousands."""

MIN_SHARE = 0.5
"""A column is one of numbers where so many of its known cells are."""

MIN_PLAIN = 2
SMALLEST, LARGEST = 100, 999
"""Whole numbers up to 999, some of three digits, beside cells such as ``1,735`` speak of thousands:
as decimals of exactly three digits they would be whole by chance once in a thousand."""

MIN_ALIKE = 10
"""Cells: so many decimals end in a zero at the third place by chance once in 10^10."""

_SIGN = r"^[+-]?"
_HEAD = r"[1-9]\d{0,2}"
_COMMA_OPEN = rf"{_SIGN}{_HEAD},\d{{3}}$"
_POINT_OPEN = rf"{_SIGN}{_HEAD}\.\d{{3}}$"
_GAP = " '\u2019\u00a0\u202f\u2009"
_GROUPS = rf"(?:[{_GAP}]\d{{3}})+"
_SPACED = rf"{_SIGN}{_HEAD}{_GROUPS}(?:[.,]\d+)?$"
_SPACED_COMMA = rf"{_SIGN}{_HEAD}{_GROUPS},\d+$"
_SPACED_POINT = rf"{_SIGN}{_HEAD}{_GROUPS}\.\d+$"
_COMMA_THOUSANDS = rf"{_SIGN}{_HEAD}(?:(?:,\d{{3}})+\.\d+|(?:,\d{{3}}){{2,}})$"
_POINT_THOUSANDS = rf"{_SIGN}{_HEAD}(?:(?:\.\d{{3}})+,\d+|(?:\.\d{{3}}){{2,}})$"
_COMMA_DECIMAL = rf"{_SIGN}\d*,\d+(?:[eE][+-]?\d+)?$"
_POINT_DECIMAL = rf"{_SIGN}(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_MARKED = rf"{_POINT_OPEN}|{_POINT_THOUSANDS}|[,{_GAP}]"
_WHOLE = rf"{_SIGN}\d+$"
_NUMBER = rf"{_SIGN}(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_SIZE = rf"\d[\d.,{_GAP}]*"
_NEGATIVE = rf"^(?:\(({_SIZE})\)|({_SIZE})-)$"
MIN_NEGATIVE = 3
"""So many cells such as ``(1.25)``, and no minus sign in their columns: an accountant's."""

_UNITS = (
    r"%|[mcµμun]?m[23²³]?|m?l|cc|k?g|[mµμunp]g|yo|y|w|d|hu|gy"
    r"|mmhg|bpm|i?u/m?l|[mµμunp]?g/d?m?l|[mµμu]?mol/l|cells/[µμu]l|10\^9/l|/[µμu]l"
)
_UNIT = rf"(?i:{_UNITS}|{'|'.join(UNITS)})"
_WITH_UNIT = rf"^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*{_UNIT}(?: 00:00:00)?$"
_UNIT_OF = rf"^[+-]?[\d.]+(?:[eE][+-]?\d+)?\s*(?P<unit>{_UNIT})(?: 00:00:00)?$"


@dataclass(frozen=True, slots=True)
class _Style:
    """What the cells of a column say of its marks, each of shape (n,)."""

    text: pa.ChunkedArray
    comma_open: NDArray[np.bool_]
    point_open: NDArray[np.bool_]
    comma_is_decimal: NDArray[np.bool_]
    point_is_decimal: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    n_known: int

    @property
    def certain(self) -> Mark | None:
        """The decimal mark, where the column alone is certain of one."""
        comma, point = self.comma_is_decimal.any(), self.point_is_decimal.any()
        if comma == point:
            return None
        return "," if comma else "."

    @property
    def mixed(self) -> bool:
        """Whether some cells are certain of a comma and some of a point."""
        return bool(self.comma_is_decimal.any() and self.point_is_decimal.any())

    @property
    def says_thousands(self) -> bool:
        """Whether whole numbers up to 999 stand beside, some of three digits."""
        wholes = pc.cast(self.text.filter(pa.array(self.whole)), pa.float64()).to_numpy()
        sizes = np.abs(wholes)
        return bool(len(sizes) >= MIN_PLAIN and sizes.max() <= LARGEST and sizes.max() >= SMALLEST)

    @property
    def padded(self) -> bool:
        """Whether all of several cells are as ``150.000``: thousands, or idle digits."""
        cells = self.text.filter(pa.array(self.point_open))
        return bool(len(cells) >= MIN_ALIKE and pc.all(pc.ends_with(cells, "0")).as_py())

    @property
    def all_open(self) -> bool:
        """Whether every known cell is as ``1.735``, so that the column alone tells nothing."""
        return bool(self.n_known == self.point_open.sum() >= MIN_ALIKE)

    @property
    def says_decimals(self) -> bool:
        """Whether larger whole numbers stand beside, written without a mark of thousands."""
        wholes = pc.cast(self.text.filter(pa.array(self.whole)), pa.float64()).to_numpy()
        return bool(len(wholes) and np.abs(wholes).max() > LARGEST)


def settle_numerals(
    table: TextTable, declared: Mark | None, found: Findings, *, keep: tuple[str | None, ...] = ()
) -> TextTable:
    """Return a table whose numbers have decimal points and no marks of thousands.

    Parameters
    ----------
    table : TextTable
    declared : {",", "."} or None
        Decimal mark of the file, as somebody said.
    found : Findings
        Gets an error for columns that stay open, and notes of what was rewritten.
    keep : tuple of str or None
        Columns of identifiers, which stay as they are.
    """
    candidates = _candidates(table, keep)
    table = _with_minus_signs(table, candidates, found)
    judged = {column: _style_of(table.table[column]) for column in candidates}
    styles = {column: style for column, style in judged.items() if style is not None}
    of_file = declared or _mark_of_file(styles)
    if of_file is None and any(style.all_open for style in styles.values()):
        others = (blank_missing(table.table[c]) for c in candidates if c not in styles)
        of_file = "." if any(_matches(cells, _POINT_DECIMAL).any() for cells in others) else None
    settled: dict[str, pa.ChunkedArray] = {}
    open_columns: dict[str, NDArray[np.bool_]] = {}
    rewritten: dict[str, list[str]] = {}
    for column, style in styles.items():
        mark, unclear = _decide(style, of_file, declared, has_points=table.format == "text")
        if mark is None:
            open_columns[column] = unclear
            continue
        changed = _rewrite(style, mark)
        if changed is not None:
            name = "decimal commas" if mark == "," else "commas of thousands"
            rewritten.setdefault(name, []).append(column)
            settled[column] = changed
    _report_open(table, open_columns, found)
    for what, columns in rewritten.items():
        found.note(
            f"Numbers with {what} or gaps between thousands were read in "
            f"{count(len(columns), 'column')}: {examples(columns)}.",
            file=table.file,
            column=columns[0] if len(columns) == 1 else None,
        )
    return _without_units(_with_cells(table, settled), candidates, found)


def _with_minus_signs(table: TextTable, candidates: list[str], found: Findings) -> TextTable:
    """Read ``(1.25)`` and ``1.25-`` as -1.25 in columns without a minus sign."""
    marked = {}
    for column in candidates:
        text = blank_missing(table.table[column])
        negative = _matches(text, _NEGATIVE)
        others = len(text) - text.null_count - negative.sum()
        if negative.any() and others and _matches(text, rf"^\+?{_SIZE}$").sum() == others:
            marked[column] = negative
    if sum(int(negative.sum()) for negative in marked.values()) < MIN_NEGATIVE:
        return table
    changed = {
        c: pc.replace_substring_regex(blank_missing(table.table[c]), _NEGATIVE, r"-\1\2")
        for c in marked
    }
    first = table.text(next(iter(marked))).filter(pa.array(next(iter(marked.values())))).to_pylist()
    rows = np.flatnonzero(np.logical_or.reduce(list(marked.values())))
    found.warn(
        f"Numbers such as {first[0]} were read as negative in {count(len(marked), 'column')}: "
        f"{examples(f'{c} ({n.sum()})' for c, n in marked.items())}.",
        code="E-15",
        file=table.file,
        column=next(iter(marked)) if len(marked) == 1 else None,
        rows=tuple(int(r) for r in table.row_numbers[rows[:MAX_ROWS]]),
        fix="If they mean something else, write what, or leave the cells blank.",
    )
    return _with_cells(table, changed)


def _with_cells(table: TextTable, changed: Mapping[str, pa.ChunkedArray]) -> TextTable:
    """Return a table with other cells in some columns, built once: tables have thousands."""
    if not changed:
        return table
    columns = {name: changed.get(name, table.table[name]) for name in table.table.column_names}
    return replace(table, table=pa.table(columns))


def _candidates(table: TextTable, keep: tuple[str | None, ...]) -> list[str]:
    """Return the columns of text with cells that are no plain numbers.

    In a narrow table plain ones with three digits behind a point are looked at, too.
    """
    narrow = len(table.columns) <= FEW_COLUMNS
    columns = []
    for column in table.columns:
        cells, hint = table.table[column], promise(column)
        if not pa.types.is_string(cells.type) or column in keep:
            continue
        if hint is not None and hint.kind == "identifier":
            continue
        if not is_plain(cells) or (narrow and pc.any(pc.match_substring(cells, ".")).as_py()):
            columns.append(column)
    return columns


def _matches(text: pa.ChunkedArray, pattern: str) -> NDArray[np.bool_]:
    hit = pc.match_substring_regex(text, pattern).fill_null(False)
    return np.asarray(hit.to_numpy(), dtype=bool)


def _style_of(column: pa.ChunkedArray) -> _Style | None:
    """Return what a column's cells say; None where every number is written plainly."""
    text = blank_missing(column)
    if not _matches(text, _MARKED).any():
        return None
    point_open, point_thousands = _matches(text, _POINT_OPEN), _matches(text, _POINT_THOUSANDS)
    comma_open = _matches(text, _COMMA_OPEN)
    comma_decimal = _matches(text, _COMMA_DECIMAL) & ~comma_open
    point_decimal = _matches(text, _POINT_DECIMAL) & ~point_open
    comma_decimal |= point_thousands | _matches(text, _SPACED_COMMA)
    point_decimal |= _matches(text, _COMMA_THOUSANDS) | _matches(text, _SPACED_POINT)
    whole, spaced = _matches(text, _WHOLE), _matches(text, _SPACED)
    numbers = comma_open | point_open | comma_decimal | point_decimal | whole | spaced
    n_known = len(text) - text.null_count
    marked = comma_open | comma_decimal | point_open | spaced | _matches(text, _COMMA_THOUSANDS)
    if not marked.any() or numbers.sum() < MIN_SHARE * n_known:
        return None
    return _Style(text, comma_open, point_open, comma_decimal, point_decimal, whole, n_known)


def _mark_of_file(styles: Mapping[str, _Style]) -> Mark | None:
    """Return the decimal mark that columns are certain of, where none is certain of the other."""
    marks = {style.certain for style in styles.values()} - {None}
    return marks.pop() if len(marks) == 1 else None


def _decide(
    style: _Style, of_file: Mark | None, declared: Mark | None, *, has_points: bool
) -> tuple[Mark | None, NDArray[np.bool_]]:
    """Return the decimal mark of a column, or None and the cells that leave it open."""
    nothing = np.zeros(len(style.whole), dtype=bool)
    if style.mixed:
        fewer = min((style.comma_is_decimal, style.point_is_decimal), key=np.sum)
        return (declared, nothing) if declared else (None, fewer)
    if style.certain or declared:
        return style.certain or declared, nothing
    if style.comma_open.any() and style.point_open.any():
        return None, style.comma_open | style.point_open
    if style.comma_open.any():
        if of_file == "," and not style.says_thousands:
            return ",", nothing
        if of_file == "." or (of_file is None and style.says_thousands):
            return (None, style.comma_open) if style.says_decimals else (".", nothing)
        return None, style.comma_open
    if not style.point_open.any():
        return of_file or ".", nothing
    # Numbers that a spreadsheet typed have a point whatever the texts beside them mean.
    if of_file == "," and has_points:
        return (",", nothing) if style.says_thousands else (None, style.point_open)
    doubtful = (
        (style.says_thousands and _far_below(style))
        or style.padded
        or (style.all_open and of_file is None and has_points)
    )
    return (None, style.point_open) if doubtful else (".", nothing)


def _far_below(style: _Style) -> bool:
    """Whether cells such as ``1.735``, as decimals, lie far below the whole numbers beside them."""
    values = np.abs(pc.cast(style.text.filter(pa.array(style.point_open)), pa.float64()).to_numpy())
    wholes = np.abs(pc.cast(style.text.filter(pa.array(style.whole)), pa.float64()).to_numpy())
    return bool(np.median(values) < np.median(wholes) / 10)


def _rewrite(style: _Style, mark: Mark) -> pa.ChunkedArray | None:
    """Return the cells with a decimal point alone; None where nothing changes."""
    text = style.text
    if mark == "." and not pc.any(pc.match_substring_regex(text, f"[,{_GAP}]")).as_py():
        return None
    thousands = "." if mark == "," else ","
    pattern = (
        rf"{_SIGN}(?:{_HEAD}(?:[{_GAP}{thousands}]\d{{3}})+|\d+|)"
        rf"(?:{'[.]' if mark == '.' else ','}\d*)?(?:[eE][+-]?\d+)?$"
    )
    fits = pc.and_(
        pc.match_substring_regex(text, pattern), pc.match_substring_regex(text, f"[,.{_GAP}]")
    )
    without = pc.replace_substring_regex(text, f"[{_GAP}{thousands}]", "")
    plain = pc.replace_substring(without, ",", ".") if mark == "," else without
    changed = pc.if_else(fits.fill_null(False), plain, text)
    return None if changed.equals(text) else changed


def _report_open(
    table: TextTable, columns: Mapping[str, NDArray[np.bool_]], found: Findings
) -> None:
    if not columns:
        return
    rows = np.flatnonzero(np.logical_or.reduce(list(columns.values())))
    first, unclear = next(iter(columns.items()))
    cells = pc.unique(table.text(first).filter(pa.array(unclear))).to_pylist()
    found.error(
        f"{examples(cells)} in {examples(columns)} may be thousands or decimals"
        + (f" ({count(len(columns), 'column')})." if len(columns) > 1 else "."),
        code="E-15",
        file=table.file,
        column=first if len(columns) == 1 else None,
        rows=tuple(int(r) for r in table.row_numbers[rows[:MAX_ROWS]]),
        fix="Say which mark is the decimal one, or write the numbers without marks of thousands.",
        topic="decimal",
        columns=tuple(columns),
        values=tuple(str(c) for c in cells[:MAX_ROWS]),
    )


def _without_units(table: TextTable, candidates: list[str], found: Findings) -> TextTable:
    """Read ``12 mm`` as 12 where all known cells of a column have the same unit."""
    cells = table.table
    numbers: dict[str, pa.ChunkedArray] = {}
    read = {}
    for column in candidates:
        sample = blank_missing(cells[column].slice(0, 50))
        if not pc.any(pc.match_substring_regex(sample, _WITH_UNIT)).as_py():
            continue
        text = blank_missing(cells[column])
        units = pc.unique(
            pc.utf8_lower(pc.struct_field(pc.extract_regex(text, _UNIT_OF), "unit"))
        ).to_pylist()
        known = [u for u in units if u is not None]
        if len(known) != 1 or _matches(text, _WITH_UNIT).sum() < len(text) - text.null_count:
            continue
        numbers[column] = pc.replace_substring_regex(text, _WITH_UNIT, r"\1")
        read[column] = known[0]
    if read:
        found.note(
            f"Numbers were read without their unit in {count(len(read), 'column')}: "
            f"{examples(f'{c} ({u})' for c, u in read.items())}.",
            file=table.file,
        )
    return replace(_with_cells(table, numbers), units={**table.units, **read})


def time_units(table: TextTable, column: str) -> set[DurationUnit]:
    """Return the units of time that a column's name and its cells tell; two contradict each other.

    Parameters
    ----------
    table : TextTable
        As `settle_numerals` returns it.
    column : str
    """
    behind = table.units.get(column, "")
    told = {named_unit(column), UNITS.get(behind) or SHORT_UNITS.get(behind)}
    return {unit for unit in told if unit is not None}
