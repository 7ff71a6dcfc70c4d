"""The linear skip: its start, its gradient, what it ignores, and how it is explained."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from camlif.config import NetworkConfig, RunConfig
from camlif.data.splits import make_splits
from camlif.exceptions import ConfigError
from camlif.explain import explain_features
from camlif.linear import averaged as skip_start
from camlif.linear.averaged import fit_skip_start
from camlif.linear.elastic_net import elastic_net_path
from camlif.linear.penalised import ridge_path
from camlif.model.bundle import Bundle, load_bundle
from camlif.model.fit import train
from camlif.networks.camlif import CaMlif
from camlif.networks.interface import Inputs
from camlif.networks.linear_skip import LinearSkip
from camlif.statistics import concordance_index
from camlif.statistics.outcome import FollowUp
from camlif.training.engine import train_ensemble
from camlif.training.ensemble import to_tensors
from tests.builders.cohorts import make_cohort, make_schema
from tests.networks.batches import SMALL, build, draw_inputs, draw_outcome, small_config, take

P, C = "pathology", "ct"
TWO = make_schema({P: (3, 4), C: (5, 2)}, clinical=True)
THREE = make_schema({P: (3, 4), C: (5, 2)}, bags={"patch": 3}, clinical=True)
N = 120


class Part(NamedTuple):
    """A skip and the training part it was fitted to."""

    skip: LinearSkip
    inputs: Inputs
    event: NDArray[np.bool_]
    duration: NDArray[np.float64]


def outcome_of(
    log_risk: torch.Tensor, seed: int = 0
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Event (n,) and duration (n,) of exponential times with a log hazard."""
    rng = np.random.default_rng(seed)
    duration = rng.exponential(size=len(log_risk)) / np.exp(log_risk.numpy())
    return rng.random(len(log_risk)) < 0.8, duration


def fitted(schema: Any = TWO, **changes: Any) -> Part:
    inputs = draw_inputs(schema, N)
    event, duration = outcome_of(inputs.tables[P][:, 0] + inputs.tables[C][:, 1])
    skip = LinearSkip(schema, inputs.clinical.shape[1], small_config(linear_skip=True, **changes))
    skip = skip.double()
    skip.fit_start(inputs, event, duration)
    return Part(skip, inputs, event, duration)


# Start


@pytest.fixture(scope="module")
def part() -> Part:
    """A skip with its start, and the training part that gave it."""
    return fitted()


def test_the_columns_model_is_the_elastic_net_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skip_start, "PRIOR", (1.0, 0.0))
    skip, inputs, event, duration = fitted(skip_factors=0, skip_crossed=0)
    columns = torch.cat([*inputs.tables.values()], dim=-1).numpy()
    clinical = inputs.clinical.numpy()
    x = np.concatenate([columns, clinical / (clinical.std(0) * skip_start.ON_CLINICAL)], axis=1)
    path = elastic_net_path(x - x.mean(0), event, duration, n_alphas=40, alpha_min_ratio=0.02)
    risks = path.coefficients @ x.T
    gap = np.abs(risks - skip(inputs).detach().numpy()).max(axis=1)
    assert gap.min() < 1e-8
    assert 0 < gap.argmin() < 39
    assert skip.products is None


@pytest.mark.parametrize("seed", range(3))
def test_a_path_that_ends_early_chooses_what_the_whole_path_does(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(seed).standard_normal((150, 60))
    event, duration = outcome_of(torch.as_tensor(x[:, 0] - x[:, 1]), seed)
    beta, held_out = skip_start._elastic_net(x, FollowUp.check(event, duration))
    monkeypatch.setattr(skip_start, "PATIENCE", skip_start.N_ALPHAS)
    of_all, best = skip_start._elastic_net(x, FollowUp.check(event, duration))
    assert held_out == best
    np.testing.assert_array_equal(beta, of_all)


def test_the_blocks_model_weighs_a_ridge_model_of_each_modality(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(skip_start, "PRIOR", (0.0, 1.0))
    skip, inputs, event, duration = fitted(skip_factors=0, skip_crossed=0)
    assert skip.clinical is not None
    clinical = inputs.clinical.numpy() / inputs.clinical.numpy().std(0)
    found = [skip.weights[m].detach().numpy() for m in (P, C)]
    found.append((skip.clinical.detach() * inputs.clinical.std(0, correction=0)).numpy())
    for x, weights in zip(
        [*(inputs.tables[m].numpy() for m in (P, C)), clinical], found, strict=True
    ):
        path = ridge_path(x, event, duration, penalizers=list(skip_start.RIDGE_ALPHAS / N))
        size = np.linalg.norm(path, axis=1) * np.linalg.norm(weights)
        nothing = not weights.any()
        assert nothing or (path @ weights / size).max() == pytest.approx(1, abs=1e-8)
    assert all(weights.any() for weights in found[:2])


def test_a_block_without_signal_or_patients_with_an_event_counts_little() -> None:
    rng = np.random.default_rng(5)
    x = [rng.standard_normal((300, 6)), rng.standard_normal((300, 6)), np.zeros((300, 4))]
    presence = np.ones((300, 3), dtype=bool)
    event, duration = outcome_of(torch.as_tensor(x[0][:, 0]))
    presence[:, 2] = ~event
    blocks = {"columns": np.concatenate(x, axis=1), "clinical": np.zeros((300, 0))}
    model = skip_start._fit_stacked(blocks, x, presence, FollowUp.check(event, duration))
    signal, noise, absent = np.split(model.coefficients["columns"], [6, 12])
    assert np.abs(signal).sum() > 10 * np.abs(noise).sum()
    assert signal[0] > 0.3
    assert not absent.any()


def test_penalties_are_not_chosen_on_the_patients_who_were_fitted() -> None:
    """Of many columns of noise the weakest penalty fits best, and predicts worst."""
    size = {"elastic net": [], "ridge": []}
    for seed in range(6):
        x = np.random.default_rng(seed).standard_normal((N, N // 2))
        event, duration = outcome_of(torch.zeros(N), seed)
        followed = FollowUp(event, duration, None)
        beta, _ = skip_start._elastic_net(x, followed)
        size["elastic net"].append((x @ beta).std())
        chosen = skip_start._ridge(x, np.ones(N, dtype=bool), followed)
        size["ridge"].append((x @ chosen.coefficients).std())
        weakest = ridge_path(x, event, duration, penalizers=[skip_start.RIDGE_ALPHAS[-1] / N])
        assert (x @ weakest[0]).std() > 1
    assert max(map(np.median, size.values())) < 0.3


def test_components_are_those_of_the_patients_who_have_the_modality() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, 5)) * [3, 2, 1, 1, 1] + 4
    present = rng.random(N) < 0.6
    x[~present] = 0
    loadings = skip_start._loadings(x, present, 2)
    factors = x[present] @ loadings.T
    np.testing.assert_allclose(np.cov(factors.T, ddof=0), np.eye(2), atol=1e-10)
    _, axes = np.linalg.eigh(np.cov(x[present].T))
    along = loadings / np.linalg.norm(loadings, axis=1, keepdims=True)
    np.testing.assert_allclose(np.abs(along @ axes[:, [-1, -2]]), np.eye(2), atol=1e-10)


def test_models_share_by_their_held_out_likelihood() -> None:
    shares = skip_start._shares([-300.0, -310.0, -700.0])
    np.testing.assert_allclose(shares, [np.e / (1 + np.e), 1 / (1 + np.e), 0.0], atol=1e-12)
    np.testing.assert_allclose(skip_start._shares([5.0] * 4), [1 / 3, 1 / 3, 1 / 6, 1 / 6])
    np.testing.assert_allclose(skip_start._shares([5.0]), [1.0])


def test_the_module_computes_the_formula_of_its_start(part: Part) -> None:
    skip, inputs, event, duration = part
    x = [inputs.tables[m].numpy() for m in (P, C)]
    clinical = inputs.clinical.numpy()
    present = np.ones((N, 2), dtype=bool)
    start = fit_skip_start(x, present, clinical, event, duration, n_factors=4, n_crossed=2)
    s = [a @ v.T for a, v in zip(x, start.loadings, strict=True)]
    wanted = x[0] @ start.weights[0] + x[1] @ start.weights[1] + clinical @ start.clinical
    for i in range(N):
        wanted[i] += s[0][i] @ start.products[0] @ s[1][i] - start.level[0]
    np.testing.assert_allclose(skip(inputs).detach(), wanted, atol=1e-10)
    assert start.shares.sum() == pytest.approx(1)
    for factor in s:
        np.testing.assert_allclose(np.cov(factor.T, bias=True), np.eye(4), atol=1e-10)


def test_products_are_found_where_no_sum_predicts() -> None:
    rng = np.random.default_rng(3)
    latent = rng.standard_normal((400, 2))
    loadings = 1.5 * rng.standard_normal((2, 8))
    noise = rng.standard_normal((2, 400, 8))
    x = [latent[:, m, None] * loadings[m] + noise[m] for m in range(2)]
    event, duration = outcome_of(torch.as_tensor(1.5 * latent.prod(1)))
    train, test = slice(0, 250), slice(250, 400)
    start = fit_skip_start(
        [a[train] for a in x],
        np.ones((250, 2), dtype=bool),
        np.zeros((250, 0)),
        event[train],
        duration[train],
        n_factors=2,
        n_crossed=2,
    )
    assert start.shares[3] > 0.9
    s = [a[test] @ v.T for a, v in zip(x, start.loadings, strict=True)]
    product = np.einsum("nk,kl,nl->n", s[0], start.products[0], s[1])
    assert concordance_index(product, event[test], duration[test]) > 0.68


def test_constant_columns_and_modalities_without_rank_get_no_weight() -> None:
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((N, 5)), np.zeros((N, 3))]
    x[0][:, 2] = 0.0
    event, duration = outcome_of(torch.as_tensor(x[0][:, 0]))
    start = fit_skip_start(
        x, np.ones((N, 2), bool), np.ones((N, 1)), event, duration, n_factors=4, n_crossed=2
    )
    assert start.weights[0][0] > 0.1
    assert abs(start.weights[0][2]) < 1e-12
    assert start.clinical[0] == 0
    assert not start.weights[1].any()
    assert not start.products.any()


# Graph


def test_a_network_without_skip_has_none_of_its_parameters() -> None:
    plain, with_skip = (
        {name for name, _ in build(TWO, small_config(**changes)).named_parameters()}
        for changes in ({}, {"linear_skip": True, "network_scale": 0.1})
    )
    assert with_skip - plain == {
        "scale",
        "skip.weights.pathology",
        "skip.weights.ct",
        "skip.loadings.pathology",
        "skip.loadings.ct",
        "skip.products",
        "skip.level",
        "skip.clinical",
    }
    assert plain <= with_skip


def test_the_risk_is_the_scaled_network_beside_the_skip() -> None:
    network = build(THREE, small_config(linear_skip=True, network_scale=0.25)).eval()
    inputs = draw_inputs(THREE, 9)
    output = network(inputs)
    own = network.head(output.embeddings["fusion"], inputs.clinical)
    torch.testing.assert_close(output.risk, own * network.scale + network.skip(inputs))


def test_gradients_reach_every_skip_parameter_and_every_input() -> None:
    torch.manual_seed(0)
    network = build(THREE, small_config(linear_skip=True))
    for p in network.skip.parameters():
        torch.nn.init.normal_(p)
    inputs = draw_inputs(THREE, 32)
    leaves = [*inputs.tables.values(), inputs.clinical]
    for leaf in leaves:
        leaf.requires_grad_()
    total = network.loss(network(inputs), draw_outcome(inputs)).total
    for gradient in torch.autograd.grad(total, list(network.skip.parameters())):
        assert (gradient != 0).all()
    for leaf in torch.autograd.grad(network.skip(inputs).sum(), leaves):
        assert (leaf.flatten(0, -2) != 0).all()


def test_what_a_patient_lacks_adds_nothing_to_the_skip() -> None:
    torch.manual_seed(0)
    skip = LinearSkip(THREE, 5, NetworkConfig(linear_skip=True)).double()
    for p in skip.parameters():
        torch.nn.init.normal_(p)
    inputs = draw_inputs(THREE, 4)
    inputs.presence[0, 1] = False  # no CT
    inputs.masks[P][1, 0] = False  # no first group
    inputs.masks["patch"][2, 1:] = False  # one instance
    before = skip(inputs)
    for name, rows in ((C, 0), (P, (1, slice(0, 3))), ("patch", (2, slice(1, None)))):
        inputs.tables[name][rows] = 7.0
    torch.testing.assert_close(skip(inputs), before)
    inputs.tables[C][1] = 7.0
    assert (skip(inputs) - before).abs()[1] > 1e-3
    alone = skip(take(inputs, [0]))
    weights = dict(skip.named_parameters())
    x_p, x_b = inputs.tables[P][0], inputs.tables["patch"][0].mean(0)
    s_p, s_b = weights["loadings.pathology"] @ x_p, weights["loadings.patch"] @ x_b
    pair = list(combinations(range(3), 2)).index((0, 2))
    wanted = (
        x_p @ weights["weights.pathology"]
        + x_b @ weights["weights.patch"]
        + inputs.clinical[0] @ weights["clinical"]
        + s_p @ weights["products"][pair] @ s_b
        - skip.level[pair]
    )
    torch.testing.assert_close(alone[0], wanted)


def test_training_leaves_the_skip_at_its_start_and_moves_the_network() -> None:
    cohort = make_cohort(80, seed=4)
    event, _ = cohort.outcome()
    splits = make_splits(cohort.patient_ids, event, n_splits=2, scheme="monte_carlo", seed=1)
    trained = []
    for epochs in (1, 3):
        config = RunConfig.from_preset(
            "robust",
            network=SMALL,
            splits=2,
            split_scheme="monte_carlo",
            epochs=epochs,
            stored_precision="float32",
        )
        result = train_ensemble(cohort, config, splits, device=torch.device("cpu"))
        trained.append(result.ensemble.parameters)
    moved = {name for name in trained[0] if not torch.equal(trained[0][name], trained[1][name])}
    assert not any(name.startswith("skip.") for name in moved)
    assert {"scale", "mlp.weight", "head.out.weight"} <= moved
    assert trained[0]["skip.weights.ct"].abs().max() > 0


def test_skip_settings_survive_the_round_trip_and_impossible_ones_are_refused() -> None:
    config = RunConfig.from_preset("robust", network={"skip_crossed": 1}, splits=5)
    assert RunConfig.from_json(config.to_json()) == config
    with pytest.raises(ConfigError, match="skip_crossed"):
        NetworkConfig(linear_skip=True, skip_factors=1, skip_crossed=2)


# Explanation

WITH_BAG: dict[str, Any] = {"bags": {"patch": 3}, "missing_values": 0.1, "strength": 4.0}


@pytest.fixture(scope="module")
def robust_bundle() -> Bundle:
    cohort = make_cohort(120, seed=1, clinical=True, gaps={C: 0.3}, **WITH_BAG)
    config = RunConfig.from_preset(
        "robust",
        network={"width": 16, "mam_gate": "concat", "mam_width": 8, "lmf_width": 8},
        splits=5,
        epochs=1,
    )
    return train(cohort, config, device="cpu")


@pytest.mark.parametrize("method", ["ig", "deeplift"])
def test_contributions_through_the_skip_add_up(robust_bundle: Bundle, method: str) -> None:
    new = make_cohort(20, seed=2, clinical=True, **WITH_BAG)
    rows = np.arange(4)
    result = explain_features(robust_bundle, new, rows, method=method)
    assert np.abs(result.completeness_gap).max() < 0.02
    np.testing.assert_allclose(result.log_risk, robust_bundle.score(new).log_risk[:4], atol=1e-5)
    assert np.abs(result.log_risk - result.base_value).max() > 0.1


def test_a_stored_bundle_scores_the_same(robust_bundle: Bundle, tmp_path: Path) -> None:
    new = make_cohort(20, seed=2, clinical=True, **WITH_BAG)
    robust_bundle.save(tmp_path / "model")
    loaded = load_bundle(tmp_path / "model", device="cpu")
    log_risk = robust_bundle.score(new).log_risk
    assert np.isfinite(log_risk).all()
    np.testing.assert_array_equal(loaded.score(new).log_risk, log_risk)
    assert isinstance(loaded.ensemble.member(0), CaMlif)
    raw = to_tensors(loaded.prepare(new), torch.device("cpu"))
    assert loaded.ensemble.forward(raw).risk.shape == (5, 20)
