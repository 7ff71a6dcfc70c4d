"""Evidence that something has changed since training, month by month, with a false-alarm rate.

Counts by month go in, the logarithm of evidence comes out: how many times likelier they are if
their shares, or rates, have changed than if they are those of training. Nothing fails.

Notes
-----
Evidence is a Bayes factor: the marginal likelihood under a prior around the training value, over
that under what the training patients leave open about their own value. Without a change its mean is
1 whenever one looks (a martingale). The evidence for a change in any month is the sum over the
months in which it may have begun (Shiryaev and Roberts). Without a change that sum less the number
of months is a martingale, too, so that the mean time until it first reaches c is at least c months,
and it does so within a year with a chance of at most 12 / c. This needs no independence: neither of
months, which share patients under observation, nor of columns, over which evidence is averaged. It
holds on average over training cohorts of that size.

References
----------
Shin, Ramdas and Rinaldo, New England Journal of Statistics in Data Science 2023 (e-detectors);
Robbins, Annals of Mathematical Statistics 1970 (mixtures of normals); Gandy et al., Biostatistics
2010 (charts for survival by a model's cumulative hazard).
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, logsumexp

from camlif.arrays import Float64Array
from camlif.wording import MONTHS_PER_YEAR

RATE = 0.05
"""Chance of a false alarm within the first year, of all measures together."""
BINS = 5
"""Of a column's values between stored quantiles: a month has too few patients for more."""
CONCENTRATION = 8.0
"""Patients' worth of belief that changed shares are near those of training."""
RATE_SHAPE = 2.0
"""Shape of the gamma prior of a changed rate over the predicted one, whose mean is 1."""
SLOPE_VARIANCE = 0.5
"""Of the normal prior of a changed slope less 1."""
EMPTY = 0.5
"""Patients added to a bin or a count: none seen is not impossible."""


def evidence_limit(rate: float, share: float) -> float:
    """Return the log evidence at which a measure raises an alarm.

    Parameters
    ----------
    rate : float
        Chance of a false alarm of any measure within the first year.
    share : float
        Of the rate, that this measure takes.
    """
    return float(np.log(MONTHS_PER_YEAR / (rate * share)))


def shares_evidence(
    counts: Float64Array, shares: Float64Array, n_training: Float64Array
) -> Float64Array:
    """Return the log evidence that patients fall into k bins otherwise than training, shape (...).

    Parameters
    ----------
    counts : float64, shape (..., k)
    shares : float64, shape (..., k)
        Of the training patients; positive.
    n_training : float64, shape (...)
        On whom the shares rest.
    """
    changed = _dirichlet(counts, CONCENTRATION * shares)
    return changed - _dirichlet(counts, np.asarray(n_training)[..., None] * shares)


def _dirichlet(counts: Float64Array, prior: Float64Array) -> Float64Array:
    """Log marginal likelihood of counts whose shares have a Dirichlet prior, shape (...)."""
    total: Float64Array = (gammaln(prior + counts) - gammaln(prior)).sum(axis=-1)
    whole, n = prior.sum(axis=-1), counts.sum(axis=-1)
    found: Float64Array = total + gammaln(whole) - gammaln(whole + n)
    return found


def above_evidence(hits: Float64Array, n: Float64Array, most: float) -> Float64Array:
    """Return the log evidence that a share is above a limit, shape (...).

    Parameters
    ----------
    hits, n : float64, shape (...)
    most : float
        Share that is still expected; likelihoods are averaged over larger ones.
    """
    larger = most + (1 - most) * (np.arange(20) + 0.5) / 20
    log_ratio = hits[..., None] * np.log(larger / most) + (n - hits)[..., None] * np.log(
        (1 - larger) / (1 - most)
    )
    found: Float64Array = logsumexp(log_ratio, axis=-1) - np.log(len(larger))
    return found


def rate_evidence(observed: Float64Array, expected: Float64Array, n_events: float) -> Float64Array:
    """Return the log evidence that events come at another rate than predicted, shape (...).

    Parameters
    ----------
    observed, expected : float64, shape (...)
        Events, and the sum of predicted cumulative hazards.
    n_events : float
        Events of the training patients, on whom the baseline hazard rests.
    """
    changed = _gamma(observed, expected, RATE_SHAPE)
    return changed - _gamma(observed, expected, max(n_events, RATE_SHAPE))


def _gamma(observed: Float64Array, expected: Float64Array, shape: float) -> Float64Array:
    """Log marginal likelihood of events at a rate with a gamma prior of mean 1 (no constants)."""
    found: Float64Array = (
        shape * np.log(shape)
        - gammaln(shape)
        + gammaln(shape + observed)
        - (shape + observed) * np.log(shape + expected)
    )
    return found


def rate_limits(expected: float, n_events: float, log_limit: float) -> tuple[int, int | None]:
    """Return the fewest and most events without an alarm for a change since the first month.

    Parameters
    ----------
    expected : float
    n_events : float
        As of `rate_evidence`.
    log_limit : float

    Returns
    -------
    low, high : int, int or None
        None where no number up to ten times what is expected raises an alarm.
    """
    most = int(10 * expected + 50)
    observed = np.arange(most + 1, dtype=np.float64)
    evidence = rate_evidence(observed, np.full(most + 1, expected), n_events)
    quiet = np.flatnonzero(evidence < log_limit)
    last = int(quiet[-1])
    return int(quiet[0]), None if last == most else last


def slope_evidence(
    score: Float64Array, information: Float64Array, training_information: float
) -> Float64Array:
    """Return the log evidence that risks are more or less spread than outcomes, shape (...).

    Parameters
    ----------
    score : float64, shape (...)
        Sum of centred log risk times (event less cumulative hazard).
    information : float64, shape (...)
        Its variance where the slope is 1.
    training_information : float
        The same of the training patients, on whom the slope rests.
    """
    known = information / (1 + information / max(training_information, 1.0))
    shrunk = score / (1 + information / max(training_information, 1.0))
    ratio = 1 + SLOPE_VARIANCE * known
    found: Float64Array = 0.5 * SLOPE_VARIANCE * shrunk**2 / ratio - 0.5 * np.log(ratio)
    return found


def windows(by_month: Float64Array) -> list[Float64Array]:
    """Return, for each month, the sums from each month until then: shape (month + 1, ...).

    Parameters
    ----------
    by_month : float64, shape (t, ...)
    """
    total = np.concatenate([np.zeros((1, *by_month.shape[1:])), np.cumsum(by_month, axis=0)])
    return [total[end + 1] - total[: end + 1] for end in range(len(by_month))]


def bin_counts(below: Float64Array, up_to: Float64Array, n: Float64Array) -> Float64Array:
    """Return the patients in each of k bins, those on an edge shared out as training's were.

    Parameters
    ----------
    below, up_to : float64, shape (..., k - 1)
        Patients below each inner quantile, and at most there; equal where no value is on it.
    n : float64, shape (...)
    """
    target = n[..., None] * np.arange(1, BINS) / BINS
    inner = np.clip(target, below, up_to)
    ends = (np.zeros((*n.shape, 1)), inner, n[..., None])
    return np.diff(np.concatenate(ends, axis=-1), axis=-1)


def population_stability(counts: Float64Array, shares: Float64Array) -> Float64Array:
    """Return the population stability index of counts in k bins, shape (...); NaN where empty.

    `EMPTY` patients are added to each bin.

    Parameters
    ----------
    counts, shares : float64, shape (..., k)
    """
    n = counts.sum(axis=-1)
    own = (counts + EMPTY) / (n[..., None] + EMPTY * counts.shape[-1])
    index = ((own - shares) * np.log(own / shares)).sum(axis=-1)
    return np.where(n > 0, index, np.nan)


def stability_by_chance(n: float, n_training: float) -> float:
    """Return the mean index without any change (Yurdakul, 2018); NaN for nobody."""
    return (BINS - 1) * (1 / n + 1 / n_training) if n else np.nan
