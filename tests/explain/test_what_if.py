"""Exploration of a changed case: the same members, the training range, and nothing invented."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camlif.config import NetworkConfig, RunConfig, TrainConfig
from camlif.data.cohort import Cohort
from camlif.exceptions import ConfigError, SchemaError
from camlif.explain import (
    DropModality,
    ExploredCase,
    SetClinical,
    SetFeature,
    SetGroup,
    WhatIfChange,
    clinical_level,
    clinical_limits,
    explain_modalities,
    feature_limits,
)
from camlif.model.bundle import Bundle
from camlif.model.fit import train
from camlif.model.training_range import LEVELS
from camlif.wording import OLDEST_SHOWN
from tests.builders.bundles import new_patients, tiny_bundle, tiny_cohort
from tests.builders.cohorts import make_cohort
from tests.builders.validated import ranked, scored_without, without_parts

FEATURE = "ct_0_0"


def complete(cohort: Cohort) -> int:
    return int(np.flatnonzero(cohort.presence.all(axis=1))[0])


def opened(*, of_training: bool = False, bundle: Bundle | None = None) -> ExploredCase:
    cohort = tiny_cohort() if of_training else new_patients()
    return ExploredCase.open(bundle or tiny_bundle(), cohort, complete(cohort))


def validated() -> Bundle:
    """The tiny model, which may score patients without CT."""
    bundle = tiny_bundle()
    return replace(bundle, reference=scored_without(bundle.reference, "ct"))


def changed_cohort(column: str, value: float) -> Cohort:
    """The new patients, the first complete one with another CT value."""
    cohort = new_patients()
    table = cohort.tables["ct"].copy()
    table[complete(cohort), cohort.schema["ct"].columns.index(column)] = value
    return replace(cohort, tables={**cohort.tables, "ct": table})


# What the model says


@pytest.mark.parametrize("of_training", [False, True])
def test_an_unchanged_case_has_its_own_result(*, of_training: bool) -> None:
    case = opened(of_training=of_training)
    cohort = tiny_cohort() if of_training else new_patients()
    row = complete(cohort)
    score, answer = case.bundle.score(cohort), case.ask()
    assert answer.log_risk == pytest.approx(score.log_risk[row], abs=1e-6)
    np.testing.assert_array_equal(answer.used, score.members_used[row])
    np.testing.assert_allclose(answer.result.survival[0], score.survival[row], atol=1e-6)
    assert answer.result.table["risk_group"][0] == score.table["risk_group"][row]
    assert answer.modalities is not None
    expected = explain_modalities(case.bundle, cohort, [row])
    np.testing.assert_allclose(answer.modalities.values, expected.values, atol=1e-6)


def test_a_changed_feature_gives_the_score_of_a_patient_with_that_value() -> None:
    case = opened()
    limits = feature_limits(case.bundle, case.raw, "ct", FEATURE)
    found = case.compare([SetFeature("ct", FEATURE, limits.high)])
    other = changed_cohort(FEATURE, limits.high)
    score = case.bundle.score(other)
    assert found.after.log_risk == pytest.approx(score.log_risk[complete(other)], abs=1e-6)
    assert found.after.log_risk != found.before.log_risk
    assert found.before.log_risk == case.ask().log_risk


def test_a_training_patient_keeps_its_held_out_members_however_much_is_changed() -> None:
    case = opened(of_training=True)
    everything: list[WhatIfChange] = [
        SetGroup(m.name, g.name, 95) for m in case.bundle.schema.modalities for g in m.groups
    ]
    found = case.compare(everything)
    # The changed values alone would not be recognised as those of a training patient.
    assert not case.bundle.recognise(case.raw).seen.all()
    np.testing.assert_array_equal(found.after.used, ~case.recognised.seen[0])
    np.testing.assert_array_equal(found.after.used, found.before.used)
    assert found.after.used.sum() < case.bundle.n_members
    assert found.after.log_risk == pytest.approx(found.after.member_log_risk.mean())
    assert found.after.log_risk != found.before.log_risk


def test_contributions_of_a_changed_case_add_up() -> None:
    after = opened().ask([SetGroup("ct", "group0", 5), SetClinical("age", 50.0)])
    assert after.modalities is not None
    total = float(after.modalities.values.sum() + after.modalities.base_value[0])
    assert total == pytest.approx(after.log_risk, abs=1e-5)


def test_all_groups_of_a_modality_at_the_median_leave_it_nothing_to_contribute() -> None:
    after = opened().ask([SetGroup("ct", g) for g in ("group0", "group1")])
    assert after.modalities is not None
    values = dict(zip(after.modalities.players, after.modalities.values[0], strict=True))
    assert values["ct"] == pytest.approx(0, abs=1e-6)
    assert abs(values["pathology"]) > 1e-4


def test_a_group_takes_the_percentile_of_each_of_its_columns() -> None:
    case = opened()
    columns = case.bundle.schema["ct"].groups[1].columns
    levels = case.bundle.reference.training_range.levels["ct"][LEVELS.index(0.25)]
    where = [case.bundle.schema["ct"].columns.index(c) for c in columns]
    by_feature = [
        SetFeature("ct", c, float(levels[j])) for c, j in zip(columns, where, strict=True)
    ]
    whole = case.ask([SetGroup("ct", "group1", 25)])
    assert whole.log_risk == pytest.approx(case.ask(by_feature).log_risk, abs=1e-6)


def test_a_category_and_a_number_of_the_clinical_inputs_can_be_changed() -> None:
    case = opened()
    level = clinical_level(case.bundle, case.raw, "sex")
    other = {"female": "male", "male": "female"}[str(level)]
    assert case.ask([SetClinical("sex", str(level))]).log_risk == case.ask().log_risk
    assert case.ask([SetClinical("sex", other)]).log_risk != case.ask().log_risk
    age = clinical_limits(case.bundle, case.raw, "age")
    assert case.ask([SetClinical("age", age.low)]).log_risk != case.ask().log_risk
    assert case.ask([SetClinical("age", age.own or 0)]).log_risk == case.ask().log_risk


# Leaving a modality out


def test_a_dropped_modality_gives_the_score_of_a_patient_without_it() -> None:
    case = opened(bundle=validated())
    found = case.compare([DropModality("ct")])
    score = case.bundle.score(new_patients(), missing=("ct",))
    assert found.after.log_risk == pytest.approx(score.log_risk[complete(new_patients())], abs=1e-6)
    assert found.after.modalities is not None
    at = found.after.modalities.players.index("ct")
    assert found.after.modalities.values[0, at] == 0
    assert found.after.summary.absent == ("ct",)


def test_a_model_not_validated_without_the_modality_abstains_and_says_why() -> None:
    bundle = tiny_bundle()
    strict = replace(bundle, reference=without_parts(bundle.reference))
    after = opened(bundle=strict).ask([DropModality("ct")])
    assert after.summary.score is None
    assert after.modalities is None
    assert np.isnan(after.log_risk)
    assert "ct missing" in after.summary.notes[0]


def test_what_is_left_out_stays_out_whatever_the_order_of_changes() -> None:
    case = opened(bundle=validated())
    drop, change = DropModality("ct"), SetGroup("ct", "group0", 95)
    assert case.ask([drop, change]).log_risk == case.ask([drop]).log_risk


def test_nothing_of_an_absent_modality_can_be_changed() -> None:
    cohort = new_patients()
    row = int(np.flatnonzero(~cohort.presence[:, 1])[0])
    case = ExploredCase.open(validated(), cohort, row)
    assert case.present == ("pathology",)
    for change in (SetFeature("ct", FEATURE, 0.0), SetGroup("ct", "group0"), DropModality("ct")):
        with pytest.raises(ConfigError, match="has no ct"):
            case.ask([change])


# Limits


@settings(deadline=None, max_examples=20)
@given(
    excess=st.floats(1e-3, 1e6) | st.just(float("inf")) | st.just(float("nan")),
    sign=st.sampled_from((-1, 1)),
)
def test_values_outside_the_training_range_are_refused(excess: float, sign: int) -> None:
    case = opened()
    limits = feature_limits(case.bundle, case.raw, "ct", FEATURE)
    value = (limits.high if sign > 0 else limits.low) + sign * excess
    with pytest.raises(ConfigError, match="outside the training range"):
        case.ask([SetFeature("ct", FEATURE, value)])


@pytest.mark.parametrize("end", ["low", "high"])
def test_the_ends_of_the_training_range_are_allowed(end: str) -> None:
    case = opened()
    limits = feature_limits(case.bundle, case.raw, "ct", FEATURE)
    assert np.isfinite(case.ask([SetFeature("ct", FEATURE, getattr(limits, end))]).log_risk)


@pytest.mark.parametrize("percent", [0.0, 0.4, 99.6, 100.0, float("nan")])
def test_percentiles_beyond_the_stored_ones_are_refused(percent: float) -> None:
    with pytest.raises(ConfigError, match="percentile"):
        opened().ask([SetGroup("ct", "group0", percent)])


def test_limits_are_those_of_training_and_tell_the_own_value() -> None:
    case = opened()
    limits = feature_limits(case.bundle, case.raw, "ct", FEATURE)
    levels = case.bundle.reference.training_range.levels["ct"][:, 0]
    assert (limits.low, limits.high) == (levels[0], levels[-1])
    assert limits.low < limits.median < limits.high
    assert limits.own == pytest.approx(case.raw.tables["ct"][0, 0])
    assert limits.percentile is not None
    assert 0 < limits.percentile < 100
    assert limits.varies
    assert not limits.whole


def test_ages_are_not_told_beyond_ninety() -> None:
    bundle = tiny_bundle()
    columns = {**bundle.ensemble.columns}
    columns["clinical"] = {**columns["clinical"], "high": columns["clinical"]["high"] + 60}
    old = replace(bundle, ensemble=replace(bundle.ensemble, columns=columns))
    case = opened(bundle=old)
    assert clinical_limits(old, case.raw, "age").high == OLDEST_SHOWN
    with pytest.raises(ConfigError, match="outside the training range"):
        case.ask([SetClinical("age", OLDEST_SHOWN + 1.0)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (SetFeature("ct", "nothing", 0.0), "no feature nothing"),
        (SetGroup("ct", "nothing"), "no feature group nothing"),
        (SetClinical("nothing", 0.0), "no clinical input nothing"),
        (SetClinical("age", "old"), "is a number"),
        (SetClinical("sex", "unknown"), "female, male"),
    ],
)
def test_what_the_model_does_not_have_is_refused(change: WhatIfChange, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        opened().ask([change])


def test_an_unknown_modality_is_refused() -> None:
    with pytest.raises(SchemaError, match="No modality named mri"):
        opened().ask([DropModality("mri")])


def test_a_missing_value_can_be_filled_and_its_group_then_counts() -> None:
    cohort = new_patients()
    row = complete(cohort)
    width = cohort.schema["ct"].groups[0].n_features
    table = cohort.tables["ct"].copy()
    table[row, :width] = np.nan
    case = ExploredCase.open(
        tiny_bundle(), replace(cohort, tables={**cohort.tables, "ct": table}), row
    )
    limits = feature_limits(case.bundle, case.raw, "ct", FEATURE)
    assert limits.own is None
    assert limits.percentile is None
    filled = case.ask([SetFeature("ct", FEATURE, limits.median)])
    assert filled.log_risk != case.ask().log_risk


def test_every_instance_of_a_bag_gets_the_value() -> None:
    cohort = make_cohort(60, seed=1, bags={"patch": 3})
    network = NetworkConfig(width=16, mam_gate="concat", mam_width=8, lmf_width=8)
    trained = train(
        cohort, RunConfig(network=network, training=TrainConfig(splits=5, epochs=1)), device="cpu"
    )
    bundle = ranked(trained)
    new = make_cohort(4, seed=2, bags={"patch": 3})
    case = ExploredCase.open(bundle, new, 0)
    median = feature_limits(bundle, case.raw, "patch", "patch_1").median
    bags = (new.bags["patch"][0].copy(), *new.bags["patch"][1:])
    bags[0][:, 1] = median
    expected = bundle.score(replace(new, bags={"patch": bags})).log_risk[0]
    found = case.ask([SetFeature("patch", "patch_1", median)])
    assert found.log_risk == pytest.approx(expected, abs=1e-6)
    assert found.log_risk != case.ask().log_risk
