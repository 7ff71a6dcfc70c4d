"""Discrimination and error at several horizons, against a prediction that knows no patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from camlif.exceptions import EstimationError
from camlif.statistics.brier import brier_score, integrated_brier_score
from camlif.statistics.concordance import bootstrap_c_index
from camlif.statistics.discrimination import time_dependent_auc
from camlif.statistics.outcome import (
    BoolArray,
    FloatArray,
    check_numbers,
    check_outcome,
    life_table,
)

RESAMPLES = 200
MIN_RESAMPLES = 50
"""Fewer resamples in which the AUC exists give no interval."""
GRID = 25
"""Times between the first and the last horizon over which the Brier score is integrated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonPerformance:
    """Measures at one horizon.

    Attributes
    ----------
    horizon : float
    n_cases, n_controls : int
        Patients with the event by the horizon, and followed beyond it.
    auc, low, high : float or None
        Cumulative/dynamic AUC with its 95 % bootstrap interval; None where undefined.
    brier, null : float or None
        Brier score of the predictions, and of saying the Kaplan-Meier estimate to everyone.
    """

    horizon: float
    n_cases: int
    n_controls: int
    auc: float | None
    low: float | None
    high: float | None
    brier: float | None
    null: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceOverTime:
    """Measures at several horizons.

    Attributes
    ----------
    n_patients, n_events : int
    horizons : tuple of HorizonPerformance
    first, last : float or None
        Limits of the integrated Brier score: the first and last horizon at which it is defined.
    ibs, null_ibs : float or None
        None with fewer than two such horizons.
    """

    n_patients: int
    n_events: int
    horizons: tuple[HorizonPerformance, ...]
    first: float | None
    last: float | None
    ibs: float | None
    null_ibs: float | None


def performance_over_time(
    risk: ArrayLike,
    survival: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    horizons: ArrayLike,
    grid_survival: ArrayLike | None = None,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> PerformanceOverTime:
    """Measure predictions at several horizons.

    Parameters
    ----------
    risk : array_like, shape (n,)
        Any score; higher is worse.
    survival : array_like, shape (n, h)
        Predicted probability to be event-free at each horizon; a column with a NaN has no Brier
        score.
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
    horizons : array_like, shape (h,)
        Ascending, in the unit of the durations.
    grid_survival : array_like, shape (n, `GRID`), optional
        Predictions at `brier_times`, for the integrated Brier score; without it, it is None.
    n_resamples, seed : int
        Of the bootstrap over patients.

    Raises
    ------
    DataError
        If shapes differ, or a value is missing or no probability.

    Notes
    -----
    Censoring is weighed by its Kaplan-Meier estimate in these same patients.
    """
    events, durations = check_outcome(event, duration)
    points = check_numbers("horizons", horizons)
    risks = check_numbers("risk", risk, length=len(durations))
    predicted = np.asarray(survival, dtype=np.float64)
    bounds = _auc_intervals(risks, events, durations, points, n_resamples, seed)
    found = tuple(
        HorizonPerformance(
            horizon=float(h),
            n_cases=int((events & (durations <= h)).sum()),
            n_controls=int((durations > h).sum()),
            auc=_auc(risks, events, durations, float(h)),
            low=bounds[i][0],
            high=bounds[i][1],
            brier=_brier(predicted[:, i], events, durations, float(h)),
            null=_brier(_null(events, durations, [h])[:, 0], events, durations, float(h)),
        )
        for i, h in enumerate(points)
    )
    times = brier_times(durations, points)
    ibs, null_ibs = None, None
    if grid_survival is not None and len(times):
        ibs = _ibs(np.asarray(grid_survival, dtype=np.float64), events, durations, times)
        null_ibs = _ibs(_null(events, durations, times), events, durations, times)
    return PerformanceOverTime(
        n_patients=len(durations),
        n_events=int(events.sum()),
        horizons=found,
        first=None if ibs is None else float(times[0]),
        last=None if ibs is None else float(times[-1]),
        ibs=ibs,
        null_ibs=null_ibs,
    )


def brier_times(duration: ArrayLike, horizons: ArrayLike) -> FloatArray:
    """Times over which the Brier score is integrated, shape (`GRID`,) or (0,).

    They run from the first horizon to the last before the end of follow-up.
    """
    end = float(np.max(duration, initial=0))
    reached = [float(h) for h in np.asarray(horizons) if h < end]
    if len(reached) < 2:
        return np.zeros(0)
    return np.linspace(reached[0], reached[-1], GRID)


def _auc(risk: FloatArray, event: BoolArray, duration: FloatArray, horizon: float) -> float | None:
    try:
        found = time_dependent_auc(
            risk, event, duration, horizons=[horizon], train_event=event, train_duration=duration
        )
    except EstimationError:
        return None
    return float(found[0])


def _auc_intervals(
    risk: FloatArray,
    event: BoolArray,
    duration: FloatArray,
    horizons: FloatArray,
    n_resamples: int,
    seed: int,
) -> list[tuple[float | None, float | None]]:
    rng = np.random.default_rng(seed)
    values: list[list[float]] = [[] for _ in horizons]
    for _ in range(n_resamples):
        rows = rng.integers(len(risk), size=len(risk))
        for i, horizon in enumerate(horizons):
            auc = _auc(risk[rows], event[rows], duration[rows], float(horizon))
            if auc is not None:
                values[i].append(auc)
    return [
        (None, None)
        if len(found) < MIN_RESAMPLES
        else (float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975)))
        for found in values
    ]


def _null(event: BoolArray, duration: FloatArray, times: ArrayLike) -> FloatArray:
    """Kaplan-Meier at the times, the same for every patient, shape (n, t)."""
    curve = life_table(event, duration).survival_at(times)
    return np.broadcast_to(curve, (len(duration), len(curve)))


def _brier(
    survival: FloatArray, event: BoolArray, duration: FloatArray, horizon: float
) -> float | None:
    if np.isnan(survival).any():
        return None
    try:
        return brier_score(
            survival,
            event,
            duration,
            horizon=horizon,
            train_event=event,
            train_duration=duration,
        )
    except EstimationError:
        return None


def _ibs(
    survival: FloatArray, event: BoolArray, duration: FloatArray, times: FloatArray
) -> float | None:
    if np.isnan(survival).any():
        return None
    try:
        return integrated_brier_score(
            survival, event, duration, times=times, train_event=event, train_duration=duration
        )
    except EstimationError:
        return None


MIN_EVENTS = 20
"""Fewer events carry neither a C-index nor a ratio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubgroupPerformance:
    """Ranking and calibration of one group of patients.

    Attributes
    ----------
    n_patients, n_events, n_events_by_horizon : int
    c_index, c_low, c_high : float or None
        With the 95 % bootstrap interval; None with fewer than `MIN_EVENTS` events.
    ratio, ratio_low, ratio_high : float or None
        Expected over observed events at the horizon; the interval is that of the Kaplan-Meier
        estimate. None with fewer than `MIN_EVENTS` events by then, or where follow-up ends before.
    """

    n_patients: int
    n_events: int
    n_events_by_horizon: int
    c_index: float | None
    c_low: float | None
    c_high: float | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None


def subgroup_performance(
    risk: ArrayLike, survival: ArrayLike, event: ArrayLike, duration: ArrayLike, *, horizon: float
) -> SubgroupPerformance:
    """Measure one group of patients.

    Parameters
    ----------
    risk : array_like, shape (n,)
        Any score; higher is worse.
    survival : array_like, shape (n,)
        Predicted probability to be event-free at the horizon; NaN where unknown.
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
    horizon : float
        In the unit of the durations.

    Raises
    ------
    DataError
        If shapes differ, or a risk or an outcome is missing.
    """
    events, durations = check_outcome(event, duration)
    risks = check_numbers("risk", risk, length=len(durations))
    predicted = np.asarray(survival, dtype=np.float64)
    by_horizon = int((events & (durations <= horizon)).sum())
    c_index = _c_index(risks, events, durations)
    ratio = _ratio(predicted, events, durations, horizon) if by_horizon >= MIN_EVENTS else _NONE
    return SubgroupPerformance(
        n_patients=len(durations),
        n_events=int(events.sum()),
        n_events_by_horizon=by_horizon,
        c_index=c_index[0],
        c_low=c_index[1],
        c_high=c_index[2],
        ratio=ratio[0],
        ratio_low=ratio[1],
        ratio_high=ratio[2],
    )


_Estimate = tuple[float | None, float | None, float | None]
_NONE: _Estimate = (None, None, None)


def _c_index(risk: FloatArray, event: BoolArray, duration: FloatArray) -> _Estimate:
    if event.sum() < MIN_EVENTS:
        return _NONE
    try:
        found = bootstrap_c_index(risk, event, duration)
    except EstimationError:
        return _NONE
    return found.value, found.low, found.high


def _ratio(
    survival: FloatArray, event: BoolArray, duration: FloatArray, horizon: float
) -> _Estimate:
    table = life_table(event, duration)
    observed = 1 - float(table.survival_at(horizon))
    if np.isnan(observed) or np.isnan(survival).any():
        return _NONE
    row = int(np.searchsorted(table.time, horizon, side="right")) - 1
    low, high = (1 - float(bound[row]) for bound in reversed(table.log_log_band()))
    expected = float((1 - survival).mean())
    if np.isnan(low) or low <= 0:
        return expected / observed, None, None
    return expected / observed, expected / high, expected / low
