"""Integrated Gradients over points that lie close together where the risk turns.

A batch of patients with a baseline goes in; contributions like the values come out, with the points
taken. Nothing fails. Follows Sundararajan et al., "Axiomatic attribution for deep networks", 2017.

At the training median all inputs of a layer normalisation are nearly equal, and the risk turns
sharply: within a thousandth of the way it can move by as much as over the rest. A rule over the
whole way misses that; with 256 nodes, on the shipped glioma model, by up to a third of the score.
So the first points lie evenly on a logarithmic scale, and more are set where the gradients at both
ends of an interval do not explain the change of the risk between them, which is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlif.arrays import Float64Array
from camlif.explain.explained import Batch, by_column, rows_at_once
from camlif.explain.results import GAP_FLOOR

STEPS = 20
FIRST = 3e-5
"""Intervals before any is cut, and the end of the first one as a share of the way."""

MAX_STEPS = 512
MAX_GAP = 0.02
"""Intervals are cut while a patient's completeness gap is larger, up to so many points or a few
more."""

MAX_SPREAD = 1.25
"""Root of the summed squares of what intervals miss, in tolerated gaps: misses that happen to
cancel in the sum of contributions do not cancel in each of them."""

KEPT = 0.8
"""Intervals that miss no more than so many tolerated gaps, together and in spread, are not cut."""

FINEST = 1e-7
"""Share of the way below which float32 does not tell points apart, so that a jump stays one."""


def integrated_gradients(batch: Batch, steps: int = STEPS) -> tuple[list[Float64Array], int]:
    """Integrate the gradient from baseline to patient.

    Returns
    -------
    list of float64, (n, f) by player, and the points that a patient took at most

    References
    ----------
    Sundararajan et al., "Axiomatic attribution for deep networks", ICML 2017.
    """
    first = np.append(0, np.geomspace(1, FIRST, steps)[::-1])
    ways = _measured(batch, [first] * len(batch))
    while any(map(len, wanted := [way.between_rough() for way in ways])):
        finer = _measured(batch, wanted)
        ways = [way.joined(points) for way, points in zip(ways, finer, strict=True)]
    values = np.stack([way.pieces.sum(axis=0) for way in ways])
    ends = np.cumsum([x.shape[-1] for x in batch.values])[:-1]
    return np.split(values, ends, axis=1), max(len(way) for way in ways)


@dataclass(frozen=True, slots=True)
class _Way:
    """Points on the way from a patient's baseline to the patient, in order.

    Attributes
    ----------
    share : array, shape (q,)
        Of the way: 0 at the baseline, 1 at the patient.
    risk : array, shape (q,)
    slope : array, shape (q, f)
        Gradient times the whole way, by column of all players.
    """

    share: Float64Array
    risk: Float64Array
    slope: Float64Array

    def __len__(self) -> int:
        return len(self.share)

    @property
    def pieces(self) -> Float64Array:
        """Contributions over each interval by the trapezoid rule, shape (q - 1, f)."""
        pieces: Float64Array = np.diff(self.share)[:, None] * (self.slope[1:] + self.slope[:-1]) / 2
        return pieces

    def joined(self, other: _Way) -> _Way:
        """Return the points of both."""
        share = np.concatenate([self.share, other.share])
        order = np.argsort(share)
        return _Way(
            share[order],
            np.concatenate([self.risk, other.risk])[order],
            np.concatenate([self.slope, other.slope])[order],
        )

    def between_rough(self) -> Float64Array:
        """Shares at which to cut intervals, the roughest; none if contributions add up."""
        tolerated = MAX_GAP * max(abs(self.risk[-1] - self.risk[0]), GAP_FLOOR)
        missed = self.pieces.sum(axis=1) - np.diff(self.risk)
        spread = np.sqrt((missed**2).sum())
        adds_up = abs(missed.sum()) <= tolerated and spread <= MAX_SPREAD * tolerated
        if adds_up or len(self) >= MAX_STEPS:
            return np.empty(0)
        order = np.argsort(np.abs(missed))
        sums = np.abs(np.cumsum(missed[order]))
        spreads = np.sqrt(np.cumsum(missed[order] ** 2))
        cut = order[np.maximum.accumulate(np.maximum(sums, spreads)) > KEPT * tolerated]
        cut = cut[np.diff(self.share)[cut] > FINEST]
        low, high = self.share[:-1][cut], self.share[1:][cut]
        middle: Float64Array = np.where(low > 0, np.sqrt(low * high), high / 10)
        return middle


def _measured(batch: Batch, wanted: list[Float64Array]) -> list[_Way]:
    """Risks and slopes at so many points of each patient's way."""
    rows = np.repeat(np.arange(len(batch)), [len(share) for share in wanted])
    share = np.concatenate(wanted)
    size = rows_at_once(batch.risk)
    parts = [
        _at_points(batch, rows[i : i + size], share[i : i + size])
        for i in range(0, len(rows), size)
    ]
    risk, slope = (np.concatenate(of_parts) for of_parts in zip(*parts, strict=True))
    return [_Way(share[rows == i], risk[rows == i], slope[rows == i]) for i in range(len(batch))]


def _at_points(
    batch: Batch, rows: NDArray[np.int_], share: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Risks (q,) and slopes (q, f) at points of the ways of patients."""
    index = torch.as_tensor(rows, device=batch.values[0].device)
    ends = [(start[index], x[index]) for start, x in zip(batch.baseline, batch.values, strict=True)]
    points = [_between(start, end, share).requires_grad_() for start, end in ends]
    risk = batch.risk(*points, *(x[index] for x in batch.fixed))
    gradients = torch.autograd.grad(risk.sum(), points)
    slopes = [g * (end - start) for g, (start, end) in zip(gradients, ends, strict=True)]
    return risk.detach().cpu().double().numpy(), np.concatenate(by_column(slopes), axis=1)


def _between(start: Tensor, end: Tensor, share: Float64Array) -> Tensor:
    """Points between two, (q, ...)."""
    weight = torch.as_tensor(share, device=end.device, dtype=end.dtype)
    return torch.lerp(start, end, weight.view(-1, *(1,) * (end.ndim - 1)))
