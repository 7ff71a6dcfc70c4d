"""Parquet and Feather: typed columns, measured before they are unpacked.

A path or bytes go in, an Arrow table comes out. Raises `SchemaError` and `DataError`: damaged
(E-01), too large (E-02), nested columns. Both formats compress, and both can name one long text in
a million rows, so the size of the file says nothing. What a table will hold is added up from the
headers first: row counts, the unpacked size of every buffer, and the lengths of the texts that
dictionaries stand for.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet

from camlif.data.formats.limits import MAX_BYTES, MAX_NUMBER_BYTES, check_shape, too_large
from camlif.data.formats.raw import (
    GZIP,
    RawTable,
    ReadOptions,
    Source,
    first_bytes,
    require_content,
    unpack,
)
from camlif.exceptions import DataError, SchemaError

ARROW_MAGIC = b"ARROW1\0\0"
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_BUFFERS_FIELD = 2
_COMPRESSION_FIELD = 3
_NUMBERS = ("BOOLEAN", "INT32", "INT64", "FLOAT", "DOUBLE")
_TEXTS_AT_ONCE = 64
_DAY = 86_400e6  # microseconds
_COLUMNS_AT_ONCE = 64
"""Every column of Parquet that is being read holds a page of it, unpacked, beside its values."""


def read_parquet_table(source: Source, options: ReadOptions) -> RawTable:
    """Read a Parquet file, one on disk without holding it whole; raises as `read_parquet`."""
    if isinstance(source, bytes) or first_bytes(source).startswith(GZIP):
        source = unpack(source, max_bytes=options.max_bytes)
    else:
        require_content(first_bytes(source))
    return _raw(read_parquet(source, max_bytes=options.max_bytes, progress=options.progress))


def read_feather_table(source: Source, options: ReadOptions) -> RawTable:
    """Read a Feather file; raises as `read_feather`."""
    data = unpack(source, max_bytes=options.max_bytes)
    return _raw(read_feather(data, max_bytes=options.max_bytes))


def _raw(table: pa.Table) -> RawTable:
    rows = np.arange(2, 2 + table.num_rows)
    return RawTable(header=list(table.column_names), table=table, row_numbers=rows)


def read_parquet(
    source: Source,
    *,
    max_bytes: int = MAX_BYTES,
    progress: Callable[[int, int], None] | None = None,
) -> pa.Table:
    """Read a Parquet file as `flat` columns, some at a time; the packed file is never held whole.

    Parameters
    ----------
    source : Path or bytes
    max_bytes : int
        Most bytes of text; numbers are limited by their count.
    progress : callable, optional
        Called with (columns read, columns).

    Raises
    ------
    DataError
        If the table is too large unpacked (E-02) or has nested columns (E-01).
    pyarrow.ArrowException, OSError
        If the file is damaged.
    """
    with pa.parquet.ParquetFile(_opened(source)) as file:
        schema, metadata = file.schema_arrow, file.metadata
        _check_unpacked(file, max_bytes)
    for field in schema:
        _require_flat(field.name, field.type)
    texts = [f.name for f in schema if _is_text(f.type)]
    # Columns of one name cannot be told apart; the error about them comes with the header.
    at_once = _COLUMNS_AT_ONCE if len(set(schema.names)) == len(schema) else len(schema)
    columns: list[pa.ChunkedArray] = []
    with pa.parquet.ParquetFile(_opened(source), metadata=metadata, read_dictionary=texts) as file:
        for start in range(0, len(schema), at_once):
            names = schema.names[start : start + at_once] if at_once < len(schema) else None
            columns += file.read(names).columns
            if progress is not None:
                progress(len(columns), len(schema))
    return flat(pa.table(columns, names=schema.names), max_bytes=max_bytes)


def _opened(source: Source) -> Path | pa.BufferReader:
    return pa.BufferReader(source) if isinstance(source, bytes) else source


def _check_unpacked(file: pa.parquet.ParquetFile, max_bytes: int) -> None:
    """Refuse by its headers a file that would be too large unpacked."""
    size = file.metadata
    check_shape(size.num_rows, size.num_columns)
    held = {True: 0, False: 0}  # numbers, and all else
    for i in range(size.num_row_groups):
        group = size.row_group(i)
        for j in range(group.num_columns):
            column = group.column(j)
            held[column.physical_type in _NUMBERS] += column.total_uncompressed_size
    fixed = [f.type for f in file.schema_arrow if pa.types.is_fixed_size_binary(f.type)]
    held[False] += sum(kind.byte_width for kind in fixed) * size.num_rows
    for is_number, limit in ((True, max(max_bytes, MAX_NUMBER_BYTES)), (False, max_bytes)):
        if held[is_number] > limit:
            raise too_large(held[is_number], limit)


def read_feather(data: bytes, *, max_bytes: int = MAX_BYTES) -> pa.Table:
    """Read a Feather file (version 1 or 2) as `flat` columns; raises like `read_parquet`."""
    if not data.startswith(ARROW_MAGIC):
        return flat(pa.feather.read_table(pa.BufferReader(data)), max_bytes=max_bytes)
    # What follows the magic is a stream of messages. It is read as one, not through the file's
    # footer, so that what was measured is what is read.
    stream = pa.py_buffer(data)[len(ARROW_MAGIC) :]
    held = n_rows = 0
    for rows, unpacked in _batches(stream):
        n_rows += rows
        held += unpacked
        if held > max_bytes:
            raise too_large(held, max_bytes)
    reader = pa.ipc.open_stream(pa.BufferReader(stream))
    check_shape(n_rows, len(reader.schema))
    return flat(reader.read_all(), max_bytes=max_bytes)


def flat(table: pa.Table, *, max_bytes: int = MAX_BYTES) -> pa.Table:
    """Return numbers as they are, but half precision as float64, and everything else as text.

    Raises
    ------
    DataError
        If columns hold lists or records, or if their texts are too large unpacked.
    """
    # Offsets of a damaged file may point outside its buffers, which crashes the process when read.
    table.validate(full=True)
    check_shape(table.num_rows, table.num_columns)
    held = 0
    columns = []
    for name, values in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_dictionary(values.type):
            held += sum(_unpacked(chunk) for chunk in values.chunks)
            if held > max_bytes:
                raise too_large(held, max_bytes)
            values = values.cast(values.type.value_type)
        elif _is_view(values.type):
            values = _copied(values, max_bytes - held, max_bytes)
        elif pa.types.is_fixed_size_binary(values.type):
            raise SchemaError(f"Column {name} holds bytes.", code="E-01", fix="Save it as text.")
        columns.append(_plain(name, values))
    return pa.table(columns, names=table.column_names)


def _plain(name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = values.type
    _require_flat(name, kind)
    if pa.types.is_float16(kind):
        return values.cast(pa.float64())
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return values
    if pa.types.is_duration(kind):
        # Written with its unit, so that no step takes a count of nanoseconds for a number.
        days = pc.divide(values.cast(pa.duration("us")).cast(pa.int64()).cast(pa.float64()), _DAY)
        return pc.binary_join_element_wise(days.cast(pa.string()), "days", " ")
    return values.cast(pa.string())


def _require_flat(name: str, kind: pa.DataType) -> None:
    if pa.types.is_nested(kind) or pa.types.is_run_end_encoded(kind):
        raise SchemaError(f"Column {name} holds lists or records.", code="E-01")


def _is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or _is_view(kind)
    )


def _is_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def _copied(values: pa.ChunkedArray, room: int, max_bytes: int) -> pa.ChunkedArray:
    """Return texts that views point to, copied a few at a time: many may point to a long one."""
    kind = pa.string() if pa.types.is_string_view(values.type) else pa.binary()
    parts, held = [], 0
    for start in range(0, len(values), _TEXTS_AT_ONCE):
        part = values.slice(start, _TEXTS_AT_ONCE).cast(kind)
        held += part.nbytes
        if held > room:
            raise too_large(max_bytes - room + held, max_bytes)
        parts += part.chunks
    return pa.chunked_array(parts, kind)


def _unpacked(chunk: pa.DictionaryArray) -> int:
    """Return the bytes of the texts that a dictionary's indices stand for."""
    kind = chunk.type.value_type
    if not _is_text(kind) or _is_view(kind):
        if _is_text(kind) or pa.types.is_fixed_size_binary(kind):
            raise SchemaError("A dictionary of this kind is not read.", code="E-01")
        return 0
    lengths = pc.binary_length(chunk.dictionary).take(chunk.indices)
    return int(pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0)


def _batches(stream: pa.Buffer) -> Iterator[tuple[int, int]]:
    """Yield rows and unpacked bytes of every message of an Arrow stream, unpacking nothing."""
    for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(stream)):
        if message.body is None:
            continue
        try:
            yield _measure(message.metadata.to_pybytes(), message.body)
        except (struct.error, IndexError) as error:
            raise DataError("The file's headers are damaged.", code="E-01") from error


def _measure(metadata: bytes, body: pa.Buffer) -> tuple[int, int]:
    """Return rows and unpacked bytes of a record or dictionary batch.

    References
    ----------
    Apache Arrow, format/Message.fbs: a compressed buffer starts with its unpacked size as int64,
    or with -1 where it was left uncompressed.
    """
    message = struct.unpack_from("<I", metadata, 0)[0]
    kind = _field(metadata, message, 1)
    header = _field(metadata, message, 2)
    if kind is None or header is None or metadata[kind] not in (_DICTIONARY_BATCH, _RECORD_BATCH):
        return 0, body.size  # the schema
    batch: int | None = _target(metadata, header)
    is_rows = metadata[kind] == _RECORD_BATCH
    if not is_rows:  # a dictionary batch holds its values as a batch of their own
        inner = _field(metadata, _target(metadata, header), 1)
        batch = None if inner is None else _target(metadata, inner)
    if batch is None:
        return 0, body.size
    length = _field(metadata, batch, 0)
    rows = 0 if length is None else struct.unpack_from("<q", metadata, length)[0]
    buffers = _field(metadata, batch, _BUFFERS_FIELD)
    if buffers is None or _field(metadata, batch, _COMPRESSION_FIELD) is None:
        return rows * is_rows, body.size
    vector = _target(metadata, buffers)
    total = 0
    for i in range(struct.unpack_from("<I", metadata, vector)[0]):
        offset, size = struct.unpack_from("<qq", metadata, vector + 4 + 16 * i)
        if size >= 8:
            unpacked = struct.unpack("<q", body[offset : offset + 8].to_pybytes())[0]
            total += size if unpacked < 0 else unpacked
    return rows * is_rows, total


def _field(data: bytes, table: int, number: int) -> int | None:
    """Return where a FlatBuffers table keeps a field; None where it has its default."""
    slots = table - struct.unpack_from("<i", data, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", data, slots)[0]:
        return None
    offset = struct.unpack_from("<H", data, slots + 4 + 2 * number)[0]
    return table + offset if offset else None


def _target(data: bytes, position: int) -> int:
    """Follow a FlatBuffers offset."""
    return int(position + struct.unpack_from("<I", data, position)[0])
