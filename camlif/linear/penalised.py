"""Ridge Cox models by own code, with signs where wanted.

In go columns on one scale and outcomes; out come log hazard ratios (p,). Raise `DataError` and
`NoEventsError` for the input, `ConfigError` for penalties. Follow Hoerl and Kennard,
Technometrics 1970.

The penalty is per patient: the loss is the negative log partial likelihood divided by n, as in
lifelines. scikit-survival's ``CoxPHSurvivalAnalysis`` does not divide, so its alpha is n times the
penalizer here. Shapes: n patients, p columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from camlif.arrays import BoolArray, Float64Array
from camlif.config import Ties
from camlif.exceptions import ConfigError, DataError, EstimationError, NoEventsError
from camlif.statistics.likelihood import CoxData
from camlif.statistics.outcome import check_entry, check_outcome

MIN_PENALIZER = 1e-4
"""Keeps a solution finite where columns rank the events perfectly, and changes others little."""
MAX_ITERATIONS = 10_000
GRADIENT_TOLERANCE = 1e-8
"""Largest gradient entry at which a ridge fit stops (loss per patient, curvature about 1)."""
ACCEPTED_GRADIENT = 1e-6
"""Largest one that is accepted where rounding hides any further decrease of the loss."""


def linear_cox(
    x: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    penalizer: float,
    ties: Ties = "efron",
    entry: ArrayLike | None = None,
) -> Float64Array:
    """Fit a Cox model with an L2 penalty, in float64 by full-batch L-BFGS.

    Minimises -log PL(b) / n + penalizer / 2 ||b||^2.

    Parameters
    ----------
    x : array_like, shape (n, p)
        Columns on one scale; shifting a column changes nothing.
    event : array_like of bool, shape (n,)
    duration : array_like, shape (n,)
        Follow-up in any unit.
    penalizer : float
        Above 0. The scale of lifelines; n times it is scikit-survival's ``alpha``.
    ties : {"efron", "breslow"}
    entry : array_like, shape (n,), optional
        When each patient came under observation; see `camlif.statistics.outcome.life_table`.

    Returns
    -------
    float64, shape (p,)
        Log hazard ratio per unit of each column.

    Raises
    ------
    ConfigError
        If the penalizer is not above 0: the solution may then not exist.
    DataError, NoEventsError
        For shapes that differ, values that are not finite, or no event.
    EstimationError
        If the optimiser does not converge.

    References
    ----------
    Cox, JRSS B 1972; Efron, JASA 1977; Hoerl and Kennard, Technometrics 1970.
    """
    (coefficients,) = ridge_path(x, event, duration, penalizers=[penalizer], ties=ties, entry=entry)
    return np.asarray(coefficients)


def ridge_path(
    x: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    penalizers: Sequence[float],
    ties: Ties = "efron",
    entry: ArrayLike | None = None,
) -> Float64Array:
    """Fit `linear_cox` at several penalties, each from the one before.

    Parameters
    ----------
    x, event, duration, ties, entry
        As in `linear_cox`, and so the errors.
    penalizers : sequence of float, shape (a,)
        Above 0.

    Returns
    -------
    float64, shape (a, p)

    Notes
    -----
    The optimiser works on the principal components, each in steps of its curvature at zero: a
    rotation changes neither likelihood nor penalty, the problem is no wider than the number of
    patients, and correlated columns do not slow it down.
    """
    if not all(penalizer > 0 for penalizer in penalizers):
        raise ConfigError(f"penalizer must be above 0, not {min(penalizers):g}.")
    columns, events, durations = check_columns(x, event, duration)
    left, size, rotation = np.linalg.svd(columns - columns.mean(0), full_matrices=False)
    entries = check_entry(entry, durations)
    data = CoxData.sort(left * size, events, durations, ties=ties, entry=entries)
    variance = size**2 / len(columns)
    components, fits = np.zeros(len(size)), []
    for penalizer in penalizers:
        unit = 1 / np.sqrt(events.mean() * variance + penalizer)
        components = _fit_ridge(data, components, penalizer=penalizer, unit=unit)
        fits.append(components @ rotation)
    return np.array(fits)


def non_negative_cox(
    x: ArrayLike, event: ArrayLike, duration: ArrayLike, *, entry: ArrayLike | None = None
) -> Float64Array:
    """Fit `linear_cox` under the condition that no coefficient is below 0.

    Parameters
    ----------
    x, event, duration, entry
        As in `linear_cox`, and so result and errors; ties are Efron's, the penalizer is
        `MIN_PENALIZER`.
    """
    columns, events, durations = check_columns(x, event, duration)
    entries = check_entry(entry, durations)
    data = CoxData.sort(columns, events, durations, ties="efron", entry=entries)
    ones = np.ones(data.x.shape[1])
    return _fit_ridge(data, 0 * ones, penalizer=MIN_PENALIZER, unit=ones, lowest=0.0)


def _fit_ridge(
    data: CoxData,
    start: Float64Array,
    *,
    penalizer: float,
    unit: Float64Array,
    lowest: float | None = None,
) -> Float64Array:
    """Find the coefficients, at least ``lowest``, by L-BFGS in steps of ``unit``."""
    if not len(start):
        return start  # Nothing to fit, and the optimiser refuses an empty problem.

    def objective(point: Float64Array) -> tuple[float, Float64Array]:
        beta = point * unit
        value, gradient = data.value_and_gradient(data.x @ beta)
        return value + penalizer / 2 * float(beta @ beta), (gradient + penalizer * beta) * unit

    result = minimize(
        objective,
        start / unit,
        jac=True,
        method="L-BFGS-B",
        bounds=None if lowest is None else [(lowest, None)] * len(start),
        options={
            "maxiter": MAX_ITERATIONS,
            "maxfun": MAX_ITERATIONS,
            "ftol": 0.0,
            "gtol": GRADIENT_TOLERANCE,
        },
    )
    # Rounding may stop the line search first. What counts is the gradient, except where it pushes
    # against the bound.
    free = np.ones(len(start), dtype=bool) if lowest is None else result.x > lowest
    slope = np.abs(np.where(free, result.jac, np.minimum(result.jac, 0.0))).max()
    if slope > ACCEPTED_GRADIENT:
        raise EstimationError(
            f"The Cox model did not converge: gradient {slope:.1e}. {result.message}"
        )
    return np.asarray(result.x * unit)


def check_columns(
    x: ArrayLike, event: ArrayLike, duration: ArrayLike
) -> tuple[Float64Array, BoolArray, Float64Array]:
    """Return a matrix as float64 (n, p) with its outcome, checked.

    Parameters
    ----------
    x : array_like, shape (n, p)
        Columns, without missing values.
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
        Follow-up in any unit.

    Raises
    ------
    DataError
        If shapes differ or a value is missing or infinite.
    NoEventsError
        If there is no event.
    """
    events, durations = check_outcome(event, duration)
    columns = np.asarray(x, dtype=np.float64)
    if columns.ndim != 2 or len(columns) != len(events):
        raise DataError(
            "x does not hold one row per patient.",
            found=f"shape {columns.shape}",
            expected=f"({len(events)}, p)",
        )
    if not np.isfinite(columns).all():
        raise DataError("x holds missing or infinite values.")
    if not events.any():
        raise NoEventsError("A Cox model needs an event.")
    return columns, events, durations
