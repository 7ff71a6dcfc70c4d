"""What a bundle remembers of its training cohort, and how it recognises training patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from camlif.config import HORIZONS
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import encode
from camlif.model.reference import (
    Digests,
    Reference,
    SubsetValidation,
    feature_digests,
    heldout_mean,
)
from camlif.statistics import concordance_index
from tests.builders.bundles import N_PATIENTS, new_patients, tiny_bundle, tiny_cohort
from tests.builders.cohorts import make_cohort


def _rounded(cohort: Cohort, digits: int) -> Cohort:
    def to_digits(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.array(
            [[float(f"{value:.{digits - 1}e}") for value in row] for row in x], dtype=np.float32
        )

    return replace(cohort, tables={k: to_digits(t) for k, t in cohort.tables.items()})


def _digests(cohort: Cohort) -> Digests:
    return feature_digests(encode(cohort, cohort.schema), cohort.schema)


def _remembering(cohort: Cohort) -> Reference:
    """A reference whose member i saw patient i only."""
    seen = np.eye(len(cohort), dtype=bool)
    return replace(tiny_bundle().reference, digests=_digests(cohort), seen=seen)


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


def test_digests_depend_on_values_and_presence_alone() -> None:
    cohort = tiny_cohort()
    digests = _digests(cohort).blocks
    order = np.random.default_rng(0).permutation(len(cohort))
    np.testing.assert_array_equal(_digests(cohort.take(order)).blocks, digests[order])
    absent = ~cohort.presence[:, 0]
    assert (digests[absent] == 0).sum(axis=1).min() >= 1
    assert len(np.unique(digests[digests != 0])) == (digests != 0).sum()


@pytest.mark.parametrize("digits", [4, 5, 7])
def test_training_patients_are_recognised_in_a_table_with_fewer_digits(digits: int) -> None:
    cohort = make_cohort(200, {"ct": (40, 30), "rna": (80,)}, gaps=0.15)
    seen = _remembering(cohort).recognise(_digests(_rounded(cohort, digits))).seen
    assert np.diag(seen).mean() >= 0.95
    np.fill_diagonal(seen, val=False)
    assert not seen.any()


def test_a_training_patient_is_recognised_without_one_modality() -> None:
    cohort = make_cohort(60, {"ct": (40,), "rna": (80,)})
    raw = encode(cohort, cohort.schema)
    hidden = replace(raw, presence=raw.presence & np.array([True, False]))
    seen = _remembering(cohort).recognise(feature_digests(hidden, cohort.schema)).seen
    np.testing.assert_array_equal(seen, np.eye(60, dtype=bool))


def test_new_patients_are_not_taken_for_training_patients() -> None:
    reference = tiny_bundle().reference
    recognised = reference.recognise(_digests(new_patients()))
    assert not recognised.is_training.any()
    assert not recognised.seen.any()


def test_patients_with_flags_are_told_apart_by_columns_outside_the_blocks() -> None:
    cohort = make_cohort(60, {"ct": (40,)})
    flags = np.zeros((60, 40), dtype=np.float32)
    flags[:, 20:26] = np.arange(60)[:, None] // 2 ** np.arange(6) % 2  # no block starts there
    cohort = replace(cohort, tables={"ct": flags})
    reference = _remembering(cohort)

    np.testing.assert_array_equal(reference.recognise(_digests(cohort)).seen, np.eye(60))
    older = replace(reference, digests=replace(reference.digests, rows=np.zeros((60, 0), "u8")))
    assert not older.recognise(_digests(cohort)).is_training.any()


def test_a_patient_equal_to_two_training_patients_is_not_guessed() -> None:
    cohort = make_cohort(30)
    twins = cohort.take(np.array([0, 1, 2]))
    twins = replace(
        twins, tables={k: np.concatenate([t[:1], t[:1], t[2:]]) for k, t in twins.tables.items()}
    )
    assert not _remembering(twins).recognise(_digests(twins)).is_training[:2].any()
