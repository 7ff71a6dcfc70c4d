"""The moderated interval covers an ensemble of many members, however few score a patient."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import stdtrit

from camlif.data.splits import make_splits
from camlif.model.member_spread import MemberSpread, fit_member_spread

FOLDS = 5
SHARE = 0.2
"""Of the simulated partitions: their means vary a fifth as much as those of independent members."""
PRIOR_DF, PRIOR_VARIANCE = 8.0, 0.04


def _variances(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Scaled inverse chi-squared, shape (n,)."""
    return PRIOR_VARIANCE * PRIOR_DF / rng.chisquare(PRIOR_DF, n)


def _members(
    log_risk: NDArray[np.float64],
    variance: NDArray[np.float64],
    partitions: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Members in partitions of five, shape (n, 5 * partitions)."""
    n = len(log_risk)
    noise = rng.standard_normal((n, partitions, FOLDS))
    noise -= noise.mean(axis=2, keepdims=True)
    noise *= np.sqrt((FOLDS - SHARE) / (FOLDS - 1))
    common = np.sqrt(SHARE / FOLDS) * rng.standard_normal((n, partitions, 1))
    members = (common + noise) * np.sqrt(variance)[:, None, None]
    return log_risk[:, None] + members.reshape(n, -1)


def _test_parts(n: int, partitions: int) -> NDArray[np.bool_]:
    ids = np.arange(n).astype(str)
    event = np.arange(n) % 3 == 0
    return make_splits(ids, event, n_splits=FOLDS * partitions).test


def _fitted(n: int, partitions: int, rng: np.random.Generator) -> tuple[MemberSpread, NDArray]:
    """A spread fitted on n patients, and whether their intervals hold the truth."""
    truth, test = rng.standard_normal(n), _test_parts(n, partitions)
    members = _members(truth, _variances(n, rng), partitions, rng)
    mean = np.where(test.T, members, 0.0).sum(axis=1) / partitions
    spread = fit_member_spread(members, test, mean=0.0, sd=1.0, partition=FOLDS)
    half = spread.interval(members, test.T, mean).half_width
    return spread, np.abs(mean - truth) <= half


@pytest.mark.parametrize("partitions", [1, 3], ids=["one member", "three members"])
def test_training_patients_are_covered_as_often_as_is_said(partitions: int) -> None:
    rng = np.random.default_rng(0)
    held = np.mean([_fitted(400, partitions, rng)[1].mean() for _ in range(10)])
    # One partition alone cannot tell how much narrower its mean is, and is cautious.
    assert 0.93 <= held <= (0.97 if partitions == 3 else 0.98)


def test_new_patients_are_covered_as_often_as_is_said() -> None:
    rng = np.random.default_rng(0)
    held = []
    for _ in range(10):
        spread, _ = _fitted(400, 3, rng)
        truth = rng.standard_normal(400)
        members = _members(truth, _variances(400, rng), 3, rng)
        mean = members.mean(axis=1)
        interval = spread.interval(members, np.ones_like(members, dtype=bool), mean)
        held.append((np.abs(mean - truth) <= interval.half_width).mean())
    # Errors of these patients are independent, so the caution for shared ones shows.
    assert 0.93 <= np.mean(held) <= 0.99


def test_the_prior_of_the_variances_is_found() -> None:
    spread, _ = _fitted(4000, 3, np.random.default_rng(1))
    assert np.exp(spread.log_variance) == pytest.approx(PRIOR_VARIANCE, rel=0.1)
    assert spread.trend == pytest.approx(0.0, abs=0.1)
    assert spread.prior_df == pytest.approx(PRIOR_DF, rel=0.3)
    assert spread.partition_share == pytest.approx(SHARE, rel=0.1)


def test_patients_far_from_the_mean_have_the_wider_interval_that_they_need() -> None:
    rng = np.random.default_rng(2)
    n = 2000
    truth, test = rng.standard_normal(n), _test_parts(n, 3)
    variance = PRIOR_VARIANCE * np.exp(np.minimum(np.abs(truth), 3.0))
    members = _members(truth, variance, 3, rng)
    mean = np.where(test.T, members, 0.0).sum(axis=1) / 3
    spread = fit_member_spread(members, test, mean=0.0, sd=1.0, partition=FOLDS)
    assert spread.trend == pytest.approx(1.0, abs=0.15)
    held = np.abs(mean - truth) <= spread.interval(members, test.T, mean).half_width
    for near in (np.abs(truth) < 0.5, np.abs(truth) > 1.5):
        assert held[near].mean() == pytest.approx(0.95, abs=0.02)


SPREAD = MemberSpread(
    log_variance=np.log(0.04),
    trend=0.0,
    prior_df=10.0,
    partition=FOLDS,
    partition_share=0.2,
    partition_df=6.0,
)


def _half(members: list[float], used: list[bool]) -> float:
    row = np.array([members])
    return float(SPREAD.interval(row, np.array([used]), np.zeros(1)).half_width[0])


def test_one_member_rests_on_the_prior_alone() -> None:
    members = [7.0, 0.0, 0.0, 0.0, 0.0]
    expected = stdtrit(10.0, 0.975) * 0.2
    assert _half(members, [True] + [False] * 4) == pytest.approx(expected)


def test_members_of_other_partitions_count_as_independent() -> None:
    members = [0.0] * 15
    members[0], members[5], members[10] = -0.3, 0.0, 0.3
    used = [i % 5 == 0 for i in range(15)]
    variance = (10 * 0.04 + 2 * 0.09) / 12
    assert _half(members, used) == pytest.approx(stdtrit(12.0, 0.975) * np.sqrt(variance / 3))


def test_whole_partitions_are_surer_than_as_many_independent_members() -> None:
    members = [0.1 * (-1) ** i for i in range(15)]
    squares = sum((m - np.mean(members)) ** 2 for m in members)
    own = squares / (15 * (1 - 0.2 / 15))
    variance = (10 * 0.04 + 14 * own) / 24
    expected = stdtrit(6.0, 0.975) * np.sqrt(variance * 0.2 / 15)
    assert _half(members, [True] * 15) == pytest.approx(expected)


def test_no_member_gives_no_interval() -> None:
    assert np.isnan(_half([0.0] * 5, [False] * 5))


def test_the_chance_of_a_group_is_that_of_student_s_t() -> None:
    row = np.zeros((1, 5))
    interval = SPREAD.interval(row, np.array([[True] + [False] * 4]), np.zeros(1))
    half = interval.half_width
    assert interval.chance(half, half)[0] == pytest.approx(0.95)
    assert interval.chance(np.array([np.inf]), half)[0] == pytest.approx(0.975)
    assert interval.chance(np.array([np.inf]), np.array([np.inf]))[0] == 1.0


def test_independent_splits_are_no_partition() -> None:
    rng = np.random.default_rng(3)
    n = 400
    truth = rng.standard_normal(n)
    test = rng.random((7, n)) < 0.2
    members = truth[:, None] + 0.2 * rng.standard_normal((n, 7))
    spread = fit_member_spread(members, test, mean=0.0, sd=1.0, partition=1)
    assert spread.partition_share == 1.0
    interval = spread.interval(members, np.ones_like(members, dtype=bool), members.mean(axis=1))
    held = np.abs(members.mean(axis=1) - truth) <= interval.half_width
    assert held.mean() == pytest.approx(0.95, abs=0.03)
