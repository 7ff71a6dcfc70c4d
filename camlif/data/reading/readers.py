"""Tables to a cohort: the one way in, used by the command line and by every page.

A folder or files go in; a `Cohort` with its `CheckReport` comes out. Raises `CohortError` with all
problems at once where an error stands among them, `DataError` where nothing can be read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from camlif.data.cohort import Cohort
from camlif.data.formats.registry import format_of
from camlif.data.formats.slides import SlideReader
from camlif.data.manifest import (
    MANIFEST,
    Change,
    Manifest,
    ModalitySection,
    apply_changes,
    read_manifest,
)
from camlif.data.reading.arrangement import arrange
from camlif.data.reading.checks import CheckReport, FeatureGroup
from camlif.data.reading.cleaning import blank_cells, kept_rows, recoded_cells, renamed_columns
from camlif.data.reading.clinical import read_clinical
from camlif.data.reading.copies import report_copies
from camlif.data.reading.course import read_course
from camlif.data.reading.declared import check_declared
from camlif.data.reading.evidence import OutcomeByPatient
from camlif.data.reading.follow_up import entry_column, read_follow_up
from camlif.data.reading.gathered import Progress, Reading, assemble
from camlif.data.reading.groups import group_patterns
from camlif.data.reading.identifiers import report_alike, report_within, with_copies_named
from camlif.data.reading.mapping import describe_mapping, id_name
from camlif.data.reading.matrices import read_modality
from camlif.data.reading.orientation import upright
from camlif.data.reading.outcomes import choose_outcome
from camlif.data.reading.patients import PatientTable, assign_patients, check_overlap
from camlif.data.reading.personal import report_personal_ids
from camlif.data.reading.problems import Findings, cohort_error
from camlif.data.reading.row_scale import report_scaled
from camlif.data.reading.sources import Files, read_sources
from camlif.data.reading.specimens import by_patient
from camlif.data.reading.tables import TextTable
from camlif.data.reading.tissue import wanted_samples
from camlif.data.reading.tokens import replace_ids
from camlif.data.schema import ModalitySpec
from camlif.exceptions import DataError
from camlif.files import standing


def load_cohort(
    path: str | Path,
    *,
    manifest: Manifest | Path | None = None,
    progress: Progress | None = None,
) -> Cohort:
    """Read a cohort folder.

    Parameters
    ----------
    path : str or Path
        Folder with one table per modality and ``clinical.*`` in any of the `FORMATS` of
        `camlif.data.formats.registry`, and optionally ``cohort.toml``. Of sub-folders, only the
        slides' embeddings are read: a sub-folder is a modality.
    manifest : Manifest or Path, optional
        Used instead of the folder's own.
    progress : callable, optional
        Called with (done, total, what) while columns are read.

    Returns
    -------
    Cohort
        Patients of the clinical table in its order, then those found in modalities only.

    Raises
    ------
    CohortError
        If the folder holds no usable cohort; ``problems`` has every error.
    """
    folder = Path(path)
    cohort, report = read_cohort(
        folder_files(folder), manifest=manifest, title=folder.resolve().name, progress=progress
    )
    if cohort is None:
        raise cohort_error(report.errors)
    return cohort


def check_folder(path: str | Path, *, manifest: Manifest | Path | None = None) -> CheckReport:
    """Check a cohort folder (see `load_cohort`) without building anything from it.

    Raises
    ------
    DataError
        If there is no such folder.
    """
    folder = Path(path)
    return read_cohort(folder_files(folder), manifest=manifest, title=folder.resolve().name)[1]


def folder_files(folder: Path) -> dict[str, Path]:
    """Return the visible files of a folder by name, and the slides of its sub-folders.

    Raises
    ------
    DataError
        If there is no such folder.
    """
    home = standing(folder)
    if not home.is_dir():
        raise DataError(
            "There is no such folder." if not folder.exists() else "This is a file, not a folder.",
            file=str(folder),
            fix="Give the folder that holds the tables.",
            code="E-01",
        )
    visible = [f for f in sorted(home.iterdir()) if f.name[0] != "."]
    folders = [f for f in visible if f.is_dir() and os.access(f, os.R_OK | os.X_OK)]
    slides = [s for f in folders for s in sorted(f.iterdir()) if _is_slide(s.name)]
    files = {f.name: f for f in visible if f.is_file()}
    return files | {f"{s.parent.name}/{s.name}": s for s in slides if s.is_file()}


def _is_slide(name: str) -> bool:
    form = format_of(name)
    return form is not None and isinstance(form.reader, SlideReader)


def read_cohort(
    files: Files,
    *,
    manifest: Manifest | Path | None = None,
    changes: Sequence[Change] = (),
    title: str = "Uploaded tables",
    progress: Progress | None = None,
) -> tuple[Cohort | None, CheckReport]:
    """Read tables, collecting every problem.

    Parameters
    ----------
    files : mapping of file name to Path or bytes
    manifest : Manifest or Path, optional
        Else ``cohort.toml`` among the files, else everything is judged by names.
    changes : sequence of Change
        Made to that manifest before anything is read.
    title : str
        Used where the manifest has none.
    progress : callable, optional
        Called with (done, total, what) while columns are read.

    Returns
    -------
    cohort : Cohort or None
        None if the report has errors.
    report : CheckReport
    """
    found = Findings()
    reading = Reading(found, _manifest(files, manifest, changes, found), progress=progress)
    _read_tables(read_sources(files, reading), reading)
    check_declared(reading)
    reading.course = read_course(reading)
    if reading.manifest.token_key is not None:
        replace_ids(reading, reading.manifest.token_key)
    report_title = reading.manifest.title or title
    cohort = None
    if not found.has_errors:
        cohort = assemble(reading, title)
    report = CheckReport(
        title=report_title,
        files=tuple(reading.files.values()),
        problems=found.sorted(),
        flow=reading.flow(),
        outcome=reading.outcome,
        groups={m.spec.name: _described_groups(m.spec, reading) for m in reading.modalities},
        inputs=tuple(c.name for c in reading.clinical.inputs) if reading.clinical else (),
        mapping=describe_mapping(reading),
        no_inputs={file: roles for file, roles in reading.no_inputs.items() if roles},
        manifest=reading.manifest,
        clinical=reading.clinical_table,
    )
    return cohort, report


def _described_groups(spec: ModalitySpec, reading: Reading) -> tuple[FeatureGroup, ...]:
    section = reading.manifest.modalities.get(spec.name, ModalitySection())
    patterns = group_patterns(spec.groups, section.groups)
    return tuple(FeatureGroup(g.name, g.n_features, patterns[g.name]) for g in spec.groups)


def _manifest(
    files: Files, given: Manifest | Path | None, changes: Sequence[Change], found: Findings
) -> Manifest:
    if isinstance(given, Manifest):
        return apply_changes(given, changes)
    source = given if given is not None else files.get(MANIFEST)
    try:
        manifest = Manifest() if source is None else read_manifest(source)
    except (DataError, OSError) as error:
        message = error.message if isinstance(error, DataError) else str(error)
        if not _ignored(MANIFEST, changes):
            found.error(
                message, file=MANIFEST, fix="Correct the manifest, or remove it.", topic="manifest"
            )
        return apply_changes(Manifest(), changes)
    return apply_changes(manifest, changes)


def _ignored(file: str, changes: Sequence[Change]) -> bool:
    return any(change.path == ("ignore",) and file in change.value for change in changes)


def _read_tables(tables: list[TextTable], reading: Reading) -> None:
    """Read each table as what it is."""
    arrangement = arrange(tables, reading)
    if arrangement.clinical is not None:
        _read_clinical_table(arrangement.clinical, reading)
    known = set(reading.clinical_table.ids) if reading.clinical_table else set()
    for name, (table, section) in arrangement.modalities.items():
        table = _upright(table, known | set(reading.owners), reading)
        id_column = id_name(reading, table.file)
        table, others = wanted_samples(
            table, reading.manifest.samples, id_column, reading.found, known=known
        )
        table = with_copies_named(table, id_column, known, reading.found)
        table = by_patient(table, reading.owners, id_column)
        table = renamed_columns(table, section.rename, reading.found)
        table = blank_cells(table, section.missing, reading.found)
        table, steps = kept_rows(table, section.keep)
        reading.steps += (*others, *steps)
        patients = _patients(table, reading, bag=section.type == "bag")
        if patients is None:
            continue
        reading.tables.append(patients)
        telling = reading.telling(f"checking {table.file}")
        data = read_modality(
            name, patients, section, reading.known, reading.clinical, reading.found, telling
        )
        if data is not None:
            reading.modalities.append(data)
            reading.no_inputs[table.file] = data.no_inputs
        elif not reading.found.has_errors:
            reading.tables.pop()
            reading.set_role(table.file, "ignored")
    if not reading.tables:
        reading.found.error(
            "No feature table found.",
            code="E-03",
            fix="Add one table per modality, the first column patient_id.",
        )
    report_copies(reading.modalities, reading.found)
    report_scaled(reading.modalities, reading.found)
    asked = report_alike(reading.all_tables, reading.manifest.ids, reading.found)
    clinical, ids = reading.clinical_table, reading.manifest.ids
    within = set() if asked else report_within(reading.tables, clinical, ids, reading.found)
    check_overlap(
        reading.all_tables, reading.found, by_spelling=asked, clinical=clinical, asked=within
    )


def _upright(table: TextTable, patients: set[str], reading: Reading) -> TextTable:
    """Turn a table whose patients are in columns, which then count as its rows."""
    declared = reading.manifest.patients_in.get(table.file)
    turned = upright(table, patients, reading.found, declared=declared)
    if turned is not table:
        reading.files[table.file] = replace(
            reading.files[table.file],
            n_rows=len(turned),
            n_columns=len(turned.columns) - 1,
            turned=True,
        )
    return turned


def _patients(table: TextTable, reading: Reading, *, bag: bool) -> PatientTable | None:
    reading.sources[table.file] = table
    patients = assign_patients(
        table,
        reading.found,
        id_column=id_name(reading, table.file),
        bag=bag,
        duplicates=reading.manifest.duplicates,
        rules=reading.id_rules,
    )
    if patients is not None and reading.manifest.token_key is None:
        report_personal_ids(patients, reading.found)
    return patients


def _read_clinical_table(table: TextTable, reading: Reading) -> None:
    section = reading.manifest.clinical
    table = renamed_columns(table, section.rename, reading.found)
    table = recoded_cells(table, section.levels, reading.found)
    table = blank_cells(table, section.missing, reading.found)
    patients = _patients(table, reading, bag=False)
    if patients is None:
        return
    reading.clinical_table = patients
    reading.outcome = read_follow_up(patients, section, reading.found)
    outcome = reading.outcome
    columns = outcome.columns if outcome else None
    used = (columns or choose_outcome(patients.rows, section)).used
    entry = entry_column(patients.rows.columns, section)
    reading.known = OutcomeByPatient.of(patients.ids, outcome)
    reading.clinical = read_clinical(
        patients, section, (*used, *([entry] if entry else [])), reading.known, reading.found
    )
    reading.no_inputs[table.file] = reading.clinical.no_inputs
    if reading.known is not None:
        reading.known = replace(reading.known, clinical=reading.clinical.numbers)
