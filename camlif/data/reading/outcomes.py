"""Which columns of a clinical table tell the outcome: time, status, and what they are read from.

In comes a table, out come an `OutcomeColumns` and the questions that are left. Time and status
belong to one endpoint and are never mixed; death of any cause goes before all others, and another
endpoint is only offered. A time that is blank for the living or for the dead has a companion, from
which it is completed: days to death, else to the last contact; or it is made of dates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from camlif.data.manifest import ClinicalSection
from camlif.data.reading.coding import coding_of, legend
from camlif.data.reading.names import Promise, is_reversed, promise
from camlif.data.reading.tables import TextTable
from camlif.data.reading.values import blank_missing, is_date, to_numbers
from camlif.data.reading.vocabulary import SURVIVAL, TIME
from camlif.data.reading.words import named_unit, parts, plain

MAX_CODES = 20
"""A status has at most so many different cells."""

SAME_TIME = 0.02
"""Logarithm of the ratio of two times that differ by rounding alone."""

MAX_WORDS = 3
"""A time of death has at most so many different words for the living."""

MIN_SHARE = 0.5
"""Share of a column's known cells that are dates, or numbers, for it to be one of them."""

REVERSED = 9
"""Rank of a status such as ``censored`` that nothing explains: taken where there is no other."""

OWN_NAMES = {"survival_months", "event"}
"""What the product itself writes: nothing competes with both together."""

ANY_CAUSE = ("os", "")
OutcomePart = Literal["time", "event", "death", "last contact", "start"]
Holds = Literal["numbers", "dates", "words", "nothing"]


_ENDPOINT_WORDS = {
    "pfs": ("progression-free survival", "progression or death", "free of progression"),
    "pfi": ("progression-free interval", "progression", "free of progression"),
    "dfs": ("disease-free survival", "relapse or death", "free of disease"),
    "dfi": ("disease-free interval", "relapse", "free of disease"),
    "dss": ("disease-specific survival", "death of the disease", "not dead of the disease"),
    "css": ("cancer-specific survival", "death of the cancer", "not dead of the cancer"),
    "rfs": ("relapse-free survival", "relapse or death", "free of relapse"),
    "relapse": ("time to relapse", "relapse", "free of relapse"),
    "efs": ("event-free survival", "event", "free of events"),
    "mfs": ("metastasis-free survival", "metastasis or death", "free of metastasis"),
    "dmfs": (
        *("distant metastasis-free survival", "distant metastasis or death"),
        "free of distant metastasis",
    ),
}


def endpoint_words(endpoint: str) -> tuple[str, str, str]:
    """Return name, event and its absence in words: ``pfs`` gives progression-free survival."""
    usual = (endpoint, "event", "free of the event")
    return _ENDPOINT_WORDS.get(endpoint, usual)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A column that may tell a part of an outcome."""

    column: str
    part: OutcomePart
    endpoint: str
    holds: Holds
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeColumns:
    """The columns that the outcome is read from.

    Attributes
    ----------
    duration : str or None
        Time to the end of follow-up, or to death where ``last`` is given; where ``start`` is, a
        date.
    last : str or None
        Time to, or date of, the last contact of patients without the event.
    start : str or None
        Date from which the follow-up runs.
    event : str or None
    rivals : mapping of part to columns
        What else could be it, and says something else.
    others : mapping of endpoint to (duration, event)
        Complete pairs of other endpoints.
    because : mapping of column to str
    """

    duration: str | None
    last: str | None = None
    start: str | None = None
    event: str | None
    rivals: dict[str, tuple[str, ...]] = field(default_factory=dict)
    others: dict[str, tuple[str, str]] = field(default_factory=dict)
    because: dict[str, str] = field(default_factory=dict)

    @property
    def used(self) -> tuple[str, ...]:
        """All columns that the outcome is read from."""
        there = (self.start, self.duration, self.last, self.event)
        return tuple(dict.fromkeys(c for c in there if c))

    @property
    def rule(self) -> str:
        """How the time is read, in words."""
        if self.duration is None:
            return ""
        text = self.duration
        if self.last:
            text += f", else {self.last}"
        return text if self.start is None else f"{text}, from {self.start}"


def candidates(table: TextTable) -> list[Candidate]:
    """Return the columns whose name promises a part of an outcome that their cells can hold."""
    found = []
    for column in table.columns:
        hint = promise(column)
        if hint is not None and hint.kind in ("outcome", "date"):
            candidate = _candidate(table, column, hint)
            if candidate is not None:
                found.append(candidate)
    return found


def date_columns(table: TextTable) -> list[str]:
    """Return the columns of dates, which show together whether day or month comes first."""
    return [c for c in table.columns if _holds(table, c) == "dates"]


def holds_pair(table: TextTable) -> bool:
    """Whether a table tells time and status of one endpoint, so that it is a clinical table."""
    chosen = choose_outcome(table, ClinicalSection())
    return bool((chosen.duration and chosen.event) or chosen.others)


def choose_outcome(table: TextTable, section: ClinicalSection) -> OutcomeColumns:
    """Return the outcome's columns, as declared or as names and cells tell.

    Parameters
    ----------
    table : TextTable
        Without the column of identifiers.
    section : ClinicalSection
    """
    known = [c for c in candidates(table) if c.column not in _declared(section)]
    any_cause = [c for c in known if c.endpoint in ANY_CAUSE]
    duration, last, start = _time(any_cause, section)
    event = section.event
    if event is None:
        events = [c for c in any_cause if c.part == "event" and c.column != duration]
        event = _best(events)
        if event is None and _is_of_death(known, duration, last):
            event = duration
    chosen = OutcomeColumns(duration=duration, last=last, start=start, event=event or None)
    return OutcomeColumns(
        duration=duration,
        last=last,
        start=start,
        event=event or None,
        rivals=_rivals(table, chosen, any_cause, section),
        others=_others(known) if duration is None or not event else {},
        because=_because(table, chosen, section),
    )


def time_like(table: TextTable) -> tuple[str, ...]:
    """Return the columns that may be a follow-up time: numbers, promised ones first."""
    promised = [c.column for c in candidates(table) if c.part != "event" and c.holds == "numbers"]
    others = []
    for column in table.columns:
        hint = promise(column)
        if hint is not None and hint.kind in ("row number", "identifier", "date"):
            continue
        numbers = to_numbers(table.table[column])
        if numbers.n_values > len(numbers.bad_rows):
            others.append(column)
    return tuple(dict.fromkeys([*promised, *others]))


def promised_status(table: TextTable) -> tuple[str, ...]:
    """Return the columns whose name promises an event status."""
    return tuple(c.column for c in candidates(table) if c.part == "event")


def status_like(table: TextTable) -> tuple[str, ...]:
    """Return the columns that may be an event status: few different cells, promised ones first."""
    few = [c for c in table.columns if 0 < _n_codes(table, c) <= MAX_CODES]
    return tuple(dict.fromkeys([*promised_status(table), *few]))


def overfull_status(table: TextTable) -> tuple[str, ...]:
    """Return the columns named like an event status that hold too many different cells for one."""
    named = [
        c for c in table.columns if (hint := promise(c)) is not None and hint.aspect == "event"
    ]
    return tuple(c for c in named if _n_codes(table, c) > MAX_CODES)


def _declared(section: ClinicalSection) -> set[str | None]:
    return {section.duration, section.duration_else, section.start, section.event, section.entry}


def _n_codes(table: TextTable, column: str) -> int:
    return len(pc.unique(blank_missing(table.text(column)).drop_null()))


def _holds(table: TextTable, column: str) -> Holds:
    text = blank_missing(table.text(column))
    n_known = len(text) - text.null_count
    if not n_known:
        return "nothing"
    if is_date(text).sum() > MIN_SHARE * n_known:
        return "dates"
    return "numbers" if to_numbers(table.table[column]).n_values > MIN_SHARE * n_known else "words"


def _candidate(table: TextTable, column: str, hint: Promise) -> Candidate | None:
    """Tell the part from the name, and from the cells where the name leaves it open."""
    holds = _holds(table, column)
    if holds == "nothing":
        return None
    part, endpoint = hint.aspect, hint.endpoint
    codes = _n_codes(table, column)
    if hint.kind == "date" or holds == "dates":
        if part not in ("start", "death", "last contact") or endpoint not in ANY_CAUSE:
            return None
        if hint.kind == "date" and holds == "numbers" and "year" in plain(column):
            return None
        return Candidate(column, part, endpoint, "dates", _rank(column))
    words = set(parts(column))
    of_survival = part == "time" and words & SURVIVAL and not words & TIME
    # OS60 says who lived for 60 months.
    whole = hint.whole and not any(map(str.isdigit, words))
    if whole or of_survival or plain(column) in ("death", "dead"):
        flags = holds == "words" or _is_flag(table, column)
        part = "event" if flags else "time"
    if part == "death" and holds == "words" and _is_time_but_for(table, column):
        holds = "numbers"
    if part in ("time", "death", "last contact") and holds == "numbers":
        return Candidate(column, part, endpoint, holds, _rank(column))
    if part == "event" and codes <= MAX_CODES:
        cells = pc.unique(blank_missing(table.text(column)).drop_null()).to_pylist()
        unsure = is_reversed(column) and None in coding_of(column, cells).values()
        return Candidate(column, part, endpoint, holds, REVERSED if unsure else _rank(column))
    return None


def _is_time_but_for(table: TextTable, column: str) -> bool:
    """Whether a column holds numbers, and few different words, such as those for the living."""
    numbers = to_numbers(table.table[column])
    distinct = len(np.unique(numbers.values[np.isfinite(numbers.values)]))
    return distinct > MAX_WORDS >= len(numbers.bad_values)


def _is_flag(table: TextTable, column: str) -> bool:
    numbers = to_numbers(table.table[column])
    known = set(numbers.values[np.isfinite(numbers.values)].tolist())
    return known <= {0.0, 1.0} or known == {1.0, 2.0}


def _rank(column: str) -> int:
    """Order candidates of one part: what the product itself writes, then the plainest names."""
    simple, words = plain(column), set(plain(column).split("_"))
    if simple in OWN_NAMES:
        return 0
    hint = promise(column)
    if hint is not None and hint.aspect == "start":
        return 1 if "diagnos" in simple else 2
    if hint is not None and hint.aspect == "last contact":
        return 1 if words & {"follow", "followup", "contact", "fu"} else 2
    return 1 if hint is not None and hint.endpoint == "os" else 2


def _best(those: Sequence[Candidate]) -> str | None:
    return min(those, key=lambda c: c.rank).column if those else None


def _time(
    those: Sequence[Candidate], section: ClinicalSection
) -> tuple[str | None, str | None, str | None]:
    """Return the columns of time: of all, or of death and last contact, perhaps from a date."""
    if section.duration is not None:
        return section.duration or None, section.duration_else or None, section.start or None
    numbers = [c for c in those if c.holds == "numbers" and c.column != section.event]
    dates = [c for c in those if c.holds == "dates" and c.column != section.event]
    if whole := _best([c for c in numbers if c.part == "time"]):
        return whole, None, None
    death = _best([c for c in numbers if c.part == "death"])
    last = _best([c for c in numbers if c.part == "last contact"])
    if death or last:
        return (death, last, None) if death else (last, None, None)
    death = _best([c for c in dates if c.part == "death"])
    last = _best([c for c in dates if c.part == "last contact"])
    start = section.start or _best([c for c in dates if c.part == "start"])
    if start and (death or last):
        return (death, last, start) if death else (last, None, start)
    return None, None, None


def _is_of_death(those: Sequence[Candidate], duration: str | None, last: str | None) -> bool:
    """Whether the time is one to death, filled for the dead alone, so that it tells them, too."""
    return last is not None and any(c.column == duration and c.part == "death" for c in those)


def _others(those: Sequence[Candidate]) -> dict[str, tuple[str, str]]:
    """Return complete pairs of endpoints other than death of any cause."""
    pairs = {}
    for endpoint in dict.fromkeys(c.endpoint for c in those if c.endpoint not in ANY_CAUSE):
        same = [c for c in those if c.endpoint == endpoint]
        time = _best([c for c in same if c.part == "time"])
        event = _best([c for c in same if c.part == "event"])
        if time and event:
            pairs[endpoint] = (time, event)
    return pairs


def _rivals(
    table: TextTable,
    chosen: OutcomeColumns,
    those: Sequence[Candidate],
    section: ClinicalSection,
) -> dict[str, tuple[str, ...]]:
    """Return columns as good as a chosen one that say something else."""
    rivals: dict[str, tuple[str, ...]] = {}
    by_column = {c.column: c for c in those}
    if section.duration is None and chosen.duration in by_column:
        mine = by_column[chosen.duration]
        same = [c.column for c in those if _competes(c, mine)]
        different = [c for c in same if not _same_times(table, chosen.duration, c)]
        if different:
            rivals["time"] = (chosen.duration, *different)
    if section.event is None and chosen.event in by_column:
        mine = by_column[chosen.event]
        same = [c.column for c in those if _competes(c, mine)]
        different = [c for c in same if not _same_codes(table, chosen.event, c)]
        if different:
            rivals["event"] = (chosen.event, *different)
    if chosen.start in by_column and section.start is None:
        starts = [c.column for c in those if c.part == "start" and c.holds == "dates"]
        different = [c for c in starts if c != chosen.start and not _equal(table, chosen.start, c)]
        if different:
            rivals["start"] = (chosen.start, *different)
    return rivals


def _competes(one: Candidate, mine: Candidate) -> bool:
    """Whether a column may be meant as well; beside one of the product's names, a named one is."""
    same = one.column != mine.column and one.part == mine.part
    same = same and (one.part == "event" or one.holds == mine.holds)
    named = one.endpoint == "os" or bool(SURVIVAL & set(parts(one.column)))
    return same and (mine.rank > 0 or named) and max(mine.rank, one.rank) < REVERSED


def same_as_of_another_endpoint(table: TextTable, columns: OutcomeColumns) -> tuple[str, ...]:
    """Return statuses of other endpoints that part the patients as a nameless one does.

    An ``event`` beside ``OS_MONTHS`` that equals ``PFS_STATUS`` may be a progression.
    """
    known = {c.column: c for c in candidates(table)}
    mine, time = known.get(columns.event or ""), known.get(columns.duration or "")
    if mine is None or time is None or mine.endpoint or time.endpoint != "os":
        return ()
    statuses = [c for c in known.values() if c.part == "event" and c.endpoint]
    same = [c for c in statuses if _same_codes(table, mine.column, c.column)]
    if any(c.endpoint in ANY_CAUSE for c in same):  # that of deaths says the same
        return ()
    return tuple(c.column for c in same)


def _equal(table: TextTable, one: str, other: str) -> bool:
    return bool(table.text(one).equals(table.text(other)))


def _same_times(table: TextTable, one: str, other: str) -> bool:
    """Whether two times differ by their unit and rounding alone."""
    a, b = (to_numbers(table.table[c]).values for c in (one, other))
    both: NDArray[np.bool_] = (a > 0) & (b > 0)
    if not both.any():
        return False
    ratio = np.log(a[both] / b[both])
    # One of them may be rounded to whole months; what differs by more is in another unit.
    rounded = SAME_TIME + 1 / a[both] + 1 / b[both]
    if (np.abs(ratio - np.median(ratio)) > rounded).any():
        return False
    if named_unit(one) is not None and named_unit(one) == named_unit(other):
        return bool(np.abs(np.median(ratio)) < SAME_TIME and _spread(ratio) < SAME_TIME)
    # A month may be 30, 30.4 or 365.25 / 12 days, and short times are rounded most.
    return _spread(ratio) < SAME_TIME


def _spread(ratio: NDArray[np.float64]) -> float:
    return float(np.median(np.abs(ratio - np.median(ratio))))


def _same_codes(table: TextTable, one: str, other: str) -> bool:
    """Whether two statuses part the patients alike, and mean the same where that is known."""
    a, b = (blank_missing(table.text(c)).to_pylist() for c in (one, other))
    pairs = {(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None}
    first, second = {x for x, _ in pairs}, {y for _, y in pairs}
    if not len(pairs) == len(first) == len(second):
        return False
    meanings = coding_of(one, first), coding_of(other, second)
    told = [(meanings[0][x], meanings[1][y]) for x, y in pairs]
    return all(x is None or y is None or x == y for x, y in told)


def _because(table: TextTable, chosen: OutcomeColumns, section: ClinicalSection) -> dict[str, str]:
    """Say why each column was taken."""
    because = {}
    declared = _declared(section)
    for column in chosen.used:
        if column in declared:
            because[column] = "chosen"
            continue
        words = "its name"
        if column in table.columns and column == chosen.event and legend(column):
            words = "its name explains its codes"
        because[column] = words
    return because
