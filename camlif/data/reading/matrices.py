"""Feature tables to float32 matrices: what is no number is reported and becomes missing.

A table with patients in rows goes in; a float32 matrix or bags come out, NaN where missing. A table
without a number (E-15) and cells that are none are added to the findings.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import BoolArray, Float32Array
from camlif.data.manifest import ModalitySection
from camlif.data.reading.cleaning import matching
from camlif.data.reading.clinical import report_personal
from camlif.data.reading.groups import feature_groups
from camlif.data.reading.patients import FlowStep, PatientTable
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.roles import personal_kind, plain
from camlif.data.reading.values import SENTINELS, Numbers, sentinels, to_numbers
from camlif.data.schema import BagSpec, GroupSpec, ModalitySpec
from camlif.exceptions import SchemaError
from camlif.wording import count

MAX_SHARE_MISSING = 0.3
"""A patient who lacks more of the values lacks the modality; wholly absent groups do not count."""

TOO_MANY_MISSING = f"more than {100 * MAX_SHARE_MISSING:.0f}% missing"

MAX_NAMED_COLUMNS = 10
"""With more faulty columns than this, a table gets one problem for all of them."""

COLUMNS_AT_ONCE = 64
"""Columns converted together: one by one they would be written across the whole matrix."""

_PROVENANCE = re.compile(
    r"diagnostics_.*|image|mask|label|mask_label|roi|roi_name|reader|label_path|filename|file_name",
    re.I,
)
_OUTCOME_NAMES = frozenset(
    {
        *("survival_months", "survival_days", "survival_years", "survival_status", "event"),
        *("overall_survival", "os_months", "os_days", "os_event", "os_status", "vital_status"),
    }
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
    """

    spec: ModalitySpec
    file: str
    ids: list[str]
    values: Float32Array
    steps: tuple[FlowStep, ...] = ()


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
    found: Findings,
    progress: Callable[[int, int], None] | None = None,
) -> ModalityData | None:
    """Read a feature table; None if it holds no numeric column (an error was added).

    Parameters
    ----------
    name : str
        Name of the modality.
    table : PatientTable
        One row per patient, or per item of a patient's bag.
    section : ModalitySection
        Of the manifest: columns to leave out, and what the features are.
    found : Findings
        Takes errors, and warnings of columns and cells that are not read.
    progress : callable, optional
        Called with (columns read, columns).
    """
    table = _without_other_columns(table, section, found)
    matrix = _numbers(table, found, progress)
    columns = matrix.columns
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
    return ModalityData(spec=spec, file=table.rows.file, ids=ids, values=values, steps=steps)


def _specification(name: str, columns: list[str], section: ModalitySection) -> ModalitySpec:
    if section.type == "bag":
        bag = BagSpec(len(columns), section.max_instances)
        return ModalitySpec(name, (GroupSpec(name, tuple(columns)),), bag)
    return ModalitySpec(name, feature_groups(name, columns, section.groups))


def _without_other_columns(
    table: PatientTable, section: ModalitySection, found: Findings
) -> PatientTable:
    """Leave out provenance, outcome, personal and excluded columns."""
    columns = table.rows.columns
    excluded = set(matching(columns, section.exclude))
    provenance = [c for c in columns if _PROVENANCE.fullmatch(c)]
    outcome = [c for c in columns if plain(c) in _OUTCOME_NAMES]
    if provenance:
        found.note(
            f"{count(len(provenance), 'column')} about the extraction left out: "
            f"{examples(provenance)}.",
            file=table.rows.file,
        )
    if outcome:
        found.warn(
            f"Outcome columns in a feature table left out: {examples(outcome)}.",
            file=table.rows.file,
        )
    personal = [c for c in columns if personal_kind(c)]
    for column in personal:
        report_personal(table, column, found)
    drop = excluded.union(provenance, outcome, personal, section.keep)
    rows = replace(
        table.rows, table=table.rows.table.drop_columns([c for c in columns if c in drop])
    )
    return replace(table, rows=rows)


def _numbers(
    table: PatientTable, found: Findings, progress: Callable[[int, int], None] | None
) -> _Matrix:
    """Return the numeric columns, converted a block at a time; one that is mostly text is left out.

    A table may fill the memory once as it was read and once as this matrix, but no third time.
    """
    wanted = table.rows.columns
    values = np.empty((len(table.ids), len(wanted)), dtype=np.float32)
    matrix = _Matrix(values=values, columns=[], constant=[], codes={})
    faulty: list[tuple[str, Numbers, bool]] = []
    n_infinite, decimal_comma = 0, False
    for start in range(0, len(wanted), COLUMNS_AT_ONCE):
        block = []
        for column in wanted[start : start + COLUMNS_AT_ONCE]:
            numbers = to_numbers(table.rows.table[column])
            is_text = len(numbers.bad_rows) > numbers.n_values
            if len(numbers.bad_rows):
                faulty.append((column, numbers, is_text))
            if is_text:
                continue
            n_infinite += numbers.n_infinite + _blank_huge(numbers.values)
            decimal_comma |= numbers.decimal_comma
            _look_at(column, numbers.values, matrix)
            matrix.columns.append(column)
            block.append(numbers.values.astype(np.float32))
        if block:
            end = len(matrix.columns)
            values[:, end - len(block) : end] = np.stack(block, axis=1)
        if progress is not None:
            progress(min(start + COLUMNS_AT_ONCE, len(wanted)), len(wanted))
    _report_faulty(table, faulty, found)
    if decimal_comma:
        found.note("Decimal commas were read as decimal points.", file=table.rows.file)
    if n_infinite:
        found.warn(
            f"{count(n_infinite, 'infinite value')} treated as missing.", file=table.rows.file
        )
    return replace(matrix, values=values[:, : len(matrix.columns)])


def _blank_huge(values: NDArray[np.float64]) -> int:
    """Make values beyond single precision missing, in place, and count them."""
    huge = np.abs(values) > np.finfo(np.float32).max
    values[huge] = np.nan
    return int(huge.sum())


def _look_at(column: str, values: NDArray[np.float64], matrix: _Matrix) -> None:
    """Note whether a column varies, and its codes."""
    known = values[np.isfinite(values)]
    if not len(known) or known.min() >= known.max():
        matrix.constant.append(column)
    if np.isin(known, SENTINELS).any():
        codes = sentinels(known)
        if codes:
            matrix.codes[column] = codes


def _report_faulty(
    table: PatientTable, faulty: list[tuple[str, Numbers, bool]], found: Findings
) -> None:
    where: dict[str, Any] = {"file": table.rows.file, "code": "E-15"}
    fix = "Correct the cells, or leave them blank."
    if len(faulty) > MAX_NAMED_COLUMNS:
        texts = [c for c, _, is_text in faulty if is_text]
        words = dict.fromkeys(v for _, numbers, _ in faulty for v in numbers.bad_values)
        rows = np.unique(np.concatenate([numbers.bad_rows for _, numbers, _ in faulty]))
        found.warn(
            f"{len(faulty)} columns have non-numeric values ({examples(words)}), treated as "
            f"missing, e.g. {examples(c for c, _, _ in faulty)}."
            + (f" {len(texts)} of them are mostly text and left out." if texts else ""),
            rows=table.rows_at(rows),
            fix=fix,
            topic="text",
            columns=tuple(c for c, _, _ in faulty),
            values=tuple(words),
            **where,
        )
        return
    for column, numbers, is_text in faulty:
        done = "left out, as most of it is text" if is_text else "treated as missing"
        found.warn(
            f"{column} has {count(len(numbers.bad_rows), 'non-numeric value')} "
            f"({examples(numbers.bad_values)}); {done}.",
            column=column,
            rows=table.rows_at(numbers.bad_rows),
            fix=fix,
            topic="label" if is_text else "text",
            columns=(column,),
            values=numbers.bad_values,
            **where,
        )


def _note_values(table: PatientTable, matrix: _Matrix, found: Findings) -> None:
    codes, constant = matrix.codes, matrix.constant
    if codes:
        found.warn(
            f"{count(len(codes), 'column holds', 'columns hold')} codes such as 999 or -9, far "
            f"from all other values: {examples(codes)}.",
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
