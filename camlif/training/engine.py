"""Train all members at once: stacked in a process, and spread over processes.

A cohort with outcomes, settings and splits go in; a `TrainingResult` comes out: ensemble, history
and seconds. Raises `ConfigError` without an outcome, `NoEventsError` where a training part
has no event. Each member sees the training part of its own split, its own batches and its own
preprocessing; no member reads a row of its test part.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from joblib.externals.loky import ProcessPoolExecutor
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.func import stack_module_state
from torch.utils._pytree import tree_map

from camlif.config import GAP_DROPOUT, RunConfig, TrainConfig
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import Preprocessor, RawInputs, clinical_names, encode, stack_columns
from camlif.data.splits import Splits
from camlif.exceptions import ConfigError, ModelError, NoEventsError
from camlif.networks.registry import build_network
from camlif.statistics.outcome import FollowUp
from camlif.training.ensemble import Ensemble, to_tensors
from camlif.training.loop import Batches, Loop, TrainingData, TrainingProgress
from camlif.training.spread import Part, share_masks, split_members

NO_LATE_ENTRY = (
    "Patients of this cohort enter after time zero, and the loss of this method counts everyone "
    "from time zero on."
)
CPU_THREADS = 1  # at batch 16 a second intra-op thread costs more than it brings


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
    processes: int = 1,
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
        Called after each epoch of the members that this process trains.
    processes : int
        On a CPU, members are spread over so many; the weights are the same.

    Raises
    ------
    NoEventsError
        If a training part holds no event.
    ConfigError
        If the cohort lacks outcomes, or patients enter late and the network's loss cannot tell.
    """
    event = _outcome(cohort).event
    for split in range(len(splits)):
        if not event[splits.train_rows(split)].any():
            raise NoEventsError(f"The training part of split {split} holds no event.")
    start = time.perf_counter()
    parts = split_members(len(splits), processes if device.type == "cpu" else 1)
    own, *others = [
        partial(_train_part, cohort, config, splits, part, device=device, label=label)
        for part in parts
    ]
    trained = _at_once(partial(own, progress=progress), others, parts[1:])
    ensemble = Ensemble(
        schema=cohort.schema,
        config=config.network,
        parameters={
            name: torch.cat([part.parameters[name] for part in trained])
            for name in trained[0].parameters
        },
        columns=stack_columns([p for part in trained for p in part.preprocessors]),
        offset=torch.cat([part.offset for part in trained]),
    ).to(device)
    history = {
        term: np.concatenate([part.history[term] for part in trained], axis=1)
        for term in trained[0].history
    }
    return TrainingResult(ensemble=ensemble, history=history, seconds=time.perf_counter() - start)


def _outcome(cohort: Cohort) -> FollowUp:
    if cohort.event is None or cohort.duration is None or not cohort.with_outcome.all():
        raise ConfigError("Training needs a follow-up time and an event status for every patient.")
    return FollowUp.check(cohort.event, cohort.duration, cohort.entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class _TrainedPart:
    """What one process brings back of its members; see `Ensemble` and `TrainingResult`."""

    parameters: dict[str, Tensor]
    preprocessors: list[Preprocessor]
    offset: Tensor
    history: dict[str, NDArray[np.float32]]


def _at_once(
    own: Callable[[], _TrainedPart],
    others: Sequence[Callable[[], _TrainedPart]],
    parts: Sequence[Part],
) -> list[_TrainedPart]:
    """Train one part here and each other in a process; an error stops them all.

    A process that the system ends, for want of memory say, is named by its members.
    """
    if not others:
        return [own()]
    executor = ProcessPoolExecutor(max_workers=len(others))
    try:
        running = [executor.submit(other) for other in others]
        trained = [own()]
        for part, result in zip(parts, running, strict=True):
            try:
                trained.append(result.result())
            except BrokenProcessPool as error:
                raise ModelError(
                    f"The process that trained members {part.first} to {part.stop - 1} was ended "
                    "by the system, for want of memory perhaps. Nothing was saved; train again "
                    "with --processes 1, which takes less."
                ) from error
    except BaseException:
        executor.shutdown(kill_workers=True)
        raise
    executor.shutdown()
    return trained


def _train_part(
    cohort: Cohort,
    config: RunConfig,
    splits: Splits,
    part: Part,
    *,
    device: torch.device,
    label: NDArray[np.int64] | None,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> _TrainedPart:
    """Train some of the members; their numbers are those that they have among all."""
    start = time.perf_counter()
    outcome = _outcome(cohort)
    raw = encode(cohort, cohort.schema)
    every = [splits.train_rows(split) for split in range(len(splits))]
    rows = every[part.first : part.stop]
    seeds = np.random.SeedSequence(config.training.seed).spawn(len(splits) + 1)
    member_seeds = seeds[part.first : part.stop]
    with _forked_random_state(device), cpu_threads(CPU_THREADS), threadpool_limits(CPU_THREADS):
        preprocessors = [
            Preprocessor.fit(
                raw,
                cohort.schema,
                train,
                config.training,
                event=outcome.event,
                duration=outcome.duration,
                entry=outcome.entry,
            )
            for train in rows
        ]
        ensemble = Ensemble(
            schema=cohort.schema,
            config=config.network,
            parameters=_initial_state(cohort, config, member_seeds),
            columns=stack_columns(preprocessors),
            offset=torch.zeros(len(part)),
        ).to(device)
        data = TrainingData(
            inputs=ensemble.standardise(to_tensors(raw, device)),
            outcome=outcome,
            rows=rows,
            longest=max(len(train) for train in every),
            label=label,
            first=part.first,
        )
        intervals = _fit_members(ensemble, data)
        torch.manual_seed(_integer(seeds[-1]))
        hide = resolve_modality_dropout(config.training, raw)
        loop = Loop(ensemble, Batches(data, intervals, member_seeds, hide))
        if not part.whole:
            share_masks(loop.network, part)
        history = loop.run(config.training, progress, start)
        trained = _centred(_rounded(ensemble, config.training), raw, rows)
    return _TrainedPart(
        parameters=trained.parameters,
        preprocessors=preprocessors,
        offset=trained.offset,
        history=history,
    )


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


def _fit_members(ensemble: Ensemble, data: TrainingData) -> NDArray[np.int64] | None:
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
        seen = data.outcome.take(rows)
        if seen.entry is not None and not network.takes_late_entry:
            raise ConfigError(NO_LATE_ENTRY)
        network.fit_outcome(seen.event, seen.duration)
        network.fit_start(own, seen.event, seen.duration, entry=seen.entry)
        for name, value in network.state_dict().items():
            ensemble.parameters[name][e] = value
        intervals.append(network.assign_intervals(data.outcome.duration))
    known = [found for found in intervals if found is not None]
    return np.stack(known) if known else None


def _rounded(ensemble: Ensemble, config: TrainConfig) -> Ensemble:
    """Return the ensemble with weights rounded to the stored precision."""
    stored = torch.float16 if config.stored_precision == "float16" else torch.float32
    weights = {
        name: ensemble.parameters[name].detach().to(stored).float() for name in ensemble.trainable
    }
    return replace(ensemble, parameters=ensemble.parameters | weights)


def _centred(ensemble: Ensemble, raw: RawInputs, rows: list[NDArray[np.int_]]) -> Ensemble:
    """Store each member's mean risk over its training part: Cox loss leaves it undetermined."""
    log_risk = ensemble.predict(raw).log_risk
    offset = [log_risk[train, e].mean() for e, train in enumerate(rows)]
    return replace(
        ensemble, offset=torch.tensor(offset, dtype=torch.float32, device=ensemble.device)
    )
