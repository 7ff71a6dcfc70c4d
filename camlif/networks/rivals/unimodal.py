"""Single-modality network: the encoder branch of CA-MLIF alone, for a fair comparison.

Inputs go in, of which one modality is read; risks (n,) come out. Stage 1 of An et al., AAAI 2025,
without cross-attention and decoder.
"""

from __future__ import annotations

from camlif.config import NetworkConfig, TrainConfig
from camlif.data.schema import FeatureSchema
from camlif.losses import cox_partial_likelihood
from camlif.networks.head import RiskHead
from camlif.networks.interface import (
    START,
    FusionNetwork,
    FusionOutput,
    Inputs,
    LossTerms,
    Outcome,
    Step,
)
from camlif.networks.layers import MeanPool, Tokenizer, Tower
from camlif.networks.registry import register
from camlif.networks.rivals.rival import check_modalities


@register(
    "unimodal",
    title="Single modality",
    config=NetworkConfig,
    native=TrainConfig(),
    citation="An et al., AAAI 2025",
    source="settings of this comparison",
)
class UnimodalEncoder(FusionNetwork):
    """Tokens, encoder, class vector, risk head; trained on the Cox loss.

    Parameters
    ----------
    schema : FeatureSchema
        Exactly one modality.
    n_clinical : int
        Encoded clinical columns; may be 0.
    config : NetworkConfig
        Settings of the fusion stage have no effect.

    Raises
    ------
    SchemaError
        With any other number of modalities.
    """

    head: RiskHead

    def __init__(self, schema: FeatureSchema, n_clinical: int, config: NetworkConfig) -> None:
        super().__init__()
        check_modalities(schema, "A unimodal network", at_least=1, at_most=1)
        self.config = config
        (self.name,) = schema.names
        self.tokenizer = Tokenizer(schema.modalities[0], config)
        self.encoder = Tower(config) if config.encoder_decoder else MeanPool()
        self.head = RiskHead(config.width, n_clinical, config)

    def forward(self, inputs: Inputs, *, diagnostics: bool = False) -> FusionOutput:
        """Compute risks; the class vector stands for the fusion vector, too."""
        x, mask = self.tokenizer(
            inputs.tables[self.name], inputs.masks[self.name], inputs.presence[..., 0]
        )
        class_vector, _ = self.encoder(x, mask)
        risk = self.head(class_vector, inputs.clinical)
        return FusionOutput(risk, {self.name: class_vector, "fusion": class_vector}, {})

    def loss(self, output: FusionOutput, outcome: Outcome, step: Step = START) -> LossTerms:
        """L_cox alone. Leading dimensions are independent members.

        Parameters
        ----------
        output, outcome, step
            As in `FusionNetwork.loss`.
        """
        cox = cox_partial_likelihood(
            output.risk,
            outcome.event,
            outcome.duration,
            entry=outcome.entry,
            ties=self.config.cox_ties,
            reduction=self.config.cox_reduction,
        )
        return LossTerms(cox, {"cox": cox})
