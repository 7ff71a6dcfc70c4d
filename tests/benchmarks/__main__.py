"""Measure what has to be fast and print the table: ``python -m tests.benchmarks``.

    python -m tests.benchmarks [training ...] [--device cuda] [--full] [--write]

Without names every job runs. ``--device cuda`` runs each job on the CPU and then on the GPU.
``--full`` adds what takes many minutes. ``--write`` puts the lines into RESULTS.md. Nothing is
asserted: the numbers are those of one machine.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from camlif.exceptions import ConfigError
from camlif.training.engine import CPU_THREADS
from camlif.training.ensemble import choose_device
from tests.benchmarks.harness import Line, machine, table, versions

JOBS = ("training", "ranking", "attribution", "growth", "dashboard", "load")
TITLE = "# Results of `make bench`\n"
RESULTS = Path(__file__).with_name("RESULTS.md")


def main(arguments: list[str] | None = None) -> None:
    """Run the jobs, print a table for each and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="*", metavar="job", help=", ".join(JOBS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--full", action="store_true", help="also what takes many minutes")
    parser.add_argument("--write", action="store_true", help=f"put the lines into {RESULTS.name}")
    options = parser.parse_args(arguments)
    if unknown := set(options.jobs) - set(JOBS):
        parser.error(f"unknown job {', '.join(sorted(unknown))}; choose of {', '.join(JOBS)}")
    try:
        device = str(choose_device(options.device))
    except ConfigError as error:
        parser.error(str(error))
    torch.set_num_threads(CPU_THREADS)  # as the command line and the dashboard do
    for job in options.jobs or JOBS:
        before = machine()
        lines = list(measured(job, device, full=options.full))
        section = f"{table(lines)}\n\n{datetime.now(UTC):%Y-%m-%d}, {before}; {versions()}."
        print(f"\n## {job}\n\n{section}", flush=True)
        if options.write:
            write_section(RESULTS, job, section)


def measured(job: str, device: str, *, full: bool) -> Iterator[Line]:
    """Lines of a job on the CPU, then on another device where one is asked for."""
    run = importlib.import_module(f"tests.benchmarks.{job}").run
    for where in dict.fromkeys(("cpu", device)):
        for line in run(where, full=full):
            yield line if where == "cpu" else replace(line, job=f"{line.job} ({where})")


def write_section(file: Path, job: str, text: str) -> None:
    """Replace the section of a job, or add it at the end."""
    before = file.read_text("utf-8") if file.exists() else TITLE
    head, *sections = before.split("\n## ")
    kept = {section.split("\n", 1)[0]: section for section in sections}
    kept[job] = f"{job}\n\n{text}\n"
    file.write_text("\n## ".join((head, *kept.values())), "utf-8")


if __name__ == "__main__":
    main()
