"""Inverse probability of censoring weights, from the censoring of the training patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from camlif.exceptions import EstimationError
from camlif.outcome import FloatArray, life_table


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
