"""CA-MLIF (An et al., AAAI 2025), read top to bottom.

groups -> tokens -> encoder per modality -> cross-attention -> decoder per modality   (stage 1)
class vectors -> MAM + LMF twice -> OWC -> MLP -> [fusion ; clinical] -> risk          (stage 2)
all inputs -> linear skip -> added to the risk                              (preset ``robust``)

Standardised inputs of n patients go in; risks (n,), class vectors and, on request, diagnostics come
out. Raises `SchemaError` for fewer than two modalities or names too much alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from camlif.config import NetworkConfig, TrainConfig
from camlif.data.schema import FeatureSchema
from camlif.exceptions import SchemaError
from camlif.losses import alignment_loss, cox_partial_likelihood
from camlif.networks.cross_attention import LinearCrossAttention, SoftmaxCrossAttention
from camlif.networks.fusion import InteractionFusion, OptimalWeightConcat
from camlif.networks.head import RiskHead
from camlif.networks.interface import (
    ENHANCED,
    START,
    FusionNetwork,
    FusionOutput,
    Inputs,
    LossTerms,
    Outcome,
    Stage,
    Step,
)
from camlif.networks.layers import MeanPool, Tokenizer, Tower, module_key
from camlif.networks.linear_skip import LinearSkip
from camlif.networks.registry import register


@register(
    "camlif",
    title="CA-MLIF",
    config=NetworkConfig,
    native=TrainConfig(),
    citation="An et al., AAAI 2025",
    source="An et al., AAAI 2025, section 4",
)
class CaMlif(FusionNetwork):
    """Cross-attention and multimodal low-rank interaction fusion network.

    Parameters
    ----------
    schema : FeatureSchema
        At least two modalities; any widths, groups and bags.
    n_clinical : int
        Clinical columns after encoding, q; may be 0.
    config : NetworkConfig

    Raises
    ------
    SchemaError
        With fewer than two modalities, or two names that differ in a full stop only.

    Notes
    -----
    With more than two modalities contexts, residuals and the MAM partner are means over the other
    modalities, and LMF multiplies the factors of all.

    References
    ----------
    An et al., "CA-MLIF", AAAI 2025, eqs 1-7; Liu et al., ACL 2018 (LMF).
    """

    head: RiskHead

    def __init__(self, schema: FeatureSchema, n_clinical: int, config: NetworkConfig) -> None:
        super().__init__()
        if len(schema.modalities) < 2:
            raise SchemaError(
                f"CA-MLIF fuses two modalities or more; the cohort has {len(schema.modalities)}.",
                fix="Add a table, or compare single modalities in a study.",
            )
        if len({module_key(name) for name in schema.names}) < len(schema.names):
            raise SchemaError(
                "Two modality names are too much alike to name parameters by.",
                found=", ".join(schema.names),
                fix="Rename one of them.",
            )
        self.config = config
        self.names = schema.names
        self.tokenizers = nn.ModuleDict(
            {module_key(m.name): Tokenizer(m, config) for m in schema.modalities}
        )
        self.encoders = self._towers()
        self.cross_attention = self._cross_attention()
        if config.has_decoders:
            self.decoders = self._towers()
        self._build_fusion()
        self.head = RiskHead(self.fusion_width, n_clinical, config)
        if config.network_scale is not None:
            self.scale = nn.Parameter(torch.full((1,), config.network_scale))
        if config.linear_skip:
            self.skip = LinearSkip(schema, self.n_clinical, config)

    def fit_start(
        self,
        inputs: Inputs,
        event: NDArray[np.bool_],
        duration: NDArray[np.float64],
        *,
        entry: NDArray[np.float64] | None = None,
    ) -> None:
        """Set the linear skip to the elastic-net Cox solution of the training part.

        Parameters
        ----------
        inputs, event, duration, entry
            As in `FusionNetwork.fit_start`.
        """
        if self.config.linear_skip:
            self.skip.fit_start(inputs, event, duration, entry=entry)

    def stages(self, training: TrainConfig) -> tuple[Stage, ...]:
        """Train everything but the linear skip, which would overfit beside the network."""
        if not self.config.linear_skip:
            return super().stages(training)
        learning = tuple(n for n, _ in self.named_parameters() if not n.startswith("skip."))
        return (Stage(name=START.stage, training=training, trainable=learning),)

    def _towers(self) -> nn.ModuleDict:
        config = self.config
        return nn.ModuleDict(
            {
                module_key(m): Tower(config) if config.encoder_decoder else MeanPool()
                for m in self.names
            }
        )

    def _cross_attention(self) -> nn.ModuleList:
        config = self.config
        if config.cross_attention == "none":
            return nn.ModuleList()
        if config.cross_attention == "softmax":
            return nn.ModuleList([SoftmaxCrossAttention(self.names, config)])
        return nn.ModuleList(
            LinearCrossAttention(self.names, config) for _ in range(config.ca_layers)
        )

    def _build_fusion(self) -> None:
        config = self.config
        self.fusion = InteractionFusion(self.names, config)
        both = config.second_fusion is True
        if both and not config.share_fusion:
            self.fusion_enhanced = InteractionFusion(self.names, config)
        h, m = config.lmf_width, len(self.names)
        if config.mlif == "nested":
            inner = [h] + [config.mam_width] * m
            self.owc = OptimalWeightConcat(inner, config)
            self.mlp = nn.Linear(sum(inner), h)
            if both and not config.share_fusion:
                self.owc_enhanced = OptimalWeightConcat(inner, config)
                self.mlp_enhanced = nn.Linear(sum(inner), h)
            self.fusion_width = 2 * h if both else h
        else:
            skip = config.width if config.owc_skip == "tokens" else config.mam_width
            blocks = [h] * (2 if both else 1) + [skip] * m
            self.owc = OptimalWeightConcat(blocks, config)
            self.mlp = nn.Linear(sum(blocks), h)
            self.fusion_width = h
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, inputs: Inputs, *, diagnostics: bool = False) -> FusionOutput:
        """Compute risks.

        Parameters
        ----------
        inputs : Inputs
        diagnostics : bool
            Also return of the last linear cross-attention layer, in ``aux``: the softmaxed contexts
            ``context_<modality>``, shape (n, h, c, c), and what they are made and asked of,
            ``query_``, ``key_`` (scaled) and ``value_<modality>``, shape (n, h, k, c), with
            ``mask_<modality>``, shape (n, k).
        """
        original, tokens, masks = self._encode(inputs)
        enhanced, attention = self._enhance(original, tokens, masks, diagnostics=diagnostics)
        h_fusion, weights = self._fuse(original, enhanced)
        risk = self._risk(h_fusion, inputs)
        embeddings = {**original, **{m + ENHANCED: v for m, v in enhanced.items()}}
        embeddings["fusion"] = h_fusion
        return FusionOutput(risk, embeddings, {"owc_weights": weights, **attention})

    def _risk(self, h_fusion: Tensor, inputs: Inputs) -> Tensor:
        """Log risk (n,) of the head, shrunk and added to the linear skip where there is one."""
        risk: Tensor = self.head(h_fusion, inputs.clinical)
        if self.config.network_scale is not None:
            risk = risk * self.scale
        return risk + self.skip(inputs) if self.config.linear_skip else risk

    def _encode(
        self, inputs: Inputs
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        """Class vectors P, C (n, d), tokens T (n, k, d) and masks by modality (eqs 1-2)."""
        original, tokens, masks = {}, {}, {}
        for i, m in enumerate(self.names):
            x, masks[m] = self.tokenizers[module_key(m)](
                inputs.tables[m], inputs.masks[m], inputs.presence[..., i]
            )
            original[m], tokens[m] = self.encoders[module_key(m)](x, masks[m])
        return original, tokens, masks

    def _enhance(
        self,
        original: Mapping[str, Tensor],
        tokens: dict[str, Tensor],
        masks: dict[str, Tensor],
        *,
        diagnostics: bool,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Class vectors P_hat, C_hat (n, d) of the decoders on cross-attended tokens (eqs 3-4).

        Beside them, what `forward` says of the last layer if ``diagnostics``.
        """
        attention: dict[str, Tensor] = {}
        if not self.config.has_decoders:
            return dict(original), attention
        for layer in self.cross_attention:
            if diagnostics and isinstance(layer, LinearCrossAttention):
                attention = layer.inspect(tokens, masks)
            tokens, masks, _ = layer(tokens, masks)
        return {m: self._decode(m, tokens[m], masks[m]) for m in self.names}, attention

    def _decode(self, name: str, tokens: Tensor, mask: Tensor) -> Tensor:
        """Class vector (n, d) of a modality's decoder."""
        decoder = cast(Tower | MeanPool, self.decoders[module_key(name)])
        # In training all tokens are computed: each draws a dropout mask, and what was published
        # with those draws shall come out again.
        return decoder(tokens, mask)[0] if self.training else decoder.class_vector(tokens, mask)

    def _fuse(
        self, original: Mapping[str, Tensor], enhanced: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Eq 5: fusion vector (n, h) and OWC block weights."""
        config = self.config
        second = getattr(self, "fusion_enhanced", self.fusion)
        fused = []
        if config.second_fusion in (True, "original_only"):
            fused.append((*self.fusion(original), self.owc, self.mlp))
        if config.second_fusion in (True, False):
            owc, mlp = (
                getattr(self, "owc_enhanced", self.owc),
                getattr(self, "mlp_enhanced", self.mlp),
            )
            fused.append((*second(enhanced), owc, mlp))
        if config.mlif == "nested":
            return self._fuse_nested(fused)
        gated = fused[0][1]
        skip = original if config.owc_skip == "tokens" else gated
        blocks = [f[0] for f in fused] + [skip[m] for m in self.names]
        x, weights = self.owc(blocks)
        return self.dropout(F.relu(self.mlp(x))), weights

    def _fuse_nested(
        self, fused: list[tuple[Tensor, dict[str, Tensor], nn.Module, nn.Module]]
    ) -> tuple[Tensor, Tensor]:
        """OWC inside each fusion over [LMF, gated vectors], results concatenated plainly."""
        vectors, weights = [], []
        for interaction, gated, owc, mlp in fused:
            x, w = owc([interaction, *gated.values()])
            vectors.append(self.dropout(F.relu(mlp(x))))
            weights.append(w)
        return torch.cat(vectors, dim=-1), torch.cat(weights, dim=-1)

    def loss(self, output: FusionOutput, outcome: Outcome, step: Step = START) -> LossTerms:
        """Eq 7: L_cox + alpha * L_sim. Leading dimensions are independent members.

        Parameters
        ----------
        output, outcome, step
            As in `FusionNetwork.loss`.
        """
        config = self.config
        cox = cox_partial_likelihood(
            output.risk,
            outcome.event,
            outcome.duration,
            entry=outcome.entry,
            ties=config.cox_ties,
            reduction=config.cox_reduction,
        )
        parts = {"cox": cox}
        if config.alpha > 0 and config.has_decoders:
            similarity = alignment_loss(
                [output.embeddings[m] for m in self.names],
                [output.embeddings[m + ENHANCED] for m in self.names],
                weight=[outcome.presence[..., i] for i in range(len(self.names))],
                detach=config.sim_detach,
            )
            parts["alignment"] = config.alpha * similarity
        return LossTerms(torch.stack(list(parts.values())).sum(0), parts)
