"""What stands twice or was filled in: patients under two identifiers, a table given as two
modalities, zeros for what was not measured.

In come the modalities as read, out come warnings. Rows and columns are compared by digests of their
values, whatever their names; versions of a table by what is equal in columns of one name. Tables of
flags and of few numbers are alike by chance and are not looked at. Nothing fails.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from camlif.arrays import Float32Array, Float64Array
from camlif.data.reading.matrices import ModalityData
from camlif.data.reading.problems import Findings, examples
from camlif.wording import count, verb

MIN_TELLING = 3
"""A table with fewer columns of mostly different values has equal rows by chance."""

TELLING_SHARE = 0.5
MIN_SAME = 0.5
"""Share of equal values from which two tables are versions of one."""

MIN_CORRELATION, MIN_CORRELATED = 0.995, 10
"""Of a column with itself in another version of a table, over so many patients at least."""

MAX_SHARE_FILLED, MIN_SHARE_ZEROS, MIN_FILLED = 0.25, 0.9, 5
"""Who has a zero in most columns in which so few have one, and in so many, was not measured."""

_ROWS_TRIED, _COLUMNS_TRIED = 1000, 200


def report_copies(modalities: Sequence[ModalityData], found: Findings) -> None:
    """Warn of patients with the values of another one, and of tables with those of another.

    Parameters
    ----------
    modalities : sequence of ModalityData
    found : Findings
    """
    columns: dict[str, tuple[ModalityData, set[bytes]]] = {}
    for data in modalities:
        if data.spec.bag is not None or not _tells(data.values):
            continue
        _report_patients(data, found)
        _report_filled(data, found)
        mine = _column_digests(data)
        for other, theirs in columns.values():
            if mine <= theirs or theirs <= mine:
                few, many = (data, other) if len(mine) <= len(theirs) else (other, data)
                found.warn(
                    f"All {count(len(few.spec.columns), 'column')} of {few.file} have the values "
                    f"of columns of {many.file}, so that they would count twice.",
                    file=few.file,
                    fix="Leave one of the tables out.",
                    topic="file",
                )
            elif (share := _alike_share(data, other)) >= MIN_SAME:
                found.warn(
                    f"{100 * share:.0f} of 100 values of {data.file} are those of {other.file}, or "
                    "rise and fall with them, in the columns of the same names, as of another "
                    "version of one table.",
                    file=data.file,
                    fix="Leave one of the tables out.",
                    topic="file",
                )
        columns[data.spec.name] = data, mine


def _alike_share(one: ModalityData, other: ModalityData) -> float:
    """Return the share of values that are equal, or in columns that hardly differ but in scale.

    Of the columns and patients that two tables have in common.
    """
    patients = sorted({*one.ids} & {*other.ids})[:_ROWS_TRIED]
    names = sorted({*one.spec.columns} & {*other.spec.columns})[:_COLUMNS_TRIED]
    if len(names) < MIN_TELLING or len(patients) < MIN_TELLING:
        return 0.0
    a, b = (
        pd.DataFrame(t.values, t.ids, t.spec.columns).loc[patients, names].to_numpy()
        for t in (one, other)
    )
    known = np.isfinite(a) & np.isfinite(b)
    if not known.any():
        return 0.0
    alike = a == b
    if len(patients) >= MIN_CORRELATED:
        alike |= _correlations(np.ma.masked_where(~known, a), np.ma.masked_where(~known, b)) >= (
            MIN_CORRELATION
        )
    return float(alike[known].mean())


def _correlations(a: np.ma.MaskedArray[Any, Any], b: np.ma.MaskedArray[Any, Any]) -> Float64Array:
    """Correlation of each column of a table with that of another, shape (f,); 0 for a constant."""
    x, y = (t.astype(np.float64) - t.mean(axis=0, dtype=np.float64) for t in (a, b))
    size = np.ma.filled(np.ma.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0)), 0.0)
    product = np.ma.filled((x * y).sum(axis=0), 0.0)
    found: Float64Array = np.divide(product, size, out=np.zeros_like(product), where=size > 0)
    return found


def _tells(values: Float32Array) -> bool:
    """Whether rows are told apart by their values: enough columns hardly repeat one."""
    part = values[:_ROWS_TRIED, :_COLUMNS_TRIED]
    telling = sum(len(np.unique(c)) >= max(TELLING_SHARE * len(c), 2) for c in part.T)
    return telling >= MIN_TELLING


def _digests(rows: Iterable[Float32Array]) -> list[bytes]:
    return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows]


def _column_digests(data: ModalityData) -> set[bytes]:
    order = sorted(range(len(data.ids)), key=data.ids.__getitem__)
    # Zero has two signs.
    return set(_digests(np.ascontiguousarray((data.values[order] + 0.0).T)))


def _report_filled(data: ModalityData, found: Findings) -> None:
    """Warn of patients with zeros in columns where hardly anybody else has one."""
    zero = data.values == 0
    rare = np.flatnonzero((zero.mean(axis=0) <= MAX_SHARE_FILLED) & zero.any(axis=0))
    if len(rare) < MIN_FILLED:
        return
    n_zeros = zero[:, rare].sum(axis=1)
    filled = np.flatnonzero(n_zeros >= max(MIN_FILLED, MIN_SHARE_ZEROS * len(rare)))
    if len(filled):
        found.warn(
            f"{count(len(filled), 'patient')} {verb(len(filled), 'has', 'have')} a zero in up to "
            f"{count(int(n_zeros.max()), 'column')} where zero is rare: "
            f"{examples(data.ids[i] for i in filled)}.",
            file=data.file,
            fix="If they were not measured, leave the cells blank.",
        )


def _report_patients(data: ModalityData, found: Findings) -> None:
    enough = np.isfinite(data.values).sum(axis=1) >= MIN_TELLING
    groups: dict[bytes, list[str]] = {}
    for i, digest in zip(np.flatnonzero(enough), _digests(data.values[enough] + 0.0), strict=True):
        groups.setdefault(digest, []).append(data.ids[i])
    twice = [ids for ids in groups.values() if len(ids) > 1]
    if not twice:
        return
    found.warn(
        f"{count(sum(map(len, twice)), 'patient')} share all values with another one: "
        f"{examples(' and '.join(ids) for ids in twice)}.",
        file=data.file,
        fix="If they are one person under two identifiers, leave one of them out.",
    )
