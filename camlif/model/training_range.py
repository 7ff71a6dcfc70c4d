"""Is a case like the training data? Per-column ranges, and a distance by modality.

A training cohort goes in, quantiles and percentiles of distance come out; then, for any patient,
the share of values outside and the percentile. Nothing fails; an absent modality is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlif.data.cohort import Cohort, FloatArray
from camlif.data.preprocessing import quantiles
from camlif.wording import count

LEVELS = (0.005, *(round(0.05 * i, 2) for i in range(1, 20)), 0.995)
"""Stored quantile levels; no level shows a single patient's extreme."""

DISTANCE_PERCENTS = tuple(range(1, 100))
"""Stored percentiles of the training patients' distances; none is a single patient's extreme."""

Number = float | NDArray[np.float64]

_SPREADS = ((0.25, 0.75, 1.349), (0.05, 0.95, 3.290), (0.005, 0.995, 5.152))
"""Quantile ranges and what they are of a normal distribution's SD, the most robust first."""
MAX_ROBUST_Z = 10.0
"""One broken value must not be all there is of a distance."""

MAX_SHARE_OUTSIDE = 0.2
"""A case is out of range in a modality when more of its values lie outside the stored levels."""

UNUSUAL_PERCENT, UNLIKE_PERCENT = 95, 99
"""Training patients, of 100, that lie nearer the middle than an unusual case, and one outside."""


FAR = 100.0
"""Times the width of a column's training range (or its size, where that is more) beyond which a
value is no measurement of the same thing: a broken cell or another unit."""


def is_unlike(share_outside: Number, distance_percent: Number, far: Any) -> Any:
    """Whether a modality is outside the training data, by many values, distance or one far value.

    Parameters
    ----------
    share_outside : float or array, shape (n,)
        Share of values outside the training range, in [0, 1].
    distance_percent : float or array, shape (n,)
        Training patients of 100 that lie nearer the middle.
    far : int or array, shape (n,)
        Values far outside the training range.

    Returns
    -------
    bool or array of bool, shape (n,)
        NaN is not outside.
    """
    return (share_outside > MAX_SHARE_OUTSIDE) | (distance_percent >= UNLIKE_PERCENT) | (far > 0)


def far_words(far: int) -> str:
    """Say that values are beyond anything seen, and what is made of them."""
    return (
        f"{count(far, 'value')} beyond anything in the training data, read as the end of its range"
    )


@dataclass(frozen=True, slots=True)
class TrainingRange:
    """What the training patients' values were, as aggregates.

    Attributes
    ----------
    levels : mapping of modality to float32, shape (n_levels, n_features)
        Quantiles of each column at `LEVELS`.
    distances : mapping of modality to float64, shape (99,)
        `DISTANCE_PERCENTS` of the training patients' `distance`; without an entry in models of
        before it was stored.
    """

    levels: Mapping[str, FloatArray]
    distances: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def distance(self, modality: str, values: FloatArray) -> NDArray[np.float64]:
        """Distance of patients from the middle of the training values, shape (n,).

        Parameters
        ----------
        modality : str
        values : float32, shape (n, n_features)
            In the model's columns; NaN where missing.

        Returns
        -------
        float64, shape (n,)
            Root mean square of the observed values' robust z (by training median and quartiles,
            at most `MAX_ROBUST_Z`); NaN where nothing was observed. A Mahalanobis distance with a
            diagonal, robust covariance, free of the number of columns.
        """
        stored = dict(zip(LEVELS, self.levels[modality].astype(np.float64), strict=True))
        spread = np.zeros(values.shape[1])
        for low, high, width in _SPREADS:
            spread = np.where(spread > 0, spread, (stored[high] - stored[low]) / width)
        varied = np.isfinite(spread) & (spread > 0)
        z = (values[:, varied] - stored[0.5][varied]) / spread[varied]
        observed = np.isfinite(z)
        squares = np.where(observed, np.minimum(np.abs(z), MAX_ROBUST_Z) ** 2, 0.0)
        count = observed.sum(axis=1)
        mean = squares.sum(axis=1) / np.maximum(count, 1)
        return np.where(count > 0, np.sqrt(mean), np.nan)

    def distance_percent(self, modality: str, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Training patients of 100 that lie nearer the middle, shape (n,): 0 to 99.

        NaN where there is no distance, and in models of before distances were stored.
        """
        stored = self.distances.get(modality)
        if stored is None:
            return np.full(len(distance), np.nan)
        rank = np.searchsorted(stored, distance, side="left").astype(np.float64)
        return np.where(np.isfinite(distance), rank, np.nan)

    def share_outside(self, modality: str, values: FloatArray) -> NDArray[np.float64]:
        """Share of a patient's observed values outside the outermost levels, shape (n,).

        NaN where nothing was observed.
        """
        low, high = self.levels[modality][0], self.levels[modality][-1]
        observed = np.isfinite(values)
        outside = observed & ((values < low) | (values > high))
        n_observed = observed.sum(axis=1)
        share = outside.sum(axis=1) / np.maximum(n_observed, 1)
        return np.where(n_observed > 0, share, np.nan)

    def far_outside(self, modality: str, values: FloatArray) -> NDArray[np.int64]:
        """Count a patient's values that lie `FAR` times beyond the training range, shape (n,)."""
        low, high = (self.levels[modality][i].astype(np.float64) for i in (0, -1))
        size = np.maximum(high - low, np.maximum(np.abs(low), np.abs(high)))
        reach = FAR * np.where(size > 0, size, 1.0)
        far: NDArray[np.int64] = ((values < low - reach) | (values > high + reach)).sum(axis=1)
        return far

    def percentile(self, modality: str, values: FloatArray) -> NDArray[np.float64]:
        """Percentile (0-100) of each value among the training patients, same shape; NaN if missing.

        Interpolated between the stored levels; ties take the middle of their levels.
        """
        stored = self.levels[modality]
        percents = 100 * np.asarray(LEVELS)
        result = np.full(values.shape, np.nan)
        for column in range(values.shape[1]):
            grid, where = np.unique(stored[:, column], return_inverse=True)
            middle = np.bincount(where, weights=percents) / np.bincount(where)
            x = values[:, column]
            observed = np.isfinite(x)
            result[observed, column] = np.interp(x[observed], grid, middle)
        return result


def fit_range(cohort: Cohort) -> TrainingRange:
    """Fit quantiles and distances of every tabular or bag modality of a training cohort."""
    levels: dict[str, FloatArray] = {}
    for modality in cohort.schema.modalities:
        if modality.bag:
            values = np.concatenate(
                [np.zeros((0, modality.n_features), "f4"), *cohort.bags[modality.name]]
            )
        else:
            values = cohort.tables[modality.name]
        levels[modality.name] = quantiles(values, LEVELS)
    fitted = TrainingRange(levels)
    distances = {name: _distance_percentiles(fitted, cohort, name) for name in levels}
    return TrainingRange(levels, {name: d for name, d in distances.items() if d is not None})


def _distance_percentiles(
    fitted: TrainingRange, cohort: Cohort, modality: str
) -> NDArray[np.float64] | None:
    distance = fitted.distance(modality, cohort.rows(modality))
    known = distance[np.isfinite(distance)]
    return np.percentile(known, DISTANCE_PERCENTS) if len(known) else None
