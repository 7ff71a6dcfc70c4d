"""Event status from a column of codes or words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camlif.data.manifest import ClinicalSection
from camlif.data.reading.coding import ANY, coding_of, contradicts, is_told_by_words, key_of
from camlif.data.reading.names import legend
from camlif.data.reading.outcomes import MAX_CODES, OutcomeColumns
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import MAX_SHOWN, Findings, examples
from camlif.data.reading.values import blank_missing

USUAL_EVENT_RATES = (0.02, 0.90)


@dataclass(frozen=True, slots=True)
class Events:
    """Event status as read.

    Attributes
    ----------
    event : float64, shape (n,)
        1, 0 or NaN.
    coding : mapping of cell to bool
        What every cell that occurs was taken for.
    """

    event: NDArray[np.float64]
    coding: dict[str, bool]


def read_events(
    table: PatientTable, columns: OutcomeColumns, section: ClinicalSection, found: Findings
) -> Events | None:
    """Return who had the event; None (and a question) where the coding is unclear.

    Parameters
    ----------
    table : PatientTable
    columns : OutcomeColumns
        With an ``event``.
    section : ClinicalSection
        Its ``event_values`` win over words, names and usage.
    found : Findings
        Takes the question E-11, or a note of what was read as what.
    """
    column = columns.event or ""
    cells = blank_missing(table.rows.text(column)).to_pylist()
    if section.event_values == (ANY,) or column == columns.duration:
        return _filled(table, columns, cells, section, found)
    occurring = sorted({c for c in cells if c is not None})
    if section.event_values:
        wanted = {key_of(v) for v in section.event_values}
        coding: dict[str, bool | None] = {c: key_of(c) in wanted for c in occurring}
    else:
        coding = coding_of(column, occurring)
    if not occurring or None in coding.values():
        found.error(
            f"Column {column} holds {examples(occurring) or 'no value'}. "
            "Which value means that the event happened?",
            code="E-11",
            file=table.rows.file,
            column=column,
            fix="Choose it, or write 1 where the event was observed and 0 where not.",
            topic="event",
            columns=(column,),
            values=tuple(c for c in occurring if len(c) <= MAX_SHOWN)[:MAX_CODES],
        )
        return None
    known = {c: bool(v) for c, v in coding.items()}
    _tell_coding(table, column, known, section, found)
    return Events(np.array([np.nan if c is None else float(known[c]) for c in cells]), known)


def _filled(
    table: PatientTable,
    columns: OutcomeColumns,
    cells: list[str | None],
    section: ClinicalSection,
    found: Findings,
) -> Events:
    """Return that the event was where a column is filled: a time or date of death."""
    found.note(
        f"Read as event: every cell of {columns.event} that is not blank."
        + ("" if section.event_values else " This was inferred: please confirm."),
        file=table.rows.file,
        column=columns.event,
        topic="" if section.event_values else "coding",
        columns=(columns.event or "",),
        values=(ANY,),
    )
    return Events(np.array([float(c is not None) for c in cells]), {ANY: True})


def _tell_coding(
    table: PatientTable,
    column: str,
    known: dict[str, bool],
    section: ClinicalSection,
    found: Findings,
) -> None:
    inferred = not {key_of(c) for c in known} <= {"0", "1"} or bool(legend(column))
    if not inferred and not section.event_values:
        return
    yes = [c for c, v in known.items() if v]
    no = [c for c, v in known.items() if not v]
    turned = [c for c in known if contradicts(c)]
    found.note(
        f"Read as event: {examples(yes) or 'nothing'}; as no event: {examples(no) or 'nothing'}."
        + (" The words count, not the digits." if turned and not section.event_values else "")
        + ("" if section.event_values else " This was inferred: please confirm."),
        file=table.rows.file,
        column=column,
        topic="" if section.event_values else "coding",
        columns=(column,),
        values=tuple(yes),
    )


def check_rate(
    table: PatientTable,
    column: str,
    event: NDArray[np.bool_],
    coding: dict[str, bool],
    found: Findings,
) -> None:
    """Warn of a share of events that hints at a reversed coding, unless words tell the coding.

    Parameters
    ----------
    table : PatientTable
    column : str
        Event status.
    event : bool, shape (n,)
        Of patients whose follow-up is known.
    coding : mapping of cell to bool
    found : Findings
        Takes the warning E-12.
    """
    rate = event.mean() if len(event) else 0.0
    low, high = USUAL_EVENT_RATES
    if not len(event) or low <= rate <= high:
        return
    sure = ANY in coding or is_told_by_words(column, coding)
    found.warn(
        f"{100 * rate:.0f}% of patients have the event, which is unusual."
        + ("" if sure else " Does 1 mean 'alive' or 'censored'?"),
        code="E-12",
        file=table.rows.file,
        column=column,
        fix="Are the right patients and columns there?" if sure else "If so, reverse it.",
        topic="" if sure else "reversed",
        columns=(column,),
        # Where every cell means the event, "0" stands for the one that does not occur.
        values=tuple(c for c, happened in coding.items() if not happened) or ("0",),
    )
