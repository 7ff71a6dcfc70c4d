"""Single modality by a perceptron: the single-modality family of the paper's published code.

One vector a patient goes in, risks (n,) come out. Of the published code of An et al., AAAI 2025.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from camlif.config import TrainConfig
from camlif.data.schema import FeatureSchema
from camlif.networks.interface import FusionOutput, Inputs
from camlif.networks.registry import register
from camlif.networks.rivals.vector_layers import (
    VectorConfig,
    VectorEncoder,
    VectorHead,
    VectorNetwork,
)

WIDTHS = (256, 128, 64, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnimodalMlpConfig(VectorConfig):
    """Settings of the perceptron; its head is an unbounded Cox risk either way."""

    architecture: str = "unimodal_mlp"
    bounded: bool = False


def hidden_widths(n_features: int) -> tuple[int, ...]:
    """Widths of `WIDTHS` below that of the input, the last one always."""
    return tuple(w for w in WIDTHS if w < n_features) or WIDTHS[-1:]


@register(
    "unimodal_mlp",
    title="Single modality, MLP",
    config=UnimodalMlpConfig,
    native=TrainConfig(),
    citation="An et al., AAAI 2025",
    source="settings of this comparison",
)
class UnimodalMlp(VectorNetwork):
    """Perceptron with SiLU and AlphaDropout on the columns of one modality.

    Notes
    -----
    Widths follow the rule behind the published ones: 58-32, 290-256-128-64-32, 155-128-64-32.
    """

    at_least = 1
    at_most = 1

    def __init__(self, schema: FeatureSchema, n_clinical: int, config: UnimodalMlpConfig) -> None:
        super().__init__(schema, config)
        n_features = schema.modalities[0].n_features
        dims = hidden_widths(n_features)
        self.encoder = VectorEncoder(n_features, dims, "silu", config.dropout)
        self.head = VectorHead(dims[-1], n_clinical, config)

    def forward(self, inputs: Inputs, *, diagnostics: bool = False) -> FusionOutput:
        """Compute risks; the encoder's vector stands for the fusion vector, too."""
        (name,) = self.names
        x: Tensor = self.encoder(self.read(inputs)[name])
        return FusionOutput(self.head(x, inputs.clinical), {name: x, "fusion": x}, {})
