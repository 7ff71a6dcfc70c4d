"""Follow-up in months and event status from the clinical table.

A clinical table goes in; event, duration and entry of each patient come out, or None with the
question to answer among the findings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import Float64Array
from camlif.data.manifest import ClinicalSection
from camlif.data.reading.durations import read_durations, read_entries
from camlif.data.reading.events import check_rate, read_events
from camlif.data.reading.names import promise
from camlif.data.reading.open_times import close_times, report_open_times
from camlif.data.reading.outcomes import (
    OutcomeColumns,
    candidates,
    choose_outcome,
    overfull_status,
    same_as_of_another_endpoint,
    status_like,
    time_like,
)
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.values import blank_missing
from camlif.exceptions import DataError
from camlif.statistics import median_follow_up
from camlif.wording import count

MIN_GROUP = 3
MIN_BLANK_SHARE = 0.9
"""A time that is blank for so many patients with the event, or without it, needs a companion."""


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
        The first in words where several columns make the time.
    coding : mapping of cell to bool
        Which cells of the event column were taken for an event.
    median_months : float or None
        Median follow-up by the reverse Kaplan-Meier estimate; None where it is not reached.
    entry : float64, shape (n,), or None
        Months at which patients came under observation, at least 0; None without such a column.
    entry_column : str or None
    columns : OutcomeColumns or None
        What the outcome was read from, in parts.
    """

    duration: Float64Array
    event: NDArray[np.bool_]
    duration_column: str
    event_column: str
    unit: str
    coding: dict[str, bool]
    median_months: float | None
    entry: Float64Array | None = None
    entry_column: str | None = None
    columns: OutcomeColumns | None = None

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
    if not _declared_are_there(table, section, found):
        return None
    as_written = table
    table, opened = close_times(table, (section.duration, section.duration_else))
    columns = choose_outcome(table.rows, section)
    if _ask_between(table, columns, section, found):
        return None
    if _report_absent(table, columns, section, found):
        return None
    of_events = Findings()
    coded = read_events(table, columns, section, of_events)
    event = np.full(len(table.ids), np.nan) if coded is None else coded.event
    if report_open_times(as_written, opened, columns.used, event, found):
        return None
    months = read_durations(table, columns, event, section, found)
    found.problems += of_events.problems
    if months is None or coded is None:
        return None
    duration, unit = months
    entry_name = entry_column(table.rows.columns, section)
    entry = None
    if entry_name is not None:
        entry = read_entries(table, entry_name, duration, unit, section, found)
        duration = np.where(np.isfinite(entry), duration, np.nan)
    if _ask_for_companion(table, columns, event, duration, found):
        return None
    known = np.isfinite(duration) & np.isfinite(event)
    _report_unknown(table, known, found, with_entry=entry is not None)
    duration = np.where(known, duration, np.nan)
    observed = known & (event == 1)
    check_rate(table, columns.event or "", observed[known], coded.coding, found)
    return ReadOutcome(
        duration=duration,
        event=observed,
        duration_column=columns.rule,
        event_column=columns.event or "",
        unit=unit,
        coding=coded.coding,
        median_months=_median_months(
            observed[known], duration[known], None if entry is None else entry[known]
        ),
        entry=entry,
        entry_column=entry_name,
        columns=columns,
    )


def entry_column(columns: Sequence[str], section: ClinicalSection) -> str | None:
    """Return the column of entry times, declared or by a usual name."""
    if section.entry is not None:
        return section.entry or None
    promised = ((c, promise(c)) for c in columns)
    return next((c for c, hint in promised if hint is not None and hint.kind == "entry"), None)


def _declared_are_there(table: PatientTable, section: ClinicalSection, found: Findings) -> bool:
    named = (section.duration, section.duration_else, section.start, section.event, section.entry)
    for declared in named:
        if declared and declared not in table.rows.columns:
            found.error(
                f"The manifest names the column {declared}, which is not there.",
                file=table.rows.file,
                column=declared,
                fix="Choose another column.",
                topic="column",
            )
            return False
    if section.duration and section.duration == section.event and not section.duration_else:
        found.error(
            f"{section.event} can't be both the follow-up time and the event status.",
            code="E-08",
            file=table.rows.file,
            column=section.event,
            fix="Choose another column for one of them.",
            topic="status",
            columns=tuple(c for c in status_like(table.rows) if c != section.event),
        )
        return False
    return True


_QUESTIONS = {
    "time": ("the follow-up time", "time"),
    "event": ("the event status", "status"),
    "start": ("the date from which the follow-up runs", "start"),
}


def _ask_between(
    table: PatientTable, columns: OutcomeColumns, section: ClinicalSection, found: Findings
) -> bool:
    """Ask which of several columns is meant, where they say different things."""
    for part, rivals in columns.rivals.items():
        what, topic = _QUESTIONS[part]
        found.error(
            f"{examples(rivals)} may each be {what}, and differ.",
            code="E-08",
            file=table.rows.file,
            fix="Choose one.",
            topic=topic,
            columns=rivals,
        )
    if columns.rivals or section.event is not None:
        return bool(columns.rivals)
    mixed = same_as_of_another_endpoint(table.rows, columns)
    if mixed:
        found.error(
            f"{columns.event} says the same as {examples(mixed)}, which is of another endpoint "
            f"than {columns.duration}.",
            code="E-08",
            file=table.rows.file,
            column=columns.event,
            fix="Choose the status of all deaths.",
            topic="status",
            columns=tuple(c for c in status_like(table.rows) if c not in mixed),
        )
    return bool(mixed)


def _report_absent(
    table: PatientTable, columns: OutcomeColumns, section: ClinicalSection, found: Findings
) -> bool:
    """Say that there is no outcome, and offer what could be one."""
    if columns.duration is not None and columns.event is not None:
        return False
    of_time = columns.duration is None
    candidates = time_like(table.rows) if of_time else status_like(table.rows)
    taken = {columns.event, columns.duration, section.event, section.duration}
    overfull = () if of_time else overfull_status(table.rows)
    found.warn(
        f"No {'follow-up time' if of_time else 'event status'} found"
        + (f": {examples(overfull)} holds too many different cells for one" if overfull else "")
        + ". You can still score cases; survival curves stay off.",
        code="E-08",
        file=table.rows.file,
        fix="Add the columns survival_months and event, or choose yours.",
        topic="time" if of_time else "status",
        columns=tuple(c for c in candidates if c not in taken),
    )
    if columns.others:
        found.warn(
            "There is no overall survival, but "
            + ", ".join(f"{e} ({t} and {s})" for e, (t, s) in columns.others.items())
            + ".",
            code="E-08",
            file=table.rows.file,
            fix="Choose an endpoint if it is the one that is meant.",
            topic="endpoint",
            columns=tuple(c for pair in columns.others.values() for c in pair),
            values=tuple(columns.others),
        )
    return True


def _ask_for_companion(
    table: PatientTable,
    columns: OutcomeColumns,
    event: Float64Array,
    duration: Float64Array,
    found: Findings,
) -> bool:
    """Ask for the column that holds the times of those whom the chosen one leaves without any."""
    if columns.last is not None:
        return False
    for happened, whom in ((1, "with the event"), (0, "without the event")):
        group, others = event == happened, event == 1 - happened
        blank = group & ~np.isfinite(duration)
        if group.sum() < MIN_GROUP or blank.sum() < MIN_BLANK_SHARE * group.sum():
            continue
        if not np.isfinite(duration[others]).any():
            continue
        companions = _filled(table, blank, columns)
        found.error(
            f"{columns.duration} is blank for {int(blank.sum())} of "
            f"{count(int(group.sum()), 'patient')} "
            f"{whom}." + (f" {examples(companions)} may hold their times." if companions else ""),
            code="E-08",
            file=table.rows.file,
            column=columns.duration,
            rows=table.rows_at(np.flatnonzero(blank)),
            fix="Choose the column that completes it." if companions else "Choose another column.",
            topic="companion" if happened else "companion of death",
            columns=(columns.duration or "", *companions),
        )
        return True
    return False


def _filled(
    table: PatientTable, blank: NDArray[np.bool_], columns: OutcomeColumns
) -> tuple[str, ...]:
    """Return the columns that have a time, or a date, for most of those left blank."""
    dated = columns.start is not None
    filled = []
    for candidate in candidates(table.rows):
        column = candidate.column
        if candidate.part == "event" or column in columns.used:
            continue
        if (candidate.holds == "dates") != dated:
            continue
        text = blank_missing(table.rows.text(column)).to_pylist()
        n = sum(text[i] is not None for i in np.flatnonzero(blank))
        if n > blank.sum() / 2:
            filled.append(column)
    return tuple(filled)


def _report_unknown(
    table: PatientTable, known: NDArray[np.bool_], found: Findings, *, with_entry: bool
) -> None:
    if known.all():
        return
    lost = np.flatnonzero(~known)
    found.warn(
        f"{count(len(lost), 'patient')} without "
        + ("entry, follow-up time" if with_entry else "follow-up time")
        + " or event status; they can be scored but not trained or tested on.",
        file=table.rows.file,
        rows=table.rows_at(lost),
    )


def _median_months(
    event: NDArray[np.bool_], duration: Float64Array, entry: Float64Array | None
) -> float | None:
    """Median follow-up; None where it is not reached, or where a time is an error of the table."""
    try:
        return median_follow_up(event, duration, entry)
    except DataError:
        return None
