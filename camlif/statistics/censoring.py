"""Weights of patients whose follow-up is censored: outcomes in, an inverse chance by time out.

Raises `EstimationError` for a time beyond the follow-up of every training patient. Follows Robins
and Rotnitzky, in AIDS Epidemiology, 1992.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from camlif.arrays import BoolArray, Float64Array
from camlif.exceptions import EstimationError
from camlif.statistics.outcome import check_entry, check_outcome, life_table


class CensoringWeights:
    """Inverse of the chance that a patient whose event is at a time is then under observation.

    Parameters
    ----------
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
        Of the training patients.
    entry : array_like, shape (n,), optional
        Likewise; see `camlif.statistics.outcome.life_table`.

    Raises
    ------
    DataError
        If there is no patient, shapes differ, or a value is missing or negative.

    Notes
    -----
    Without late entry, the chance is the Kaplan-Meier estimate G of being still followed. At a tie,
    events leave before those without one. G is right-continuous and stays constant after the last
    duration: the convention of scikit-survival and torchsurv.

    With late entry, the weight at t is S(t-) / R(t), where S is the entry-aware Kaplan-Meier
    estimate and R(t) counts who is at risk: without late entry or ties this is 1 / (n G). Only
    ratios of these weights mean something, so a score divides by their sum. At `LifeTable.start`
    and before, the weight is 0: estimates are of those who are event-free then.

    References
    ----------
    Robins and Rotnitzky, in AIDS Epidemiology, 1992 (weights); Wang, JASA 1991 (left truncation).
    """

    def __init__(
        self, event: ArrayLike, duration: ArrayLike, entry: ArrayLike | None = None
    ) -> None:
        events, durations = check_outcome(event, duration)
        entries = check_entry(entry, durations)
        self.relative = entries is not None
        self._table = life_table(events, durations, entries)

    def at(self, times: ArrayLike) -> Float64Array:
        """Return the weight at each time, in the shape of ``times``.

        Raises
        ------
        EstimationError
            If no training patient is under observation at one of them.
        """
        points = np.asarray(times, dtype=np.float64)
        weights, known = self._late(points) if self.relative else self._from_start(points)
        if not known.all():
            raise EstimationError(
                f"No training patient was followed beyond {self._table.time[-1]:g}, so censoring "
                f"cannot be weighed at {points[~known].min():g}. Use an earlier time."
            )
        return weights

    def _from_start(self, points: Float64Array) -> tuple[Float64Array, BoolArray]:
        table = self._table
        exposed = table.at_risk - table.events
        followed = np.cumprod(1 - table.left / np.maximum(exposed, 1))
        row = np.searchsorted(table.time, points, side="right")
        chance = np.concatenate([[1.0], followed])[row]
        return 1 / np.where(chance > 0, chance, 1.0), chance > 0

    def _late(self, points: Float64Array) -> tuple[Float64Array, BoolArray]:
        table = self._table
        row = np.searchsorted(table.time, points, side="left")
        at_risk = np.append(table.at_risk, 0)[row]
        survival = np.concatenate([[1.0], table.survival])[row]
        begun = points > table.start
        weights = np.where(begun, survival / np.maximum(at_risk, 1), 0.0)
        return weights, ~begun | (at_risk > 0)
