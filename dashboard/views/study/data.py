"""What a study's pages need beside its tables: its cohort's outcome and clinical words.

A study's entry and the workspace go in, a frozen `OpenStudy` comes out; its cohort is None where
the patients are not at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from camlif.data.cohort import Cohort
from camlif.data.samples import SAMPLES
from camlif.data.schema import Endpoint
from camlif.exceptions import CamlifError
from camlif.study import Study, VariantSummary
from camlif.study.heldout import Unit, held_out
from camlif.study.installed import InstalledStudy
from dashboard.figures.study.rows import Key, row_title
from dashboard.figures.study.strata_and_grades import HeldOutPatients
from dashboard.profiles import Profile, load_profile
from dashboard.runs import run_folder
from dashboard.runs.run_folder import JobRequest
from dashboard.session import resources
from dashboard.session.state import Workspace

REFERENCE: Key = ("camlif", "default", "matched")
"""Row that all others are compared with."""
EARLIER_FUSION = ("pg_mlif", "pathomic_fusion", "cmta", "motcat", "mcat", "gpdbn")
"""Rival of the third panel of Figure 3: the paper's, else the next that the study has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStudy:
    """A study with the cohort it was run on.

    Attributes
    ----------
    study : Study
    cohort : Cohort or None
        The study's patients, in the order of its folds; None where they are not at hand.
    profile : Profile
        Words of the study's disease.
    splits : collection of int
        Splits in use; empty: all.
    """

    study: Study
    cohort: Cohort | None
    profile: Profile
    splits: Collection[int] = field(default=())

    @property
    def endpoint(self) -> Endpoint:
        """Words for the outcome."""
        facts = self.study.cohort
        return Endpoint(facts.endpoint, facts.event_noun, facts.event_free)

    @property
    def titles(self) -> dict[Key, str]:
        """Title of every row, in the order of the catalogue."""
        return {row.key: title_of(row) for row in self.study.summary.rows}

    def patients(self, key: Key, unit: Unit) -> HeldOutPatients:
        """Held-out risks of a row beside outcome, subtype and grade.

        Raises
        ------
        EstimationError
            If the row has no risk in the splits in use.
        ValueError
            If the study's patients are not at hand.
        """
        if self.cohort is None:
            raise ValueError("The study's patients are not at hand.")
        risks = self.study.variant_risks(*key)
        if self.splits:
            risks = risks[risks["split"].isin(list(self.splits))]
        held = held_out(risks, unit=unit)
        rows = pd.Index(self.cohort.patient_ids).get_indexer(pd.Index(held.patient_id))
        return HeldOutPatients(
            held=held,
            followed=self.cohort.follow_up(rows),
            subtype=_words(self.cohort.subtype, rows, self.profile.subtypes, self.profile.subtype),
            grade=_words(self.cohort.grade, rows, self.profile.grades, self.profile.grade),
        )


def title_of(row: VariantSummary) -> str:
    """Title of a row in charts and tables."""
    return row_title(row.title, row.family, row.head)


def _words(
    column: pd.Series | None,
    rows: np.ndarray[tuple[int], np.dtype[np.int_]],
    known: Collection[str],
    words: Callable[[str], str],
) -> list[str | None]:
    """Short names; a level that a profile with words of its own does not know is left out."""
    if column is None:
        return [None] * len(rows)
    levels = column.iloc[rows].astype("string")
    return [
        None if pd.isna(level) or (known and str(level) not in known) else words(str(level))
        for level in levels
    ]


def studies_of(workspace: Workspace, *, others: bool) -> list[InstalledStudy]:
    """Studies of the cohort in view, then if asked those of other cohorts.

    A study of an upload is shown only while the upload itself is in view: it is nobody else's.
    """
    title = workspace.cohort.info.title
    readable = [entry for entry in resources.studies() if entry.cohort is not None]
    own = [e for e in readable if e.cohort is not None and e.cohort.title == title]
    shown = own + ([entry for entry in readable if entry not in own] if others else [])
    return [e for e in shown if not _is_private(e.path) or _own_cohort(e, workspace) is not None]


def _run_of(path: Path) -> JobRequest | None:
    """What the run was asked whose result a study is; None for a study that no page started."""
    job = run_folder.read_job(path.parent)
    return None if job is None else job.request


def _is_private(path: Path) -> bool:
    request = _run_of(path)
    return request is not None and request.private


def open_study(entry: InstalledStudy, workspace: Workspace) -> OpenStudy:
    """Read a study and find its patients.

    Raises
    ------
    ArtifactError
        If the study cannot be read.
    """
    study = resources.study(entry.path, entry.changed)
    cohort = _own_cohort(entry, workspace) or _cohort_of(study)
    profile = load_profile(study.cohort.profile)
    if cohort is not None:
        profile = profile.with_names(cohort.info)
    return OpenStudy(study=study, cohort=cohort, profile=profile)


def _own_cohort(entry: InstalledStudy, workspace: Workspace) -> Cohort | None:
    """Return the study's patients if the cohort in view is the study's."""
    try:
        study = resources.study(entry.path, entry.changed)
    except CamlifError:
        return None
    request = _run_of(entry.path)
    if request is None or not request.private:
        return _same_patients(study, workspace.cohort)
    if request.cohort_digest != workspace.loaded.digest:
        return None
    return _chosen(study, resources.by_tokens(workspace.loaded))  # as the run knows them


def _cohort_of(study: Study) -> Cohort | None:
    """Read the cohort that a study names: a sample, or a folder of this machine."""
    data = study.settings.data
    if data in SAMPLES:
        return _same_patients(study, resources.sample_cohort(data).cohort)
    if not Path(data).is_dir():
        return None
    try:
        return _same_patients(study, resources.folder_cohort(data))
    except CamlifError:
        return None


def _same_patients(study: Study, cohort: Cohort) -> Cohort | None:
    """Restrict a cohort to the study's patients; None unless it is the very data of the study."""
    chosen = _chosen(study, cohort)
    return chosen if chosen is not None and chosen.digest == study.cohort.digest else None


def _chosen(study: Study, cohort: Cohort) -> Cohort | None:
    """Take the study's patients and inputs, in its order; None where some are not there."""
    rows = pd.Index(cohort.patient_ids).get_indexer(pd.Index(study.splits.patient_ids))
    if (rows < 0).any() or not cohort.has_outcome:
        return None
    try:
        return cohort.take(rows).select(clinical=study.settings.clinical)
    except CamlifError:
        return None


def with_splits(opened: OpenStudy, splits: Collection[int]) -> OpenStudy:
    """Use some of the splits only; none means all."""
    return replace(opened, splits=tuple(splits))


def figure_3_rows(opened: OpenStudy) -> list[Key]:
    """Rows of Figure 3 that the study has: two single modalities, an earlier fusion, CA-MLIF."""
    titles = opened.titles
    modalities = sorted(opened.study.cohort.modalities, key=lambda name: name != "pathology")
    single = [("unimodal", name, "matched") for name in modalities[:2]]
    earlier = [
        key
        for method in EARLIER_FUSION
        for head in ("matched", "native")
        if (key := (method, method, head)) in titles
    ]
    return [key for key in (*single, *earlier[:1], REFERENCE) if key in titles]
