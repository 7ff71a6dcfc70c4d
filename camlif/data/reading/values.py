"""Text cells to numbers, missing values and identifiers. Whole columns at a time.

Columns of text go in; float64, nulls or clean texts come out, with the rows that are no numbers.
Nothing is guessed, and nothing fails.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

MISSING_TOKENS = ("", "na", "n/a", "nan", "null", "<na>", ".", "-")
"""Cells that mean "missing", in lower case; cBioPortal's ``[Not Available]`` style counts, too."""

_BLANKS = ("", "NA")
"""The commonest of them, as they are written."""

SENTINELS = (-9.0, -99.0, -999.0, 999.0, 9999.0)
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_DECIMAL_COMMA = r"^[+-]?\d+,\d+([eE][+-]?\d+)?$"
_BRACKETED = r"^\[[^\]]*\]$"
_INFINITE = ("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")
TCGA_SAMPLE = re.compile(r"(TCGA-[0-9A-Za-z]{2}-[0-9A-Za-z]{4})-[0-9A-Za-z].*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """A column read as numbers.

    Attributes
    ----------
    values : float64, shape (n,)
        NaN where missing, infinite or not a number.
    bad_rows : int array
        Positions of cells that are text.
    bad_values : tuple of str
        Those cells, distinct.
    n_infinite : int
    decimal_comma : bool
        Whether cells were written like ``1,25``.
    """

    values: NDArray[np.float64]
    bad_rows: NDArray[np.int_]
    bad_values: tuple[str, ...] = ()
    n_infinite: int = 0
    decimal_comma: bool = False

    @property
    def n_values(self) -> int:
        """Number of cells that are numbers."""
        return int(np.isfinite(self.values).sum())


def blank_missing(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return trimmed strings with null where a cell means "missing"."""
    trimmed = pc.utf8_trim_whitespace(text)
    absent = pc.or_(
        pc.is_in(pc.utf8_lower(trimmed), value_set=pa.array(MISSING_TOKENS)),
        pc.match_substring_regex(trimmed, _BRACKETED),
    )
    return pc.if_else(absent, pa.scalar(None, pa.string()), trimmed)


def to_numbers(column: pa.ChunkedArray) -> Numbers:
    """Read a column as numbers; cells that are no numbers are reported, never guessed."""
    if not pa.types.is_string(column.type):
        # Whole numbers beyond 2**53 are rounded.
        return _finite(_numpy(pc.cast(column, pa.float64(), safe=False)))
    for cells in _with_and_without_blanks(column):
        try:  # nearly every column: numbers only, or numbers and blanks
            return _finite(_numpy(pc.cast(cells, pa.float64())))
        except pa.ArrowInvalid:
            pass
    text = blank_missing(column)
    infinite = pc.is_in(pc.utf8_lower(text), value_set=pa.array(_INFINITE))
    comma = pc.match_substring_regex(text, _DECIMAL_COMMA)
    decimal_comma = bool(pc.any(comma).as_py()) and not bool(
        pc.any(pc.match_substring(text, ".")).as_py()
    )
    if decimal_comma:
        text = pc.if_else(comma, pc.replace_substring(text, ",", "."), text)
    is_number = pc.match_substring_regex(text, _NUMBER)
    plain = pc.if_else(is_number, pc.utf8_ltrim(text, characters="+"), pa.scalar(None, pa.string()))
    bad = pc.and_(pc.invert(is_number), pc.invert(infinite)).fill_null(False)
    read = _finite(_numpy(pc.cast(plain, pa.float64())))
    return Numbers(
        values=read.values,
        bad_rows=np.flatnonzero(bad.to_numpy()),
        bad_values=tuple(pc.unique(text.filter(bad)).to_pylist()),
        n_infinite=read.n_infinite + int(pc.sum(infinite).as_py() or 0),
        decimal_comma=decimal_comma,
    )


def _with_and_without_blanks(column: pa.ChunkedArray) -> Iterator[pa.ChunkedArray]:
    yield column
    blank = pc.is_in(column, value_set=pa.array(_BLANKS))
    yield pc.if_else(blank, pa.scalar(None, pa.string()), column)


def _numpy(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.array(column.to_numpy(), dtype=np.float64)


def _finite(values: NDArray[np.float64]) -> Numbers:
    infinite = np.isinf(values)
    values[infinite] = np.nan
    return Numbers(values=values, bad_rows=np.zeros(0, dtype=int), n_infinite=int(infinite.sum()))


def sentinels(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Return codes such as 999 that lie far from all other values, so that they may mean "missing".

    "Far" = farther from the other values than these spread.
    """
    observed = values[np.isfinite(values)]
    codes = np.intersect1d(observed, SENTINELS)
    rest = observed[~np.isin(observed, SENTINELS)]
    if not len(codes) or len(np.unique(rest)) < 2:
        return ()
    low, high = rest.min(), rest.max()
    spread = high - low
    return tuple(float(c) for c in codes if c < low - spread or c > high + spread)


def clean_ids(column: pa.ChunkedArray) -> list[str]:
    """Return identifiers as normalised text: ``001`` and ``NA`` survive, null gives an empty text.

    Unicode NFC; no-break spaces become spaces; outer spaces go.
    """
    ids = [value or "" for value in column.to_pylist()]
    return [
        i if i.isascii() else unicodedata.normalize("NFC", i.replace("\u00a0", " ")).strip()
        for i in ids
    ]


def is_tcga_sample(ids: list[str]) -> bool:
    """Whether the identifiers are TCGA barcodes of samples rather than patients."""
    return bool(ids) and all(TCGA_SAMPLE.fullmatch(i) for i in ids)
