"""Removing features in an order: the orders, and the risk when their first units are gone.

Contributions go in, ranks come out; ranks and patients with their members go in, curves of the risk
come out. Raises nothing of its own. "Removed" is: replaced by the baseline.

Shapes: n patients, u units (features or groups), c orders, k points of a curve.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlif.arrays import Float64Array
from camlif.explain.explained import Batch, evaluate
from camlif.explain.features import inert_units
from camlif.explain.members import MemberPairs
from camlif.explain.methods import Masks, make_masks
from camlif.explain.results import Level

N_POINTS = 12
"""Even, so that a curve read backwards has the same points."""

Ranks = NDArray[np.int_]


def exchanges(u: int, n: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Draw ``n`` different ways to exchange the names of u units, or all ways if they are fewer.

    Parameters
    ----------
    u, n : int
        At least 1.
    rng : numpy.random.Generator

    Returns
    -------
    list of tuple of int, each of length u
        Orders other than 0 to u - 1, in the order of drawing.
    """
    same = tuple(range(u))
    drawn: dict[tuple[int, ...], None] = {}
    while len(drawn) < min(n, math.factorial(u) - 1):
        names = tuple(rng.permutation(u).tolist())
        if names != same:
            drawn[names] = None
    return list(drawn)


def fractions(k: int = N_POINTS) -> Float64Array:
    """Shares of units at the points of a curve, close together at both ends, shape (k,)."""
    share: Float64Array = (1 - np.cos(np.pi * np.arange(k) / (k - 1))) / 2
    return share


def count_removed(n_active: NDArray[np.int_], k: int = N_POINTS) -> Ranks:
    """Units removed at each point, (n,) -> (n, k); symmetric, so that a curve can be read back."""
    half = np.rint(n_active[:, None] * fractions(k)[: k // 2]).astype(int)
    return np.concatenate([half, n_active[:, None] - half[:, ::-1]], axis=1)


def order(values: Float64Array, inert: NDArray[np.bool_], rng: np.random.Generator) -> Ranks:
    """Rank of each unit when the largest value goes first, (n, u); inert units go last.

    Equal values are ranked at random.

    Parameters
    ----------
    values : float64, shape (n, u)
        Contributions of u features or groups.
    inert : bool, shape (n, u)
        Units that cannot move the risk.
    rng : np.random.Generator
        Settles ties.
    """
    key = np.where(inert, np.inf, -values)
    sequence = np.lexsort((rng.random(values.shape), key), axis=1)
    ranks: Ranks = np.argsort(sequence, axis=1)
    return ranks


def backwards(ranks: Ranks, n_active: NDArray[np.int_]) -> Ranks:
    """Reverse orders (n, u) whose first ``n_active`` units are the active ones."""
    last = n_active[:, None] - 1
    return np.where(ranks > last, ranks, last - ranks)


def deletion_curves(
    pairs: MemberPairs,
    groups: tuple[tuple[str, ...], ...],
    level: Level,
    ranks: Ranks,
    counts: Ranks,
) -> Float64Array:
    """Risk of the ensemble with the first units of an order at the baseline.

    Parameters
    ----------
    pairs : MemberPairs
    groups : by player, the group of each column
    level : {"feature", "group"}
    ranks : int array, shape (c, n, u)
        Place of each unit in each of c orders.
    counts : int array, shape (n, k)
        Units at the baseline at each point.

    Returns
    -------
    float64, shape (c, n, k)
    """
    c, k = len(ranks), counts.shape[1]
    risks = np.empty((len(pairs.patients), c, k))
    for batch in pairs.explained.batches:
        masks = make_masks(groups, batch, level)
        for part in batch.split(c * k):
            own = pairs.patients[part.positions]
            points = _points(part, masks, ranks[:, own], counts[own])
            fixed = tuple(x.repeat_interleave(c * k, dim=0) for x in part.fixed)
            risks[part.positions] = evaluate(part.risk, points, fixed).reshape(-1, c, k)
    return pairs.mean(risks).swapaxes(0, 1)


def _points(part: Batch, masks: Masks, ranks: Ranks, counts: Ranks) -> tuple[Tensor, ...]:
    """Values (b * c * k, ...) by player with the first units of each order at the baseline."""
    device = part.values[0].device
    rank = torch.as_tensor(ranks, device=device).transpose(0, 1)  # (b, c, u)
    count = torch.as_tensor(counts, device=device)[:, None, :, None]  # (b, 1, k, 1)
    points = []
    for x, baseline, mask in zip(part.values, part.baseline, masks.tensors, strict=True):
        gone = (rank[:, :, mask.reshape(-1)].unsqueeze(2) < count).flatten(1, 2)  # (b, c k, d)
        gone = gone.view(*gone.shape[:2], *(1,) * (x.ndim - 2), -1)
        points.append(torch.where(gone, baseline.unsqueeze(1), x.unsqueeze(1)).flatten(0, 1))
    return tuple(points)


def inert_units_of(
    pairs: MemberPairs, groups: tuple[tuple[str, ...], ...], level: Level
) -> NDArray[np.bool_]:
    """Units that cannot move a patient's risk, (n, u).

    Parameters
    ----------
    pairs : MemberPairs
        Of n patients.
    groups : tuple of tuple of str
        The feature group of each column, by player.
    level : {"feature", "group"}
        What a unit is.
    """
    width = sum(len(g) if level == "feature" else len(set(g)) for g in groups)
    inert = np.zeros((pairs.n_patients, width), dtype=bool)
    for batch in pairs.explained.batches:
        by_player = inert_units(batch, groups, level)
        inert[pairs.patients[batch.positions]] = np.concatenate(by_player, axis=1)
    return inert
