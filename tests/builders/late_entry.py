"""Patients of a Cox model who come under observation late, with their true survival."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

RATE = -np.log(0.41) / 36
"""Events per month at log risk 0: 41 of 100 are event-free at 36 months."""
LATEST_ENTRY = 24.0
FOLLOWED = (12.0, 96.0)
"""Months from entry to leaving without the event, uniformly."""


class LatePatients(NamedTuple):
    """Patients seen because they lived to enter; arrays of shape (n,)."""

    log_risk: NDArray[np.float64]
    event: NDArray[np.bool_]
    duration: NDArray[np.float64]
    entry: NDArray[np.float64]


def draw_late(
    n: int, rng: np.random.Generator, *, spread: float = 1.0, latest: ArrayLike = LATEST_ENTRY
) -> LatePatients:
    """Draw patients who enter uniformly over 0 to ``latest`` months and are lost if dead by then.

    ``latest`` may give each patient's own latest month, shape (n,), with 0 for no late entry.
    """
    bound = np.broadcast_to(np.asarray(latest, dtype=np.float64), n)
    risk, until_event, entry = (np.full(n, np.nan) for _ in range(3))
    missing = np.arange(n)
    while len(missing):
        risk[missing] = spread * rng.standard_normal(len(missing))
        hazard = RATE * np.exp(risk[missing])
        until_event[missing] = rng.exponential(size=len(missing)) / hazard
        entry[missing] = rng.uniform(size=len(missing)) * bound[missing]
        missing = missing[until_event[missing] <= entry[missing]]
    until_leaving = entry + rng.uniform(*FOLLOWED, size=n)
    event = until_event <= until_leaving
    return LatePatients(risk, event, np.minimum(until_event, until_leaving), entry)


def true_survival(log_risk: ArrayLike, times: ArrayLike) -> NDArray[np.float64]:
    """Survival of each patient at each time, shape (n, t)."""
    hazard = RATE * np.exp(np.asarray(log_risk, dtype=np.float64))
    return np.exp(-hazard[:, None] * np.asarray(times, dtype=np.float64))
