"""How good a bundle is: the card's numbers, and a report on any cohort with outcome."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from camlif.config import RunConfig
from camlif.data.cohort import BoolArray, Cohort
from camlif.data.splits import Splits
from camlif.exceptions import DataError, EstimationError
from camlif.model import card as cards
from camlif.model.reference import HORIZONS, Reference, heldout_mean
from camlif.statistics import (
    bootstrap_c_index,
    calibration,
    concordance_index,
    log_rank,
    median_follow_up,
    split_p_values,
    too_few,
)
from camlif.statistics.outcome import LATE_ENTRY
from camlif.statistics.splits import corrected_interval
from camlif.training.engine import TrainingResult

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle

QUICK_SPLITS = 15
"""Fewer splits are labelled a quick look."""

CALIBRATION_NOTE = (
    "{} of these patients are of the training cohort: slope and baseline hazard were fitted on "
    "their held-out risks, so calibration here looks better than it is. The card's ratios are "
    "cross-fitted."
)


def split_c_indices(
    member_log_risk: NDArray[np.float64], cohort: Cohort, test: BoolArray, *, ties: Any = "half"
) -> NDArray[np.float64]:
    """Test C-index of every member on its own test part, shape (e,)."""
    events, durations = cohort.outcome()
    return np.array(
        [
            concordance_index(member_log_risk[rows, e], events[rows], durations[rows], ties=ties)
            for e, rows in enumerate(test)
        ]
    )


def _discrimination(
    member: NDArray[np.float64], cohort: Cohort, splits: Splits
) -> cards.CardDiscrimination:
    events, durations = cohort.outcome()
    values = split_c_indices(member, cohort, splits.test)
    n_test = float(splits.test.sum(axis=1).mean())
    interval = corrected_interval(values, n_train=len(cohort) - n_test, n_test=n_test)
    risk = heldout_mean(member, splits.test)
    known = np.isfinite(risk)
    heldout = bootstrap_c_index(risk[known], events[known], durations[known])
    oracle = cohort.info.oracle_c_index
    mean = float(values.mean())
    return cards.CardDiscrimination(
        per_split=tuple(round(float(v), 4) for v in values),
        mean=mean,
        sd=float(values.std(ddof=1)),
        interval=cards.CardInterval(value=mean, low=interval.low, high=interval.high),
        strict_mean=float(split_c_indices(member, cohort, splits.test, ties="strict").mean()),
        heldout=cards.CardInterval(value=heldout.value, low=heldout.low, high=heldout.high),
        oracle=oracle,
        oracle_share=None if oracle is None else (mean - 0.5) / (oracle - 0.5),
    )


def _limits(cohort: Cohort, config: RunConfig, splits: Splits, reference: Reference) -> list[str]:
    limits = [
        "Validated inside one cohort by resampling; no external cohort has been scored.",
        "The spread of the members is model spread, not a confidence interval for a person.",
    ]
    if config.training.splits < QUICK_SPLITS:
        limits.append(f"Quick look: {config.training.splits} splits instead of {QUICK_SPLITS}.")
    if cohort.info.badge == "synthetic":
        limits.append("Trained on simulated patients: of no meaning for any real person.")
    if cohort.enters_late:
        limits.append(LATE_ENTRY)
    if splits.n_never_tested:
        limits.append(f"{splits.n_never_tested} patients were never in a test part.")
    closed = [f"{h} months" for h in HORIZONS if not reference.gates[h].open]
    if closed:
        limits.append(f"Absolute risk is not shown at {', '.join(closed)} (calibration gate).")
    unscored = [" + ".join(s.modalities) for s in reference.subsets if not s.valid]
    if unscored:
        limits.append(f"Patients with only {'; '.join(unscored)} are not scored.")
    return limits


def package_version() -> str:
    """Version of the installed package, or of the source tree."""
    try:
        return version("camlif")
    except PackageNotFoundError:
        return "source"


def _log_rank_p(risk: NDArray[np.float64], cohort: Cohort, reference: Reference) -> float | None:
    events, durations = cohort.outcome()
    known = np.isfinite(risk)
    stratum = reference.strata.assign(reference.z(risk[known]))
    try:
        return log_rank(events[known], durations[known], stratum).p_value
    except EstimationError:
        return None


def _p_values(
    member: NDArray[np.float64], cohort: Cohort, test: BoolArray
) -> cards.CardPValues | None:
    events, durations = cohort.outcome()
    try:
        found = split_p_values(member, events, durations, test=test)
    except EstimationError:
        return None
    return cards.CardPValues(**asdict(found))


def _card_data(cohort: Cohort, n_without_outcome: int) -> cards.CardData:
    events, durations = cohort.outcome()
    info = cohort.info
    return cards.CardData(
        title=info.title,
        badge=info.badge,
        source=info.source,
        licence=info.licence,
        n_patients=len(cohort),
        n_events=int(events.sum()),
        n_without_outcome=n_without_outcome,
        median_follow_up_months=median_follow_up(events, durations, cohort.entry),
        endpoint=info.endpoint.name,
        event_noun=info.endpoint.event_noun,
        event_free=info.endpoint.event_free,
        profile=info.profile,
        subtype_column=info.subtype_column,
        grade_column=info.grade_column,
        notes=info.notes,
    )


def _card_training(config: RunConfig, splits: Splits, result: TrainingResult) -> cards.CardTraining:
    training = config.training
    return cards.CardTraining(
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


def build_card(
    *,
    name: str,
    cohort: Cohort,
    n_without_outcome: int,
    config: RunConfig,
    splits: Splits,
    result: TrainingResult,
    reference: Reference,
    member_log_risk: NDArray[np.float64],
    presence: BoolArray,
    reproduce: str,
) -> cards.Card:
    """Fill the model card from a finished training run; every number is of held-out patients."""
    risk = heldout_mean(member_log_risk, splits.test)
    return cards.Card(
        name=name,
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        intended_use=cards.INTENDED_USE,
        not_for=cards.NOT_FOR,
        data=_card_data(cohort, n_without_outcome),
        modalities=tuple(
            cards.CardModality(
                name=m.name,
                groups={g.name: g.n_features for g in m.groups},
                n_patients=int(presence[:, i].sum()),
            )
            for i, m in enumerate(cohort.schema.modalities)
        ),
        clinical=tuple(c.name for c in cohort.schema.clinical),
        missing_data=cards.MISSING_DATA,
        training=_card_training(config, splits, result),
        discrimination=_discrimination(member_log_risk, cohort, splits),
        log_rank_p=_log_rank_p(risk, cohort, reference),
        p_values=_p_values(member_log_risk, cohort, splits.test),
        calibration_slope=reference.calibration.slope,
        calibration=tuple(
            cards.CardCalibration(
                horizon_months=h,
                open=gate.open,
                reason=gate.reason,
                ratio=gate.ratio,
                n_patients=gate.n_patients,
                n_events=gate.n_events,
            )
            for h, gate in reference.gates.items()
        ),
        subsets=tuple(cards.CardSubset(**s.to_json(), valid=s.valid) for s in reference.subsets),
        limits=tuple(_limits(cohort, config, splits, reference)),
        reproduce=reproduce,
        config_digest=config.digest,
    )


def evaluate(bundle: Bundle, cohort: Cohort) -> dict[str, Any]:
    """Report discrimination, separation and calibration of a bundle on a cohort with outcome.

    Patients of the training cohort count with held-out risks only.

    Returns
    -------
    dict
        ``n``, ``events``, ``heldout`` (patients of the training cohort), ``unscored``,
        ``c_index`` (with bootstrap interval, and ``strict`` beside it), ``strata``, ``log_rank``,
        ``calibration`` by horizon, and ``calibration_note`` and ``entry_note``: a caution, or
        None.

    Raises
    ------
    DataError
        If the cohort has no outcome, or no patient with an outcome was scored.
    """
    events, durations = cohort.outcome()
    result = bundle.score(cohort, embed=False)
    rows = np.flatnonzero(result.scored & cohort.with_outcome)
    if not len(rows):
        raise DataError(
            "No patient with an outcome could be scored.", fix="See `score` for reasons."
        )
    risk = result.log_risk[rows]
    event, duration = events[rows], durations[rows]
    interval = bootstrap_c_index(risk, event, duration)
    stratum = bundle.strata.assign(result.z[rows])
    groups = {
        name: {"n": int((stratum == name).sum()), "events": int(event[stratum == name].sum())}
        for name in bundle.strata.names
    }
    heldout = int(result.is_training[rows].sum())
    survival = bundle.calibration.survival(risk, np.asarray(HORIZONS, dtype=float))
    return {
        "model": bundle.name,
        "cohort": cohort.info.title,
        "n": len(rows),
        "events": int(event.sum()),
        "heldout": heldout,
        "unscored": int((~result.scored).sum()),
        "c_index": {
            "value": interval.value,
            "low": interval.low,
            "high": interval.high,
            "strict": concordance_index(risk, event, duration, ties="strict"),
        },
        "strata": groups,
        "log_rank": _log_rank_report(event, duration, stratum),
        "calibration": [
            _calibration_report(survival[:, i], event, duration, h) for i, h in enumerate(HORIZONS)
        ],
        "calibration_note": CALIBRATION_NOTE.format(heldout) if heldout else None,
        "entry_note": LATE_ENTRY if cohort.enters_late else None,
    }


def _log_rank_report(
    event: BoolArray, duration: NDArray[np.float64], stratum: NDArray[np.str_]
) -> dict[str, Any]:
    reason = too_few(event, stratum)
    if reason is not None:
        return {"p_value": None, "reason": reason}
    try:
        result = log_rank(event, duration, stratum)
    except EstimationError as error:
        return {"p_value": None, "reason": str(error)}
    return {"p_value": result.p_value, "statistic": result.statistic}


def _calibration_report(
    survival: NDArray[np.float64], event: BoolArray, duration: NDArray[np.float64], horizon: int
) -> dict[str, Any]:
    try:
        result = calibration(survival, event, duration, horizon=horizon)
    except EstimationError as error:
        return {"horizon": horizon, "reason": str(error)}
    return asdict(result)
