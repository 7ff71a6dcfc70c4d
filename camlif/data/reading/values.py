"""Text cells to numbers, missing values and identifiers. Whole columns at a time.

Columns of text go in; float64, nulls or clean texts come out, with the rows that are no numbers.
Nothing is guessed, and nothing fails.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from camlif.wording import unquote_formula

MISSING_TOKENS = ("", "na", "n/a", "nan", "null", "<na>", ".", "-")
"""Cells that mean "missing", in lower case; cBioPortal's ``[Not Available]`` style counts, too."""

MARKS = (
    *(
        "'--",
        "--",
        "---",
        "\u2013",
        "\u2014",
        "*",
        "**",
        "?",
        "#n/a",
        "#na",
        "n.a.",
        "k.a.",
        "\\n",
        "/",
        "_",
    ),
    *("#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!", "none available", "no data"),
    *("/", "_", "not available", "not reported", "not recorded", "not provided", "missing"),
)
"""Cells that can mean nothing else, in lower case, and are told of wherever they are read."""

_BLANKS = ("", "NA")
"""The commonest of them, as they are written."""

SENTINELS = (-9.0, -99.0, -999.0, 999.0, 9999.0)
FEATURE_SENTINELS = (
    *(-9.0, -99.0, -999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0, 999999.0),
    *(999.9, 999.99, 9999.9, 9999.99),
    *(sign * 10.0**power for power in range(15, 39) for sign in (1, -1)),
)
CLINICAL_SENTINELS = (*FEATURE_SENTINELS, *(-1.0, 0.0, 8.0, 9.0, 88.0, 98.0, 99.0, 99.9, 888.0))
"""Codes that registries and trials write where something is unknown or was not measured."""

MIN_VALUES_BESIDE_ONE = 10
"""Of a feature with fewer, such as a number of copies, -1 is a value."""

TINY = 1e-20
"""Share of the median below which a number is none; what is left of a computed zero is 1e-17."""
MAX_TINY = 5

_CODES_IF_REPEATED = (8.0, 9.0)
MAX_SHARE_OF_ZEROS = 0.1
"""Where more patients have a zero, it is a value: no cigarettes, no radiation."""

TIME_SENTINELS = (*SENTINELS, 99.0, 888.0, 998.0, 8888.0, 9998.0, 99999.0, 999999.0)
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_BRACKETED = r"^\[[^\]\d]*\]$"
_INFINITE = ("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")
_TRUTH = ("true", "false")
_MONTH = (
    r"(?:jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|mär(?:z)?|apr(?:il)?|ma[iy]|june?|juni"
    r"|july?|juli|aug(?:ust)?|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)\.?"
)
_DATE = (
    r"(?i)^(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[t ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}(?: .*)?"
    rf"|\d{{1,2}}[-/]\d{{1,2}}[-/]\d{{2}}|\d{{1,2}}[-. /]*{_MONTH}[-. /]*(?:\d{{2}}|\d{{4}})?"
    rf"|{_MONTH}[-. /]+(?:\d{{1,2}}|\d{{4}})(?:,? \d{{4}})?)$"
)
TCGA_SAMPLE = re.compile(r"(TCGA-[0-9A-Za-z]{2}-[0-9A-Za-z]{4})-[0-9A-Za-z].*")


def _no_rows() -> NDArray[np.int_]:
    return np.zeros(0, dtype=int)


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
    infinite_rows : int array
        Positions of infinite numbers, or of such as ``1e400``.
    date_rows : int array
        Those of ``bad_rows`` that are dates.
    marks : tuple of str
        Distinct cells of `MARKS`, which are missing.
    marked_rows : int array
        Their positions.
    """

    values: NDArray[np.float64]
    bad_rows: NDArray[np.int_] = field(default_factory=_no_rows)
    bad_values: tuple[str, ...] = ()
    infinite_rows: NDArray[np.int_] = field(default_factory=_no_rows)
    date_rows: NDArray[np.int_] = field(default_factory=_no_rows)
    marks: tuple[str, ...] = ()
    marked_rows: NDArray[np.int_] = field(default_factory=_no_rows)

    @property
    def n_values(self) -> int:
        """Number of cells that are numbers."""
        return int(np.isfinite(self.values).sum())


def blank_missing(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return trimmed strings with null where a cell means "missing"."""
    trimmed = pc.utf8_trim_whitespace(text)
    absent = pc.or_(
        pc.is_in(pc.utf8_lower(trimmed), value_set=pa.array(MISSING_TOKENS + MARKS)),
        pc.match_substring_regex(trimmed, _BRACKETED),
    )
    return pc.if_else(absent, pa.scalar(None, pa.string()), trimmed)


def marks_in(text: pa.ChunkedArray) -> tuple[NDArray[np.int_], tuple[str, ...]]:
    """Return where cells of `MARKS` are, and those cells, distinct."""
    trimmed = pc.utf8_trim_whitespace(text)
    marked = pc.is_in(pc.utf8_lower(trimmed), value_set=pa.array(MARKS)).fill_null(False)
    if not pc.any(marked).as_py():
        return _no_rows(), ()
    return np.flatnonzero(marked.to_numpy()), tuple(pc.unique(trimmed.filter(marked)).to_pylist())


def is_date(text: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Whether each cell is a date written with signs or a month's name, shape (n,)."""
    return np.asarray(pc.match_substring_regex(text, _DATE).fill_null(False).to_numpy(), dtype=bool)


def is_plain(column: pa.ChunkedArray) -> bool:
    """Whether a column of text holds nothing but numbers with decimal points, and blanks."""
    return _cast(column) is not None


def to_numbers(column: pa.ChunkedArray) -> Numbers:
    """Read a column as numbers; cells that are no numbers are reported, never guessed.

    ``true`` and ``false`` are 1 and 0 where a column holds nothing else but 0 and 1.
    """
    if not pa.types.is_string(column.type):
        # Whole numbers beyond 2**53 are rounded.
        return _finite(_numpy(pc.cast(column, pa.float64(), safe=False)))
    plain = _cast(column)
    if plain is not None:  # nearly every column: numbers only, or numbers and blanks
        return _finite(plain)
    known = blank_missing(column)
    # Full-width digits, and the dashes of typesetters.
    text = pc.utf8_normalize(known, form="NFKC")
    text = _truths(pc.replace_substring_regex(text, r"^[-\x{2010}-\x{2014}\x{2212}] ?", "-"))
    infinite = pc.is_in(pc.utf8_lower(text), value_set=pa.array(_INFINITE)).fill_null(False)
    is_number = pc.match_substring_regex(text, _NUMBER)
    digits = pc.if_else(
        is_number, pc.utf8_ltrim(text, characters="+"), pa.scalar(None, pa.string())
    )
    bad = pc.and_(pc.invert(is_number), pc.invert(infinite)).fill_null(False)
    read = _finite(_numpy(pc.cast(digits, pa.float64())))
    bad_rows = np.flatnonzero(bad.to_numpy())
    marked_rows, marks = marks_in(column)
    return Numbers(
        values=read.values,
        bad_rows=bad_rows,
        bad_values=tuple(pc.unique(known.filter(bad)).to_pylist()),
        infinite_rows=np.union1d(read.infinite_rows, np.flatnonzero(infinite.to_numpy())),
        date_rows=bad_rows[is_date(known.filter(bad))] if len(bad_rows) else bad_rows,
        marks=marks,
        marked_rows=marked_rows,
    )


def _truths(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of nothing but true, false, 0 and 1 as 0 and 1."""
    lower = pc.utf8_lower(text)
    truth = pc.is_in(lower, value_set=pa.array(_TRUTH))
    if not pc.any(truth).as_py():
        return text
    known = set(pc.unique(lower).to_pylist()) - {None}
    if not known <= {*_TRUTH, "0", "1"}:
        return text
    return pc.replace_substring(pc.replace_substring(lower, "true", "1"), "false", "0")


def _cast(column: pa.ChunkedArray) -> NDArray[np.float64] | None:
    for cells in _with_and_without_blanks(column):
        try:
            return _numpy(pc.cast(cells, pa.float64()))
        except pa.ArrowInvalid:
            pass
    return None


def _with_and_without_blanks(column: pa.ChunkedArray) -> Iterator[pa.ChunkedArray]:
    yield column
    blank = pc.is_in(column, value_set=pa.array(_BLANKS))
    yield pc.if_else(blank, pa.scalar(None, pa.string()), column)


def _numpy(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.array(column.to_numpy(), dtype=np.float64)


def _finite(values: NDArray[np.float64]) -> Numbers:
    infinite = np.isinf(values)
    if not infinite.any():
        return Numbers(values=values)
    values[infinite] = np.nan
    return Numbers(values=values, infinite_rows=np.flatnonzero(infinite))


def sentinels(values: NDArray[np.float64], codes: Sequence[float] = SENTINELS) -> tuple[float, ...]:
    """Return codes such as 999 that lie far from all other values, so that they may mean "missing".

    "Far" = farther from the other values than these spread, or alone below zero. A single digit
    must be repeated, and zeros be few.
    """
    observed = values[np.isfinite(values)]
    there, counts = np.unique(observed[np.isin(observed, codes)], return_counts=True)
    rest = observed[~np.isin(observed, codes)]
    if not len(there) or len(np.unique(rest)) < 2:
        return ()
    low, high = rest.min(), rest.max()
    spread = high - low
    far = (there < low - spread) | (there > high + spread) | ((there < 0) & (low >= 0))
    far &= (counts > 1) | ~np.isin(there, _CODES_IF_REPEATED)
    far &= (there != 0) | (counts <= MAX_SHARE_OF_ZEROS * len(observed))
    return tuple(float(c) for c in there[far])


def feature_codes(known: NDArray[np.float64], *, counted: bool = False) -> tuple[float, ...]:
    """Return the codes of `sentinels` and `tiny_codes` in a feature.

    -1 is one if repeated, among many values, and in any column that counts.

    Parameters
    ----------
    known : float64, shape (n,)
    counted : bool
        Whether the column's name says that it counts something.
    """
    repeated = (known == -1).sum() > 1
    tiny = tiny_codes(known)
    if not counted and not repeated and not np.isin(known, FEATURE_SENTINELS).any():
        return tiny
    one = counted or (repeated and len(np.unique(known)) > MIN_VALUES_BESIDE_ONE)
    return (*sentinels(known, (*FEATURE_SENTINELS, -1.0) if one else FEATURE_SENTINELS), *tiny)


def tiny_codes(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the numbers so near to zero that they stand for none: 1e-30 among values about 1.

    Parameters
    ----------
    values : float64, shape (n,)
        NaN where missing.
    """
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if not len(sizes) or sizes.min() >= TINY * sizes.max():
        return ()
    tiny = (values != 0) & (np.abs(values) < TINY * np.median(sizes))
    return tuple(float(v) for v in np.unique(values[tiny])[:MAX_TINY])


def clean_ids(column: pa.ChunkedArray) -> list[str]:
    """Return identifiers as normalised text: ``001`` and ``NA`` survive, null gives an empty text.

    Unicode NFC; no-break spaces become spaces; outer spaces go, and the apostrophe that keeps a
    spreadsheet from taking ``-12`` for a formula.
    """
    ids = [unquote_formula(value or "") for value in column.to_pylist()]
    return [
        i if i.isascii() else unicodedata.normalize("NFC", i.replace("\u00a0", " ")).strip()
        for i in ids
    ]


def is_tcga_sample(ids: list[str]) -> bool:
    """Whether the identifiers are TCGA barcodes of samples rather than patients."""
    return bool(ids) and all(TCGA_SAMPLE.fullmatch(i) for i in ids)
