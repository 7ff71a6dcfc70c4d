"""Times of a clinical table in months: follow-up, and entry where observation began later."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from camlif.data.manifest import ClinicalSection, DurationUnit
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.roles import plain
from camlif.data.reading.values import Numbers, to_numbers
from camlif.statistics.outcome import LATE_ENTRY
from camlif.wording import count

DAYS_PER_MONTH = 30.4375
MONTHS_PER_UNIT = {"days": 1 / DAYS_PER_MONTH, "months": 1.0, "years": 12.0}
LONG_FOLLOW_UP = 600.0
MOST_MONTHS = 400.0
MOST_YEARS = 30.0
"""Longer times are hardly months, or years: what the question about the unit proposes."""


def named_unit(column: str) -> str | None:
    """Return the unit of time that a column's name tells."""
    named = re.search(r"(?:^|_)(day|month|year)s?(?:_|$)", plain(column))
    return f"{named[1]}s" if named else None


def read_durations(
    table: PatientTable, column: str, section: ClinicalSection, found: Findings
) -> tuple[NDArray[np.float64], str] | None:
    """Return follow-up in months, shape (n,), and the unit that it was in; None if unclear.

    Parameters
    ----------
    table : PatientTable
    column : str
        Holds the follow-up as numbers in one unit.
    section : ClinicalSection
        Of the manifest; its ``duration_unit`` wins over a unit in the column's name.
    found : Findings
        Takes an error where the unit is unclear, and warnings of cells that are no numbers.
    """
    where: dict[str, Any] = {"file": table.rows.file, "column": column}
    numbers = to_numbers(table.rows.table[column])
    values = numbers.values
    report_texts(numbers, table, found, where)
    if not numbers.n_values:
        found.error("The follow-up column holds no number.", code="E-08", **where)
        return None
    unit = section.duration_unit or named_unit(column)
    if unit is None:
        low, high = np.nanmin(values), np.nanmax(values)
        found.error(
            f"Follow-up runs from {low:g} to {high:g}. Is this days, months or years?",
            code="E-09",
            fix="Choose the unit, or rename the column survival_days, survival_months or "
            "survival_years.",
            topic="unit",
            values=tuple(likely_units(values)),
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
                fix="Correct them, or leave these patients without outcome.",
                topic="negative",
                **where,
            )
        else:
            found.warn(f"{message}; treated as missing.", code="E-10", rows=rows, **where)
        values[negative] = np.nan
    _note_lengths(table, values, found, where, zero=section.zero_durations)
    return values, unit


def report_texts(
    numbers: Numbers, table: PatientTable, found: Findings, where: dict[str, Any]
) -> None:
    """Warn of cells of a column that are no numbers.

    Parameters
    ----------
    numbers : Numbers
        The column as read, with the rows and texts that are no numbers.
    table : PatientTable
        Gives the rows' places in the file.
    found : Findings
        Takes the warning E-15; nothing is added where every cell is a number or empty.
    where : dict
        ``file`` and ``column`` of the finding.
    """
    if not len(numbers.bad_rows):
        return
    column = where["column"]
    found.warn(
        f"{column} has {count(len(numbers.bad_rows), 'non-numeric value')} "
        f"({examples(numbers.bad_values)}), treated as missing.",
        code="E-15",
        rows=table.rows_at(numbers.bad_rows),
        topic="text",
        columns=(column,),
        values=numbers.bad_values,
        **where,
    )


def read_entries(
    table: PatientTable,
    column: str,
    duration: NDArray[np.float64],
    unit: str,
    section: ClinicalSection,
    found: Findings,
) -> NDArray[np.float64]:
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
    numbers = to_numbers(table.rows.table[column])
    report_texts(numbers, table, found, where)
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


def likely_units(values: NDArray[np.float64]) -> list[DurationUnit]:
    """Return the three units of follow-up, the likeliest for these times first."""
    longest = float(np.nanmax(values))
    fractions = bool((np.nan_to_num(values) % 1 != 0).any())
    if longest > MOST_MONTHS:
        return ["days", "months", "years"]
    if longest <= MOST_YEARS and fractions:
        return ["years", "months", "days"]
    return ["months", "days", "years"]


def _note_lengths(
    table: PatientTable,
    months: NDArray[np.float64],
    found: Findings,
    where: dict[str, Any],
    *,
    zero: Literal["keep", "drop"],
) -> None:
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
    long = np.flatnonzero(months > LONG_FOLLOW_UP)
    if len(long):
        found.warn(
            f"{count(len(long), 'follow-up time exceeds', 'follow-up times exceed')} "
            f"{LONG_FOLLOW_UP:.0f} months. Is the unit right?",
            code="E-09",
            rows=table.rows_at(long),
            topic="unit",
            values=("days", "months", "years"),
            **where,
        )
