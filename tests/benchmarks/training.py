"""Training: 15 stacked members against the same 15 networks trained in turn as ordinary modules."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torch.utils._pytree import tree_map

from camlif.config import NetworkConfig, RunConfig, TrainConfig
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import Preprocessor, clinical_names, encode, stack_columns
from camlif.data.splits import Splits, make_splits
from camlif.networks.interface import Inputs, Outcome
from camlif.networks.registry import build_network
from camlif.training.engine import CPU_THREADS, cpu_threads, train_ensemble
from camlif.training.ensemble import Ensemble, to_tensors
from tests.benchmarks.harness import FamilyMemory, Line, Timing, epoch_timing, measure
from tests.builders.cohorts import make_cohort

MEMBERS = 15
PATIENTS = 1047
GROUPS = {"pathology": (192,) * 4, "genomics": (128,) * 4}
EPOCHS = 30
ROUNDS = 3
PROCESSES = 2  # of the machine that the targets are for
BATCHES = {16: "< 6 min, < 1.5 GB", 64: "< 3 min"}


def run(device: str, *, full: bool) -> Iterator[Line]:
    """One epoch beside the peer; with ``full`` the whole protocol at both batch sizes before it."""
    cohort = make_cohort(PATIENTS, GROUPS, clinical=True)
    splits = make_splits(cohort.patient_ids, cohort.event, n_splits=MEMBERS, seed=0)
    if full:  # first, while the process holds nothing else
        yield from _whole_protocol(cohort, splits, device)
    yield from _one_epoch(cohort, splits, device)


def _whole_protocol(cohort: Cohort, splits: Splits, device: str) -> Iterator[Line]:
    for batch, target in BATCHES.items():
        config = _settings(batch, epochs=EPOCHS)
        with FamilyMemory() as memory:
            (timing,) = measure(
                lambda config=config: train_ensemble(
                    cohort, config, splits, device=torch.device(device), processes=PROCESSES
                ),
                repeats=1,
                device=device,
                warm=False,
            )
        job = f"train {MEMBERS} members, {EPOCHS} epochs, batch {batch}, {PROCESSES} processes"
        yield Line(job, timing, target, note=str(memory))


def _one_epoch(cohort: Cohort, splits: Splits, device: str) -> Iterator[Line]:
    config = _settings(16, epochs=4)  # steps enough to be recorded, as those of 30 epochs are
    peers = {
        "15 modules in turn": _Ordinary(cohort, splits, config, device, fused=False),
        "15 modules in turn, fused Adam": _Ordinary(cohort, splits, config, device, fused=True),
    }
    stacked: list[Timing] = []
    spread: list[Timing] = []
    theirs: dict[str, list[Timing]] = {name: [] for name in peers}
    for _ in range(ROUNDS):
        stacked.append(_epoch_of_many(cohort, splits, config, device))
        spread.append(_epoch_of_many(cohort, splits, config, device, processes=PROCESSES))
        for name, members in peers.items():
            theirs[name] += measure(members.epoch, repeats=1, device=device, warm=False)
    job = f"train {MEMBERS} members, one epoch, batch 16"
    note = "processor time of the first process only"
    for name, timings in theirs.items():
        peer = _median(timings)
        yield Line(f"{job}, one process", _median(stacked), "", name, peer)
        ours = _median(spread)
        spread_job = f"{job}, {PROCESSES} processes"
        yield Line(spread_job, ours, ">= 4x", name, peer, note, by_clock=True)


def _settings(batch: int, *, epochs: int) -> RunConfig:
    training = TrainConfig(splits=MEMBERS, epochs=epochs, batch_size=batch)
    return RunConfig(network=NetworkConfig(), training=training)


def _median(timings: list[Timing]) -> Timing:
    return Timing(
        statistics.median(t.clock for t in timings), statistics.median(t.processor for t in timings)
    )


def _epoch_of_many(
    cohort: Cohort, splits: Splits, config: RunConfig, device: str, *, processes: int = 1
) -> Timing:
    return epoch_timing(
        lambda note: train_ensemble(
            cohort,
            config,
            splits,
            device=torch.device(device),
            progress=note,
            processes=processes,
        )
    )


class _Ordinary:
    """The same networks on the same tables, each with an optimiser and a loop of its own."""

    def __init__(
        self, cohort: Cohort, splits: Splits, config: RunConfig, device: str, *, fused: bool
    ) -> None:
        self.config = config
        raw = encode(cohort, cohort.schema)
        self.rows = [splits.train_rows(e) for e in range(MEMBERS)]
        columns = [
            Preprocessor.fit(
                raw,
                cohort.schema,
                rows,
                config.training,
                event=cohort.event,
                duration=cohort.duration,
            )
            for rows in self.rows
        ]
        n_clinical = len(clinical_names(cohort.schema))
        self.networks = [
            build_network(cohort.schema, n_clinical, config.network).to(device).train()
            for _ in self.rows
        ]
        tables = Ensemble(
            schema=cohort.schema,
            config=config.network,
            parameters={},
            columns=stack_columns(columns),
            offset=torch.zeros(MEMBERS),
        ).to(torch.device(device))
        self.inputs = tables.standardise(to_tensors(raw, torch.device(device)))
        self.event = torch.as_tensor(cohort.event, device=device)
        self.duration = torch.as_tensor(cohort.duration, dtype=torch.float32, device=device)
        self.optimisers = [
            torch.optim.Adam(n.parameters(), lr=1e-3, weight_decay=4e-4, fused=fused)
            for n in self.networks
        ]

    def epoch(self) -> None:
        """Train every network for an epoch, one after the other."""
        with cpu_threads(CPU_THREADS):
            for e in range(MEMBERS):
                self._epoch_of(e)

    def _epoch_of(self, e: int) -> None:
        network, optimiser = self.networks[e], self.optimisers[e]
        own: Inputs = tree_map(lambda t: t[e], self.inputs)
        order = np.random.default_rng(e).permutation(self.rows[e])
        for rows in np.array_split(order, -(-len(order) // self.config.training.batch_size)):
            at = torch.as_tensor(rows, device=self.event.device)
            batch: Inputs = tree_map(lambda t, at=at: t[at], own)
            outcome = Outcome(self.event[at], self.duration[at], batch.presence)
            optimiser.zero_grad()
            network.loss(network(batch), outcome).total.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
