"""How a model's predictions hold for patients it was not made of, with intervals over patients.

Predictions and outcomes go in; expected over observed events, calibration in the large, Uno's
C-index and the gain in Brier score over a Kaplan-Meier estimate come out, each with an interval.
Raises `EstimationError` where a measure is undefined.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from camlif.arrays import Float64Array
from camlif.exceptions import EstimationError
from camlif.statistics.brier import brier_score
from camlif.statistics.discrimination import ipcw_c_index
from camlif.statistics.horizon import observed_risk
from camlif.statistics.kaplan_meier import kaplan_meier
from camlif.statistics.outcome import FollowUp

RESAMPLES = 500
CONFIDENCE = 0.95
MAX_PAIRED = 2000
"""Patients above which pairs are resampled among so many drawn at random: the interval is wider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A measure with its 95 % interval; the ends are None where they have no estimate."""

    value: float
    low: float | None = None
    high: float | None = None


def expected_over_observed(
    survival: Float64Array,
    followed: FollowUp,
    *,
    horizon: float,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Divide expected by observed risk at a horizon.

    Parameters
    ----------
    survival : float64, shape (n,)
        Predicted probability to be event-free at the horizon.
    followed : FollowUp
        Of n patients.
    horizon : float
        In the unit of the durations.
    n_resamples, seed : int
        Of the bootstrap over patients.

    Raises
    ------
    EstimationError
        As `camlif.statistics.horizon.observed_risk`.
    """

    def ratio(rows: NDArray[np.int_]) -> float:
        own = followed.take(rows)
        observed = observed_risk(
            survival[rows], own.event, own.duration, horizon=horizon, entry=own.entry
        )
        return float((1 - survival[rows]).mean()) / observed

    return _bootstrap(ratio, len(followed), n_resamples, seed)


def calibration_in_the_large(hazard: Float64Array, n_events: int) -> Estimate:
    """Divide expected by observed events over everybody's whole follow-up.

    Parameters
    ----------
    hazard : float64, shape (n,)
        Predicted cumulative hazard over each patient's own follow-up.
    n_events : int

    Returns
    -------
    Estimate
        With the exact interval of a Poisson count (Garwood 1936); no upper end without events.

    Raises
    ------
    EstimationError
        If no event is expected, or none was observed.

    References
    ----------
    Crowson, Atkinson and Therneau, Statistical Methods in Medical Research 2016.
    """
    expected = float(hazard.sum())
    if not expected > 0:
        raise EstimationError("No event is expected.")
    if not n_events:
        raise EstimationError("No event was observed.")
    tail = (1 - CONFIDENCE) / 2
    fewest = float(chi2.ppf(tail, 2 * n_events)) / 2
    most = float(chi2.ppf(1 - tail, 2 * (n_events + 1))) / 2
    return Estimate(value=expected / n_events, low=expected / most, high=expected / fewest)


def uno_c_index(
    risk: Float64Array, followed: FollowUp, *, n_resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Uno's C-index with an interval; censoring is weighed by these same patients.

    Events after the last time at which somebody is still followed do not count.

    Parameters
    ----------
    risk : float64, shape (n,)
    followed : FollowUp
    n_resamples, seed : int
        Of the bootstrap over patients.

    Raises
    ------
    EstimationError
        As `camlif.statistics.discrimination.ipcw_c_index`.
    """
    if np.ptp(risk) == 0:
        raise EstimationError("All risks are equal, so they rank nobody.")
    tau = float(followed.duration.max())

    def index(rows: NDArray[np.int_]) -> float:
        own = followed.take(rows)
        return ipcw_c_index(risk[rows], **_outcome(own), **_weighed_by(own), tau=tau)

    return _bootstrap(index, len(followed), n_resamples, seed, most=MAX_PAIRED)


def brier_gain(
    survival: Float64Array,
    followed: FollowUp,
    *,
    horizon: float,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Brier score of saying these patients' own Kaplan-Meier estimate, less that of the model.

    Parameters
    ----------
    survival, followed, horizon, n_resamples, seed
        As in `expected_over_observed`.

    Returns
    -------
    Estimate
        Above 0 the model is nearer to what happened than the average of these patients, which is
        known only afterwards.

    Raises
    ------
    EstimationError
        As `camlif.statistics.brier.brier_score`.
    """

    def gain(rows: NDArray[np.int_]) -> float:
        own = followed.take(rows)
        average = kaplan_meier(own.event, own.duration, own.entry).at([horizon])[0]
        if not np.isfinite(average):
            raise EstimationError(f"Follow-up ends before {horizon:g} months.")
        null = np.full(len(rows), average)
        known = {**_outcome(own), **_weighed_by(own), "horizon": horizon}
        return brier_score(null, **known) - brier_score(survival[rows], **known)

    return _bootstrap(gain, len(followed), n_resamples, seed)


def _outcome(followed: FollowUp) -> dict[str, Any]:
    return {"event": followed.event, "duration": followed.duration, "entry": followed.entry}


def _weighed_by(followed: FollowUp) -> dict[str, Any]:
    return {f"train_{name}": values for name, values in _outcome(followed).items()}


def _bootstrap(
    measure: Callable[[NDArray[np.int_]], float],
    n: int,
    n_resamples: int,
    seed: int,
    *,
    most: int | None = None,
) -> Estimate:
    """Measure all patients, and resamples (of at most ``most`` of them) for an interval."""
    value = measure(np.arange(n))
    rng = np.random.default_rng(seed)
    drawn = np.arange(n) if most is None or n <= most else rng.permutation(n)[:most]
    found = []
    for _ in range(n_resamples):
        try:
            found.append(measure(rng.choice(drawn, size=len(drawn))))
        except EstimationError:
            continue
    if 2 * len(found) < n_resamples or not np.isfinite(found).all():
        return Estimate(value=value)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return Estimate(value=value, low=float(low), high=float(high))
