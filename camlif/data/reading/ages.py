"""Ages in years, whatever they were given in: models read years.

``age_at_diagnosis`` of the GDC is in days, ``days_to_birth`` in days before the diagnosis. The unit
is what was said, else what the name tells, else what no other unit explains; else it is asked.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from camlif.arrays import Float64Array, IntArray
from camlif.data.manifest import AgeUnit, ClinicalSection
from camlif.data.reading.numerals import time_units
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import Findings, examples
from camlif.wording import count

PLAUSIBLE = (0.0, 120.0)
YEARS_PER_UNIT: dict[AgeUnit, float] = {
    "days": 1 / 365.25,
    "weeks": 7 / 365.25,
    "months": 1 / 12,
    "years": 1.0,
}
YOUNGEST_MEDIAN = 1.3
"""Years: half of a cohort are older, unless ages were divided."""

OLD_CODE, FAR_BELOW = 99.0, 5.0
"""Several patients of 99 are a code where all others are so many years younger."""

YOUNGEST_ADULT = 15.0
"""Years: an age of 0 is a code where all others are as old."""

_BAND = r"\d{1,3} ?(?:-|\u2013|to|bis) ?\d{1,3}|[<>\u2264\u2265]=? ?\d{1,3}|\d{1,3} ?\+"
FEWEST_DAYS = 3650.0
"""A median age of more is in days: as months it would be over 300 years."""


def age_in_years(
    table: PatientTable,
    column: str,
    values: pd.Series,
    section: ClinicalSection,
    found: Findings,
) -> pd.Series:
    """Return ages in years, telling of a unit that was inferred and of ages beyond belief.

    Parameters
    ----------
    table : PatientTable
        Gives the rows' places in the file.
    column : str
        As it is called in the file.
    values : Series of float, length n
        Whatever else is no age in numbers, and returned as it is.
    section : ClinicalSection
        Of the manifest: the unit, and which cells mean "missing".
    found : Findings
    """
    if values.dtype != np.float64:
        _refuse_bands(table, column, values, found)
        return values
    if not values.notna().any():
        return values
    declared = section.age_unit
    ages = np.abs(values) if (values <= 0).all() else values
    known = ages[ages.notna()].to_numpy()
    told = time_units(table.rows, column)
    if declared is None and len(told) > 1:
        _ask(table, column, known, found, "whose name and cells tell two units")
        return ages
    named = next(iter(told), None)
    unit = declared or (named if named in YEARS_PER_UNIT else "years")
    too_old = known > PLAUSIBLE[1]
    if declared is None and unit == "years" and too_old.mean() > 0.5:
        if np.median(known) < FEWEST_DAYS or named == "years":
            _ask(table, column, known, found, "which are no ages in years")
            return ages
        unit = "days"
    if declared is None and unit == "years" and np.median(known) < YOUNGEST_MEDIAN:
        _ask_of_parts(table, column, known, found)
        return ages
    if unit != "years":
        found.warn(
            f"{column} is an age in {unit}; it is read in years ({known.min():g} to "
            f"{known.max():g} {unit}).",
            code="E-09",
            file=table.rows.file,
            column=column,
            fix="Say so if that is right, or give ages in years.",
            topic="" if declared else "age unit",
            values=() if declared else (unit,),
        )
        ages = ages * YEARS_PER_UNIT[unit]
    if column not in section.missing:
        _ask_of_codes(table, column, ages.to_numpy(), found)
    return ages


def _ask(table: PatientTable, column: str, known: Float64Array, found: Findings, why: str) -> None:
    found.error(
        f"{column} runs from {known.min():g} to {known.max():g}, {why}. Is this days, weeks or "
        "months?",
        code="E-09",
        file=table.rows.file,
        column=column,
        fix="Choose the unit, or give ages in years.",
        topic="age unit",
        values=tuple(YEARS_PER_UNIT),
    )


def _ask_of_parts(table: PatientTable, column: str, known: Float64Array, found: Findings) -> None:
    found.error(
        f"{column} runs from {known.min():g} to {known.max():g}: are these years?",
        code="E-09",
        file=table.rows.file,
        column=column,
        fix="Say so, or give ages in years.",
        topic="age unit",
        values=("years",),
    )


def _refuse_bands(table: PatientTable, column: str, values: pd.Series, found: Findings) -> None:
    """Ask for ages in numbers where they are bands such as ``60-69``."""
    known = values.dropna().astype(str)
    bands = known[known.str.fullmatch(_BAND)]
    if len(bands) <= len(known) / 2:
        return
    found.error(
        f"{column} holds bands ({examples(dict.fromkeys(bands))}), no ages in years.",
        code="E-15",
        file=table.rows.file,
        column=column,
        fix="Give ages in years, or go without the column.",
        topic="label",
        columns=(column,),
    )


def odd_ages(ages: Float64Array) -> IntArray:
    """Return the positions of ages that nobody has, and of 99 and 0 far from all others.

    A single 99 may be an age; 0 is none among adults.
    """
    low, high = PLAUSIBLE
    odd = np.flatnonzero((ages < low) | (ages > high))
    others = ages[np.isfinite(ages) & (ages != OLD_CODE)]
    of_code = np.flatnonzero(ages == OLD_CODE)
    if len(of_code) > 1 and len(others) and others.max() < OLD_CODE - FAR_BELOW:
        odd = np.union1d(odd, of_code)
    if np.nanmin(np.where(ages == 0, np.nan, ages), initial=np.inf) >= YOUNGEST_ADULT:
        odd = np.union1d(odd, np.flatnonzero(ages == 0))
    return odd


def _ask_of_codes(table: PatientTable, column: str, ages: Float64Array, found: Findings) -> None:
    """Ask about ages that can hardly be one."""
    odd = odd_ages(ages)
    if not len(odd):
        return
    cells = table.cells_at(column, odd)
    found.error(
        f"{column} holds {examples(cells)} in {count(len(odd), 'row')}: an age, or a code for "
        "'missing'?",
        code="E-09",
        file=table.rows.file,
        column=column,
        rows=table.rows_at(odd),
        fix="Say which, or leave the cells blank.",
        topic="time code",
        columns=(column,),
        values=cells,
    )
