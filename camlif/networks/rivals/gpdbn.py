"""GPDBN (Wang et al., Bioinformatics 2021): outer products inside and between modalities.

vectors -> reduced to 32 -> outer product of each with itself and of each pair -> 20 numbers each
[reduced vectors ; pair vectors ; own vectors] -> deep network -> risk
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from camlif.config import TrainConfig
from camlif.data.preprocessing import cox_score_statistic
from camlif.data.schema import FeatureSchema
from camlif.networks.interface import START, FusionOutput, Inputs, Step
from camlif.networks.layers import module_key
from camlif.networks.registry import register
from camlif.networks.rivals.vector_layers import (
    VectorConfig,
    VectorHead,
    VectorNetwork,
    l1_norm,
    linear_parameters,
    relu_layers,
)
from camlif.statistics.outcome import rows_of

REDUCED = 32
ENCODED = 20
TRUNK = (500, 256, 128, 32)

# The batch is the whole training part; the rate falls linearly from the first epoch.
NATIVE = TrainConfig(
    epochs=150,
    constant_epochs=0,
    learning_rate=2e-4,
    weight_decay=1e-6,
    batch_size=0,
    clip_norm=None,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpdbnConfig(VectorConfig):
    """Settings of GPDBN.

    Attributes
    ----------
    reduce : {"linear", "select"}
        Learn a linear map of each modality to 32 numbers, or take its 32 columns with the strongest
        univariate Cox score statistic in the training part.
    triangular : bool
        Read one half of the symmetric products of a modality with itself; the published network
        reads both.
    """

    architecture: str = "gpdbn"
    dropout: float = 0.1
    reduce: Literal["linear", "select"] = "linear"
    triangular: bool = False


class ColumnSelection(nn.Module):
    """Take the columns that go with the outcome most strongly.

    Attributes
    ----------
    columns : LongTensor, shape (width,)
        Buffer, ascending; the first ones before `fit`.
    """

    columns: Tensor

    def __init__(self, n_features: int, width: int) -> None:
        super().__init__()
        self.width = min(n_features, width)
        self.register_buffer("columns", torch.arange(self.width))

    def fit(
        self,
        x: NDArray[np.float32],
        event: NDArray[np.bool_],
        duration: NDArray[np.float64],
        entry: NDArray[np.float64] | None = None,
    ) -> None:
        """Choose columns by the univariate Cox score statistic of rows (n, n_features).

        Parameters
        ----------
        x : float32, shape (n, n_features)
            Standardised features of the training patients.
        event : bool, shape (n,)
        duration : float64, shape (n,)
            Months.
        entry : float64, shape (n,), optional
            Months at which patients came under observation.
        """
        strength = cox_score_statistic(x, event, duration, entry)
        best = np.sort(np.argsort(-strength, kind="stable")[: self.width])
        self.columns.copy_(torch.from_numpy(best))

    def forward(self, x: Tensor) -> Tensor:
        """Select: (n, n_features) -> (n, width)."""
        return x.gather(-1, self.columns.expand(*x.shape[:-1], -1))


def products(a: Tensor, b: Tensor) -> Tensor:
    """Outer product of vectors (n, d), (n, f) -> (n, d * f)."""
    return (a.unsqueeze(-1) * b.unsqueeze(-2)).flatten(-2)


def own_products(x: Tensor, *, triangular: bool) -> Tensor:
    """Products of a vector's entries with each other, (n, d * d), or one of each pair."""
    if not triangular:
        return products(x, x)
    first, second = torch.triu_indices(x.shape[-1], x.shape[-1], device=x.device)
    return x[..., first] * x[..., second]


def n_own_products(width: int, *, triangular: bool) -> int:
    """Width of `own_products`."""
    return width * (width + 1) // 2 if triangular else width * width


def pair_key(first: str, second: str) -> str:
    """Name of the encoder of two modalities' products."""
    return f"{module_key(first)}__{module_key(second)}"


@register(
    "gpdbn",
    title="GPDBN",
    config=GpdbnConfig,
    native=NATIVE,
    citation="Wang et al., Bioinformatics 2021",
    source="isfj/GPDBN, its Cox version",
)
class Gpdbn(VectorNetwork):
    """Genomic and pathological deep bilinear network.

    Notes
    -----
    The fused vector is ``[x_1 .. x_M ; e_12 .. ; e_11 .. e_MM]`` of width
    32 M + 20 (M + M (M - 1) / 2). The published code takes risk sets from the order of rows; here
    they come from the durations. It divides the loss by one more than the number of events.

    References
    ----------
    Wang Z., Li R., Wang M., Li A., Bioinformatics 37(18):2963-2970, 2021.
    """

    config: GpdbnConfig

    def __init__(self, schema: FeatureSchema, n_clinical: int, config: GpdbnConfig) -> None:
        super().__init__(schema, config)
        width: dict[str, int] = {}
        self.reducers = nn.ModuleDict()
        for m in schema.modalities:
            selects = config.reduce == "select"
            width[m.name] = min(REDUCED, m.n_features) if selects else REDUCED
            self.reducers[module_key(m.name)] = (
                ColumnSelection(m.n_features, REDUCED)
                if selects
                else nn.Linear(m.n_features, REDUCED)
            )
        self.pairs = tuple(combinations(self.names, 2))
        self.inter = nn.ModuleDict(
            {pair_key(a, b): nn.Linear(width[a] * width[b], ENCODED) for a, b in self.pairs}
        )
        self.intra = nn.ModuleDict(
            {
                module_key(m): nn.Linear(
                    n_own_products(width[m], triangular=config.triangular), ENCODED
                )
                for m in self.names
            }
        )
        fused = sum(width.values()) + ENCODED * (len(self.names) + len(self.pairs))
        self.trunk = relu_layers((fused, *TRUNK), config.dropout)
        self.head = VectorHead(TRUNK[-1], n_clinical, config)
        self.counted = linear_parameters(self)

    def fit_start(
        self,
        inputs: Inputs,
        event: NDArray[np.bool_],
        duration: NDArray[np.float64],
        *,
        entry: NDArray[np.float64] | None = None,
    ) -> None:
        """Choose columns with ``reduce="select"``, among patients who have the modality.

        Parameters
        ----------
        inputs, event, duration, entry
            As in `FusionNetwork.fit_start`.
        """
        if self.config.reduce != "select":
            return
        read = self.read(inputs)
        for i, m in enumerate(self.names):
            here = inputs.presence[:, i].cpu().numpy()
            selection = cast(ColumnSelection, self.reducers[module_key(m)])
            selection.fit(
                read[m].cpu().numpy()[here], event[here], duration[here], rows_of(entry, here)
            )

    def forward(self, inputs: Inputs, *, diagnostics: bool = False) -> FusionOutput:
        """Compute risks; the trunk's last vector (n, 32) is the fusion vector."""
        read = self.read(inputs)
        x = {m: self.reducers[module_key(m)](read[m]) for m in self.names}
        trunk: Tensor = self.trunk(self.interactions(x))
        return FusionOutput(self.head(trunk, inputs.clinical), {**x, "fusion": trunk}, {})

    def interactions(self, x: Mapping[str, Tensor]) -> Tensor:
        """Reduced vectors (n, 32), encodings (n, 20) of pairs and of modalities, side by side."""
        triangular = self.config.triangular
        inter = [F.relu(self.inter[pair_key(a, b)](products(x[a], x[b]))) for a, b in self.pairs]
        intra = [
            F.relu(self.intra[module_key(m)](own_products(x[m], triangular=triangular)))
            for m in self.names
        ]
        return torch.cat([*x.values(), *inter, *intra], dim=-1)

    def penalty(self, parameters: Mapping[str, Tensor], step: Step = START) -> dict[str, Tensor]:
        """L1 norm of the linear layers of a native head."""
        if not self.config.is_native or not self.config.l1:
            return {}
        return {"l1": self.config.l1 * l1_norm(parameters, self.counted)}
