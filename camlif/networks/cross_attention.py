"""Layers of stage 1 between modalities: linear (eqs 3-4 of An et al.) and softmax cross-attention.

Tokens and masks by modality go in, tokens that have read the other modalities come out; nothing
fails. Shapes: n cases, k tokens, d width, h heads, c = d / h channels of a head. Masks are True =
valid. Written for one member, as `camlif.networks.layers`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camlif.config import NetworkConfig
from camlif.networks.layers import (
    masked_mean,
    masked_softmax,
    mean_of_others,
    merge_heads,
    module_key,
    split_heads,
)


class ContextProjection(nn.Module):
    """Per-modality projections of one linear cross-attention layer."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        d, h = config.width, config.ca_heads
        self.config = config
        self.split = nn.Linear(d, 2 * d)
        self.key_value = nn.Linear(d, 2 * d, bias=False)
        self.out = nn.Linear(d if config.ca_residual == "other_tokens" else 2 * d, d)
        self.norm = nn.LayerNorm(d)
        self.dropout = nn.Dropout(config.dropout)
        if config.ca_scale == "mean":
            self.log_tau = nn.Parameter(torch.full((h,), math.log(config.ca_tau)))

    def project(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Split tokens into residual and interaction halves, each (n, k, d)."""
        halves = self.split(tokens)
        if self.config.ca_activation == "relu":
            halves = F.relu(halves)
        residual, interaction = halves.chunk(2, dim=-1)
        return residual, interaction

    def context(self, interaction: Tensor, mask: Tensor) -> Tensor:
        """Eq 3: softmax of s * K^T V per head, shape (n, h, c, c)."""
        k, v = self.keys_values(interaction, mask)
        return (k.transpose(-2, -1) @ v).softmax(self.config.ca_softmax_dim)

    def keys_values(self, interaction: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled keys s * K and values V per head, (n, h, k, c) each; 0 where not valid."""
        config = self.config
        k, v = (
            split_heads(t, config.ca_heads) for t in self.key_value(interaction).chunk(2, dim=-1)
        )
        channels = k.shape[-1]
        if config.ca_kv_norm:
            k, v = F.layer_norm(k, (channels,)), F.layer_norm(v, (channels,))
        valid = mask.to(k.dtype).unsqueeze(-1).unsqueeze(-3)  # (n, 1, k, 1)
        # Scaling the few rows of K is cheaper than scaling K^T V.
        return k * (valid * self._scale(valid, channels)), v * valid

    def _scale(self, valid: Tensor, channels: int) -> Tensor | float:
        n_valid = valid.sum(-2, keepdim=True).clamp(min=1.0)
        match self.config.ca_scale:
            case "mean":
                return self.log_tau.exp().unsqueeze(-1).unsqueeze(-1) / n_valid
            case "rsqrt_n":
                return n_valid.rsqrt()
            case "rsqrt_dh":
                return 1 / math.sqrt(channels)
            case _:
                return 1.0

    def combine(self, tokens: Tensor, update: Tensor) -> Tensor:
        """Project the concatenated update and add the outer skip."""
        z = self.dropout(self.out(update))
        combined: Tensor = self.norm(tokens + z if self.config.ca_skip else z)
        return combined


class LinearCrossAttention(nn.Module):
    """One layer of bidirectional linear cross-attention (eqs 3-4), any number of modalities.

    Each modality's interaction vectors are multiplied by the softmax of the *other* modalities'
    contexts K^T V, concatenated with the others' residual vectors, and projected. All modalities
    are updated from the layer's inputs at once. Cost is linear in the number of tokens.

    Notes
    -----
    The paper leaves open the softmax axis, the scale of K^T V, the alignment of the residual and
    the outer skip; `NetworkConfig` names each choice. With the printed form (no scale, no norm of K
    and V) and few tokens the softmax starts uniform and carries nothing across, hence the default.
    """

    def __init__(self, names: tuple[str, ...], config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.projections = nn.ModuleDict({module_key(m): ContextProjection(config) for m in names})

    def forward(
        self, tokens: Mapping[str, Tensor], masks: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        """Return updated tokens, their masks, and the contexts (n, h, c, c) by modality."""
        residual: dict[str, Tensor] = {}
        interaction: dict[str, Tensor] = {}
        contexts: dict[str, Tensor] = {}
        for m, x in tokens.items():
            projection = self._projection(m)
            residual[m], interaction[m] = projection.project(x)
            contexts[m] = projection.context(interaction[m], masks[m])
        others = mean_of_others(contexts)
        updates = {
            m: merge_heads(split_heads(interaction[m], self.config.ca_heads) @ others[m])
            for m in tokens
        }
        if self.config.ca_residual == "other_tokens":
            return (*self._append_tokens(updates, residual, masks), contexts)
        partners = self._residual_partners(residual, masks)
        enhanced = {
            m: self._projection(m).combine(x, torch.cat([updates[m], partners[m]], dim=-1))
            for m, x in tokens.items()
        }
        return enhanced, dict(masks), contexts

    def inspect(
        self, tokens: Mapping[str, Tensor], masks: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Queries, scaled keys, values, contexts and masks, by ``query_<modality>``, ..."""
        found: dict[str, Tensor] = {}
        for m, x in tokens.items():
            projection, mask = self._projection(m), masks[m]
            query = projection.project(x)[1]
            found[f"query_{m}"] = split_heads(query, self.config.ca_heads)
            found[f"key_{m}"], found[f"value_{m}"] = projection.keys_values(query, mask)
            found[f"context_{m}"], found[f"mask_{m}"] = projection.context(query, mask), mask
        return found

    def _projection(self, name: str) -> ContextProjection:
        return cast(ContextProjection, self.projections[module_key(name)])

    def _residual_partners(
        self, residual: Mapping[str, Tensor], masks: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        if self.config.ca_residual == "self":
            return dict(residual)
        means = mean_of_others({m: masked_mean(r, masks[m]) for m, r in residual.items()})
        return {m: means[m].unsqueeze(-2).expand_as(r) for m, r in residual.items()}

    def _append_tokens(
        self,
        updates: Mapping[str, Tensor],
        residual: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Concatenate the others' residual vectors along the token axis (no outer skip)."""
        tokens, valid = {}, {}
        for m, update in updates.items():
            joined = torch.cat([update, *(r for o, r in residual.items() if o != m)], dim=-2)
            projection = self._projection(m)
            tokens[m] = projection.norm(projection.dropout(projection.out(joined)))
            valid[m] = torch.cat([masks[m], *(v for o, v in masks.items() if o != m)], dim=-1)
        return tokens, valid


class SoftmaxCrossAttention(nn.Module):
    """Token-to-token attention of the published code: queries of one modality, values of others.

    No residual, norm or concatenation. With more than two modalities the results are averaged.
    """

    def __init__(self, names: tuple[str, ...], config: NetworkConfig) -> None:
        super().__init__()
        self.heads = config.ca_heads
        d = config.width
        self.queries = nn.ModuleDict({module_key(m): nn.Linear(d, d, bias=False) for m in names})
        self.keys_values = nn.ModuleDict(
            {module_key(m): nn.Linear(d, 2 * d, bias=False) for m in names}
        )
        self.outs = nn.ModuleDict({module_key(m): nn.Linear(d, d) for m in names})

    def forward(
        self, tokens: Mapping[str, Tensor], masks: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        """Return updated tokens, their masks, and no contexts."""
        keys_values = {
            m: [
                split_heads(t, self.heads)
                for t in self.keys_values[module_key(m)](x).chunk(2, dim=-1)
            ]
            for m, x in tokens.items()
        }
        enhanced = {}
        for m, x in tokens.items():
            q = split_heads(self.queries[module_key(m)](x), self.heads)
            attended = [
                self._attend(q, k, v, masks[other])
                for other, (k, v) in keys_values.items()
                if other != m
            ]
            merged = merge_heads(torch.stack(attended).mean(0))
            enhanced[m] = self.outs[module_key(m)](merged)
        return enhanced, dict(masks), {}

    @staticmethod
    def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        logits = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        return masked_softmax(logits, mask.unsqueeze(-2).unsqueeze(-3)) @ v
