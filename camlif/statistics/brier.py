"""Brier score: squared error of survival probabilities, weighted for censoring.

In go predicted survival at some times and outcomes; out comes the score at each time, or its mean
over time. Raises `DataError` for shapes and what is no probability, `EstimationError` where
follow-up ends before. Follows Graf et al., Statistics in Medicine 1999.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from camlif.arrays import Float64Array
from camlif.exceptions import DataError, EstimationError
from camlif.statistics.censoring import CensoringWeights
from camlif.statistics.outcome import check_entry, check_numbers, check_outcome


def brier_score(
    survival: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    horizon: float,
    train_event: ArrayLike,
    train_duration: ArrayLike,
    entry: ArrayLike | None = None,
    train_entry: ArrayLike | None = None,
) -> float:
    """Compute the Brier score at a horizon: 0 is perfect, 0.25 is always saying one half.

    Parameters
    ----------
    survival : array_like, shape (n,)
        Predicted probability to be event-free beyond the horizon, in [0, 1].
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
    horizon : float
        In the unit of the durations.
    train_event, train_duration : array_like, shape (n_train,)
        Outcome of the training patients, for the distribution of censoring.
    entry, train_entry : array_like, shape (n,) and (n_train,), optional
        When patients came under observation; give both or neither.

    Raises
    ------
    EstimationError
        If nobody is followed beyond the horizon, or training follow-up ends before it.
    DataError
        If shapes differ, or a value is missing or no probability.

    Notes
    -----
    Weights as in `CensoringWeights`. Agrees with scikit-survival and torchsurv (in float32). With
    late entry, only who had entered counts at a time, and the weights are divided by their sum.

    References
    ----------
    Graf et al., Statistics in Medicine 1999.
    """
    column = np.asarray(survival, dtype=np.float64)[..., None]
    scores = _brier_scores(
        column,
        event,
        duration,
        entry,
        np.array([horizon], dtype=np.float64),
        CensoringWeights(train_event, train_duration, train_entry),
    )
    return float(scores[0])


def integrated_brier_score(
    survival: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    times: ArrayLike,
    train_event: ArrayLike,
    train_duration: ArrayLike,
    entry: ArrayLike | None = None,
    train_entry: ArrayLike | None = None,
) -> float:
    """Compute the mean Brier score between the first and the last of some times.

    Parameters
    ----------
    survival : array_like, shape (n, t)
        Predicted probability to be event-free beyond each time, in [0, 1].
    event, duration, train_event, train_duration, entry, train_entry
        As in `brier_score`.
    times : array_like, shape (t,)
        Ascending, at least two.

    Raises
    ------
    EstimationError, DataError
        As `brier_score`; or if ``times`` do not ascend.

    Notes
    -----
    Trapezoidal rule over ``times``, divided by their range.

    References
    ----------
    Graf et al., Statistics in Medicine 1999.
    """
    points = check_numbers("times", times)
    if len(points) < 2 or (np.diff(points) <= 0).any():
        raise DataError("times must hold at least two values, ascending.", column="times")
    scores = _brier_scores(
        np.asarray(survival, dtype=np.float64),
        event,
        duration,
        entry,
        points,
        CensoringWeights(train_event, train_duration, train_entry),
    )
    return float(np.trapezoid(scores, points) / (points[-1] - points[0]))


def _brier_scores(
    survival: Float64Array,
    event: ArrayLike,
    duration: ArrayLike,
    entry: ArrayLike | None,
    times: Float64Array,
    weights: CensoringWeights,
) -> Float64Array:
    events, durations = check_outcome(event, duration)
    entries = check_entry(entry, durations)
    if survival.shape != (len(durations), len(times)):
        raise DataError(
            "survival does not hold one value per patient and time.",
            column="survival",
            found=f"shape {survival.shape}",
            expected=f"({len(durations)}, {len(times)})",
        )
    if not ((survival >= 0) & (survival <= 1)).all():
        raise DataError("survival holds values that are no probabilities.", column="survival")
    if not len(durations) or times[-1] >= durations.max():
        raise EstimationError(f"Nobody was followed beyond {times[-1]:g}.")
    counted = events & (durations <= times[-1])
    weight = np.zeros(len(durations))
    weight[counted] = weights.at(durations[counted])
    case = (events[:, None] & (durations[:, None] <= times)) * weight[:, None]
    followed = durations[:, None] > times
    if entries is not None:
        followed &= entries[:, None] < times
    control = followed * weights.at(times)
    squares = case * survival**2 + control * (1 - survival) ** 2
    if not weights.relative:
        scores: Float64Array = squares.mean(axis=0)
        return scores
    total = (case + control).sum(axis=0)
    if not (total > 0).all():
        raise EstimationError(f"Nobody is under observation at {times[total <= 0].min():g}.")
    relative: Float64Array = squares.sum(axis=0) / total
    return relative
