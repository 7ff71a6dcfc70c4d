"""Samples and slides of patients: which is whose, and what is known of them.

A table of specimens (cBioPortal's ``data_clinical_sample.txt``, or ``samples`` / ``slides`` with
a column for the specimen and one for its patient) is no modality: its columns join the clinical
table, and its identifiers are understood wherever another table uses them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from camlif.data.manifest import Manifest
from camlif.data.reading.gathered import Reading
from camlif.data.reading.patients import (
    Duplicates,
    FlowStep,
    PatientTable,
    assign_patients,
    id_candidates,
    id_column_of,
)
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.roles import ID_NAMES, find_id, find_named, modality_name
from camlif.data.reading.tables import TextTable, table_stem
from camlif.data.reading.values import TCGA_SAMPLE, clean_ids
from camlif.data.reading.words import plain
from camlif.wording import count, verb

STEMS = ("data_clinical_sample", "clinical_sample", "samples", "specimens", "slides")
SPECIMEN_NAMES = ("sample_id", "slide_id", "specimen_id", "image_id", "aliquot_id")
MAX_COLUMNS = 100
MIN_SHARE = 0.5
"""Share of the identifiers that must be specimens for a table to be one of specimens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimens:
    """A table of specimens and the columns that say which is whose."""

    table: TextTable
    specimen: str
    patient: str

    def owners(self) -> dict[str, str]:
        """Return the patient of each specimen."""
        pairs = zip(
            clean_ids(self.table.text(self.specimen)),
            clean_ids(self.table.text(self.patient)),
            strict=True,
        )
        return {specimen: patient for specimen, patient in pairs if specimen and patient}


def find_specimens(table: TextTable, manifest: Manifest) -> Specimens | None:
    """Return the table as one of specimens; None where it is none or was declared otherwise."""
    sections = manifest.modalities
    declared = {s.file for s in sections.values()} | {manifest.clinical.file}
    if table.file in declared or modality_name(table.file) in sections:
        return None
    if plain(table_stem(table.file)) not in STEMS or len(table.columns) > MAX_COLUMNS:
        return None
    specimen = find_named(table.columns, SPECIMEN_NAMES)
    patient = find_named(table.columns, [n for n in ID_NAMES if n not in ("sample_id", "id")])
    if specimen is None or patient is None:
        return None
    return Specimens(table=table, specimen=specimen, patient=patient)


def patient_of(specimen: str, owners: Mapping[str, str]) -> str:
    """Return the patient of a specimen: as declared, by its TCGA barcode, else itself."""
    return owners.get(specimen) or TCGA_SAMPLE.sub(r"\1", specimen)


def by_patient(table: TextTable, owners: Mapping[str, str], declared: str | None) -> TextTable:
    """Return the table with patients in the place of specimens, where most identifiers are such.

    Parameters
    ----------
    table : TextTable
    owners : mapping of str to str
        Specimen to patient; empty where the cohort has no specimens.
    declared : str or None
        Identifier column that the manifest names.
    """
    column = find_id(table.columns, declared)
    if not owners or column is None:
        return table
    ids = clean_ids(table.text(column))
    if sum(i in owners for i in ids) < MIN_SHARE * max(sum(map(bool, ids)), 1):
        return table
    named = pa.chunked_array([pa.array([owners.get(i, i) for i in ids], pa.string())])
    position = table.columns.index(column)
    return replace(table, table=table.table.set_column(position, column, named))


def join_specimens(clinical: TextTable, specimens: Specimens, reading: Reading) -> TextTable:
    """Return the clinical table with the columns of its patients' specimens.

    Different specimens of a patient are settled like any repeated patient.

    Parameters
    ----------
    clinical : TextTable
        One row per patient.
    specimens : Specimens
        The specimens' table and its two identifier columns.
    reading : Reading
        Takes the findings and the account of rows; its manifest says how repeats are settled.
    """
    rest = specimens.table.table.drop_columns([specimens.specimen])
    table = replace(specimens.table, table=rest)
    return join_table(clinical, table, reading, id_column=specimens.patient, needed=True)


def join_table(
    clinical: TextTable,
    table: TextTable,
    reading: Reading,
    *,
    id_column: str | None,
    needed: bool = False,
) -> TextTable:
    """Return the clinical table with the columns of another one, by patient.

    Every row of the other table is accounted for in the reading's steps. Columns that both have
    stay those of the clinical table, and are told of where they differ.

    Parameters
    ----------
    clinical, table : TextTable
    reading : Reading
    id_column : str or None
        Of ``table``, as declared.
    needed : bool
        Whether different rows of a patient are a question rather than a reason to go without.
    """
    found, file = reading.found, table.file
    declared = reading.manifest.clinical.id or reading.manifest.id
    own = id_column_of(clinical, declared or reading.id_columns.get(clinical.file))
    other = id_column_of(table, id_column)
    if own is None or other is None:
        found.warn(
            f"{file} left out, because no column names its patients.",
            code="E-05",
            file=file,
            fix="Pick the column that names each patient.",
            topic="id",
            columns=id_candidates(table),
        )
        return clinical
    both = [c for c in table.columns if c in clinical.columns and c != other]
    duplicates = _duplicates(reading.manifest)
    rows = assign_patients(
        replace(table, table=table.table.drop_columns(both)),
        found if needed or duplicates != "error" else Findings(),
        id_column=other,
        bag=False,
        duplicates="error" if needed and duplicates == "error" else _settled(duplicates),
        rules=reading.id_rules,
    )
    if rows is None:
        return clinical
    if not needed and duplicates == "error" and _repeats(rows):
        return _left_out(clinical, table, rows, reading)
    reading.steps += rows.steps
    at = {patient: i for i, patient in enumerate(rows.ids)}
    patients = reading.id_rules.read(clinical, own, Findings())
    joined = set(patients) & set(at)
    reading.steps.append(FlowStep(file=file, reason=f"joined to {clinical.file}", n=len(joined)))
    _report_strangers(file, clinical.file, [p for p in rows.ids if p not in joined], reading)
    index = pa.array([at.get(p) for p in patients], pa.int64())
    cells = clinical.table
    for name, values in zip(rows.rows.columns, rows.rows.table.columns, strict=True):
        cells = cells.append_column(name, values.take(index))
    names = rows.rows.columns
    found.note(
        f"{count(len(names), 'column')} of {count(len(joined), 'patient')} joined to "
        f"{clinical.file}" + (f": {examples(names)}." if names else "."),
        file=file,
    )
    _report_both(clinical, table, dict.fromkeys(both, (own, other)), found)
    return replace(clinical, table=cells, units={**table.units, **clinical.units})


def _settled(duplicates: Duplicates) -> Duplicates:
    return "first" if duplicates == "error" else duplicates


def _repeats(rows: PatientTable) -> bool:
    return any(step.reason.startswith("repeated patient") for step in rows.steps)


def _left_out(
    clinical: TextTable, table: TextTable, rows: PatientTable, reading: Reading
) -> TextTable:
    """Go without a table of several rows a patient, and say so."""
    reading.found.warn(
        f"{table.file} left out, because it has several different rows of a patient "
        f"({count(len(table), 'row')} of {count(len(rows.ids), 'patient')}).",
        code="E-06",
        file=table.file,
        fix=f"Leave one row of each to join it to {clinical.file}.",
        topic="duplicates",
    )
    step = FlowStep(file=table.file, reason="several rows a patient", n=len(table))
    reading.steps.append(step)
    return clinical


def _cells(table: TextTable, ids: str, column: str) -> Iterator[tuple[str, str | None]]:
    return zip(clean_ids(table.text(ids)), table.text(column).to_pylist(), strict=True)


def _report_both(
    clinical: TextTable, table: TextTable, both: Mapping[str, tuple[str, str]], found: Findings
) -> None:
    """Tell of columns that two tables have with different cells."""
    differ = []
    for column, (own, other) in both.items():
        mine = dict(
            zip(clean_ids(clinical.text(own)), clinical.text(column).to_pylist(), strict=True)
        )
        theirs = zip(clean_ids(table.text(other)), table.text(column).to_pylist(), strict=True)
        if any(p in mine and mine[p] and cell and mine[p] != cell for p, cell in theirs):
            differ.append(column)
    if differ:
        found.warn(
            f"{examples(differ)} {verb(len(differ), 'differs', 'differ')} from "
            f"{clinical.file}, whose cells count.",
            file=table.file,
            column=differ[0] if len(differ) == 1 else None,
            fix="Correct one of the tables, or leave one out.",
            topic="file",
        )


def _duplicates(manifest: Manifest) -> Duplicates:
    return "first" if manifest.duplicates == "largest" else manifest.duplicates


def _report_strangers(file: str, clinical: str, strangers: list[str], reading: Reading) -> None:
    if not strangers:
        return
    found: Findings = reading.found
    found.warn(
        f"{count(len(strangers), 'patient')} of {file} left out, who are not in {clinical}: "
        f"{examples(strangers)}.",
        code="E-07",
        file=file,
        fix="Add them to the clinical table.",
    )
    reading.steps.append(FlowStep(file=file, reason=f"patient not in {clinical}", n=len(strangers)))
