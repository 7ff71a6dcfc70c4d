"""PG-MLIF (Pan et al., MICCAI 2024): Pathomic Fusion with low-rank fusion and learned weights.

vectors -> encoder per modality -> gate by the others -> low-rank fusion -> weighted concatenation
with the gated vectors -> MLP -> risk
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from camlif.config import NetworkConfig
from camlif.data.schema import FeatureSchema
from camlif.exceptions import ConfigError
from camlif.networks.fusion import LowRankFusion, ModalityGate, OptimalWeightConcat
from camlif.networks.interface import FusionOutput, Inputs
from camlif.networks.layers import initialise_snn, mean_of_others, module_key
from camlif.networks.registry import register
from camlif.networks.rivals.pretrained import NATIVE, PretrainedConfig, PretrainedFusion
from camlif.networks.rivals.vector_layers import VectorHead

ENCODER = (64, 48, 32)
WIDTH = ENCODER[-1]
FUSED = 64
OWC_HIDDEN = 75


@dataclass(frozen=True, slots=True, kw_only=True)
class PgMlifConfig(PretrainedConfig):
    """Settings of PG-MLIF.

    Attributes
    ----------
    rank : int
        Of the low-rank fusion; the published file has 1.
    gates : bool
        Modality attention; the published command switches it off.
    """

    architecture: str = "pg_mlif"
    rank: int = 4
    gates: bool = True

    def _check_ranges(self) -> None:
        if self.rank < 1:
            raise ConfigError("rank must be at least 1.")


@register(
    "pg_mlif",
    title="PG-MLIF",
    config=PgMlifConfig,
    native=NATIVE,
    citation="Pan et al., MICCAI 2024",
    source="panxipeng/PG-MLIF: README, train_test.py",
)
class PgMlif(PretrainedFusion):
    """Pathology-genomics multimodal low-rank interaction fusion.

    Notes
    -----
    The low-rank fusion of the published code multiplies rows of a batch by different factors, so
    its numbers cannot be reproduced by the method it describes, which is what this is. With more
    than two modalities the gating partner is the mean of the others.

    References
    ----------
    Pan X. et al., MICCAI 2024, 347-357; Liu Z. et al., ACL 2018 (low-rank fusion).
    """

    config: PgMlifConfig

    def __init__(self, schema: FeatureSchema, n_clinical: int, config: PgMlifConfig) -> None:
        super().__init__(schema, config, dims=ENCODER, activation="silu")
        layer = NetworkConfig(
            width=WIDTH,
            mam=config.gates,
            mam_gate="bilinear" if config.gates else "auto",
            mam_width=WIDTH,
            owc_hidden=OWC_HIDDEN,
            dropout=config.dropout,
        )
        self.gates = nn.ModuleDict({module_key(m): ModalityGate(layer) for m in self.names})
        self.interaction = LowRankFusion(self.names, WIDTH, config.rank, FUSED, rank_weights=True)
        nn.init.constant_(self.interaction.get_parameter("rank_weights"), 1 / config.rank)
        blocks = [FUSED] + [WIDTH] * len(self.names)
        self.mlp = nn.Linear(sum(blocks), FUSED)
        self.dropout = nn.Dropout(config.dropout)
        self.head = VectorHead(FUSED, n_clinical, config)
        initialise_snn(self)
        self.owc = OptimalWeightConcat(blocks, layer)  # keeps its own start, near equal weights

    def forward(self, inputs: Inputs, *, diagnostics: bool = False) -> FusionOutput:
        """Compute risks; ``aux`` has ``owc_weights`` and, with stages, the encoders' own risks."""
        x, risks = self.encode(inputs)
        partners = mean_of_others(x)
        gated = {m: self.gates[module_key(m)](x[m], partners[m]) for m in self.names}
        weighted, weights = self.owc([self.interaction(gated), *gated.values()])
        fused: Tensor = self.dropout(F.relu(self.mlp(weighted)))
        risk = self.head(fused, inputs.clinical)
        return FusionOutput(risk, {**x, "fusion": fused}, {"owc_weights": weights, **risks})
