"""How much of the model's output comes from each modality, over a cohort and its strata.

Shapley values by modality and the strata go in, a `Chart` of mean absolute shares comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from camlif.wording import count
from dashboard.figures.chart import Chart, escape
from dashboard.figures.layout import SMALL_FONT_SIZE, base_figure, empty_figure, hover_text
from dashboard.figures.palette import (
    Theme,
    modality_colors,
    modality_patterns,
    palette,
    readable_on,
)

ROW_HEIGHT = 52
MIN_LABELLED = 9.0
"""Per cent from which a segment has room for its number."""


def modality_share(
    groups: Mapping[str, Mapping[str, float]], sizes: Mapping[str, int], *, theme: Theme
) -> Chart:
    """Draw each modality's share of the mean absolute contributions, and the means beside it.

    Parameters
    ----------
    groups : mapping of group to mapping of modality to float
        Mean absolute contribution in log risk; the cohort first, then its strata.
    sizes : mapping of group to int
        Patients behind each group.
    theme : {"light", "dark"}
    """
    modalities = list(dict.fromkeys(name for part in groups.values() for name in part))
    amounts = np.array(
        [[float(part.get(name, 0.0)) for name in modalities] for part in groups.values()]
    ).reshape(len(groups), len(modalities))
    totals = amounts.sum(axis=1, keepdims=True)
    shares = 100 * np.divide(amounts, totals, out=np.zeros_like(amounts), where=totals > 0)
    table = _table(groups, sizes, modalities, amounts, shares)
    alt = "Share of each modality in the model's contributions"
    if not amounts.size:
        finding = "No contribution is explained."
        return Chart(empty_figure("No contribution", theme), finding, table, alt)
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_yaxes=True,
        column_widths=[0.62, 0.38],
        horizontal_spacing=0.04,
    )
    for j, name in enumerate(modalities):
        for column, numbers in ((1, shares[:, j]), (2, amounts[:, j])):
            _add_segment(figure, name, modalities, list(groups), numbers, column, theme)
    base_figure(figure, theme, height=130 + ROW_HEIGHT * len(groups))
    figure.update_layout(barmode="stack")
    figure.update_xaxes(row=1, col=1, range=[0, 100], title_text="Share of contributions (%)")
    figure.update_xaxes(row=1, col=2, title_text="Mean |contribution|, log risk")
    figure.update_yaxes(range=[len(groups) - 0.5, -0.5], showgrid=False, showline=False)
    figure.update_yaxes(
        row=1,
        col=1,
        tickvals=list(range(len(groups))),
        ticktext=[f"{escape(g, limit=24)}<br>n = {sizes[g]:,}" for g in groups],
        ticklabelstandoff=6,
    )
    return Chart(figure, _finding(list(groups), sizes, modalities, amounts, shares), table, alt)


def _table(
    groups: Mapping[str, Mapping[str, float]],
    sizes: Mapping[str, int],
    modalities: Sequence[str],
    amounts: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    shares: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "group": group,
                "n": sizes[group],
                "modality": name,
                "mean_absolute_contribution": amounts[i, j],
                "share_percent": shares[i, j],
            }
            for i, group in enumerate(groups)
            for j, name in enumerate(modalities)
        ],
        columns=["group", "n", "modality", "mean_absolute_contribution", "share_percent"],
    )


def _add_segment(
    figure: go.Figure,
    name: str,
    modalities: Sequence[str],
    groups: Sequence[str],
    numbers: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    column: int,
    theme: Theme,
) -> None:
    p = palette(theme)
    color = modality_colors(modalities, theme)[name]
    # Dark text on light tones and the reverse; patterns would run through it, so they sit on the
    # absolute bars and the legend, where nothing is written.
    inside = readable_on(color, theme)
    is_share = column == 1
    figure.add_bar(
        orientation="h",
        x=numbers,
        y=list(range(len(groups))),
        width=0.62,
        marker={
            "color": color,
            "line": {"color": p.page, "width": 1},
            "pattern": {
                "shape": "" if is_share else modality_patterns(modalities)[name],
                "fillmode": "overlay",
                "fgcolor": p.page,
                "size": 7,
            },
        },
        text=[f"{v:.0f} %" if is_share and v >= MIN_LABELLED else "" for v in numbers],
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        textfont={"size": SMALL_FONT_SIZE, "color": inside},
        name=escape(name, limit=30),
        legendgroup=name,
        showlegend=not is_share,
        meta="share" if is_share else "amount",
        **hover_text(
            [
                f"{escape(group, limit=40)}<br>{escape(name, limit=40)}: "
                + (f"{v:.1f} %" if is_share else f"{v:.3f} log risk")
                for group, v in zip(groups, numbers, strict=True)
            ]
        ),
        row=1,
        col=column,
    )


def _finding(
    groups: Sequence[str],
    sizes: Mapping[str, int],
    modalities: Sequence[str],
    amounts: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    shares: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> str:
    j = int(shares[0].argmax())
    return (
        f"{modalities[j]} carries {shares[0, j]:.0f} % of the contributions in {groups[0]} "
        f"(mean |contribution| {amounts[0, j]:.2f} in log risk, "
        f"{count(sizes[groups[0]], 'patient')})."
    )
