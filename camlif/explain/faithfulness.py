"""Whether an attribution method is true to a model: what it calls important must move the risk.

Contributions of one method go in; a `Faithfulness` comes out: curves, gaps and a verdict. Raises
`EstimationError` with fewer than `MIN_PATIENTS` patients.

Features (or groups, for methods that work on groups) are replaced by the baseline in order of their
contributions, those that raise the risk first; the risk must then fall faster than in random order
(deletion), and rise faster when they are put back in that order (insertion). Random orders are the
method's own contributions with the names of the units exchanged, alike for all patients: patients
share a model, so a ranking that is lucky with one is lucky with most, which an interval over
patients takes for evidence. Beside it: whether the contributions add up, and whether the top
features stay when the members are resampled.

Shapes: n patients, u units (features or groups), k points of a curve (`camlif.explain.removal`).

References
----------
Petsiuk et al., "RISE", BMVC 2018 (deletion and insertion); Samek et al., IEEE TNNLS 2017 (order
against random order); Barnard, JRSS B 1963 (Monte Carlo tests).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import Float64Array
from camlif.data.cohort import Cohort
from camlif.exceptions import EstimationError
from camlif.explain.features import attribute, columns_of
from camlif.explain.members import MemberPairs, member_pairs
from camlif.explain.methods import IG, METHODS
from camlif.explain.removal import (
    backwards,
    count_removed,
    deletion_curves,
    exchanges,
    fractions,
    inert_units_of,
    order,
)
from camlif.explain.results import (
    FeatureAttribution,
    Level,
    completeness_gap,
    rank_agreement,
)
from camlif.model.card import ExplanationVerdict
from camlif.statistics.splits import plain_half_width

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle

RANKINGS = 19
"""Random rankings that a method must beat, each also taken backwards: for a linear risk the two
average to a straight line. A ranking as good as random is the best of 20 once in 20."""
LEVEL = 0.05
RESAMPLES = 100
MIN_PATIENTS = 10
TOP = 30

ROUNDING = 1e-9
"""Areas so close are the same: rankings of the same effect."""
MAX_GAP = 0.05
MIN_STABILITY = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTest:
    """Curves of the log risk above the baseline, and the area between them.

    Attributes
    ----------
    ordered, random : tuple of float, length k
        Mean over patients, at `Faithfulness.fractions`; over the rankings too for random order.
    gain, low, high : float
        Mean area by which the order is better than random order, in log risk, with its 95 %
        interval over the patients (Student's t), the rankings taken as they are.
    p_value : float
        Share of the rankings, this one among them, that are as good as this one.
    """

    ordered: tuple[float, ...]
    random: tuple[float, ...]
    gain: float
    low: float
    high: float
    p_value: float

    @property
    def beats_random(self) -> bool:
        """Whether the order is better than random rankings, and in most patients."""
        return self.low > 0 and self.p_value <= LEVEL


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
    rankings, seed : int
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
    rankings: int
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

    @property
    def verdict(self) -> ExplanationVerdict:
        """What a model card keeps of it."""
        return ExplanationVerdict(
            method=self.method,
            label=METHODS[self.method].label,
            failures=self.failures,
            n_patients=self.n_patients,
        )


def check_explanations(
    bundle: Bundle,
    cohort: Cohort,
    rows: Sequence[int] | NDArray[np.int_],
    *,
    method: str = IG,
    missing: tuple[str, ...] = (),
    rankings: int = RANKINGS,
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
    rankings : int
        Random rankings, each of them also taken backwards; fewer than `RANKINGS` pass no method.
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
    return assess(pairs, found, rankings=rankings, resamples=resamples, seed=seed)


def assess(
    pairs: MemberPairs,
    found: FeatureAttribution,
    *,
    rankings: int = RANKINGS,
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
    rankings : int
        Random rankings that it is compared with.
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
    exchanged = exchanges(values.shape[1], rankings, rng)
    orders += [order(values[:, list(names)], inert, rng) for names in exchanged]
    ranks = np.stack([way for ranks in orders for way in (ranks, backwards(ranks, n_active))])
    counts = count_removed(n_active)
    curves = deletion_curves(pairs, groups, found.level, ranks, counts)
    curves = curves - curves[:1, :, -1:]  # every order ends at the baseline
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
        deletion=_test(curves[0::2], curves[2:], share, sign=-1),
        insertion=_test(curves[1::2, :, ::-1], curves[2:, :, ::-1], share, sign=1),
        stability=stability(pairs, found.values, resamples, rng),
        gap=float(np.median(gap)),
        n_patients=n,
        n_units=values.shape[1],
        rankings=len(exchanged),
        seed=seed,
        seconds=found.seconds + time.perf_counter() - start,
    )


def _test(
    rankings: Float64Array, random: Float64Array, share: Float64Array, *, sign: int
) -> OrderTest:
    """Compare the first of some rankings' curves (r, n, k) with the others, above random ones.

    ``random`` (c, n, k) are the others both ways; ``sign`` is 1 if the higher curve is the better
    one.
    """
    middle = random.mean(axis=0)
    areas: Float64Array = np.asarray(np.trapezoid(sign * (rankings - middle), share[None], axis=2))
    gain = areas[0]
    half = plain_half_width(gain)
    as_good = areas[1:].mean(axis=1) >= gain.mean() - ROUNDING
    return OrderTest(
        ordered=tuple(rankings[0].mean(axis=0).tolist()),
        random=tuple(middle.mean(axis=0).tolist()),
        gain=float(gain.mean()),
        low=float(gain.mean()) - half,
        high=float(gain.mean()) + half,
        p_value=(1 + int(as_good.sum())) / len(areas),
    )


def stability(
    pairs: MemberPairs, values: Float64Array, resamples: int, rng: np.random.Generator
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
