"""CMTA (Zhou and Chen, ICCV 2023): encoders, translation between modalities, decoders.

tokens -> encoder per modality -> translation into each other's sequence -> decoder per modality
class vectors of encoder and decoder averaged -> MLP -> hazards; decoders are pulled to encoders
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camlif.config import TrainConfig
from camlif.data.schema import FeatureSchema
from camlif.exceptions import ConfigError
from camlif.losses import alignment_loss
from camlif.networks.interface import (
    ENHANCED,
    START,
    FusionOutput,
    Inputs,
    LossTerms,
    Outcome,
    Step,
)
from camlif.networks.layers import module_key
from camlif.networks.registry import register
from camlif.networks.rivals.discrete import DiscreteConfig, DiscreteTimeNetwork, SurvivalHead
from camlif.networks.rivals.token_layers import (
    Attention,
    TokenReader,
    fusion_layers,
)

TOWER_LAYERS = 2
TOWER_HEADS = 8
CLASS_TOKEN_STD = 1e-6
PUBLISHED_RATE = 1e-3  # at a batch of 1
BATCH = 32

# The rate grows in proportion to the batch (Goyal et al., 2017), which keeps the distance covered
# in an epoch.
NATIVE = TrainConfig(
    epochs=30,
    constant_epochs=30,
    optimiser="sgd",
    momentum=0.9,
    learning_rate=PUBLISHED_RATE * BATCH,
    weight_decay=1e-5,
    batch_size=BATCH,
    clip_norm=None,
    sampler="balanced",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CmtaConfig(DiscreteConfig):
    """Settings of CMTA.

    Attributes
    ----------
    attention_dropout : float
        In [0, 1); of the attention weights of encoders and decoders.
    alpha_sim : float
        Weight of the pull; 1 in three of the five published runs. 0 leaves it out.
    similarity : {"l1", "cosine"}
        Distance between the class vectors of decoder and encoder.
    """

    architecture: str = "cmta"
    attention_dropout: float = 0.1
    alpha_sim: float = 1.0
    similarity: Literal["l1", "cosine"] = "l1"

    def _check_ranges(self) -> None:
        if self.alpha_sim < 0 or not 0 <= self.attention_dropout < 1:
            raise ConfigError("alpha_sim must not be negative, attention_dropout lie in [0, 1).")


class ClassTower(nn.Module):
    """Class token, pre-norm self-attention with residuals, final norm; no feed-forward part."""

    def __init__(self, config: CmtaConfig) -> None:
        super().__init__()
        d, p = config.width, config.attention_dropout
        self.class_token = nn.Parameter(torch.empty(d))
        nn.init.normal_(self.class_token, std=CLASS_TOKEN_STD)
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(TOWER_LAYERS))
        self.layers = nn.ModuleList(Attention(d, TOWER_HEADS, p) for _ in range(TOWER_LAYERS))
        self.final_norm = nn.LayerNorm(d)

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the class vector (n, d) and the tokens (n, k, d)."""
        head = self.class_token.expand(*tokens.shape[:-2], 1, -1)
        x = torch.cat([head, tokens], dim=-2)
        valid = torch.cat([torch.ones_like(mask[..., :1]), mask], dim=-1)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            normed = norm(x)
            x = x + layer(normed, normed, valid)[0]
        x = self.final_norm(x)
        # A strided slice would make the next projection run patient by patient under vmap.
        return x[..., 0, :], x[..., 1:, :].contiguous()


def cosine_distance(original: Tensor, enhanced: Tensor, weight: Tensor) -> Tensor:
    """Mean over counted patients of 1 - cosine, no gradient into the original.

    Parameters
    ----------
    original, enhanced : Tensor, shape (..., n, d)
        Class vectors before and after the exchange.
    weight : bool Tensor, shape (..., n)
        Patients who count.

    Returns
    -------
    Tensor, shape (...,)
        In [0, 2]; 0 where nobody counts.
    """
    distance = 1 - F.cosine_similarity(original.detach(), enhanced, dim=-1)
    counted = torch.where(weight, distance, 0.0).sum(-1)
    return counted / weight.sum(-1).clamp(min=1)


def _translation(asked: str, asking: str) -> str:
    return f"{module_key(asked)}__to__{module_key(asking)}"


@register(
    "cmta",
    title="CMTA",
    config=CmtaConfig,
    native=NATIVE,
    citation="Zhou and Chen, ICCV 2023",
    source="FT-ZHOU-ZZZ/CMTA: README, utils/options.py, main.py",
)
class Cmta(DiscreteTimeNetwork):
    """Cross-modal translation and alignment.

    Notes
    -----
    Attention is exact where the published code approximates it over zero padding, and there is no
    position generator, since groups have no order. With more than two modalities there is one
    translation for every ordered pair; a decoder reads the mean of those from the patient's other
    modalities.

    References
    ----------
    Zhou F., Chen H., "Cross-Modal Translation and Alignment for Survival Analysis", ICCV 2023.
    """

    config: CmtaConfig

    def __init__(self, schema: FeatureSchema, n_clinical: int, config: CmtaConfig) -> None:
        super().__init__(schema, config)
        d = config.width
        self.reader = TokenReader(schema, config)
        self.encoders = nn.ModuleDict({module_key(m): ClassTower(config) for m in self.names})
        self.translations = nn.ModuleDict(
            {
                _translation(asked, asking): Attention(d, heads=1)
                for asking in self.names
                for asked in self.names
                if asked != asking
            }
        )
        self.decoders = nn.ModuleDict({module_key(m): ClassTower(config) for m in self.names})
        self.fusion = fusion_layers(d * len(self.names), d)
        self.head = SurvivalHead(d, n_clinical, config)
        self._initialise()

    def _initialise(self) -> None:
        """Xavier-normal weights of all linear layers, as published."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, inputs: Inputs, *, diagnostics: bool = False) -> FusionOutput:
        """Compute risks.

        Parameters
        ----------
        inputs : Inputs
        diagnostics : bool
            Also return in ``aux`` the weights ``attention_<asked>__to__<asking>`` (n, q, k).
        """
        tokens, masks = self.reader(inputs)
        original, encoded = {}, {}
        for m in self.names:
            original[m], encoded[m] = self.encoders[module_key(m)](tokens[m], masks[m])
        enhanced: dict[str, Tensor] = {}
        attention: dict[str, Tensor] = {}
        for m in self.names:
            translated, weights = self._translate(m, encoded, masks)
            enhanced[m], _ = self.decoders[module_key(m)](translated, masks[m])
            attention |= weights
        means = [(original[m] + enhanced[m]) / 2 for m in self.names]
        fused = self.fusion(torch.cat(means, dim=-1))
        risk, aux = self.head(fused, inputs.clinical)
        embeddings = {**original, **{m + ENHANCED: v for m, v in enhanced.items()}, "fusion": fused}
        if diagnostics:
            aux |= attention
        return FusionOutput(risk, embeddings, aux)

    def _translate(
        self, asking: str, encoded: Mapping[str, Tensor], masks: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean of the others' contents in the asking modality's sequence (n, q, d)."""
        contents, there, attention = [], [], {}
        query = encoded[asking]
        for asked in self.names:
            if asked == asking:
                continue
            name = _translation(asked, asking)
            content, weights = self.translations[name](query, encoded[asked], masks[asked])
            contents.append(content)
            there.append(masks[asked].any(-1))
            attention[f"attention_{name}"] = weights.squeeze(-3)
        weight = torch.stack(there).to(query.dtype).unsqueeze(-1).unsqueeze(-1)
        mean = (torch.stack(contents) * weight).sum(0) / weight.sum(0).clamp(min=1.0)
        return mean, attention

    def loss(self, output: FusionOutput, outcome: Outcome, step: Step = START) -> LossTerms:
        """Likelihood and, per modality, ``sim_<modality>``: alpha_sim times the pull.

        Parameters
        ----------
        output, outcome, step
            As in `FusionNetwork.loss`.
        """
        parts = self.head.loss(output, outcome)
        if self.config.alpha_sim > 0:
            for i, m in enumerate(self.names):
                pull = self._distance(
                    output.embeddings[m],
                    output.embeddings[m + ENHANCED],
                    outcome.presence[..., i],
                )
                parts[f"sim_{m}"] = self.config.alpha_sim * pull
        return LossTerms(torch.stack(list(parts.values())).sum(0), parts)

    def _distance(self, original: Tensor, enhanced: Tensor, weight: Tensor) -> Tensor:
        if self.config.similarity == "cosine":
            return cosine_distance(original, enhanced, weight)
        return alignment_loss([original], [enhanced], weight=[weight])
