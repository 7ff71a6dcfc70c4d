"""What a check of tables found: one report for the page, the command line and programs.

Findings go in, a frozen `CheckReport` comes out, as records or JSON. Nothing fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from camlif.data.manifest import Manifest
from camlif.data.reading.follow_up import ReadOutcome
from camlif.data.reading.patients import FlowStep, PatientTable
from camlif.data.reading.problems import Problem, in_order
from camlif.data.reading.roles import ColumnRole, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """One file as read.

    Attributes
    ----------
    name : str
    role : {"clinical", "modality", "manifest", "predictions", "course", "ignored"}
    modality : str or None
    n_rows, n_columns : int
        Rows below the header; columns without the identifier. Zero if not read as a table.
    format, encoding, delimiter : str or None
    turned : bool
        Whether patients are in columns, which then count as the rows.
    """

    name: str
    role: Role
    modality: str | None = None
    n_rows: int = 0
    n_columns: int = 0
    format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    turned: bool = False


Confidence = Literal["given", "sure", "inferred", "absent"]


@dataclass(frozen=True, slots=True)
class FeatureGroup:
    """A feature group of a modality as it was read.

    Attributes
    ----------
    name : str
    n_columns : int
    patterns : tuple of str
        Its columns as a manifest says them; empty for what no other group takes.
    """

    name: str
    n_columns: int
    patterns: tuple[str, ...]


def group_words(groups: Iterable[FeatureGroup]) -> str:
    """Say the feature groups of a modality: ``shape (12), texture (24)``."""
    return ", ".join(f"{group.name} ({group.n_columns:,})" for group in groups)


CONFIDENCE: dict[Confidence, str] = {
    "given": "chosen",
    "sure": "sure",
    "inferred": "inferred, confirm",
    "absent": "not found",
}
"""How confidence is said to people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What plays a role in a table.

    Attributes
    ----------
    role : str
        ``id``, ``time``, ``last contact``, ``start``, ``unit``, ``event``, ``event value``,
        ``entry``, ``subtype``, ``grade``, ``age``, ``sex`` or ``centre``.
    file : str
    chosen : tuple of str
        The column; for ``unit`` the unit, for ``event value`` the cells that mean the event.
    confidence : {"given", "sure", "inferred", "absent"}
        Whether the manifest says so, the name leaves no doubt, it was inferred, or nothing fits.
    examples : tuple of str
        Cells of the column. Not part of `to_json`.
    options : tuple of str
        What could be chosen instead.
    needed : bool
        Whether something is lost without it.
    because : str
        What it was taken for it by.
    rivals : tuple of str
        Of ``options`` those that a name or cells speak for. Not part of `to_json`.
    """

    role: str
    file: str
    chosen: tuple[str, ...]
    confidence: Confidence
    examples: tuple[str, ...]
    options: tuple[str, ...]
    needed: bool
    because: str = ""
    rivals: tuple[str, ...] = ()

    @property
    def uncertain(self) -> bool:
        """Whether somebody should look at it."""
        return self.confidence == "inferred" or (self.needed and self.confidence == "absent")

    def to_json(self) -> dict[str, Any]:
        """Return a plain structure without cells."""
        return {
            "role": self.role,
            "file": self.file,
            "chosen": list(self.chosen),
            "confidence": self.confidence,
            "because": self.because,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientFlow:
    """From rows to patients.

    Attributes
    ----------
    n_patients : int
        Patients of the cohort: everyone in the clinical table or in a modality.
    n_clinical : int
        Of them in the clinical table.
    n_complete : int
        Of them with all modalities.
    patients : mapping of modality to int
        Patients who have the modality.
    overlap : tuple of (modalities, int)
        Patients by the set of modalities they have, the largest group first.
    steps : tuple of FlowStep
        Rows that did not become a patient's row of their own.
    """

    n_patients: int
    n_clinical: int
    n_complete: int
    patients: dict[str, int]
    overlap: tuple[tuple[tuple[str, ...], int], ...]
    steps: tuple[FlowStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """Files, problems, patients and outcome of a set of tables.

    Attributes
    ----------
    title : str
    files : tuple of FileReport
    problems : tuple of Problem
        Errors first.
    flow : PatientFlow or None
        None where no table could be read.
    outcome : ReadOutcome or None
    groups : mapping of modality to tuple of FeatureGroup
    inputs : tuple of str
        Clinical columns that a model may read.
    mapping : tuple of Assignment
        Which column was read as what.
    no_inputs : mapping of file to tuple of ColumnRole
        Columns that no model reads, and why.
    manifest : Manifest
        The mapping that the tables were read with.
    clinical : PatientTable or None
        The clinical table as text. Not part of `to_json`.
    """

    title: str
    files: tuple[FileReport, ...]
    problems: tuple[Problem, ...]
    flow: PatientFlow | None = None
    outcome: ReadOutcome | None = None
    groups: dict[str, tuple[FeatureGroup, ...]]
    inputs: tuple[str, ...] = ()
    mapping: tuple[Assignment, ...] = ()
    no_inputs: dict[str, tuple[ColumnRole, ...]] = field(default_factory=dict)
    manifest: Manifest = field(default_factory=Manifest)
    clinical: PatientTable | None = field(default=None, repr=False, compare=False)

    @property
    def usable(self) -> bool:
        """Whether a cohort can be built: no errors."""
        return not self.errors

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Problems that make the tables unusable."""
        return tuple(p for p in self.problems if p.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Problems that were worked around."""
        return tuple(p for p in self.problems if p.severity == "warning")

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What was understood."""
        return tuple(p for p in self.problems if p.severity == "note")

    def also(self, problems: Iterable[Problem]) -> CheckReport:
        """Return the report with more problems, errors first."""
        return replace(self, problems=in_order([*self.problems, *problems]))

    @property
    def modality_files(self) -> dict[str, str]:
        """File of each modality."""
        return {file.modality: file.name for file in self.files if file.modality is not None}

    @property
    def table_files(self) -> dict[str, str]:
        """File of each modality, and that of the clinical table under its role."""
        clinical = [file for file in self.files if file.role == "clinical"]
        return self.modality_files | {file.role: file.name for file in clinical[:1]}

    def to_json(self) -> dict[str, Any]:
        """Return a plain structure for programs; it holds no patient's values."""
        flow = None if self.flow is None else asdict(self.flow)
        if flow is not None:
            flow["overlap"] = [
                {"modalities": list(names), "patients": n} for names, n in flow["overlap"]
            ]
        return {
            "title": self.title,
            "usable": self.usable,
            "files": [asdict(file) for file in self.files],
            "problems": [problem.to_json() for problem in self.problems],
            "flow": flow,
            "outcome": None if self.outcome is None else self.outcome.to_json(),
            "groups": {
                modality: [{"name": g.name, "columns": g.n_columns} for g in groups]
                for modality, groups in self.groups.items()
            },
            "clinical_inputs": list(self.inputs),
            "mapping": [assignment.to_json() for assignment in self.mapping],
            "no_inputs": {
                file: [asdict(role) for role in roles] for file, roles in self.no_inputs.items()
            },
        }


def count_overlap(
    have: dict[str, set[str]], patients: list[str]
) -> tuple[tuple[tuple[str, ...], int], ...]:
    """Count patients by the set of modalities they have, the largest group first."""
    sets = Counter(tuple(m for m, ids in have.items() if patient in ids) for patient in patients)
    return tuple(sorted(sets.items(), key=lambda item: (-item[1], item[0])))
