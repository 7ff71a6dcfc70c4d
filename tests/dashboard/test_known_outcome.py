"""Outcomes of the patients in view, with their late entry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from camlif.statistics import kaplan_meier
from dashboard.known_outcome import outcome_of, subtype_curve
from dashboard.profiles import load_profile
from tests.builders.cohorts import make_cohort


def test_the_curve_of_the_same_subtype_counts_patients_from_entry_on() -> None:
    cohort = make_cohort(60)
    kind = np.array(["a", "b"])[np.arange(60) % 2]
    clinical = pd.DataFrame({"kind": kind}, index=cohort.clinical.index)
    late = replace(
        cohort,
        info=replace(cohort.info, subtype_column="kind"),
        clinical=clinical,
        entry=0.8 * cohort.duration * (np.arange(60) % 3 == 0),
    )
    found = subtype_curve(late, 4, load_profile(None))
    assert found is not None
    others = (kind == "a") & (np.arange(60) != 4)
    own = (late.event[others], late.duration[others])
    expected = kaplan_meier(*own, late.entry[others])
    np.testing.assert_array_equal(found[1].survival, expected.survival)
    ignored = kaplan_meier(*own)
    assert not np.array_equal(found[1].at([12, 24]), ignored.at([12, 24]))


def test_arrays_of_an_outcome_hold_the_entry_where_there_is_one() -> None:
    cohort = make_cohort(20)
    rows = np.arange(5)
    without = outcome_of(cohort, rows)
    late = outcome_of(replace(cohort, entry=0.5 * cohort.duration), rows)
    assert without is not None
    assert late is not None
    assert [len(values) for values in without.arrays] == [5, 5]
    np.testing.assert_array_equal(late.arrays[2], 0.5 * cohort.duration[:5])
