"""The upload in hand: its files, the changes made to its mapping, and what the check says.

Files go in, a `CheckedUpload` comes out. Raises the errors of `camlif.data.reading.readers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from camlif.data.cohort import Cohort
from camlif.data.manifest import Change
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.problems import Problem
from camlif.data.reading.readers import read_cohort
from camlif.exceptions import SchemaError
from camlif.model.storage import read_expected
from camlif.model.suitability import check_suitability
from dashboard.session import resources, state
from dashboard.session.keys import SessionKey
from dashboard.session.resources import LoadedCohort
from dashboard.session.shared_results import SESSION_TTL

REFUSED: SessionKey[str] = SessionKey("refused_change")
TOLD: SessionKey[str] = SessionKey("told_of_upload")
ROUND: SessionKey[int] = SessionKey("mapping_round")
"""Part of the keys of tables of choices: a new one starts them from what was read."""


@dataclass(frozen=True, slots=True)
class MappingStep:
    """One change that somebody made, as one entry of a list."""

    title: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedUpload:
    """Uploaded tables as checked.

    Attributes
    ----------
    files : mapping of file name to bytes, or to Path in the import folder
        Kept until the cohort is used, because every change reads them again; then empty.
    steps : tuple of MappingStep
        Made to the mapping, in order.
    loaded : LoadedCohort or None
        None where the report has errors.
    report : CheckReport
    """

    files: dict[str, Path | bytes]
    steps: tuple[MappingStep, ...]
    loaded: LoadedCohort | None
    report: CheckReport


CHECKED: SessionKey[CheckedUpload] = SessionKey("checked_upload")


def upload_in_hand() -> CheckedUpload | None:
    """Return the upload in hand."""
    return CHECKED.get()


def check(files: dict[str, Path | bytes], steps: tuple[MappingStep, ...] = ()) -> None:
    """Read tables with the changes made to their mapping, and keep the result."""
    changes = [change for step in steps for change in step.changes]
    cohort, report = read_cohort(files, changes=changes)
    loaded = None if cohort is None else resources.loaded(state.UPLOADED, cohort, report)
    CHECKED.set(CheckedUpload(files=files, steps=steps, loaded=loaded, report=report))
    start_round()


def files_in_hand() -> dict[str, Path | bytes]:
    """Return the files of the upload, as long as they are kept."""
    upload = upload_in_hand()
    return {} if upload is None else dict(upload.files)


def add_to_hand(added: Iterable[tuple[str, bytes]]) -> tuple[dict[str, Path | bytes], list[str]]:
    """Return the files in hand with others added, and the names of those that were replaced."""
    files, replaced = files_in_hand(), []
    for name, content in added:
        if name in files:
            replaced.append(name)
        files[name] = content
    return files, replaced


def use_files(files: dict[str, Path | bytes]) -> None:
    """Read other files with the changes made so far; without any file the upload is gone.

    Changes that do not fit these files are taken back, and that is said.
    """
    upload = upload_in_hand()
    if not files:
        CHECKED.pop()
        return
    steps = upload.steps if upload is not None and upload.files else ()
    try:
        check(files, steps)
    except SchemaError as error:
        check(files)
        REFUSED.set(f"The changes made before were taken back. {error}")


def tell(text: str) -> None:
    """Say something about the files on the next run of the page."""
    TOLD.set(text)


def take_message() -> str | None:
    """Return what is to be said, once."""
    return TOLD.pop()


def round_number() -> int:
    """Return how often tables were read: part of the keys of what starts anew each time."""
    return ROUND.get() or 0


def start_round() -> None:
    """Make every table of choices start from what was read last."""
    ROUND.set(round_number() + 1)


def change(title: str, changes: tuple[Change, ...]) -> None:
    """Add a change and read the tables again; one that makes no sense is said and not made."""
    upload = upload_in_hand()
    if upload is None or not changes:
        return
    try:
        check(upload.files, (*upload.steps, MappingStep(title, changes)))
    except SchemaError as error:
        REFUSED.set(str(error))
        start_round()


def undo(index: int) -> None:
    """Take one change back and read the tables again with the others."""
    upload = upload_in_hand()
    if upload is not None:
        check(upload.files, upload.steps[:index] + upload.steps[index + 1 :])


def release_files() -> None:
    """Let go of the uploaded bytes; the cohort stays."""
    upload = upload_in_hand()
    if upload is not None:
        CHECKED.set(replace(upload, files={}))


@st.cache_resource(scope="session", max_entries=8, ttl=SESSION_TTL, show_spinner=False)
def suitability(
    cohort_digest: str,  # noqa: ARG001  # cache key
    folder: Path,
    missing: tuple[str, ...],
    files: Mapping[str, str],
    _cohort: Cohort,
) -> tuple[Problem, ...]:
    """What a model says of uploaded tables; kept for this session only.

    Parameters
    ----------
    cohort_digest : str
        Key of the cache beside the next three; the cohort is not hashed.
    folder : Path
        Of the model.
    missing : tuple of str
        Modalities to treat as missing.
    files : mapping of str to str
        File of each modality, to name in problems.
    _cohort : Cohort
    """
    return check_suitability(_cohort, read_expected(folder), missing=missing, files=files)
