"""The day of each patient in a column of dates, for what looks at patients by calendar time.

A cohort with the report of its reading and a column go in; days come out, with the problems of the
column: cells that are no date, blank, or of unclear order. Nothing fails.
"""

from __future__ import annotations

import numpy as np

from camlif.arrays import Float64Array
from camlif.data.cohort import Cohort
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.dates import Dates, order_of, read_dates, report_odd_days
from camlif.data.reading.outcomes import date_columns
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import Findings, Problem, examples
from camlif.wording import count, verb

ISO = "Write dates as 2015-03-01."


def find_days(
    cohort: Cohort, report: CheckReport, column: str
) -> tuple[Float64Array, tuple[Problem, ...]]:
    """Return the day of each patient, and what is wrong with the column.

    Parameters
    ----------
    cohort : Cohort
    report : CheckReport
        Of the same reading; has the clinical table.
    column : str
        Of the clinical table, as the manifest renames it.

    Returns
    -------
    days : float64, shape (n,)
        Since 1970-01-01; NaN where there is none.
    problems : tuple of Problem
        With an error for every patient without a day.
    """
    found, table = Findings(), report.clinical
    days = np.full(len(cohort), np.nan)
    if table is None or column not in table.rows.columns:
        _report_absent(table, column, found)
        return days, found.sorted()
    order = report.manifest.clinical.date_order or order_of(
        table.rows.table[c] for c in date_columns(table.rows)
    )
    dates = read_dates(table.rows.text(column), order)
    _report_unread(table, column, dates, found)
    report_odd_days(table, column, dates.days, dates.days, found)
    of_patient = dict(zip(table.ids, dates.days.tolist(), strict=True))
    strangers = [p for p in cohort.patient_ids.tolist() if p not in of_patient]
    if strangers:
        found.error(
            f"{count(len(strangers), 'patient has', 'patients have')} no row in {table.rows.file}, "
            f"and so no date: {examples(strangers)}.",
            file=table.rows.file,
            column=column,
            fix="Add their rows, or leave them out of the other tables.",
        )
    days = np.array([of_patient.get(p, np.nan) for p in cohort.patient_ids.tolist()])
    return days, found.sorted()


def _report_absent(table: PatientTable | None, column: str, found: Findings) -> None:
    there = [] if table is None else date_columns(table.rows)
    found.error(
        "There is no clinical table, which has the dates."
        if table is None
        else f"There is no column {column}.",
        file=None if table is None else table.rows.file,
        column=column,
        fix=f"Columns of dates: {examples(there)}." if there else "Add a column of dates.",
    )


def _report_unread(table: PatientTable, column: str, dates: Dates, found: Findings) -> None:
    """Tell of the patients who have no day, by why that is."""
    bad = np.concatenate([dates.bad_rows, dates.mixed_rows])
    unread = np.concatenate([bad, dates.open_rows])
    blank = np.setdiff1d(np.flatnonzero(np.isnan(dates.days)), unread)
    cells = table.cells_at(column, dates.open_rows)
    for rows, message, fix, topic in (
        (
            dates.open_rows,
            f"{examples(cells)} may be one of two days: does the day or the month come first?",
            f"Choose, or {ISO[0].lower()}{ISO[1:]}",
            "date order",
        ),
        (
            bad,
            f"{count(len(bad), 'cell')} {verb(len(bad), 'is', 'are')} no day of the calendar, or "
            f"of another order than the others ({examples(table.cells_at(column, bad))}).",
            ISO,
            "",
        ),
        (
            blank,
            f"{count(len(blank), 'patient has', 'patients have')} no date.",
            "Give it, or leave the patient out.",
            "",
        ),
    ):
        if len(rows):
            found.error(
                message,
                code="E-09",
                file=table.rows.file,
                column=column,
                rows=table.rows_at(np.sort(rows)),
                fix=fix,
                topic=topic,
            )
