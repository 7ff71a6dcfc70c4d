"""Read one table file to named text columns, before anything is guessed about its content.

Nothing here renames, shifts or converts a column: headers are read first, the fields of every line
are counted, and cells stay text (parquet and feather keep their numbers). Decompression is bounded.
"""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
from numpy.typing import NDArray

from camlif.data.problems import MAX_ROWS, Findings, count, examples
from camlif.data.spreadsheets import read_sheet
from camlif.exceptions import DataError, SchemaError

MAX_BYTES = 512 * 2**20
"""Most bytes of a table after decompression (the browser takes 250 MB a file)."""

MAX_ROWS_TOTAL = 100_000
MAX_COLUMNS = 20_000
DELIMITERS = (",", "\t", ";", "|")
SNIFFED_LINES = 20
INDEX_NAME = "row names"
"""Name given to a first column without header, as data frame exports write it."""

Format = Literal["text", "parquet", "feather", "xlsx"]
FORMATS: dict[str, Format] = {
    ".csv": "text",
    ".tsv": "text",
    ".txt": "text",
    ".parquet": "parquet",
    ".feather": "feather",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """A file's columns as read.

    Attributes
    ----------
    file : str
    table : pyarrow Table, shape (n_rows, n_columns)
        String columns, or numeric ones where the format has types.
    row_numbers : int array, shape (n_rows,)
        Row of the file, the header being row 1.
    encoding, delimiter : str or None
    """

    file: str
    format: Format
    table: pa.Table
    row_numbers: NDArray[np.int_]
    encoding: str | None = None
    delimiter: str | None = None

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


def table_format(name: str) -> Format | None:
    """Return the format that a file name promises; None for files that hold no table."""
    path = Path(name.lower().removesuffix(".gz"))
    found = FORMATS.get(path.suffix)
    return None if name.lower().endswith(".gz") and found != "text" else found


def table_stem(name: str) -> str:
    """Return a file name without folder, format and compression: ``x/ct.csv.gz`` gives ``ct``."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    for suffix in (".gz", *FORMATS):
        if base.lower().endswith(suffix):
            base = base[: -len(suffix)]
    return base


def read_table(name: str, source: Path | bytes, found: Findings) -> TextTable | None:
    """Read a file to columns, adding what is wrong with it to ``found``.

    Parameters
    ----------
    name : str
        File name; its ending decides the format.
    source : Path or bytes
    found : Findings

    Returns
    -------
    TextTable or None
        None when the file could not be read as a table with rows (an error was added).
    """
    form = table_format(name)
    if form is None:
        found.error(
            "This is no table format we read.",
            code="E-01",
            file=name,
            fix="Save it as CSV (UTF-8) or Parquet.",
        )
        return None
    try:
        data = _bytes(name, source)
        if not data:
            raise DataError("The file is empty.", code="E-03")
        table = _parse(name, form, data, found)
        return None if table is None else _checked(table, found)
    except DataError as error:
        found.error(
            error.message, file=name, code=error.code or "E-01", rows=error.rows, fix=error.fix
        )
    except (pa.ArrowException, OSError, ValueError, zlib.error, csv.Error) as error:
        found.error(
            f"We can't read this file as {form}: {str(error).splitlines()[0]}.".replace("..", "."),
            code="E-01",
            file=name,
            fix="Save it again as CSV (UTF-8) or Parquet.",
        )
    return None


def _bytes(name: str, source: Path | bytes) -> bytes:
    """Return the file's bytes, decompressed while counting."""
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size > MAX_BYTES:
        raise _too_large(size)
    data = source if isinstance(source, bytes) else source.read_bytes()
    if not name.lower().endswith(".gz") and data[:2] != b"\x1f\x8b":
        return data
    return _gunzip(data)


def _gunzip(data: bytes) -> bytes:
    """Decompress gzip members one after the other, up to `MAX_BYTES`."""
    parts: list[bytes] = []
    total = 0
    while data:
        stream = zlib.decompressobj(wbits=31)
        part = stream.decompress(data, MAX_BYTES + 1 - total)
        total += len(part)
        parts.append(part)
        if total > MAX_BYTES:
            raise _too_large(total)
        if not stream.eof:
            raise DataError("The compressed file ends too early.", code="E-01")
        data = stream.unused_data.lstrip(b"\0")
    return b"".join(parts)


def _too_large(size: int) -> DataError:
    return DataError(
        f"The table is larger than {MAX_BYTES // 2**20} MB ({size / 2**20:.0f} MB read so far).",
        code="E-02",
        fix="Save it as Parquet, or leave out columns.",
    )


def _parse(name: str, form: Format, data: bytes, found: Findings) -> TextTable | None:
    if form == "text":
        return _read_text(name, data, found)
    if form == "xlsx":
        header, rows = read_sheet(data, max_bytes=MAX_BYTES)
        names, keep = _headers(name, header, found)
        table = pa.table(
            {
                c: pa.array([row[i] for row in rows], pa.string())
                for c, i in zip(names, keep, strict=True)
            }
        )
        numbers = np.arange(2, 2 + len(rows))
        return TextTable(file=name, format=form, table=table, row_numbers=numbers)
    reader = pa.BufferReader(data)
    if form == "parquet":
        size = pa.parquet.ParquetFile(reader).metadata
        held = sum(size.row_group(i).total_byte_size for i in range(size.num_row_groups))
        if held > MAX_BYTES:
            raise _too_large(held)
        table = pa.parquet.read_table(pa.BufferReader(data))
    else:
        table = pa.feather.read_table(reader)
    # Offsets of a damaged file may point outside its buffers, which crashes the process when read.
    table.validate(full=True)
    names, keep = _headers(name, table.column_names, found)
    table = _flat(table.select(keep).rename_columns(names))
    return TextTable(
        file=name, format=form, table=table, row_numbers=np.arange(2, 2 + table.num_rows)
    )


def _flat(table: pa.Table) -> pa.Table:
    """Return numbers as float64 or int64 and everything else as text; nested columns raise."""
    columns = {}
    for column in table.column_names:
        values = table[column]
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if pa.types.is_nested(values.type):
            raise SchemaError(f"Column {column} holds lists or records.", code="E-01")
        number = pa.types.is_floating(values.type) or pa.types.is_integer(values.type)
        if pa.types.is_float16(values.type) or pa.types.is_float32(values.type):
            values = values.cast(pa.float64())
        columns[column] = values if number else values.cast(pa.string())
    return pa.table(columns)


def _checked(table: TextTable, found: Findings) -> TextTable | None:
    """Drop blank rows, refuse tables that are empty or too large."""
    if len(table) > MAX_ROWS_TOTAL or len(table.columns) > MAX_COLUMNS:
        raise DataError(
            f"The table has {len(table):,} rows and {len(table.columns):,} columns; the limits are "
            f"{MAX_ROWS_TOTAL:,} and {MAX_COLUMNS:,}.",
            code="E-02",
            fix="Split the file, or leave out columns.",
        )
    table = _without_blank_rows(table)
    if not len(table):
        found.error(
            f"{table.file} has headers but no rows.", code="E-03", file=table.file, fix="Add rows."
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


def _decode(data: bytes) -> tuple[str, str]:
    """Return text and the name of its encoding: UTF-8, UTF-16 by its mark, else cp1252."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16"), "utf-16"
    if b"\0" in data:
        start = ascii(data[:20].decode("latin-1"))[1:-1]
        raise DataError(
            f"The file holds binary data, no text; it starts with {start}.",
            code="E-01",
            fix="Save it again as CSV (UTF-8) or Parquet.",
        )
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252"), "cp1252"
    except UnicodeDecodeError as error:
        raise DataError(
            "The file is text in an encoding that we don't know.",
            code="E-01",
            fix="Save it again as CSV (UTF-8).",
        ) from error


def _read_text(name: str, data: bytes, found: Findings) -> TextTable | None:
    text, encoding = _decode(data)
    if "\n" not in text and "\r" in text:  # line ends of the oldest spreadsheets
        text = text.replace("\r", "\n")
    n_skipped = 0
    # cBioPortal files carry four comment rows above the header.
    while (line := text[: text.find("\n") + 1]) and (not line.strip() or line.startswith("#")):
        text = text[len(line) :]
        n_skipped += 1
    delimiter = _sniff(text)
    header_end, header = _first_record(text, delimiter)
    names, keep = _headers(name, header, found)
    body = text[header_end:].encode()
    if not body.strip():
        table = pa.table({c: pa.array([], pa.string()) for c in names})
        rows = np.zeros(0, dtype=int)
    else:
        table, rows = _parse_rows(body, header, delimiter)
        table = table.select(keep).rename_columns(names)
    return TextTable(
        file=name,
        format="text",
        table=table,
        row_numbers=rows + n_skipped,
        encoding=encoding,
        delimiter=delimiter,
    )


def _sniff(text: str) -> str:
    """Return the delimiter that splits the first lines most evenly; a comma if none does."""
    lines = text[: 2**20].splitlines()[:SNIFFED_LINES]

    def rank(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        if not widths or widths[0] < 2:
            return (0.0, 0)
        return (sum(w == widths[0] for w in widths) / len(widths), widths[0])

    return max(DELIMITERS, key=rank)


def _first_record(text: str, delimiter: str) -> tuple[int, list[str]]:
    """Return where the header ends, and its fields; a quoted field may span lines."""
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, delimiter=delimiter)
    header = next(reader, [])
    lines = io.StringIO(text, newline="")
    end = sum(len(lines.readline()) for _ in range(reader.line_num))
    return end, header


def _headers(name: str, header: list[str], found: Findings) -> tuple[list[str], list[int]]:
    """Return clean column names and their positions.

    A trailing column without name is left out; a first one is called `INDEX_NAME`.
    """
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


def _parse_rows(
    body: bytes, header: list[str], delimiter: str
) -> tuple[pa.Table, NDArray[np.int_]]:
    """Parse the lines below the header as text, counting the fields of each."""
    ragged: list[tuple[int, int]] = []

    def inspect(row: Any) -> str:
        ragged.append((row.number, row.actual_columns))
        return "skip"

    width = len(header)
    names = [str(i) for i in range(width)]
    table = pa.csv.read_csv(
        pa.BufferReader(body),
        read_options=pa.csv.ReadOptions(
            use_threads=False, column_names=names, block_size=max(len(body), 1024)
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=delimiter,
            newlines_in_values=True,
            ignore_empty_lines=False,
            invalid_row_handler=inspect,
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )
    if ragged:
        rows = tuple(number + 1 for number, _ in ragged[:MAX_ROWS])
        widths = examples(sorted({fields for _, fields in ragged}))
        raise SchemaError(
            f"The header has {width} fields, but {count(len(ragged), 'row')} another number "
            f"({widths}).",
            code="E-01",
            rows=rows,
            fix="Quote cells that hold the delimiter, and give every column a header.",
        )
    return table, np.arange(2, 2 + table.num_rows)
