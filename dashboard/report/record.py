"""The record of a case: what the PDF, the JSON file and the FHIR resource are drawn from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from camlif.data.course import CourseEvent
from camlif.explain.results import Level
from camlif.model.case import CaseScore, HorizonSurvival
from camlif.model.certainty import Certainty
from camlif.model.modality_check import ModalityCheck
from camlif.model.recognition import Membership
from camlif.model.subgroups import SubgroupValidation
from camlif.statistics import GateResult
from dashboard.figures.attribution import (
    FeatureContribution,
    GroupContribution,
    dominance_sentence,
    sum_by_group,
)

SCHEMA_VERSION: Literal["2.2"] = "2.2"
DEFAULT_HORIZON = 36
"""Months of the icon array, where its gate is open."""

KEPT_FEATURES = 10


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CohortRecord(_Part):
    """The cohort that the case is of."""

    title: str
    badge: str
    n_patients: int
    digest: str


class ModelRecord(_Part):
    """The model, with the denominators of its numbers."""

    name: str
    date: str
    digest: str
    config_digest: str
    camlif_version: str
    members: int
    split_scheme: str
    seed: int
    endpoint: str
    event_noun: str
    event_free: str
    n_training: int
    n_events: int


class CurveRecord(_Part):
    """Predicted survival; empty where absolute risk is hidden. Months and probabilities."""

    times: tuple[float, ...]
    survival: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    finding: str


class FeaturesRecord(_Part):
    """Contributions of feature groups and single features, by a method that may be shown.

    ``groups`` are all of them, the largest first, and ``sentence`` says which move the score most.
    ``steps`` are the points on the way from the baseline, or samples; ``completeness_gap`` is the
    share of the difference that contributions miss.
    """

    method: str
    level: Level
    steps: int
    completeness_gap: float
    sentence: str
    groups: tuple[GroupContribution, ...]
    largest: tuple[FeatureContribution, ...]
    n_other: int
    sum_other: float

    @classmethod
    def of(
        cls,
        features: Sequence[FeatureContribution],
        *,
        method: str,
        level: Level,
        steps: int,
        completeness_gap: float,
    ) -> FeaturesRecord:
        """Keep the `KEPT_FEATURES` largest contributions and the sum of the others.

        Parameters
        ----------
        features : sequence of FeatureContribution
        method : str
            Its name for readers.
        level : {"feature", "group"}
        steps : int
            At least 1.
        completeness_gap : float
            At least 0.
        """
        ordered = sorted(features, key=lambda f: -abs(f.contribution))
        rest, groups = ordered[KEPT_FEATURES:], tuple(sum_by_group(features))
        return cls(
            method=method,
            level=level,
            steps=steps,
            completeness_gap=completeness_gap,
            sentence=dominance_sentence(groups),
            groups=groups,
            largest=tuple(ordered[:KEPT_FEATURES]),
            n_other=len(rest),
            sum_other=sum(f.contribution for f in rest),
        )


class ExplanationRecord(_Part):
    """What moves the score against a baseline; modalities by exact Shapley values.

    ``features`` is None where no method passes the check on this model; ``verdict`` says which do.
    """

    baseline: str
    modalities: dict[str, float]
    features: FeaturesRecord | None
    verdict: str


class CaseRecord(_Part):
    """Everything a file says of a case.

    Attributes
    ----------
    case : str
        Case token.
    patient_id : str or None
        The identifier of the uploaded table, only where the user asked for it.
    facts : tuple of str
        Age, sex, subtype and grade.
    unlike : str or None
        The warning that the case is unlike the training data.
    clinical : dict
        Clinical inputs of the model by plain name: value with unit, or None where missing.
    result : CaseScore or None
        None where the model abstains; ``reasons`` then say why.
    certainty : Certainty
        How sure the risk group is, and why.
    course : tuple of CourseEvent
        What happened to the patient, as far as it is given; no model read it.
    subgroups : tuple of SubgroupValidation
        How the model ranks patients of the case's subtype and age band.
    notes : tuple of str
        What the board wrote, as it is printed.
    board : dict
        Estimate, decisions and notes of the board, as the store gives them.
    """

    schema_version: Literal["2.2"] = SCHEMA_VERSION
    notice: str
    created: dt.date
    case: str
    patient_id: str | None
    membership: Membership
    facts: tuple[str, ...]
    clinical: dict[str, str | None]
    modalities: tuple[ModalityCheck, ...]
    unlike: str | None
    cohort: CohortRecord
    model: ModelRecord
    strata: tuple[str, ...]
    cutoffs: tuple[float, ...]
    result: CaseScore | None
    certainty: Certainty
    reasons: tuple[str, ...]
    curve: CurveRecord | None
    course: tuple[CourseEvent, ...] = ()
    gates: tuple[GateResult, ...]
    subgroups: tuple[SubgroupValidation, ...]
    explanation: ExplanationRecord | None
    caveats: tuple[str, ...]
    notes: tuple[str, ...]
    board: dict[str, Any]

    def to_json(self) -> str:
        """Return the JSON file."""
        return self.model_dump_json(indent=1) + "\n"

    def horizon(self, months: int | None = None) -> HorizonSurvival | None:
        """Return an open horizon: the one asked for, else 3 years, else the first; None if none."""
        open_ = [h for h in self.result.horizons if h.survival] if self.result else []
        wanted: Sequence[int | None] = (months, DEFAULT_HORIZON)
        return next((h for m in wanted for h in open_ if h.months == m), next(iter(open_), None))
