"""Contributions by feature group: what dominates is named, and no remainder hides it."""

from __future__ import annotations

import pytest

from dashboard.figures.attribution import (
    FeatureContribution,
    dominance_sentence,
    feature_bars,
    fold,
    group_bars,
    paired_group_bars,
    sum_by_group,
)
from tests.dashboard.test_sentences import faults


def feature(group: str, value: float, name: str = "f") -> FeatureContribution:
    return FeatureContribution(name=name, contribution=value, group=group)


MANY_SMALL = [
    feature("Age", 0.3, "Age"),
    *(feature("Gene expression", -0.02) for _ in range(100)),
    *(feature("Nuclei", 0.01) for _ in range(20)),
]


def test_many_small_contributions_of_a_group_go_before_one_large_feature() -> None:
    groups = sum_by_group(MANY_SMALL)
    assert [group.name for group in groups] == ["Gene expression", "Age", "Nuclei"]
    assert [round(group.share, 2) for group in groups] == [0.8, 0.12, 0.08]
    said = (
        "What moves this score most: Gene expression (lowers, 80 %). 3 groups: −1.50 in log risk."
    )
    assert dominance_sentence(groups) == said


def test_the_remainder_of_features_is_split_into_its_groups() -> None:
    chart = feature_bars(MANY_SMALL, k=3, theme="light")
    *_, genes, nuclei = chart.figure.layout.yaxis.ticktext
    assert (genes, nuclei) == ("98 more of Gene expression", "20 more of Nuclei")
    assert chart.figure.data[0].x[-2:] == pytest.approx((-1.96, 0.2))
    assert chart.finding.endswith("118 features not drawn singly: −1.76.")
    assert sum(chart.table["contribution"]) == pytest.approx(-1.5)


def test_groups_that_carry_half_together_are_named_together() -> None:
    groups = sum_by_group(
        [feature(name, value) for name, value in zip("abcd", (3, -2, 1, 1), strict=True)]
    )
    assert "most: a (raises, 43 %) and b (lowers, 29 %). 4 groups" in dominance_sentence(groups)


@pytest.mark.parametrize("n", [0, 1, 2, 40])
def test_sentences_and_bars_of_groups_agree_in_number(n: int) -> None:
    groups = sum_by_group([feature(f"g{i}", 0.5 + i) for i in range(n)])
    chart = group_bars(groups, theme="dark")
    assert faults(chart.finding) == []
    assert faults(chart.alt) == []
    assert len(chart.table) == n


def test_nothing_moves_a_score_at_the_baseline() -> None:
    groups = sum_by_group([feature("a", 0.0), feature("b", 0.001)])
    assert dominance_sentence(groups) == (
        "No feature group moves this score away from the baseline."
    )


def test_two_patients_have_a_bar_each_in_the_groups_in_which_they_differ_most() -> None:
    first = sum_by_group([feature("Age", 0.5), feature("Nuclei", -0.2)])
    second = sum_by_group([feature("Age", 0.4), feature("Nuclei", 0.6), feature("Sex", 0.05)])
    chart = paired_group_bars({"P-1": first, "P-2": second}, theme="light")
    assert chart.finding == ("They differ most in Nuclei: −0.20 in P-1, +0.60 in P-2 (log risk).")
    assert list(chart.figure.layout.yaxis.ticktext) == ["Nuclei", "Age", "Sex"]
    assert [list(bar.x) for bar in chart.figure.data] == [[-0.2, 0.5, 0.0], [0.6, 0.4, 0.05]]
    assert [bar.name for bar in chart.figure.data] == ["P-1", "P-2"]
    assert chart.figure.data[0].marker.pattern.shape != chart.figure.data[1].marker.pattern.shape


def test_only_groups_with_a_small_share_are_drawn_as_one() -> None:
    sizes = (5, 4, 3, 2, 1, 0.9, 0.2, -0.1, 0.05)
    drawn = fold(sum_by_group([feature(f"g{i}", v) for i, v in enumerate(sizes)]))
    assert [g.name for g in drawn][-2:] == ["g5", "3 other groups"]
    assert drawn[-1].contribution == pytest.approx(0.15)
    equal = sum_by_group([feature(f"g{i}", 1.0) for i in range(9)])
    assert fold(equal) == equal
