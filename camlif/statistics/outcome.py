"""Outcome arrays: checks, and the life table that Kaplan-Meier estimates are built on.

In go events, durations and entries as given; out come arrays of bool and float64 of one length, or
counts by time. Raises `DataError` with the column, what was found and what is expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from camlif.arrays import BoolArray, Float64Array, IntArray
from camlif.exceptions import DataError
from camlif.wording import count

MIN_AT_RISK = 5
"""Where patients enter late, estimates start when so many are under observation: an event among
fewer would put a curve near 0 for ever."""

LATE_ENTRY = (
    "Some patients enter after time zero. Everything counts them from entry on: training, curves, "
    "numbers at risk, tests, hazard ratios, C-index, Brier score, AUC and calibration. Curves and "
    f"the baseline start where {MIN_AT_RISK} patients are under observation. Left out, since they "
    "need everyone from time zero on: decision curves, lower bounds of survival time, and compared "
    "methods whose own loss knows no entry."
)
"""How delayed entry is taken into account."""


def check_numbers(name: str, values: ArrayLike, *, length: int | None = None) -> Float64Array:
    """Return finite numbers as float64, shape (n,).

    Parameters
    ----------
    name : str
        What the values are, for errors.
    values : array_like, shape (n,)
    length : int, optional
        Values that there must be; any number by default.

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


def check_outcome(event: ArrayLike, duration: ArrayLike) -> tuple[BoolArray, Float64Array]:
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

    With delayed entry, estimates are of patients who are event-free at `start`.

    Attributes
    ----------
    time : float64, shape (t,)
    at_risk : int64, shape (t,)
        Patients with entry < time <= duration; from the start, with duration >= time.
    events : int64, shape (t,)
    left : int64, shape (t,)
        Patients who leave at this time without the event.
    """

    time: Float64Array
    at_risk: IntArray
    events: IntArray
    left: IntArray

    @cached_property
    def first(self) -> int:
        """First row that estimates use: 0, unless patients enter late.

        Then that from which `MIN_AT_RISK` patients (or the most there ever are) are at risk, but
        not before an event that leaves nobody at risk though others enter later.
        """
        leaving = self.events + self.left
        enters_late = bool((np.diff(self.at_risk) + leaving[:-1]).any())
        if not enters_late:
            return 0
        enough = self.at_risk >= min(MIN_AT_RISK, int(self.at_risk.max()))
        emptied = (self.events > 0) & (self.events == self.at_risk)
        last_enough = int(np.flatnonzero(enough)[-1])
        after = np.flatnonzero(emptied[:last_enough])
        begin = int(after[-1]) + 1 if len(after) else 0
        return begin + int(np.argmax(enough[begin:]))

    @property
    def start(self) -> float:
        """Time after which estimates begin: 0, unless patients enter late."""
        return float(self.time[self.first - 1]) if self.first else 0.0

    @cached_property
    def counted(self) -> IntArray:
        """Events that estimates use, shape (t,): those after `start`."""
        return np.where(np.arange(len(self.time)) >= self.first, self.events, 0)

    @cached_property
    def survival(self) -> Float64Array:
        """Product-limit estimate just after each time, shape (t,)."""
        return np.cumprod(1.0 - self.counted / np.maximum(self.at_risk, 1), dtype=np.float64)

    @cached_property
    def greenwood(self) -> Float64Array:
        """Greenwood's sum, the variance of log S, shape (t,); infinite once S is 0."""
        remaining = self.at_risk - self.events
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.where(self.counted, self.counted / (self.at_risk * remaining), 0.0)
        return np.cumsum(steps, dtype=np.float64)

    def survival_at(self, times: ArrayLike) -> Float64Array:
        """Product-limit estimate at any times; NaN after the last duration unless S reached 0."""
        points = np.asarray(times, dtype=np.float64)
        steps = np.concatenate([[1.0], self.survival])
        known = (points <= self.time[-1]) | (steps[-1] == 0)
        row = np.searchsorted(self.time, points, side="right")
        return np.where(known, steps[row], np.nan)

    def log_log_band(self, *, confidence: float = 0.95) -> tuple[Float64Array, Float64Array]:
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
            f"{count(negative, 'follow-up time is', 'follow-up times are')} below zero.",
            column="duration",
            code="E-10",
        )
    entries = check_entry(entry, durations)
    late = np.zeros(0) if entries is None else entries[entries > 0]
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


def check_entry(entry: ArrayLike | None, durations: Float64Array) -> Float64Array | None:
    """Return entry times as float64, shape (n,), 0 for the start; None where nobody enters late.

    Parameters
    ----------
    entry : array_like, shape (n,), optional
        When each patient came under observation; zero, or less, is from the start.
    durations : float64, shape (n,)

    Raises
    ------
    DataError
        If shapes differ, a value is missing, or a late entry is not before the end of follow-up.
    """
    if entry is None:
        return None
    entries = np.maximum(check_numbers("entry", entry, length=len(durations)), 0.0)
    late = entries > 0
    never = int((late & (entries >= durations)).sum())
    if never:
        raise DataError(
            f"{count(never, 'patient enters', 'patients enter')} when the follow-up is over.",
            column="entry",
            code="E-10",
        )
    return entries if late.any() else None


def rows_of(entry: Float64Array | None, rows: NDArray[np.generic]) -> Float64Array | None:
    """Return the entries of some patients; None stays None."""
    return None if entry is None else entry[rows]


@dataclass(frozen=True, slots=True, eq=False)
class FollowUp:
    """Outcome of n patients; arrays of shape (n,).

    Attributes
    ----------
    event : bool
    duration : float64
    entry : float64, or None
        As of `check_entry`.
    """

    event: BoolArray
    duration: Float64Array
    entry: Float64Array | None = None

    @classmethod
    def check(
        cls, event: ArrayLike, duration: ArrayLike, entry: ArrayLike | None = None
    ) -> FollowUp:
        """Check as `check_outcome` and `check_entry` do.

        Parameters
        ----------
        event : array_like of bool (or 0 and 1), shape (n,)
        duration : array_like, shape (n,)
            Follow-up in any unit.
        entry : array_like, shape (n,), optional
            When each patient came under observation, in the same unit.
        """
        events, durations = check_outcome(event, duration)
        return cls(events, durations, check_entry(entry, durations))

    def __len__(self) -> int:
        return len(self.event)

    def take(self, rows: NDArray[np.generic]) -> FollowUp:
        """Return some of the patients, by number or mask."""
        return FollowUp(self.event[rows], self.duration[rows], rows_of(self.entry, rows))
