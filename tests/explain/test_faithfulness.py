"""Deletion, insertion, stability and gap of explanations, against a linear model's closed forms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from camlif.config import NetworkConfig, RunConfig, TrainConfig
from camlif.data.cohort import Cohort
from camlif.exceptions import ConfigError, EstimationError
from camlif.explain import METHODS, FeatureAttribution, check_explanations, explain_features
from camlif.explain.explained import Batch
from camlif.explain.faithfulness import Faithfulness, OrderTest, Stability, _test, assess, stability
from camlif.explain.features import attribute, columns_of
from camlif.explain.members import MemberPairs, member_pairs
from camlif.explain.removal import (
    N_POINTS,
    backwards,
    count_removed,
    deletion_curves,
    exchanges,
    fractions,
    inert_units_of,
    order,
)
from camlif.model.bundle import Bundle
from camlif.model.fit import train
from tests.builders.cohorts import make_cohort
from tests.builders.validated import ranked

ROWS = np.arange(20)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return make_cohort(60, seed=1, clinical=True, bags={"patch": 3}, missing_values=0.1)


@pytest.fixture(scope="module")
def bundle(cohort: Cohort) -> Bundle:
    """Five small members, each of which did not see a fifth of the patients."""
    trained = train(
        cohort,
        RunConfig(
            network=NetworkConfig(width=16, mam_gate="concat", mam_width=8, lmf_width=8),
            training=TrainConfig(splits=5, epochs=4, learning_rate=5e-3),
        ),
    )
    return ranked(trained)


@pytest.fixture(scope="module")
def pairs(bundle: Bundle, cohort: Cohort) -> MemberPairs:
    return member_pairs(bundle, cohort, ROWS)


@dataclass(frozen=True)
class LinearRisk:
    """Sum of weight times value; a member by its number scales the weights."""

    ensemble: Any
    weights: tuple[Tensor, ...]

    def __call__(self, *tensors: Tensor) -> Tensor:
        terms = zip(tensors[: len(self.weights)], self.weights, strict=True)
        return torch.stack([(x.double() * w).flatten(1).sum(1) for x, w in terms]).sum(0)


def contributions(batch: Batch, weights: tuple[Tensor, ...]) -> np.ndarray:
    """What a linear risk owes to each column, exactly."""
    parts = [
        (x.double() - b.double()) * w
        for x, b, w in zip(batch.values, batch.baseline, weights, strict=True)
    ]
    return np.concatenate([p if p.ndim == 2 else p.sum(1) for p in parts], axis=1)


@pytest.fixture(scope="module")
def linear(pairs: MemberPairs) -> tuple[MemberPairs, FeatureAttribution]:
    """The patients of ``pairs`` under a linear risk, with their true contributions."""
    rng = np.random.default_rng(3)
    widths = [x.shape[-1] for x in pairs.explained.batches[0].values]
    weights = tuple(torch.from_numpy(rng.standard_normal(w)) for w in widths)
    batches = tuple(
        replace(b, risk=LinearRisk(b.risk.ensemble, weights))  # type: ignore[arg-type]
        for b in pairs.explained.batches
    )
    linear = replace(pairs, explained=replace(pairs.explained, batches=batches))
    return linear, with_values(attribute(pairs.explained, method="deeplift"), linear, weights)


def with_values(
    found: FeatureAttribution, pairs: MemberPairs, weights: tuple[Tensor, ...]
) -> FeatureAttribution:
    values = np.empty(found.values.shape)
    risk, base = np.empty(len(values)), np.empty(len(values))
    for batch in pairs.explained.batches:
        values[batch.positions] = contributions(batch, weights)
        risk[batch.positions], base[batch.positions] = batch.log_risk(), batch.base_value()
    return replace_values(replace(found, log_risk=risk, base_value=base), values)


def replace_values(found: FeatureAttribution, values: np.ndarray) -> FeatureAttribution:
    ends = np.cumsum([c.values.shape[1] for c in found.contributions])[:-1]
    parts = np.split(values, ends, axis=1)
    return replace(
        found,
        contributions=tuple(
            replace(c, values=v) for c, v in zip(found.contributions, parts, strict=True)
        ),
    )


# A linear model, whose curves are known


def test_deletion_of_a_linear_risk_takes_away_the_sum_of_the_contributions(
    linear: tuple[MemberPairs, FeatureAttribution],
) -> None:
    pairs, found = linear
    values = pairs.mean(found.values)
    inert = values == 0
    counts = count_removed((~inert).sum(axis=1))
    ranks = order(values, inert, np.random.default_rng(0))
    _, groups = columns_of(pairs.explained.schema, pairs.explained.players)
    (curves,) = deletion_curves(pairs, groups, "feature", ranks[None], counts)
    largest_first = -np.sort(-np.where(inert, -np.inf, values), axis=1)
    for i in range(pairs.n_patients):
        gone = [largest_first[i, :k].sum() for k in counts[i]]
        np.testing.assert_allclose(curves[i], pairs.mean(found.log_risk)[i] - gone, atol=1e-5)


def test_the_true_order_of_a_linear_model_beats_random_order_by_the_closed_form(
    linear: tuple[MemberPairs, FeatureAttribution],
) -> None:
    pairs, found = linear
    checked = assess(pairs, found)
    _, groups = columns_of(pairs.explained.schema, pairs.explained.players)
    inert = inert_units_of(pairs, groups, "feature")
    assert inert.any()
    expected = []
    for row, out in zip(pairs.mean(found.values), inert, strict=True):
        active = -np.sort(-row[~out])
        n = len(active)
        counts = count_removed(np.array([n]))[0]
        removed_sum = np.concatenate([[0.0], np.cumsum(active)])[counts]
        # Over an order and its reverse, the sum removed grows with the share of units.
        expected.append(np.trapezoid(removed_sum - active.sum() * counts / n, counts / n))
    assert checked.deletion.gain == pytest.approx(np.mean(expected), abs=1e-4)
    assert checked.insertion.gain == pytest.approx(np.mean(expected), abs=1e-4)
    assert checked.gap < 1e-4
    assert checked.passes
    assert checked.failures == ()


def test_both_curves_lead_between_the_patient_and_the_baseline(
    linear: tuple[MemberPairs, FeatureAttribution],
) -> None:
    pairs, found = linear
    checked = assess(pairs, found)
    mean = float(pairs.mean(found.log_risk - found.base_value).mean())
    for curve in (checked.deletion.ordered, checked.deletion.random):
        assert (curve[0], curve[-1]) == pytest.approx((mean, 0), abs=1e-5)
    for curve in (checked.insertion.ordered, checked.insertion.random):
        assert (curve[0], curve[-1]) == pytest.approx((0, mean), abs=1e-5)


def test_shuffled_contributions_fail(linear: tuple[MemberPairs, FeatureAttribution]) -> None:
    pairs, found = linear
    values = pairs.mean(found.values)
    mixed = np.random.default_rng(0).permuted(values, axis=1)
    checked = assess(pairs, replace_values(found, mixed[pairs.patients]))
    assert not checked.passes
    assert "deletion is not better than random order" in checked.failures
    assert "insertion is not better than random order" in checked.failures


def test_contributions_of_the_wrong_sign_fail(
    linear: tuple[MemberPairs, FeatureAttribution],
) -> None:
    pairs, found = linear
    checked = assess(pairs, replace_values(found, -found.values))
    assert checked.deletion.high < 0
    assert checked.insertion.high < 0
    assert any("of the score" in failure for failure in checked.failures)


def test_contributions_that_do_not_add_up_fail(
    linear: tuple[MemberPairs, FeatureAttribution],
) -> None:
    pairs, found = linear
    checked = assess(pairs, replace_values(found, 1.2 * found.values))
    assert checked.gap == pytest.approx(0.2, abs=0.02)
    assert checked.failures == ("contributions miss 20% of the score (at most 5%)",)
    ablation = assess(
        pairs, replace(replace_values(found, 1.2 * found.values), method="feature_ablation")
    )
    assert ablation.passes  # it does not claim to add up


def test_noise_between_members_is_unstable_and_agreement_is_not(pairs: MemberPairs) -> None:
    rng = np.random.default_rng(0)
    same = np.tile(np.linspace(0.1, 5, 40), (len(pairs.patients), 1))
    noise = rng.standard_normal(same.shape)
    steady = stability(pairs, same, 30, np.random.default_rng(1))
    shaky = stability(pairs, noise, 30, np.random.default_rng(1))
    assert steady is not None
    assert shaky is not None
    assert steady.median == 1
    assert steady.n_members == 5
    assert shaky.median < 0.9


@pytest.fixture(scope="module")
def alike(
    linear: tuple[MemberPairs, FeatureAttribution],
) -> tuple[MemberPairs, FeatureAttribution]:
    """Patients whom a linear risk sees much alike: a lucky ranking is lucky with all of them."""
    pairs, found = linear
    draw = torch.Generator().manual_seed(2)
    batches = tuple(
        replace(
            b, values=tuple(x + 1 + 0.3 * torch.randn(x.shape, generator=draw) for x in b.baseline)
        )
        for b in pairs.explained.batches
    )
    return replace(pairs, explained=replace(pairs.explained, batches=batches)), found


@pytest.mark.parametrize("shared", [True, False])
def test_random_rankings_pass_in_at_most_one_of_twenty(
    alike: tuple[MemberPairs, FeatureAttribution], shared: bool
) -> None:
    """Whether all patients share a ranking or each has its own."""
    pairs, found = alike
    rng = np.random.default_rng(5)
    runs, passes, over_patients = 200, 0, 0
    shape = pairs.mean(found.values).shape
    for seed in range(runs):
        drawn = rng.standard_normal((1, shape[1]) if shared else shape)
        values = np.broadcast_to(drawn, shape)[pairs.patients]
        checked = assess(pairs, replace_values(found, values), resamples=2, seed=seed)
        passes += checked.deletion.beats_random and checked.insertion.beats_random
        over_patients += checked.deletion.low > 0 and checked.insertion.low > 0
    # The level is exact: 1 in 20, here with 3 standard errors.
    assert passes / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    if shared:  # which an interval over patients takes for much evidence
        assert over_patients / runs > 0.25


def test_of_fewer_than_nineteen_rankings_none_is_beaten(
    linear: tuple[MemberPairs, FeatureAttribution],
) -> None:
    pairs, found = linear
    assert not assess(pairs, found, rankings=5).deletion.beats_random
    assert assess(pairs, found, rankings=19).deletion.p_value == 0.05


def test_exchanges_differ_and_leave_no_name_in_all_places() -> None:
    rng = np.random.default_rng(0)
    assert sorted(exchanges(3, 19, rng)) == sorted(permutations(range(3)))[1:]
    drawn = exchanges(4, 19, rng)
    assert len(set(drawn)) == 19
    assert (0, 1, 2, 3) not in drawn
    assert len(exchanges(40, 19, rng)) == 19


# Pairs


def test_the_mean_over_pairs_is_the_ensemble(bundle: Bundle, cohort: Cohort) -> None:
    new = make_cohort(30, seed=2, clinical=True, bags={"patch": 3}, missing_values=0.1)
    for patients, n_pairs in ((cohort, 20), (new, 100)):
        pairs = member_pairs(bundle, patients, ROWS)
        assert len(pairs.patients) == n_pairs  # one member did not see a training patient
        assert pairs.n_members == 5
        expected = explain_features(bundle, patients, ROWS, method="deeplift")
        found = attribute(pairs.explained, method="deeplift")
        np.testing.assert_allclose(pairs.mean(found.values), expected.values, atol=1e-5)
        np.testing.assert_allclose(pairs.mean(found.log_risk), expected.log_risk, atol=1e-5)


def test_weights_count_members_and_a_patient_without_one_is_nan(pairs: MemberPairs) -> None:
    weights = np.zeros(5)
    weights[0] = 2.0
    mean = pairs.mean(pairs.members.astype(float), weights)
    own = np.array([0 in pairs.members[pairs.patients == i] for i in range(pairs.n_patients)])
    assert own.any()
    np.testing.assert_array_equal(mean[own], 0)
    assert np.isnan(mean[~own]).all()


# The whole check


def test_the_interval_over_patients_is_student_s_and_p_counts_rankings() -> None:
    from scipy.stats import ttest_1samp

    rankings = np.random.default_rng(0).random((5, 20, 4))
    flat = np.zeros((2, 20, 4))
    at = np.array([0, 0.2, 0.8, 1])
    test = _test(rankings, flat, np.tile(at, (20, 1)), sign=-1)
    gains = -np.trapezoid(rankings, at, axis=2)
    expected = ttest_1samp(gains[0], 0).confidence_interval()
    assert (test.low, test.high) == pytest.approx((expected.low, expected.high))
    assert test.gain == pytest.approx(gains[0].mean())
    assert test.p_value == (gains.mean(axis=1) >= gains[0].mean()).mean()
    assert not test.beats_random


def test_a_ranking_of_the_same_effect_is_as_good() -> None:
    same = np.tile(np.array([3.0, 1.0, 0.0]), (4, 20, 1))
    test = _test(same, np.zeros((1, 20, 3)), np.tile([0, 0.5, 1], (20, 1)), sign=1)
    assert test.p_value == 1
    assert not test.beats_random


@pytest.mark.parametrize("method", ["ig", "shapley_sampling"])
def test_a_check_says_what_it_was_done_with(bundle: Bundle, cohort: Cohort, method: str) -> None:
    settings = {"method": method, "rankings": 2, "resamples": 5, "seed": 4}
    checked = check_explanations(bundle, cohort, ROWS, **settings)
    again = check_explanations(bundle, cohort, ROWS, **settings)
    assert replace(checked, seconds=0) == replace(again, seconds=0)
    assert checked.method == method
    assert checked.level == METHODS[method].levels[0]
    assert (checked.n_patients, checked.rankings, checked.seed) == (20, 2, 4)
    assert len(checked.fractions) == len(checked.deletion.ordered) == N_POINTS
    assert checked.insertion.low <= checked.insertion.gain <= checked.insertion.high


def test_too_few_patients_are_refused(bundle: Bundle, cohort: Cohort) -> None:
    with pytest.raises(EstimationError, match="at least 10 scored patients, not 3"):
        check_explanations(bundle, cohort, ROWS[:3])
    with pytest.raises(ConfigError, match="Unknown method"):
        check_explanations(bundle, cohort, ROWS, method="guess")


def test_every_reason_to_fail_is_named() -> None:
    weak = OrderTest(
        ordered=(1.0, 0.0), random=(1.0, 0.0), gain=0.1, low=-0.1, high=0.3, p_value=0.2
    )
    checked = Faithfulness(
        method="ig",
        level="feature",
        fractions=(0.0, 1.0),
        deletion=weak,
        insertion=weak,
        stability=Stability(median=0.4, low=0.1, n_members=5),
        gap=float("nan"),
        n_patients=20,
        n_units=5,
        rankings=1,
        seed=0,
        seconds=0.0,
    )
    assert len(checked.failures) == 4
    assert "rank correlation 0.400, at least 0.7" in checked.failures[-1]


# Properties of the parts


@settings(deadline=None)
@given(st.integers(0, 5000))
def test_removed_units_grow_from_none_to_all_and_read_the_same_backwards(n: int) -> None:
    (counts,) = count_removed(np.array([n]))
    assert counts[0] == 0
    assert counts[-1] == n
    assert (np.diff(counts) >= 0).all()
    np.testing.assert_array_equal(counts, n - counts[::-1])
    np.testing.assert_allclose(counts, n * fractions(), atol=0.51)


@settings(deadline=None)
@given(arrays(float, (3, 8), elements=st.integers(-3, 3)), st.integers(0, 100))
def test_an_order_ranks_every_unit_once_the_largest_first_and_inert_ones_last(
    values: np.ndarray, seed: int
) -> None:
    inert = np.zeros(values.shape, dtype=bool)
    inert[:, ::3] = True
    ranks = order(values, inert, np.random.default_rng(seed))
    for rank, value, out in zip(ranks, values, inert, strict=True):
        assert sorted(rank) == list(range(8))
        active = np.argsort(rank)[: (~out).sum()]
        (reverse,) = backwards(rank[None], np.array([len(active)]))
        assert list(np.argsort(reverse)[: len(active)]) == list(active[::-1])
        assert list(reverse[out]) == list(rank[out])
        assert not out[active].any()
        assert (np.diff(value[active]) <= 0).all()
