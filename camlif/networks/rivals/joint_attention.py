"""Joint attention: one transformer over the tokens of all modalities (generic reference).

Tokens of all modalities and a class token go in, risks (n,) come out. After Vaswani et al., NeurIPS
2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from camlif.config import TrainConfig
from camlif.data.schema import FeatureSchema
from camlif.losses import cox_partial_likelihood
from camlif.networks.head import ClinicalConcat
from camlif.networks.interface import (
    START,
    FusionOutput,
    Inputs,
    LossTerms,
    Outcome,
    Step,
)
from camlif.networks.layers import CLASS_TOKEN_STD
from camlif.networks.registry import register
from camlif.networks.rivals.rival import RivalNetwork
from camlif.networks.rivals.token_layers import (
    EncoderLayer,
    TokenConfig,
    TokenReader,
)

LAYERS = 2
HEADS = 4

NATIVE = TrainConfig(
    epochs=30, learning_rate=2e-4, weight_decay=4e-4, batch_size=32, clip_norm=None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JointAttentionConfig(TokenConfig):
    """Settings of joint attention; its head is a Cox risk either way."""

    architecture: str = "joint_attention"


@register(
    "joint_attention",
    title="Joint attention",
    config=JointAttentionConfig,
    native=NATIVE,
    citation="Vaswani et al., NeurIPS 2017",
    source="settings of this comparison",
)
class JointAttention(RivalNetwork):
    """Self-attention over all tokens and a class token, which is regressed on.

    Each modality adds a learned vector to its tokens.
    """

    at_least = 1

    def __init__(
        self, schema: FeatureSchema, n_clinical: int, config: JointAttentionConfig
    ) -> None:
        super().__init__(schema, config)
        d = config.width
        self.reader = TokenReader(schema, config)
        self.modality = nn.Parameter(torch.empty(len(self.names), d))
        self.class_token = nn.Parameter(torch.empty(d))
        for vectors in (self.modality, self.class_token):
            nn.init.trunc_normal_(vectors, std=CLASS_TOKEN_STD)
        self.layers = nn.ModuleList(
            EncoderLayer(d, HEADS, 2 * d, config.dropout, norm_first=True) for _ in range(LAYERS)
        )
        self.norm = nn.LayerNorm(d)
        self.clinical = ClinicalConcat(d, n_clinical, config)
        self.out = nn.Linear(self.clinical.width, 1)

    @property
    def n_clinical(self) -> int:
        """Encoded clinical columns that the risk depends on."""
        return self.clinical.n_clinical

    def forward(self, inputs: Inputs, *, diagnostics: bool = False) -> FusionOutput:
        """Compute risks; the normalised class token is the fusion vector."""
        x, mask = self._sequence(inputs)
        for layer in self.layers:
            x = layer(x, mask)
        fused = self.norm(x[..., 0, :])
        risk = self.out(self.clinical(fused, inputs.clinical)).squeeze(-1)
        return FusionOutput(risk, {"fusion": fused}, {})

    def _sequence(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Class token, then all tokens (n, 1 + k, d), and their mask."""
        tokens, masks = self.reader(inputs)
        n = inputs.presence.shape[:-1]
        parts = [self.class_token.expand(*n, 1, -1)]
        parts += [tokens[m] + self.modality[i] for i, m in enumerate(self.names)]
        first = torch.ones_like(inputs.presence[..., :1])
        return torch.cat(parts, dim=-2), torch.cat([first, *masks.values()], dim=-1)

    def loss(self, output: FusionOutput, outcome: Outcome, step: Step = START) -> LossTerms:
        """L_cox alone. Leading dimensions are independent members.

        Parameters
        ----------
        output, outcome, step
            As in `FusionNetwork.loss`.
        """
        cox = cox_partial_likelihood(
            output.risk, outcome.event, outcome.duration, entry=outcome.entry
        )
        return LossTerms(cox, {"cox": cox})
