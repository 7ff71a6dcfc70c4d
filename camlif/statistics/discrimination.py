"""Ranking measures that do not depend on how patients were censored: IPCW C-index and AUC(t).

In go risks and outcomes, and a horizon; out comes one number in [0, 1]. Raises `EstimationError` or
`NoComparablePairsError` where it is undefined. Follow Uno et al., Statistics in Medicine 2011
(C-index) and JASA 2007 (AUC), by weights of inverse probability of censoring.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from camlif.arrays import BoolArray, Float64Array
from camlif.exceptions import EstimationError, NoComparablePairsError
from camlif.statistics.censoring import CensoringWeights
from camlif.statistics.outcome import check_entry, check_numbers, check_outcome

CELLS = 2_000_000
"""Pairs compared at once."""


def ipcw_c_index(
    risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    train_event: ArrayLike,
    train_duration: ArrayLike,
    entry: ArrayLike | None = None,
    train_entry: ArrayLike | None = None,
    tau: float | None = None,
) -> float:
    """Compute Uno's concordance index, which weighs events by their chance to be seen.

    Parameters
    ----------
    risk : array_like, shape (n,)
        Any score; higher is worse.
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
    train_event, train_duration : array_like, shape (n_train,)
        Outcome of the training patients, for the distribution of censoring.
    entry, train_entry : array_like, shape (n,) and (n_train,), optional
        When patients came under observation; give both or neither.
    tau : float, optional
        Only events before it count; by default all do.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    NoComparablePairsError
        If no pair can be compared.
    EstimationError
        If an event that counts falls after the training follow-up; choose ``tau`` before its end.
    DataError
        If shapes differ, or a value is missing or infinite.

    Notes
    -----
    Each comparable pair weighs the square of `CensoringWeights` at its event's time. Pairs and ties
    in risk as in `concordance_index` with ``ties="half"``. Agrees with scikit-survival.

    References
    ----------
    Uno et al., Statistics in Medicine 2011.
    """
    events, durations = check_outcome(event, duration)
    risks = check_numbers("risk", risk, length=len(durations))
    entries = check_entry(entry, durations)
    counted = events if tau is None else events & (durations < tau)
    rows = np.flatnonzero(counted)
    weights = CensoringWeights(train_event, train_duration, train_entry).at(durations[rows]) ** 2
    concordant, comparable = 0.0, 0.0
    step = max(1, CELLS // max(1, len(risks)))
    for start in range(0, len(rows), step):
        chunk = rows[start : start + step, None]
        later = (durations > durations[chunk]) | ((durations == durations[chunk]) & ~events)
        if entries is not None:
            later &= (entries < durations[chunk]) | (entries == 0)
        won = (later & (risks < risks[chunk])).sum(1) + (later & (risks == risks[chunk])).sum(1) / 2
        weight = weights[start : start + step]
        concordant += float(weight @ won)
        comparable += float(weight @ later.sum(1))
    if not comparable:
        raise NoComparablePairsError(
            "No two patients can be compared: that needs an event with longer follow-up of another."
        )
    return concordant / comparable


def time_dependent_auc(
    risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    horizons: ArrayLike,
    train_event: ArrayLike,
    train_duration: ArrayLike,
    entry: ArrayLike | None = None,
    train_entry: ArrayLike | None = None,
) -> Float64Array:
    """Compute the cumulative/dynamic AUC: who has the event by a horizon against who does not.

    Parameters
    ----------
    risk, event, duration, train_event, train_duration, entry, train_entry
        As in `ipcw_c_index`.
    horizons : array_like, shape (t,)
        In the unit of the durations.

    Returns
    -------
    float64, shape (t,)
        In [0, 1]; 0.5 is chance.

    Raises
    ------
    EstimationError
        If at a horizon nobody has had the event, or nobody is followed beyond it; or as
        `ipcw_c_index`.
    DataError
        As `ipcw_c_index`.

    Notes
    -----
    Cases weigh `CensoringWeights` at their event, controls are under observation beyond the
    horizon; a tie in risk counts one half. Agrees with scikit-survival; torchsurv 0.2 rounds
    durations but not horizons to float32, so that its case at the horizon itself may count as a
    control.

    References
    ----------
    Uno et al., JASA 2007.
    """
    events, durations = check_outcome(event, duration)
    risks = check_numbers("risk", risk, length=len(durations))
    points = check_numbers("horizons", horizons)
    entries = check_entry(entry, durations)
    weights = CensoringWeights(train_event, train_duration, train_entry)
    return np.array([_auc(risks, events, durations, entries, weights, float(h)) for h in points])


def _auc(
    risk: Float64Array,
    event: BoolArray,
    duration: Float64Array,
    entry: Float64Array | None,
    weights: CensoringWeights,
    horizon: float,
) -> float:
    case = event & (duration <= horizon)
    followed = duration > horizon
    if entry is not None:
        followed &= entry < horizon
    if not case.any():
        raise EstimationError(f"Nobody has had the event by {horizon:g}.")
    if not followed.any():
        raise EstimationError(f"Nobody was followed beyond {horizon:g}.")
    weight = weights.at(duration[case])
    if not weight.any():
        raise EstimationError(f"Too few are under observation before {horizon:g}.")
    control = np.sort(risk[followed])
    below = np.searchsorted(control, risk[case], side="left")
    not_above = np.searchsorted(control, risk[case], side="right")
    return float(weight @ (below + not_above) / (2 * len(control) * weight.sum()))
