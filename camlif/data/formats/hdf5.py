"""HDF5 files of strangers: opened without following anything out of the file, measured first.

An open file or group goes in, checked groups and float32 arrays come out. Raises `DataError`: a
link, or values in another file (E-01), too large (E-02).
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from camlif.data.formats.limits import MAX_BYTES, too_large
from camlif.exceptions import DataError

if TYPE_CHECKING:
    import h5py

MAX_DEPTH = 6
MAX_OBJECTS = 50_000
_TEXTS_AT_ONCE = 64


@contextmanager
def open_hdf5(source: Path | bytes) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; whatever is wrong with it becomes a `DataError`.

    Raises
    ------
    DataError
        E-01 if h5py is not installed, or if the file is damaged.
    """
    try:
        import h5py
    except ImportError as error:
        raise DataError(
            "HDF5 files need h5py, which is not installed.",
            code="E-01",
            fix="pip install 'camlif[anndata]', or save it as CSV (UTF-8), Parquet or npz.",
        ) from error
    try:
        with h5py.File(io.BytesIO(source) if isinstance(source, bytes) else source, "r") as file:
            yield file
    except DataError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise DataError(
            "The HDF5 file is damaged, or something that we need is not in it.",
            code="E-01",
            fix="Write it again.",
        ) from error


def member(group: h5py.Group, name: str) -> Any:
    """Return a member that lies in the file itself.

    Raises
    ------
    DataError
        If it is a link, or a dataset whose values lie in other files.
    """
    import h5py

    found = group.get(name, getlink=True)
    if not isinstance(found, h5py.HardLink):
        raise DataError(f"{name} is a link, which we don't follow.", code="E-01")
    value = group[name]
    if isinstance(value, h5py.Dataset) and (value.is_virtual or value.external):
        raise DataError(f"The values of {name} lie in another file.", code="E-01")
    return value


def numbers(dataset: h5py.Dataset, rows: NDArray[np.int_] | None = None) -> NDArray[np.float32]:
    """Read a dataset, or some rows of it, as float32; its size is checked first.

    Raises
    ------
    DataError
        If it holds no numbers (E-01), or if it is too large (E-02).
    """
    if dataset.dtype.kind not in "fiu":
        raise DataError(f"{dataset.name} holds no numbers.", code="E-01")
    check_size(dataset)
    values = dataset[()] if rows is None else dataset[rows]
    return np.asarray(values, dtype=np.float32)


def check_size(dataset: h5py.Dataset, *, held: int = 0, max_bytes: int = MAX_BYTES) -> int:
    """Return ``held`` plus the bytes of a dataset unpacked, or raise E-02.

    Parameters
    ----------
    dataset : h5py.Dataset
    held : int
        Bytes counted so far, of datasets read before.
    max_bytes : int
        Most bytes that one file may unpack to.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    DataError
        E-02 if the sum is above ``max_bytes``.
    """
    # A chunk of a dataset that can grow may be larger than the dataset.
    chunk = math.prod(dataset.chunks) if dataset.chunks else 0
    held += max(int(dataset.size or 0), chunk) * dataset.dtype.itemsize
    if held > max_bytes:
        raise too_large(held, max_bytes)
    return held


def check_tree(group: h5py.Group, *, max_bytes: int = MAX_BYTES) -> None:
    """Check everything below a group as `member` and `check_size` do, before a library reads it.

    Raises
    ------
    DataError
        E-01 for links, values in other files, too deep or too many groups; E-02 for size.
    """
    import h5py

    held = n_objects = 0
    waiting: list[tuple[h5py.Group, int]] = [(group, 1)]
    while waiting:
        parent, depth = waiting.pop()
        for name in parent:
            n_objects += 1
            if depth > MAX_DEPTH or n_objects > MAX_OBJECTS:
                raise DataError("The HDF5 file is nested too deeply.", code="E-01")
            value = member(parent, name)
            if isinstance(value, h5py.Group):
                waiting.append((value, depth + 1))
            elif isinstance(value, h5py.Dataset):
                held = check_size(value, held=held, max_bytes=max_bytes)
                held += _text_bytes(value, max_bytes - held, max_bytes)


def _text_bytes(dataset: h5py.Dataset, room: int, max_bytes: int) -> int:
    """Return the bytes of texts of any length; many may point to the same long one."""
    if dataset.dtype.kind != "O":
        return 0
    total = 0
    if dataset.ndim != 1:
        return len(dataset[()]) if dataset.ndim == 0 else 0
    for start in range(0, len(dataset), _TEXTS_AT_ONCE):
        total += sum(len(text) for text in dataset[start : start + _TEXTS_AT_ONCE])
        if total > room:
            raise too_large(max_bytes - room + total, max_bytes)
    return total
