"""Pathomic Fusion (Chen et al., IEEE TMI 2022): gated unimodal vectors, then all their products.

vectors -> encoder per modality -> gate by a partner -> Kronecker product of [o ; 1] -> MLP -> risk
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from camlif.config import NetworkConfig
from camlif.data.schema import FeatureSchema
from camlif.exceptions import SchemaError
from camlif.networks.fusion import ModalityGate, outer_product
from camlif.networks.interface import FusionOutput, Inputs
from camlif.networks.layers import initialise_snn, module_key
from camlif.networks.registry import register
from camlif.networks.rivals.pretrained import NATIVE, PretrainedConfig, PretrainedFusion
from camlif.networks.rivals.vector_layers import (
    ENCODER_DIMS,
    VectorHead,
    genomic_modality,
    relu_layers,
)

TITLE = "Pathomic Fusion"
WIDTH = ENCODER_DIMS[-1]
MAX_MODALITIES = 3
HIDDEN = {2: 64, 3: 96}
"""Width after the product by number of modalities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathomicFusionConfig(PretrainedConfig):
    """Settings of Pathomic Fusion.

    Attributes
    ----------
    gates_off : tuple of str
        Modalities that are not gated; they have no gate parameters. The published runs leave out
        that of genomics (glioma) or all (kidney).
    partners : tuple of str
        Which modality gates each, in the schema's order. Empty: the genomic one gates the others,
        and the first of these gates it.
    skip : bool
        Give the gated vectors to the second layer, too.
    """

    architecture: str = "pathomic_fusion"
    gates_off: tuple[str, ...] = ()
    partners: tuple[str, ...] = ()
    skip: bool = False


def partners_of(schema: FeatureSchema, config: PathomicFusionConfig) -> dict[str, str]:
    """Return the gating partner of each modality.

    Raises
    ------
    SchemaError
        If the configured ones are not one other modality of the schema for each.
    """
    names = schema.names
    if not config.partners:
        genomic = genomic_modality(schema, config.genomic_modality)
        first = next(name for name in names if name != genomic)
        return {name: first if name == genomic else genomic for name in names}
    partners = dict(zip(names, config.partners, strict=False))
    fits = len(config.partners) == len(names) and set(config.partners) <= set(names)
    if not fits or any(name == partner for name, partner in partners.items()):
        raise SchemaError(
            "The partners do not name one other modality for each.",
            found=", ".join(config.partners),
            expected=f"a partner of {', '.join(names)}",
        )
    return partners


@register(
    "pathomic_fusion",
    title=TITLE,
    config=PathomicFusionConfig,
    native=NATIVE,
    citation="Chen et al., IEEE TMI 2022",
    source="mahmoodlab/PathomicFusion: train_test.py, options.py, networks.py",
)
class PathomicFusion(PretrainedFusion):
    """Pathomic Fusion.

    Raises
    ------
    SchemaError
        Also for a gate or partner that is not one of the modalities.

    Notes
    -----
    Gates are on by default, as the text describes the method. All modalities are tables here, so
    that both stages train all encoders; the published image network stays fixed in the second.

    References
    ----------
    Chen R.J. et al., IEEE Transactions on Medical Imaging 41(4):757-770, 2022.
    """

    at_most = MAX_MODALITIES

    config: PathomicFusionConfig

    def __init__(
        self, schema: FeatureSchema, n_clinical: int, config: PathomicFusionConfig
    ) -> None:
        super().__init__(schema, config, dims=ENCODER_DIMS, activation="elu")
        self.partners = partners_of(schema, config)
        off = {schema[name].name for name in config.gates_off}
        self.gates = nn.ModuleDict(
            {module_key(m): _gate(m not in off, config.dropout) for m in self.names}
        )
        m, hidden = len(self.names), HIDDEN[len(self.names)]
        self.dropout = nn.Dropout(config.dropout)
        self.first = relu_layers(((WIDTH + 1) ** m, hidden), config.dropout)
        skipped = (WIDTH + 1) * m if config.skip else 0
        self.second = relu_layers((hidden + skipped, hidden), config.dropout)
        self.head = VectorHead(hidden, n_clinical, config)
        initialise_snn(self)

    def forward(self, inputs: Inputs, *, diagnostics: bool = False) -> FusionOutput:
        """Compute risks; with stages the encoders' own (n,) are in ``aux``."""
        x, risks = self.encode(inputs)
        gated = [self.gates[module_key(m)](x[m], x[self.partners[m]]) for m in self.names]
        h = self.first(self.dropout(outer_product(gated)))
        if self.config.skip:
            one = torch.ones_like(h[..., :1])
            h = torch.cat([h, *(part for o in gated for part in (o, one))], dim=-1)
        fused: Tensor = self.second(h)
        return FusionOutput(self.head(fused, inputs.clinical), {**x, "fusion": fused}, risks)


def _gate(is_on: bool, dropout: float) -> ModalityGate:
    return ModalityGate(
        NetworkConfig(
            width=WIDTH,
            mam=is_on,
            mam_gate="bilinear" if is_on else "auto",
            mam_width=WIDTH,
            dropout=dropout,
        )
    )
