"""Slopes from every variant to the reference, one line per split: paired differences.

Rows of a study and the reference go in, a `Chart` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from camlif.wording import count, listed
from dashboard.figures.chart import Chart, escape, signed
from dashboard.figures.layout import Marks, base_figure, empty_figure, hover_text
from dashboard.figures.palette import Theme, palette
from dashboard.figures.study.rows import Measure, PairedRow

PER_LINE = 4
"""Pairs beside each other."""
PANEL_HEIGHT = 270
HEADING_PX = 58
MAX_IN_FINDING = 3
DIGITS = 3


def slope_chart(
    pairs: Sequence[PairedRow], measure: Measure, *, theme: Theme, reference: str
) -> Chart:
    """Draw one panel per variant: a line per split from the variant to the reference.

    Parameters
    ----------
    pairs : sequence of PairedRow
    measure : Measure
    theme : {"light", "dark"}
    reference : str
        Title of the reference.

    Notes
    -----
    Solid lines are splits in which the reference is better, dashed ones the others. All panels
    share the value axis.
    """
    alt = f"{measure.label} per split of {count(len(pairs), 'variant')} against {reference}"
    if not pairs:
        finding = f"There is nothing to compare with {reference} in the splits chosen."
        return Chart(empty_figure("No pair", theme), finding, _table(pairs), alt)
    n_lines = -(-len(pairs) // PER_LINE)
    n_columns = min(len(pairs), PER_LINE)
    height = n_lines * PANEL_HEIGHT + 60
    figure = make_subplots(
        rows=n_lines,
        cols=n_columns,
        shared_yaxes="all",
        horizontal_spacing=0.02,
        vertical_spacing=(HEADING_PX + 42) / height if n_lines > 1 else 0,
    )
    for k, pair in enumerate(pairs):
        _add_pair(figure, pair, k // n_columns + 1, k % n_columns + 1, theme, first=k == 0)
    base_figure(figure, theme, height=height)
    figure.update_layout(margin={"t": HEADING_PX + 36, "b": 30})
    _set_axes(figure, pairs, measure, reference)
    marks = Marks(theme)
    for k, pair in enumerate(pairs):
        _head(marks, pair, k, reference)
    marks.put_on(figure)
    figure.update_layout(legend={"y": 1.0, "yref": "container", "yanchor": "top"})
    return Chart(figure, _finding(pairs, measure, reference), _table(pairs), alt)


def _add_pair(
    figure: go.Figure, pair: PairedRow, row: int, column: int, theme: Theme, *, first: bool
) -> None:
    p = palette(theme)
    behind = pair.better * pair.difference < 0
    title = escape(pair.row.title, limit=60)
    for chosen, color, dash, name in (
        (behind, p.low, "solid", "reference better"),
        (~behind, p.raises, "dash", "reference not better"),
    ):
        n = int(chosen.sum())
        gap = np.full(n, np.nan)
        texts = [
            f"{title}<br>split {split + 1}: {own:.3f}, reference {other:.3f}, "
            f"difference {signed(own - other, DIGITS)}"
            for split, own, other in zip(
                pair.split[chosen].tolist(), pair.own[chosen], pair.reference[chosen], strict=True
            )
        ]
        figure.add_scatter(
            x=np.tile([0.0, 1.0, np.nan], n) if n else [None],
            y=np.stack([pair.own[chosen], pair.reference[chosen], gap], 1).ravel() if n else [None],
            mode="lines+markers",
            line={"color": color, "dash": dash, "width": 1.4},
            marker={"size": 5, "color": color},
            name=name,
            legendgroup=name,
            showlegend=first,
            meta="slopes",
            **hover_text([text for text in texts for _ in range(3)]),
            row=row,
            col=column,
        )
    figure.add_scatter(
        x=[0, 1],
        y=[float(pair.own.mean()), float(pair.reference.mean())],
        mode="lines+markers",
        line={"color": p.text, "width": 3},
        marker={"size": 9, "color": p.text},
        name="means of the common splits",
        legendgroup="means",
        showlegend=first,
        meta="means",
        hoverinfo="skip",
        row=row,
        col=column,
    )


def _set_axes(
    figure: go.Figure, pairs: Sequence[PairedRow], measure: Measure, reference: str
) -> None:
    figure.update_xaxes(
        range=[-0.25, 1.25],
        tickvals=[0, 1],
        ticktext=["variant", escape(reference, limit=12)],
        showgrid=False,
    )
    values = np.concatenate([np.concatenate([pair.own, pair.reference]) for pair in pairs])
    margin = max(0.05 * float(np.ptp(values)), 0.005)
    figure.update_yaxes(range=[float(values.min()) - margin, float(values.max()) + margin])
    figure.update_yaxes(title_text=escape(measure.label), col=1)


def _head(marks: Marks, pair: PairedRow, place: int, reference: str) -> None:
    lines = [
        escape(pair.row.title, limit=36),
        f"{escape(reference, limit=12)} better in {pair.reference_wins} of {len(pair.split)}",
        _mean_words(pair),
    ]
    marks.over_panel(place, "<br>".join(lines), x=0.5, yshift=2)


def _mean_words(pair: PairedRow) -> str:
    mean = signed(float(pair.difference.mean()), DIGITS)
    if pair.interval is None:
        return mean
    return f"{mean} ({signed(pair.interval.low, DIGITS)} to {signed(pair.interval.high, DIGITS)})"


def _table(pairs: Sequence[PairedRow]) -> pd.DataFrame:
    tables = [
        pd.DataFrame(
            {
                "title": pair.row.title,
                "head": pair.row.key[2],
                "split": pair.split + 1,
                "value": pair.own,
                "reference": pair.reference,
                "difference": pair.difference,
            }
        )
        for pair in pairs
    ]
    columns = ["title", "head", "split", "value", "reference", "difference"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _finding(pairs: Sequence[PairedRow], measure: Measure, reference: str) -> str:
    named = [
        f"{pair.reference_wins} of {count(len(pair.split), 'split')} against {pair.row.title}"
        for pair in pairs[:MAX_IN_FINDING]
    ]
    more = len(pairs) - MAX_IN_FINDING
    if more > 0:
        named.append(f"see the chart for {more} more")
    return f"{reference} has the better {measure.label} in {listed(named)}."
