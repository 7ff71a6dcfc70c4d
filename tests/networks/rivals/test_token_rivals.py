"""Properties of MCAT, MOTCat and joint attention, each from its equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import stack_module_state
from torch.utils._pytree import tree_map

from camlif.config import RunConfig, TrainConfig
from camlif.data.preprocessing import clinical_names
from camlif.data.schema import FeatureSchema, GroupSpec, ModalitySpec
from camlif.data.splits import make_splits
from camlif.exceptions import ConfigError, SchemaError
from camlif.networks.registry import build_architecture, network_entry
from camlif.networks.rivals.discrete import fit_edges
from camlif.networks.rivals.mcat import Mcat, McatConfig
from camlif.networks.rivals.motcat import MotcatConfig, TransportExchange, transport_cost
from camlif.training.engine import train_ensemble
from camlif.training.ensemble import run_stacked
from tests.builders.cohorts import make_schema, simulate
from tests.networks.batches import draw_inputs, n_parameters, take
from tests.networks.rivals.token_networks import (
    BAG,
    TABLES,
    THREE,
    build,
    outcome_of,
    padded,
    permuted_groups,
    permuted_network,
    settings_of,
)

KEYS = ("mcat", "motcat", "cmta", "joint_attention")
REFERENCE = make_schema({"pathology": (58, 290, 290, 155), "genomics": (54, 54, 53, 53, 53, 53)})


@pytest.mark.parametrize(
    ("key", "size", "expected"),
    [
        ("mcat", "paper", 3_910_406),
        ("mcat", "compact", 301_766),
        ("motcat", "paper", 3_647_238),
        ("motcat", "compact", 285_126),
        ("cmta", "paper", 3_782_404),
        ("cmta", "compact", 294_340),
        ("joint_attention", "paper", 2_001_153),
        ("joint_attention", "compact", 180_801),
    ],
)
def test_parameter_count_is_the_specified_one(key: str, size: str, expected: int) -> None:
    config = network_entry(key).config(head="native", size=size)  # type: ignore[call-arg]
    assert n_parameters(build_architecture(REFERENCE, 0, config)) == expected


@pytest.mark.parametrize("head", ["native", "matched"])
@pytest.mark.parametrize("key", KEYS)
def test_stacked_members_equal_members_run_alone(key: str, head: str) -> None:
    config = settings_of(key, head=head)
    members = [build(TABLES, config, seed=seed) for seed in range(3)]
    parameters, buffers = stack_module_state(members)
    batches = [draw_inputs(TABLES, 7, seed=seed) for seed in range(3)]
    batches[1].presence[2, 0] = False
    stacked = tree_map(lambda *parts: torch.stack(parts), *batches)
    skeleton = build_architecture(TABLES, len(clinical_names(TABLES)), config)
    output = run_stacked(skeleton, parameters | buffers, stacked, diagnostics=True)
    for e, (member, inputs) in enumerate(zip(members, batches, strict=True)):
        alone = member(inputs, diagnostics=True)
        torch.testing.assert_close(output.risk[e], alone.risk, atol=1e-10, rtol=0)
        for name, value in alone.aux.items():
            torch.testing.assert_close(output.aux[name][e], value, atol=1e-10, rtol=0)
    output.risk.sum().backward()  # evaluation mode has gradients, too
    assert all(p.grad is not None and p.grad.isfinite().all() for p in parameters.values())


@pytest.mark.parametrize("head", ["native", "matched"])
@pytest.mark.parametrize("schema", [TABLES, BAG, THREE], ids=["tables", "bag", "three"])
@pytest.mark.parametrize("key", KEYS)
def test_any_modality_may_be_absent(key: str, schema: FeatureSchema, head: str) -> None:
    network = build(schema, settings_of(key, head=head))
    m = len(schema.modalities)
    inputs = draw_inputs(schema, 2**m)
    for row in range(2**m):
        for i in range(m):
            inputs.presence[row, i] = bool(row >> i & 1)
    output = network(inputs)
    assert output.risk.isfinite().all()
    terms = network.loss(output, outcome_of(network, inputs))
    terms.total.backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())
    # What is not there is not read, and what is there is.
    noisy = inputs._replace(tables={k: t + 1 for k, t in inputs.tables.items()})
    unchanged = torch.isclose(network(noisy).risk, output.risk, atol=1e-12, rtol=0)
    assert unchanged.tolist() == [True] + [False] * (2**m - 1)


@pytest.mark.parametrize("key", KEYS)
def test_masked_instances_of_a_bag_change_nothing(key: str) -> None:
    network = build(BAG, settings_of(key))
    inputs = draw_inputs(BAG, 4)
    torch.testing.assert_close(
        network(padded(inputs, "pathology", 50)).risk, network(inputs).risk, atol=1e-10, rtol=0
    )


@pytest.mark.parametrize("key", ["mcat", "motcat", "cmta"])
def test_exchange_needs_two_modalities(key: str) -> None:
    with pytest.raises(SchemaError, match="between modalities"):
        build(make_schema({"pathology": (3, 4)}), settings_of(key))


@pytest.mark.parametrize("key", ["mcat", "cmta"])
def test_native_training_fits_each_members_own_intervals(key: str) -> None:
    cohort = simulate(80).cohort
    splits = make_splits(cohort.patient_ids, cohort.event, n_splits=2, scheme="monte_carlo")
    native = network_entry(key).native
    training = TrainConfig(
        **{
            **native.to_json(),
            "splits": 2,
            "epochs": 2,
            "constant_epochs": 2,
            "split_scheme": "monte_carlo",
        }
    )
    config = RunConfig(network=settings_of(key, head="native"), training=training)
    result = train_ensemble(cohort, config, splits, device=torch.device("cpu"))
    assert np.isfinite(result.history["nll"]).all()
    for e in range(2):
        rows = splits.train_rows(e)
        expected = fit_edges(cohort.event[rows], cohort.duration[rows], 4)
        np.testing.assert_array_equal(result.ensemble.parameters["head.edges"][e], expected)


# MCAT


def test_order_of_the_asked_modalitys_groups_does_not_matter_to_mcat() -> None:
    config, order = settings_of("mcat"), [1, 0]
    network = build(TABLES, config)
    schema, columns = permuted_groups(TABLES, "pathology", order)
    other = permuted_network(network, schema, config, "pathology", order)
    inputs = draw_inputs(TABLES, 5)
    moved = inputs._replace(
        tables={**inputs.tables, "pathology": inputs.tables["pathology"][:, columns]}
    )
    torch.testing.assert_close(other(moved).risk, network(inputs).risk, atol=1e-12, rtol=0)
    assert not torch.allclose(other(inputs).risk, network(inputs).risk, atol=1e-3)


def test_coattention_is_a_distribution_over_real_instances() -> None:
    network = build(BAG, settings_of("mcat"))
    inputs = padded(draw_inputs(BAG, 4), "pathology", 5)
    weights = network(inputs, diagnostics=True).aux["coattention_pathology"]
    assert weights.shape == (4, 3, 8)
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    assert not weights[..., 3:].any()
    assert "coattention_pathology" not in network(inputs).aux


def test_duplicating_a_bag_does_not_change_mcat() -> None:
    network = build(BAG, settings_of("mcat"))
    inputs = draw_inputs(BAG, 4)
    twice = inputs._replace(
        tables={**inputs.tables, "pathology": inputs.tables["pathology"].repeat(1, 2, 1)},
        masks={**inputs.masks, "pathology": inputs.masks["pathology"].repeat(1, 2)},
    )
    torch.testing.assert_close(network(twice).risk, network(inputs).risk, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("schema", "wanted", "expected"),
    [
        (TABLES, None, "genomics"),
        (TABLES, "pathology", "pathology"),
        (make_schema({"ct": (2,), "mri": (2, 3)}, bags={"slides": 4}), None, "mri"),
    ],
)
def test_query_modality(schema: FeatureSchema, wanted: str | None, expected: str) -> None:
    network = build(schema, McatConfig(query_modality=wanted))
    assert isinstance(network, Mcat)
    assert network.query == expected
    assert expected not in network.exchanges


def test_a_query_that_is_not_there_is_refused() -> None:
    with pytest.raises(SchemaError, match="ct"):
        build(TABLES, McatConfig(query_modality="ct"))
    with pytest.raises(SchemaError, match="query_modality"):
        build(make_schema({}, bags={"slides": 4, "regions": 3}), McatConfig())


# MOTCat


def exchange(**changes: object) -> TransportExchange:
    return TransportExchange(MotcatConfig(**changes))  # type: ignore[arg-type]


def tokens(n: int, k: int, seed: int) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, k, 8, generator=g, dtype=torch.float64)


def valid(x: Tensor) -> Tensor:
    return torch.ones(x.shape[:-1], dtype=torch.bool)


def test_transport_cost_is_the_scaled_squared_distance_of_shifted_tokens() -> None:
    memory, query = tokens(3, 4, 0), tokens(3, 6, 1)
    shifted = [t - t.min(-1, keepdim=True).values for t in (memory, query)]
    expected = torch.cdist(*shifted) ** 2
    expected = expected / expected.amax((1, 2), keepdim=True)
    cost = transport_cost(memory, query, torch.ones(3, 4, 6, dtype=torch.bool))
    torch.testing.assert_close(cost, expected, atol=1e-12, rtol=0)


def test_carried_tokens_have_no_gradient_through_the_plan() -> None:
    memory, query = tokens(2, 4, 0).requires_grad_(), tokens(2, 6, 1).requires_grad_()
    carried, notes = exchange()(query, memory, valid(query), valid(memory))
    plan = notes["ot_plan"]
    torch.testing.assert_close(carried, plan.mT @ memory)
    to_memory, to_query = torch.autograd.grad(carried.sum(), (memory, query), allow_unused=True)
    assert to_query is None
    mass = plan.sum(-1, keepdim=True).expand_as(to_memory)
    torch.testing.assert_close(to_memory, mass)


def test_equal_tokens_are_carried_evenly() -> None:
    memory, query = torch.ones(2, 4, 8), torch.ones(2, 6, 8)
    carried, notes = exchange()(query, memory, valid(query), valid(memory))
    assert carried.isfinite().all()
    plan = notes["ot_plan"]
    torch.testing.assert_close(plan, plan[:, :1, :1].expand_as(plan))
    torch.testing.assert_close(notes["plan_entropy"], torch.full((2,), np.log(24.0)).float())
    assert not notes["transport_cost"].any()


def test_padding_of_a_bag_does_not_change_the_plan() -> None:
    memory, query = tokens(2, 4, 0), tokens(2, 6, 1)
    longer = torch.cat([memory, 100 * tokens(2, 50, 2)], dim=1)
    mask = torch.cat([valid(memory), ~valid(longer[:, 4:])], dim=1)
    for reference in ("entropy", "kl"):
        carried, notes = exchange(reference=reference)(query, memory, valid(query), valid(memory))
        same, other = exchange(reference=reference)(query, longer, valid(query), mask)
        torch.testing.assert_close(same, carried, atol=1e-12, rtol=0)
        assert not other["ot_plan"][:, 4:].any()
        for name in ("transport_cost", "plan_entropy"):
            torch.testing.assert_close(other[name], notes[name], atol=1e-12, rtol=0)


def test_motcat_takes_a_single_instance_and_reports_its_plan() -> None:
    network = build(BAG, settings_of("motcat"))
    inputs = draw_inputs(BAG, 1, instances=1)
    output = network(inputs, diagnostics=True)
    assert output.risk.shape == (1,)
    assert output.risk.isfinite().all()
    assert output.aux["ot_plan_pathology"].shape == (1, 1, 3)
    assert (output.aux["ot_plan_pathology"] > 0).all()
    assert output.aux["transport_cost_pathology"].shape == (1,)


@pytest.mark.parametrize("changes", [{"epsilon": 0.0}, {"tau": -1.0}, {"reference": "balanced"}])
def test_motcat_refuses_impossible_settings(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        MotcatConfig(**changes)  # type: ignore[arg-type]


# joint attention


@pytest.mark.parametrize(("name", "order"), [("pathology", [1, 0]), ("genomics", [2, 0, 1])])
def test_order_of_tokens_within_a_modality_does_not_matter(name: str, order: list[int]) -> None:
    config = settings_of("joint_attention")
    network = build(TABLES, config)
    schema, columns = permuted_groups(TABLES, name, order)
    other = permuted_network(network, schema, config, name, order)
    inputs = draw_inputs(TABLES, 5)
    moved = inputs._replace(tables={**inputs.tables, name: inputs.tables[name][:, columns]})
    expected, got = (net(x).embeddings["fusion"] for net, x in ((network, inputs), (other, moved)))
    torch.testing.assert_close(got, expected, atol=1e-12, rtol=0)


def test_tokens_tell_which_modality_they_are_of() -> None:
    schema = FeatureSchema(
        tuple(ModalitySpec(m, (GroupSpec("g", ("x", "y")),)) for m in ("pathology", "ct"))
    )
    network = build(schema, settings_of("joint_attention"))
    state = network.state_dict()
    for key in [k for k in state if k.startswith("reader.tokenizers.ct.")]:
        state[key] = state[key.replace(".ct.", ".pathology.")]
    network.load_state_dict(state)
    inputs = draw_inputs(schema, 4)
    swapped = inputs._replace(
        tables=dict(zip(("ct", "pathology"), inputs.tables.values(), strict=True))
    )
    assert not torch.allclose(network(swapped).risk, network(inputs).risk, atol=1e-6)
    with torch.no_grad():
        network.modality.zero_()
    torch.testing.assert_close(network(swapped).risk, network(inputs).risk, atol=1e-12, rtol=0)


def test_joint_attention_takes_one_modality() -> None:
    schema = make_schema({"pathology": (3, 4)})
    network = build(schema, settings_of("joint_attention"))
    inputs = draw_inputs(schema, 3)
    torch.testing.assert_close(
        network(take(inputs, [1])).risk, network(inputs).risk[1:2], atol=1e-12, rtol=0
    )
