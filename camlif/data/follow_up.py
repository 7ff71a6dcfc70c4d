"""Follow-up in months and event status from the clinical table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlif.data.manifest import ClinicalSection
from camlif.data.patients import PatientTable
from camlif.data.problems import Findings, count, examples
from camlif.data.roles import find_duration, find_event, find_reversed, is_reversed, plain
from camlif.data.values import blank_missing, to_numbers
from camlif.outcome import life_table

DAYS_PER_MONTH = 30.4375
MONTHS_PER_UNIT = {"days": 1 / DAYS_PER_MONTH, "months": 1.0, "years": 12.0}
LONG_FOLLOW_UP = 600.0
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
class FollowUp:
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
    """

    duration: NDArray[np.float64]
    event: NDArray[np.bool_]
    duration_column: str
    event_column: str
    unit: str
    coding: dict[str, bool]
    median_months: float | None

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
        }


def read_follow_up(
    table: PatientTable, section: ClinicalSection, found: Findings
) -> FollowUp | None:
    """Read the outcome; None where the table has none or where it is unclear (see ``found``)."""
    columns = table.rows.columns
    for declared in (section.duration, section.event):
        if declared is not None and declared not in columns:
            found.error(
                f"The manifest names the column {declared}, which is not there.",
                file=table.rows.file,
                column=declared,
            )
            return None
    duration_column = section.duration or find_duration(columns)
    event_column = section.event or find_event(columns) or find_reversed(columns)
    if duration_column is None or event_column is None:
        absent = "follow-up time" if duration_column is None else "event status"
        found.warn(
            f"No {absent} found. You can still score cases; survival curves stay off.",
            code="E-08",
            file=table.rows.file,
            fix="Add the columns survival_months and event, or name yours in cohort.toml.",
        )
        return None
    months = _durations(table, duration_column, section, found)
    coded = _events(table, event_column, section, found)
    if months is None or coded is None:
        return None
    duration, unit = months
    event, coding = coded
    known = np.isfinite(duration) & np.isfinite(event)
    if not known.all():
        lost = np.flatnonzero(~known)
        found.warn(
            f"{count(len(lost), 'patient')} without follow-up time or event status; they can be "
            "scored but not trained or tested on.",
            file=table.rows.file,
            rows=table.rows_at(lost),
        )
    duration = np.where(known, duration, np.nan)
    observed = known & (event == 1)
    _check_rate(table, event_column, int(observed.sum()), int(known.sum()), found)
    return FollowUp(
        duration=duration,
        event=observed,
        duration_column=duration_column,
        event_column=event_column,
        unit=unit,
        coding=coding,
        median_months=median_follow_up(observed[known], duration[known]),
    )


def median_follow_up(event: NDArray[np.bool_], duration: NDArray[np.float64]) -> float | None:
    """Median follow-up in months by reverse Kaplan-Meier; None where half are never reached.

    References
    ----------
    Schemper M, Smith TL (1996), Controlled Clinical Trials 17:343-346.
    """
    if not len(duration) or (duration < 0).any():
        return None
    table = life_table(~event, duration)
    reached = np.flatnonzero(table.survival <= 0.5)
    return float(table.time[reached[0]]) if len(reached) else None


def _unit(column: str, section: ClinicalSection) -> str | None:
    if section.duration_unit is not None:
        return section.duration_unit
    named = re.search(r"(?:^|_)(day|month|year)s?(?:_|$)", plain(column))
    return f"{named[1]}s" if named else None


def _durations(
    table: PatientTable, column: str, section: ClinicalSection, found: Findings
) -> tuple[NDArray[np.float64], str] | None:
    where: dict[str, Any] = {"file": table.rows.file, "column": column}
    numbers = to_numbers(table.rows.table[column])
    values = numbers.values
    if len(numbers.bad_rows):
        found.warn(
            f"{column} has {count(len(numbers.bad_rows), 'non-numeric value')} "
            f"({examples(numbers.bad_values)}), treated as missing.",
            code="E-15",
            rows=table.rows_at(numbers.bad_rows),
            **where,
        )
    if not numbers.n_values:
        found.error("The follow-up column holds no number.", code="E-08", **where)
        return None
    unit = _unit(column, section)
    if unit is None:
        low, high = np.nanmin(values), np.nanmax(values)
        found.error(
            f"Follow-up runs from {low:g} to {high:g}. Is this days, months or years?",
            code="E-09",
            fix="Rename the column survival_days, survival_months or survival_years, or set "
            "duration_unit in cohort.toml.",
            **where,
        )
        return None
    values = values * MONTHS_PER_UNIT[unit]
    negative = np.flatnonzero(values < 0)
    if len(negative):
        message = f"{count(len(negative), 'follow-up time is', 'follow-up times are')} below zero"
        rows = table.rows_at(negative)
        if section.negative_durations == "error":
            found.error(
                f"{message}.",
                code="E-10",
                rows=rows,
                fix="Correct them, or leave these patients without outcome "
                '(negative_durations = "drop" in cohort.toml).',
                **where,
            )
        else:
            found.warn(f"{message}; treated as missing.", code="E-10", rows=rows, **where)
        values[negative] = np.nan
    _note_lengths(table, values, found, where)
    return values, unit


def _note_lengths(
    table: PatientTable, months: NDArray[np.float64], found: Findings, where: dict[str, Any]
) -> None:
    zero = np.flatnonzero(months == 0)
    if len(zero):
        found.note(
            f"{count(len(zero), 'follow-up time is', 'follow-up times are')} zero; kept.",
            rows=table.rows_at(zero),
            **where,
        )
    long = np.flatnonzero(months > LONG_FOLLOW_UP)
    if len(long):
        found.warn(
            f"{count(len(long), 'follow-up time exceeds', 'follow-up times exceed')} "
            f"{LONG_FOLLOW_UP:.0f} months. Is the unit right?",
            code="E-09",
            rows=table.rows_at(long),
            **where,
        )


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
        coding = {c: None if is_reversed(column) else _meaning(c) for c in occurring}
    if not occurring or None in coding.values():
        found.error(
            f"Column {column} holds {examples(occurring) or 'no value'}. "
            "Which value means that the event happened?",
            code="E-11",
            file=table.rows.file,
            column=column,
            fix="Write 1 where the event was observed and 0 where not, or set event_values in "
            "cohort.toml.",
        )
        return None
    known = {c: bool(v) for c, v in coding.items()}
    if not {_event_key(c) for c in occurring} <= {"0", "1"}:
        yes = [c for c, v in known.items() if v]
        no = [c for c, v in known.items() if not v]
        found.note(
            f"Read as event: {examples(yes) or 'nothing'}; "
            f"as no event: {examples(no) or 'nothing'}.",
            file=table.rows.file,
            column=column,
        )
    values = np.array([np.nan if c is None else float(known[c]) for c in cells])
    return values, known


def _event_key(cell: str) -> str:
    """Lower case, ``1.0`` as ``1``; ``1:DECEASED`` keeps its code only."""
    key = cell.strip().lower()
    coded = re.match(r"([01])\s*:", key)
    return coded[1] if coded else re.sub(r"^(\d+)\.0*$", r"\1", key)


def _meaning(cell: str) -> bool | None:
    key = _event_key(cell)
    return True if key in _EVENT else False if key in _NO_EVENT else None


def _check_rate(
    table: PatientTable, column: str, n_events: int, n_known: int, found: Findings
) -> None:
    rate = n_events / max(n_known, 1)
    low, high = USUAL_EVENT_RATES
    if n_known and not low <= rate <= high:
        found.warn(
            f"{100 * rate:.0f}% of patients have the event, which is unusual. "
            "Does 1 mean 'alive' or 'censored'?",
            code="E-12",
            file=table.rows.file,
            column=column,
            fix='If so, set event_values = ["0"] under [clinical] in cohort.toml.',
        )
