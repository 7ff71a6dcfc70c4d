"""Train all members at once: stacked in a process, and spread over processes.

A cohort with outcomes, settings and splits go in; a `TrainingResult` comes out: ensemble, history
and seconds. Raises `ConfigError` without an outcome, `NoEventsError` where a training part
has no event. Each member sees the training part of its own split, its own batches and its own
preprocessing; no member reads a row of its test part. With a folder to keep members in, an
interrupted training goes on where it stopped, and comes to the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

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
from camlif.training.kept import KeptMembers, TrainedPart, digest_of
from camlif.training.loop import Batches, Loop, TrainingData, TrainingProgress
from camlif.training.spread import Part, plan_waves, share_masks, split_members
from camlif.version import package_version

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
    keep: Path | None = None,
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
    keep : Path, optional
        Folder for members that are finished: some then finish before others, and those that an
        earlier run with the same data and settings kept there are not trained again. Whoever has
        the result removes the folder (`camlif.training.kept.drop_kept`).

    Raises
    ------
    NoEventsError
        If a training part holds no event.
    ModelError
        If the system ended a process.
    ConfigError
        If the cohort lacks outcomes, or patients enter late and the network's loss cannot tell.
    """
    event = _outcome(cohort).event
    for split in range(len(splits)):
        if not event[splits.train_rows(split)].any():
            raise NoEventsError(f"The training part of split {split} holds no event.")
    start = time.perf_counter()
    processes = processes if device.type == "cpu" else 1
    kept: KeptMembers | None = None
    if keep is not None:
        facts = _facts(cohort, config, splits, device, label)
        kept = KeptMembers(folder=keep, total=len(splits), digest=digest_of(facts))
    done = [] if kept is None else kept.found()
    before = max((part.seconds for part in done), default=0.0)
    train_queue = partial(
        _train_queue, cohort, config, splits, device=device, label=label, kept=kept, before=before
    )
    queues = _plan(len(splits), processes, done, waves=keep is not None and device.type == "cpu")
    trained = done + _trained_at_once(train_queue, queues, kept, progress)
    trained.sort(key=lambda part: part.part.first)
    columns = [part.columns for part in trained]
    ensemble = Ensemble(
        schema=cohort.schema,
        config=config.network,
        parameters={
            name: torch.cat([part.parameters[name] for part in trained])
            for name in trained[0].parameters
        },
        columns={
            name: {key: torch.cat([part[name][key] for part in columns]) for key in arrays}
            for name, arrays in columns[0].items()
        },
        offset=torch.cat([part.offset for part in trained]),
    ).to(device)
    history = {
        term: np.concatenate([part.history[term] for part in trained], axis=1)
        for term in trained[0].history
    }
    seconds = before + time.perf_counter() - start
    return TrainingResult(ensemble=ensemble, history=history, seconds=seconds)


def _facts(
    cohort: Cohort,
    config: RunConfig,
    splits: Splits,
    device: torch.device,
    label: NDArray[np.int64] | None,
) -> tuple[str | bytes, ...]:
    """Everything that determines the members, to the byte."""
    versions = (torch.__version__, np.__version__, package_version())
    classes = b"" if label is None else label.tobytes()
    test = np.packbits(splits.test).tobytes()
    return (cohort.digest, config.digest, test, classes, str(device), *versions)


def _plan(
    total: int, processes: int, done: Sequence[TrainedPart], *, waves: bool
) -> list[list[Part]]:
    """What each process trains of the members that are not done, in order."""
    if not waves and not done:
        return [[part] for part in split_members(total, processes)]
    known = {e for trained in done for e in range(trained.part.first, trained.part.stop)}
    left = [e for e in range(total) if e not in known]
    return plan_waves(left, total, processes) if left else []


def _trained_at_once(
    train_queue: Callable[..., list[TrainedPart]],
    queues: Sequence[list[Part]],
    kept: KeptMembers | None,
    progress: Callable[[TrainingProgress], None] | None,
) -> list[TrainedPart]:
    """Train the first queue here and the others in processes; Ctrl-C says what is kept."""
    if not queues:
        return []
    own, *others = [partial(train_queue, queue) for queue in queues]
    try:
        return _at_once(partial(own, progress=progress), others, queues[1:], kept=kept)
    except KeyboardInterrupt as stop:
        if kept is not None:
            stop.add_note(kept.words())
        raise


def _outcome(cohort: Cohort) -> FollowUp:
    if cohort.event is None or cohort.duration is None or not cohort.with_outcome.all():
        raise ConfigError("Training needs a follow-up time and an event status for every patient.")
    return FollowUp.check(cohort.event, cohort.duration, cohort.entry)


def _at_once(
    own: Callable[[], list[TrainedPart]],
    others: Sequence[Callable[[], list[TrainedPart]]],
    queues: Sequence[Sequence[Part]],
    *,
    kept: KeptMembers | None = None,
) -> list[TrainedPart]:
    """Train one queue here and each other in a process; an error stops them all.

    A process that the system ends, for want of memory say, is named by its members, after the
    others have finished theirs.
    """
    executors = [ProcessPoolExecutor(max_workers=1) for _ in others]  # one's end is not the others'
    ended: list[Part] = []
    try:
        running = [e.submit(other) for e, other in zip(executors, others, strict=True)]
        trained = list(own())
        for queue, result in zip(queues, running, strict=True):
            try:
                trained += result.result()
            except BrokenProcessPool:
                known = {p.part.first for p in ([] if kept is None else kept.found())}
                ended += [part for part in queue if part.first not in known][:1]
    except BaseException:
        for executor in executors:
            executor.shutdown(kill_workers=True)
        raise
    for executor in executors:
        executor.shutdown()
    if ended:
        raise ModelError(
            f"The process that trained members {ended[0].first} to {ended[0].stop - 1} was ended "
            "by the system, for want of memory perhaps. "
            f"{'Nothing was saved.' if kept is None else kept.words()} --processes 1 takes less "
            "memory."
        )
    return trained


def _train_queue(
    cohort: Cohort,
    config: RunConfig,
    splits: Splits,
    queue: Sequence[Part],
    *,
    device: torch.device,
    label: NDArray[np.int64] | None,
    kept: KeptMembers | None,
    before: float,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> list[TrainedPart]:
    """Train some members after others, and keep each part as soon as it is finished."""
    start = time.perf_counter()
    found = []
    for i, part in enumerate(queue):

        def tell(now: TrainingProgress, i: int = i) -> None:
            if progress is not None:
                epoch, epochs = i * now.epochs + now.epoch, len(queue) * now.epochs
                progress(replace(now, epoch=epoch, epochs=epochs))

        trained = _train_part(
            cohort, config, splits, part, device=device, label=label, progress=tell, start=start
        )
        found.append(replace(trained, seconds=before + trained.seconds))
        if kept is not None:
            kept.add(found[-1])
    return found


def _train_part(
    cohort: Cohort,
    config: RunConfig,
    splits: Splits,
    part: Part,
    *,
    device: torch.device,
    label: NDArray[np.int64] | None,
    progress: Callable[[TrainingProgress], None],
    start: float,
) -> TrainedPart:
    """Train some of the members; their numbers are those that they have among all."""
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
    trained = trained.to(torch.device("cpu"))
    return TrainedPart(
        part=part,
        parameters=trained.parameters,
        columns=trained.columns,
        offset=trained.offset,
        history=history,
        seconds=time.perf_counter() - start,
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
