"""Samples and slides of patients: which is whose, and what is known of them.

A table of specimens (cBioPortal's ``data_clinical_sample.txt``, or ``samples`` / ``slides`` with
a column for the specimen and one for its patient) is no modality: its columns join the clinical
table, and its identifiers are understood wherever another table uses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from camlif.data.manifest import Manifest
from camlif.data.reading.gathered import Reading
from camlif.data.reading.patients import Duplicates, FlowStep, assign_patients
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.roles import ID_NAMES, find_id, find_named, modality_name, plain
from camlif.data.reading.tables import TextTable, table_stem
from camlif.data.reading.values import TCGA_SAMPLE, clean_ids
from camlif.wording import count

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

    Every row of the specimens' table is accounted for in the reading's steps. Different specimens
    of a patient are settled like any repeated patient.

    Parameters
    ----------
    clinical : TextTable
        One row per patient.
    specimens : Specimens
        The specimens' table and its two identifier columns.
    reading : Reading
        Takes the findings and the account of rows; its manifest says how repeats are settled.
    """
    found, file = reading.found, specimens.table.file
    rest = specimens.table.table.drop_columns([specimens.specimen])
    known = [c for c in rest.column_names if c in clinical.columns and c != specimens.patient]
    rows = assign_patients(
        replace(specimens.table, table=rest.drop_columns(known)),
        found,
        id_column=specimens.patient,
        bag=False,
        duplicates=_duplicates(reading.manifest),
        id_length=reading.manifest.id_length,
    )
    column = find_id(clinical.columns, reading.manifest.clinical.id or reading.manifest.id)
    if rows is None or column is None:
        return clinical
    reading.steps += rows.steps
    at = {patient: i for i, patient in enumerate(rows.ids)}
    patients = [TCGA_SAMPLE.sub(r"\1", i) for i in clean_ids(clinical.text(column))]
    joined = set(patients) & set(at)
    reading.steps.append(FlowStep(file=file, reason=f"joined to {clinical.file}", n=len(joined)))
    _report_strangers(file, clinical.file, [p for p in rows.ids if p not in joined], reading)
    index = pa.array([at.get(p) for p in patients], pa.int64())
    table = clinical.table
    for name, values in zip(rows.rows.columns, rows.rows.table.columns, strict=True):
        table = table.append_column(name, values.take(index))
    found.note(
        f"{count(len(rows.rows.columns), 'column')} of {len(joined)} patients joined to "
        f"{clinical.file}.",
        file=file,
    )
    return replace(clinical, table=table)


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
