"""Check and score a large simulated cohort from Parquet; print seconds and peak memory of each.

    python tests/benchmarks/scale.py [--patients 100000] [--members 15] [--width 64] [--folder DIR]

Every step is a command of its own, as a user would run it. Nothing is asserted. The tables take
0.6 GB on disk for 100,000 patients and are removed unless a folder is given.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

GIB = 2**30
MODALITIES = {"pathology": 783, "genomics": 517}
GROUPS = 4
TRAINING_PATIENTS = 400
BLOCK = 10_000
"""Patients written together: a row group."""


def main() -> None:
    """Simulate, train, check, score; print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--members", type=int, default=15)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--folder", type=Path, help="Kept, and used again by the next run.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = options.folder or Path(temporary)
        small, large, model = folder / "small", folder / "large", folder / "model"
        write_cohort(small, TRAINING_PATIENTS, seed=0)
        write_cohort(large, options.patients, seed=1)
        train = ["train", str(small), "--out", str(model), "--preset", "default", "--epochs", "2"]
        if not model.exists():
            run([*train, "--splits", str(options.members), "--width", str(options.width)])
        print(f"{options.patients:,} patients x {sum(MODALITIES.values()):,} features, Parquet")
        report("check", ["check", str(large)])
        out = folder / "risk.csv"
        out.unlink(missing_ok=True)
        report("score", ["score", str(large), "--model", str(model), "--out", str(out)])


def write_cohort(folder: Path, n: int, *, seed: int) -> None:
    """Write tables of n patients: features of unit variance, 2 % missing; kept if already there."""
    if folder.exists():
        return
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    ids = [f"P{seed}-{i:06d}" for i in range(n)]
    risk = np.zeros(n)
    for name, width in MODALITIES.items():
        columns = [f"{name}{i % GROUPS}_f{i:04d}" for i in range(width)]
        with pa.parquet.ParquetWriter(folder / f"{name}.parquet", _schema(columns)) as file:
            for start in range(0, n, BLOCK):
                rows = slice(start, min(start + BLOCK, n))
                values = rng.normal(size=(rows.stop - start, width)).astype(np.float32)
                risk[rows] += values[:, :20].mean(axis=1) * np.sqrt(20)
                values[rng.random(values.shape) < 0.02] = np.nan
                file.write_table(pa.table([ids[rows], *values.T], schema=_schema(columns)))
    months = rng.exponential(60 * np.exp(-risk))
    limit = rng.uniform(6, 120, n)
    clinical = {
        "patient_id": ids,
        "survival_months": np.minimum(months, limit).round(1) + 0.1,
        "event": (months <= limit).astype(int),
        "age": rng.integers(30, 89, n),
        "sex": rng.choice(["female", "male"], n),
    }
    pa.parquet.write_table(pa.table(clinical), folder / "clinical.parquet")


def _schema(columns: list[str]) -> pa.Schema:
    return pa.schema([("patient_id", pa.string()), *((c, pa.float32()) for c in columns)])


def report(name: str, arguments: list[str]) -> None:
    """Run a command and print its seconds, those of all cores, and the most memory it held."""
    seconds, busy, peak = run(arguments)
    print(
        f"{name:8} {seconds:6.1f} s, {busy:6.1f} s of cores, peak {peak / GIB:.2f} GiB", flush=True
    )


def run(arguments: list[str]) -> tuple[float, float, int]:
    """Run ``python -m camlif``; return seconds, seconds of cores and peak resident bytes."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "camlif", *arguments], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"camlif {arguments[0]} failed with status {process.returncode}.")
    scale = 1 if sys.platform == "darwin" else 1024
    busy = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - start, busy, usage.ru_maxrss * scale


if __name__ == "__main__":
    main()
