"""Numbers in two units: a second site's months among days, or one patient's.

A column of times goes in; where some of its cells are written otherwise than the rest and far
shorter or longer, or those of one site are, somebody is asked. A single whole number among whole
numbers tells nothing, unless another column has the same time. Nothing fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from camlif.arrays import BoolArray, Float64Array
from camlif.data.manifest import ClinicalSection
from camlif.data.reading.names import promise
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import Findings, examples
from camlif.wording import count

MIN_PATIENTS = 20
"""Fewer times are not judged."""

MIN_GROUP = 5
MAX_GROUPS = 30

MAX_SHARE_WRITTEN = 0.4
"""Of the cells that are written otherwise, with or without a fraction."""

MIN_RATIO_BROKEN = 4.0
MIN_RATIO_WHOLE = 15.0
"""Of the medians of cells with and without a fraction. A week has 7 days, a month 30 or 4.3 weeks,
a year 12 months. Times with a fraction among whole ones are meant; of those with decimals one in
ten or a hundred is whole by chance, and the end of a study is: these must be days among months."""

MIN_RATIO_GROUPS = 20.0
MAX_OVERLAP = 0.05
"""Of the medians of a site and the others, and the share of pairs of them in the other order. Sites
of 13 cohorts, some of which recruited late, came to 13."""

MIN_HEAPED, MIN_SHARE_HEAPED = 20, 0.1
MIN_GAP = 2.0
"""So many numbers, of which each heap has such a share, are in two units where the least of the
higher heap is more than so many times the greatest of the lower."""

_PREFIX = re.compile(r"[^\W\d]+")


def ask_of_another_unit(
    table: PatientTable,
    column: str,
    values: Float64Array,
    section: ClinicalSection,
    found: Findings,
) -> bool:
    """Ask whether some times are in another unit than the others; return whether it was asked.

    Parameters
    ----------
    table : PatientTable
    column : str
    values : float64, shape (n,)
        Its numbers; NaN where missing.
    section : ClinicalSection
        Somebody who said which cells of the column mean "missing", or that none does, was asked.
    found : Findings
        Takes the error E-09.
    """
    known = np.flatnonzero(np.isfinite(values) & (values > 0))
    if column in section.missing or len(known) < MIN_PATIENTS:
        return False
    suspects, whose = None, ""
    for name, groups in _groups(table):
        group = _apart(values[known], groups[known])
        if group is not None:
            suspects, whose = groups[known] == group, f" where {name} is {group}"
            break
    if suspects is None:
        suspects = _written_otherwise(values[known])
    if suspects is None:
        return False
    rows, others = known[suspects], known[~suspects]
    cells = table.cells_at(column, rows)
    found.error(
        f"{count(len(rows), 'time')}{whose} ({examples(cells)}; median "
        f"{np.median(values[rows]):g}) may be in another unit than the other {len(others)} (median "
        f"{np.median(values[others]):g}).",
        code="E-09",
        file=table.rows.file,
        column=column,
        rows=table.rows_at(rows),
        fix="Write all times in one unit, or say that these are right.",
        topic="time code",
        columns=(column,),
        values=cells,
    )
    return True


def two_heaps(values: Float64Array) -> tuple[Float64Array, Float64Array] | None:
    """Return the ascending values of two heaps far apart, as g/dL among g/L; None where none are.

    Parameters
    ----------
    values : float64, shape (n,)
        NaN where missing. A quantity with a unit has one sign; among both, ratios say nothing.
    """
    known = np.sort(values[values > 0])
    if (values < 0).any() or len(known) < MIN_HEAPED or len(np.unique(known)) < len(known) / 2:
        return None
    steps = known[1:] / known[:-1]
    at = int(steps.argmax()) + 1
    low, high = known[:at], known[at:]
    ratio = np.median(high) / np.median(low)
    apart = steps[at - 1] >= MIN_GAP and max(low[-1] / low[0], high[-1] / high[0]) < ratio
    enough = min(len(low), len(high)) >= MIN_SHARE_HEAPED * len(known)
    return (low, high) if apart and enough else None


def _written_otherwise(values: Float64Array) -> BoolArray | None:
    """Return which few times have a fraction, or have none, and are far shorter or longer."""
    broken = values % 1 != 0
    for few in (broken, ~broken):
        if 0 < few.mean() <= MAX_SHARE_WRITTEN:
            ratio = np.median(values[few]) / np.median(values[~few])
            # Months among days have a fraction and are shorter; days among months, the reverse.
            # Half a month among whole ones is no other unit.
            shorter = 1 / ratio >= MIN_RATIO_BROKEN and np.median(values[few]) > 1
            if shorter if few is broken else ratio >= MIN_RATIO_WHOLE:
                return np.asarray(few)
    return None


def _groups(table: PatientTable) -> Iterator[tuple[str, NDArray[np.str_]]]:
    """Yield the columns that say where patients come from, and how identifiers begin."""
    for column in table.rows.columns:
        hint = promise(column)
        if hint is not None and hint.kind == "administrative":
            cells = [cell or "" for cell in table.rows.text(column).to_pylist()]
            yield column, np.array(cells, dtype=str)
    starts = [m[0] if (m := _PREFIX.match(i)) else "" for i in table.ids]
    yield f"the start of {table.id_column}", np.array(starts, dtype=str)


def _apart(values: Float64Array, groups: NDArray[np.str_]) -> str | None:
    """Return the group whose times hardly overlap with those of all others; None where all do."""
    names, sizes = np.unique(groups, return_counts=True)
    if not 2 <= len(names) <= MAX_GROUPS:
        return None
    ranks = rankdata(values)
    for name, n in sorted(zip(names.tolist(), sizes.tolist(), strict=True), key=lambda g: g[1]):
        rest = len(values) - n
        if name == "" or min(n, rest) < MIN_GROUP:
            continue
        mine = groups == name
        ratio = np.median(values[mine]) / np.median(values[~mine])
        larger = (ranks[mine].sum() - n * (n + 1) / 2) / (n * rest)
        if max(ratio, 1 / ratio) >= MIN_RATIO_GROUPS and min(larger, 1 - larger) <= MAX_OVERLAP:
            return str(name)
    return None
