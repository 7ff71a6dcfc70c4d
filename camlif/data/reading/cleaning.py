"""What the manifest says of single columns and cells, done before anything looks at a table.

A table of text and entries of the manifest go in; a smaller table comes out, with what was left out
among the findings. Nothing fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from camlif.data.reading.patients import FlowStep
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.tables import TextTable
from camlif.data.reading.values import to_numbers
from camlif.wording import count

DROPPED = "dropped"
"""Topic of the notes on columns that the manifest drops."""


def matching(columns: Sequence[str], patterns: Iterable[str]) -> list[str]:
    """Return the columns with one of the names, in table order; ``*`` in a name matches any text.

    A name is compared as it stands first, so brackets and stars in a header are no obstacle.
    """
    known = set(columns)
    hits: set[str] = set()
    for pattern in patterns:
        if pattern in known:
            hits.add(pattern)
        elif "*" in pattern:
            rule = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
            hits.update(c for c in columns if rule.fullmatch(c))
    return [c for c in columns if c in hits]


def without_columns(table: TextTable, patterns: Sequence[str], found: Findings) -> TextTable:
    """Return a table without the columns that the manifest drops.

    Parameters
    ----------
    table : TextTable
    patterns : sequence of str
        Names of columns, or patterns with ``*`` and ``?``.
    found : Findings
        Takes a note of the columns that were dropped.
    """
    dropped = matching(table.columns, patterns)
    if not dropped:
        return table
    found.note(
        f"{count(len(dropped), 'column')} dropped as the mapping says: {examples(dropped)}.",
        file=table.file,
        topic=DROPPED,
        columns=tuple(dropped),
    )
    return replace(table, table=table.table.drop_columns(dropped))


def renamed_columns(table: TextTable, names: Mapping[str, str], found: Findings) -> TextTable:
    """Return a table with columns called as the manifest says.

    Parameters
    ----------
    table : TextTable
    names : mapping of column to new name
    found : Findings
        Gets a note of what was renamed; an error where a column is not there, or its new name is
        another's.
    """
    columns = table.columns
    absent = [column for column in names if column not in columns]
    renamed = [names.get(column, column) for column in columns]
    taken = sorted({name for name in names.values() if renamed.count(name) > 1})
    for column in (*absent, *taken):
        found.error(
            f"The manifest renames {column}, which is not there."
            if column in absent
            else f"The manifest gives two columns the name {column}.",
            file=table.file,
            column=column,
            fix="Correct what the manifest renames.",
            topic="column",
        )
    if absent or taken or not names:
        return table
    pairs = examples(f"{old} as {new}" for old, new in names.items())
    found.note(f"Read under another name, as the mapping says: {pairs}.", file=table.file)
    return replace(table, table=table.table.rename_columns(renamed))


def recoded_cells(
    table: TextTable, levels: Mapping[str, Mapping[str, str]], found: Findings
) -> TextTable:
    """Return a table with the words that the manifest says codes stand for.

    Parameters
    ----------
    table : TextTable
    levels : mapping of column to mapping of cell to level
        A number matches however it is written.
    found : Findings
        Gets a note with the number of cells; an error where a column is not there.
    """
    recoded = table.table
    for column, words in levels.items():
        if column not in table.columns:
            found.error(
                f"The manifest says what {column} stands for, which is not there.",
                file=table.file,
                column=column,
                fix="Correct the levels that the manifest lists.",
                topic="column",
            )
            continue
        cells, total = table.text(column), 0
        for cell, word in words.items():
            hit = _cells_equal(recoded[column], [cell])
            total += int(hit.sum())
            cells = pc.if_else(pa.array(hit), word, cells)
        found.note(f"{count(total, 'cell')} of {column} read as the mapping says.", file=table.file)
        recoded = recoded.set_column(recoded.column_names.index(column), column, cells)
    return replace(table, table=recoded)


def kept_rows(
    table: TextTable, keep: Mapping[str, Sequence[str]]
) -> tuple[TextTable, tuple[FlowStep, ...]]:
    """Return the rows whose cells the manifest keeps, and where the others went."""
    kept = np.ones(len(table), dtype=bool)
    for column, cells in keep.items():
        if column in table.columns:
            kept &= _cells_equal(table.table[column], cells)
    if kept.all():
        return table, ()
    index = np.flatnonzero(kept)
    step = FlowStep(file=table.file, reason=f"another {', '.join(keep)}", n=int((~kept).sum()))
    rows = replace(table, table=table.table.take(index), row_numbers=table.row_numbers[index])
    return rows, (step,)


def blank_cells(
    table: TextTable, missing: Mapping[str, Sequence[str]], found: Findings
) -> TextTable:
    """Return a table whose cells are empty where the manifest calls them missing.

    Parameters
    ----------
    table : TextTable
    missing : mapping of column to cells
        ``*`` in a column matches any text. A number matches however it is written.
    found : Findings
        Gets a note with the number of cells.
    """
    blanked, total = table.table, 0
    for pattern, cells in missing.items():
        for column in matching(table.columns, [pattern]):
            hit = _cells_equal(blanked[column], cells)
            n = int(hit.sum())
            if n:
                total += n
                empty = pc.if_else(
                    pa.array(hit), pa.scalar(None, blanked[column].type), blanked[column]
                )
                position = blanked.column_names.index(column)
                blanked = blanked.set_column(position, column, empty)
    if total:
        found.note(f"{count(total, 'cell')} missing as the mapping says.", file=table.file)
    return replace(table, table=blanked)


def _cells_equal(column: pa.ChunkedArray, cells: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each cell is one of the texts, or the same number as one, shape (n_rows,)."""
    hit = np.zeros(len(column), dtype=bool)
    if pa.types.is_string(column.type):
        trimmed = pc.utf8_trim_whitespace(column)
        known = pc.is_in(trimmed, value_set=pa.array([c.strip() for c in cells], pa.string()))
        hit |= known.to_numpy().astype(bool)
    wanted = to_numbers(pa.chunked_array([pa.array(list(cells), pa.string())])).values
    wanted = wanted[np.isfinite(wanted)]
    return hit | np.isin(to_numbers(column).values, wanted) if len(wanted) else hit
