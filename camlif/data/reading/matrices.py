"""Feature tables to float32 matrices: what is no number is reported and becomes missing.

A table with patients in rows goes in; a float32 matrix or bags come out, NaN where missing. A table
without a number (E-15) and cells that are none are added to the findings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import BoolArray, Float32Array
from camlif.data.manifest import ModalitySection
from camlif.data.reading.cells import CellFaults
from camlif.data.reading.cleaning import matching
from camlif.data.reading.clinical import ClinicalData
from camlif.data.reading.evidence import MAX_CODED_COLUMNS, OutcomeByPatient
from camlif.data.reading.groups import feature_groups
from camlif.data.reading.names import is_gene_like, promise
from camlif.data.reading.orientation import report_gene_names
from camlif.data.reading.patients import FlowStep, PatientTable
from camlif.data.reading.personal import personal_kind, report_personal
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.roles import (
    ColumnRole,
    find_mask_size,
    is_row_number,
    person_role,
    report_no_inputs,
    role_by_name,
    role_by_values,
)
from camlif.data.reading.values import Numbers, feature_codes, to_numbers
from camlif.data.reading.vocabulary import COUNTS
from camlif.data.reading.words import parts
from camlif.data.schema import BagSpec, GroupSpec, ModalitySpec
from camlif.exceptions import SchemaError
from camlif.wording import count

MAX_SHARE_MISSING = 0.3
"""A patient who lacks more of the values lacks the modality; wholly absent groups do not count."""
TOO_MANY_MISSING = f"more than {100 * MAX_SHARE_MISSING:.0f}% missing"

MIN_DIFFERENT = 10
"""Values of a clinical number, for a column to have the same ones by no chance."""

COLUMNS_AT_ONCE = 64
"""Columns converted together: one by one they would be written across the whole matrix."""

_PROVENANCE = re.compile(
    r"diagnostics_.*|image|mask|label|mask_label|roi|roi_name|reader|label_path|filename|file_name",
    re.I,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityData:
    """One modality as read.

    Attributes
    ----------
    spec : ModalitySpec
    file : str
    ids : list of str
        Patient of each row.
    values : float32, shape (n_rows, n_features)
        Columns in the order of ``spec``.
    steps : tuple of FlowStep
        Patients of the table who lack too many values to have the modality.
    no_inputs : tuple of ColumnRole
        Columns of the table that are no features, and why.
    """

    spec: ModalitySpec
    file: str
    ids: list[str]
    values: Float32Array
    steps: tuple[FlowStep, ...] = ()
    no_inputs: tuple[ColumnRole, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matrix:
    """Numeric columns of a table.

    Attributes
    ----------
    values : float32, shape (n_rows, n_columns)
    columns : list of str
    constant : list of str
        Columns without variation.
    codes : mapping of column to numbers
        Values such as 999 that may mean "missing".
    """

    values: Float32Array
    columns: list[str]
    constant: list[str]
    codes: dict[str, tuple[float, ...]]


def read_modality(
    name: str,
    table: PatientTable,
    section: ModalitySection,
    known: OutcomeByPatient | None,
    clinical: ClinicalData | None,
    found: Findings,
    progress: Callable[[int, int], None] | None = None,
) -> ModalityData | None:
    """Read a feature table; None if it holds no numeric column (an error was added), or no feature.

    Columns that carry the outcome by their name, or by their cells where ``known`` tells it, are no
    features unless the section includes them.

    Parameters
    ----------
    name : str
        Name of the modality.
    table : PatientTable
        One row per patient, or per item of a patient's bag.
    section : ModalitySection
        Of the manifest: columns to leave out, and what the features are.
    known : OutcomeByPatient or None
    clinical : ClinicalData or None
        Whose columns are no features as well.
    found : Findings
        Takes errors, and warnings of columns and cells that are not read.
    progress : callable, optional
        Called with (columns read, columns).
    """
    table, roles = _without_other_columns(table, section, found)
    matrix, more = _numbers(table, section, found, progress)
    included = set(matching(matrix.columns, section.include))
    if clinical is not None:
        others = _of_clinical_table(table, matrix, included, clinical)
        matrix, more = _without(matrix, others), [*more, *others]
    if known is not None:
        others = _of_outcome(table, matrix, included, known)
        matrix, more = _without(matrix, others), [*more, *others]
    report_no_inputs([*roles, *more], table.rows.file, found, what="feature")
    columns = matrix.columns
    if not columns and (roles or more):
        found.warn(
            f"No column of {table.rows.file} is a feature; the table is left out.",
            code="E-19",
            file=table.rows.file,
        )
        return None
    if not columns:
        found.error(
            f"{table.rows.file} has no numeric column.",
            code="E-15",
            file=table.rows.file,
            fix="Give features as numbers, one column each.",
            topic="file",
        )
        return None
    _note_values(table, matrix, found)
    report_gene_names(columns, table.rows.file, found)
    try:
        spec = _specification(name, columns, section)
    except SchemaError as error:
        found.error(error.message, file=table.rows.file, column=error.column, fix=error.fix)
        return None
    position = {c: i for i, c in enumerate(columns)}
    order = [position[c] for c in spec.columns]
    values = matrix.values if order == list(position.values()) else matrix.values[:, order]
    steps: tuple[FlowStep, ...] = ()
    ids = table.ids
    if spec.bag is None:
        ids, values, steps = _drop_sparse(table, values, spec, found)
    return ModalityData(
        spec=spec,
        file=table.rows.file,
        ids=ids,
        values=values,
        steps=steps,
        no_inputs=(*roles, *more),
    )


def _specification(name: str, columns: list[str], section: ModalitySection) -> ModalitySpec:
    if section.type == "bag":
        bag = BagSpec(len(columns), section.max_instances)
        return ModalitySpec(name, (GroupSpec(name, tuple(columns)),), bag)
    return ModalitySpec(name, feature_groups(name, columns, section.groups))


def _without_other_columns(
    table: PatientTable, section: ModalitySection, found: Findings
) -> tuple[PatientTable, list[ColumnRole]]:
    """Leave out provenance, personal and excluded columns, and what names speak of the outcome."""
    columns = table.rows.columns
    included = set(matching(columns, section.include))
    excluded = set(matching(columns, section.exclude))
    provenance = [
        c
        for c in columns
        if _PROVENANCE.fullmatch(c) and c not in included and _of_extraction(table, c)
    ]
    if provenance:
        found.note(
            f"{count(len(provenance), 'column')} about the extraction left out: "
            f"{examples(provenance)}.",
            file=table.rows.file,
            topic="no input",
            columns=tuple(provenance),
        )
    among_genes = len(columns) if is_gene_like(columns) else 0
    personal = [
        c for c in columns if personal_kind(c, table.rows.table[c], among_genes=among_genes > 0)
    ]
    for column in personal:
        report_personal(table, column, found, among_genes=among_genes > 0)
    roles = []
    for column in columns:
        role = role_by_name(column, among_genes=among_genes)
        if role is None or column in included | excluded or column in provenance:
            continue
        if role.kind == "row number" and not is_row_number(
            column, to_numbers(table.rows.table[column])
        ):
            continue
        roles.append(role)
    drop = excluded.union(provenance, personal, section.keep, (r.column for r in roles))
    rows = replace(
        table.rows, table=table.rows.table.drop_columns([c for c in columns if c in drop])
    )
    return replace(table, rows=rows), roles


def _of_extraction(table: PatientTable, column: str) -> bool:
    """Whether a name such as ``label`` is that of a mask: beside PyRadiomics, or all the same."""
    if promise(column) is None or find_mask_size(table.rows.columns) is not None:
        return True
    return len(table.rows.table[column].unique()) == 1


def _of_clinical_table(
    table: PatientTable, matrix: _Matrix, included: set[str], clinical: ClinicalData
) -> list[ColumnRole]:
    """Return the columns that would count twice: age and sex, and copies of clinical numbers."""
    roles = [] if is_gene_like(matrix.columns) else [*clinical.roles]
    found = {
        column: f"{person} is there"
        for column in matrix.columns
        if (person := person_role(column)) is not None and person in roles
    }
    position = {patient: i for i, patient in enumerate(clinical.frame.index)}
    rows = [i for i, patient in enumerate(table.ids) if patient in position]
    at = [position[table.ids[i]] for i in rows]
    for name, numbers in clinical.numbers.astype(np.float32).items():
        mine = numbers.to_numpy()[at]
        known = np.flatnonzero(np.isfinite(mine))
        if len(np.unique(mine[known])) < MIN_DIFFERENT:
            continue
        of_patients = np.array(rows)[known]
        # One patient tells nearly all columns apart, so that the matrix is not copied.
        alike = np.flatnonzero(matrix.values[of_patients[0]] == mine[known[0]])
        same = (matrix.values[np.ix_(of_patients, alike)] == mine[known, None]).all(axis=0)
        for i in alike[same]:
            found.setdefault(matrix.columns[i], f"the values of {name}")
    return [ColumnRole(c, "clinical", why) for c, why in found.items() if c not in included]


def _of_outcome(
    table: PatientTable, matrix: _Matrix, included: set[str], known: OutcomeByPatient
) -> list[ColumnRole]:
    """Return the columns whose values carry the outcome."""
    reasons = {
        i: why
        for i, why in known.reasons(table.ids, matrix.values).items()
        if matrix.columns[i] not in included
    }
    rest = [i for i, c in enumerate(matrix.columns) if i not in reasons and c not in included]
    if len(matrix.columns) <= MAX_CODED_COLUMNS:
        reasons |= known.reasons_of_codes(table.ids, matrix.values, rest)
        rest = [i for i in rest if i not in reasons]
    reasons |= known.reasons_of_sums(table.ids, matrix.values, matrix.columns, rest)
    return [ColumnRole(matrix.columns[i], "outcome", why) for i, why in sorted(reasons.items())]


def _without(matrix: _Matrix, roles: Sequence[ColumnRole]) -> _Matrix:
    """Return a matrix without some columns."""
    if not roles:
        return matrix
    gone = {role.column for role in roles}
    kept = [i for i, column in enumerate(matrix.columns) if column not in gone]
    columns = [matrix.columns[i] for i in kept]
    return replace(
        matrix,
        values=matrix.values[:, kept],
        columns=columns,
        constant=[c for c in matrix.constant if c not in gone],
        codes={c: codes for c, codes in matrix.codes.items() if c not in gone},
    )


def _numbers(
    table: PatientTable,
    section: ModalitySection,
    found: Findings,
    progress: Callable[[int, int], None] | None,
) -> tuple[_Matrix, list[ColumnRole]]:
    """Return the numeric columns, converted a block at a time; one that is mostly text is left out.

    So are dates and row numbers, which are returned by their roles.

    A table may fill the memory once as it was read and once as this matrix, but no third time.
    """
    wanted = table.rows.columns
    values = np.empty((len(table.ids), len(wanted)), dtype=np.float32)
    matrix = _Matrix(values=values, columns=[], constant=[], codes={})
    faults, roles = CellFaults(), []
    included = set(matching(wanted, section.include))
    for start in range(0, len(wanted), COLUMNS_AT_ONCE):
        block = []
        for column in wanted[start : start + COLUMNS_AT_ONCE]:
            numbers = _without_huge(to_numbers(table.rows.table[column]))
            is_text = len(numbers.bad_rows) > numbers.n_values
            role = None
            if column not in included:
                role = role_by_values(column, numbers, table.rows.text(column) if is_text else None)
            if role is not None:
                roles.append(role)
                continue
            faults.add(column, numbers, is_text=is_text)
            if is_text:
                continue
            _look_at(column, numbers.values, matrix)
            matrix.columns.append(column)
            block.append(numbers.values.astype(np.float32))
        if block:
            end = len(matrix.columns)
            values[:, end - len(block) : end] = np.stack(block, axis=1)
        if progress is not None:
            progress(min(start + COLUMNS_AT_ONCE, len(wanted)), len(wanted))
    faults.report(table, found)
    return replace(matrix, values=values[:, : len(matrix.columns)]), roles


def _without_huge(numbers: Numbers) -> Numbers:
    """Make values beyond single precision missing, in place, and count them as infinite."""
    huge = np.flatnonzero(np.abs(numbers.values) > np.finfo(np.float32).max)
    if not len(huge):
        return numbers
    numbers.values[huge] = np.nan
    return replace(numbers, infinite_rows=np.union1d(numbers.infinite_rows, huge))


def _look_at(column: str, values: NDArray[np.float64], matrix: _Matrix) -> None:
    """Note whether a column varies, and its codes."""
    known = values[np.isfinite(values)]
    if not len(known) or known.min() >= known.max():
        matrix.constant.append(column)
    counted = bool(COUNTS & {*parts(column)})
    if codes := feature_codes(known, counted=counted):
        matrix.codes[column] = codes


def _note_values(table: PatientTable, matrix: _Matrix, found: Findings) -> None:
    codes, constant = matrix.codes, matrix.constant
    if codes:
        found.warn(
            f"{count(len(codes), 'column holds', 'columns hold')} codes such as 999, -9 or 1e-30, "
            f"far from all other values: {examples(codes)}.",
            file=table.rows.file,
            fix="If they mean 'missing', leave the cells blank.",
            topic="code",
            columns=tuple(codes),
            values=tuple(
                f"{c:g}" for c in sorted({c for several in codes.values() for c in several})
            ),
        )
    if constant and len(table.ids) > 1:
        found.note(
            f"{count(len(constant), 'column')} without variation: {examples(constant)}.",
            file=table.rows.file,
        )


def _drop_sparse(
    table: PatientTable, values: Float32Array, spec: ModalitySpec, found: Findings
) -> tuple[list[str], Float32Array, tuple[FlowStep, ...]]:
    """Leave out patients who lack too many values; note what stays missing.

    A feature group without any value is not counted: networks mask it, so that nothing has to be
    imputed for it. A patient without any group lacks the modality.
    """
    widths = np.array([g.n_features for g in spec.groups])
    missing = _missing_by_group(values, widths)
    absent = missing == widths
    single = np.where(absent, 0, missing)
    counted = np.where(absent, 0, widths).sum(axis=1)
    share = single.sum(axis=1) / np.maximum(counted, 1)
    sparse: BoolArray = (share > MAX_SHARE_MISSING) | absent.all(axis=1)
    steps: tuple[FlowStep, ...] = ()
    if sparse.any():
        n = int(sparse.sum())
        found.warn(
            f"{count(n, 'patient lacks', 'patients lack')} more than "
            f"{100 * MAX_SHARE_MISSING:.0f}% of the values; the modality counts as missing for "
            "them.",
            file=table.rows.file,
            rows=table.rows_at(np.flatnonzero(sparse)),
        )
        steps = (FlowStep(file=table.rows.file, reason=TOO_MANY_MISSING, n=n),)
    _note_missing(table, single[~sparse], absent[~sparse], spec, found)
    if not sparse.any():
        return table.ids, values, steps
    keep = np.flatnonzero(~sparse)
    return [table.ids[i] for i in keep], values[keep], steps


def _missing_by_group(values: Float32Array, widths: NDArray[np.int_]) -> NDArray[np.int_]:
    """Count the missing values of each group, shape (n, n_groups)."""
    ends = np.cumsum(widths)
    parts = [values[:, end - w : end] for w, end in zip(widths, ends, strict=True)]
    return np.stack([np.isnan(part).sum(axis=1) for part in parts], axis=1)


def _note_missing(
    table: PatientTable,
    single: NDArray[np.int_],
    absent: BoolArray,
    spec: ModalitySpec,
    found: Findings,
) -> None:
    """Say what stays missing: whole groups, which are masked, and single values, (n, n_groups)."""
    lacking = absent.sum(axis=0)
    if lacking.any():
        groups = [f"{g.name} ({n})" for g, n in zip(spec.groups, lacking, strict=True) if n]
        n = int(absent.any(axis=1).sum())
        found.note(
            f"{count(n, 'patient lacks', 'patients lack')} whole feature groups, which are "
            f"masked: {examples(groups)}.",
            file=table.rows.file,
        )
    if single.any():
        total = int(single.sum())
        found.note(
            f"{count(total, 'value')} missing "
            f"({100 * total / (len(single) * spec.n_features):.1f}%) in "
            f"{count(int(single.any(axis=1).sum()), 'patient')}.",
            file=table.rows.file,
        )
