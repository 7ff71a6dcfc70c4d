"""Whether a model holds for patients it was not made of.

A bundle and a cohort with outcome go in; a frozen `Validation` comes out: who was counted, how they
differ from training, whether risks rank and probabilities hold, and what that shows. Raises
`DataError` where no new patient with an outcome can be scored.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from camlif.config import HORIZONS
from camlif.data.cohort import Cohort
from camlif.exceptions import DataError, EstimationError
from camlif.model.bundle import Bundle
from camlif.model.follow_up_unit import FollowUpFacts
from camlif.model.scoring import ScoreResult
from camlif.statistics import (
    CalibrationResult,
    DecisionCurve,
    GateResult,
    KaplanMeierCurve,
    PerformanceOverTime,
    SubgroupPerformance,
    bootstrap_c_index,
    calibration,
    decision_curve,
    judge_predictions,
    kaplan_meier,
    median_follow_up,
    performance_over_time,
    subgroup_performance,
)
from camlif.statistics.horizon import smoothed_survival
from camlif.statistics.new_patients import (
    RESAMPLES,
    Estimate,
    brier_gain,
    calibration_in_the_large,
    expected_over_observed,
    uno_c_index,
)
from camlif.statistics.outcome import FollowUp
from camlif.transport.case_mix import InputShift, Membership, input_shifts, tell_apart
from camlif.transport.claims import Claim, claims_of
from camlif.transport.groups import patient_groups
from camlif.wording import count

AUC_HORIZONS = (12, 24, 36, 48, 60)
THRESHOLDS = np.arange(0.02, 0.99, 0.02)
Setting = Literal["elsewhere", "later", "unknown"]
"""Where the patients are from: another hospital, the training one at a later time, not told."""
TITLES: dict[Setting, str] = {
    "elsewhere": "External validation",
    "later": "Temporal validation",
    "unknown": "Validation on other patients",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What became of the patients that were read.

    Attributes
    ----------
    n_read : int
    n_training, n_unclear : int
        Recognised as patients of the training cohort, and those of whom that cannot be told.
    n_unscored : int
        Of the others.
    unscored : mapping of reason to patients
    n_without_outcome : int
        Of those scored.
    n_used, n_events : int
    n_unlike : int
        Used, though their data are unlike the training data.
    n_absolute : int
        Of those used, with a predicted probability: their set of modalities has a calibration.
    """

    n_read: int
    n_training: int
    n_unclear: int
    n_unscored: int
    unscored: dict[str, int]
    n_without_outcome: int
    n_used: int
    n_events: int
    n_unlike: int
    n_absolute: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AtHorizon:
    """Probabilities at one horizon.

    Attributes
    ----------
    gate : GateResult
        What the rules for showing absolute risk say of these patients.
    ratio : Estimate or None
        Expected over observed events, with its bootstrap interval.
    gain : Estimate or None
        Brier score of these patients' Kaplan-Meier estimate, less the model's.
    calibration : CalibrationResult or None
        Bins, and the integrated calibration index.
    curve : float64, shape (2, n)
        Predicted and smoothed observed risk, ascending; (2, 0) where it cannot be fitted.
    decision : DecisionCurve or None
    """

    gate: GateResult
    ratio: Estimate | None
    gain: Estimate | None
    calibration: CalibrationResult | None
    curve: NDArray[np.float64]
    decision: DecisionCurve | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """How the model does in one group, at `HORIZONS`."""

    kind: str
    level: str
    performance: tuple[SubgroupPerformance, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Validation:
    """Everything measured of new patients.

    Attributes
    ----------
    model, digest : str
    cohort, endpoint, event_noun : str
    setting : {"elsewhere", "later", "unknown"}
        As the user says.
    flow : Flow
    follow_up, training_follow_up : FollowUpFacts
    median_follow_up : float or None
        Months, by reverse Kaplan-Meier.
    z_mean, z_sd : float
        Of the risks; 0 and 1 in training.
    inputs : tuple of InputShift
    membership : Membership or str
        Or why new and training patients were not told apart.
    c_index, uno : Estimate or str
        Or why there is none.
    training_c_index : Estimate
        Mean over the splits of training, with its interval.
    in_the_large : Estimate or str
        Expected over observed events in the whole follow-up.
    over_time : PerformanceOverTime
    horizons : tuple of AtHorizon
    groups : tuple of Group
    observed, predicted : mapping of risk group to KaplanMeierCurve, and to survival at `months`
    sizes : mapping of risk group to patients
    months : float64, shape (t,)
    late_entry : bool
    claims : tuple of Claim
    """

    model: str
    digest: str
    cohort: str
    endpoint: str
    event_noun: str
    setting: Setting
    flow: Flow
    follow_up: FollowUpFacts
    training_follow_up: FollowUpFacts
    median_follow_up: float | None
    z_mean: float
    z_sd: float
    inputs: tuple[InputShift, ...]
    membership: Membership | str
    c_index: Estimate | str
    uno: Estimate | str
    training_c_index: Estimate
    in_the_large: Estimate | str
    over_time: PerformanceOverTime
    horizons: tuple[AtHorizon, ...]
    groups: tuple[Group, ...]
    observed: dict[str, KaplanMeierCurve]
    predicted: dict[str, NDArray[np.float64]]
    sizes: dict[str, int]
    months: NDArray[np.float64]
    late_entry: bool
    claims: tuple[Claim, ...]

    @property
    def title(self) -> str:
        """What kind of validation it is; external only where the patients are from elsewhere."""
        return TITLES[self.setting]


def validate(
    bundle: Bundle,
    cohort: Cohort,
    *,
    result: ScoreResult | None = None,
    training: Cohort | None = None,
    setting: Setting = "unknown",
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Validation:
    """Measure a bundle on the patients of a cohort that it was not made of.

    Parameters
    ----------
    bundle : Bundle
    cohort : Cohort
        With outcome. Patients of the training cohort, and those of whom that cannot be told, are
        counted and left out.
    result : ScoreResult, optional
        Of the cohort, where it has been scored.
    training : Cohort, optional
        The training cohort, to say whether new patients can be told from it.
    setting : {"elsewhere", "later", "unknown"}
        Where the new patients are from; "external" is said only of patients from elsewhere.
    n_resamples, seed : int
        Of the bootstrap over patients; the seed of folds, too.

    Raises
    ------
    DataError
        If the cohort has no outcome, or no new patient with an outcome could be scored.
    """
    cohort.outcome()
    scored = bundle.score(cohort, embed=False) if result is None else result
    new = ~(scored.is_training | scored.unclear)
    rows = np.flatnonzero(new & scored.scored & cohort.with_outcome)
    if not len(rows):
        raise _nobody(cohort, scored, new)
    followed, risk = cohort.follow_up(rows), scored.log_risk[rows]
    presence, reference = scored.presence[rows], bundle.reference
    survival = reference.survival(risk, presence, AUC_HORIZONS)
    absolute = np.asarray(np.isfinite(survival).all(axis=1))
    raw = bundle.prepare(cohort.take(np.flatnonzero(new)))
    draws = {"n_resamples": n_resamples, "seed": seed}
    horizons = tuple(
        _at_horizon(risk[absolute], survival[absolute], followed.take(absolute), h, draws)
        for h in HORIZONS
    )
    c_index = _c_index(risk, followed, draws)
    large = _in_the_large(bundle, risk, presence, followed, absolute)
    months = np.linspace(0, float(np.quantile(followed.duration, 0.95)), 60)
    discrimination = bundle.card.discrimination
    return Validation(
        model=bundle.name,
        digest=bundle.digest,
        cohort=cohort.info.title,
        endpoint=cohort.info.endpoint.name,
        event_noun=cohort.info.endpoint.event_noun,
        setting=setting,
        flow=_flow(cohort, scored, new, rows, absolute),
        follow_up=FollowUpFacts.of(followed),
        training_follow_up=reference.follow_up,
        median_follow_up=median_follow_up(followed.event, followed.duration),
        z_mean=float(scored.z[rows].mean()),
        z_sd=float(scored.z[rows].std(ddof=1)) if len(rows) > 1 else float("nan"),
        inputs=input_shifts(raw, reference.training_range, bundle.schema),
        membership="the training cohort was not given"
        if training is None
        else _measured(tell_apart, raw, bundle.prepare(training), seed=seed),
        c_index=c_index,
        uno=_measured(uno_c_index, risk, followed, **draws),
        training_c_index=Estimate(
            value=discrimination.mean,
            low=discrimination.interval.low,
            high=discrimination.interval.high,
        ),
        in_the_large=large,
        over_time=performance_over_time(
            risk[absolute],
            survival[absolute],
            followed.event[absolute],
            followed.duration[absolute],
            horizons=AUC_HORIZONS,
            entry=None if followed.entry is None else followed.entry[absolute],
            **draws,
        ),
        horizons=horizons,
        groups=_groups(cohort, rows, risk, survival, followed),
        **_by_stratum(bundle, scored, rows, followed, months),
        months=months,
        late_entry=followed.entry is not None,
        claims=claims_of(
            c_index,
            large,
            [h.gate for h in horizons],
            [h.gain for h in horizons],
            n_events=int(followed.event.sum()),
        ),
    )


def _nobody(cohort: Cohort, scored: ScoreResult, new: NDArray[np.bool_]) -> DataError:
    """Say why nobody is left to measure."""
    unscored = _reasons(scored, new)
    why = "".join(f" {n:,} without a score: {reason}" for reason, n in unscored.items())
    return DataError(
        f"No new patient with an outcome could be scored: of {count(len(cohort), 'patient')} "
        f"{int(scored.is_training.sum()):,} are of the training cohort and "
        f"{int(scored.unclear.sum()):,} may be.{why}",
        fix="Give patients that the model was not trained on, with event and follow-up.",
    )


def _reasons(scored: ScoreResult, new: NDArray[np.bool_]) -> dict[str, int]:
    """Why new patients have no score, the most frequent reason first."""
    unscored = new & ~scored.scored
    reasons = Counter(scored.table["warnings"].to_numpy(dtype=object)[unscored].tolist())
    return {str(reason): n for reason, n in reasons.most_common()}


def _measured(measure: Any, *args: Any, **options: Any) -> Any:
    """What a measure gives, or why it gives nothing."""
    try:
        return measure(*args, **options)
    except EstimationError as error:
        return str(error).rstrip(".")


def _c_index(
    risk: NDArray[np.float64], followed: FollowUp, draws: dict[str, int]
) -> Estimate | str:
    known = (risk, followed.event, followed.duration)
    found = _measured(bootstrap_c_index, *known, entry=followed.entry, **draws)
    if isinstance(found, str):
        return found
    return Estimate(value=found.value, low=found.low, high=found.high)


def _flow(
    cohort: Cohort,
    scored: ScoreResult,
    new: NDArray[np.bool_],
    rows: NDArray[np.int_],
    absolute: NDArray[np.bool_],
) -> Flow:
    return Flow(
        n_read=len(cohort),
        n_training=int(scored.is_training.sum()),
        n_unclear=int(scored.unclear.sum()),
        n_unscored=int((new & ~scored.scored).sum()),
        unscored=_reasons(scored, new),
        n_without_outcome=int((new & scored.scored & ~cohort.with_outcome).sum()),
        n_used=len(rows),
        n_events=int(cohort.follow_up(rows).event.sum()),
        n_unlike=int(scored.unlike[rows].sum()),
        n_absolute=int(absolute.sum()),
    )


def _at_horizon(
    risk: NDArray[np.float64],
    survival: NDArray[np.float64],
    followed: FollowUp,
    horizon: int,
    draws: dict[str, int],
) -> AtHorizon:
    """Measure probabilities at a horizon; a measure that is undefined is None."""
    predicted = survival[:, AUC_HORIZONS.index(horizon)]
    known: dict[str, Any] = {
        "event": followed.event,
        "duration": followed.duration,
        "entry": followed.entry,
    }
    (gate,) = judge_predictions(
        risk, predicted[:, None], **known, horizons=[horizon], seed=draws["seed"]
    )
    found: dict[str, Any] = dict.fromkeys(("ratio", "gain", "calibration", "decision"))
    curve = np.zeros((2, 0))
    if len(risk):
        with suppress(EstimationError):
            found["ratio"] = expected_over_observed(predicted, followed, horizon=horizon, **draws)
        with suppress(EstimationError):
            found["gain"] = brier_gain(predicted, followed, horizon=horizon, **draws)
        with suppress(EstimationError):
            found["calibration"] = calibration(predicted, **known, horizon=horizon)
        with suppress(EstimationError):
            found["decision"] = decision_curve(
                predicted, **known, horizon=horizon, thresholds=THRESHOLDS
            )
        with suppress(EstimationError):
            smooth = smoothed_survival(
                predicted, followed.event, followed.duration, followed.entry, horizon
            )
            order = np.argsort(predicted)[::-1]
            curve = 1 - np.stack([predicted, smooth])[:, order]
    return AtHorizon(gate=gate, curve=curve, **found)


def _in_the_large(
    bundle: Bundle,
    risk: NDArray[np.float64],
    presence: NDArray[np.bool_],
    followed: FollowUp,
    absolute: NDArray[np.bool_],
) -> Estimate | str:
    """Expected over observed events in the whole follow-up of patients with a probability."""

    def hazard(until: NDArray[np.float64]) -> NDArray[np.float64]:
        at_end = bundle.reference.survival_at_end(risk[absolute], presence[absolute], until)
        return -np.log(np.clip(at_end, np.finfo(float).tiny, 1.0))

    own = followed.take(absolute)
    expected = hazard(own.duration)
    if own.entry is not None:
        expected = expected - hazard(own.entry)
    if not np.isfinite(expected).all():
        return "some patients are followed longer than those of training"
    found: Estimate | str = _measured(calibration_in_the_large, expected, int(own.event.sum()))
    return found


def _groups(
    cohort: Cohort,
    rows: NDArray[np.int_],
    risk: NDArray[np.float64],
    survival: NDArray[np.float64],
    followed: FollowUp,
) -> tuple[Group, ...]:
    found = []
    for kind, level, members in patient_groups(cohort):
        inside = members[rows]
        own = followed.take(inside)
        if not len(own):
            continue
        found.append(
            Group(
                kind=kind,
                level=level,
                performance=tuple(
                    subgroup_performance(
                        risk[inside],
                        survival[inside, AUC_HORIZONS.index(h)],
                        own.event,
                        own.duration,
                        horizon=h,
                        entry=own.entry,
                    )
                    for h in HORIZONS
                ),
            )
        )
    return tuple(found)


def _mean_known(survival: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each column over those who have a probability; NaN where nobody has."""
    known = np.isfinite(survival)
    total: NDArray[np.float64] = np.where(known, survival, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def _by_stratum(
    bundle: Bundle,
    scored: ScoreResult,
    rows: NDArray[np.int_],
    followed: FollowUp,
    months: NDArray[np.float64],
) -> dict[str, Any]:
    """Observed and mean predicted survival of each risk group."""
    stratum = scored.stratum[rows]
    predicted = bundle.reference.survival(scored.log_risk[rows], scored.presence[rows], months)
    observed, expected, sizes = {}, {}, {}
    for name in bundle.strata.names:
        inside = stratum == name
        if inside.any():
            own = followed.take(inside)
            observed[name] = kaplan_meier(own.event, own.duration, own.entry)
            expected[name] = _mean_known(predicted[inside])
            sizes[name] = len(own)
    return {"observed": observed, "predicted": expected, "sizes": sizes}
