"""What the rivals on vectors share, and the plain ones: concatenation, tensor fusion, unimodal."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from camlif.config import TrainConfig
from camlif.data.schema import FeatureSchema
from camlif.exceptions import ConfigError, SchemaError
from camlif.losses import cox_partial_likelihood
from camlif.networks.interface import START, FusionNetwork, Step
from camlif.networks.registry import (
    AnyNetworkConfig,
    build_architecture,
)
from camlif.networks.rivals.gpdbn import GpdbnConfig
from camlif.networks.rivals.multicofusion import MultiCoFusionConfig
from camlif.networks.rivals.pathomic_fusion import PathomicFusionConfig
from camlif.networks.rivals.pg_mlif import PgMlifConfig
from camlif.networks.rivals.pretrained import ALONE, TOGETHER
from camlif.networks.rivals.unimodal_mlp import hidden_widths
from camlif.networks.rivals.vector_layers import genomic_modality
from tests.builders.cohorts import make_schema
from tests.networks.batches import draw_inputs, draw_outcome, n_parameters, take
from tests.networks.rivals.vector_networks import (
    BOUNDED,
    FOUR,
    KEYS,
    REFERENCE,
    STAGED,
    TWO,
    C,
    G,
    P,
    build,
    native,
    settings,
    stacked_state,
)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (native("gpdbn"), 324_993),
        (native("pathomic_fusion"), 226_723),
        (native("pathomic_fusion", skip=True), 230_947),
        (native("pg_mlif"), 195_314),
        (native("pg_mlif", rank=1), 182_639),
        (native("multicofusion", size="paper"), 2_382_329),
        (native("multicofusion", size="paper", aux_classes=3), 2_382_908),
        (native("multicofusion"), 289_217),
        (native("multicofusion", aux_classes=3), 289_796),
        (native("concat"), 301_697),
        (native("tensor_fusion"), 156_833),
    ],
    ids=lambda value: getattr(value, "architecture", str(value)),
)
def test_parameter_count_is_the_specified_one(config: AnyNetworkConfig, expected: int) -> None:
    assert n_parameters(build_architecture(REFERENCE, 0, config)) == expected


@pytest.mark.parametrize(
    ("key", "published_block"), [("pathomic_fusion", 143_744), ("pg_mlif", None)]
)
def test_matched_networks_have_no_heads_of_their_encoders(
    key: str, published_block: int | None
) -> None:
    matched = build_architecture(REFERENCE, 0, settings(key))
    staged = build_architecture(REFERENCE, 0, native(key))
    assert n_parameters(staged) - n_parameters(matched) == 2 * (32 + 1)
    if published_block is not None:
        encoders = n_parameters(matched.encoders) + n_parameters(matched.head)
        assert n_parameters(matched) - encoders == published_block


@pytest.mark.parametrize("key", KEYS)
def test_only_a_native_head_of_a_bounded_method_keeps_risks_within_three(key: str) -> None:
    inputs = draw_inputs(TWO, 16)
    far = inputs._replace(tables={m: 50 * t for m, t in inputs.tables.items()})
    largest = {}
    for name, config in {
        "native": native(key), "free": native(key, bounded=False), "matched": settings(key),
    }.items():  # fmt: skip
        network = build(TWO, config)
        with torch.no_grad():
            network.head.out.weight.mul_(50)
            largest[name] = float(network(far).risk.abs().max())
    assert (largest["native"] <= 3) is (key in BOUNDED)
    assert largest["free"] > 3
    assert largest["matched"] > 3


@pytest.mark.parametrize("key", KEYS)
def test_matched_loss_is_cox_over_events_without_penalty(key: str) -> None:
    network = build(TWO, settings(key))
    inputs = draw_inputs(TWO, 20)
    outcome, output = draw_outcome(inputs), network(inputs)
    terms = network.loss(output, outcome)
    expected = cox_partial_likelihood(output.risk, outcome.event, outcome.duration)
    assert set(terms.parts) == {"cox"}
    torch.testing.assert_close(terms.total, expected)
    assert network.penalty(stacked_state(network)) == {}
    assert [stage.name for stage in network.stages(TrainConfig())] == [START.stage]


@pytest.mark.parametrize("key", [*STAGED, "multicofusion"])
def test_native_cox_loss_is_divided_by_the_rows(key: str) -> None:
    network = build(TWO, native(key))
    inputs = draw_inputs(TWO, 20)
    outcome, output = draw_outcome(inputs), network(inputs)
    total = cox_partial_likelihood(output.risk, outcome.event, outcome.duration, reduction="sum")
    torch.testing.assert_close(network.loss(output, outcome).total, total / 20)


def l1_of(network: FusionNetwork, prefix: str) -> Tensor:
    return sum(p.abs().sum() for n, p in network.named_parameters() if n.startswith(prefix))


@pytest.mark.parametrize(
    ("key", "step", "prefixes"),
    [
        ("pathomic_fusion", Step(ALONE), ("encoders.", "encoder_heads.")),
        ("pathomic_fusion", Step(TOGETHER), ("encoders.genomics.",)),
        ("pg_mlif", Step(TOGETHER), ("encoders.genomics.",)),
        ("multicofusion", START, ("graph.",)),
        ("gpdbn", START, ("",)),
    ],
)
def test_l1_counts_the_stated_module_of_each_member(
    key: str, step: Step, prefixes: tuple[str, ...]
) -> None:
    network = build(TWO, native(key))
    penalty = network.penalty(stacked_state(network), step)["l1"]
    once = 3e-4 * sum(l1_of(network, prefix) for prefix in prefixes)
    torch.testing.assert_close(penalty, torch.stack([once, 2 * once]))
    assert build(TWO, native(key, l1=0.0)).penalty(stacked_state(network), step) == {}


def test_gpdbn_counts_no_more_than_linear_layers() -> None:
    network = build_architecture(TWO, 0, native("gpdbn"))
    assert set(network.counted) == {name for name, _ in network.named_parameters()}


@pytest.mark.parametrize(
    ("groups", "named", "expected"),
    [
        ({P: (9,), G: (2,)}, None, G),
        ({P: (9,), "genomics_rna": (5,), "genomics_cnv": (2,)}, None, "genomics_rna"),
        ({P: (9,), C: (10,)}, None, C),
        ({P: (9,), G: (2,)}, P, P),
    ],
)
def test_the_genomic_network_is_found(
    groups: dict[str, tuple[int, ...]], named: str | None, expected: str
) -> None:
    assert genomic_modality(make_schema(groups), named) == expected


def test_an_unknown_genomic_modality_is_refused() -> None:
    with pytest.raises(SchemaError, match="No modality named mri"):
        build(TWO, settings("pg_mlif", genomic_modality="mri"))


@pytest.mark.parametrize("key", KEYS)
def test_a_bag_is_read_as_the_mean_of_its_instances(key: str) -> None:
    bags = make_schema({G: (6,)}, bags={P: 4})
    tables = make_schema({G: (6,), P: (4,)})
    inputs = draw_inputs(bags, 5, instances=3)
    inputs.masks[P][:, 2] = False
    mean = inputs.tables[P][:, :2].mean(1)
    flat = draw_inputs(tables, 5)._replace(tables={G: inputs.tables[G], P: mean})
    config = settings(key)
    torch.testing.assert_close(build(bags, config)(inputs).risk, build(tables, config)(flat).risk)


@pytest.mark.parametrize("key", KEYS)
def test_an_absent_modality_is_read_as_the_training_mean(key: str) -> None:
    network = build(TWO, settings(key))
    inputs = draw_inputs(TWO, 6)
    at_mean = inputs._replace(tables={**inputs.tables, P: torch.zeros_like(inputs.tables[P])})
    expected = network(at_mean).risk
    inputs.presence[:, 0] = False
    torch.testing.assert_close(network(inputs).risk, expected)


@pytest.mark.parametrize(
    ("key", "schema", "message"),
    [
        ("gpdbn", make_schema({P: (3,)}), "exchanges information"),
        ("pathomic_fusion", FOUR, "too many beyond 3"),
        ("tensor_fusion", FOUR, "too many beyond 3"),
        ("unimodal_mlp", TWO, "reads one modality"),
    ],
)
def test_a_schema_that_does_not_fit_is_refused(
    key: str, schema: FeatureSchema, message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        build(schema, settings(key))


@pytest.mark.parametrize("key", KEYS)
def test_the_loss_does_not_depend_on_the_order_of_rows(key: str) -> None:
    network = build(TWO, native(key))
    inputs = draw_inputs(TWO, 20)
    outcome = draw_outcome(inputs)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    moved = outcome._replace(
        event=outcome.event[order],
        duration=outcome.duration[order],
        presence=outcome.presence[order],
    )
    before = network.loss(network(inputs), outcome).total
    after = network.loss(network(take(inputs, order)), moved).total
    torch.testing.assert_close(after, before)


def test_tensor_fusion_is_a_perceptron_on_all_products() -> None:
    network = build(TWO, settings("tensor_fusion"))
    inputs = draw_inputs(TWO, 6)
    x = [network.encoders[m](inputs.tables[m]) for m in (P, G)]
    a = [torch.cat([v, torch.ones_like(v[:, :1])], dim=1) for v in x]
    h = network.mlp(torch.einsum("ni,nj->nij", *a).flatten(1))
    torch.testing.assert_close(network(inputs).risk, network.head.out(h).squeeze(-1))


def test_concatenation_is_a_perceptron_on_all_columns() -> None:
    network = build(TWO, settings("concat"))
    inputs = draw_inputs(TWO, 6)
    plain = nn.Sequential(
        nn.Linear(13, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 1)
    ).double()
    values = dict(zip(plain.state_dict(), network.state_dict().values(), strict=True))
    plain.load_state_dict(values)
    x = torch.cat([inputs.tables[P], inputs.tables[G]], dim=1)
    torch.testing.assert_close(network(inputs).risk, plain(x).squeeze(-1))


@pytest.mark.parametrize(
    ("n_features", "widths"),
    [
        (58, (32,)),
        (290, (256, 128, 64, 32)),
        (155, (128, 64, 32)),
        (793, (256, 128, 64, 32)),
        (32, (32,)),
        (4, (32,)),
    ],
)
def test_unimodal_widths_are_those_below_the_input(
    n_features: int, widths: tuple[int, ...]
) -> None:
    assert hidden_widths(n_features) == widths
    schema = make_schema({P: (n_features,)})
    network = build_architecture(schema, 0, settings("unimodal_mlp"))
    dims = [n_features, *widths, 1]
    assert n_parameters(network) == sum(a * b + b for a, b in pairwise(dims))


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        (GpdbnConfig, {"reduce": "pca"}),
        (GpdbnConfig, {"dropout": 1.0}),
        (GpdbnConfig, {"l1": -1.0}),
        (PathomicFusionConfig, {"pretrain_epochs": 0}),
        (PgMlifConfig, {"rank": 0}),
        (MultiCoFusionConfig, {"aux_classes": 1}),
        (MultiCoFusionConfig, {"size": "huge"}),
        (MultiCoFusionConfig, {"graph": "star"}),
    ],
)
def test_settings_outside_their_range_are_refused(
    config: type[AnyNetworkConfig], changes: dict[str, object]
) -> None:
    with pytest.raises(ConfigError):
        config(**changes)  # type: ignore[arg-type]
