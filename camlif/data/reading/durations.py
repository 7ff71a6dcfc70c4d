"""Times of a clinical table in months: follow-up, and entry where observation began later.

Follow-up is a column of times; or the time to death of patients with the event and the time to the
last contact of all others; or what lies between two dates. Whatever is unclear is an error.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from camlif.arrays import Float64Array
from camlif.data.manifest import ClinicalSection, DurationUnit
from camlif.data.reading.cells import CellFaults
from camlif.data.reading.coding import word_meaning
from camlif.data.reading.dates import FEW_MIXED, Dates, order_of, read_dates, report_odd_days
from camlif.data.reading.mixed_units import ask_of_another_unit
from camlif.data.reading.numerals import time_units
from camlif.data.reading.outcomes import OutcomeColumns, date_columns
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.values import TIME_SENTINELS, Numbers, sentinels, to_numbers
from camlif.data.reading.words import named_unit
from camlif.statistics.outcome import LATE_ENTRY
from camlif.wording import count, verb

DAYS_PER_MONTH = 30.4375
MONTHS_PER_UNIT = {
    "days": 1 / DAYS_PER_MONTH,
    "weeks": 7 / DAYS_PER_MONTH,
    "months": 1.0,
    "years": 12.0,
}
LONG_FOLLOW_UP = 600.0
IMPOSSIBLE_FOLLOW_UP = 1200.0
"""Months: nobody is followed for a hundred years, so the unit is another one."""

SHORT_MEDIAN = 1.0
SHORT_LONGEST = 12.0
"""Months: half of a cohort is followed for longer than the one, somebody for longer than the other:
else the unit is another one (months as days), or thousands were read as decimals."""

CALENDARS_APART = 1462 / DAYS_PER_MONTH
"""Months between the two calendars of spreadsheets, which start in 1900 and in 1904."""

MIN_JUDGED = 20
"""Patients: fewer may all be newly diagnosed."""

MOST_MONTHS = 400.0
MOST_YEARS = 30.0
"""Longer times are hardly months, or years: what the question about the unit proposes."""

_IS_IT_RIGHT = {False: "Is the unit right?", True: "Are these dates right?"}
_WAYS: dict[bool, dict[str, Any]] = {
    False: {"topic": "unit", "values": ("days", "weeks", "months", "years")},
    True: {"fix": "Correct the dates, or leave them blank."},
}


def read_durations(
    table: PatientTable,
    columns: OutcomeColumns,
    event: Float64Array,
    section: ClinicalSection,
    found: Findings,
) -> tuple[Float64Array, str] | None:
    """Return follow-up in months, shape (n,), and the unit that it was in; None if unclear.

    Parameters
    ----------
    table : PatientTable
    columns : OutcomeColumns
        With a ``duration``.
    event : float64, shape (n,)
        1, 0 or NaN: decides which of two times counts.
    section : ClinicalSection
    found : Findings
    """
    first = columns.duration or ""
    where: dict[str, Any] = {"file": table.rows.file, "column": first}
    names = [first] if columns.last is None else [first, columns.last]
    start: Float64Array | None = None
    if columns.start is not None:
        between = _between(table, columns.start, names, section, found)
        if between is None:
            return None
        start, months = between
        unit: DurationUnit = "days"
    else:
        numbers = [read_numbers(table, name, found).values for name in names]
        if not any(np.isfinite(values).any() for values in numbers):
            found.error("The follow-up column holds no number.", code="E-08", **where)
            return None
        coded = [
            _ask_codes(table, *pair, section, found)
            or ask_of_another_unit(table, *pair, section, found)
            for pair in zip(names, numbers, strict=True)
        ]
        if any(coded):
            return None
        units = [section.duration_unit or _told_unit(table, name) for name in names]
        told = next((u for u in units if u is not None), None)
        if told is None:
            _ask_unit(np.concatenate(numbers), found, where)
            return None
        unit = told
        months = [v * MONTHS_PER_UNIT[u or unit] for v, u in zip(numbers, units, strict=True)]
    duration = months[0] if len(months) == 1 else _completed(table, columns, months, event, found)
    if start is not None:
        report_odd_days(table, first, start, start + duration * DAYS_PER_MONTH, found)
    return _checked(table, duration, section, found, where, dated=start is not None), unit


def _told_unit(table: PatientTable, column: str) -> DurationUnit | None:
    told = time_units(table.rows, column)
    return told.pop() if len(told) == 1 else None


def _ask_codes(
    table: PatientTable,
    column: str,
    values: Float64Array,
    section: ClinicalSection,
    found: Findings,
) -> bool:
    """Ask whether 9999 and the like are times: far beyond all others, or the longest and repeated.

    Somebody who said which cells of the column mean "missing", or that none does, was asked before.
    """
    if column in section.missing:
        return False
    codes = set(sentinels(values, TIME_SENTINELS))
    longest = np.nanmax(values, initial=-np.inf)
    if longest in TIME_SENTINELS and (values == longest).sum() > 1:
        codes.add(float(longest))
    if not codes:
        return False
    rows = np.flatnonzero(np.isin(values, list(codes)))
    cells = table.cells_at(column, rows)
    found.error(
        f"{column} holds {examples(cells)} in {count(len(rows), 'row')}: a time, or a code for "
        "'missing'?",
        code="E-09",
        file=table.rows.file,
        column=column,
        rows=table.rows_at(rows),
        fix="Say which, or leave the cells blank.",
        topic="time code",
        columns=(column,),
        values=cells,
    )
    return True


def _ask_unit(values: Float64Array, found: Findings, where: dict[str, Any]) -> None:
    low, high = np.nanmin(values), np.nanmax(values)
    found.error(
        f"Follow-up runs from {low:g} to {high:g}. Is this days, weeks, months or years?",
        code="E-09",
        fix="Choose the unit, or rename the column survival_days, survival_months or "
        "survival_years.",
        topic="unit",
        values=tuple(likely_units(values)),
        **where,
    )


def _completed(
    table: PatientTable,
    columns: OutcomeColumns,
    months: list[Float64Array],
    event: Float64Array,
    found: Findings,
) -> Float64Array:
    """Return the first time for patients with the event, the second for all others."""
    death, last = months
    strange = np.flatnonzero((event == 0) & np.isfinite(death))
    if len(strange):
        found.warn(
            f"{count(len(strange), 'patient')} without the event "
            f"{verb(len(strange), 'has', 'have')} a time in {columns.duration}, which is not "
            "used.",
            file=table.rows.file,
            column=columns.duration,
            rows=table.rows_at(strange),
            fix="Is the event status right?",
        )
    found.note(
        f"Follow-up is {columns.duration} where the event was, else {columns.last}"
        + (f", from {columns.start}." if columns.start else "."),
        file=table.rows.file,
        column=columns.duration,
        topic="" if columns.because.get(columns.duration or "") == "chosen" else "rule",
        columns=columns.used,
    )
    return np.where(event == 1, death, last)


def _between(
    table: PatientTable,
    start: str,
    ends: list[str],
    section: ClinicalSection,
    found: Findings,
) -> tuple[Float64Array, list[Float64Array]] | None:
    """Return a date in days, and the months to others, all shape (n,); None where unclear."""
    rows = table.rows
    order = section.date_order or order_of(rows.table[c] for c in date_columns(rows))
    days = {}
    for column in (start, *ends):
        dates = read_dates(rows.text(column), order)
        if len(dates.open_rows):
            cells = rows.text(column).take(dates.open_rows[:1]).to_pylist()
            found.error(
                f"{cells[0]} may be one of two days: does the day or the month come first?",
                code="E-09",
                file=rows.file,
                column=column,
                rows=table.rows_at(dates.open_rows),
                fix="Choose, or write dates as 2015-03-01.",
                topic="date order",
            )
            return None
        if _report_no_dates(table, column, dates, found):
            return None
        days[column] = dates.days
    if len(ends) == 1:
        found.note(
            f"Follow-up runs from {start} to {ends[0]}.",
            file=rows.file,
            column=ends[0],
            topic="" if section.start else "rule",
            columns=(start, *ends),
        )
    return days[start], [(days[end] - days[start]) / DAYS_PER_MONTH for end in ends]


def _report_no_dates(table: PatientTable, column: str, dates: Dates, found: Findings) -> bool:
    """Tell of cells that are no dates, or of another order than most; whether that is an error."""
    n_read = int(np.isfinite(dates.days).sum())
    said = [str(cell) for cell in table.rows.text(column).take(dates.bad_rows).to_pylist()]
    # "alive" in a date of death says what a blank does.
    no_life = np.array([word_meaning(cell) is not False for cell in said], dtype=bool)
    bad = dates.bad_rows[no_life]
    for at, what in (
        (dates.mixed_rows, "of another order than its others"),
        (bad, "no day of the calendar"),
    ):
        if not len(at):
            continue
        cells = table.cells_at(column, at)
        mixed = at is dates.mixed_rows
        few = len(at) <= FEW_MIXED * n_read or len(at) == 1
        many = mixed or len(at) > n_read
        (found.error if many else found.warn)(
            f"{column} has {count(len(at), 'cell')} {what} ({examples(cells)})"
            + (". Day or month first?" if mixed else ", treated as missing." if not many else "."),
            code="E-15",
            file=table.rows.file,
            column=column,
            rows=table.rows_at(at),
            fix="Write dates as 2015-03-01, or leave the cells blank.",
            topic="text" if few or not many else "",
            columns=(column,),
            values=cells,
        )
        if many:
            return True
    return False


def _checked(
    table: PatientTable,
    months: Float64Array,
    section: ClinicalSection,
    found: Findings,
    where: dict[str, Any],
    *,
    dated: bool,
) -> Float64Array:
    """Report times that are negative, zero or too long; negative ones become missing."""
    negative = np.flatnonzero(months < 0)
    if len(negative):
        message = f"{count(len(negative), 'follow-up time is', 'follow-up times are')} below zero"
        rows = table.rows_at(negative)
        if section.negative_durations == "error":
            found.error(
                f"{message}.",
                code="E-10",
                rows=rows,
                fix="Correct them, or leave these patients without outcome.",
                topic="negative",
                **where,
            )
        else:
            found.warn(f"{message}; treated as missing.", code="E-10", rows=rows, **where)
        months[negative] = np.nan
    _note_lengths(table, months, found, where, chosen=section, dated=dated)
    return months


def read_entries(
    table: PatientTable,
    column: str,
    duration: Float64Array,
    unit: str,
    section: ClinicalSection,
    found: Findings,
) -> Float64Array:
    """Return entry times in months, at least 0; NaN where unknown or after the follow-up.

    Parameters
    ----------
    table : PatientTable
    column : str
        Holds the entry times as numbers.
    duration : float, shape (n,)
        Follow-up in months; NaN where unknown.
    unit : str
        Unit of the follow-up column, which serves where the entry column's name tells none.
    section : ClinicalSection
        Of the manifest.
    found : Findings
        Takes notes and warnings of entries that are changed or not used.

    Returns
    -------
    float64, shape (n,)
        Months.
    """
    where: dict[str, Any] = {"file": table.rows.file, "column": column}
    numbers = read_numbers(table, column, found)
    entry = numbers.values * MONTHS_PER_UNIT[named_unit(column) or unit]
    if (entry < 0).any():
        found.note("Entry before time zero counts as entry at time zero.", **where)
    entry = np.maximum(entry, 0.0)
    never = np.flatnonzero((entry > 0) & (entry >= duration))
    if len(never):
        message = (
            f"{count(len(never), 'patient enters', 'patients enter')} at or after the end of "
            "follow-up"
        )
        rows = table.rows_at(never)
        if section.late_entries == "error":
            found.error(
                f"{message}.",
                code="E-10",
                rows=rows,
                fix="Correct them, or leave these patients without outcome.",
                topic="entry",
                **where,
            )
        else:
            found.warn(f"{message}; treated as missing.", code="E-10", rows=rows, **where)
        entry[never] = np.nan
    if (entry > 0).any():
        found.warn(LATE_ENTRY, **where)
    return entry


def read_numbers(table: PatientTable, column: str, found: Findings) -> Numbers:
    """Read a column as numbers, telling of every cell that is none.

    Parameters
    ----------
    table : PatientTable
    column : str
    found : Findings
        Takes the warnings and errors E-15.
    """
    numbers, faults = to_numbers(table.rows.table[column]), CellFaults()
    faults.add(column, numbers)
    faults.report(table, found)
    return numbers


def likely_units(values: Float64Array) -> list[DurationUnit]:
    """Return the units of follow-up, the likeliest for these times first."""
    longest = float(np.nanmax(values))
    fractions = bool((np.nan_to_num(values) % 1 != 0).any())
    if longest > MOST_MONTHS:
        return ["days", "weeks", "months", "years"]
    if longest <= MOST_YEARS and fractions:
        return ["years", "months", "days", "weeks"]
    return ["months", "days", "weeks", "years"]


def _note_lengths(
    table: PatientTable,
    months: Float64Array,
    found: Findings,
    where: dict[str, Any],
    *,
    chosen: ClinicalSection,
    dated: bool,
) -> None:
    zero = chosen.zero_durations
    none = np.flatnonzero(months == 0)
    if len(none):
        found.note(
            f"{count(len(none), 'follow-up time is', 'follow-up times are')} zero; "
            + ("kept." if zero == "keep" else "treated as missing."),
            rows=table.rows_at(none),
            topic="zero" if zero == "keep" else "",
            **where,
        )
    if zero == "drop":
        months[none] = np.nan
    known = months[np.isfinite(months)]
    long = np.flatnonzero(months > LONG_FOLLOW_UP)
    # Somebody who chose the unit was asked before.
    asked_before = chosen.duration_unit is not None
    where = where | {"code": "E-09"} | _WAYS[dated]
    if len(long):
        impossible = np.nanmax(months) > IMPOSSIBLE_FOLLOW_UP and not asked_before
        (found.error if impossible else found.warn)(
            f"{count(len(long), 'follow-up time exceeds', 'follow-up times exceed')} "
            f"{LONG_FOLLOW_UP:.0f} months. {_IS_IT_RIGHT[dated]}",
            rows=table.rows_at(long),
            **where,
        )
    elif dated and len(known) >= MIN_JUDGED and known.min() >= CALENDARS_APART:
        found.warn(
            f"Nobody is followed for less than {known.min():.0f} months, as where days are counted "
            f"from 1904 in one column and from 1900 in another. {_IS_IT_RIGHT[dated]}",
            **where,
        )
    elif len(known) >= MIN_JUDGED and (
        np.median(known) < SHORT_MEDIAN or known.max() < SHORT_LONGEST
    ):
        (found.warn if asked_before or dated else found.error)(
            f"Follow-up has a median of {np.median(known):.3g} months and is "
            f"{known.max():.3g} at most. {_IS_IT_RIGHT[dated]}",
            **{"fix": "Choose it, or write numbers without marks of thousands."} | where,
        )
