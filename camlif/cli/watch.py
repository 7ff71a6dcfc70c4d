"""The command ``watch``: a model in use, month by month, with alarms.

A cohort folder with a column of dates and a model go in; a table of months and a sentence per alarm
come out. Raises `CamlifError`, which `camlif.cli.commands` turns into one line and exit status 2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camlif.cli import console
from camlif.cli.reading import RepairOption, read_cohort, suitability, tell_problems
from camlif.data.cohort import Cohort
from camlif.data.reading.checks import CheckReport
from camlif.transport.watch_evidence import RATE
from camlif.wording import count, with_interval

if TYPE_CHECKING:
    from camlif.transport.watch import Month, Watch

EXIT_ALARM = 1
HEADINGS = ("month", "patients", "unlike", "events", "expected", "limits", "C-index")


def watch(
    data: console.DataArgument,
    model: Annotated[Path, typer.Option("--model", help="Model folder.")],
    date: Annotated[
        str,
        typer.Option(metavar="COLUMN", help="Clinical column: day from which follow-up counts."),
    ],
    false_alarms: Annotated[
        float,
        typer.Option(help="Chance of a false alarm within the first year, of all measures."),
    ] = RATE,
    fail_on_alarm: Annotated[
        bool, typer.Option("--fail-on-alarm", help="Exit status 1 where there is an alarm.")
    ] = False,
    device: console.DeviceOption = "auto",
    manifest: console.ManifestOption = None,
    repair: RepairOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Say, month by month, whether inputs and outcomes are still those that the model knows."""
    from camlif.data.reading.days import find_days
    from camlif.model.bundle import load_bundle
    from camlif.transport.watch import watch_model

    bundle = load_bundle(model, device=device)
    suits = suitability(model)

    def look(cohort: Cohort | None, report: CheckReport) -> CheckReport:
        report = suits(cohort, report)
        return report if cohort is None else report.also(find_days(cohort, report, date)[1])

    checked = read_cohort(data, manifest, repair=repair or (), look=look, quiet=as_json)
    if not as_json:
        tell_problems(checked)
    days, _ = find_days(checked.cohort, checked.report, date)
    found = watch_model(bundle, checked.cohort, days, rate=false_alarms)
    if as_json:
        console.output.print_json(json.dumps(found.to_json() | {"problems": checked.problems}))
    else:
        for line in watch_lines(found):
            console.say(line)
    if found.alarms and fail_on_alarm:
        raise typer.Exit(EXIT_ALARM)


def watch_lines(found: Watch) -> Iterator[str]:
    """Yield the lines that the command prints.

    Parameters
    ----------
    found : Watch
    """
    yield from _columns([HEADINGS, *(_cells(month, found) for month in found.months)])
    yield ""
    names = list(found.months[0].stability)
    yield "Population stability index (by chance), and share missing:"
    lacking = list(found.months[0].missing)
    heads = ("month", *names, *(f"no {name}" for name in lacking))
    yield from _columns([heads, *(_input_cells(month, names, lacking) for month in found.months)])
    yield ""
    yield from _account(found)
    for alarm in found.alarms:
        yield alarm.sentence
    if not found.alarms:
        yield "No alarm."
    yield (
        f"Without any change, at most {100 * found.rate:g} of 100 first years bring an alarm, and "
        f"one comes in {found.years:g} years or more on average, of all measures together."
    )


def _account(found: Watch) -> Iterator[str]:
    """Yield who is not counted, and why."""
    n = found.n_training
    if n:
        yield (
            f"Left out: {count(n, 'patient')} of the training cohort. Of the others, "
            f"{count(found.n_unclear, 'patient')} may be."
        )
    if found.n_unscored:
        n = found.n_unscored
        yield f"{count(n, 'patient has', 'patients have')} no score; score says why."
    if not found.n_followed:
        yield "No patient has an outcome yet: neither calibration nor ranking can be watched."
    for reason, n in found.withheld.items():
        yield (
            f"Observed and expected events leave out {count(n, 'patient')} whose absolute risk "
            f"is not shown: {reason}."
        )


def _cells(month: Month, found: Watch) -> tuple[str, ...]:
    counted = found.n_followed > sum(found.withheld.values())
    ranking = ""
    if month.c_index is not None and month.c_index_low is not None and month.c_index_high:
        ranking = with_interval(month.c_index, month.c_index_low, month.c_index_high)
    high = "" if month.high is None else f"{month.high}"
    return (
        month.month,
        f"{month.n_patients:,}",
        f"{month.n_flagged:,}",
        f"{month.observed:.0f}" if counted else "",
        f"{month.expected:.1f}" if counted else "",
        f"{month.low} to {high}" if counted else "",
        ranking,
    )


def _input_cells(month: Month, names: Sequence[str], lacking: Sequence[str]) -> tuple[str, ...]:
    cells = [month.month]
    for name in names:
        value, usual = month.stability[name], month.by_chance[name]
        cells.append("" if value is None or usual is None else f"{value:.2f} ({usual:.2f})")
    for name in lacking:
        share = month.missing[name]
        cells.append("" if share is None else f"{100 * share:.0f} %")
    return tuple(cells)


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(t.rjust(w) for t, w in zip(row, widths, strict=True)).rstrip()
