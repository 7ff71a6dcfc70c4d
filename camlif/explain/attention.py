"""Which feature groups of one modality the groups of another read in cross-attention.

A bundle and a patient go in; one matrix of shares for each ordered pair of modalities comes out.
Raises `ConfigError` where the network has no linear cross-attention (An et al., AAAI 2025).

Linear cross-attention (eqs 3-4) has no weight per pair of tokens: a token's query x is multiplied
by S = softmax(sum_t k_t v_t'), one matrix for all tokens t of the other modality. The effective
weight of token t is how far the result moves when its term of the sum is turned up or down:
the size of x (dS / dg_t), where g_t multiplies k_t v_t'. It is what the kernel implies, to first
order; it says what is read, not whether the risk depends on it.

Shapes: e members, h heads, k and l tokens of the reading and of the read modality, c channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlif.config import NetworkConfig
from camlif.data.cohort import Cohort
from camlif.data.schema import ModalitySpec
from camlif.explain.diagnostics import (
    CONTEXT,
    auxiliary,
    normalised_entropy,
    require_linear_attention,
)
from camlif.explain.explained import prepare

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionWeights:
    """How the tokens of one modality read those of another, for one patient.

    Attributes
    ----------
    modality, other : str
        The reading and the read one.
    readers, read : tuple of str
        Names of the tokens that the patient has: feature groups, instances of a bag, or learned
        views of a modality with a single group.
    values, member_sd : float64, shape (k, l)
        Effective weights, mean and SD over the members that count; a row of values sums to 1.
    entropy : float
        Of the context that is read, mean over heads and members, as a share of the greatest
        possible: near 1 it is uniform and carries nothing, whatever the weights say.
    n_members : int
    """

    modality: str
    other: str
    readers: tuple[str, ...]
    read: tuple[str, ...]
    values: NDArray[np.float64]
    member_sd: NDArray[np.float64]
    entropy: float
    n_members: int


def effective_weights(
    query: Tensor, key: Tensor, value: Tensor, context: Tensor, *, dim: int
) -> Tensor:
    """Return the effective weight of each token, shape (k, l); rows sum to 1.

    Parameters
    ----------
    query : Tensor, shape (h, k, c)
    key, value : Tensor, shape (h, l, c)
        Scaled as they enter the sum; 0 for a token that does not count.
    context : Tensor, shape (h, c, c)
        Softmax of the sum.
    dim : {-2, -1}
        Axis of the softmax.
    """
    term = key.unsqueeze(-1) * value.unsqueeze(-2)  # (h, l, c, c)
    s = context.unsqueeze(-3)
    moved = s * (term - (s * term).sum(dim, keepdim=True))
    size = torch.einsum("hkc,hlcd->klhd", query, moved).flatten(-2).norm(dim=-1)
    total = size.sum(-1, keepdim=True)
    return torch.where(total > 0, size / total.clamp(min=torch.finfo(size.dtype).tiny), 0.0)


def attention_weights(
    bundle: Bundle, cohort: Cohort, row: int, *, missing: tuple[str, ...] = ()
) -> tuple[AttentionWeights, ...]:
    """Return the effective weights of a patient's last cross-attention layer.

    One result for each ordered pair of modalities that the patient has. With more than two
    modalities the contexts of the others are averaged; weights are shares within each.

    Parameters
    ----------
    bundle : Bundle
    cohort : Cohort
    row : int
        A patient of the cohort.
    missing : tuple of str
        Modalities to treat as missing whatever columns are there.

    Raises
    ------
    ConfigError
        If the network has no linear cross-attention.
    EstimationError
        If the patient is not scored.
    """
    config = require_linear_attention(bundle)
    explained = prepare(bundle, cohort, [row], missing=missing)
    ((_, aux),) = auxiliary(explained, diagnostics=True)
    present = [
        m for m, there in zip(bundle.schema.names, explained.raw.presence[0], strict=True) if there
    ]
    names = {m: token_names(bundle.schema[m], config, aux[f"mask_{m}"].shape[-1]) for m in present}
    return tuple(_pair(aux, a, b, names, config) for a, b in permutations(present, 2))


def token_names(modality: ModalitySpec, config: NetworkConfig, n: int) -> tuple[str, ...]:
    """Names of a modality's n tokens.

    Parameters
    ----------
    modality : ModalitySpec
    config : NetworkConfig
        Says what tokens are made beside one for each group.
    n : int
        Tokens of the modality.
    """
    if modality.bag is not None:
        return tuple(f"item {i + 1}" for i in range(n))
    groups = tuple(group.name for group in modality.groups)
    if len(groups) > 1:
        return groups
    word = "copy" if config.tokens == "copies" else "view"
    return tuple(f"{groups[0]}, {word} {i + 1}" for i in range(n))


def _pair(
    aux: dict[str, Tensor], a: str, b: str, names: dict[str, tuple[str, ...]], config: NetworkConfig
) -> AttentionWeights:
    valid = {m: aux[f"mask_{m}"][0, 0].cpu().numpy() for m in (a, b)}
    by_member = torch.stack(
        [
            effective_weights(*(x[0].cpu().double() for x in parts), dim=config.ca_softmax_dim)
            for parts in zip(
                aux[f"query_{a}"], aux[f"key_{b}"], aux[f"value_{b}"], aux[CONTEXT + b], strict=True
            )
        ]
    )
    weights = by_member.numpy()[:, valid[a]][:, :, valid[b]]
    single = len(weights) == 1
    entropy = normalised_entropy(aux[CONTEXT + b], config.ca_softmax_dim)
    return AttentionWeights(
        modality=a,
        other=b,
        readers=tuple(name for name, there in zip(names[a], valid[a], strict=True) if there),
        read=tuple(name for name, there in zip(names[b], valid[b], strict=True) if there),
        values=weights.mean(axis=0),
        member_sd=np.full(weights.shape[1:], np.nan) if single else weights.std(axis=0, ddof=1),
        entropy=float(entropy.mean()),
        n_members=len(weights),
    )
