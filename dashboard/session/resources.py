"""Cached models, cohorts and results.

Digests go in beside the objects; models, cohorts, scores and explanations come out, computed once.
Errors of the library pass through and are not cached. Cached objects are shared and immutable by
contract. Keys are digests, never tables: hashing a large table samples it, so a corrected cell
could return the previous result.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

import numpy as np
import pandas as pd
import streamlit as st

from camlif.data.cohort import Cohort
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.readers import load_cohort
from camlif.data.samples import SAMPLE_FOLDER, load_sample
from camlif.explain import (
    FeatureAttribution,
    Interactions,
    ModalityAttribution,
    explain_features,
    explain_interactions,
    explain_modalities,
    strongest_features,
)
from camlif.explain.similarity import FusedSpace
from camlif.files import standing
from camlif.model.bundle import Bundle, load_bundle
from camlif.model.installed import InstalledModel, ModelMatch, installed_models, rank_models
from camlif.model.scoring import ScoreResult
from camlif.model.seal import SEAL
from camlif.study import Study, read_study
from camlif.study.installed import InstalledStudy, installed_studies
from dashboard.runs.jobs import JobManager
from dashboard.runs.scoring_job import ScoringJob
from dashboard.session.settings import install_key, settings
from dashboard.session.shared_results import SESSION_TTL, Request
from dashboard.store import Store, default_url
from dashboard.store.kept_explanations import FOLDER as EXPLAINED
from dashboard.store.kept_explanations import KeptExplanations, digest_of

TOKEN_DIGITS = 16
_SHIPPED: set[str] = set()
"""Digests of the bundled cohorts that have been read."""
T = TypeVar("T")
P = ParamSpec("P")

BaselineKey = Literal["median", "mean", "cohort_median"] | tuple[int, ...]
"""Reference of an explanation: training median or mean, cohort median, or rows of the cohort."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCohort:
    """A cohort with its digest and the tokens that stand for its patients in links.

    ``report`` is that of the files it was read from; None for a sample.
    """

    key: str
    cohort: Cohort
    digest: str
    tokens: tuple[str, ...]
    report: CheckReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A bundle with its digest."""

    bundle: Bundle
    digest: str


def loaded(key: str, cohort: Cohort, report: CheckReport | None = None) -> LoadedCohort:
    """Attach digest and tokens to a cohort.

    Parameters
    ----------
    key : str
        Names the cohort in the session.
    cohort : Cohort
    report : CheckReport, optional
        Of uploaded tables.
    """
    return LoadedCohort(
        key=key,
        cohort=cohort,
        digest=cohort.digest,
        tokens=case_tokens(cohort.info.title, cohort.patient_ids.tolist()),
        report=report,
    )


def case_tokens(title: str, patient_ids: Sequence[str]) -> tuple[str, ...]:
    """Keyed hashes of patient identifiers, which reach links and logs in their place."""
    key = install_key()
    return tuple(
        hmac.new(key, f"{title}\0{patient}".encode(), hashlib.sha256).hexdigest()[:TOKEN_DIGITS]
        for patient in patient_ids
    )


def by_tokens(loaded: LoadedCohort) -> Cohort:
    """Return a cohort whose patients go by their tokens: what a run of an upload may keep."""
    cohort = loaded.cohort
    index = pd.Index(loaded.tokens, name=cohort.clinical.index.name)
    return replace(
        cohort, patient_ids=np.array(loaded.tokens), clinical=cohort.clinical.set_axis(index)
    )


@st.cache_resource(max_entries=8, show_spinner=False)
def sample_cohort(key: str) -> LoadedCohort:
    """Return a bundled or built-in cohort."""
    sample = loaded(key, load_sample(key))
    _SHIPPED.add(sample.digest)
    return sample


@st.cache_resource(ttl=60, show_spinner=False)
def catalogue() -> tuple[InstalledModel, ...]:
    """Return the installed models, the user's own too; read again after a minute."""
    return installed_models(settings().models, settings().own_models)


def ranked_models(loaded: LoadedCohort) -> tuple[ModelMatch, ...]:
    """Return the installed models that share columns with a cohort, best first.

    Parameters
    ----------
    loaded : LoadedCohort
    """
    models = catalogue()
    return _ranked(loaded.digest, id(models), models, loaded.cohort)[1]


@st.cache_resource(scope="session", max_entries=4, ttl=SESSION_TTL, show_spinner=False)
def _ranked(
    cohort_digest: str,  # noqa: ARG001  # cache key
    number: int,  # noqa: ARG001
    _models: tuple[InstalledModel, ...],
    _cohort: Cohort,
) -> tuple[tuple[InstalledModel, ...], tuple[ModelMatch, ...]]:
    """Rank the models, which are held: no other list has the same number meanwhile."""
    return _models, rank_models(_models, _cohort)


def results_changed() -> None:
    """List models and studies again: a run ended or was deleted."""
    for cached in (catalogue, _model, studies):
        cached.clear()


@st.cache_resource(show_spinner=False)
def job_manager() -> JobManager:
    """Return the server's one manager of runs."""
    return JobManager(settings().home, on_end=results_changed)


@st.cache_resource(show_spinner=False, on_release=Store.close)
def store() -> Store:
    """Return the server's one store of worklists, notes and what was done; tried anew if it fails.

    Raises
    ------
    StoreError
        As `dashboard.store.Store`.
    """
    return Store(settings().database or default_url(settings().home))


def model(name: str) -> LoadedModel:
    """Load an installed model on the best device; read again once its folder was replaced.

    Raises
    ------
    ArtifactError
        If the folder is gone, or its files are not those that were saved together.
    """
    folder = settings().models / name
    if not folder.is_dir():
        folder = settings().own_models / name
    try:
        stamp = (standing(folder) / SEAL).stat()
    except OSError:
        catalogue.clear()
        return _model(str(folder), 0, 0)
    return _model(str(folder), stamp.st_mtime_ns, stamp.st_ino)


@st.cache_resource(max_entries=3, show_spinner=False)
def _model(folder: str, changed: int, inode: int) -> LoadedModel:  # noqa: ARG001  # cache key
    bundle = load_bundle(folder)
    return LoadedModel(bundle=bundle, digest=bundle.digest)


def _not_failed(job: ScoringJob) -> bool:
    return not job.failed


@st.cache_resource(max_entries=8, show_spinner=False, validate=_not_failed)
def sample_scores(
    cohort_digest: str,  # noqa: ARG001  # cache key
    model_digest: str,  # noqa: ARG001
    _cohort: Cohort,
    _bundle: Bundle,
) -> ScoringJob:
    """Score a sample cohort; shared by all sessions, tried anew if it failed.

    Parameters
    ----------
    cohort_digest, model_digest : str
        Key of the cache; the two objects are not hashed.
    _cohort : Cohort
    _bundle : Bundle
    """
    return ScoringJob(_bundle, _cohort)


@st.cache_resource(
    scope="session", max_entries=4, ttl=SESSION_TTL, show_spinner=False, validate=_not_failed
)
def own_scores(
    cohort_digest: str,  # noqa: ARG001  # cache key
    model_digest: str,  # noqa: ARG001
    missing: tuple[str, ...],
    _cohort: Cohort,
    _bundle: Bundle,
) -> ScoringJob:
    """Score an uploaded cohort; kept for this session only, tried anew if it failed.

    Parameters
    ----------
    cohort_digest, model_digest, _cohort, _bundle
        As in `sample_scores`.
    missing : tuple of str
        Modalities to treat as missing whatever columns are there.
    """
    return ScoringJob(_bundle, _cohort, missing)


def forget() -> None:
    """Erase what this session has computed of its tables."""
    for cached in (own_scores, _ranked, fused_space):
        cached.clear()


@st.cache_resource(scope="session", max_entries=4, ttl=SESSION_TTL, show_spinner=False)
def fused_space(
    cohort_digest: str,  # noqa: ARG001  # cache key
    model_digest: str,  # noqa: ARG001
    missing: tuple[str, ...],  # noqa: ARG001
    _result: ScoreResult,
) -> FusedSpace:
    """Fusion vectors of a scored cohort, for similar cases.

    Parameters
    ----------
    cohort_digest, model_digest, missing
        Key of the cache, as in `own_scores`.
    _result : ScoreResult
        Of the whole cohort.
    """
    return FusedSpace.of(_result.embedding, _result.member_log_risk.shape[1])


def modality_request(
    cohort_digest: str,
    model_digest: str,
    rows: tuple[int, ...],
    baseline: BaselineKey,
    missing: tuple[str, ...],
    cohort: Cohort,
    bundle: Bundle,
) -> Request[ModalityAttribution]:
    """Ask for exact Shapley values over modalities for some patients.

    Parameters
    ----------
    cohort_digest, model_digest, missing
        As in `own_scores`.
    rows : tuple of int
        Patients of the cohort.
    baseline : BaselineKey
        What contributions are measured against.
    cohort : Cohort
    bundle : Bundle
    """
    return _explanation(
        lambda: explain_modalities(
            bundle, cohort, np.array(rows), baseline=baseline, missing=missing
        ),
        cohort_digest,
        bundle,
        *("modalities", model_digest, rows, baseline, missing),
        long=len(rows) > 1,
    )


def feature_request(
    cohort_digest: str,
    model_digest: str,
    rows: tuple[int, ...],
    method: str,
    baseline: BaselineKey,
    missing: tuple[str, ...],
    cohort: Cohort,
    bundle: Bundle,
) -> Request[FeatureAttribution]:
    """Ask for feature contributions for some patients.

    Parameters
    ----------
    cohort_digest, model_digest, rows, baseline, missing, cohort, bundle
        As in `modality_request`.
    method : str
        A key of `METHODS`.
    """
    return _explanation(
        lambda: explain_features(
            bundle, cohort, np.array(rows), method=method, baseline=baseline, missing=missing
        ),
        cohort_digest,
        bundle,
        *("features", model_digest, rows, method, baseline, missing),
        long=len(rows) > 1,
    )


def _explanation(
    compute: Callable[[], T], cohort_digest: str, bundle: Bundle, *what: object, long: bool
) -> Request[T]:
    """Ask for an explanation; that of a shipped cohort is kept on this computer."""
    return Request(
        key=digest_of(cohort_digest, str(bundle.device), *what),
        compute=compute,
        long=long,
        kept=KeptExplanations(settings().home / EXPLAINED) if cohort_digest in _SHIPPED else None,
    )


def _wait_for(request: Callable[P, Request[T]]) -> Callable[P, T]:
    """Return a function that waits for what is asked for."""

    def result(*args: P.args, **options: P.kwargs) -> T:
        return request(*args, **options).result()

    return result


modality_attribution = _wait_for(modality_request)
feature_attribution = _wait_for(feature_request)


def interactions(
    cohort_digest: str,
    model_digest: str,
    row: int,
    level: Literal["modality", "group", "feature"],
    missing: tuple[str, ...],
    cohort: Cohort,
    bundle: Bundle,
    features: FeatureAttribution | None,
) -> Interactions:
    """Interactions of a patient.

    Parameters
    ----------
    cohort_digest, model_digest, missing, cohort, bundle
        As in `modality_request`.
    row : int
        The patient.
    level : {"modality", "group", "feature"}
        What acts together.
    features : FeatureAttribution, optional
        Contributions to this patient, which name the strongest features; needed at that level.
    """
    strongest = () if features is None or level != "feature" else strongest_features(features, 0)
    return Request(
        key=digest_of("interactions", cohort_digest, model_digest, row, level, missing, strongest),
        compute=lambda: explain_interactions(
            bundle, cohort, row, level=level, features=strongest, missing=missing
        ),
        long=True,
    ).result()


@st.cache_resource(ttl=5, show_spinner=False)
def studies() -> tuple[InstalledStudy, ...]:
    """Return the installed studies, read again after five seconds: a running one grows."""
    return installed_studies(samples=SAMPLE_FOLDER, runs=settings().runs)


@st.cache_resource(max_entries=4, show_spinner=False)
def study(path: Path, changed: float) -> Study:  # noqa: ARG001  # cache key
    """Read a study, anew whenever its summary has changed."""
    return read_study(path)


@st.cache_resource(max_entries=2, show_spinner=False)
def folder_cohort(folder: str) -> Cohort:
    """Read the cohort that a study of this machine was run on."""
    return load_cohort(folder)
