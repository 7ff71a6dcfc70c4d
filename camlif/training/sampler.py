"""Batches of one epoch: which training row sits where, the same shape for every member.

Classes of the training part and a generator go in; row numbers come out, with the last batch filled
up. Nothing fails.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import BoolArray
from camlif.config import Sampler

PAD = -1
SMALLEST_BATCH = 4


def count_batches(n_train: int, batch_size: int, sampler: Sampler) -> int:
    """Return the batches of an epoch; ``batch_size`` 0 means one batch of all.

    The random sampler leaves out a last batch of fewer than `SMALLEST_BATCH` patients; the
    stratified one deals everybody evenly, and the balanced one draws with replacement.

    Parameters
    ----------
    n_train : int
        Patients of the training part.
    batch_size : int
        Patients of a batch; 0 takes all in one.
    sampler : {"event_stratified", "random", "balanced"}
    """
    if batch_size == 0:
        return 1
    if sampler == "random" and n_train % batch_size < SMALLEST_BATCH:
        return max(1, n_train // batch_size)
    return math.ceil(n_train / batch_size)


def draw_batches(
    rows: NDArray[np.int_],
    event: BoolArray,
    *,
    interval: NDArray[np.int64] | None = None,
    n_batches: int,
    width: int,
    sampler: Sampler,
    rng: np.random.Generator,
) -> NDArray[np.int_]:
    """Shuffle training rows into batches.

    Parameters
    ----------
    rows : int array, shape (n_train,)
    event : bool array, shape (n,)
        Of the whole cohort, indexed by ``rows``.
    interval : int array, shape (n,), optional
        Discrete-time intervals, which the balanced sampler's classes take in.
    n_batches, width : int
        Shape of the result.
    sampler : {"event_stratified", "random", "balanced"}
        Stratified: events and the others are shuffled apart and dealt like cards, so the batches'
        event counts differ by at most one. Random: shuffled. Balanced: as many draws as patients,
        with replacement, each class of interval and event as likely as any other.
    rng : np.random.Generator

    Returns
    -------
    int array, shape (n_batches, width), `PAD` where a batch is shorter
    """
    cards = np.full(n_batches * width, PAD)
    if sampler == "balanced":
        cards[: len(rows)] = _draw_balanced(rows, event, interval, rng)
        return cards.reshape(n_batches, width)
    shuffled = rng.permutation(rows)
    if sampler == "random":
        kept = shuffled[: len(cards)]
        cards[: len(kept)] = kept
        return cards.reshape(n_batches, width)
    has_event = event[shuffled]
    dealt = np.concatenate([shuffled[has_event], shuffled[~has_event]])
    cards[: len(dealt)] = dealt
    return cards.reshape(width, n_batches).T


def _draw_balanced(
    rows: NDArray[np.int_],
    event: BoolArray,
    interval: NDArray[np.int64] | None,
    rng: np.random.Generator,
) -> NDArray[np.int_]:
    classes = event[rows].astype(np.int64)
    if interval is not None:
        classes += 2 * interval[rows]
    _, own, counts = np.unique(classes, return_inverse=True, return_counts=True)
    chance = 1 / (len(counts) * counts[own])
    return rng.choice(rows, size=len(rows), p=chance)
