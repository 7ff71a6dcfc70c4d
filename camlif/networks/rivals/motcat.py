"""MOTCat (Xu and Chen, ICCV 2023): MCAT whose co-attention is an optimal transport plan.

Tokens by modality go in, hazards of t intervals come out. Raises `ConfigError` for settings
of the transport outside their range.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from camlif.exceptions import ConfigError
from camlif.networks.registry import register
from camlif.networks.rivals.mcat import NATIVE, Mcat, McatConfig
from camlif.networks.rivals.optimal_transport import Reference, unbalanced_sinkhorn


@dataclass(frozen=True, slots=True, kw_only=True)
class MotcatConfig(McatConfig):
    """Settings of MOTCat.

    Attributes
    ----------
    epsilon, tau : float
        Weights of the entropy and of the marginals, in units of the largest cost.
    reference : {"entropy", "kl"}
        Reference measure of the entropy: "entropy" is the published one; with "kl" the plan's mass
        does not grow with the size of a bag.
    """

    architecture: str = "motcat"
    epsilon: float = 0.1
    tau: float = 0.5
    reference: Reference = "entropy"

    def _check_ranges(self) -> None:
        if min(self.epsilon, self.tau) <= 0:
            raise ConfigError("epsilon and tau must be above 0.")


def uniform_mass(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Spread a mass of 1 over the valid tokens, shape (..., k); zero where none is valid."""
    weight = mask.to(dtype)
    return weight / weight.sum(-1, keepdim=True).clamp(min=1.0)


def transport_cost(memory: Tensor, query: Tensor, real: Tensor) -> Tensor:
    """Squared distances of tokens shifted to a minimum of zero, over the largest real one.

    Parameters
    ----------
    memory, query : Tensor, shape (n, k, d) and (n, q, d)
    real : BoolTensor, shape (n, k, q)

    Returns
    -------
    Tensor, shape (n, k, q)
        In [0, 1] where real, else 0; all zero where all distances are. Without gradient.
    """
    x, y = (t - t.amin(-1, keepdim=True) for t in (memory.detach(), query.detach()))
    # Differences rather than the expanded square, whose rounding is all there is of equal tokens;
    # one column at a time, because a bag's (k, q, d) would not fit in memory.
    columns = [(x - y[..., j : j + 1, :]).square().sum(-1) for j in range(y.shape[-2])]
    cost = torch.where(real, torch.stack(columns, dim=-1), 0.0)
    largest = cost.amax((-2, -1), keepdim=True)
    return cost / torch.where(largest > 0, largest, 1.0)


class TransportExchange(nn.Module):
    """Carry another modality's tokens to the query's by an optimal plan; no parameters.

    The plan has no gradient: tokens learn only through what is carried.
    """

    def __init__(self, config: MotcatConfig) -> None:
        super().__init__()
        self.config = config

    def forward(
        self, query: Tensor, memory: Tensor, asking: Tensor, mask: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the carried tokens pi^T P (n, q, d); the plan, its cost and its entropy.

        Parameters
        ----------
        query, memory, asking, mask
            As in `CoAttention.forward`.
        """
        config = self.config
        real = mask.unsqueeze(-1) & asking.unsqueeze(-2)
        cost = transport_cost(memory, query, real)
        plan = unbalanced_sinkhorn(
            cost,
            uniform_mass(mask, cost.dtype),
            uniform_mass(asking, cost.dtype),
            epsilon=config.epsilon,
            tau=config.tau,
            reference=config.reference,
        )
        share = plan / plan.sum((-2, -1), keepdim=True).clamp(min=torch.finfo(plan.dtype).tiny)
        notes = {
            "ot_plan": plan,
            "transport_cost": (plan * cost).sum((-2, -1)),
            "plan_entropy": torch.special.entr(share).sum((-2, -1)),
        }
        return plan.transpose(-2, -1) @ memory, notes


@register(
    "motcat",
    title="MOTCat",
    config=MotcatConfig,
    native=NATIVE,
    citation="Xu and Chen, ICCV 2023",
    source="Innse/MOTCat: main.py, utils/utils.py",
)
class Motcat(Mcat):
    """Multimodal optimal transport-based co-attention transformer.

    Everything but the exchange, and its arguments and errors, is as in `Mcat`. With
    ``diagnostics`` ``aux`` holds ``ot_plan_<modality>`` (n, k, q), ``transport_cost_<modality>``
    (n,) and ``plan_entropy_<modality>`` (n,) in nats: near log(k q) the plan is mean pooling.

    Notes
    -----
    The whole bag is matched at once. The published code can split a bag at random into
    micro-batches and average their risks, which this class does not.

    References
    ----------
    Xu Y., Chen H., "Multimodal Optimal Transport-based Co-Attention Transformer with Global
    Structure Consistency for Survival Prediction", ICCV 2023.
    """

    config: MotcatConfig

    def _exchange(self) -> nn.Module:
        return TransportExchange(self.config)
