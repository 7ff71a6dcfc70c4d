"""What Validation measures: risks and probabilities that no patient's own outcome went into.

A scored cohort with outcomes goes in; frozen `Predictions` and `Measured` come out, kept while the
same patients are in view.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import BoolArray
from camlif.config import HORIZONS
from camlif.data.cohort import Cohort
from camlif.exceptions import EstimationError
from camlif.model.scoring import OUTLIVED
from camlif.statistics import (
    Coverage,
    DCalibration,
    GateResult,
    PerformanceOverTime,
    brier_times,
    calibration,
    cross_fitted_survival,
    cross_fitted_survival_at_end,
    d_calibration,
    judge_predictions,
    measure_coverage,
    performance_over_time,
)
from camlif.transport.groups import patient_groups
from camlif.transport.validation import AUC_HORIZONS
from dashboard.figures.calibration import CalibrationPanel
from dashboard.known_outcome import KnownOutcome
from dashboard.session.keys import SessionKey
from dashboard.session.state import Scoring, Workspace


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """Patients with a score and an outcome, and what was predicted for them.

    Attributes
    ----------
    outcome : KnownOutcome
    risk : float64, shape (n,)
        Log risk; of training patients from members that did not see them.
    is_training, unclear : bool, shape (n,)
        Patients of the training cohort, and those of whom that cannot be told.
    times : float64, shape (t,)
        Months.
    survival : float64, shape (n, t)
        From the model's frozen calibration; of training patients from one fitted on other training
        patients. NaN beyond follow-up.
    survival_at_end : float64, shape (n,)
        The same at the end of each patient's own follow-up.
    """

    outcome: KnownOutcome
    risk: NDArray[np.float64]
    is_training: BoolArray
    unclear: BoolArray
    times: NDArray[np.float64]
    survival: NDArray[np.float64]
    survival_at_end: NDArray[np.float64]

    def at(self, months: float) -> NDArray[np.float64]:
        """Predicted survival at one of the times, shape (n,)."""
        return self.survival[:, int(np.searchsorted(self.times, months))]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """Everything that Validation shows of some patients.

    Attributes
    ----------
    predictions : Predictions
    panels : tuple of CalibrationPanel
        Of the horizons at which calibration is defined.
    gates : tuple of GateResult
        By horizon: what the rules of Case say of these patients.
    over_time : PerformanceOverTime
    d_calibration : DCalibration or str
        Or why there is none.
    outlived : Coverage or str
        New patients who outlived their time that 9 of 10 do, or why that is not measured.
    """

    predictions: Predictions
    panels: tuple[CalibrationPanel, ...]
    gates: tuple[GateResult, ...]
    over_time: PerformanceOverTime
    d_calibration: DCalibration | str
    outlived: Coverage | str


MEASURED: SessionKey[tuple[tuple[object, ...], Measured]] = SessionKey("validation_measured")
"""Session key: of the last patients and model only, and gone with the session's data."""


def measure(workspace: Workspace, scoring: Scoring, outcome: KnownOutcome) -> Measured:
    """Measure the patients in view, or return what was measured before of the same ones.

    Parameters
    ----------
    workspace : Workspace
    scoring : Scoring
        Of its cohort.
    outcome : KnownOutcome
        Which patients in view have an outcome, and it.
    """
    rows = hashlib.sha256(outcome.rows.tobytes()).hexdigest()
    key = (workspace.loaded.digest, scoring.model.digest, scoring.missing, rows)
    held = MEASURED.get()
    if held is None or held[0] != key:
        held = (key, _measure(workspace.cohort, scoring, outcome))
        MEASURED.set(held)
    return held[1]


def _measure(cohort: Cohort, scoring: Scoring, outcome: KnownOutcome) -> Measured:
    grid = brier_times(outcome.duration, AUC_HORIZONS)
    times = np.unique([*AUC_HORIZONS, *grid]).astype(float)
    predictions = predict(cohort, scoring, outcome, times)
    known: dict[str, Any] = {"event": outcome.event, "duration": outcome.duration}
    known["entry"] = outcome.entry
    gates = judge_predictions(
        predictions.risk,
        np.stack([predictions.at(h) for h in HORIZONS], axis=1),
        **known,
        horizons=HORIZONS,
        held_out=bool(predictions.is_training.any()),
    )
    panels = []
    for horizon in HORIZONS:
        survival = predictions.at(horizon)
        with suppress(EstimationError):
            panels.append(
                CalibrationPanel(calibration(survival, **known, horizon=horizon), survival)
            )
    over_time = performance_over_time(
        predictions.risk,
        np.stack([predictions.at(h) for h in AUC_HORIZONS], axis=1),
        outcome.event,
        outcome.duration,
        horizons=AUC_HORIZONS,
        entry=outcome.entry,
        grid_survival=predictions.survival[:, np.searchsorted(times, grid)] if len(grid) else None,
    )
    return Measured(
        predictions=predictions,
        panels=tuple(panels),
        gates=gates,
        over_time=over_time,
        d_calibration=_d_calibration(predictions),
        outlived=_outlived(scoring, predictions),
    )


def _d_calibration(found: Predictions) -> DCalibration | str:
    if found.outcome.entry is not None:
        return "some patients enter after time zero"
    try:
        return d_calibration(found.survival_at_end, found.outcome.event)
    except EstimationError as error:
        return str(error).rstrip(".")


def _outlived(scoring: Scoring, found: Predictions) -> Coverage | str:
    """Measure the bound on patients that had no part in it."""
    new = ~(found.is_training | found.unclear)
    if found.outcome.entry is not None:
        return "some patients enter after time zero"
    times = scoring.result.table[OUTLIVED].to_numpy("float64")[found.outcome.rows[new]]
    try:
        return measure_coverage(
            times, found.risk[new], found.outcome.event[new], found.outcome.duration[new]
        )
    except EstimationError as error:
        return str(error).rstrip(".")


def predict(
    cohort: Cohort, scoring: Scoring, outcome: KnownOutcome, times: NDArray[np.float64]
) -> Predictions:
    """Predict the patients of an outcome at some times.

    Training patients are cross-fitted among all training patients of the cohort, whatever the
    filters show.

    Parameters
    ----------
    cohort : Cohort
    scoring : Scoring
        Of the cohort.
    outcome : KnownOutcome
        Of n patients.
    times : float64, shape (t,)
        Months.

    Returns
    -------
    Predictions
        Survival probabilities, shape (n, t).
    """
    result = scoring.result
    risk = result.log_risk[outcome.rows]
    is_training = result.is_training[outcome.rows]
    reference, presence = scoring.bundle.reference, result.presence[outcome.rows]
    survival = reference.survival(risk, presence, times)
    at_end = reference.survival_at_end(risk, presence, outcome.duration)
    if is_training.any():
        rows = np.flatnonzero(result.is_training & result.scored & cohort.with_outcome)
        others = cohort.follow_up(rows)
        fitted = cross_fitted_survival(
            result.log_risk[rows], others.event, others.duration, times=times, entry=others.entry
        )
        place = np.searchsorted(rows, outcome.rows[is_training])
        survival[is_training] = fitted[place]
        at_end[is_training] = cross_fitted_survival_at_end(
            result.log_risk[rows], others.event, others.duration, entry=others.entry
        )[place]
    return Predictions(
        outcome=outcome,
        risk=risk,
        is_training=is_training,
        unclear=result.unclear[outcome.rows],
        times=times,
        survival=survival,
        survival_at_end=at_end,
    )


def subgroups(workspace: Workspace) -> Iterator[tuple[str, str, BoolArray]]:
    """Yield grouping, group and members (of the cohort) by sex, age, centre and subtype."""
    profile = workspace.profile
    for kind, level, members in patient_groups(workspace.cohort):
        if kind == "Subtype":
            yield profile.subtype_label, profile.subtype(level), members
        else:
            yield kind, level, members
