"""Figures of interactions, cross-attention and block weights of one case: signs, order, sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from dashboard.figures.attribution import (
    Input,
    Pair,
    attention_map,
    case_blocks,
    interaction_bars,
    interaction_map,
)
from dashboard.figures.attribution.cells import CellScale
from dashboard.figures.palette import LIGHT, contrast

INPUTS = [Input("Pathology", "tumour"), Input("Pathology", "stroma"), Input("Genomics", "mRNA")]
INDEX = np.array([[0, 0.1, -0.8], [0.1, 0, 0.3], [-0.8, 0.3, 0]])
MAIN = np.array([0.5, -0.2, 0.1])


def only(figure: go.Figure, meta: str) -> Any:
    (trace,) = [trace for trace in figure.data if trace.meta == meta]
    return trace


def pair(first: int, second: int, value: float, sd: float = 0.1) -> Pair:
    return Pair(first=INPUTS[first], second=INPUTS[second], value=value, member_sd=sd)


def test_map_shows_each_pair_once_and_own_parts_on_the_diagonal() -> None:
    chart = interaction_map(INPUTS, INDEX, MAIN, theme="light")
    cells = np.asarray(only(chart.figure, "cells").z, dtype=float)
    np.testing.assert_array_equal(np.diag(cells), MAIN)
    assert cells[2, 0] == -0.8
    assert np.isnan(cells[np.triu_indices(3, 1)]).all()
    # 0.4 by themselves, -0.4 from pairs.
    assert "+0.40 from inputs by themselves and −0.40 from pairs, 0.00 in log risk" in chart.finding
    assert "Pathology: tumour × Genomics: mRNA (−0.80)" in chart.finding
    assert chart.table["log_risk"].sum() == pytest.approx(MAIN.sum() + np.triu(INDEX).sum())


def test_map_colours_follow_the_sign_around_a_neutral_zero() -> None:
    scale = CellScale((LIGHT.lowers, LIGHT.page, LIGHT.raises), low=-1, high=1)
    assert [scale.color(v) for v in (-1, 0, 1)] == [LIGHT.lowers, LIGHT.page, LIGHT.raises]
    assert scale.color(-5) == LIGHT.lowers
    chart = interaction_map(INPUTS, INDEX, MAIN, theme="light")
    cells = only(chart.figure, "cells")
    assert cells.zmin == -cells.zmax == -0.8
    texts = {(a.x, a.y): a for a in chart.figure.layout.annotations}
    shown = CellScale((LIGHT.lowers, LIGHT.page, LIGHT.raises), low=-0.8, high=0.8)
    for (x, y), text in texts.items():
        if text.text:
            value = cells.z[int(y)][int(x)]
            assert contrast(text.font.color, shown.color(value)) >= 4.5


def test_a_map_needs_two_inputs() -> None:
    chart = interaction_map(INPUTS[:1], INDEX[:1, :1], MAIN[:1], theme="light")
    assert "Two inputs" in chart.finding


def test_bars_are_sorted_by_size_and_name_both_modalities() -> None:
    pairs = [pair(1, 2, 0.3), pair(0, 2, -0.8, 0.2)]
    chart = interaction_bars(pairs, n_members=3, theme="light", level="groups")
    bars = only(chart.figure, "contributions")
    assert list(bars.x) == [-0.8, 0.3]
    assert list(bars.error_x.array) == [0.2, 0.1]
    assert list(only(chart.figure, "values").x) == [-1.0, 0.4]  # beyond the lines
    assert list(bars.marker.color) == [LIGHT.lowers, LIGHT.raises]
    assert (
        "Of 2 pairs of groups, Pathology: tumour × Genomics: mRNA matters most: −0.80 in log risk"
        in chart.finding
    )
    assert "SD 0.20 over 3 models" in chart.finding


def test_only_the_largest_pairs_are_drawn_but_all_are_in_the_table() -> None:
    pairs = [pair(0, 2, v) for v in np.linspace(0.1, 1, 12)]
    chart = interaction_bars(pairs, n_members=1, theme="light", k=5)
    assert len(only(chart.figure, "contributions").x) == 5
    assert len(chart.table) == 12
    assert "SD" not in chart.finding


def test_without_pairs_of_two_modalities_the_bars_say_so() -> None:
    assert "no pair" in interaction_bars([], n_members=3, theme="light").finding


def test_attention_rows_are_readers_and_the_finding_names_what_is_read_most() -> None:
    weights = np.array([[0.7, 0.3], [0.5, 0.5]])
    chart = attention_map(
        ["tumour", "stroma"],
        ["mRNA", "CNV"],
        weights,
        np.full((2, 2), 0.05),
        modality="Pathology",
        other="Genomics",
        theme="light",
    )
    np.testing.assert_array_equal(only(chart.figure, "cells").z, weights)
    assert chart.finding.startswith("Pathology reads mRNA most: 60 % of its reading of Genomics")
    assert "equal shares would be 50 %" in chart.finding
    assert len(chart.table) == 4


def test_of_many_instances_the_most_read_are_drawn() -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(40), size=2)
    names = [f"item {i}" for i in range(40)]
    chart = attention_map(
        ["a", "b"], names, weights, 0 * weights, modality="A", other="B", theme="light"
    )
    drawn = np.asarray(only(chart.figure, "cells").z)
    assert drawn.shape == (2, 12)
    best = np.sort(np.argsort(-weights.mean(axis=0))[:12])
    np.testing.assert_array_equal(drawn, weights[:, best])
    assert len(chart.table) == 80


def test_block_weights_of_a_case_have_their_spread_over_models() -> None:
    chart = case_blocks(
        ["fusion", "Pathology"], [0.4, 0.6], [0.1, np.nan], n_members=3, theme="light"
    )
    bars = only(chart.figure, "weights")
    assert list(bars.error_x.array) == [0.1, 0.0]
    assert "fusion weighs Pathology most (0.60) and fusion least (0.40)" in chart.finding
