"""Pairs of a C-index by one pass over a binary indexed tree, compiled by numba where it is there.

Numba comes with shap. Importing it and compiling take a second or two, once; the machine code is
kept beside the module where that may be written.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from camlif.outcome import BoolArray, IntArray

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
