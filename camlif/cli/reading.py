"""Reading a cohort for a command: refused where a check refuses it, its problems told.

``DATA`` and its options go in; a cohort with the report of its check comes out. Raises
`CohortError` with every error of the tables, and of what a model expects of them.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from camlif.cli.console import errors, output, progress_bar, read_manifest_option, say
from camlif.data.cohort import Cohort
from camlif.data.reading.checks import CONFIDENCE, CheckReport, group_words
from camlif.data.reading.problems import Problem, cohort_error
from camlif.data.reading.readers import folder_files
from camlif.data.reading.repairs import Look, Option, mend, options_for
from camlif.data.samples import SAMPLES, load_sample, sample_folder
from camlif.files import write_text
from camlif.wording import count, listed

MAX_OFFERS = 6
"""Repairs that are printed of one problem."""
MAX_TOLD = 5
"""Problems that a command prints before it does its work; a check prints all of them."""
PROBLEMS = ".problems.json"
"""Ending of the file that holds all problems, beside the one that a command writes."""

RepairOption = Annotated[
    list[str] | None,
    typer.Option("--repair", metavar="NAME=VALUE", help="Mend a problem, as check proposes it."),
]


@dataclass(frozen=True, slots=True)
class CheckedCohort:
    """A cohort that may be used, and what its check said."""

    cohort: Cohort
    report: CheckReport

    @property
    def problems(self) -> list[dict[str, Any]]:
        """Every problem, for programs."""
        return [problem.to_json() for problem in self.report.problems]


@contextmanager
def cohort_folder(data: str) -> Iterator[Path]:
    """Yield the folder that ``DATA`` stands for: a folder, or a sample where none has its name."""
    path = Path(data)
    if data not in SAMPLES or path.exists():
        yield path
    else:
        with sample_folder(data) as folder:
            yield folder


def suitability(model: Path | None, *, missing: Sequence[str] = ()) -> Look:
    """Return a function that adds to a report what a model (None: no model) says of the tables."""
    if model is None:
        return lambda _, report: report
    from camlif.model.storage import read_expected
    from camlif.model.suitability import check_suitability

    expected = read_expected(model)

    def look(cohort: Cohort | None, report: CheckReport) -> CheckReport:
        if cohort is None:
            return report
        return report.also(
            check_suitability(cohort, expected, missing=missing, files=report.table_files)
        )

    return look


def read_cohort(
    data: str,
    manifest: Path | None = None,
    *,
    repair: Sequence[str] = (),
    look: Look = lambda _, report: report,
    quiet: bool = False,
) -> CheckedCohort:
    """Read the cohort that ``DATA`` stands for, mended as asked.

    Parameters
    ----------
    data : str
    manifest : Path, optional
        Replaces the folder's own.
    repair : sequence of str
        Flags of repairs.
    look : function
        Adds what a model expects, see `suitability`.
    quiet : bool
        Show no progress.

    Raises
    ------
    CohortError
        If a check finds an error; ``problems`` has every one.
    ConfigError
        If nothing needs a repair.
    """
    title = Path(data).resolve().name
    if manifest is None and not repair and data in SAMPLES and not Path(data).exists():
        cohort: Cohort | None = load_sample(data)  # its own data, which nobody can have spoilt
        report = look(cohort, CheckReport(title=title, files=(), problems=(), groups={}))
    else:
        with cohort_folder(data) as folder, progress_bar(quiet=quiet) as update:
            cohort, report, _ = mend(
                folder_files(folder),
                repair,
                manifest=read_manifest_option(manifest),
                title=title,
                look=look,
                progress=update,
            )
    if cohort is None or report.errors:
        raise cohort_error(report.errors)
    return CheckedCohort(cohort, report)


def tell_problems(checked: CheckedCohort) -> None:
    """Print the first warnings, on standard error, and how many more a check prints."""
    told, more = _warnings(checked.report)
    for problem in told:
        for line in _lines(problem, checked.report):
            _print(line)
    if more:
        _print(f"{count(len(more), 'more warning')}, which check prints.")


def keep_problems(checked: CheckedCohort, *, beside: Path) -> None:
    """Write all problems to a file where there are warnings, once a command has done its work.

    Parameters
    ----------
    checked : CheckedCohort
    beside : Path
        What the command wrote; the file has its name and `PROBLEMS`. An older one is taken away.
    """
    file, report = beside.with_name(beside.name + PROBLEMS), checked.report
    file.unlink(missing_ok=True)
    if not report.warnings:
        return
    write_text(file, json.dumps(checked.problems, indent=1) + "\n")
    kinds = ((report.warnings, "warning"), (report.notes, "note"))
    found = listed([count(len(part), noun) for part, noun in kinds if part])
    _print(f"{found} on the tables: all of them in {file}.")


def _warnings(report: CheckReport) -> tuple[list[Problem], list[Problem]]:
    """Part the warnings that are printed from the others.

    What has a code is of the outcome, or of what a model reads; it must not be among those left.
    """
    warnings = sorted(report.warnings, key=lambda problem: not problem.code)
    return warnings[:MAX_TOLD], warnings[MAX_TOLD:]


def _lines(problem: Problem, report: CheckReport) -> Iterator[str]:
    """Say a problem, and below it the repairs among which one may choose."""
    yield " ".join(filter(None, (problem.severity, problem.code, problem.line)))
    offered = [shlex.quote(option.flag) for option in options_for(problem, report)]
    if offered:
        more = " ..." if len(offered) > MAX_OFFERS else ""
        yield f"    --repair {' | '.join(offered[:MAX_OFFERS])}{more}"


def _print(text: str) -> None:
    errors.print(text, markup=False, highlight=False, soft_wrap=True)


def print_report(report: CheckReport, applied: Sequence[Option]) -> None:
    """Print all that a check found.

    Parameters
    ----------
    report : CheckReport
    applied : sequence of Option
        Repairs that were made.
    """
    table = Table("file", "read as", "rows", "columns")
    for file in report.files:
        role = f"{file.role}: {file.modality}" if file.modality else file.role
        table.add_row(file.name, role, f"{file.n_rows:,}", f"{file.n_columns:,}")
    output.print(table)
    for assignment in report.mapping:
        if assignment.chosen:
            say(
                f"{assignment.role}: {', '.join(assignment.chosen)} in {assignment.file}"
                f" ({CONFIDENCE[assignment.confidence]})"
                + (f", because of {assignment.because}" if assignment.because else "")
            )
    for modality, groups in report.groups.items():
        say(f"feature groups of {modality}: {group_words(groups)}")
    for option in applied:
        say(f"repaired {option.flag}: {option.label}")
    for problem in report.problems:
        for line in _lines(problem, report):
            say(line)
    if report.flow is not None:
        have = ", ".join(f"{name} {n:,}" for name, n in report.flow.patients.items())
        every = f" ({have}); {report.flow.n_complete:,} have all" if have else ", no feature table"
        say(f"{count(report.flow.n_patients, 'patient')}{every}.")
    if report.outcome is not None:
        outcome = report.outcome.to_json()
        median, longest = outcome["median_follow_up_months"], outcome["longest_months"]
        say(
            f"{count(outcome['events'], 'event')} in {count(outcome['patients'], 'patient')} with "
            "follow-up"
            + (f", median {median:.1f} months" if median is not None else "")
            + (f", longest {longest:.1f} months" if longest is not None else "")
            + f" (from {report.outcome.unit})."
        )
    say("usable" if report.usable else "not usable")
