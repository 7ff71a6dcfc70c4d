"""The studies on this machine: those that ship with sample cohorts, and a user's own.

Folders go in; their studies come out, read without tables. Nothing fails: a damaged study carries
its error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from camlif.study.records import CohortFacts, StudySettings
from camlif.study.store import STUDY, SUMMARY, is_study

NESTED = "study"
"""Folder of a study within that of its sample cohort, or of the run that made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledStudy:
    """A study's folder, read without its tables.

    Attributes
    ----------
    path : Path
    settings : StudySettings or None
    cohort : CohortFacts or None
        Both None where the folder is damaged; ``error`` then says how.
    changed : float
        When its summary was last written, seconds since the epoch: an open study grows.
    error : str or None
    """

    path: Path
    settings: StudySettings | None
    cohort: CohortFacts | None
    changed: float
    error: str | None = None

    @property
    def name(self) -> str:
        """Name of the folder, or of the one around it where it is just called study."""
        return self.path.parent.name if self.path.name == NESTED else self.path.name


def installed_studies(*, samples: Path, runs: Path) -> tuple[InstalledStudy, ...]:
    """List the studies that can be read, or should be: the shipped ones first, each by name.

    Parameters
    ----------
    samples : Path
        Folder of sample cohorts, whose studies lie in ``NAME/study``.
    runs : Path
        Folder of a user's own studies: ``NAME`` or ``NAME/study``.
    """
    shipped = sorted(samples.glob(f"*/{NESTED}"))
    own = sorted((*runs.glob("*"), *runs.glob(f"*/{NESTED}")))
    return tuple(_read(path for path in (*shipped, *own) if is_study(path)))


def _read(paths: Iterable[Path]) -> Iterator[InstalledStudy]:
    for path in paths:
        settings, cohort, error = None, None, None
        try:
            header = json.loads((path / STUDY).read_text("utf-8"))
            settings = StudySettings.from_json(header["settings"])
            cohort = CohortFacts.from_json(header["cohort"])
        except (OSError, KeyError, TypeError, ValueError) as problem:
            settings, cohort, error = None, None, f"{type(problem).__name__}: {problem}"
        changed = (path / SUMMARY).stat().st_mtime
        yield InstalledStudy(
            path=path, settings=settings, cohort=cohort, changed=changed, error=error
        )
