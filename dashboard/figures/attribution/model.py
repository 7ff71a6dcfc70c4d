"""Attribution of the model as a whole: agreement of methods, weights of the fused blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.figures.chart import Chart, count, escape
from dashboard.figures.layout import Marks, base_figure, empty_figure, hover_text
from dashboard.figures.palette import Theme, blend, palette, readable_on

CELL_HEIGHT = 48
ROW_HEIGHT = 40
MAX_NAME = 24


def method_agreement(correlation: pd.DataFrame, *, n_features: int, theme: Theme) -> Chart:
    """Draw Spearman correlations between the rankings of attribution methods.

    Parameters
    ----------
    correlation : DataFrame, shape (k, k)
        Same methods in rows and columns.
    n_features : int
        Features ranked.
    theme : {"light", "dark"}
    """
    p = palette(theme)
    names = [str(name) for name in correlation.columns]
    rho = correlation.to_numpy(dtype=float)
    table = correlation.rename_axis("method").reset_index()
    alt = f"Agreement of {count(len(names), 'attribution method')}"
    if len(names) < 2:
        finding = "Two methods are needed to see whether they agree."
        return Chart(empty_figure("Fewer than two methods", theme), finding, table, alt)
    labels = [escape(name, limit=MAX_NAME) for name in names]
    figure = go.Figure()
    figure.add_heatmap(
        x=list(range(len(names))),
        y=list(range(len(names))),
        z=rho,
        zmin=0,
        zmax=1,
        colorscale=[[0, p.scale[0]], [1, p.scale[1]]],
        showscale=False,
        xgap=2,
        ygap=2,
        text=[
            [f"{a} and {b}: {r:.2f}" for b, r in zip(labels, row, strict=True)]
            for a, row in zip(labels, rho, strict=True)
        ],
        hoverinfo="text",
        meta="correlation",
    )
    marks = Marks(theme)
    for i, row in enumerate(rho):
        for j, value in enumerate(row):
            cell = blend(*p.scale, float(np.clip(np.nan_to_num(value), 0, 1)))
            tone = readable_on(cell, theme)
            marks.text("-" if np.isnan(value) else f"{value:.2f}", x=j, y=i, color=tone)
    marks.put_on(figure)
    base_figure(figure, theme, height=100 + CELL_HEIGHT * len(names), legend=False)
    ticks = {"tickvals": list(range(len(names))), "ticktext": labels, "showgrid": False}
    figure.update_xaxes(range=[-0.5, len(names) - 0.5], **ticks)
    figure.update_yaxes(range=[len(names) - 0.5, -0.5], **ticks)
    return Chart(figure, _agreement_finding(names, rho, n_features), table, alt)


def _agreement_finding(
    names: Sequence[str], rho: np.ndarray[tuple[int, ...], np.dtype[np.float64]], n_features: int
) -> str:
    pairs = [
        (float(rho[i, j]), names[i], names[j])
        for i in range(len(names))
        for j in range(i)
        if np.isfinite(rho[i, j])
    ]
    ranked = count(n_features, "feature")
    if not pairs:
        return f"No rank correlation could be computed over {ranked}."
    low, first, second = min(pairs)
    return (
        f"Over the top {ranked}, methods agree least between {first} and {second} "
        f"(Spearman {low:.2f}; {count(len(pairs), 'pair')} compared)."
    )


def owc_blocks(weights: Mapping[str, Sequence[float]], *, theme: Theme) -> Chart:
    """Draw the learned weight of every fused block: mean over patients, with their range.

    Parameters
    ----------
    weights : mapping of block to sequence of float
        Weight for each patient (mean over the members), 0 to 1.
    theme : {"light", "dark"}

    References
    ----------
    CA-MLIF (AAAI 2025), optimal weight concatenation, equation 5.
    """
    p = palette(theme)
    names = list(weights)
    values = [np.asarray(weights[name], dtype=float) for name in names]
    alt = "Learned weights of the fused blocks"
    table = pd.DataFrame(
        {
            "block": names,
            "mean_weight": [v.mean() for v in values],
            "lowest": [v.min() for v in values],
            "highest": [v.max() for v in values],
            "patients": [len(v) for v in values],
        }
    )
    if not names:
        finding = "This model weights no blocks."
        return Chart(empty_figure("No weighted block", theme), finding, table, alt)
    mean = table["mean_weight"].to_numpy()
    figure = go.Figure()
    figure.add_bar(
        orientation="h",
        x=mean,
        y=list(range(len(names))),
        width=0.55,
        marker={"color": p.low},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": table["highest"].to_numpy() - mean,
            "arrayminus": mean - table["lowest"].to_numpy(),
            "color": p.text,
            "thickness": 1.5,
            "width": 5,
        },
        meta="weights",
        **hover_text(
            [
                f"{escape(name, limit=60)}<br>mean {v.mean():.2f} ({v.min():.2f} to {v.max():.2f})"
                for name, v in zip(names, values, strict=True)
            ]
        ),
    )
    base_figure(figure, theme, height=90 + ROW_HEIGHT * len(names), legend=False)
    figure.update_xaxes(range=[0, 1.02], title_text="Weight (0 to 1): mean and range of patients")
    figure.update_yaxes(
        range=[len(names) - 0.5, -0.5],
        tickvals=list(range(len(names))),
        ticktext=[
            f"{escape(name, limit=MAX_NAME)}: {m:.2f}" for name, m in zip(names, mean, strict=True)
        ],
        showgrid=False,
        showline=False,
        ticklabelstandoff=6,
    )
    top = int(mean.argmax())
    finding = (
        f"{names[top]} has the largest mean weight, {mean[top]:.2f} over "
        f"{count(len(values[top]), 'patient')}, of {count(len(names), 'block')}."
    )
    return Chart(figure, finding, table, alt)
