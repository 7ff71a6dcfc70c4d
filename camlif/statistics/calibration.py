"""From log risks to survival probabilities: calibration slope and baseline hazard.

In go held-out log risks with outcomes, never risks of patients that the model was trained on; out
come a slope and a baseline hazard, and a verdict whether probabilities may be shown. Raises
`NoEventsError` and `EstimationError` where neither can be fitted. Follows Van Houwelingen,
Statistics in Medicine 2000 (slope) and Breslow, JRSS B 1972 (baseline).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlif.arrays import BoolArray, Float64Array
from camlif.exceptions import DataError, EstimationError, NoEventsError
from camlif.statistics.cox import breslow_baseline, quick_cox
from camlif.statistics.outcome import FollowUp, check_entry, check_numbers, check_outcome

PARTS = 5
REPEATS = 10
"""Partitions over which a cross-fitted slope is averaged: a single one moves it by 0.1."""
MAX_EXPONENT = 700.0
"""The exponential of more overflows float64; survival is 0 long before."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """Survival from a log risk: S(t) = exp(-H0(t) exp(slope * log risk)).

    Attributes
    ----------
    slope : float
        Below 1 where the model's risks are too spread, not positive where they do not rank
        patients.
    time : float64, shape (t,)
        Distinct durations, ascending, unit of the durations.
    cumulative_hazard : float64, shape (t,)
        H0 of a patient with log risk 0, just after each time.
    """

    slope: float
    time: Float64Array
    cumulative_hazard: Float64Array

    def survival(self, log_risk: ArrayLike, times: ArrayLike) -> Float64Array:
        """Return the survival probability of n patients at t times.

        Parameters
        ----------
        log_risk : array_like, shape (n,)
        times : array_like, shape (t,)

        Returns
        -------
        float64, shape (n, t)
            1 before the first event; NaN beyond the last follow-up and for a NaN log risk.
        """
        risks = np.asarray(log_risk, dtype=np.float64)
        points = np.asarray(times, dtype=np.float64)
        hazard = np.concatenate([[0.0], self.cumulative_hazard])
        hazard = hazard[np.searchsorted(self.time, points, side="right")]
        hazard = np.where(points <= self.time[-1], hazard, np.nan)
        relative = np.exp(np.minimum(self.slope * risks, MAX_EXPONENT))
        survival: Float64Array = np.exp(-hazard[None, :] * relative[:, None])
        return survival

    def survival_at_end(self, log_risk: ArrayLike, duration: ArrayLike) -> Float64Array:
        """Return each patient's survival probability at the end of its own follow-up, shape (n,).

        Beyond the last follow-up behind the baseline, the probability at its end.
        """
        risks = np.asarray(log_risk, dtype=np.float64)
        hazard = np.concatenate([[0.0], self.cumulative_hazard])
        hazard = hazard[np.searchsorted(self.time, np.asarray(duration), side="right")]
        survival: Float64Array = np.exp(
            -hazard * np.exp(np.minimum(self.slope * risks, MAX_EXPONENT))
        )
        return survival

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return arrays by name, for storage."""
        return {
            "slope": np.array([self.slope]),
            "time": self.time,
            "cumulative_hazard": self.cumulative_hazard,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Calibration:
        """Build from the arrays of `to_arrays`.

        Raises
        ------
        DataError
            If an array is absent or of another length than ``time``, a value is not finite, or
            times or hazards do not ascend.
        """
        names = ("slope", "time", "cumulative_hazard")
        if set(arrays) != set(names):
            raise DataError("A stored calibration is incomplete.", found=", ".join(sorted(arrays)))
        time = check_numbers("time", arrays["time"])
        hazard = check_numbers("cumulative_hazard", arrays["cumulative_hazard"], length=len(time))
        if any((np.diff(values, prepend=0.0) < 0).any() for values in (time, hazard)):
            raise DataError("Times or hazards of a stored calibration do not ascend from 0.")
        slope = float(check_numbers("slope", arrays["slope"], length=1)[0])
        return cls(slope=slope, time=time, cumulative_hazard=hazard)


@dataclass(frozen=True, slots=True)
class Slope:
    """Calibration slope with the standard error of its Cox model."""

    value: float
    error: float


def fit_calibration(
    risk: ArrayLike, event: ArrayLike, duration: ArrayLike, *, entry: ArrayLike | None = None
) -> Calibration:
    """Fit the calibration slope and then the baseline hazard.

    Parameters
    ----------
    risk : array_like, shape (n,)
        Held-out log risks.
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
        Not negative.
    entry : array_like, shape (n,), optional
        When each patient came under observation; see `camlif.statistics.outcome.life_table`.

    Raises
    ------
    NoEventsError
        If no event was observed.
    EstimationError
        If all risks are equal, or the slope has no finite estimate because risks order the events
        without fault.
    DataError
        If shapes differ, or a value is missing or infinite.

    Notes
    -----
    Slope: Cox model with the risk as its one variable (Efron's ties). Baseline:
    Breslow's estimate with ``slope * risk`` held fixed. Where patients enter late, both count them
    from entry on, and the baseline begins at `LifeTable.start`.

    References
    ----------
    Van Houwelingen, Statistics in Medicine 2000 (slope); Breslow, JRSS B 1972.
    """
    events, durations = check_outcome(event, duration)
    risks = check_numbers("risk", risk, length=len(durations))
    entries = check_entry(entry, durations)
    if not events.any():
        raise NoEventsError("No event was observed, so no baseline hazard exists.")
    slope = calibration_slope(risks, events, durations, entries).value
    relative = np.exp(np.minimum(slope * risks, MAX_EXPONENT))
    baseline = breslow_baseline(relative, events, durations, entries)
    return Calibration(
        slope=slope, time=baseline.time, cumulative_hazard=baseline.cumulative_hazard
    )


def cross_fitted_survival(
    risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    times: ArrayLike,
    entry: ArrayLike | None = None,
    seed: int = 0,
) -> Float64Array:
    """Predict each patient's survival from a calibration fitted on others.

    Parameters
    ----------
    risk, event, duration
        As in `fit_calibration`.
    times : array_like, shape (t,)
        Unit of the durations.
    entry : array_like, shape (n,), optional
        As in `fit_calibration`.
    seed : int
        Of the partition into `PARTS` event-stratified parts.

    Returns
    -------
    float64, shape (n, t)
        NaN beyond the last follow-up.

    Raises
    ------
    NoEventsError, EstimationError, DataError
        As `fit_calibration`, of the patients outside one of the parts.
    """
    events, durations = check_outcome(event, duration)
    risks = check_numbers("risk", risk, length=len(durations))
    points = np.asarray(times, dtype=np.float64)
    entries = check_entry(entry, durations)
    survival = np.empty((len(risks), len(points)))
    for rows, fitted in _cross_fits(risks, FollowUp(events, durations, entries), seed):
        # Without the one patient who was followed longest, the rest may end before a time.
        reached = np.minimum(points, fitted.time[-1])
        survival[rows] = fitted.survival(risks[rows], reached)
    survival[:, points > durations.max()] = np.nan
    return survival


def cross_fitted_survival_at_end(
    risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    seed: int = 0,
) -> Float64Array:
    """Predict each patient's survival at the end of its own follow-up, shape (n,).

    The calibration is fitted on others.

    Parameters
    ----------
    risk, event, duration, entry, seed
        As in `cross_fitted_survival`, and so the errors.
    """
    followed = FollowUp.check(event, duration, entry)
    risks = check_numbers("risk", risk, length=len(followed))
    survival = np.empty(len(risks))
    for rows, fitted in _cross_fits(risks, followed, seed):
        survival[rows] = fitted.survival_at_end(risks[rows], followed.duration[rows])
    return survival


def cross_fitted_slope(
    risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    seed: int = 0,
) -> float:
    """Slope that is left in risks whose own slope was fitted on other patients.

    1 where slopes fitted on a part of the patients hold for the rest; below, where risks that rank
    weakly happened to look better on those they were fitted on (van Houwelingen & le Cessie,
    Statistics in Medicine 1990). The mean over `REPEATS` partitions into `PARTS`.

    Parameters
    ----------
    risk, event, duration, entry, seed
        As in `cross_fitted_survival`, and so the errors.
    """
    followed = FollowUp.check(event, duration, entry)
    risks = check_numbers("risk", risk, length=len(followed))
    centred = risks - risks.mean()
    left = []
    for repeat in range(REPEATS):
        part = cross_fit_parts(followed.event, seed=seed + repeat)
        calibrated = np.empty(len(risks))
        for k in range(PARTS):
            rest = followed.take(part != k)
            found = calibration_slope(risks[part != k], rest.event, rest.duration, rest.entry)
            calibrated[part == k] = found.value * centred[part == k]
        left.append(
            calibration_slope(calibrated, followed.event, followed.duration, followed.entry).value
        )
    return float(np.mean(left))


def _cross_fits(
    risk: Float64Array, followed: FollowUp, seed: int
) -> Iterator[tuple[BoolArray, Calibration]]:
    """Yield the patients of each part and a calibration fitted on all others."""
    part = cross_fit_parts(followed.event, seed=seed)
    for k in range(PARTS):
        rows = part == k
        rest = followed.take(~rows)
        yield rows, fit_calibration(risk[~rows], rest.event, rest.duration, entry=rest.entry)


def calibration_slope(
    risk: Float64Array, event: BoolArray, duration: Float64Array, entry: Float64Array | None = None
) -> Slope:
    """Fit a Cox model with the risk as its one variable (Efron's ties).

    Parameters
    ----------
    risk : float64, shape (n,)
    event : bool, shape (n,)
    duration : float64, shape (n,)
    entry : float64, shape (n,), optional
        As of `camlif.statistics.outcome.check_entry`.

    Raises
    ------
    EstimationError
        As `fit_calibration`.
    """
    sd = float(risk.std())
    if sd == 0:
        raise EstimationError("All risks are equal, so they have no calibration slope.")
    try:
        fitted = quick_cox(((risk - risk.mean()) / sd)[:, None], event, duration, entry)
    except EstimationError as error:
        raise EstimationError("The calibration slope has no finite estimate.") from error
    return Slope(float(fitted.coefficients[0]) / sd, float(fitted.errors[0]) / sd)


def cross_fit_parts(event: BoolArray, *, seed: int = 0, parts: int = PARTS) -> NDArray[np.int_]:
    """Random part of each patient, from 0 on, equal in size within events and others.

    Parameters
    ----------
    event : bool, shape (n,)
    seed : int
    parts : int
        How many.
    """
    shuffled = np.random.default_rng(seed).permutation(len(event))
    ordered = shuffled[np.argsort(~event[shuffled], kind="stable")]
    part = np.empty(len(event), dtype=int)
    part[ordered] = np.arange(len(event)) % parts
    return part
