"""Rows that are no patients: means and totals, a second header row, notes below a table.

A table and its column of identifiers go in; the same without such rows comes out, each of which is
named in a warning. Every other row is a patient's, whatever it is called.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np

from camlif.arrays import Float64Array
from camlif.data.reading.problems import MAX_ROWS, Findings, examples
from camlif.data.reading.tables import TextTable
from camlif.data.reading.values import clean_ids, to_numbers
from camlif.data.reading.vocabulary import word_set
from camlif.data.reading.words import plain
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

MIN_ABOVE = 5
"""Rows, and different numbers, above one that sums them up."""

MAX_BELOW = 10
MAX_COLUMNS = 200
MAX_ROWS_LOOKED_AT = 20_000
"""So many rows at the end of a small table are held against those above."""

MAX_CHANCE, MAX_CHANCE_LIKE_OTHERS = 1e-3, 1e-8
"""That a patient's numbers are such, where the identifier is unlike all others, and like them."""

_WIDTH = 2.5
"""Standard deviations, over which most values lie about evenly."""

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
    kinds = _by_names(table, column, ids)
    named = {row for rows in kinds.values() for row in rows}
    for row in _below(table, column, ids):
        if row not in named:
            kinds.setdefault("row that sums up others", []).append(row)
    if not kinds or sum(map(len, kinds.values())) == len(table):
        return table, {}
    rows = np.sort(np.concatenate([np.array(at) for at in kinds.values()]))
    shown = examples(ids[row] or "no name" for row in rows)
    found.warn(
        f"{count(len(rows), 'row is', 'rows are')} no patient's ({shown}) and left out: "
        + ", ".join(f"{len(at)} as {kind}" for kind, at in kinds.items())
        + ".",
        file=table.file,
        column=column,
        rows=tuple(int(r) for r in table.row_numbers[rows[:MAX_ROWS]]),
        fix="Leave nothing but patients below the header.",
    )
    kept = np.setdiff1d(np.arange(len(table)), rows)
    left = replace(table, table=table.table.take(kept), row_numbers=table.row_numbers[kept])
    return left, {kind: len(at) for kind, at in kinds.items()}


def _by_names(table: TextTable, column: str, ids: list[str]) -> dict[str, list[int]]:
    """Return the rows whose identifier is no patient's, by kind."""
    kinds: dict[str, list[int]] = {}
    if len(ids) < MIN_ROWS or sum(map(_has_digit, ids)) < MIN_NUMBERED * len(ids):
        return kinds  # patients may be called by words
    words = [bool(i) and not _has_digit(i) for i in ids]
    end = len(ids) - next((i for i, word in enumerate(reversed(words)) if not word), 0)
    shapes = Counter(map(_shape, ids))
    for row, name in enumerate(map(plain, ids)):
        if not ids[row]:
            continue
        # Patients with ALL may be called ALL-001, all of them; one may be N 12.
        last = row >= len(ids) - MAX_BELOW and shapes[_shape(ids[row])] == 1
        if name in SUMMARIES or (last and name.partition("_")[0] in SUMMARIES - {"n", "all"}):
            kinds.setdefault("row that sums up others", []).append(row)
        elif name == plain(column) or (row == 0 and name in TYPES):
            kinds.setdefault("second header row", []).append(row)
        elif _may_be_note(ids[row]) and _stands_alone(table, column, row):
            kinds.setdefault("note", []).append(row)
        elif row >= end:
            kinds.setdefault("row below the table", []).append(row)
    return kinds


def _below(table: TextTable, column: str, ids: list[str]) -> list[int]:
    """Return the last rows whose numbers are means, sums or the like of those above them."""
    n = len(ids)
    last = range(max(n - MAX_BELOW, MIN_ABOVE), n)
    columns = [c for c in table.columns if c != column]
    if not len(last) or n > MAX_ROWS_LOOKED_AT or len(columns) > MAX_COLUMNS:
        return []
    shapes = Counter(map(_shape, ids))

    @cache
    def numbers(name: str) -> Float64Array:
        return to_numbers(table.table[name]).values

    found: list[int] = []
    for row in last:
        chance = 1.0
        for values in map(numbers, columns):
            others = np.delete(values[:row], found)
            others = others[np.isfinite(others)]
            if np.isfinite(values[row]) and len(np.unique(others)) > MIN_ABOVE:
                chance *= _chance_of_summary(values[row], others)
            if chance == np.inf:
                break
        if chance < (MAX_CHANCE if shapes[_shape(ids[row])] == 1 else MAX_CHANCE_LIKE_OTHERS):
            found.append(row)
    return found


def _chance_of_summary(value: float, others: Float64Array) -> float:
    """Return how likely a patient has the mean, median, sum or spread of others, as it is written.

    A number that is none of them makes the row a patient's beyond doubt.
    """
    with np.errstate(over="ignore"):  # of numbers near the largest: infinite, and no summary
        spread = float(others.std())
        sums = (others.mean(), others.std(ddof=1), spread, np.median(others), others.sum())
    digits = len(f"{value:.10f}".rstrip("0").partition(".")[2])
    if all(round(float(s), digits) != value for s in sums):
        return np.inf
    if not spread:
        return 1.0
    # A few far values widen the spread, and leave the others as close together as they were.
    same = float((np.round(others, digits) == value).mean())
    return max(same, min(1.0, len(sums) * 10.0**-digits / (_WIDTH * spread)))


def _shape(identifier: str) -> str:
    """Return an identifier with one letter for letters, and one digit for digits."""
    return re.sub(r"\d+", "0", re.sub(r"[^\W\d_]+", "a", identifier))


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
