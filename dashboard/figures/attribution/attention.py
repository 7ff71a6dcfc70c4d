"""Cross-attention of one case: which groups of one modality the groups of another read.

Attention weights of one ordered pair of modalities go in, a `Chart` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from dashboard.figures.attribution.cells import CELL_HEIGHT, CellScale, add_cells, cell_axes
from dashboard.figures.chart import Chart, escape
from dashboard.figures.layout import base_figure, empty_figure
from dashboard.figures.palette import Theme, palette

MAX_NAME = 20
MAX_READ = 12
"""Columns drawn: those with the largest mean weight."""


def attention_map(
    readers: Sequence[str],
    read: Sequence[str],
    values: ArrayLike,
    member_sd: ArrayLike,
    *,
    modality: str,
    other: str,
    theme: Theme,
) -> Chart:
    """Draw the effective weight of each token of a modality for each token of another.

    Parameters
    ----------
    readers, read : sequence of str, lengths k and l
    values, member_sd : array_like, shape (k, l)
        Shares, rows sum to 1: mean and SD over the models.
    modality, other : str
        Display names of the reading and of the read modality.
    theme : {"light", "dark"}
    """
    weights, spread = np.asarray(values, dtype=float), np.asarray(member_sd, dtype=float)
    table = pd.DataFrame(
        [
            {"reads": a, "read": b, "weight": weights[i, j], "member_sd": spread[i, j]}
            for i, a in enumerate(readers)
            for j, b in enumerate(read)
        ],
        columns=["reads", "read", "weight", "member_sd"],
    )
    alt = f"What {modality} reads of {other} in cross-attention"
    if not weights.size:
        finding = f"{modality} reads nothing of {other}."
        return Chart(empty_figure("Nothing is read", theme), finding, table, alt)
    shown = np.sort(np.argsort(-weights.mean(axis=0), kind="stable")[:MAX_READ])
    rows, columns = [[escape(n, limit=MAX_NAME) for n in names] for names in (readers, read)]
    columns = [columns[j] for j in shown]
    cells, sd = weights[:, shown], spread[:, shown]
    figure = go.Figure()
    add_cells(
        figure,
        cells,
        texts=[[f"{100 * v:.0f} %" for v in row] for row in cells],
        hovers=[
            [
                f"{rows[i]} reads {columns[j]}<br>{100 * cells[i, j]:.0f} %"
                + ("" if np.isnan(sd[i, j]) else f", SD over the models {100 * sd[i, j]:.0f}")
                for j in range(len(columns))
            ]
            for i in range(len(rows))
        ],
        scale=CellScale(palette(theme).scale, low=0, high=1),
        theme=theme,
    )
    base_figure(figure, theme, height=110 + CELL_HEIGHT * len(rows), legend=False)
    cell_axes(figure, rows=rows, columns=columns)
    figure.update_xaxes(title_text=f"Read of {escape(other, limit=MAX_NAME)}")
    top = int(weights.mean(axis=0).argmax())
    finding = (
        f"{modality} reads {read[top]} most: {100 * weights[:, top].mean():.0f} % of its reading "
        f"of {other} on average, where equal shares would be {100 / len(read):.0f} %."
    )
    return Chart(figure, finding, table, alt)
