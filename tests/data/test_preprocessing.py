"""Encoding of tables, bags and clinical columns, and what is fitted on training rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from lifelines.statistics import logrank_test
from numpy.typing import NDArray

from camlif.config import TrainConfig
from camlif.data.cohort import mean_of_instances
from camlif.data.preprocessing import (
    CLINICAL,
    Preprocessor,
    clinical_names,
    cox_score_statistic,
    encode,
    encode_clinical,
    fit_clinical,
    fit_columns,
    quantiles,
    stack_columns,
    standardise,
)
from camlif.data.schema import ClinicalColumn, FeatureSchema
from tests.builders.cohorts import make_cohort, make_schema

SCHEMA = FeatureSchema(
    (),
    (
        ClinicalColumn("age", "numeric"),
        ClinicalColumn("site", "category", ("larynx", "oral cavity")),
    ),
)
COLUMNS = ["age", "age missing", "site=larynx", "site=oral cavity", "site missing"]
WHOLE = TrainConfig(clip_quantile=0.0)


def apply(columns: object, values: NDArray[np.float32]) -> NDArray[np.float32]:
    arrays = columns.arrays()  # type: ignore[attr-defined]
    tensors = {name: torch.from_numpy(a) for name, a in arrays.items()}
    return standardise(torch.from_numpy(values), tensors).numpy()


def with_gaps(n: int = 41, width: int = 6) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    values = (rng.standard_normal((n, width)) * 10.0 ** np.arange(-2, width - 2)).astype("f4")
    values[rng.random(values.shape) < 0.2] = np.nan
    return values


@pytest.mark.parametrize("n", [1, 2, 7, 41])
def test_quantiles_equal_numpy(n: int) -> None:
    values = with_gaps(n)
    values[0] = 1.0
    q = (0.0, 0.005, 0.25, 0.5, 0.995, 1.0)
    np.testing.assert_allclose(quantiles(values, q), np.nanquantile(values, q, axis=0), rtol=1e-5)


def test_quantiles_of_an_empty_column_are_zero_and_infinities_do_not_count() -> None:
    values = np.array([[np.nan, -np.inf], [np.nan, 2], [np.nan, 4], [np.nan, np.inf]], dtype="f4")
    assert quantiles(values, (0.0, 0.5, 1.0)).tolist() == [[0, 2], [0, 3], [0, 4]]


def test_training_columns_become_standard_with_missing_values_at_the_median() -> None:
    values = with_gaps()
    fitted = fit_columns(values, WHOLE)
    filled = np.where(np.isnan(values), np.nanmedian(values, axis=0), values)
    expected = (filled - filled.mean(0)) / filled.std(0)
    np.testing.assert_allclose(apply(fitted, values), expected, atol=1e-4)


def test_values_beyond_the_training_quantiles_are_clipped() -> None:
    values = np.linspace(0, 100, 101, dtype="f4")[:, None]
    fitted = fit_columns(values, TrainConfig(clip_quantile=0.05))
    extreme = apply(fitted, np.array([[-1e9], [5], [95], [1e9], [np.inf]], dtype="f4"))[:, 0]
    assert extreme[0] == extreme[1]
    assert extreme[2] == extreme[3] == extreme[4]
    assert extreme[1] < extreme[2]


def test_constant_and_mostly_missing_columns_become_zero() -> None:
    values = with_gaps(20, 4)
    values[:, 1] = 7.3
    values[:, 2] = np.nan
    values[:11, 3] = np.nan
    result = apply(fit_columns(values, TrainConfig(max_missing=0.5)), values)
    assert result[:, 0].any()
    assert not result[:, 1:].any()


@pytest.mark.parametrize("unit", [1e-12, 1e-6, 1.0, 1e9])
def test_a_column_is_kept_in_any_unit(unit: float) -> None:
    values = with_gaps(41, 1)
    scaled = apply(fit_columns(values * np.float32(unit), WHOLE), values * np.float32(unit))
    np.testing.assert_allclose(scaled, apply(fit_columns(values, WHOLE), values), atol=1e-4)


def test_no_training_patient_with_the_modality_gives_zeros() -> None:
    fitted = fit_columns(np.empty((0, 3), dtype="f4"), WHOLE)
    assert not apply(fitted, np.ones((2, 3), dtype="f4")).any()


def test_standardise_passes_gradients_where_a_value_is_observed_and_unclipped() -> None:
    fitted = fit_columns(np.linspace(0, 10, 11, dtype="f4")[:, None], WHOLE)
    x = torch.tensor([[5.0], [float("nan")], [99.0]], requires_grad=True)
    tensors = {name: torch.from_numpy(a) for name, a in fitted.arrays().items()}
    standardise(x, tensors).sum().backward()
    assert x.grad is not None
    assert x.grad[:, 0].tolist() == [pytest.approx(1 / fitted.scale[0]), 0.0, 0.0]


# Clinical columns


def test_clinical_columns_are_encoded_with_levels_and_missing_indicators() -> None:
    table = pd.DataFrame(
        {"age": [61.0, np.nan, 50.0, 70.0], "site": ["larynx", "oral cavity", None, "tongue"]}
    )
    assert clinical_names(SCHEMA) == COLUMNS
    encoded = encode_clinical(table, SCHEMA)
    np.testing.assert_array_equal(
        encoded,
        np.array(
            [[61, 0, 1, 0, 0], [np.nan, 1, 0, 1, 0], [50, 0, 0, 0, 1], [70, 0, 0, 0, 1]], "f4"
        ),
    )


def test_a_level_written_otherwise_is_encoded_as_the_same_word() -> None:
    usual = pd.DataFrame({"age": [61.0, 50.0], "site": ["larynx", "oral cavity"]})
    other = pd.DataFrame({"age": [61.0, 50.0], "site": [" LARYNX", "Oral_Cavity"]})
    np.testing.assert_array_equal(encode_clinical(other, SCHEMA), encode_clinical(usual, SCHEMA))


def test_a_clinical_column_that_the_cohort_lacks_is_missing() -> None:
    encoded = encode_clinical(pd.DataFrame({"age": [61.0]}), SCHEMA)
    np.testing.assert_array_equal(encoded, np.array([[61, 0, 0, 0, 1]], "f4"))


def test_text_in_a_numeric_column_counts_as_missing() -> None:
    encoded = encode_clinical(
        pd.DataFrame({"age": ["61", "sixty"], "site": ["larynx"] * 2}), SCHEMA
    )
    np.testing.assert_array_equal(encoded[:, :2], np.array([[61, 0], [np.nan, 1]], "f4"))


def test_no_clinical_columns_give_an_empty_matrix() -> None:
    encoded = encode_clinical(pd.DataFrame(index=range(3)), FeatureSchema(()))
    assert encoded.shape == (3, 0)


def test_clinical_numbers_are_standardised_and_indicators_stay_zero_and_one() -> None:
    table = pd.DataFrame(
        {"age": [40.0, 50.0, 60.0, np.nan], "site": ["larynx", "oral cavity", None, "larynx"]}
    )
    values = encode_clinical(table, SCHEMA)
    result = apply(fit_clinical(values, SCHEMA, WHOLE), values)
    age = np.array([40, 50, 60, 50.0])
    np.testing.assert_allclose(result[:, 0], (age - 50) / age.std(), atol=1e-6)
    np.testing.assert_array_equal(result[:, 1:], values[:, 1:])


def test_a_rare_level_is_not_clipped_away() -> None:
    sites = ["larynx"] * 399 + ["oral cavity"]
    values = encode_clinical(pd.DataFrame({"age": np.arange(400.0), "site": sites}), SCHEMA)
    result = apply(fit_clinical(values, SCHEMA, TrainConfig(clip_quantile=0.005)), values)
    assert result[-1, 3] == 1
    assert not result[:-1, 3].any()


# Cohorts


def test_encoding_marks_absent_modalities_groups_and_instances() -> None:
    cohort = make_cohort(30, {"ct": (2, 3)}, bags={"slide": 4}, gaps=0.3, seed=2)
    table = cohort.tables["ct"].copy()
    row = int(np.flatnonzero(cohort.presence[:, 0])[0])
    table[row, :2] = np.nan
    raw = encode(replace(cohort, tables={"ct": table}), cohort.schema)
    np.testing.assert_array_equal(raw.presence, cohort.presence)
    assert raw.masks["ct"][row].tolist() == [False, True]
    lengths = [len(bag) for bag in cohort.bags["slide"]]
    assert raw.masks["slide"].sum(axis=1).tolist() == lengths
    assert raw.tables["slide"].shape == (30, max(lengths), 4)
    np.testing.assert_array_equal(np.isfinite(raw.tables["slide"]).all(2), raw.masks["slide"])


def test_a_modality_without_any_value_is_absent_whatever_presence_says() -> None:
    cohort = make_cohort(10, {"ct": (2, 3), "gene": (2,)})
    table = cohort.tables["ct"].copy()
    table[4] = np.nan
    raw = encode(replace(cohort, tables={**cohort.tables, "ct": table}), cohort.schema)
    assert raw.presence[:, 0].tolist() == [i != 4 for i in range(10)]


def test_a_modality_that_the_cohort_lacks_is_absent_for_everyone() -> None:
    cohort = make_cohort(5, {"ct": (2, 3)})
    schema = make_schema({"ct": (2, 3), "gene": (4,)}, bags={"slide": 3})
    raw = encode(cohort, schema)
    assert raw.presence.tolist() == [[True, False, False]] * 5
    assert np.isnan(raw.tables["gene"]).all()
    assert raw.tables["slide"].shape == (5, 1, 3)
    assert not raw.masks["slide"].any()


# T24
def test_fitting_reads_training_rows_only() -> None:
    cohort = make_cohort(40, {"ct": (2, 3)}, bags={"slide": 4}, clinical=True, missing_values=0.1)
    raw = encode(cohort, cohort.schema)
    rows = np.arange(30)
    config = TrainConfig(select_top=2)
    event, duration = cohort.event.copy(), cohort.duration.copy()
    before = Preprocessor.fit(raw, cohort.schema, rows, config, event=event, duration=duration)
    for table in (*raw.tables.values(), raw.clinical):
        table[30:] = 1e9
    event[30:], duration[30:] = True, 1e-3
    after = Preprocessor.fit(raw, cohort.schema, rows, config, event=event, duration=duration)
    for name in ("ct", "slide", CLINICAL):
        for key, values in before.columns[name].arrays().items():
            assert values.tobytes() == after.columns[name].arrays()[key].tobytes()


def test_instances_of_a_bag_are_standardised_together() -> None:
    cohort = make_cohort(40, {"ct": (2,)}, bags={"slide": 4}, gaps=0.2)
    raw = encode(cohort, cohort.schema)
    fitted = Preprocessor.fit(
        raw, cohort.schema, np.arange(40), WHOLE, event=cohort.event, duration=cohort.duration
    )
    instances = np.concatenate(cohort.bags["slide"])
    np.testing.assert_allclose(fitted.columns["slide"].mean, instances.mean(0), atol=1e-5)
    np.testing.assert_allclose(fitted.columns["slide"].scale, instances.std(0), atol=1e-5)


def test_members_standardise_with_their_own_rows() -> None:
    cohort = make_cohort(40, {"ct": (2, 3)})
    raw = encode(cohort, cohort.schema)
    halves = [np.arange(20), np.arange(20, 40)]
    fitted = [
        Preprocessor.fit(raw, cohort.schema, r, WHOLE, event=cohort.event, duration=cohort.duration)
        for r in halves
    ]
    columns = {k: v.unsqueeze(1) for k, v in stack_columns(fitted)["ct"].items()}
    x = standardise(torch.from_numpy(raw.tables["ct"]), columns)
    assert x.shape == (2, 40, 5)
    for member, rows in enumerate(halves):
        torch.testing.assert_close(x[member, rows].mean(0), torch.zeros(5), atol=1e-5, rtol=0)


# Univariate Cox score test


def by_definition(
    x: NDArray[np.float64],
    event: NDArray[np.bool_],
    duration: NDArray[np.float64],
    entry: NDArray[np.float64] | None = None,
) -> float:
    entry = np.zeros(len(x)) if entry is None else entry
    u = v = 0.0
    for i in np.flatnonzero(event):
        at_risk = x[(duration >= duration[i]) & (entry < duration[i])]
        u += x[i] - at_risk.mean()
        v += at_risk.var()
    return u**2 / v


def test_score_statistic_equals_its_definition_with_ties() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((60, 3))
    event, duration = rng.random(60) < 0.6, rng.integers(1, 9, 60).astype(float)
    expected = [by_definition(column, event, duration) for column in x.T]
    np.testing.assert_allclose(cox_score_statistic(x, event, duration), expected, rtol=1e-10)
    entry = np.maximum(duration - rng.integers(1, 5, 60), 0)
    expected = [by_definition(column, event, duration, entry) for column in x.T]
    found = cox_score_statistic(x, event, duration, entry)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_score_statistic_of_two_groups_is_the_log_rank_statistic() -> None:
    rng = np.random.default_rng(2)
    group = rng.random(80) < 0.4
    event, duration = rng.random(80) < 0.7, rng.permutation(80) + 1.0
    expected = logrank_test(duration[group], duration[~group], event[group], event[~group])
    statistic = cox_score_statistic(group[:, None].astype("f4"), event, duration)
    assert statistic[0] == pytest.approx(expected.test_statistic, rel=1e-9)


def test_a_constant_column_has_no_score() -> None:
    event, duration = np.array([True, True, False]), np.array([1.0, 2.0, 3.0])
    assert cox_score_statistic(np.full((3, 1), 0.1), event, duration).tolist() == [0.0]


def test_selection_keeps_the_strongest_columns_of_the_training_rows() -> None:
    rng = np.random.default_rng(3)
    cohort = make_cohort(200, {"ct": (20,)}, strength=2.0)
    raw = encode(cohort, cohort.schema)
    rows = np.sort(rng.permutation(200)[:160])
    config = TrainConfig(select_top=5, clip_quantile=0.0)
    fitted = Preprocessor.fit(
        raw, cohort.schema, rows, config, event=cohort.event, duration=cohort.duration
    ).columns["ct"]
    strength = [
        by_definition(column.astype(float), cohort.event[rows], cohort.duration[rows])
        for column in raw.tables["ct"][rows].T
    ]
    assert set(np.flatnonzero(fitted.keep)) == set(np.argsort(strength)[-5:])


def test_a_bag_as_one_row_is_the_mean_of_what_its_instances_have() -> None:
    bag = np.array([[1.0, np.nan, np.nan], [3.0, 4.0, np.nan]], dtype=np.float32)
    expected = [2.0, 4.0, np.nan]
    np.testing.assert_array_equal(mean_of_instances(bag), np.float32(expected))
    padded = np.stack([np.vstack([bag, np.full((1, 3), np.nan)]), np.full((3, 3), np.nan)])
    rows = mean_of_instances(padded.astype(np.float32))  # silent, also where nothing is there
    np.testing.assert_array_equal(rows, np.float32([expected, [np.nan] * 3]))
    np.testing.assert_array_equal(mean_of_instances(bag[:0]), np.full(3, np.nan, np.float32))
