"""Concatenation: one multilayer perceptron on all columns side by side (generic reference)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from camlif.config import TrainConfig
from camlif.data.schema import FeatureSchema
from camlif.networks.interface import FusionOutput, Inputs
from camlif.networks.registry import register
from camlif.networks.rivals.vector_layers import (
    VectorConfig,
    VectorHead,
    VectorNetwork,
    check_vectors,
    relu_layers,
)

HIDDEN = (256, 64)

NATIVE = TrainConfig(
    epochs=30, learning_rate=1e-3, weight_decay=4e-4, batch_size=32, clip_norm=None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcatConfig(VectorConfig):
    """Settings of concatenation; its head is an unbounded Cox risk either way."""

    architecture: str = "concat"
    bounded: bool = False


@register(
    "concat",
    title="Concatenation",
    config=ConcatConfig,
    native=NATIVE,
    citation="Katzman et al., BMC Medical Research Methodology 2018",
)
class Concat(VectorNetwork):
    """Perceptron on the concatenated vectors.

    Parameters
    ----------
    schema : FeatureSchema
        Any number of modalities; a bag is averaged.
    n_clinical : int
        Encoded clinical columns; may be 0.
    config : ConcatConfig

    Raises
    ------
    SchemaError
        Without a modality.
    """

    def __init__(self, schema: FeatureSchema, n_clinical: int, config: ConcatConfig) -> None:
        super().__init__(schema, config)
        check_vectors(schema, "Concatenation", at_least=1)
        n_features = sum(m.n_features for m in schema.modalities)
        self.mlp = relu_layers((n_features, *HIDDEN), config.dropout)
        self.head = VectorHead(HIDDEN[-1], n_clinical, config)
        self.n_clinical = self.head.n_clinical

    def forward(self, inputs: Inputs, *, diagnostics: bool = False) -> FusionOutput:
        """Compute risks; the last hidden vector (n, 64) is the fusion vector."""
        fused: Tensor = self.mlp(torch.cat(list(self.read(inputs).values()), dim=-1))
        return FusionOutput(self.head(fused, inputs.clinical), {"fusion": fused}, {})
