"""How long a patient lives at least: a conformal lower bound, fitted on held-out risks.

In go held-out log risks with outcomes; out comes the survival probability at which a patient's
predicted curve gives the bound, with the coverage that was measured. It abstains where follow-up or
events cannot support it. A split-conformal quantile weighed by the inverse probability of
censoring, for general right censoring; the bound itself is that of Candès, Lei and Ren.

References
----------
Candès, Lei and Ren, "Conformalized survival analysis", JRSS B 2023 (lower bounds, cut at what
follow-up supports); Tibshirani, Barber, Candès and Ramdas, NeurIPS 2019 (weighted quantiles);
Robins and Rotnitzky 1992 (inverse probability of censoring weights).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from camlif.arrays import BoolArray, Float64Array
from camlif.exceptions import EstimationError, NoEventsError
from camlif.statistics.calibration import (
    PARTS,
    Calibration,
    cross_fit_parts,
    cross_fitted_survival_at_end,
    fit_calibration,
)
from camlif.statistics.outcome import check_numbers, check_outcome
from camlif.wording import count

LEVEL = 0.9
"""Share of patients who live longer than their bound."""
MIN_PATIENTS = 100
MIN_EVENTS = 30
MIN_FOLLOWED = 20
"""A bound is cut at the last time at which so many were still followed."""
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Share of held-out patients who outlived their bound, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SurvivalBound:
    """From a predicted survival curve to a time that `LEVEL` of such patients outlive.

    Attributes
    ----------
    threshold : float or None
        Survival probability at which the curve is read; about `LEVEL` where probabilities hold.
        None where there is no bound.
    reason : str
        Why there is none; empty otherwise.
    last : float
        Time to which follow-up supports a bound, unit of the durations.
    coverage : Coverage or None
        Each bound fitted without the patient.
    n_patients, n_events : int
    """

    threshold: float | None
    reason: str
    last: float
    coverage: Coverage | None
    n_patients: int
    n_events: int

    def times(self, calibration: Calibration, log_risk: ArrayLike) -> Float64Array:
        """Return each patient's bound, shape (n,); NaN where there is none.

        At most `last`: a bound of `last` says no more than that follow-up ends there.
        """
        risks = np.asarray(log_risk, dtype=np.float64)
        if self.threshold is None:
            return np.full(len(risks), np.nan)
        with np.errstate(over="ignore"):
            needed = -np.log(self.threshold) / np.exp(calibration.slope * risks)
        place = np.searchsorted(calibration.cumulative_hazard, needed * (1 - ROUNDING))
        found = np.minimum(np.append(calibration.time, np.inf)[place], self.last)
        return np.where(np.isfinite(risks), found, np.nan)


def fit_survival_bound(
    risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    seed: int = 0,
) -> SurvivalBound:
    """Fit the threshold of the lower bound on held-out risks, and measure its coverage.

    Parameters
    ----------
    risk : array_like, shape (n,)
        Held-out log risks.
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
    entry : array_like, shape (n,), optional
        When patients came under observation; where some did after time zero there is no bound.
    seed : int
        Of the partition for cross-fitting.

    Raises
    ------
    DataError
        If shapes differ or a value is missing or infinite.

    Notes
    -----
    Score of a patient: its predicted survival at the time of its event, from a calibration fitted
    on others. The threshold is the weighted conformal quantile of the scores of patients with an
    event, each weighed by one over its probability of not having been censored before, which a Cox
    model of censoring on the risk gives. Coverage holds whether or not the predicted curves are
    right, where censoring depends on nothing but the risk.
    """
    events, durations = check_outcome(event, duration)
    risks = check_numbers("risk", risk, length=len(durations))
    late = entry is not None and bool((np.asarray(entry, dtype=np.float64) > 0).any())
    n, n_events = len(risks), int(events.sum())
    last = float(np.sort(durations)[-MIN_FOLLOWED]) if n >= MIN_FOLLOWED else 0.0
    threshold: float | None = None
    coverage: Coverage | None = None
    reason = _too_little(n, n_events, late)
    if not reason:
        try:
            scores = cross_fitted_survival_at_end(risks, events, durations, seed=seed)
            weights = events / _uncensored(risks, events, durations)
            threshold = _threshold(scores, weights)
            part = cross_fit_parts(events, seed=seed)
            coverage = _coverage(scores, weights, part)
        except EstimationError as error:
            reason, threshold = str(error).rstrip("."), None
    return SurvivalBound(
        threshold=threshold,
        reason=reason,
        last=last,
        coverage=coverage,
        n_patients=n,
        n_events=n_events,
    )


def measure_coverage(
    times: ArrayLike, risk: ArrayLike, event: ArrayLike, duration: ArrayLike
) -> Coverage:
    """Estimate the share of patients who outlive a time given to each, under censoring.

    Parameters
    ----------
    times : array_like, shape (n,)
        Of patients whose outcome had no part in it; NaN for one without.
    risk : array_like, shape (n,)
        On which censoring may depend.
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)

    Returns
    -------
    Coverage
        Events before their time weigh one over the probability of not having been censored before.

    Raises
    ------
    EstimationError
        If fewer than `MIN_PATIENTS` have a time, or the model of censoring cannot be fitted.
    DataError
        If shapes differ or a value is missing or infinite.
    """
    events, durations = check_outcome(event, duration)
    risks = check_numbers("risk", risk, length=len(durations))
    bound = np.asarray(times, dtype=np.float64)
    known = np.isfinite(bound)
    if known.sum() < MIN_PATIENTS:
        raise EstimationError(
            f"Only {count(int(known.sum()), 'patient')}; {MIN_PATIENTS} are needed."
        )
    missed = (events & (durations < bound))[known]
    weights = 1 / _uncensored(risks[known], events[known], durations[known])
    return _coverage_of(missed * weights)


def _too_little(n: int, n_events: int, late: bool) -> str:
    if late:
        return "some patients enter after time zero"
    if n < MIN_PATIENTS:
        return f"only {count(n, 'patient')}; {MIN_PATIENTS} are needed"
    if n_events < MIN_EVENTS:
        return f"only {count(n_events, 'event')}; {MIN_EVENTS} are needed"
    return ""


def _uncensored(risk: Float64Array, event: BoolArray, duration: Float64Array) -> Float64Array:
    """Probability of not being censored before the end of each patient's follow-up, shape (n,)."""
    try:
        fitted = fit_calibration(risk, ~event, duration)
    except NoEventsError:  # nobody was censored
        return np.ones(len(risk))
    before = np.nextafter(duration, -np.inf)
    return fitted.survival_at_end(risk, before)


def _threshold(scores: Float64Array, weights: Float64Array) -> float:
    """Return the score that 1 - `LEVEL` of the patients exceed, by the weights.

    The patient to be bounded counts as one more, with the smallest survival.
    """
    order = np.argsort(-scores, kind="stable")
    reached = np.cumsum(weights[order]) / (len(scores) + 1)
    place = int(np.searchsorted(reached, 1 - LEVEL - ROUNDING))
    if place == len(scores):
        raise EstimationError(
            f"Follow-up is too short: it shows less than {100 * (1 - LEVEL):.0f} of 100 patients "
            "with the event."
        )
    return float(scores[order][place])


def _coverage(scores: Float64Array, weights: Float64Array, part: NDArray[np.int_]) -> Coverage:
    """Share of patients who outlived a bound fitted without their part."""
    missed = np.empty(len(scores))
    for k in range(PARTS):
        rows = part == k
        limit = _threshold(scores[~rows], weights[~rows])
        missed[rows] = weights[rows] * (scores[rows] > limit + ROUNDING)
    return _coverage_of(missed)


def _coverage_of(missed: Float64Array) -> Coverage:
    """Share of patients who outlived their time, from the weights of those who did not."""
    value = 1 - float(missed.mean())
    half = float(ndtri(0.975) * missed.std(ddof=1) / np.sqrt(len(missed)))
    return Coverage(value=value, low=max(value - half, 0.0), high=min(value + half, 1.0))
