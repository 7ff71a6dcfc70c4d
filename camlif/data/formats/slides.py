"""Embeddings of the patches of slides, one file per slide: HDF5 as CLAM and TRIDENT write it, npz.

Files go in, one matrix of patches with the slide of each comes out. Nothing here can hold Python
objects: ``.npz`` is read without pickles. Raises `DataError` for damaged or too large files and
`SchemaError` where slides differ in width or several arrays could be meant.
"""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from camlif.data.formats.hdf5 import check_size, member, numbers, open_hdf5
from camlif.data.formats.limits import MAX_BYTES, MAX_COLUMNS, MAX_ROWS_TOTAL, too_large
from camlif.data.formats.raw import Source
from camlif.exceptions import DataError, SchemaError
from camlif.wording import count

if TYPE_CHECKING:
    import h5py

NAMES = ("features", "feats", "feat", "embeddings", "embedding", "x", "arr_0")
"""Names under which extractors keep embeddings, in lower case, the likeliest first."""

MAX_VALUES = 2**26
"""Embeddings held of all slides together: 65,536 patches of 1,024 numbers, 268 MB."""


_DAMAGED = (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patches:
    """Embeddings of many slides.

    Attributes
    ----------
    values : float32, shape (n_patches, width)
    slides : int array, shape (n_patches,)
        Position of the slide of each patch among the files.
    n_read : int
        Patches in the files; more than ``n_patches`` where they were thinned.
    """

    values: NDArray[np.float32]
    slides: NDArray[np.int_]
    n_read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideReader:
    """How slides of one format are read.

    Attributes
    ----------
    shape : callable
        Returns patches and width of a source without reading its values; raises DataError, E-01 if
        it has no such array, E-02 if it is too large.
    values : callable
        Returns the embeddings, float32; raises DataError.
    """

    shape: Callable[[Source], tuple[int, int]]
    values: Callable[[Source], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slide:
    """A slide's file, with what ``reader.shape`` says of it."""

    name: str
    source: Source
    reader: SlideReader
    shape: tuple[int, int]


def slide_group(name: str) -> str:
    """Return what a slide's file belongs to: its folder, or ``patches``."""
    folders = name.replace("\\", "/").split("/")[:-1]
    return folders[-1] if folders and folders[-1].strip(". ") else "patches"


def slide_name(name: str) -> str:
    """Return a slide's file name without folder and ending."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    return base.rsplit(".", 1)[0]


def read_slides(slides: Sequence[Slide]) -> Patches:
    """Read the embeddings of slides, evenly thinned where all of them would be too many.

    Parameters
    ----------
    slides : sequence of Slide
        At least one; all of the same width.

    Raises
    ------
    DataError
        With the ``file`` that could not be read.
    """
    width = slides[0].shape[1]
    total = sum(slide.shape[0] for slide in slides)
    share = min(1.0, min(MAX_ROWS_TOTAL, MAX_VALUES // max(width, 1)) / max(total, 1))
    parts, owners = [], []
    for position, slide in enumerate(slides):
        n = slide.shape[0]
        rows = np.unique(np.linspace(0, n - 1, max(1, math.floor(n * share))).astype(int))
        try:
            values = slide.reader.values(slide.source)
        except DataError as error:
            error.file = slide.name
            raise
        parts.append(values.reshape(_flat_shape(values.shape))[rows])
        owners.append(np.full(len(rows), position))
    return Patches(values=np.concatenate(parts), slides=np.concatenate(owners), n_read=total)


def _hdf5_shape(source: Source) -> tuple[int, int]:
    with open_hdf5(source) as file:
        dataset = member(file, _chosen_dataset(file))
        check_size(dataset)
        return _flat_shape(dataset.shape)


def _hdf5_values(source: Source) -> NDArray[np.float32]:
    with open_hdf5(source) as file:
        return numbers(member(file, _chosen_dataset(file)))


def _npz_values(source: Source) -> NDArray[np.float32]:
    key, _ = _npz_shape(source)
    try:
        with _archive(source) as archive:
            array = io.BytesIO(archive.read(key))
        return np.lib.format.read_array(array, allow_pickle=False).astype(np.float32)
    except _DAMAGED as error:
        raise DataError("The npz archive is damaged.", code="E-01") from error


def _flat_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (patches, width); some extractors write a first axis of length one, or one vector."""
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) == 1:
        shape = (1, *shape)
    if len(shape) != 2 or 0 in shape:
        raise SchemaError(
            f"The embeddings have the shape {shape}.",
            code="E-03" if 0 in shape else "E-01",
            fix="Save one row per patch.",
        )
    if shape[1] > MAX_COLUMNS:
        raise DataError(
            f"The embeddings have {count(shape[1], 'column')}; the limit is {MAX_COLUMNS:,}.",
            code="E-02",
        )
    return int(shape[0]), int(shape[1])


def _choose(candidates: Mapping[str, tuple[int, ...]], names: Sequence[str]) -> str:
    """Return the array of embeddings: one with a usual name, else the only matrix."""
    usual = {name.lower(): name for name in reversed(names)}
    for name in NAMES:
        if name in usual:
            return usual[name]
    matrices = [name for name, shape in candidates.items() if len(shape) == 2]
    if len(matrices) == 1:
        return matrices[0]
    shown = ", ".join(names[:5]) or "nothing"
    raise SchemaError(
        f"The file holds no array called features, but {shown}.",
        code="E-01",
        fix="Save the embeddings under the name features, one row per patch.",
    )


def _chosen_dataset(file: h5py.File) -> str:
    import h5py

    names = list(file)
    usual = [name for name in names if name.lower() in NAMES]
    usual = [name for name in usual if isinstance(member(file, name), h5py.Dataset)]
    if usual:
        return _choose({}, usual)
    found = {name: member(file, name) for name in names[:100]}
    shapes = {n: v.shape for n, v in found.items() if isinstance(v, h5py.Dataset)}
    others = [name for name in names if name.lower() not in NAMES]  # a usual name may be a folder
    return _choose({n: s for n, s in shapes.items() if found[n].dtype.kind == "f"}, others)


def _archive(source: Source) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError("The file is no npz archive.", code="E-01") from error


def _npz_shape(source: Source) -> tuple[str, tuple[int, ...]]:
    """Return the entry of the embeddings and their shape, which must fit the entry's size."""
    try:
        with _archive(source) as archive:
            entries = {e.filename.removesuffix(".npy"): e for e in archive.infolist()}
            headers = {}
            names = [n for n in entries if n.lower() in NAMES] or list(entries)[:100]
            for name in names:
                with archive.open(entries[name]) as stream:
                    headers[name] = _header(stream)
            numeric = {n: shape for n, (shape, kind) in headers.items() if kind.kind in "fiu"}
            key = _choose(numeric, names)
            shape, kind = headers[key]
            if kind.kind not in "fiu":
                raise DataError(
                    f"The array {key} holds objects, which can run code, or texts.",
                    code="E-01",
                    fix="Save numbers only: np.savez_compressed('slide.npz', features=x).",
                )
            if entries[key].file_size > MAX_BYTES:
                raise too_large(entries[key].file_size)
            if math.prod(shape) * kind.itemsize > entries[key].file_size:
                raise DataError("The array is shorter than its header says.", code="E-01")
            return entries[key].filename, shape
    except DataError:
        raise
    except _DAMAGED as error:
        raise DataError("The npz archive is damaged.", code="E-01") from error


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    reader = readers.get(np.lib.format.read_magic(stream))
    if reader is None:
        raise DataError("The array has a version that we don't read.", code="E-01")
    try:
        shape, _, kind = reader(stream)
    except (SyntaxError, tokenize.TokenError, MemoryError, TypeError, LookupError) as error:
        raise DataError("The array's header is damaged.", code="E-01") from error
    return shape, kind


HDF5 = SlideReader(shape=_hdf5_shape, values=_hdf5_values)
NPZ = SlideReader(shape=lambda source: _flat_shape(_npz_shape(source)[1]), values=_npz_values)
