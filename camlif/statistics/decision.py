"""Decision curve: what flagging by predicted risk gains over flagging everyone or nobody.

In go predicted survival at a horizon, outcomes and thresholds; out comes the net benefit of each
way to flag. Raises `DataError` for what is no probability, `EstimationError` where follow-up ends
before the horizon or patients enter late. Follows Vickers and Elkin, Medical Decision Making 2006.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from camlif.arrays import BoolArray, Float64Array, IntArray
from camlif.exceptions import DataError, EstimationError
from camlif.statistics.horizon import check_predictions
from camlif.statistics.outcome import check_entry, check_numbers, check_outcome, life_table


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecisionCurve:
    """Net benefit at a horizon, by threshold.

    Attributes
    ----------
    horizon : float
    n_patients, n_events : int
        Events by the horizon.
    thresholds : float64, shape (t,)
        Predicted risks from which a patient is flagged.
    model : float64, shape (t,)
        Net benefit of flagging by the model, per patient; NaN where follow-up of the flagged ends
        before the horizon.
    everyone : float64, shape (t,)
        Of flagging everyone. Of flagging nobody it is 0.
    n_flagged : int64, shape (t,)
    """

    horizon: float
    n_patients: int
    n_events: int
    thresholds: Float64Array
    model: Float64Array
    everyone: Float64Array
    n_flagged: IntArray


def decision_curve(
    survival: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    horizon: float,
    thresholds: ArrayLike,
    entry: ArrayLike | None = None,
) -> DecisionCurve:
    """Compute the net benefit of flagging patients whose predicted risk reaches a threshold.

    Parameters
    ----------
    survival : array_like, shape (n,)
        Predicted probability to be event-free at the horizon, in [0, 1].
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
    horizon : float
        Above 0, in the unit of the durations.
    thresholds : array_like, shape (t,)
        Risks in (0, 1).
    entry : array_like, shape (n,), optional
        When each patient came under observation.

    Raises
    ------
    EstimationError
        If a prediction is missing, follow-up ends before the horizon, or a patient enters late: the
        share of patients to flag is not known from those who lived to enter.
    DataError
        If shapes differ, a prediction is no probability, or a threshold lies outside (0, 1).

    Notes
    -----
    With threshold p and f the flagged share, net benefit is

        f (1 - S_f(t)) - f S_f(t) p / (1 - p),

    S_f being the Kaplan-Meier estimate of the flagged: true positives minus false positives weighed
    by the odds of the threshold. Without censoring these are counts.

    References
    ----------
    Vickers and Elkin, Medical Decision Making 2006; Vickers et al., BMC Medical Informatics and
    Decision Making 2008 (censored data).
    """
    events, durations = check_outcome(event, duration)
    predicted = np.asarray(survival, dtype=np.float64)
    check_predictions(predicted, len(durations), horizon)
    if check_entry(entry, durations) is not None:
        raise EstimationError(
            "Some patients enter after time zero, so these are survivors, and the share that the "
            "model would flag from time zero on is not known."
        )
    points = check_numbers("thresholds", thresholds)
    if not ((points > 0) & (points < 1)).all():
        raise DataError("thresholds must lie between 0 and 1.", column="thresholds")
    everyone = np.ones(len(durations), dtype=bool)
    overall = _event_free(events, durations, everyone, horizon)
    if np.isnan(overall):
        raise EstimationError(
            f"Follow-up ends at {durations.max():.3g} months, before {horizon:g} months."
        )
    flagged = 1 - predicted >= points[:, None]
    odds = points / (1 - points)
    share = flagged.mean(axis=1)
    survived = np.array([_event_free(events, durations, rows, horizon) for rows in flagged])
    return DecisionCurve(
        horizon=horizon,
        n_patients=len(durations),
        n_events=int((events & (durations <= horizon)).sum()),
        thresholds=points,
        model=share * (1 - survived) - share * survived * odds,
        everyone=(1 - overall) - overall * odds,
        n_flagged=flagged.sum(axis=1),
    )


def _event_free(event: BoolArray, duration: Float64Array, rows: BoolArray, horizon: float) -> float:
    """Kaplan-Meier at the horizon of some patients; 1 where there are none, so that they add 0."""
    if not rows.any():
        return 1.0
    return float(life_table(event[rows], duration[rows]).survival_at(horizon))
