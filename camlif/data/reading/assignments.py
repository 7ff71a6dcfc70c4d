"""Changes of the mapping by hand: another column for a role, another role for a file.

A check's report and a choice go in; changes of ``cohort.toml`` come out. Nothing fails: whether the
changed mapping can be read, the next check says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from camlif.data.manifest import Change, ModalitySection
from camlif.data.reading.checks import Assignment, CheckReport
from camlif.data.reading.offers import declare_modalities, in_table
from camlif.data.reading.roles import modality_name

FileRole = Literal["clinical", "modality", "left out"]
Kind = Literal["table", "bag", "columns"]
ENTRIES = {
    "time": "duration",
    "last contact": "duration_else",
    "unit": "duration_unit",
    "event": "event",
    "event value": "event_values",
}
"""Entries of ``[clinical]`` that are not called like their role."""

DEPENDENT = {"time": "duration_unit", "event": "event_values"}
"""What was said of one column and must not be carried over to another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUse:
    """How a file is used.

    Attributes
    ----------
    role : {"clinical", "modality", "left out"}
    modality : str
        Name of the modality; empty for other roles.
    kind : {"table", "bag", "columns"}
        Whether a patient has one row, several, or a column.
    exclude : tuple of str
        Columns that the modality does not read.
    """

    role: FileRole
    modality: str = ""
    kind: Kind = "table"
    exclude: tuple[str, ...] = ()


def assign(
    report: CheckReport, assignment: Assignment, chosen: Sequence[str]
) -> tuple[Change, ...]:
    """Return the changes that give a role to other columns, or to none.

    Parameters
    ----------
    report : CheckReport
    assignment : Assignment
        One of ``report.mapping``.
    chosen : sequence of str
        A column; a unit; or the cells that mean the event. Empty says that there is none.
    """
    role = assignment.role
    if role == "id":
        first, path = in_table(report, assignment.file, "id")
        return (*first, Change(path, chosen[0] if chosen else None))
    path = ("clinical", ENTRIES.get(role, role))
    if role == "event value":
        return (Change(path, list(chosen) or None),)
    if role == "unit":
        return (Change(path, chosen[0] if chosen else None),)
    changes = [Change(path, chosen[0] if chosen else "")]
    if role in DEPENDENT and tuple(chosen) != assignment.chosen:
        changes.append(Change(("clinical", DEPENDENT[role]), None))
    return tuple(changes)


def confirm_all(report: CheckReport) -> tuple[Change, ...]:
    """Return the changes that write down everything that was inferred."""
    inferred = [a for a in report.mapping if a.confidence == "inferred"]
    return tuple(change for a in inferred for change in assign(report, a, a.chosen))


def file_use(report: CheckReport, file: str) -> FileUse:
    """Return how a file was used."""
    found = next(f for f in report.files if f.name == file)
    if found.role == "clinical":
        return FileUse(role="clinical")
    if found.role != "modality" or found.modality is None:
        return FileUse(role="left out")
    section = report.manifest.modalities.get(found.modality, ModalitySection())
    return FileUse(
        role="modality",
        modality=found.modality,
        kind="columns" if found.turned else section.type,
        exclude=section.exclude,
    )


def use_file(report: CheckReport, file: str, use: FileUse) -> tuple[Change, ...]:
    """Return the changes that put a file to another use.

    Parameters
    ----------
    report : CheckReport
        Of the upload as it is read now.
    file : str
        Name of a file of the upload.
    use : FileUse
        What the file is to be used as.

    Returns
    -------
    tuple of Change
        Changes of ``cohort.toml``, in the order in which they apply; none where nothing differs.
    """
    old = file_use(report, file)
    changes: list[Change] = []
    if file in report.manifest.ignore:
        changes.append(Change(("ignore",), [f for f in report.manifest.ignore if f != file]))
    if old.role == "modality" and (use.role != "modality" or use.modality != old.modality):
        changes += [*declare_modalities(report), Change(("modalities", old.modality), None)]
    if use.role == "left out":
        return (*changes, Change(("ignore",), [file], add=True))
    if use.role == "clinical":
        return (*changes, Change(("clinical", "file"), file))
    if old.role == "clinical":
        changes.append(Change(("clinical", "file"), ""))
    if "columns" in (old.kind, use.kind) and use.kind != old.kind:
        place = "columns" if use.kind == "columns" else "rows"
        changes.append(Change(("patients_in", file), place))
    kept = report.manifest.modalities.get(old.modality, ModalitySection())
    rows = "bag" if use.kind == "bag" else "table"
    section = kept.model_copy(update={"file": file, "type": rows, "exclude": use.exclude})
    name = use.modality or modality_name(file)
    if not any(change.path[0] == "modalities" for change in changes):
        changes += declare_modalities(report)
    entry = section.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    return (*changes, Change(("modalities", name), entry))


def regroup(
    report: CheckReport, modality: str, groups: Mapping[str, Sequence[str]]
) -> tuple[Change, ...]:
    """Return the changes that give a modality other feature groups.

    Parameters
    ----------
    report : CheckReport
    modality : str
    groups : mapping of group name to column names or patterns
        ``*`` matches any text. Without any group the names of the columns tell them.
    """
    value = {name: list(patterns) for name, patterns in groups.items()}
    change = Change(("modalities", modality, "groups"), value or None)
    return (*declare_modalities(report), change)
