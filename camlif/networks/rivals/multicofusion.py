"""MultiCoFusion (Tan et al., Artificial Intelligence in Medicine 2022): survival and grade at once.

genomic vector -> graph layer -> linear, other vectors -> linear; concatenated -> shared network ->
a survival head and a grade head, trained in alternating batches
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camlif.data.schema import FeatureSchema, ModalitySpec
from camlif.exceptions import ConfigError
from camlif.networks.interface import START, FusionOutput, Inputs, LossTerms, Outcome, Step
from camlif.networks.layers import module_key
from camlif.networks.registry import register
from camlif.networks.rivals.pretrained import NATIVE
from camlif.networks.rivals.vector_layers import (
    VectorConfig,
    VectorHead,
    VectorNetwork,
    genomic_modality,
    l1_norm,
    relu_layers,
)

BRANCH = {"compact": 128, "paper": 1000}
TRUNK = {"compact": (128, 64, 32), "paper": (512, 256, 32)}
HEAD = 16
CLASS_LOGITS = "class_logits"
"""Key of the grade head's logits (n, n_classes) in ``FusionOutput.aux``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiCoFusionConfig(VectorConfig):
    """Settings of MultiCoFusion.

    Attributes
    ----------
    size : {"compact", "paper"}
        Branches of width 128 for tables of a few hundred patients, or the 1000 of the publication.
    aux_classes : int
        Classes of the second head (``Outcome.label``); 0 leaves it out, which makes the method a
        plain concatenation.
    alternate : bool
        Train one head per batch, in turn; otherwise both losses are added.
    graph : {"dense", "groups"}
        Genomic columns that the graph layer connects: all, or those of the same feature group.
    genomic_modality : str or None
        The one with the graph layer. None: the one called ``genomics``, else the widest whose name
        starts so, else the widest.
    """

    architecture: str = "multicofusion"
    size: Literal["compact", "paper"] = "compact"
    aux_classes: int = 0
    alternate: bool = True
    graph: Literal["dense", "groups"] = "dense"
    genomic_modality: str | None = None

    def _check_ranges(self) -> None:
        if self.aux_classes < 0 or self.aux_classes == 1:
            raise ConfigError("aux_classes must be 0 or at least 2.")


class GraphLayer(nn.Module):
    """Linear layer whose weights exist along a graph's edges only: y = x (W * adjacency) + b.

    Parameters
    ----------
    n_features : int
    adjacency : Tensor, shape (n_features, n_features), optional
        1 where a column (row index) reaches another (column index), itself included; None: all.
    """

    adjacency: Tensor | None

    def __init__(self, n_features: int, adjacency: Tensor | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_features, n_features))
        self.bias = nn.Parameter(torch.zeros(n_features))
        nn.init.normal_(self.weight, std=n_features**-0.5)  # what SELU wants
        self.register_buffer("adjacency", adjacency)

    def forward(self, x: Tensor) -> Tensor:
        """Spread: (n, n_features) -> (n, n_features)."""
        weight = self.weight if self.adjacency is None else self.weight * self.adjacency
        return x @ weight + self.bias


def group_adjacency(modality: ModalitySpec) -> Tensor:
    """Connect columns of the same feature group, shape (n_features, n_features)."""
    group = torch.cat([torch.full((g.n_features,), i) for i, g in enumerate(modality.groups)])
    return (group.unsqueeze(-1) == group).float()


def class_nll(logits: Tensor, label: Tensor) -> Tensor:
    """Mean negative log-likelihood of classes; labels of -1 do not count.

    Shapes: (..., n, n_classes), (..., n) -> (...,); a true zero without any label.
    """
    known = label >= 0
    at_label = logits.log_softmax(-1).gather(-1, label.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return -torch.where(known, at_label, 0.0).sum(-1) / known.sum(-1).clamp(min=1)


@register(
    "multicofusion",
    title="MultiCoFusion",
    config=MultiCoFusionConfig,
    native=NATIVE,
    citation="Tan et al., Artificial Intelligence in Medicine 2022",
    source="SCUT-CCNL/MultiCoFusion: train_test.py, utils.py, networks.py",
)
class MultiCoFusion(VectorNetwork):
    """Multi-task correlation learning with a survival and a grade head.

    The grade head reads no clinical columns.

    Notes
    -----
    Unimodal networks are not trained beforehand, and so none is frozen at first. The second head,
    where there are labels, is part of the method and stays in matched runs; it then takes half of
    the batches, too. A native Cox loss is divided by the rows of the batch, as published.

    References
    ----------
    Tan K. et al., Artificial Intelligence in Medicine 126:102260, 2022.
    """

    config: MultiCoFusionConfig
    reduction = "batch"

    def __init__(self, schema: FeatureSchema, n_clinical: int, config: MultiCoFusionConfig) -> None:
        super().__init__(schema, config)
        self.genomic = genomic_modality(schema, config.genomic_modality)
        genes = schema[self.genomic]
        adjacency = group_adjacency(genes) if config.graph == "groups" else None
        self.graph = GraphLayer(genes.n_features, adjacency)
        self.dropout = nn.AlphaDropout(config.dropout)
        branch, trunk = BRANCH[config.size], TRUNK[config.size]
        self.branches = nn.ModuleDict(
            {module_key(m.name): nn.Linear(m.n_features, branch) for m in schema.modalities}
        )
        self.trunk = relu_layers((branch * len(self.names), *trunk), dropout=0.0)
        self.risk_hidden = nn.Linear(trunk[-1], HEAD)
        self.head = VectorHead(HEAD, n_clinical, config)
        if config.aux_classes:
            self.class_head = nn.Sequential(
                nn.Linear(trunk[-1], HEAD), nn.ReLU(), nn.Linear(HEAD, config.aux_classes)
            )

    def forward(self, inputs: Inputs, *, diagnostics: bool = False) -> FusionOutput:
        """Compute risks and, with a second head, ``aux["class_logits"]`` (n, n_classes)."""
        read = self.read(inputs)
        read[self.genomic] = self.dropout(F.selu(self.graph(read[self.genomic])))
        x = {m: F.relu(self.branches[module_key(m)](read[m])) for m in self.names}
        shared: Tensor = self.trunk(torch.cat(list(x.values()), dim=-1))
        risk = self.head(F.relu(self.risk_hidden(shared)), inputs.clinical)
        aux = {CLASS_LOGITS: self.class_head(shared)} if self.config.aux_classes else {}
        return FusionOutput(risk, {**x, "fusion": shared}, aux)

    def loss(self, output: FusionOutput, outcome: Outcome, step: Step = START) -> LossTerms:
        """Cox loss in batches of odd number in each epoch (from 0), else class likelihood.

        Parameters
        ----------
        output, outcome, step
            As in `FusionNetwork.loss`.

        Raises
        ------
        ConfigError
            If there is a second head and the outcome has no labels.
        """
        if not self.config.aux_classes:
            return super().loss(output, outcome, step)
        if outcome.label is None:
            raise ConfigError("The second head needs a class for every patient, -1 where missing.")
        parts = {}
        if not self.config.alternate or step.in_epoch % 2 == 1:
            parts["cox"] = self.cox(output.risk, outcome)
        if not self.config.alternate or step.in_epoch % 2 == 0:
            parts["grade"] = class_nll(output.aux[CLASS_LOGITS], outcome.label)
        return LossTerms(torch.stack(list(parts.values())).sum(0), parts)

    def penalty(self, parameters: Mapping[str, Tensor], step: Step = START) -> dict[str, Tensor]:
        """L1 norm of the genomic graph layer of a native head; its branch is not counted."""
        if not self.config.is_native or not self.config.l1:
            return {}
        names = tuple(name for name, _ in self.named_parameters() if name.startswith("graph."))
        return {"l1": self.config.l1 * l1_norm(parameters, names)}
