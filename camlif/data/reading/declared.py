"""What a manifest names that is not there: columns, and files.

What was read goes in; findings come out, and the entries to take out of the manifest. A name that
nothing has is an error, because a misspelt one would change what is read without a word; a file
that is not there, and a unit or a name of no column, are warnings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from camlif.data.manifest import Change, ModalitySection
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.cleaning import DROPPED, matching
from camlif.data.reading.gathered import Reading
from camlif.data.reading.offers import Offer
from camlif.data.reading.problems import Problem

_BY_NAME = frozenset(
    (
        *("missing", "keep", "rename", "levels"),
        *("sheets", "encodings", "decimal", "patients_in", "units", "names"),
    )
)
"""Sections of a manifest whose keys are columns or files."""
_NO_NAMES = frozenset(("event_values", "notes"))
"""Lists of a manifest that are none of columns or files."""


def check_declared(reading: Reading) -> None:
    """Say which columns and files a manifest names that are nowhere.

    Parameters
    ----------
    reading : Reading
        When all tables were read; gets the findings.
    """
    manifest, clinical = reading.manifest, reading.manifest.clinical
    files = {table.rows.file for table in reading.all_tables}
    for file in sorted(files):
        columns = reading.sources[file].columns
        modality = reading.files[file].modality
        if modality is None:
            _expect(reading, file, columns, (clinical.id, *clinical.missing), "[clinical]")
        else:
            section = manifest.modalities.get(modality, ModalitySection())
            names = (section.id, *section.exclude, *section.missing, *section.keep)
            _expect(reading, file, columns, names, f"[modalities.{modality}]")
    _check_identifier(reading, sorted(files))
    dropped = {c for p in reading.found.problems if p.topic == DROPPED for c in p.columns}
    if files:
        _expect(reading, None, sorted(dropped), manifest.drop, "drop")
    _check_files(reading)
    _check_words(reading)


def _expect(
    reading: Reading,
    file: str | None,
    columns: Iterable[str],
    names: Iterable[str | None],
    entry: str,
) -> None:
    there = tuple(columns)
    for name in dict.fromkeys(names):
        if name and not matching(there, [name]):
            _error(reading, name, entry, file)


def _error(reading: Reading, name: str, entry: str, file: str | None) -> None:
    reading.found.error(
        f"The manifest names the column {name} ({entry}), which is not there.",
        file=file,
        column=name,
        fix="Correct the manifest, or take the name out.",
        topic="declared",
    )


def _check_identifier(reading: Reading, files: Iterable[str]) -> None:
    """Say where the column of identifiers of all tables is not; it must be in one at least."""
    name, sections = reading.manifest.id, reading.manifest.modalities
    if not name:
        return
    lacking = [file for file in files if name not in reading.sources[file].columns]
    if len(lacking) == len(tuple(files)):
        _error(reading, name, "id", None)
        return
    for file in lacking:
        modality = reading.files[file].modality
        own = reading.manifest.clinical if modality is None else sections.get(modality)
        if own is None or not own.id:
            reading.found.note(f"Has no column {name}; patients are told by another.", file=file)


def _check_files(reading: Reading) -> None:
    manifest = reading.manifest
    named = (
        *(*manifest.ignore, *manifest.sheets, *manifest.encodings),
        *(*manifest.decimal, *manifest.patients_in),
    )
    for name in dict.fromkeys(named):
        # A table of a file of several has its name and something more.
        if not any(file.startswith(name) for file in reading.files):
            reading.found.warn(
                f"The manifest names the file {name}, which is not there.",
                fix="Correct the manifest, or take the name out.",
                topic="declared",
                values=(name,),
            )


def _check_words(reading: Reading) -> None:
    """Say which columns that get a unit or a name are nowhere."""
    there = {column for table in reading.all_tables for column in table.rows.columns}
    if reading.clinical is not None:
        there |= set(map(str, reading.clinical.frame.columns))
    for name in reading.manifest.units:
        if there and name not in there:
            _warn(reading, name, f"The manifest gives the unit of {name}, a column")
    specs = [modality.spec for modality in reading.modalities]
    there |= {entry.modality for entry in reading.files.values() if entry.modality}
    there |= {group.name for spec in specs for group in spec.groups}
    for name in reading.manifest.names:
        if there and not matching(sorted(there), [name]):
            _warn(reading, name, f"The manifest gives a name to {name}, a column or group")


def _warn(reading: Reading, name: str, said: str) -> None:
    reading.found.warn(
        f"{said} that is not there.",
        fix="Correct the manifest, or take the name out.",
        topic="declared",
        values=(name,),
    )


def offer_forget(problem: Problem, report: CheckReport) -> list[Offer]:
    """Take a name that nothing has out of the manifest.

    Parameters
    ----------
    problem : Problem
    report : CheckReport
        Of the upload as it is read now.
    """
    name = problem.column or "".join(problem.values)
    entries = report.manifest.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    changes = tuple(_without(entries, name))
    return [(name, f"Forget {name}", changes)] if changes else []


def _without(entries: Mapping[str, Any], name: str, path: tuple[str, ...] = ()) -> Iterator[Change]:
    for key, value in entries.items():
        at = (*path, key)
        if key in _BY_NAME:
            if name in value:
                yield Change((*at, name), None)
        elif isinstance(value, dict):
            yield from _without(value, name, at)
        elif isinstance(value, list):
            if name in value and key not in _NO_NAMES:
                yield Change(at, [item for item in value if item != name])
        elif value == name and key == "id":
            yield Change(at, None)
