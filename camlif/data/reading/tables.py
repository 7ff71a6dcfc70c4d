"""Read one table file to named text columns, before anything is guessed about its content.

Nothing here renames, shifts or converts a column: headers are read first, the fields of every line
are counted, and cells stay text (parquet and feather keep their numbers). Decompression is bounded.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from camlif.data.formats.annotated import ANNOTATED_ENDINGS
from camlif.data.formats.columnar import read_feather, read_parquet
from camlif.data.formats.limits import MAX_BYTES, MAX_CELLS, check_shape, too_large
from camlif.data.reading.problems import MAX_ROWS, Findings, examples
from camlif.data.reading.spreadsheets import read_sheets
from camlif.exceptions import DataError, SchemaError
from camlif.wording import count

GUESSED_ENCODING = "cp1252"
OTHER_ENCODINGS = ("cp1250", "cp1251", "cp1253", "cp1254", "mac_roman", "shift_jis", "gb18030")
"""Read without an error as the guessed one, with other letters."""

DELIMITERS = (",", "\t", ";", "|")
SNIFFED_LINES = 20
MAX_REASON = 200
"""Characters of a library's own message that are shown."""

SHOWN_BYTES = 20
CHUNK = 2**20
"""Bytes unpacked at a time."""

_LINE_END = re.compile(r"\r\n|\r|\n")
INDEX_NAME = "row names"
"""Name given to a first column without header, as data frame exports write it."""

Format = Literal["text", "parquet", "feather", "xlsx", "slides", "h5ad", "h5mu"]
FORMATS: dict[str, Format] = {
    ".csv": "text",
    ".tsv": "text",
    ".txt": "text",
    ".maf": "text",
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
    for suffix in (".gz", *FORMATS, *ANNOTATED_ENDINGS):
        if base.lower().endswith(suffix):
            base = base[: -len(suffix)]
    return base


def read_table(
    name: str,
    source: Path | bytes,
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
    form = table_format(name)
    if form is None:
        found.error(
            "This is no table format we read.",
            code="E-01",
            file=name,
            fix="Save it as CSV (UTF-8) or Parquet.",
        )
        return None
    data = b""
    try:
        if form == "parquet" and isinstance(source, Path):
            data = _first_bytes(source)
            typed = read_parquet(source, max_bytes=MAX_BYTES, progress=progress)
            table: TextTable | None = _typed(name, form, typed, found)
        else:
            data = _not_empty(_bytes(name, source))
            if form == "text":
                table = _read_text(name, data, found, encoding)
            else:
                table = _parse(name, form, data, found, sheet)
        return None if table is None else _checked(table, found)
    except DataError as error:
        found.refuse(error, name)
    except (pa.ArrowException, OSError, ValueError, zlib.error, csv.Error) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:MAX_REASON].rstrip(".")
        found.error(
            f"We can't read {name} as {form}: {reason}. It starts with {_start(data)}.",
            code="E-01",
            file=name,
            fix="Save it again as CSV (UTF-8) or Parquet.",
            topic="unreadable",
        )
    return None


def _first_bytes(path: Path) -> bytes:
    """Return what is shown of a file that cannot be read."""
    with path.open("rb") as file:
        return _not_empty(file.read(SHOWN_BYTES))


def _not_empty(data: bytes) -> bytes:
    if not data:
        raise DataError("The file is empty.", code="E-03", fix="Export the table again.")
    return data


def _start(data: bytes) -> str:
    """Return the first characters of a file, those beyond ASCII escaped."""
    return ascii(data[:SHOWN_BYTES].decode("latin-1"))


def _bytes(name: str, source: Path | bytes) -> bytes:
    """Return the file's bytes, decompressed while counting."""
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size > MAX_BYTES:
        raise too_large(size, MAX_BYTES)
    data = source if isinstance(source, bytes) else source.read_bytes()
    if not name.lower().endswith(".gz") and data[:2] != b"\x1f\x8b":
        return data
    return _gunzip(data)


def _gunzip(data: bytes) -> bytes:
    """Decompress all members of a gzip file, up to `MAX_BYTES`."""
    parts: list[bytes] = []
    total = 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            while part := stream.read(CHUNK):
                parts.append(part)
                total += len(part)
                if total > MAX_BYTES:
                    raise too_large(total, MAX_BYTES)
    except EOFError as error:
        raise DataError("The compressed file ends too early.", code="E-01") from error
    return b"".join(parts)


def _parse(
    name: str, form: Format, data: bytes, found: Findings, sheet: str | None
) -> TextTable | None:
    if form == "xlsx":
        return _read_workbook(name, data, found, sheet)
    table = (read_parquet if form == "parquet" else read_feather)(data, max_bytes=MAX_BYTES)
    return _typed(name, form, table, found)


def _typed(name: str, form: Format, table: pa.Table, found: Findings) -> TextTable:
    names, keep = _headers(name, table.column_names, found)
    table = table.select(keep).rename_columns(names)
    return TextTable(
        file=name, format=form, table=table, row_numbers=np.arange(2, 2 + table.num_rows)
    )


def _read_workbook(name: str, data: bytes, found: Findings, wanted: str | None) -> TextTable | None:
    sheets = read_sheets(data, max_bytes=MAX_BYTES)
    if wanted not in sheets and len(sheets) > 1:
        found.error(
            f"{name} has {len(sheets)} sheets. Choose one: {', '.join(sheets)}.",
            code="E-04",
            file=name,
            fix="Choose the sheet, or keep one sheet in a file.",
            topic="sheet",
            values=tuple(sheets),
        )
        return None
    header, *rows = sheets[wanted] if wanted in sheets else next(iter(sheets.values()))
    names, keep = _headers(name, header, found)
    table = pa.table(
        {
            c: pa.array([row[i] for row in rows], pa.string())
            for c, i in zip(names, keep, strict=True)
        }
    )
    numbers = np.arange(2, 2 + len(rows))
    return TextTable(file=name, format="xlsx", table=table, row_numbers=numbers)


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


def _decode(data: bytes) -> tuple[str, str]:
    """Return text and the name of its encoding: UTF-8, UTF-16 by its mark, else cp1252."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16"), "utf-16"
    if b"\0" in data:
        raise DataError(
            f"The file holds binary data, no text; it starts with {_start(data)}.",
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


def _decode_as(data: bytes, encoding: str) -> tuple[str, str]:
    """Return text in an encoding that somebody chose, and its name."""
    try:
        return data.decode(encoding).removeprefix("\ufeff"), encoding
    except UnicodeError as error:
        raise DataError(
            f"The file is no text in {encoding}.",
            code="E-01",
            fix="Choose another encoding, or save it again as CSV (UTF-8).",
        ) from error


def _read_text(name: str, data: bytes, found: Findings, declared: str | None) -> TextTable | None:
    text, encoding = _decode(data) if declared is None else _decode_as(data, declared)
    if declared is None and encoding == GUESSED_ENCODING:
        found.note(
            f"Read as {encoding}, because it is no UTF-8. Letters beyond ASCII may be others.",
            file=name,
            topic="encoding",
            values=OTHER_ENCODINGS,
        )
    if "\n" not in text and "\r" in text:  # line ends of the oldest spreadsheets
        text = text.replace("\r", "\n")
    # cBioPortal files carry four comment rows above the header.
    above = re.match(r"(?:#[^\n]*+\n|[^\S\n]*+\n)*+", text)
    start = above.end() if above else 0
    n_skipped = text.count("\n", 0, start)
    text = text[start:]
    delimiter = _sniff(text)
    header_end, header = _first_record(text, delimiter)
    names, keep = _headers(name, header, found)
    body = text[header_end:].encode()
    if body.count(delimiter.encode()) > MAX_CELLS:
        raise too_large(len(body), MAX_BYTES)
    if not body or body.isspace():
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
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        except csv.Error:  # a wide line without this delimiter is one cell beyond csv's limit
            return (0.0, 0)
        if not widths or widths[0] < 2:
            return (0.0, 0)
        return (sum(w == widths[0] for w in widths) / len(widths), widths[0])

    return max(DELIMITERS, key=rank)


def _first_record(text: str, delimiter: str) -> tuple[int, list[str]]:
    """Return where the header ends, and its fields; a quoted field may span lines."""
    end = 0

    def lines() -> Iterator[str]:
        nonlocal end
        while end < len(text):
            mark = _LINE_END.search(text, end)
            start, end = end, mark.end() if mark else len(text)
            yield text[start:end]

    header = next(csv.reader(lines(), delimiter=delimiter), [])
    return end, header


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
