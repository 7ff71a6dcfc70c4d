"""Read one sheet of an XLSX workbook as text, with bounds on what its archive may unpack to."""

from __future__ import annotations

import datetime
import io
import zipfile

from python_calamine import CalamineError, CalamineWorkbook

from camlif.exceptions import DataError

MAX_ENTRIES = 10_000


def read_sheet(data: bytes, *, max_bytes: int) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the only sheet with content; formulas give their stored values.

    Raises
    ------
    DataError
        If the archive is damaged or unpacks to more than ``max_bytes``, or if there is not
        exactly one sheet with content.
    """
    _check_archive(data, max_bytes)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = {
            n: book.get_sheet_by_name(n).to_python(skip_empty_area=False) for n in book.sheet_names
        }
    except CalamineError as error:
        raise DataError(f"The workbook can't be read: {error}.", code="E-01") from error
    filled = [name for name, rows in sheets.items() if any(any(c != "" for c in r) for r in rows)]
    if len(filled) > 1:
        raise DataError(
            f"The file has {len(filled)} sheets with content: {', '.join(filled)}.",
            code="E-04",
            fix="Keep one sheet in a file.",
        )
    if not filled:
        raise DataError("The workbook is empty.", code="E-03")
    rows = [[_text(cell) for cell in row] for row in sheets[filled[0]]]
    while not any(rows[-1]):
        rows.pop()
    return rows[0], rows[1:]


def _check_archive(data: bytes, max_bytes: int) -> None:
    try:
        entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError("The file is no XLSX workbook.", code="E-01") from error
    size = sum(entry.file_size for entry in entries)
    if size > max_bytes or len(entries) > MAX_ENTRIES:
        raise DataError(
            f"The workbook unpacks to {size / 2**20:.0f} MB.",
            code="E-02",
            fix="Save the sheet as CSV or Parquet.",
        )


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime.datetime | datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell)
