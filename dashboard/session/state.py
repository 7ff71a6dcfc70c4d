"""What the session looks at: cohort, model, result and filters.

Choices of a user go in; a frozen `Workspace` comes out, which every page draws from. Keys are those
of `dashboard.session.keys`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from camlif.arrays import BoolArray
from camlif.data.cohort import Cohort
from camlif.data.samples import SAMPLES
from camlif.exceptions import ArtifactError, CamlifError
from camlif.model.bundle import Bundle
from camlif.model.installed import ModelMatch
from camlif.model.scoring import ScoreResult
from camlif.wording import OLDEST_SHOWN
from dashboard.profiles import GENERIC, Profile, load_profile
from dashboard.runs.scoring_job import ScoringJob
from dashboard.session import column_filters, keys, resources, shared_results
from dashboard.session.keys import SessionKey
from dashboard.session.resources import LoadedCohort, LoadedModel

DEFAULT_SAMPLE = "glioma"
UPLOADED = "uploaded"

# Keys of session state.
COHORT: SessionKey[str] = SessionKey("cohort")
MODEL: SessionKey[str | None] = SessionKey("model")
UPLOAD: SessionKey[LoadedCohort] = SessionKey("upload")
MISSING: SessionKey[tuple[str, ...]] = SessionKey("declared_missing")
CASE: SessionKey[int] = SessionKey("case_row")
OPEN_CASE: SessionKey[int] = SessionKey("open_case")
"""Row of a case that another view asks the Case page to open."""
AWAITED: SessionKey[str] = SessionKey("awaited_cohort")
"""Cohort that the address names and that is not loaded, until one is chosen."""
AWAITED_CASE: SessionKey[str | None] = SessionKey("awaited_case")
"""Token of the case that the same address names."""
COMMIT_FIRST: SessionKey[bool] = SessionKey("commits_first")
"""Whether this session hides results until the board has recorded its own estimate."""
UNKNOWN_LINK: SessionKey[str] = SessionKey("unknown_link")
"""Token of a link to a case that the cohort does not have, until another case is chosen."""
SELECTION: SessionKey[tuple[str, ...]] = SessionKey("cohort_selection")
STUDY_METHODS: SessionKey[tuple[str, ...]] = SessionKey("study_methods")
"""Methods that a page asks the Runs page to fill in."""
NEW_FILTERS: SessionKey[bool] = SessionKey("new_filters")
"""Whether the filters are to start anew: no page can set those drawn beside it."""
FILTER_SUBTYPE: SessionKey[list[str]] = SessionKey("subtype")
FILTER_GRADE: SessionKey[list[str]] = SessionKey("grade")
FILTER_COMPLETE: SessionKey[bool] = SessionKey("complete_only")
FILTER_AGE: SessionKey[tuple[int, int]] = SessionKey("age_range")


@dataclass(frozen=True, slots=True)
class Scoring:
    """A model and what it says of the cohort; ``missing`` are modalities declared missing."""

    model: LoadedModel
    result: ScoreResult
    missing: tuple[str, ...] = ()

    @property
    def bundle(self) -> Bundle:
        """The model's bundle."""
        return self.model.bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Everything a page shows.

    Attributes
    ----------
    loaded : LoadedCohort
    matches : tuple of ModelMatch
        Installed models that share columns with the cohort, best first.
    scoring : Scoring or None
        None where no model fits or scoring failed; ``problem`` then says why it failed.
    problem : CamlifError or None
    shown : bool, shape (n,)
        Patients that pass the filters.
    profile : Profile
    """

    loaded: LoadedCohort
    matches: tuple[ModelMatch, ...]
    scoring: Scoring | None
    problem: CamlifError | None
    shown: BoolArray
    profile: Profile

    @property
    def cohort(self) -> Cohort:
        """The cohort."""
        return self.loaded.cohort

    @property
    def scored_rows(self) -> np.ndarray[tuple[int], np.dtype[np.int_]]:
        """Rows that pass the filters and have a score."""
        if self.scoring is None:
            return np.zeros(0, dtype=int)
        return np.flatnonzero(self.shown & self.scoring.result.scored)

    def row_of(self, token: str) -> int | None:
        """Row of a case token; None if the cohort has no such case."""
        try:
            return self.loaded.tokens.index(token)
        except ValueError:
            return None


def initialise() -> None:
    """Begin a run: set the defaults of a new session, and the filters of a new cohort."""
    COHORT.start_with(DEFAULT_SAMPLE)
    MODEL.start_with(None)
    MISSING.start_with(())
    if NEW_FILTERS.pop():
        reset_filters()


def cohort_choices() -> list[str]:
    """Keys of the cohorts that can be shown."""
    return list(SAMPLES) + ([UPLOADED] if UPLOAD.is_set else [])


def choose_cohort(key: str, upload: LoadedCohort | None = None) -> None:
    """Look at another cohort from the next run on; model, case and filters start anew.

    Uploaded tables may be those of the case that the address named: it stays awaited.
    """
    gone: list[SessionKey[Any]] = [CASE, UNKNOWN_LINK, SELECTION, AWAITED]
    if upload is None:
        gone.append(AWAITED_CASE)
    else:
        UPLOAD.set(upload)
    COHORT.set(key)
    MODEL.set(None)
    MISSING.set(())
    NEW_FILTERS.set(True)
    for key_ in gone:
        key_.pop()


def choose_model(name: str | None, missing: tuple[str, ...] = ()) -> None:
    """Use a model for the cohort, with some modalities declared missing."""
    MODEL.set(name)
    MISSING.set(missing)


def reset_filters() -> None:
    """Show all patients of the cohort in view.

    Each filter is set to what lets everybody pass: a widget whose value is only dropped keeps what
    its browser shows, and filters again at the next click.
    """
    FILTER_SUBTYPE.set([])
    FILTER_GRADE.set([])
    FILTER_COMPLETE.set(False)
    column_filters.COLUMN_FILTERS.pop()
    FILTER_AGE.pop()
    limits = age_limits(current_cohort().cohort)
    if limits is not None:
        FILTER_AGE.set(limits)


def age_limits(cohort: Cohort) -> tuple[int, int] | None:
    """Ends of the age filter in years; None where there is nothing to filter by."""
    if "age" not in cohort.clinical:
        return None
    age = pd.to_numeric(cohort.clinical["age"], errors="coerce").dropna()
    if age.nunique() < 2:
        return None
    high = min(int(-(-age.max() // 1)), OLDEST_SHOWN)
    return min(int(age.min()), high - 1), high


def forget() -> None:
    """Erase everything this session holds: uploaded tables, choices and cached results."""
    keys.clear()
    resources.forget()
    shared_results.forget()
    # Parameters bound to widgets go with the session state; clearing them here is refused.
    for name in ("cohort", "model", "case", "commit"):
        st.query_params.pop(name, None)
    gc.collect()  # what holds itself in a circle, too


def current_cohort() -> LoadedCohort:
    """The cohort in view."""
    key = COHORT.require()
    if key == UPLOADED:
        return UPLOAD.require()
    return resources.sample_cohort(key)


def loaded_as(digest: str) -> LoadedCohort | None:
    """Return the cohort of a digest, in view or uploaded; None where this session has none."""
    held = [UPLOAD.get(), None if AWAITED.is_set else current_cohort()]
    return next((found for found in held if found is not None and found.digest == digest), None)


def workspace(wait: Callable[[Cohort, ScoringJob], None] | None = None) -> Workspace:
    """Assemble what pages show from the session's choices.

    Parameters
    ----------
    wait : callable, optional
        Called with the cohort and its scoring, which may be under way; returns when it has ended.
    """
    loaded = current_cohort()
    matches = resources.ranked_models(loaded)
    name = MODEL.get() or (matches[0].model.name if matches and matches[0].report.usable else None)
    scoring, problem = None, None
    if name is not None:
        try:
            _require_match(name, matches)
            model = resources.model(name)
            job = _scoring_job(loaded, model)
            if wait is not None:
                wait(loaded.cohort, job)
            scoring = Scoring(model, job.result(), job.missing)
        except CamlifError as error:
            problem = error
    return Workspace(
        loaded=loaded,
        matches=matches,
        scoring=scoring,
        problem=problem,
        shown=shown_rows(loaded.cohort),
        profile=_profile(loaded.cohort, scoring),
    )


def _require_match(name: str, matches: Sequence[ModelMatch]) -> None:
    """Raise ArtifactError for a model that an address may name and that is none of the matches."""
    if all(match.model.name != name for match in matches):
        raise ArtifactError(
            f"Model {name} is not installed here, or shares no columns with this cohort. Pick "
            "another model."
        )


def _profile(cohort: Cohort, scoring: Scoring | None) -> Profile:
    """Words of the cohort's disease; tables that name none take those of the model they fit."""
    name = cohort.info.profile
    if name == GENERIC and scoring is not None:
        name = scoring.bundle.info.profile
    profile = load_profile(name)
    if scoring is not None:
        profile = profile.with_names(scoring.bundle.info)
    return profile.with_names(cohort.info)


def _scoring_job(loaded: LoadedCohort, model: LoadedModel) -> ScoringJob:
    """Scoring of the cohort by the model, begun if need be."""
    key = (loaded.digest, model.digest)
    if loaded.key != UPLOADED:
        return resources.sample_scores(*key, loaded.cohort, model.bundle)
    missing = MISSING.require()
    return resources.own_scores(*key, missing, loaded.cohort, model.bundle)


def shown_rows(cohort: Cohort) -> BoolArray:
    """Patients that pass the filters, shape (n,)."""
    shown = column_filters.passing(cohort)
    for key, column in ((FILTER_SUBTYPE, cohort.subtype), (FILTER_GRADE, cohort.grade)):
        chosen = key.get()
        if chosen and column is not None:
            shown &= column.astype("string").isin(chosen).to_numpy()
    if FILTER_COMPLETE.get():
        shown &= cohort.presence.all(axis=1)
    limits = FILTER_AGE.get()
    if limits and "age" in cohort.clinical:
        age = pd.to_numeric(cohort.clinical["age"], errors="coerce").to_numpy("float64")
        age = np.minimum(age, OLDEST_SHOWN)  # the slider ends there
        low, high = limits
        shown &= ((age >= low) & (age <= high)) | np.isnan(age)
    return shown
