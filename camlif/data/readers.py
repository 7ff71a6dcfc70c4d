"""Tables to a cohort: the one way in, used by the command line and by every page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from camlif.data.checks import CheckReport, FileReport, PatientFlow, count_overlap
from camlif.data.clinical import ClinicalData, read_clinical
from camlif.data.cohort import Cohort, FloatArray
from camlif.data.follow_up import FollowUp, read_follow_up
from camlif.data.manifest import MANIFEST, Manifest, ModalitySection, read_manifest
from camlif.data.matrices import ModalityData, read_modality
from camlif.data.orientation import upright
from camlif.data.patients import PatientTable, assign_patients
from camlif.data.problems import Findings, cohort_error, count, examples
from camlif.data.roles import (
    Role,
    find_duration,
    find_event,
    is_clinical_name,
    is_predictions,
    modality_name,
    plain,
)
from camlif.data.schema import FeatureSchema
from camlif.data.tables import TextTable, read_table, table_format, table_stem
from camlif.exceptions import DataError

Files = Mapping[str, Path | bytes]
MIN_OVERLAP = 0.1
"""Two tables that share fewer of the smaller one's patients get a warning."""

RESERVED = "clinical"
REFUSED = (".pkl", ".pickle", ".npy", ".npz", ".rdata", ".rds", ".pt", ".pth", ".joblib", ".h5")
NO_TABLES = ("readme", "license", "licence", "notes", "changelog", "requirements")


@dataclass(slots=True)
class _Reading:
    """What has been read so far."""

    found: Findings
    manifest: Manifest
    files: dict[str, FileReport] = field(default_factory=dict)
    clinical_table: PatientTable | None = None
    clinical: ClinicalData | None = None
    outcome: FollowUp | None = None
    tables: list[PatientTable] = field(default_factory=list)
    modalities: list[ModalityData] = field(default_factory=list)


def load_cohort(path: str | Path, *, manifest: Manifest | Path | None = None) -> Cohort:
    """Read a cohort folder.

    Parameters
    ----------
    path : str or Path
        Folder with one table per modality and ``clinical.*`` (csv, csv.gz, tsv, txt, parquet,
        feather or xlsx), and optionally ``cohort.toml``. Sub-folders are not read.
    manifest : Manifest or Path, optional
        Used instead of the folder's own.

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
        folder_files(folder), manifest=manifest, title=folder.resolve().name
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
    """Return the visible files of a folder by name, in alphabetical order.

    Raises
    ------
    DataError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(
            "There is no such folder." if not folder.exists() else "This is a file, not a folder.",
            file=str(folder),
            fix="Give the folder that holds the tables.",
            code="E-01",
        )
    return {f.name: f for f in sorted(folder.iterdir()) if f.is_file() and f.name[0] != "."}


def read_cohort(
    files: Files, *, manifest: Manifest | Path | None = None, title: str = "Uploaded tables"
) -> tuple[Cohort | None, CheckReport]:
    """Read tables, collecting every problem.

    Parameters
    ----------
    files : mapping of file name to Path or bytes
    manifest : Manifest or Path, optional
        Else ``cohort.toml`` among the files, else everything is judged by names.
    title : str
        Used where the manifest has none.

    Returns
    -------
    cohort : Cohort or None
        None if the report has errors.
    report : CheckReport
    """
    found = Findings()
    reading = _Reading(found, _manifest(files, manifest, found))
    tables = _read_tables(files, reading)
    _assign_roles(tables, reading)
    flow = _flow(reading)
    report_title = reading.manifest.title or title
    cohort = None
    if not found.has_errors:
        cohort = _assemble(reading, title)
    report = CheckReport(
        title=report_title,
        files=tuple(reading.files.values()),
        problems=found.sorted(),
        flow=flow,
        outcome=reading.outcome,
        groups={
            m.spec.name: tuple((g.name, g.n_features) for g in m.spec.groups)
            for m in reading.modalities
        },
        inputs=tuple(c.name for c in reading.clinical.inputs) if reading.clinical else (),
    )
    return cohort, report


def _manifest(files: Files, given: Manifest | Path | None, found: Findings) -> Manifest:
    if isinstance(given, Manifest):
        return given
    source = given if given is not None else files.get(MANIFEST)
    if source is None:
        return Manifest()
    try:
        return read_manifest(source)
    except (DataError, OSError) as error:
        message = error.message if isinstance(error, DataError) else str(error)
        found.error(message, file=MANIFEST, fix="Correct the manifest, or remove it.")
        return Manifest()


def _read_tables(files: Files, reading: _Reading) -> list[TextTable]:
    """Read every file that holds a table, note the role of the others."""
    tables = []
    for name, source in files.items():
        reading.files[name] = FileReport(
            name=name, role="manifest" if name == MANIFEST else "ignored"
        )
        lowered = name.lower()
        if lowered.endswith(REFUSED):
            reading.found.warn(
                "This format can run code or is no table; left out.",
                code="E-01",
                file=name,
                fix="Save it as CSV (UTF-8) or Parquet.",
            )
        if table_format(name) is None or plain(table_stem(name)) in NO_TABLES:
            continue
        table = read_table(name, source, reading.found)
        if table is None:
            continue
        reading.files[name] = FileReport(
            name=name,
            role="ignored",
            n_rows=len(table),
            n_columns=len(table.columns) - 1,
            format=table.format,
            encoding=table.encoding,
            delimiter=table.delimiter,
        )
        tables.append(table)
    return tables


def _set_role(reading: _Reading, name: str, role: Role, modality: str | None = None) -> None:
    old = reading.files[name]
    reading.files[name] = FileReport(
        name=name,
        role=role,
        modality=modality,
        n_rows=old.n_rows,
        n_columns=old.n_columns,
        format=old.format,
        encoding=old.encoding,
        delimiter=old.delimiter,
    )


def _assign_roles(tables: list[TextTable], reading: _Reading) -> None:
    """Decide what each table is, and read it as that."""
    rest = []
    for table in tables:
        if is_predictions(table.columns):
            _set_role(reading, table.file, "predictions")
        else:
            rest.append(table)
    clinical = _find_clinical(rest, reading)
    if clinical is not None:
        _set_role(reading, clinical.file, "clinical")
        _read_clinical_table(clinical, reading)
        rest = [table for table in rest if table is not clinical]
    elif rest:
        reading.found.warn(
            "No clinical table found. You can still score cases; survival curves stay off.",
            code="E-08",
            fix="Add clinical.csv with patient_id, survival_months and event.",
        )
    known = set(reading.clinical_table.ids) if reading.clinical_table else set()
    for name, (table, section) in _modality_files(rest, reading).items():
        _set_role(reading, table.file, "modality", name)
        table = upright(table, known, reading.found)
        patients = _patients(table, reading, bag=section.type == "bag")
        if patients is None:
            continue
        reading.tables.append(patients)
        data = read_modality(name, patients, section, reading.found)
        if data is not None:
            reading.modalities.append(data)
    if not reading.tables:
        reading.found.error(
            "No feature table found.",
            code="E-03",
            fix="Add one table per modality, the first column patient_id.",
        )
    _check_overlap(reading)


def _find_clinical(tables: list[TextTable], reading: _Reading) -> TextTable | None:
    declared = reading.manifest.clinical.file
    if declared is not None:
        for table in tables:
            if table.file == declared:
                return table
        if declared not in reading.files:
            reading.found.error(
                "The manifest names a clinical table that is not there.", file=declared
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
            fix="Keep one, or name it under [clinical] in cohort.toml.",
        )
    return named[0] if named else None


def _modality_files(
    tables: list[TextTable], reading: _Reading
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
            )
    left = [t.file for t in tables if t.file not in taken]
    if left:
        reading.found.note(f"Tables that the manifest does not name left out: {examples(left)}.")
    return chosen


def _guessed_modalities(
    tables: list[TextTable], reading: _Reading
) -> dict[str, tuple[TextTable, ModalitySection]]:
    chosen: dict[str, tuple[TextTable, ModalitySection]] = {}
    for table in sorted(tables, key=lambda t: t.file):
        name = modality_name(table.file)
        if name == RESERVED or name in chosen:
            reading.found.error(
                f"Two tables are called {name}.",
                file=table.file,
                fix="Give every table a name of its own.",
            )
            continue
        chosen[name] = (table, ModalitySection())
    return chosen


def _patients(table: TextTable, reading: _Reading, *, bag: bool) -> PatientTable | None:
    return assign_patients(
        table,
        reading.found,
        id_column=reading.manifest.id,
        bag=bag,
        duplicates=reading.manifest.duplicates,
    )


def _read_clinical_table(table: TextTable, reading: _Reading) -> None:
    patients = _patients(table, reading, bag=False)
    if patients is None:
        return
    section = reading.manifest.clinical
    reading.clinical_table = patients
    reading.outcome = read_follow_up(patients, section, reading.found)
    used = reading.outcome
    outcome = (used.duration_column, used.event_column) if used else ()
    reading.clinical = read_clinical(patients, section, outcome, reading.found)


def _check_overlap(reading: _Reading) -> None:
    """Report tables that share no patients with any other, or few with one."""
    ids = {t.rows.file: set(t.ids) for t in _all_tables(reading)}
    shared = {(a, b): len(ids[a] & ids[b]) for a, b in combinations(ids, 2)}
    apart = [f for f in ids if not any(n for pair, n in shared.items() if f in pair)]
    if len(ids) == 2:
        apart = apart[1:]  # one sentence says it of both
    for file in apart if len(ids) > 1 else []:
        other = next(f for f in ids if f != file)
        reading.found.error(
            f"{file} and {other} share 0 of {count(len(ids[file]), 'id')}. Examples: "
            f"{examples(sorted(ids[file])[:2])} and {examples(sorted(ids[other])[:2])}.",
            code="E-07",
            file=file,
            fix="Write identifiers the same way in every table.",
        )
    for (a, b), n in shared.items():
        smaller = min(len(ids[a]), len(ids[b]))
        if n < MIN_OVERLAP * smaller and not {a, b} & set(apart):
            reading.found.warn(
                f"{a} and {b} share only {n} of {count(smaller, 'id')}.", code="E-07", file=b
            )


def _all_tables(reading: _Reading) -> list[PatientTable]:
    return [*([reading.clinical_table] if reading.clinical_table else []), *reading.tables]


def _order(reading: _Reading) -> list[str]:
    """Patients of the clinical table in its order, then others as they appear."""
    return list(dict.fromkeys(patient for table in _all_tables(reading) for patient in table.ids))


def _flow(reading: _Reading) -> PatientFlow | None:
    patients = _order(reading)
    if not patients:
        return None
    have = {m.spec.name: set(m.ids) for m in reading.modalities}
    overlap = count_overlap(have, patients)
    return PatientFlow(
        n_patients=len(patients),
        n_clinical=len(reading.clinical_table.ids) if reading.clinical_table else 0,
        n_complete=sum(n for names, n in overlap if len(names) == len(have)),
        patients={name: len(ids) for name, ids in have.items()},
        overlap=overlap,
        steps=tuple(step for table in _all_tables(reading) for step in table.steps),
    )


def _assemble(reading: _Reading, title: str) -> Cohort:
    patients = _order(reading)
    row = {patient: i for i, patient in enumerate(patients)}
    n = len(patients)
    presence = np.zeros((n, len(reading.modalities)), dtype=bool)
    tables: dict[str, FloatArray] = {}
    bags: dict[str, tuple[FloatArray, ...]] = {}
    for i, modality in enumerate(reading.modalities):
        at = np.array([row[p] for p in modality.ids], dtype=int)
        presence[at, i] = True
        if modality.spec.bag is not None:
            order = np.argsort(at, kind="stable")
            ends = np.searchsorted(at[order], np.arange(1, n))
            bags[modality.spec.name] = tuple(np.split(modality.values[order], ends))
            continue
        table = np.full((n, modality.spec.n_features), np.nan, dtype=np.float32)
        table[at] = modality.values
        tables[modality.spec.name] = table
    clinical, outcome = reading.clinical, reading.outcome
    frame = pd.DataFrame(index=pd.Index([], dtype=object)) if clinical is None else clinical.frame
    duration = event = None
    if outcome is not None:
        duration, event = np.full(n, np.nan), np.zeros(n, dtype=bool)
        duration[: len(frame)], event[: len(frame)] = outcome.duration, outcome.event
    return Cohort(
        info=reading.manifest.info(
            title, clinical.subtype if clinical else None, clinical.grade if clinical else None
        ),
        schema=FeatureSchema(
            tuple(m.spec for m in reading.modalities), clinical.inputs if clinical else ()
        ),
        patient_ids=np.array(patients, dtype=str),
        tables=tables,
        bags=bags,
        presence=presence,
        clinical=frame.reindex(pd.Index(patients, dtype=object)),
        duration=duration,
        event=event,
        problems=tuple(p.line for p in reading.found.sorted()),
    )
