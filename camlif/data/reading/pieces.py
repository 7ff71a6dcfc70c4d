"""One table in several files: rows of other patients, or columns of the same ones.

Tables go in; out come the tables with those joined that the manifest's ``parts`` says are one.
Files of one stem such as ``ct_1`` and ``ct_2`` that look like it are asked about, never joined in
silence. Nothing fails.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np
import pyarrow as pa

from camlif.data.reading.gathered import Reading
from camlif.data.reading.mapping import declared_id
from camlif.data.reading.outcomes import holds_pair
from camlif.data.reading.problems import examples
from camlif.data.reading.roles import find_id
from camlif.data.reading.tables import TextTable, table_stem
from camlif.data.reading.values import clean_ids
from camlif.wording import count

_PIECE_WORDS = frozenset(
    ("part", "batch", "site", "set", "chunk", "file", "piece", "teil", "parte", "partie", "centre")
)
CLINICAL = "clinical"


def join_pieces(tables: list[TextTable], reading: Reading) -> list[TextTable]:
    """Return the tables, those joined that the manifest says are one; ask about others.

    Parameters
    ----------
    tables : list of TextTable
    reading : Reading
        Its manifest says what is one; takes the reports of what was joined, and questions.
    """
    for name, files in reading.manifest.parts.items():
        members = [t for t in tables if t.file in files]
        if len(members) < 2:
            continue
        whole = _joined(name, members, reading)
        tables = [*(t for t in tables if t not in members), whole]
        reading.files[name] = replace(
            reading.files[members[0].file],
            name=name,
            n_rows=len(whole),
            n_columns=len(whole.columns) - 1,
        )
        for member in members:
            reading.found.note(f"Read as a part of {name}.", file=member.file)
    _ask(tables, reading)
    return tables


def _joined(name: str, members: Sequence[TextTable], reading: Reading) -> TextTable:
    """Return one table with a row for each row of patients that the first tables do not have."""
    whole = members[0]
    for other in members[1:]:
        mine, theirs = _ids(whole, reading), _ids(other, reading)
        if not set(mine) & set(theirs):
            whole = _appended(whole, other)
            continue
        at = {patient: i for i, patient in enumerate(theirs)}
        index = pa.array([at.get(patient) for patient in mine], pa.int64())
        cells = whole.table
        for column in other.columns:
            if column not in cells.column_names:
                cells = cells.append_column(column, other.table[column].take(index))
        strangers = np.array([i for i, p in enumerate(theirs) if p not in set(mine)], dtype=int)
        whole = replace(whole, table=cells, units={**other.units, **whole.units})
        if len(strangers):
            rest = replace(
                other,
                table=other.table.take(strangers),
                row_numbers=other.row_numbers[strangers],
            )
            whole = _appended(whole, rest)
    return replace(whole, file=name)


def _appended(table: TextTable, other: TextTable) -> TextTable:
    texts = [pa.table({c: t.text(c) for c in t.columns}) for t in (table, other)]
    return replace(
        table,
        table=pa.concat_tables(texts, promote_options="default"),
        row_numbers=np.concatenate([table.row_numbers, other.row_numbers]),
        units={**other.units, **table.units},
    )


def _ids(table: TextTable, reading: Reading) -> list[str]:
    column = find_id(table.columns, declared_id(reading, table.file)) or table.columns[0]
    return clean_ids(table.text(column))


def _ask(tables: Sequence[TextTable], reading: Reading) -> None:
    """Ask about tables of one stem with the same columns and no patient in common."""
    manifest = reading.manifest
    named = {manifest.clinical.file, *(s.file for s in manifest.modalities.values())}
    free = [t for t in tables if t.file not in named]
    seen: set[str] = set()
    for i, first in enumerate(free):
        alike = [t for t in free[i:] if set(t.columns) == set(first.columns)]
        alike = [t for t in alike if t is first or _stem([first, t])]
        name = _stem(alike)
        if first.file in seen or len(alike) < 2 or not name:
            continue
        ids = [set(_ids(t, reading)) for t in alike]
        if sum(map(len, ids)) > len(set.union(*ids)):
            continue
        files = tuple(t.file for t in alike)
        seen.update(files)
        reading.found.error(
            f"{examples(files)} have the same columns and no patient in common. Are they one "
            f"table, {name}, of {count(sum(map(len, ids)), 'patient')}?",
            code="E-07",
            file=files[1],
            fix="Say so, or keep one of them.",
            topic="pieces",
            columns=(name,),
            values=files,
        )


def _stem(tables: Sequence[TextTable]) -> str:
    """Return what the names of files share before a number or a word such as train; else empty."""
    stems = [table_stem(t.file) for t in tables]
    words = [re.findall(r"[^\W\d_]+|\d+", stem) for stem in stems]
    same = [w[0] for w in takewhile(lambda w: len(set(w)) == 1, zip(*words, strict=False))]
    while len(same) > 1 and same[-1].lower() in _PIECE_WORDS:
        same.pop()
    if same and same[0].lower() not in _PIECE_WORDS:
        return "_".join(same)
    return CLINICAL if all(map(holds_pair, tables)) else ""
