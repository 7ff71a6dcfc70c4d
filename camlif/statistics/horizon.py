"""Calibration at a horizon: predicted survival against what was observed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from camlif.exceptions import DataError, EstimationError, NoEventsError
from camlif.statistics.cox import fit_cox
from camlif.statistics.outcome import (
    BoolArray,
    FloatArray,
    IntArray,
    check_numbers,
    check_outcome,
    life_table,
)

MAX_BINS = 10
MIN_BIN_PATIENTS = 20
KNOTS = (0.1, 0.5, 0.9)
"""Quantiles at which the smooth calibration curve bends (Harrell's choice for three knots)."""
EDGE = 1e-9
"""Predictions are kept this far from 0 and 1, where log(-log) is infinite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Patients of similar predicted survival.

    Attributes
    ----------
    n_patients, n_events : int
        Events by the horizon.
    predicted : float
        Mean predicted survival at the horizon.
    observed, low, high : float or None
        Kaplan-Meier at the horizon with its 95 % log-log interval; None where follow-up of the bin
        ends before the horizon (interval: also where survival is 0).
    """

    n_patients: int
    n_events: int
    predicted: float
    observed: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationResult:
    """Calibration at one horizon.

    Attributes
    ----------
    horizon : float
    n_patients, n_events : int
        Events by the horizon.
    expected, observed : float
        Mean predicted probability of the event by the horizon, and 1 - Kaplan-Meier.
    ratio : float
        Expected over observed.
    ici : float or None
        Integrated calibration index: mean absolute difference of predicted and smoothed observed
        probability. None where the smooth curve cannot be fitted.
    bins : tuple of CalibrationBin
        Ascending in predicted survival.
    """

    horizon: float
    n_patients: int
    n_events: int
    expected: float
    observed: float
    ratio: float
    ici: float | None
    bins: tuple[CalibrationBin, ...]


def calibration(
    survival: ArrayLike, event: ArrayLike, duration: ArrayLike, *, horizon: float
) -> CalibrationResult:
    """Compare predicted survival at a horizon with what was observed.

    Parameters
    ----------
    survival : array_like, shape (n,)
        Predicted probability to be event-free at the horizon, in [0, 1].
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
    horizon : float
        Above 0, in the unit of the durations.

    Returns
    -------
    CalibrationResult
        With up to `MAX_BINS` bins of at least `MIN_BIN_PATIENTS` patients; equal predictions share
        a bin. One bin for fewer patients.

    Raises
    ------
    EstimationError
        If a prediction is missing, no event was observed by the horizon, or follow-up ends before.
    DataError
        If shapes differ or a prediction is no probability.

    Notes
    -----
    The smooth curve is a Cox model (lifelines) on a natural cubic spline of log(-log S).

    References
    ----------
    Austin, Harrell and van Klaveren, Statistics in Medicine 2020 (ICI).
    """
    events, durations = check_outcome(event, duration)
    predicted = np.asarray(survival, dtype=np.float64)
    check_predictions(predicted, len(durations), horizon)
    table = life_table(events, durations)
    observed = 1 - float(table.survival_at(horizon))
    if np.isnan(observed):
        raise EstimationError(f"Follow-up ends at {durations.max():g}, before {horizon:g}.")
    if observed == 0:
        raise NoEventsError(f"No event was observed by {horizon:g}.")
    expected = float((1 - predicted).mean())
    return CalibrationResult(
        horizon=horizon,
        n_patients=len(durations),
        n_events=int((events & (durations <= horizon)).sum()),
        expected=expected,
        observed=observed,
        ratio=expected / observed,
        ici=_integrated_index(predicted, events, durations, horizon, observed),
        bins=tuple(
            _bin(predicted[rows], events[rows], durations[rows], horizon)
            for rows in _bin_rows(predicted)
        ),
    )


def check_predictions(survival: FloatArray, n: int, horizon: float) -> None:
    """Require one probability per patient.

    Raises
    ------
    EstimationError
        If a prediction is missing.
    DataError
        If shapes differ or a prediction is no probability.
    """
    if survival.shape != (n,):
        raise DataError(
            "survival does not hold one value per patient.",
            column="survival",
            found=f"shape {survival.shape}",
            expected=f"({n},)",
        )
    missing = int(np.isnan(survival).sum())
    if missing:
        raise EstimationError(f"{missing} patients have no predicted survival at {horizon:g}.")
    if not ((survival >= 0) & (survival <= 1)).all():
        raise DataError("survival holds values that are no probabilities.", column="survival")


def _bin_rows(predicted: FloatArray) -> list[np.ndarray]:
    """Rows of each bin; bins differ in size only where predictions are tied."""
    n = len(predicted)
    order = np.argsort(predicted, kind="stable")
    ordered = predicted[order]
    n_bins = max(1, min(MAX_BINS, n // MIN_BIN_PATIENTS))
    cuts = [0]
    for wanted in n * np.arange(1, n_bins) // n_bins:
        cut = int(np.searchsorted(ordered, ordered[wanted - 1], side="right"))
        if cut - cuts[-1] >= MIN_BIN_PATIENTS and n - cut >= MIN_BIN_PATIENTS:
            cuts.append(cut)
    return np.split(order, cuts[1:])


def _bin(
    predicted: FloatArray, event: BoolArray, duration: FloatArray, horizon: float
) -> CalibrationBin:
    table = life_table(event, duration)
    row = int(np.searchsorted(table.time, horizon, side="right")) - 1
    bounds = (1.0, 1.0) if row < 0 else tuple(float(b[row]) for b in table.log_log_band())
    observed = float(table.survival_at(horizon))
    low, high = (None if np.isnan(observed) or np.isnan(b) else b for b in bounds)
    return CalibrationBin(
        n_patients=len(predicted),
        n_events=int((event & (duration <= horizon)).sum()),
        predicted=float(predicted.mean()),
        observed=None if np.isnan(observed) else observed,
        low=low,
        high=high,
    )


def _integrated_index(
    survival: FloatArray, event: BoolArray, duration: FloatArray, horizon: float, observed: float
) -> float | None:
    """Mean absolute difference between predicted and smoothed observed risk."""
    if np.ptp(survival) == 0:
        return abs(float(1 - survival[0]) - observed)
    table = _spline(np.log(-np.log(np.clip(survival, EDGE, 1 - EDGE))))
    try:
        fitted = fit_cox(table, event, duration)
    except EstimationError:
        return None
    smoothed = fitted.predict_survival_function(table, times=[horizon]).to_numpy()[0]
    return float(np.abs(survival - smoothed).mean())


def _spline(x: FloatArray) -> pd.DataFrame:
    """Natural cubic spline basis with three knots, standardised; only x if knots coincide."""
    x = (x - x.mean()) / x.std()
    first, middle, last = np.quantile(x, KNOTS)
    if not first < middle < last:
        return pd.DataFrame({"x": x})

    def cube(knot: float) -> FloatArray:
        positive: FloatArray = np.maximum(x - knot, 0.0) ** 3
        return positive

    bend = cube(first) - (cube(middle) * (last - first) - cube(last) * (middle - first)) / (
        last - middle
    )
    return pd.DataFrame({"x": x, "bend": (bend - bend.mean()) / bend.std()})


class CensoringWeights:
    """Kaplan-Meier estimate G of the chance to be still followed, and its inverse.

    Parameters
    ----------
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
        Of the training patients.

    Raises
    ------
    DataError
        If there is no patient, shapes differ, or a value is missing or negative.

    Notes
    -----
    At a tie, events leave before those without one. G is right-continuous and stays constant after
    the last duration: the convention of scikit-survival and torchsurv.
    """

    def __init__(self, event: ArrayLike, duration: ArrayLike) -> None:
        table = life_table(event, duration)
        exposed = table.at_risk - table.events
        followed = np.cumprod(1 - table.left / np.maximum(exposed, 1))
        self._time = table.time
        self._followed = np.concatenate([[1.0], followed])

    def at(self, times: ArrayLike) -> FloatArray:
        """Return 1 / G at each time, in the shape of ``times``.

        Raises
        ------
        EstimationError
            If G is 0 at one of them: no training patient was followed that long.
        """
        points = np.asarray(times, dtype=np.float64)
        followed = self._followed[np.searchsorted(self._time, points, side="right")]
        if (followed <= 0).any():
            raise EstimationError(
                f"No training patient was followed beyond {self._time[-1]:g}, so censoring cannot "
                f"be weighed at {points[followed <= 0].min():g}. Use an earlier time."
            )
        weights: FloatArray = 1 / followed
        return weights


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecisionCurve:
    """Net benefit at a horizon, by threshold.

    Attributes
    ----------
    horizon : float
    n_patients, n_events : int
        Events by the horizon.
    thresholds : float64, shape (t,)
        Predicted risks from which a patient is flagged.
    model : float64, shape (t,)
        Net benefit of flagging by the model, per patient; NaN where follow-up of the flagged ends
        before the horizon.
    everyone : float64, shape (t,)
        Of flagging everyone. Of flagging nobody it is 0.
    n_flagged : int64, shape (t,)
    """

    horizon: float
    n_patients: int
    n_events: int
    thresholds: FloatArray
    model: FloatArray
    everyone: FloatArray
    n_flagged: IntArray


def decision_curve(
    survival: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    horizon: float,
    thresholds: ArrayLike,
) -> DecisionCurve:
    """Compute the net benefit of flagging patients whose predicted risk reaches a threshold.

    Parameters
    ----------
    survival : array_like, shape (n,)
        Predicted probability to be event-free at the horizon, in [0, 1].
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
    horizon : float
        Above 0, in the unit of the durations.
    thresholds : array_like, shape (t,)
        Risks in (0, 1).

    Raises
    ------
    EstimationError
        If a prediction is missing, or follow-up ends before the horizon.
    DataError
        If shapes differ, a prediction is no probability, or a threshold lies outside (0, 1).

    Notes
    -----
    With threshold p and f the flagged share, net benefit is

        f (1 - S_f(t)) - f S_f(t) p / (1 - p),

    S_f being the Kaplan-Meier estimate of the flagged: true positives minus false positives weighed
    by the odds of the threshold. Without censoring these are counts.

    References
    ----------
    Vickers and Elkin, Medical Decision Making 2006; Vickers et al., BMC Medical Informatics and
    Decision Making 2008 (censored data).
    """
    events, durations = check_outcome(event, duration)
    predicted = np.asarray(survival, dtype=np.float64)
    check_predictions(predicted, len(durations), horizon)
    points = check_numbers("thresholds", thresholds)
    if not ((points > 0) & (points < 1)).all():
        raise DataError("thresholds must lie between 0 and 1.", column="thresholds")
    everyone = np.ones(len(durations), dtype=bool)
    overall = _event_free(events, durations, everyone, horizon)
    if np.isnan(overall):
        raise EstimationError(f"Follow-up ends at {durations.max():g}, before {horizon:g}.")
    flagged = 1 - predicted >= points[:, None]
    odds = points / (1 - points)
    share = flagged.mean(axis=1)
    survived = np.array([_event_free(events, durations, rows, horizon) for rows in flagged])
    return DecisionCurve(
        horizon=horizon,
        n_patients=len(durations),
        n_events=int((events & (durations <= horizon)).sum()),
        thresholds=points,
        model=share * (1 - survived) - share * survived * odds,
        everyone=(1 - overall) - overall * odds,
        n_flagged=flagged.sum(axis=1),
    )


def _event_free(event: BoolArray, duration: FloatArray, rows: BoolArray, horizon: float) -> float:
    """Kaplan-Meier at the horizon of some patients; 1 where there are none, so that they add 0."""
    if not rows.any():
        return 1.0
    return float(life_table(event[rows], duration[rows]).survival_at(horizon))
