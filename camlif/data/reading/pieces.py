"""One table in several files: rows of other patients, or columns of the same ones.

Tables go in; out come the tables with those joined that the manifest's ``parts`` says are one.
Files of one stem such as ``ct_1`` and ``ct_2`` that look like it are asked about, never joined in
silence. Nothing fails.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
import pyarrow as pa

from camlif.data.reading.gathered import Reading
from camlif.data.reading.mapping import declared_id
from camlif.data.reading.outcomes import holds_pair
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.roles import find_id
from camlif.data.reading.tables import TextTable, table_stem
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
    """Return one table with the columns and the rows of all; a patient told twice stays so."""
    whole = members[0]
    for other in members[1:]:
        mine, theirs = _read_ids(whole, reading), _read_ids(other, reading)
        if mine.column != theirs.column:
            other = _renamed(other, theirs.column, mine.column)
        more = [c for c in other.columns if c not in whole.columns]
        told_twice = set(mine.ids) & set(theirs.ids)
        if len(set(other.columns) - {mine.column}) > len(more) or not told_twice:
            whole = _appended(whole, other)
            continue
        several = [i for i, n in Counter(theirs.ids).items() if n > 1 and i in told_twice]
        if several:
            reading.found.error(
                f"Several rows of {examples(several)}: the columns of {name} can't be put side by "
                "side.",
                code="E-06",
                file=other.file,
                column=theirs.column,
                fix="Keep one row of each patient.",
            )
        at = {patient: i for i, patient in enumerate(theirs.ids)}
        index = pa.array([at.get(patient) for patient in mine.ids], pa.int64())
        cells = whole.table
        for column in more:
            cells = cells.append_column(column, other.table[column].take(index))
        whole = replace(whole, table=cells, units={**other.units, **whole.units})
        strangers = [i for i, patient in enumerate(theirs.ids) if patient not in told_twice]
        if strangers:
            rest = other.table.take(strangers)
            whole = _appended(
                whole, replace(other, table=rest, row_numbers=other.row_numbers[strangers])
            )
    return replace(whole, file=name)


def _renamed(table: TextTable, column: str, name: str) -> TextTable:
    names = [name if c == column else c for c in table.columns]
    return replace(table, table=table.table.rename_columns(names))


def _appended(table: TextTable, other: TextTable) -> TextTable:
    texts = [pa.table({c: t.text(c) for c in t.columns}) for t in (table, other)]
    return replace(
        table,
        table=pa.concat_tables(texts, promote_options="default"),
        row_numbers=np.concatenate([table.row_numbers, other.row_numbers]),
        units={**other.units, **table.units},
    )


@dataclass(frozen=True, slots=True)
class _Ids:
    """Identifiers of a table's rows, and whether their column has a usual name."""

    column: str
    ids: list[str]
    named: bool


def _read_ids(table: TextTable, reading: Reading) -> _Ids:
    """Read identifiers as the patients' will be, telling nobody."""
    column = _id_column(table, reading)
    rules = reading.id_rules
    if rules.spellings is not None:
        rules = replace(rules, spellings=dict(rules.spellings))
    named = _named_id(table, reading) is not None
    return _Ids(column, rules.read(table, column, Findings()), named)


def _id_column(table: TextTable, reading: Reading) -> str:
    return _named_id(table, reading) or table.columns[0]


def _named_id(table: TextTable, reading: Reading) -> str | None:
    return find_id(table.columns, declared_id(reading, table.file))


def _ask(tables: Sequence[TextTable], reading: Reading) -> None:
    """Ask about tables that look like rows, or like columns, of one."""
    manifest = reading.manifest
    named = {manifest.clinical.file, *(s.file for s in manifest.modalities.values())}
    free = [t for t in tables if t.file not in named]
    ids: dict[str, _Ids] = {}
    seen: set[str] = set()
    for i, first in enumerate(free):
        for way in ("rows", "columns"):
            alike = [first]
            for other in free[i + 1 :]:
                ways = {_way(t, other, ids, reading) for t in alike}
                if ways == {way} and other.file not in seen and _stem([*alike, other]):
                    alike.append(other)
            if first.file not in seen and len(alike) > 1:
                seen.update(t.file for t in alike)
                _ask_about(alike, ids, reading, side_by_side=way == "columns")


def _way(table: TextTable, other: TextTable, ids: dict[str, _Ids], reading: Reading) -> str:
    """Return ``rows`` or ``columns``, which two tables may be of one; empty where neither.

    Rows have most columns in common and few patients. Columns have most patients in common, no
    column, and names that differ by a number, a letter or a word such as part. Identifiers, which
    are long to read, are put into ``ids`` once the columns leave it open.
    """
    a, b = ({*t.columns} - {_id_column(t, reading)} for t in (table, other))
    by_rows = 2 * len(a & b) > max(len(a), len(b))
    if not by_rows and (a & b or not _are_numbered([table, other])):
        return ""
    for t in (table, other):
        if t.file not in ids:
            ids[t.file] = _read_ids(t, reading)
    mine, theirs = ({*ids[t.file].ids} for t in (table, other))
    few = 2 * len(mine & theirs) <= min(len(mine), len(theirs))
    if by_rows:
        return "rows" if few else ""
    return "" if few else "columns"


def _ask_about(
    tables: Sequence[TextTable], ids: Mapping[str, _Ids], reading: Reading, *, side_by_side: bool
) -> None:
    name, files = _stem(tables), tuple(t.file for t in tables)
    every = [set(ids[file].ids) for file in files]
    named = all(ids[file].named for file in files)
    row, rows = ("patient", "patients") if named else ("row", "rows")
    size, twice = len(set.union(*every)), sum(map(len, every)) - len(set.union(*every))
    if side_by_side:
        have = f"the same {rows} and other columns"
    else:
        first, *others = ({*t.columns} - {ids[t.file].column} for t in tables)
        equal = all(other == first for other in others)
        have = "the same columns and " if equal else "nearly the same columns and "
        have += count(twice, row) if twice else f"no {row}"
        have += " in common"
    reading.found.error(
        f"{examples(files)} have {have}. Are they one table, {name}, of {count(size, row)}?",
        code="E-07",
        file=files[1],
        fix="Say so, or keep one of them.",
        topic="pieces",
        columns=(name,),
        values=files,
    )


def _words(table: TextTable) -> list[str]:
    return re.findall(r"[^\W\d_]+|\d+", table_stem(table.file))


def _are_numbered(tables: Sequence[TextTable]) -> bool:
    """Whether names are one with a number, a letter or a word such as part behind it."""
    stem = _shared(tables)
    rest = [w for t in tables for w in _words(t)[len(stem) :]]
    return bool(stem) and all(w.isdigit() or len(w) == 1 or w.lower() in _PIECE_WORDS for w in rest)


def _shared(tables: Sequence[TextTable]) -> list[str]:
    """Return the words that names begin with, without a last part."""
    words = [_words(t) for t in tables]
    same = [w[0] for w in takewhile(lambda w: len(set(w)) == 1, zip(*words, strict=False))]
    while same and same[-1].lower() in _PIECE_WORDS:
        same.pop()
    return same


def _stem(tables: Sequence[TextTable]) -> str:
    """Return the name that tables share before a number or a word such as train; else empty."""
    return "_".join(_shared(tables)) or (CLINICAL if all(map(holds_pair, tables)) else "")
