"""Ablation flags remove parameters, and losses reach what they should."""

from __future__ import annotations

import pytest
import torch

from camlif.networks.camlif import CaMlif
from camlif.networks.cross_attention import LinearCrossAttention
from camlif.networks.interface import ENHANCED
from tests.builders.cohorts import make_schema
from tests.networks.batches import (
    build,
    draw_inputs,
    draw_outcome,
    n_parameters,
    small_config,
)

SCHEMA = make_schema({"pathology": (3, 4), "ct": (5, 2)}, clinical=True)
D, F, H, M, Q = 8, 5, 6, 2, 5


def names(network: CaMlif) -> set[str]:
    return set(network.state_dict())


# T15
@pytest.mark.parametrize(
    ("changes", "fragments"),
    [
        ({"cross_attention": "none"}, ("cross_attention.",)),
        (
            {"cross_attention": "none", "ablate_ca": "drop_branch"},
            ("cross_attention.", "decoders."),
        ),
        ({"mam": False, "mam_gate": "auto"}, (".gate.", ".value.")),
        ({"lmf": "concat", "lmf_rank": 4}, (".factors.",)),
        ({"lmf": "tensor", "lmf_rank": 4}, (".factors.",)),
        ({"lmf_post": "none"}, ("fusion.post.",)),
        ({"owc": "none", "owc_hidden": 64}, ("owc.",)),
        ({"clinical": "none"}, ("head.clinical.",)),
        ({"encoder_decoder": False}, ("encoders.", "decoders.")),
        ({"encoder_layers": 1}, ("encoders.ct.layers.1.", "decoders.ct.layers.1.")),
        ({"ca_layers": 1}, ("cross_attention.1.",)),
        ({"ca_scale": "none"}, ("log_tau",)),
    ],
)
def test_an_ablation_removes_its_parameters(
    changes: dict[str, object], fragments: tuple[str, ...]
) -> None:
    full, ablated = build(SCHEMA, small_config()), build(SCHEMA, small_config(**changes))
    for fragment in fragments:
        assert any(fragment in name for name in names(full)), fragment
        assert not any(fragment in name for name in names(ablated)), fragment
    inputs = draw_inputs(SCHEMA, 9)
    terms = ablated.loss(ablated(inputs), draw_outcome(inputs))
    terms.total.backward()
    assert terms.total.isfinite()


# T15
def test_without_cross_attention_exactly_its_layers_are_gone() -> None:
    full = build(SCHEMA, small_config())
    bypassed = build(SCHEMA, small_config(cross_attention="none"))
    removed = names(full) - names(bypassed)
    assert removed == {name for name in names(full) if name.startswith("cross_attention.")}
    layers = sum(n_parameters(layer) for layer in full.cross_attention)
    assert all(isinstance(layer, LinearCrossAttention) for layer in full.cross_attention)
    assert n_parameters(full) - n_parameters(bypassed) == layers


# T15
def test_without_cross_attention_decoders_read_their_own_tokens() -> None:
    network = build(SCHEMA, small_config(cross_attention="none"))
    inputs = draw_inputs(SCHEMA, 4)
    tokens, mask = network.tokenizers["ct"](
        inputs.tables["ct"], inputs.masks["ct"], inputs.presence[:, 1]
    )
    _, encoded = network.encoders["ct"](tokens, mask)
    expected, _ = network.decoders["ct"](encoded, mask)
    assert torch.equal(network(inputs).embeddings["ct" + ENHANCED], expected)


# T15
def test_dropping_the_branch_makes_enhanced_vectors_the_original_ones() -> None:
    network = build(SCHEMA, small_config(cross_attention="none", ablate_ca="drop_branch"))
    inputs = draw_inputs(SCHEMA, 4)
    output = network(inputs)
    assert torch.equal(output.embeddings["ct"], output.embeddings["ct" + ENHANCED])
    assert set(network.loss(output, draw_outcome(inputs)).parts) == {"cox"}


# T15
@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("second", [False, "original_only"])
def test_without_the_second_fusion_its_columns_are_gone(second: object, share: bool) -> None:
    full = build(SCHEMA, small_config(share_fusion=share))
    ablated = build(SCHEMA, small_config(second_fusion=second))
    owc_columns = H * (7 + 7) + H  # into the hidden layer, out of it, and its bias
    removed = owc_columns + H * H  # and into the MLP
    if not share:
        removed += n_parameters(full.fusion_enhanced)
        assert not any("fusion_enhanced" in name for name in names(ablated))
    assert n_parameters(full) - n_parameters(ablated) == removed
    assert ablated(draw_inputs(SCHEMA, 3)).aux["owc_weights"].shape == (3, 3)


# T14
def test_sharing_saves_exactly_one_fusion() -> None:
    shared = build(SCHEMA, small_config())
    apart = build(SCHEMA, small_config(share_fusion=False))
    assert n_parameters(apart) - n_parameters(shared) == n_parameters(shared.fusion)


# T15
def test_alpha_zero_gives_the_gradients_of_the_cox_loss_alone() -> None:
    inputs = draw_inputs(SCHEMA, 16)
    outcome = draw_outcome(inputs)
    aligned = build(SCHEMA, small_config(alpha=0.5))
    plain = build(SCHEMA, small_config(alpha=0.0))
    assert names(aligned) == names(plain)
    aligned.loss(aligned(inputs), outcome).parts["cox"].backward()
    plain.loss(plain(inputs), outcome).total.backward()
    for a, b in zip(aligned.parameters(), plain.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


# T15
def test_original_only_sends_no_cox_gradient_into_cross_attention_and_decoders() -> None:
    network = build(SCHEMA, small_config(second_fusion="original_only"))
    inputs = draw_inputs(SCHEMA, 16)
    terms = network.loss(network(inputs), draw_outcome(inputs))
    terms.parts["cox"].backward(retain_graph=True)
    branch = [
        p
        for name, p in network.named_parameters()
        if name.startswith(("cross_attention.", "decoders."))
    ]
    assert branch
    assert all(p.grad is None or not p.grad.any() for p in branch)
    terms.parts["alignment"].backward()
    assert any(p.grad is not None and p.grad.any() for p in branch)


# T15
@pytest.mark.parametrize("detach", [True, False])
def test_detaching_keeps_the_alignment_gradient_out_of_the_original_vectors(detach: bool) -> None:
    network = build(SCHEMA, small_config(sim_detach=detach, cross_attention="none"))
    inputs = draw_inputs(SCHEMA, 8)
    output = network(inputs)
    original = output.embeddings["ct"]
    alignment = network.loss(output, draw_outcome(inputs)).parts["alignment"]
    (gradient,) = torch.autograd.grad(alignment, original, allow_unused=True)
    assert (gradient is None) is detach


def test_the_nested_arrangement_fuses_each_pair_with_its_own_concatenation() -> None:
    network = build(SCHEMA, small_config(mlif="nested"))
    output = network(draw_inputs(SCHEMA, 3))
    assert output.embeddings["fusion"].shape == (3, 2 * H)
    assert output.aux["owc_weights"].shape == (3, 2 * (1 + M))


def test_additive_clinical_columns_shift_the_risk_linearly() -> None:
    network = build(SCHEMA, small_config(clinical="additive"))
    inputs = draw_inputs(SCHEMA, 5)
    shift = torch.randn(5, Q, dtype=torch.float64)
    moved = network(inputs._replace(clinical=inputs.clinical + shift)).risk
    beta = network.head.clinical.weight[0]
    torch.testing.assert_close(moved - network(inputs).risk, shift @ beta, atol=1e-12, rtol=0)


@pytest.mark.parametrize("risk_range", ["sigmoid6", "tanh"])
def test_a_bounded_risk_stays_within_three(risk_range: str) -> None:
    network = build(SCHEMA, small_config(risk_range=risk_range))
    with torch.no_grad():
        network.head.out.weight.mul_(1e3)
    risk = network(draw_inputs(SCHEMA, 50)).risk
    assert (risk.abs() <= 3).all()
    assert risk.abs().max() > 2.9


@pytest.mark.parametrize(
    "changes",
    [
        {"embed": "relu_mlp"},
        {"group_embedding": True},
        {"lmf_rank_weights": True},
        {"lmf_post": "linear_relu"},
        {"owc_skip": "mam"},
        {"head_hidden": 3},
        {"ca_activation": "identity"},
        {"cox_ties": "efron"},
    ],
)
def test_every_other_option_gives_finite_gradients(changes: dict[str, object]) -> None:
    network = build(SCHEMA, small_config(**changes))
    inputs = draw_inputs(SCHEMA, 24)
    network.loss(network(inputs), draw_outcome(inputs)).total.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_copies_of_a_flat_vector_differ_in_training_only() -> None:
    schema = make_schema({"pathology": (6,), "ct": (5, 2)})
    config = small_config(tokens="copies", n_copies=7, dropout=0.25)
    network = build(schema, config)
    inputs = draw_inputs(schema, 4)
    tokenizer = network.tokenizers["pathology"]
    arguments = inputs.tables["pathology"], inputs.masks["pathology"], inputs.presence[:, 0]
    tokens, mask = tokenizer.eval()(*arguments)
    assert tokens.shape == (4, 7, D)
    assert mask.shape == (4, 7)
    assert torch.equal(tokens, tokens[:, :1].expand_as(tokens))
    noisy, _ = tokenizer.train()(*arguments)
    assert not torch.allclose(noisy[:, 0], noisy[:, 1])


def test_a_flat_modality_gets_learned_views() -> None:
    schema = make_schema({"pathology": (6,), "ct": (5, 2)})
    network = build(schema, small_config(n_tokens=3))
    inputs = draw_inputs(schema, 4)
    tokens, mask = network.tokenizers["pathology"](
        inputs.tables["pathology"], inputs.masks["pathology"], inputs.presence[:, 0]
    )
    assert tokens.shape == (4, 3, D)
    assert mask.shape == (4, 3)
    assert not torch.allclose(tokens[:, 0], tokens[:, 1])
