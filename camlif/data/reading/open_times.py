"""Follow-up that is written as open: ``120+`` or ``>120``, longer than the time that is given.

A clinical table goes in; the same with plain numbers comes out, and the rows where they were open.
For patients without the event that says what their status says, and is told; for the others it is
an error, because it contradicts the event.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from camlif.arrays import Float64Array, IntArray
from camlif.data.reading.names import promise
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.values import blank_missing
from camlif.wording import count

_OPEN = r"^(?:(?:>=?|≥)\s*(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*\+)$"


def close_times(
    table: PatientTable, declared: tuple[str | None, ...]
) -> tuple[PatientTable, dict[str, IntArray]]:
    """Return the table with plain numbers in its times, and where each was open.

    Parameters
    ----------
    table : PatientTable
    declared : tuple of str or None
        Columns of time that the manifest names; else names promise them.
    """
    cells, opened = table.rows.table, {}
    for column in table.rows.columns:
        hint = promise(column)
        timed = hint is not None and hint.kind == "outcome" and hint.aspect != "event"
        if not (timed or column in declared) or not pa.types.is_string(cells[column].type):
            continue
        text = blank_missing(cells[column])
        is_open = pc.match_substring_regex(text, _OPEN).fill_null(False)
        rows = np.flatnonzero(is_open.to_numpy())
        if len(rows):
            opened[column] = rows
            plain = pc.replace_substring_regex(text, _OPEN, r"\1\2")
            cells = cells.set_column(cells.column_names.index(column), column, plain)
    if not opened:
        return table, {}
    return replace(table, rows=replace(table.rows, table=cells)), opened


def report_open_times(
    table: PatientTable,
    opened: dict[str, IntArray],
    used: tuple[str, ...],
    event: Float64Array,
    found: Findings,
) -> bool:
    """Say of open times that they agree with the status, or ask; return whether it was asked.

    Parameters
    ----------
    table : PatientTable
        As it was, with the signs.
    opened : mapping of column to rows
    used : tuple of str
        Columns that the outcome is read from.
    event : float64, shape (n,)
        1, 0 or NaN.
    found : Findings
        Takes the error E-15.
    """
    asked = False
    for column in used:
        rows = opened.get(column, np.zeros(0, dtype=int))
        strange = rows[event[rows] == 1]
        if len(strange):
            asked = True
            cells = table.cells_at(column, strange)
            found.error(
                f"{column} is open ({examples(cells)}) for {count(len(strange), 'patient')} with "
                "the event, whose time ends there.",
                code="E-15",
                file=table.rows.file,
                column=column,
                rows=table.rows_at(strange),
                fix="Correct the time or the status, or leave the cells blank.",
                topic="text",
                columns=(column,),
                values=cells,
            )
        elif len(rows):
            cells = table.cells_at(column, rows)
            found.note(
                f"{column} is open ({examples(cells)}) for {count(len(rows), 'patient')} without "
                "the event; the number is the follow-up.",
                file=table.rows.file,
                column=column,
                rows=table.rows_at(rows),
            )
    return asked
