"""What columns were taken for, how sure that is, and what else they could have been.

What was read goes in; one `Assignment` a role comes out. Nothing fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from types import MappingProxyType

import pyarrow.compute as pc

from camlif.data.manifest import ClinicalSection
from camlif.data.reading.checks import Assignment, Confidence
from camlif.data.reading.coding import coding_of, is_told_by_words, legend
from camlif.data.reading.follow_up import entry_column
from camlif.data.reading.gathered import Reading
from camlif.data.reading.outcomes import MAX_CODES, OutcomeColumns, choose_outcome, promised_status
from camlif.data.reading.patients import PatientTable, id_candidates
from camlif.data.reading.problems import MAX_EXAMPLES, MAX_SHOWN, shorten
from camlif.data.reading.roles import find_id
from camlif.data.reading.tables import TextTable
from camlif.data.reading.values import blank_missing
from camlif.data.reading.words import named_unit, plain
from camlif.wording import count

UNITS = ("days", "weeks", "months", "years")
CLINICAL_ROLES = ("subtype", "grade", "age", "sex", "centre")
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
    column = (
        read.id_column if read is not None else find_id(table.columns, id_name(reading, table.file))
    )
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


def id_name(reading: Reading, file: str) -> str | None:
    """Return the column of identifiers of a table: declared, or the one that fits other tables."""
    return declared_id(reading, file) or reading.id_columns.get(file)


def _outcome(table: PatientTable, section: ClinicalSection, reading: Reading) -> list[Assignment]:
    outcome = reading.outcome
    columns = None if outcome is None else outcome.columns
    if columns is None:
        columns = choose_outcome(table.rows, section)
    entry = entry_column(table.rows.columns, section)
    parts = (
        ("time", columns.duration, section.duration, True),
        ("last contact", columns.last, section.duration_else, False),
        ("start", columns.start, section.start, False),
        ("event", columns.event, section.event, True),
        ("entry", entry, section.entry, False),
    )
    rows: dict[str, Assignment | None] = {
        role: _column(role, table, column, declared, needed=needed, because=columns.because)
        for role, column, declared, needed in parts
    }
    unit = _unit(table, columns, section)
    value = _event_value(table, columns.event, section, reading)
    order = (rows["time"], rows["last contact"], rows["start"], unit, rows["event"], value)
    return [row for row in (*order, rows["entry"]) if row is not None]


def _clinical_role(
    role: str, table: PatientTable, section: ClinicalSection, reading: Reading
) -> Assignment:
    roles = reading.clinical.roles if reading.clinical is not None else {}
    return _column(role, table, roles.get(role), getattr(section, role), needed=False)


def _column(
    role: str,
    table: PatientTable,
    column: str | None,
    declared: str | None,
    *,
    needed: bool,
    because: Mapping[str, str] = MappingProxyType({}),
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
        because=because.get(column or "", "its name" if column else "")
        if declared != column
        else "",
        rivals=promised_status(table.rows) if role == "event" else (),
    )


def _unit(
    table: PatientTable, columns: OutcomeColumns, section: ClinicalSection
) -> Assignment | None:
    if columns.duration not in table.rows.columns or columns.start is not None:
        return None
    names = (columns.duration or "", columns.last or "")
    unit = section.duration_unit or next((u for n in names if (u := named_unit(n))), None)
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
    usual = coding_of(column, sorted(counts))
    if not coding and None not in usual.values():
        coding = {cell: bool(happened) for cell, happened in usual.items()}
    chosen = tuple(cell for cell, happened in coding.items() if happened)
    plainly = counts.keys() <= {"0", "1"} and not legend(column)
    known: Confidence = "sure" if plainly else "inferred"
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
            f"{shorten(cell)} ({count(n, 'row')})" for cell, n in counts.most_common(MAX_EXAMPLES)
        ),
        options=tuple(c for c in sorted(counts) if len(c) <= MAX_SHOWN)
        if len(counts) <= MAX_CODES
        else chosen,
        needed=True,
        because="" if section.event_values else _reason_of_coding(column, counts),
    )


def _reason_of_coding(column: str, cells: Collection[str]) -> str:
    return "its words" if cells and is_told_by_words(column, cells) else "usage"


def _confidence(column: str | None, declared: str | None, exact: str) -> Confidence:
    if column is None:
        return "given" if declared == "" else "absent"
    if declared == column:
        return "given"
    return "sure" if plain(column) == exact else "inferred"


def _examples(table: TextTable, column: str) -> tuple[str, ...]:
    """Return the first few different cells of a column."""
    cells = pc.unique(blank_missing(table.text(column).slice(0, 1000))).to_pylist()
    return tuple([shorten(c) for c in cells if c is not None][:MAX_EXAMPLES])
