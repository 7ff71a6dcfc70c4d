"""Identifiers of patients: which column has them, and which of two tables are spelt alike.

The column whose identifiers occur most in the other tables is the one, whatever its name. Two
spellings of one identifier (``P-001`` and ``p1``, ``TCGA.02.0001``, lost zeros) are never one
patient, nor two, without a word: they are an error, and ``ids`` in the manifest answers it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

import pyarrow as pa

from camlif.data.reading.names import promise
from camlif.data.reading.patients import MAX_CANDIDATES, PatientTable, helpful_lengths, id_column_of
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.spelling import alike, known_within
from camlif.data.reading.tables import TextTable
from camlif.data.reading.values import TCGA_SAMPLE, clean_ids, to_numbers
from camlif.wording import count, verb

_LETTER = re.compile(r"[^\W\d_]")
MIN_SHARE = 0.5
"""Another column than that of a usual name is taken where this one shares fewer of its patients."""


def choose_ids(
    tables: Sequence[TextTable], declared: Mapping[str, str | None], found: Findings
) -> dict[str, str]:
    """Return the column of identifiers of tables where another one than the usual fits better.

    Parameters
    ----------
    tables : sequence of TextTable
    declared : mapping of file to column or None
        As the manifest says; such tables are left as they are.
    found : Findings
        Gets a warning for each column that was chosen so.
    """
    sets = {t.file: _id_sets(t) for t in tables}
    headers = {t.file: {TCGA_SAMPLE.sub(r"\1", c) for c in t.columns} for t in tables}
    chosen = {}
    for table in tables:
        mine = sets[table.file]
        if declared.get(table.file) is not None or len(mine) < 2:
            continue
        others: set[str] = set()
        for other in tables:
            if other.file != table.file:
                others |= headers[other.file].union(*sets[other.file].values())
        usual = id_column_of(table, None)
        shared = {column: len(ids & others) for column, ids in mine.items()}
        best = max(shared, key=lambda c: (shared[c], c == usual))
        size = len(mine.get(usual or "", ()))
        if best != usual and shared[best] > shared.get(usual or "", 0) < MIN_SHARE * max(size, 1):
            chosen[table.file] = best
            found.warn(
                f"Patients are identified by column {best}, of which "
                f"{count(shared[best], 'identifier occurs', 'identifiers occur')} in other tables"
                + (f"; of {usual} {shared.get(usual, 0)} do." if usual else "."),
                file=table.file,
                column=best,
                fix="If another column names the patients, choose it.",
                topic="id",
                columns=tuple(c for c in mine if c != best),
            )
    return chosen


def _id_sets(table: TextTable) -> dict[str, set[str]]:
    """Return the identifiers of every column that may have them: by its name, or unique texts."""
    sets = {}
    for column in table.columns[:MAX_CANDIDATES]:
        hint, cells = promise(column), table.table[column]
        named = hint is not None and hint.kind == "identifier"
        if not named:
            unique = pa.types.is_string(cells.type) and len(cells.unique()) == len(table)
            if not unique or to_numbers(cells).n_values:
                continue
        ids = {TCGA_SAMPLE.sub(r"\1", i) for i in clean_ids(table.text(column)) if i}
        if ids:
            sets[column] = ids
    return sets


def with_copies_named(
    table: TextTable, id_column: str | None, known: AbstractSet[str], found: Findings
) -> TextTable:
    """Return the table with repeated patients under one identifier: ``P-1.1`` beside ``P-1``.

    R and pandas number a name that occurs twice. Such a row is another one of that patient, if the
    clinical table knows the patient and nobody of the numbered name.

    Parameters
    ----------
    table : TextTable
    id_column : str or None
        As declared.
    known : set of str
        Identifiers of the clinical table and its samples.
    found : Findings
        Gets a note of the names.
    """
    column = id_column_of(table, id_column)
    if column is None or not known:
        return table
    ids = clean_ids(table.text(column))
    mine = set(ids)
    both, copies = mine & known, {}
    for one in mine - known:
        name, _, number = one.rpartition(".")
        if number.isdecimal() and len(number) <= 2 and _LETTER.search(name) and name in both:
            copies[one] = name
    if not copies:
        return table
    found.note(
        f"{count(len(copies), 'identifier')} with a number at the end taken for "
        f"{verb(len(copies), 'a copy', 'copies')} of the same patient: "
        f"{examples(sorted(copies))}.",
        file=table.file,
        column=column,
    )
    named = pa.chunked_array([pa.array([copies.get(i, i) for i in ids], pa.string())])
    at = table.columns.index(column)
    return replace(table, table=table.table.set_column(at, column, named))


def report_alike(tables: Sequence[PatientTable], declared: str | None, found: Findings) -> bool:
    """Ask about identifiers of two tables that differ in their spelling alone.

    Parameters
    ----------
    tables : sequence of PatientTable
    declared : {"exact", "alike"} or None
        What the manifest says of them.
    found : Findings

    Returns
    -------
    bool
        Whether there are such.
    """
    if declared is not None or len(tables) < 2:
        return False
    ids = {t.rows.file: set(t.ids) for t in tables}
    common = set.intersection(*ids.values())
    spellings: dict[str, set[str]] = {}
    for patient in set.union(*ids.values()) - common:
        spellings.setdefault(alike(patient), set()).add(patient)
    pairs = []
    for several in spellings.values():
        pairs += _meant(sorted(several), ids) if len(several) > 1 else []
    if not pairs:
        return False
    first, second = pairs[0]
    file = next(f for f, those in ids.items() if second in those and first not in those)
    patients = len({alike(one) for one, _ in pairs})
    found.error(
        f"{count(patients, 'identifier is', 'identifiers are')} spelt differently in two tables: "
        f"{examples(f'{a} and {b}' for a, b in pairs)}. Are they the same patients?",
        code="E-07",
        file=file,
        fix="Say so, or write identifiers the same way in every table.",
        topic="alike",
    )
    return True


def report_within(
    tables: Sequence[PatientTable],
    clinical: PatientTable | None,
    declared: str | None,
    found: Findings,
) -> set[str]:
    """Ask about identifiers of the clinical table with something before or behind: ``P1_CT``.

    Parameters
    ----------
    tables : sequence of PatientTable
        Of features.
    clinical : PatientTable or None
    declared : {"exact", "alike", "within"} or None
        What the manifest says of them.
    found : Findings

    Returns
    -------
    set of str
        Files that were asked about.
    """
    asked: set[str] = set()
    if clinical is None or declared not in (None, "alike"):
        return asked
    known = {alike(i): i for i in clinical.ids}
    for table in tables:
        spelt = {alike(i): i for i in table.ids}
        inner = known_within(spelt, known)
        shared = any(form in known for form in spelt)
        if not inner or (not shared and helpful_lengths(set(table.ids), set(clinical.ids))):
            continue  # cutting them is offered
        asked.add(table.rows.file)
        pairs = [f"{spelt[form]} and {known[other]}" for form, other in inner.items()]
        found.error(
            f"{len(pairs)} of {count(len(spelt), 'identifier')} have something before or behind "
            f"that {clinical.rows.file} has not, or lack it: {examples(pairs)}. Are they the same "
            "patients?",
            code="E-07",
            file=table.rows.file,
            column=table.id_column,
            fix="Say so, or write identifiers the same way in every table.",
            topic="within",
        )
    return asked


def _meant(several: Sequence[str], ids: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Return pairs of spellings that two tables have, each only one of them."""
    pairs = []
    for i, one in enumerate(several):
        for other in several[i + 1 :]:
            mine = [f for f, those in ids.items() if one in those]
            theirs = [f for f, those in ids.items() if other in those]
            if any(
                one not in ids[their] and other not in ids[my] for my in mine for their in theirs
            ):
                pairs.append((one, other))
    return pairs
