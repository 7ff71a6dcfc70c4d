"""Does a model hold in every group of patients? Ranking and calibration by subgroup."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from camlif.exceptions import EstimationError
from camlif.metrics.concordance import bootstrap_c_index
from camlif.outcome import BoolArray, FloatArray, check_numbers, check_outcome, life_table

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
