"""Layers of stage 1 within a modality: group tokenisers and self-attention towers (eqs 1-2).

Features (n, n_features) go in, tokens (n, k, d) and masks come out; nothing fails.

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
    """Two-layer embedding of one feature group.

    Parameters
    ----------
    n_in : int
        Features of the group.
    n_out : int
        Width of the token.
    config : NetworkConfig
        Says which layers (``embed``), their hidden width and their dropout.
    """
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
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return self._attend(q, k, v, mask)

    def of_first(self, x: Tensor, mask: Tensor) -> Tensor:
        """Attend from the first token alone: (n, k, d), (n, k) -> (n, 1, d)."""
        query, key_value = self.qkv.weight.tensor_split([x.shape[-1]])
        k, v = F.linear(x, key_value).chunk(2, dim=-1)
        return self._attend(F.linear(x[..., :1, :].contiguous(), query), k, v, mask)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (split_heads(t, self.heads) for t in (q, k, v))
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
        x, valid = self._with_class(tokens, mask)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = x + layer(norm(x), valid)
        x = self.final_norm(x)
        # A strided slice would make the next projection run patient by patient under vmap.
        return x[..., 0, :], x[..., 1:, :].contiguous()

    def class_vector(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return the class vector (n, d) alone; the last layer is spared its other tokens."""
        x, valid = self._with_class(tokens, mask)
        *before, (last_norm, last) = zip(self.norms, self.layers, strict=True)
        for norm, layer in before:
            x = x + layer(norm(x), valid)
        first = x[..., :1, :] + cast(SelfAttention, last).of_first(last_norm(x), valid)
        vector: Tensor = self.final_norm(first).squeeze(-2)
        return vector

    def _with_class(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Put the class token in front."""
        head = self.class_token.expand(*tokens.shape[:-2], 1, -1)
        valid = torch.cat([torch.ones_like(mask[..., :1]), mask], dim=-1)
        return torch.cat([head, tokens], dim=-2), valid


class MeanPool(nn.Module):
    """Stand-in for a tower in the ablation without encoder and decoder."""

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the masked mean (n, d) and the tokens unchanged."""
        return self.class_vector(tokens, mask), tokens

    def class_vector(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return the masked mean (n, d)."""
        return masked_mean(tokens, mask)


def mean_of_others(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """For each modality, the mean of the values of all other modalities."""
    names = list(values)
    if len(names) == 2:
        first, second = names
        return {first: values[second], second: values[first]}
    total = torch.stack([values[name] for name in names]).sum(0)
    return {name: (total - values[name]) / (len(names) - 1) for name in names}
