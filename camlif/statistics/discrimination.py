"""Ranking measures that do not depend on how patients were censored: IPCW C-index and AUC(t)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from camlif.exceptions import EstimationError, NoComparablePairsError
from camlif.statistics.horizon import CensoringWeights
from camlif.statistics.outcome import BoolArray, FloatArray, check_numbers, check_outcome

CELLS = 2_000_000
"""Pairs compared at once."""


def ipcw_c_index(
    risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    train_event: ArrayLike,
    train_duration: ArrayLike,
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
    Each comparable pair weighs 1 / G(t)^2 at its event's time t, G as in `CensoringWeights`. Pairs
    and ties in risk as in `concordance_index` with ``ties="half"``. Agrees with scikit-survival.

    References
    ----------
    Uno et al., Statistics in Medicine 2011.
    """
    events, durations = check_outcome(event, duration)
    risks = check_numbers("risk", risk, length=len(durations))
    counted = events if tau is None else events & (durations < tau)
    rows = np.flatnonzero(counted)
    weights = CensoringWeights(train_event, train_duration).at(durations[rows]) ** 2
    concordant, comparable = 0.0, 0.0
    step = max(1, CELLS // max(1, len(risks)))
    for start in range(0, len(rows), step):
        chunk = rows[start : start + step, None]
        later = (durations > durations[chunk]) | ((durations == durations[chunk]) & ~events)
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
) -> FloatArray:
    """Compute the cumulative/dynamic AUC: who has the event by a horizon against who does not.

    Parameters
    ----------
    risk, event, duration, train_event, train_duration
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
    Cases weigh 1 / G at their event, controls are followed beyond the horizon; a tie in risk counts
    one half. Agrees with scikit-survival; torchsurv 0.2 rounds durations but not horizons to
    float32, so that its case at the horizon itself may count as a control.

    References
    ----------
    Uno et al., JASA 2007.
    """
    events, durations = check_outcome(event, duration)
    risks = check_numbers("risk", risk, length=len(durations))
    points = check_numbers("horizons", horizons)
    weights = CensoringWeights(train_event, train_duration)
    return np.array([_auc(risks, events, durations, weights, float(h)) for h in points])


def _auc(
    risk: FloatArray,
    event: BoolArray,
    duration: FloatArray,
    weights: CensoringWeights,
    horizon: float,
) -> float:
    _require_cases_and_controls(event, duration, horizon)
    case = event & (duration <= horizon)
    control = np.sort(risk[duration > horizon])
    below = np.searchsorted(control, risk[case], side="left")
    not_above = np.searchsorted(control, risk[case], side="right")
    weight = weights.at(duration[case])
    return float(weight @ (below + not_above) / (2 * len(control) * weight.sum()))


def _require_cases_and_controls(event: BoolArray, duration: FloatArray, horizon: float) -> None:
    if not (event & (duration <= horizon)).any():
        raise EstimationError(f"Nobody has had the event by {horizon:g}.")
    if not (duration > horizon).any():
        raise EstimationError(f"Nobody was followed beyond {horizon:g}.")
