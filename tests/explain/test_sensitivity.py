"""Sensitivity range: what a missing modality could have made of the score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from camlif.exceptions import EstimationError
from camlif.explain.sensitivity import DRAWS, sensitivity_range
from tests.builders.bundles import new_patients, tiny_bundle, tiny_cohort
from tests.builders.cohorts import make_cohort

EVERYONE = np.ones(40, dtype=bool)
LACKS_CT = int(np.flatnonzero(new_patients().presence[:, 0] & ~new_patients().presence[:, 1])[0])


def _filled(donor: int) -> float:
    """z of the patient that lacks CT, with the CT of another patient."""
    cohort, bundle = new_patients(), tiny_bundle()
    table = cohort.tables["ct"].copy()
    table[LACKS_CT] = table[donor]
    presence = cohort.presence.copy()
    presence[LACKS_CT] = True
    tables = {**cohort.tables, "ct": table}
    return float(bundle.score(replace(cohort, tables=tables, presence=presence)).z[LACKS_CT])


def test_the_range_holds_the_middle_of_the_scores_with_the_modality_of_each_donor() -> None:
    donors = np.flatnonzero(new_patients().presence[:, 1])
    scores = [_filled(int(donor)) for donor in donors]
    found = sensitivity_range(tiny_bundle(), new_patients(), LACKS_CT, EVERYONE, draws=2000)
    # Every donor is drawn some 60 times, so one donor at most lies beyond each limit.
    scores.sort()
    assert scores[0] - 1e-4 <= found.low <= scores[1] + 1e-4
    assert scores[-2] - 1e-4 <= found.high <= scores[-1] + 1e-4
    assert (found.absent, found.donors) == (("ct",), len(donors))


def test_the_ends_are_as_uncertain_as_other_draws_make_them() -> None:
    found = [
        sensitivity_range(tiny_bundle(), new_patients(), LACKS_CT, EVERYONE, draws=60, seed=seed)
        for seed in range(30)
    ]
    for end, error in (("low", "low_error"), ("high", "high_error")):
        spread = np.std([getattr(f, end) for f in found], ddof=1)
        said = np.mean([getattr(f, error) for f in found])
        assert 0.4 * spread < said < 2.5 * spread
    many = sensitivity_range(tiny_bundle(), new_patients(), LACKS_CT, EVERYONE, draws=4000)
    assert many.low_error <= np.mean([f.low_error for f in found])


def test_strata_are_those_between_the_ends_and_the_seed_fixes_the_draws() -> None:
    bundle = tiny_bundle()
    found = sensitivity_range(bundle, new_patients(), LACKS_CT, EVERYONE)
    again = sensitivity_range(bundle, new_patients(), LACKS_CT, EVERYONE)
    assert found == again
    assert found.draws == DRAWS
    assert found.strata[0] == bundle.strata.assign([found.low])[0]
    assert found.strata[-1] == bundle.strata.assign([found.high])[0]


def test_a_patient_of_the_training_cohort_counts_only_for_members_that_did_not_see_it() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    row = int(np.flatnonzero(~cohort.presence.all(axis=1))[0])
    seen = bundle.reference.seen.copy()
    seen[row] = True
    spoiled = replace(bundle, reference=replace(bundle.reference, seen=seen))
    donors = np.ones(len(cohort), dtype=bool)
    assert sensitivity_range(bundle, cohort, row, donors).low < np.inf
    with pytest.raises(EstimationError, match="No unbiased prediction"):
        sensitivity_range(spoiled, cohort, row, donors)


def test_a_complete_patient_has_no_range() -> None:
    whole = make_cohort(30, seed=3, clinical=True)
    with pytest.raises(EstimationError, match="lacks some modality"):
        sensitivity_range(tiny_bundle(), whole, 0, np.ones(30, dtype=bool))


def test_too_few_donors_are_refused_with_their_number() -> None:
    few = np.zeros(40, dtype=bool)
    few[np.flatnonzero(new_patients().presence[:, 1])[:4]] = True
    with pytest.raises(EstimationError, match="Only 4 reference patients have ct; 10 are needed"):
        sensitivity_range(tiny_bundle(), new_patients(), LACKS_CT, few)
