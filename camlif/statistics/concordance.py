"""Concordance index by exact counting of pairs in O(n log n), and its bootstrap interval.

In go risks and outcomes; out come Harrell's C-index (JAMA 1982) or the paper's (An et al., AAAI
2025, eq 8), the pairs behind it, and an interval. Raises `NoComparablePairsError` where no pair can
be compared: there is no 0.5 in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from camlif.arrays import BoolArray, Float64Array
from camlif.exceptions import ConfigError, EstimationError, NoComparablePairsError
from camlif.statistics.outcome import check_entry, check_numbers, check_outcome, rows_of
from camlif.statistics.pairs import PairCounter, RiskTies, compiled_counter, row_sets

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
    risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    ties: RiskTies = "half",
) -> float:
    """Compute Harrell's concordance index: 1 is perfect ranking, 0.5 is chance.

    Parameters
    ----------
    risk : array_like, shape (n,)
        Any score; higher is worse. Only its order counts.
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
        Follow-up in any unit.
    entry : array_like, shape (n,), optional
        When each patient came under observation (zero, or less, is from the start). An event is
        compared with those who had entered before it.
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
    pairs = count_pairs(risk, event, duration, entry=entry, ties=ties)
    if not pairs.comparable:
        raise NoComparablePairsError(
            "No two patients can be compared: that needs an event with longer follow-up of another."
        )
    shared = pairs.tied_risk / 2 if ties == "half" else 0.0
    return (pairs.concordant + shared) / pairs.comparable


def count_pairs(
    risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    ties: RiskTies = "half",
) -> PairCounts:
    """Count the pairs behind `concordance_index`.

    Parameters
    ----------
    risk, event, duration, entry, ties
        As in `concordance_index`, and so the errors; but counts of zero comparable pairs are
        returned, not raised.
    """
    risks, events, durations, entries = _checked(risk, event, duration, entry)
    compiled = compiled_counter() if len(risks) >= COMPILED_FROM else None
    total = np.zeros(3, dtype=np.int64)
    ones = np.ones((1, len(risks)), dtype=np.int64)
    for rows in row_sets(risks, events, durations, entries, ties=ties):
        if compiled is not None:
            order = np.argsort(rows.leaving, kind="stable")
            found = np.array(compiled(rows.rank[order], rows.leaving[order], rows.event[order]))
        else:
            found = np.concatenate(PairCounter(rows).count(ones))
        total += rows.sign * found
    concordant, tied, comparable = total.tolist()
    return PairCounts(concordant, comparable - concordant - tied, tied, comparable)


def bootstrap_c_index(
    risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    n_resamples: int = 500,
    confidence: float = 0.95,
    seed: int = 0,
    max_patients: int = MAX_BOOTSTRAP_PATIENTS,
) -> CIndexInterval:
    """Compute the C-index (``ties="half"``) with a percentile interval over resampled patients.

    Parameters
    ----------
    risk, event, duration, entry
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
    EstimationError
        If all risks are equal, which rank nobody: 0.5 without an interval would look sure.
    DataError, ConfigError
        For unusable input or settings.
    """
    if n_resamples < 2 or not 0 < confidence < 1:
        raise ConfigError("n_resamples must be at least 2 and confidence lie in (0, 1).")
    risks, events, durations, entries = _checked(risk, event, duration, entry)
    value = concordance_index(risks, events, durations, entry=entries)
    if np.ptp(risks) == 0:
        raise EstimationError("All risks are equal, so they rank nobody.")
    rng = np.random.default_rng(seed)
    n = len(risks)
    rows = np.arange(n) if n <= max_patients else rng.permutation(n)[:max_patients]
    sets = row_sets(risks[rows], events[rows], durations[rows], rows_of(entries, rows), ties="half")
    values = _resampled([PairCounter(part) for part in sets], len(rows), n_resamples, rng)
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
    risk: ArrayLike, event: ArrayLike, duration: ArrayLike, entry: ArrayLike | None
) -> tuple[Float64Array, BoolArray, Float64Array, Float64Array | None]:
    events, durations = check_outcome(event, duration)
    risks = check_numbers("risk", risk, length=len(durations))
    return risks, events, durations, check_entry(entry, durations)


def _resampled(
    counters: Sequence[PairCounter], n: int, n_resamples: int, rng: np.random.Generator
) -> Float64Array:
    """C-index of each resample of n patients. A resample is how often each patient was drawn."""
    at_once = max(1, WEIGHT_CELLS // n)
    values = []
    for start in range(0, n_resamples, at_once):
        size = min(at_once, n_resamples - start)
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        counts = [counter.rows.sign * np.stack(counter.count(weights)) for counter in counters]
        concordant, tied, comparable = np.sum(counts, axis=0)
        usable = comparable > 0
        values.append((concordant[usable] + tied[usable] / 2) / comparable[usable])
    found = np.concatenate(values)
    if len(found) < 2:
        raise NoComparablePairsError("Too few resamples hold a pair that can be compared.")
    return found
