"""Fusion of encoders that are first trained alone, each on its own Cox loss.

One vector a modality goes in; risks (n,) come out, of each encoder in the first stage and of the
fusion in the second. Raises `ConfigError` for stages outside their range. Pathomic Fusion (IEEE TMI
2022) and PG-MLIF (MICCAI 2024) are trained so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from camlif.config import TrainConfig
from camlif.data.schema import FeatureSchema
from camlif.exceptions import ConfigError
from camlif.networks.interface import (
    START,
    FusionOutput,
    Inputs,
    LossTerms,
    Outcome,
    Stage,
    Step,
)
from camlif.networks.layers import module_key
from camlif.networks.rivals.vector_layers import (
    VectorConfig,
    VectorEncoder,
    VectorNetwork,
    bound_risk,
    genomic_modality,
    l1_norm,
)

ALONE = "unimodal"
TOGETHER = "fusion"
RISK = "risk_"
"""Prefix of the encoders' own risks (n,) in ``FusionOutput.aux``."""

NATIVE = TrainConfig(
    epochs=30,
    constant_epochs=10,
    learning_rate=1e-4,
    betas=(0.5, 0.999),
    weight_decay=4e-4,
    batch_size=32,
    clip_norm=None,
    sampler="random",
)
"""The fusion stage of Pathomic Fusion, which PG-MLIF shares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedConfig(VectorConfig):
    """Settings of methods that train their encoders first.

    Attributes
    ----------
    pretrain : bool
        Train the encoders alone first; a native head only.
    pretrain_epochs, freeze_epochs : int
        Epochs of the first stage, and those of the second in which encoders stay as they are.
    genomic_modality : str or None
        Whose encoder the L1 penalty of the second stage counts. None: the one called ``genomics``,
        else the widest whose name starts so, else the widest.
    """

    pretrain: bool = True
    pretrain_epochs: int = 50
    freeze_epochs: int = 4
    genomic_modality: str | None = None

    def _check_ranges(self) -> None:
        if self.pretrain_epochs < 1 or self.freeze_epochs < 0:
            raise ConfigError("pretrain_epochs must be at least 1, freeze_epochs at least 0.")

    @property
    def is_staged(self) -> bool:
        """Whether encoders are trained alone first."""
        return self.is_native and self.pretrain


class PretrainedFusion(VectorNetwork):
    """Encoders with heads of their own for the first stage; a subclass adds the fusion.

    Parameters
    ----------
    schema : FeatureSchema
    config : PretrainedConfig
    dims : tuple of int
        Widths of the encoders' steps.
    activation : {"elu", "silu"}

    Notes
    -----
    A native Cox loss is divided by the rows of the batch, as published.
    """

    config: PretrainedConfig
    reduction = "batch"

    def __init__(
        self,
        schema: FeatureSchema,
        config: PretrainedConfig,
        *,
        dims: tuple[int, ...],
        activation: Literal["elu", "silu"],
    ) -> None:
        super().__init__(schema, config)
        self.genomic = genomic_modality(schema, config.genomic_modality)
        self.encoders = nn.ModuleDict()
        for m in schema.modalities:
            encoder = VectorEncoder(m.n_features, dims, activation, config.dropout)
            self.encoders[module_key(m.name)] = encoder
        self.encoder_heads = nn.ModuleDict(
            {module_key(m): nn.Linear(dims[-1], 1) for m in self.names} if config.is_staged else {}
        )

    def encode(self, inputs: Inputs) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the encoders' vectors (n, d) by modality and, with stages, their own risks."""
        read = self.read(inputs)
        vectors = {m: self.encoders[module_key(m)](x) for m, x in read.items()}
        risks = {}
        if self.config.is_staged:
            for m, x in vectors.items():
                risk = self.encoder_heads[module_key(m)](x).squeeze(-1)
                risks[RISK + m] = bound_risk(risk) if self.config.is_bounded else risk
        return vectors, risks

    def stages(self, training: TrainConfig) -> tuple[Stage, ...]:
        """Encoders alone, then all with encoders frozen at first; one stage in matched runs."""
        if not self.config.is_staged:
            return super().stages(training)
        alone = replace(
            training,
            epochs=self.config.pretrain_epochs,
            constant_epochs=0,
            learning_rate=2e-3,
            betas=(0.9, 0.999),
            weight_decay=5e-4,
            batch_size=64,
        )
        return (
            Stage(name=ALONE, training=alone, trainable=("encoders.", "encoder_heads.")),
            Stage(
                name=TOGETHER,
                training=training,
                frozen=("encoders.",),
                frozen_epochs=self.config.freeze_epochs,
            ),
        )

    def loss(self, output: FusionOutput, outcome: Outcome, step: Step = START) -> LossTerms:
        """Cox loss of the fused risk, or one of each encoder's own in the first stage.

        Parameters
        ----------
        output, outcome, step
            As in `FusionNetwork.loss`.
        """
        if step.stage != ALONE:
            return super().loss(output, outcome, step)
        parts = {f"cox_{m}": self.cox(output.aux[RISK + m], outcome) for m in self.names}
        return LossTerms(torch.stack(list(parts.values())).sum(0), parts)

    def penalty(self, parameters: Mapping[str, Tensor], step: Step = START) -> dict[str, Tensor]:
        """L1 norm of all encoders and their heads when alone, then of the genomic encoder only."""
        if not self.config.is_native or not self.config.l1:
            return {}
        counted: tuple[str, ...] = ("encoders.", "encoder_heads.")
        if step.stage != ALONE:
            counted = (f"encoders.{module_key(self.genomic)}.",)
        names = tuple(name for name, _ in self.named_parameters() if name.startswith(counted))
        return {"l1": self.config.l1 * l1_norm(parameters, names)}
