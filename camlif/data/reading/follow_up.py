"""Follow-up in months and event status from the clinical table.

A clinical table goes in; event, duration and entry of each patient come out, or None with the
question to answer among the findings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlif.data.manifest import ClinicalSection
from camlif.data.reading.durations import read_durations, read_entries
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import MAX_SHOWN, Findings, examples
from camlif.data.reading.roles import (
    find_duration,
    find_entry,
    find_event,
    find_reversed,
    is_reversed,
)
from camlif.data.reading.values import blank_missing
from camlif.exceptions import DataError
from camlif.statistics import median_follow_up
from camlif.wording import count

MAX_OFFERED = 20
"""Cells of an event column among which one is chosen; a column with more codes nothing."""

USUAL_EVENT_RATES = (0.02, 0.90)
_EVENT = frozenset(
    {
        *("1", "true", "t", "yes", "y", "dead", "deceased", "death", "died", "event"),
        *("recurred", "recurrence", "progressed", "relapsed"),
    }
)
_NO_EVENT = frozenset(
    {
        *("0", "false", "f", "no", "n", "alive", "living", "censored", "survived", "none"),
        *("no event", "event free", "event-free", "disease free", "disease-free", "diseasefree"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOutcome:
    """Outcome of the patients of a clinical table, and how it was read.

    Attributes
    ----------
    duration : float64, shape (n,)
        Months; NaN where follow-up or event status is missing.
    event : bool, shape (n,)
        False where ``duration`` is NaN.
    duration_column, event_column, unit : str
    coding : mapping of cell to bool
        Which cells of the event column were taken for an event.
    median_months : float or None
        Median follow-up by the reverse Kaplan-Meier estimate; None where it is not reached.
    entry : float64, shape (n,), or None
        Months at which patients came under observation, at least 0; None without such a column.
    entry_column : str or None
    """

    duration: NDArray[np.float64]
    event: NDArray[np.bool_]
    duration_column: str
    event_column: str
    unit: str
    coding: dict[str, bool]
    median_months: float | None
    entry: NDArray[np.float64] | None = None
    entry_column: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return counts and choices, no patient's values."""
        known = np.isfinite(self.duration)
        return {
            "patients": int(known.sum()),
            "events": int(self.event.sum()),
            "median_follow_up_months": self.median_months,
            "longest_months": float(self.duration[known].max()) if known.any() else None,
            "duration_column": self.duration_column,
            "unit": self.unit,
            "event_column": self.event_column,
            "coding": self.coding,
            "entry_column": self.entry_column,
        }


def read_follow_up(
    table: PatientTable, section: ClinicalSection, found: Findings
) -> ReadOutcome | None:
    """Read the outcome; None where the table has none or where it is unclear (see ``found``).

    Parameters
    ----------
    table : PatientTable
        The clinical table, one row per patient.
    section : ClinicalSection
        Of the manifest: which columns hold duration, event and entry, and what their values mean.
    found : Findings
        Takes errors, warnings and notes; an unclear outcome is an error with a question to answer.
    """
    columns = table.rows.columns
    for declared in (section.duration, section.event, section.entry):
        if declared and declared not in columns:
            found.error(
                f"The manifest names the column {declared}, which is not there.",
                file=table.rows.file,
                column=declared,
                fix="Choose another column.",
                topic="column",
            )
            return None
    duration_column, event_column = outcome_columns(columns, section)
    if duration_column is None or event_column is None:
        absent = "follow-up time" if duration_column is None else "event status"
        found.warn(
            f"No {absent} found. You can still score cases; survival curves stay off.",
            code="E-08",
            file=table.rows.file,
            fix="Add the columns survival_months and event, or choose yours.",
            topic="time" if duration_column is None else "status",
            columns=tuple(columns),
        )
        return None
    months = read_durations(table, duration_column, section, found)
    coded = _events(table, event_column, section, found)
    if months is None or coded is None:
        return None
    duration, unit = months
    event, coding = coded
    entry_name = entry_column(columns, section)
    entry = None
    if entry_name is not None:
        entry = read_entries(table, entry_name, duration, unit, section, found)
        duration = np.where(np.isfinite(entry), duration, np.nan)
    known = np.isfinite(duration) & np.isfinite(event)
    if not known.all():
        lost = np.flatnonzero(~known)
        found.warn(
            f"{count(len(lost), 'patient')} without "
            + ("follow-up time" if entry is None else "entry, follow-up time")
            + " or event status; they can be scored but not trained or tested on.",
            file=table.rows.file,
            rows=table.rows_at(lost),
        )
    duration = np.where(known, duration, np.nan)
    observed = known & (event == 1)
    _check_rate(table, event_column, observed[known], coding, found)
    return ReadOutcome(
        duration=duration,
        event=observed,
        duration_column=duration_column,
        event_column=event_column,
        unit=unit,
        coding=coding,
        median_months=_median_months(
            observed[known], duration[known], None if entry is None else entry[known]
        ),
        entry=entry,
        entry_column=entry_name,
    )


def _median_months(
    event: NDArray[np.bool_], duration: NDArray[np.float64], entry: NDArray[np.float64] | None
) -> float | None:
    """Median follow-up; None where it is not reached, or where a time is an error of the table."""
    try:
        return median_follow_up(event, duration, entry)
    except DataError:
        return None


def outcome_columns(
    columns: Sequence[str], section: ClinicalSection
) -> tuple[str | None, str | None]:
    """Return the columns of follow-up time and event status, declared or by a usual name."""
    return (
        (find_duration(columns) if section.duration is None else section.duration) or None,
        (find_event(columns) or find_reversed(columns) if section.event is None else section.event)
        or None,
    )


def entry_column(columns: Sequence[str], section: ClinicalSection) -> str | None:
    """Return the column of entry times, declared or by a usual name."""
    return (find_entry(columns) if section.entry is None else section.entry) or None


def _events(
    table: PatientTable, column: str, section: ClinicalSection, found: Findings
) -> tuple[NDArray[np.float64], dict[str, bool]] | None:
    """Return 1, 0 or NaN per patient, and the meaning of every cell that occurs."""
    cells = blank_missing(table.rows.text(column)).to_pylist()
    occurring = sorted({c for c in cells if c is not None})
    if section.event_values:
        wanted = {_event_key(v) for v in section.event_values}
        coding: dict[str, bool | None] = {c: _event_key(c) in wanted for c in occurring}
    else:
        coding = {c: None if is_reversed(column) else usual_meaning(c) for c in occurring}
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
            values=tuple(c for c in occurring if len(c) <= MAX_SHOWN)[:MAX_OFFERED],
        )
        return None
    known = {c: bool(v) for c, v in coding.items()}
    inferred = not {_event_key(c) for c in occurring} <= {"0", "1"}
    if inferred or section.event_values:
        yes = [c for c, v in known.items() if v]
        no = [c for c, v in known.items() if not v]
        found.note(
            f"Read as event: {examples(yes) or 'nothing'}; "
            f"as no event: {examples(no) or 'nothing'}."
            + ("" if section.event_values else " This was inferred: please confirm."),
            file=table.rows.file,
            column=column,
            topic="" if section.event_values else "coding",
            columns=(column,),
            values=tuple(yes),
        )
    values = np.array([np.nan if c is None else float(known[c]) for c in cells])
    return values, known


def _event_key(cell: str) -> str:
    """Lower case, ``1.0`` as ``1``; ``1:DECEASED`` keeps its code only."""
    key = cell.strip().lower()
    coded = re.match(r"([01])\s*:", key)
    return coded[1] if coded else re.sub(r"^(\d+)\.0*$", r"\1", key)


def usual_meaning(cell: str) -> bool | None:
    """Whether a cell usually means an event; None where no usage is known."""
    key = _event_key(cell)
    return True if key in _EVENT else False if key in _NO_EVENT else None


def _check_rate(
    table: PatientTable,
    column: str,
    event: NDArray[np.bool_],
    coding: dict[str, bool],
    found: Findings,
) -> None:
    rate = event.mean() if len(event) else 0.0
    low, high = USUAL_EVENT_RATES
    if len(event) and not low <= rate <= high:
        found.warn(
            f"{100 * rate:.0f}% of patients have the event, which is unusual. "
            "Does 1 mean 'alive' or 'censored'?",
            code="E-12",
            file=table.rows.file,
            column=column,
            fix="If so, reverse it.",
            topic="reversed",
            columns=(column,),
            # Where every cell means the event, "0" stands for the one that does not occur.
            values=tuple(c for c, happened in coding.items() if not happened) or ("0",),
        )
