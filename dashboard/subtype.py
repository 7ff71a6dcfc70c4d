"""The other patients of a patient's subtype in the cohort in view, as a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from camlif.survival import KaplanMeierCurve, kaplan_meier

if TYPE_CHECKING:
    from camlif.data.cohort import BoolArray, Cohort
    from dashboard.wording import Profile

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
    """Name and survival of the other patients of the same subtype, where there are enough."""
    others = same_subtype(cohort, row) & cohort.with_outcome
    others[row] = False
    if cohort.subtype is None or cohort.duration is None or others.sum() < MIN_SUBTYPE:
        return None
    event, duration = cohort.outcome()
    label = profile.subtype_label
    spoken = label if label[:2].isupper() else label[:1].lower() + label[1:]
    return f"same {spoken}", kaplan_meier(event[others], np.asarray(duration[others]))
