"""The training loop: batches of every member drawn together, stacked members stepped together.

Standardised training data of e members go in; the ensemble is trained in place, and its history
comes out. Optimiser, schedule and stages are those of `TrainConfig`, as An et al., AAAI 2025, or a
rival prints them. The loop holds no host-device synchronisation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlif.config import TrainConfig
from camlif.exceptions import EstimationError
from camlif.networks.interface import Inputs, LossTerms, Outcome, Stage, Step
from camlif.statistics.outcome import FollowUp
from camlif.training.ensemble import Ensemble, run_stacked
from camlif.training.recorded import MIN_STEPS, Run, record
from camlif.training.sampler import PAD, count_batches, draw_batches


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far a training run is; ``loss`` is the mean over members of the epoch's total loss."""

    epoch: int
    epochs: int
    seconds: float
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """Standardised inputs (e, n, ...), outcome of n and the training rows of each member.

    ``longest`` counts the patients of the largest training part of all members, those of other
    processes included: every member draws batches of the same shape. ``first`` is the number of the
    first member among all.
    """

    inputs: Inputs
    outcome: FollowUp
    rows: list[NDArray[np.int_]]
    longest: int
    label: NDArray[np.int64] | None
    first: int = 0


class Batches:
    """Draws the batches of an epoch, the same shape for every member."""

    def __init__(
        self,
        data: TrainingData,
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
        outcome = data.outcome
        self.event = torch.as_tensor(outcome.event, device=device)
        self.duration = torch.as_tensor(outcome.duration, dtype=torch.float32, device=device)
        self.entry: Tensor | None = None
        if outcome.entry is not None:
            self.entry = torch.as_tensor(outcome.entry, dtype=torch.float32, device=device)
        self.label = None if data.label is None else torch.as_tensor(data.label, device=device)
        self.intervals = intervals
        self.interval = None if intervals is None else torch.as_tensor(intervals, device=device)

    def shape(self, config: TrainConfig) -> tuple[int, int]:
        """Batches of an epoch and rows of a batch, for the member with most patients."""
        longest = self.data.longest
        n_batches = count_batches(longest, config.batch_size, config.sampler)
        if config.sampler != "event_stratified" and config.batch_size:
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
        for e, (rows, rng) in enumerate(zip(self.data.rows, self.generators, strict=True)):
            drawn.append(
                draw_batches(
                    rows,
                    self.data.outcome.event,
                    interval=None if self.intervals is None else self.intervals[e],
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
            entry=None if self.entry is None else self.entry[rows],
            interval=None if self.interval is None else self._masked(self.interval[at], real),
            label=None if self.label is None else self._masked(self.label[rows], real),
        )
        return inputs, outcome

    @staticmethod
    def _masked(classes: Tensor, real: Tensor) -> Tensor:
        return torch.where(real, classes, -1)


class Loop:
    """Trains stacked members in place, stage by stage."""

    def __init__(self, ensemble: Ensemble, batches: Batches) -> None:
        self.ensemble = ensemble
        self.network = ensemble.network
        self.state = ensemble.parameters
        self.trainable = ensemble.trainable
        self.batches = batches
        self.run_network: Run  # chosen at the first batch of each stage

    def run(
        self,
        config: TrainConfig,
        progress: Callable[[TrainingProgress], None] | None,
        start: float,
    ) -> dict[str, NDArray[np.float32]]:
        """Train all epochs of all stages and return the history.

        Parameters
        ----------
        config : TrainConfig
            Settings of the run; a network may divide it into stages.
        progress : callable or None
            Called after each epoch.
        start : float
            ``time.perf_counter()`` at which the run began.

        Returns
        -------
        dict of str to float32, shape (epochs, e)
            Terms of each member's loss by epoch.
        """
        stages = self.network.stages(config)
        epochs = sum(stage.training.epochs for stage in stages)
        history: list[dict[str, Tensor]] = []
        self.network.train()
        for stage in stages:
            for means in self._stage(stage):
                history.append(means)
                self._require_finite(means, len(history), stage.training.learning_rate)
                if progress is not None:
                    loss = sum(float(part.mean()) for part in means.values())
                    seconds = time.perf_counter() - start
                    progress(TrainingProgress(len(history), epochs, seconds, loss))
        self.network.eval()
        for name in self.trainable:
            self.state[name].requires_grad_(False)
        return _stacked_history(history)

    def _require_finite(self, means: dict[str, Tensor], epoch: int, rate: float) -> None:
        """Stop at the first epoch whose loss is not a number, rather than train on nothing."""
        finite = torch.stack([torch.isfinite(part) for part in means.values()]).all(0)
        if not finite.all():
            member = self.batches.data.first + int((~finite).nonzero()[0])
            raise EstimationError(
                f"Member {member}: the loss is not finite at epoch {epoch}. Lower the learning "
                f"rate ({rate:g}), or check the tables for values far off the others."
            )

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
            step = Step(stage.name, epoch * n_batches + b, b)
            if step.batch == 0:
                self.run_network = self._fastest_run(stage, inputs)
            for part, value in self._step(inputs, outcome, optimiser, step, stage).items():
                totals[part] = totals.get(part, 0.0) + value.detach() / n_batches
        return totals

    def _fastest_run(self, stage: Stage, inputs: Inputs) -> Run:
        """Record the network where a stage has steps enough to pay for it."""
        n_batches, _ = self.batches.shape(stage.training)
        if stage.training.epochs * n_batches >= MIN_STEPS:
            return record(self.network, self.state, inputs)
        return partial(run_stacked, self.network)

    def _step(
        self,
        inputs: Inputs,
        outcome: Outcome,
        optimiser: torch.optim.Optimizer,
        step: Step,
        stage: Stage,
    ) -> dict[str, Tensor]:
        output = self.run_network(self.state, inputs)
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
