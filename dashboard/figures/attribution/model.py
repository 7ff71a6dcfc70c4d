"""Attribution of the model as a whole: agreement of methods, weights of the fused blocks.

Tables of correlations or of block weights go in, a `Chart` comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from camlif.wording import count, with_interval
from dashboard.figures.attribution.cells import CELL_HEIGHT, CellScale, add_cells, cell_axes
from dashboard.figures.chart import Chart, escape
from dashboard.figures.layout import base_figure, empty_figure, hover_text
from dashboard.figures.palette import Theme, palette

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
    add_cells(
        figure,
        rho,
        texts=[["-" if np.isnan(r) else f"{r:.2f}" for r in row] for row in rho],
        hovers=[
            [f"{a} and {b}: {r:.2f}" for b, r in zip(labels, row, strict=True)]
            for a, row in zip(labels, rho, strict=True)
        ],
        scale=CellScale(p.scale, low=0, high=1),
        theme=theme,
    )
    base_figure(figure, theme, height=100 + CELL_HEIGHT * len(names), legend=False)
    cell_axes(figure, rows=labels, columns=labels)
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
    figure = _weight_bars(
        names,
        mean,
        below=mean - table["lowest"].to_numpy(),
        above=table["highest"].to_numpy() - mean,
        title="Weight (0 to 1): mean and range of patients",
        theme=theme,
    )
    top = int(mean.argmax())
    finding = (
        f"{names[top]} has the largest mean weight, {mean[top]:.2f} over "
        f"{count(len(values[top]), 'patient')}, of {count(len(names), 'block')}."
    )
    return Chart(figure, finding, table, alt)


def case_blocks(
    names: Sequence[str], mean: ArrayLike, member_sd: ArrayLike, *, n_members: int, theme: Theme
) -> Chart:
    """Draw the learned weight of every fused block for one case: mean and SD over the members.

    Parameters
    ----------
    names : sequence of str
    mean, member_sd : array_like, shape (n_blocks,)
        Weights 0 to 1; the SD is NaN for a single member.
    n_members : int
        Members that count.
    theme : {"light", "dark"}

    References
    ----------
    CA-MLIF (AAAI 2025), optimal weight concatenation, equation 5.
    """
    centre, spread = np.asarray(mean, dtype=float), np.asarray(member_sd, dtype=float)
    table = pd.DataFrame({"block": list(names), "weight": centre, "member_sd": spread})
    bars = np.nan_to_num(spread)
    figure = _weight_bars(
        names,
        centre,
        below=bars,
        above=bars,
        title="Weight (0 to 1): mean and SD over the models",
        theme=theme,
    )
    top, low = int(centre.argmax()), int(centre.argmin())
    most, least = f"{centre[top]:.2f}", f"{centre[low]:.2f}"
    weighed = f"{names[top]} most ({most}) and {names[low]} least ({least})"
    if most == least:
        weighed = f"all blocks alike ({most})"
    finding = f"On average over {count(n_members, 'model')}, fusion weighs {weighed}."
    return Chart(figure, finding, table, "Learned weights of the fused blocks for this case")


def _weight_bars(
    names: Sequence[str],
    mean: NDArray[np.float64],
    *,
    below: NDArray[np.float64],
    above: NDArray[np.float64],
    title: str,
    theme: Theme,
) -> go.Figure:
    p = palette(theme)
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
            "array": above,
            "arrayminus": below,
            "color": p.text,
            "thickness": 1.5,
            "width": 5,
        },
        meta="weights",
        **hover_text(
            [
                f"{escape(name, limit=60)}<br>mean {with_interval(m, m - b, m + a)}"
                for name, m, b, a in zip(names, mean, below, above, strict=True)
            ]
        ),
    )
    base_figure(figure, theme, height=90 + ROW_HEIGHT * len(names), legend=False)
    figure.update_xaxes(range=[0, 1.02], title_text=title)
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
    return figure
