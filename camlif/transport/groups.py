"""Groups of patients by which results are broken down: sex, age, centre, subtype.

A cohort goes in; the kind of grouping, the level and its members come out. Nothing fails: a column
that is absent, or has a single level, gives no group.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pandas as pd

from camlif.arrays import BoolArray
from camlif.data.cohort import Cohort
from camlif.data.reading.roles import CENTRE_NAMES, SEX_NAMES, find_named
from camlif.model.subgroups import AGE_BANDS, MAX_LEVELS

Kind = Literal["Sex", "Centre", "Age", "Subtype"]


def patient_groups(cohort: Cohort) -> Iterator[tuple[Kind, str, BoolArray]]:
    """Yield kind, level and members (shape (n,)) of each group.

    Parameters
    ----------
    cohort : Cohort
        Of n patients.
    """
    columns = [str(c) for c in cohort.clinical.columns]
    named: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("Sex", SEX_NAMES),
        ("Centre", CENTRE_NAMES),
    )
    for kind, names in named:
        name = find_named(columns, names)
        if name is not None:
            yield from _levels(kind, cohort.clinical[name])
    if "age" in cohort.clinical:
        age = pd.to_numeric(cohort.clinical["age"], errors="coerce").to_numpy("float64")
        for low, high, label in AGE_BANDS:
            yield "Age", label, (age >= low) & (age < high)
    if cohort.subtype is not None:
        yield from _levels("Subtype", cohort.subtype)


def _levels(kind: Kind, column: pd.Series) -> Iterator[tuple[Kind, str, BoolArray]]:
    """Groups of a column, the most frequent first; a single level is no grouping."""
    text = column.astype("string")
    levels = text.value_counts().index[:MAX_LEVELS]
    if len(levels) < 2:
        return
    for level in levels:
        yield kind, str(level), (text == level).fillna(False).to_numpy(dtype=bool)
