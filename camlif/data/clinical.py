"""The clinical table: numbers and categories, and which columns a model may read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from camlif.data.manifest import ClinicalSection
from camlif.data.patients import PatientTable
from camlif.data.problems import Findings, count, examples
from camlif.data.roles import (
    GRADE_NAMES,
    PERSONAL_VALUES,
    SUBTYPE_NAMES,
    find_named,
    personal_kind,
    plain,
    unsuitable_input,
)
from camlif.data.schema import ClinicalColumn
from camlif.data.values import Numbers, blank_missing, sentinels, to_numbers

MAX_LEVELS = 30
"""A category with more levels is free text, no model input."""

MIN_DISTINCT_NUMBERS = 5
"""A column of numbers and texts is numeric only with more distinct numbers than this."""

PLAUSIBLE_AGE = (0.0, 120.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalData:
    """Clinical values by patient, and the columns usable as inputs.

    ``frame`` is indexed by patient: float64 or object (str, NaN where missing).
    """

    frame: pd.DataFrame
    inputs: tuple[ClinicalColumn, ...]
    subtype: str | None
    grade: str | None


def read_clinical(
    table: PatientTable, section: ClinicalSection, outcome: tuple[str, ...], found: Findings
) -> ClinicalData:
    """Read every column but the outcome's.

    Parameters
    ----------
    table : PatientTable
    section : ClinicalSection
    outcome : tuple of str
        Columns already read as outcome.
    found : Findings
    """
    columns = [c for c in table.rows.columns if c not in outcome]
    for column in columns:
        report_personal(table, column, found)
    subtype = section.subtype or find_named(columns, SUBTYPE_NAMES)
    grade = section.grade or find_named(columns, GRADE_NAMES)
    declared = (subtype, grade, *(section.inputs or ()), *section.exclude)
    unknown = sorted({c for c in declared if c and c not in columns})
    if unknown:
        found.error(
            f"The manifest names clinical columns that are not there: {examples(unknown)}.",
            file=table.rows.file,
            column=unknown[0],
        )
    values = {
        column: _read_column(table, column, found, category=column in (subtype, grade))
        for column in columns
    }
    frame = pd.DataFrame(values, index=pd.Index(table.ids, dtype=object), columns=columns)
    inputs = _inputs(table, frame, section, found)
    return ClinicalData(
        frame=frame,
        inputs=inputs,
        subtype=subtype if subtype in columns else None,
        grade=grade if grade in columns else None,
    )


def report_personal(table: PatientTable, column: str, found: Findings) -> bool:
    """Add an error if a column's name or texts look like personal data; return whether they do."""
    kind = personal_kind(column)
    if kind is None:
        text = table.rows.text(column)
        for what, rule in PERSONAL_VALUES.items():
            if pc.any(pc.match_substring_regex(text, rule)).as_py():
                kind = what
    if kind is not None:
        found.error(
            f"Column {column} looks like personal data ({kind}). Nothing was stored.",
            code="E-17",
            file=table.rows.file,
            column=column,
            fix="Remove it before continuing.",
        )
    return kind is not None


def _read_column(table: PatientTable, column: str, found: Findings, *, category: bool) -> pd.Series:
    cells = table.rows.table[column]
    numbers = to_numbers(cells)
    if not category and _is_numeric(numbers):
        _report_numbers(table, column, numbers, found)
        return pd.Series(numbers.values, index=table.ids, dtype="float64")
    texts = blank_missing(table.rows.text(column)).to_pylist()
    if category:
        texts = [t if t is None else re.sub(r"^(\d+)\.0+$", r"\1", t) for t in texts]
    return pd.Series([np.nan if t is None else t for t in texts], index=table.ids, dtype=object)


def _is_numeric(numbers: Numbers) -> bool:
    """All numbers, or a few texts among many different numbers; a blank column is numeric."""
    if not len(numbers.bad_rows):
        return True
    distinct = len(np.unique(numbers.values[np.isfinite(numbers.values)]))
    return len(numbers.bad_rows) <= numbers.n_values and distinct > max(
        MIN_DISTINCT_NUMBERS, 2 * len(numbers.bad_values)
    )


def _report_numbers(table: PatientTable, column: str, numbers: Numbers, found: Findings) -> None:
    where: dict[str, Any] = {"file": table.rows.file, "column": column}
    if len(numbers.bad_rows):
        found.warn(
            f"{column} has {count(len(numbers.bad_rows), 'non-numeric value')} "
            f"({examples(numbers.bad_values)}), treated as missing.",
            code="E-15",
            rows=table.rows_at(numbers.bad_rows),
            **where,
        )
    if numbers.n_infinite:
        found.warn(f"{count(numbers.n_infinite, 'infinite value')} treated as missing.", **where)
    codes = sentinels(numbers.values)
    if codes:
        found.warn(
            f"{column} holds {examples(f'{c:g}' for c in codes)}, far from its other values.",
            rows=table.rows_at(np.flatnonzero(np.isin(numbers.values, codes))),
            fix="If this means 'missing', leave the cells blank.",
            **where,
        )
    if plain(column) == "age":
        low, high = PLAUSIBLE_AGE
        odd = np.flatnonzero((numbers.values < low) | (numbers.values > high))
        if len(odd):
            found.warn(
                f"{count(len(odd), 'age')} outside {low:.0f} to {high:.0f} years.",
                rows=table.rows_at(odd),
                fix="Give ages in years.",
                **where,
            )


def _inputs(
    table: PatientTable, frame: pd.DataFrame, section: ClinicalSection, found: Findings
) -> tuple[ClinicalColumn, ...]:
    """Describe the columns that a model may read, in the table's order or the manifest's."""
    wanted = list(frame.columns) if section.inputs is None else list(section.inputs)
    excluded: dict[str, list[str]] = {}
    inputs = []
    for name in wanted:
        if name not in frame:
            continue
        reason = "the manifest excludes it" if name in section.exclude else None
        reason = reason or unsuitable_input(name)
        if reason is None:
            column = _described(name, frame[name])
            if len(column.levels) > MAX_LEVELS:
                reason = f"it has more than {MAX_LEVELS} different texts"
            else:
                inputs.append(column)
        if reason is not None:
            excluded.setdefault(reason, []).append(name)
    for reason, names in excluded.items():
        found.warn(
            f"Not offered as model {'input' if len(names) == 1 else 'inputs'}, because {reason}: "
            f"{', '.join(names)}.",
            file=table.rows.file,
            column=names[0] if len(names) == 1 else None,
        )
    return tuple(inputs)


def _described(name: str, values: pd.Series) -> ClinicalColumn:
    if values.dtype == np.float64:
        return ClinicalColumn(name, "numeric")
    levels = tuple(sorted({str(v) for v in values.dropna()}))
    return ClinicalColumn(name, "category", levels)
