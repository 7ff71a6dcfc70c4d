"""The log partial likelihood of a linear predictor in NumPy: value, gradient, Hessian.

In go columns and outcomes, sorted once; out come numbers for a coefficient vector, with Breslow's
or Efron's ties (Cox, JRSS B 1972; Efron, JASA 1977). Raises `ConfigError` for other ties.
`camlif.losses` is the same likelihood for networks; without a graph to record, it costs a thirtieth
here. Shapes: n patients, p columns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import BoolArray, Float64Array
from camlif.config import Ties
from camlif.exceptions import ConfigError

MAX_SPREAD = 700.0
"""Log risks further below the highest one are raised to it, so that exp stays above zero."""


@dataclass(frozen=True, slots=True)
class CoxData:
    """Patients sorted by falling duration.

    Attributes
    ----------
    x : float64, shape (n, p)
    event : bool, shape (n,)
    starts : int, shape (times,)
        First row of each distinct duration.
    group : int, shape (n,)
        Position in ``starts`` of a row's duration.
    last : int, shape (n,)
        Last row of the patients who share a row's duration. A risk set is every row up to it.
    share : float64, shape (n,)
        Efron's part of the tied events' risks that an event no longer sees: s / m for the s-th
        (from 0) of m events at a time. Zero for Breslow, and for rows without an event.
    late : LateEntries or None
        Rows that enter late; None where everybody is there from the start.
    """

    x: Float64Array
    event: BoolArray
    starts: NDArray[np.int_]
    group: NDArray[np.int_]
    last: NDArray[np.int_]
    share: Float64Array
    late: LateEntries | None = None

    @classmethod
    def sort(
        cls,
        x: Float64Array,
        event: BoolArray,
        duration: Float64Array,
        *,
        ties: Ties,
        entry: Float64Array | None = None,
    ) -> CoxData:
        """Sort patients by falling duration.

        Parameters
        ----------
        x : float64, shape (n, p)
        event : bool, shape (n,)
        duration : float64, shape (n,)
        ties : {"efron", "breslow"}
        entry : float64, shape (n,), optional
            As of `camlif.statistics.outcome.check_entry`.

        Raises
        ------
        ConfigError
            For unknown ``ties``.
        """
        if ties not in ("breslow", "efron"):
            raise ConfigError(f"ties must be 'breslow' or 'efron', not {ties!r}.")
        order = np.argsort(-duration, kind="stable")
        rising, happened = -duration[order], event[order]
        _, starts, group = np.unique(rising, return_index=True, return_inverse=True)
        last = np.searchsorted(rising, rising, side="right") - 1
        before: NDArray[np.int_] = np.cumsum(happened) - happened
        tied = np.add.reduceat(happened.astype(np.float64), starts)[group]
        use = happened if ties == "efron" else np.zeros_like(happened)
        share = np.where(use, (before - before[starts[group]]) / np.maximum(tied, 1), 0.0)
        late = None if entry is None else LateEntries.sort(entry[order], -rising)
        return cls(x[order], happened, starts, group, last, share, late)

    def columns(self, chosen: BoolArray) -> CoxData:
        """Return the same patients with some columns only."""
        return replace(self, x=self.x[:, chosen])

    def value(self, log_risk: Float64Array) -> float:
        """Negative log partial likelihood divided by n."""
        top, relative = _relative(log_risk)
        return self._value(log_risk, top, self._total(relative))

    def gradient(self, log_risk: Float64Array) -> Float64Array:
        """Gradient of `value` by the coefficients, shape (p,)."""
        _, relative = _relative(log_risk)
        return self._gradient(self._expected(relative, self._total(relative)))

    def value_and_gradient(self, log_risk: Float64Array) -> tuple[float, Float64Array]:
        """Both, with the sums over risk sets taken once."""
        top, relative = _relative(log_risk)
        total = self._total(relative)
        return self._value(log_risk, top, total), self._gradient(self._expected(relative, total))

    def hessian(self, log_risk: Float64Array) -> Float64Array:
        """Second derivative of `value` by the coefficients, shape (p, p)."""
        _, relative = _relative(log_risk)
        weighted = relative[:, None] * self.x
        total = self._total(relative)
        mean = (self._total(weighted) / total[:, None])[self.event]
        expected = self.x * self._expected(relative, total)[:, None]
        return np.asarray((self.x.T @ expected - mean.T @ mean) / len(log_risk))

    def _value(self, log_risk: Float64Array, top: float, total: Float64Array) -> float:
        return float((top + np.log(total) - log_risk)[self.event].sum() / len(log_risk))

    def _gradient(self, expected: Float64Array) -> Float64Array:
        return np.asarray((expected - self.event) @ self.x / len(expected))

    def _total(self, values: Float64Array) -> Float64Array:
        """Sum over what each row's event sees: its risk set, less its share of the tied events."""
        total = np.cumsum(values, axis=0)[self.last]
        if self.late is not None:
            total = total - self.late.absent(values)
            if values.ndim == 1:
                # Rounding of the difference: a risk set holds at least its own event.
                total = np.maximum(total, values)
        if not self.share.any():
            return np.asarray(total)
        event, share = (
            column.reshape(-1, *[1] * (values.ndim - 1)) for column in (self.event, self.share)
        )
        return np.asarray(total - share * self._sum_of_tied(values * event))

    def _expected(self, relative: Float64Array, total: Float64Array) -> Float64Array:
        """Expected events of each patient: risk times cumulative hazard, shape (n,)."""
        steps = np.where(self.event, 1.0 / total, 0.0)
        since = np.cumsum(steps[::-1])[::-1]
        cumulative = since[self.starts][self.group]
        if self.late is not None:
            cumulative = cumulative - self.late.before(since)
        if self.share.any():
            unseen = self._sum_of_tied(self.share * steps)
            cumulative = cumulative - np.where(self.event, unseen, 0.0)
        return np.asarray(relative * cumulative)

    def _sum_of_tied(self, values: Float64Array) -> Float64Array:
        """Sum over the rows of each row's duration.

        Added within the group: a difference of running totals would lose small groups beside large.
        """
        return np.asarray(np.add.reduceat(values, self.starts, axis=0)[self.group])


@dataclass(frozen=True, slots=True)
class LateEntries:
    """Rows of `CoxData` that are not there from the start.

    Attributes
    ----------
    rows : int, shape (k,)
        By falling entry.
    n_absent : int, shape (n,)
        How many of them have not entered at a row's time.
    event_row : int, shape (k,)
        First row whose time is not after the entry; n where there is none.
    """

    rows: NDArray[np.int_]
    n_absent: NDArray[np.int_]
    event_row: NDArray[np.int_]

    @classmethod
    def sort(cls, entry: Float64Array, duration: Float64Array) -> LateEntries:
        """Sort entries (n,) of rows whose durations (n,) fall."""
        late = np.flatnonzero(entry > 0)
        rows = late[np.argsort(-entry[late], kind="stable")]
        falling = -entry[rows]
        return cls(
            rows=rows,
            n_absent=np.searchsorted(falling, -duration, side="right"),
            event_row=np.searchsorted(-duration, falling, side="left"),
        )

    def absent(self, values: Float64Array) -> Float64Array:
        """Sum of the values (n, ...) of rows that have not entered at each row's time."""
        sums = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values[self.rows], 0)])
        return np.asarray(sums[self.n_absent])

    def before(self, since: Float64Array) -> Float64Array:
        """What each row has missed, (n,), of sums (n,) over the rows from one on."""
        missed = np.zeros(len(since))
        missed[self.rows] = np.append(since, 0.0)[self.event_row]
        return missed


def _relative(log_risk: Float64Array) -> tuple[float, Float64Array]:
    top = float(log_risk.max())
    return top, np.exp(np.maximum(log_risk - top, -MAX_SPREAD))
