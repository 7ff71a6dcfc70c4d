"""Properties of CMTA from its equations."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from camlif.data.schema import FeatureSchema
from camlif.exceptions import ConfigError
from camlif.networks.interface import ENHANCED
from camlif.networks.registry import build_network
from camlif.networks.rivals.cmta import Cmta, CmtaConfig, cosine_distance
from tests.networks.batches import draw_inputs
from tests.networks.rivals.token_networks import TABLES, THREE, build, outcome_of, settings_of


@pytest.mark.parametrize("similarity", ["l1", "cosine"])
def test_similarity_parts_vanish_where_decoders_reach_encoders(similarity: str) -> None:
    network = build(TABLES, settings_of("cmta", similarity=similarity))
    inputs = draw_inputs(TABLES, 6)
    output, outcome = network(inputs), outcome_of(network, inputs)
    parts = network.loss(output, outcome).parts
    assert set(parts) == {"cox", "sim_pathology", "sim_genomics"}
    assert parts["sim_pathology"] > 0
    same = {m + ENHANCED: output.embeddings[m] for m in TABLES.names}
    reached = output._replace(embeddings=output.embeddings | same)
    parts = network.loss(reached, outcome).parts
    for m in TABLES.names:
        assert parts[f"sim_{m}"].item() == pytest.approx(0, abs=1e-12)


def test_similarity_is_the_weighted_mean_over_patients_with_the_modality() -> None:
    network = build(TABLES, settings_of("cmta", alpha_sim=0.3))
    inputs = draw_inputs(TABLES, 6)
    inputs.presence[:2, 0] = False
    output = network(inputs)
    parts = network.loss(output, outcome_of(network, inputs)).parts
    p0, p1 = output.embeddings["pathology"], output.embeddings["pathology" + ENHANCED]
    torch.testing.assert_close(parts["sim_pathology"], 0.3 * (p0 - p1)[2:].abs().mean())
    cosine = cosine_distance(p0, p1, inputs.presence[:, 0])
    expected = 1 - nn.functional.cosine_similarity(p0, p1)[2:].mean()
    torch.testing.assert_close(cosine, expected)


def test_similarity_does_not_pull_encoders_to_decoders() -> None:
    network = build(TABLES, settings_of("cmta"))
    with torch.no_grad():  # decoders read nothing of the encoders
        for translation in network.translations.values():
            translation.out_proj.weight.zero_()
    inputs = draw_inputs(TABLES, 6)
    parts = network.loss(network(inputs), outcome_of(network, inputs)).parts
    (parts["sim_pathology"] + parts["sim_genomics"]).backward()
    for name, p in network.named_parameters():
        reached = p.grad is not None and bool(p.grad.any())
        if name.startswith(("encoders.", "reader.")):
            assert not reached, name
    assert network.decoders["pathology"].class_token.grad.any()


@pytest.mark.parametrize(("head", "part"), [("native", "nll"), ("matched", "cox")])
def test_without_alpha_the_likelihood_is_all(head: str, part: str) -> None:
    network = build(TABLES, settings_of("cmta", head=head, alpha_sim=0.0))
    inputs = draw_inputs(TABLES, 6)
    terms = network.loss(network(inputs), outcome_of(network, inputs))
    assert set(terms.parts) == {part}
    assert torch.equal(terms.total, terms.parts[part])


def test_order_of_the_modalities_does_not_matter_to_cmta() -> None:
    config = settings_of("cmta", head="native")
    network = build(TABLES, config)
    swapped = FeatureSchema(TABLES.modalities[::-1], TABLES.clinical)
    other = build(swapped, config, seed=9)
    state = network.state_dict()
    state["fusion.0.weight"] = torch.cat(state["fusion.0.weight"].chunk(2, dim=1)[::-1], dim=1)
    other.load_state_dict(state)
    inputs = draw_inputs(TABLES, 5)
    torch.testing.assert_close(other(inputs).risk, network(inputs).risk, atol=1e-12, rtol=0)


def test_decoders_read_the_mean_of_the_modalities_that_are_there() -> None:
    network = build(THREE, settings_of("cmta"))
    inputs = draw_inputs(THREE, 5)
    inputs.presence[:, 2] = False
    reader, masks = network.reader(inputs)
    encoded = {m: network.encoders[m](reader[m], masks[m])[1] for m in THREE.names}
    read = []
    network.decoders["pathology"].register_forward_pre_hook(lambda _, args: read.append(args[0]))
    network(inputs)
    expected, _ = network.translations["genomics__to__pathology"](
        encoded["pathology"], encoded["genomics"], masks["genomics"]
    )
    torch.testing.assert_close(read[0], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    "changes", [{"alpha_sim": -1.0}, {"attention_dropout": 1.0}, {"similarity": "kl"}]
)
def test_cmta_refuses_impossible_settings(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        CmtaConfig(**changes)  # type: ignore[arg-type]


def test_cmta_starts_as_published() -> None:
    torch.manual_seed(0)
    network = build_network(TABLES, 0, CmtaConfig())
    assert isinstance(network, Cmta)
    tower = network.encoders["genomics"]
    assert 0 < tower.class_token.detach().abs().max() < 1e-5
    layer = network.fusion[2]
    assert float(layer.weight.detach().std()) == pytest.approx((2 / 128) ** 0.5, rel=0.05)
    assert not layer.bias.detach().any()
