"""Concatenation: one multilayer perceptron on all columns side by side (generic reference).

One vector a modality goes in, risks (n,) come out. After DeepSurv (Katzman et al., BMC Medical
Research Methodology 2018), on the concatenated columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from camlif.data.schema import FeatureSchema
from camlif.networks.interface import FusionOutput, Inputs
from camlif.networks.registry import register
from camlif.networks.rivals.vector_layers import (
    GENERIC_NATIVE,
    VectorConfig,
    VectorHead,
    VectorNetwork,
    relu_layers,
)

HIDDEN = (256, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcatConfig(VectorConfig):
    """Settings of concatenation; its head is an unbounded Cox risk either way."""

    architecture: str = "concat"
    bounded: bool = False


@register(
    "concat",
    title="Concatenation",
    config=ConcatConfig,
    native=GENERIC_NATIVE,
    citation="Katzman et al., BMC Medical Research Methodology 2018",
    source="settings of this comparison",
)
class Concat(VectorNetwork):
    """Perceptron on the concatenated vectors."""

    at_least = 1

    def __init__(self, schema: FeatureSchema, n_clinical: int, config: ConcatConfig) -> None:
        super().__init__(schema, config)
        n_features = sum(m.n_features for m in schema.modalities)
        self.mlp = relu_layers((n_features, *HIDDEN), config.dropout)
        self.head = VectorHead(HIDDEN[-1], n_clinical, config)

    def forward(self, inputs: Inputs, *, diagnostics: bool = False) -> FusionOutput:
        """Compute risks; the last hidden vector (n, 64) is the fusion vector."""
        fused: Tensor = self.mlp(torch.cat(list(self.read(inputs).values()), dim=-1))
        return FusionOutput(self.head(fused, inputs.clinical), {"fusion": fused}, {})
