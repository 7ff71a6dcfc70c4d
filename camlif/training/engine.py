"""Train all members at once: their parameters are stacked and stepped together.

Each member sees the training part of its own split, its own batches and its own preprocessing; no
member reads a row of its test part. The loop holds no host-device synchronisation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import stack_module_state
from torch.utils._pytree import tree_map

from camlif.config import GAP_DROPOUT, RunConfig, TrainConfig
from camlif.data.cohort import BoolArray, Cohort
from camlif.data.preprocessing import Preprocessor, RawInputs, clinical_names, encode, stack_columns
from camlif.data.splits import Splits
from camlif.exceptions import ConfigError, NoEventsError
from camlif.networks.interface import Inputs, LossTerms, Outcome, Stage, Step
from camlif.networks.registry import build_network
from camlif.training.ensemble import Ensemble, run_stacked, to_tensors
from camlif.training.sampler import PAD, count_batches, draw_batches

CPU_THREADS = 1  # at batch 16 a second intra-op thread costs more than it brings


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far a training run is; ``loss`` is the mean over members of the epoch's total loss."""

    epoch: int
    epochs: int
    seconds: float
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """A trained ensemble and its history.

    Attributes
    ----------
    ensemble : Ensemble
    history : mapping of loss part to float32 array, shape (epochs, e)
        Over all stages; NaN in the epochs of a stage that lacks the part.
    seconds : float
    """

    ensemble: Ensemble
    history: dict[str, NDArray[np.float32]]
    seconds: float


@contextmanager
def cpu_threads(n: int) -> Iterator[None]:
    """Set the number of intra-op threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train_ensemble(
    cohort: Cohort,
    config: RunConfig,
    splits: Splits,
    *,
    device: torch.device,
    label: NDArray[np.int64] | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> TrainingResult:
    """Train one member per split.

    Parameters
    ----------
    cohort : Cohort
        Patients with a known outcome only.
    config : RunConfig
    splits : Splits
        Of the cohort's patients, in the cohort's order.
    device : torch.device
    label : int array, shape (n,), optional
        Classes of an auxiliary task for networks that have one; -1 where missing.
    progress : callable, optional
        Called after each epoch.

    Raises
    ------
    NoEventsError
        If a training part holds no event.
    ConfigError
        If the cohort lacks outcomes.
    """
    if cohort.event is None or cohort.duration is None or not cohort.with_outcome.all():
        raise ConfigError("Training needs a follow-up time and an event status for every patient.")
    for split in range(len(splits)):
        if not cohort.event[splits.train_rows(split)].any():
            raise NoEventsError(f"The training part of split {split} holds no event.")
    start = time.perf_counter()
    raw = encode(cohort, cohort.schema)
    preprocessors = [
        Preprocessor.fit(
            raw,
            cohort.schema,
            splits.train_rows(split),
            config.training,
            event=cohort.event,
            duration=cohort.duration,
        )
        for split in range(len(splits))
    ]
    seeds = np.random.SeedSequence(config.training.seed).spawn(len(splits) + 1)
    with _forked_random_state(device), cpu_threads(CPU_THREADS):
        ensemble = Ensemble(
            schema=cohort.schema,
            config=config.network,
            parameters=_initial_state(cohort, config, seeds[:-1]),
            columns=stack_columns(preprocessors),
            offset=torch.zeros(len(splits)),
        ).to(device)
        data = _Data(
            inputs=ensemble.standardise(to_tensors(raw, device)),
            event=cohort.event,
            duration=cohort.duration,
            rows=[splits.train_rows(split) for split in range(len(splits))],
            label=label,
        )
        intervals = _fit_members(ensemble, data)
        torch.manual_seed(_integer(seeds[-1]))
        hide = resolve_modality_dropout(config.training, raw)
        loop = _Loop(ensemble, _Batches(data, intervals, seeds[:-1], hide))
        history = loop.run(config.training, progress, start)
        trained = _centred(_rounded(ensemble, config.training), raw, splits)
    return TrainingResult(ensemble=trained, history=history, seconds=time.perf_counter() - start)


def resolve_modality_dropout(config: TrainConfig, raw: RawInputs) -> float:
    """Return the configured chance; by default on only where the cohort has gaps."""
    if config.modality_dropout is not None:
        return config.modality_dropout
    return 0.0 if bool(raw.presence.all()) else GAP_DROPOUT


@contextmanager
def _forked_random_state(device: torch.device) -> Iterator[None]:
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield


def _integer(seed: np.random.SeedSequence) -> int:
    return int(seed.generate_state(1, np.uint64)[0] >> 1)


def _initial_state(
    cohort: Cohort, config: RunConfig, seeds: list[np.random.SeedSequence]
) -> dict[str, Tensor]:
    """Parameters and buffers of all members, stacked."""
    n_clinical = len(clinical_names(cohort.schema))
    networks = []
    for seed in seeds:
        torch.manual_seed(_integer(seed))
        networks.append(build_network(cohort.schema, n_clinical, config.network))
    parameters, buffers = stack_module_state(networks)
    return {name: p.detach() for name, p in (parameters | buffers).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Data:
    """Standardised inputs (e, n, ...), outcome (n,) and the training rows of each member."""

    inputs: Inputs
    event: BoolArray
    duration: NDArray[np.float64]
    rows: list[NDArray[np.int_]]
    label: NDArray[np.int64] | None


def _fit_members(ensemble: Ensemble, data: _Data) -> NDArray[np.int64] | None:
    """Let each member set what it takes from its training part before the first step.

    Returns
    -------
    int array, shape (e, n), or None
        Discrete-time intervals by each member's own edges.
    """
    intervals = []
    for e, rows in enumerate(data.rows):
        network = ensemble.member(e)
        at = torch.as_tensor(rows, device=ensemble.device)
        own = tree_map(lambda t, e=e, at=at: t[e][at], data.inputs)
        network.fit_outcome(data.event[rows], data.duration[rows])
        network.fit_start(own, data.event[rows], data.duration[rows])
        for name, value in network.state_dict().items():
            ensemble.parameters[name][e] = value
        intervals.append(network.assign_intervals(data.duration))
    known = [found for found in intervals if found is not None]
    return np.stack(known) if known else None


def _rounded(ensemble: Ensemble, config: TrainConfig) -> Ensemble:
    """Return the ensemble with weights rounded to the stored precision."""
    stored = torch.float16 if config.stored_precision == "float16" else torch.float32
    weights = {
        name: ensemble.parameters[name].detach().to(stored).float() for name in ensemble.trainable
    }
    return replace(ensemble, parameters=ensemble.parameters | weights)


def _centred(ensemble: Ensemble, raw: RawInputs, splits: Splits) -> Ensemble:
    """Store each member's mean risk over its training part: Cox loss leaves it undetermined."""
    log_risk = ensemble.predict(raw).log_risk
    offset = [log_risk[splits.train_rows(e), e].mean() for e in range(len(ensemble))]
    return replace(
        ensemble, offset=torch.tensor(offset, dtype=torch.float32, device=ensemble.device)
    )


class _Batches:
    """Draws the batches of an epoch, the same shape for every member."""

    def __init__(
        self,
        data: _Data,
        intervals: NDArray[np.int64] | None,
        seeds: list[np.random.SeedSequence],
        hide: float,
    ) -> None:
        self.data = data
        self.hide = hide
        self.generators = [np.random.default_rng(seed) for seed in seeds]
        device = data.inputs.presence.device
        self.device = device
        self.member = torch.arange(len(data.rows), device=device).unsqueeze(-1)
        self.event = torch.as_tensor(data.event, device=device)
        self.duration = torch.as_tensor(data.duration, dtype=torch.float32, device=device)
        self.label = None if data.label is None else torch.as_tensor(data.label, device=device)
        self.interval = None if intervals is None else torch.as_tensor(intervals, device=device)

    def shape(self, config: TrainConfig) -> tuple[int, int]:
        """Batches of an epoch and rows of a batch, for the member with most patients."""
        longest = max(len(rows) for rows in self.data.rows)
        n_batches = count_batches(longest, config.batch_size, config.sampler)
        if config.sampler == "random" and config.batch_size:
            return n_batches, config.batch_size
        return n_batches, -(-longest // n_batches)

    def epoch(self, config: TrainConfig) -> Iterator[tuple[Inputs, Outcome]]:
        """Yield the batches of one epoch, drawn and moved to the device at once."""
        rows, kept = self._draw(config)
        for b in range(rows.shape[1]):
            yield self._gather(rows[:, b], kept[:, b])

    def _draw(self, config: TrainConfig) -> tuple[Tensor, Tensor]:
        """Rows (e, n_batches, width) and kept presence (e, n_batches, width, m) of an epoch."""
        n_batches, width = self.shape(config)
        drawn, kept = [], []
        n_modalities = self.data.inputs.presence.shape[-1]
        for rows, rng in zip(self.data.rows, self.generators, strict=True):
            drawn.append(
                draw_batches(
                    rows,
                    self.data.event,
                    n_batches=n_batches,
                    width=width,
                    sampler=config.sampler,
                    rng=rng,
                )
            )
            kept.append(rng.random((n_batches, width, n_modalities)) >= self.hide)
        return (
            torch.as_tensor(np.stack(drawn), device=self.device),
            torch.as_tensor(np.stack(kept), device=self.device),
        )

    def _gather(self, rows: Tensor, kept: Tensor) -> tuple[Inputs, Outcome]:
        """Gather one batch of every member: rows (e, b) -> tensors (e, b, ...)."""
        real = rows != PAD
        rows = rows.clamp(min=0)
        at = (self.member, rows)
        all_inputs = self.data.inputs
        presence = all_inputs.presence[at]
        remaining = presence & kept
        presence = torch.where(remaining.any(-1, keepdim=True), remaining, presence)
        inputs = Inputs(
            tables={m: t[at] for m, t in all_inputs.tables.items()},
            masks={m: t[at] for m, t in all_inputs.masks.items()},
            presence=presence,
            clinical=all_inputs.clinical[at],
        )
        outcome = Outcome(
            event=self.event[rows] & real,
            duration=torch.where(real, self.duration[rows], -torch.inf),
            presence=presence & real.unsqueeze(-1),
            interval=None if self.interval is None else self._masked(self.interval[at], real),
            label=None if self.label is None else self._masked(self.label[rows], real),
        )
        return inputs, outcome

    @staticmethod
    def _masked(classes: Tensor, real: Tensor) -> Tensor:
        return torch.where(real, classes, -1)


class _Loop:
    """Trains stacked members in place, stage by stage."""

    def __init__(self, ensemble: Ensemble, batches: _Batches) -> None:
        self.ensemble = ensemble
        self.network = ensemble.network
        self.state = ensemble.parameters
        self.trainable = ensemble.trainable
        self.batches = batches

    def run(
        self,
        config: TrainConfig,
        progress: Callable[[TrainingProgress], None] | None,
        start: float,
    ) -> dict[str, NDArray[np.float32]]:
        """Train all epochs of all stages and return the history."""
        stages = self.network.stages(config)
        epochs = sum(stage.training.epochs for stage in stages)
        history: list[dict[str, Tensor]] = []
        self.network.train()
        for stage in stages:
            for means in self._stage(stage):
                history.append(means)
                if progress is not None:
                    loss = sum(float(part.mean()) for part in means.values())
                    seconds = time.perf_counter() - start
                    progress(TrainingProgress(len(history), epochs, seconds, loss))
        self.network.eval()
        for name in self.trainable:
            self.state[name].requires_grad_(False)
        return _stacked_history(history)

    def _stage(self, stage: Stage) -> Iterator[dict[str, Tensor]]:
        """Train one stage; yields every epoch's mean loss terms."""
        config = stage.training
        learning = [n for n in self.trainable if n.startswith(stage.trainable or ("",))]
        for name in self.trainable:
            self.state[name].requires_grad_(name in learning)
        optimiser = _optimiser({name: self.state[name] for name in learning}, config)
        for epoch in range(config.epochs):
            for name in learning:
                waits = stage.frozen and name.startswith(stage.frozen)
                self.state[name].requires_grad_(not waits or epoch >= stage.frozen_epochs)
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate_at(epoch)
            yield self._epoch(optimiser, stage, epoch)

    def _epoch(
        self, optimiser: torch.optim.Optimizer, stage: Stage, epoch: int
    ) -> dict[str, Tensor]:
        """Train one epoch; returns the mean of each loss term."""
        n_batches, _ = self.batches.shape(stage.training)
        totals: dict[str, Tensor] = {}
        for b, (inputs, outcome) in enumerate(self.batches.epoch(stage.training)):
            step = Step(stage.name, epoch * n_batches + b)
            for part, value in self._step(inputs, outcome, optimiser, step, stage).items():
                totals[part] = totals.get(part, 0.0) + value.detach() / n_batches
        return totals

    def _step(
        self,
        inputs: Inputs,
        outcome: Outcome,
        optimiser: torch.optim.Optimizer,
        step: Step,
        stage: Stage,
    ) -> dict[str, Tensor]:
        output = run_stacked(self.network, self.state, inputs)
        terms: LossTerms = self.network.loss(output, outcome, step)
        penalties = self.network.penalty(self.state, step)
        total = terms.total
        for penalty in penalties.values():
            total = total + penalty
        optimiser.zero_grad(set_to_none=True)
        # Members are independent, so their gradients stay apart.
        torch.autograd.backward(total.sum())
        if stage.training.clip_norm is not None:
            _clip_per_member(self.state, stage.training.clip_norm)
        optimiser.step()
        return terms.parts | penalties


def _stacked_history(history: list[dict[str, Tensor]]) -> dict[str, NDArray[np.float32]]:
    parts = dict.fromkeys(part for epoch in history for part in epoch)
    absent = torch.full_like(next(iter(history[0].values())), torch.nan)
    return {
        part: torch.stack([epoch.get(part, absent) for epoch in history]).cpu().numpy()
        for part in parts
    }


def _optimiser(parameters: dict[str, Tensor], config: TrainConfig) -> torch.optim.Optimizer:
    groups = _decay_groups(parameters, config.weight_decay)
    if config.optimiser == "sgd":
        return torch.optim.SGD(
            groups, lr=config.learning_rate, momentum=config.momentum, fused=True
        )
    return torch.optim.Adam(groups, lr=config.learning_rate, betas=config.betas, fused=True)


def _decay_groups(parameters: dict[str, Tensor], weight_decay: float) -> list[dict[str, object]]:
    """Decay matrices only: stacked, a vector (bias, norm, token) has two dimensions."""
    matrices = [p for p in parameters.values() if p.ndim > 2]
    vectors = [p for p in parameters.values() if p.ndim <= 2]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


def _clip_per_member(parameters: dict[str, Tensor], limit: float) -> None:
    """Scale each member's gradient to a global norm of at most ``limit``."""
    gradients = [p.grad for p in parameters.values() if p.grad is not None]
    norms = torch.stack([torch.linalg.vector_norm(g.reshape(len(g), -1), dim=1) for g in gradients])
    factor = (limit / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
    for g in gradients:
        g.mul_(factor.view(-1, *(1,) * (g.ndim - 1)))
