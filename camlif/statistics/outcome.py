"""Outcome arrays: checks, and the life table that Kaplan-Meier estimates are built on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from camlif.exceptions import DataError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


LATE_ENTRY = (
    "Some patients enter after time zero. Kaplan-Meier curves of the cohort, numbers at risk and "
    "median follow-up count a patient from entry on; everything else (training, studies, tests, "
    "hazard ratios, C-index, Brier score, calibration) counts everyone from time zero."
)
"""What honours delayed entry, and what does not."""


def check_numbers(name: str, values: ArrayLike, *, length: int | None = None) -> FloatArray:
    """Return finite numbers as float64, shape (n,).

    Raises
    ------
    DataError
        If the values are not one-dimensional, not of the given length, not numbers or not finite.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} holds values that are no numbers.", column=name) from error
    if array.ndim != 1 or (length is not None and len(array) != length):
        raise DataError(
            f"{name} does not hold one value per patient.",
            column=name,
            found=f"shape {array.shape}",
            expected="(n,)" if length is None else f"({length},)",
        )
    broken = np.flatnonzero(~np.isfinite(array))
    if len(broken):
        raise DataError(
            f"{name} holds {len(broken)} missing or infinite values, the first at position "
            f"{broken[0]}.",
            column=name,
        )
    return array


def check_outcome(event: ArrayLike, duration: ArrayLike) -> tuple[BoolArray, FloatArray]:
    """Return event as bool and duration as float64, both shape (n,).

    Raises
    ------
    DataError
        If shapes differ, a value is missing or infinite, or an event is neither 0 nor 1.
    """
    durations = check_numbers("duration", duration)
    events = check_numbers("event", event, length=len(durations))
    if not np.isin(events, (0.0, 1.0)).all():
        raise DataError(
            "event holds values other than 0 and 1.",
            column="event",
            found=", ".join(f"{value:g}" for value in np.unique(events)[:5]),
            expected="1 (event observed) or 0",
            code="E-11",
        )
    return events.astype(bool), durations


@dataclass(frozen=True)
class LifeTable:
    """Counts at each distinct duration and entry time, ascending.

    Attributes
    ----------
    time : float64, shape (t,)
    at_risk : int64, shape (t,)
        Patients with entry < time <= duration; from the start, with duration >= time.
    events : int64, shape (t,)
    left : int64, shape (t,)
        Patients who leave at this time without the event.
    """

    time: FloatArray
    at_risk: IntArray
    events: IntArray
    left: IntArray

    @cached_property
    def survival(self) -> FloatArray:
        """Product-limit estimate just after each time, shape (t,)."""
        # Before the first entry nobody is at risk, and nobody has an event.
        return np.cumprod(1.0 - self.events / np.maximum(self.at_risk, 1), dtype=np.float64)

    @cached_property
    def greenwood(self) -> FloatArray:
        """Greenwood's sum, the variance of log S, shape (t,); infinite once S is 0."""
        remaining = self.at_risk - self.events
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.where(self.events, self.events / (self.at_risk * remaining), 0.0)
        return np.cumsum(steps, dtype=np.float64)

    def survival_at(self, times: ArrayLike) -> FloatArray:
        """Product-limit estimate at any times; NaN after the last duration unless S reached 0."""
        points = np.asarray(times, dtype=np.float64)
        steps = np.concatenate([[1.0], self.survival])
        known = (points <= self.time[-1]) | (steps[-1] == 0)
        row = np.searchsorted(self.time, points, side="right")
        return np.where(known, steps[row], np.nan)

    def log_log_band(self, *, confidence: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Pointwise interval of the survival on the log(-log) scale: low and high, shape (t,).

        Both are 1 before the first event and NaN once S is 0, where the variance is infinite.
        """
        quantile = float(ndtri(0.5 + confidence / 2))
        survival = self.survival
        moved = (survival > 0) & (survival < 1)
        log_survival = np.log(np.where(moved, survival, 0.5))
        width = quantile * np.sqrt(np.where(moved, self.greenwood, 0.0)) / np.abs(log_survival)
        still = np.where(survival == 0, np.nan, 1.0)
        low = np.where(moved, np.exp(log_survival * np.exp(width)), still)
        high = np.where(moved, np.exp(log_survival * np.exp(-width)), still)
        return low, high


def life_table(event: ArrayLike, duration: ArrayLike, entry: ArrayLike | None = None) -> LifeTable:
    """Count who is at risk, has the event or leaves at each distinct duration.

    Parameters
    ----------
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
    entry : array_like, shape (n,), optional
        When each patient came under observation (delayed entry, left truncation): at risk only
        after it. Zero, or less, is from the start.

    Raises
    ------
    DataError
        As `check_outcome`; for no patient or a negative duration; or for an entry that is not
        before the end of follow-up.
    """
    events, durations = check_outcome(event, duration)
    if not len(durations):
        raise DataError("There is no patient.")
    negative = int((durations < 0).sum())
    if negative:
        raise DataError(
            f"{negative} follow-up times are below zero.", column="duration", code="E-10"
        )
    late = _late_entries(entry, durations)
    time = np.unique(np.concatenate([durations, late]))
    row = np.searchsorted(time, durations)
    leaving = np.bincount(row, minlength=len(time))
    had_event = np.bincount(row, weights=events, minlength=len(time)).astype(np.int64)
    entering = np.bincount(np.searchsorted(time, late), minlength=len(time))
    return LifeTable(
        time=time,
        at_risk=(leaving - entering)[::-1].cumsum()[::-1],
        events=had_event,
        left=leaving - had_event,
    )


def _late_entries(entry: ArrayLike | None, durations: FloatArray) -> FloatArray:
    """Return the entry times after time zero."""
    if entry is None:
        return np.zeros(0)
    entries = check_numbers("entry", entry, length=len(durations))
    never = int(((entries > 0) & (entries >= durations)).sum())
    if never:
        raise DataError(
            f"{never} patients enter when their follow-up is over.", column="entry", code="E-10"
        )
    return entries[entries > 0]
