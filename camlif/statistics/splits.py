"""Intervals and tests over splits, which share patients, and Holm's correction.

In go one number a split, or p-values; out come intervals and t-tests with the variance of Nadeau
and Bengio (Machine Learning 2003) and adjusted p-values (Holm 1979). Raises `EstimationError` with
fewer than two splits or equal differences, `ConfigError` for settings outside their range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from camlif.arrays import Float64Array
from camlif.exceptions import ConfigError, DataError, EstimationError
from camlif.statistics.outcome import check_numbers

ROUNDING = 1e-12
"""Differences that are equal may come out so far apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value with the ends of its interval; what kind of interval, its owner says."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitInterval:
    """Mean of a measure over k splits with its corrected interval.

    Attributes
    ----------
    mean : float
    sd : float
        Over the splits, with k - 1.
    low, high : float
    confidence : float
    n : int
        Number of splits k.
    """

    mean: float
    sd: float
    low: float
    high: float
    confidence: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedTest:
    """Paired comparison over k splits.

    Attributes
    ----------
    interval : SplitInterval
        Of the mean difference.
    statistic : float
        Corrected t, with k - 1 degrees of freedom.
    p_value : float
        Two-sided.
    """

    interval: SplitInterval
    statistic: float
    p_value: float


def corrected_interval(
    values: ArrayLike,
    *,
    n_train: float,
    n_test: float,
    confidence: float = 0.95,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> SplitInterval:
    """Compute the mean over splits with the interval of Nadeau and Bengio.

    Parameters
    ----------
    values : array_like, shape (k,)
        One value per split, at least 2.
    n_train, n_test : float
        Patients in the training and in the test part of a split (a mean where they vary).
    confidence : float
        In (0, 1).
    within : tuple of float
        Smallest and largest value of the measure, at which the interval ends: (0, 1) of a C-index.

    Raises
    ------
    EstimationError
        For fewer than two splits.
    DataError, ConfigError
        For values that are not finite, or settings out of range.

    Notes
    -----
    Variance of the mean: (1/k + n_test/n_train) times the variance over the splits, since training
    parts overlap and the plain 1/k is too sure. Student's t with k - 1 degrees of freedom.

    References
    ----------
    Nadeau and Bengio, Machine Learning 2003, section 3.

    Examples
    --------
    >>> interval = corrected_interval([0.70, 0.72, 0.68, 0.71, 0.69], n_train=80, n_test=20)
    >>> f"{interval.mean:.2f} ({interval.low:.3f} to {interval.high:.3f})"
    '0.70 (0.671 to 0.729)'
    """
    array = _values(values, confidence)
    sd = float(array.std(ddof=1))
    mean = float(array.mean())
    half = _quantile(len(array), confidence) * _corrected_error(array, n_train, n_test)
    return SplitInterval(
        mean=mean,
        sd=sd,
        low=max(mean - half, within[0]),
        high=min(mean + half, within[1]),
        confidence=confidence,
        n=len(array),
    )


def plain_half_width(values: ArrayLike, *, confidence: float = 0.95) -> float:
    """Compute the half-width of the t interval that takes splits for independent.

    It stands beside the corrected interval only where the paper's subscripts are compared: 0.554 SD
    for 15 splits at 95 %.

    Raises
    ------
    EstimationError, DataError, ConfigError
        As `corrected_interval`.
    """
    array = _values(values, confidence)
    k = len(array)
    return _quantile(k, confidence) * float(array.std(ddof=1)) / math.sqrt(k)


def corrected_t_test(
    differences: ArrayLike, *, n_train: float, n_test: float, confidence: float = 0.95
) -> CorrectedTest:
    """Test whether paired differences over splits have mean zero, with the corrected variance.

    Parameters
    ----------
    differences : array_like, shape (k,)
        Of two models on the same splits.
    n_train, n_test, confidence
        As in `corrected_interval`.

    Raises
    ------
    EstimationError
        For fewer than two splits, or if all differences are equal but for rounding.
    DataError, ConfigError
        As `corrected_interval`.

    References
    ----------
    Nadeau and Bengio, Machine Learning 2003.
    """
    interval = corrected_interval(
        differences, n_train=n_train, n_test=n_test, confidence=confidence
    )
    values = np.asarray(differences, dtype=np.float64)
    if np.ptp(values) <= ROUNDING * max(1.0, float(np.abs(values).max())):
        raise EstimationError("The differences are equal in every split, so no test is possible.")
    error = _corrected_error(values, n_train, n_test)
    statistic = interval.mean / error
    p_value = 2 * float(stdtr(interval.n - 1, -abs(statistic)))
    return CorrectedTest(interval=interval, statistic=statistic, p_value=p_value)


def holm(p_values: ArrayLike) -> Float64Array:
    """Adjust p-values for testing them together, by Holm's step-down rule.

    Parameters
    ----------
    p_values : array_like, shape (m,)
        In [0, 1]; m may be 0.

    Returns
    -------
    float64, shape (m,)
        In the order given; a hypothesis is rejected at level a iff its value is at most a.

    Raises
    ------
    DataError
        If a value is missing or outside [0, 1].

    References
    ----------
    Holm, Scandinavian Journal of Statistics 1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = check_numbers("p_values", p_values)
    if ((p < 0) | (p > 1)).any():
        raise DataError("p-values lie outside 0 to 1.")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _values(values: ArrayLike, confidence: float) -> Float64Array:
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must lie in (0, 1), not {confidence}.")
    array = check_numbers("values", values)
    if len(array) < 2:
        raise EstimationError(f"An interval over splits needs at least 2, not {len(array)}.")
    return array


def _quantile(k: int, confidence: float) -> float:
    return float(stdtrit(k - 1, 0.5 + confidence / 2))


def _corrected_error(values: Float64Array, n_train: float, n_test: float) -> float:
    if not (n_train > 0 and n_test > 0):
        raise ConfigError(f"n_train and n_test must be above 0, not {n_train} and {n_test}.")
    return math.sqrt(1 / len(values) + n_test / n_train) * float(values.std(ddof=1))
