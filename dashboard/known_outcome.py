"""Event, follow-up and entry of the patients in view whose outcome is known.

A cohort and rows go in; a frozen `KnownOutcome` comes out, or None where nobody has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlif.arrays import BoolArray
from camlif.data.cohort import Cohort
from camlif.statistics import KaplanMeierCurve, kaplan_meier
from camlif.wording import in_sentence

if TYPE_CHECKING:
    from camlif.data.cohort import Cohort
    from dashboard.profiles import Profile


EVERYBODY = "All patients"
"""Name of the group that holds them all."""


@dataclass(frozen=True, slots=True)
class KnownOutcome:
    """Patients of a view with a known outcome: rows of the cohort, event, duration and entry."""

    rows: NDArray[np.int_]
    event: BoolArray
    duration: NDArray[np.float64]
    entry: NDArray[np.float64] | None = None

    @property
    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """Event, duration and, where it is known, entry: what a result is remembered by."""
        entry = () if self.entry is None else (self.entry,)
        return self.event, self.duration, *entry

    def take(self, members: BoolArray) -> KnownOutcome:
        """Return the outcome of some of the patients."""
        entry = None if self.entry is None else self.entry[members]
        return KnownOutcome(self.rows[members], self.event[members], self.duration[members], entry)


def outcome_of(cohort: Cohort, rows: NDArray[np.int_]) -> KnownOutcome | None:
    """Outcome of the rows that have one; None where the cohort has none."""
    if not cohort.has_outcome:
        return None
    event, duration = cohort.outcome()
    known = rows[cohort.with_outcome[rows]]
    entry = None if cohort.entry is None else cohort.entry[known]
    return KnownOutcome(known, event[known], duration[known], entry)


MIN_SUBTYPE = 10
"""Fewer patients of the same subtype make no curve."""


def knows_subtype(cohort: Cohort, row: int) -> bool:
    """Whether a patient's subtype is given."""
    return cohort.subtype is not None and bool(pd.notna(cohort.subtype.iloc[row]))


def same_subtype(cohort: Cohort, row: int) -> BoolArray:
    """Patients with the same subtype, shape (n,); all where it is not given."""
    subtype = cohort.subtype
    if subtype is None or not knows_subtype(cohort, row):
        return np.ones(len(cohort), dtype=bool)
    same: BoolArray = (subtype == subtype.iloc[row]).fillna(False).to_numpy(dtype=bool)
    return same


def subtype_curve(
    cohort: Cohort, row: int, profile: Profile
) -> tuple[str, KaplanMeierCurve] | None:
    """Name and survival of the other patients of the same subtype, where there are enough.

    Parameters
    ----------
    cohort : Cohort
    row : int
        The patient, who is not counted.
    profile : Profile
        Says what a subtype is called.
    """
    others = same_subtype(cohort, row) & cohort.with_outcome
    others[row] = False
    if cohort.subtype is None or cohort.duration is None or others.sum() < MIN_SUBTYPE:
        return None
    followed = cohort.follow_up(others)
    curve = kaplan_meier(followed.event, followed.duration, followed.entry)
    return f"same {in_sentence(profile.subtype_label)}", curve
