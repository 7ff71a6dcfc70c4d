"""The sex of patients in one spelling each: ``M``, ``Male`` and ``male`` are one level.

A column goes in; where a sex is spelt in several ways, each gets the name that models know. What a
number stands for beside words, and a third number beside a coding of two, is asked about.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from camlif.data.levels import SEXES, sex_of
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import Findings, examples
from camlif.wording import count

_PAIRS = ({"1", "2"}, {"0", "1"})
"""Codings of two sexes; which is which is declared where a model asks."""


def sexes(table: PatientTable, column: str, values: pd.Series, found: Findings) -> pd.Series:
    """Return a column with one spelling a sex.

    Parameters
    ----------
    table : PatientTable
    column : str
        As it is called in the file.
    values : Series of float or str, length n
    found : Findings
        Takes a note of spellings, or the error E-11 for codes.
    """
    is_number = values.dtype == np.float64
    cells = values.map(lambda v: f"{v:g}" if is_number else v, na_action="ignore")
    occurring = sorted(set(cells.dropna()))
    said = {cell: sex_of(cell) for cell in occurring}
    numbers = {cell for cell in occurring if cell.lstrip("-").isdigit()}
    strange = numbers if any(said.values()) else _beside_a_pair(numbers)
    if strange:
        rows = np.flatnonzero(cells.isin(strange))
        listed = sorted(strange)
        found.error(
            f"{column} holds {examples(listed)} in {count(len(rows), 'row')} beside "
            f"{examples(c for c in occurring if c not in strange)}: a sex, or unknown?",
            code="E-11",
            file=table.rows.file,
            column=column,
            rows=table.rows_at(rows),
            fix="Say which, or leave the cells blank.",
            topic="sex",
            columns=(column,),
            values=tuple(listed),
            choices=tuple(SEXES),
        )
        return values
    spellings = {sex: [c for c in occurring if said[c] == sex] for sex in SEXES}
    if max(map(len, spellings.values())) < 2:
        return values
    found.note(
        "Spellings of one sex are one level: "
        + "; ".join(f"{examples(cells)} as {sex}" for sex, cells in spellings.items() if cells)
        + ".",
        file=table.rows.file,
        column=column,
    )
    return values.map(lambda cell: said.get(cell) or cell, na_action="ignore")


def _beside_a_pair(numbers: set[str]) -> set[str]:
    """Return the numbers beside a coding of two sexes, such as 9."""
    if len(numbers) < 3:
        return set()
    return next((numbers - pair for pair in _PAIRS if pair <= numbers), set())
