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
from camlif.data.products import product_of
from camlif.data.reading.checks import CheckReport, FeatureGroup
from camlif.data.reading.cleaning import blank_cells, kept_rows, recoded_cells, renamed_columns
from camlif.data.reading.clinical import read_clinical, report_personal_ids
from camlif.data.reading.declared import check_declared
from camlif.data.reading.follow_up import entry_column, outcome_columns, read_follow_up
from camlif.data.reading.gathered import Progress, Reading, assemble
from camlif.data.reading.groups import group_patterns
from camlif.data.reading.mapping import declared_id, describe_mapping
from camlif.data.reading.matrices import read_modality
from camlif.data.reading.orientation import upright
from camlif.data.reading.patients import FlowStep, PatientTable, assign_patients, check_overlap
from camlif.data.reading.problems import Findings, cohort_error, examples
from camlif.data.reading.roles import (
    find_duration,
    find_event,
    is_clinical_name,
    modality_name,
    outcome_pairs,
)
from camlif.data.reading.sources import Files, read_sources, with_patients_in_rows
from camlif.data.reading.specimens import Specimens, by_patient, find_specimens, join_specimens
from camlif.data.reading.tables import TextTable
from camlif.data.reading.tokens import replace_ids
from camlif.data.schema import ModalitySpec
from camlif.exceptions import DataError
from camlif.files import standing

RESERVED = "clinical"
MAX_CLINICAL_COLUMNS = 100
"""A table with more columns is not offered as the clinical one."""


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
    _assign_roles(read_sources(files, reading), reading)
    check_declared(reading)
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
        manifest=reading.manifest,
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


def _assign_roles(tables: list[TextTable], reading: Reading) -> None:
    """Decide what each table is, and read it as that."""
    specimens, rest = _without_specimens(_without_products(tables, reading), reading)
    clinical = _find_clinical(rest, reading)
    if clinical is not None:
        rest.remove(clinical)
    clinical = _with_specimens(clinical, specimens, reading)
    if clinical is not None:
        reading.set_role(clinical.file, "clinical")
        _read_clinical_table(clinical, reading)
        rest = _without_outcomes(rest, reading)
    elif rest:
        reading.found.warn(
            "No clinical table found. You can still score cases; survival curves stay off.",
            code="E-08",
            fix="Add clinical.csv with patient_id, survival_months and event, or choose the table.",
            topic="clinical",
            values=tuple(t.file for t in rest if len(t.columns) <= MAX_CLINICAL_COLUMNS),
        )
    known = set(reading.clinical_table.ids) if reading.clinical_table else set()
    for name, (table, section) in _modality_files(rest, reading).items():
        reading.set_role(table.file, "modality", name)
        table = _upright(table, known | set(reading.owners), reading)
        table = by_patient(table, reading.owners, declared_id(reading, table.file))
        table = renamed_columns(table, section.rename, reading.found)
        table = blank_cells(table, section.missing, reading.found)
        table, steps = kept_rows(table, section.keep)
        reading.steps += steps
        patients = _patients(table, reading, bag=section.type == "bag")
        if patients is None:
            continue
        reading.tables.append(patients)
        telling = reading.telling(f"checking {table.file}")
        data = read_modality(name, patients, section, reading.found, telling)
        if data is not None:
            reading.modalities.append(data)
    if not reading.tables:
        reading.found.error(
            "No feature table found.",
            code="E-03",
            fix="Add one table per modality, the first column patient_id.",
        )
    check_overlap(reading.all_tables, reading.found)


def _without_products(tables: list[TextTable], reading: Reading) -> list[TextTable]:
    """Leave out tables that this program wrote: a result beside the inputs is no input."""
    rest = []
    for table in tables:
        product = product_of(table.columns)
        if product is None:
            rest.append(table)
        else:
            reading.set_role(table.file, "predictions")
            reading.found.note(
                f"Holds {product}, a result and no input; left out.", file=table.file
            )
    return rest


def _without_outcomes(tables: list[TextTable], reading: Reading) -> list[TextTable]:
    """Leave out small tables that hold outcomes beside the clinical table: they are no features."""
    named = {section.file for section in reading.manifest.modalities.values()}
    rest = []
    for table in tables:
        outcomes = outcome_pairs(table.columns)
        small = len(table.columns) <= MAX_CLINICAL_COLUMNS
        if not outcomes or not small or table.file in named:
            rest.append(table)
            continue
        reading.set_role(table.file, "ignored")
        reading.found.warn(
            f"Holds outcomes ({examples(outcomes)}), which are never features; left out.",
            file=table.file,
            fix="Put the endpoint that is meant, and clinical columns, into the clinical table.",
        )
    return rest


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


def _without_specimens(
    tables: list[TextTable], reading: Reading
) -> tuple[list[Specimens], list[TextTable]]:
    """Part tables of specimens from the others, and turn these so that patients are in rows."""
    specimens, rest = [], []
    for table in tables:
        found = find_specimens(table, reading.manifest)
        if found is None:
            rest.append(table)
        else:
            specimens.append(found)
            reading.owners |= found.owners()
            reading.set_role(table.file, "clinical")
    turned = (with_patients_in_rows(table, reading) for table in rest)
    return specimens, [table for table in turned if table is not None]


def _with_specimens(
    clinical: TextTable | None, specimens: list[Specimens], reading: Reading
) -> TextTable | None:
    """Join what is known of specimens to the clinical table, or let the first serve as one."""
    for one in specimens:
        if clinical is not None:
            clinical = join_specimens(clinical, one, reading)
        elif reading.manifest.clinical.file is None:
            clinical = replace(one.table, table=one.table.table.drop_columns([one.specimen]))
        else:
            step = FlowStep(file=one.table.file, reason="no clinical table", n=len(one.table))
            reading.steps.append(step)
    return clinical


def _find_clinical(tables: list[TextTable], reading: Reading) -> TextTable | None:
    declared = reading.manifest.clinical.file
    if declared == "":
        return None
    if declared is not None:
        for table in tables:
            if table.file == declared:
                return table
        if declared not in reading.files:
            reading.found.error(
                "The manifest names a clinical table that is not there.",
                file=declared,
                fix="Add the file, or look by name instead.",
                topic="column",
            )
        return None
    named = [t for t in tables if is_clinical_name(t.file)]
    if not named:
        named = [
            t
            for t in tables
            if find_duration(t.columns) is not None and find_event(t.columns) is not None
        ]
    if len(named) > 1:
        reading.found.error(
            f"Several files may be the clinical table: {examples(t.file for t in named)}.",
            file=named[1].file,
            fix="Choose one, or keep one.",
            topic="clinical",
            values=tuple(t.file for t in named),
        )
    return named[0] if named else None


def _modality_files(
    tables: list[TextTable], reading: Reading
) -> dict[str, tuple[TextTable, ModalitySection]]:
    """Return table and manifest section of each modality, in order."""
    declared = reading.manifest.modalities
    if not declared:
        return _guessed_modalities(tables, reading)
    chosen: dict[str, tuple[TextTable, ModalitySection]] = {}
    taken: set[str] = set()
    for name, section in declared.items():
        fits = [
            t
            for t in tables
            if t.file not in taken
            and (t.file == section.file if section.file else modality_name(t.file) == name)
        ]
        if fits:
            chosen[name] = (fits[0], section)
            taken.add(fits[0].file)
        elif section.file not in reading.files:
            reading.found.error(
                f"The manifest names the modality {name}, but its table is not there.",
                file=section.file or f"{name}.csv",
                fix="Add the file, or correct the manifest.",
                topic="modality",
                values=(name,),
            )
    left = [t.file for t in tables if t.file not in taken]
    if left:
        reading.found.warn(
            f"Tables that the manifest does not name left out: {examples(left)}.",
            topic="unnamed",
            values=tuple(left),
        )
    return chosen


def _guessed_modalities(
    tables: list[TextTable], reading: Reading
) -> dict[str, tuple[TextTable, ModalitySection]]:
    chosen: dict[str, tuple[TextTable, ModalitySection]] = {}
    for table in sorted(tables, key=lambda t: t.file):
        name = modality_name(table.file)
        if name == RESERVED or name in chosen:
            reading.found.error(
                f"Two tables are called {name}.",
                file=table.file,
                fix="Give every table a name of its own, or leave one out.",
                topic="file",
            )
            continue
        chosen[name] = (table, ModalitySection())
    return chosen


def _patients(table: TextTable, reading: Reading, *, bag: bool) -> PatientTable | None:
    reading.sources[table.file] = table
    patients = assign_patients(
        table,
        reading.found,
        id_column=declared_id(reading, table.file),
        bag=bag,
        duplicates=reading.manifest.duplicates,
        id_length=reading.manifest.id_length,
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
    columns = patients.rows.columns
    used = (*outcome_columns(columns, section), entry_column(columns, section))
    outcome = tuple(column for column in used if column is not None)
    reading.clinical = read_clinical(patients, section, outcome, reading.found)
