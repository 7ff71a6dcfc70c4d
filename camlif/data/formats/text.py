"""Delimited text: bytes of any usual encoding, delimiter and line end to columns of text.

Headers are read first, the fields of every line are counted, and no cell is shifted or converted.
Fails with `DataError` (binary data, an unknown encoding, rows of another width, too many cells).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from camlif.data.formats.limits import MAX_CELLS, check_shape, too_large
from camlif.data.formats.raw import RawTable, ReadOptions, Source, shown_start, unpack
from camlif.exceptions import DataError, SchemaError
from camlif.wording import count

GUESSED_ENCODING = "cp1252"
OTHER_ENCODINGS = ("cp1250", "cp1251", "cp1253", "cp1254", "mac_roman", "shift_jis", "gb18030")
"""Read without an error as the guessed one, with other letters."""

DELIMITERS = (",", "\t", ";", "|")
SPACE = " "
"""Parts the fields of a table only where none of `DELIMITERS` does, as R's `write.table` writes."""
SNIFFED_LINES = 20
MAX_NAMED = 5
"""Rows and widths that an error names."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_NAMED_DELIMITER = re.compile(r"\"?sep=([,;|\t])\"?[;,]*\r?\n", re.IGNORECASE)
"""The line by which Excel is told of a delimiter."""
_RULE = re.compile(r"(?<=\n)[ \t]*\|?(?:[ \t]*:?-+:?[ \t]*\|)+[ \t]*:?-*:?[ \t]*\r?\n")
_EDGES = re.compile(r"^[ \t]*\|[ \t]*|[ \t]*\|[ \t]*(?=\r?$)", re.MULTILINE)
"""The line below the header of a table in Markdown, and the signs at both ends of its lines."""

_NUMBER = re.compile(r"[ +-]*\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?")
MAX_TITLES = 10
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd]")
_NOUGHTS = 0.5
"""Share of NUL bytes in one half of the places, and none in the other: UTF-16 without its mark."""


def read_text(source: Source, options: ReadOptions) -> RawTable:
    """Read delimited text.

    Raises
    ------
    DataError
        E-01 if it is no table of text, E-02 if it is too large, E-03 if it is empty.
    """
    data = unpack(source, max_bytes=options.max_bytes)
    text, encoding = (
        _decode(data) if options.encoding is None else _decode_as(data, options.encoding)
    )
    if "\n" not in text and "\r" in text:  # line ends of the oldest spreadsheets
        text = text.replace("\r", "\n")
    start = _below_comments(text)
    named = _NAMED_DELIMITER.match(text, start)
    start = named.end() if named else start
    titled, start = start, _below_titles(text, start)
    titles = tuple(line.strip() for line in text[titled:start].splitlines() if line.strip())
    n_skipped = text.count("\n", 0, start)
    text = text[start:]
    delimiter = named[1] if named else _sniff(text)
    if delimiter == "|" and (ruled := _RULE.search(text)):
        text = _EDGES.sub("", text[: ruled.start()] + text[ruled.end() :])
    header_end, header = _first_record(text, delimiter)
    if named is None and len(header) == 1 and (spaced := _spaced(text)):
        delimiter, (header_end, header) = SPACE, _first_record(text, SPACE)
        header = [""] * (spaced - len(header)) + header
    check_shape(0, len(header))
    body = text[header_end:].encode()
    if body.count(delimiter.encode()) > MAX_CELLS:
        raise too_large(len(body), options.max_bytes)
    if not body or body.isspace():
        table = pa.table({str(i): pa.array([], pa.string()) for i in range(len(header))})
        rows = np.zeros(0, dtype=int)
    else:
        table, rows = _parse_rows(body, header, delimiter)
    return RawTable(
        header=header,
        table=table,
        row_numbers=rows + n_skipped,
        encoding=encoding,
        delimiter=delimiter,
        above=titles,
    )


def _decode(data: bytes) -> tuple[str, str]:
    """Return text and the name of its encoding: UTF-16 by mark or NUL bytes, UTF-8, else cp1252."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16"), "utf-16"
    if unmarked := _unmarked(data):
        return data.decode(unmarked), unmarked
    if b"\0" in data:
        raise DataError(
            f"The file holds binary data, no text; it starts with {shown_start(data)}.",
            code="E-01",
            fix="Save it again as CSV (UTF-8) or Parquet.",
        )
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        _refuse_damaged(data)
    try:
        return data.decode("cp1252"), "cp1252"
    except UnicodeDecodeError as error:
        raise DataError(
            "The file is text in an encoding that we don't know.",
            code="E-01",
            fix="Save it again as CSV (UTF-8).",
        ) from error


def _unmarked(data: bytes) -> str:
    """Return the kind of UTF-16 that text without a mark is in; empty where it is none."""
    start = data[: 2**16]
    halves = (np.frombuffer(start[first::2], dtype=np.uint8) for first in (0, 1))
    even, odd = (float((half == 0).mean()) if len(half) else 0.0 for half in halves)
    if len(data) % 2 or max(even, odd) < _NOUGHTS or min(even, odd) > 0:
        return ""
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    text = start.decode(encoding, errors="replace")
    return encoding if "\n" in text and not _CONTROL.search(text) else ""


def _refuse_damaged(data: bytes) -> None:
    """Refuse UTF-8 with a few bytes that are none: read as another encoding, all letters change."""
    text = data.decode("utf-8", errors="surrogateescape")
    bad = [found.start() for found in re.finditer(r"[\udc80-\udcff]", text)]
    n_good = len(re.findall(r"[^\x00-\x7f]", text)) - len(bad)
    if n_good > len(bad):
        rows = tuple(dict.fromkeys(text.count("\n", 0, i) + 1 for i in bad[:MAX_NAMED]))
        raise DataError(
            f"{count(len(bad), 'byte')} that UTF-8 does not know, in a file of UTF-8.",
            code="E-01",
            rows=rows,
            fix="Mend the letters there, and save the file as CSV (UTF-8).",
        )


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


def _below_comments(text: str) -> int:
    """Return where a table starts below lines of comments, of which the last may be its header."""
    # cBioPortal files carry four comment rows above the header.
    above = re.match(r"(?:#[^\n]*+\n|[^\S\n]*+\n)*+", text)
    start = above.end() if above else 0
    last = text.rfind("\n", 0, max(start - 1, 0)) + 1
    pair = text[last : start + 2**20].splitlines()[:2]
    if not text.startswith("#", last) or len(pair) < 2:
        return start
    delimiter = _sniff("\n".join(pair))
    header, below = (next(csv.reader([line], delimiter=delimiter), []) for line in pair)
    # Below a header stand numbers, below comments the header.
    is_header = len(header) == len(below) > 1 and any(map(_NUMBER.fullmatch, below))
    return last if is_header else start


def _below_titles(text: str, start: int) -> int:
    """Return where a table starts below lines of one field, which have none of its delimiters."""
    lines = text[start : start + 2**16].splitlines(keepends=True)[: MAX_TITLES + SNIFFED_LINES]
    for i, line in enumerate(lines[:MAX_TITLES]):
        if any(mark in line for mark in DELIMITERS):
            below = "".join(lines[i:])
            wide = line.count(_sniff(below)) > 1
            return start + sum(map(len, lines[:i])) if wide else start
    return start


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


def _spaced(text: str) -> int:
    """Return the fields of a table that R wrote, which spaces part; 0 where the text is none.

    Over names of rows its header has no field: it is one shorter than each line.
    """
    lines = text[: 2**20].splitlines()[:SNIFFED_LINES]
    try:
        header, *widths = (len(row) for row in csv.reader(lines, delimiter=SPACE))
    except (csv.Error, ValueError):
        return 0
    even = len(set(widths)) == 1 and widths[0] > 2
    return widths[0] if even and 1 < header <= widths[0] <= header + 1 else 0


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
        rows = tuple(number + 1 for number, _ in ragged[:MAX_NAMED])
        fields = sorted({n for _, n in ragged})
        widths = ", ".join(map(str, fields[:MAX_NAMED])) + " ..." * (len(fields) > MAX_NAMED)
        raise SchemaError(
            f"The header has {width} fields, but {count(len(ragged), 'row')} another number "
            f"({widths}).",
            code="E-01",
            rows=rows,
            fix="Quote cells that hold the delimiter, and give every column a header.",
        )
    return table, np.arange(2, 2 + table.num_rows)
