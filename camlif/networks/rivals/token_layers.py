"""Layers of the rivals that work on tokens: tokenisers, exact attention, encoder, pooling.

Tables and bags of n patients go in, tokens (n, k, d) and masks come out. Raises `ConfigError` for
settings outside their range.

Attention and encoder layer hold the parameters, names and equations of ``nn.MultiheadAttention``
and ``nn.TransformerEncoderLayer``. Those cannot be stacked with ``torch.func.vmap``: their fast
path has no derivative in evaluation, and the attention kernel has no batching rule, so that members
run one by one.

Shapes: n patients, k tokens (q asking, k asked), d width, h heads. Masks are True = valid. Where no
token is valid every result is finite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camlif.config import RivalConfig
from camlif.data.schema import FeatureSchema, ModalitySpec
from camlif.exceptions import ConfigError
from camlif.networks.interface import Inputs
from camlif.networks.layers import masked_softmax, merge_heads, module_key, split_heads

WIDTHS = {"compact": 64, "paper": 256}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenConfig(RivalConfig):
    """Settings that the rivals on tokens share.

    Attributes
    ----------
    size : {"compact", "paper"}
        Width d of 64, for tables of a few hundred patients, or the 256 of the publications.
    dropout : float
        In [0, 1); of tokenisers, feed-forward layers and pooling.
    """

    size: Literal["compact", "paper"] = "compact"
    dropout: float = 0.25

    def _check_ranges(self) -> None:
        if not 0 <= self.dropout < 1:
            raise ConfigError("dropout must lie in [0, 1).")

    @property
    def width(self) -> int:
        """Token width d."""
        return WIDTHS[self.size]


class GroupTokenizer(nn.Module):
    """One token per feature group: twice Linear, ELU, AlphaDropout.

    Parameters
    ----------
    widths : list of int
        Columns of each group.
    width : int
        Of the tokens.
    dropout : float
    """

    def __init__(self, widths: list[int], width: int, dropout: float) -> None:
        super().__init__()
        self.widths = widths
        self.groups = nn.ModuleList(
            nn.Sequential(
                nn.Linear(n, width),
                nn.ELU(),
                nn.AlphaDropout(dropout),
                nn.Linear(width, width),
                nn.ELU(),
                nn.AlphaDropout(dropout),
            )
            for n in widths
        )

    def forward(self, x: Tensor) -> Tensor:
        """Embed: (n, n_features) -> (n, k, d)."""
        parts = torch.split(x, self.widths, dim=-1)
        return torch.stack([g(part) for g, part in zip(self.groups, parts, strict=True)], dim=-2)


class BagEmbedder(nn.Module):
    """One token per instance: Linear, ReLU, Dropout."""

    def __init__(self, n_features: int, width: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(n_features, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Embed: (n, k, d_inst) -> (n, k, d)."""
        tokens: Tensor = self.dropout(F.relu(self.linear(x)))
        return tokens


def _tokenizer(modality: ModalitySpec, config: TokenConfig) -> nn.Module:
    if modality.bag is not None:
        return BagEmbedder(modality.n_features, config.width, config.dropout)
    widths = [group.n_features for group in modality.groups]
    return GroupTokenizer(widths, config.width, config.dropout)


class TokenReader(nn.Module):
    """Turn the tables and bags of all modalities into tokens and masks.

    An absent modality is read as the training mean, which is zero, and its tokens are masked.
    """

    def __init__(self, schema: FeatureSchema, config: TokenConfig) -> None:
        super().__init__()
        self.names = schema.names
        self.tokenizers = nn.ModuleDict(
            {module_key(m.name): _tokenizer(m, config) for m in schema.modalities}
        )

    def forward(self, inputs: Inputs) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return tokens (n, k, d) and masks (n, k) by modality."""
        tokens, masks = {}, {}
        for i, name in enumerate(self.names):
            table, present = inputs.tables[name], inputs.presence[..., i]
            known = present.view(*present.shape, *(1,) * (table.ndim - present.ndim))
            tokens[name] = self.tokenizers[module_key(name)](torch.where(known, table, 0.0))
            masks[name] = inputs.masks[name] & present.unsqueeze(-1)
        return tokens, masks


class Attention(nn.Module):
    """Multi-head attention with the parameters of ``nn.MultiheadAttention``.

    Parameters
    ----------
    width, heads : int
    dropout : float
        Of the attention weights.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend to the valid tokens of the memory.

        Parameters
        ----------
        query : Tensor, shape (n, q, d)
        memory : Tensor, shape (n, k, d)
            Keys and values.
        mask : BoolTensor, shape (n, k)

        Returns
        -------
        Tensor, shape (n, q, d)
        weights : Tensor, shape (n, h, q, k)
            After softmax; zero at invalid keys.
        """
        d = query.shape[-1]
        q = F.linear(query, self.in_proj_weight[:d], self.in_proj_bias[:d])
        k, v = F.linear(memory, self.in_proj_weight[d:], self.in_proj_bias[d:]).chunk(2, dim=-1)
        q, k, v = (split_heads(t, self.heads) for t in (q, k, v))
        logits = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        weights = masked_softmax(logits, mask.unsqueeze(-2).unsqueeze(-3))
        return self.out_proj(merge_heads(self.dropout(weights) @ v)), weights


class EncoderLayer(nn.Module):
    """Transformer layer with the parameters of ``nn.TransformerEncoderLayer`` (ReLU).

    Parameters
    ----------
    width, heads, hidden : int
        ``hidden``: of the feed-forward part.
    dropout : float
    norm_first : bool
        Normalise before each part (pre-norm) rather than after its residual.
    """

    def __init__(
        self, width: int, heads: int, hidden: int, dropout: float, *, norm_first: bool
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.self_attn = Attention(width, heads, dropout)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout, self.dropout1, self.dropout2 = (nn.Dropout(dropout) for _ in range(3))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Encode: (n, k, d), (n, k) -> (n, k, d)."""
        if self.norm_first:
            x = x + self._attend(self.norm1(x), mask)
            return x + self._feed_forward(self.norm2(x))
        x = self.norm1(x + self._attend(x, mask))
        normed: Tensor = self.norm2(x + self._feed_forward(x))
        return normed

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        attended: Tensor = self.dropout1(self.self_attn(x, x, mask)[0])
        return attended

    def _feed_forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.dropout2(self.linear2(self.dropout(F.relu(self.linear1(x)))))
        return out


class GatedAttentionPool(nn.Module):
    """Attention pooling with a gate (Ilse et al., ICML 2018).

    ``score_k = w^T (tanh(A x_k) * sigmoid(B x_k)) + c``, softmax over valid tokens.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.content = nn.Linear(width, width)
        self.gate = nn.Linear(width, width)
        self.score = nn.Linear(width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pool (n, k, d) into (n, d); returns the weights (n, k), too."""
        content = self.dropout(torch.tanh(self.content(x)))
        gate = self.dropout(torch.sigmoid(self.gate(x)))
        weights = masked_softmax(self.score(content * gate).squeeze(-1), mask)
        return (weights.unsqueeze(-2) @ x).squeeze(-2), weights


def fusion_layers(n_in: int, width: int) -> nn.Sequential:
    """Return the "concat" fusion of the token methods: twice Linear, ReLU."""
    return nn.Sequential(nn.Linear(n_in, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
