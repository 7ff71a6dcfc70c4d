"""Is a case like the training data? Per-column range checks against training quantiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camlif.data.cohort import Cohort, FloatArray
from camlif.data.preprocessing import quantiles

LEVELS = (0.005, *(round(0.05 * i, 2) for i in range(1, 20)), 0.995)
"""Stored quantile levels; no level shows a single patient's extreme."""

MAX_SHARE_OUTSIDE = 0.2
"""A case is out of range in a modality when more of its values lie outside the stored levels."""


@dataclass(frozen=True, slots=True)
class TrainingRange:
    """Training quantiles per modality: float32, shape (n_levels, n_features)."""

    levels: Mapping[str, FloatArray]

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
    """Fit the quantiles of every tabular or bag modality of a training cohort."""
    levels: dict[str, FloatArray] = {}
    for modality in cohort.schema.modalities:
        if modality.bag:
            values = np.concatenate(
                [np.zeros((0, modality.n_features), "f4"), *cohort.bags[modality.name]]
            )
        else:
            values = cohort.tables[modality.name]
        levels[modality.name] = quantiles(values, LEVELS)
    return TrainingRange(levels)
