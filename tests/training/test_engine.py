"""The stacked engine: same as ordinary training, deterministic, and blind to its test part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from camlif.config import GAP_DROPOUT, PRESETS, NetworkConfig, RunConfig, TrainConfig
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import Preprocessor, clinical_names, encode, stack_columns
from camlif.data.splits import Splits, make_splits
from camlif.exceptions import ConfigError, NoEventsError, SchemaError
from camlif.networks.interface import Inputs, Outcome
from camlif.networks.registry import build_network
from camlif.statistics.outcome import FollowUp
from camlif.training import engine
from camlif.training.engine import TrainingResult, train_ensemble
from camlif.training.ensemble import Ensemble, to_tensors
from camlif.training.loop import (
    Batches,
    Loop,
    TrainingData,
    TrainingProgress,
    _clip_per_member,
)
from camlif.training.sampler import PAD, draw_batches
from tests.builders.cohorts import make_cohort

CPU = torch.device("cpu")
NARROW = NetworkConfig(width=8, mam_width=4, lmf_width=4, lmf_rank=2, owc_hidden=4)
NO_DROPOUT = replace(NARROW, dropout=0.0, embed_dropout=(0.0, 0.0))


def splits_of(cohort: Cohort, n: int = 5) -> Splits:
    return make_splits(cohort.patient_ids, cohort.event, n_splits=n, scheme="monte_carlo", seed=1)


def train(
    cohort: Cohort,
    *,
    network: NetworkConfig = NARROW,
    splits: Splits | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
    **training: object,
) -> TrainingResult:
    config = RunConfig(network=network, training=TrainConfig(**{"epochs": 2, **training}))
    return train_ensemble(
        cohort, config, splits or splits_of(cohort), device=CPU, progress=progress
    )


def make_loop(
    cohort: Cohort, splits: Splits, network: NetworkConfig, training: TrainConfig
) -> tuple[Loop, list[np.random.SeedSequence]]:
    """Build the loop of `train_ensemble` in float64."""
    raw = encode(cohort, cohort.schema)
    fitted = [
        Preprocessor.fit(
            raw,
            cohort.schema,
            splits.train_rows(e),
            training,
            event=cohort.event,
            duration=cohort.duration,
        )
        for e in range(len(splits))
    ]
    networks = []
    for e in range(len(splits)):
        torch.manual_seed(e)
        networks.append(build_network(cohort.schema, len(clinical_names(cohort.schema)), network))
    stacked, _ = torch.func.stack_module_state(networks)
    ensemble = Ensemble(
        schema=cohort.schema,
        config=network,
        parameters={k: p.detach().double() for k, p in stacked.items()},
        columns={
            m: {k: v.double() for k, v in c.items()} for m, c in stack_columns(fitted).items()
        },
        offset=torch.zeros(len(splits)),
    )
    seeds = np.random.SeedSequence(3).spawn(len(splits) + 1)
    data = TrainingData(
        inputs=ensemble.standardise(to_tensors(raw, CPU)),
        outcome=FollowUp.check(cohort.event, cohort.duration, cohort.entry),
        rows=[splits.train_rows(e) for e in range(len(splits))],
        longest=max(len(splits.train_rows(e)) for e in range(len(splits))),
        label=None,
    )
    hide = engine.resolve_modality_dropout(training, raw)
    return Loop(ensemble, Batches(data, None, seeds[:-1], hide)), seeds


def train_one(
    loop: Loop, e: int, rng: np.random.Generator, cohort: Cohort, training: TrainConfig
) -> dict[str, Tensor]:
    """Train one member as anyone would train a module: its own optimiser, patients, gradients."""
    ensemble = loop.ensemble
    module = build_network(ensemble.schema, len(clinical_names(ensemble.schema)), ensemble.config)
    module.double().load_state_dict({k: p[e].clone() for k, p in ensemble.parameters.items()})
    matrices = [p for p in module.parameters() if p.ndim > 1]
    vectors = [p for p in module.parameters() if p.ndim == 1]
    optimiser = torch.optim.Adam(
        [{"params": matrices, "weight_decay": training.weight_decay}, {"params": vectors}],
        lr=training.learning_rate_at(0),
    )
    data = loop.batches.data
    n_batches, width = loop.batches.shape(training)
    batches = draw_batches(
        data.rows[e],
        cohort.event,
        n_batches=n_batches,
        width=width,
        sampler=training.sampler,
        rng=rng,
    )
    for batch in batches:
        rows = batch[batch != PAD]
        inputs = Inputs(
            tables={m: t[e][rows] for m, t in data.inputs.tables.items()},
            masks={m: t[e][rows] for m, t in data.inputs.masks.items()},
            presence=data.inputs.presence[e][rows],
            clinical=data.inputs.clinical[e][rows],
        )
        outcome = Outcome(
            torch.from_numpy(cohort.event[rows]),
            torch.from_numpy(cohort.duration[rows]),
            inputs.presence,
            entry=None if cohort.entry is None else torch.from_numpy(cohort.entry[rows]),
        )
        optimiser.zero_grad()
        module.loss(module(inputs), outcome).total.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), training.clip_norm)
        optimiser.step()
    return dict(module.named_parameters())


@pytest.mark.parametrize(
    ("network", "training"),
    [
        (NO_DROPOUT, {}),
        (NO_DROPOUT, {"clip_norm": 0.05}),
        (replace(NO_DROPOUT, cox_ties="efron", cox_reduction="batch"), {"sampler": "random"}),
        (replace(NO_DROPOUT, cross_attention="softmax", ca_layers=1), {"batch_size": 0}),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_stacked_training_equals_training_members_one_by_one(
    network: NetworkConfig, training: dict[str, object], late: bool
) -> None:
    cohort = make_cohort(61, {"p": (3, 4), "c": (5,)}, bags={"w": 3}, clinical=True, gaps=0.15)
    if late:
        cohort = replace(cohort, entry=0.8 * cohort.duration * (np.arange(61) % 3 == 0))
    settings = TrainConfig(epochs=1, modality_dropout=0.0, weight_decay=0.05, **training)
    loop, seeds = make_loop(cohort, splits_of(cohort), network, settings)
    expected = [
        train_one(loop, e, np.random.default_rng(seeds[e]), cohort, settings) for e in range(5)
    ]
    before = {k: p.clone() for k, p in loop.ensemble.parameters.items()}
    loop.run(settings, None, 0.0)
    for name, p in loop.ensemble.parameters.items():
        for e in range(5):
            torch.testing.assert_close(p[e], expected[e][name], atol=1e-5, rtol=0)
    moved = [
        float((p - before[k]).detach().abs().max()) for k, p in loop.ensemble.parameters.items()
    ]
    assert min(moved) > 1e-4


def test_clipping_limits_each_member_on_its_own() -> None:
    torch.manual_seed(0)
    parameters = {
        k: torch.randn(3, *s, requires_grad=True) for k, s in {"a": (4, 5), "b": (6,)}.items()
    }
    for p in parameters.values():
        p.grad = torch.randn_like(p) * torch.tensor([100.0, 1.0, 0.01]).view(
            3, *(1,) * (p.ndim - 1)
        )
    before = {k: p.grad.clone() for k, p in parameters.items()}
    _clip_per_member(parameters, 5.0)
    for e in range(3):
        module = [torch.nn.Parameter(p[e].detach().clone()) for p in parameters.values()]
        for p, gradient in zip(module, before.values(), strict=True):
            p.grad = gradient[e].clone()
        torch.nn.utils.clip_grad_norm_(module, 5.0)
        for p, q in zip(parameters.values(), module, strict=True):
            torch.testing.assert_close(p.grad[e], q.grad)
    norms = (
        torch.stack([p.grad.flatten(1).square().sum(1) for p in parameters.values()]).sum(0).sqrt()
    )
    assert float(norms[0]) == pytest.approx(5.0, rel=1e-4)
    assert torch.equal(parameters["a"].grad[2], before["a"][2])


class _NoSynchronisation(TorchDispatchMode):
    """Refuses operations whose result the host has to wait for."""

    WAITING = ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func.name().split(".")[0] in self.WAITING:
            raise AssertionError(f"{func.name()} waits for the device")
        return func(*args, **(kwargs or {}))


def test_the_batch_loop_never_waits_for_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    epoch = Loop._epoch
    runs = []

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a value is copied to the host")

    def guarded(loop: Loop, *args: object) -> object:
        runs.append(loop.batches.shape(TrainConfig())[0])
        with pytest.MonkeyPatch.context() as patch, _NoSynchronisation():
            for name in ("item", "cpu", "numpy", "tolist", "__float__", "__int__", "__bool__"):
                patch.setattr(Tensor, name, refuse)
            return epoch(loop, *args)

    monkeypatch.setattr(Loop, "_epoch", guarded)
    train(make_cohort(60, gaps=0.1, clinical=True))
    assert runs == [3, 3]
    with pytest.raises(AssertionError, match="waits"), _NoSynchronisation():
        torch.ones(2).sum().item()


# T25
def test_a_seed_fixes_every_byte() -> None:
    cohort = make_cohort(60, gaps=0.2)
    torch.manual_seed(1)
    first = train(cohort, seed=5)
    torch.manual_seed(2)  # the caller's random state does not matter
    again, other = train(cohort, seed=5), train(cohort, seed=6)
    for name, p in first.ensemble.parameters.items():
        assert p.numpy().tobytes() == again.ensemble.parameters[name].numpy().tobytes()
    for part, values in first.history.items():
        assert values.tobytes() == again.history[part].tobytes()
    assert torch.equal(first.ensemble.offset, again.ensemble.offset)
    weight = "encoders.pathology.layers.0.qkv.weight"
    assert not torch.equal(first.ensemble.parameters[weight], other.ensemble.parameters[weight])


# T25
def test_training_leaves_the_callers_random_state_and_threads_alone() -> None:
    torch.manual_seed(7)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    train(make_cohort(60))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_members_start_and_end_differently() -> None:
    weight = train(make_cohort(60)).ensemble.parameters["mlp.weight"]
    for e in range(1, 5):
        assert not torch.allclose(weight[0], weight[e], atol=1e-3)


# T24
@pytest.mark.parametrize("select_top", [None, 4])
def test_the_test_part_does_not_touch_its_member(select_top: int | None) -> None:
    cohort = make_cohort(60, clinical=True, missing_values=0.05)
    splits = splits_of(cohort)
    rows = splits.test_rows(2)
    tables = {m: t.copy() for m, t in cohort.tables.items()}
    for table in tables.values():
        table[rows] = 1e4 * np.random.default_rng(0).standard_normal(table[rows].shape)
    clinical = cohort.clinical.copy()
    clinical.iloc[rows, 0] = 1e5
    event, duration = cohort.event.copy(), cohort.duration.copy()
    event[rows] = ~event[rows]
    duration[rows] = 1e3 - duration[rows]
    disturbed = replace(cohort, tables=tables, clinical=clinical, event=event, duration=duration)
    before = train(cohort, splits=splits, select_top=select_top)
    after = train(disturbed, splits=splits, select_top=select_top)
    for name, p in before.ensemble.parameters.items():
        assert p[2].numpy().tobytes() == after.ensemble.parameters[name][2].numpy().tobytes()
        assert name.endswith("missing") or not torch.equal(p, after.ensemble.parameters[name])
    for name, columns in before.ensemble.columns.items():
        for key, values in columns.items():
            assert torch.equal(values[2], after.ensemble.columns[name][key][2])
    for part, values in before.history.items():
        assert values[:, 2].tobytes() == after.history[part][:, 2].tobytes()
    assert before.ensemble.offset[2] == after.ensemble.offset[2]


def test_progress_and_history_cover_every_epoch() -> None:
    seen: list[TrainingProgress] = []
    result = train(make_cohort(60), epochs=3, progress=seen.append)
    assert [p.epoch for p in seen] == [1, 2, 3]
    assert {p.epochs for p in seen} == {3}
    assert set(result.history) == {"cox", "alignment"}
    assert result.history["cox"].shape == (3, 5)
    total = sum(part.mean(axis=1) for part in result.history.values())
    np.testing.assert_allclose([p.loss for p in seen], total, rtol=1e-5)


def test_the_training_loss_falls() -> None:
    cohort = make_cohort(80, strength=3.0)
    history = train(cohort, network=NO_DROPOUT, epochs=12, learning_rate=5e-3).history
    assert (history["cox"][-1] < history["cox"][0] - 0.1).all()


def test_risks_are_centred_on_the_training_part() -> None:
    cohort = make_cohort(60)
    splits = splits_of(cohort)
    log_risk = train(cohort, splits=splits).ensemble.predict(encode(cohort, cohort.schema)).log_risk
    for e in range(5):
        assert log_risk[splits.train_rows(e), e].mean() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_weights_are_rounded_to_the_stored_precision(precision: str) -> None:
    parameters = train(make_cohort(60), stored_precision=precision).ensemble.parameters
    rounded = [torch.equal(p, p.half().float()) for p in parameters.values()]
    assert all(p.dtype == torch.float32 for p in parameters.values())
    assert all(rounded) is (precision == "float16")


@pytest.mark.parametrize("sampler", ["event_stratified", "random"])
@pytest.mark.parametrize("batch_size", [0, 7, 16])
def test_every_batching_trains(sampler: str, batch_size: int) -> None:
    result = train(make_cohort(53), sampler=sampler, batch_size=batch_size, epochs=1)
    assert np.isfinite(result.history["cox"]).all()


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_trains_on_tables_bags_and_gaps(preset: str) -> None:
    cohort = make_cohort(
        40, {"p": (3, 4), "c": (5,)}, bags={"w": 3}, clinical=True, gaps=0.2, missing_values=0.1
    )
    network = NetworkConfig.from_preset(preset, width=8, embed_hidden=8)
    result = train(cohort, network=network, epochs=1)
    assert all(p.isfinite().all() for p in result.ensemble.parameters.values())
    assert np.isfinite(result.ensemble.predict(encode(cohort, cohort.schema)).log_risk).all()


def test_one_modality_trains_with_the_unimodal_encoder_only() -> None:
    cohort = make_cohort(60, clinical=True).select(modalities=["ct"])
    with pytest.raises(SchemaError, match="two modalities or more"):
        train(cohort)
    result = train(cohort, network=replace(NARROW, architecture="unimodal"))
    assert set(result.history) == {"cox"}
    assert result.ensemble.predict(encode(cohort, cohort.schema)).log_risk.shape == (60, 5)


# Modality dropout


def drawn_presence(hide: float, gaps: float) -> tuple[Tensor, Tensor, Outcome]:
    """Presence before and after hiding, of all batches of an epoch, and their last outcome."""
    cohort = make_cohort(60, {"p": (3, 4), "c": (5,), "g": (2,)}, gaps=gaps)
    settings = TrainConfig(modality_dropout=hide)
    loop, _ = make_loop(cohort, splits_of(cohort), NO_DROPOUT, settings)
    batches = loop.batches
    rows, kept = batches._draw(settings)
    before, after = [], []
    for b in range(rows.shape[1]):
        inputs, outcome = batches._gather(rows[:, b], kept[:, b])
        real = rows[:, b] != PAD
        all_presence = batches.data.inputs.presence
        before.append(all_presence[batches.member, rows[:, b].clamp(min=0)][real])
        after.append(inputs.presence[real])
        assert torch.equal(outcome.presence, inputs.presence & real.unsqueeze(-1))
    return torch.cat(before), torch.cat(after), outcome


@pytest.mark.parametrize("gaps", [0.0, 0.4])
def test_modality_dropout_hides_some_and_never_all(gaps: float) -> None:
    before, after, _ = drawn_presence(0.5, gaps)
    assert after.any(-1).all()
    assert not (after & ~before).any()
    share = float((before & ~after).sum() / before.sum())
    assert 0.1 < share < 0.5


def test_without_modality_dropout_nothing_is_hidden() -> None:
    before, after, _ = drawn_presence(0.0, 0.4)
    assert torch.equal(before, after)


@pytest.mark.parametrize(
    ("gaps", "configured", "expected"),
    [(0.0, None, 0.0), (0.3, None, GAP_DROPOUT), (0.3, 0.0, 0.0), (0.0, 0.4, 0.4)],
)
def test_modality_dropout_is_on_by_default_where_the_cohort_has_gaps(
    gaps: float, configured: float | None, expected: float
) -> None:
    raw = encode(*(lambda c: (c, c.schema))(make_cohort(40, gaps=gaps)))
    config = TrainConfig(modality_dropout=configured)
    assert engine.resolve_modality_dropout(config, raw) == expected


# Refusals


def test_a_training_part_without_events_is_refused() -> None:
    cohort = make_cohort(40)
    splits = splits_of(cohort)
    event = cohort.event.copy()
    event[splits.train_rows(3)] = False
    with pytest.raises(NoEventsError, match="split 3"):
        train(replace(cohort, event=event), splits=splits)


def test_a_patient_without_outcome_is_refused() -> None:
    cohort = make_cohort(40)
    splits = splits_of(cohort)
    duration = cohort.duration.copy()
    duration[5] = np.nan
    with pytest.raises(ConfigError, match="every patient"):
        train(replace(cohort, duration=duration), splits=splits)
    with pytest.raises(ConfigError, match="every patient"):
        train(replace(cohort, duration=None, event=None), splits=splits)


def test_late_entry_changes_what_is_learned() -> None:
    cohort = make_cohort(60)
    late = replace(cohort, entry=0.8 * cohort.duration * (np.arange(60) % 2 == 0))
    settings = {"epochs": 1, "seed": 1}
    there = train(cohort, **settings).ensemble.parameters
    after = train(late, **settings).ensemble.parameters
    assert any(not torch.equal(there[name], after[name]) for name in there)


def test_a_loss_that_knows_no_entry_refuses_late_patients() -> None:
    from camlif.networks.registry import network_entry

    cohort = make_cohort(60)
    late = replace(cohort, entry=0.5 * cohort.duration)
    config = RunConfig(
        network=network_entry("mcat").config(architecture="mcat", head="native"),
        training=TrainConfig(splits=5, epochs=1),
    )
    with pytest.raises(ConfigError, match="counts everyone from time zero"):
        train_ensemble(late, config, splits_of(late), device=CPU)
