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

from camlif.arrays import Float32Array
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import CLINICAL, clinical_names, encode_clinical, quantiles
from camlif.data.schema import FeatureSchema
from camlif.model.column_shift import fit_reach, stretch
from camlif.wording import count

LEVELS = (0.005, *(round(0.05 * i, 2) for i in range(1, 20)), 0.995)
"""Stored quantile levels; no level shows a single patient's extreme."""

DISTANCE_PERCENTS = tuple(range(1, 100))
"""Stored percentiles of the training patients' distances; none is a single patient's extreme."""

RANGE_ARRAYS = ("range.", "distance.", "reach.")
"""How the arrays of a training range are called in a model folder, before the modality."""

Number = float | NDArray[np.float64]
_Grid = tuple[Float32Array, NDArray[np.float64]]

_SPREADS = ((0.25, 0.75, 1.349), (0.05, 0.95, 3.290), (0.005, 0.995, 5.152))
"""Quantile ranges and what they are of a normal distribution's SD, the most robust first."""
MAX_ROBUST_Z = 10.0
"""One broken value must not be all there is of a distance."""

MAX_SHARE_OUTSIDE = 0.2
"""A case is out of range in a modality when more of its values lie outside the stored levels."""

UNUSUAL_PERCENT, UNLIKE_PERCENT = 95, 99
"""Training patients, of 100, that lie nearer the middle than an unusual case, and one outside."""


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


def far_words(far: int, farthest: str) -> str:
    """Say that values are beyond anything seen, and what is made of them.

    Parameters
    ----------
    far : int
        Values, at least one.
    farthest : str
        Column of the one farthest out.
    """
    which = farthest if far == 1 else f"{farthest} the farthest"
    return (
        f"{count(far, 'value')} beyond anything in the training data ({which}), read as the end of "
        "its range"
    )


@dataclass(frozen=True, slots=True)
class TrainingRange:
    """What the training patients' values were, as aggregates.

    Attributes
    ----------
    levels : mapping of modality to float32, shape (n_levels, n_features)
        Quantiles of each column at `LEVELS`.
    distances : mapping of modality to float64, shape (99,)
        `DISTANCE_PERCENTS` of the training patients' `distance`; without an entry where none of
        them has the modality.
    reach : mapping of modality to float64, shape (2, n_features)
        See `camlif.model.column_shift.fit_reach`.

    ``levels`` and ``reach`` also have the encoded clinical inputs, under `CLINICAL`.
    """

    levels: Mapping[str, Float32Array]
    distances: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    reach: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    _grids: dict[str, list[_Grid]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array by its name in a model folder."""
        parts: tuple[Mapping[str, NDArray[Any]], ...] = (self.levels, self.distances, self.reach)
        return {
            start + name: x
            for start, arrays in zip(RANGE_ARRAYS, parts, strict=True)
            for name, x in arrays.items()
        }

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], schema: FeatureSchema
    ) -> TrainingRange:
        """Build the range from the arrays of `to_arrays`, among others.

        Parameters
        ----------
        arrays : mapping of name to array
        schema : FeatureSchema
            Of the model.

        Raises
        ------
        LookupError, ValueError
            If levels are absent or do not ascend, or an array has a wrong shape or name.
        """
        found = cls(
            *(
                {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}
                for start in RANGE_ARRAYS
            )
        )
        widths = {m.name: m.n_features for m in schema.modalities}
        widths[CLINICAL] = len(clinical_names(schema))
        needed = (*schema.names, *((CLINICAL,) if schema.clinical else ()))
        absent = [
            start + name
            for start, stored in (("range.", found.levels), ("reach.", found.reach))
            for name in needed
            if name not in stored
        ]
        if absent:
            raise ValueError(f"no array {absent[0]}")
        for name, values in found.levels.items():
            if values.shape != (len(LEVELS), widths[name]):
                raise ValueError("training range has a wrong number of levels or columns")
            if _descends(values):
                raise ValueError("levels of the training range do not ascend")
        for name, distances in found.distances.items():
            if name not in schema.names or distances.shape != (len(DISTANCE_PERCENTS),):
                raise ValueError(f"training distances of {name} have a wrong number of percentiles")
            if distances[0] < 0 or (np.diff(distances) < 0).any():
                raise ValueError(f"training distances of {name} do not ascend")
        if any(values.shape != (2, widths[name]) for name, values in found.reach.items()):
            raise ValueError("reach of the training range has a wrong number of columns")
        if any((values < 1).any() for values in found.reach.values()):
            raise ValueError("reach of the training range is less than the range itself")
        return found

    def distance(self, modality: str, values: Float32Array) -> NDArray[np.float64]:
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

        NaN where there is no distance, and where no training patient has the modality.
        """
        stored = self.distances.get(modality)
        if stored is None:
            return np.full(len(distance), np.nan)
        rank = np.searchsorted(stored, distance, side="left").astype(np.float64)
        return np.where(np.isfinite(distance), rank, np.nan)

    def share_outside(self, modality: str, values: Float32Array) -> NDArray[np.float64]:
        """Share of a patient's observed values outside the outermost levels, shape (n,).

        NaN where nothing was observed.
        """
        low, high = self.levels[modality][0], self.levels[modality][-1]
        observed = np.isfinite(values)
        outside = observed & ((values < low) | (values > high))
        n_observed = observed.sum(axis=1)
        share = outside.sum(axis=1) / np.maximum(n_observed, 1)
        return np.where(n_observed > 0, share, np.nan)

    def times_reach(self, modality: str, values: Float32Array) -> NDArray[np.float64]:
        """How far out values lie, shape (n, n_features); at most 1 where missing.

        Above 1 a value is no measurement of the same thing: a broken cell, or another unit.

        Parameters
        ----------
        modality : str
            Or `CLINICAL`.
        values : float32, shape (n, n_features)
        """
        low, high = self.levels[modality][0], self.levels[modality][-1]
        far = stretch(values, low, high) / self.reach[modality][:, None]
        # An infinite value is read as the end of the range, as any other beyond it.
        times: NDArray[np.float64] = np.where(np.isinf(values), np.inf, far.max(axis=0))
        return times

    def percentile(self, modality: str, values: Float32Array) -> NDArray[np.float64]:
        """Percentile (0-100) of each value among the training patients, same shape; NaN if missing.

        Interpolated between the stored levels; ties take the middle of their levels.
        """
        result = np.full(values.shape, np.nan)
        for column, (grid, middle) in enumerate(self._percentiles_of(modality)):
            x = values[:, column]
            observed = np.isfinite(x)
            result[observed, column] = np.interp(x[observed], grid, middle)
        return result

    def _percentiles_of(self, modality: str) -> list[_Grid]:
        """Distinct levels of each column with their percentiles, found once."""
        if modality not in self._grids:
            percents = 100 * np.asarray(LEVELS)
            found = []
            for levels in self.levels[modality].T:
                grid, where = np.unique(levels, return_inverse=True)
                found.append((grid, np.bincount(where, weights=percents) / np.bincount(where)))
            self._grids[modality] = found
        return self._grids[modality]


def _descends(levels: NDArray[np.float32]) -> bool:
    """Whether a column's quantiles fall by more than float32 rounds between equal ones."""
    slack = 1e-5 * np.abs(levels).max(axis=0, initial=0.0)
    return bool((np.diff(levels, axis=0) < -slack).any())


def fit_range(cohort: Cohort) -> TrainingRange:
    """Fit quantiles, distances and reach of all that a model reads of a training cohort."""
    schema = cohort.schema
    rows = {name: cohort.rows(name) for name in schema.names}
    values: dict[str, Float32Array] = dict(rows)
    for modality in schema.modalities:
        if modality.bag:
            empty = np.zeros((0, modality.n_features), dtype=np.float32)
            values[modality.name] = np.concatenate([empty, *cohort.bags[modality.name]])
    if schema.clinical:
        rows[CLINICAL] = values[CLINICAL] = encode_clinical(cohort.clinical, schema)
    levels = {name: quantiles(x, LEVELS) for name, x in values.items()}
    fitted = TrainingRange(levels)
    distances = {name: _distance_percentiles(fitted, name, rows[name]) for name in schema.names}
    return TrainingRange(
        levels,
        {name: d for name, d in distances.items() if d is not None},
        {name: fit_reach(x, levels[name][0], levels[name][-1]) for name, x in rows.items()},
    )


def _distance_percentiles(
    fitted: TrainingRange, modality: str, rows: Float32Array
) -> NDArray[np.float64] | None:
    distance = fitted.distance(modality, rows)
    known = distance[np.isfinite(distance)]
    return np.percentile(known, DISTANCE_PERCENTS) if len(known) else None
