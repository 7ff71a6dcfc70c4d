"""Entropic unbalanced optimal transport between two small sets of tokens.

Costs (..., k, q) and masses go in, the plan of the same shape comes out (Chizat et al., Mathematics
of Computation 2018); nothing fails. Shapes: k rows, q columns; any leading dimensions are
independent problems.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Reference = Literal["entropy", "kl"]
TOLERANCE = 1e-8  # of the dual variables, relative to where they start
MAX_ITERATIONS = 200
LOG_NOTHING = -1e30  # log of a mass of zero, without infinities to subtract


def sinkhorn_iterations(epsilon: float, tau: float) -> int:
    """Return how many iterations contract the dual variables by `TOLERANCE`.

    Each is a contraction by (tau / (tau + epsilon))^2, so the count needs no look at the data,
    which stacked members would not allow. Near-balanced problems stop at `MAX_ITERATIONS`; what is
    left there is a shift between the duals that hardly changes the plan.
    """
    rate = 2 * math.log(tau / (tau + epsilon))
    return min(MAX_ITERATIONS, math.ceil(math.log(TOLERANCE) / rate))


def unbalanced_sinkhorn(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    epsilon: float,
    tau: float,
    reference: Reference,
) -> Tensor:
    """Compute the plan of entropic transport with relaxed marginals.

    ``argmin_{pi >= 0} <pi, cost> + epsilon Omega(pi) + tau KL(pi 1 | a) + tau KL(pi^T 1 | b)``

    Parameters
    ----------
    cost : Tensor, shape (..., k, q)
    a, b : Tensor, shape (..., k) and (..., q)
        Masses; a row or column of mass 0 takes no part.
    epsilon, tau : float
        Above 0, in units of the cost.
    reference : {"entropy", "kl"}
        Omega: negative entropy, or KL(pi | a b^T). For uniform masses the plans differ by the
        factor (k q)^(epsilon / (epsilon + 2 tau)), so with "entropy" the plan's mass grows with
        the number of tokens.

    Returns
    -------
    Tensor, shape (..., k, q)
        Without gradient.

    References
    ----------
    Chizat et al., Mathematics of Computation 2018.
    """
    cost, a, b = cost.detach(), a.detach(), b.detach()
    log_a, log_b = (torch.where(m > 0, m.log(), LOG_NOTHING) for m in (a, b))
    kernel = -cost / epsilon
    if reference == "kl":
        kernel = kernel + log_a.unsqueeze(-1) + log_b.unsqueeze(-2)
    damping = tau / (tau + epsilon)
    g = torch.where(b > 0, 0.0, LOG_NOTHING)  # dual variables over epsilon
    for _ in range(sinkhorn_iterations(epsilon, tau)):
        f = damping * (log_a - torch.logsumexp(kernel + g.unsqueeze(-2), dim=-1))
        g = damping * (log_b - torch.logsumexp(kernel + f.unsqueeze(-1), dim=-2))
    plan = torch.exp(kernel + f.unsqueeze(-1) + g.unsqueeze(-2))
    real = (a > 0).unsqueeze(-1) & (b > 0).unsqueeze(-2)
    return torch.where(real, plan, 0.0)
