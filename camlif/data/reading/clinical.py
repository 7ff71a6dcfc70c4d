"""The clinical table: numbers and categories, and which columns a model may read.

A table with one row a patient goes in; values by patient and usable inputs come out. What is wrong,
such as a column that looks like personal data (E-17), is added to the findings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from camlif.arrays import Float64Array
from camlif.data.cohort import MAX_CATEGORIES
from camlif.data.manifest import ClinicalSection
from camlif.data.reading.ages import age_in_years, odd_ages
from camlif.data.reading.categories import one_spelling
from camlif.data.reading.cells import CellFaults
from camlif.data.reading.evidence import OutcomeByPatient, is_coded
from camlif.data.reading.mixed_units import two_heaps
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.personal import report_personal
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.roles import (
    CENTRE_NAMES,
    GRADE_NAMES,
    SEX_NAMES,
    SUBTYPE_NAMES,
    ColumnRole,
    find_age,
    find_named,
    is_row_number,
    report_no_inputs,
    role_by_name,
    role_by_values,
)
from camlif.data.reading.sexes import sexes
from camlif.data.reading.values import (
    CLINICAL_SENTINELS,
    Numbers,
    blank_missing,
    marks_in,
    sentinels,
    tiny_codes,
    to_numbers,
)
from camlif.data.schema import ClinicalColumn
from camlif.wording import count, verb

AGE = "age"
MODEL_NAMES = (AGE, "sex")
"""Roles whose column gets the role's name, under which models know it."""

MAX_SPELT = 3 * MAX_CATEGORIES
"""Texts of more spellings are no categories."""

MIN_DISTINCT_NUMBERS = 5
"""A column of numbers and texts is numeric only with more distinct numbers than this."""


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
    no_inputs : tuple of ColumnRole
        Columns that no model reads, and why.
    """

    frame: pd.DataFrame
    inputs: tuple[ClinicalColumn, ...]
    subtype: str | None
    grade: str | None
    roles: dict[str, str]
    no_inputs: tuple[ColumnRole, ...] = ()

    @property
    def numbers(self) -> pd.DataFrame:
        """The inputs that are numbers."""
        return self.frame[[c.name for c in self.inputs if c.kind == "numeric"]]


def read_clinical(
    table: PatientTable,
    section: ClinicalSection,
    outcome: tuple[str, ...],
    known: OutcomeByPatient | None,
    found: Findings,
) -> ClinicalData:
    """Read every column but the outcome's.

    Parameters
    ----------
    table : PatientTable
    section : ClinicalSection
    outcome : tuple of str
        Columns already read as outcome.
    known : OutcomeByPatient or None
        What they say, against which every other column is held.
    found : Findings
    """
    columns = [c for c in table.rows.columns if c not in outcome]
    for column in columns:
        report_personal(table, column, found)
    chosen = _roles(columns, section)
    unknown = sorted({c for c in chosen.values() if c not in columns})
    listed = {*(section.inputs or ()), *section.exclude, *section.include}
    unknown += sorted(listed - {*columns, *MODEL_NAMES})
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
    faults = CellFaults()
    values = {
        column: _read_column(
            table,
            column,
            found,
            faults,
            category=column in (subtype, grade),
            is_age=column == roles.get("age"),
        )
        for column in columns
    }
    faults.report(table, found)
    frame = pd.DataFrame(values, index=pd.Index(table.ids, dtype=object), columns=columns)
    frame, names = _renamed(table, frame, roles, found)
    if "age" in frame:
        column = roles.get("age", "age")
        frame["age"] = age_in_years(table, column, frame["age"], section, found)
    if "sex" in frame:
        frame["sex"] = sexes(table, roles.get("sex", "sex"), frame["sex"], found)
    texts = {str(c): v for c, v in frame.items() if v.dtype == object and v.nunique() <= MAX_SPELT}
    frame = frame.assign(**one_spelling(table, texts, found))
    inputs, no_inputs = _inputs(table, frame, section, roles.get("centre"), names, known, found)
    return ClinicalData(
        frame=frame,
        inputs=inputs,
        subtype=subtype,
        grade=grade,
        roles=roles,
        no_inputs=no_inputs,
    )


def _roles(columns: list[str], section: ClinicalSection) -> dict[str, str]:
    """Return the column of each role, as declared or by a usual name."""
    usual = {
        "subtype": SUBTYPE_NAMES,
        "grade": GRADE_NAMES,
        "sex": SEX_NAMES,
        "centre": CENTRE_NAMES,
    }
    age = find_age(columns) if section.age is None else section.age
    roles = {"age": age} if age else {}
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


def _read_column(
    table: PatientTable,
    column: str,
    found: Findings,
    faults: CellFaults,
    *,
    category: bool,
    is_age: bool,
) -> pd.Series:
    cells = table.rows.table[column]
    numbers = to_numbers(cells)
    if not category and _is_numeric(numbers):
        faults.add(column, numbers)
        # Somebody is asked about ages that nobody has.
        asked = set(numbers.values[odd_ages(numbers.values)]) if is_age else set()
        _report_numbers(table, column, numbers, found, asked)
        _report_two_units(table, column, numbers.values, found)
        return pd.Series(numbers.values, index=table.ids, dtype="float64")
    if category and not len(numbers.bad_rows):
        _report_numbers(table, column, numbers, found, set())
    faults.add_marks(column, *marks_in(table.rows.text(column)))
    texts = blank_missing(table.rows.text(column)).to_pylist()
    if category:
        texts = [t if t is None else re.sub(r"^(\d+)\.0+$", r"\1", t) for t in texts]
    elif numbers.n_values and len(numbers.bad_rows):
        _report_mixed(table, column, numbers, found)
    return pd.Series([np.nan if t is None else t for t in texts], index=table.ids, dtype=object)


def _report_mixed(table: PatientTable, column: str, numbers: Numbers, found: Findings) -> None:
    """Say that a column of numbers and texts is read as a category."""
    found.note(
        f"{column} holds {count(numbers.n_values, 'number')} and "
        f"{count(len(numbers.bad_rows), 'text')} ({examples(numbers.bad_values)}), and is read as "
        "a category.",
        code="E-15",
        file=table.rows.file,
        column=column,
        rows=table.rows_at(numbers.bad_rows),
        topic="text",
        columns=(column,),
        values=numbers.bad_values,
    )


def _is_numeric(numbers: Numbers) -> bool:
    """All numbers, or a few texts among many different numbers; a blank column is numeric."""
    if not len(numbers.bad_rows):
        return True
    distinct = len(np.unique(numbers.values[np.isfinite(numbers.values)]))
    return len(numbers.bad_rows) <= numbers.n_values and distinct > max(
        MIN_DISTINCT_NUMBERS, 2 * len(numbers.bad_values)
    )


def _report_two_units(
    table: PatientTable, column: str, values: Float64Array, found: Findings
) -> None:
    """Warn of numbers that lie in two heaps far apart, as g/dL among g/L do."""
    heaps = two_heaps(values)
    if heaps is None:
        return
    low, high = heaps
    few = (values >= high[0]) if len(high) <= len(low) else (values > 0) & (values <= low[-1])
    found.warn(
        f"{column} has {count(len(low), 'value')} about {np.median(low):.3g} and {len(high)} about "
        f"{np.median(high):.3g}, and none between, as of two units.",
        code="E-09",
        file=table.rows.file,
        column=column,
        rows=table.rows_at(np.flatnonzero(few)),
        fix="Give all of them in one unit.",
    )


def _report_numbers(
    table: PatientTable, column: str, numbers: Numbers, found: Findings, asked: set[float]
) -> None:
    where: dict[str, Any] = {"file": table.rows.file, "column": column}
    found_codes = (*sentinels(numbers.values, CLINICAL_SENTINELS), *tiny_codes(numbers.values))
    codes = [c for c in found_codes if c not in asked]
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


def _inputs(
    table: PatientTable,
    frame: pd.DataFrame,
    section: ClinicalSection,
    centre: str | None,
    names: dict[str, str],
    known: OutcomeByPatient | None,
    found: Findings,
) -> tuple[tuple[ClinicalColumn, ...], tuple[ColumnRole, ...]]:
    """Describe the columns that a model may read, and the roles of those that it may not."""
    wanted = list(frame.columns) if section.inputs is None else list(section.inputs)
    wanted = [n for n in dict.fromkeys(names.get(n, n) for n in wanted) if n in frame]
    left_out = {names.get(name, name) for name in section.exclude}
    original = {new: old for old, new in names.items()}
    inputs, roles, too_many = [], [], []
    for name in wanted:
        if name in left_out:
            continue
        role = None
        if name == centre:
            role = ColumnRole(name, "administrative", "its name")
        elif name not in section.include and original.get(name, name) not in section.include:
            role = _role(table, frame[name], original.get(name, name), name, known)
        if role is not None:
            roles.append(role)
            continue
        column = _described(name, frame[name])
        if len(column.levels) > MAX_CATEGORIES:
            too_many.append(name)
        else:
            inputs.append(column)
    if known is not None:
        sums = _sums(table, frame, inputs, {*section.include, AGE}, known)
        roles += sums
        inputs = [c for c in inputs if c.name not in {r.column for r in sums}]
    report_no_inputs(roles, table.rows.file, found, what="clinical input")
    if too_many:
        found.warn(
            f"Not offered as model {verb(len(too_many), 'input', 'inputs')}, because of more "
            f"than {MAX_CATEGORIES} different texts: {', '.join(too_many)}.",
            file=table.rows.file,
            column=too_many[0] if len(too_many) == 1 else None,
        )
    _note_missing(table, frame, inputs, found)
    _note_constant(table, frame, inputs, found)
    return tuple(inputs), tuple(roles)


def _sums(
    table: PatientTable,
    frame: pd.DataFrame,
    inputs: list[ClinicalColumn],
    kept: set[str],
    known: OutcomeByPatient,
) -> list[ColumnRole]:
    """Return the columns that are the outcome and another clinical number: an age at death."""
    numbers = [c.name for c in inputs if c.kind == "numeric"]
    doubted = [name for name in numbers if name not in kept]
    known = replace(known, clinical=frame[[name for name in numbers if name in kept]])
    values = frame[doubted].to_numpy(dtype=float)
    sums = known.reasons_of_sums(table.ids, values, doubted, range(len(doubted)))
    return [ColumnRole(doubted[i], "outcome", why) for i, why in sums.items()]


def _note_missing(
    table: PatientTable, frame: pd.DataFrame, inputs: list[ClinicalColumn], found: Findings
) -> None:
    """Say how many patients lack which input: merged cells are blank for all but the first."""
    lacking = {c.name: int(frame[c.name].isna().sum()) for c in inputs}
    shown = [f"{name} ({n})" for name, n in lacking.items() if n]
    if shown:
        found.note(
            f"Clinical inputs missing, of {count(len(frame), 'patient')}: {', '.join(shown)}.",
            file=table.rows.file,
        )


def _note_constant(
    table: PatientTable, frame: pd.DataFrame, inputs: list[ClinicalColumn], found: Findings
) -> None:
    """Name the inputs of one value, which training gives no weight and scoring may still need."""
    constant = [c.name for c in inputs if frame[c.name].nunique() < 2]
    if constant and len(frame) > 1:
        found.note(
            f"{count(len(constant), 'clinical input')} without variation, from which a model "
            f"learns nothing: {', '.join(constant)}.",
            file=table.rows.file,
        )


def _role(
    table: PatientTable,
    values: pd.Series,
    column: str,
    name: str,
    known: OutcomeByPatient | None,
) -> ColumnRole | None:
    """Return the role of a column that is no input: by its name, its cells, or the outcome."""
    is_number = values.dtype == np.float64
    numbers = Numbers(values=values.to_numpy(dtype=float) if is_number else np.zeros(0))
    role = None if name in MODEL_NAMES else role_by_name(column)
    if role is not None and role.kind == "row number" and not is_row_number(column, numbers):
        role = None
    if role is None:
        text = None if is_number else table.rows.text(column)
        role = role_by_values(column, numbers, text)
    if role is not None or known is None:
        return role
    if is_number:
        why = known.reasons(table.ids, numbers.values[:, None]).get(0)
    if not is_number or (why is None and is_coded(numbers.values)):
        why = known.reason_of_levels(table.ids, values.tolist())
    return None if why is None else ColumnRole(column, "outcome", why)


def _described(name: str, values: pd.Series) -> ClinicalColumn:
    if values.dtype == np.float64:
        return ClinicalColumn(name, "numeric")
    levels = tuple(sorted({str(v) for v in values.dropna()}))
    return ClinicalColumn(name, "category", levels)
