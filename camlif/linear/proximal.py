"""One elastic-net Cox fit by proximal Newton steps.

In go sorted data, a start, the columns in play and two penalties; out come coefficients (p,) and
the gradient there. Raises `EstimationError` where steps do not settle. Each step minimises the
quadratic model of the loss, with the full Hessian of the columns in play, plus the L1 penalty.

References
----------
Lee, Sun and Saunders, SIAM J. Optim. 2014; Friedman, Hastie and Tibshirani, J. Stat. Softw. 2010.
"""

from __future__ import annotations

import math

import numpy as np

from camlif.arrays import BoolArray, Float64Array
from camlif.exceptions import EstimationError
from camlif.statistics.likelihood import CoxData

STEP_TOLERANCE = 1e-7
"""Largest coefficient step of a converged fit (standardised columns)."""
MAX_NEWTON_STEPS = 100
MAX_SWEEPS = 1_000
SUFFICIENT_DECREASE = 1e-4
"""Share of the predicted decrease that a step must reach (Armijo's rule)."""
ROUNDING = 1e-14
"""Increase of the loss per patient that is no increase."""


def fit_elastic_net(
    data: CoxData, beta: Float64Array, active: BoolArray, *, l1: float, l2: float
) -> tuple[Float64Array, Float64Array]:
    """Minimise loss + l1 ||b||_1 + l2 / 2 ||b||^2.

    Parameters
    ----------
    data : CoxData
    beta : float64, shape (p,)
        Where to start.
    active : bool, shape (p,)
        Columns expected to have a coefficient. Others join where the optimality conditions, which
        are checked for every column at the end, ask for them.
    l1, l2 : float

    Returns
    -------
    coefficients, gradient : float64, shape (p,)
        The solution, and the gradient of the loss alone at it.

    Raises
    ------
    EstimationError
        If the steps do not converge.
    """
    active = active | (beta != 0)
    while True:
        solution = np.zeros_like(beta)
        solution[active] = _proximal_newton(data.columns(active), beta[active], l1=l1, l2=l2)
        gradient = data.gradient(data.x @ solution)
        missed = ~active & (np.abs(gradient) > l1 * (1 + STEP_TOLERANCE))
        if not missed.any():
            return solution, gradient
        active, beta = active | missed, solution


def _proximal_newton(data: CoxData, beta: Float64Array, *, l1: float, l2: float) -> Float64Array:
    """Minimise loss + l1 ||b||_1 + l2 / 2 ||b||^2 over all columns of ``data``."""

    def objective(b: Float64Array) -> float:
        return data.value(data.x @ b) + l1 * float(np.abs(b).sum()) + l2 / 2 * float(b @ b)

    value = objective(beta)
    for _ in range(MAX_NEWTON_STEPS):
        log_risk = data.x @ beta
        gradient = data.gradient(log_risk) + l2 * beta
        hessian = data.hessian(log_risk) + l2 * np.eye(len(beta))
        step = _quadratic_minimum(hessian, gradient, beta, l1=l1) - beta
        if np.abs(step).max(initial=0.0) <= STEP_TOLERANCE:
            return beta
        predicted = float(gradient @ step + l1 * (np.abs(beta + step) - np.abs(beta)).sum())
        length, candidate = 1.0, objective(beta + step)
        while candidate > value + SUFFICIENT_DECREASE * length * predicted + ROUNDING:
            length /= 2
            candidate = objective(beta + length * step)
        beta, value = beta + length * step, candidate
    raise EstimationError(
        f"The elastic-net Cox model did not converge in {MAX_NEWTON_STEPS} Newton steps."
    )


def _quadratic_minimum(
    hessian: Float64Array, gradient: Float64Array, start: Float64Array, *, l1: float
) -> Float64Array:
    """Minimise the quadratic model at ``start`` plus l1 ||b||_1.

    Sweeps over single coordinates find the signs, a linear system then gives the values: with
    correlated columns sweeps alone need hundreds of rounds.
    """
    beta, slope = start.copy(), gradient.copy()
    for _ in range(MAX_SWEEPS):
        if _sweep(hessian, beta, slope, l1=l1) <= STEP_TOLERANCE / 10:
            break
        _settle(hessian, beta, slope, l1=l1)
    return beta


def _sweep(hessian: Float64Array, beta: Float64Array, slope: Float64Array, *, l1: float) -> float:
    """Minimise over each coordinate in turn, in place; return the largest change."""
    largest = 0.0
    tiny = float(np.finfo(float).tiny)
    for j, bend in enumerate(hessian.diagonal().tolist()):
        old = float(beta[j])
        centre = bend * old - float(slope[j])
        new = math.copysign(max(abs(centre) - l1, 0.0), centre) / max(bend, tiny)
        if new != old:
            slope += hessian[j] * (new - old)
            beta[j] = new
            largest = max(largest, abs(new - old))
    return largest


def _settle(hessian: Float64Array, beta: Float64Array, slope: Float64Array, *, l1: float) -> None:
    """Go to the minimum for the present signs, in place, but not across the first zero."""
    support = np.flatnonzero(beta)
    if not len(support):
        return
    old = beta[support]
    try:
        step = np.linalg.solve(
            hessian[np.ix_(support, support)], -(slope[support] + l1 * np.sign(old))
        )
    except np.linalg.LinAlgError:
        return  # Columns that copy each other, without an L2 part: sweeps alone still converge.
    crossing = old * (old + step) < 0
    share = float(np.min(-old[crossing] / step[crossing], initial=1.0))
    new = old + share * step
    new[crossing & (np.abs(new) <= np.finfo(float).eps * np.abs(old))] = 0.0
    slope += (new - old) @ hessian[support]
    beta[support] = new
