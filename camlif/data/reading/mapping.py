"""What columns were taken for, how sure that is, and what else they could have been.

What was read goes in; one `Assignment` a role comes out. Nothing fails.
"""

from __future__ import annotations

from collections import Counter

import pyarrow.compute as pc

from camlif.data.manifest import ClinicalSection
from camlif.data.reading.checks import Assignment, Confidence
from camlif.data.reading.durations import named_unit
from camlif.data.reading.follow_up import entry_column, outcome_columns, usual_meaning
from camlif.data.reading.gathered import Reading
from camlif.data.reading.patients import PatientTable, id_candidates
from camlif.data.reading.problems import MAX_EXAMPLES, MAX_SHOWN, shortened
from camlif.data.reading.roles import find_id, is_reversed, plain
from camlif.data.reading.tables import TextTable
from camlif.data.reading.values import blank_missing

UNITS = ("days", "months", "years")
CLINICAL_ROLES = ("subtype", "grade", "age", "sex", "centre")
MAX_CELLS = 20
"""An event column with more different cells than this is not offered cell by cell."""

_EXACT = {"time": "survival_months", "event": "event"}


def describe_mapping(reading: Reading) -> tuple[Assignment, ...]:
    """Return the role of every column that has one, and the roles that no column has.

    The order is that of the page: the clinical table's roles, then each table's identifiers.
    """
    rows: list[Assignment] = []
    clinical = reading.clinical_table
    if clinical is not None:
        section = reading.manifest.clinical
        rows += _outcome(clinical, section, reading)
        rows += [_clinical_role(role, clinical, section, reading) for role in CLINICAL_ROLES]
    for file, table in reading.sources.items():
        if reading.files[file].role in ("clinical", "modality"):
            rows.append(_identifier(table, reading))
    return tuple(rows)


def _identifier(table: TextTable, reading: Reading) -> Assignment:
    declared = declared_id(reading, table.file)
    read = next((t for t in reading.all_tables if t.rows.file == table.file), None)
    column = read.id_column if read is not None else find_id(table.columns, declared)
    hidden = reading.manifest.token_key is not None
    return Assignment(
        role="id",
        file=table.file,
        chosen=() if column is None else (column,),
        confidence=_confidence(column, declared, "patient_id"),
        examples=() if column is None or hidden else _examples(table, column),
        options=tuple(dict.fromkeys([*([column] if column else []), *id_candidates(table)])),
        needed=True,
    )


def declared_id(reading: Reading, file: str) -> str | None:
    """Return the column of identifiers that the manifest names for a table."""
    manifest, report = reading.manifest, reading.files[file]
    if report.role == "clinical":
        return manifest.clinical.id or manifest.id
    section = manifest.modalities.get(report.modality or "")
    return (section.id if section is not None else None) or manifest.id


def _outcome(table: PatientTable, section: ClinicalSection, reading: Reading) -> list[Assignment]:
    columns = table.rows.columns
    time, event = outcome_columns(columns, section)
    rows = [
        _column("time", table, time, section.duration, needed=True),
        _unit(table, time, section),
        _column("event", table, event, section.event, needed=True),
        _event_value(table, event, section, reading),
        _column("entry", table, entry_column(columns, section), section.entry, needed=False),
    ]
    return [row for row in rows if row is not None]


def _clinical_role(
    role: str, table: PatientTable, section: ClinicalSection, reading: Reading
) -> Assignment:
    roles = reading.clinical.roles if reading.clinical is not None else {}
    return _column(role, table, roles.get(role), getattr(section, role), needed=False)


def _column(
    role: str, table: PatientTable, column: str | None, declared: str | None, *, needed: bool
) -> Assignment:
    columns = table.rows.columns
    column = column if column in columns else None
    return Assignment(
        role=role,
        file=table.rows.file,
        chosen=() if column is None else (column,),
        confidence=_confidence(column, declared, _EXACT.get(role, role)),
        examples=() if column is None else _examples(table.rows, column),
        options=tuple(columns),
        needed=needed,
    )


def _unit(table: PatientTable, time: str | None, section: ClinicalSection) -> Assignment | None:
    if time is None or time not in table.rows.columns:
        return None
    unit = section.duration_unit or named_unit(time)
    confidence: Confidence = "absent" if unit is None else "sure"
    return Assignment(
        role="unit",
        file=table.rows.file,
        chosen=() if unit is None else (unit,),
        confidence="given" if section.duration_unit else confidence,
        examples=(),
        options=UNITS,
        needed=True,
    )


def _event_value(
    table: PatientTable, column: str | None, section: ClinicalSection, reading: Reading
) -> Assignment | None:
    if column is None or column not in table.rows.columns:
        return None
    cells = [c for c in blank_missing(table.rows.text(column)).to_pylist() if c is not None]
    counts = Counter(cells)
    coding = reading.outcome.coding if reading.outcome is not None else {}
    # The coding is known even where the follow-up time is not, and there is no outcome yet.
    usual = {cell: usual_meaning(cell) for cell in sorted(counts)}
    if not coding and not is_reversed(column) and None not in usual.values():
        coding = {cell: bool(happened) for cell, happened in usual.items()}
    chosen = tuple(cell for cell, happened in coding.items() if happened)
    known: Confidence = "sure" if counts.keys() <= {"0", "1"} else "inferred"
    if section.event_values:
        known = "given"
    elif not coding:
        known = "absent"
    return Assignment(
        role="event value",
        file=table.rows.file,
        chosen=chosen,
        confidence=known,
        examples=tuple(
            f"{shortened(cell)} ({n} {'row' if n == 1 else 'rows'})"
            for cell, n in counts.most_common(MAX_EXAMPLES)
        ),
        options=tuple(c for c in sorted(counts) if len(c) <= MAX_SHOWN)
        if len(counts) <= MAX_CELLS
        else chosen,
        needed=True,
    )


def _confidence(column: str | None, declared: str | None, exact: str) -> Confidence:
    if column is None:
        return "given" if declared == "" else "absent"
    if declared == column:
        return "given"
    return "sure" if plain(column) == exact else "inferred"


def _examples(table: TextTable, column: str) -> tuple[str, ...]:
    """Return the first few different cells of a column."""
    cells = pc.unique(blank_missing(table.text(column).slice(0, 1000))).to_pylist()
    return tuple([shortened(c) for c in cells if c is not None][:MAX_EXAMPLES])
