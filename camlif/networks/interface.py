"""What goes into a fusion network and what comes out: named tuples of tensors.

They are pytrees, so the engine can stack members with ``torch.func.vmap``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn


class Inputs(NamedTuple):
    """Standardised inputs of n patients. Never holds the outcome: ``forward`` cannot read it.

    Attributes
    ----------
    tables : dict of modality to Tensor, shape (n, n_features), or (n, k, d_inst) for a bag
        Imputed and standardised; no NaN.
    masks : dict of modality to BoolTensor, shape (n, n_groups) or (n, k)
        True where the group or instance was observed.
    presence : BoolTensor, shape (n, m)
    clinical : Tensor, shape (n, q), q may be 0
    """

    tables: dict[str, Tensor]
    masks: dict[str, Tensor]
    presence: Tensor
    clinical: Tensor


class Outcome(NamedTuple):
    """Outcome of n patients; rows that pad a batch have duration -inf and no event.

    Attributes
    ----------
    event : BoolTensor, shape (..., n)
    duration : Tensor, shape (..., n), months
    presence : BoolTensor, shape (..., n, m)
        Modalities that count for the alignment loss; False in padding rows.
    """

    event: Tensor
    duration: Tensor
    presence: Tensor


class FusionOutput(NamedTuple):
    """What a fusion network returns.

    Attributes
    ----------
    risk : Tensor, shape (n,)
    embeddings : dict of str to Tensor, shape (n, d)
        Class vectors by modality (``pathology``, ``pathology_hat``) and ``fusion`` (h_fusion).
    aux : dict of str to Tensor
        ``owc_weights`` (n, n_blocks) and diagnostics on request.
    """

    risk: Tensor
    embeddings: dict[str, Tensor]
    aux: dict[str, Tensor]


class LossTerms(NamedTuple):
    """``total`` is the sum of the already weighted ``parts``; shapes (...,)."""

    total: Tensor
    parts: dict[str, Tensor]


class FusionNetwork(nn.Module, ABC):
    """What the training engine and the ensemble ask of a network.

    A subclass is built from a schema, the number of encoded clinical columns and a `NetworkConfig`.

    Attributes
    ----------
    n_clinical : int
        Encoded clinical columns that the risk depends on; 0 where they are ignored.
    """

    n_clinical: int

    @abstractmethod
    def forward(self, inputs: Inputs, *, diagnostics: bool = False) -> FusionOutput:
        """Compute risks and class vectors of n patients."""

    @abstractmethod
    def loss(self, output: FusionOutput, outcome: Outcome) -> LossTerms:
        """Compute the loss; leading dimensions are independent members."""


ENHANCED = "_hat"
"""Suffix of a modality's decoder class vector in ``FusionOutput.embeddings``."""
