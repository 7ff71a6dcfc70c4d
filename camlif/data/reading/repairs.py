"""What mends a problem: one list that drives the page's buttons and ``check --repair``.

A problem and its report go in; changes of the manifest come out. Raises `ConfigError` for a repair
that is not offered. A repair is named as on the command line (``duplicates=mean``) and belongs to
problems of one topic. Nothing is repaired in the tables themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from camlif.data.cohort import Cohort
from camlif.data.manifest import Change, Manifest
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.declared import offer_forget
from camlif.data.reading.gathered import Progress
from camlif.data.reading.model_offers import offer_level, offer_rename, offer_renames
from camlif.data.reading.offers import (
    Offer,
    offer_age_unit,
    offer_blank_event,
    offer_companion,
    offer_confirm,
    offer_copy,
    offer_date_order,
    offer_drop,
    offer_duplicates,
    offer_endpoint,
    offer_event,
    offer_exclude,
    offer_forget_column,
    offer_input,
    offer_living,
    offer_missing,
    offer_no_code,
    offer_reverse,
    offer_rule,
    offer_start_column,
    offer_status_column,
    offer_time_column,
    offer_unit,
    offer_unknown,
)
from camlif.data.reading.problems import Problem, examples
from camlif.data.reading.readers import read_cohort
from camlif.data.reading.sources import Files
from camlif.data.reading.table_offers import (
    offer_clinical_file,
    offer_decimal,
    offer_encoding,
    offer_forget_manifest,
    offer_forget_modality,
    offer_identifier,
    offer_leave_out,
    offer_modality,
    offer_orientation,
    offer_outcome_file,
    offer_pieces,
    offer_same,
    offer_same_within,
    offer_samples,
    offer_sheet,
    offer_tokens,
    offer_trim,
)
from camlif.exceptions import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to mend one problem.

    Attributes
    ----------
    repair, value : str
        As the command line takes them: ``repair=value``.
    label : str
        For a button.
    changes : tuple of Change
    """

    repair: str
    value: str
    label: str
    changes: tuple[Change, ...]

    @property
    def flag(self) -> str:
        """The argument of ``--repair``."""
        return f"{self.repair}={self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A kind of repair.

    Attributes
    ----------
    name : str
    topics : tuple of str
        Topics of the problems it mends.
    offers : function of (Problem, CheckReport) to sequence of (value, label, changes)
    """

    name: str
    topics: tuple[str, ...]
    offers: Callable[[Problem, CheckReport], Sequence[Offer]]


def options_for(problem: Problem, report: CheckReport) -> tuple[Option, ...]:
    """Return every way to mend a problem, the likeliest first; empty where none is known."""
    if not problem.topic:
        return ()
    return tuple(
        Option(repair=repair.name, value=value, label=label, changes=changes)
        for repair in REPAIRS
        if problem.topic in repair.topics
        for value, label, changes in repair.offers(problem, report)
    )


Look = Callable[[Cohort | None, CheckReport], CheckReport]
"""Adds problems that the tables alone do not show."""


def mend(
    files: Files,
    wanted: Sequence[str],
    *,
    manifest: Manifest | None = None,
    title: str,
    look: Look = lambda _, report: report,
    progress: Progress | None = None,
) -> tuple[Cohort | None, CheckReport, tuple[Option, ...]]:
    """Read tables and repair them as asked, in whatever order the problems come to light.

    Parameters
    ----------
    files : mapping of file name to Path or bytes
    wanted : sequence of str
        Flags such as ``unit=days``.
    manifest : Manifest, optional
        Where to start from, else that of the files.
    title : str
    look : function of (Cohort or None, CheckReport) to CheckReport
        Called after each reading.
    progress : callable, optional
        Called with (done, total, what) while columns are read.

    Returns
    -------
    cohort : Cohort or None
    report : CheckReport
        After the repairs; its ``manifest`` is the mended mapping.
    applied : tuple of Option

    Raises
    ------
    ConfigError
        If a repair is unknown, or nothing needs it.
    """
    applied: list[Option] = []
    # Once for each place: reversing a coding may make it look reversed again.
    done: set[tuple[str, str | None, str | None]] = set()
    offered: dict[str, None] = {}

    def read() -> tuple[Cohort | None, CheckReport]:
        cohort, report = read_cohort(
            files, manifest=manifest, changes=changes_of(applied), title=title, progress=progress
        )
        return cohort, look(cohort, report)

    cohort, report = read()
    while True:
        options = [(p, o) for p in report.problems for o in options_for(p, report)]
        offered |= dict.fromkeys(o.flag for _, o in options)
        chosen = next(
            (
                (problem, option)
                for problem, option in options
                if option.flag in wanted and (option.flag, problem.file, problem.column) not in done
            ),
            None,
        )
        if chosen is None:
            break
        problem, option = chosen
        done.add((option.flag, problem.file, problem.column))
        # One at a time, because what a repair must declare depends on those before it.
        applied.append(option)
        cohort, report = read()
    unused = [flag for flag in wanted if flag not in {o.flag for o in applied}]
    if unused:
        possible = f"Possible: {', '.join(offered)}." if offered else "Nothing needs a repair."
        raise ConfigError(f"Nothing to repair by {examples(unused)}. {possible}")
    return cohort, report, tuple(applied)


def changes_of(options: Iterable[Option]) -> tuple[Change, ...]:
    """Return the changes of several repairs, in order."""
    return tuple(change for option in options for change in option.changes)


REPAIRS = (
    Repair(name="duplicates", topics=("duplicates", "masks"), offers=offer_duplicates),
    Repair(name="unit", topics=("unit",), offers=offer_unit),
    Repair(name="event", topics=("event",), offers=offer_event),
    Repair(name="event", topics=("blank event",), offers=offer_blank_event),
    Repair(name="event", topics=("living",), offers=offer_living),
    Repair(name="event", topics=("reversed",), offers=offer_reverse),
    Repair(name="event", topics=("coding",), offers=offer_confirm),
    Repair(name="negative", topics=("negative",), offers=offer_exclude("negative_durations")),
    Repair(name="entry", topics=("entry",), offers=offer_exclude("late_entries")),
    Repair(name="zero", topics=("zero",), offers=offer_exclude("zero_durations")),
    Repair(name="missing", topics=("event",), offers=offer_unknown),
    Repair(name="missing", topics=("text", "code", "time code", "sex"), offers=offer_missing),
    Repair(name="keep", topics=("time code",), offers=offer_no_code),
    Repair(name="drop", topics=("personal", "text", "label"), offers=offer_drop),
    Repair(name="copy", topics=("copies",), offers=offer_copy),
    Repair(name="id", topics=("id",), offers=offer_identifier),
    Repair(name="ids", topics=("personal id",), offers=offer_tokens),
    Repair(name="same", topics=("alike",), offers=offer_same),
    Repair(name="same", topics=("within",), offers=offer_same_within),
    Repair(name="parts", topics=("pieces",), offers=offer_pieces),
    Repair(name="samples", topics=("samples",), offers=offer_samples),
    Repair(name="trim", topics=("overlap",), offers=offer_trim),
    Repair(name="sheet", topics=("sheet",), offers=offer_sheet),
    Repair(name="encoding", topics=("encoding",), offers=offer_encoding),
    Repair(name="decimal", topics=("decimal",), offers=offer_decimal),
    Repair(name="transpose", topics=("turned", "id"), offers=offer_orientation),
    Repair(name="clinical", topics=("clinical",), offers=offer_clinical_file),
    Repair(name="whole", topics=("both",), offers=offer_clinical_file),
    Repair(name="outcome", topics=("outcome file",), offers=offer_outcome_file),
    Repair(name="time", topics=("companion", "companion of death"), offers=offer_companion),
    Repair(name="time", topics=("time",), offers=offer_time_column),
    Repair(name="time", topics=("rule",), offers=offer_rule),
    Repair(name="from", topics=("start",), offers=offer_start_column),
    Repair(name="date", topics=("date order",), offers=offer_date_order),
    Repair(name="status", topics=("status", "event", "blank event"), offers=offer_status_column),
    Repair(name="endpoint", topics=("endpoint",), offers=offer_endpoint),
    Repair(name="age", topics=("age unit",), offers=offer_age_unit),
    Repair(name="input", topics=("no input",), offers=offer_input),
    Repair(name="modality", topics=("unnamed",), offers=offer_modality),
    Repair(name="column", topics=("column",), offers=offer_forget_column),
    Repair(name="absent", topics=("modality",), offers=offer_forget_modality),
    Repair(name="manifest", topics=("manifest",), offers=offer_forget_manifest),
    Repair(name="forget", topics=("declared",), offers=offer_forget),
    Repair(name="renames", topics=("suitability", "inputs"), offers=offer_renames),
    Repair(name="rename", topics=("suitability", "inputs"), offers=offer_rename),
    Repair(name="level", topics=("level", "sex"), offers=offer_level),
    Repair(
        name="without",
        topics=("file", "overlap", "id", "samples", "sheet", "unreadable", "suitability"),
        offers=offer_leave_out,
    ),
)
"""Every repair, in the order in which a problem offers them."""
