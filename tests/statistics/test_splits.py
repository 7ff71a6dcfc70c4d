"""Intervals and tests over splits against SciPy, hand-worked values and the definition of Holm."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from camlif.exceptions import ConfigError, DataError, EstimationError
from camlif.statistics.splits import corrected_interval, corrected_t_test, holm, plain_half_width

VALUES = np.random.default_rng(1).normal(0.7, 0.03, size=15)


def test_plain_half_width_over_fifteen_splits_is_0_553781_sd() -> None:
    assert plain_half_width(VALUES) == pytest.approx(0.553781 * VALUES.std(ddof=1), rel=1e-6)


def test_plain_half_width_equals_scipy() -> None:
    low, high = stats.t.interval(0.9, 14, loc=VALUES.mean(), scale=stats.sem(VALUES))
    assert plain_half_width(VALUES, confidence=0.9) == pytest.approx((high - low) / 2, rel=1e-10)


def test_corrected_interval_of_an_8_to_2_split_has_its_worked_width() -> None:
    interval = corrected_interval(VALUES, n_train=80, n_test=20)
    half = 2.1447867 * VALUES.std(ddof=1) * np.sqrt(1 / 15 + 1 / 4)
    assert (interval.low, interval.high) == pytest.approx(
        (VALUES.mean() - half, VALUES.mean() + half), rel=1e-7
    )
    assert (interval.mean, interval.sd) == (VALUES.mean(), VALUES.std(ddof=1))
    assert (interval.n, interval.confidence) == (15, 0.95)


def test_corrected_interval_is_wider_than_the_plain_one_by_the_overlap() -> None:
    interval = corrected_interval(VALUES, n_train=80, n_test=20)
    assert (interval.high - interval.low) / 2 == pytest.approx(
        plain_half_width(VALUES) * np.sqrt(1 + 15 / 4), rel=1e-12
    )


def test_corrected_interval_of_equal_values_is_a_point() -> None:
    interval = corrected_interval([0.5, 0.5, 0.5], n_train=8, n_test=2)
    assert interval.low == interval.mean == interval.high == 0.5


def test_the_interval_of_a_share_ends_at_0_and_1() -> None:
    share = [0.31, 0.83]
    free = corrected_interval(share, n_train=8, n_test=2)
    assert free.low < 0
    assert free.high > 1
    kept = corrected_interval(share, n_train=8, n_test=2, within=(0.0, 1.0))
    assert (kept.low, kept.mean, kept.high) == (0.0, free.mean, 1.0)


def test_corrected_t_test_without_overlap_is_the_paired_t_test() -> None:
    other = VALUES + np.random.default_rng(2).normal(0.01, 0.02, size=15)
    expected = stats.ttest_rel(other, VALUES)
    found = corrected_t_test(other - VALUES, n_train=1.0, n_test=1e-12)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)


def test_corrected_p_value_is_below_5_percent_iff_the_interval_leaves_out_zero() -> None:
    differences = np.random.default_rng(3).normal(0.0, 0.02, size=15)
    for shift in np.linspace(-0.05, 0.05, 41):
        found = corrected_t_test(differences + shift, n_train=80, n_test=20)
        outside = found.interval.low > 0 or found.interval.high < 0
        assert (found.p_value < 0.05) == outside


def test_corrected_t_test_of_equal_differences_raises() -> None:
    with pytest.raises(EstimationError, match="equal in every split"):
        corrected_t_test([0.01] * 15, n_train=80, n_test=20)


def test_differences_equal_but_for_rounding_are_equal() -> None:
    """0.8 - 0.7, 0.7 - 0.6 and 0.6 - 0.5 differ in their last digit: p was 2e-32."""
    differences = [0.8 - 0.7, 0.7 - 0.6, 0.6 - 0.5]
    assert len(set(differences)) > 1
    with pytest.raises(EstimationError, match="equal in every split"):
        corrected_t_test(differences, n_train=80, n_test=20)


@pytest.mark.parametrize("values", [[], [0.7]])
def test_fewer_than_two_splits_raise(values: list[float]) -> None:
    with pytest.raises(EstimationError, match="at least 2"):
        corrected_interval(values, n_train=80, n_test=20)


def test_a_missing_value_raises_data_error() -> None:
    with pytest.raises(DataError, match="missing"):
        corrected_interval([0.7, np.nan], n_train=80, n_test=20)


@pytest.mark.parametrize(
    "settings",
    [{"n_train": 0, "n_test": 20}, {"n_train": 80, "n_test": -1}],
)
def test_part_sizes_must_be_positive(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        corrected_interval(VALUES, **settings)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_confidence_must_lie_between_0_and_1(confidence: float) -> None:
    with pytest.raises(ConfigError, match="confidence"):
        plain_half_width(VALUES, confidence=confidence)


def test_holm_has_its_worked_values() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def by_closed_testing(p: list[float]) -> list[float]:
    """Largest Bonferroni p-value over all sets of hypotheses that hold the one at hand."""
    subsets = [s for k in range(1, len(p) + 1) for s in combinations(range(len(p)), k)]
    value = {s: min(1.0, len(s) * min(p[i] for i in s)) for s in subsets}
    return [max(value[s] for s in subsets if i in s) for i in range(len(p))]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_equals_closed_testing_with_bonferroni(p: list[float]) -> None:
    assert holm(p).tolist() == pytest.approx(by_closed_testing(p), abs=1e-12)


def test_holm_of_nothing_is_nothing() -> None:
    assert holm([]).shape == (0,)


@pytest.mark.parametrize("p", [[-0.1], [1.1], [np.nan]])
def test_holm_refuses_what_is_no_p_value(p: list[float]) -> None:
    with pytest.raises(DataError):
        holm(p)
