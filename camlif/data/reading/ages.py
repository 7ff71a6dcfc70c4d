"""Ages in years, whatever they were given in: models read years.

``age_at_diagnosis`` of the GDC is in days, ``days_to_birth`` in days before the diagnosis. The unit
is what was said, else what the name tells, else what no other unit explains; else it is asked.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlif.data.manifest import AgeUnit
from camlif.data.reading.names import named_unit
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import Findings
from camlif.wording import count

PLAUSIBLE = (0.0, 120.0)
YEARS_PER_UNIT: dict[AgeUnit, float] = {"days": 1 / 365.25, "months": 1 / 12, "years": 1.0}
FEWEST_DAYS = 3650.0
"""A median age of more is in days: as months it would be over 300 years."""


def age_in_years(
    table: PatientTable,
    column: str,
    values: pd.Series,
    declared: AgeUnit | None,
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
    declared : {"days", "months", "years"} or None
        As the manifest says.
    found : Findings
    """
    if values.dtype != np.float64 or not values.notna().any():
        return values
    ages = np.abs(values) if (values <= 0).all() else values
    known = ages[ages.notna()].to_numpy()
    named = named_unit(column)
    unit = declared or (named if named in YEARS_PER_UNIT else "years")
    too_old = known > PLAUSIBLE[1]
    if declared is None and unit == "years" and too_old.mean() > 0.5:
        if np.median(known) < FEWEST_DAYS or named == "years":
            _ask(table, column, known, found)
            return ages
        unit = "days"
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
    _report_odd(table, column, ages.to_numpy(), found)
    return ages


def _ask(table: PatientTable, column: str, known: NDArray[np.float64], found: Findings) -> None:
    found.error(
        f"{column} runs from {known.min():g} to {known.max():g}, which are no ages in years. "
        "Is this days or months?",
        code="E-09",
        file=table.rows.file,
        column=column,
        fix="Choose the unit, or give ages in years.",
        topic="age unit",
        values=("days", "months", "years"),
    )


def _report_odd(
    table: PatientTable, column: str, ages: NDArray[np.float64], found: Findings
) -> None:
    low, high = PLAUSIBLE
    odd = np.flatnonzero((ages < low) | (ages > high))
    if len(odd):
        found.warn(
            f"{count(len(odd), 'age')} outside {low:.0f} to {high:.0f} years.",
            file=table.rows.file,
            column=column,
            rows=table.rows_at(odd),
            fix="Give ages in years.",
        )
