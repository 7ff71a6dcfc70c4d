"""Elastic-net Cox models along a path of penalties.

In go columns on one scale and outcomes; out come log hazard ratios (p,) at each penalty. Raises
`DataError` and `NoEventsError` for the input, `ConfigError` for penalties, `EstimationError` where
no column differs. Follows Simon et al., J. Stat. Softw. 2011.

The penalty is per patient: the loss is the negative log partial likelihood divided by n, as in
glmnet and scikit-survival's Coxnet. Shapes: n patients, p columns, a penalties.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from camlif.arrays import BoolArray, Float64Array
from camlif.exceptions import ConfigError, EstimationError
from camlif.linear.penalised import check_columns
from camlif.linear.proximal import fit_elastic_net
from camlif.statistics.likelihood import CoxData
from camlif.statistics.outcome import check_entry


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticNetPath:
    """Elastic-net Cox fits from the strongest penalty to the weakest.

    Attributes
    ----------
    alphas : float64, shape (a,), falling
    coefficients : float64, shape (a, p)
    l1_ratio : float
    """

    alphas: Float64Array
    coefficients: Float64Array
    l1_ratio: float


def elastic_net_path(
    x: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    l1_ratio: float = 0.5,
    n_alphas: int = 50,
    alpha_min_ratio: float = 0.01,
    alphas: ArrayLike | None = None,
    entry: ArrayLike | None = None,
) -> ElasticNetPath:
    """Fit elastic-net Cox models along falling penalties, each from the one before.

    Minimises -log PL(b) / n + alpha (l1_ratio ||b||_1 + (1 - l1_ratio) / 2 ||b||^2) with Breslow's
    risk sets: the scale and ties of scikit-survival's ``CoxnetSurvivalAnalysis``.

    Parameters
    ----------
    x : array_like, shape (n, p)
        Standardised columns.
    event : array_like of bool, shape (n,)
    duration : array_like, shape (n,)
    l1_ratio : float
        In (0, 1]; 1 is the lasso.
    n_alphas, alpha_min_ratio : int, float
        Geometric grid from the smallest penalty without any coefficient down to its
        ``alpha_min_ratio`` part.
    alphas : array_like, shape (a,), optional
        Penalties to use instead, falling and above 0.
    entry
        As for `linear_cox`.

    Raises
    ------
    ConfigError
        For settings outside their range.
    DataError, NoEventsError
        For shapes that differ, values that are not finite, or no event.
    EstimationError
        If a fit does not converge.

    Notes
    -----
    Columns join by the strong rule and by the optimality conditions, which are checked for every
    column at every penalty, so a fit is exact whatever the rule left out.

    References
    ----------
    Simon, Friedman, Hastie and Tibshirani, J. Stat. Softw. 2011; Tibshirani et al., JRSS B 2012
    (strong rules).
    """
    columns, events, durations = check_columns(x, event, duration)
    grid = (
        _falling(alphas)
        if alphas is not None
        else penalty_grid(
            columns,
            events,
            durations,
            l1_ratio=l1_ratio,
            n_alphas=n_alphas,
            ratio=alpha_min_ratio,
            entry=entry,
        )
    )
    fits = elastic_net_steps(
        columns, events, durations, l1_ratio=l1_ratio, alphas=grid, entry=entry
    )
    return ElasticNetPath(alphas=grid, coefficients=np.array(list(fits)), l1_ratio=l1_ratio)


def elastic_net_steps(
    x: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    l1_ratio: float,
    alphas: ArrayLike,
    entry: ArrayLike | None = None,
) -> Iterator[Float64Array]:
    """Yield the fits (p,) of `elastic_net_path` one by one, for a caller who may stop early.

    The weakest penalties take most of a path's time.

    Parameters
    ----------
    x, event, duration, l1_ratio, alphas, entry
        As in `elastic_net_path`, and so the errors.
    """
    if not 0 < l1_ratio <= 1:
        raise ConfigError(f"l1_ratio must lie in (0, 1], not {l1_ratio:g}.")
    grid = _falling(alphas)
    data = _breslow(*check_columns(x, event, duration), entry)
    gradient = data.gradient(np.zeros(len(data.x)))
    beta = np.zeros(data.x.shape[1])
    previous = max(_strongest(gradient, l1_ratio), float(grid[0]))
    for alpha in grid:
        # The strong rule: what will enter was within one step of the boundary.
        likely = np.abs(gradient) >= l1_ratio * (2 * alpha - previous)
        beta, gradient = fit_elastic_net(
            data, beta, likely, l1=alpha * l1_ratio, l2=alpha * (1 - l1_ratio)
        )
        yield beta
        previous = float(alpha)


def penalty_grid(
    x: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    l1_ratio: float,
    n_alphas: int,
    ratio: float,
    entry: ArrayLike | None = None,
) -> Float64Array:
    """Return penalties (a,) from the smallest without any coefficient down to its ``ratio`` part.

    Parameters
    ----------
    x, event, duration
        As in `check_columns`.
    l1_ratio : float
        Share of the penalty that is the lasso's, in (0, 1].
    n_alphas : int
        Number of penalties, at least 1.
    ratio : float
        Smallest penalty as a part of the largest, in (0, 1).
    entry : array_like, shape (n,), optional
        When each patient came under observation, in the unit of the durations.

    Returns
    -------
    float64, shape (n_alphas,)
        Falling, evenly spaced in their logarithm.

    Raises
    ------
    ConfigError
        For settings outside their range.
    EstimationError
        If no column differs between patients.
    """
    if not 0 < l1_ratio <= 1:
        raise ConfigError(f"l1_ratio must lie in (0, 1], not {l1_ratio:g}.")
    if n_alphas < 1 or not 0 < ratio < 1:
        raise ConfigError("n_alphas must be at least 1 and alpha_min_ratio lie in (0, 1).")
    data = _breslow(*check_columns(x, event, duration), entry)
    strongest = _strongest(data.gradient(np.zeros(len(data.x))), l1_ratio)
    if not strongest > 0:
        raise EstimationError("No column differs between patients; there is no path to follow.")
    return np.asarray(np.geomspace(strongest, strongest * ratio, n_alphas))


def _breslow(
    columns: Float64Array, event: BoolArray, duration: Float64Array, entry: ArrayLike | None
) -> CoxData:
    centred = columns - columns.mean(0)
    entries = check_entry(entry, duration)
    return CoxData.sort(centred, event, duration, ties="breslow", entry=entries)


def _strongest(gradient: Float64Array, l1_ratio: float) -> float:
    """Smallest penalty at which no column has a coefficient, from the gradient at none."""
    return float(np.abs(gradient).max(initial=0.0)) / l1_ratio


def _falling(alphas: ArrayLike) -> Float64Array:
    grid = np.asarray(alphas, dtype=np.float64)
    if grid.ndim != 1 or not len(grid) or not (grid > 0).all() or (np.diff(grid) >= 0).any():
        raise ConfigError("alphas must be a falling row of numbers above 0.")
    return grid
