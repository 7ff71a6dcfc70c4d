"""How often intervals hold what they are about, and tests their level; print a table for each.

    python -m tests.benchmarks.coverage bound [--repetitions 1000]
    python -m tests.benchmarks.coverage ensemble [--cohort DIR] [--splits 60]
    python -m tests.benchmarks.coverage log-rank [--repetitions 400]

``bound``: new patients with a known time to the event who outlive their bound, at the sizes of the
shipped cohorts. ``ensemble``: patients whom an interval from 1, 3 or 15 members places where all
other members of a large ensemble do; trains that ensemble, on the simulated glioma by default.
``log-rank``: cohorts of which nothing is to be learned, in which the p-value over splits of a
trained model is below 0.05. Nothing is asserted; minutes to hours.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from camlif.arrays import Float64Array
from camlif.config import PRODUCT_PRESET, NetworkConfig, RunConfig
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import encode
from camlif.data.reading.readers import load_cohort
from camlif.data.simulator import simulate, write_simulated
from camlif.data.splits import FOLDS, Splits, make_splits
from camlif.model.member_spread import CONFIDENCE, MemberSpread, fit_member_spread
from camlif.statistics import fit_calibration, fit_survival_bound, split_p_values
from camlif.training.engine import resolve_modality_dropout, train_ensemble
from camlif.training.ensemble import choose_device, heldout_mean
from tests.builders.cohorts import make_cohort
from tests.builders.predicted import draw_predicted

SIZES = {
    "glioma": {"n": 480, "event_share": 0.36},
    "luad": {"n": 480, "event_share": 0.39},
    "transbig": {"n": 198, "event_share": 0.26},
    "hancock": {"n": 763, "event_share": 0.28},
}
"""Patients and share of events of the shipped models' cohorts."""
KINDS = {
    "as simulated": {},
    "censored by risk": {"risk_censors": True},
    "hazards not proportional": {"proportional": False},
}
N_NEW = 2000
DRAWS = 60
PARTITIONS = 3
"""Of the shipped models: 15 members."""
LEVEL = 0.05


def bound(repetitions: int) -> Iterator[str]:
    """Coverage of the time that 9 of 10 patients outlive."""
    yield "| cohort | n | drawn | outlive their bound | SD over repetitions | without a bound |"
    yield "|---|---|---|---|---|---|"
    for name, size in SIZES.items():
        for kind, options in KINDS.items():
            rng = np.random.default_rng(0)
            covered, without = [], 0
            for _ in range(repetitions):
                scenario = "luad" if name == "luad" else "glioma"
                drawn = {"scenario": scenario, "event_share": size["event_share"], **options}
                known = draw_predicted(int(size["n"]), rng, members=3, **drawn)
                new = draw_predicted(N_NEW, rng, members=15, **drawn)
                fitted = fit_survival_bound(known.risk, known.event, known.duration)
                if fitted.threshold is None:
                    without += 1
                    continue
                calibration = fit_calibration(known.risk, known.event, known.duration)
                times = fitted.times(calibration, new.risk)
                covered.append((new.to_event >= times).mean())
            yield (
                f"| {name} | {size['n']} | {kind} | {100 * np.mean(covered):.2f} % | "
                f"{100 * np.std(covered):.1f} | {without} |"
            )


def ensemble(folder: Path | None, n_splits: int) -> Iterator[str]:
    """Coverage of the interval from few members, of what all others say."""
    known, new = _halves(folder)
    members, held_new, splits = _train(known, new, n_splits)
    yield f"{len(known)} patients trained on, {len(new)} new, {n_splits} members."
    yield ""
    yield "| patients | members | hold the others' mean | nearest third of z | middle | farthest |"
    yield "|---|---|---|---|---|---|"
    rng = np.random.default_rng(0)
    rows: dict[tuple[str, int], list[Float64Array]] = {}
    n_partitions = n_splits // FOLDS
    for _ in range(DRAWS):
        order = rng.permutation(n_partitions)
        for k in (1, PARTITIONS):
            own, others = _columns(order[:k]), _columns(order[k:])
            test = splits.test[own]
            risk, target = (heldout_mean(members[:, c], splits.test[c]) for c in (own, others))
            mean, sd = float(risk.mean()), float(risk.std(ddof=1))
            spread = fit_member_spread(members[:, own], test, mean=mean, sd=sd, partition=FOLDS)
            held = _held(spread, members[:, own], test.T, (risk - mean) / sd, target, k, others)
            rows.setdefault(("trained on", k), []).append(held)
            if k == PARTITIONS:
                z = (held_new[:, own].mean(axis=1) - mean) / sd
                target = held_new[:, others].mean(axis=1)
                used = np.ones((len(new), len(own)), dtype=bool)
                held = _held(spread, held_new[:, own], used, z, target, len(own), others)
                rows.setdefault(("new", len(own)), []).append(held)
    for (who, k), found in rows.items():
        cells = " | ".join(f"{100 * value:.1f} %" for value in np.mean(found, axis=0))
        yield f"| {who} | {k} | {cells} |"


def _halves(folder: Path | None) -> tuple[Cohort, Cohort]:
    """Patients to train on, and new ones of the same columns."""
    if folder is None:
        folder = Path("runs/coverage_glioma")
        if not folder.exists():
            write_simulated(simulate("glioma", n_patients=880, seed=1), folder)
    cohort = load_cohort(folder)
    cohort = cohort.take(np.flatnonzero(cohort.with_outcome))
    order = np.random.default_rng(0).permutation(len(cohort))
    n_train = 480 if len(cohort) == 880 else int(0.7 * len(cohort))
    return cohort.take(np.sort(order[:n_train])), cohort.take(np.sort(order[n_train:]))


def _train(known: Cohort, new: Cohort, n_splits: int) -> tuple[Float64Array, Float64Array, Splits]:
    config = RunConfig.from_preset(PRODUCT_PRESET).with_training(splits=n_splits)
    training, raw = config.training, encode(known, known.schema)
    event, _ = known.outcome()
    splits = make_splits(known.patient_ids, event, n_splits=n_splits, seed=training.seed)
    config = config.with_training(modality_dropout=resolve_modality_dropout(training, raw))
    trained = train_ensemble(known, config, splits, device=choose_device("cpu"), processes=2)
    held_new = trained.ensemble.predict(encode(new, known.schema)).log_risk
    return trained.ensemble.predict(raw).log_risk, held_new, splits


def _columns(partitions: NDArray[np.int_]) -> NDArray[np.int_]:
    return (FOLDS * partitions[:, None] + np.arange(FOLDS)).ravel()


def _held(
    spread: MemberSpread,
    members: Float64Array,
    used: NDArray[np.bool_],
    z: Float64Array,
    target: Float64Array,
    n_used: int,
    others: NDArray[np.int_],
) -> Float64Array:
    """Share of patients whose interval holds the mean of the other members: all, by thirds of |z|.

    The others are many but not all, so their own error widens what is judged.
    """
    interval = spread.interval(members, used, z)
    n_others = len(others) if n_used == members.shape[1] else len(others) / FOLDS
    width = np.sqrt(1 + n_used / n_others)
    half = stdtrit(interval.df, 0.5 + CONFIDENCE / 2) * interval.scale * width
    mean = np.where(used, members, 0.0).sum(axis=1) / used.sum(axis=1)
    hit = np.abs(mean - target) <= half
    third = np.digitize(np.abs(z), np.quantile(np.abs(z), (1 / 3, 2 / 3)))
    return np.array([hit.mean(), *(hit[third == i].mean() for i in range(3))])


def log_rank(repetitions: int) -> Iterator[str]:
    """Level of the p-value over splits, by trained models, where nothing is to be learned."""
    network = NetworkConfig.from_preset(PRODUCT_PRESET, width=16, lmf_width=16, mam_width=8)
    config = RunConfig.from_preset(PRODUCT_PRESET)
    config = RunConfig(network=network, training=config.training)
    found: list[tuple[float | None, float, float]] = []
    for seed in range(repetitions):
        cohort = make_cohort(150, seed=seed, clinical=True, signal="none")
        event, duration = cohort.outcome()
        splits = make_splits(cohort.patient_ids, event, seed=seed)
        run = config.with_training(modality_dropout=0.0, seed=seed)
        trained = train_ensemble(cohort, run, splits, device=choose_device("cpu"), processes=1)
        risk = trained.ensemble.predict(encode(cohort, cohort.schema)).log_risk
        p = split_p_values(risk, event, duration, test=splits.test)
        found.append((p.over_splits, p.unique, p.pooled))
    below = 100 * np.mean(np.array(found, dtype=np.float64) < LEVEL, axis=0)
    yield "| runs | over splits | one row per patient | pooled |"
    yield "|---|---|---|---|"
    yield f"| {repetitions} | {below[0]:.1f} % | {below[1]:.1f} % | {below[2]:.1f} % |"


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("bound", "ensemble", "log-rank"))
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--cohort", type=Path, help="Cohort folder; 30 % of it are the new ones.")
    parser.add_argument("--splits", type=int, default=60)
    options = parser.parse_args()
    lines = {
        "bound": lambda: bound(options.repetitions or 1000),
        "ensemble": lambda: ensemble(options.cohort, options.splits),
        "log-rank": lambda: log_rank(options.repetitions or 400),
    }
    for line in lines[options.what]():
        print(line, flush=True)


if __name__ == "__main__":
    main()
