"""Layers of stage 2: modality attention (MAM), low-rank fusion (LMF), weighted concatenation (OWC).

Class vectors by modality go in, one fused vector comes out (eq 5 of An et al., AAAI 2025; LMF of
Liu et al., ACL 2018). Raises `SchemaError` where a full product has too many modalities.
Shapes: n cases, d input width, f gated width, r rank, o output width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camlif.config import NetworkConfig
from camlif.exceptions import SchemaError
from camlif.networks.layers import mean_of_others, module_key
from camlif.wording import count

MAX_TENSOR_MODALITIES = 3
OWC_START_STD = 0.01


class ModalityGate(nn.Module):
    """Gating-based modality attention of one modality: o = ReLU(W_o (gate * ReLU(W a)))."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        d, f = config.width, config.mam_width
        self.kind = config.gate if config.mam else None
        if self.kind:
            self.value = nn.Linear(d, f)
            self.gate = nn.Bilinear(d, d, f) if self.kind == "bilinear" else nn.Linear(2 * d, f)
        self.out = nn.Linear(f if self.kind else d, f)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, own: Tensor, partner: Tensor) -> Tensor:
        """Gate: (n, d), (n, d) -> (n, f)."""
        x = own
        if self.kind:
            x = F.relu(self.value(own)) * self.gate_values(own, partner)
        gated: Tensor = self.dropout(F.relu(self.out(x)))
        return gated

    def gate_values(self, own: Tensor, partner: Tensor) -> Tensor:
        """Gate in (0, 1), shape (n, f)."""
        if self.kind == "bilinear":
            # nn.Bilinear's own operation has no batching rule and would run members one by one.
            left = torch.einsum("...i,fij->...fj", own, self.gate.weight)
            return torch.sigmoid((left * partner.unsqueeze(-2)).sum(-1) + self.gate.bias)
        return torch.sigmoid(self.gate(torch.cat([own, partner], dim=-1)))


class LowRankFusion(nn.Module):
    """Low-rank multimodal fusion (Liu et al., ACL 2018) of any number of modalities.

    ``out_k = bias_k + sum_r omega_r prod_m (sum_i x~_m,i W_m,r,i,k)`` with x~ = [x; 1].

    Parameters
    ----------
    names : tuple of str
    width, rank, n_out : int
    rank_weights : bool
        Learn omega; otherwise it is 1 (absorbable in the factors).
    """

    def __init__(
        self, names: tuple[str, ...], width: int, rank: int, n_out: int, *, rank_weights: bool
    ) -> None:
        super().__init__()
        # Fans of each factor slice; a generic initialiser would read them off the wrong axes.
        std = math.sqrt(2 / (width + 1 + n_out))
        self.factors = nn.ParameterDict(
            {module_key(m): nn.Parameter(torch.empty(rank, width + 1, n_out)) for m in names}
        )
        for factor in self.factors.values():
            nn.init.normal_(factor, std=std)
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.rank_weights = nn.Parameter(torch.ones(rank)) if rank_weights else None

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Fuse vectors (n, f) by modality into (n, o)."""
        terms = []
        for name, vector in x.items():
            factor = self.factors[module_key(name)]
            # The appended 1 of x~ is the factor's last row.
            terms.append(torch.einsum("...f,rfo->...ro", vector, factor[:, :-1]) + factor[:, -1])
        product: Tensor = reduce(torch.mul, terms)
        if self.rank_weights is not None:
            product = product * self.rank_weights.unsqueeze(-1)
        return product.sum(-2) + self.bias


def outer_product(vectors: Sequence[Tensor]) -> Tensor:
    """Outer product of [x; 1] over vectors (n, f), flattened to (n, (f + 1) ** m).

    Its last entry is the product of the ones; the last f + 1 entries hold the last vector.
    """
    extended = [torch.cat([v, torch.ones_like(v[..., :1])], dim=-1) for v in vectors]
    return reduce(lambda a, b: (a.unsqueeze(-1) * b.unsqueeze(-2)).flatten(-2), extended)


class TensorFusion(nn.Module):
    """Full outer product of [x; 1] over modalities, then a linear map (ablation)."""

    def __init__(self, names: tuple[str, ...], width: int, n_out: int) -> None:
        super().__init__()
        if len(names) > MAX_TENSOR_MODALITIES:
            raise SchemaError(
                f"Full tensor fusion of {count(len(names), 'modality', 'modalities')} needs "
                f"vectors of {width + 1}^{len(names)}.",
                fix='Use lmf="low_rank".',
            )
        self.linear = nn.Linear((width + 1) ** len(names), n_out)

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Fuse vectors (n, f) by modality into (n, o)."""
        fused: Tensor = self.linear(outer_product(list(x.values())))
        return fused


class ConcatFusion(nn.Module):
    """Linear map of the concatenated vectors (ablation)."""

    def __init__(self, names: tuple[str, ...], width: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width * len(names), n_out)

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Fuse vectors (n, f) by modality into (n, o)."""
        fused: Tensor = self.linear(torch.cat(list(x.values()), dim=-1))
        return fused


def _interaction(names: tuple[str, ...], config: NetworkConfig) -> nn.Module:
    f, o = config.mam_width, config.lmf_width
    if config.lmf == "tensor":
        return TensorFusion(names, f, o)
    if config.lmf == "concat":
        return ConcatFusion(names, f, o)
    return LowRankFusion(names, f, config.lmf_rank, o, rank_weights=config.lmf_rank_weights)


def _post(config: NetworkConfig) -> nn.Module:
    o = config.lmf_width
    if config.lmf_post == "layernorm":
        return nn.Sequential(nn.LayerNorm(o), nn.Dropout(config.dropout))
    if config.lmf_post == "linear_relu":
        return nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(o, o), nn.ReLU(), nn.Dropout(config.dropout)
        )
    return nn.Identity()


class InteractionFusion(nn.Module):
    """One fusion of class vectors: MAM per modality, then LMF."""

    def __init__(self, names: tuple[str, ...], config: NetworkConfig) -> None:
        super().__init__()
        self.gates = nn.ModuleDict({module_key(m): ModalityGate(config) for m in names})
        self.interaction = _interaction(names, config)
        self.post = _post(config)

    def forward(self, x: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the fused vector (n, o) and the gated vectors (n, f) by modality."""
        partners = mean_of_others(x)
        gated = {m: self.gates[module_key(m)](vector, partners[m]) for m, vector in x.items()}
        return self.post(self.interaction(gated)), gated


class OptimalWeightConcat(nn.Module):
    """Concatenate blocks, each coordinate (or block) multiplied by a learned weight in (0, 1)."""

    def __init__(self, widths: list[int], config: NetworkConfig) -> None:
        super().__init__()
        self.widths = widths
        self.kind = config.owc
        total = sum(widths)
        if self.kind != "none":
            n_out = total if self.kind == "vector" else len(widths)
            self.hidden = nn.Linear(total, config.owc_hidden)
            self.weight = nn.Linear(config.owc_hidden, n_out)
            nn.init.normal_(self.weight.weight, std=OWC_START_STD)
            nn.init.zeros_(self.weight.bias)

    def forward(self, blocks: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the weighted concatenation (n, sum of widths) and block weights (n, n_blocks)."""
        x = torch.cat(blocks, dim=-1)
        if self.kind == "none":
            return x, x.new_ones((*x.shape[:-1], len(self.widths)))
        w = torch.sigmoid(self.weight(F.relu(self.hidden(x))))
        if self.kind == "block":
            parts = [w[..., i : i + 1] * block for i, block in enumerate(blocks)]
            return torch.cat(parts, dim=-1), w
        means = torch.stack([part.mean(-1) for part in torch.split(w, self.widths, dim=-1)], dim=-1)
        return x * w, means
