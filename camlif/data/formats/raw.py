"""What every reader of a table takes and gives: a source of bytes in, a header and columns out.

Nothing is named, dropped or converted yet. Compressed sources are unpacked here, while counting.
Fails with `DataError`: empty (E-03), too large (E-02), cut off (E-01).
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from camlif.data.formats.limits import MAX_BYTES, too_large
from camlif.exceptions import DataError

Source = Path | bytes
GZIP = b"\x1f\x8b"
SHOWN_BYTES = 20
CHUNK = 2**20
"""Bytes unpacked at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How to read a table.

    Attributes
    ----------
    max_bytes : int
        Most bytes of text after decompression.
    encoding : str or None
        Of a text file; None: to be found.
    sheet : str or None
        Of a workbook; needed where several have content.
    progress : callable or None
        Called with (columns read, columns) while a large typed table is read.
    """

    max_bytes: int = MAX_BYTES
    encoding: str | None = None
    sheet: str | None = None
    progress: Callable[[int, int], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """A table as it stands in its file.

    Attributes
    ----------
    header : list of str
        Names as written, one for each column.
    table : pyarrow Table, shape (n_rows, n_columns)
        Strings, or numbers where the format has types.
    row_numbers : int array, shape (n_rows,)
        Row of the file, the header being row 1.
    encoding, delimiter : str or None
    above : tuple of str
        Titles that stood above the header.
    """

    header: list[str]
    table: pa.Table
    row_numbers: NDArray[np.int_]
    encoding: str | None = None
    delimiter: str | None = None
    above: tuple[str, ...] = ()


def unpack(source: Source, *, max_bytes: int) -> bytes:
    """Return the bytes of a source, decompressed if they are gzip's.

    Raises
    ------
    DataError
        If there are none, or more than ``max_bytes`` before or after.
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size > max_bytes:
        raise too_large(size, max_bytes)
    data = source if isinstance(source, bytes) else source.read_bytes()
    return require_content(_gunzip(data, max_bytes) if data.startswith(GZIP) else data)


def first_bytes(source: Source, n: int = SHOWN_BYTES) -> bytes:
    """Return how a source starts."""
    if isinstance(source, bytes):
        return source[:n]
    with source.open("rb") as file:
        return file.read(n)


def shown_start(data: bytes) -> str:
    """Return the first characters of a file for a message, those beyond ASCII escaped."""
    return ascii(data[:SHOWN_BYTES].decode("latin-1"))


def require_content(data: bytes) -> bytes:
    """Return the bytes of a file that is not empty."""
    if not data:
        raise DataError("The file is empty.", code="E-03", fix="Export the table again.")
    return data


def _gunzip(data: bytes, max_bytes: int) -> bytes:
    """Decompress all members of a gzip file."""
    parts: list[bytes] = []
    total = 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            while part := stream.read(CHUNK):
                parts.append(part)
                total += len(part)
                if total > max_bytes:
                    raise too_large(total, max_bytes)
    except EOFError as error:
        raise DataError("The compressed file ends too early.", code="E-01") from error
    return b"".join(parts)
