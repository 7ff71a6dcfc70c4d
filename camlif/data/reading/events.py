"""Event status from a column of codes or words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from camlif.data.manifest import ClinicalSection
from camlif.data.reading.coding import (
    ANY,
    BLANK,
    coding_of,
    contradicts,
    is_told_by_words,
    is_unknown,
    key_of,
    legend,
    word_meaning,
)
from camlif.data.reading.names import is_reversed
from camlif.data.reading.outcomes import MAX_CODES, OutcomeColumns
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import MAX_SHOWN, Findings, examples
from camlif.data.reading.values import blank_missing, is_date, sentinels, to_numbers
from camlif.wording import count

USUAL_EVENT_RATES = (0.02, 0.90)
MIN_REPEATED = 3
MIN_SHARE_REPEATED = 0.1
"""So many cells, and so many of all that are filled, hold one date of death by no chance."""
_NO_TIME = re.compile(r"-?0*(\.0*)?|-.*|9{2,}(\.0*)?|10{2,}(\.0*)?|8{2,}(\.0*)?")
"""Numbers that stand for no time of death where they are frequent."""
_NO_DAY = re.compile(r"0+\D0+\D0+|.*\b(0000|1[0-8]\d\d|190[01]|2[2-9]\d\d|[3-9]\d{3})\b.*")
"""Dates on which nobody in a cohort died."""


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
    cells = _without_unknown(table, column, section, found)
    if section.event_values == (ANY,) or column == columns.duration:
        return _filled(table, columns, cells, section, found)
    if section.event_values == (BLANK,):
        return Events(np.array([float(c is None) for c in cells]), {BLANK: True})
    occurring = sorted({c for c in cells if c is not None})
    if section.event_values:
        wanted = {key_of(v) for v in section.event_values}
        coding: dict[str, bool | None] = {c: key_of(c) in wanted for c in occurring}
    else:
        coding = coding_of(column, occurring)
        if None in cells and occurring and _ask_of_blanks(table, column, coding, found):
            return None
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


def _without_unknown(
    table: PatientTable, column: str, section: ClinicalSection, found: Findings
) -> list[str | None]:
    """Return the cells of a status, None where it is blank or said to be unknown."""
    cells: list[str | None] = blank_missing(table.rows.text(column)).to_pylist()
    chosen = {key_of(v) for v in section.event_values}
    unknown = [c is not None and is_unknown(c) and key_of(c) not in chosen for c in cells]
    rows = np.flatnonzero(unknown)
    if len(rows):
        found.warn(
            f"{column} is {examples(table.cells_at(column, rows))} for "
            f"{count(len(rows), 'patient')}; their status counts as missing.",
            code="E-11",
            file=table.rows.file,
            column=column,
            rows=table.rows_at(rows),
            fix="Write what is known, if anything.",
        )
    return [None if no else c for c, no in zip(cells, unknown, strict=True)]


def _ask_of_blanks(
    table: PatientTable, column: str, coding: Mapping[str, bool | None], found: Findings
) -> bool:
    """Ask what a blank cell means, where every other one says the same."""
    meanings = set(coding.values())
    if len(meanings) > 1 or (None in meanings and len(coding) > 1):
        return False
    unsure = meanings == {None} and is_reversed(column)
    readings = ("blank", "filled") if unsure else ("filled", "known")
    if meanings == {False}:
        readings = ("blank", "none")
    found.error(
        f"Column {column} holds {examples(coding)} or nothing. What does a blank cell mean?",
        code="E-11",
        file=table.rows.file,
        column=column,
        fix="Choose it, or write 1 where the event was observed and 0 where not.",
        topic="blank event",
        columns=(column,),
        values=tuple(coding),
        choices=readings,
    )
    return True


def _filled(
    table: PatientTable,
    columns: OutcomeColumns,
    cells: list[str | None],
    section: ClinicalSection,
    found: Findings,
) -> Events | None:
    """Return that the event was where a column is filled: a time or date of death."""
    alive: set[str] = set()
    if not section.event_values:
        words = {c for c in cells if c is not None}
        alive = {c for c in words if word_meaning(c) is False}
        if _ask_of_placeholders(table, columns.event or "", alive, found):
            return None
    found.note(
        f"Read as event: every cell of {columns.event} that is not blank"
        + (f" or {examples(sorted(alive))}." if alive else ".")
        + ("" if section.event_values else " This was inferred: please confirm."),
        file=table.rows.file,
        column=columns.event,
        topic="" if section.event_values else "coding",
        columns=(columns.event or "",),
        values=(ANY,),
    )
    happened = [float(c is not None and c not in alive) for c in cells]
    return Events(np.array(happened), {**dict.fromkeys(sorted(alive), False), ANY: True})


def _ask_of_placeholders(
    table: PatientTable, column: str, alive: set[str], found: Findings
) -> bool:
    """Ask whether cells of a time or date of death that can be none stand for the living."""
    text = blank_missing(table.rows.text(column))
    strange = [c for c in _no_deaths(text) if c not in alive]
    if not strange:
        return False
    rows = np.flatnonzero(pc.is_in(text, value_set=pa.array(strange)).to_numpy())
    found.error(
        f"{examples(strange)} in {column} is no time of death. Were these "
        f"{count(len(rows), 'patient')} alive?",
        code="E-11",
        file=table.rows.file,
        column=column,
        rows=table.rows_at(rows),
        fix="Choose it, or leave the cells of the living blank.",
        topic="living",
        columns=(column,),
        values=tuple(strange),
    )
    return True


def _no_deaths(text: pa.ChunkedArray) -> list[str]:
    """Return the distinct cells of times or dates of death that can hardly be one."""
    counts = Counter(c for c in text.to_pylist() if c is not None)
    numbers, dated = to_numbers(text), is_date(text).any()
    far = {float(x) for x in sentinels(numbers.values)}
    words = {str(c) for c in numbers.bad_values}
    least = max(MIN_REPEATED, MIN_SHARE_REPEATED * counts.total())
    found = []
    for cell, n in counts.items():
        often = n >= least
        if cell in words:
            day = bool(is_date(pa.chunked_array([[cell]]))[0])
            strange = not day or bool(_NO_DAY.fullmatch(cell)) or (often and dated)
        else:
            strange = float(cell) in far or (often and (dated or bool(_NO_TIME.fullmatch(cell))))
        if strange:
            found.append(cell)
    return found


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
    # A blank cell was asked about before.
    partly = None in blank_missing(table.rows.text(column)).to_pylist() and all(coding.values())
    sure = partly or ANY in coding or is_told_by_words(column, coding)
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
