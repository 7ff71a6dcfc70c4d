"""Three log-rank p-values of one cross-validation, which answer different questions.

In go the risks that each split's model gives and who was tested in it; out come p-values of pooled
rows (the way of Pathomic Fusion, IEEE TMI 2022), of one risk a patient, and the median over folds,
each None where undefined. Raises `DataError` for shapes that differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlif.arrays import Float64Array
from camlif.exceptions import DataError, EstimationError
from camlif.statistics.group_tests import log_rank
from camlif.statistics.outcome import check_entry, check_outcome, rows_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPValues:
    """Log-rank p-values of low against high risk over the test parts of a cross-validation.

    Attributes
    ----------
    unique : float
        The headline: one row per patient, its z averaged over the splits that tested it.
    fold_median : float or None
        Median over splits of the test part's own p-value, cut at the training median. None where
        no split has both groups.
    n_folds : int
        Splits behind ``fold_median``.
    pooled : float
        All test rows of all splits together, raw risks, as earlier papers print it. A patient
        counts once per split that tested it, so it is far too small; only for comparison with them.
    """

    unique: float
    fold_median: float | None
    n_folds: int
    pooled: float


def split_p_values(
    log_risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    test: ArrayLike,
    entry: ArrayLike | None = None,
) -> SplitPValues:
    """Compute the pooled, unique and fold p-values of a cross-validation.

    Parameters
    ----------
    log_risk : array_like, shape (n, e)
        Risk of every patient by every split's model.
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
    test : array_like of bool, shape (e, n)
        Patients in the test part of each split.
    entry : array_like, shape (n,), optional
        As in `camlif.statistics.log_rank`.

    Raises
    ------
    EstimationError
        If the unique or the pooled p-value is undefined.
    DataError
        If shapes differ or a value is missing.

    Notes
    -----
    A risk below the cut-off is low. Unique: z over the split's test patients, cut at the median.

    References
    ----------
    Pooled rows: the evaluation of Chen et al., Pathomic Fusion, IEEE TMI 2022.
    """
    events, durations = check_outcome(event, duration)
    risks, tested = np.asarray(log_risk, dtype=np.float64), np.asarray(test, dtype=bool)
    if risks.shape != tested.T.shape or len(risks) != len(events):
        raise DataError(
            "log_risk and test do not hold one value per patient and split.",
            found=f"shapes {risks.shape} and {tested.shape}",
            expected=f"({len(events)}, e) and (e, {len(events)})",
        )
    entries = check_entry(entry, durations)

    def p_value(risk: Float64Array, rows: NDArray[np.generic], cutoff: float) -> float:
        group = np.where(risk < cutoff, "low", "high")
        late = rows_of(entries, rows)
        return log_rank(events[rows], durations[rows], group, entry=late).p_value

    split, row = np.nonzero(tested)
    pooled = risks[row, split]
    folds = _fold_p_values(risks, tested, p_value)
    known = np.flatnonzero(tested.any(axis=0))
    unique = _mean_z(risks, tested)[known]
    return SplitPValues(
        unique=p_value(unique, known, float(np.median(unique))),
        fold_median=float(np.median(folds)) if folds else None,
        n_folds=len(folds),
        pooled=p_value(pooled, row, float(np.median(pooled))),
    )


def _mean_z(risk: Float64Array, test: NDArray[np.bool_]) -> Float64Array:
    """Mean over the splits that tested a patient of its z in the test part; NaN where none did."""
    total, count = np.zeros(len(risk)), test.sum(axis=0)
    for e, rows in enumerate(test):
        values = risk[rows, e]
        # The SD of equal numbers can come out just above 0.
        if len(values) > 1 and np.ptp(values) > 0:
            total[rows] += (values - values.mean()) / values.std(ddof=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _fold_p_values(
    risk: Float64Array,
    test: NDArray[np.bool_],
    p_value: Callable[[Float64Array, NDArray[np.generic], float], float],
) -> list[float]:
    found = []
    for e, rows in enumerate(test):
        if rows.all():
            continue  # without a training part there is no cut-off
        try:
            found.append(p_value(risk[rows, e], rows, float(np.median(risk[~rows, e]))))
        except EstimationError:
            continue  # one group only, or no event: this split has no p-value
    return found
