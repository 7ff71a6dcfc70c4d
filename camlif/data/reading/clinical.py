"""The clinical table: numbers and categories, and which columns a model may read.

A table with one row a patient goes in; values by patient and usable inputs come out. What is wrong,
such as a column that looks like personal data (E-17), is added to the findings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from camlif.data.manifest import ClinicalSection
from camlif.data.reading.durations import report_texts
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.roles import (
    AGE_NAMES,
    CENTRE_NAMES,
    GRADE_NAMES,
    PERSONAL_VALUES,
    SEX_NAMES,
    SUBTYPE_NAMES,
    find_named,
    personal_kind,
    plain,
    unsuitable_input,
)
from camlif.data.reading.values import Numbers, blank_missing, sentinels, to_numbers
from camlif.data.schema import ClinicalColumn
from camlif.wording import count

MODEL_NAMES = ("age", "sex")
"""Roles whose column gets the role's name, under which models know it."""

MAX_LEVELS = 30
"""A category with more levels is free text, no model input."""

MIN_DISTINCT_NUMBERS = 5
"""A column of numbers and texts is numeric only with more distinct numbers than this."""

PLAUSIBLE_AGE = (0.0, 120.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalData:
    """Clinical values by patient, and the columns usable as inputs.

    Attributes
    ----------
    frame : DataFrame
        Indexed by patient: float64 or object (str, NaN where missing).
    inputs : tuple of ClinicalColumn
    subtype, grade : str or None
    roles : mapping of role to column of the file
        Every role that a column was found for.
    """

    frame: pd.DataFrame
    inputs: tuple[ClinicalColumn, ...]
    subtype: str | None
    grade: str | None
    roles: dict[str, str]


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
    chosen = _roles(columns, section)
    unknown = sorted({c for c in chosen.values() if c not in columns})
    unknown += sorted({*(section.inputs or ()), *section.exclude} - {*columns, *MODEL_NAMES})
    if unknown:
        found.error(
            f"The manifest names clinical columns that are not there: {examples(unknown)}.",
            file=table.rows.file,
            column=unknown[0],
            fix="Choose other columns.",
            topic="column",
        )
    roles = {role: column for role, column in chosen.items() if column in columns}
    subtype, grade = roles.get("subtype"), roles.get("grade")
    values = {
        column: _read_column(table, column, found, category=column in (subtype, grade))
        for column in columns
    }
    frame = pd.DataFrame(values, index=pd.Index(table.ids, dtype=object), columns=columns)
    frame, names = _renamed(table, frame, roles, found)
    return ClinicalData(
        frame=frame,
        inputs=_inputs(table, frame, section, roles.get("centre"), names, found),
        subtype=subtype,
        grade=grade,
        roles=roles,
    )


def _roles(columns: list[str], section: ClinicalSection) -> dict[str, str]:
    """Return the column of each role, as declared or by a usual name."""
    usual = {
        "subtype": SUBTYPE_NAMES,
        "grade": GRADE_NAMES,
        "age": AGE_NAMES,
        "sex": SEX_NAMES,
        "centre": CENTRE_NAMES,
    }
    roles = {}
    for role, names in usual.items():
        declared: str | None = getattr(section, role)
        column = find_named(columns, names) if declared is None else declared
        if column:
            roles[role] = column
    return roles


def _renamed(
    table: PatientTable, frame: pd.DataFrame, roles: dict[str, str], found: Findings
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Call age and sex what models call them; return the new names of columns, too."""
    names = {roles[r]: r for r in MODEL_NAMES if r in roles and roles[r] != r}
    replaced = [role for role in names.values() if role in frame]
    for column, role in names.items():
        found.note(f"Column {column} is read as {role}.", file=table.rows.file, column=column)
    return frame.drop(columns=replaced).rename(columns=names), names


def report_personal(table: PatientTable, column: str, found: Findings) -> bool:
    """Add an error if a column's name or texts look like personal data; return whether they do.

    Parameters
    ----------
    table : PatientTable
    column : str
        One of its columns.
    found : Findings
        Takes the error E-17.
    """
    kind = personal_kind(column) or _personal_values(table.rows.text(column))
    if kind is not None:
        found.error(
            f"Column {column} looks like personal data ({kind}). Nothing was stored.",
            code="E-17",
            file=table.rows.file,
            column=column,
            fix="Remove it before continuing.",
            topic="personal",
            columns=(column,),
        )
    return kind is not None


def _personal_values(text: pa.ChunkedArray) -> str | None:
    """Return what personal data some texts are; None for none."""
    for what, rule in PERSONAL_VALUES.items():
        if pc.any(pc.match_substring_regex(text, rule)).as_py():
            return what
    return None


def report_personal_ids(table: PatientTable, found: Findings) -> None:
    """Add an error if the identifiers themselves look like personal data."""
    ids = pa.chunked_array([pa.array(table.ids, pa.string())])
    kind = personal_kind(table.id_column) or _personal_values(ids)
    if kind is not None:
        found.error(
            f"The identifiers of column {table.id_column} look like personal data ({kind}). "
            "Nothing was stored.",
            code="E-17",
            file=table.rows.file,
            column=table.id_column,
            fix="Replace them by tokens, or choose another column.",
            topic="personal id",
        )


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
    report_texts(numbers, table, found, where)
    if numbers.n_infinite:
        found.warn(f"{count(numbers.n_infinite, 'infinite value')} treated as missing.", **where)
    codes = sentinels(numbers.values)
    if codes:
        found.warn(
            f"{column} holds {examples(f'{c:g}' for c in codes)}, far from its other values.",
            rows=table.rows_at(np.flatnonzero(np.isin(numbers.values, codes))),
            fix="If this means 'missing', leave the cells blank.",
            topic="code",
            columns=(column,),
            values=tuple(f"{c:g}" for c in codes),
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
    table: PatientTable,
    frame: pd.DataFrame,
    section: ClinicalSection,
    centre: str | None,
    names: dict[str, str],
    found: Findings,
) -> tuple[ClinicalColumn, ...]:
    """Describe the columns that a model may read, in the table's order or the manifest's."""
    wanted = list(frame.columns) if section.inputs is None else list(section.inputs)
    wanted = list(dict.fromkeys(names.get(name, name) for name in wanted))
    left_out = {names.get(name, name) for name in section.exclude}
    excluded: dict[str, list[str]] = {}
    inputs = []
    for name in wanted:
        if name not in frame:
            continue
        reason = "the manifest excludes it" if name in left_out else None
        reason = reason or ("it is administrative" if name == centre else unsuitable_input(name))
        if reason is None:
            column = _described(name, frame[name])
            if len(column.levels) > MAX_LEVELS:
                reason = f"it has more than {MAX_LEVELS} different texts"
            else:
                inputs.append(column)
        if reason is not None:
            excluded.setdefault(reason, []).append(name)
    for reason, those in excluded.items():
        found.warn(
            f"Not offered as model {'input' if len(those) == 1 else 'inputs'}, because {reason}: "
            f"{', '.join(those)}.",
            file=table.rows.file,
            column=those[0] if len(those) == 1 else None,
        )
    return tuple(inputs)


def _described(name: str, values: pd.Series) -> ClinicalColumn:
    if values.dtype == np.float64:
        return ClinicalColumn(name, "numeric")
    levels = tuple(sorted({str(v) for v in values.dropna()}))
    return ClinicalColumn(name, "category", levels)
