"""What is offered where tables do not suit a model: its names for columns, its words for cells.

A problem goes in; offers with the entries of the manifest that they change come out, the likeliest
first. Nothing is repaired in the tables themselves, and nothing fails.
"""

from __future__ import annotations

from camlif.data.manifest import Change
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.offers import Offer, in_table
from camlif.data.reading.problems import Problem, examples, shorten


def offer_renames(problem: Problem, report: CheckReport) -> list[Offer]:
    """Accept all columns that may be a model's under other names, where there are several."""
    start, path = in_table(report, problem.file or "", "rename")
    pairs = list(zip(problem.columns, problem.values, strict=True))
    if len(pairs) < 2:
        return []
    changes = tuple(Change((*path, old), new) for old, new in pairs)
    label = f"Read {examples(f'{old} as {new}' for old, new in pairs)}"
    return [(problem.file or "", label, (*start, *changes))]


def offer_rename(problem: Problem, report: CheckReport) -> list[Offer]:
    """Accept one column that may be a model's under another name."""
    start, path = in_table(report, problem.file or "", "rename")
    return [
        (
            f"{old}:{new}",
            f"Read {shorten(old)} as {shorten(new)}",
            (*start, Change((*path, old), new)),
        )
        for old, new in zip(problem.columns, problem.values, strict=True)
    ]


def offer_level(problem: Problem, report: CheckReport) -> list[Offer]:
    """Say which of a model's levels a cell stands for."""
    (role,) = problem.columns
    named = [a.chosen[0] for a in report.mapping if a.role == role and a.chosen]
    path = ("clinical", "levels", named[0] if named else role)
    return [
        (
            f"{role}:{cell}={level}",
            f"{shorten(cell)} is {shorten(level)}",
            (Change((*path, cell), level),),
        )
        for cell in problem.values
        for level in problem.choices
    ]
