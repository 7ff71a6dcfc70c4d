"""The model card: what a bundle is for, what it was trained on, how well it does, its limits.

A finished training run goes in; a frozen `Card` comes out, and Markdown of it. Raises
`NoComparablePairsError` where a member's test part cannot be ranked. `camlif.model.tripod` says
which items of TRIPOD+AI (Collins et al., BMJ 2024) it answers.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from importlib.resources import files

import numpy as np
import torch
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from camlif.arrays import BoolArray
from camlif.config import HORIZONS, QUICK_SPLITS, RunConfig
from camlif.data.cohort import Cohort
from camlif.data.splits import Splits
from camlif.exceptions import EstimationError
from camlif.model.input_worth import InputWorth
from camlif.model.modality_sets import SubsetValidation
from camlif.model.recognition_rates import RecognitionRates
from camlif.model.reference import Reference
from camlif.model.subgroups import SubgroupValidation
from camlif.statistics import (
    GateResult,
    SplitPValues,
    SurvivalBound,
    bootstrap_c_index,
    concordance_index,
    median_follow_up,
    split_p_values,
)
from camlif.statistics.outcome import LATE_ENTRY
from camlif.statistics.pairs import RiskTies
from camlif.statistics.splits import Interval, corrected_interval
from camlif.training.engine import TrainingResult
from camlif.training.ensemble import heldout_mean
from camlif.version import package_version
from camlif.wording import count, p_value


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CardData(_Part):
    """Training cohort."""

    title: str
    badge: str
    source: str
    licence: str
    n_patients: int
    n_events: int
    n_without_outcome: int
    median_follow_up_months: float | None
    endpoint: str
    event_noun: str
    event_free: str
    profile: str
    subtype_column: str | None
    grade_column: str | None
    notes: tuple[str, ...]


class CardModality(_Part):
    """One modality: its feature groups with widths, and how many patients had it."""

    name: str
    groups: dict[str, int]
    n_patients: int


class CardDiscrimination(_Part):
    """C-index on held-out patients; ``ties`` names the rule of ``per_split``, ``mean``, ``sd``.

    The preset ``printed`` leads with the paper's rule, by which tied risks count 0.
    """

    ties: RiskTies = "half"
    per_split: tuple[float, ...]
    mean: float
    sd: float
    interval: Interval
    strict_mean: float
    heldout: Interval
    oracle: float | None
    oracle_share: float | None


class CardTraining(_Part):
    """How the members were trained."""

    preset: str
    width: int
    splits: int
    split_scheme: str
    never_tested: int
    epochs: int
    batch_size: int
    modality_dropout: float
    seed: int
    device: str
    seconds: float
    parameters_per_member: int
    stored_precision: str
    torch_version: str
    camlif_version: str


class ExplanationVerdict(_Part):
    """What the check of a method of explanation found on this model; no failures: it passes.

    ``method`` is its key in `camlif.explain.METHODS`, ``label`` its name for readers.
    """

    method: str
    label: str
    failures: tuple[str, ...]
    n_patients: int

    @property
    def passes(self) -> bool:
        """Whether its contributions may be shown."""
        return not self.failures


class Card(_Part):
    """Contents of ``card.json``; ``card.md`` is rendered from it."""

    name: str
    date: str
    intended_use: str
    not_for: str
    data: CardData
    modalities: tuple[CardModality, ...]
    clinical: tuple[str, ...]
    missing_data: str
    training: CardTraining
    discrimination: CardDiscrimination
    p_values: SplitPValues | None
    calibration_slope: float
    calibration: tuple[GateResult, ...]
    bound: SurvivalBound
    subsets: tuple[SubsetValidation, ...]
    inputs: tuple[InputWorth, ...] = ()
    subgroups: tuple[SubgroupValidation, ...] = ()
    recognition: tuple[RecognitionRates, ...]
    recognition_note: str
    explanations: tuple[ExplanationVerdict, ...] = ()
    limits: tuple[str, ...]
    reproduce: str
    config_digest: str


INTENDED_USE = (
    "Research: review of risk groups for patients whose feature tables have the model's columns, "
    "beside all other information."
)
NOT_FOR = (
    "Not a medical device. Not for diagnosis, choice of care or any decision about a person; "
    "not for patients unlike the training cohort."
)
MISSING_DATA = (
    "Single values: median of the training part. Clinical values: median and a missing indicator. "
    "Whole modalities: a learned token; scored only where that set of modalities was validated."
)
RECOGNITION_NOTE = (
    "A training patient is scored only by models that did not see it. It is recognised by keyed "
    "digests of blocks of its values at three significant digits, 8 bits a block at most, which "
    "cannot be read back to measurements. Whoever holds this model can guess blocks of a few flags "
    "or levels from them."
)
TOKENS_NOTE = (
    " Its owner chose to keep keyed digests of the patients' identifiers too, against which "
    "identifiers can be tried."
)


def environment() -> Environment:
    """Return the Jinja environment of everything that a card says; unknown names are errors."""
    # Markdown, shown as text: HTML escaping would spoil "<" and "&".
    found = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701  # nosec B701
    found.filters["p_value"] = p_value
    return found


def render_markdown(card: Card) -> str:
    """Render ``card.md``."""
    text = (files("camlif.model") / "card.md.jinja").read_text(encoding="utf-8")
    return environment().from_string(text).render(c=card).strip() + "\n"


def build_card(
    *,
    name: str,
    cohort: Cohort,
    n_without_outcome: int,
    config: RunConfig,
    splits: Splits,
    result: TrainingResult,
    reference: Reference,
    recognition: tuple[RecognitionRates, ...],
    member_log_risk: NDArray[np.float64],
    presence: BoolArray,
    reproduce: str,
) -> Card:
    """Fill the model card from a finished training run; every number is of held-out patients.

    Parameters
    ----------
    name : str
        Of the model.
    cohort : Cohort
        The n training patients, all with an outcome.
    n_without_outcome : int
        Patients left out for want of one.
    config : RunConfig
        Of the run.
    splits : Splits
        Of the e members.
    result : TrainingResult
        Of the run: ensemble, history and seconds.
    reference : Reference
        What the model compares a patient with.
    recognition : tuple of RecognitionRates
        Errors in recognising training patients, by what a patient has.
    member_log_risk : float64, shape (n, e)
    presence : bool, shape (n, m)
        Which modalities each patient has.
    reproduce : str
        The command that trains the model again.
    """
    return Card(
        name=name,
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        intended_use=INTENDED_USE,
        not_for=NOT_FOR,
        data=_card_data(cohort, n_without_outcome),
        modalities=tuple(
            CardModality(
                name=m.name,
                groups={g.name: g.n_features for g in m.groups},
                n_patients=int(presence[:, i].sum()),
            )
            for i, m in enumerate(cohort.schema.modalities)
        ),
        clinical=tuple(c.name for c in cohort.schema.clinical),
        missing_data=MISSING_DATA,
        training=_card_training(config, splits, result),
        discrimination=_discrimination(member_log_risk, cohort, splits, ties=ties_of(config)),
        p_values=_p_values(member_log_risk, cohort, splits.test),
        calibration_slope=reference.calibration.slope,
        calibration=reference.whole.gates,
        bound=reference.bound,
        subsets=reference.subsets,
        inputs=reference.inputs,
        subgroups=reference.subgroups,
        recognition=recognition,
        recognition_note=RECOGNITION_NOTE + (TOKENS_NOTE if reference.digests.keeps_tokens else ""),
        limits=tuple(_limits(cohort, config, splits, reference)),
        reproduce=reproduce,
        config_digest=config.digest,
    )


def _card_data(cohort: Cohort, n_without_outcome: int) -> CardData:
    followed, info = cohort.follow_up(), cohort.info
    return CardData(
        title=info.title,
        badge=info.badge,
        source=info.source,
        licence=info.licence,
        n_patients=len(cohort),
        n_events=int(followed.event.sum()),
        n_without_outcome=n_without_outcome,
        median_follow_up_months=median_follow_up(followed.event, followed.duration, followed.entry),
        endpoint=info.endpoint.name,
        event_noun=info.endpoint.event_noun,
        event_free=info.endpoint.event_free,
        profile=info.profile,
        subtype_column=info.subtype_column,
        grade_column=info.grade_column,
        notes=info.notes,
    )


def _card_training(config: RunConfig, splits: Splits, result: TrainingResult) -> CardTraining:
    training = config.training
    return CardTraining(
        preset=config.camlif.preset,
        width=config.camlif.width,
        splits=len(splits),
        split_scheme=splits.scheme,
        never_tested=splits.n_never_tested,
        epochs=training.epochs,
        batch_size=training.batch_size,
        modality_dropout=training.modality_dropout or 0.0,
        seed=training.seed,
        device=str(result.ensemble.device),
        seconds=round(result.seconds, 1),
        parameters_per_member=result.ensemble.n_parameters,
        stored_precision=training.stored_precision,
        torch_version=torch.__version__,
        camlif_version=package_version(),
    )


def ties_of(config: RunConfig) -> RiskTies:
    """Which rule for tied risks a model's C-index leads with: eq 8's for the paper as printed."""
    return "strict" if config.camlif.preset == "printed" else "half"


def _discrimination(
    member: NDArray[np.float64], cohort: Cohort, splits: Splits, *, ties: RiskTies
) -> CardDiscrimination:
    values = split_c_indices(member, cohort, splits.test, ties=ties)
    n_test = float(splits.test.sum(axis=1).mean())
    interval = corrected_interval(
        values, n_train=len(cohort) - n_test, n_test=n_test, within=(0.0, 1.0)
    )
    risk = heldout_mean(member, splits.test)
    known = np.isfinite(risk)
    followed = cohort.follow_up(known)
    heldout = bootstrap_c_index(
        risk[known], followed.event, followed.duration, entry=followed.entry
    )
    oracle = cohort.info.oracle_c_index
    mean = float(values.mean())
    return CardDiscrimination(
        ties=ties,
        per_split=tuple(round(float(v), 4) for v in values),
        mean=mean,
        sd=float(values.std(ddof=1)),
        interval=Interval(value=mean, low=interval.low, high=interval.high),
        strict_mean=float(split_c_indices(member, cohort, splits.test, ties="strict").mean()),
        heldout=Interval(value=heldout.value, low=heldout.low, high=heldout.high),
        oracle=oracle,
        oracle_share=None if oracle is None else (mean - 0.5) / (oracle - 0.5),
    )


def _p_values(member: NDArray[np.float64], cohort: Cohort, test: BoolArray) -> SplitPValues | None:
    followed = cohort.follow_up()
    try:
        return split_p_values(
            member, followed.event, followed.duration, test=test, entry=followed.entry
        )
    except EstimationError:
        return None


def _limits(cohort: Cohort, config: RunConfig, splits: Splits, reference: Reference) -> list[str]:
    limits = [
        "Validated inside one cohort by resampling; no external cohort has been scored.",
        "The model interval says where many members would place a patient. It is not about the "
        "patient's own course: the time that 9 of 10 such patients outlive is.",
    ]
    if config.training.splits < QUICK_SPLITS:
        limits.append(
            f"Quick look: {count(config.training.splits, 'split')} instead of {QUICK_SPLITS}."
        )
    if cohort.info.badge == "synthetic":
        limits.append("Trained on simulated patients: of no meaning for any real person.")
    if cohort.enters_late:
        limits.append(LATE_ENTRY)
    if splits.n_never_tested:
        limits.append(
            f"{count(splits.n_never_tested, 'patient was', 'patients were')} never in a test part."
        )
    return [*limits, *reference_limits(reference)]


def reference_limits(reference: Reference) -> list[str]:
    """Say for whom the model gives no score or no absolute risk, or ranks weakly.

    Parameters
    ----------
    reference : Reference
    """
    limits = []
    closed = [f"{count(h, 'month')}" for h in HORIZONS if not reference.whole.gate(h).open]
    if reference.whole.fault:
        limits.append(
            f"No patient with all modalities is scored: the model {reference.whole.fault}."
        )
    elif closed:
        limits.append(f"Absolute risk is not shown at {', '.join(closed)} (calibration gate).")
    unscored = [" + ".join(s.modalities) for s in reference.subsets if not s.valid]
    weak = [" + ".join(s.modalities) for s in reference.subsets if s.valid and s.weak]
    if weak:
        limits.append(f"With only {'; '.join(weak)} the ranking is weak, see the table.")
    if unscored:
        limits.append(f"Patients with only {'; '.join(unscored)} are not scored.")
    return [*limits, *_subgroup_limits(reference.subgroups)]


def _subgroup_limits(subgroups: Sequence[SubgroupValidation]) -> list[str]:
    unless = {"subtype": "", "age": ", unless their subtype decides"}
    return [
        f"Patients of {found.name} are not scored{unless[found.kind]}: the model does not rank "
        f"them ({found.numbers})."
        for found in subgroups
        if found.fault
    ]


def split_c_indices(
    member_log_risk: NDArray[np.float64],
    cohort: Cohort,
    test: BoolArray,
    *,
    ties: RiskTies = "half",
) -> NDArray[np.float64]:
    """Test C-index of every member on its own test part, shape (e,).

    Parameters
    ----------
    member_log_risk : float64, shape (n, e)
        Of all patients of the cohort, by each member.
    cohort : Cohort
        With an outcome.
    test : bool, shape (e, n)
        Test part of each member.
    ties : {"half", "strict"}
        As in `concordance_index`.
    """
    parts = [(e, rows, cohort.follow_up(rows)) for e, rows in enumerate(test)]
    return np.array(
        [
            concordance_index(
                member_log_risk[rows, e], own.event, own.duration, entry=own.entry, ties=ties
            )
            for e, rows, own in parts
        ]
    )
