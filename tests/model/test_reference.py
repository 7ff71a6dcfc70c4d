"""What a bundle remembers of its training cohort."""

from __future__ import annotations

import numpy as np
import pytest

from camlif.config import HORIZONS
from camlif.data.preprocessing import encode
from camlif.model.reference import (
    SubsetValidation,
    heldout_mean,
)
from camlif.statistics import concordance_index
from tests.builders.bundles import N_PATIENTS, tiny_bundle, tiny_cohort


def test_heldout_mean_takes_only_members_that_tested_the_patient() -> None:
    risk = np.array([[1.0, 5.0, 3.0], [2.0, 4.0, 9.0], [7.0, 7.0, 7.0]])
    test = np.array([[True, False, False], [False, True, False], [True, True, False]])
    np.testing.assert_array_equal(heldout_mean(risk, test), [2.0, 6.5, np.nan])


def test_scale_and_percentiles_are_of_heldout_risks() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    reference = bundle.reference
    member = bundle.ensemble.predict(encode(cohort, bundle.schema)).log_risk
    risk = heldout_mean(member, ~reference.seen.T)
    assert reference.mean == pytest.approx(risk.mean())
    assert reference.sd == pytest.approx(risk.std(ddof=1))
    z = (risk - risk.mean()) / risk.std(ddof=1)
    np.testing.assert_allclose(reference.sorted_z, np.sort(z))
    np.testing.assert_allclose(reference.strata.cutoffs, np.quantile(z, [1 / 3, 2 / 3]), atol=0.02)
    lower = 100 * (z[:, None] > z).mean(axis=1)
    np.testing.assert_allclose(reference.percentile(z), lower, atol=1e-6)
    # A training patient's own risk, computed again, is not lower than itself.
    np.testing.assert_allclose(reference.percentile(z + 2e-6), lower, atol=1e-6)
    assert np.isnan(reference.percentile(np.array([np.nan]))).all()


def test_curves_of_the_strata_hold_every_training_patient_once() -> None:
    reference = tiny_bundle().reference
    at_start = [float(np.asarray(c.at_risk)[0]) for c in reference.curves.values()]
    assert sum(at_start) == N_PATIENTS
    assert set(reference.gates) == set(HORIZONS)


def test_subsets_are_validated_on_heldout_risks_of_patients_who_have_them() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    found = bundle.reference.subset(frozenset({"ct"}))
    assert found is not None
    rows = np.flatnonzero(cohort.presence[:, cohort.schema.names.index("ct")])
    part = cohort.take(rows)
    member = bundle.ensemble.predict(
        bundle.prepare(part, missing=("pathology",)),
    ).log_risk
    event, duration = part.outcome()
    risk = heldout_mean(member, ~bundle.reference.seen[rows].T)
    assert found.n_patients == len(rows)
    assert found.n_events == event.sum()
    assert found.c_index == pytest.approx(concordance_index(risk, event, duration))
    assert bundle.reference.subset(frozenset({"ct", "pathology"})) is None


@pytest.mark.parametrize(
    ("changes", "valid"),
    [({}, True), ({"low": 0.5}, False), ({"n_patients": 49}, False), ({"n_events": 9}, False)],
)
def test_a_subset_is_valid_only_with_enough_patients_and_an_interval_above_a_half(
    changes: dict[str, float], valid: bool
) -> None:
    numbers = {"n_patients": 50, "n_events": 10, "c_index": 0.7, "low": 0.6, "high": 0.8}
    assert SubsetValidation(modalities=("ct",), **numbers | changes).valid is valid  # type: ignore[arg-type]
