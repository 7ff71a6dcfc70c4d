"""Properties of the whole network: shapes, independence, gradient flow, masking, symmetry."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from camlif.config import NetworkConfig
from camlif.data.preprocessing import clinical_names, encode
from camlif.data.schema import FeatureSchema
from camlif.exceptions import SchemaError
from camlif.networks.camlif import CaMlif
from camlif.networks.interface import ENHANCED
from camlif.networks.layers import module_key
from camlif.networks.registry import build_network
from camlif.networks.rivals.unimodal import UnimodalEncoder
from tests.builders.cohorts import make_cohort, make_schema
from tests.networks.batches import build, draw_inputs, draw_outcome, small_config, take

P, C = "pathology", "ct"
Q = 5  # age, its missing indicator, two levels of sex, their indicator
TWO = make_schema({P: (3, 4), C: (5, 2)}, clinical=True)
WITH_BAG = make_schema({C: (5, 2)}, bags={P: 4}, clinical=True)
GROUPS = {1: (9,), 3: (4, 2, 7), 4: (3, 5, 5, 2), 5: (2, 2, 3, 1, 6)}


# T1
@pytest.mark.parametrize("width", [32, 256])
@pytest.mark.parametrize(("n_p", "n_c"), [(4, 1), (1, 3), (4, 5), (1, 1)])
@pytest.mark.parametrize("training", [True, False])
def test_outputs_are_finite_and_of_the_stated_shapes(
    n_p: int, n_c: int, width: int, training: bool
) -> None:
    schema = make_schema({P: GROUPS[n_p], C: GROUPS[n_c]}, clinical=True)
    network = CaMlif(schema, Q, NetworkConfig(width=width)).train(training)
    for n in (1, 2, 7, 16, 31, 32, 33):
        output = network(draw_inputs(schema, n, dtype=torch.float32))
        shapes = {name: tuple(e.shape) for name, e in output.embeddings.items()}
        assert output.risk.shape == (n,)
        assert shapes == {
            P: (n, width), C: (n, width), P + ENHANCED: (n, width), C + ENHANCED: (n, width),
            "fusion": (n, 64),
        }  # fmt: skip
        assert output.aux["owc_weights"].shape == (n, 4)
        assert output.risk.isfinite().all()
        assert all(e.isfinite().all() for e in output.embeddings.values())


# T2
@pytest.mark.parametrize("preset", ["default", "printed", "release"])
@pytest.mark.parametrize("schema", [TWO, WITH_BAG], ids=["tables", "bag"])
def test_a_risk_does_not_depend_on_the_batch(schema: FeatureSchema, preset: str) -> None:
    torch.manual_seed(0)
    network = CaMlif(schema, Q, NetworkConfig.from_preset(preset, width=64)).eval()
    inputs = draw_inputs(schema, 32, dtype=torch.float32)
    with torch.no_grad():
        together = network(inputs).risk
        alone = torch.cat([network(take(inputs, [i])).risk for i in range(32)])
        order = torch.randperm(32)
        shuffled = network(take(inputs, order)).risk
    assert together.std() > 1e-3
    torch.testing.assert_close(alone, together, atol=1e-6, rtol=0)
    torch.testing.assert_close(shuffled, together[order], atol=1e-6, rtol=0)


# T3
@pytest.mark.parametrize("schema", [TWO, WITH_BAG], ids=["tables", "bag"])
def test_risk_depends_on_every_feature_and_clinical_column(schema: FeatureSchema) -> None:
    network = build(schema, small_config())
    inputs = draw_inputs(schema, 32)
    leaves = [*inputs.tables.values(), inputs.clinical]
    for leaf in leaves:
        leaf.requires_grad_()
    gradients = torch.autograd.grad(network(inputs).risk.sum(), leaves)
    for gradient in gradients:
        assert (gradient.flatten(0, -2).abs().sum(0) > 0).all()


# T3
@pytest.mark.parametrize("preset", ["default", "printed", "release"])
def test_cox_loss_alone_reaches_every_parameter(preset: str) -> None:
    narrow = {"width": 16, "embed_hidden": 16}
    config = NetworkConfig.from_preset(preset, alpha=0.0, dropout=0.0, **narrow)
    network = build(TWO, config)
    inputs = draw_inputs(TWO, 48)
    inputs.presence[:6, 0] = False  # the learned missing tokens take part, too
    inputs.presence[6:12, 1] = False
    network.loss(network(inputs), draw_outcome(inputs)).total.backward()
    dead = [k for k, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def reached(network: CaMlif, source: str, target: str) -> bool:
    """Whether the decoder class vector of ``target`` depends on the table of ``source``."""
    inputs = draw_inputs(TWO, 8)
    x = inputs.tables[source].requires_grad_()
    enhanced = network(inputs).embeddings[target + ENHANCED]
    weights = torch.arange(enhanced.numel(), dtype=torch.float64).view_as(enhanced)
    (gradient,) = torch.autograd.grad((enhanced * weights).sum(), x, allow_unused=True)
    return gradient is not None and bool(gradient.abs().sum(1).gt(0).all())


# T3
@pytest.mark.parametrize(
    ("changes", "crosses"),
    [
        ({}, True),
        ({"ca_residual": "self"}, True),
        ({"ca_residual": "other_tokens"}, True),
        ({"cross_attention": "softmax", "ca_layers": 1}, True),
        ({"cross_attention": "none"}, False),
    ],
)
def test_enhanced_vectors_see_the_other_modality_through_cross_attention_only(
    changes: dict[str, object], crosses: bool
) -> None:
    network = build(TWO, small_config(**changes))
    assert reached(network, P, C) is crosses
    assert reached(network, C, P) is crosses
    assert reached(network, P, P)


# T6
def test_a_bag_is_read_without_order() -> None:
    network = build(WITH_BAG, small_config()).eval()
    inputs = draw_inputs(WITH_BAG, 5, instances=6)
    inputs.masks[P][:, 4:] = False
    order = torch.tensor([5, 2, 0, 4, 1, 3])
    moved = inputs._replace(
        tables={**inputs.tables, P: inputs.tables[P][:, order]},
        masks={**inputs.masks, P: inputs.masks[P][:, order]},
    )
    before, after = network(inputs), network(moved)
    torch.testing.assert_close(after.risk, before.risk, atol=1e-12, rtol=0)
    for name, vector in before.embeddings.items():
        torch.testing.assert_close(after.embeddings[name], vector, atol=1e-12, rtol=0)


def renamed(state: dict[str, Tensor], pairs: dict[str, str]) -> dict[str, Tensor]:
    return {
        ".".join(pairs.get(part, part) for part in key.split(".")): value
        for key, value in state.items()
    }


# T7
@pytest.mark.parametrize("residual", ["other", "self"])
def test_swapping_modalities_with_their_parameters_swaps_the_enhanced_vectors(
    residual: str,
) -> None:
    config = small_config(ca_residual=residual)
    swapped_schema = make_schema({P: (5, 2), C: (3, 4)}, clinical=True)
    one, two = build(TWO, config), build(swapped_schema, config, seed=9)
    two.load_state_dict(renamed(one.state_dict(), {P: C, C: P}))
    inputs = draw_inputs(TWO, 6)
    swapped = inputs._replace(tables={P: inputs.tables[C], C: inputs.tables[P]})
    before, after = one(inputs).embeddings, two(swapped).embeddings
    torch.testing.assert_close(after[C + ENHANCED], before[P + ENHANCED], atol=1e-12, rtol=0)
    torch.testing.assert_close(after[P + ENHANCED], before[C + ENHANCED], atol=1e-12, rtol=0)
    assert not torch.allclose(before[C + ENHANCED], before[P + ENHANCED])


# T7
def test_the_order_of_the_fusion_inputs_does_not_matter() -> None:
    network = build(TWO, small_config())
    a, b = torch.randn(2, 4, 8, dtype=torch.float64)
    torch.testing.assert_close(network.fusion({P: a, C: b})[0], network.fusion({C: b, P: a})[0])


# T9
@pytest.mark.parametrize("preset", ["default", "printed", "release"])
def test_masked_instances_change_nothing(preset: str) -> None:
    narrow = {"width": 16, "embed_hidden": 16}
    network = build(WITH_BAG, NetworkConfig.from_preset(preset, **narrow)).eval()
    inputs = draw_inputs(WITH_BAG, 5, instances=4)
    garbage = torch.tensor([1e6, -1e6, 3.0], dtype=torch.float64).view(1, 3, 1).expand(5, 3, 4)
    padded = inputs._replace(
        tables={**inputs.tables, P: torch.cat([inputs.tables[P], garbage], dim=1)},
        masks={
            **inputs.masks,
            P: torch.cat([inputs.masks[P], torch.zeros(5, 3, dtype=torch.bool)], dim=1),
        },
    )
    before, after = network(inputs), network(padded)
    torch.testing.assert_close(after.risk, before.risk, atol=1e-10, rtol=0)
    for name, vector in before.embeddings.items():
        torch.testing.assert_close(after.embeddings[name], vector, atol=1e-10, rtol=0)


# T9
def test_an_absent_group_does_not_influence_the_risk() -> None:
    network = build(TWO, small_config()).eval()
    inputs = draw_inputs(TWO, 5)
    inputs.masks[C][:, 1] = False
    before = network(inputs).risk
    inputs.tables[C][:, 5:] = 1e6
    torch.testing.assert_close(network(inputs).risk, before, atol=1e-10, rtol=0)


# T9
@pytest.mark.parametrize(
    ("kind", "residual"),
    [("linear", "other"), ("linear", "self"), ("linear", "other_tokens"), ("softmax", "other")],
)
@pytest.mark.parametrize("schema", [TWO, WITH_BAG], ids=["tables", "bag"])
def test_an_absent_modality_gives_finite_risks_and_gradients(
    schema: FeatureSchema, kind: str, residual: str
) -> None:
    config = small_config(cross_attention=kind, ca_layers=1, ca_residual=residual)
    network = build(schema, config)
    inputs = draw_inputs(schema, 12)
    i = schema.names.index(P)
    inputs.presence[:, i] = False
    inputs.masks[P][:] = False
    output = network(inputs)
    network.loss(output, draw_outcome(inputs)).total.backward()
    assert output.risk.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
    inputs.tables[P][:] = 1e3
    torch.testing.assert_close(network(inputs).risk, output.risk, atol=1e-10, rtol=0)


# T9
def test_a_patient_with_nothing_observed_still_gets_a_finite_risk() -> None:
    network = build(WITH_BAG, small_config()).eval()
    inputs = draw_inputs(WITH_BAG, 3)
    inputs.presence[:] = False
    for mask in inputs.masks.values():
        mask[:] = False
    assert network(inputs).risk.isfinite().all()


@pytest.mark.parametrize("count", [3, 4])
def test_three_and_four_modalities_with_bags_and_gaps_train(count: int) -> None:
    tables = {"a": (3, 2), "b": (4,), "c": (2, 2, 2)}
    schema = make_schema(dict(list(tables.items())[: count - 1]), bags={"w": 3}, clinical=True)
    network = build(schema, small_config())
    inputs = draw_inputs(schema, 20)
    for i in range(count):
        inputs.presence[i::7, i] = False
    output = network(inputs)
    network.loss(output, draw_outcome(inputs)).total.backward()
    assert output.aux["owc_weights"].shape == (20, 2 + count)
    assert len(output.embeddings) == 2 * count + 1
    for name, p in network.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
        assert p.grad.any(), name


def test_every_enhanced_vector_sees_all_of_three_modalities() -> None:
    schema = make_schema({"a": (3, 2), "b": (4, 1), "c": (2, 2)})
    network = build(schema, small_config())
    inputs = draw_inputs(schema, 4)
    for table in inputs.tables.values():
        table.requires_grad_()
    embeddings = network(inputs).embeddings
    for name in schema.names:
        gradients = torch.autograd.grad(
            embeddings[name + ENHANCED][:, 0].sum(), list(inputs.tables.values()), retain_graph=True
        )
        assert all(g.any() for g in gradients)


# T14
def test_a_shared_fusion_gives_equal_blocks_for_equal_vectors() -> None:
    network = build(TWO, small_config(cross_attention="none", ablate_ca="drop_branch")).eval()
    captured: list[Tensor] = []
    network.fusion.register_forward_hook(lambda _m, _i, output: captured.append(output[0]))
    network(draw_inputs(TWO, 5))
    first, second = captured
    assert torch.equal(first, second)


# T16
def test_a_saved_member_reproduces_risks_bit_for_bit(tmp_path: Path) -> None:
    schema = WITH_BAG
    torch.manual_seed(3)
    network = CaMlif(schema, Q, NetworkConfig()).eval()
    inputs = draw_inputs(schema, 9, dtype=torch.float32)
    path = tmp_path / "member.safetensors"
    save_file(network.state_dict(), path)
    other = CaMlif(schema, Q, NetworkConfig()).eval()
    other.load_state_dict(load_file(path))
    with torch.no_grad():
        assert torch.equal(other(inputs).risk, network(inputs).risk)


def test_fewer_than_two_modalities_are_refused() -> None:
    with pytest.raises(SchemaError, match="two modalities or more; the cohort has 1"):
        CaMlif(make_schema({P: (3,)}), 0, NetworkConfig())


@pytest.mark.parametrize("name", ["keys", "forward", "training", "copy", "type", "x.y"])
def test_any_modality_name_works_as_a_parameter_name(name: str) -> None:
    schema = make_schema({name: (3, 2), C: (4,)})
    network = build(schema, small_config())
    assert network(draw_inputs(schema, 3)).risk.shape == (3,)
    assert module_key(name) in network.encoders


def test_names_that_share_a_parameter_name_are_refused() -> None:
    with pytest.raises(SchemaError, match=r"too much alike.*x\.y, x_y"):
        CaMlif(make_schema({"x.y": (3,), "x_y": (4,)}), 0, small_config())


@pytest.mark.parametrize("changes", [{}, {"encoder_layers": 1}, {"encoder_decoder": False}])
def test_a_class_vector_alone_equals_that_beside_its_tokens(changes: dict[str, object]) -> None:
    schema = make_schema({"pathology": (3, 4, 2), "genomics": (5, 2)})
    network = build(schema, small_config(**changes)).eval()
    generator = torch.Generator().manual_seed(3)
    tokens = torch.randn((6, 3, network.config.width), generator=generator, dtype=torch.float64)
    mask = torch.rand((6, 3), generator=generator) > 0.3
    decoder = network.decoders["pathology"]
    torch.testing.assert_close(decoder.class_vector(tokens, mask), decoder(tokens, mask)[0])


def test_context_diagnostics_come_on_request() -> None:
    network = build(TWO, small_config())
    inputs = draw_inputs(TWO, 3)
    assert set(network(inputs).aux) == {"owc_weights"}
    aux = network(inputs, diagnostics=True).aux
    assert aux[f"context_{P}"].shape == (3, 4, 2, 2)
    assert aux[f"context_{C}"].shape == (3, 4, 2, 2)


def test_the_unimodal_encoder_is_the_encoder_branch_with_a_head() -> None:
    schema = make_schema({P: (3, 4)}, clinical=True)
    config = small_config(architecture="unimodal")
    network = build_network(schema, Q, config).double()
    inputs = draw_inputs(schema, 6)
    output = network(inputs)
    fusion = build(make_schema({P: (3, 4), C: (5, 2)}, clinical=True), small_config())
    state = network.state_dict()
    fusion.tokenizers[P].load_state_dict(
        {k.removeprefix("tokenizer."): v for k, v in state.items() if k.startswith("tokenizer.")}
    )
    fusion.encoders[P].load_state_dict(
        {k.removeprefix("encoder."): v for k, v in state.items() if k.startswith("encoder.")}
    )
    second = draw_inputs(TWO, 6)
    both = second._replace(tables={P: inputs.tables[P], C: second.tables[C]})
    assert torch.equal(output.embeddings[P], fusion(both).embeddings[P])
    terms = network.loss(output, draw_outcome(inputs))
    assert set(terms.parts) == {"cox"}
    terms.total.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_the_unimodal_encoder_refuses_two_modalities() -> None:
    with pytest.raises(SchemaError, match="reads one modality; the cohort has 2"):
        UnimodalEncoder(TWO, len(clinical_names(TWO)), NetworkConfig())


def test_encoded_cohorts_have_the_layout_the_network_expects() -> None:
    cohort = make_cohort(6, {C: (5, 2)}, bags={P: 4}, clinical=True)
    raw, drawn = encode(cohort, cohort.schema), draw_inputs(WITH_BAG, 6, instances=5)
    assert cohort.schema == WITH_BAG
    assert raw.clinical.shape == drawn.clinical.shape
    assert {m: t.ndim for m, t in raw.tables.items()} == {
        m: t.ndim for m, t in drawn.tables.items()
    }
