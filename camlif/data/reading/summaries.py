"""Rows that are no patients: means and totals, a second header row, notes below a table.

A table and its column of identifiers go in; the same without such rows comes out, each of which is
named in a warning. Every other row is a patient's, whatever it is called.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from camlif.data.reading.names import plain
from camlif.data.reading.problems import MAX_ROWS, Findings, examples
from camlif.data.reading.tables import TextTable
from camlif.data.reading.values import clean_ids
from camlif.data.reading.vocabulary import word_set
from camlif.wording import count

SUMMARIES = word_set(
    "mean avg average median sd std stdev std_dev stddev standard_deviation sem se var "
    "variance total totals grand_total subtotal sum count n min max minimum maximum range iqr "
    "q1 q3 cv mean_sd missing n_missing all overall percent mittelwert mittel "
    "standardabweichung summe gesamt anzahl moyenne mediane ecart_type somme total_general "
    "media mediana desviacion totale somma gemiddelde totaal suma razem medelvarde totalt"
)
"""Names of rows and columns that sum up others; plain, as `names.plain` writes them."""

TYPES = word_set(
    "string str text character char varchar object category categorical factor float float64 "
    "double numeric number num int int64 integer bool boolean logical date datetime id "
    "identifier unit units einheit type types dtype"
)
"""What a second header row calls a column of identifiers."""

MIN_WORDS = 3
"""A text of so many words without a value beside it is a note, and no identifier."""

MIN_ROWS = 20
MIN_NUMBERED = 0.9
"""A word is no patient's where there are so many rows, and so many identifiers with a digit."""

_NOTE = re.compile(
    r"(source|notes?|footnote|legend|abbreviations?|quelle|anmerkung|hinweis|legende|remark|"
    r"comment|created|exported|data cut|as of|stand)\b.*|[*†‡§].*|\w+ ?= ?.*|.*: .*",
    re.I | re.S,
)


def without_summaries(
    table: TextTable, column: str, found: Findings
) -> tuple[TextTable, dict[str, int]]:
    """Return the rows of patients, and how many others there were of each kind.

    Parameters
    ----------
    table : TextTable
    column : str
        Of identifiers.
    found : Findings
        Gets a warning with the rows and their names.
    """
    ids = clean_ids(table.text(column))
    if len(ids) < MIN_ROWS or sum(map(_has_digit, ids)) < MIN_NUMBERED * len(ids):
        return table, {}  # patients may be called by words
    called = [plain(i) for i in ids]
    kinds: dict[str, list[int]] = {}
    for row, name in enumerate(called):
        if not ids[row]:
            continue
        if name in SUMMARIES:
            kinds.setdefault("row that sums up others", []).append(row)
        elif name == plain(column) or (row == 0 and name in TYPES):
            kinds.setdefault("second header row", []).append(row)
        elif _may_be_note(ids[row]) and _stands_alone(table, column, row):
            kinds.setdefault("note", []).append(row)
    if not kinds or sum(map(len, kinds.values())) == len(table):
        return table, {}
    rows = np.sort(np.concatenate([np.array(at) for at in kinds.values()]))
    found.warn(
        f"{count(len(rows), 'row is', 'rows are')} no patient's ({examples(ids[r] for r in rows)}) "
        "and left out: " + ", ".join(f"{len(at)} as {kind}" for kind, at in kinds.items()) + ".",
        file=table.file,
        column=column,
        rows=tuple(int(r) for r in table.row_numbers[rows[:MAX_ROWS]]),
        fix="Leave nothing but patients below the header.",
    )
    kept = np.setdiff1d(np.arange(len(table)), rows)
    left = replace(table, table=table.table.take(kept), row_numbers=table.row_numbers[kept])
    return left, {kind: len(at) for kind, at in kinds.items()}


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def _may_be_note(cell: str) -> bool:
    return len(cell.split()) >= MIN_WORDS or _NOTE.fullmatch(cell) is not None


def _stands_alone(table: TextTable, column: str, row: int) -> bool:
    """Whether nothing stands beside a cell."""
    cells = (table.table[c][row] for c in table.columns if c != column)
    return len(table.columns) > 1 and all(
        not cell.is_valid or not str(cell.as_py()).strip() for cell in cells
    )
