"""The transport plan against POT and closed forms."""

from __future__ import annotations

import warnings

import numpy as np
import ot
import pytest
import torch
from torch import Tensor

from camlif.networks.rivals.optimal_transport import Reference, unbalanced_sinkhorn

EPSILON, TAU = 0.1, 0.5
REFERENCES: tuple[Reference, ...] = ("entropy", "kl")


def draw(k: int, q: int, *, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Draw costs up to 1 and masses that sum to 1."""
    g = torch.Generator().manual_seed(seed)
    cost = torch.rand(k, q, generator=g, dtype=torch.float64)
    a, b = (torch.rand(n, generator=g, dtype=torch.float64) + 0.2 for n in (k, q))
    return cost / cost.max(), a / a.sum(), b / b.sum()


def solve(cost: Tensor, a: Tensor, b: Tensor, reference: Reference, tau: float = TAU) -> Tensor:
    return unbalanced_sinkhorn(cost, a, b, epsilon=EPSILON, tau=tau, reference=reference)


def solve_with_pot(
    cost: Tensor, a: Tensor, b: Tensor, reference: Reference, tau: float = TAU
) -> np.ndarray:
    with warnings.catch_warnings():
        # It says so of every entropic problem, with or without the matrix c.
        warnings.filterwarnings("ignore", message="If reg_type = entropy")
        return ot.unbalanced.sinkhorn_knopp_unbalanced(
            a.numpy(),
            b.numpy(),
            cost.numpy(),
            EPSILON,
            tau,
            reg_type=reference,
            stopThr=1e-12,
            numItermax=100_000,
        )


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize(("k", "q"), [(4, 6), (50, 6), (1, 6), (1, 1), (400, 6)])
def test_plan_equals_that_of_pot(k: int, q: int, reference: Reference) -> None:
    problem = draw(k, q)
    plan = solve(*problem, reference)
    assert (plan >= 0).all()
    np.testing.assert_allclose(plan, solve_with_pot(*problem, reference), atol=1e-8, rtol=0)


@pytest.mark.parametrize("reference", REFERENCES)
def test_single_precision_is_enough(reference: Reference) -> None:
    problem = draw(50, 6)
    plan = solve(*(t.float() for t in problem), reference)
    np.testing.assert_allclose(plan, solve_with_pot(*problem, reference), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("k", "expected"), [(4, 1.33), (50, 1.68), (400, 2.03)])
def test_the_references_differ_by_the_known_factor(k: int, expected: float) -> None:
    cost, _, _ = draw(k, 6)
    a, b = (torch.full((n,), 1 / n, dtype=torch.float64) for n in (k, 6))
    ratio = solve(cost, a, b, "entropy") / solve(cost, a, b, "kl")
    exact = torch.full_like(ratio, (k * 6) ** (EPSILON / (EPSILON + 2 * TAU)))
    torch.testing.assert_close(ratio, exact, atol=0, rtol=1e-6)
    assert float(ratio[0, 0]) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("reference", REFERENCES)
def test_a_large_tau_recovers_both_marginals(reference: Reference) -> None:
    cost, a, b = draw(8, 6)
    plan = solve(cost, a, b, reference, tau=1e3)
    torch.testing.assert_close(plan.sum(-1), a, atol=1e-3, rtol=0)
    torch.testing.assert_close(plan.sum(-2), b, atol=1e-3, rtol=0)


def test_with_equal_costs_the_plan_is_a_multiple_of_the_product() -> None:
    _, a, b = draw(5, 3)
    plan = solve(torch.full((5, 3), 0.4, dtype=torch.float64), a, b, "kl")
    ratio = plan / (a.unsqueeze(-1) * b)
    torch.testing.assert_close(ratio, torch.full_like(ratio, float(ratio[0, 0])))


@pytest.mark.parametrize("reference", REFERENCES)
def test_rows_and_columns_without_mass_take_no_part(reference: Reference) -> None:
    cost, a, b = draw(5, 3)
    padded = torch.full((9, 4), 0.01, dtype=torch.float64)
    padded[:5, :3] = cost
    plan = solve(padded, torch.cat([a, torch.zeros(4)]), torch.cat([b, torch.zeros(1)]), reference)
    torch.testing.assert_close(plan[:5, :3], solve(cost, a, b, reference), atol=1e-12, rtol=0)
    assert not plan[5:].any()
    assert not plan[:, 3:].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("tau", [TAU, 1e3])
def test_nothing_to_transport_gives_an_empty_plan(
    tau: float, reference: Reference, dtype: torch.dtype
) -> None:
    cost, a, b = (t.to(dtype) for t in draw(5, 3))
    for masses in ((0 * a, b), (a, 0 * b), (0 * a, 0 * b)):
        plan = solve(cost, *masses, reference, tau=tau)
        assert torch.equal(plan, torch.zeros_like(plan))


def test_leading_dimensions_are_independent_problems() -> None:
    problems = [draw(4, 6, seed=seed) for seed in range(3)]
    stacked = solve(*(torch.stack(parts) for parts in zip(*problems, strict=True)), "kl")
    single = torch.stack([solve(*problem, "kl") for problem in problems])
    torch.testing.assert_close(stacked, single, atol=1e-12, rtol=0)
