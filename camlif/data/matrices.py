"""Feature tables to float32 matrices: what is no number is reported and becomes missing."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlif.data.clinical import report_personal
from camlif.data.cohort import BoolArray, FloatArray
from camlif.data.groups import feature_groups
from camlif.data.manifest import ModalitySection
from camlif.data.patients import PatientTable
from camlif.data.problems import Findings, count, examples
from camlif.data.roles import personal_kind, plain
from camlif.data.schema import BagSpec, GroupSpec, ModalitySpec
from camlif.data.values import SENTINELS, Numbers, sentinels, to_numbers
from camlif.exceptions import SchemaError

MAX_SHARE_MISSING = 0.3
"""A patient who lacks more of a modality's values lacks the modality."""

MAX_NAMED_COLUMNS = 10
"""With more faulty columns than this, a table gets one problem for all of them."""

_PROVENANCE = re.compile(r"diagnostics_.*|image|mask|reader|label_path|filename|file_name", re.I)
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
    """

    spec: ModalitySpec
    file: str
    ids: list[str]
    values: FloatArray


def read_modality(
    name: str, table: PatientTable, section: ModalitySection, found: Findings
) -> ModalityData | None:
    """Read a feature table; None if it holds no numeric column (an error was added)."""
    table = _without_other_columns(table, section, found)
    values, columns = _numbers(table, found)
    if not columns:
        found.error(
            f"{table.rows.file} has no numeric column.",
            code="E-15",
            file=table.rows.file,
            fix="Give features as numbers, one column each.",
        )
        return None
    _note_values(table, values, columns, found)
    try:
        spec = _specification(name, columns, section)
    except SchemaError as error:
        found.error(error.message, file=table.rows.file, column=error.column, fix=error.fix)
        return None
    position = {c: i for i, c in enumerate(columns)}
    ordered = values[:, [position[c] for c in spec.columns]]
    if spec.bag is None:
        ids, matrix = _drop_sparse(table, ordered, found)
    else:
        ids, matrix = table.ids, ordered.astype(np.float32)
    return ModalityData(spec=spec, file=table.rows.file, ids=ids, values=matrix)


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
    excluded = {c for pattern in section.exclude for c in fnmatch.filter(columns, pattern)}
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
    drop = excluded.union(provenance, outcome, personal)
    rows = replace(
        table.rows, table=table.rows.table.drop_columns([c for c in columns if c in drop])
    )
    return replace(table, rows=rows)


def _numbers(table: PatientTable, found: Findings) -> tuple[NDArray[np.float64], list[str]]:
    """Return the numeric columns; one that is mostly text is left out."""
    kept: list[tuple[str, Numbers]] = []
    faulty: list[tuple[str, Numbers, bool]] = []
    for column in table.rows.columns:
        numbers = to_numbers(table.rows.table[column])
        is_text = len(numbers.bad_rows) > numbers.n_values
        if len(numbers.bad_rows):
            faulty.append((column, numbers, is_text))
        if not is_text:
            kept.append((column, numbers))
    _report_faulty(table, faulty, found)
    if any(numbers.decimal_comma for _, numbers in kept):
        found.note("Decimal commas were read as decimal points.", file=table.rows.file)
    values = (
        np.stack([n.values for _, n in kept], axis=1) if kept else np.zeros((len(table.ids), 0))
    )
    huge = np.abs(values) > np.finfo(np.float32).max
    values[huge] = np.nan
    n_infinite = sum(n.n_infinite for _, n in kept) + int(huge.sum())
    if n_infinite:
        found.warn(
            f"{count(n_infinite, 'infinite value')} treated as missing.", file=table.rows.file
        )
    return values, [column for column, _ in kept]


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
            **where,
        )


def _note_values(
    table: PatientTable, values: NDArray[np.float64], columns: list[str], found: Findings
) -> None:
    suspects = np.flatnonzero(np.isin(values, SENTINELS).any(axis=0))
    coded = [columns[i] for i in suspects if sentinels(values[:, i])]
    if coded:
        found.warn(
            f"{count(len(coded), 'column holds', 'columns hold')} codes such as 999 or -9, far "
            f"from all other values: {examples(coded)}.",
            file=table.rows.file,
            fix="If they mean 'missing', leave the cells blank.",
        )
    known = np.isfinite(values)
    low = np.where(known, values, np.inf).min(axis=0)
    high = np.where(known, values, -np.inf).max(axis=0)
    constant = [c for c, flat in zip(columns, low >= high, strict=True) if flat]
    if constant and len(table.ids) > 1:
        found.note(
            f"{count(len(constant), 'column')} without variation: {examples(constant)}.",
            file=table.rows.file,
        )


def _drop_sparse(
    table: PatientTable, values: NDArray[np.float64], found: Findings
) -> tuple[list[str], FloatArray]:
    """Leave out patients who lack too many values; note what stays missing."""
    missing = np.isnan(values)
    share = missing.mean(axis=1)
    sparse: BoolArray = share > MAX_SHARE_MISSING
    if sparse.any():
        found.warn(
            f"{count(int(sparse.sum()), 'patient')} lack more than {100 * MAX_SHARE_MISSING:.0f}% "
            "of the values; the modality counts as missing for them.",
            file=table.rows.file,
            rows=table.rows_at(np.flatnonzero(sparse)),
        )
    n_missing = int(missing[~sparse].sum())
    if n_missing:
        found.note(
            f"{count(n_missing, 'value')} missing ({100 * missing[~sparse].mean():.1f}%) in "
            f"{count(int(missing[~sparse].any(axis=1).sum()), 'patient')}.",
            file=table.rows.file,
        )
    keep = np.flatnonzero(~sparse)
    return [table.ids[i] for i in keep], values[keep].astype(np.float32)
