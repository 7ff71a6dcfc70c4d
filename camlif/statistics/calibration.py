"""From log risks to survival probabilities: recalibration, baseline hazard, and when to show them.

In go held-out log risks with outcomes, never risks of patients that the model was trained on; out
come a slope and a baseline hazard, and a verdict whether probabilities may be shown. Raises
`NoEventsError` and `EstimationError` where neither can be fitted. Follows Van Houwelingen,
Statistics in Medicine 2000 (slope) and Breslow, JRSS B 1972 (baseline).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from camlif.arrays import BoolArray, Float64Array
from camlif.exceptions import ConfigError, DataError, EstimationError, NoEventsError
from camlif.statistics.cox import breslow_baseline, fit_cox
from camlif.statistics.horizon import observed_risk
from camlif.statistics.outcome import FollowUp, check_entry, check_numbers, check_outcome

MIN_RATIO, MAX_RATIO = 0.8, 1.25
"""Expected over observed events between which absolute risk is shown."""
MIN_PATIENTS = 100
MIN_EVENTS = 50
"""Events by the horizon."""
PARTS = 5
MAX_EXPONENT = 700.0
"""The exponential of more overflows float64; survival is 0 long before."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """Survival from a log risk: S(t) = exp(-H0(t) exp(slope * log risk)).

    Attributes
    ----------
    slope : float
        Below 1 where the model's risks are too spread, not positive where they do not rank
        patients.
    time : float64, shape (t,)
        Distinct durations, ascending, unit of the durations.
    cumulative_hazard : float64, shape (t,)
        H0 of a patient with log risk 0, just after each time.
    """

    slope: float
    time: Float64Array
    cumulative_hazard: Float64Array

    def survival(self, log_risk: ArrayLike, times: ArrayLike) -> Float64Array:
        """Return the survival probability of n patients at t times.

        Parameters
        ----------
        log_risk : array_like, shape (n,)
        times : array_like, shape (t,)

        Returns
        -------
        float64, shape (n, t)
            1 before the first event; NaN beyond the last follow-up and for a NaN log risk.
        """
        risks = np.asarray(log_risk, dtype=np.float64)
        points = np.asarray(times, dtype=np.float64)
        hazard = np.concatenate([[0.0], self.cumulative_hazard])
        hazard = hazard[np.searchsorted(self.time, points, side="right")]
        hazard = np.where(points <= self.time[-1], hazard, np.nan)
        relative = np.exp(np.minimum(self.slope * risks, MAX_EXPONENT))
        survival: Float64Array = np.exp(-hazard[None, :] * relative[:, None])
        return survival

    def survival_at_end(self, log_risk: ArrayLike, duration: ArrayLike) -> Float64Array:
        """Return each patient's survival probability at the end of its own follow-up, shape (n,).

        Beyond the last follow-up behind the baseline, the probability at its end.
        """
        risks = np.asarray(log_risk, dtype=np.float64)
        hazard = np.concatenate([[0.0], self.cumulative_hazard])
        hazard = hazard[np.searchsorted(self.time, np.asarray(duration), side="right")]
        survival: Float64Array = np.exp(
            -hazard * np.exp(np.minimum(self.slope * risks, MAX_EXPONENT))
        )
        return survival

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return arrays by name, for storage."""
        return {
            "slope": np.array([self.slope]),
            "time": self.time,
            "cumulative_hazard": self.cumulative_hazard,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Calibration:
        """Build from the arrays of `to_arrays`.

        Raises
        ------
        DataError
            If an array is absent or of another length than ``time``, or a value is not finite.
        """
        names = ("slope", "time", "cumulative_hazard")
        if set(arrays) != set(names):
            raise DataError("A stored calibration is incomplete.", found=", ".join(sorted(arrays)))
        time = check_numbers("time", arrays["time"])
        return cls(
            slope=float(check_numbers("slope", arrays["slope"], length=1)[0]),
            time=time,
            cumulative_hazard=check_numbers(
                "cumulative_hazard", arrays["cumulative_hazard"], length=len(time)
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """Whether absolute risk may be shown at a horizon.

    Attributes
    ----------
    horizon : int
    open : bool
    reason : str
        Why it is closed; empty if open.
    ratio : float or None
        Expected over observed events, cross-fitted; None where it does not exist.
    n_patients : int
    n_events : int
        By the horizon.
    """

    horizon: int
    open: bool
    reason: str
    ratio: float | None
    n_patients: int
    n_events: int


def fit_calibration(
    risk: ArrayLike, event: ArrayLike, duration: ArrayLike, *, entry: ArrayLike | None = None
) -> Calibration:
    """Fit the calibration slope and then the baseline hazard.

    Parameters
    ----------
    risk : array_like, shape (n,)
        Held-out log risks.
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
        Not negative.
    entry : array_like, shape (n,), optional
        When each patient came under observation; see `camlif.statistics.outcome.life_table`.

    Raises
    ------
    NoEventsError
        If no event was observed.
    EstimationError
        If all risks are equal, or the slope has no finite estimate because risks order the events
        without fault.
    DataError
        If shapes differ, or a value is missing or infinite.

    Notes
    -----
    Slope: Cox model with the risk as its one variable (lifelines, Efron's ties). Baseline:
    Breslow's estimate with ``slope * risk`` held fixed. Where patients enter late, both count them
    from entry on, and the baseline begins at `LifeTable.start`.

    References
    ----------
    Van Houwelingen, Statistics in Medicine 2000 (slope); Breslow, JRSS B 1972.
    """
    events, durations = check_outcome(event, duration)
    risks = check_numbers("risk", risk, length=len(durations))
    entries = check_entry(entry, durations)
    if not events.any():
        raise NoEventsError("No event was observed, so no baseline hazard exists.")
    slope = _slope(risks, events, durations, entries)
    relative = np.exp(np.minimum(slope * risks, MAX_EXPONENT))
    baseline = breslow_baseline(relative, events, durations, entries)
    return Calibration(
        slope=slope, time=baseline.time, cumulative_hazard=baseline.cumulative_hazard
    )


def calibration_gate(
    risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    horizon: int,
    entry: ArrayLike | None = None,
    seed: int = 0,
) -> GateResult:
    """Decide whether absolute risk may be shown at a horizon.

    It may if there are at least `MIN_PATIENTS` patients and `MIN_EVENTS` events by the horizon, the
    risks rank patients, and the expected number of events is within `MIN_RATIO` to `MAX_RATIO`
    times the observed.

    Parameters
    ----------
    risk, event, duration
        As in `fit_calibration`.
    horizon : int
        Above 0, unit of the durations.
    entry : array_like, shape (n,), optional
        As in `fit_calibration`.
    seed : int
        Of the partition for cross-fitting.

    Raises
    ------
    ConfigError
        For a horizon that is not above 0.
    DataError
        As `fit_calibration`.

    Notes
    -----
    Observed: 1 - Kaplan-Meier at the horizon, of all patients. Expected: mean predicted risk, each
    patient's from a calibration fitted on the other `PARTS` - 1 of `PARTS` event-stratified parts.
    With late entry observed is as in `camlif.statistics.observed_risk`.
    """
    if horizon <= 0:
        raise ConfigError(f"horizon must be above 0, not {horizon}.")
    events, durations = check_outcome(event, duration)
    risks = check_numbers("risk", risk, length=len(durations))
    entries = check_entry(entry, durations)
    n, n_events = len(risks), int((events & (durations <= horizon)).sum())
    ratio, slope, problem = None, None, ""
    try:
        slope = fit_calibration(risks, events, durations, entry=entries).slope
        ratio = _ratio(risks, events, durations, entries, horizon=horizon, seed=seed)
    except (EstimationError, DataError) as error:
        problem = str(error)
    reason = gate_reason(n_patients=n, n_events=n_events, ratio=ratio, horizon=horizon)
    enough = n >= MIN_PATIENTS and n_events >= MIN_EVENTS
    if enough and (ratio is None or slope is None):
        reason = problem.rstrip(".")
    elif enough and slope is not None and slope <= 0:
        reason = f"held-out risks do not rank patients (calibration slope {slope:.2f})"
    return GateResult(
        horizon=horizon,
        open=not reason,
        reason=reason,
        ratio=ratio,
        n_patients=n,
        n_events=n_events,
    )


def gate_reason(*, n_patients: int, n_events: int, ratio: float | None, horizon: float) -> str:
    """Say why absolute risk would not be shown; empty if it would.

    Parameters
    ----------
    n_patients, n_events : int
        Events by the horizon.
    ratio : float or None
        Expected over observed events; None where it does not exist.
    horizon : float
        Months.
    """
    if n_patients < MIN_PATIENTS:
        return f"only {n_patients} patients; {MIN_PATIENTS} are needed"
    if n_events < MIN_EVENTS:
        return f"only {n_events} events by {horizon:g} months; {MIN_EVENTS} are needed"
    if ratio is None:
        return "expected over observed events is undefined"
    if not MIN_RATIO <= ratio <= MAX_RATIO:
        return f"expected / observed events {ratio:.2f}, outside {MIN_RATIO:g} to {MAX_RATIO:g}"
    return ""


def cross_fitted_survival(
    risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    times: ArrayLike,
    entry: ArrayLike | None = None,
    seed: int = 0,
) -> Float64Array:
    """Predict each patient's survival from a calibration fitted on others.

    Parameters
    ----------
    risk, event, duration
        As in `fit_calibration`.
    times : array_like, shape (t,)
        Unit of the durations.
    entry : array_like, shape (n,), optional
        As in `fit_calibration`.
    seed : int
        Of the partition into `PARTS` event-stratified parts.

    Returns
    -------
    float64, shape (n, t)
        NaN beyond the last follow-up.

    Raises
    ------
    NoEventsError, EstimationError, DataError
        As `fit_calibration`, of the patients outside one of the parts.
    """
    events, durations = check_outcome(event, duration)
    risks = check_numbers("risk", risk, length=len(durations))
    points = np.asarray(times, dtype=np.float64)
    entries = check_entry(entry, durations)
    survival = np.empty((len(risks), len(points)))
    for rows, fitted in _cross_fits(risks, FollowUp(events, durations, entries), seed):
        # Without the one patient who was followed longest, the rest may end before a time.
        reached = np.minimum(points, fitted.time[-1])
        survival[rows] = fitted.survival(risks[rows], reached)
    survival[:, points > durations.max()] = np.nan
    return survival


def cross_fitted_survival_at_end(
    risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    seed: int = 0,
) -> Float64Array:
    """Predict each patient's survival at the end of its own follow-up, shape (n,).

    The calibration is fitted on others.

    Parameters
    ----------
    risk, event, duration, entry, seed
        As in `cross_fitted_survival`, and so the errors.
    """
    followed = FollowUp.check(event, duration, entry)
    risks = check_numbers("risk", risk, length=len(followed))
    survival = np.empty(len(risks))
    for rows, fitted in _cross_fits(risks, followed, seed):
        survival[rows] = fitted.survival_at_end(risks[rows], followed.duration[rows])
    return survival


def _cross_fits(
    risk: Float64Array, followed: FollowUp, seed: int
) -> Iterator[tuple[BoolArray, Calibration]]:
    """Yield the patients of each part and a calibration fitted on all others."""
    part = cross_fit_parts(followed.event, seed=seed)
    for k in range(PARTS):
        rows = part == k
        rest = followed.take(~rows)
        yield rows, fit_calibration(risk[~rows], rest.event, rest.duration, entry=rest.entry)


def _slope(
    risk: Float64Array, event: BoolArray, duration: Float64Array, entry: Float64Array | None
) -> float:
    sd = float(risk.std())
    if sd == 0:
        raise EstimationError("All risks are equal, so they have no calibration slope.")
    try:
        standard = pd.DataFrame({"risk": (risk - risk.mean()) / sd})
        fitted = fit_cox(standard, event, duration, entry)
    except EstimationError as error:
        raise EstimationError("The calibration slope has no finite estimate.") from error
    return float(fitted.params_["risk"]) / sd


def _ratio(
    risk: Float64Array,
    event: BoolArray,
    duration: Float64Array,
    entry: Float64Array | None,
    *,
    horizon: int,
    seed: int,
) -> float:
    """Expected over observed events by the horizon, cross-fitted."""
    survival = cross_fitted_survival(
        risk, event, duration, times=[horizon], entry=entry, seed=seed
    )[:, 0]
    observed = observed_risk(survival, event, duration, horizon=horizon, entry=entry)
    return float((1 - survival).mean()) / observed


def cross_fit_parts(event: BoolArray, *, seed: int = 0) -> NDArray[np.int_]:
    """Random part of each patient, 0 to `PARTS` - 1, equal in size within events and others."""
    shuffled = np.random.default_rng(seed).permutation(len(event))
    ordered = shuffled[np.argsort(~event[shuffled], kind="stable")]
    part = np.empty(len(event), dtype=int)
    part[ordered] = np.arange(len(event)) % PARTS
    return part
