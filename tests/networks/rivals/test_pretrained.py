"""Rivals that train their encoders first: stages, Pathomic Fusion and PG-MLIF."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camlif.config import RunConfig, TrainConfig
from camlif.data.splits import make_splits
from camlif.exceptions import SchemaError
from camlif.losses import cox_partial_likelihood
from camlif.networks.fusion import outer_product
from camlif.networks.interface import FusionNetwork, Inputs, Step
from camlif.networks.registry import (
    build_architecture,
    build_network,
    network_entry,
)
from camlif.networks.rivals.pretrained import ALONE, RISK
from camlif.training.engine import train_ensemble
from tests.builders.cohorts import make_cohort, make_schema
from tests.networks.batches import draw_inputs, draw_outcome, n_parameters
from tests.networks.rivals.vector_networks import (
    STAGED,
    THREE,
    TWO,
    C,
    G,
    P,
    build,
    native,
    settings,
)

# Stages


@pytest.mark.parametrize("key", STAGED)
def test_encoders_learn_alone_first_and_wait_in_the_second_stage(key: str) -> None:
    network = build_architecture(TWO, 0, native(key))
    training = network_entry(key).native
    alone, together = network.stages(training)
    names = {name for name, _ in network.named_parameters()}
    learning = {name for name in names if name.startswith(alone.trainable)}
    frozen = {name for name in names if name.startswith(together.frozen)}
    assert learning == {name for name in names if name.startswith("encoder")}
    assert frozen == {name for name in names if name.startswith("encoders.")}
    assert (alone.training.epochs, alone.training.learning_rate) == (50, 2e-3)
    assert (together.training, together.frozen_epochs) == (training, 4)
    assert training.learning_rate_at(9) == 1e-4 > training.learning_rate_at(10)


@pytest.mark.parametrize("key", STAGED)
def test_the_first_stage_trains_each_encoder_on_its_own_risk(key: str) -> None:
    network = build(TWO, native(key))
    inputs = draw_inputs(TWO, 20)
    outcome, output = draw_outcome(inputs), network(inputs)
    terms = network.loss(output, outcome, Step(ALONE))
    for m in (P, G):
        own = cox_partial_likelihood(
            output.aux[RISK + m], outcome.event, outcome.duration, reduction="batch"
        )
        torch.testing.assert_close(terms.parts[f"cox_{m}"], own)
    terms.parts[f"cox_{G}"].backward()
    reached = {n for n, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached == {
        n for n, _ in network.named_parameters() if n.startswith(("encoders.g", "encoder_heads.g"))
    }


@pytest.mark.parametrize("key", STAGED)
def test_frozen_encoders_do_not_change_in_the_second_stage(key: str) -> None:
    cohort = make_cohort(60, {P: (3, 4), G: (6,)})
    splits = make_splits(cohort.patient_ids, cohort.event, n_splits=2, scheme="monte_carlo")
    config = native(key, pretrain_epochs=2, freeze_epochs=2)
    states = {}
    for epochs in (1, 2, 3):
        training = replace(network_entry(key).native, epochs=epochs, constant_epochs=epochs)
        run = RunConfig(network=config, training=training)
        result = train_ensemble(cohort, run, splits, device=torch.device("cpu"))
        states[epochs] = result.ensemble.parameters
        assert result.history[f"cox_{P}"].shape == (2 + epochs, 2)
        assert np.isfinite(result.history["cox"][2:]).all()
    encoders = [name for name in states[1] if name.startswith("encoders.")]
    others = [name for name in states[1] if name.startswith("head.out.weight")]
    assert all(torch.equal(states[1][name], states[2][name]) for name in encoders)
    assert not all(torch.equal(states[2][name], states[3][name]) for name in encoders)
    assert not any(torch.equal(states[1][name], states[2][name]) for name in others)


def test_without_pretraining_a_native_run_has_one_stage() -> None:
    network = build_architecture(TWO, 0, native("pathomic_fusion", pretrain=False))
    assert [stage.name for stage in network.stages(TrainConfig())] == ["all"]
    assert not list(network.encoder_heads.parameters())


# Pathomic Fusion


@pytest.mark.parametrize("count", [2, 3])
def test_the_product_holds_a_one_and_each_vector_in_its_last_places(count: int) -> None:
    vectors = list(torch.randn(count, 5, 4, dtype=torch.float64))
    product = outer_product(vectors).unflatten(-1, (5,) * count)
    last = (-1,) * count
    assert torch.equal(product[(slice(None), *last)], torch.ones(5, dtype=torch.float64))
    for i, vector in enumerate(vectors):
        place = [-1] * count
        place[i] = slice(0, 4)
        assert torch.equal(product[(slice(None), *place)], vector)
    torch.testing.assert_close(
        product[(slice(None), *[0] * count)], torch.stack([v[:, 0] for v in vectors]).prod(0)
    )


def gated(network: FusionNetwork, inputs: Inputs) -> list[Tensor]:
    """Vectors o_m (n, 32) that enter the product."""
    x, _ = network.encode(inputs)
    return [network.gates[m](x[m], x[network.partners[m]]) for m in network.names]


def test_an_ungated_vector_is_independent_of_its_partner() -> None:
    network = build(TWO, settings("pathomic_fusion", gates_off=(P,)))
    inputs = draw_inputs(TWO, 6)
    moved = inputs._replace(tables={**inputs.tables, G: inputs.tables[G] + 1})
    before, after = gated(network, inputs), gated(network, moved)
    assert torch.equal(after[0], before[0])
    moved = inputs._replace(tables={**inputs.tables, P: inputs.tables[P] + 1})
    own = network.encode(inputs)[0][G]
    assert torch.equal(network.encode(moved)[0][G], own)
    assert not torch.allclose(gated(network, moved)[1], before[1])


def test_a_gate_that_is_off_has_no_parameters() -> None:
    on = n_parameters(build_architecture(TWO, 0, settings("pathomic_fusion")))
    off = n_parameters(build_architecture(TWO, 0, settings("pathomic_fusion", gates_off=(P,))))
    assert on - off == (32 * 32 + 32) + (32**3 + 32)


def test_genomics_gates_the_others_and_the_first_of_them_gates_it() -> None:
    network = build(THREE, settings("pathomic_fusion"))
    assert network.partners == {P: G, C: G, G: P}
    named = build(THREE, settings("pathomic_fusion", partners=(G, P, P)))
    assert named.partners == {P: G, C: P, G: P}


@pytest.mark.parametrize("partners", [(G,), (P, P), (G, "mri")])
def test_partners_that_do_not_fit_are_refused(partners: tuple[str, ...]) -> None:
    with pytest.raises(SchemaError, match="one other modality for each"):
        build(TWO, settings("pathomic_fusion", partners=partners))


def test_a_gate_of_an_unknown_modality_is_refused() -> None:
    with pytest.raises(SchemaError, match="No modality named mri"):
        build(TWO, settings("pathomic_fusion", gates_off=("mri",)))


@pytest.mark.parametrize("skip", [True, False])
def test_pathomic_fusion_follows_its_equations(skip: bool) -> None:
    network = build(TWO, native("pathomic_fusion", skip=skip))
    inputs = draw_inputs(TWO, 6)
    x = {m: network.encoders[m](inputs.tables[m]) for m in (P, G)}
    a = []
    for m, k in ((P, G), (G, P)):
        gate = network.gates[m]
        h = F.relu(x[m] @ gate.value.weight.T + gate.value.bias)
        z = torch.einsum("ni,fij,nj->nf", x[m], gate.gate.weight, x[k]) + gate.gate.bias
        o = F.relu(gate.out(torch.sigmoid(z) * h))
        a.append(torch.cat([o, torch.ones_like(o[:, :1])], dim=1))
    product = torch.einsum("ni,nj->nij", *a).flatten(1)
    first = F.relu(network.first[0](product))
    f = F.relu(network.second[0](torch.cat([first, *a], dim=1) if skip else first))
    risk = -3 + 6 * torch.sigmoid(network.head.out(f).squeeze(-1))
    torch.testing.assert_close(network(inputs).risk, risk)


# PG-MLIF


def test_pg_mlif_fuses_by_the_full_tensor_of_its_factors() -> None:
    network = build(THREE, settings("pg_mlif", rank=3))
    fusion = network.interaction
    o = {m: torch.randn(4, 32, dtype=torch.float64) for m in THREE.names}
    a = [torch.cat([v, torch.ones_like(v[:, :1])], dim=1) for v in o.values()]
    factors = [fusion.factors[m] for m in THREE.names]
    tensor = torch.einsum("r,rio,rjo,rko->ijko", fusion.rank_weights, *factors)
    expected = torch.einsum("ni,nj,nk,ijko->no", *a, tensor) + fusion.bias
    torch.testing.assert_close(fusion(o), expected, atol=1e-5, rtol=0)


def test_rank_weights_start_at_one_over_the_rank_and_the_bias_at_zero() -> None:
    fusion = build_network(TWO, 0, settings("pg_mlif", rank=4)).interaction
    assert torch.equal(fusion.rank_weights, torch.full((4,), 0.25))
    assert not fusion.bias.any()


def test_pg_mlif_is_linear_in_each_extended_vector() -> None:
    network = build(TWO, settings("pg_mlif"))
    fusion = network.interaction
    g, p, q = (torch.randn(4, 32, dtype=torch.float64) for _ in range(3))
    mixed = fusion({P: 0.3 * p + 0.7 * q, G: g})  # [o ; 1] mixes with weights that sum to 1
    expected = 0.3 * fusion({P: p, G: g}) + 0.7 * fusion({P: q, G: g})
    torch.testing.assert_close(mixed, expected)


def test_pg_mlif_weighs_every_entry_between_zero_and_one() -> None:
    network = build(TWO, settings("pg_mlif"))
    entries = torch.randn(5, 128, dtype=torch.float64)
    weighted, means = network.owc([entries[:, :64], entries[:, 64:96], entries[:, 96:]])
    ratio = weighted / entries
    assert ((ratio > 0) & (ratio < 1)).all()
    assert len(torch.unique(ratio[0])) > 3
    assert network(draw_inputs(TWO, 5)).aux["owc_weights"].shape == means.shape


def test_pg_mlif_grows_linearly_with_the_modalities() -> None:
    schemas = [make_schema({f"m{i}": (5,) for i in range(n)}) for n in (2, 3, 4, 5)]
    counts = [n_parameters(build_architecture(x, 0, settings("pg_mlif"))) for x in schemas]
    assert len(set(np.diff(counts))) == 1


def test_pg_mlif_without_gates_has_no_bilinear_layer() -> None:
    assert any(isinstance(m, nn.Bilinear) for m in build(TWO, settings("pg_mlif")).modules())
    bare = build(TWO, settings("pg_mlif", gates=False))
    assert not any(isinstance(m, nn.Bilinear) for m in bare.modules())
    assert bare(draw_inputs(TWO, 3)).risk.shape == (3,)
