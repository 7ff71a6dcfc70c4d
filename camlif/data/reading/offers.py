"""The ways to mend a problem: what is offered for each, and the entries of the manifest it changes.

Each function gets a problem and the report that it stands in, and returns offers, the likeliest
first. Nothing is repaired in the tables themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

from camlif.data.manifest import Change
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.coding import ANY, BLANK
from camlif.data.reading.outcomes import endpoint_words
from camlif.data.reading.problems import Problem, examples, shorten
from camlif.wording import verb

Offer = tuple[str, str, tuple[Change, ...]]
"""Value, label and changes."""

MAX_JOINED_CODES = 5
"""Of so many codes of an event, two may mean it: deaths of the disease and of other causes."""

UNKNOWN_CODES = ("8", "9", "88", "99", "999", "-1", "-9", "-99")


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


def offer_duplicates(problem: Problem, report: CheckReport) -> list[Offer]:
    """Keep one row of a patient, average them, or keep all as samples."""
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
                f"Keep {shorten(problem.columns[0])} {shorten(label)}",
                (*first, Change((*keep, problem.columns[0]), [label])),
            )
            for label in problem.values
        ]
    return offers


def offer_unit(problem: Problem, _: CheckReport) -> list[Offer]:
    """Say the unit of the follow-up."""
    return [
        (unit, f"Follow-up in {unit}", (Change(("clinical", "duration_unit"), unit),))
        for unit in problem.values
    ]


def offer_event(problem: Problem, _: CheckReport) -> list[Offer]:
    """Say which cell means the event."""
    column, cells = _event_column(problem), problem.values
    several = 2 < len(cells) <= MAX_JOINED_CODES
    offers: list[Offer] = []
    for those in (s for n in (1, 2) for s in combinations(cells, n) if n == 1 or several):
        others = [c for c in cells if c not in those]
        label = f"{examples(those)} {verb(len(those), 'means', 'mean')} the event"
        change = Change(("clinical", "event_values"), list(those), add=True)
        label += f", {examples(others)} none" if len(others) > 1 else ""
        offers.append(("+".join(those), label, (*column, change)))
    return offers


def offer_unknown(problem: Problem, report: CheckReport) -> list[Offer]:
    """Codes such as 9 say that the status is unknown, where other codes tell it."""
    if len(problem.values) < 3:
        return []
    codes = [c for c in problem.values if c in UNKNOWN_CODES]
    ((_, label, changes),) = offer_missing(replace(problem, values=tuple(codes)), report)
    return [("+".join(codes), label, changes)] if codes else []


def offer_blank_event(problem: Problem, _: CheckReport) -> list[Offer]:
    """Say what a blank cell of the event status means."""
    cells = examples(problem.values)
    readings = {
        "filled": (f"{cells} means the event, a blank cell none", [ANY]),
        "known": (f"{cells} means the event; a blank cell is unknown", list(problem.values)),
        "blank": (f"A blank cell means the event, {cells} none", [BLANK]),
        "none": (f"{cells} means no event; a blank cell is unknown", ["event"]),
    }
    return [
        (r, label, (*_event_column(problem), Change(("clinical", "event_values"), cells_of_event)))
        for r, (label, cells_of_event) in readings.items()
        if r in problem.choices
    ]


def offer_living(problem: Problem, report: CheckReport) -> list[Offer]:
    """Say whether cells that are no time of death stand for the living."""
    cells = examples(problem.values)
    ((_, _, blanked),) = offer_missing(problem, report)
    died = Change(("clinical", "event_values"), [ANY])
    return [
        ("alive", f"{cells} means alive", blanked),
        ("died", f"{cells} means dead at an unknown time", (*_event_column(problem), died)),
    ]


def offer_reverse(problem: Problem, _: CheckReport) -> list[Offer]:
    """Turn the coding of the event round."""
    changes = (
        *_event_column(problem),
        Change(("clinical", "event_values"), list(problem.values)),
    )
    return [("reverse", "Reverse", changes)]


def offer_confirm(problem: Problem, _: CheckReport) -> list[Offer]:
    """Write down the coding that was inferred."""
    changes = (
        *_event_column(problem),
        Change(("clinical", "event_values"), list(problem.values)),
    )
    return [("confirm", "Confirm", changes)]


def _event_column(problem: Problem) -> tuple[Change, ...]:
    return tuple(Change(("clinical", "event"), column) for column in problem.columns)


def offer_exclude(entry: str) -> Callable[[Problem, CheckReport], Sequence[Offer]]:
    """Return the offer to keep patients whose times make no sense without outcome."""
    change = Change(("clinical", entry), "drop")
    return lambda _, __: [("exclude", "Leave these patients without outcome", (change,))]


def offer_drop(problem: Problem, _: CheckReport) -> list[Offer]:
    """Drop columns from every table."""
    if problem.topic == "text" and len(problem.columns) > 1:
        return []
    return [
        (column, f"Drop column {shorten(column)}", (Change(("drop",), [column], add=True),))
        for column in problem.columns
    ]


def offer_copy(problem: Problem, report: CheckReport) -> list[Offer]:
    """Take one of several copies of a column, or each as a column of its own."""
    first, path = in_table(report, problem.file or "", "include")
    offers: list[Offer] = [
        (
            c,
            f"{shorten(c)} counts",
            (Change(("drop",), [o for o in problem.columns if o != c], add=True),),
        )
        for c in problem.columns
    ]
    each = Change(path, list(problem.columns), add=True)
    return [*offers, ("each", "They are different columns", (*first, each))]


def offer_missing(problem: Problem, report: CheckReport) -> list[Offer]:
    """Cells that mean "missing", in the columns where they were found."""
    file = problem.file or ""
    first, path = in_table(report, file, "missing")
    changes = tuple(
        Change((*path, column), list(problem.values), add=True) for column in problem.columns
    )
    name = problem.columns[0] if len(problem.columns) == 1 else file
    return [(name, f"Treat {examples(problem.values)} as missing", (*first, *changes))]


def offer_no_code(problem: Problem, _: CheckReport) -> list[Offer]:
    """No cell of a time means "missing"."""
    return [
        (
            c,
            f"{examples(problem.values)} in {c} is no code",
            (Change(("clinical", "missing", c), []),),
        )
        for c in problem.columns
    ]


def offer_forget_column(problem: Problem, report: CheckReport) -> list[Offer]:
    """Take a column that does not exist out of the manifest, so that names decide again."""
    gone = problem.column or problem.file or ""
    changes: list[Change] = []
    for entry, value in report.manifest.clinical.model_dump(exclude_none=True).items():
        if value == gone:
            changes.append(Change(("clinical", entry), None))
        elif isinstance(value, tuple) and gone in value:
            changes.append(Change(("clinical", entry), [c for c in value if c != gone]))
    return [(gone, "Look by name instead", tuple(changes))] if changes else []


def offer_time_column(problem: Problem, _: CheckReport) -> list[Offer]:
    """Say which column is the follow-up time."""
    return [
        (
            c,
            f"{shorten(c)} is the follow-up time",
            (Change(("clinical", "duration"), c), Change(("clinical", "duration_else"), None)),
        )
        for c in problem.columns
    ]


def offer_companion(problem: Problem, _: CheckReport) -> list[Offer]:
    """Complete a time by that of those whom it leaves blank."""
    chosen, *others = problem.columns
    offers: list[Offer] = []
    for other in others:
        death, last = (other, chosen) if problem.topic == "companion" else (chosen, other)
        changes = (
            Change(("clinical", "duration"), death),
            Change(("clinical", "duration_else"), last),
        )
        label = f"{shorten(death)} where the event was, else {shorten(last)}"
        offers.append((f"{death}+{last}", label, changes))
    return offers


def offer_rule(_: Problem, report: CheckReport) -> list[Offer]:
    """Write down of which columns the time was made."""
    parts = {"time": "duration", "last contact": "duration_else", "start": "start"}
    chosen = {a.role: a.chosen[0] for a in report.mapping if a.role in parts and a.chosen}
    changes = tuple(Change(("clinical", parts[r]), c) for r, c in chosen.items())
    return [("confirm", "Confirm", changes)]


def offer_start_column(problem: Problem, _: CheckReport) -> list[Offer]:
    """Say which date the follow-up runs from."""
    return [
        (c, f"Follow-up runs from {shorten(c)}", (Change(("clinical", "start"), c),))
        for c in problem.columns
    ]


def offer_date_order(_: Problem, __: CheckReport) -> list[Offer]:
    """Say whether day or month comes first."""
    path = ("clinical", "date_order")
    return [
        ("day", "The day comes first", (Change(path, "dmy"),)),
        ("month", "The month comes first", (Change(path, "mdy"),)),
    ]


def offer_status_column(problem: Problem, report: CheckReport) -> list[Offer]:
    """Say which column is the event status."""
    columns = problem.columns
    if problem.topic in ("event", "blank event"):  # another column may be the status
        row = next((a for a in report.mapping if a.role == "event"), None)
        columns = () if row is None else tuple(c for c in row.rivals if c not in columns)
    return [
        (
            c,
            f"{shorten(c)} is the event status",
            (Change(("clinical", "event"), c), Change(("clinical", "event_values"), None)),
        )
        for c in columns
    ]


def offer_endpoint(problem: Problem, _: CheckReport) -> list[Offer]:
    """Take a complete pair of another endpoint than death, and say so in words."""
    offers: list[Offer] = []
    pairs = zip(problem.columns[::2], problem.columns[1::2], strict=True)
    for endpoint, (time, status) in zip(problem.values, pairs, strict=True):
        name, noun, free = endpoint_words(endpoint)
        changes = (
            Change(("clinical", "duration"), time),
            Change(("clinical", "event"), status),
            Change(("endpoint",), {"name": name, "event_noun": noun, "event_free": free}),
        )
        offers.append((endpoint, f"The endpoint is {name}", changes))
    return offers


def offer_age_unit(problem: Problem, _: CheckReport) -> list[Offer]:
    """Say the unit of ages."""
    return [
        (unit, f"Ages in {unit}", (Change(("clinical", "age_unit"), unit),))
        for unit in problem.values
    ]


def offer_input(problem: Problem, report: CheckReport) -> list[Offer]:
    """Use a column all the same that is no input."""
    first, path = in_table(report, problem.file or "", "include")
    return [
        (c, f"Use {shorten(c)} all the same", (*first, Change(path, [c], add=True)))
        for c in problem.columns
    ]
