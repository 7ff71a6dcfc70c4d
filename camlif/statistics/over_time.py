"""Discrimination and error at several horizons, against a prediction that knows no patient.

In go predictions and outcomes; out come AUC, Brier score and calibration at each horizon with
intervals, for all or for a group, None with the reason where a measure is undefined. Raises
`DataError` for shapes and what is no probability. The measures are those of
`camlif.statistics.discrimination`, `brier` and `horizon`; the prediction compared with is
Kaplan-Meier's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from camlif.arrays import Float64Array
from camlif.exceptions import EstimationError
from camlif.statistics.brier import brier_score, integrated_brier_score
from camlif.statistics.concordance import bootstrap_c_index
from camlif.statistics.discrimination import time_dependent_auc
from camlif.statistics.horizon import ratio_interval
from camlif.statistics.outcome import FollowUp, check_numbers, life_table

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
    entry: ArrayLike | None = None,
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
    entry : array_like, shape (n,), optional
        When each patient came under observation.
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
    Censoring and late entry are weighed by their estimates in these same patients.
    """
    followed = FollowUp.check(event, duration, entry)
    points = check_numbers("horizons", horizons)
    risks = check_numbers("risk", risk, length=len(followed))
    predicted = np.asarray(survival, dtype=np.float64)
    bounds = _auc_intervals(risks, followed, points, n_resamples, seed)
    found = tuple(
        HorizonPerformance(
            horizon=float(h),
            n_cases=_n_events_by(followed, h),
            n_controls=_n_beyond(followed, h),
            auc=_auc(risks, followed, float(h)),
            low=bounds[i][0],
            high=bounds[i][1],
            brier=_brier(predicted[:, i], followed, float(h)),
            null=_brier(_null(followed, [h])[:, 0], followed, float(h)),
        )
        for i, h in enumerate(points)
    )
    times = brier_times(followed.duration, points)
    ibs, null_ibs = None, None
    if grid_survival is not None and len(times):
        ibs = _ibs(np.asarray(grid_survival, dtype=np.float64), followed, times)
        null_ibs = _ibs(_null(followed, times), followed, times)
    return PerformanceOverTime(
        n_patients=len(followed),
        n_events=int(followed.event.sum()),
        horizons=found,
        first=None if ibs is None else float(times[0]),
        last=None if ibs is None else float(times[-1]),
        ibs=ibs,
        null_ibs=null_ibs,
    )


def brier_times(duration: ArrayLike, horizons: ArrayLike) -> Float64Array:
    """Times over which the Brier score is integrated, shape (`GRID`,) or (0,).

    They run from the first horizon to the last before the end of follow-up.
    """
    end = float(np.max(duration, initial=0))
    reached = [float(h) for h in np.asarray(horizons) if h < end]
    if len(reached) < 2:
        return np.zeros(0)
    return np.linspace(reached[0], reached[-1], GRID)


def _by_themselves(followed: FollowUp) -> dict[str, Any]:
    """Arguments of a measure that weighs patients by themselves."""
    return {
        "train_event": followed.event,
        "train_duration": followed.duration,
        "train_entry": followed.entry,
        "entry": followed.entry,
    }


def _n_events_by(followed: FollowUp, horizon: float) -> int:
    return int((followed.event & (followed.duration <= horizon)).sum())


def _n_beyond(followed: FollowUp, horizon: float) -> int:
    """Patients who are under observation beyond a horizon and had entered before."""
    beyond = followed.duration > horizon
    return int((beyond if followed.entry is None else beyond & (followed.entry < horizon)).sum())


def _null(followed: FollowUp, times: ArrayLike) -> Float64Array:
    """Kaplan-Meier at the times, the same for every patient, shape (n, t)."""
    table = life_table(followed.event, followed.duration, followed.entry)
    curve = table.survival_at(times)
    return np.broadcast_to(curve, (len(followed), len(curve)))


def _auc(risk: Float64Array, followed: FollowUp, horizon: float) -> float | None:
    try:
        found = time_dependent_auc(
            risk, followed.event, followed.duration, horizons=[horizon], **_by_themselves(followed)
        )
    except EstimationError:
        return None
    return float(found[0])


def _auc_intervals(
    risk: Float64Array, followed: FollowUp, horizons: Float64Array, n_resamples: int, seed: int
) -> list[tuple[float | None, float | None]]:
    rng = np.random.default_rng(seed)
    values: list[list[float]] = [[] for _ in horizons]
    for _ in range(n_resamples):
        rows = rng.integers(len(risk), size=len(risk))
        drawn = followed.take(rows)
        for i, horizon in enumerate(horizons):
            auc = _auc(risk[rows], drawn, float(horizon))
            if auc is not None:
                values[i].append(auc)
    return [
        (None, None)
        if len(found) < MIN_RESAMPLES
        else (float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975)))
        for found in values
    ]


def _brier(survival: Float64Array, followed: FollowUp, horizon: float) -> float | None:
    if np.isnan(survival).any():
        return None
    try:
        return brier_score(
            survival, followed.event, followed.duration, horizon=horizon, **_by_themselves(followed)
        )
    except EstimationError:
        return None


def _ibs(survival: Float64Array, followed: FollowUp, times: Float64Array) -> float | None:
    if np.isnan(survival).any():
        return None
    try:
        return integrated_brier_score(
            survival, followed.event, followed.duration, times=times, **_by_themselves(followed)
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
    risk: ArrayLike,
    survival: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    horizon: float,
    entry: ArrayLike | None = None,
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
    entry : array_like, shape (n,), optional
        When each patient came under observation.

    Raises
    ------
    DataError
        If shapes differ, or a risk or an outcome is missing.
    """
    followed = FollowUp.check(event, duration, entry)
    risks = check_numbers("risk", risk, length=len(followed))
    predicted = np.asarray(survival, dtype=np.float64)
    by_horizon = _n_events_by(followed, horizon)
    c_index = _c_index(risks, followed)
    ratio = _ratio(predicted, followed, horizon) if by_horizon >= MIN_EVENTS else _NONE
    return SubgroupPerformance(
        n_patients=len(followed),
        n_events=int(followed.event.sum()),
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


def _c_index(risk: Float64Array, followed: FollowUp) -> _Estimate:
    if followed.event.sum() < MIN_EVENTS:
        return _NONE
    try:
        found = bootstrap_c_index(risk, followed.event, followed.duration, entry=followed.entry)
    except EstimationError:
        return _NONE
    return found.value, found.low, found.high


def _ratio(survival: Float64Array, followed: FollowUp, horizon: float) -> _Estimate:
    if np.isnan(survival).any():
        return _NONE
    event, duration, entry = followed.event, followed.duration, followed.entry
    try:
        found = ratio_interval(survival, event, duration, horizon=horizon, entry=entry)
    except EstimationError:
        return _NONE
    return found.value, found.low, found.high
