"""Reasons of two patients side by side: the same feature groups, a bar for each patient.

Sums by feature group of two patients go in, a `Chart` comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from dashboard.figures.attribution.bars import AXIS_TITLE, MIN_SPAN, direction
from dashboard.figures.attribution.groups import GroupContribution
from dashboard.figures.chart import Chart, escape, signed
from dashboard.figures.layout import SMALL_FONT_SIZE, base_figure, hover_text, label_room
from dashboard.figures.palette import MISSING_PATTERN, Theme, palette

ROW, OUTSIDE, LABEL_GAP = 48, 110, 6
"""Pixels a group, above and below, and between labels and bars."""
NUMBER_ROOM = 0.2
"""Share of the bars' extent beyond their ends, for the numbers on a narrow screen."""
MOST_DRAWN = 10
MAX_NAME = 34


def paired_group_bars(cases: Mapping[str, Sequence[GroupContribution]], *, theme: Theme) -> Chart:
    """Draw the feature groups in which two patients differ most.

    Parameters
    ----------
    cases : mapping of patient to sequence of GroupContribution
        Two patients explained against the same baseline; names are untrusted.
    theme : {"light", "dark"}
    """
    (first, a), (second, b) = (
        (name, {g.name: g.contribution for g in groups}) for name, groups in cases.items()
    )
    gap = {name: a.get(name, 0.0) - b.get(name, 0.0) for name in dict.fromkeys((*a, *b))}
    names = sorted(gap, key=lambda name: -abs(gap[name]))
    table = pd.DataFrame(
        {
            "group": names,
            first: [a.get(name, 0.0) for name in names],
            second: [b.get(name, 0.0) for name in names],
            "difference": [gap[name] for name in names],
        }
    )
    drawn = names[:MOST_DRAWN]
    labels = [escape(name, limit=MAX_NAME) for name in drawn]
    p, figure = palette(theme), go.Figure()
    for patient, sums, color, pattern in (
        (first, a, p.text, ""),
        (second, b, p.muted, MISSING_PATTERN),
    ):
        values = [sums.get(name, 0.0) for name in drawn]
        figure.add_bar(
            orientation="h",
            x=values,
            y=list(range(len(drawn))),
            name=escape(patient, limit=MAX_NAME),
            marker={
                "color": color,
                "line": {"color": color, "width": 1},
                "pattern": {
                    "shape": pattern,
                    "fillmode": "overlay",
                    "fgcolor": p.page,
                    "size": 7,
                },
            },
            text=[signed(value) for value in values],
            textposition="outside",
            textfont={"size": SMALL_FONT_SIZE, "color": p.text},
            cliponaxis=False,
            meta="reasons",
            **hover_text(
                [
                    f"{escape(patient, limit=MAX_NAME)}<br>{label}: {direction(value)}"
                    for label, value in zip(labels, values, strict=True)
                ]
            ),
        )
    every = [sums.get(name, 0.0) for sums in (a, b) for name in drawn]
    low, high = min(0.0, *every, -MIN_SPAN), max(0.0, *every, MIN_SPAN)
    layout = {
        "barmode": "group",
        "margin": {"l": label_room(labels, LABEL_GAP), "b": 56},
        "xaxis": {
            "range": [low - NUMBER_ROOM * (high - low), high + NUMBER_ROOM * (high - low)],
            "title": {"text": AXIS_TITLE},
            "zeroline": True,
            "zerolinecolor": p.text,
        },
        "yaxis": {
            "range": [len(drawn) - 0.5, -0.5],
            "tickvals": list(range(len(drawn))),
            "ticktext": labels,
            "showgrid": False,
            "showline": False,
        },
    }
    base_figure(figure, theme, height=OUTSIDE + ROW * len(drawn), layout=layout)
    return Chart(figure, _finding(names, a, b, first, second), table, "Reasons of two patients")


def _finding(
    names: Sequence[str], a: Mapping[str, float], b: Mapping[str, float], first: str, second: str
) -> str:
    if not names:
        return "No feature group is explained."
    top = names[0]
    return (
        f"They differ most in {top}: {signed(a.get(top, 0.0))} in {first}, "
        f"{signed(b.get(top, 0.0))} in {second} (log risk)."
    )
