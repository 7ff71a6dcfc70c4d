"""Whether absolute risk may be shown at a horizon: risks and outcomes in, a verdict out.

The calibration slope and the baseline hazard are fitted on the very risks that are judged, so
expected over observed events is near 1 whatever the risks are. What can fail is whether the risks
rank at all (the lower limit of their slope), whether a slope fitted on some patients holds for the
others, and whether predicted probabilities, cross-fitted, follow the observed ones (integrated
calibration index).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from camlif.arrays import Float64Array
from camlif.exceptions import ConfigError, EstimationError
from camlif.statistics.calibration import (
    calibration_slope,
    cross_fitted_slope,
    cross_fitted_survival,
)
from camlif.statistics.horizon import calibration, index_limit, ratio_interval
from camlif.statistics.outcome import FollowUp, check_numbers
from camlif.wording import count

MIN_RATIO, MAX_RATIO = 0.8, 1.25
"""Expected over observed events between which absolute risk is shown."""
MIN_PATIENTS = 100
MIN_EVENTS = 50
"""Events by the horizon."""
MIN_SLOPE, MAX_SLOPE = 0.9, 1.1
"""Slope of calibrated risks, each calibrated on others, between which absolute risk is shown."""
MAX_ICI = 0.05
"""Integrated calibration index up to which absolute risk is shown: 5 of 100 patients."""
LIMIT = float(ndtri(0.975))
"""Standard errors between the slope and the ends of its 95 % interval."""
HELD_OUT_ERROR = math.sqrt(2.0)
"""Factor on the slope's standard error for risks held out of one cohort.

Each patient's risk was fitted on the others' outcomes, and theirs on the patient's own. The score
is then a U-statistic, and where the columns are noise its variance is twice that for given risks.
"""

Verdict = Literal["open", "closed", "untested"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """Whether absolute risk may be shown at a horizon.

    Attributes
    ----------
    horizon : int
        Months.
    verdict : {"open", "closed", "untested"}
        ``untested`` where patients, events or follow-up are too few to tell.
    reason : str
        Why it is not open; empty if it is.
    n_patients, n_events : int
        Events by the horizon.
    ratio, ratio_low, ratio_high : float or None
        Expected over observed events, with the interval of the Kaplan-Meier estimate; None where
        undefined.
    ici, ici_high : float or None
        Integrated calibration index, and the upper 95 % limit of its bootstrap over patients.
    slope, slope_low, slope_high : float or None
        Calibration slope of the raw risks with its 95 % interval.
    slope_after : float or None
        Of the risks once calibrated, each on other patients; None for predictions that are judged
        as they are.
    """

    horizon: int
    verdict: Verdict
    reason: str
    n_patients: int
    n_events: int
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    ici: float | None = None
    ici_high: float | None = None
    slope: float | None = None
    slope_low: float | None = None
    slope_high: float | None = None
    slope_after: float | None = None

    @property
    def open(self) -> bool:
        """Whether absolute risk may be shown."""
        return self.verdict == "open"


def calibration_gates(
    risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    horizons: Sequence[int],
    entry: ArrayLike | None = None,
    seed: int = 0,
) -> tuple[GateResult, ...]:
    """Judge held-out risks of the cohort on which slope and baseline are fitted.

    Parameters
    ----------
    risk : array_like, shape (n,)
        Held-out log risks.
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
    horizons : sequence of int, length t
        Above 0, unit of the durations.
    entry : array_like, shape (n,), optional
        When each patient came under observation.
    seed : int
        Of the partition for cross-fitting and of the bootstrap.

    Returns
    -------
    tuple of GateResult, length t

    Raises
    ------
    ConfigError
        For a horizon that is not above 0.
    DataError
        As `camlif.statistics.calibration.fit_calibration`.

    Notes
    -----
    Each patient's probability comes from a calibration fitted on the others, see
    `camlif.statistics.calibration.cross_fitted_survival`; the rules are those of
    `judge_predictions`.
    """
    _check_horizons(horizons)
    followed = FollowUp.check(event, duration, entry)
    risks = check_numbers("risk", risk, length=len(followed))
    outcome: dict[str, Any] = {"event": followed.event, "duration": followed.duration}
    outcome |= {"entry": followed.entry, "seed": seed}
    try:
        survival = cross_fitted_survival(risks, times=horizons, **outcome)
    except EstimationError as error:
        return tuple(_unfitted(_counted(followed, h), str(error)) for h in horizons)
    return judge_predictions(risks, survival, horizons=horizons, held_out=True, **outcome)


def judge_predictions(
    risk: ArrayLike,
    survival: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    horizons: Sequence[int],
    entry: ArrayLike | None = None,
    held_out: bool = False,
    seed: int = 0,
) -> tuple[GateResult, ...]:
    """Judge predicted probabilities by the outcomes of the patients whom they were made for.

    Parameters
    ----------
    risk : array_like, shape (n,)
        Log risks.
    survival : array_like, shape (n, t)
        Predicted probability to be event-free at each horizon; NaN where there is none.
    event, duration, horizons, entry, seed
        As in `calibration_gates`.
    held_out : bool
        Whether the risks were held out of one cohort in turn, see `HELD_OUT_ERROR`, rather than
        given to new patients.

    Returns
    -------
    tuple of GateResult, length t
        ``closed`` where expected over observed events lies outside `MIN_RATIO` to `MAX_RATIO` and
        its interval excludes 1, however few the events. Else ``untested`` with fewer than
        `MIN_PATIENTS` patients or `MIN_EVENTS` events, or where follow-up ends before the horizon.
        Else ``closed`` where the ratio lies outside, the slope's lower limit is not above 0, the
        slope of calibrated held-out risks lies outside `MIN_SLOPE` to `MAX_SLOPE`, or the
        integrated calibration index is above `MAX_ICI`.

    Raises
    ------
    ConfigError, DataError
        As `calibration_gates`.
    """
    _check_horizons(horizons)
    followed = FollowUp.check(event, duration, entry)
    risks = check_numbers("risk", risk, length=len(followed))
    predicted = np.asarray(survival, dtype=np.float64)
    slopes, problem = _slopes(risks, followed, held_out=held_out, seed=seed)
    found = []
    for i, horizon in enumerate(horizons):
        measured = replace(_counted(followed, horizon), **slopes)
        try:
            found.append(_judged(_with_ratio(measured, predicted[:, i], followed, seed), problem))
        except EstimationError as error:
            found.append(_judged(measured, str(error).rstrip(".")))
    return tuple(found)


def _slopes(
    risk: Float64Array, followed: FollowUp, *, held_out: bool, seed: int
) -> tuple[dict[str, Any], str]:
    """Slopes of the risks, the same at every horizon; none, and why, where there is no estimate."""
    known = (risk, followed.event, followed.duration)
    try:
        slope = calibration_slope(*known, followed.entry)
        after = cross_fitted_slope(*known, entry=followed.entry, seed=seed) if held_out else None
    except EstimationError as error:
        return {}, str(error).rstrip(".")
    half = LIMIT * slope.error * (HELD_OUT_ERROR if held_out else 1.0)
    limits = {"slope_low": slope.value - half, "slope_high": slope.value + half}
    return {"slope": slope.value, **limits, "slope_after": after}, ""


def _check_horizons(horizons: Sequence[int]) -> None:
    for horizon in horizons:
        if horizon <= 0:
            raise ConfigError(f"horizon must be above 0, not {horizon}.")


def _unfitted(measured: GateResult, problem: str) -> GateResult:
    """Add the verdict where no calibration can be fitted."""
    few = _too_few(measured)
    verdict: Verdict = "untested" if few else "closed"
    return replace(measured, verdict=verdict, reason=few or problem.rstrip("."))


def _counted(followed: FollowUp, horizon: int) -> GateResult:
    """Start a result with its denominators."""
    return GateResult(
        horizon=horizon,
        verdict="untested",
        reason="",
        n_patients=len(followed),
        n_events=int((followed.event & (followed.duration <= horizon)).sum()),
    )


def _with_ratio(
    measured: GateResult, survival: Float64Array, followed: FollowUp, seed: int
) -> GateResult:
    """Add expected over observed events and the integrated calibration index."""
    outcome: dict[str, Any] = {"event": followed.event, "duration": followed.duration}
    outcome |= {"entry": followed.entry, "horizon": measured.horizon}
    result = calibration(survival, **outcome)
    ratio = ratio_interval(survival, **outcome)
    high = None if result.ici is None else index_limit(survival, **outcome, seed=seed)
    return replace(
        measured,
        ratio=ratio.value,
        ratio_low=ratio.low,
        ratio_high=ratio.high,
        ici=result.ici,
        ici_high=high,
    )


def _judged(measured: GateResult, problem: str) -> GateResult:
    """Add the verdict; ``problem`` says why something was not measured."""
    off, few = _ratio_off(measured), _too_few(measured)
    if off and _beyond_chance(measured):
        return replace(measured, verdict="closed", reason=off)
    untested = few or ("" if measured.ratio is not None else problem)
    if untested:
        return replace(measured, verdict="untested", reason=untested)
    reason = (
        off or problem or _not_ranking(measured) or _slope_off(measured) or _index_off(measured)
    )
    return replace(measured, verdict="closed" if reason else "open", reason=reason)


def _too_few(measured: GateResult) -> str:
    if measured.n_patients < MIN_PATIENTS:
        return f"only {count(measured.n_patients, 'patient')}; {MIN_PATIENTS} are needed"
    if measured.n_events < MIN_EVENTS:
        when = f"{measured.horizon:g} months"
        return f"only {count(measured.n_events, 'event')} by {when}; {MIN_EVENTS} are needed"
    return ""


def _ratio_off(measured: GateResult) -> str:
    ratio = measured.ratio
    if ratio is None or MIN_RATIO <= ratio <= MAX_RATIO:
        return ""
    return f"expected / observed events {ratio:.2f}, outside {MIN_RATIO:g} to {MAX_RATIO:g}"


def _beyond_chance(measured: GateResult) -> bool:
    """Whether the interval of expected over observed events excludes 1."""
    low, high = measured.ratio_low, measured.ratio_high
    return (low is not None and low > 1) or (high is not None and high < 1)


def _not_ranking(measured: GateResult) -> str:
    low, slope = measured.slope_low, measured.slope
    if low is None or slope is None or low > 0:
        return ""
    return f"the risks may not rank patients (calibration slope {slope:.2f}, at least {low:.2f})"


def _slope_off(measured: GateResult) -> str:
    after = measured.slope_after
    if after is None or MIN_SLOPE <= after <= MAX_SLOPE:
        return ""
    fault = "spread" if after < 1 else "alike"
    return (
        f"risks calibrated on other patients are too {fault}: slope {after:.3f}, outside "
        f"{MIN_SLOPE:g} to {MAX_SLOPE:g}"
    )


def _index_off(measured: GateResult) -> str:
    if measured.ici is None:
        return "the calibration curve cannot be fitted"
    if measured.ici <= MAX_ICI:
        return ""
    return (
        f"predicted and observed risk lie {100 * measured.ici:.0f} points apart on average; "
        f"{100 * MAX_ICI:.0f} are allowed"
    )
