"""Layers of the rivals that read one vector per modality: encoders, risk head, penalties.

Vectors (n, n_features) go in, vectors of the encoders and risks (n,) come out. Raises `ConfigError`
for settings outside their range. Shapes: e stacked members, n patients, m modalities, d width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from camlif.config import RivalConfig, TrainConfig
from camlif.data.schema import FeatureSchema
from camlif.exceptions import ConfigError
from camlif.losses import Reduction, cox_partial_likelihood
from camlif.networks.head import RISK_BOUND, ClinicalConcat
from camlif.networks.interface import (
    START,
    FusionOutput,
    Inputs,
    LossTerms,
    Outcome,
    Step,
)
from camlif.networks.layers import initialise_snn, masked_mean
from camlif.networks.rivals.rival import RivalNetwork

GENOMICS = "genomics"
ENCODER_DIMS = (64, 48, 32, 32)
ENCODER_DROPOUT = 0.25
ACTIVATIONS: Mapping[str, type[nn.Module]] = {"elu": nn.ELU, "silu": nn.SiLU}


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorConfig(RivalConfig):
    """Settings that the rivals on vectors share.

    Attributes
    ----------
    dropout : float
        In [0, 1).
    bounded : bool
        Keep the risk in (-3, 3), as published; a native head only.
    l1 : float
        Weight of the L1 penalty of a native head.
    """

    dropout: float = 0.25
    bounded: bool = True
    l1: float = 3e-4

    def _check_ranges(self) -> None:
        if not 0 <= self.dropout < 1:
            raise ConfigError("dropout must lie in [0, 1).")
        if self.l1 < 0:
            raise ConfigError("l1 must not be negative.")

    @property
    def is_native(self) -> bool:
        """Whether head, loss and penalties are those published."""
        return self.head == "native"

    @property
    def is_bounded(self) -> bool:
        """Whether the risk has bounds."""
        return self.is_native and self.bounded


def genomic_modality(schema: FeatureSchema, named: str | None = None) -> str:
    """Return the modality that stands for the published genomic network.

    The configured one; else ``genomics``; else the widest whose name starts so; else the widest.

    Raises
    ------
    SchemaError
        If the configured one is not in the schema.
    """
    if named is not None:
        return schema[named].name
    if GENOMICS in schema.names:
        return GENOMICS
    genomic = [m for m in schema.modalities if m.name.startswith(GENOMICS)]
    return max(genomic or schema.modalities, key=lambda m: m.n_features).name


def read_vectors(inputs: Inputs, names: tuple[str, ...]) -> dict[str, Tensor]:
    """Return one vector (n, n_features) per modality.

    A bag is read as the mean of its instances; an absent modality as the training mean, which is
    zero.
    """
    vectors = {}
    for i, name in enumerate(names):
        x = inputs.tables[name]
        if x.ndim > inputs.presence.ndim:
            x = masked_mean(x, inputs.masks[name])
        vectors[name] = torch.where(inputs.presence[..., i : i + 1], x, 0.0)
    return vectors


class VectorEncoder(nn.Module):
    """Self-normalising network of one modality: Linear, activation, AlphaDropout per step.

    Parameters
    ----------
    n_features : int
    dims : tuple of int
        Output width of each step.
    activation : {"elu", "silu"}
    dropout : float
    """

    def __init__(
        self,
        n_features: int,
        dims: tuple[int, ...] = ENCODER_DIMS,
        activation: Literal["elu", "silu"] = "elu",
        dropout: float = ENCODER_DROPOUT,
    ) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        for n_in, n_out in pairwise((n_features, *dims)):
            steps += [nn.Linear(n_in, n_out), ACTIVATIONS[activation](), nn.AlphaDropout(dropout)]
        self.steps = nn.Sequential(*steps)
        initialise_snn(self)

    def forward(self, x: Tensor) -> Tensor:
        """Encode: (n, n_features) -> (n, dims[-1])."""
        encoded: Tensor = self.steps(x)
        return encoded


def bound_risk(x: Tensor) -> Tensor:
    """Squeeze any number into (-3, 3)."""
    return 2 * RISK_BOUND * torch.sigmoid(x) - RISK_BOUND


class VectorHead(nn.Module):
    """Clinical columns, last linear layer and, of a native head, the risk's bounds.

    Parameters
    ----------
    width : int
        Of the fused vector.
    n_clinical : int
        Encoded clinical columns; may be 0.
    config : VectorConfig
    """

    def __init__(self, width: int, n_clinical: int, config: VectorConfig) -> None:
        super().__init__()
        self.is_bounded = config.is_bounded
        self.clinical = ClinicalConcat(width, n_clinical, config)
        self.n_clinical = self.clinical.n_clinical
        self.out = nn.Linear(self.clinical.width, 1)

    def forward(self, x: Tensor, clinical: Tensor) -> Tensor:
        """Regress: (n, width), (n, q) -> (n,)."""
        risk: Tensor = self.out(self.clinical(x, clinical)).squeeze(-1)
        return bound_risk(risk) if self.is_bounded else risk


def relu_layers(dims: tuple[int, ...], dropout: float) -> nn.Sequential:
    """Return Linear, ReLU, Dropout for each pair of widths."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(dims):
        layers += [nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


def linear_parameters(network: nn.Module) -> tuple[str, ...]:
    """Names of the weights and biases of all linear layers."""

    def found() -> Iterator[str]:
        for name, layer in network.named_modules():
            if isinstance(layer, nn.Linear):
                yield from (f"{name}.{own}" for own, _ in layer.named_parameters())

    return tuple(found())


def l1_norm(parameters: Mapping[str, Tensor], names: tuple[str, ...]) -> Tensor:
    """Sum of the absolute values of the named parameters (e, ...), shape (e,)."""
    return torch.stack([parameters[name].abs().flatten(1).sum(1) for name in names]).sum(0)


GENERIC_NATIVE = TrainConfig(
    epochs=30, learning_rate=1e-3, weight_decay=4e-4, batch_size=32, clip_norm=None
)
"""Training of the generic references, which have no published settings."""


class VectorNetwork(RivalNetwork):
    """A rival on one vector per modality (a bag is averaged), trained on the Cox loss.

    Attributes
    ----------
    reduction : str
        Divisor of a native head's Cox loss; a matched one divides by the events.
    """

    config: VectorConfig
    head: VectorHead
    reduction: Reduction = "events"

    def read(self, inputs: Inputs) -> dict[str, Tensor]:
        """Return one vector (n, n_features) per modality."""
        return read_vectors(inputs, self.names)

    def cox(self, risk: Tensor, outcome: Outcome) -> Tensor:
        """Cox loss of risks (..., n) with the head's divisor, shape (...,)."""
        reduction = self.reduction if self.config.is_native else "events"
        return cox_partial_likelihood(
            risk, outcome.event, outcome.duration, entry=outcome.entry, reduction=reduction
        )

    def loss(self, output: FusionOutput, outcome: Outcome, step: Step = START) -> LossTerms:
        """L_cox alone. Leading dimensions are independent members.

        Parameters
        ----------
        output, outcome, step
            As in `FusionNetwork.loss`.
        """
        cox = self.cox(output.risk, outcome)
        return LossTerms(cox, {"cox": cox})
