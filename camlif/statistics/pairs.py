"""Pairs of patients behind a C-index, counted exactly in O(n log n).

Risks and outcomes go in, whole numbers of pairs come out. Raises `ConfigError` for unknown ties.
The tree is that of Fenwick, 1994.

An event is compared with the patients who leave later, who must have entered before it. Two
counters give the same numbers: one in NumPy, under any weights of the patients, and one by a single
pass over a binary indexed tree, compiled by numba where that can be imported (a new Python comes
before its numba). Importing it and compiling take a second or two, once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from camlif.arrays import BoolArray, Float64Array, IntArray
from camlif.exceptions import ConfigError

RiskTies = Literal["half", "strict"]


@dataclass(frozen=True, slots=True)
class PairRows:
    """Rows whose pairs of an event and a later leaver are counted, and added with a sign.

    Attributes
    ----------
    sign : int
    patient : int64, shape (r,)
        Whose row it is.
    rank : int64, shape (r,)
        Dense rank of the risk, from 0.
    leaving : int64, shape (r,)
        Numbers in whose order rows leave; those of equal numbers are not compared.
    event : bool, shape (r,)
    """

    sign: int
    patient: IntArray
    rank: IntArray
    leaving: IntArray
    event: BoolArray


def row_sets(
    risk: Float64Array,
    event: BoolArray,
    duration: Float64Array,
    entry: Float64Array | None,
    *,
    ties: RiskTies,
) -> list[PairRows]:
    """Return sets of rows whose pairs, added with their signs, are those to compare.

    A patient who enters after an event leaves after it, too. Those pairs are taken off by letting
    patients leave when they enter: pairs of the events with these rows and with each other, less
    the pairs of the events with each other.

    Parameters
    ----------
    risk : float64, shape (n,)
        Finite; only its order counts.
    event : bool, shape (n,)
    duration : float64, shape (n,)
    entry : float64, shape (n,), or None
        In the unit of the durations; None counts everybody from the start.
    ties : {"half", "strict"}
        As in `concordance_index`.

    Raises
    ------
    ConfigError
        For unknown ``ties``.
    """
    if ties not in ("half", "strict"):
        raise ConfigError(f"ties must be 'half' or 'strict', not {ties!r}.")
    patient = np.arange(len(risk))
    rank = np.unique(risk, return_inverse=True)[1].astype(np.int64)
    late = np.zeros(len(risk), dtype=bool) if entry is None else entry > 0
    entered = duration if entry is None else entry
    times = np.unique(np.concatenate([duration, entered[late]]))
    leaving = 2 * np.searchsorted(times, duration).astype(np.int64)
    # At the same time, an event comes before leaving without one, and before entering.
    after_event = ~event if ties == "half" else np.zeros_like(event)
    sets = [PairRows(1, patient, rank, leaving + after_event, event)]
    had, came = patient[event], patient[late]
    if len(had) and len(came):
        entering = 2 * np.searchsorted(times, entered[came]).astype(np.int64) + 1
        both = np.concatenate([had, came])
        order = np.concatenate([leaving[had], entering])
        happened = np.arange(len(both)) < len(had)
        sets += [
            PairRows(-1, both, rank[both], order, happened),
            PairRows(1, had, rank[had], leaving[had], happened[: len(had)]),
        ]
    return sets


class PairCounter:
    """Pair counts of one set of rows under any integer weights of the patients.

    Rows are sorted by the time at which they leave, by risk within it. A pair (event i, later
    leaver j) is concordant iff j stands after i with a lower risk, so concordant pairs are
    inversions. They are counted as in a bottom-up merge sort: at each level every event of a left
    half is looked up among the sorted risks of its right half. The look-ups do not depend on the
    weights.
    """

    def __init__(self, rows: PairRows) -> None:
        self.rows = rows
        order = np.lexsort((rows.rank, rows.leaving))
        leaving, rank = rows.leaving[order], rows.rank[order]
        self.patient = rows.patient[order]
        self.events = np.flatnonzero(rows.event[order])
        self.later = np.searchsorted(leaving, leaving[self.events], side="right")

        self.by_risk = np.lexsort((leaving, rank))
        key = rank * (int(leaving.max(initial=0)) + 1) + leaving
        sorted_key, wanted = key[self.by_risk], key[self.events]
        self.tied_from = np.searchsorted(sorted_key, wanted, side="right")
        self.tied_to = np.searchsorted(rank[self.by_risk], rank[self.events], side="right")
        self.levels = [
            _Level(rank, self.events, half=1 << level)
            for level in range(max(len(rank) - 1, 0).bit_length())
        ]

    def count(self, weights: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Return weighted concordant, tied and comparable pairs, each shape (b,).

        Parameters
        ----------
        weights : int64, shape (b, n)
            How often each patient occurs.
        """
        weights = weights[:, self.patient]
        own = weights[:, self.events]
        running = _running_sum(weights)
        comparable = (own * (running[:, -1:] - running[:, self.later])).sum(1)
        running = _running_sum(weights[:, self.by_risk])
        tied = (own * (running[:, self.tied_to] - running[:, self.tied_from])).sum(1)
        concordant = np.zeros_like(tied)
        for level in self.levels:
            concordant += level.count(weights)
        return concordant, tied, comparable


class _Level:
    """Inversions between the left and right halves of blocks of ``2 * half`` rows."""

    def __init__(self, rank: IntArray, events: IntArray, *, half: int) -> None:
        rows = np.arange(len(rank))
        right = rows[rows // half % 2 == 1]
        self.left = events[events // half % 2 == 0]
        n_ranks = int(rank.max()) + 1
        key = rows // (2 * half) * n_ranks + rank
        self.right = right[np.argsort(key[right])]
        # Blocks before this one hold ``half`` right rows each.
        self.start = np.minimum(self.left // (2 * half) * half, len(right))
        self.stop = np.searchsorted(key[self.right], key[self.left], side="left")

    def count(self, weights: IntArray) -> IntArray:
        running = _running_sum(weights[:, self.right])
        below = running[:, self.stop] - running[:, self.start]
        pairs: IntArray = (weights[:, self.left] * below).sum(1)
        return pairs


def _running_sum(weights: IntArray) -> IntArray:
    """Sums of the first 0, 1, ..., n columns, shape (b, n + 1)."""
    sums = np.zeros((len(weights), weights.shape[1] + 1), dtype=np.int64)
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums


Counter = Callable[[IntArray, IntArray, BoolArray], tuple[int, int, int]]


@cache
def compiled_counter() -> Counter | None:
    """Return `count_later` compiled, or None without numba."""
    try:
        from numba import njit
    except ImportError:
        return None
    try:
        compiled: Any = njit(cache=True, nogil=True)(count_later)
    except RuntimeError:  # no folder where the machine code may be kept
        compiled = njit(nogil=True)(count_later)
    counter: Counter = compiled
    return counter


def count_later(rank: IntArray, leaving: IntArray, event: BoolArray) -> tuple[int, int, int]:
    """Count pairs of an event and a patient who leaves later.

    Parameters
    ----------
    rank : int64, shape (n,)
        Dense ranks of the risks, from 0.
    leaving : int64, shape (n,)
        Ascending: the order in which patients leave; those of equal numbers are not compared.
    event : bool, shape (n,)

    Returns
    -------
    concordant, tied, comparable : int
        Pairs whose later patient has a lower risk, the same, or any.

    References
    ----------
    Fenwick, "A new data structure for cumulative frequency tables", 1994.
    """
    n = len(rank)
    n_ranks = rank.max() + 1
    same = np.zeros(n_ranks, dtype=np.int64)
    tree = np.zeros(n_ranks + 1, dtype=np.int64)
    concordant = tied = comparable = 0
    stop = n
    while stop > 0:
        start = stop - 1
        while start > 0 and leaving[start - 1] == leaving[stop - 1]:
            start -= 1
        for i in range(start, stop):
            if event[i]:
                node = rank[i]
                while node > 0:
                    concordant += tree[node]
                    node -= node & -node
                tied += same[rank[i]]
                comparable += n - stop
        for i in range(start, stop):
            same[rank[i]] += 1
            node = rank[i] + 1
            while node <= n_ranks:
                tree[node] += 1
                node += node & -node
        stop = start
    return concordant, tied, comparable
