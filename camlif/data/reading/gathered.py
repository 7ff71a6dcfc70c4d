"""What reading tables has gathered so far, and how it becomes patients and a cohort.

Tables, values and findings are added while reading; a `Cohort` comes out. Raises the errors of
`Cohort` where arrays do not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlif.arrays import Float32Array
from camlif.data.cohort import Cohort
from camlif.data.manifest import Manifest
from camlif.data.reading.checks import FileReport, PatientFlow, count_overlap
from camlif.data.reading.clinical import ClinicalData
from camlif.data.reading.evidence import OutcomeByPatient
from camlif.data.reading.follow_up import ReadOutcome
from camlif.data.reading.matrices import ModalityData
from camlif.data.reading.patients import FlowStep, IdRules, PatientTable
from camlif.data.reading.problems import Findings
from camlif.data.reading.roles import ColumnRole, Role
from camlif.data.reading.tables import TextTable
from camlif.data.schema import FeatureSchema

Progress = Callable[[int, int, str], None]
"""Called with what is done, of how much, and of what: (64, 1282, "reading ct.parquet")."""


@dataclass(slots=True)
class Reading:
    """What has been read so far.

    Attributes
    ----------
    found : Findings
    manifest : Manifest
    files : mapping of file name to FileReport
    sources : mapping of file name to TextTable
        Tables as they were read, upright, the identifier column among the others.
    clinical_table, clinical, outcome
        The clinical table by patient, its values, and follow-up; None where there is none.
    tables, modalities : list
        Feature tables by patient, and what was read of them.
    steps : list of FlowStep
        Rows that the manifest does not keep, that were joined to others or merged.
    known : OutcomeByPatient or None
        The outcome by patient, against which columns of every table are held.
    no_inputs : mapping of file to tuple of ColumnRole
    id_columns : mapping of file to column
        Where another column than that of a usual name has the identifiers of other tables.
    spellings : mapping of str to str
        How identifiers were first spelt, by what their spellings share.
    owners : mapping of specimen to patient
        What tables of samples and slides say.
    timelines : list of TextTable
        Files that tell the course alone.
    course : DataFrame or None
        See `camlif.data.course`.
    progress : callable, optional
        Told of every block of columns that was read or checked.
    """

    found: Findings
    manifest: Manifest
    files: dict[str, FileReport] = field(default_factory=dict)
    sources: dict[str, TextTable] = field(default_factory=dict)
    clinical_table: PatientTable | None = None
    clinical: ClinicalData | None = None
    outcome: ReadOutcome | None = None
    tables: list[PatientTable] = field(default_factory=list)
    modalities: list[ModalityData] = field(default_factory=list)
    steps: list[FlowStep] = field(default_factory=list)
    known: OutcomeByPatient | None = None
    no_inputs: dict[str, tuple[ColumnRole, ...]] = field(default_factory=dict)
    id_columns: dict[str, str] = field(default_factory=dict)
    spellings: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    timelines: list[TextTable] = field(default_factory=list)
    course: pd.DataFrame | None = None
    progress: Progress | None = None

    def telling(self, what: str) -> Callable[[int, int], None] | None:
        """Return a function of (done, total) that tells the progress of one thing."""
        return None if self.progress is None else partial(_tell, self.progress, what)

    @property
    def id_rules(self) -> IdRules:
        """How identifiers are read, as the manifest says."""
        ids = self.manifest.ids
        return IdRules(
            length=self.manifest.id_length,
            spellings=self.spellings if ids in ("alike", "within") else None,
            within=ids == "within",
        )

    def set_role(self, file: str, role: Role, modality: str | None = None) -> None:
        """Note what a file was read as.

        Parameters
        ----------
        file : str
            Name of a file that was read.
        role : Role
        modality : str, optional
            Modality that a feature table or groups file belongs to.
        """
        self.files[file] = replace(self.files[file], role=role, modality=modality)

    @property
    def all_tables(self) -> list[PatientTable]:
        """The clinical table, where there is one, and the feature tables."""
        return [*([self.clinical_table] if self.clinical_table else []), *self.tables]

    @property
    def patients(self) -> list[str]:
        """Patients of the clinical table in its order, then others as they appear."""
        return list(dict.fromkeys(patient for table in self.all_tables for patient in table.ids))

    def flow(self) -> PatientFlow | None:
        """Return the way from rows to patients; None without any patient."""
        patients = self.patients
        if not patients:
            return None
        have = {m.spec.name: set(m.ids) for m in self.modalities}
        overlap = count_overlap(have, patients)
        return PatientFlow(
            n_patients=len(patients),
            n_clinical=len(self.clinical_table.ids) if self.clinical_table else 0,
            n_complete=sum(n for names, n in overlap if len(names) == len(have)),
            patients={name: len(ids) for name, ids in have.items()},
            overlap=overlap,
            steps=(
                *self.steps,
                *(step for table in self.all_tables for step in table.steps),
                *(step for modality in self.modalities for step in modality.steps),
            ),
        )


def _tell(progress: Progress, what: str, done: int, total: int) -> None:
    progress(done, total, what)


def assemble(reading: Reading, title: str) -> Cohort:
    """Return the cohort of what was read; ``title`` serves where the manifest has none."""
    patients = reading.patients
    row = {patient: i for i, patient in enumerate(patients)}
    n = len(patients)
    presence = np.zeros((n, len(reading.modalities)), dtype=bool)
    tables: dict[str, Float32Array] = {}
    bags: dict[str, tuple[Float32Array, ...]] = {}
    for i, modality in enumerate(reading.modalities):
        at = np.array([row[p] for p in modality.ids], dtype=int)
        presence[at, i] = True
        if modality.spec.bag is not None:
            order = np.argsort(at, kind="stable")
            ends = np.searchsorted(at[order], np.arange(1, n))
            bags[modality.spec.name] = tuple(np.split(modality.values[order], ends))
            continue
        tables[modality.spec.name] = _spread(modality.values, at, n)
    clinical, outcome = reading.clinical, reading.outcome
    frame = pd.DataFrame(index=pd.Index([], dtype=object)) if clinical is None else clinical.frame
    duration = event = entry = None
    if outcome is not None:
        duration, event = np.full(n, np.nan), np.zeros(n, dtype=bool)
        duration[: len(frame)], event[: len(frame)] = outcome.duration, outcome.event
        if outcome.entry is not None:
            entry = np.zeros(n)
            entry[: len(frame)] = outcome.entry
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
        entry=entry,
        course=reading.course,
        problems=tuple(p.line for p in reading.found.sorted()),
    )


def _spread(values: Float32Array, at: NDArray[np.int_], n: int) -> Float32Array:
    """Return the rows at their places among n, missing elsewhere; not copied if they are there."""
    if np.array_equal(at, np.arange(n)):
        return values
    table = np.full((n, values.shape[1]), np.nan, dtype=np.float32)
    table[at] = values
    return table
