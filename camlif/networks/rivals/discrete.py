"""Discrete-time survival: hazards of a few intervals of follow-up, and the head that has them.

Follow-up goes in before training and fixes the intervals; then vectors go in, hazards (n, t) and
risks (n,) come out, with the likelihood of Zadeh and Schmid, IEEE TPAMI 2020. Raises `ConfigError`
for settings outside their range, `NoEventsError` or `EstimationError` where no interval can be cut.

Shapes: n patients, t intervals. Interval j is [edges_j, edges_{j+1}): a time equal to an edge
belongs to the later one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from camlif.exceptions import ConfigError, EstimationError, NoEventsError, NotFittedError
from camlif.losses import cox_partial_likelihood, discrete_time_nll
from camlif.networks.head import ClinicalConcat
from camlif.networks.interface import START, FusionOutput, LossTerms, Outcome, Step
from camlif.networks.rivals.rival import RivalNetwork
from camlif.networks.rivals.token_layers import TokenConfig

logger = logging.getLogger(__name__)

LOGITS = "logits"
"""Key of the hazard logits (n, t) in ``FusionOutput.aux``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscreteConfig(TokenConfig):
    """Settings of methods whose published head has discrete-time hazards.

    Attributes
    ----------
    n_intervals : int
        t, of ``head="native"``.
    event_weight : float
        In [0, 1): how far the loss of patients without an event is played down.
    """

    n_intervals: int = 4
    event_weight: float = 0.0

    def _check_ranges(self) -> None:
        if self.n_intervals < 2:
            raise ConfigError("n_intervals must be at least 2.")
        if not 0 <= self.event_weight < 1:
            raise ConfigError("event_weight must lie in [0, 1).")


def survival_of(logits: Tensor) -> Tensor:
    """Return S_j = prod_{k<=j} (1 - sigmoid(l_k)) of hazard logits, shape (..., t)."""
    return torch.exp(-F.softplus(logits).cumsum(-1))


def fit_edges(
    event: NDArray[np.bool_], duration: NDArray[np.float64], n_intervals: int
) -> NDArray[np.float32]:
    """Cut follow-up at quantiles of the event times.

    Parameters
    ----------
    event : bool array, shape (n,)
    duration : float array, shape (n,), months
        Of the training part only.
    n_intervals : int

    Returns
    -------
    float32 array, shape (n_intervals + 1,)
        From 0 to infinity. Equal edges are merged and the tail is filled with infinity, so that
        every member has the same shape; intervals that start at infinity are not used.

    Raises
    ------
    NoEventsError
        Without an event.
    EstimationError
        If fewer than two intervals remain.
    """
    if not event.any():
        raise NoEventsError("Discrete-time intervals need at least one event in the training part.")
    inner = np.quantile(duration[event], np.arange(1, n_intervals) / n_intervals)
    inner = np.unique(inner.astype(np.float32))
    inner = inner[inner > 0]
    if not len(inner):
        raise EstimationError("All events are at time 0: follow-up cannot be cut into intervals.")
    if len(inner) < n_intervals - 1:
        logger.warning(
            "Tied event times leave %d of %d discrete-time intervals.", len(inner) + 1, n_intervals
        )
    edges = np.full(n_intervals + 1, np.inf, dtype=np.float32)
    edges[0] = 0.0
    edges[1 : len(inner) + 1] = inner
    return edges


class SurvivalHead(nn.Module):
    """Last layer of a discrete-time method: hazard logits as published, or one Cox risk.

    Parameters
    ----------
    width : int
        Of the fused vector.
    n_clinical : int
        Encoded clinical columns; may be 0.
    config : DiscreteConfig

    Attributes
    ----------
    edges : Tensor, shape (t + 1,), months
        Buffer of the native head; NaN inside before `fit`.
    """

    edges: Tensor

    def __init__(self, width: int, n_clinical: int, config: DiscreteConfig) -> None:
        super().__init__()
        self.config = config
        self.is_discrete = config.head == "native"
        self.clinical = ClinicalConcat(width, n_clinical, config)
        self.n_clinical = self.clinical.n_clinical
        t = config.n_intervals
        self.out = nn.Linear(self.clinical.width, t if self.is_discrete else 1)
        if self.is_discrete:
            self.register_buffer("edges", torch.tensor([0.0, *[torch.nan] * (t - 1), torch.inf]))

    def forward(self, x: Tensor, clinical: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return risks (n,) and, with hazards, their logits.

        The risk of hazards is minus the sum of the survival probabilities: from -t to 0.
        """
        logits: Tensor = self.out(self.clinical(x, clinical))
        if not self.is_discrete:
            return logits.squeeze(-1), {}
        used = ~torch.isinf(self.edges[:-1])
        return -(survival_of(logits) * used).sum(-1), {LOGITS: logits}

    def fit(self, event: NDArray[np.bool_], duration: NDArray[np.float64]) -> None:
        """Set the edges from the training part; nothing to do for a Cox risk.

        Raises
        ------
        NoEventsError, EstimationError
            As `fit_edges`.
        """
        if self.is_discrete:
            edges = fit_edges(event, duration, self.config.n_intervals)
            self.edges.copy_(torch.from_numpy(edges))

    def assign(self, duration: NDArray[np.float64]) -> NDArray[np.int64] | None:
        """Return the interval of each duration, shape (n,); None for a Cox risk.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        if not self.is_discrete:
            return None
        edges = self.edges.float().cpu().numpy()
        if np.isnan(edges).any():
            raise NotFittedError("Fit the discrete-time intervals before assigning durations.")
        # In the edges' precision, so that a time equal to an edge stays equal to it.
        return np.searchsorted(edges[1:-1], duration.astype(np.float32), side="right")

    def loss(self, output: FusionOutput, outcome: Outcome) -> dict[str, Tensor]:
        """Return the likelihood part of the loss; leading dimensions are independent members.

        Raises
        ------
        ConfigError
            If the head has hazards and the outcome no intervals.
        """
        if not self.is_discrete:
            cox = cox_partial_likelihood(
                output.risk, outcome.event, outcome.duration, entry=outcome.entry
            )
            return {"cox": cox}
        if outcome.interval is None:
            raise ConfigError("A discrete-time loss needs the interval of every duration.")
        weight = self.config.event_weight
        nll = discrete_time_nll(
            output.aux[LOGITS], outcome.interval, outcome.event, event_weight=weight
        )
        return {"nll": nll}


class DiscreteTimeNetwork(RivalNetwork):
    """A rival that ends in a `SurvivalHead`."""

    head: SurvivalHead

    @property
    def takes_late_entry(self) -> bool:
        """A Cox head does; hazards of the native one count everyone from time zero."""
        return not self.head.is_discrete

    def fit_outcome(self, event: NDArray[np.bool_], duration: NDArray[np.float64]) -> None:
        """Set the interval edges of the native head."""
        self.head.fit(event, duration)

    def assign_intervals(self, duration: NDArray[np.float64]) -> NDArray[np.int64] | None:
        """Return the interval of each duration; None with a Cox head."""
        return self.head.assign(duration)

    def loss(self, output: FusionOutput, outcome: Outcome, step: Step = START) -> LossTerms:
        """Negative log-likelihood alone. Leading dimensions are independent members.

        Parameters
        ----------
        output, outcome, step
            As in `FusionNetwork.loss`.
        """
        parts = self.head.loss(output, outcome)
        return LossTerms(torch.stack(list(parts.values())).sum(0), parts)
