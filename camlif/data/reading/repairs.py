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
from camlif.data.reading.model_offers import (
    Offer,
    offer_level,
    offer_rename,
    offer_renames,
)
from camlif.data.reading.problems import Problem, examples, shortened
from camlif.data.reading.readers import read_cohort
from camlif.data.reading.roles import is_clinical_name, modality_name
from camlif.data.reading.sources import Files
from camlif.data.reading.tokens import new_key
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


def declare_modalities(report: CheckReport) -> tuple[Change, ...]:
    """Name every modality as it was read, because a manifest that names one leaves out others."""
    if report.manifest.modalities:
        return ()
    return tuple(
        Change(("modalities", file.modality, "file"), file.name)
        for file in report.files
        if file.modality is not None
    )


def in_table(
    report: CheckReport, file: str, entry: str
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Return what must be declared first, and the path of an entry in a table's own section.

    Parameters
    ----------
    report : CheckReport
        Of the upload as it is read now.
    file : str
        File of the table, clinical or of features.
    entry : str
        Name of the entry, such as ``"drop"``.
    """
    modality = next((f.modality for f in report.files if f.name == file), None)
    if modality is None:
        return (), ("clinical", entry)
    return declare_modalities(report), ("modalities", modality, entry)


def _duplicates(problem: Problem, report: CheckReport) -> list[Offer]:
    path = ("duplicates",)
    offers: list[Offer] = [
        ("first", "Keep the first row of each", (Change(path, "first"),)),
        ("average", "Average per patient", (Change(path, "mean"),)),
    ]
    if problem.topic == "masks":
        offers.insert(0, ("largest", "Keep the largest mask", (Change(path, "largest"),)))
    modality = next((f.modality for f in report.files if f.name == problem.file), None)
    if modality is not None:
        first, kind = in_table(report, problem.file or "", "type")
        offers.append(("bag", "Keep all as samples of one patient", (*first, Change(kind, "bag"))))
        _, keep = in_table(report, problem.file or "", "keep")
        offers += [
            (
                label,
                f"Keep {shortened(problem.columns[0])} {shortened(label)}",
                (*first, Change((*keep, problem.columns[0]), [label])),
            )
            for label in problem.values
        ]
    return offers


def _unit(problem: Problem, _: CheckReport) -> list[Offer]:
    return [
        (unit, f"Follow-up in {unit}", (Change(("clinical", "duration_unit"), unit),))
        for unit in problem.values
    ]


def _event(problem: Problem, _: CheckReport) -> list[Offer]:
    column = _event_column(problem)
    return [
        (
            value,
            f"{shortened(value)} means the event",
            (*column, Change(("clinical", "event_values"), [value], add=True)),
        )
        for value in problem.values
    ]


def _reverse(problem: Problem, _: CheckReport) -> list[Offer]:
    changes = (
        *_event_column(problem),
        Change(("clinical", "event_values"), list(problem.values)),
    )
    return [("reverse", "Reverse", changes)]


def _confirm(problem: Problem, _: CheckReport) -> list[Offer]:
    changes = (
        *_event_column(problem),
        Change(("clinical", "event_values"), list(problem.values)),
    )
    return [("confirm", "Confirm", changes)]


def _event_column(problem: Problem) -> tuple[Change, ...]:
    return tuple(Change(("clinical", "event"), column) for column in problem.columns)


def _exclude(entry: str) -> Callable[[Problem, CheckReport], Sequence[Offer]]:
    """Return the offer to keep patients whose times make no sense without outcome."""
    change = Change(("clinical", entry), "drop")
    return lambda _, __: [("exclude", "Leave these patients without outcome", (change,))]


def _drop(problem: Problem, _: CheckReport) -> list[Offer]:
    if problem.topic == "text" and len(problem.columns) > 1:
        return []
    return [
        (column, f"Drop column {shortened(column)}", (Change(("drop",), [column], add=True),))
        for column in problem.columns
    ]


def _missing(problem: Problem, report: CheckReport) -> list[Offer]:
    """Cells that mean "missing", in the columns where they were found."""
    file = problem.file or ""
    first, path = in_table(report, file, "missing")
    changes = tuple(
        Change((*path, column), list(problem.values), add=True) for column in problem.columns
    )
    name = problem.columns[0] if len(problem.columns) == 1 else file
    return [(name, f"Treat {examples(problem.values)} as missing", (*first, *changes))]


def _identifier(problem: Problem, report: CheckReport) -> list[Offer]:
    first, path = in_table(report, problem.file or "", "id")
    return [
        (c, f"{shortened(c)} names the patient", (*first, Change(path, c))) for c in problem.columns
    ]


def _tokens(_: Problem, __: CheckReport) -> list[Offer]:
    return [("tokens", "Replace ids by tokens", (Change(("token_key",), new_key()),))]


def _trim(problem: Problem, _: CheckReport) -> list[Offer]:
    return [
        (n, f"Trim ids to {n} characters", (Change(("id_length",), int(n)),))
        for n in problem.values
    ]


def _sheet(problem: Problem, report: CheckReport) -> list[Offer]:
    file = problem.file or ""
    more = () if is_clinical_name(file) else _also_named(file, report)
    return [(s, f"Read sheet {s}", (*more, Change(("sheets", file), s))) for s in problem.values]


def _encoding(problem: Problem, _: CheckReport) -> list[Offer]:
    path = ("encodings", problem.file or "")
    return [(e, f"Read as {e}", (Change(path, e),)) for e in problem.values]


def _orientation(problem: Problem, _: CheckReport) -> list[Offer]:
    """Take back that a table was turned, or turn one in which no identifier was found."""
    file = problem.file or ""
    place = "rows" if problem.topic == "turned" else "columns"
    change = Change(("patients_in", file), place)
    return [(file, f"Patients of {file} are in {place}", (change,))]


def _also_named(file: str, report: CheckReport) -> tuple[Change, ...]:
    """Name a table as a modality where the manifest names others, so that it is not left out."""
    if not report.manifest.modalities:
        return ()
    return (Change(("modalities", modality_name(file), "file"), file),)


def _clinical_file(problem: Problem, report: CheckReport) -> list[Offer]:
    offers: list[Offer] = []
    declared = report.manifest.modalities
    for file in problem.values:
        modality = next((f.modality for f in report.files if f.name == file), None) or ""
        gone = (Change(("modalities", modality), None),) if modality in declared else ()
        offers.append(
            (file, f"{file} is the clinical table", (*gone, Change(("clinical", "file"), file)))
        )
    return offers


def _modality(problem: Problem, _: CheckReport) -> list[Offer]:
    return [
        (
            file,
            f"Read {file} as a modality",
            (Change(("modalities", modality_name(file), "file"), file),),
        )
        for file in problem.values
    ]


def _forget_column(problem: Problem, report: CheckReport) -> list[Offer]:
    """Take a column that does not exist out of the manifest, so that names decide again."""
    gone = problem.column or problem.file or ""
    changes: list[Change] = []
    for entry, value in report.manifest.clinical.model_dump(exclude_none=True).items():
        if value == gone:
            changes.append(Change(("clinical", entry), None))
        elif isinstance(value, tuple) and gone in value:
            changes.append(Change(("clinical", entry), [c for c in value if c != gone]))
    return [(gone, "Look by name instead", tuple(changes))] if changes else []


def _forget_modality(problem: Problem, _: CheckReport) -> list[Offer]:
    return [
        (name, f"Go on without {name}", (Change(("modalities", name), None),))
        for name in problem.values
    ]


def _forget_manifest(problem: Problem, _: CheckReport) -> list[Offer]:
    file = problem.file or ""
    return [("ignore", f"Go on without {file}", (Change(("ignore",), [file], add=True),))]


def _time_column(problem: Problem, _: CheckReport) -> list[Offer]:
    return [
        (c, f"{shortened(c)} is the follow-up time", (Change(("clinical", "duration"), c),))
        for c in problem.columns
    ]


def _status_column(problem: Problem, _: CheckReport) -> list[Offer]:
    return [
        (c, f"{shortened(c)} is the event status", (Change(("clinical", "event"), c),))
        for c in problem.columns
    ]


def _leave_out(problem: Problem, _: CheckReport) -> list[Offer]:
    if problem.file is None:
        return []
    change = Change(("ignore",), [problem.file], add=True)
    return [(problem.file, f"Leave out {problem.file}", (change,))]


def _renames(problem: Problem, report: CheckReport) -> list[Offer]:
    return offer_renames(problem, *in_table(report, problem.file or "", "rename"))


def _rename(problem: Problem, report: CheckReport) -> list[Offer]:
    return offer_rename(problem, *in_table(report, problem.file or "", "rename"))


REPAIRS = (
    Repair(name="duplicates", topics=("duplicates", "masks"), offers=_duplicates),
    Repair(name="unit", topics=("unit",), offers=_unit),
    Repair(name="event", topics=("event",), offers=_event),
    Repair(name="event", topics=("reversed",), offers=_reverse),
    Repair(name="event", topics=("coding",), offers=_confirm),
    Repair(name="negative", topics=("negative",), offers=_exclude("negative_durations")),
    Repair(name="entry", topics=("entry",), offers=_exclude("late_entries")),
    Repair(name="zero", topics=("zero",), offers=_exclude("zero_durations")),
    Repair(name="missing", topics=("text", "code"), offers=_missing),
    Repair(name="drop", topics=("personal", "text", "label"), offers=_drop),
    Repair(name="id", topics=("id",), offers=_identifier),
    Repair(name="ids", topics=("personal id",), offers=_tokens),
    Repair(name="trim", topics=("overlap",), offers=_trim),
    Repair(name="sheet", topics=("sheet",), offers=_sheet),
    Repair(name="encoding", topics=("encoding",), offers=_encoding),
    Repair(name="transpose", topics=("turned", "id"), offers=_orientation),
    Repair(name="clinical", topics=("clinical",), offers=_clinical_file),
    Repair(name="time", topics=("time",), offers=_time_column),
    Repair(name="status", topics=("status",), offers=_status_column),
    Repair(name="modality", topics=("unnamed",), offers=_modality),
    Repair(name="column", topics=("column",), offers=_forget_column),
    Repair(name="absent", topics=("modality",), offers=_forget_modality),
    Repair(name="manifest", topics=("manifest",), offers=_forget_manifest),
    Repair(name="forget", topics=("declared",), offers=offer_forget),
    Repair(name="renames", topics=("suitability", "inputs"), offers=_renames),
    Repair(name="rename", topics=("suitability", "inputs"), offers=_rename),
    Repair(name="level", topics=("level",), offers=offer_level),
    Repair(
        name="without",
        topics=("file", "overlap", "id", "sheet", "unreadable", "suitability"),
        offers=_leave_out,
    ),
)
"""Every repair, in the order in which a problem offers them."""
