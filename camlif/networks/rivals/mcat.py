"""MCAT (Chen et al., ICCV 2021): tokens of one modality ask each other modality for a summary.

tokens -> co-attention by the query modality -> encoder, gated pooling per branch -> MLP -> hazards
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camlif.config import TrainConfig
from camlif.data.schema import FeatureSchema
from camlif.exceptions import SchemaError
from camlif.networks.interface import FusionOutput, Inputs
from camlif.networks.layers import module_key
from camlif.networks.registry import register
from camlif.networks.rivals.discrete import DiscreteConfig, DiscreteTimeNetwork, SurvivalHead
from camlif.networks.rivals.token_layers import (
    Attention,
    EncoderLayer,
    GatedAttentionPool,
    TokenReader,
    fusion_layers,
)

ENCODER_LAYERS = 2
ENCODER_HEADS = 8
USUAL_QUERY = "genomics"

# A true batch of 32 stands for the published batch of 1 with 32 accumulated gradients.
NATIVE = TrainConfig(
    epochs=20,
    constant_epochs=20,
    learning_rate=2e-4,
    weight_decay=1e-5,
    batch_size=32,
    clip_norm=None,
    sampler="balanced",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class McatConfig(DiscreteConfig):
    """Settings of MCAT.

    Attributes
    ----------
    query_modality : str or None
        Whose tokens ask. None: ``genomics`` if there is one, else the table with most groups.
    """

    architecture: str = "mcat"
    query_modality: str | None = None


def query_of(schema: FeatureSchema, config: McatConfig) -> str:
    """Return the modality that asks.

    Raises
    ------
    SchemaError
        If the configured one is not in the schema.
    """
    if config.query_modality is not None:
        return schema[config.query_modality].name
    if USUAL_QUERY in schema.names:
        return USUAL_QUERY
    tables = [m for m in schema.modalities if m.bag is None]
    if not tables:
        raise SchemaError(
            "No table's feature groups can ask the bags.",
            found="bags only",
            fix="Name one of them as query_modality.",
        )
    return max(tables, key=lambda m: len(m.groups)).name


class CoAttention(nn.Module):
    """One-head attention of the query modality's tokens over another's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads=1)

    def forward(
        self, query: Tensor, memory: Tensor, asking: Tensor, mask: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the summaries (n, q, d) and the weights (n, q, k) they were made with.

        Parameters
        ----------
        query : Tensor, shape (n, q, d)
            Tokens that ask.
        memory : Tensor, shape (n, k, d)
            Tokens that are summarised.
        asking : bool Tensor, shape (n, q)
            Which asking tokens are real; unused here, for exchanges that need it.
        mask : bool Tensor, shape (n, k)
            Which summarised tokens are real.
        """
        summaries, weights = self.attention(query, memory, mask)
        return summaries, {"coattention": weights.squeeze(-3)}


class Branch(nn.Module):
    """Transformer encoder, gated attention pooling and a hidden layer."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            EncoderLayer(width, ENCODER_HEADS, 2 * width, dropout, norm_first=False)
            for _ in range(ENCODER_LAYERS)
        )
        self.pool = GatedAttentionPool(width, dropout)
        self.hidden = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Summarise: (n, k, d), (n, k) -> (n, d)."""
        for layer in self.layers:
            x = layer(x, mask)
        pooled, _ = self.pool(x, mask)
        summary: Tensor = self.dropout(F.relu(self.hidden(pooled)))
        return summary


@register(
    "mcat",
    title="MCAT",
    config=McatConfig,
    native=NATIVE,
    citation="Chen et al., ICCV 2021",
    source="mahmoodlab/MCAT: main.py, utils/utils.py",
)
class Mcat(DiscreteTimeNetwork):
    """Multimodal co-attention transformer.

    Raises
    ------
    SchemaError
        Also without the query modality.

    Notes
    -----
    Only the query side drives the exchange: asking k tokens gives mixtures of k vectors. With more
    than two modalities the query modality asks each other one through layers of its own. A patient
    without the query modality asks with the tokens of its training mean, so that the others are
    still read.

    References
    ----------
    Chen R.J. et al., "Multimodal Co-Attention Transformer for Survival Prediction in Gigapixel
    Whole Slide Images", ICCV 2021.
    """

    config: McatConfig

    def __init__(self, schema: FeatureSchema, n_clinical: int, config: McatConfig) -> None:
        super().__init__(schema, config)
        self.query = query_of(schema, config)
        self.asked = tuple(name for name in schema.names if name != self.query)
        d, p = config.width, config.dropout
        self.reader = TokenReader(schema, config)
        self.exchanges = nn.ModuleDict({module_key(m): self._exchange() for m in self.asked})
        self.branches = nn.ModuleDict({module_key(m): Branch(d, p) for m in schema.names})
        self.fusion = fusion_layers(d * len(schema.names), d)
        self.head = SurvivalHead(d, n_clinical, config)

    def _exchange(self) -> nn.Module:
        return CoAttention(self.config.width)

    def forward(self, inputs: Inputs, *, diagnostics: bool = False) -> FusionOutput:
        """Compute risks.

        Parameters
        ----------
        inputs : Inputs
        diagnostics : bool
            Also return in ``aux``, for each asked modality, ``coattention_<modality>`` (n, q, k):
            the weights after softmax.
        """
        tokens, masks = self.reader(inputs)
        query, known = tokens[self.query], masks[self.query]
        asking = known | ~known.any(-1, keepdim=True)
        summaries: dict[str, Tensor] = {}
        notes: dict[str, Tensor] = {}
        for m in self.asked:
            key = module_key(m)
            answer, found = self.exchanges[key](query, tokens[m], asking, masks[m])
            summaries[m] = self.branches[key](answer, asking)
            notes |= {f"{name}_{m}": value for name, value in found.items()}
        summaries[self.query] = self.branches[module_key(self.query)](query, known)
        fused = self.fusion(torch.cat(list(summaries.values()), dim=-1))
        risk, aux = self.head(fused, inputs.clinical)
        if diagnostics:
            aux |= notes
        return FusionOutput(risk, summaries | {"fusion": fused}, aux)
