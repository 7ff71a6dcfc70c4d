"""Calibration at a horizon: predicted survival against what was observed.

In go predicted survival at a horizon and outcomes; out come expected over observed, bins and the
integrated calibration index (Austin, Harrell and van Klaveren, Statistics in Medicine 2020). Raises
`EstimationError` where follow-up ends before or a prediction is missing, `DataError` for what is no
probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from camlif.arrays import BoolArray, Float64Array
from camlif.exceptions import DataError, EstimationError, NoEventsError
from camlif.statistics.cox import breslow_baseline, fit_cox
from camlif.statistics.outcome import check_entry, check_outcome, life_table, rows_of

MAX_BINS = 10
MIN_BIN_PATIENTS = 20
KNOTS = (0.1, 0.5, 0.9)
"""Quantiles at which the smooth calibration curve bends (Harrell's choice for three knots)."""
MAX_START = 0.05
"""Share of the horizon within which a bin's estimate must begin where patients enter late: it is
then too high by at most 0.05 S log(1/S), which is 0.018."""
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
    The smooth curve is a Cox model (lifelines) on a natural cubic spline of log(-log S), with the
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
    return 1 - float(_smoothed(survival, event, duration, entry, horizon).mean())


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
        raise EstimationError(f"{missing} patients have no predicted survival at {horizon:g}.")
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
        smoothed = _smoothed(survival, event, duration, entry, horizon)
    except EstimationError:
        return None
    return float(np.abs(survival - smoothed).mean())


def _smoothed(
    survival: Float64Array,
    event: BoolArray,
    duration: Float64Array,
    entry: Float64Array | None,
    horizon: float,
) -> Float64Array:
    """Observed survival at the horizon as a smooth function of the predicted, shape (n,)."""
    table = _spline(np.log(-np.log(np.clip(survival, EDGE, 1 - EDGE))))
    fitted = fit_cox(table, event, duration, entry)
    # lifelines' own baseline is interpolated between its steps, and knows no entry.
    relative = fitted.predict_partial_hazard(table).to_numpy()
    hazard = breslow_baseline(relative, event, duration, entry).at(horizon)
    smoothed: Float64Array = np.exp(-hazard * relative)
    return smoothed


def _spline(x: Float64Array) -> pd.DataFrame:
    """Natural cubic spline basis with three knots, standardised; only x if knots coincide."""
    x = (x - x.mean()) / x.std()
    first, middle, last = np.quantile(x, KNOTS)
    if not first < middle < last:
        return pd.DataFrame({"x": x})

    def cube(knot: float) -> Float64Array:
        positive: Float64Array = np.maximum(x - knot, 0.0) ** 3
        return positive

    bend = cube(first) - (cube(middle) * (last - first) - cube(last) * (middle - first)) / (
        last - middle
    )
    return pd.DataFrame({"x": x, "bend": (bend - bend.mean()) / bend.std()})


class CensoringWeights:
    """Inverse of the chance that a patient whose event is at a time is then under observation.

    Parameters
    ----------
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
        Of the training patients.
    entry : array_like, shape (n,), optional
        Likewise; see `camlif.statistics.outcome.life_table`.

    Raises
    ------
    DataError
        If there is no patient, shapes differ, or a value is missing or negative.

    Notes
    -----
    Without late entry, the chance is the Kaplan-Meier estimate G of being still followed. At a tie,
    events leave before those without one. G is right-continuous and stays constant after the last
    duration: the convention of scikit-survival and torchsurv.

    With late entry, the weight at t is S(t-) / R(t), where S is the entry-aware Kaplan-Meier
    estimate and R(t) counts who is at risk: without late entry or ties this is 1 / (n G). Only
    ratios of these weights mean something, so a score divides by their sum. At `LifeTable.start`
    and before, the weight is 0: estimates are of those who are event-free then.

    References
    ----------
    Robins and Rotnitzky, in AIDS Epidemiology, 1992 (weights); Wang, JASA 1991 (left truncation).
    """

    def __init__(
        self, event: ArrayLike, duration: ArrayLike, entry: ArrayLike | None = None
    ) -> None:
        events, durations = check_outcome(event, duration)
        entries = check_entry(entry, durations)
        self.relative = entries is not None
        self._table = life_table(events, durations, entries)

    def at(self, times: ArrayLike) -> Float64Array:
        """Return the weight at each time, in the shape of ``times``.

        Raises
        ------
        EstimationError
            If no training patient is under observation at one of them.
        """
        points = np.asarray(times, dtype=np.float64)
        weights, known = self._late(points) if self.relative else self._from_start(points)
        if not known.all():
            raise EstimationError(
                f"No training patient was followed beyond {self._table.time[-1]:g}, so censoring "
                f"cannot be weighed at {points[~known].min():g}. Use an earlier time."
            )
        return weights

    def _from_start(self, points: Float64Array) -> tuple[Float64Array, BoolArray]:
        table = self._table
        exposed = table.at_risk - table.events
        followed = np.cumprod(1 - table.left / np.maximum(exposed, 1))
        row = np.searchsorted(table.time, points, side="right")
        chance = np.concatenate([[1.0], followed])[row]
        return 1 / np.where(chance > 0, chance, 1.0), chance > 0

    def _late(self, points: Float64Array) -> tuple[Float64Array, BoolArray]:
        table = self._table
        row = np.searchsorted(table.time, points, side="left")
        at_risk = np.append(table.at_risk, 0)[row]
        survival = np.concatenate([[1.0], table.survival])[row]
        begun = points > table.start
        weights = np.where(begun, survival / np.maximum(at_risk, 1), 0.0)
        return weights, ~begun | (at_risk > 0)
