"""Integrated Gradients along the way from baseline to patient, cut finer until they add up.

At the training median all inputs of a layer normalisation are nearly equal, and the risk turns
sharply: within a thousandth of the way it can move by as much as over the rest. One quadrature rule
over the whole way misses that; at 256 nodes contributions of the shipped glioma model still missed
up to a third of the score. So the way is cut where contributions differ from the difference of the
risks at the ends, which is known. Each segment is an integral of Captum's with ends of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlif.attribution.explained import MEMBER_ROWS, Batch, by_column, evaluate
from camlif.attribution.results import GAP_FLOOR, Values

EDGES = (0.0, 1e-3, 0.1, 1.0)
"""Ends of the first segments, as shares of the way."""

N_FIRST = len(EDGES) - 1

STEPS = 10
"""Nodes of the Gauss-Legendre rule over a segment."""

MAX_STEPS = 512
MAX_GAP = 0.02
"""Segments are cut for patients whose completeness gap is larger, up to so many nodes or a few
more."""


def integrated_gradients(batch: Batch, steps: int = STEPS) -> tuple[list[Values], int]:
    """Integrate the gradient from baseline to patient.

    Returns
    -------
    list of float64, (n, f) by player, and the nodes that a patient took at most

    References
    ----------
    Sundararajan et al., "Axiomatic attribution for deep networks", ICML 2017.
    """
    n = len(batch)
    ways = np.repeat(np.arange(n), N_FIRST), np.tile(EDGES[:-1], n), np.tile(EDGES[1:], n)
    found = _Segments.measured(batch, *ways, steps)
    nodes = np.full(n, N_FIRST * steps)
    wanted = np.bincount(found.rows, found.change)
    tolerance = MAX_GAP * np.maximum(np.abs(wanted), GAP_FLOOR)
    while True:
        rough = found.rough(tolerance, nodes < MAX_STEPS)
        if not rough.any():
            return found.sums(n), int(nodes.max())
        pieces = _cut(found.rows[rough], found.low[rough], found.high[rough])
        finer = _Segments.measured(batch, *pieces, steps)
        nodes += steps * np.bincount(finer.rows, minlength=n)
        found = found.take(~rough).joined(finer)


@dataclass(frozen=True, slots=True)
class _Segments:
    """Parts of the ways of patients.

    Attributes
    ----------
    rows : int array, shape (q,)
        Whose way.
    low, high : array, shape (q,)
        Ends, as shares of the way.
    values : list of array, shape (q, f) by player
        Contributions.
    change : array, shape (q,)
        Difference of the risks at the ends.
    """

    rows: NDArray[np.int_]
    low: Values
    high: Values
    values: list[Values]
    change: Values

    @classmethod
    def measured(
        cls, batch: Batch, rows: NDArray[np.int_], low: Values, high: Values, steps: int
    ) -> _Segments:
        """Integrate over each segment with so many nodes."""
        size = max(1, MEMBER_ROWS // (len(batch.risk.ensemble) * steps))
        parts = [
            _integrated(batch, rows[i : i + size], low[i : i + size], high[i : i + size], steps)
            for i in range(0, len(rows), size)
        ]
        values = [
            np.concatenate(of_player) for of_player in zip(*(v for v, _ in parts), strict=True)
        ]
        return cls(rows, low, high, values, np.concatenate([change for _, change in parts]))

    @property
    def error(self) -> Values:
        """What the contributions of each segment miss."""
        missed: Values = sum(v.sum(axis=1) for v in self.values) - self.change
        return missed

    def rough(self, tolerance: Values, may_grow: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Segments to cut: those that miss more than their share of what their patient may."""
        n = len(tolerance)
        open_ways = (np.abs(np.bincount(self.rows, self.error, n)) > tolerance) & may_grow
        share = tolerance / np.bincount(self.rows, minlength=n)
        found: NDArray[np.bool_] = open_ways[self.rows] & (np.abs(self.error) > share[self.rows])
        return found

    def take(self, chosen: NDArray[np.bool_]) -> _Segments:
        """Return some of the segments."""
        return _Segments(
            self.rows[chosen],
            self.low[chosen],
            self.high[chosen],
            [v[chosen] for v in self.values],
            self.change[chosen],
        )

    def joined(self, other: _Segments) -> _Segments:
        """Return these segments and others."""
        return _Segments(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.low, other.low]),
            np.concatenate([self.high, other.high]),
            [np.concatenate(pair) for pair in zip(self.values, other.values, strict=True)],
            np.concatenate([self.change, other.change]),
        )

    def sums(self, n: int) -> list[Values]:
        """Contributions of each of n patients, over its segments."""
        totals = [np.zeros((n, v.shape[1])) for v in self.values]
        for total, v in zip(totals, self.values, strict=True):
            np.add.at(total, self.rows, v)
        return totals


def _cut(
    rows: NDArray[np.int_], low: Values, high: Values
) -> tuple[NDArray[np.int_], Values, Values]:
    """Cut segments in two, finely towards the baseline."""
    middle = np.where(low > 0, np.sqrt(low * high), high / 10)
    return np.tile(rows, 2), np.concatenate([low, middle]), np.concatenate([middle, high])


def _integrated(
    batch: Batch, rows: NDArray[np.int_], low: Values, high: Values, steps: int
) -> tuple[list[Values], Values]:
    """Contributions (q, f) by player over segments, and differences of risks at their ends."""
    from captum.attr import IntegratedGradients

    device = batch.values[0].device
    index = torch.as_tensor(rows, device=device)
    starts, ends = _points(batch, index, low), _points(batch, index, high)
    fixed = tuple(x[index] for x in batch.fixed)
    change = evaluate(batch.risk, ends, fixed) - evaluate(batch.risk, starts, fixed)
    attributed = IntegratedGradients(batch.risk).attribute(
        ends,
        baselines=starts,
        additional_forward_args=fixed,
        n_steps=steps,
        method="gausslegendre",
    )
    return by_column(attributed), change


def _points(batch: Batch, index: Tensor, share: Values) -> tuple[Tensor, ...]:
    """Points on the ways of patients, (q, ...) by player."""
    points = []
    for x, start in zip(batch.values, batch.baseline, strict=True):
        part = torch.as_tensor(share, device=x.device, dtype=x.dtype).view(-1, *(1,) * (x.ndim - 1))
        points.append(torch.lerp(start[index], x[index], part))
    return tuple(points)
