"""Every column of a cohort that groups can be compared in, and what marks it.

A workspace goes in; numbers, categories and marks come out: which columns the model reads, and
which speak of the outcome by their name or their values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlif.data.cohort import MAX_CATEGORIES, Cohort
from camlif.data.preprocessing import CLINICAL
from camlif.data.reading.evidence import OutcomeByPatient
from camlif.data.reading.roles import role_by_name
from dashboard.session.column_filters import clinical_values
from dashboard.session.state import Workspace

INPUT, OF_OUTCOME = "model input", "of the outcome"
_TELL_OUTCOME = {"outcome", "perhaps outcome", "prediction", "event", "duration"}


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of a cohort: tables of numbers, categories, and texts left out."""

    numbers: dict[str, tuple[tuple[str, ...], NDArray[np.floating]]]
    categories: pd.DataFrame
    left_out: tuple[str, ...]

    @property
    def tables(self) -> list[str]:
        """Table of each column: those of numbers in order, then the categories."""
        of_numbers = [table for table, (names, _) in self.numbers.items() for _ in names]
        return of_numbers + [CLINICAL] * self.categories.shape[1]


def columns_of(cohort: Cohort) -> Columns:
    """Return the columns of a cohort; of a bag the means of its instances."""
    clinical = cohort.clinical
    is_number = [pd.api.types.is_numeric_dtype(clinical[name]) for name in clinical]
    texts = clinical.loc[:, np.logical_not(is_number)]
    few = [name for name in texts if texts[name].nunique() <= MAX_CATEGORIES]
    of_patients = clinical.loc[:, is_number]
    numbers: dict[str, tuple[tuple[str, ...], NDArray[np.floating]]] = {
        CLINICAL: (tuple(map(str, of_patients)), of_patients.to_numpy(dtype=float))
    }
    for modality in cohort.schema.modalities:
        numbers[modality.name] = (modality.columns, cohort.rows(modality.name))
    categories = texts[few].reset_index(drop=True)
    return Columns(numbers, categories, tuple(str(name) for name in texts if name not in few))


def values_of(cohort: Cohort, table: str, column: str) -> pd.Series:
    """Return one column, a value per patient: numbers or texts.

    Parameters
    ----------
    cohort : Cohort
    table : str
        A modality, or `CLINICAL`.
    column : str
    """
    if table == CLINICAL:
        return clinical_values(cohort, column)
    place = cohort.schema[table].columns.index(column)
    return pd.Series(cohort.rows(table)[:, place], dtype=float)


def marks_of(workspace: Workspace, columns: Columns) -> dict[tuple[str, str], str]:
    """Return the mark of each marked column, by table and name."""
    marks: dict[tuple[str, str], str] = {}
    if workspace.scoring is not None:
        schema = workspace.scoring.bundle.schema
        inputs = {(m.name, column) for m in schema.modalities for column in m.columns}
        inputs |= {(CLINICAL, column.name) for column in schema.clinical}
        marks |= dict.fromkeys(inputs, INPUT)
    told = _of_the_outcome(workspace.cohort, columns)
    return marks | {key: _both(marks.get(key), OF_OUTCOME) for key in told}


def _both(mark: str | None, other: str) -> str:
    return other if mark is None else f"{mark}, {other}"


def _of_the_outcome(cohort: Cohort, columns: Columns) -> set[tuple[str, str]]:
    """Columns whose name speaks of the outcome, and clinical ones whose values do."""
    found: set[tuple[str, str]] = set()
    for table, (names, _) in columns.numbers.items():
        among = 0 if table == CLINICAL else len(names)
        found |= {(table, name) for name in names if _says_outcome(name, among)}
    categories = [str(name) for name in columns.categories]
    found |= {(CLINICAL, name) for name in categories if _says_outcome(name, 0)}
    if cohort.event is None or cohort.duration is None:
        return found
    ids = cohort.patient_ids.tolist()
    known = OutcomeByPatient(
        {p: i for i, p in enumerate(ids)},
        cohort.event,
        cohort.duration,
        pd.DataFrame(index=pd.RangeIndex(len(ids))),
    )
    names, values = columns.numbers[CLINICAL]
    found |= {(CLINICAL, names[i]) for i in known.reasons(ids, values)}
    return found | {
        (CLINICAL, name)
        for name in categories
        if known.reason_of_levels(ids, columns.categories[name].tolist()) is not None
    }


def _says_outcome(name: str, among_genes: int) -> bool:
    role = role_by_name(name, among_genes=among_genes)
    return role is not None and role.kind in _TELL_OUTCOME
