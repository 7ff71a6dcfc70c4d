"""Sheets of an XLSX workbook as text, with bounds on what its archive may unpack to.

Fails with `DataError` (damaged, too large, empty) and `SheetError` (several sheets, none chosen).
"""

from __future__ import annotations

import datetime
import io
import re
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from python_calamine import CalamineError, CalamineWorkbook

from camlif.data.formats.raw import RawTable, ReadOptions, Source, unpack
from camlif.exceptions import DataError, SheetError

MAX_ENTRIES = 10_000
MAX_SHEET_CELLS = 20_000_000
"""A sheet is held as a rectangle up to its last cell, so two cells can ask for a billion."""

EXACT = 1e15
"""A spreadsheet keeps 15 digits of a number."""

CHUNK = 2**22
_COLUMN = re.compile(rb"""\br\s*=\s*["']([A-Z]{1,7})[0-9]""")
_ROW = re.compile(rb"""\br\s*=\s*["'][A-Z]{1,7}([0-9]{1,10})["']""")
_VALUE = re.compile(rb"<(?:\w+:)?v\b[^>]*>\s*([0-9]{1,9})\s*<")
_ITEM = re.compile(rb"<(?:\w+:)?si\b")


def read_workbook(source: Source, options: ReadOptions) -> RawTable:
    """Read the only sheet with content, or the one that was chosen.

    Raises
    ------
    SheetError
        If there are several and none of them was chosen.
    DataError
        As `read_sheets`.
    """
    data = unpack(source, max_bytes=options.max_bytes)
    sheets = read_sheets(data, max_bytes=options.max_bytes)
    if options.sheet not in sheets and len(sheets) > 1:
        raise SheetError("Several sheets have content.", sheets=tuple(sheets))
    cells = sheets[options.sheet] if options.sheet in sheets else next(iter(sheets.values()))
    header, *rows = cells
    columns = [pa.array([row[i] for row in rows], pa.string()) for i in range(len(header))]
    return RawTable(
        header=header,
        table=pa.table(columns, names=[str(i) for i in range(len(header))]),
        row_numbers=np.arange(2, 2 + len(rows)),
    )


def read_sheets(data: bytes, *, max_bytes: int) -> dict[str, list[list[str]]]:
    """Return the rows of every sheet with content; formulas give their stored values.

    Raises
    ------
    DataError
        If the archive is damaged or unpacks to more than ``max_bytes``, or if it is empty.
    """
    _check_archive(data, max_bytes)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = {
            n: book.get_sheet_by_name(n).to_python(skip_empty_area=False) for n in book.sheet_names
        }
    except CalamineError as error:
        raise DataError(f"The workbook can't be read: {error}.", code="E-01") from error
    filled = {}
    for name, cells in sheets.items():
        rows = [[_text(cell) for cell in row] for row in cells]
        while rows and not any(rows[-1]):
            rows.pop()
        if rows:
            filled[name] = rows
    if not filled:
        raise DataError("The workbook is empty.", code="E-03", fix="Export the table again.")
    return filled


def _check_archive(data: bytes, max_bytes: int) -> None:
    """Measure what the workbook will hold, without building any of it."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = archive.infolist()
        size = sum(entry.file_size for entry in entries)
        if size > max_bytes or len(entries) > MAX_ENTRIES:
            raise _too_large(size)
        lengths = np.zeros(0, dtype=np.int64)
        for entry in entries:
            if entry.filename.lower().endswith("sharedstrings.xml"):
                lengths = _text_lengths(b"".join(_chunks(archive, entry)))
        for entry in entries:
            if "/worksheets/" in entry.filename.lower():
                _check_sheet(archive, entry, lengths, max_bytes)
    except (zipfile.BadZipFile, RuntimeError, EOFError, OSError, zlib.error) as error:
        raise DataError("The file is no XLSX workbook.", code="E-01") from error


def _too_large(size: int) -> DataError:
    return DataError(
        f"The workbook unpacks to {size / 2**20:.0f} MB.",
        code="E-02",
        fix="Save the sheet as CSV or Parquet.",
    )


def _chunks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield an entry in parts that end at a tag, and never more than it declares."""
    left = b""
    with archive.open(entry) as stream:
        while part := stream.read(CHUNK):
            if b"\0" in part or b"<!" in part:  # another encoding, entities or CDATA: no writer's
                raise DataError("The workbook holds XML that we don't read.", code="E-01")
            whole, mark, tail = (left + part).rpartition(b"<")
            yield whole
            left = mark + tail
    yield left


def _text_lengths(xml: bytes) -> NDArray[np.int64]:
    """Return an upper bound of the bytes of every shared text."""
    starts = np.array([m.start() for m in _ITEM.finditer(xml)] + [len(xml)], dtype=np.int64)
    return np.diff(starts)


def _check_sheet(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, lengths: NDArray[np.int64], max_bytes: int
) -> None:
    """Refuse a sheet whose rectangle or whose texts, written out, are too large."""
    last_row = last_column = 1
    held = 0
    for part in _chunks(archive, entry):
        last_row = max(last_row, *map(int, set(_ROW.findall(part))), 1)
        last_column = max(last_column, *map(_column_number, set(_COLUMN.findall(part))), 1)
        if len(lengths):
            cells = np.array(_VALUE.findall(part), dtype="S9").astype(np.int64)
            held += int(lengths[cells[cells < len(lengths)]].sum())
    if last_row * last_column > MAX_SHEET_CELLS or held > max_bytes:
        raise DataError(
            f"The sheet reaches to row {last_row:,} and column {last_column:,}, or repeats long "
            "texts too often.",
            code="E-02",
            fix="Clear stray cells below and beside the table, or save it as CSV or Parquet.",
        )


def _column_number(letters: bytes) -> int:
    """Return the number of a column: ``A`` is 1, ``AB`` is 28."""
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        exact = cell.is_integer() and abs(cell) < EXACT  # larger ones show that they were rounded
        return str(int(cell)) if exact else repr(cell)
    if isinstance(cell, datetime.datetime | datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell)
