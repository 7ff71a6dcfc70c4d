"""Whether the values of columns carry the outcome, whatever the columns are called.

In come values by patient, events and follow-up; out comes, for each column that no honest input
looks like, the reason in words. The bounds lie where no input of the development cohorts was and
where every column that derives from an outcome was, but for other endpoints that only their names
tell. Over 18,000 columns of 13 cohorts the C-index among patients with an event lay between 0.29
and 0.71 (calendar years 0.30), the correlation of two groups with the event below 0.53, that of
missing values below 0.15, and the rank correlation with follow-up below 0.36; times that derive
from the outcome had a C-index of 0.84 to 1.00, flags a correlation of 0.76 to 1.00 with the event.

Of a column that is known for few patients only an exact order tells, where chance makes it once in
10,000 columns: of 6,639 columns of the cohorts, known for 18 patients drawn at random, none did. Of
948 columns each, cut into 16 and into 30 levels, only those of another endpoint did (2 and 2).

A column need not run with the outcome to carry it: times are folded, events written as odd
numbers, and an age at death is an age and a time. Of 21,000 columns of 10 cohorts, whole and in
draws of 40 to 250 patients, none that was not the outcome's was seen at a bound of shape or of
sums; the draws share patients, so that this is no rate. Folds, classes in another order, parity,
sums and products were found in 120 patients, in 60 all but codes of the event in another order;
what noise of the same spread covers is like an honest input, and stays one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import rankdata

from camlif.arrays import BoolArray, Float64Array
from camlif.data.cohort import MAX_CATEGORIES
from camlif.data.reading.dependence import event_by, function_of, told_beside_others
from camlif.data.reading.follow_up import ReadOutcome
from camlif.wording import count

MAX_C_DISTANCE = 0.30
"""Of a column's C-index with the time, among patients with an event, from 0.5."""

MAX_CORRELATION = 0.65
"""Of two groups, or of missing values, with the event (phi)."""

MAX_AUC_DISTANCE = 0.40
"""Of the area under the ROC curve of a column for the event from 0.5."""

MAX_TIME_CORRELATION = 0.80
"""Rank correlation of a column with follow-up, over all patients."""

MIN_FOLLOWED = 0.55
"""Of the time by a column of any shape, and of the event by neighbours in it (`dependence`)."""

SHAPE_ERRORS = 6.0
"""The same in standard errors, whose distribution has a longer tail."""

MAX_PAIRED = 1000
"""Columns of a table that are held against each other; of a wider one, against clinical ones."""

STANDARD_ERRORS = 5.0
"""None of these counts unless it lies so many standard errors from chance: of 20,000 columns
without any effect, one in a hundred cohorts has one."""

MIN_PATIENTS = 20
"""A smaller cohort is not judged by its values."""

MIN_KNOWN = 8
"""Of a column known for fewer patients nothing is told; for fewer than `MIN_PATIENTS`, copies."""

MAX_CHANCE = 1e-4
"""That values which say nothing stand in the exact order of the time, or of the event."""

MAX_CHANCE_OF_ANY = 0.01
"""The same, for any column of a table."""

MAX_PATIENTS = 600
"""So many patients, drawn at random where there are more, decide."""

MAX_CODED = 8
MAX_CODED_COLUMNS = 200
"""Only tables as narrow as clinical ones are searched for codes of the outcome in any order."""

MIN_PER_LEVEL = 5
_SCREEN = 0.5
_COLUMNS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class OutcomeByPatient:
    """Event and follow-up by patient.

    Attributes
    ----------
    position : mapping of patient to int
    event : bool array, shape (n,)
    duration : float64 array, shape (n,)
        NaN where unknown.
    clinical : DataFrame, n rows
        Clinical numbers, to which the outcome may have been added.
    """

    position: dict[str, int]
    event: BoolArray
    duration: Float64Array
    clinical: pd.DataFrame

    @classmethod
    def of(cls, ids: Sequence[str], outcome: ReadOutcome | None) -> OutcomeByPatient | None:
        """Return the outcome of a clinical table; None where it has none."""
        if outcome is None:
            return None
        clinical = pd.DataFrame(index=pd.RangeIndex(len(ids)))
        return cls({p: i for i, p in enumerate(ids)}, outcome.event, outcome.duration, clinical)

    def reasons(self, ids: Sequence[str], values: NDArray[np.floating]) -> dict[int, str]:
        """Return why columns carry the outcome, by position; most do not.

        Parameters
        ----------
        ids : sequence of str
            Patient of each row; rows of one patient are averaged.
        values : float array, shape (n_rows, n_columns)
        """
        drawn = self._draw(ids)
        if drawn is None:
            return {}
        patients, kept, owner = drawn
        event, duration = self.event[patients], self.duration[patients]
        found: dict[int, str] = {}
        for start in range(0, values.shape[1], _COLUMNS_AT_ONCE):
            block = _of_patients(values[kept, start : start + _COLUMNS_AT_ONCE], owner)
            chance = min(MAX_CHANCE, MAX_CHANCE_OF_ANY / values.shape[1])
            carrying = _carrying(block, event, duration, chance)
            found |= {start + i: why for i, why in carrying.items()}
        return found

    def reasons_of_sums(
        self,
        ids: Sequence[str],
        values: NDArray[np.floating],
        names: Sequence[str],
        among: Sequence[int],
    ) -> dict[int, str]:
        """Return why columns are the outcome and another column added or multiplied, by position.

        Parameters
        ----------
        ids : sequence of str
            Patient of each row; rows of one patient are averaged.
        values : float array, shape (n_rows, n_columns)
        names : sequence of str
            Of the columns.
        among : sequence of int
            Columns that are held against each other and against `clinical`.
        """
        drawn = self._draw(ids)
        if drawn is None or not 0 < self.event[drawn[0]].sum() < len(drawn[0]):
            return {}
        patients, kept, owner = drawn
        paired = len(among) <= MAX_PAIRED
        others = self.clinical.iloc[patients].to_numpy(dtype=float)
        found: dict[int, str] = {}
        for start in range(0, len(among), MAX_PAIRED):
            columns = among[start : start + MAX_PAIRED]
            block = _of_patients(values[np.ix_(kept, np.asarray(columns, dtype=int))], owner)
            sums = told_beside_others(
                block, others, self.event[patients], self.duration[patients], paired=paired
            )
            called = [*self.clinical.columns, *(names[i] for i in columns)]
            for i, (other, correlation) in sums.items():
                found[columns[i]] = (
                    f"tells the outcome beside {called[other]} (correlation {correlation:.2f})"
                )
        return found

    def _draw(
        self, ids: Sequence[str]
    ) -> tuple[NDArray[np.int_], NDArray[np.int_], NDArray[np.int_]] | None:
        """Return patients with a known outcome, their rows, and whose each row is; None for few."""
        rows = [i for i, p in enumerate(ids) if p in self.position]
        at = np.array([self.position[ids[i]] for i in rows], dtype=int)
        known = np.isfinite(self.duration[at])
        kept, at = np.array(rows, dtype=int)[known], at[known]
        patients, owner = np.unique(at, return_inverse=True)
        if len(patients) > MAX_PATIENTS:
            drawn = np.random.default_rng(0).choice(len(patients), MAX_PATIENTS, replace=False)
            kept, owner = kept[np.isin(owner, drawn)], owner[np.isin(owner, drawn)]
            patients = patients[np.sort(drawn)]
            owner = np.unique(owner, return_inverse=True)[1]
        return None if len(patients) < MIN_PATIENTS else (patients, kept, owner)

    def reason_of_levels(self, ids: Sequence[str], levels: Sequence[Any]) -> str | None:
        """Return why a category carries the outcome: levels by their share of events, and by time.

        Levels of fewer than `MIN_PER_LEVEL` patients count as one, unless numbers order them, as
        they do intervals such as ``300-399``.
        """
        cells = pd.Series(levels, dtype=object)
        at = np.array([self.position.get(p, -1) for p in ids])
        duration = np.where(at >= 0, self.duration[at], np.nan)
        known = np.isfinite(duration) & cells.notna().to_numpy()
        event = self.event[at]
        missing = pd.DataFrame({0: np.where(cells.isna(), np.nan, 0.0)}).to_numpy()
        why = self.reasons(ids, missing)
        if why:
            return why[0]
        counts = cells[known].value_counts()
        if not 2 <= len(counts) <= MAX_CATEGORIES:
            return None
        coded = np.full((len(cells), 2), np.nan)
        dead = known & event
        for column, rows, worth in ((0, known, event.astype(float)), (1, dead, duration)):
            counts = cells[rows].value_counts()
            common = cells.where(cells.isin(counts[counts >= MIN_PER_LEVEL].index), "")
            means = pd.Series(worth[rows]).groupby(common[rows].to_numpy()).mean()
            usual = worth[rows].mean() if rows.any() else np.nan
            coded[:, column] = common.map(means).fillna(usual).to_numpy(dtype=float)
        coded[~known] = np.nan
        cuts = np.unique(coded[known, 0])[:-1]
        tries = [np.where(known, coded[:, 0] > cut, np.nan) for cut in cuts]
        first = cells.astype(str).str.extract(r"(\d+(?:\.\d+)?)", expand=False).astype(float)
        ordered = np.where(known, first.to_numpy(), np.nan)
        why = self.reasons(ids, np.column_stack([coded[:, 1], ordered, *tries]))
        return next(iter(why.values()), None)

    def reasons_of_codes(
        self, ids: Sequence[str], values: NDArray[np.floating], among: Sequence[int]
    ) -> dict[int, str]:
        """Return why columns of few different numbers carry the outcome, in whatever order.

        Parameters
        ----------
        ids : sequence of str
            Patient of each row.
        values : float array, shape (n_rows, n_columns)
        among : sequence of int
            Columns that are looked at.
        """
        coded = [i for i in among if is_coded(values[:, i])]
        found = {i: self.reason_of_levels(ids, values[:, i].tolist()) for i in coded}
        return {i: why for i, why in found.items() if why is not None}


def is_coded(values: NDArray[np.floating]) -> bool:
    """Whether few different numbers may be codes, which tell more than their order does."""
    return 2 < len(np.unique(values[np.isfinite(values)])) <= MAX_CODED


def _of_patients(rows: NDArray[np.floating], owner: NDArray[np.int_]) -> Float64Array:
    """Return a row a patient: the only one, or the means of several."""
    values, n = rows.astype(np.float64), int(owner.max()) + 1
    if len(values) == n:
        return np.asarray(values[np.argsort(owner)])
    known = np.isfinite(values)
    total, counts = np.zeros((n, values.shape[1])), np.zeros((n, values.shape[1]))
    np.add.at(total, owner, np.where(known, values, 0.0))
    np.add.at(counts, owner, known)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)


def _carrying(
    values: Float64Array, event: BoolArray, duration: Float64Array, chance: float
) -> dict[int, str]:
    found: dict[int, str] = {}
    n, known = len(event), np.isfinite(values)
    gaps = _correlation((~known).astype(float), event)
    for i in np.flatnonzero(np.abs(gaps) > _bound(MAX_CORRELATION, 1 / np.sqrt(n))):
        where = "an" if gaps[i] > 0 else "no"
        found[int(i)] = f"missing where {where} event was (correlation {abs(gaps[i]):.2f})"
    alike: dict[bytes, list[int]] = {}
    for column, bits in enumerate(np.packbits(known, axis=0).T):
        alike.setdefault(bits.tobytes(), []).append(column)
    for columns in map(np.array, alike.values()):
        rows = known[:, columns[0]]
        if rows.sum() < MIN_KNOWN:
            continue
        part = values[np.ix_(rows, columns)]
        told = _told(part, event[rows], duration[rows]) if rows.sum() >= MIN_PATIENTS else {}
        for position, why in (_copied(part, event[rows], duration[rows], chance) | told).items():
            found.setdefault(int(columns[position]), why)
    return found


def _copied(
    values: Float64Array, event: BoolArray, duration: Float64Array, chance: float
) -> dict[int, str]:
    """Return columns in the exact order of the time or the event, which chance hardly makes."""
    found: dict[int, str] = {}
    n, n_events = len(event), int(event.sum())
    steps = np.diff(values[np.argsort(duration, kind="stable")], axis=0)
    for i in np.flatnonzero((steps >= 0).all(axis=0) | (steps <= 0).all(axis=0)):
        ties = np.unique(values[:, i], return_counts=True)[1]
        if _log_ways(n, ties) > np.log(2 / chance):
            found[int(i)] = f"stands in the order of the follow-up ({count(n, 'patient')})"
    if 0 < n_events < n and _log_ways(n, np.array([n_events, n - n_events])) > np.log(2 / chance):
        with_event, others = values[event], values[~event]
        above = with_event.min(axis=0) > others.max(axis=0)
        below = with_event.max(axis=0) < others.min(axis=0)
        for i in np.flatnonzero(above | below):
            found.setdefault(
                int(i), f"parts those with and without the event ({count(n, 'patient')})"
            )
    return found


def _log_ways(n: int, ties: NDArray[np.integer]) -> float:
    """Return the logarithm of the number of orders of n values, some of which are equal."""
    return float(gammaln(n + 1) - gammaln(ties + 1).sum())


def _told(values: Float64Array, event: BoolArray, duration: Float64Array) -> dict[int, str]:
    """Return the reasons for columns without missing values."""
    found: dict[int, str] = {}
    n, n_events = len(event), int(event.sum())
    ranks = rankdata(values, axis=0)
    if 0 < n_events < n:
        phi = np.where(_is_pair(values), _correlation(values, event), 0.0)
        for i in np.flatnonzero(np.abs(phi) > _bound(MAX_CORRELATION, 1 / np.sqrt(n))):
            sense = "the event" if phi[i] > 0 else "that no event was"
            found[int(i)] = f"tells {sense} (correlation {abs(phi[i]):.2f})"
        n_others = n - n_events
        auc = (ranks[event].sum(axis=0) - n_events * (n_events + 1) / 2) / (n_events * n_others)
        error = np.sqrt((n + 1) / (12 * n_events * n_others))
        for i in np.flatnonzero(np.abs(auc - 0.5) > _bound(MAX_AUC_DISTANCE, error)):
            found.setdefault(int(i), f"tells the event (area under the ROC curve {auc[i]:.2f})")
    rho = _correlation(ranks, rankdata(duration))
    for i in np.flatnonzero(np.abs(rho) > _bound(MAX_TIME_CORRELATION, 1 / np.sqrt(n - 1))):
        found.setdefault(int(i), f"runs with the follow-up (rank correlation {rho[i]:.2f})")
    if n_events > 2:
        found = _implausible(values[event], duration[event]) | found
    return _shaped(values, event, duration) | found


def _shaped(values: Float64Array, event: BoolArray, duration: Float64Array) -> dict[int, str]:
    """Return columns that follow the outcome in another shape than a rise or a fall."""
    found: dict[int, str] = {}
    n, n_events = len(event), int(event.sum())
    if 0 < n_events < n:
        share = event_by(values, event)
        for i in np.flatnonzero(share > max(MIN_FOLLOWED, SHAPE_ERRORS / np.sqrt(n))):
            found[int(i)] = f"neighbours in it share their event (by {share[i]:.2f} of 1)"
        whole = (values % 1 == 0).all(axis=0)
        odd = np.where(whole, _correlation(np.where(whole, values % 2, 0.0), event), 0.0)
        for i in np.flatnonzero(np.abs(odd) > _bound(MAX_CORRELATION, 1 / np.sqrt(n))):
            found.setdefault(int(i), f"is odd by the event (correlation {abs(odd[i]):.2f})")
    for rows, whom in ((np.ones(n, dtype=bool), ""), (event, " of those with an event")):
        m = int(rows.sum())
        followed = function_of(duration[rows], values[rows]) if m > 2 else np.zeros(0)
        for i in np.flatnonzero(
            followed > max(MIN_FOLLOWED, SHAPE_ERRORS * np.sqrt(0.4 / max(m, 1)))
        ):
            found.setdefault(int(i), f"follows from the time{whom} (xi {followed[i]:.2f})")
    return found


def _implausible(values: Float64Array, duration: Float64Array) -> dict[int, str]:
    """Return columns whose C-index with the time is beyond belief, among patients with an event."""
    n = len(duration)
    error = np.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1))) / 2  # of Kendall's tau, halved
    bound = _bound(MAX_C_DISTANCE, error)
    rho = _correlation(rankdata(values, axis=0), rankdata(duration))
    found = {}
    first, second = np.triu_indices(n, 1)
    later = np.sign(duration[first] - duration[second])
    for i in np.flatnonzero(np.abs(rho) > _SCREEN):
        higher = np.sign(values[first, i] - values[second, i])
        c_index = 0.5 + 0.5 * (higher * later).sum() / max(int(np.abs(later).sum()), 1)
        if abs(c_index - 0.5) > bound:
            found[int(i)] = f"C-index with the time among patients with an event {c_index:.2f}"
    return found


def _bound(least: float, error: float) -> float:
    return max(least, STANDARD_ERRORS * float(error))


def _is_pair(values: Float64Array) -> BoolArray:
    """Whether each column has exactly two values."""
    low, high = values.min(axis=0), values.max(axis=0)
    return np.asarray(((values == low) | (values == high)).all(axis=0) & (low < high))


def _correlation(values: Float64Array, other: NDArray[np.generic]) -> Float64Array:
    """Return Pearson's correlation of each column; 0 where one does not vary."""
    x = values - values.mean(axis=0)
    y = other.astype(np.float64) - other.astype(np.float64).mean()
    scale = np.sqrt((x**2).sum(axis=0) * (y**2).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(scale > 1e-12, (x * y[:, None]).sum(axis=0) / scale, 0.0))
