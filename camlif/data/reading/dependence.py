"""How far columns follow the outcome where they do not run with it: folded, recoded, added to.

In come columns without missing values; out comes a number from about 0, for chance, to 1 for each.
Ranks say nothing of ``|time - c|``, of events coded by odd numbers, or of an age at death beside
the age; a function of the outcome is told by its neighbours, a sum by what another column leaves
of it. Nothing fails.

References
----------
Chatterjee (2021), A new coefficient of correlation. JASA 116: 2009-2022.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from camlif.arrays import BoolArray, Float64Array

MAX_SAME_SHARE = 0.3
"""A value that more patients share makes neighbours equal whatever the order is."""

MIN_LEFT = 0.90
"""Correlation of the outcome with what another column leaves of one."""

LEFT_ERRORS = 7.0
"""The same in standard errors of Fisher's z: a thousand columns are tried with a thousand."""

MIN_SHARE_KNOWN = 0.8
"""Of the values of a column, for their mean to stand in for the others in a sum."""

_TOO_ALIKE = 1e-6
"""Share of a column's variance that another leaves, below which only rounding is left."""


def function_of(duration: Float64Array, values: Float64Array) -> Float64Array:
    """Return Chatterjee's xi of each column as a function of the time; 0 for one of few values.

    Parameters
    ----------
    duration : float array, shape (n,)
    values : float array, shape (n, p)

    Returns
    -------
    float array, shape (p,)
        Its standard error, for columns that have nothing to do with time, is sqrt(2 / 5n).
    """
    n = len(duration)
    ordered = values[np.argsort(duration, kind="stable")]
    ranks = rankdata(ordered, method="max", axis=0)
    from_above = n + 1 - rankdata(ordered, method="min", axis=0)
    spread = 2 * (from_above * (n - from_above)).sum(axis=0)
    steps = np.abs(np.diff(ranks, axis=0)).sum(axis=0)
    same = (ranks + from_above - n).max(axis=0) / n
    xi = 1 - n * steps / np.maximum(spread, 1)
    return np.asarray(np.where((same <= MAX_SAME_SHARE) & (spread > 0), xi, 0.0))


def event_by(values: Float64Array, event: BoolArray) -> Float64Array:
    """Return the share by which fewer neighbours in a column differ in their event than by chance.

    Patients of one value stand in an order drawn at random. The standard error is 1 / sqrt(n).

    Parameters
    ----------
    values : float array, shape (n, p)
    event : bool array, shape (n,)
        With both values.

    Returns
    -------
    float array, shape (p,)
    """
    n, n_events = len(event), int(event.sum())
    drawn = np.random.default_rng(0).random((n, 1))
    order = np.lexsort((np.broadcast_to(drawn, values.shape), values), axis=0)
    ordered = event[order]
    changes = (ordered[1:] != ordered[:-1]).sum(axis=0)
    return np.asarray(1 - changes * n / (2 * n_events * (n - n_events)))


def told_beside_others(
    values: Float64Array,
    others: Float64Array,
    event: BoolArray,
    duration: Float64Array,
    *,
    paired: bool,
) -> dict[int, tuple[int, float]]:
    """Return the columns that are the outcome and another column, added or multiplied.

    What one other column leaves of such a column correlates with the outcome. Of two that tell it
    beside each other, the one that does better goes, and explains no other one.

    Parameters
    ----------
    values : float array, shape (n, p)
    others : float array, shape (n, q)
    event : bool array, shape (n,)
    duration : float array, shape (n,)
    paired : bool
        Whether the values are held against each other, too.

    Returns
    -------
    mapping of column to (other, correlation)
        Others are counted on by the values.
    """
    n, q = len(event), others.shape[1]
    bound = max(MIN_LEFT, float(np.tanh(LEFT_ERRORS / np.sqrt(n - 3))))
    log_time = np.log(np.maximum(duration, duration[duration > 0].min(initial=1.0) / 2))
    every = _filled(np.column_stack([others, values]))
    found: dict[int, tuple[int, float]] = {}
    views = [
        (_standardised(every), _standardised(np.column_stack([duration, log_time, event]))),
        (_standardised(_log(every)), _standardised(np.column_stack([log_time, event]))),
    ]
    strongest = [_left_by_others(x[:, q:], x if paired else x[:, :q], y, bound) for x, y in views]
    while q or paired:
        largest = [left.max(initial=0.0) for left in strongest]
        left = strongest[int(np.argmax(largest))]
        if max(largest) == 0:
            break
        column, other = map(int, np.unravel_index(left.argmax(), left.shape))
        found[column] = other, float(left[column, other])
        for matrix in strongest:
            matrix[column] = 0
            if paired:
                matrix[:, q + column] = 0
    return found


def _left_by_others(
    x: Float64Array, z: Float64Array, y: Float64Array, bound: float
) -> Float64Array:
    """Return what each other column leaves of each column: its correlation with a target, or 0.

    It counts where the partial correlation, with the other column taken from the target as well,
    comes to the bound; but that is the same for both columns of a sum, and of the two the sum
    itself runs closer with the outcome. All are standardised: shapes (n, p), (n, q) and (n, k)
    give (p, q).
    """
    xz, xy, zy = x.T @ z, x.T @ y, z.T @ y
    left = _without_rounding(1 - xz**2)
    largest = np.zeros(xz.shape)
    for k in range(y.shape[1]):
        alone = np.abs(xy[:, k, None] - xz * zy[:, k]) / np.sqrt(left)
        partial = alone / np.sqrt(_without_rounding(1 - zy[:, k] ** 2))
        largest = np.maximum(largest, np.where(partial >= bound, alone, 0.0))
    return largest


def _without_rounding(variance: Float64Array) -> Float64Array:
    """Return shares of variance, infinite where only rounding is left."""
    return np.asarray(np.where(variance > _TOO_ALIKE, variance, np.inf))


def _filled(values: Float64Array) -> Float64Array:
    """Return columns with their mean for missing values; zeros for one that lacks too many."""
    known = np.isfinite(values)
    n = known.sum(axis=0)
    mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(n, 1)
    enough = n >= MIN_SHARE_KNOWN * len(values)
    return np.asarray(np.where(enough, np.where(known, values, mean), 0.0))


def _log(values: Float64Array) -> Float64Array:
    """Return the logarithm of sizes; zeros for a column that holds a zero."""
    sizes = np.abs(values)
    return np.asarray(np.where(sizes.min(axis=0) > 0, np.log(np.where(sizes > 0, sizes, 1)), 0.0))


def _standardised(values: Float64Array) -> Float64Array:
    """Return columns of mean 0 and length 1; of one that does not vary, zeros."""
    centred = values - values.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    return np.asarray(centred / np.where(length > 0, length, np.inf))
