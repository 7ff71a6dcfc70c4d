"""What goes into a fusion network and what comes out: named tuples of tensors.

They are pytrees, so the engine can stack members with ``torch.func.vmap``. `FusionNetwork` is the
contract that CA-MLIF and every rival keep; constructors raise `SchemaError` where a cohort's
modalities do not suit them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from camlif.config import TrainConfig


class Inputs(NamedTuple):
    """Standardised inputs of n patients. Never holds the outcome: ``forward`` cannot read it.

    Attributes
    ----------
    tables : dict of modality to Tensor, shape (n, n_features), or (n, k, d_inst) for a bag
        Imputed and standardised; no NaN.
    masks : dict of modality to BoolTensor, shape (n, n_groups) or (n, k)
        True where the group or instance was observed.
    presence : BoolTensor, shape (n, m)
    clinical : Tensor, shape (n, q), q may be 0
    """

    tables: dict[str, Tensor]
    masks: dict[str, Tensor]
    presence: Tensor
    clinical: Tensor


class Outcome(NamedTuple):
    """Outcome of n patients; rows that pad a batch have duration -inf and no event.

    Attributes
    ----------
    event : BoolTensor, shape (..., n)
    duration : Tensor, shape (..., n), months
    presence : BoolTensor, shape (..., n, m)
        Modalities that count for the alignment loss; False in padding rows.
    entry : Tensor, shape (..., n), months, or None
        When each patient came under observation; None where nobody enters late.
    interval : LongTensor, shape (..., n), or None
        Discrete-time interval of the duration, of networks that have them (`assign_intervals`);
        -1 in padding rows.
    label : LongTensor, shape (..., n), or None
        Class of an auxiliary task (tumour grade); -1 where missing and in padding rows.
    """

    event: Tensor
    duration: Tensor
    presence: Tensor
    entry: Tensor | None = None
    interval: Tensor | None = None
    label: Tensor | None = None


class Step(NamedTuple):
    """Where a training run is: the stage's name, the batches done in it and in this epoch."""

    stage: str = "all"
    batch: int = 0
    in_epoch: int = 0


START = Step()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One part of a training run with its own settings.

    Attributes
    ----------
    name : str
    training : TrainConfig
        Optimiser, rate, schedule, epochs and batch size of this stage.
    trainable : tuple of str
        Prefixes of the parameters that learn; empty: all.
    frozen, frozen_epochs
        Prefixes of parameters that join only after so many epochs.
    """

    name: str
    training: TrainConfig
    trainable: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    frozen_epochs: int = 0


class FusionOutput(NamedTuple):
    """What a fusion network returns.

    Attributes
    ----------
    risk : Tensor, shape (n,)
    embeddings : dict of str to Tensor, shape (n, d)
        Class vectors by modality (``pathology``, ``pathology_hat``) and ``fusion`` (h_fusion).
    aux : dict of str to Tensor
        ``owc_weights`` (n, n_blocks) and diagnostics on request.
    """

    risk: Tensor
    embeddings: dict[str, Tensor]
    aux: dict[str, Tensor]


class LossTerms(NamedTuple):
    """``total`` is the sum of the already weighted ``parts``; shapes (...,)."""

    total: Tensor
    parts: dict[str, Tensor]


class ClinicalReader(Protocol):
    """A head that may read encoded clinical columns."""

    n_clinical: int


class FusionNetwork(nn.Module, ABC):
    """What the training engine and the ensemble ask of a network.

    A subclass is built from a schema, the number of encoded clinical columns and its settings.

    Attributes
    ----------
    title : str
        Name in figures and errors, set when the class is registered.
    head : module
        Ends in the risk; it knows how many clinical columns it reads.
    """

    title: ClassVar[str]
    head: ClinicalReader

    @property
    def n_clinical(self) -> int:
        """Encoded clinical columns that the risk depends on; 0 where they are ignored."""
        return self.head.n_clinical

    @property
    def takes_late_entry(self) -> bool:
        """Whether the loss counts patients from their entry on."""
        return True

    def fit_outcome(self, event: NDArray[np.bool_], duration: NDArray[np.float64]) -> None:
        """Set buffers that depend on the outcome, such as interval edges.

        Called once per member, before training, with the rows of its training part only.
        """

    def fit_start(
        self,
        inputs: Inputs,
        event: NDArray[np.bool_],
        duration: NDArray[np.float64],
        *,
        entry: NDArray[np.float64] | None = None,
    ) -> None:
        """Set the start of parameters that take it from the data.

        Called once per member, before training, with its standardised training part.

        Parameters
        ----------
        inputs : Inputs
            Standardised features of the n training patients, with their presence.
        event : bool, shape (n,)
        duration : float64, shape (n,)
            Months.
        entry : float64, shape (n,), optional
            Months at which patients came under observation; None counts everybody from the start.
        """

    def assign_intervals(self, duration: NDArray[np.float64]) -> NDArray[np.int64] | None:
        """Return the discrete-time interval of each duration, shape (n,); None without any."""
        return None

    def stages(self, training: TrainConfig) -> tuple[Stage, ...]:
        """Return the parts of the training run, in order: one, unless a method says otherwise."""
        return (Stage(name=START.stage, training=training),)

    @abstractmethod
    def forward(self, inputs: Inputs, *, diagnostics: bool = False) -> FusionOutput:
        """Compute risks and class vectors of n patients."""

    @abstractmethod
    def loss(self, output: FusionOutput, outcome: Outcome, step: Step = START) -> LossTerms:
        """Compute the loss; leading dimensions are independent members.

        Parameters
        ----------
        output : FusionOutput
            What `forward` returned, risk of shape (..., n).
        outcome : Outcome
            Of the same patients, in the same order.
        step : Step
            Where in the training run the batch stands; some losses change with it.

        Returns
        -------
        LossTerms
            The total, of shape (...,), and its terms by name.
        """

    def penalty(self, parameters: Mapping[str, Tensor], step: Step = START) -> dict[str, Tensor]:
        """Return weighted penalties on the stacked parameters (e, ...), each of shape (e,)."""
        return {}


ENHANCED = "_hat"
"""Suffix of a modality's decoder class vector in ``FusionOutput.embeddings``."""
