"""Problems found while reading tables: data that a page renders and a command line prints.

Facts go in; frozen `Problem` records come out, and one exception of all errors (`CohortError`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from camlif.exceptions import CohortError, DataError, place_of
from camlif.wording import count

Severity = Literal["error", "warning", "note"]
MAX_ROWS = 5
MAX_EXAMPLES = 5
MAX_SHOWN = 80
"""Characters of a cell or a name that are shown; a cell may hold megabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding of a check.

    Attributes
    ----------
    severity : {"error", "warning", "note"}
        An error makes the cohort unusable; a warning says that something was changed or looks
        wrong; a note says what was understood.
    code : str
        Message id of the product specification, ``E-..``; empty where it has none.
    message : str
        One sentence or two: what was found, and what was done about it.
    file, column : str or None
    rows : tuple of int
        The first file rows concerned, the header being row 1.
    fix : str or None
        What to do.
    topic : str
        What it is about, for the repairs that mend it (see `camlif.data.reading.repairs`).
    columns, values : tuple of str
        Columns, and cells or names, among which a repair chooses; of a rename, old and new names.
    choices : tuple of str
        What the values may stand for.
    """

    severity: Severity
    message: str
    code: str = ""
    file: str | None = None
    column: str | None = None
    rows: tuple[int, ...] = ()
    fix: str | None = None
    topic: str = ""
    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return a plain structure."""
        return asdict(self)

    @property
    def line(self) -> str:
        """Place, message and remedy in one line."""
        place = place_of(self.file, self.column, self.rows)
        return " ".join(filter(None, (f"{place}:" if place else None, self.message, self.fix)))


class Findings:
    """Collects problems while a cohort is read, so that all are reported at once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def error(self, message: str, **where: Any) -> None:
        """Add an error; keywords are the fields of `Problem`."""
        self.problems.append(Problem(severity="error", message=message, **where))

    def refuse(self, error: DataError, file: str) -> None:
        """Add the error for which a file could not be read."""
        self.error(
            error.message,
            file=file,
            code=error.code or "E-01",
            rows=error.rows,
            fix=error.fix,
            topic="unreadable",
        )

    def warn(self, message: str, **where: Any) -> None:
        """Add a warning."""
        self.problems.append(Problem(severity="warning", message=message, **where))

    def note(self, message: str, **where: Any) -> None:
        """Add a note."""
        self.problems.append(Problem(severity="note", message=message, **where))

    @property
    def has_errors(self) -> bool:
        """Whether an error is among the problems."""
        return any(p.severity == "error" for p in self.problems)

    def sorted(self) -> tuple[Problem, ...]:
        """Return the problems, errors first, otherwise in the order found."""
        return in_order(self.problems)


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return problems with errors first, then warnings, otherwise in their order."""
    order: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(problems, key=lambda p: order[p.severity]))


def cohort_error(errors: Sequence[Problem]) -> CohortError:
    """Return an exception with the fields of the first error and all of them as ``problems``."""
    first = errors[0]
    more = (
        f" {count(len(errors) - 1, 'more error was', 'more errors were')} found; check lists them."
        if errors[1:]
        else ""
    )
    return CohortError(
        first.message,
        file=first.file,
        column=first.column,
        rows=first.rows,
        fix=(first.fix or "") + more or None,
        code=first.code or None,
        problems=tuple(errors),
    )


def examples(values: Sequence[object] | Iterable[object]) -> str:
    """Return the first few values as text: ``a, b, c ...``."""
    shown = [shorten(str(value)) for value in values]
    return ", ".join(shown[:MAX_EXAMPLES]) + (" ..." if len(shown) > MAX_EXAMPLES else "")


def shorten(text: str) -> str:
    """Return a text up to `MAX_SHOWN` characters."""
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
