"""Do groups differ, and by how much? Log-rank tests and Cox hazard ratios.

In go outcomes and the group of each patient, or variables; out come tests by Mantel (1966) and Peto
and Peto (1972), pairwise ones with Holm's correction, and hazard ratios with intervals.
Raises `NoEventsError` and `EstimationError` where groups cannot be compared or the model does not
converge, and `DataError` for missing groups and for what is no number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from camlif.arrays import BoolArray, Float64Array, IntArray
from camlif.exceptions import DataError, EstimationError, NoEventsError
from camlif.statistics.cox import fit_cox
from camlif.statistics.outcome import check_entry, check_outcome, rows_of
from camlif.statistics.splits import holm
from camlif.wording import count

MIN_PATIENTS = 10
MIN_EVENTS = 5
"""A group with fewer patients or events gets no p-value."""
EVENTS_PER_VARIABLE = 10
"""A Cox model with fewer events per variable is refused."""
RANK_TOLERANCE = 1e-8
"""Singular values of unit columns below it count as zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRankResult:
    """Log-rank test of k groups.

    Attributes
    ----------
    statistic : float
        Chi-squared with ``dof`` degrees of freedom.
    dof : int
        k - 1.
    p_value : float
    excess : tuple of float
        Events of each group beyond those expected if survival were equal, by group in
        alphabetical order.
    """

    statistic: float
    dof: int
    p_value: float
    excess: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairwiseLogRank:
    """Log-rank test of two groups among several.

    Attributes
    ----------
    first, second : str
    statistic, p_value, adjusted : float or None
        ``adjusted`` is Holm's, over the pairs that were tested. None where no test was made.
    reason : str
        Why not; empty otherwise.
    """

    first: str
    second: str
    statistic: float | None
    p_value: float | None
    adjusted: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HazardRatio:
    """Hazard ratio of one variable, per unit of it, with a 95 % Wald interval."""

    name: str
    ratio: float
    low: float
    high: float
    p_value: float


def log_rank(
    event: ArrayLike,
    duration: ArrayLike,
    stratum: ArrayLike,
    *,
    entry: ArrayLike | None = None,
) -> LogRankResult:
    """Test whether groups have the same survival.

    Parameters
    ----------
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
    stratum : array_like of str, shape (n,)
        Group of each patient.
    entry : array_like, shape (n,), optional
        When each patient came under observation; see `camlif.statistics.outcome.life_table`.

    Raises
    ------
    EstimationError
        For fewer than two groups, or where a group has left before any event that could tell groups
        apart.
    NoEventsError
        If no event was observed.
    DataError
        If shapes differ or a value is missing.

    Notes
    -----
    Unweighted. Small groups are tested too; `too_few` says whether to show the p-value.

    References
    ----------
    Mantel, Cancer Chemotherapy Reports 1966; Peto and Peto, JRSS A 1972.
    """
    events, durations, groups = _checked(event, duration, stratum)
    entries = check_entry(entry, durations)
    names = np.unique(groups)
    if len(names) < 2:
        raise EstimationError(f"A log-rank test needs two groups; there is {len(names)}.")
    if not events.any():
        raise NoEventsError("No event was observed, so groups cannot be compared.")
    times = np.unique(durations[events])
    counts = [
        _risk_sets(times, events[rows], durations[rows], rows_of(entries, rows))
        for rows in (groups == name for name in names)
    ]
    at_risk, had_event = (np.stack(part, axis=1) for part in zip(*counts, strict=True))
    total, n_events = at_risk.sum(axis=1), had_event.sum(axis=1)
    telling = n_events < total
    _require_overlap(at_risk[telling], names)
    share = at_risk / total[:, None]
    difference = (had_event - n_events[:, None] * share).sum(axis=0)
    scale = n_events * (total - n_events) / np.maximum(total - 1, 1)
    covariance = np.diag(scale @ share) - (share * scale[:, None]).T @ share
    # The differences sum to 0, so one group is left out.
    first, rest = difference[:-1], covariance[:-1, :-1]
    statistic = float(first @ np.linalg.solve(rest, first))
    dof = len(names) - 1
    return LogRankResult(
        statistic=statistic,
        dof=dof,
        p_value=float(chdtrc(dof, statistic)),
        excess=tuple(difference.tolist()),
    )


def _risk_sets(
    times: Float64Array, event: BoolArray, duration: Float64Array, entry: Float64Array | None
) -> tuple[IntArray, IntArray]:
    """Patients of one group at risk, and with the event, at each time; shape (t,)."""
    leaving = np.sort(duration)
    at_risk = len(duration) - np.searchsorted(leaving, times, side="left")
    if entry is not None:
        late = np.sort(entry[entry > 0])
        at_risk = at_risk - (len(late) - np.searchsorted(late, times, side="left"))
    place = np.searchsorted(times, duration[event])
    return at_risk, np.bincount(place, minlength=len(times))


def too_few(event: ArrayLike, stratum: ArrayLike) -> str | None:
    """Say which group is too small for a p-value; None where all are large enough.

    Parameters
    ----------
    event : array_like of bool (or 0 and 1), shape (n,)
    stratum : array_like of str, shape (n,)
    """
    events, groups = np.asarray(event, dtype=bool), np.asarray(stratum).astype(str)
    for name in np.unique(groups):
        n, n_events = int((groups == name).sum()), int(events[groups == name].sum())
        if n < MIN_PATIENTS or n_events < MIN_EVENTS:
            return (
                f"E-20: At least {MIN_PATIENTS} patients and {MIN_EVENTS} events per group are "
                f"needed for a p-value; {name} has {n} and {n_events}."
            )
    return None


def pairwise_log_rank(
    event: ArrayLike,
    duration: ArrayLike,
    stratum: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    entry: ArrayLike | None = None,
) -> tuple[PairwiseLogRank, ...]:
    """Test every pair of groups, corrected by Holm over the pairs tested.

    Parameters
    ----------
    event, duration, stratum
        As in `log_rank`.
    names : sequence of str, optional
        Groups in the order wanted; by default all, sorted.
    entry
        As in `log_rank`.

    Returns
    -------
    tuple of PairwiseLogRank
        A pair with a group of fewer than `MIN_PATIENTS` patients or `MIN_EVENTS` events has no
        p-value but a reason.

    Raises
    ------
    DataError
        As `log_rank`.
    """
    events, durations, groups = _checked(event, duration, stratum)
    entries = check_entry(entry, durations)
    order = tuple(np.unique(groups).tolist()) if names is None else tuple(names)
    pairs = list(combinations(order, 2))
    found: dict[tuple[str, str], LogRankResult] = {}
    reasons: dict[tuple[str, str], str] = {}
    for pair in pairs:
        rows = np.isin(groups, pair)
        reason = _empty(groups, pair) or too_few(events[rows], groups[rows])
        if reason is None:
            try:
                found[pair] = log_rank(
                    events[rows], durations[rows], groups[rows], entry=rows_of(entries, rows)
                )
            except EstimationError as error:
                reason = str(error)
        reasons[pair] = reason or ""
    adjusted = dict(zip(found, holm([r.p_value for r in found.values()]).tolist(), strict=True))
    return tuple(
        PairwiseLogRank(
            first=pair[0],
            second=pair[1],
            statistic=found[pair].statistic if pair in found else None,
            p_value=found[pair].p_value if pair in found else None,
            adjusted=adjusted.get(pair),
            reason=reasons[pair],
        )
        for pair in pairs
    )


def cox_table(
    frame: pd.DataFrame,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    entry: ArrayLike | None = None,
) -> tuple[HazardRatio, ...]:
    """Fit a Cox model and return a hazard ratio per column, in their order.

    Parameters
    ----------
    frame : DataFrame, shape (n, p)
        Numbers without gaps; categories as 0 and 1 columns. The ratio is per unit of a column.
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
    entry : array_like, shape (n,), optional
        As in `log_rank`.

    Raises
    ------
    EstimationError
        For fewer than `EVENTS_PER_VARIABLE` events per column, for a column that is constant or a
        combination of others, or if the fit does not converge (separation, say).
    DataError
        If shapes differ or a value is missing or not a number.

    Notes
    -----
    By lifelines, with Efron's ties and no penalty.
    """
    events, durations = check_outcome(event, duration)
    names = [str(name) for name in frame.columns]
    if not names:
        raise DataError("A Cox model needs at least one variable.")
    x = _numbers(frame, len(durations))
    needed = EVENTS_PER_VARIABLE * len(names)
    if events.sum() < needed:
        raise EstimationError(
            f"A Cox model of {count(len(names), 'variable')} needs {count(needed, 'event')} "
            f"({EVENTS_PER_VARIABLE} per variable); there are {int(events.sum())}."
        )
    _require_full_rank(x, names)
    scale = x.std(axis=0)
    table = pd.DataFrame((x - x.mean(axis=0)) / scale, columns=[f"x{i}" for i in range(len(names))])
    try:
        fitted = fit_cox(table, events, durations, check_entry(entry, durations))
    except EstimationError as error:
        raise _explained(error, names) from error
    summary = fitted.summary
    ratio, low, high = (
        np.exp(summary[column].to_numpy(float) / scale).tolist()
        for column in ("coef", "coef lower 95%", "coef upper 95%")
    )
    p_values = summary["p"].tolist()
    return tuple(
        HazardRatio(name=name, ratio=ratio[i], low=low[i], high=high[i], p_value=p_values[i])
        for i, name in enumerate(names)
    )


def group_hazard_ratios(
    event: ArrayLike,
    duration: ArrayLike,
    stratum: ArrayLike,
    *,
    reference: str,
    names: Sequence[str] | None = None,
    entry: ArrayLike | None = None,
) -> tuple[HazardRatio, ...]:
    """Return the hazard ratio of every other group against a reference group.

    Parameters
    ----------
    event, duration, stratum
        As in `log_rank`.
    reference : str
    names : sequence of str, optional
        Groups in the order wanted; by default all, sorted. Groups without a patient are left out.
    entry
        As in `log_rank`.

    Raises
    ------
    EstimationError
        As `cox_table`, or if the reference group or every other group has no patient.
    DataError
        As `log_rank`.
    """
    events, durations, groups = _checked(event, duration, stratum)
    present = np.unique(groups).tolist()
    order = present if names is None else [name for name in names if name in present]
    if reference not in order or len(order) < 2:
        raise EstimationError(f"No patients to compare with the reference group {reference}.")
    rows = np.isin(groups, order)
    frame = pd.DataFrame(
        {name: (groups[rows] == name).astype(float) for name in order if name != reference}
    )
    entries = check_entry(entry, durations)
    return cox_table(frame, events[rows], durations[rows], entry=rows_of(entries, rows))


def _checked(
    event: ArrayLike, duration: ArrayLike, stratum: ArrayLike
) -> tuple[BoolArray, Float64Array, NDArray[np.str_]]:
    events, durations = check_outcome(event, duration)
    groups = np.asarray(stratum)
    if groups.shape != durations.shape:
        raise DataError(
            "stratum does not hold one value per patient.",
            column="stratum",
            found=f"shape {groups.shape}",
            expected=f"{durations.shape}",
        )
    if pd.isna(groups).any():
        raise DataError("Some patients have no group.", column="stratum")
    return events, durations, groups.astype(str)


def _require_overlap(at_risk: IntArray, names: NDArray[np.str_]) -> None:
    """Refuse groups of which nobody is at risk when some have the event and some do not.

    ``at_risk`` (t, k) is that of the times at which this is so.
    """
    for name, n in zip(names, at_risk.sum(axis=0), strict=True):
        if not n:
            raise EstimationError(
                f"The log-rank test is undefined: {name} is not at risk at any event that could "
                "tell groups apart."
            )


def _empty(groups: NDArray[np.str_], pair: tuple[str, str]) -> str | None:
    return next((f"{name} has no patient." for name in pair if name not in groups), None)


def _numbers(frame: pd.DataFrame, n: int) -> Float64Array:
    try:
        x = frame.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("A variable of the Cox model is no number.") from error
    if len(x) != n:
        raise DataError("Variables and outcome differ in patients.", found=f"{len(x)} and {n}")
    for i, name in enumerate(frame.columns):
        broken = int((~np.isfinite(x[:, i])).sum())
        if broken:
            raise DataError(
                f"{count(broken, 'value is', 'values are')} missing or infinite.",
                column=str(name),
                fix="Leave these patients out.",
            )
    return x


def _require_full_rank(x: Float64Array, names: Sequence[str]) -> None:
    """Name the first column that is constant or a combination of those before it."""
    centred = x - x.mean(axis=0)
    size = np.linalg.norm(centred, axis=0)
    for i, name in enumerate(names):
        if np.ptp(x[:, i]) == 0:
            raise _not_converged(f"{name} is the same for everyone", name)
        if np.linalg.matrix_rank(centred[:, : i + 1] / size[: i + 1], tol=RANK_TOLERANCE) <= i:
            raise _not_converged(f"{name} is a combination of the other variables", name)


def _explained(error: Exception, names: Sequence[str]) -> EstimationError:
    """Put the fitter's complaint in a few words, with the column that it names as x0, x1, ..."""
    column = re.search(r"\bx(\d+)\b", str(error))
    name = names[int(column[1])] if column else None
    if "separation" in str(error):
        return _not_converged(f"{name or 'a variable'} alone tells who has the event", name)
    return _not_converged("no stable solution", name)


def _not_converged(reason: str, variable: str | None) -> EstimationError:
    return EstimationError(
        f"E-21: The Cox model did not converge ({reason}). "
        f"Remove {variable or 'a variable'} or merge small categories."
    )
