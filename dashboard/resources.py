"""Cached models, cohorts and results.

Cached objects are shared and immutable by contract. Keys are digests, never tables: hashing a large
table samples it, so a corrected cell could return the previous result.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import streamlit as st

from camlif.attribution import (
    FeatureAttribution,
    ModalityAttribution,
    explain_features,
    explain_modalities,
)
from camlif.bundle import Bundle, load_bundle
from camlif.catalogue import InstalledModel, installed_models
from camlif.data.checks import CheckReport
from camlif.data.cohort import Cohort
from camlif.data.samples import load_sample
from camlif.scoring import ScoreResult
from dashboard.settings import install_key, settings

TOKEN_DIGITS = 16
SESSION_TTL = "2h"

Baseline = Literal["median"] | tuple[int, ...]
"""Reference of an explanation: the training median, or rows of the cohort."""


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
    """Attach digest and tokens to a cohort."""
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


@st.cache_resource(max_entries=8, show_spinner=False)
def sample_cohort(key: str) -> LoadedCohort:
    """Return a bundled or built-in cohort."""
    return loaded(key, load_sample(key))


@st.cache_resource(ttl=60, show_spinner=False)
def catalogue() -> tuple[InstalledModel, ...]:
    """Return the installed models, read again after a minute."""
    return installed_models(settings().models)


@st.cache_resource(max_entries=3, show_spinner=False)
def model(name: str) -> LoadedModel:
    """Load an installed model on the best device."""
    bundle = load_bundle(settings().models / name)
    return LoadedModel(bundle=bundle, digest=bundle.digest)


@st.cache_resource(max_entries=8, show_spinner=False)
def sample_scores(
    cohort_digest: str,  # noqa: ARG001  # cache key
    model_digest: str,  # noqa: ARG001
    _cohort: Cohort,
    _bundle: Bundle,
) -> ScoreResult:
    """Score a sample cohort; shared by all sessions."""
    return _bundle.score(_cohort)


@st.cache_resource(scope="session", max_entries=4, ttl=SESSION_TTL, show_spinner=False)
def own_scores(
    cohort_digest: str,  # noqa: ARG001  # cache key
    model_digest: str,  # noqa: ARG001
    missing: tuple[str, ...],
    _cohort: Cohort,
    _bundle: Bundle,
) -> ScoreResult:
    """Score an uploaded cohort; kept for this session only."""
    return _bundle.score(_cohort, missing=missing)


@st.cache_resource(scope="session", max_entries=64, ttl=SESSION_TTL, show_spinner=False)
def modality_attribution(
    cohort_digest: str,  # noqa: ARG001  # cache key
    model_digest: str,  # noqa: ARG001
    rows: tuple[int, ...],
    baseline: Baseline,
    missing: tuple[str, ...],
    _cohort: Cohort,
    _bundle: Bundle,
) -> ModalityAttribution:
    """Exact Shapley values over modalities for some patients."""
    return explain_modalities(_bundle, _cohort, np.array(rows), baseline=baseline, missing=missing)


@st.cache_resource(scope="session", max_entries=64, ttl=SESSION_TTL, show_spinner=False)
def feature_attribution(
    cohort_digest: str,  # noqa: ARG001  # cache key
    model_digest: str,  # noqa: ARG001
    rows: tuple[int, ...],
    method: str,
    baseline: Baseline,
    missing: tuple[str, ...],
    _cohort: Cohort,
    _bundle: Bundle,
) -> FeatureAttribution:
    """Feature contributions for some patients."""
    return explain_features(
        _bundle, _cohort, np.array(rows), method=method, baseline=baseline, missing=missing
    )
