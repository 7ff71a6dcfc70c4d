"""Patients' values to keyed digests: cells of three significant digits, blocks of columns.

In go encoded patients, out come at most `DIGEST_BITS` of each block of columns and at most
`BITS_PER_VALUE` of a value, so that measurements cannot be read back: a digest fits many values.
Whoever holds the bundle, and so the key, can guess a block of a few flags. Nothing here fails on a
patient.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import Float32Array
from camlif.data.preprocessing import MISSING_SUFFIX, RawInputs, clinical_names
from camlif.data.schema import FeatureSchema

ByteArray = NDArray[np.uint8]

SIGNIFICANT_DIGITS = 3
FLOAT32_DIGITS = 7
"""Significant decimal digits of a float32."""
CELL = 5
"""Units of the last digit that share a cell, so that few halves, which tools round up or down, lie
on its border."""
HALF = 1e-6
"""Units of the last digit within which a value counts as lying on a half."""

MAX_BLOCKS = 16
MIN_BLOCKS = 5
NARROW = 4
"""Columns of a block of measurements: few, so that a value rounded otherwise spoils little."""
TELLING = 2.0**-7
"""Share of pairs of patients up to which a block that agrees by chance is narrow enough."""
DIGEST_BITS = 8
BITS_PER_VALUE = 4
CLINICAL_BITS = 4
"""Fewer than age and sex hold: a digest fits many combinations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Keyed digests of patients; 0 stands for nothing known.

    Attributes
    ----------
    blocks : mapping of modality to uint8, shape (n, k)
        0 where the modality is absent.
    clinical : uint8, shape (n,)
        Of the clinical inputs together; 0 where one is missing.
    tokens : uint64, shape (n,)
        Of the identifiers; 0 unless the bundle's owner chose to keep them.
    """

    blocks: Mapping[str, ByteArray]
    clinical: ByteArray
    tokens: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.clinical)

    def take(self, rows: NDArray[np.int_] | slice) -> Digests:
        """Return the given rows."""
        return Digests(
            blocks={name: blocks[rows] for name, blocks in self.blocks.items()},
            clinical=self.clinical[rows],
            tokens=self.tokens[rows],
        )

    def showing(self, names: Sequence[str]) -> Digests:
        """Return them with these modalities alone."""
        return replace(self, blocks={m: b * (m in names) for m, b in self.blocks.items()})


def choose_blocks(cells: NDArray[np.float64]) -> NDArray[np.int32]:
    """Deal the columns into blocks, shape (k, w), the most telling ones first; -1 fills up.

    Blocks are as narrow as tells most patients apart. Flags need wide ones, of all columns.
    """
    width = cells.shape[1]
    order = np.argsort(-_entropy(cells), kind="stable")
    whole = -(-width // MAX_BLOCKS)
    size = min(NARROW, max(1, width // MIN_BLOCKS))
    while True:
        k = max(1, min(MAX_BLOCKS, width // size))
        chosen = order if size >= whole else order[: k * size]
        padded = np.full(-(-len(chosen) // k) * k, -1, dtype=np.int32)
        padded[: len(chosen)] = chosen
        blocks = padded.reshape(-1, k).T
        if size >= whole or np.median([_chance(cells[:, b[b >= 0]]) for b in blocks]) <= TELLING:
            return blocks
        size = min(2 * size, whole)


def _entropy(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shannon entropy of each column in bits, shape (width,)."""
    n, width = cells.shape
    if n == 0:
        return np.zeros(width)
    ordered = np.sort(cells, axis=0).T
    first = np.ones(ordered.shape, dtype=bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    starts = np.flatnonzero(first)
    size = np.diff(starts, append=ordered.size)
    within = np.bincount(starts // n, weights=size * np.log2(size), minlength=width)
    return np.asarray(np.log2(n) - within / n)


def _chance(cells: NDArray[np.float64]) -> float:
    """Share of pairs of patients that agree in all of some columns."""
    n = len(cells)
    if n < 2:
        return 0.0
    size = np.unique(cells, axis=0, return_counts=True)[1]
    return float((size * (size - 1)).sum() / (n * (n - 1)))


def values_of(raw: RawInputs, name: str) -> Float32Array:
    """One row per patient, shape (n, width): bags by their largest values, which rounding keeps."""
    table = raw.tables[name]
    if table.ndim == 2:
        return table
    largest = np.where(np.isfinite(table), table, -np.inf).max(axis=1)
    return np.where(np.isfinite(largest), largest, np.nan)


def digest_blocks(
    values: Float32Array | NDArray[np.float64], columns: NDArray[np.int32], key: bytes
) -> ByteArray:
    """Digest the cells of each block, shape (n, k): 1 to 255.

    Parameters
    ----------
    values : float, shape (n, n_columns)
        Values of a modality; NaN is missing.
    columns : int32, shape (k, width)
        Columns of each block, filled up with -1.
    key : bytes
        Salt of the model and name of the modality.
    """
    used = np.unique(columns[columns >= 0])
    cells = cells_of(values[:, used])
    return np.stack(
        [
            _digest_rows(
                cells[:, np.searchsorted(used, block[block >= 0])],
                key + bytes([place]),
                bits=min(DIGEST_BITS, BITS_PER_VALUE * int((block >= 0).sum())),
            )
            for place, block in enumerate(columns)
        ],
        axis=1,
    )


def digest_clinical(clinical: Float32Array, schema: FeatureSchema, key: bytes) -> ByteArray:
    """Digest the clinical inputs of each patient together, shape (n,); 0 where one is missing.

    Parameters
    ----------
    clinical : float32, shape (n, n_columns)
        Encoded clinical inputs.
    schema : FeatureSchema
        Says which of the columns are missing indicators.
    key : bytes
        Salt of the model.
    """
    if not schema.clinical:
        return np.zeros(len(clinical), dtype=np.uint8)
    indicators = {column.name + MISSING_SUFFIX for column in schema.clinical}
    missing = clinical[:, [name in indicators for name in clinical_names(schema)]].any(axis=1)
    return _digest_rows(cells_of(clinical), key, bits=CLINICAL_BITS) * ~missing


def _digest_rows(cells: NDArray[np.float64], key: bytes, *, bits: int) -> ByteArray:
    """Keyed digest of each row, 1 to 2 ** bits - 1, shape (n,)."""
    keyed = hashlib.blake2b(key=key, digest_size=8)
    digests = np.zeros(len(cells), dtype=np.uint64)
    for i, row in enumerate(np.ascontiguousarray(cells)):
        hasher = keyed.copy()
        hasher.update(row.data)
        digests[i] = int.from_bytes(hasher.digest(), "little")
    return (digests % np.uint64(2**bits - 1) + np.uint64(1)).astype(np.uint8)


def digest_identifiers(patient_ids: NDArray[np.str_], salt: bytes) -> NDArray[np.uint64]:
    """Keyed digest of each identifier, shape (n,); never 0."""
    return np.array(
        [
            int.from_bytes(hashlib.blake2b(i.encode(), key=salt, digest_size=8).digest(), "little")
            or 1
            for i in patient_ids.tolist()
        ],
        dtype=np.uint64,
    )


def cells_of(values: Float32Array | NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower ends of the cells of values at three significant digits; infinite where missing."""
    rounded = significant(values)
    places = SIGNIFICANT_DIGITS - 1 - _magnitude(rounded)
    lower = _scale(np.floor(np.round(_scale(rounded, places)) / CELL) * CELL, -places)
    return np.where(np.isfinite(values), lower + 0.0, np.inf)  # + 0.0 turns -0.0 into 0.0


def significant(values: Float32Array | NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to three significant digits as a text file would; 0 where missing."""
    x = np.where(np.isfinite(values), values, 0.0).astype(np.float64)
    places = FLOAT32_DIGITS - 1 - _magnitude(x)
    x = _scale(np.round(_scale(x, places)), -places)  # the decimal number behind a float32
    places = SIGNIFICANT_DIGITS - 1 - _magnitude(x)
    scaled = _scale(x, places)
    whole = np.round(scaled)
    halves = np.abs(np.abs(scaled - np.trunc(scaled)) - 0.5) < HALF
    texts = [f"{value:.{SIGNIFICANT_DIGITS - 1}e}" for value in x[halves]]
    whole[halves] = np.round(_scale(np.array(texts, dtype=np.float64), places[halves]))
    return _scale(whole, -places)


def _magnitude(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power of ten of the first digit; 0 for 0."""
    return np.floor(np.log10(np.abs(x), out=np.zeros_like(x), where=x != 0))


def _scale(x: NDArray[np.float64], power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Times ten to a power; whole numbers divided by one give the nearest float64."""
    factor = 10.0 ** np.abs(power)
    return np.where(power >= 0, x * factor, x / factor)
