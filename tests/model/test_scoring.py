"""Scores: the same for a patient however it comes, held-out for training patients, with reasons."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.special import stdtr

import camlif.model.bundle
import camlif.model.fit
from camlif.config import HORIZONS
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import RawInputs
from camlif.exceptions import SchemaError
from camlif.model.abstention import unscored_reasons
from camlif.model.bundle import Bundle
from camlif.model.reference import Reference
from camlif.model.scoring import COLUMNS, UNLIKE, combine
from camlif.model.subgroups import find_members
from camlif.statistics.gate import Verdict
from camlif.training.ensemble import Ensemble, Prediction
from tests.builders.bundles import N_SPLITS, new_patients, tiny_bundle, tiny_cohort, tiny_config
from tests.builders.cohorts import make_cohort
from tests.builders.validated import ranked, with_gates, with_parts, with_whole, without_parts
from tests.model.test_matching import renamed, shuffled

RISK_TOLERANCE = 1e-6


def _close(found: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(found, expected, atol=RISK_TOLERANCE, rtol=0)


def _complete(n: int = 20, seed: int = 3) -> Cohort:
    return make_cohort(n, seed=seed, clinical=True, strength=2.5)


def _bag_cohort(n: int, seed: int) -> Cohort:
    return make_cohort(
        n, {"ct": (5, 2)}, bags={"slide": 3}, seed=seed, clinical=True, gaps=0.2, strength=2.5
    )


@cache
def _with_bag() -> Bundle:
    return ranked(
        camlif.model.fit.train(_bag_cohort(120, seed=7), tiny_config(epochs=1), device="cpu")
    )


def _with_gates(*, is_open: bool) -> Reference:
    verdict: Verdict = "open" if is_open else "closed"
    reason = "" if is_open else "closed for the test"
    return with_gates(
        tiny_bundle().reference, lambda gate: replace(gate, verdict=verdict, reason=reason)
    )


def _validated(*, valid: bool) -> Reference:
    low = 0.6 if valid else 0.4
    return with_parts(tiny_bundle().reference, n_patients=100, n_events=50, low=low)


def test_table_has_the_columns_of_the_contract() -> None:
    assert COLUMNS == (
        "patient_id",
        "log_risk",
        "z",
        "z_low",
        "z_high",
        "percentile",
        "risk_group",
        "agreement",
        "survival_12m",
        "survival_36m",
        "survival_60m",
        "outlived_by_90_percent_months",
        "in_training",
        "missing",
        "warnings",
    )
    table = tiny_bundle().score(new_patients()).table
    assert tuple(table.columns) == COLUMNS
    assert table["patient_id"].tolist() == new_patients().patient_ids.tolist()


def test_risk_does_not_depend_on_the_batch_or_the_order() -> None:
    bundle, cohort = tiny_bundle(), _complete()
    together = bundle.score(cohort).log_risk
    order = np.random.default_rng(0).permutation(len(cohort))
    _close(bundle.score(cohort.take(order)).log_risk, together[order])
    alone = [bundle.score(cohort.take([row])).log_risk[0] for row in range(5)]
    _close(np.array(alone), together[:5])


@pytest.mark.parametrize("size", [1, 7, 64])
def test_blocks_of_any_size_give_what_all_patients_at_once_give(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, cohort = _with_bag(), _bag_cohort(40, seed=8)
    told: list[tuple[int, int]] = []
    whole = bundle.score(cohort)
    assert not whole.scored.all()  # a block without any scored patient is among those of one

    monkeypatch.setattr(camlif.model.bundle, "BLOCK", size)
    parts = bundle.score(cohort, progress=lambda *now: told.append(now))

    assert told[-1] == (40, 40)
    assert len(told) == -(-40 // size)
    texts = ["patient_id", "risk_group", "missing", "warnings"]
    pd.testing.assert_frame_equal(parts.table[texts], whole.table[texts])
    pd.testing.assert_frame_equal(
        parts.table.drop(columns=texts), whole.table.drop(columns=texts), atol=RISK_TOLERANCE
    )
    for name in ("member_log_risk", "survival", "survival_low", "survival_high", "embedding"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-5)
    for name in ("members_used", "membership", "held_out", "scored", "stratum", "presence"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    for name in ("out_of_range", "far", "imputed", "without", "distance_percent"):
        for modality, values in getattr(whole.checks, name).items():
            np.testing.assert_array_equal(getattr(parts.checks, name)[modality], values)


def test_blocks_scored_at_the_same_time_stay_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, cohort = tiny_bundle(), _complete(60)
    expected = bundle.score(cohort).table
    monkeypatch.setattr(camlif.model.bundle, "BLOCK", 7)
    monkeypatch.setattr(camlif.model.bundle, "free_threads", lambda device: 3)

    found = bundle.score(cohort).table

    assert found["patient_id"].tolist() == expected["patient_id"].tolist()
    _close(found["log_risk"].to_numpy(), expected["log_risk"].to_numpy())


def test_a_cohort_without_patients_has_an_empty_result() -> None:
    result = tiny_bundle().score(_complete().take([]))

    assert len(result) == 0
    assert tuple(result.table.columns) == COLUMNS


@pytest.mark.parametrize("missing_ct", [False, True])
def test_a_patient_of_a_bag_does_not_depend_on_who_shares_the_batch(missing_ct: bool) -> None:
    bundle, cohort = _with_bag(), _bag_cohort(12, seed=9)
    missing = ("ct",) if missing_ct else ()
    together = bundle.score(cohort, missing=missing).member_log_risk
    order = np.random.default_rng(0).permutation(len(cohort))

    _close(bundle.score(cohort.take(order), missing=missing).member_log_risk, together[order])
    for row in range(len(cohort)):
        alone = bundle.score(cohort.take([row]), missing=missing).member_log_risk
        _close(alone, together[[row]])


def test_risk_does_not_depend_on_column_order_or_identifiers_or_surplus_columns() -> None:
    bundle, cohort = tiny_bundle(), _complete()
    expected = bundle.score(cohort).log_risk
    other = replace(shuffled(cohort), patient_ids=np.array([f"X{i}" for i in range(len(cohort))]))
    _close(bundle.score(other).log_risk, expected)


def test_outcome_is_not_read() -> None:
    bundle, cohort = tiny_bundle(), new_patients()
    without = bundle.score(replace(cohort, duration=None, event=None))
    pd.testing.assert_frame_equal(without.table, bundle.score(cohort).table)


def test_missing_column_is_named_and_the_modality_can_be_declared_missing() -> None:
    cohort = renamed(_complete(), "ct", ct_1_1="hounsfield")
    bundle = replace(tiny_bundle(), reference=_validated(valid=True))
    with pytest.raises(SchemaError, match="ct_1_1"):
        bundle.score(cohort)
    result = bundle.score(cohort, missing=("ct",))
    assert result.scored.all()
    assert (result.table["missing"] == "ct").all()
    assert result.table["warnings"].str.contains("scored without ct").all()


def test_modality_declared_missing_scores_like_one_that_is_not_there() -> None:
    bundle = replace(tiny_bundle(), reference=_validated(valid=True))
    cohort = _complete()
    absent = replace(
        cohort,
        tables={**cohort.tables, "ct": np.full_like(cohort.tables["ct"], np.nan)},
        presence=np.tile([True, False], (len(cohort), 1)),
    )
    expected = bundle.score(absent).log_risk
    _close(bundle.score(cohort, missing=("ct",)).log_risk, expected)
    _close(bundle.score(cohort.select(modalities=["pathology"])).log_risk, expected)


def test_a_subset_that_was_not_valid_is_not_scored_but_stays_as_a_row() -> None:
    bundle = replace(tiny_bundle(), reference=_validated(valid=False))
    cohort = new_patients()
    result = bundle.score(cohort)
    partial = ~cohort.presence.all(axis=1)
    assert partial.any()
    np.testing.assert_array_equal(result.scored, ~partial)
    rows = result.table[partial]
    assert len(result.table) == len(cohort)
    assert rows["warnings"].str.startswith("not scored: ").all()
    assert rows["warnings"].str.contains("did not rank patients in validation").all()
    assert (
        rows[["log_risk", "z", "z_low", "z_high", "percentile", "risk_group", "agreement"]]
        .isna()
        .all(axis=None)
    )
    assert np.isnan(result.survival[partial]).all()


def test_every_patient_unscored_is_a_result_too() -> None:
    bundle = replace(tiny_bundle(), reference=_validated(valid=False))
    result = bundle.score(_complete(), missing=("ct",))
    assert not result.scored.any()
    assert result.table["warnings"].str.startswith("not scored").all()


def test_reasons_tell_no_modality_from_unvalidated_ones() -> None:
    reference = without_parts(tiny_bundle().reference)
    cohort = _complete(3)
    raw = tiny_bundle().prepare(cohort)
    presence = np.array([[True, True], [False, True], [False, False]])
    complete, partial, empty = unscored_reasons(
        replace(raw, presence=presence),
        find_members(reference.subgroups, cohort),
        tiny_bundle().schema,
        reference,
    )
    assert complete is None
    assert partial is not None
    assert "not validated on ct alone" in partial
    assert empty == "not scored: no modality of the model is present"


def test_members_that_saw_a_patient_count_in_nothing_that_is_said_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    before = bundle.score(cohort)
    seen = bundle.reference.seen[before.scored]
    assert seen.any(axis=1).all()
    predict = Ensemble.predict

    def spoiled(ensemble: Ensemble, raw: RawInputs, **settings: Any) -> Prediction:
        found = predict(ensemble, raw, **settings)
        return replace(found, log_risk=np.where(seen, found.log_risk + 50, found.log_risk))

    monkeypatch.setattr(Ensemble, "predict", spoiled)
    pd.testing.assert_frame_equal(bundle.score(cohort).table, before.table)


def test_combine_averages_the_members_that_did_not_see_the_patient() -> None:
    risk = np.array([[1.0, 2.0, 6.0], [1.0, 2.0, 6.0], [1.0, 2.0, 6.0]])
    seen = np.array([[False, False, False], [False, True, False], [True, True, True]])
    found = combine(risk, seen)
    np.testing.assert_allclose(found.log_risk, [3.0, 3.5, np.nan])
    np.testing.assert_array_equal(found.used, ~seen)


def test_training_patients_get_heldout_risks_whatever_their_identifiers() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    order = np.random.default_rng(1).permutation(len(cohort))
    renamed_ids = replace(
        cohort.take(order), patient_ids=np.array([f"anon{i}" for i in range(len(cohort))])
    )
    result = bundle.score(renamed_ids)
    complete = renamed_ids.presence.all(axis=1)
    assert result.is_training[complete].all()
    assert (result.is_training | result.unclear).all()
    words = np.where(result.is_training, "yes", "cannot tell")
    np.testing.assert_array_equal(result.table["in_training"], words)
    unseen = ~bundle.reference.seen[order]
    np.testing.assert_array_equal(result.members_used, unseen & result.scored[:, None])
    for row in np.flatnonzero(result.scored)[:20]:
        expected = result.member_log_risk[row, unseen[row]].mean()
        assert result.log_risk[row] == pytest.approx(expected)


def test_new_patients_get_every_member() -> None:
    result = tiny_bundle().score(_complete())
    assert not result.is_training.any()
    assert (result.table["in_training"] == "no").all()
    assert (result.members_used.sum(axis=1) == N_SPLITS).all()


def test_a_patient_whom_every_member_saw_gets_no_score() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    seen = bundle.reference.seen.copy()
    row = int(np.flatnonzero(cohort.presence.all(axis=1))[0])
    seen[row] = True
    spoiled = replace(bundle, reference=replace(bundle.reference, seen=seen))
    result = spoiled.score(cohort.take([row]))
    assert not result.scored[0]
    assert "no unbiased prediction" in result.table["warnings"][0]


def test_a_training_patient_whom_no_member_saw_is_still_one_of_training() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    row = int(np.flatnonzero(cohort.presence.all(axis=1))[0])
    seen = bundle.reference.seen.copy()
    seen[row] = False  # in the test part of every split
    unseen = replace(bundle, reference=replace(bundle.reference, seen=seen))
    result = unseen.score(cohort.take([row]))
    assert result.scored[0]
    assert result.is_training[0]
    assert result.members_used[0].all()


def test_an_unclear_patient_is_scored_by_members_that_cannot_have_seen_it_and_says_so() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    older = replace(cohort, clinical=cohort.clinical.assign(age=cohort.clinical["age"] + 7))
    result = bundle.score(older)
    rows = np.flatnonzero(result.unclear & result.scored & result.held_out)
    assert len(rows) > len(cohort) / 2
    np.testing.assert_array_equal(result.members_used[rows], ~bundle.reference.seen[rows])
    for row in rows:
        assert (
            "cannot tell whether this patient was in the training cohort: its values are like "
            "those of a training patient (scored by the one model that did not see that one)"
        ) in result.table["warnings"][row]


def test_group_and_percentile_do_not_depend_on_the_uploaded_cohort() -> None:
    bundle, cohort = tiny_bundle(), _complete(30)
    whole = bundle.score(cohort).table
    highest = whole.sort_values("log_risk").index[-10:].to_numpy()
    part = bundle.score(cohort.take(highest)).table
    columns = ["risk_group", "agreement"]
    pd.testing.assert_frame_equal(part[columns], whole.loc[highest, columns].reset_index(drop=True))
    np.testing.assert_allclose(part["percentile"], whole.loc[highest, "percentile"], atol=1 / 200)


def test_z_percentile_group_and_agreement_follow_from_the_reference() -> None:
    bundle = tiny_bundle()
    result, reference = bundle.score(_complete()), bundle.reference
    z = (result.log_risk - reference.mean) / reference.sd
    np.testing.assert_allclose(result.z, z)
    lower = [(reference.sorted_z < value).mean() * 100 for value in z]
    np.testing.assert_allclose(result.table["percentile"], lower)
    groups = np.array(reference.strata.names)[np.searchsorted(reference.strata.cutoffs, z)]
    assert result.stratum.tolist() == groups.tolist()
    interval = reference.spread.interval(result.member_log_risk, result.members_used, z)
    half = interval.half_width / reference.sd
    low, high = result.table["z_low"], result.table["z_high"]
    np.testing.assert_allclose([low, high], [z - half, z + half])
    labels = [reference.strata.label(a, b) for a, b in zip(low, high, strict=True)]
    said = result.table["risk_group"].str.removesuffix(UNLIKE)
    assert said.tolist() == labels
    edges = np.array([-np.inf, *reference.strata.cutoffs, np.inf])
    own = np.searchsorted(reference.strata.cutoffs, z)
    within = [
        stdtr(df, (above - value) / scale) - stdtr(df, (below - value) / scale)
        for value, below, above, scale, df in zip(
            z, edges[own], edges[own + 1], interval.scale / reference.sd, interval.df, strict=True
        )
    ]
    np.testing.assert_allclose(result.table["agreement"], within)
    plain = ~said.str.startswith("Borderline")
    # One label: a plain group means that the interval leaves it nowhere, on either side.
    assert (result.table["agreement"][plain] >= 0.95).all()


def test_one_member_is_no_surer_than_many() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    trained = bundle.score(cohort)
    assert (trained.members_used[trained.scored].sum(axis=1) == 1).all()
    new = replace(bundle, reference=replace(bundle.reference, seen=bundle.reference.seen & False))
    width = [
        (result.table["z_high"] - result.table["z_low"]).median()
        for result in (trained, new.score(cohort))
    ]
    assert width[0] > width[1] > 0


def test_survival_is_empty_where_the_gate_is_closed_and_falls_with_risk_where_open() -> None:
    cohort = _complete()
    survival = [f"survival_{h}m" for h in HORIZONS]
    closed = replace(tiny_bundle(), reference=_with_gates(is_open=False)).score(cohort)
    assert closed.table[survival].isna().all(axis=None)
    assert np.isnan(closed.survival).all()
    opened = replace(tiny_bundle(), reference=_with_gates(is_open=True)).score(cohort)
    like = ~opened.unlike
    assert like.any()
    assert opened.table[survival].notna().all(axis=1).tolist() == like.tolist()
    table = opened.table[like].sort_values("log_risk")
    for column in survival:
        assert (table[column].diff().dropna() * tiny_bundle().calibration.slope <= 1e-12).all()
    assert (opened.survival_low <= opened.survival_high + 1e-12)[like].all()
    np.testing.assert_allclose(opened.survival[:, 36], opened.table["survival_36m"])


def test_a_single_open_gate_shows_its_horizon_only() -> None:
    reference = with_gates(
        _with_gates(is_open=False),
        lambda gate: replace(gate, verdict="open" if gate.horizon == 12 else "closed"),
    )
    bundle = replace(tiny_bundle(), reference=reference)
    result = bundle.score(_complete())
    assert result.table["survival_12m"][~result.unlike].notna().all()
    assert result.table["survival_36m"].isna().all()
    assert result.times[-1] == 12


def test_values_outside_the_training_range_are_warned_of() -> None:
    cohort = _complete(5)
    far = replace(cohort, tables={**cohort.tables, "ct": cohort.tables["ct"] + 1e3})
    result = tiny_bundle().score(far)
    assert result.table["warnings"].str.contains("ct: 100% of values outside").all()
    np.testing.assert_array_equal(result.checks.out_of_range["ct"], 1.0)


@pytest.mark.parametrize("value", [1e38, np.inf])
def test_one_broken_cell_makes_a_patient_unlike_the_training_data(value: float) -> None:
    cohort, bundle = _complete(4), replace(tiny_bundle(), reference=_with_gates(is_open=True))
    table = cohort.tables["ct"].copy()
    table[1, 2], table[2, 0] = value, -value
    result = bundle.score(replace(cohort, tables={**cohort.tables, "ct": table}))
    assert result.checks.far["ct"].tolist() == [0, 1, 1, 0]
    columns = cohort.schema["ct"].columns
    assert result.checks.farthest["ct"].tolist() == ["", columns[2], columns[0], ""]
    assert result.unlike[1:3].all()
    told = result.table.iloc[1:3]
    assert told["warnings"].str.contains("ct: 1 value beyond anything in the training data").all()
    assert told["risk_group"].str.endswith(", unlike the training data").all()
    hidden = ["survival_12m", "survival_36m", "survival_60m", "outlived_by_90_percent_months"]
    assert told[hidden].isna().all(axis=None)
    assert np.isnan(result.survival[1:3]).all()
    # Every member clips to what it was trained on, so the risk is that of the range's end.
    ends = cohort.tables["ct"].copy()
    ends[1, 2], ends[2, 0] = 1e3, -1e3
    at_end = bundle.score(replace(cohort, tables={**cohort.tables, "ct": ends}))
    _close(result.log_risk, at_end.log_risk)


def test_a_bag_with_a_broken_cell_is_unlike_the_training_data() -> None:
    cohort = _bag_cohort(6, seed=8)
    name = next(m.name for m in cohort.schema.modalities if m.bag)
    bags = list(cohort.bags[name])
    row = next(i for i, bag in enumerate(bags) if len(bag) > 1)
    bags[row] = np.full_like(bags[row], 3e38)  # whose sum is beyond float32
    broken = replace(cohort, bags={**cohort.bags, name: tuple(bags)})
    assert _with_bag().score(broken).checks.far[name][row] == bags[row].shape[1]


def test_imputed_values_and_absent_clinical_inputs_are_told() -> None:
    cohort = _complete(5)
    table = cohort.tables["pathology"].copy()
    table[:, 3:6] = np.nan  # of the seven, and not the whole group
    clinical = cohort.clinical.drop(columns="sex").assign(age=[50.0, np.nan, 60.0, 61.0, 62.0])
    bundle = tiny_bundle()
    ranks = tuple(replace(worth, low=0.6) for worth in bundle.reference.inputs)
    bundle = replace(bundle, reference=replace(bundle.reference, inputs=ranks))
    result = bundle.score(
        replace(cohort, tables={**cohort.tables, "pathology": table}, clinical=clinical)
    )
    assert result.table["warnings"].str.contains("pathology: 43% of values imputed").all()
    assert result.table["missing"].tolist() == ["sex", "age; sex", "sex", "sex", "sex"]


def test_a_group_without_any_value_is_masked_and_not_counted_as_imputed() -> None:
    cohort = _complete(5)
    first, second = cohort.schema["pathology"].groups[:2]
    table = cohort.tables["pathology"].copy()
    table[0, : first.n_features] = np.nan
    table[1, : first.n_features + 1] = np.nan
    result = tiny_bundle().score(replace(cohort, tables={**cohort.tables, "pathology": table}))

    assert result.checks.without["pathology"].tolist() == [first.name, first.name, "", "", ""]
    rest = table.shape[1] - first.n_features
    np.testing.assert_allclose(result.checks.imputed["pathology"], [0, 1 / rest, 0, 0, 0])
    assert second.n_features > 1
    told = result.table["warnings"]
    assert told.str.contains(f"pathology: {first.name} missing, masked").tolist()[:3] == [
        True,
        True,
        False,
    ]
    assert "imputed" not in told[0]


def test_a_patient_far_from_the_training_data_is_warned_of_in_the_table() -> None:
    cohort = _complete(5)
    far = replace(cohort, tables={**cohort.tables, "ct": cohort.tables["ct"] * 100})
    told = tiny_bundle().score(far).table["warnings"]
    assert told.str.contains("ct: beyond the 99th percentile of distance").all()


def test_a_model_that_does_not_rank_shows_no_group() -> None:
    reference = with_whole(_with_gates(is_open=True), c_index=0.55, low=0.49, high=0.61)
    result = replace(tiny_bundle(), reference=reference).score(_complete())
    assert not result.scored.any()
    assert result.table["risk_group"].isna().all()
    assert result.table[[f"survival_{h}m" for h in HORIZONS]].isna().all(axis=None)
    assert (
        result.table["warnings"]
        == "not scored: the model did not rank patients in validation (C-index 0.55 (0.49 to 0.61))"
    ).all()


def test_absolute_risk_follows_the_calibration_of_the_modalities_at_hand() -> None:
    reference = with_parts(_with_gates(is_open=True), n_patients=100, n_events=50, low=0.6)
    bundle, cohort = replace(tiny_bundle(), reference=reference), _complete()
    result = bundle.score(cohort, missing=("ct",))
    part = reference.validated(frozenset({"pathology"}))
    assert part is not None
    own = part.require_calibration().survival(result.log_risk, HORIZONS)
    shown = result.table[[f"survival_{h}m" for h in HORIZONS]].to_numpy("float64")
    like = ~result.unlike
    np.testing.assert_allclose(shown[like], own[like])
    whole = bundle.calibration.survival(result.log_risk, HORIZONS)
    assert np.abs(own - whole).max() > 0.01


def test_the_gate_of_the_modalities_at_hand_hides_absolute_risk() -> None:
    opened = with_parts(_with_gates(is_open=True), n_patients=100, n_events=50, low=0.6)
    closed = tuple(replace(g, verdict="closed", reason="x") for g in opened.whole.gates)
    bundle = replace(tiny_bundle(), reference=with_parts(opened, gates=closed))
    cohort = _complete()
    part, whole = bundle.score(cohort, missing=("ct",)), bundle.score(cohort)
    assert np.isnan(part.survival).all()
    assert part.table["survival_36m"].isna().all()
    assert whole.table["survival_36m"][~whole.unlike].notna().all()
    assert np.array_equal(part.times, whole.times)
