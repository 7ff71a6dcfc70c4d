"""Calibration at a horizon: predicted survival against what was observed.

In go predicted survival at a horizon and outcomes; out come expected over observed, bins and the
integrated calibration index (Austin, Harrell and van Klaveren, Statistics in Medicine 2020). Raises
`EstimationError` where follow-up ends before or a prediction is missing, `DataError` for what is no
probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from camlif.arrays import BoolArray, Float64Array
from camlif.exceptions import DataError, EstimationError, NoEventsError
from camlif.statistics.cox import breslow_baseline, quick_cox
from camlif.statistics.outcome import check_entry, check_outcome, life_table, rows_of
from camlif.wording import count

MAX_BINS = 10
MIN_BIN_PATIENTS = 20
KNOTS = (0.1, 0.5, 0.9)
"""Quantiles at which the smooth calibration curve bends (Harrell's choice for three knots)."""
MAX_SPREAD = 500.0
"""Between log hazards of a smooth curve; few patients may be told apart without end."""
MAX_START = 0.05
"""Share of the horizon within which a bin's estimate must begin where patients enter late: it is
then too high by at most 0.05 S log(1/S), which is 0.018."""
RESAMPLES = 200
CONFIDENCE = 0.95
"""Of the upper limit of the integrated calibration index, one-sided."""
EDGE = 1e-9
"""Predictions are kept this far from 0 and 1, where log(-log) is infinite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Patients of similar predicted survival.

    Attributes
    ----------
    n_patients, n_events : int
        Events by the horizon.
    predicted : float
        Mean predicted survival at the horizon.
    observed, low, high : float or None
        Kaplan-Meier at the horizon with its 95 % log-log interval; None where follow-up of the bin
        ends before the horizon (interval: also where survival is 0).
    """

    n_patients: int
    n_events: int
    predicted: float
    observed: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationResult:
    """Calibration at one horizon.

    Attributes
    ----------
    horizon : float
    n_patients, n_events : int
        Events by the horizon.
    expected, observed : float
        Mean predicted probability of the event by the horizon, and 1 - Kaplan-Meier.
    ratio : float
        Expected over observed.
    ici : float or None
        Integrated calibration index: mean absolute difference of predicted and smoothed observed
        probability. None where the smooth curve cannot be fitted.
    bins : tuple of CalibrationBin
        Ascending in predicted survival.
    """

    horizon: float
    n_patients: int
    n_events: int
    expected: float
    observed: float
    ratio: float
    ici: float | None
    bins: tuple[CalibrationBin, ...]


def calibration(
    survival: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    horizon: float,
    entry: ArrayLike | None = None,
) -> CalibrationResult:
    """Compare predicted survival at a horizon with what was observed.

    Parameters
    ----------
    survival : array_like, shape (n,)
        Predicted probability to be event-free at the horizon, in [0, 1].
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
    horizon : float
        Above 0, in the unit of the durations.
    entry : array_like, shape (n,), optional
        When each patient came under observation; see `camlif.statistics.outcome.life_table`.

    Returns
    -------
    CalibrationResult
        With up to `MAX_BINS` bins of at least `MIN_BIN_PATIENTS` patients; equal predictions share
        a bin. One bin for fewer patients.

    Raises
    ------
    EstimationError
        If a prediction is missing, no event was observed by the horizon, or follow-up ends before.
    DataError
        If shapes differ or a prediction is no probability.

    Notes
    -----
    The smooth curve is a Cox model on a natural cubic spline of log(-log S), with the
    baseline's step function. With late entry ``observed`` is that of `observed_risk`, and there are
    as many bins as begin to be observed within `MAX_START` of the horizon.

    References
    ----------
    Austin, Harrell and van Klaveren, Statistics in Medicine 2020 (ICI).
    """
    events, durations = check_outcome(event, duration)
    predicted = np.asarray(survival, dtype=np.float64)
    check_predictions(predicted, len(durations), horizon)
    entries = check_entry(entry, durations)
    observed = observed_risk(predicted, events, durations, horizon=horizon, entry=entries)
    expected = float((1 - predicted).mean())
    return CalibrationResult(
        horizon=horizon,
        n_patients=len(durations),
        n_events=int((events & (durations <= horizon)).sum()),
        expected=expected,
        observed=observed,
        ratio=expected / observed,
        ici=_integrated_index(predicted, events, durations, entries, horizon, observed),
        bins=_bins(predicted, events, durations, entries, horizon),
    )


def observed_risk(
    survival: Float64Array,
    event: BoolArray,
    duration: Float64Array,
    *,
    horizon: float,
    entry: Float64Array | None = None,
) -> float:
    """Observed probability of the event by a horizon, for patients with these predictions.

    Parameters
    ----------
    survival : float64, shape (n,)
        Predicted probability to be event-free at the horizon.
    event : bool, shape (n,)
    duration : float64, shape (n,)
    horizon : float
    entry : float64, shape (n,), optional
        As of `camlif.statistics.outcome.check_entry`.

    Raises
    ------
    EstimationError
        If no event was observed by the horizon, follow-up ends before, or, with late entry, the
        smooth curve of `calibration` cannot be fitted.

    Notes
    -----
    1 - Kaplan-Meier. Patients who enter late are survivors, of lower risk than everyone whose
    survival the entry-aware estimate is of: then the smooth calibration curve, averaged over these
    patients.
    """
    observed = 1 - float(life_table(event, duration, entry).survival_at(horizon))
    if np.isnan(observed):
        raise EstimationError(
            f"Follow-up ends at {duration.max():.3g} months, before {horizon:g} months."
        )
    if observed == 0:
        raise NoEventsError(f"No event was observed by {horizon:g} months.")
    if entry is None or np.ptp(survival) == 0:
        return observed
    return 1 - float(smoothed_survival(survival, event, duration, entry, horizon).mean())


def check_predictions(survival: Float64Array, n: int, horizon: float) -> None:
    """Require one probability per patient.

    Parameters
    ----------
    survival : float, shape (n,)
        Predicted probabilities of being event-free at the horizon, in [0, 1].
    n : int
        Patients.
    horizon : float
        Time that the predictions are for, in the unit of the durations; named in errors.

    Raises
    ------
    EstimationError
        If a prediction is missing.
    DataError
        If shapes differ or a prediction is no probability.
    """
    if survival.shape != (n,):
        raise DataError(
            "survival does not hold one value per patient.",
            column="survival",
            found=f"shape {survival.shape}",
            expected=f"({n},)",
        )
    missing = int(np.isnan(survival).sum())
    if missing:
        raise EstimationError(
            f"{count(missing, 'patient has', 'patients have')} no predicted survival at "
            f"{horizon:g}."
        )
    if not ((survival >= 0) & (survival <= 1)).all():
        raise DataError("survival holds values that are no probabilities.", column="survival")


def _bins(
    predicted: Float64Array,
    event: BoolArray,
    duration: Float64Array,
    entry: Float64Array | None,
    horizon: float,
) -> tuple[CalibrationBin, ...]:
    n_bins = max(1, min(MAX_BINS, len(predicted) // MIN_BIN_PATIENTS))
    while entry is not None and n_bins > 1:
        starts = [
            life_table(event[rows], duration[rows], entry[rows]).start
            for rows in _bin_rows(predicted, n_bins)
        ]
        if max(starts) <= MAX_START * horizon:
            break
        n_bins -= 1
    return tuple(
        _bin(predicted[rows], event[rows], duration[rows], rows_of(entry, rows), horizon)
        for rows in _bin_rows(predicted, n_bins)
    )


def _bin_rows(predicted: Float64Array, n_bins: int) -> list[np.ndarray]:
    """Rows of each bin; bins differ in size only where predictions are tied."""
    n = len(predicted)
    order = np.argsort(predicted, kind="stable")
    ordered = predicted[order]
    cuts = [0]
    for wanted in n * np.arange(1, n_bins) // n_bins:
        cut = int(np.searchsorted(ordered, ordered[wanted - 1], side="right"))
        if cut - cuts[-1] >= MIN_BIN_PATIENTS and n - cut >= MIN_BIN_PATIENTS:
            cuts.append(cut)
    return np.split(order, cuts[1:])


def _bin(
    predicted: Float64Array,
    event: BoolArray,
    duration: Float64Array,
    entry: Float64Array | None,
    horizon: float,
) -> CalibrationBin:
    table = life_table(event, duration, entry)
    row = int(np.searchsorted(table.time, horizon, side="right")) - 1
    bounds = (1.0, 1.0) if row < 0 else tuple(float(b[row]) for b in table.log_log_band())
    observed = float(table.survival_at(horizon))
    low, high = (None if np.isnan(observed) or np.isnan(b) else b for b in bounds)
    return CalibrationBin(
        n_patients=len(predicted),
        n_events=int((event & (duration <= horizon)).sum()),
        predicted=float(predicted.mean()),
        observed=None if np.isnan(observed) else observed,
        low=low,
        high=high,
    )


def _integrated_index(
    survival: Float64Array,
    event: BoolArray,
    duration: Float64Array,
    entry: Float64Array | None,
    horizon: float,
    observed: float,
) -> float | None:
    """Mean absolute difference between predicted and smoothed observed risk."""
    if np.ptp(survival) == 0:
        return abs(float(1 - survival[0]) - observed)
    try:
        smoothed = smoothed_survival(survival, event, duration, entry, horizon)
    except EstimationError:
        return None
    return float(np.abs(survival - smoothed).mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioInterval:
    """Expected over observed events; ends are None where they have no interval."""

    value: float
    low: float | None
    high: float | None


def ratio_interval(
    survival: Float64Array,
    event: BoolArray,
    duration: Float64Array,
    *,
    horizon: float,
    entry: Float64Array | None = None,
) -> RatioInterval:
    """Divide expected by observed risk, with the interval of the Kaplan-Meier estimate.

    Parameters
    ----------
    survival, event, duration, horizon, entry
        As in `observed_risk`.

    Raises
    ------
    EstimationError
        As `observed_risk`.
    """
    observed = observed_risk(survival, event, duration, horizon=horizon, entry=entry)
    ratio = float((1 - survival).mean()) / observed
    table = life_table(event, duration, entry)
    row = int(np.searchsorted(table.time, horizon, side="right")) - 1
    low, high = (1 - float(bound[row]) for bound in reversed(table.log_log_band()))
    if not low > 0:
        return RatioInterval(value=ratio, low=None, high=None)
    overall = 1 - float(table.survival[row])
    return RatioInterval(value=ratio, low=ratio * overall / high, high=ratio * overall / low)


def index_limit(
    survival: Float64Array,
    event: BoolArray,
    duration: Float64Array,
    *,
    horizon: float,
    entry: Float64Array | None = None,
    seed: int = 0,
) -> float | None:
    """Upper 95 % limit of the integrated calibration index, by bootstrap over patients.

    Parameters
    ----------
    survival, event, duration, horizon, entry
        As in `calibration`, which checks them.
    seed : int

    Returns
    -------
    float or None
        Percentile of `RESAMPLES` resamples; None where half of them have no smooth curve.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(RESAMPLES):
        rows = rng.integers(len(survival), size=len(survival))
        own = survival[rows]
        try:
            smoothed = smoothed_survival(
                own, event[rows], duration[rows], rows_of(entry, rows), horizon
            )
        except EstimationError:
            continue
        found.append(float(np.abs(own - smoothed).mean()))
    return float(np.quantile(found, CONFIDENCE)) if 2 * len(found) >= RESAMPLES else None


def smoothed_survival(
    survival: Float64Array,
    event: BoolArray,
    duration: Float64Array,
    entry: Float64Array | None,
    horizon: float,
) -> Float64Array:
    """Observed survival at the horizon as a smooth function of the predicted, shape (n,).

    Parameters
    ----------
    survival, event, duration, entry, horizon
        As in `observed_risk`.

    Raises
    ------
    EstimationError
        If the curve cannot be fitted.
    """
    basis = _spline(np.log(-np.log(np.clip(survival, EDGE, 1 - EDGE))))
    log_relative = basis @ quick_cox(basis, event, duration, entry).coefficients
    relative = np.exp(np.maximum(log_relative - log_relative.max(), -MAX_SPREAD))
    hazard = breslow_baseline(relative, event, duration, entry).at(horizon)
    smoothed: Float64Array = np.exp(-hazard * relative)
    return smoothed


def _spline(x: Float64Array) -> Float64Array:
    """Natural cubic spline basis with three knots, standardised; only x if knots coincide."""
    if np.ptp(x) == 0:
        raise EstimationError("All predictions are equal.")
    x = (x - x.mean()) / x.std()
    first, middle, last = np.quantile(x, KNOTS)
    if not first < middle < last:
        return x[:, None]

    def cube(knot: float) -> Float64Array:
        positive: Float64Array = np.maximum(x - knot, 0.0) ** 3
        return positive

    bend = cube(first) - (cube(middle) * (last - first) - cube(last) * (middle - first)) / (
        last - middle
    )
    return np.column_stack([x, (bend - bend.mean()) / bend.std()])
