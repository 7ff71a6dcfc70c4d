"""What every registered network must do, whatever its method: no test here names one."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import stack_module_state
from torch.utils._pytree import tree_leaves, tree_map

from camlif.config import RunConfig, TrainConfig
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import clinical_names, encode
from camlif.data.schema import FeatureSchema
from camlif.data.splits import make_splits
from camlif.networks.interface import FusionNetwork, FusionOutput, Inputs, Outcome, Step
from camlif.networks.registry import (
    AnyNetworkConfig,
    build_architecture,
    network_entry,
)
from camlif.statistics.concordance import concordance_index
from camlif.training.engine import train_ensemble
from camlif.training.ensemble import run_stacked
from camlif.training.recorded import Run, record
from tests.builders.cohorts import simulate
from tests.networks.batches import n_parameters, take
from tests.networks.rivals.rivals import (
    N_CLASSES,
    SCHEMAS,
    C,
    P,
    accepts,
    draw,
    every_accepted,
    every_network,
    every_step,
    first_accepted,
    fitted,
    native_training,
    penalty_of,
    unbounded,
    without_dropout,
)

every = pytest.mark.parametrize(
    "config", [pytest.param(config, id=name) for name, config in every_network().items()]
)
every_accepted_schema = pytest.mark.parametrize(
    ("config", "schema"), [pytest.param(*pair, id=name) for name, pair in every_accepted().items()]
)

two_modalities_quickly = pytest.mark.parametrize(
    ("config", "schema"),
    [
        pytest.param(*pair, id=name, marks=[] if name.endswith("-two") else [pytest.mark.slow])
        for name, pair in every_accepted().items()
    ],
)


def total_loss(network: FusionNetwork, inputs: Inputs, outcome: Outcome, step: Step) -> Tensor:
    """Loss with penalties, as the engine minimises it."""
    total = network.loss(network(inputs), outcome, step).total
    return total + sum(penalty_of(network, step).values())


@every
def test_some_schema_is_accepted(config: AnyNetworkConfig) -> None:
    assert any(accepts(config, schema) for schema in SCHEMAS.values())


# A1
@every_accepted_schema
@pytest.mark.parametrize("training", [True, False])
def test_risks_are_finite_and_one_a_patient(
    config: AnyNetworkConfig, schema: FeatureSchema, training: bool
) -> None:
    network, _ = fitted(config, schema, *draw(schema, 33))
    network.train(training)
    for n in (1, 2, 7, 32, 33):
        output = network(draw(schema, n)[0])
        assert output.risk.shape == (n,)
        assert output.risk.dtype == torch.float32
        assert output.risk.isfinite().all()
        assert all(len(e) == n and e.isfinite().all() for e in output.embeddings.values())
        assert "fusion" in output.embeddings


# A2
@every_accepted_schema
def test_a_risk_does_not_depend_on_the_batch(
    config: AnyNetworkConfig, schema: FeatureSchema
) -> None:
    inputs, outcome = draw(schema, 32)
    network, _ = fitted(config, schema, inputs, outcome)
    network.eval()
    order = torch.randperm(32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        together = network(inputs).risk
        alone = torch.cat([network(take(inputs, [i])).risk for i in range(32)])
        shuffled = network(take(inputs, order)).risk
    assert together.std() > 1e-5
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)
    torch.testing.assert_close(shuffled, together[order], atol=1e-5, rtol=0)


# A3
@every
def test_the_outcome_never_changes_a_risk(config: AnyNetworkConfig) -> None:
    schema = first_accepted(config)
    inputs, outcome = draw(schema, 20)
    network, outcome = fitted(config, schema, inputs, outcome)
    network.eval()
    before = network(inputs).risk
    changed = outcome._replace(event=~outcome.event, duration=outcome.duration.flip(0))
    for step in every_step(network, config):
        network.loss(network(inputs), changed, step).total.backward()
    assert list(inspect.signature(network.forward).parameters) == ["inputs", "diagnostics"]
    assert torch.equal(network(inputs).risk, before)


# A4
@every
def test_every_parameter_gets_a_finite_gradient_in_some_stage(config: AnyNetworkConfig) -> None:
    schema = first_accepted(config)
    inputs, outcome = draw(schema, 40)
    network, outcome = fitted(config, schema, inputs, outcome)
    network.train()
    reached: set[str] = set()
    for step in every_step(network, config):
        network.zero_grad(set_to_none=True)
        network.loss(network(inputs), outcome, step).total.backward()
        for name, p in network.named_parameters():
            if p.grad is not None:
                assert p.grad.isfinite().all(), name
                reached.add(name)
    assert {name for name, _ in network.named_parameters()} - reached == set()


# A4
@every
def test_two_evaluations_are_identical(config: AnyNetworkConfig) -> None:
    schema = first_accepted(config)
    inputs, outcome = draw(schema, 9)
    network, _ = fitted(config, schema, inputs, outcome)
    network.eval()
    assert torch.equal(network(inputs).risk, network(inputs).risk)


# A5
@every
def test_a_batch_without_events_gives_no_cox_gradient(config: AnyNetworkConfig) -> None:
    schema = first_accepted(config)
    inputs, outcome = draw(schema, 12)
    network, outcome = fitted(config, schema, inputs, outcome)
    censored = outcome._replace(event=torch.zeros_like(outcome.event))
    for step in every_step(network, config):
        terms = network.loss(network(inputs), censored, step)
        assert terms.total.isfinite()
        for name, part in terms.parts.items():
            if not name.startswith("cox"):
                continue
            gradients = torch.autograd.grad(
                part, list(network.parameters()), retain_graph=True, allow_unused=True
            )
            assert float(part.detach()) == 0
            assert all(g is None or not g.any() for g in gradients)
        terms.total.backward()


# A5
@every
@pytest.mark.parametrize("values", ["constant", "zero", "large"])
def test_odd_features_give_finite_risks_and_gradients(
    config: AnyNetworkConfig, values: str
) -> None:
    schema = first_accepted(config)
    inputs, outcome = draw(schema, 24)
    network, outcome = fitted(config, schema, inputs, outcome)
    odd = {
        "constant": torch.ones_like,
        "zero": torch.zeros_like,
        "large": lambda t: 1e3 * torch.sign(t),
    }[values]
    inputs = inputs._replace(tables={m: odd(t) for m, t in inputs.tables.items()})
    network.train()
    for step in every_step(network, config):
        network.zero_grad(set_to_none=True)
        total_loss(network, inputs, outcome, step).backward()
        assert network(inputs).risk.isfinite().all()
        assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


@every
def test_absent_modalities_give_finite_risks_that_do_not_read_them(
    config: AnyNetworkConfig,
) -> None:
    schema = first_accepted(config)
    inputs, outcome = draw(schema, 20)
    network, _ = fitted(config, schema, inputs, outcome)
    network.eval()
    first = schema.names[0]
    inputs.presence[:, 0] = False
    inputs.masks[first][:] = False
    before = network(inputs).risk
    moved = inputs._replace(tables={**inputs.tables, first: inputs.tables[first] + 3})
    assert before.isfinite().all()
    torch.testing.assert_close(network(moved).risk, before, atol=1e-6, rtol=0)


# A6
@every
def test_the_total_is_the_sum_of_the_parts(config: AnyNetworkConfig) -> None:
    schema = first_accepted(config)
    inputs, outcome = draw(schema, 20)
    network, outcome = fitted(config, schema, inputs, outcome)
    for step in every_step(network, config):
        terms = network.loss(network(inputs), outcome, step)
        torch.testing.assert_close(terms.total, torch.stack(list(terms.parts.values())).sum())
        assert terms.total.ndim == 0
        assert float(terms.total.detach()) != 0


# A6
@every
def test_a_stored_state_gives_identical_risks(config: AnyNetworkConfig) -> None:
    schema = first_accepted(config)
    inputs, outcome = draw(schema, 20)
    one, _ = fitted(config, schema, inputs, outcome, seed=3)
    other, _ = fitted(config, schema, *draw(schema, 20, seed=8), seed=4)
    assert not torch.equal(other.eval()(inputs).risk, one.eval()(inputs).risk)
    other.load_state_dict(one.state_dict())
    assert torch.equal(other(inputs).risk, one(inputs).risk)


# A6
@every
def test_settings_survive_json(config: AnyNetworkConfig) -> None:
    entry = network_entry(config.architecture)
    assert entry.config.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert TrainConfig.from_json(json.loads(json.dumps(entry.native.to_json()))) == entry.native


@pytest.mark.parametrize(
    ("keys", "sampler"),
    [
        (("mcat", "motcat", "cmta"), "balanced"),
        (("pathomic_fusion", "pg_mlif", "multicofusion"), "random"),
    ],
)
def test_native_runs_are_sampled_as_the_authors_code_does(
    keys: tuple[str, ...], sampler: str
) -> None:
    for key in keys:
        entry = network_entry(key)
        assert entry.native.sampler == sampler
        assert "/" in entry.source  # a repository


# A7
@every_accepted_schema
def test_the_architecture_without_storage_has_the_same_state(
    config: AnyNetworkConfig, schema: FeatureSchema
) -> None:
    network, _ = fitted(config, schema, *draw(schema, 12))
    bare = build_architecture(schema, len(clinical_names(schema)), config)
    shapes = {name: value.shape for name, value in bare.state_dict().items()}
    assert shapes == {name: value.shape for name, value in network.state_dict().items()}
    assert n_parameters(bare) == n_parameters(network)


def stacked(
    config: AnyNetworkConfig, schema: FeatureSchema, n: int, members: int = 3
) -> tuple[list[FusionNetwork], dict[str, Tensor], Inputs, Outcome]:
    """Members with data of their own, and all of it along a leading axis."""
    networks, inputs, outcomes = [], [], []
    for e in range(members):
        x, y = draw(schema, n, seed=10 + 3 * e)
        network, y = fitted(config, schema, x, y, seed=e)
        networks.append(network)
        inputs.append(x)
        outcomes.append(y)
    parameters, buffers = stack_module_state(networks)
    state = {name: p.detach() for name, p in (parameters | buffers).items()}
    for name in parameters:
        state[name].requires_grad_()
    both = (
        tree_map(lambda *t: torch.stack(t), *inputs),
        tree_map(lambda *t: None if t[0] is None else torch.stack(t), *outcomes),
    )
    return networks, state, *both


@every_accepted_schema
def test_stacked_members_compute_what_each_computes_alone(
    config: AnyNetworkConfig, schema: FeatureSchema
) -> None:
    networks, state, inputs, outcome = stacked(config, schema, 12)
    bare = without_dropout(build_architecture(schema, len(clinical_names(schema)), config)).train()
    for step in every_step(bare, config):
        output = run_stacked(bare, state, inputs)
        terms = bare.loss(output, outcome, step)
        penalties = bare.penalty(state, step)
        total = terms.total + sum(penalties.values())
        for e, network in enumerate(networks):
            without_dropout(network).train().zero_grad(set_to_none=True)
            own = tree_map(lambda t, e=e: None if t is None else t[e], (inputs, outcome))
            alone = network(own[0])
            torch.testing.assert_close(output.risk[e], alone.risk, atol=1e-5, rtol=1e-4)
            single = network.loss(alone, own[1], step).total
            single = single + sum(penalty_of(network, step).values())
            torch.testing.assert_close(total[e], single, atol=1e-5, rtol=1e-4)
            single.backward()
        gradients = torch.autograd.grad(
            total.sum(), [state[k] for k, _ in bare.named_parameters()], allow_unused=True
        )
        for (name, _), gradient in zip(bare.named_parameters(), gradients, strict=True):
            for e, network in enumerate(networks):
                expected = network.get_parameter(name).grad
                if expected is None:
                    assert gradient is None or not gradient[e].any(), name
                    continue
                torch.testing.assert_close(
                    gradient[e], expected, atol=1e-5, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}"
                )


@every
def test_members_train_together_with_dropout_of_their_own(config: AnyNetworkConfig) -> None:
    schema = first_accepted(config)
    _, state, inputs, outcome = stacked(config, schema, 12, members=2)
    same = tree_map(lambda t: t[:1].expand_as(t), (state, inputs))
    bare = build_architecture(schema, len(clinical_names(schema)), config).train()
    torch.manual_seed(0)
    risk = run_stacked(bare, *same).risk
    steps = list(every_step(bare, config))
    bare.loss(run_stacked(bare, state, inputs), outcome, steps[-1]).total.sum().backward()
    assert not torch.equal(risk[0], risk[1])


@two_modalities_quickly
def test_a_recording_computes_the_bytes_of_the_stack(
    config: AnyNetworkConfig, schema: FeatureSchema
) -> None:
    _, state, inputs, outcome = stacked(config, schema, 12)
    other = tree_map(lambda t: t.flip(1), inputs)
    bare = build_architecture(schema, len(clinical_names(schema)), config).train()
    names = [name for name, _ in bare.named_parameters()]
    before = torch.get_rng_state()
    recording = record(bare, state, other)
    assert torch.equal(torch.get_rng_state(), before)

    def compute(run: Run) -> tuple[FusionOutput, list[Tensor | None]]:
        torch.manual_seed(4)
        output = run(state, inputs)
        loss = bare.loss(output, outcome, list(every_step(bare, config))[-1]).total.sum()
        return output, torch.autograd.grad(loss, [state[k] for k in names], allow_unused=True)

    (stack, expected), (flat, gradients) = compute(partial(run_stacked, bare)), compute(recording)

    for a, b in zip(tree_leaves(stack), tree_leaves(flat), strict=True):
        assert torch.equal(a, b)
    for name, a, b in zip(names, expected, gradients, strict=True):
        assert (a is None and b is None) or torch.equal(a, b), name


OVERFIT_PATIENTS = 24
OVERFIT_STEPS = 300
OVERFIT_C_INDEX = 0.95


# A8
@every
def test_random_features_of_few_patients_are_learned_by_heart(config: AnyNetworkConfig) -> None:
    schema = first_accepted(config)
    inputs, outcome = draw(schema, OVERFIT_PATIENTS)
    network, outcome = fitted(unbounded(config), schema, inputs, outcome)
    without_dropout(network).train()
    last = network.stages(native_training(config))[-1].name
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    # Hazards of intervals cannot order patients inside one.
    time = outcome.duration if outcome.interval is None else outcome.interval
    found, batch = 0.0, 0
    while found <= OVERFIT_C_INDEX and batch < OVERFIT_STEPS:
        output = network(inputs)
        risk = output.risk.detach().double().numpy()
        found = concordance_index(risk, outcome.event.numpy(), time.double().numpy())
        optimiser.zero_grad()
        network.loss(output, outcome, Step(last, batch, batch)).total.backward()
        optimiser.step()
        batch += 1
    assert found > OVERFIT_C_INDEX


GROUPS = {P: (6, 6), C: (8, 4)}
TEST_FRACTION = 1 / 3
ADDITIVE_PATIENTS = 600
ADDITIVE_STRENGTH = 3.0
ADDITIVE_C_INDEX = 0.70
SHUFFLED_PATIENTS = 180
SHUFFLED_EPOCHS = 10
SHUFFLES = 2
SHUFFLED_SPLITS = 5


def held_out_c_indices(
    cohort: Cohort, config: AnyNetworkConfig, *, n_splits: int, epochs: int | None = None
) -> list[float]:
    """C-index of each split's test part: matched training, or the published of a native head."""
    if not accepts(config, cohort.schema):
        cohort = cohort.select(modalities=[cohort.schema.names[0]])
    splits = make_splits(
        cohort.patient_ids,
        cohort.event,
        n_splits=n_splits,
        scheme="monte_carlo",
        test_fraction=TEST_FRACTION,
    )
    is_native = getattr(config, "head", "matched") == "native"
    training = native_training(config) if is_native else TrainConfig()
    if epochs is not None:
        training = replace(training, epochs=epochs, constant_epochs=epochs)
    result = train_ensemble(
        cohort,
        RunConfig(network=config, training=training),
        splits,
        device=torch.device("cpu"),
        label=np.arange(len(cohort)) % N_CLASSES,
    )
    log_risk = result.ensemble.predict(encode(cohort, cohort.schema)).log_risk
    return [
        concordance_index(log_risk[rows, e], cohort.event[rows], cohort.duration[rows])
        for e, rows in ((e, splits.test_rows(e)) for e in range(n_splits))
    ]


# A9
@pytest.mark.slow
@every
def test_an_additive_signal_is_found(config: AnyNetworkConfig) -> None:
    cohort = simulate(ADDITIVE_PATIENTS, GROUPS, strength=ADDITIVE_STRENGTH).cohort
    (found,) = held_out_c_indices(cohort, config, n_splits=1)
    assert found > ADDITIVE_C_INDEX


# A10
@pytest.mark.slow
@every
def test_shuffled_outcomes_are_not_predicted(config: AnyNetworkConfig) -> None:
    cohort = simulate(SHUFFLED_PATIENTS, GROUPS, strength=ADDITIVE_STRENGTH).cohort
    found: list[float] = []
    for seed in range(SHUFFLES):
        order = np.random.default_rng(seed).permutation(len(cohort))
        shuffled = replace(cohort, event=cohort.event[order], duration=cohort.duration[order])
        found += held_out_c_indices(
            shuffled, config, n_splits=SHUFFLED_SPLITS, epochs=SHUFFLED_EPOCHS
        )
    assert abs(np.mean(found) - 0.5) < 0.05
