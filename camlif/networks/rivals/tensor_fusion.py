"""Tensor fusion (Zadeh et al., EMNLP 2017): all products of the encoders' entries.

One vector a modality goes in; the product of [o ; 1] over modalities, then risks (n,) come out.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from camlif.data.schema import FeatureSchema
from camlif.networks.fusion import MAX_TENSOR_MODALITIES, outer_product
from camlif.networks.interface import FusionOutput, Inputs
from camlif.networks.layers import module_key
from camlif.networks.registry import register
from camlif.networks.rivals.vector_layers import (
    ENCODER_DIMS,
    GENERIC_NATIVE,
    VectorConfig,
    VectorEncoder,
    VectorHead,
    VectorNetwork,
)

TITLE = "Tensor fusion"
HIDDEN = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFusionConfig(VectorConfig):
    """Settings of tensor fusion; its head is an unbounded Cox risk either way."""

    architecture: str = "tensor_fusion"
    bounded: bool = False


@register(
    "tensor_fusion",
    title=TITLE,
    config=TensorFusionConfig,
    native=GENERIC_NATIVE,
    citation="Zadeh et al., EMNLP 2017",
    source="settings of this comparison",
)
class TensorFusionNetwork(VectorNetwork):
    """Encoders, outer product of [x; 1], perceptron; no gates."""

    at_most = MAX_TENSOR_MODALITIES

    def __init__(self, schema: FeatureSchema, n_clinical: int, config: TensorFusionConfig) -> None:
        super().__init__(schema, config)
        self.encoders = nn.ModuleDict(
            {
                module_key(m.name): VectorEncoder(m.n_features, dropout=config.dropout)
                for m in schema.modalities
            }
        )
        self.mlp = nn.Sequential(
            nn.Linear((ENCODER_DIMS[-1] + 1) ** len(self.names), HIDDEN),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
        )
        self.head = VectorHead(HIDDEN, n_clinical, config)

    def forward(self, inputs: Inputs, *, diagnostics: bool = False) -> FusionOutput:
        """Compute risks; the last hidden vector (n, 64) is the fusion vector."""
        x = {m: self.encoders[module_key(m)](v) for m, v in self.read(inputs).items()}
        fused: Tensor = self.mlp(outer_product(list(x.values())))
        return FusionOutput(self.head(fused, inputs.clinical), {**x, "fusion": fused}, {})
