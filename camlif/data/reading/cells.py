"""What is said of cells that are no numbers: how many, in which column and rows, and what was done.

Nothing becomes missing without a word: texts, infinite numbers and marks such as ``'--`` or
``#DIV/0!`` are counted and located. A date among numbers is an error, because a spreadsheet may
have made it of one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.values import Numbers
from camlif.wording import count

MAX_NAMED_COLUMNS = 10
"""With more faulty columns than this, a table gets one problem for all of them."""

_FIX = "Correct the cells, or leave them blank."


@dataclass(slots=True)
class CellFaults:
    """Collects the faulty cells of a table, column by column.

    Attributes
    ----------
    texts : list of (column, Numbers, whether it is mostly text and left out)
    infinite, marked, dated : mapping of column to positions of rows
    marks : mapping of mark to None, in the order found
    """

    texts: list[tuple[str, Numbers, bool]] = field(default_factory=list)
    infinite: dict[str, NDArray[np.int_]] = field(default_factory=dict)
    marked: dict[str, NDArray[np.int_]] = field(default_factory=dict)
    dated: dict[str, tuple[NDArray[np.int_], tuple[str, ...]]] = field(default_factory=dict)
    marks: dict[str, None] = field(default_factory=dict)

    def add(self, column: str, numbers: Numbers, *, is_text: bool = False) -> None:
        """Note what a column of numbers, or one left out as text, holds beside numbers.

        Parameters
        ----------
        column : str
        numbers : Numbers
            The column as read.
        is_text : bool
            Whether it is left out, because most of it is text.
        """
        if len(numbers.bad_rows) and (is_text or len(numbers.date_rows) == 0):
            self.texts.append((column, numbers, is_text))
        elif len(numbers.bad_rows):
            self.dated[column] = numbers.date_rows, numbers.bad_values
        if is_text:
            return
        if len(numbers.infinite_rows):
            self.infinite[column] = numbers.infinite_rows
        self.add_marks(column, numbers.marked_rows, numbers.marks)

    def add_marks(self, column: str, rows: NDArray[np.int_], marks: tuple[str, ...]) -> None:
        """Note cells of a column that can only mean "missing".

        Parameters
        ----------
        column : str
        rows : int array
            Their positions.
        marks : tuple of str
            The distinct cells.
        """
        if len(rows):
            self.marked[column] = rows
            self.marks |= dict.fromkeys(marks)

    def report(self, table: PatientTable, found: Findings) -> None:
        """Tell of all of them."""
        self._report_texts(table, found)
        for column, (rows, values) in self.dated.items():
            found.error(
                f"{column} has {count(len(rows), 'date')} among its numbers ({examples(values)}).",
                file=table.rows.file,
                column=column,
                rows=table.rows_at(rows),
                code="E-15",
                fix="A spreadsheet may have made it of a number: correct it, or leave it blank.",
                topic="text",
                columns=(column,),
                values=values,
            )
        self._report_missing(self.infinite, "infinite or too large", table, found)
        self._report_missing(self.marked, f"such as {examples(self.marks)}", table, found)

    def _report_missing(
        self,
        where: dict[str, NDArray[np.int_]],
        what: str,
        table: PatientTable,
        found: Findings,
    ) -> None:
        if not where:
            return
        rows = np.unique(np.concatenate(list(where.values())))
        n = sum(map(len, where.values()))
        found.warn(
            f"{count(n, 'cell')} {what} in {count(len(where), 'column')} treated as missing: "
            f"{examples(f'{c} ({len(at)})' for c, at in where.items())}.",
            file=table.rows.file,
            column=next(iter(where)) if len(where) == 1 else None,
            rows=table.rows_at(rows),
            code="E-15",
            fix=_FIX,
        )

    def _report_texts(self, table: PatientTable, found: Findings) -> None:
        where: dict[str, Any] = {"file": table.rows.file, "code": "E-15", "fix": _FIX}
        if len(self.texts) > MAX_NAMED_COLUMNS:
            left_out = [c for c, _, is_text in self.texts if is_text]
            words = dict.fromkeys(v for _, numbers, _ in self.texts for v in numbers.bad_values)
            rows = np.unique(np.concatenate([numbers.bad_rows for _, numbers, _ in self.texts]))
            found.warn(
                f"{count(len(self.texts), 'column has', 'columns have')} non-numeric values "
                f"({examples(words)}), "
                "treated "
                f"as missing, e.g. {examples(c for c, _, _ in self.texts)}."
                + (f" {len(left_out)} of them are mostly text and left out." if left_out else ""),
                rows=table.rows_at(rows),
                topic="text",
                columns=tuple(c for c, _, _ in self.texts),
                values=tuple(words),
                **where,
            )
            return
        for column, numbers, is_text in self.texts:
            done = "left out, as most of it is text" if is_text else "treated as missing"
            found.warn(
                f"{column} has {count(len(numbers.bad_rows), 'non-numeric value')} "
                f"({examples(numbers.bad_values)}); {done}.",
                column=column,
                rows=table.rows_at(numbers.bad_rows),
                topic="label" if is_text else "text",
                columns=(column,),
                values=numbers.bad_values,
                **where,
            )
