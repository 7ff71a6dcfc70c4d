"""Attribution over 15 members: exact Shapley over modalities and Integrated Gradients."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

import camlif
from camlif.config import NetworkConfig, RunConfig, TrainConfig
from camlif.data.cohort import Cohort
from camlif.data.simulator import simulate, write_simulated
from camlif.explain import explain_features, explain_modalities
from camlif.explain.explained import prepare
from camlif.model.bundle import Bundle
from tests.benchmarks.harness import Line, Timing, measure, peak_memory
from tests.builders.cohorts import make_cohort

GROUPS = {"pathology": (192,) * 4, "genomics": (128,) * 4}
MODELS = Path(__file__).parents[2] / "models"
TRAINING_PATIENTS = 400
PATIENTS = 1000


def run(device: str, *, full: bool) -> Iterator[Line]:
    """One case and a cohort; Captum's Shapley values of one case beside ours."""
    bundle = _bundle(device)
    cohort = make_cohort(PATIENTS, GROUPS, seed=7, clinical=True, strength=2.5)
    shapley, captums = measure(
        lambda: explain_modalities(bundle, cohort, [0]),
        _captum(bundle, cohort),
        repeats=3,
        device=device,
    )
    yield Line("exact Shapley, 1 patient", shapley, "", "Captum", captums)
    rows = np.arange(PATIENTS)
    (shapley,) = measure(
        lambda: explain_modalities(bundle, cohort, rows), repeats=1, device=device, warm=False
    )
    yield Line(f"exact Shapley, {PATIENTS:,} patients", shapley, "< 30 s")
    yield _gradients(bundle, cohort, rows[:1], "< 0.5 s, gap < 2 %", device)
    n = PATIENTS if full else PATIENTS // 10
    target = "< 2 min, gap < 2 %" if full else "< 12 s, gap < 2 %"
    yield _gradients(bundle, cohort, rows[:n], target, device)
    # Members trained to the end turn more sharply near the baseline and need more points.
    for model in ("glioma", "luad"):
        shipped = camlif.load_bundle(MODELS / model, device=device)
        new = _simulated(model, 100)
        line = _gradients(shipped, new, np.arange(100), "< 12 s, gap < 2 %", device)
        yield replace(line, job=f"{line.job}, shipped {model} model")
        yield _one_by_one(shipped, new, f"shipped {model} model", device)


def _bundle(device: str) -> Bundle:
    """Members as wide as the default, hardly trained."""
    config = RunConfig(
        network=NetworkConfig(), training=TrainConfig(splits=15, epochs=3, batch_size=64)
    )
    cohort = make_cohort(TRAINING_PATIENTS, GROUPS, clinical=True, strength=2.5)
    return camlif.train(cohort, config, name="benchmark", device=device)


def _simulated(model: str, n: int) -> Cohort:
    """Simulated patients whom a shipped model did not see."""
    with tempfile.TemporaryDirectory() as folder:
        write_simulated(simulate(model, n_patients=n, seed=7), folder)
        return camlif.load_cohort(folder)


def _gradients(bundle: Bundle, cohort: Cohort, rows: np.ndarray, target: str, device: str) -> Line:
    found = []
    (timing,) = measure(
        lambda: found.append(explain_features(bundle, cohort, rows)),
        repeats=3 if len(rows) == 1 else 1,
        device=device,
        warm=len(rows) == 1,
    )
    gap = float(found[-1].completeness_gap.max())
    note = f"largest gap {100 * gap:.1f} %, {found[-1].steps} points at most, {peak_memory()}"
    plural = "" if len(rows) == 1 else "s"
    return Line(f"Integrated Gradients, {len(rows):,} patient{plural}", timing, target, note=note)


def _one_by_one(bundle: Bundle, cohort: Cohort, model: str, device: str) -> Line:
    """Median over single cases; the slowest in the note."""
    explain_features(bundle, cohort, [0])
    jobs = [partial(explain_features, bundle, cohort, [row]) for row in range(len(cohort))]
    timings = measure(*jobs, repeats=1, device=device, warm=False)
    clocks = [timing.clock for timing in timings]
    return Line(
        f"Integrated Gradients, {len(cohort)} patients one by one, {model}",
        Timing(statistics.median(clocks), statistics.median(t.processor for t in timings)),
        "< 0.5 s",
        note=f"90 % below {np.quantile(clocks, 0.9):.2f} s, slowest {max(clocks):.2f} s",
    )


def _captum(bundle: Bundle, cohort: Cohort) -> Callable[[], object]:
    from captum.attr import ShapleyValues

    (batch,) = prepare(bundle, cohort, [0]).batches
    masks = tuple(
        torch.full((1, *x.shape[1:]), i, device=x.device) for i, x in enumerate(batch.values)
    )
    return lambda: ShapleyValues(batch.risk).attribute(
        batch.values,
        baselines=batch.baseline,
        additional_forward_args=batch.fixed,
        feature_mask=masks,
    )
