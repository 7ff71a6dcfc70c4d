"""Whether an attribution method is true to a model: what it calls important must move the risk.

Contributions of one method go in; a `Faithfulness` comes out: curves, gaps and a verdict. Raises
`EstimationError` with fewer than `MIN_PATIENTS` patients.

Features (or groups, for methods that work on groups) are replaced by the baseline in order of their
contributions, those that raise the risk first; the risk must then fall faster than in random order
(deletion), and rise faster when they are put back in that order (insertion). Beside it: whether the
contributions add up, and whether the top features stay when the members are resampled.

Shapes: n patients, u units (features or groups), k points of a curve.

References
----------
Petsiuk et al., "RISE", BMVC 2018 (deletion and insertion); Samek et al., IEEE TNNLS 2017 (order
against random order).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlif.data.cohort import Cohort
from camlif.exceptions import EstimationError
from camlif.explain.explained import Batch, evaluate
from camlif.explain.features import attribute, columns_of, inert_units
from camlif.explain.members import MemberPairs, member_pairs
from camlif.explain.methods import IG, METHODS, Masks, make_masks
from camlif.explain.results import (
    FeatureAttribution,
    Level,
    Values,
    completeness_gap,
    rank_agreement,
)
from camlif.statistics.splits import plain_half_width

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle

N_POINTS = 20
"""Even, so that a curve read backwards has the same points."""
DRAWS = 2
"""Random orders a patient, each also taken backwards: for a linear risk the two average to a
straight line, so that little chance is left."""
RESAMPLES = 100
MIN_PATIENTS = 10
TOP = 30

MAX_GAP = 0.05
MIN_STABILITY = 0.7

Ranks = NDArray[np.int_]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTest:
    """Curves of the log risk above the baseline, and the area between them.

    Attributes
    ----------
    ordered, random : tuple of float, length k
        Mean over patients, at `Faithfulness.fractions`; over the draws too for random order.
    gain, low, high : float
        Mean area by which the order is better than random order, in log risk, with its 95 %
        interval over the patients (Student's t).
    """

    ordered: tuple[float, ...]
    random: tuple[float, ...]
    gain: float
    low: float
    high: float

    @property
    def beats_random(self) -> bool:
        """Whether the interval lies above 0."""
        return self.low > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """Spearman correlation of the top features' ranks between ensemble and resampled ensembles.

    ``median`` and ``low`` (2.5th percentile) are over the resamples of ``n_members`` members.
    """

    median: float
    low: float
    n_members: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Faithfulness:
    """What was found about one method on one model.

    Attributes
    ----------
    method, level : str
    fractions : tuple of float, length k
        Share of the units that are replaced (deletion) or in place (insertion).
    deletion, insertion : OrderTest
    stability : Stability or None
        None where it cannot be measured: one member, or fewer than three units.
    gap : float
        Median completeness gap over the patients.
    n_patients, n_units : int
    draws, seed : int
    seconds : float
    """

    method: str
    level: Level
    fractions: tuple[float, ...]
    deletion: OrderTest
    insertion: OrderTest
    stability: Stability | None
    gap: float
    n_patients: int
    n_units: int
    draws: int
    seed: int
    seconds: float

    @property
    def failures(self) -> tuple[str, ...]:
        """What speaks against the method on this model, in words; empty if it passes."""
        found = []
        for task, test in (("deletion", self.deletion), ("insertion", self.insertion)):
            if not test.beats_random:
                found.append(f"{task} is not better than random order")
        if METHODS[self.method].adds_up and not self.gap <= MAX_GAP:
            found.append(
                f"contributions miss {100 * self.gap:.0f}% of the score "
                f"(at most {100 * MAX_GAP:.0f}%)"
            )
        if self.stability is not None and not self.stability.median >= MIN_STABILITY:
            found.append(
                f"the order of features changes with the members "
                f"(rank correlation {self.stability.median:.3f}, at least {MIN_STABILITY})"
            )
        return tuple(found)

    @property
    def passes(self) -> bool:
        """Better than random order both ways, adds up where it claims to, and stable."""
        return not self.failures


def check_explanations(
    bundle: Bundle,
    cohort: Cohort,
    rows: Sequence[int] | NDArray[np.int_],
    *,
    method: str = IG,
    missing: tuple[str, ...] = (),
    draws: int = DRAWS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Faithfulness:
    """Test a method on a model with patients of a cohort, each by members that did not see it.

    Parameters
    ----------
    bundle : Bundle
    cohort : Cohort
    rows : sequence of int
        Patients; about 50 over the range of risks will do.
    method : str
        A key of `METHODS`, at its usual level.
    missing : tuple of str
        Modalities to treat as missing whatever columns are there.
    draws : int
        Random orders per patient, each of them also taken backwards.
    resamples : int
        Bootstrap samples of the members.
    seed : int

    Raises
    ------
    ConfigError
        With an empty selection or an unknown method.
    EstimationError
        With fewer than `MIN_PATIENTS` scored patients.
    """
    pairs = member_pairs(bundle, cohort, rows, missing=missing)
    found = attribute(pairs.explained, method=method, seed=seed)
    return assess(pairs, found, draws=draws, resamples=resamples, seed=seed)


def assess(
    pairs: MemberPairs,
    found: FeatureAttribution,
    *,
    draws: int = DRAWS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Faithfulness:
    """Test contributions (one row per pair of `MemberPairs`) against the risk itself.

    Parameters
    ----------
    pairs : MemberPairs
        Of patients with each member that counts for them.
    found : FeatureAttribution
        Contributions of one method, a row for each pair.
    draws : int
        Random orders that removal is compared with.
    resamples : int
        Bootstrap resamples of the members.
    seed : int
        Of both.

    Raises
    ------
    EstimationError
        With fewer than `MIN_PATIENTS` patients.
    """
    start = time.perf_counter()
    n = pairs.n_patients
    if n < MIN_PATIENTS:
        raise EstimationError(
            f"Explanations are checked on at least {MIN_PATIENTS} scored patients, not {n}."
        )
    rng = np.random.default_rng(seed)
    _, groups = columns_of(pairs.explained.schema, pairs.explained.players)
    values = pairs.mean(found.values)
    inert = inert_units_of(pairs, groups, found.level)
    n_active = (~inert).sum(axis=1)
    orders = [order(values, inert, rng)]
    orders += [order(rng.random(values.shape), inert, rng) for _ in range(draws)]
    ranks = np.stack([way for ranks in orders for way in (ranks, backwards(ranks, n_active))])
    counts = removed(n_active)
    curves = deletion_curves(pairs, groups, found.level, ranks, counts)
    curves = curves - curves[:1, :, -1:]  # every order ends at the baseline
    random = curves[2:].mean(axis=0)
    gap = completeness_gap(
        values.sum(axis=1), pairs.mean(found.log_risk), pairs.mean(found.base_value)
    )
    share = counts / np.maximum(n_active, 1)[:, None]
    return Faithfulness(
        method=found.method,
        level=found.level,
        fractions=tuple(fractions().tolist()),
        # Units put back, those that raise the risk first, are units removed, those first that lower
        # it, read backwards.
        deletion=_test(curves[0], random, share, sign=-1),
        insertion=_test(curves[1, :, ::-1], random[:, ::-1], share, sign=1),
        stability=stability(pairs, found.values, resamples, rng),
        gap=float(np.median(gap)),
        n_patients=n,
        n_units=values.shape[1],
        draws=draws,
        seed=seed,
        seconds=found.seconds + time.perf_counter() - start,
    )


def fractions(k: int = N_POINTS) -> Values:
    """Shares of units at the points of a curve, close together at both ends, shape (k,)."""
    share: Values = (1 - np.cos(np.pi * np.arange(k) / (k - 1))) / 2
    return share


def removed(n_active: NDArray[np.int_], k: int = N_POINTS) -> Ranks:
    """Units removed at each point, (n,) -> (n, k); symmetric, so that a curve can be read back."""
    half = np.rint(n_active[:, None] * fractions(k)[: k // 2]).astype(int)
    return np.concatenate([half, n_active[:, None] - half[:, ::-1]], axis=1)


def order(values: Values, inert: NDArray[np.bool_], rng: np.random.Generator) -> Ranks:
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
) -> Values:
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


def _test(ordered: Values, random: Values, share: Values, *, sign: int) -> OrderTest:
    """Compare curves (n, k); ``sign`` is 1 if the higher curve is the better one."""
    gain: Values = np.asarray(np.trapezoid(sign * (ordered - random), share, axis=1))
    half = plain_half_width(gain)
    return OrderTest(
        ordered=tuple(ordered.mean(axis=0).tolist()),
        random=tuple(random.mean(axis=0).tolist()),
        gain=float(gain.mean()),
        low=float(gain.mean()) - half,
        high=float(gain.mean()) + half,
    )


def stability(
    pairs: MemberPairs, values: Values, resamples: int, rng: np.random.Generator
) -> Stability | None:
    """Resample the members and compare the order of the top features with the ensemble's.

    A patient counts in a resample that holds at least one of its members.

    Parameters
    ----------
    pairs : MemberPairs
        Of q patients with members.
    values : float64, shape (q, u)
        Contributions of u features or groups, by pair.
    resamples : int
        Bootstrap resamples of the members.
    rng : np.random.Generator

    Returns
    -------
    Stability or None
        None with fewer than two members.
    """
    used = np.unique(pairs.members)
    if len(used) < 2:
        return None
    whole = np.abs(pairs.mean(values)).mean(axis=0)
    found = []
    for _ in range(resamples):
        weights = np.zeros(used.max() + 1)
        weights[used] = rng.multinomial(len(used), np.full(len(used), 1 / len(used)))
        resampled = np.nanmean(np.abs(pairs.mean(values, weights)), axis=0)
        try:
            found.append(rank_agreement(whole, resampled, k=TOP))
        except EstimationError:
            return None
    low, median = np.percentile(found, (2.5, 50))
    return Stability(median=float(median), low=float(low), n_members=len(used))
