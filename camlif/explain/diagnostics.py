"""What the fused blocks weigh and whether cross-attention does anything, over the ensemble.

A bundle and patients go in; weights of the blocks (eq 5 of An et al., AAAI 2025) or entropies of
the contexts (eqs 3-4) come out. Raises `ConfigError` where the network has no such layer,
`EstimationError` where no patient is scored.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlif.config import NetworkConfig, require_camlif
from camlif.data.cohort import Cohort
from camlif.exceptions import ConfigError
from camlif.explain.explained import Explained, prepare

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle

CHUNK = 128
INACTIVE_ENTROPY = 0.99
"""Above it the context is uniform and cross-attention carries nothing across (`ca-mlif.md` 4.1)."""

CONTEXT = "context_"


@dataclass(frozen=True, slots=True)
class BlockWeights:
    """Learned OWC weights, mean over the members that count.

    Attributes
    ----------
    blocks : tuple of str
    values : float64, shape (n, n_blocks)
        In (0, 1); a block's weight is the mean over its coordinates. NaN where not scored.
    member_sd : float64, shape (n, n_blocks)
        SD over the members that count; NaN for a single one.
    n_members : int array, shape (n,)
        Members that count; 0 where not scored.
    """

    blocks: tuple[str, ...]
    values: NDArray[np.float64]
    member_sd: NDArray[np.float64]
    n_members: NDArray[np.int_]


@dataclass(frozen=True, slots=True)
class ContextEntropy:
    """Entropy of the softmaxed contexts of the last cross-attention layer.

    Attributes
    ----------
    modalities : tuple of str
        Whose keys and values the context is made of.
    values : float64, shape (n, m, h)
        By head, as a share of the greatest possible: 1 is uniform. Mean over the members that
        count. NaN where not scored.
    """

    modalities: tuple[str, ...]
    values: NDArray[np.float64]

    @property
    def is_active(self) -> bool:
        """Whether any head of any modality is less uniform than `INACTIVE_ENTROPY` on average."""
        return bool((np.nanmean(self.values, axis=0) < INACTIVE_ENTROPY).any())


def owc_weights(
    bundle: Bundle,
    cohort: Cohort,
    rows: Sequence[int] | NDArray[np.int_],
    *,
    missing: tuple[str, ...] = (),
) -> BlockWeights:
    """Return what optimal weight concatenation gives each fused block of each patient.

    Parameters
    ----------
    bundle, cohort, rows, missing
        As in `camlif.explain.features.explain_features`.

    Raises
    ------
    ConfigError
        If the network has no weighted concatenation.
    EstimationError
        If none of the patients is scored.
    """
    config = require_camlif(bundle.ensemble.config)
    if config.architecture != "camlif" or config.owc == "none":
        raise ConfigError("The model weighs no blocks.")
    explained = prepare(bundle, cohort, rows, missing=missing)
    blocks = block_names(bundle.schema.names, config)
    shape = (len(explained), len(blocks))
    values, spread = np.full(shape, np.nan), np.full(shape, np.nan)
    n_members = np.zeros(len(explained), dtype=int)
    for positions, aux in auxiliary(explained):
        by_member = aux["owc_weights"].cpu().double().numpy()
        values[positions], n_members[positions] = by_member.mean(axis=0), len(by_member)
        if len(by_member) > 1:
            spread[positions] = by_member.std(axis=0, ddof=1)
    return BlockWeights(blocks, values, spread, n_members)


def block_names(modalities: tuple[str, ...], config: NetworkConfig) -> tuple[str, ...]:
    """Names of the OWC blocks in the order of the network's weights (eq 5)."""
    fusions = {
        True: ("fusion", "enhanced fusion"),
        False: ("enhanced fusion",),
        "original_only": ("fusion",),
    }[config.second_fusion]
    if config.mlif == "paper":
        return (*fusions, *modalities)
    return tuple(
        name for fusion in fusions for name in (fusion, *(f"{fusion}: {m}" for m in modalities))
    )


def context_entropy(
    bundle: Bundle, cohort: Cohort, rows: Sequence[int] | NDArray[np.int_]
) -> ContextEntropy:
    """Return how uniform the cross-attention's contexts are, by modality and head.

    Parameters
    ----------
    bundle, cohort, rows
        As in `camlif.explain.features.explain_features`.

    Raises
    ------
    ConfigError
        If the network has no linear cross-attention.
    EstimationError
        If none of the patients is scored.
    """
    config = require_linear_attention(bundle)
    explained = prepare(bundle, cohort, rows)
    names = bundle.schema.names
    values = np.full((len(explained), len(names), config.ca_heads), np.nan)
    for positions, aux in auxiliary(explained, diagnostics=True):
        by_modality = [
            normalised_entropy(aux[CONTEXT + m], config.ca_softmax_dim).mean(0) for m in names
        ]
        values[positions] = torch.stack(by_modality, dim=1).cpu().double().numpy()
    return ContextEntropy(names, values)


def normalised_entropy(weights: Tensor, dim: int) -> Tensor:
    """Mean entropy of the distributions along ``dim``: (..., c, c) -> (...), between 0 and 1."""
    entropy: Tensor = torch.special.entr(weights).sum(dim) / math.log(weights.shape[dim])
    return entropy.mean(-1)


def require_linear_attention(bundle: Bundle) -> NetworkConfig:
    """Return the network's settings.

    Raises
    ------
    ConfigError
        If it has no linear cross-attention.
    """
    config = require_camlif(bundle.ensemble.config)
    if config.architecture != "camlif" or config.cross_attention != "linear":
        raise ConfigError("Only linear cross-attention has contexts.")
    return config


def auxiliary(
    explained: Explained, *, diagnostics: bool = False
) -> Iterator[tuple[NDArray[np.int_], dict[str, Tensor]]]:
    """Auxiliary outputs (e, n, ...) of the members that count, a chunk of patients at a time."""
    for batch in explained.batches:
        for start in range(0, len(batch), CHUNK):
            part = batch.take(slice(start, start + CHUNK))
            with torch.inference_mode():
                inputs = part.risk.inputs(*part.values, *part.fixed)
                output = part.risk.ensemble.forward(inputs, diagnostics=diagnostics)
            yield part.positions, output.aux
