"""Shapley interaction indices against closed forms, brute force and the truth of a simulation."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from camlif.arrays import BoolArray, Float64Array
from camlif.config import NetworkConfig, RunConfig, TrainConfig
from camlif.data.samples import load_sample
from camlif.data.simulator import simulate
from camlif.exceptions import ConfigError, EstimationError
from camlif.explain import (
    explain_features,
    explain_interactions,
    explain_modalities,
    strongest_features,
)
from camlif.explain.explained import prepare
from camlif.explain.interaction_index import (
    Game,
    covering_orders,
    exact_interactions,
    sampled_interactions,
)
from camlif.explain.interactions import OTHERS, default_rounds
from camlif.model.bundle import Bundle, load_bundle
from camlif.model.fit import train
from tests.builders.bundles import new_patients, tiny_bundle, tiny_cohort
from tests.builders.cohorts import make_cohort
from tests.builders.validated import ranked, scored_without

MODELS = Path(__file__).resolve().parents[2] / "models"


def random_game(p: int, seed: int = 0, e: int = 2) -> tuple[Float64Array, Game]:
    """Values of all coalitions, (e, 2^p), and the game that looks them up."""
    values = np.random.default_rng(seed).standard_normal((e, 2**p))

    def play(coalitions: BoolArray) -> Float64Array:
        return values[:, (coalitions << np.arange(p)).sum(axis=1)]

    return values, play


def polynomial(
    linear: NDArray[np.float64], quadratic: NDArray[np.float64], constant: float = 0.0
) -> Game:
    """The game c + a'z + sum_(i<j) b_ij z_i z_j with z = 1 for a player that is in."""

    def play(coalitions: BoolArray) -> Float64Array:
        z = coalitions.astype(float)
        return (constant + z @ linear + ((z @ np.triu(quadratic, 1)) * z).sum(axis=1))[None]

    return play


def by_definition(values: Float64Array, p: int) -> Float64Array:
    """Grabisch and Roubens 1999, summed over every set of the other players."""
    found = []
    for i, j in combinations(range(p), 2):
        total = np.zeros(len(values))
        others = [k for k in range(p) if k not in (i, j)]
        for size in range(p - 1):
            weight = math.factorial(size) * math.factorial(p - size - 2) / math.factorial(p - 1)
            for chosen in combinations(others, size):
                s = sum(1 << k for k in chosen)
                total += weight * (
                    values[:, s | 1 << i | 1 << j]
                    - values[:, s | 1 << i]
                    - values[:, s | 1 << j]
                    + values[:, s]
                )
        found.append(total)
    return np.stack(found, axis=1)


# The index of a game


@pytest.mark.parametrize("p", [2, 3, 5])
def test_exact_index_is_its_definition(p: int) -> None:
    values, game = random_game(p)
    found = exact_interactions(game, p)
    np.testing.assert_allclose(found.index, by_definition(values, p), atol=1e-12)


def test_a_product_of_two_features_interacts_by_its_coefficient_and_nothing_else_does() -> None:
    # f = 2 + x1 - 3 x2 + 5 x1 x2 at x1 = 4, x2 = -0.5, x3 = 7 against a baseline of 0.
    x = np.array([4.0, -0.5, 7.0])
    quadratic = np.zeros((3, 3))
    quadratic[0, 1] = 5 * x[0] * x[1]
    found = exact_interactions(polynomial(np.array([1.0, -3.0, 0.0]) * x, quadratic, 2.0), 3)
    np.testing.assert_allclose(found.index[0], [-10, 0, 0], atol=1e-12)


def test_an_additive_function_has_no_interaction() -> None:
    game = polynomial(np.array([1.0, -2.0, 0.5, 3.0]), np.zeros((4, 4)))
    for found in (exact_interactions(game, 4), sampled_interactions(game, 4, rounds=4, seed=0)):
        np.testing.assert_allclose(found.index, 0, atol=1e-12)
        np.testing.assert_allclose(found.shapley, [1, -2, 0.5, 3], atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), p=st.integers(2, 6))
def test_own_parts_and_pairs_sum_to_the_difference(seed: int, p: int) -> None:
    _, game = random_game(p, seed)
    found = exact_interactions(game, p)
    index = found.index.mean(axis=0)
    own = found.shapley.sum() - index.sum()  # every pair is halved twice
    assert own + index.sum() == pytest.approx(found.full - found.empty, abs=1e-9)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_renaming_the_players_renames_the_pairs(seed: int) -> None:
    p = 4
    order = np.random.default_rng(seed).permutation(p)
    _, game = random_game(p, seed)

    def renamed(coalitions: BoolArray) -> Float64Array:
        moved = np.zeros_like(coalitions)
        moved[:, order] = coalitions
        return game(moved)

    plain = dict(zip(combinations(range(p), 2), exact_interactions(game, p).index.T, strict=True))
    for (i, j), value in zip(
        combinations(range(p), 2), exact_interactions(renamed, p).index.T, strict=True
    ):
        a, b = sorted((int(order[i]), int(order[j])))
        np.testing.assert_allclose(value, plain[a, b], atol=1e-12)


# Sampling


@pytest.mark.parametrize("q", range(2, 21, 2))
def test_covering_orders_put_every_pair_side_by_side_once(q: int) -> None:
    orders = covering_orders(q)
    assert (np.sort(orders, axis=1) == np.arange(q)).all()
    neighbours = [tuple(sorted(pair)) for order in orders for pair in pairwise(order.tolist())]
    assert sorted(neighbours) == list(combinations(range(q), 2))


@pytest.mark.parametrize("p", [4, 5])
def test_sampling_is_exact_and_says_so_where_pairs_are_all_there_is(p: int) -> None:
    rng = np.random.default_rng(0)
    linear, quadratic = rng.standard_normal(p), rng.standard_normal((p, p))
    found = sampled_interactions(polynomial(linear, quadratic), p, rounds=3, seed=1)
    np.testing.assert_allclose(found.index[0], quadratic[np.triu_indices(p, 1)], atol=1e-12)
    np.testing.assert_allclose(found.standard_error, 0, atol=1e-12)


@pytest.mark.parametrize("p", [5, 6])
def test_sampling_errs_by_as_much_as_its_standard_error_says(p: int) -> None:
    _, game = random_game(p, seed=3)
    exact = exact_interactions(game, p)
    errors, claimed, shapley = [], [], []
    for seed in range(80):
        found = sampled_interactions(game, p, rounds=16, seed=seed)
        errors.append(found.index.mean(axis=0) - exact.index.mean(axis=0))
        claimed.append(found.standard_error)
        shapley.append(found.shapley)
        assert found.empty == exact.empty
        assert found.full == exact.full
    spread = np.std(errors, axis=0, ddof=1)
    assert (np.abs(np.mean(errors, axis=0)) < 4 * spread / np.sqrt(80)).all()  # unbiased
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(claimed), axis=0)), spread, rtol=0.3)
    np.testing.assert_allclose(np.mean(shapley, axis=0), exact.shapley, atol=0.1)


def test_sampling_needs_two_rounds_for_a_standard_error() -> None:
    _, game = random_game(4)
    with pytest.raises(ConfigError, match="two rounds"):
        sampled_interactions(game, 4, rounds=1, seed=0)


def test_rounds_shrink_with_players_and_members_but_not_to_none() -> None:
    assert default_rounds(11, 1) > default_rounds(11, 15) >= default_rounds(40, 15) >= 2


# Of a patient


@cache
def bilinear_bundle() -> Bundle:
    """Members whose risk is a product of the modalities' first columns (standardised), times 2."""
    network = NetworkConfig.from_preset("robust", width=16, lmf_width=16, mam_width=8)
    cohort = make_cohort(80, seed=1)
    bundle = train(
        cohort, RunConfig(network=network, training=TrainConfig(splits=5, epochs=1)), device="cpu"
    )
    parameters = {name: torch.zeros_like(p) for name, p in bundle.ensemble.parameters.items()}
    for modality in bundle.schema.names:
        parameters[f"skip.loadings.{modality}"][:, 0, 0] = 1
    parameters["skip.products"][:, 0, 0, 0] = 2
    return ranked(replace(bundle, ensemble=replace(bundle.ensemble, parameters=parameters)))


def test_a_bilinear_model_has_the_interaction_of_its_formula() -> None:
    bundle, new = bilinear_bundle(), make_cohort(5, seed=2)
    (batch,) = prepare(bundle, new, [3]).batches
    first = {}
    for name, values in (("own", batch.values), ("base", batch.baseline)):
        scaled = bundle.ensemble.standardise(batch.risk.inputs(*values, *batch.fixed))
        first[name] = [scaled.tables[m][:, 0, 0].double().numpy() for m in bundle.schema.names]
    moved = [own - base for own, base in zip(first["own"], first["base"], strict=True)]
    expected = 2 * moved[0] * moved[1]  # by member
    found = explain_interactions(bundle, new, 3)
    assert found.index[0, 1] == pytest.approx(expected.mean(), abs=1e-5)
    assert found.member_sd[0, 1] == pytest.approx(expected.std(ddof=1), abs=1e-5)
    assert abs(found.index[0, 1]) > 0.01
    columns = [(m.name, m.columns[0]) for m in bundle.schema.modalities]
    by_feature = explain_interactions(bundle, new, 3, level="feature", features=columns)
    top = by_feature.cross_modal[0]
    assert [(top.first.modality, top.first.name), (top.second.modality, top.second.name)] == columns
    assert top.value == pytest.approx(expected.mean(), abs=1e-5)
    for pair in by_feature.pairs[1:]:
        assert pair.value == pytest.approx(0, abs=1e-5)


def test_modality_level_agrees_with_the_shapley_values_and_adds_up() -> None:
    bundle, new = tiny_bundle(), new_patients()
    row = int(np.flatnonzero(new.presence.all(axis=1))[0])
    found = explain_interactions(bundle, new, row)
    shapley = explain_modalities(bundle, new, [row])
    np.testing.assert_allclose(found.shapley, shapley.values[0], atol=1e-5)
    total = found.main.sum() + np.triu(found.index).sum()
    assert total == pytest.approx(found.log_risk - found.base_value, abs=1e-9)
    assert found.log_risk == pytest.approx(bundle.score(new).log_risk[row], abs=1e-5)
    np.testing.assert_array_equal(found.index, found.index.T)
    assert found.rounds is None
    assert (found.standard_error == 0).all()


def test_group_level_sampled_agrees_with_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, new = tiny_bundle(), new_patients()
    row = int(np.flatnonzero(new.presence.all(axis=1))[0])
    exact = explain_interactions(bundle, new, row, level="group")
    assert [p.modality for p in exact.players] == ["pathology"] * 2 + ["ct"] * 2 + ["clinical"]
    monkeypatch.setattr("camlif.explain.interactions.MAX_EXACT", 3)
    sampled = explain_interactions(bundle, new, row, level="group", rounds=60)
    assert sampled.rounds == 60
    limit = 5 * sampled.standard_error + 1e-5
    assert (np.abs(sampled.index - exact.index) <= limit).all()


def test_an_absent_modality_interacts_with_nothing() -> None:
    new = new_patients()
    bundle = tiny_bundle()
    bundle = replace(bundle, reference=scored_without(bundle.reference, "ct"))
    row = int(np.flatnonzero(~new.presence[:, 1])[0])
    found = explain_interactions(bundle, new, row)
    at = [p.name for p in found.players].index("ct")
    assert (found.index[at] == 0).all()
    assert found.main[at] == 0
    assert found.index[0, 2] != 0


def test_a_training_patient_is_explained_by_the_members_that_did_not_see_it() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    row = int(np.flatnonzero(cohort.presence.all(axis=1))[0])
    found = explain_interactions(bundle, cohort, row)
    assert found.n_members == int(bundle.score(cohort).members_used[row].sum())
    assert found.n_members < bundle.n_members


def test_strongest_features_alternate_between_modalities_and_keep_the_index_exact() -> None:
    bundle, new = tiny_bundle(), new_patients()
    row = int(np.flatnonzero(new.presence.all(axis=1))[0])
    features = explain_features(bundle, new, [row], steps=8)
    top = strongest_features(features, 0)
    assert [modality for modality, _ in top[:4]] == ["pathology", "ct", "pathology", "ct"]
    size = np.abs(features["ct"].values[0])
    assert top[1][1] == features["ct"].columns[int(size.argmax())]
    found = explain_interactions(bundle, new, row, level="feature", features=top)
    assert found.rounds is None
    assert {p.name for p in found.players if p.modality == "ct"} == {
        OTHERS,
        *(column for modality, column in top if modality == "ct"),
    }


def test_unknown_features_and_lone_ones_are_refused() -> None:
    bundle, new = tiny_bundle(), new_patients()
    with pytest.raises(ConfigError, match="ct: nothing"):
        explain_interactions(bundle, new, 0, level="feature", features=[("ct", "nothing")])
    with pytest.raises(ConfigError, match="two features"):
        explain_interactions(bundle, new, 0, level="feature", features=[("ct", "ct_0_0")])


def test_the_table_lists_every_pair_with_the_largest_first() -> None:
    bundle, new = tiny_bundle(), new_patients()
    row = int(np.flatnonzero(new.presence.all(axis=1))[0])
    table = explain_interactions(bundle, new, row, level="group").to_frame()
    assert len(table) == 10
    assert table["interaction"].abs().is_monotonic_decreasing


def test_the_product_of_the_simulated_glioma_cohort_is_found() -> None:
    """Held-out members, patients in whom the true product is large (`simulator.py`)."""
    bundle, cohort = load_bundle(MODELS / "glioma", device="cpu"), load_sample("glioma")
    truth = simulate("glioma", n_patients=len(cohort), seed=1).truth.terms["interaction"]
    complete = np.flatnonzero(cohort.presence.all(axis=1))
    large = complete[np.argsort(-np.abs(truth[complete]))][:20]
    found = [explain_interactions(bundle, cohort, int(row)) for row in large]
    for one in found:
        assert {one.pairs[0].first.name, one.pairs[0].second.name} == {"pathology", "genomics"}
    values = np.array([one.pairs[0].value for one in found])
    assert np.corrcoef(values, truth[large])[0, 1] > 0.95
    assert (np.sign(values) == np.sign(truth[large])).all()
    groups = explain_interactions(bundle, cohort, int(large[0]), level="group")
    assert all(pair.is_cross_modal for pair in groups.pairs[:4])
    assert "mRNA" in {p.name for pair in groups.pairs[:2] for p in (pair.first, pair.second)}


def test_a_patient_who_is_not_scored_has_no_interactions() -> None:
    bundle, new = bilinear_bundle(), make_cohort(40, seed=2, gaps=0.4)
    rows = np.flatnonzero(~new.presence.all(axis=1))
    with pytest.raises(EstimationError, match="not scored"):
        explain_interactions(bundle, new, int(rows[0]))
