"""Event, follow-up and entry of the patients in view whose outcome is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camlif.data.cohort import BoolArray, Cohort

EVERYBODY = "All patients"
"""Name of the group that holds them all."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Patients of a view with a known outcome: rows of the cohort, event, duration and entry."""

    rows: NDArray[np.int_]
    event: BoolArray
    duration: NDArray[np.float64]
    entry: NDArray[np.float64] | None = None

    def take(self, members: BoolArray) -> Outcome:
        """Return the outcome of some of the patients."""
        entry = None if self.entry is None else self.entry[members]
        return Outcome(self.rows[members], self.event[members], self.duration[members], entry)


def outcome_of(cohort: Cohort, rows: NDArray[np.int_]) -> Outcome | None:
    """Outcome of the rows that have one; None where the cohort has none."""
    if not cohort.has_outcome:
        return None
    event, duration = cohort.outcome()
    known = rows[cohort.with_outcome[rows]]
    entry = None if cohort.entry is None else cohort.entry[known]
    return Outcome(known, event[known], duration[known], entry)
