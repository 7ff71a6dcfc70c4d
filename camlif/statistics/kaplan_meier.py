"""Kaplan-Meier curves with their number-at-risk tables.

In go outcomes; out comes a curve with intervals (Kaplan and Meier, JASA 1958; Kalbfleisch and
Prentice 1980), its median and numbers at risk, and the median follow-up by the curve of leaving.
Raises `DataError` for outcomes that are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlif.arrays import Float64Array, IntArray
from camlif.exceptions import DataError
from camlif.statistics.outcome import LifeTable, check_outcome, life_table

ROUNDING = 1e-12
"""A product of fractions that should be 0.5 may come out this far above it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KaplanMeierCurve:
    """Product-limit estimate at each distinct duration, ascending; empty arrays for no patient.

    With delayed entry, the entry times are among the times, and the curve is that of patients who
    are event-free at ``start``, before which it stays at 1.

    Attributes
    ----------
    time : float64, shape (t,), unit of the durations
    survival : float64, shape (t,)
        Just after each time.
    low, high : float64, shape (t,)
        Pointwise 95 % interval on the log(-log) scale; NaN once survival is 0.
    at_risk : int64, shape (t,)
        Patients with duration >= time who have entered before.
    events, censored : int64, shape (t,)
        Patients who leave at this time with and without the event.
    """

    time: Float64Array
    survival: Float64Array
    low: Float64Array
    high: Float64Array
    at_risk: IntArray
    events: IntArray
    censored: IntArray

    @property
    def n_patients(self) -> int:
        """Patients behind the curve."""
        return int(self.events.sum() + self.censored.sum())

    @property
    def n_events(self) -> int:
        """Events behind the curve."""
        return int(self.events.sum())

    @property
    def start(self) -> float:
        """Time after which the estimate begins: 0, unless patients enter late (`LifeTable`)."""
        return self._table.start if len(self.time) else 0.0

    @property
    def median(self) -> float | None:
        """First time at which survival is at most one half; None where it stays above."""
        reached = np.flatnonzero(self.survival <= 0.5 + ROUNDING)
        return float(self.time[reached[0]]) if len(reached) else None

    def at(self, times: ArrayLike) -> Float64Array:
        """Survival at any times; 1 before the first event.

        NaN after the last duration, unless survival has reached 0, and for no patient.
        """
        if not len(self.time):
            return np.full(np.shape(times), np.nan)
        return self._table.survival_at(times)

    def at_risk_at(self, times: ArrayLike) -> IntArray:
        """Patients with duration >= each time who have entered, in the shape of ``times``."""
        row = np.searchsorted(self.time, np.asarray(times, dtype=np.float64), side="left")
        return np.append(self.at_risk, 0)[row]

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays by name, for storage."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> KaplanMeierCurve:
        """Build from the arrays of `to_arrays`.

        Raises
        ------
        DataError
            If an array is absent, unknown or of another length than ``time``, times do not ascend,
            or a count or a probability cannot be one.
        """
        names = {f.name for f in fields(cls)}
        lengths = {values.shape for values in arrays.values()}
        if set(arrays) != names or len(lengths) != 1:
            raise DataError(
                "A stored Kaplan-Meier curve is incomplete.",
                found=", ".join(sorted(arrays)),
                expected=", ".join(sorted(names)),
            )
        curve = cls(
            time=arrays["time"].astype(np.float64),
            survival=arrays["survival"].astype(np.float64),
            low=arrays["low"].astype(np.float64),
            high=arrays["high"].astype(np.float64),
            at_risk=arrays["at_risk"].astype(np.int64),
            events=arrays["events"].astype(np.int64),
            censored=arrays["censored"].astype(np.int64),
        )
        counts = (curve.at_risk, curve.events, curve.censored)
        ascends = (np.diff(curve.time) >= 0).all()
        probable = ((curve.survival >= 0) & (curve.survival <= 1)).all()
        if not ascends or not probable or any((n < 0).any() for n in counts):
            raise DataError("A stored Kaplan-Meier curve has falling times or impossible values.")
        return curve

    @property
    def _table(self) -> LifeTable:
        return LifeTable(
            time=self.time, at_risk=self.at_risk, events=self.events, left=self.censored
        )


def kaplan_meier(
    event: ArrayLike, duration: ArrayLike, entry: ArrayLike | None = None
) -> KaplanMeierCurve:
    """Estimate the survival of a group.

    Parameters
    ----------
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
        Follow-up in any unit, not negative.
    entry : array_like, shape (n,), optional
        When each patient came under observation; see `camlif.statistics.outcome.life_table`.

    Returns
    -------
    KaplanMeierCurve
        Without any rows for no patient.

    Raises
    ------
    DataError
        If shapes differ, a value is missing or infinite, a duration is negative, or an entry is
        not before it.

    Notes
    -----
    An event counts before a patient who leaves at the same time without one, and before one who
    enters at that time. Greenwood variance. Where patients enter late, events before
    `KaplanMeierCurve.start` do not move the curve: fewer than `MIN_AT_RISK` patients were then
    under observation.

    References
    ----------
    Kaplan and Meier, JASA 1958; Kalbfleisch and Prentice, 1980 (interval).

    Examples
    --------
    >>> curve = kaplan_meier([1, 0, 1, 1], [2.0, 2.0, 3.0, 5.0])
    >>> curve.at([1, 2, 3]).tolist(), curve.median
    ([1.0, 0.75, 0.375], 3.0)
    """
    events, durations = check_outcome(event, duration)
    if not len(durations):
        none, nobody = np.zeros(0), np.zeros(0, dtype=np.int64)
        return KaplanMeierCurve(
            time=none,
            survival=none,
            low=none,
            high=none,
            at_risk=nobody,
            events=nobody,
            censored=nobody,
        )
    table = life_table(events, durations, entry)
    low, high = table.log_log_band()
    return KaplanMeierCurve(
        time=table.time,
        survival=table.survival,
        low=low,
        high=high,
        at_risk=table.at_risk,
        events=table.events,
        censored=table.left,
    )


def median_follow_up(
    event: ArrayLike, duration: ArrayLike, entry: ArrayLike | None = None
) -> float | None:
    """Median follow-up by reverse Kaplan-Meier, in the unit of the durations.

    Leaving without the event is what is waited for, and an event ends the waiting.

    Parameters
    ----------
    event, duration, entry
        As in `kaplan_meier`.

    Returns
    -------
    float or None
        None where the curve stays above one half: more than half would have been followed longer
        than anybody was.

    Raises
    ------
    DataError
        As `kaplan_meier`.

    References
    ----------
    Schemper and Smith, Controlled Clinical Trials 1996.
    """
    events, durations = check_outcome(event, duration)
    return kaplan_meier(~events, durations, entry).median
