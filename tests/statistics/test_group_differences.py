"""Columns tested between groups.

References: `scipy.stats.mannwhitneyu`, `kruskal`, `chi2_contingency`, `fisher_exact`; of q-values
and of the standardised difference, statsmodels; other effect sizes by their definitions.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from camlif.exceptions import DataError, EstimationError
from camlif.statistics import GroupDifferences, group_differences

CLOSE = 1e-12


def of_numbers(x: np.ndarray, group: np.ndarray) -> GroupDifferences:
    names = [f"x{j}" for j in range(x.shape[1])]
    members = {str(g): group == g for g in np.unique(group)}
    return group_differences([(names, x)], pd.DataFrame(index=range(len(x))), members)


def of_category(values: list[str | None], group: list[str]) -> pd.Series:
    members = {g: np.array(group) == g for g in sorted(set(group))}
    return group_differences([], pd.DataFrame({"c": values}), members).table.iloc[0]


def parts_of(column: np.ndarray, group: np.ndarray) -> list[np.ndarray]:
    return [column[(group == g) & np.isfinite(column)] for g in np.unique(group)]


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tied", [True, False])
def test_rank_tests_equal_scipy(k: int, seed: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    group = np.concatenate([np.arange(k), rng.integers(0, k, 60)])
    x = rng.normal(size=(len(group), 70)) + 0.2 * group[:, None]
    x = np.round(x, 1) if tied else x
    x[rng.random(x.shape) < 0.1] = np.nan
    table = of_numbers(x, group).table
    for j, row in table.iterrows():
        parts = parts_of(x[:, j], group)
        expected = stats.mannwhitneyu(*parts) if k == 2 else stats.kruskal(*parts)
        assert row["statistic"] == pytest.approx(expected.statistic, rel=CLOSE, abs=CLOSE)
        assert row["p_value"] == pytest.approx(expected.pvalue, rel=CLOSE, abs=CLOSE)
    _, reference, _, _ = multipletests(table["p_value"], method="fdr_bh")
    assert table["q_value"].to_numpy() == pytest.approx(reference, rel=CLOSE)


def test_standardised_differences_of_equal_groups_are_the_t_of_statsmodels() -> None:
    x = np.random.default_rng(0).normal(size=(80, 6)) * np.arange(1, 7)
    group = np.repeat([0, 1], 40)
    found = of_numbers(x, group).table["difference"]
    t, _, _ = CompareMeans(DescrStatsW(x[:40]), DescrStatsW(x[40:])).ttest_ind()
    assert found.to_numpy() == pytest.approx(t * np.sqrt(2 / 40), rel=CLOSE)


@pytest.mark.parametrize(("few", "many"), [(1, 1), (1, 9), (3, 4), (8, 8), (8, 300), (9, 9)])
def test_a_small_group_is_tested_exactly_as_in_scipy(few: int, many: int) -> None:
    rng = np.random.default_rng(few)
    group = np.repeat([0, 1], [few, many])
    x = rng.normal(size=(few + many, 40)) + np.linspace(0, 2, 40) * group[:, None]
    table = of_numbers(x, group).table
    expected = stats.mannwhitneyu(x[:few], x[few:])
    assert table["statistic"].to_numpy() == pytest.approx(expected.statistic, rel=CLOSE)
    assert table["p_value"].to_numpy() == pytest.approx(expected.pvalue, rel=CLOSE)
    assert set(table["test"]) == {"Mann-Whitney, exact" if few <= 8 else "Mann-Whitney"}


def test_single_precision_gives_the_ranks_of_its_values() -> None:
    rng = np.random.default_rng(3)
    x, group = rng.normal(size=(50, 5)).astype(np.float32), rng.integers(0, 2, 50)
    one, other = of_numbers(x, group).table, of_numbers(x.astype(float), group).table
    pd.testing.assert_frame_equal(one, other)


def test_effect_sizes_are_those_of_their_definitions() -> None:
    rng = np.random.default_rng(1)
    group = rng.integers(0, 2, 80)
    x = np.stack([rng.lognormal(size=80), rng.normal(size=80)], axis=1)
    table = of_numbers(x, group).table
    for j, row in table.iterrows():
        one, other = parts_of(x[:, j], group)
        spread = np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 2)
        assert row["difference"] == pytest.approx((one.mean() - other.mean()) / spread, rel=CLOSE)
        assert (row["first"], row["second"]) == ("0", "1")
    one, other = parts_of(x[:, 0], group)
    assert table["log2_ratio"][0] == pytest.approx(np.log2(one.mean() / other.mean()), rel=CLOSE)
    assert np.isnan(table["log2_ratio"][1])


def test_of_many_groups_the_two_that_differ_most_are_named() -> None:
    rng = np.random.default_rng(2)
    group = np.repeat([0, 1, 2], 30)
    x = rng.normal(size=(90, 3)) + np.array([0, 1, -2])[group][:, None]
    for j, row in of_numbers(x, group).table.iterrows():
        parts = parts_of(x[:, j], group)
        apart = {
            (a, b): (parts[a].mean() - parts[b].mean())
            / np.sqrt((parts[a].var(ddof=1) + parts[b].var(ddof=1)) / 2)
            for a, b in combinations(range(3), 2)
        }
        most = max(apart, key=lambda pair: abs(apart[pair]))
        assert (int(row["first"]), int(row["second"])) == most
        assert row["difference"] == pytest.approx(apart[most], rel=CLOSE)


@pytest.mark.parametrize(("k", "levels"), [(2, 2), (2, 4), (3, 3)])
@pytest.mark.parametrize("n", [12, 300])
def test_categories_equal_scipy(k: int, levels: int, n: int) -> None:
    rng = np.random.default_rng(n + k)
    group = [f"g{i}" for i in (np.arange(n) % k)]
    values = [f"l{i}" for i in rng.integers(0, levels, n)]
    counts = pd.crosstab(pd.Series(group), pd.Series(values)).to_numpy()
    row = of_category([*values, None], [*group, "g0"])
    chi = stats.chi2_contingency(counts)
    if counts.shape == (2, 2) and chi.expected_freq.min() < 5:
        _, p_value = stats.fisher_exact(counts)
        assert row["test"] == "Fisher"
        assert row["p_value"] == pytest.approx(p_value, rel=CLOSE)
    else:
        small = chi.expected_freq.min() < 5
        assert row["test"] == ("chi-squared, small counts" if small else "chi-squared")
        assert row["statistic"] == pytest.approx(chi.statistic, rel=CLOSE)
        assert row["p_value"] == pytest.approx(chi.pvalue, rel=CLOSE)
    assert row["n"] == n


def test_a_binary_category_has_the_standardised_difference_of_shares() -> None:
    row = of_category(["a"] * 30 + ["b"] * 10 + ["a"] * 20 + ["b"] * 20, ["x"] * 40 + ["y"] * 40)
    expected = (0.75 - 0.5) / np.sqrt((0.75 * 0.25 + 0.5 * 0.5) / 2)
    assert row["difference"] == pytest.approx(expected, rel=CLOSE)


@pytest.mark.parametrize("value", [np.nan, 3.0])
def test_a_column_without_differing_values_says_why_it_has_no_test(value: float) -> None:
    x = np.stack([np.arange(8.0), np.full(8, value)], axis=1)
    table = of_numbers(x, np.repeat([0, 1], 4)).table
    assert table["test"][1] == (
        "known in fewer than two groups" if np.isnan(value) else "the same for everyone"
    )
    assert np.isnan(table.loc[1, ["statistic", "p_value", "q_value"]].astype(float)).all()
    assert table["q_value"][0] == table["p_value"][0]


def test_a_group_without_a_value_is_not_compared() -> None:
    x = np.concatenate([np.arange(12.0), np.full(5, np.nan)])[:, None]
    group = np.repeat([0, 1, 2], [6, 6, 5])
    row = of_numbers(x, group).table.iloc[0]
    expected = stats.kruskal(x[:6, 0], x[6:12, 0])
    assert row["p_value"] == pytest.approx(expected.pvalue, rel=CLOSE)


def test_patients_in_several_groups_are_left_out_and_counted() -> None:
    x = np.arange(20.0)[:, None]
    members = {"a": np.arange(20) < 12, "b": np.arange(20) >= 8}
    found = group_differences([(["x"], x)], pd.DataFrame(index=range(20)), members)
    assert (found.sizes, found.n_shared) == ((8, 8), 4)
    apart = {"a": np.arange(20) < 8, "b": np.arange(20) >= 12}
    alone = group_differences([(["x"], x)], pd.DataFrame(index=range(20)), apart)
    pd.testing.assert_frame_equal(found.table, alone.table)


def test_groups_without_a_patient_of_their_own_cannot_be_compared() -> None:
    members = {"a": np.ones(5, bool), "b": np.ones(5, bool)}
    with pytest.raises(EstimationError, match="in no other"):
        group_differences([(["x"], np.zeros((5, 1)))], pd.DataFrame(index=range(5)), members)


def test_a_table_of_other_patients_is_refused() -> None:
    members = {"a": np.arange(4) < 2, "b": np.arange(4) >= 2}
    with pytest.raises(DataError, match="does not fit"):
        group_differences([(["x"], np.zeros((5, 1)))], pd.DataFrame(index=range(4)), members)
    with pytest.raises(DataError, match="does not fit"):
        group_differences([], pd.DataFrame({"c": ["a"] * 5}), members)


@given(st.integers(0, 2**32 - 1))
def test_monotone_maps_and_the_order_of_rows_change_no_rank_test(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group = np.append(rng.integers(0, 3, 30), [0, 1, 2])
    x = rng.integers(0, 9, size=(33, 4)).astype(float)
    order = rng.permutation(33)
    one = of_numbers(x, group).table
    other = of_numbers(np.exp(x[order]), group[order]).table
    columns = ["n", "test", "statistic", "p_value", "q_value"]
    pd.testing.assert_frame_equal(one[columns], other[columns], rtol=CLOSE)
