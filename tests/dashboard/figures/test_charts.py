"""What holds for every figure: no markup from names, readable type, theme, weight, no motion."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import dashboard.figures
from camlif.data.schema import Endpoint
from camlif.statistics import HazardRatio, kaplan_meier
from camlif.statistics.splits import Interval
from camlif.wording import format_p
from dashboard.figures import attribution
from dashboard.figures.agreement import agreement_strip
from dashboard.figures.chart import Chart, escape, signed
from dashboard.figures.discrimination import c_index_dots
from dashboard.figures.forest import forest_chart
from dashboard.figures.hazard import HazardPoints, hazard_chart
from dashboard.figures.kaplan_meier import (
    Grouping,
    KmGroup,
    case_curve_chart,
    compare_groupings_chart,
    kaplan_meier_chart,
)
from dashboard.figures.layout import LABEL_CHARACTER_PX, coordinates, label_room
from dashboard.figures.overlap import overlap_chart
from dashboard.figures.palette import Theme, palette
from dashboard.figures.prediction import PredictedCurve
from dashboard.figures.survivors import short_long_chart
from dashboard.figures.what_if import changed_contributions, changed_curves, changed_members
from tests.dashboard.figures.study.figures import STUDY_FIGURES

EVIL = '<a href="javascript:x">%{y}</a>&'
OWN_TAGS = re.compile(r'<br>|</span>|<span style="color:#[0-9A-F]{6}">')
RNG = np.random.default_rng(0)
EVENT, DURATION = RNG.random(1000) < 0.6, RNG.exponential(40, 1000)
NAMES = [EVIL, "low", "x" * 90]


def km_groups() -> list[KmGroup]:
    return [KmGroup(n, EVENT[i::3], DURATION[i::3]) for i, n in enumerate(NAMES)]


def km(theme: Theme) -> Chart:
    own = (np.arange(40.0), np.linspace(1, 0.4, 40))
    return kaplan_meier_chart(
        km_groups(), theme=theme, endpoint=Endpoint(), landmarks=(12, 36), own_curve=own
    )


def groupings(theme: Theme) -> Chart:
    first, second = Grouping(EVIL, km_groups()), Grouping("b", km_groups())
    return compare_groupings_chart(first, second, theme=theme, endpoint=Endpoint())


def case(theme: Theme) -> Chart:
    curves = {g.name: kaplan_meier(g.event, g.duration) for g in km_groups()}
    s = np.linspace(1, 0.4, 40)
    return case_curve_chart(
        curves, EVIL, np.arange(40.0), s, s, s, endpoint=Endpoint(), theme=theme
    )


def hazard(theme: Theme) -> Chart:
    points = HazardPoints(
        token=[f"token-{i}" for i in range(1000)],
        z=RNG.normal(size=1000),
        subtype=[NAMES[i % 3] for i in range(1000)],
        grade=[NAMES[i % 2] for i in range(1000)],
    )
    return hazard_chart(
        points, cutoffs={EVIL: 0.0}, theme=theme, current="token-1", column_title=EVIL, unit=EVIL
    )


def density(theme: Theme) -> Chart:
    points = HazardPoints(
        token=[f"token-{i}" for i in range(20_001)],
        z=np.linspace(-2, 2, 20_001),
        subtype=[NAMES[i % 3] for i in range(20_001)],
    )
    return hazard_chart(points, cutoffs={EVIL: 0.0}, theme=theme)


def features() -> list[attribution.FeatureContribution]:
    return [
        attribution.FeatureContribution(name=EVIL, contribution=c, value=EVIL, unit=EVIL)
        for c in (0.5, -0.4, 0.3)
    ]


def inputs() -> list[attribution.Input]:
    return [attribution.Input(modality=name, name=EVIL) for name in NAMES]


def changed(theme: Theme) -> Chart:
    times = np.arange(61.0)
    curve = PredictedCurve.shown(
        times, np.exp(-times / 60), np.exp(-times / 50), np.exp(-times / 70)
    )
    return changed_curves(curve, curve, endpoint=Endpoint("os", EVIL, EVIL), theme=theme)


def beeswarm(theme: Theme) -> Chart:
    values = RNG.normal(size=(1000, 3))
    explanation = SimpleNamespace(values=values, data=values, feature_names=NAMES)
    tokens = [f"token-{i}" for i in range(1000)]
    return attribution.beeswarm(explanation, theme=theme, tokens=tokens)


def agreement(theme: Theme) -> Chart:
    return agreement_strip(
        [0.1, 2.0, -1.0], [1, 1, 0], cutoffs=(0.0, 1.0), strata=NAMES, theme=theme
    )


def forest(theme: Theme) -> Chart:
    rows = [HazardRatio(name=n, ratio=2, low=1, high=4, p_value=0.01) for n in NAMES]
    return forest_chart(rows, n=100, events=50, theme=theme)


def survivors(theme: Theme) -> Chart:
    z = RNG.normal(size=1000)
    return short_long_chart(
        z, EVENT, DURATION, cutoff_months=42, endpoint=Endpoint("os", EVIL, EVIL), theme=theme
    )


FIGURES: dict[str, Callable[[Theme], Chart]] = {
    "km": km,
    "groupings": groupings,
    "case": case,
    "hazard": hazard,
    "density": density,
    "beeswarm": beeswarm,
    "agreement": agreement,
    "forest": forest,
    "survivors": survivors,
    "modalities": lambda t: attribution.modality_bars({EVIL: 0.3, "b": -0.2}, theme=t),
    "features": lambda t: attribution.feature_bars(features(), theme=t, k=2),
    "waterfall": lambda t: attribution.waterfall(features(), baseline=0, total=1, theme=t, k=2),
    "shares": lambda t: attribution.modality_share({EVIL: {EVIL: 0.3}}, {EVIL: 5}, theme=t),
    "methods": lambda t: attribution.method_agreement(
        pd.DataFrame(np.eye(3), NAMES, NAMES), n_features=3, theme=t
    ),
    "blocks": lambda t: attribution.owc_blocks({n: [0.4, 0.6] for n in NAMES}, theme=t),
    "case_blocks": lambda t: attribution.case_blocks(
        NAMES, [0.4, 0.5, 0.6], [0.1, 0.1, 0.1], n_members=3, theme=t
    ),
    "interaction_map": lambda t: attribution.interaction_map(
        inputs(), np.full((3, 3), 0.1), np.ones(3), theme=t
    ),
    "interaction_bars": lambda t: attribution.interaction_bars(
        [
            attribution.Pair(first=a, second=b, value=0.2, member_sd=0.1)
            for a, b in pairwise(inputs())
        ],
        n_members=3,
        theme=t,
    ),
    "attention": lambda t: attribution.attention_map(
        NAMES, NAMES, np.eye(3), np.eye(3), modality=EVIL, other=EVIL, theme=t
    ),
    "changed_curves": changed,
    "changed_members": lambda t: changed_members(
        [0.1, 0.2], [0.3, 0.5], cutoffs=(0.0, 1.0), strata=NAMES, theme=t
    ),
    "changed_contributions": lambda t: changed_contributions({EVIL: 0.1}, {EVIL: 0.2}, theme=t),
    "overlap": lambda t: overlap_chart(np.eye(3), NAMES, theme=t),
    "c_index": lambda t: c_index_dots(
        [0.6, 0.7],
        Interval(value=0.65, low=0.6, high=0.7),
        scheme="covering",
        n=9,
        events=5,
        theme=t,
        oracle=0.8,
    ),
    **STUDY_FIGURES,
}


@cache
def drawn(name: str, theme: Theme = "light") -> Chart:
    return FIGURES[name](theme)


each_figure = pytest.mark.parametrize("name", FIGURES)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, f"{path}.{key}")
    elif isinstance(value, list | tuple | np.ndarray):
        for part in value:
            yield from leaves(part, path)
    else:
        yield path, value


@each_figure
def test_names_from_files_reach_no_figure_as_markup_or_template(name: str) -> None:
    for path, value in leaves(drawn(name).figure.to_plotly_json()):
        if isinstance(value, str) and not path.endswith(".legendgroup"):  # never rendered
            assert "<" not in OWN_TAGS.sub("", value), path
            assert "%{" not in value, path


@each_figure
def test_customdata_holds_tokens_only(name: str) -> None:
    for trace in drawn(name).figure.data:
        tokens = [] if trace.customdata is None else list(trace.customdata)
        assert all(str(token).startswith("token-") for token in tokens)


@each_figure
def test_no_text_is_smaller_than_twelve_pixels(name: str) -> None:
    figure = drawn(name).figure
    sizes = [
        value
        for path, value in leaves(figure.to_plotly_json())
        if path.endswith((".font.size", "textfont.size", "tickfont.size"))
    ]
    assert min(sizes) >= 12


@each_figure
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_background_is_transparent_and_type_has_the_theme_colour(name: str, theme: Theme) -> None:
    layout = drawn(name, theme).figure.layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert layout.font.color == palette(theme).text


@each_figure
def test_no_figure_brings_a_template_which_would_draw_it_twice(name: str) -> None:
    assert "template" not in drawn(name).figure.to_plotly_json()["layout"]


@pytest.mark.parametrize(
    "name", ["km", "groupings", "case", "agreement", "modalities", "features", "waterfall"]
)
def test_coordinates_of_a_case_are_sent_in_a_form_that_is_drawn_once(name: str) -> None:
    assert "bdata" not in drawn(name).figure.to_json()


def test_rounded_coordinates_are_nearer_than_a_pixel() -> None:
    exact = np.random.default_rng(0).uniform(-5, 300, 1000)
    assert coordinates(exact) == pytest.approx(exact, abs=5.1e-5)
    assert coordinates([np.nan, 1 / 3])[1] == 0.3333


@pytest.mark.parametrize(
    ("labels", "characters"),
    [([], 0), (["ab", "abcd"], 4), (['<span style="color:#fff">■</span> a&lt;b<br>xy'], 5)],
)
def test_room_for_labels_counts_what_is_seen_of_the_longest_line(
    labels: list[str], characters: int
) -> None:
    assert label_room(labels, 6) == int(6 + LABEL_CHARACTER_PX * characters)


@each_figure
def test_nothing_moves(name: str) -> None:
    figure = drawn(name).figure
    assert figure.frames == ()
    assert figure.layout.transition.duration is None


@each_figure
def test_every_chart_has_a_finding_a_name_and_numbers(name: str) -> None:
    chart = drawn(name)
    assert chart.finding.endswith(".")
    assert chart.alt
    assert len(chart.table)
    assert chart.table.select_dtypes("number").shape[1]


@each_figure
def test_a_thousand_patients_stay_far_below_the_data_budget_of_a_page(name: str) -> None:
    assert len(drawn(name).figure.to_json()) < 600_000


def test_figures_import_neither_streamlit_nor_torch_nor_pages() -> None:
    folder = Path(dashboard.figures.__file__).parent
    imported = {
        name
        for file in folder.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert "plotly.graph_objects" in imported
    forbidden = (
        "streamlit",
        "torch",
        "dashboard.views",
        "dashboard.components",
        "dashboard.session.state",
    )
    assert {name for name in imported if name.startswith(forbidden)} == set()


def test_escape_neutralises_markup_templates_and_length() -> None:
    assert escape("a<b> & %{x}\n") == "a&lt;b&gt; &amp; %&#123;x}"
    assert escape("x" * 50, limit=10) == "x" * 9 + "…"


def test_p_values_have_two_digits_and_a_floor() -> None:
    assert [format_p(p) for p in (0.0004, 0.001, 0.0123, 0.5)] == [
        "p < 0.001",
        "p = 0.001",
        "p = 0.012",
        "p = 0.5",
    ]


def test_signs_are_written_but_not_on_a_rounded_zero() -> None:
    assert [signed(v) for v in (1.234, -0.5, -0.001)] == ["+1.23", "−0.50", "0.00"]
