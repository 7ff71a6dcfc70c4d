"""The command ``study``: many methods on the same folds of one cohort.

A cohort folder and options go in; a study folder and its table come out. Raises `ConfigError`,
which `camlif.cli.commands` turns into one line and exit status 2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from camlif.cli import console
from camlif.cli.reading import RepairOption, read_cohort, tell_problems
from camlif.exceptions import ConfigError
from camlif.progress import Progress, kept_in
from camlif.study.records import SETS, StudySettings, VariantSummary
from camlif.study.store import Study, is_begun, read_study
from camlif.wording import count

EXIT_FAILED_CELLS = 1
SMALLEST_P = 0.001
HEADINGS = (
    "method",
    "head",
    "splits",
    "C-index (95 %)",
    "SD",
    "difference (95 %)",
    "wins",
    "p (Holm)",
    "IBS",
    "parameters",
    "seconds",
    "verdict",
)
TEXT_COLUMNS = ("method", "head", "verdict")


class Heads(StrEnum):
    """Which heads rivals run with."""

    MATCHED = "matched"
    NATIVE = "native"
    BOTH = "both"


class Backend(StrEnum):
    """Where cells run."""

    LOCAL = "local"
    RAY = "ray"
    DASK = "dask"


def study(
    out: Annotated[Path, typer.Option(help="Study folder; one that exists is continued.")],
    data: Annotated[
        str, typer.Argument(metavar="[DATA]", help="Cohort folder or sample, as for train.")
    ] = "",
    methods: Annotated[
        str, typer.Option(help=f"{', '.join(SETS)}, or names separated by commas.")
    ] = "paper",
    heads: Annotated[Heads, typer.Option(help="Of the rivals.")] = Heads.MATCHED,
    splits: Annotated[int, typer.Option(min=2)] = 15,
    split_scheme: Annotated[console.Scheme, typer.Option()] = console.Scheme.COVERING,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    use_splits: Annotated[
        int | None, typer.Option(min=1, help="Run these methods on the first splits only.")
    ] = None,
    modalities: console.ModalitiesOption = "all",
    clinical: console.ClinicalOption = "age,sex",
    gaps: Annotated[bool, typer.Option("--gaps", help="Keep incomplete patients.")] = False,
    select_top: Annotated[
        int | None, typer.Option(min=1, help="Keep the strongest columns of each modality.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="A quick look; else 30.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Cells at once.")] = None,
    backend: Annotated[Backend, typer.Option(help="Where cells run.")] = Backend.LOCAL,
    address: Annotated[str | None, typer.Option(help="Of a Ray or Dask cluster.")] = None,
    device: console.DeviceOption = "auto",
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Compute failed cells again.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Print the table of --out; compute nothing.")
    ] = False,
    manifest: console.ManifestOption = None,
    repair: RepairOption = None,
    progress: console.ProgressOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Compare methods on the same splits; goes on where an earlier call stopped."""
    from camlif.study.run import Where, run_study

    if report:
        _show(read_study(out), as_json=as_json, problems=[])
        return
    if not data:
        raise ConfigError("Name a cohort folder or a sample, or add --report.")
    console.require_placeable(out, force=is_begun(out))
    where = Where(jobs=jobs, backend=backend.value, address=address, device=device)
    with console.interruptible(), kept_in(progress) as keep:
        checked = read_cohort(data, manifest, repair=repair or (), quiet=as_json)
        if not as_json:
            tell_problems(checked)
        cohort = checked.cohort.select(modalities=console.choose_modalities(modalities))
        settings = StudySettings(
            data=data,
            methods=tuple(name.strip() for name in methods.split(",") if name.strip()),
            heads=heads.value,
            splits=splits,
            scheme="covering" if split_scheme is console.Scheme.COVERING else "monte_carlo",
            seed=seed,
            clinical=console.choose_clinical(clinical, cohort),
            gaps=gaps,
            epochs=epochs,
            select_top=select_top,
        )
        with console.progress_bar("cells", quiet=as_json) as update:

            def tell(now: Progress) -> None:
                keep(now)
                update(now.step, now.total, now.message)

            found = run_study(
                cohort,
                settings,
                out,
                where=where,
                use_splits=use_splits,
                retry_failed=retry_failed,
                progress=tell,
            )
    _show(found, as_json=as_json, problems=checked.problems)
    if found.summary.n_failed:
        raise typer.Exit(EXIT_FAILED_CELLS)


def _show(found: Study, *, as_json: bool, problems: list[dict[str, Any]]) -> None:
    summary = found.summary
    if as_json:
        console.output.print_json(json.dumps(summary.to_json() | {"problems": problems}))
        return
    for line in _lines(summary.rows):
        console.say(line)
    for absent in summary.not_applicable:
        console.say(f"not applicable: {absent.title} ({absent.head}): {absent.reason}")
    for row in found.failed.itertuples():
        splits = f"splits {row.first_split} to {row.last_split}"
        console.say(f"failed: {row.method} {row.variant} ({row.head}), {splits}: {row.reason}")
    for note in summary.notes:
        console.say(note)
    if not found.complete:
        left = summary.n_cells - summary.n_done - summary.n_failed
        console.say(f"Not finished: {left} of {count(summary.n_cells, 'cell')} left.")


def _lines(rows: tuple[VariantSummary, ...]) -> Iterator[str]:
    """Lay the table out in columns, whole whatever the width of the terminal or file."""
    cells = [HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (
            text.ljust(width) if heading in TEXT_COLUMNS else text.rjust(width)
            for heading, text, width in zip(HEADINGS, line, widths, strict=True)
        )
        yield "  ".join(padded).rstrip()


def _cells(row: VariantSummary) -> tuple[str, ...]:
    c = row.comparison
    return (
        row.title,
        row.head,
        str(row.n_splits),
        _with_interval(row.mean, row.low, row.high),
        _number(row.sd),
        "" if c is None else _with_interval(c.difference, c.low, c.high, sign="+"),
        "" if c is None else f"{c.wins}/{c.n_splits}",
        "" if c is None else _p(c.adjusted),
        _number(row.ibs_mean),
        "" if row.parameters is None else f"{row.parameters:,}",
        f"{row.seconds:.0f}",
        row.verdict,
    )


def _number(value: float | None, *, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.3f}"


def _with_interval(value: float, low: float | None, high: float | None, *, sign: str = "") -> str:
    if low is None or high is None:
        return _number(value, sign=sign)
    return f"{value:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return f"<{SMALLEST_P}" if value < SMALLEST_P else f"{value:.3f}"
