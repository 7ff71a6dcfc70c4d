"""One table file to named columns, before anything is guessed about its content.

Nothing here shifts or converts a column: the format's reader gives columns as they stand in the
file (`camlif.data.formats`), cells stay text (parquet and feather keep their numbers), and names
are cleaned. What is wrong with a file is added to the findings.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from camlif.data.formats.limits import MAX_BYTES, check_shape
from camlif.data.formats.raw import ReadOptions, Source, first_bytes, shown_start
from camlif.data.formats.registry import (
    FileFormat,
    TableReader,
    format_of,
    formats_like,
    without_ending,
)
from camlif.data.formats.text import GUESSED_ENCODING, OTHER_ENCODINGS
from camlif.data.reading.headers import with_its_header
from camlif.data.reading.problems import Findings, examples
from camlif.exceptions import DataError, SchemaError, SheetError
from camlif.wording import count

MAX_REASON = 200
"""Characters of a library's own message that are shown."""

INDEX_NAME = "row names"
"""Name given to a first column without header, as data frame exports write it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """A file's columns as read.

    Attributes
    ----------
    file : str
    format : str
        Name of a `FileFormat`, or ``slides``.
    table : pyarrow Table, shape (n_rows, n_columns)
        String columns, or numeric ones where the format has types.
    row_numbers : int array, shape (n_rows,)
        Row of the file, the header being row 1.
    encoding, delimiter : str or None
    units : mapping of column to str
        What stood behind all numbers of a column that was read without it.
    """

    file: str
    format: str
    table: pa.Table
    row_numbers: NDArray[np.int_]
    encoding: str | None = None
    delimiter: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """Column names, unique."""
        return list(self.table.column_names)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def text(self, column: str) -> pa.ChunkedArray:
        """Return a column as trimmed strings; numbers in their shortest form, null where absent."""
        values = self.table[column]
        if not pa.types.is_string(values.type):
            values = pc.cast(values, pa.string())
        return pc.utf8_trim_whitespace(values)


def table_stem(name: str) -> str:
    """Return a file name without folder, format and compression: ``x/ct.csv.gz`` gives ``ct``."""
    return without_ending(name.replace("\\", "/").rsplit("/", 1)[-1])


def read_table(
    name: str,
    source: Source,
    found: Findings,
    *,
    sheet: str | None = None,
    encoding: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TextTable | None:
    """Read a file to columns, adding what is wrong with it to ``found``.

    Parameters
    ----------
    name : str
        File name; its ending decides the format.
    source : Path or bytes
    found : Findings
    sheet : str, optional
        Sheet of a workbook; needed where several have content.
    encoding : str, optional
        Of a text file; else it is found.
    progress : callable, optional
        Called with (columns read, columns) while a large typed table is read.

    Returns
    -------
    TextTable or None
        None when the file could not be read as a table with rows (an error was added).
    """
    form = format_of(name)
    if form is None or not isinstance(form.reader, TableReader):
        found.error(
            "This is no table format we read.",
            code="E-01",
            file=name,
            fix="Save it as CSV (UTF-8) or Parquet.",
        )
        return None
    options = ReadOptions(max_bytes=MAX_BYTES, encoding=encoding, sheet=sheet, progress=progress)
    try:
        raw = form.reader.read(source, options)
        if encoding is None and raw.encoding == GUESSED_ENCODING:
            found.note(
                f"Read as {raw.encoding}, because it is no UTF-8. Letters beyond ASCII may be "
                "others.",
                file=name,
                topic="encoding",
                values=OTHER_ENCODINGS,
            )
        raw = with_its_header(name, raw, found)
        names, keep = _headers(name, raw.header, found)
        table = TextTable(
            file=name,
            format=form.name,
            table=raw.table.select(keep).rename_columns(names),
            row_numbers=raw.row_numbers,
            encoding=raw.encoding,
            delimiter=raw.delimiter,
        )
        return _checked(table, found)
    except SheetError as error:
        found.error(
            f"{name} has {count(len(error.sheets), 'sheet')}. Choose one: "
            f"{', '.join(error.sheets)}.",
            code="E-04",
            file=name,
            fix="Choose the sheet, or keep one sheet in a file.",
            topic="sheet",
            values=error.sheets,
        )
    except DataError as error:
        if error.code == "E-01":
            error.fix = _other_name(form, _start(source)) or error.fix
        found.refuse(error, name)
    except (pa.ArrowException, OSError, ValueError, zlib.error, csv.Error) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:MAX_REASON].rstrip(".")
        start = _start(source)
        found.error(
            f"We can't read {name} as {form.name}: {reason}. It starts with {shown_start(start)}.",
            code="E-01",
            file=name,
            fix=_other_name(form, start) or "Save it again as CSV (UTF-8) or Parquet.",
            topic="unreadable",
        )
    return None


def _start(source: Source) -> bytes:
    """Return how a file starts; nothing where it cannot be opened."""
    try:
        return first_bytes(source)
    except OSError:
        return b""


def _other_name(form: FileFormat, start: bytes) -> str | None:
    """Say how a file is named whose content is of another format than its name promises."""
    alike = formats_like(start)
    if form in alike or not alike:
        return None
    endings = ", ".join(ending for other in alike for ending in other.endings)
    return f"It starts as files do that end in {endings}; if it is one, name it so."


def _checked(table: TextTable, found: Findings) -> TextTable | None:
    """Drop blank rows, refuse tables that are empty or too large."""
    check_shape(len(table), len(table.columns))
    table = _without_blank_rows(table)
    if not len(table):
        found.error(
            f"{table.file} has headers but no rows.",
            code="E-03",
            file=table.file,
            fix="Add rows.",
            topic="unreadable",
        )
        return None
    return table


def _without_blank_rows(table: TextTable) -> TextTable:
    if not table.columns:
        return table
    maybe = np.flatnonzero(_is_empty(table.table[0]))
    if not len(maybe):
        return table
    candidates = table.table.take(maybe)
    blank = np.logical_and.reduce([_is_empty(column) for column in candidates.columns])
    keep = np.setdiff1d(np.arange(len(table)), maybe[blank])
    return replace(table, table=table.table.take(keep), row_numbers=table.row_numbers[keep])


def _is_empty(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    empty = pc.is_null(column)
    if pa.types.is_string(column.type):
        empty = pc.or_(empty, pc.equal(column.fill_null(""), ""))
    return np.asarray(empty.to_numpy(), dtype=bool)


def _headers(name: str, header: list[str], found: Findings) -> tuple[list[str], list[int]]:
    """Return clean column names and their positions.

    A trailing column without name is left out; a first one is called `INDEX_NAME`.
    """
    check_shape(0, len(header))
    names = [re.sub(r"\s+", " ", h).strip() for h in header]
    if names and names[0] in ("", "Unnamed: 0"):
        names[0] = INDEX_NAME
    keep = [i for i, n in enumerate(names) if n and not re.fullmatch(r"__index_level_\d+__", n)]
    blank = [i + 1 for i, n in enumerate(names[:-1]) if not n]
    if blank:
        found.warn(
            f"{count(len(blank), 'column')} without a header left out "
            f"(position {examples(blank)}).",
            file=name,
            fix="Name every column in the first row.",
        )
    double = sorted(n for n, k in Counter(names[i] for i in keep).items() if k > 1)
    if double:
        raise SchemaError(
            f"Column names occur more than once: {examples(double)}.",
            code="E-01",
            rows=(1,),
            fix="Give every column a name of its own.",
        )
    return [names[i] for i in keep], keep
