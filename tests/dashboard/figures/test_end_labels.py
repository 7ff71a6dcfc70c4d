"""Names at the ends of curves: apart by a line of text, in the order of what is seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camlif.data.schema import Endpoint
from dashboard.figures.kaplan_meier import KmGroup, kaplan_meier_chart
from dashboard.figures.layout import SMALL_FONT_SIZE, Marks, TimeAxis
from dashboard.figures.survival_labels import add_end_labels

TEXT_PX = 1.3 * SMALL_FONT_SIZE + 2
"""Height of a line of small text in Plotly's annotation, with a pixel around it."""
AXIS = TimeAxis(60.0, "months")


@given(
    ends=st.lists(st.tuples(st.floats(0.1, 60), st.floats(0, 100)), min_size=1, max_size=8),
    plot_px=st.floats(150, 800),
)
def test_no_two_names_overlap_wherever_curves_end(
    ends: Sequence[tuple[float, float]], plot_px: float
) -> None:
    marks = Marks("light")
    named = [(f"group {i}", months, y, "#000000") for i, (months, y) in enumerate(ends)]
    add_end_labels(marks, named, AXIS, plot_px=plot_px)
    heights = np.array([text["y"] for text in marks.texts])
    order = np.argsort([y for _, y in ends], kind="stable")
    assert np.diff(heights[order]).min(initial=100) * plot_px / 100 >= TEXT_PX
    assert heights.min() >= 2 - 1e-9


def plot_px(figure: go.Figure, legend_rows: int) -> float:
    """Height of the curves' plot, where the legend takes so many rows of 19 px."""
    layout = figure.layout
    top = max(layout.margin.t, 19 * legend_rows + 15) if legend_rows else layout.margin.t
    low, high = layout.yaxis.domain
    return float((high - low) * (layout.height - top - layout.margin.b))


@pytest.mark.parametrize("n", [2, 4, 8])
def test_names_of_curves_that_end_together_are_apart_on_every_screen(n: int) -> None:
    duration = np.arange(1.0, 41.0)
    groups = [KmGroup(f"group {i}", duration % 2 == 0, duration) for i in range(n)]
    chart = kaplan_meier_chart(groups, theme="light", endpoint=Endpoint())
    texts = chart.figure.layout.annotations
    assert texts[0].text == "Number at risk"
    heights = np.sort([t.y for t in texts if str(t.text).startswith("group")])
    assert len(heights) == n
    for rows in (1, n):
        assert np.diff(heights).min() * plot_px(chart.figure, rows) / 100 >= TEXT_PX
