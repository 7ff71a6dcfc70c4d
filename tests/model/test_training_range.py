"""Distance from the training data: what it is, that it is free of width, that a shift shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from camlif.data.preprocessing import CLINICAL, clinical_names, encode_clinical
from camlif.model.bundle import load_bundle
from camlif.model.training_range import (
    DISTANCE_PERCENTS,
    LEVELS,
    MAX_ROBUST_Z,
    TrainingRange,
    fit_range,
)
from tests.builders.bundles import tiny_bundle
from tests.builders.cohorts import make_cohort

N = 4000


def normal(width: int, *, seed: int = 0, shift: float = 0.0, scale: float = 1.0) -> TrainingRange:
    rng = np.random.default_rng(seed)
    values = (shift + scale * rng.standard_normal((N, width))).astype("f4")
    cohort = make_cohort(N, {"a": (width,)}, seed=seed)
    return fit_range(replace(cohort, tables={"a": values}))


def test_distance_is_the_root_mean_square_of_z_for_normal_columns() -> None:
    known = normal(6, shift=5.0, scale=3.0)
    values = np.random.default_rng(1).normal(5, 3, (50, 6)).astype("f4")
    expected = np.sqrt((((values - 5) / 3) ** 2).mean(axis=1))
    np.testing.assert_allclose(known.distance("a", values), expected, rtol=0.08)


def test_missing_values_are_left_out_and_an_absent_modality_has_no_distance() -> None:
    known = normal(4)
    full = np.array([[1.0, 1.0, 1.0, 1.0]], dtype="f4")
    part = np.array([[1.0, np.nan, 1.0, np.nan]], dtype="f4")
    assert known.distance("a", part)[0] == pytest.approx(known.distance("a", full)[0], rel=0.1)
    assert np.isnan(known.distance("a", np.full((1, 4), np.nan, dtype="f4"))).all()


def test_one_broken_value_is_limited_and_a_constant_column_ignored() -> None:
    known = normal(4)
    values = np.zeros((1, 4), dtype="f4")
    values[0, 0] = 1e9
    assert known.distance("a", values)[0] == pytest.approx(MAX_ROBUST_Z / 2, rel=0.01)
    constant = TrainingRange({"a": known.levels["a"] * np.array([1, 1, 1, 0], dtype="f4")})
    values = np.array([[1.0, 1.0, 1.0, 1e9]], dtype="f4")
    assert constant.distance("a", values)[0] == pytest.approx(1, rel=0.1)


def test_a_rare_binary_column_has_a_spread() -> None:
    values = np.zeros((N, 1), dtype="f4")
    values[: N // 50] = 1  # 2 %: quartiles and 5 and 95 % are all 0
    cohort = make_cohort(N, {"a": (1,)})
    known = fit_range(replace(cohort, tables={"a": values}))
    assert known.distance("a", np.array([[0.0], [1.0]], dtype="f4")).tolist() == [
        0.0,
        pytest.approx(5.152),
    ]


def test_stored_percentiles_are_those_of_other_patients_of_the_same_kind() -> None:
    known = normal(20)
    fresh = np.random.default_rng(9).standard_normal((N, 20)).astype("f4")
    distance = known.distance("a", fresh)
    for percent in (50, 95, 99):
        limit = known.distances["a"][DISTANCE_PERCENTS.index(percent)]
        assert (distance > limit).mean() == pytest.approx(1 - percent / 100, abs=0.02)
    shifted = known.distance("a", fresh + np.float32(1.5))
    assert (shifted > known.distances["a"][-1]).mean() > 0.95


def test_a_bag_is_placed_by_its_mean() -> None:
    cohort = make_cohort(200, bags={"regions": 3}, seed=4)
    known = fit_range(cohort)
    means = np.stack([bag.mean(axis=0) for bag in cohort.bags["regions"]])
    expected = np.percentile(known.distance("regions", means), DISTANCE_PERCENTS)
    np.testing.assert_allclose(known.distances["regions"], expected, rtol=1e-5)


def test_a_bundle_keeps_its_distances_and_reach(tmp_path: Path) -> None:
    bundle = tiny_bundle()
    bundle.save(tmp_path / "new")
    read = load_bundle(tmp_path / "new", device="cpu")
    for name, percentiles in bundle.reference.training_range.distances.items():
        np.testing.assert_array_equal(read.reference.training_range.distances[name], percentiles)
    assert read.digest == bundle.digest
    assert set(read.reference.training_range.reach) == {*bundle.schema.names, CLINICAL}
    for name, reach in bundle.reference.training_range.reach.items():
        np.testing.assert_array_equal(read.reference.training_range.reach[name], reach)
    assert set(bundle.distances(make_cohort(5, clinical=True))) == set(bundle.schema.names)


@pytest.mark.parametrize("array", ["range.pathology", "reach.pathology", "reach.clinical"])
def test_a_range_without_one_of_its_arrays_is_refused(array: str) -> None:
    bundle = tiny_bundle()
    arrays = bundle.reference.training_range.to_arrays()
    del arrays[array]
    with pytest.raises(ValueError, match=f"no array {array}"):
        TrainingRange.from_arrays(arrays, bundle.schema)


def test_distance_percent_counts_the_training_patients_nearer_the_middle() -> None:
    known = TrainingRange({}, {"a": np.arange(1.0, 100.0)})
    found = known.distance_percent("a", np.array([0.5, 1.5, 50.5, 99.5, np.nan]))
    np.testing.assert_array_equal(found, [0, 1, 50, 99, np.nan])


def test_a_modality_without_training_patients_has_no_distance_percent() -> None:
    assert np.isnan(TrainingRange({}).distance_percent("a", np.array([1.0]))).all()


def test_the_range_of_clinical_inputs_is_that_of_their_encoded_columns() -> None:
    cohort = make_cohort(300, clinical=True, seed=3)
    known = fit_range(cohort)
    age = cohort.clinical["age"].to_numpy()
    levels = known.levels[CLINICAL][:, clinical_names(cohort.schema).index("age")]
    np.testing.assert_allclose(levels, np.quantile(age, LEVELS), rtol=1e-6)
    raw = encode_clinical(cohort.clinical.assign(age=age * 365.25), cohort.schema)
    times = known.times_reach(CLINICAL, raw)
    assert (times[:, 0] > 1).all()
    assert (times[:, 1:] <= 1).all()


def test_a_cohort_without_clinical_inputs_has_no_range_of_them() -> None:
    assert set(fit_range(make_cohort(50)).levels) == set(make_cohort(50).schema.names)
