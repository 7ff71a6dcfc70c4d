"""Cox models whose every doubt about convergence is an error, and Breslow's baseline.

In go standardised columns and outcomes; out comes the fitted model with Efron's ties, by lifelines
or, for resampling, by Newton's method; or cumulative hazards by Breslow (JRSS B 1972). Raises
`EstimationError` with the reason.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from camlif.arrays import BoolArray, Float64Array
from camlif.exceptions import EstimationError
from camlif.statistics.likelihood import CoxData
from camlif.statistics.outcome import life_table

MAX_STEPS = 25
MIN_LENGTH = 1e-3
"""Part of a Newton step below which it is taken though the likelihood does not rise."""
TOLERANCE = 1e-8
"""Newton's method ends at a step of this length; the likelihood may lose as much to rounding."""


def fit_cox(
    x: pd.DataFrame, event: BoolArray, duration: Float64Array, entry: Float64Array | None = None
) -> Any:
    """Fit a Cox model with Efron's ties and no penalty.

    Parameters
    ----------
    x : DataFrame, shape (n, p)
        Standardised columns: lifelines judges convergence by their absolute variance.
    event : bool, shape (n,)
    duration : float64, shape (n,)
    entry : float64, shape (n,), optional
        As of `camlif.statistics.outcome.check_entry`.

    Returns
    -------
    lifelines.CoxPHFitter

    Raises
    ------
    EstimationError
        With the fitter's reason, if it fails or warns of separation, collinearity or a step that
        stays long.
    """
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning
    from scipy.linalg import LinAlgWarning

    failures = (ConvergenceError, ConvergenceWarning, LinAlgWarning, np.linalg.LinAlgError)
    table = x.assign(duration=duration, event=event)
    late = {} if entry is None else {"entry_col": "entry"}
    if entry is not None:
        # Whoever is there from the start is at risk at time zero, too.
        table = table.assign(entry=np.where(entry > 0, entry, -1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.simplefilter("error", LinAlgWarning)
        try:
            return CoxPHFitter().fit(table, "duration", "event", **late)
        except failures as error:
            raise EstimationError(" ".join(str(error).split())) from error


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """Breslow's cumulative hazard just after each time; shapes (t,)."""

    time: Float64Array
    cumulative_hazard: Float64Array

    def at(self, times: ArrayLike) -> Float64Array:
        """Return the cumulative hazard at any times: 0 before the first, the last one beyond."""
        hazard = np.concatenate([[0.0], self.cumulative_hazard])
        return hazard[np.searchsorted(self.time, np.asarray(times), side="right")]


def breslow_baseline(
    relative: Float64Array,
    event: BoolArray,
    duration: Float64Array,
    entry: Float64Array | None = None,
) -> Baseline:
    """Estimate the cumulative hazard of a patient whose relative hazard is 1.

    Parameters
    ----------
    relative : float64, shape (n,)
        Hazard of each patient over the baseline's.
    event : bool, shape (n,)
    duration : float64, shape (n,)
    entry : float64, shape (n,), optional
        As of `camlif.statistics.outcome.check_entry`. The hazard then begins at
        `LifeTable.start`.

    References
    ----------
    Breslow, JRSS B 1972.
    """
    table = life_table(event, duration, entry)
    n_times = len(table.time)
    exposed = np.bincount(np.searchsorted(table.time, duration), relative, n_times)
    if entry is not None:
        late = entry > 0
        place = np.searchsorted(table.time, entry[late])
        exposed = exposed - np.bincount(place, relative[late], n_times)
    at_risk = exposed[::-1].cumsum()[::-1]
    steps = np.zeros(n_times)
    np.divide(table.counted, at_risk, out=steps, where=table.counted > 0)
    return Baseline(table.time, np.cumsum(steps))


@dataclass(frozen=True, slots=True)
class QuickCox:
    """A Cox model of few columns.

    Attributes
    ----------
    coefficients, errors : float64, shape (p,)
        With their standard errors.
    """

    coefficients: Float64Array
    errors: Float64Array


def quick_cox(
    x: Float64Array, event: BoolArray, duration: Float64Array, entry: Float64Array | None = None
) -> QuickCox:
    """Fit a Cox model of few columns by Newton's method, in about a millisecond.

    Parameters
    ----------
    x : float64, shape (n, p)
        Standardised columns.
    event : bool, shape (n,)
    duration : float64, shape (n,)
    entry : float64, shape (n,), optional
        As of `camlif.statistics.outcome.check_entry`.

    Raises
    ------
    EstimationError
        If there is no event, or the estimate is not finite.

    Notes
    -----
    Efron's ties, as `fit_cox`.
    """
    if not event.any():
        raise EstimationError("No event was observed.")
    data = CoxData.sort(x, event, duration, ties="efron", entry=entry)
    beta = np.zeros(x.shape[1])
    now, gradient = data.value_and_gradient(data.x @ beta)
    for _ in range(MAX_STEPS):
        try:
            step = np.linalg.solve(data.hessian(data.x @ beta), -gradient)
        except np.linalg.LinAlgError as error:
            raise EstimationError("The columns leave the Cox model undetermined.") from error
        length = 1.0
        then, gradient = data.value_and_gradient(data.x @ (beta + step))
        while not then <= now + TOLERANCE / len(x) and length > MIN_LENGTH:
            length /= 2
            then, gradient = data.value_and_gradient(data.x @ (beta + length * step))
        beta, now = beta + length * step, then
        if np.abs(length * step).max() < TOLERANCE:
            information = len(x) * data.hessian(data.x @ beta)
            return QuickCox(beta, np.sqrt(np.diag(np.linalg.inv(information))))
    raise EstimationError("The Cox model has no finite estimate.")
