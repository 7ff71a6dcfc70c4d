"""Layers of stage 1: group tokenisers, self-attention towers, linear and softmax cross-attention.

Shapes: n cases, k tokens, d width, h heads, c = d / h channels of a head. Masks are True = valid.
Everything is written for one member; the training engine stacks members with ``torch.func.vmap``,
so layers use only operations that have a batching rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camlif.config import NetworkConfig
from camlif.data.schema import ModalitySpec

CLASS_TOKEN_STD = 0.02


RESERVED_KEYS = frozenset((*dir(nn.ModuleDict()), *dir(nn.ParameterDict())))


def module_key(name: str) -> str:
    """Return a modality name that is safe as a key of a module or parameter dictionary."""
    key = name.replace(".", "_")
    return f"{key}_" if key in RESERVED_KEYS else key


def masked_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """Mean over valid tokens: (n, k, d), (n, k) -> (n, d). Zero where no token is valid."""
    weight = mask.to(tokens.dtype).unsqueeze(-1)
    return (tokens * weight).sum(-2) / weight.sum(-2).clamp(min=1.0)


def masked_softmax(logits: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis with invalid keys at zero; all-invalid rows give zeros."""
    lowest = torch.finfo(logits.dtype).min
    weights = logits.masked_fill(~mask, lowest).softmax(-1)
    return weights * mask.to(weights.dtype)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Reshape (n, k, d) to (n, h, k, c)."""
    return torch.unflatten(x, -1, (heads, -1)).transpose(-3, -2)


def merge_heads(x: Tensor) -> Tensor:
    """Reshape (n, h, k, c) to (n, k, d)."""
    return x.transpose(-3, -2).flatten(-2)


def initialise_snn(network: nn.Module) -> None:
    """Give linear layers the start that self-normalising networks want: std 1 / sqrt(fan_in)."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=1 / math.sqrt(layer.in_features))
            nn.init.zeros_(layer.bias)


def group_network(n_in: int, n_out: int, config: NetworkConfig) -> nn.Sequential:
    """Two-layer embedding of one feature group."""
    hidden = config.hidden
    if config.embed == "relu_mlp":
        return nn.Sequential(
            nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, n_out), nn.ReLU()
        )
    first, second = config.embed_dropout
    network = nn.Sequential(
        nn.Linear(n_in, hidden),
        nn.ELU(),
        nn.AlphaDropout(first),
        nn.Linear(hidden, n_out),
        nn.ELU(),
        nn.AlphaDropout(second),
    )
    initialise_snn(network)
    return network


class Tokenizer(nn.Module):
    """Turn one modality into tokens, one network per feature group.

    A bag gives one token per instance. A modality with a single group gives ``n_tokens`` learned
    views of it, because attention over one token is trivial. An absent modality is replaced by one
    learned token; an absent group or instance is masked.

    Parameters
    ----------
    modality : ModalitySpec
    config : NetworkConfig
    """

    def __init__(self, modality: ModalitySpec, config: NetworkConfig) -> None:
        super().__init__()
        self.widths = [group.n_features for group in modality.groups]
        self.is_bag = modality.bag is not None
        self.width = config.width
        flat = len(self.widths) == 1 and not self.is_bag
        self.copies = config.n_copies if flat and config.tokens == "copies" else 0
        self.views = config.n_tokens if flat and not self.copies else 0
        n_out = config.width * max(1, self.views)
        self.groups = nn.ModuleList(group_network(n, n_out, config) for n in self.widths)
        self.view_norm = nn.LayerNorm(config.width) if self.views else nn.Identity()
        self.copy_dropout = nn.Dropout(config.dropout)
        n_positions = max(len(self.widths), self.views, self.copies)
        self.missing = nn.Parameter(torch.empty(config.width))
        nn.init.trunc_normal_(self.missing, std=CLASS_TOKEN_STD)
        self.position = (
            nn.Parameter(torch.zeros(n_positions, config.width))
            if config.group_embedding and not self.is_bag
            else None
        )

    def forward(self, x: Tensor, mask: Tensor, presence: Tensor) -> tuple[Tensor, Tensor]:
        """Embed groups.

        Parameters
        ----------
        x : Tensor, shape (n, n_features) or (n, k, d_inst) for a bag
        mask : BoolTensor, shape (n, n_groups) or (n, k) for a bag
        presence : BoolTensor, shape (n,)

        Returns
        -------
        tokens : Tensor, shape (n, k, d)
        mask : BoolTensor, shape (n, k)
        """
        if self.is_bag:
            tokens = self.groups[0](x)
        elif self.views:
            tokens = self.view_norm(self.groups[0](x).unflatten(-1, (self.views, self.width)))
            mask = mask.expand(*mask.shape[:-1], self.views)
        elif self.copies:
            copies = self.copy_dropout(x.unsqueeze(-2).expand(*x.shape[:-1], self.copies, -1))
            tokens = self.groups[0](copies)
            mask = mask.expand(*mask.shape[:-1], self.copies)
        else:
            parts = torch.split(x, self.widths, dim=-1)
            tokens = torch.stack([g(p) for g, p in zip(self.groups, parts, strict=True)], dim=-2)
        if self.position is not None:
            tokens = tokens + self.position
        present = presence.unsqueeze(-1)
        tokens = torch.where(present.unsqueeze(-1), tokens, self.missing)
        first = torch.arange(mask.shape[-1], device=mask.device) == 0
        return tokens, torch.where(present, mask, first)


class SelfAttention(nn.Module):
    """Multi-head self-attention with output projection.

    Written out rather than through ``scaled_dot_product_attention``, whose CPU kernel has no
    batching rule and would run members one by one.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Attend: (n, k, d), (n, k) -> (n, k, d)."""
        q, k, v = (split_heads(t, self.heads) for t in self.qkv(x).chunk(3, dim=-1))
        logits = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        weights = masked_softmax(logits, mask.unsqueeze(-2).unsqueeze(-3))
        attended: Tensor = self.dropout(self.out(merge_heads(weights @ v)))
        return attended


class Tower(nn.Module):
    """Encoder or decoder of one modality (eqs 1-2): class token, pre-norm self-attention, norm.

    There is no feed-forward sub-layer in the paper. The decoder has the same structure and is run
    on cross-attended tokens.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        d = config.width
        self.class_token = nn.Parameter(torch.empty(d))
        nn.init.trunc_normal_(self.class_token, std=CLASS_TOKEN_STD)
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(config.encoder_layers))
        self.layers = nn.ModuleList(
            SelfAttention(d, config.heads, config.dropout) for _ in range(config.encoder_layers)
        )
        self.final_norm = nn.LayerNorm(d)

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the class vector (n, d) and the tokens (n, k, d)."""
        head = self.class_token.expand(*tokens.shape[:-2], 1, -1)
        x = torch.cat([head, tokens], dim=-2)
        valid = torch.cat([torch.ones_like(mask[..., :1]), mask], dim=-1)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = x + layer(norm(x), valid)
        x = self.final_norm(x)
        # A strided slice would make the next projection run patient by patient under vmap.
        return x[..., 0, :], x[..., 1:, :].contiguous()


class MeanPool(nn.Module):
    """Stand-in for a tower in the ablation without encoder and decoder."""

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the masked mean (n, d) and the tokens unchanged."""
        return masked_mean(tokens, mask), tokens


def mean_of_others(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """For each modality, the mean of the values of all other modalities."""
    names = list(values)
    if len(names) == 2:
        first, second = names
        return {first: values[second], second: values[first]}
    total = torch.stack([values[name] for name in names]).sum(0)
    return {name: (total - values[name]) / (len(names) - 1) for name in names}


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
        config = self.config
        k, v = (
            split_heads(t, config.ca_heads) for t in self.key_value(interaction).chunk(2, dim=-1)
        )
        channels = k.shape[-1]
        if config.ca_kv_norm:
            k, v = F.layer_norm(k, (channels,)), F.layer_norm(v, (channels,))
        valid = mask.to(k.dtype).unsqueeze(-1).unsqueeze(-3)  # (n, 1, k, 1)
        # Scaling the few rows of K is cheaper than scaling K^T V.
        k = k * (valid * self._scale(valid, channels))
        return (k.transpose(-2, -1) @ (v * valid)).softmax(config.ca_softmax_dim)

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
