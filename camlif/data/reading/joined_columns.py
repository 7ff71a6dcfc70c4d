"""Columns of a table that are one: the parts of a date, and the copies that a merge leaves.

A table goes in; out comes one with ``date_of_death`` in the place of its day, month and year, and
with ``age`` in the place of equal ``age.x`` and ``age.y``. Copies that differ are an error that
names them; a choice is kept by dropping the others. Nothing fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from camlif.arrays import BoolArray
from camlif.data.manifest import Manifest
from camlif.data.reading.names import promise
from camlif.data.reading.problems import MAX_ROWS, Findings, examples
from camlif.data.reading.roles import person_role
from camlif.data.reading.tables import TextTable
from camlif.data.reading.values import blank_missing, to_numbers
from camlif.data.reading.vocabulary import word_set
from camlif.data.reading.words import parts
from camlif.wording import count

_PARTS = (
    (word_set("year y yr jahr annee ano anno jaar ar"), range(1900, 2101)),
    (word_set("month m mo mon mth monat mois mes mese maand"), range(1, 13)),
    (word_set("day d tag jour dia giorno dag"), range(1, 32)),
)
"""Words of the year, the month and the day, and what each runs over."""

_GLUE = {"of", "date"}
MAX_COLUMNS = 300
"""A wider table is one of features, without dates."""

MIN_COPIED = 10
"""Patients: in fewer, two features are equal by chance."""

MIN_SHARE = 0.5
"""Of equal cells, from which two different columns are copies of one that somebody corrected."""


def join_columns(table: TextTable, manifest: Manifest, found: Findings) -> TextTable:
    """Return a table with one column for the parts of each date, and one for equal copies.

    Parameters
    ----------
    table : TextTable
    manifest : Manifest
        Its dropped columns say which of several copies counts, its included ones that all do.
    found : Findings
        Takes notes of what became one, and an error for copies that differ.
    """
    if len(table.columns) <= MAX_COLUMNS:
        table = _with_dates(table, found)
    return _without_copies(table, manifest, found)


def _with_dates(table: TextTable, found: Findings) -> TextTable:
    """Put a date in the place of its year, month and day."""
    for stem, columns in _date_parts(table.columns):
        name = "date_of_" + "_".join(stem)
        cells = [_whole(table, c, r) for c, (_, r) in zip(columns, _PARTS, strict=True)]
        if name in table.columns or any(c is None for c in cells):
            continue
        rows = zip(*(c or () for c in cells), strict=True)
        dates = ["-".join(f"{p:02d}" for p in row if p is not None) or None for row in rows]
        at = table.columns.index(columns[0])
        joined = table.table.set_column(at, name, pa.chunked_array([pa.array(dates, pa.string())]))
        table = replace(table, table=joined.drop_columns(list(columns[1:])))
        found.note(
            f"{examples(columns)} were read as {name}.", file=table.file, columns=(name, *columns)
        )
    return table


def _date_parts(columns: Sequence[str]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield the stem and the three columns of each date: year, month, day."""
    stems: dict[tuple[str, ...], dict[int, str]] = {}
    for column in columns:
        words = parts(column)
        for at in {0, len(words) - 1} if len(words) > 1 else ():
            which = next((i for i, (those, _) in enumerate(_PARTS) if words[at] in those), None)
            if which is not None:
                rest = [w for i, w in enumerate(words) if i != at and w not in _GLUE]
                stems.setdefault(tuple(rest), {}).setdefault(which, column)
    for stem, there in stems.items():
        three = tuple(there[i] for i in sorted(there))
        if stem and len(set(three)) == len(_PARTS):
            yield stem, three


def _whole(table: TextTable, column: str, within: range) -> list[int | None] | None:
    """Return a column as whole numbers; None where it holds anything else."""
    numbers = to_numbers(table.table[column])
    known = numbers.values[np.isfinite(numbers.values)]
    if len(numbers.bad_rows) or not len(known) or (known % 1 != 0).any():
        return None
    if known.min() < within.start or known.max() >= within.stop:
        return None
    return [int(v) if np.isfinite(v) else None for v in numbers.values]


def _without_copies(table: TextTable, manifest: Manifest, found: Findings) -> TextTable:
    """Keep one of equal copies under the name that they had, and ask which of others counts."""
    of_modalities = (section.include for section in manifest.modalities.values())
    kept = set(manifest.clinical.include).union(*of_modalities)
    names = _chosen(table.columns, manifest)
    gone: set[str] = set()
    for stem, copies in _copies(table.columns):
        if kept.issuperset(copies):
            continue
        same, both = _equal(table, copies)
        differ = np.flatnonzero(both & ~same)
        by_name = _has_a_role(stem)
        if not len(differ) and both.any() and (by_name or _tells(table, copies[0])):
            table = _filled(table, copies)
            names[copies[0]] = stem
            gone.update(copies[1:])
            found.note(
                f"{examples(copies)} are equal and were read as one, {stem}.",
                file=table.file,
                columns=(stem, *copies),
            )
        elif by_name or (_tells(table, copies[0]) and same.sum() > MIN_SHARE * both.sum()):
            found.error(
                f"{examples(copies)} are copies of one column, as a merge leaves them, and differ "
                f"for {count(len(differ), 'patient')}. Which of them counts?",
                code="E-01",
                file=table.file,
                column=copies[0],
                rows=tuple(int(r) for r in table.row_numbers[differ[:MAX_ROWS]]),
                fix="Choose one, or correct the table.",
                topic="copies",
                columns=copies,
            )
    if not names and not gone:
        return table
    left = table.table.drop_columns(sorted(gone))
    return replace(table, table=left.rename_columns([names.get(c, c) for c in left.column_names]))


def _chosen(columns: Sequence[str], manifest: Manifest) -> dict[str, str]:
    """Return the names of copies whose others are dropped, unless the manifest speaks of them."""
    spoken = [value for value in manifest.clinical.model_dump().values() if isinstance(value, str)]
    return {
        copy: stem
        for stem, copies in _copies([*columns, *manifest.drop])
        for copy in copies
        if copy in columns and copy not in spoken and {*copies} - {copy} <= {*manifest.drop}
    }


def _copies(columns: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name and the copies of each column: ``.x`` and ``.y``, or ``.1`` behind a name."""
    there = set(columns)
    for column in columns:
        stem, other = column[:-2], f"{column[:-1]}y"
        if column.endswith((".x", "_x")) and other in there and stem and stem not in there:
            yield stem, (column, other)
        numbered = re.fullmatch(r"(.+)\.1", column)
        if numbered and numbered[1] in there:
            more = [f"{numbered[1]}.{i}" for i in range(2, 10) if f"{numbered[1]}.{i}" in there]
            yield numbered[1], (numbered[1], column, *more)


def _has_a_role(stem: str) -> bool:
    """Whether a name is that of an age, a sex or an outcome, which a patient has once."""
    hint = promise(stem)
    return person_role(stem) is not None or (hint is not None and hint.kind in ("outcome", "date"))


def _tells(table: TextTable, column: str) -> bool:
    """Whether a column is equal to another one by no chance: many patients, many values."""
    known = blank_missing(table.text(column)).drop_null()
    return len(known) >= MIN_COPIED and 2 * len(pc.unique(known)) >= len(known)


def _equal(table: TextTable, copies: Sequence[str]) -> tuple[BoolArray, BoolArray]:
    """Return where all copies that are known are equal, and where several are, shape (n_rows,)."""
    first = table.text(copies[0])
    same, both = np.ones(len(table), dtype=bool), np.zeros(len(table), dtype=bool)
    for copy in copies[1:]:
        texts = [blank_missing(t) for t in (first, table.text(copy))]
        known = np.logical_and(*(pc.is_valid(t).to_numpy() for t in texts))
        a, b = (to_numbers(table.table[c]).values for c in (copies[0], copy))
        equal = pc.equal(*texts).fill_null(False).to_numpy().astype(bool) | (a == b)
        both |= known
        same &= equal | ~known
    return same, both


def _filled(table: TextTable, copies: Sequence[str]) -> TextTable:
    """Return the table with the first copy complete where another one is not blank."""
    cells = pc.coalesce(*(blank_missing(table.text(c)) for c in copies))
    if not blank_missing(table.text(copies[0])).null_count:
        return table
    at = table.columns.index(copies[0])
    return replace(table, table=table.table.set_column(at, copies[0], cells))
