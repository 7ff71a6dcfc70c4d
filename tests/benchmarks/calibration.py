"""When absolute risk is shown: by simulation, by the shipped models and on development cohorts.

    python -m tests.benchmarks.calibration gate [--runs 200]
    python -m tests.benchmarks.calibration models
    python -m tests.benchmarks.calibration cohorts [--data ../shared/data] [COHORT ...]

``gate``: simulated cohorts with 100 events in which the gate opens, for noise and for models that
are right. ``models``: ranking, slope and expected over observed events of each set of modalities
and each subgroup on which a shipped model was validated. ``cohorts``: the same of held-out risks
of a ridge Cox model, no network trained, with the share of patients who outlive the time that 9 of
10 do. Prints Markdown tables; nothing is asserted.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from camlif.arrays import Float64Array
from camlif.config import HORIZONS, TrainConfig
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import Preprocessor, encode
from camlif.data.splits import make_splits
from camlif.model.bundle import load_bundle
from camlif.model.modality_sets import SubsetValidation, validate_set
from camlif.statistics import GateResult, concordance_index, fit_survival_bound
from camlif.study.references import CLASSICAL, classical_inputs
from camlif.training.ensemble import heldout_mean
from tests.benchmarks.recognition import COHORTS, DATA, read
from tests.builders.outcomes import N_EVENTS, count_opened, opened_by_models_of_noise, with_events

MODELS = Path("models")
REFERENCE = "cox_ridge"
RUNS = 200
TRUE_MODELS = ((200, 0.8), (300, 0.8), (300, 0.5))
"""Patients, and SD of the true log risk."""
NOISE_MODELS = ((5, 0.01), (20, 0.1), (100, 0.3))
"""Columns without effect, and the ridge penalty."""


def gate(runs: int) -> Iterator[str]:
    """Count the runs in which the gate opens."""
    yield f"| risk | patients, {N_EVENTS} events | C-index | opens |"
    yield "|---|---|---|---|"
    yield f"| noise | 200 | 0.50 | {count_opened(runs, noise=True)} of {runs} |"
    for n_columns, penalizer in NOISE_MODELS:
        opened = opened_by_models_of_noise(runs, n_columns, penalizer)
        yield f"| ridge Cox, {n_columns} columns of noise | 200 | | {opened} of {runs} |"
    for n, spread in TRUE_MODELS:
        opened = count_opened(runs, n=n, noise=False, spread=spread)
        many = with_events(20_000, 20_000 * N_EVENTS // n, seed=0, spread=spread)
        c_index = concordance_index(*many)
        yield f"| the true log hazard | {n} | {c_index:.2f} | {opened} of {runs} |"


def models() -> Iterator[str]:
    """Describe each set and subgroup of the shipped models."""
    yield from _head("model", "shown")
    for folder in sorted(MODELS.iterdir()):
        reference = load_bundle(folder, device="cpu").reference
        for found in (reference.whole, *reference.subsets):
            yield f"| {folder.name} | {' + '.join(found.modalities)} | {_numbers(found)} |"
    yield ""
    yield "| model | subgroup | C-index | withheld |"
    yield "|---|---|---|---|"
    for folder in sorted(MODELS.iterdir()):
        for own in load_bundle(folder, device="cpu").reference.subgroups:
            yield f"| {folder.name} | {own.name} | {own.numbers} | {'yes' if own.fault else 'no'} |"


def cohorts(names: Sequence[str], data: Path) -> Iterator[str]:
    """Describe held-out risks of each development cohort."""
    yield from _head("cohort", "outlive their bound")
    for name in names:
        if not (data / name).is_dir():
            yield f"| {name} | not in {data} |"
            continue
        cohort = read(name, data)
        risk, followed = _held_out_risks(cohort), cohort.follow_up()
        found = validate_set(risk, followed, cohort.schema.names)
        bound = fit_survival_bound(risk, followed.event, followed.duration, entry=followed.entry)
        share = bound.coverage
        outlive = (
            f"none: {bound.reason}"
            if share is None
            else f"{100 * share.value:.1f} % ({100 * share.low:.1f} to {100 * share.high:.1f})"
        )
        yield f"| {name.rpartition('/')[2]} | {outlive} | {_numbers(found.validation)} |"


def _held_out_risks(cohort: Cohort) -> Float64Array:
    """Mean over three 5-fold partitions of the risks of patients left out, shape (n,)."""
    raw, followed = encode(cohort, cohort.schema), cohort.follow_up()
    splits = make_splits(cohort.patient_ids, followed.event, seed=0)
    risks = []
    for split in range(len(splits)):
        rows = splits.train_rows(split)
        fitted = Preprocessor.fit(
            raw,
            cohort.schema,
            rows,
            TrainConfig(),
            event=followed.event,
            duration=followed.duration,
            entry=followed.entry,
        )
        inputs = classical_inputs(raw, fitted)
        model = CLASSICAL[REFERENCE].model.fit(inputs.take(rows), followed.take(rows), seed=split)
        risks.append(model.risk(inputs))
    return heldout_mean(np.stack(risks, axis=1), splits.test)


def _head(*names: str) -> Iterator[str]:
    columns = [*names, "n, events", "C-index", "slope", "slope after"]
    columns += [f"E/O at {horizon} months" for horizon in HORIZONS]
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"


def _numbers(found: SubsetValidation) -> str:
    after = next((gate.slope_after for gate in found.gates if gate.slope_after is not None), None)
    return " | ".join(
        (
            f"{found.n_patients}, {found.n_events}",
            f"{found.c_index:.3f} ({found.low:.3f} to {found.high:.3f})",
            _number(found.slope),
            _number(after),
            *(_verdict(gate) for gate in found.gates),
        )
    )


def _verdict(gate: GateResult) -> str:
    shown = "shown" if gate.open else f"{gate.verdict}: {gate.reason}"
    return f"{_number(gate.ratio)}, {shown}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("gate", "models", "cohorts"))
    parser.add_argument("cohorts", nargs="*", default=COHORTS)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    lines = {
        "gate": lambda: gate(options.runs),
        "models": models,
        "cohorts": lambda: cohorts(options.cohorts, options.data),
    }
    for line in lines[options.what]():
        print(line, flush=True)


if __name__ == "__main__":
    main()
