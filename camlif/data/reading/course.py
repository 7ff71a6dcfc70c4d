"""The course of patients: timeline files of cBioPortal, and dates and days of the clinical table.

For people to read: none of it is ever an input.

What was read goes in; a frame of `camlif.data.course.COLUMNS` comes out, and findings that say what
of a file could not be placed. Nothing fails.

A timeline file has PATIENT_ID, START_DATE and STOP_DATE in days, EVENT_TYPE, and columns that say
more of some types (https://docs.cbioportal.org/file-formats/#timeline-data).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from camlif.arrays import BoolArray, Float64Array
from camlif.data.course import COLUMNS, CourseKind
from camlif.data.reading.dates import order_of, read_dates
from camlif.data.reading.durations import DAYS_PER_MONTH, MONTHS_PER_UNIT
from camlif.data.reading.gathered import Reading
from camlif.data.reading.outcomes import date_columns
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.tables import TextTable
from camlif.data.reading.values import blank_missing, to_numbers
from camlif.data.reading.words import named_unit, parts, plain
from camlif.wording import count

TIMELINE = frozenset({"patient_id", "start_date", "event_type"})
"""Columns of a timeline file; its end is ``stop_date``."""

MAX_LABEL = 60
"""Characters of a label."""
NO_TYPE = "Status"
"""A type that says nothing beside its details."""
MAX_DETAILS = 3
"""Columns of a timeline file that a label says."""

# Fewer words than `vocabulary.DEATH` and `vocabulary.RELAPSE`, which name columns: they are looked
# for in labels, too, where "Progress note" is no relapse and "tot" or "expired" no death.
_DEATH = frozenset({"death", "dead", "died", "deceased", "dod"})
_RECURRENCE = frozenset(
    {
        *("recurrence", "recurrent", "recurred", "relapse", "relapsed", "progression"),
        *("progressed", "progressive", "metastasis", "metastases", "rezidiv", "recidive"),
    }
)
_CONTACT = frozenset(
    {"contact", "followup", "follow", "seen", "visit", "alive", "fu", "lastfu", "lfu", "living"}
)
_SURGERY = frozenset({"surgery", "surgical", "operation", "resection", "biopsy", "op"})
_TREATMENT = frozenset(
    {
        *("treatment", "therapy", "chemo", "chemotherapy", "radiation", "radiotherapy", "drug"),
        *("immunotherapy", "transplant", "transplantation", "systemic", "infusion"),
        *("chemoradiation", "radiochemotherapy"),
    }
)
_DIAGNOSIS = frozenset({"diagnosis", "diagnosed", "dx", "diag"})
_WORDS: tuple[tuple[CourseKind, frozenset[str]], ...] = (
    ("death", _DEATH),
    ("recurrence", _RECURRENCE),
    ("last contact", _CONTACT),
    ("surgery", _SURGERY),
    ("treatment", _TREATMENT),
    ("diagnosis", _DIAGNOSIS),
)
"""The first that a name has a word of decides: a treatment after relapse is read as relapse."""

_FROM = frozenset({"start", "started", "begin", "began", "first"})
_UNTIL = frozenset({"stop", "stopped", "end", "ended", "finish"})
_NO_NAME = frozenset({"date", "day", "days", "week", "weeks", "month", "months", "year", "years"})


def is_timeline(columns: Sequence[str]) -> bool:
    """Whether a table is a timeline file, by its header."""
    return {plain(c) for c in columns} >= TIMELINE


def read_course(reading: Reading) -> pd.DataFrame | None:
    """Return the course of the patients that were read; None where nothing says it."""
    patients = set(reading.patients)
    found = [_timeline(table, patients, reading) for table in reading.timelines]
    if reading.clinical_table is not None:
        found.append(_of_clinical(reading.clinical_table, reading))
    found = [part for part in found if len(part)]
    if not found:
        return None
    course = pd.concat(found, ignore_index=True)
    return course.sort_values(["patient_id", "start"], kind="stable", ignore_index=True)


def kind_of(words: Sequence[str]) -> CourseKind:
    """Return what words say that happened."""
    return next((kind for kind, names in _WORDS if names & set(words)), "other")


def _frame(
    ids: Sequence[str],
    start: Float64Array,
    stop: Float64Array,
    kinds: Sequence[CourseKind],
    labels: Sequence[str],
) -> pd.DataFrame:
    """Return the rows that have a beginning."""
    columns = (ids, start, stop, kinds, labels)
    table = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
    table["stop"] = table["stop"].where(table["stop"] > table["start"])
    placed: pd.DataFrame = table.loc[np.isfinite(table["start"])]
    return placed


# Timeline files


def _timeline(table: TextTable, patients: set[str], reading: Reading) -> pd.DataFrame:
    """Return the course that a timeline file tells, of the patients of the cohort."""
    names = {plain(c): c for c in table.columns}
    ids = reading.id_rules.read(table, names["patient_id"], Findings())
    days = to_numbers(table.table[names["start_date"]])
    ends = np.full(len(table), np.nan)
    if "stop_date" in names:
        ends = to_numbers(table.table[names["stop_date"]]).values
    known = np.array([i in patients for i in ids], dtype=bool)
    _report_rows(table, known, days.values, names["start_date"], reading.found)
    labels, kinds = _said(table, names)
    rows = _frame(ids, days.values / DAYS_PER_MONTH, ends / DAYS_PER_MONTH, kinds, labels)
    return rows[known[rows.index]]


def _report_rows(
    table: TextTable, known: BoolArray, days: Float64Array, column: str, found: Findings
) -> None:
    """Say that a file is for the course alone, and which of its rows are not drawn."""
    found.note("Used for the course only: no input of any model.", file=table.file)
    undated = np.flatnonzero(known & ~np.isfinite(days))
    if len(undated):
        found.warn(
            f"{count(len(undated), 'row has', 'rows have')} no day in {column} and "
            "cannot be placed in the course.",
            file=table.file,
            column=column,
            rows=tuple(int(r) for r in table.row_numbers[undated[:10]]),
            fix="Give the days since diagnosis as a number.",
        )
    if not known.all():
        found.note(
            f"{count(int((~known).sum()), 'row is', 'rows are')} of no patient of the "
            "cohort, and left out of the course.",
            file=table.file,
        )


def _said(table: TextTable, names: dict[str, str]) -> tuple[list[str], list[CourseKind]]:
    """Label and kind of each row: its type, and what the other columns say of it."""
    said = [n for n in names if n not in TIMELINE | {"stop_date"} and not n.endswith("_id")]
    columns = (blank_missing(table.text(names[n])).to_pylist() for n in ("event_type", *said))
    labels, kinds = [], []
    for type_, *cells in zip(*columns, strict=True):
        details = list(dict.fromkeys(str(cell) for cell in cells if cell is not None))
        spoken = " ".join((type_ or "").replace("_", " ").split()).capitalize()
        words = ("" if spoken == NO_TYPE and details else spoken, ", ".join(details[:MAX_DETAILS]))
        labels.append(_short(": ".join(part for part in words if part)))
        kinds.append(kind_of([w for text in (type_ or "", *details) for w in parts(text)]))
    return labels, kinds


def _short(text: str) -> str:
    return text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1].rstrip() + "…"


# The clinical table


def _of_clinical(table: PatientTable, reading: Reading) -> pd.DataFrame:
    """Return the course that dates and days since time zero in a clinical table tell."""
    times = {**_dated(table, reading), **_counted(table)}
    outcome = reading.outcome.columns if reading.outcome is not None else None
    if times.keys() <= set(outcome.used if outcome else ()):  # a course says more than that
        return _frame((), np.zeros(0), np.zeros(0), (), ())
    reading.found.note(
        f"Used for the course, which no model reads: {examples(list(times))}.",
        file=table.rows.file,
    )
    return pd.concat([*_spans(table.ids, times)], ignore_index=True)


def _spans(ids: Sequence[str], times: dict[str, Float64Array]) -> Iterator[pd.DataFrame]:
    """Yield the rows of each column; a beginning and an end of one thing are one row."""
    ends = {_thing(c): c for c in times if _UNTIL & set(parts(c))}
    begun = {_thing(c) for c in times if _FROM & set(parts(c))}
    for column, start in times.items():
        thing = _thing(column)
        if ends.get(thing) == column and thing in begun:
            continue
        stop = times[ends[thing]] if thing in begun and thing in ends else start
        n = len(ids)
        yield _frame(ids, start, stop, [_kind_of_column(column)] * n, [_label(column)] * n)


def _thing(column: str) -> tuple[str, ...]:
    return tuple(w for w in parts(column) if w not in _FROM | _UNTIL)


def _label(column: str) -> str:
    words = [w for w in _thing(column) if w not in _NO_NAME | {"to", "of", "until", "till", "at"}]
    return _short(" ".join(words).capitalize())


def _kind_of_column(column: str) -> CourseKind:
    """Kind of what a column tells the time of: in ``days_from_surgery_to_relapse``, the relapse."""
    words = parts(column)
    at = max((i for i, w in enumerate(words) if w in ("to", "until", "till")), default=-1)
    return kind_of(words[at + 1 :])


def _dated(table: PatientTable, reading: Reading) -> dict[str, Float64Array]:
    """Months of each date from time zero, by column."""
    rows = table.rows
    columns = [c for c in date_columns(rows) if _kind_of_column(c) != "other"]
    if not columns:
        return {}
    section = reading.manifest.clinical
    order = section.date_order or order_of(rows.table[c] for c in date_columns(rows))
    days = {c: read_dates(rows.text(c), order).days for c in columns}
    zero = _time_zero(days, reading)
    return {c: (values - zero) / DAYS_PER_MONTH for c, values in days.items()}


def _time_zero(days: dict[str, Float64Array], reading: Reading) -> Float64Array:
    """Day from which months count: where follow-up starts, else diagnosis, else the first date."""
    outcome = reading.outcome
    chosen = outcome.columns.start if outcome is not None and outcome.columns else None
    usual = (c for c in days if _kind_of_column(c) == "diagnosis")
    start = chosen if chosen in days else next(usual, None)
    if start is not None:
        return days[start]
    every = np.stack(list(days.values()))
    first: Float64Array = np.where(np.isfinite(every), every, np.inf).min(axis=0)
    return np.where(np.isfinite(first), first, np.nan)


def _counted(table: PatientTable) -> dict[str, Float64Array]:
    """Months of each column that counts days or months to something."""
    found = {}
    for column in table.rows.columns:
        words = parts(column)
        unit = named_unit(column)
        if unit is None or not {"to", "until", "till"} & set(words):
            continue
        if _kind_of_column(column) == "other":
            continue
        values = to_numbers(table.rows.table[column]).values
        if np.isfinite(values).any():
            found[column] = values * MONTHS_PER_UNIT[unit]
    return found
