"""How the time of a training epoch grows with patients and with features, with a plot."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from camlif.config import NetworkConfig, RunConfig, TrainConfig
from camlif.data.splits import make_splits
from camlif.losses import cox_partial_likelihood
from camlif.training.engine import train_ensemble
from tests.benchmarks.harness import Line, Timing, epoch_timing, measure, peak_memory
from tests.builders.cohorts import make_cohort

MEMBERS = 3
BATCH = 64
FEATURES = 300
PATIENTS = 1000
PATIENT_SIZES = (500, 2000, 10_000, 50_000)
FEATURE_SIZES = (300, 1200, 5000, 20_000)
QUICK = 2
"""Sizes of each kind that are left out unless all is asked for."""
FULL_BATCH = 50_000
PLOT = Path(__file__).with_name("growth.svg")


def run(device: str, *, full: bool) -> Iterator[Line]:
    """Epochs at growing sizes, then one Cox loss over all patients; ``full`` draws the plot."""
    skip = 0 if full else QUICK
    sizes = PATIENT_SIZES[: len(PATIENT_SIZES) - skip]
    by_patients = {n: _epoch(n, FEATURES, device) for n in sizes}
    yield from _lines(by_patients, "patients", f"{FEATURES} features")
    sizes = FEATURE_SIZES[: len(FEATURE_SIZES) - skip]
    by_features = {p: _epoch(PATIENTS, p, device) for p in sizes}
    yield from _lines(by_features, "features", f"{PATIENTS:,} patients")
    yield _full_batch(device)
    if full and device == "cpu":
        draw(by_patients, by_features, PLOT)


def _epoch(patients: int, features: int, device: str) -> Timing:
    """Time the second epoch of `MEMBERS` members; a fifth of the patients is left out of each."""
    width = features // 6
    cohort = make_cohort(patients, {"pathology": (width,) * 4, "genomics": (width,) * 2})
    training = TrainConfig(splits=MEMBERS, split_scheme="monte_carlo", epochs=2, batch_size=BATCH)
    config = RunConfig(network=NetworkConfig(), training=training)
    splits = make_splits(
        cohort.patient_ids, cohort.event, n_splits=MEMBERS, scheme="monte_carlo", seed=0
    )
    return epoch_timing(
        lambda note: train_ensemble(
            cohort, config, splits, device=torch.device(device), progress=note
        )
    )


def _lines(timings: dict[int, Timing], what: str, fixed: str) -> Iterator[Line]:
    sizes = list(timings)
    for before, n in zip([None, *sizes], sizes, strict=False):
        note = ""
        if before is not None:
            steps = math.log(timings[n].processor / timings[before].processor)
            note = f"grows with size to the power {steps / math.log(n / before):.2f}"
        yield Line(f"epoch, {n:,} {what}, {fixed}", timings[n], "linear: power <= 1", note=note)


def _full_batch(device: str) -> Line:
    """A matrix of all pairs would take 10 GB."""
    g = torch.Generator().manual_seed(0)
    risk = torch.randn(FULL_BATCH, generator=g).to(device).requires_grad_()
    event = (torch.rand(FULL_BATCH, generator=g) < 0.4).to(device)
    duration = torch.rand(FULL_BATCH, generator=g).to(device)
    (timing,) = measure(
        lambda: cox_partial_likelihood(risk, event, duration).backward(), device=device
    )
    return Line(
        f"Cox loss and gradient over all {FULL_BATCH:,}", timing, "no n x n", note=peak_memory()
    )


def draw(by_patients: dict[int, Timing], by_features: dict[int, Timing], file: Path) -> None:
    """Draw both curves on double logarithmic axes beside a line of power 1."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    panels: Sequence[tuple[str, dict[int, Timing]]] = [
        (f"patients ({FEATURES} features)", by_patients),
        (f"features ({PATIENTS:,} patients)", by_features),
    ]
    for ax, (label, timings) in zip(axes, panels, strict=True):
        sizes = list(timings)
        measured = [timings[n].processor for n in sizes]
        ax.loglog(sizes, measured, "o-", label="measured")
        ax.loglog(sizes, [measured[-1] * n / sizes[-1] for n in sizes], "--", label="linear")
        ax.set_xlabel(label)
        ax.set_ylabel("processor seconds an epoch")
        ax.legend()
    figure.suptitle(f"Training epoch of {MEMBERS} members, batch {BATCH}, width 64")
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
