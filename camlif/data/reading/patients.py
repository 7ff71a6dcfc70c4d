"""Rows to patients: the identifier column, repeated patients, and what became of every row.

A table of text goes in; its rows by patient come out, with an account of every row. Identifiers
that are missing or repeated, and tables that share no patients, are added to the findings.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from camlif.data.reading.problems import MAX_ROWS, Findings, examples
from camlif.data.reading.roles import MASK_LABELS, find_id, find_mask_size, find_named
from camlif.data.reading.spelling import alike, report_spoilt, spell_alike
from camlif.data.reading.summaries import without_summaries
from camlif.data.reading.tables import INDEX_NAME, TextTable
from camlif.data.reading.values import TCGA_SAMPLE, clean_ids, is_tcga_sample, to_numbers
from camlif.wording import count, verb

Duplicates = Literal["error", "first", "mean", "largest"]
DONE = {
    "first": "reduced to the first row",
    "mean": "averaged",
    "largest": "reduced to that of the largest mask",
}
MAX_LABELS = 12
MAX_CANDIDATES = 40
"""So many columns at the front of a table are offered as identifiers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowStep:
    """``n`` rows of a file that did not become a patient's row of their own, and why."""

    file: str
    reason: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientTable:
    """A table whose rows belong to patients.

    Attributes
    ----------
    rows : TextTable
        Without the identifier column.
    ids : list of str
        Patient of each row; unique unless the table is a bag.
    n_rows_read : int
    steps : tuple of FlowStep
        ``n_rows_read`` = rows kept + the sum of the steps.
    id_column : str
        Column that the identifiers were read from.
    """

    rows: TextTable
    ids: list[str]
    n_rows_read: int
    steps: tuple[FlowStep, ...]
    id_column: str

    def rows_at(self, positions: NDArray[np.int_]) -> tuple[int, ...]:
        """Return the first few file rows of some positions."""
        return tuple(int(r) for r in self.rows.row_numbers[positions[:MAX_ROWS]])

    def cells_at(self, column: str, positions: NDArray[np.int_]) -> tuple[str, ...]:
        """Return the different cells of a column at some positions, as they are written."""
        cells = self.rows.text(column).take(positions).to_pylist()
        return tuple(dict.fromkeys(map(str, cells)))


@dataclass(frozen=True, slots=True, kw_only=True)
class IdRules:
    """How identifiers are read from a column.

    Attributes
    ----------
    length : int or None
        They are cut to so many characters.
    spellings : dict of str to str, or None
        How identifiers were first spelt, by what they share (see `alike`); lengthened by new ones.
        Without it they are compared as they stand.
    within : bool
        Whether ``P1_CT`` is ``P1`` of an earlier table.
    """

    length: int | None = None
    spellings: dict[str, str] | None = None
    within: bool = False

    def read(self, table: TextTable, column: str, found: Findings) -> list[str]:
        """Return clean identifiers of every row; TCGA samples as their patients.

        Parameters
        ----------
        table : TextTable
        column : str
        found : Findings
            Takes notes of what was cut and of what is spelt otherwise.
        """
        ids = clean_ids(table.text(column))
        if self.length is not None:
            ids = [i[: self.length].rstrip() for i in ids]
        elif is_tcga_sample([i for i in ids if i]):
            ids = [TCGA_SAMPLE.sub(r"\1", i) for i in ids]
            found.note(
                "TCGA sample barcodes were cut to the patient's 12 characters.", file=table.file
            )
        if self.spellings is None:
            return ids
        spelt = spell_alike(ids, self.spellings, within=self.within)
        pairs = dict.fromkeys(f"{a} as {b}" for a, b in zip(ids, spelt, strict=True) if a != b)
        if pairs:
            found.note(
                f"{count(len(pairs), 'identifier')} read as the mapping says: {examples(pairs)}.",
                file=table.file,
                column=column,
            )
        return spelt


def assign_patients(
    table: TextTable,
    found: Findings,
    *,
    id_column: str | None,
    bag: bool,
    duplicates: Duplicates,
    rules: IdRules | None = None,
) -> PatientTable | None:
    """Read identifiers and settle repeated ones; None (and an error) without identifiers.

    Parameters
    ----------
    table : TextTable
    found : Findings
    id_column : str or None
        Declared name; None looks for a usual one.
    bag : bool
        Whether several rows of a patient are what is expected.
    duplicates : {"error", "first", "mean", "largest"}
        What to do with different rows of one patient otherwise.
    rules : IdRules, optional
        How identifiers are read; without, as they stand.
    """
    column = id_column_of(table, id_column)
    if column is None:
        found.error(
            f"No patient identifier found among the columns {examples(table.columns)}.",
            code="E-05",
            file=table.file,
            fix="Pick the column that names each patient.",
            topic="id",
            columns=id_candidates(table),
        )
        return None
    if column != table.columns[0] or column not in ("patient_id", id_column):
        found.note(f"Patients are identified by column {column}.", file=table.file)
    n_read = len(table)
    table, summaries = without_summaries(table, column, found)
    steps = [FlowStep(file=table.file, reason=kind, n=n) for kind, n in summaries.items()]
    if report_spoilt(table, column, found, lambda: id_candidates(table)):
        return None
    ids = (rules or IdRules()).read(table, column, found)
    rows = replace(table, table=table.table.drop_columns([column]))
    keep = np.array([bool(i) for i in ids])
    if not keep.all():
        lost = np.flatnonzero(~keep)
        found.warn(
            f"{count(len(lost), 'row')} without patient identifier left out.",
            file=table.file,
            column=column,
            rows=tuple(int(r) for r in table.row_numbers[lost[:MAX_ROWS]]),
        )
        steps.append(FlowStep(file=table.file, reason="no identifier", n=len(lost)))
        rows, ids = _take(rows, ids, np.flatnonzero(keep))
    if not ids:
        found.error("No row has a patient identifier.", code="E-05", file=table.file, column=column)
        return None
    if not bag:
        rows, ids, merged = _settle(rows, ids, duplicates, found)
        steps += merged
    return PatientTable(
        rows=rows, ids=ids, n_rows_read=n_read, steps=tuple(steps), id_column=column
    )


def id_column_of(table: TextTable, declared: str | None) -> str | None:
    """Return the column of identifiers: declared, of a usual name, or the only unique texts."""
    return find_id(table.columns, declared) or _unique_text_column(table)


def id_candidates(table: TextTable) -> tuple[str, ...]:
    """Return the columns among the first that may name patients: texts or whole numbers."""
    fitting = []
    for column in table.columns[:MAX_CANDIDATES]:
        numbers = to_numbers(table.table[column])
        known = numbers.values[np.isfinite(numbers.values)]
        if len(numbers.bad_rows) or (len(known) and (known % 1 == 0).all()):
            fitting.append(column)
    return tuple(fitting) or tuple(table.columns[:MAX_CANDIDATES])


def _unique_text_column(table: TextTable) -> str | None:
    """Return the column of row names, else the only column of texts that are all different."""
    if INDEX_NAME in table.columns:
        return INDEX_NAME
    unique = [
        column
        for column in table.columns
        if pa.types.is_string(table.table[column].type)
        and len(table.table[column].unique()) == len(table)
        and not to_numbers(table.table[column]).n_values
    ]
    return unique[0] if len(unique) == 1 else None


def _take(rows: TextTable, ids: list[str], index: NDArray[np.int_]) -> tuple[TextTable, list[str]]:
    taken = replace(rows, table=rows.table.take(index), row_numbers=rows.row_numbers[index])
    return taken, [ids[i] for i in index]


def _settle(
    rows: TextTable, ids: list[str], duplicates: Duplicates, found: Findings
) -> tuple[TextTable, list[str], list[FlowStep]]:
    """Leave one row per patient, or report those whose rows differ."""
    positions: dict[str, list[int]] = {}
    for i, patient in enumerate(ids):
        positions.setdefault(patient, []).append(i)
    repeated = {p: at for p, at in positions.items() if len(at) > 1}
    if not repeated:
        return rows, ids, []
    same = _equal_first(rows.table, positions)
    differ = {p: at for p, at in repeated.items() if not same[at].all()}
    n_identical = sum(len(at) - 1 for p, at in repeated.items() if p not in differ)
    steps: list[FlowStep] = []
    if n_identical:
        found.warn(
            f"{count(n_identical, 'row')} that {verb(n_identical, 'repeats', 'repeat')} "
            "a patient's row exactly left out.",
            file=rows.file,
        )
        steps.append(FlowStep(file=rows.file, reason="identical row", n=n_identical))
    first = np.array([at[0] for at in positions.values()])
    if not differ:
        return *_take(rows, ids, first), steps
    concerned = np.array([i for several in differ.values() for i in several])
    where = {
        "code": "E-06",
        "file": rows.file,
        "rows": tuple(int(r) for r in rows.row_numbers[concerned[:MAX_ROWS]]),
    }
    n_more = len(concerned) - len(differ)
    size, label = find_mask_size(rows.columns), find_named(rows.columns, MASK_LABELS)
    if duplicates == "error" or (duplicates == "largest" and size is None):
        found.error(
            f"{count(len(differ), 'patient appears', 'patients appear')} more than once with "
            "different values "
            f"(first: {examples(differ)}).",
            fix="Choose: keep the first row of each, or average them.",
            topic="duplicates" if size is None else "masks",
            columns=() if label is None else (label,),
            values=() if label is None else _labels(rows, label),
            **where,
        )
    else:
        done = DONE[duplicates]
        found.warn(f"Different rows of {count(len(differ), 'patient')} were {done}.", **where)
    steps.append(FlowStep(file=rows.file, reason=f"repeated patient ({duplicates})", n=n_more))
    if duplicates == "mean":
        rows = replace(rows, table=_means(rows.table, list(positions.values())))
        numbers = rows.row_numbers[first]
        return replace(rows, row_numbers=numbers), list(positions), steps
    if duplicates == "largest" and size is not None:
        sizes = np.nan_to_num(to_numbers(rows.table[size]).values, nan=-np.inf)
        first = np.array([at[int(sizes[at].argmax())] for at in positions.values()])
    return *_take(rows, ids, first), steps


def _equal_first(table: pa.Table, positions: dict[str, list[int]]) -> NDArray[np.bool_]:
    """Whether each row has the cells of its patient's first row, shape (n_rows,)."""
    n_rows = sum(map(len, positions.values()))  # a table of no other column has no rows by itself
    first = np.empty(n_rows, dtype=int)
    for at in positions.values():
        first[at] = at[0]
    same = np.ones(n_rows, dtype=bool)
    for column in table.columns:  # one at a time: bags of patches have thousands
        cells = column.combine_chunks().dictionary_encode()
        codes = cells.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        same &= codes == codes[first]
    return same


def _labels(rows: TextTable, column: str) -> tuple[str, ...]:
    """Return the labels of masks, few enough to choose from; empty where there are too many."""
    cells = sorted({c for c in rows.text(column).to_pylist() if c})
    return tuple(cells) if len(cells) <= MAX_LABELS else ()


def _means(table: pa.Table, positions: list[list[int]]) -> pa.Table:
    """Average numeric columns over each patient's rows; texts keep the first."""
    patient = np.empty(table.num_rows, dtype=int)
    for number, at in enumerate(positions):
        patient[at] = number
    first = np.array([at[0] for at in positions])
    columns = {}
    for name in table.column_names:
        numbers = to_numbers(table[name])
        if len(numbers.bad_rows):
            columns[name] = table[name].take(first)
            continue
        known = np.isfinite(numbers.values)
        total = np.bincount(patient[known], numbers.values[known], minlength=len(first))
        n = np.bincount(patient[known], minlength=len(first))
        mean = np.where(n > 0, total / np.maximum(n, 1), np.nan)
        columns[name] = pa.chunked_array([pa.array(mean, from_pandas=True)])
    return pa.table(columns)


MIN_OVERLAP = 0.1
"""Two tables that share fewer of the smaller one's patients get a warning."""

MIN_LENGTH = 3
"""Identifiers cut shorter than this could be of anybody."""

TCGA_PATIENT = 12
"""Characters of a TCGA patient barcode."""


def check_overlap(
    tables: list[PatientTable],
    found: Findings,
    *,
    by_spelling: bool,
    clinical: PatientTable | None = None,
    asked: AbstractSet[str] = frozenset(),
) -> None:
    """Report tables that share no patients with any other, or few with one, and who is only there.

    Parameters
    ----------
    tables : list of PatientTable
    found : Findings
    clinical : PatientTable, optional
        Patients of other tables whom it lacks are named.
    by_spelling : bool
        Whether identifiers that are only spelt differently count as shared, as somebody is asked.
    asked : set of str
        Files whose identifiers somebody is asked about, too.
    """
    ids = {t.rows.file: {alike(i) for i in t.ids} if by_spelling else set(t.ids) for t in tables}
    shared = {(a, b): len(ids[a] & ids[b]) for a, b in combinations(ids, 2)}
    apart = [f for f in ids if not any(n for pair, n in shared.items() if f in pair)]
    if len(ids) == 2:
        apart = apart[1:]  # one sentence says it of both
    for file in apart if len(ids) > 1 else []:
        other = next(f for f in ids if f != file)
        lengths = helpful_lengths(ids[file], ids[other])
        if {file, other} & asked and not lengths:
            continue
        found.error(
            f"{file} and {other} share 0 of {count(len(ids[file]), 'id')}. Examples: "
            f"{examples(sorted(ids[file])[:2])} and {examples(sorted(ids[other])[:2])}."
            + (f" Trim to {count(lengths[0], 'character')}?" if lengths else ""),
            code="E-07",
            file=file,
            fix=None if lengths else "Write identifiers the same way in every table.",
            topic="overlap",
            values=tuple(map(str, lengths)),
        )
    for (a, b), n in shared.items():
        smaller = min(len(ids[a]), len(ids[b]))
        if n < MIN_OVERLAP * smaller and not {a, b} & set(apart):
            found.warn(
                f"{a} and {b} share only {n} of {count(smaller, 'id')}.", code="E-07", file=b
            )
    if clinical is not None and not apart:
        others = {file: those for file, those in ids.items() if file not in asked}
        _report_strangers(clinical, ids[clinical.rows.file], others, found)


def _report_strangers(
    clinical: PatientTable, known: set[str], ids: Mapping[str, set[str]], found: Findings
) -> None:
    """Name the patients of each table who are not in the clinical one."""
    for file, mine in ids.items():
        strangers = sorted(mine - known)
        if strangers:
            found.warn(
                f"{count(len(strangers), 'patient')} of {file} "
                f"{verb(len(strangers), 'is', 'are')} not in {clinical.rows.file}: "
                f"{examples(strangers)}.",
                code="E-07",
                file=file,
                fix="If the clinical table has them under other identifiers, correct these.",
            )


def helpful_lengths(ids: set[str], others: set[str]) -> list[int]:
    """Return lengths to which identifiers can be cut so that two tables share most patients.

    Twelve characters (TCGA) are tried first, then the shorter identifiers' own length. Cutting
    must keep patients apart: the table with the shorter identifiers may lose none, and no number
    or word may be cut in two, of which ``P10`` would leave another's ``P1``.
    """
    short, long = sorted((ids, others), key=lambda s: max(map(len, s), default=0))
    lengths = dict.fromkeys((TCGA_PATIENT, max(map(len, short), default=0)))
    helpful = []
    for n in lengths:
        cut, kept = {i[:n].rstrip() for i in long}, {i[:n].rstrip() for i in short}
        if (
            n >= MIN_LENGTH
            and len(kept) == len(short)
            and 2 * len(cut & kept) >= min(len(cut), len(kept))
            and not any(_is_cut_badly(i, n) for i in long)
        ):
            helpful.append(n)
    return helpful


def _is_cut_badly(identifier: str, n: int) -> bool:
    """Whether cutting after n characters parts a word or a number, or leaves a sign behind one."""
    before, behind = identifier[n - 1 : n], identifier[n : n + 1]
    inside = (before.isdigit() and behind.isdigit()) or (before.isalpha() and behind.isalpha())
    return inside or not (before.isalnum() or not before)
