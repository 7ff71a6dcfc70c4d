"""Train all members at once: their parameters are stacked and stepped together.

Each member sees the training part of its own split, its own batches and its own preprocessing; no
member reads a row of its test part. The loop holds no host-device synchronisation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import stack_module_state

from camlif.config import GAP_DROPOUT, RunConfig, TrainConfig
from camlif.data.cohort import BoolArray, Cohort
from camlif.data.preprocessing import Preprocessor, RawInputs, clinical_names, encode, stack_columns
from camlif.data.splits import Splits
from camlif.exceptions import ConfigError, NoEventsError
from camlif.networks.interface import FusionNetwork, Inputs, Outcome
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
            parameters=_initial_parameters(cohort, config, seeds[:-1]),
            columns=stack_columns(preprocessors),
            offset=torch.zeros(len(splits)),
        ).to(device)
        torch.manual_seed(_integer(seeds[-1]))
        loop = _Loop(ensemble, raw, cohort.event, cohort.duration, splits, config.training, seeds)
        history = loop.run(progress, start)
        trained = _centred(loop.finished(), raw, splits)
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


def _initial_parameters(
    cohort: Cohort, config: RunConfig, seeds: list[np.random.SeedSequence]
) -> dict[str, Tensor]:
    n_clinical = len(clinical_names(cohort.schema))
    networks = []
    for seed in seeds:
        torch.manual_seed(_integer(seed))
        networks.append(build_network(cohort.schema, n_clinical, config.network))
    parameters, _ = stack_module_state(networks)
    return {name: p.detach() for name, p in parameters.items()}


def _centred(ensemble: Ensemble, raw: RawInputs, splits: Splits) -> Ensemble:
    """Store each member's mean risk over its training part: Cox loss leaves it undetermined."""
    log_risk = ensemble.predict(raw).log_risk
    offset = [log_risk[splits.train_rows(e), e].mean() for e in range(len(ensemble))]
    return Ensemble(
        schema=ensemble.schema,
        config=ensemble.config,
        parameters=ensemble.parameters,
        columns=ensemble.columns,
        offset=torch.tensor(offset, dtype=torch.float32, device=ensemble.device),
    )


class _Loop:
    """The epoch loop over stacked members."""

    def __init__(
        self,
        ensemble: Ensemble,
        raw: RawInputs,
        event: BoolArray,
        duration: NDArray[np.float64],
        splits: Splits,
        config: TrainConfig,
        seeds: list[np.random.SeedSequence],
    ) -> None:
        self.ensemble = ensemble
        self.config = config
        self.event = event
        self.rows = [splits.train_rows(e) for e in range(len(splits))]
        self.generators = [np.random.default_rng(seed) for seed in seeds[:-1]]
        device = ensemble.device
        self.inputs = ensemble.standardise(to_tensors(raw, device))  # (e, n, ...)
        self.outcome = (
            torch.as_tensor(event, device=device),
            torch.as_tensor(duration, dtype=torch.float32, device=device),
        )
        self.member = torch.arange(len(ensemble), device=device).unsqueeze(-1)
        self.hide = resolve_modality_dropout(config, raw)
        longest = max(len(rows) for rows in self.rows)
        self.n_batches = count_batches(longest, config.batch_size, config.sampler)
        self.width = -(-longest // self.n_batches)
        if config.sampler == "random" and config.batch_size:
            self.width = config.batch_size

    def run(
        self, progress: Callable[[TrainingProgress], None] | None, start: float
    ) -> dict[str, NDArray[np.float32]]:
        """Train all epochs in place and return the history."""
        config = self.config
        network = self.ensemble.network.train()
        parameters = {k: p.requires_grad_() for k, p in self.ensemble.parameters.items()}
        optimiser = torch.optim.Adam(
            _decay_groups(parameters, config.weight_decay), lr=config.learning_rate, fused=True
        )
        history: list[dict[str, Tensor]] = []
        for epoch in range(config.epochs):
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate_at(epoch)
            history.append(self._epoch(network, parameters, optimiser))
            if progress is not None:
                loss = sum(float(part.mean()) for part in history[-1].values())
                progress(
                    TrainingProgress(epoch + 1, config.epochs, time.perf_counter() - start, loss)
                )
        network.eval()
        return {part: torch.stack([h[part] for h in history]).cpu().numpy() for part in history[0]}

    def _epoch(
        self,
        network: FusionNetwork,
        parameters: dict[str, Tensor],
        optimiser: torch.optim.Optimizer,
    ) -> dict[str, Tensor]:
        rows, presence = self._draw()
        totals: dict[str, Tensor] = {}
        for b in range(self.n_batches):
            inputs, outcome = self._batch(rows[:, b], presence[:, b])
            terms = network.loss(run_stacked(network, parameters, inputs), outcome)
            optimiser.zero_grad(set_to_none=True)
            # Members are independent, so their gradients stay apart.
            torch.autograd.backward(terms.total.sum())
            _clip_per_member(parameters, self.config.clip_norm)
            optimiser.step()
            for part, value in terms.parts.items():
                totals[part] = totals.get(part, 0.0) + value.detach() / self.n_batches
        return totals

    def _draw(self) -> tuple[Tensor, Tensor]:
        """Rows (e, n_batches, width) and kept presence (e, n_batches, width, m) of an epoch."""
        config = self.config
        drawn, kept = [], []
        n_modalities = self.inputs.presence.shape[-1]
        for rows, rng in zip(self.rows, self.generators, strict=True):
            drawn.append(
                draw_batches(
                    rows,
                    self.event,
                    n_batches=self.n_batches,
                    width=self.width,
                    sampler=config.sampler,
                    rng=rng,
                )
            )
            kept.append(rng.random((self.n_batches, self.width, n_modalities)) >= self.hide)
        device = self.ensemble.device
        return (
            torch.as_tensor(np.stack(drawn), device=device),
            torch.as_tensor(np.stack(kept), device=device),
        )

    def _batch(self, rows: Tensor, kept: Tensor) -> tuple[Inputs, Outcome]:
        """Gather one batch of every member: rows (e, b) -> tensors (e, b, ...)."""
        real = rows != PAD
        rows = rows.clamp(min=0)
        at = (self.member, rows)
        presence = self.inputs.presence[at]
        remaining = presence & kept
        presence = torch.where(remaining.any(-1, keepdim=True), remaining, presence)
        inputs = Inputs(
            tables={m: t[at] for m, t in self.inputs.tables.items()},
            masks={m: t[at] for m, t in self.inputs.masks.items()},
            presence=presence,
            clinical=self.inputs.clinical[at],
        )
        event, duration = (values[rows] for values in self.outcome)
        outcome = Outcome(
            event=event & real,
            duration=torch.where(real, duration, -torch.inf),
            presence=presence & real.unsqueeze(-1),
        )
        return inputs, outcome

    def finished(self) -> Ensemble:
        """Return the ensemble with detached parameters rounded to the stored precision."""
        stored = torch.float16 if self.config.stored_precision == "float16" else torch.float32
        return Ensemble(
            schema=self.ensemble.schema,
            config=self.ensemble.config,
            parameters={
                k: p.detach().to(stored).to(p.dtype) for k, p in self.ensemble.parameters.items()
            },
            columns=self.ensemble.columns,
            offset=self.ensemble.offset,
        )


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
    norms = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients])
    factor = (limit / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
    for g in gradients:
        g.mul_(factor.view(-1, *(1,) * (g.ndim - 1)))
