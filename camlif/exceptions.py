"""Every error the library raises.

A data error carries fields (file, column, rows, found, expected, fix), so that a page can render it
and a command line print it. Each error is also the built-in that it refines, such as `ValueError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def place_of(file: str | None, column: str | None, rows: Sequence[int]) -> str:
    """Say where in a table something is: "clinical.csv, column age, rows 3, 7"; may be empty.

    Parameters
    ----------
    file, column : str or None
        None where the whole cohort, or the whole row, is meant.
    rows : sequence of int
        As the file counts them; empty where no row is meant.
    """
    parts = (
        file,
        f"column {column}" if column else None,
        f"rows {', '.join(map(str, rows))}" if rows else None,
    )
    return ", ".join(part for part in parts if part)


class CamlifError(Exception):
    """Root of all errors that the library raises on purpose."""


class DataError(CamlifError, ValueError):
    """Input data that cannot be used.

    Parameters
    ----------
    message : str
        What happened, in one sentence.
    file, column : str, optional
        Where it happened.
    rows : sequence of int, optional
        File rows (1 = header), the first few.
    found, expected : str, optional
        What was read and what was wanted.
    fix : str, optional
        How to mend it.
    code : str, optional
        Message id of the product specification, for example ``"E-05"``.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        column: str | None = None,
        rows: Sequence[int] = (),
        found: str | None = None,
        expected: str | None = None,
        fix: str | None = None,
        code: str | None = None,
    ) -> None:
        self.message = message
        self.file = file
        self.column = column
        self.rows = tuple(rows)
        self.found = found
        self.expected = expected
        self.fix = fix
        self.code = code
        super().__init__(self._line())

    def _line(self) -> str:
        place = place_of(self.file, self.column, self.rows)
        line = f"{place}: {self.message}" if place else self.message
        if self.found is not None:
            line += f" Found: {self.found}."
        if self.expected is not None:
            line += f" Expected: {self.expected}."
        return f"{line} {self.fix}" if self.fix else line


class SchemaError(DataError):
    """Columns that are missing, renamed, doubled or of the wrong kind."""


class SheetError(DataError):
    """A workbook of several ``sheets``, of which none was chosen."""

    def __init__(self, message: str, *, sheets: Sequence[str], **fields: Any) -> None:
        self.sheets = tuple(sheets)
        super().__init__(message, **fields)


class AlignmentError(DataError):
    """Tables whose patients do not match."""


class CohortError(DataError):
    """Tables that cannot be read as a cohort; ``problems`` holds every error found, in order."""

    def __init__(self, message: str, *, problems: Sequence[object] = (), **fields: Any) -> None:
        self.problems = tuple(problems)
        super().__init__(message, **fields)


class ConfigError(CamlifError, ValueError):
    """A setting outside its allowed values."""


class MissingPackageError(ConfigError, ImportError):
    """An optional package that is not installed; ``what`` needs it."""

    def __init__(self, what: str, package: str) -> None:
        super().__init__(f"{what} needs {package}, which is not installed: pip install {package}.")


class ModelError(CamlifError, RuntimeError):
    """A model that cannot be built, loaded or used."""


class ArtifactError(ModelError):
    """A model bundle that is damaged, incomplete or not what its card says."""


class NotFittedError(ModelError):
    """Something was asked of an object before it was fitted."""


class EstimationError(CamlifError, ValueError):
    """A statistic that is undefined or did not converge on these data."""


class NoComparablePairsError(EstimationError):
    """No pair of patients can be compared, so a C-index does not exist."""


class NoEventsError(EstimationError):
    """No event was observed where at least one is needed."""
