"""Concordance index by exact counting of pairs in O(n log n), and its bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from camlif.exceptions import ConfigError, NoComparablePairsError
from camlif.statistics.outcome import BoolArray, FloatArray, IntArray, check_numbers, check_outcome

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


Ties = Literal["half", "strict"]

MAX_BOOTSTRAP_PATIENTS = 10_000
"""Above it the bootstrap runs on a random subsample of this size, and says so."""
COMPILED_FROM = 100_000
"""Patients from which a compiled count is worth loading numba for; fewer take NumPy under 0.2 s."""
WEIGHT_CELLS = 2_000_000
"""Resampling weights held at once (16 MB as int64)."""


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Pairs of patients behind a C-index.

    Attributes
    ----------
    concordant : int
        The patient with the earlier event has the higher risk.
    discordant : int
        The patient with the earlier event has the lower risk.
    tied_risk : int
        Both have the same risk.
    comparable : int
        The sum of the three.
    """

    concordant: int
    discordant: int
    tied_risk: int
    comparable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CIndexInterval:
    """A C-index with a percentile bootstrap interval over patients.

    Attributes
    ----------
    value : float
        C-index of all patients.
    low, high : float
    confidence : float
    n_patients, n_events, n_resamples : int
    n_resampled_patients : int
        Size of one resample; smaller than ``n_patients`` if ``subsampled``.
    subsampled : bool
        Whether the interval comes from a random subsample. It is then wider than that of all
        patients would be.
    """

    value: float
    low: float
    high: float
    confidence: float
    n_patients: int
    n_events: int
    n_resamples: int
    n_resampled_patients: int
    subsampled: bool


def concordance_index(
    risk: ArrayLike, event: ArrayLike, duration: ArrayLike, *, ties: Ties = "half"
) -> float:
    """Compute Harrell's concordance index: 1 is perfect ranking, 0.5 is chance.

    Parameters
    ----------
    risk : array_like, shape (n,)
        Any score; higher is worse. Only its order counts.
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
        Follow-up in any unit.
    ties : {"half", "strict"}
        ``"half"``: a pair of equal risks counts one half, and an event is comparable with a patient
        who leaves at the same time without one. ``"strict"``: eq 8, where equal risks count 0 and
        pairs of equal durations are not compared.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    NoComparablePairsError
        If no pair can be compared (no event, or nobody followed beyond the first).
    DataError
        If shapes differ or a value is missing or infinite.
    ConfigError
        For unknown ``ties``.

    Notes
    -----
    ``"half"`` is the convention of lifelines and scikit-survival. Risks are tied only if equal.

    References
    ----------
    Harrell et al., JAMA 1982; An et al., AAAI 2025, eq. 8.

    Examples
    --------
    >>> concordance_index([3.0, 2.0, 1.0], [True, True, False], [1.0, 2.0, 3.0])
    1.0
    """
    pairs = count_pairs(risk, event, duration, ties=ties)
    if not pairs.comparable:
        raise NoComparablePairsError(
            "No two patients can be compared: that needs an event with longer follow-up of another."
        )
    shared = pairs.tied_risk / 2 if ties == "half" else 0.0
    return (pairs.concordant + shared) / pairs.comparable


def count_pairs(
    risk: ArrayLike, event: ArrayLike, duration: ArrayLike, *, ties: Ties = "half"
) -> PairCounts:
    """Count the pairs behind `concordance_index`; parameters and errors as there.

    Counts of zero comparable pairs are returned, not raised.
    """
    checked = _checked(risk, event, duration)
    compiled = compiled_counter() if len(checked[0]) >= COMPILED_FROM else None
    if compiled is not None:
        rank, leaving = _dense_ranks(*checked, ties=ties)
        order = np.argsort(leaving, kind="stable")
        counts = compiled(rank[order], leaving[order], checked[1][order])
        concordant, tied, comparable = (int(count) for count in counts)
    else:
        counter = _PairCounter(*checked, ties=ties)
        ones = np.ones((1, counter.n_patients), dtype=np.int64)
        concordant, tied, comparable = (int(count[0]) for count in counter.count(ones))
    return PairCounts(concordant, comparable - concordant - tied, tied, comparable)


def bootstrap_c_index(
    risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    n_resamples: int = 500,
    confidence: float = 0.95,
    seed: int = 0,
    max_patients: int = MAX_BOOTSTRAP_PATIENTS,
) -> CIndexInterval:
    """Compute the C-index (``ties="half"``) with a percentile interval over resampled patients.

    Parameters
    ----------
    risk, event, duration
        As in `concordance_index`.
    n_resamples : int
        At least 2. Resamples without a comparable pair are left out.
    confidence : float
        In (0, 1).
    seed : int
    max_patients : int
        Above this many patients, a random subsample of this size is resampled.

    Returns
    -------
    CIndexInterval

    Raises
    ------
    NoComparablePairsError
        If the cohort has no comparable pair.
    DataError, ConfigError
        For unusable input or settings.
    """
    if n_resamples < 2 or not 0 < confidence < 1:
        raise ConfigError("n_resamples must be at least 2 and confidence lie in (0, 1).")
    risks, events, durations = _checked(risk, event, duration)
    value = concordance_index(risks, events, durations)
    rng = np.random.default_rng(seed)
    n = len(risks)
    rows = np.arange(n) if n <= max_patients else rng.permutation(n)[:max_patients]
    counter = _PairCounter(risks[rows], events[rows], durations[rows], ties="half")
    values = _resampled(counter, n_resamples, rng)
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return CIndexInterval(
        value=value,
        low=float(low),
        high=float(high),
        confidence=confidence,
        n_patients=n,
        n_events=int(events.sum()),
        n_resamples=len(values),
        n_resampled_patients=len(rows),
        subsampled=len(rows) < n,
    )


def _checked(
    risk: ArrayLike, event: ArrayLike, duration: ArrayLike
) -> tuple[FloatArray, BoolArray, FloatArray]:
    events, durations = check_outcome(event, duration)
    return check_numbers("risk", risk, length=len(durations)), events, durations


def _dense_ranks(
    risk: FloatArray, event: BoolArray, duration: FloatArray, *, ties: Ties
) -> tuple[IntArray, IntArray]:
    """Ranks of the risks from 0, and numbers in whose order patients leave, each shape (n,)."""
    if ties not in ("half", "strict"):
        raise ConfigError(f"ties must be 'half' or 'strict', not {ties!r}.")
    leaving = 2 * np.unique(duration, return_inverse=True)[1].astype(np.int64)
    if ties == "half":
        leaving += ~event  # at the same time, an event comes before leaving without one
    return np.unique(risk, return_inverse=True)[1].astype(np.int64), leaving


def _resampled(counter: _PairCounter, n_resamples: int, rng: np.random.Generator) -> FloatArray:
    """C-index of each resample. A resample is how often each patient was drawn."""
    n = counter.n_patients
    at_once = max(1, WEIGHT_CELLS // n)
    values = []
    for start in range(0, n_resamples, at_once):
        size = min(at_once, n_resamples - start)
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        concordant, tied, comparable = counter.count(weights)
        usable = comparable > 0
        values.append((concordant[usable] + tied[usable] / 2) / comparable[usable])
    found = np.concatenate(values)
    if len(found) < 2:
        raise NoComparablePairsError("Too few resamples hold a pair that can be compared.")
    return found


class _PairCounter:
    """Pair counts of one cohort under any integer weights of its patients.

    Rows are sorted by the time at which they leave, by risk within it. A pair (event i, later
    leaver j) is concordant iff j stands after i with a lower risk, so concordant pairs are
    inversions. They are counted as in a bottom-up merge sort: at each level every event of a left
    half is looked up among the sorted risks of its right half. The look-ups do not depend on the
    weights.
    """

    def __init__(
        self, risk: FloatArray, event: BoolArray, duration: FloatArray, *, ties: Ties
    ) -> None:
        self.n_patients = n = len(risk)
        rank, leaving = _dense_ranks(risk, event, duration, ties=ties)
        self.order = np.lexsort((rank, leaving))
        leaving, rank = leaving[self.order], rank[self.order]
        self.events = np.flatnonzero(event[self.order])
        self.later = np.searchsorted(leaving, leaving[self.events], side="right")

        self.by_risk = np.lexsort((leaving, rank))
        key = rank * (2 * n + 1) + leaving
        sorted_key, wanted = key[self.by_risk], key[self.events]
        self.tied_from = np.searchsorted(sorted_key, wanted, side="right")
        self.tied_to = np.searchsorted(rank[self.by_risk], rank[self.events], side="right")
        self.levels = [
            _Level(rank, self.events, half=1 << level)
            for level in range(max(n - 1, 0).bit_length())
        ]

    def count(self, weights: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Return weighted concordant, tied and comparable pairs, each shape (b,).

        Parameters
        ----------
        weights : int64, shape (b, n)
            How often each patient occurs, in the order given to the constructor.
        """
        weights = weights[:, self.order]
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
