"""Shapley interaction index of a game: exact, or sampled over random orders.

The values of coalitions go in, one number a pair of players comes out. Raises `ConfigError` with
fewer than two rounds. Follows Grabisch and Roubens, "An axiomatic approach to the concept of
interaction among players in cooperative games", 1999.

Shapes: e games played at once (members), p players, c coalitions, j = p (p - 1) / 2 pairs in the
order of ``itertools.combinations``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import BoolArray, Float64Array
from camlif.exceptions import ConfigError
from camlif.explain.modalities import exact_shapley

Game = Callable[[BoolArray], Float64Array]
"""Values (e, c) of coalitions (c, p), each a row of who is in."""


def interaction_weights(p: int) -> Float64Array:
    """Matrix (j, 2^p) that turns the values of all coalitions into interaction indices.

    Coalition c holds player i if bit i of c is set.

    References
    ----------
    Grabisch and Roubens, "An axiomatic approach to the concept of interaction among players in
    cooperative games", 1999.
    """
    inside = all_coalitions(p)
    first, second = pairs_of(p)
    others = inside.sum(axis=1) - (inside[:, first].astype(int) + inside[:, second]).T
    share = np.array([1 / ((p - 1) * math.comb(p - 2, s)) for s in range(p - 1)])
    sign = np.where(inside[:, first] == inside[:, second], 1.0, -1.0).T
    weights: Float64Array = sign * share[others]
    return weights


def all_coalitions(p: int) -> BoolArray:
    """Return every coalition of p players, shape (2^p, p)."""
    inside: BoolArray = np.arange(2**p)[:, None] >> np.arange(p) & 1 > 0
    return inside


def pairs_of(p: int) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """First and second player of each pair, shape (j,)."""
    first, second = np.triu_indices(p, k=1)
    return first, second


@dataclass(frozen=True, slots=True, kw_only=True)
class GameValues:
    """What was found of e games.

    Attributes
    ----------
    index : float64, shape (e, j)
        Shapley interaction index of each pair.
    standard_error : float64, shape (j,)
        Of the mean over the games; 0 where it is exact.
    shapley : float64, shape (p,)
        Mean over the games.
    empty, full : float
        Mean value of nobody and of everybody.
    """

    index: Float64Array
    standard_error: Float64Array
    shapley: Float64Array
    empty: float
    full: float


def exact_interactions(game: Game, p: int) -> GameValues:
    """Evaluate all coalitions of p players (at least 2)."""
    values = game(all_coalitions(p))
    return GameValues(
        index=values @ interaction_weights(p).T,
        standard_error=np.zeros(p * (p - 1) // 2),
        shapley=exact_shapley(values).mean(axis=0),
        empty=float(values[:, 0].mean()),
        full=float(values[:, -1].mean()),
    )


def covering_orders(q: int) -> NDArray[np.int_]:
    """Return q / 2 orders of an even number q of players in which each pair is adjacent once.

    References
    ----------
    Walecki's decomposition of the complete graph into Hamiltonian paths (Lucas, 1892).
    """
    steps = np.arange(1, q)
    zigzag = np.concatenate([[0], np.where(steps % 2 == 1, (steps + 1) // 2, -(steps // 2))])
    return (zigzag + np.arange(q // 2)[:, None]) % q


def sampled_interactions(game: Game, p: int, *, rounds: int, seed: int) -> GameValues:
    """Average over random orders in which the two players of a pair follow each other.

    Every round relabels `covering_orders` at random and so gives each pair one unbiased sample; a
    player without effect makes an odd number even. Takes about p^2 evaluations a round.

    Parameters
    ----------
    game : Game
        Gives the values of coalitions.
    p : int
        Players, at least 2.
    rounds : int
        Samples of each pair, at least 2.
    seed : int
        Of the orders.

    Raises
    ------
    ConfigError
        With fewer than two rounds.
    """
    if rounds < 2:
        raise ConfigError("Sampling needs at least two rounds.")
    rng = np.random.default_rng(seed)
    q = p + p % 2
    paths = covering_orders(q)
    orders = np.concatenate([rng.permutation(q)[paths] for _ in range(rounds)])
    prefixes, swapped = _ordered_coalitions(orders)
    distinct, where = np.unique(
        np.concatenate([prefixes, swapped])[:, :p], axis=0, return_inverse=True
    )
    values = game(distinct)[:, where.reshape(-1)]
    along = values[:, : len(prefixes)].reshape(len(values), len(orders), q + 1)
    aside = values[:, len(prefixes) :].reshape(len(values), len(orders), q - 1)
    surplus = along[..., 2:] - along[..., 1:-1] - aside + along[..., :-2]
    by_round = _by_pair(surplus, orders, p, rounds)
    mean = by_round.mean(axis=0)
    shapley = np.zeros(q)
    np.add.at(shapley, orders, np.diff(along.mean(axis=0), axis=-1) / len(orders))
    return GameValues(
        index=by_round.mean(axis=1),
        standard_error=mean.std(axis=0, ddof=1) / math.sqrt(rounds),
        shapley=shapley[:p],
        empty=float(along[:, 0, 0].mean()),
        full=float(along[:, 0, -1].mean()),
    )


def _ordered_coalitions(orders: NDArray[np.int_]) -> tuple[BoolArray, BoolArray]:
    """Prefixes of each order (o * (q + 1), q), and those less their last player but one."""
    n, q = orders.shape
    position = np.argsort(orders, axis=1)[:, None, :]
    prefixes = position < np.arange(q + 1)[:, None]
    step = np.arange(q - 1)[:, None]
    swapped = (position < step) | (position == step + 1)
    return prefixes.reshape(n * (q + 1), q), swapped.reshape(n * (q - 1), q)


def _by_pair(surplus: Float64Array, orders: NDArray[np.int_], p: int, rounds: int) -> Float64Array:
    """Sort samples (e, o, q - 1) into (e, rounds, j)."""
    e, n = surplus.shape[:2]
    table = np.zeros((e, rounds, p + 1, p + 1))
    first, second = orders[:, :-1], orders[:, 1:]
    of_round = np.repeat(np.arange(rounds), n // rounds)[:, None]
    table[:, of_round, np.minimum(first, second), np.maximum(first, second)] = surplus
    rows, columns = pairs_of(p)
    by_pair: Float64Array = table[:, :, rows, columns]
    return by_pair
