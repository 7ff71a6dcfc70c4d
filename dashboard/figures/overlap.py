"""UpSet chart: how many patients have each combination of modalities.

Counts of patients by combination go in, a `Chart` comes out. After Lex et al., "UpSet", IEEE TVCG
2014.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray
from plotly.subplots import make_subplots

from camlif.wording import count, verb
from dashboard.figures.chart import Chart, escape
from dashboard.figures.layout import SMALL_FONT_SIZE, base_figure, empty_figure, hover_text
from dashboard.figures.palette import Theme, palette

MAX_COMBINATIONS = 20
BAR_HEIGHT, ROW_HEIGHT = 220, 34
DOT_SIZE = 13
NONE = "none"
SEPARATOR = " + "


def overlap_chart(
    presence: ArrayLike,
    names: Sequence[str],
    *,
    theme: Theme,
    max_combinations: int = MAX_COMBINATIONS,
) -> Chart:
    """Draw patients per combination of modalities, largest first.

    Parameters
    ----------
    presence : array_like of bool, shape (n, m)
    names : sequence of str, length m
    theme : {"light", "dark"}
    max_combinations : int
        Columns drawn; rarer combinations are counted in the finding and stay in the table.
    """
    present = np.asarray(presence, dtype=bool).reshape(-1, len(names))
    alt = "Patients per combination of modalities"
    combinations, counts = _count(present)
    words = [
        SEPARATOR.join(n for n, p in zip(names, c, strict=True) if p) or NONE for c in combinations
    ]
    table = pd.DataFrame({"modalities": words, "patients": counts})
    if not len(present) or not len(names):
        return Chart(empty_figure("No patient", theme), "No patient is loaded.", table, alt)
    shown = combinations[:max_combinations]
    figure = make_subplots(
        rows=2,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.02,
        row_heights=[BAR_HEIGHT, ROW_HEIGHT * len(names)],
    )
    _add_bars(figure, counts[: len(shown)], words, theme)
    _add_matrix(figure, shown, theme)
    height = BAR_HEIGHT + ROW_HEIGHT * len(names) + 40
    base_figure(figure, theme, height=height, legend=False)
    figure.update_xaxes(visible=False, range=[-0.6, len(shown) - 0.4])
    figure.update_yaxes(
        row=1,
        col=1,
        title_text="Patients",
        rangemode="tozero",
        range=[0, 1.15 * float(counts.max())],
    )
    figure.update_yaxes(
        row=2,
        col=1,
        range=[len(names) - 0.5, -0.5],
        tickvals=list(range(len(names))),
        ticktext=[
            f"{escape(name, limit=28)} (n = {size:,})"
            for name, size in zip(names, present.sum(axis=0).tolist(), strict=True)
        ],
        showgrid=False,
        showline=False,
    )
    return Chart(figure, _finding(present, len(combinations) - len(shown), counts), table, alt)


def _count(present: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int_]]:
    """Distinct rows and how often they occur, most frequent first, then most complete."""
    rows, counts = np.unique(present, axis=0, return_counts=True)
    order = np.lexsort((-rows.sum(axis=1), -counts))
    return rows[order], counts[order]


def _add_bars(
    figure: go.Figure, counts: NDArray[np.int_], words: Sequence[str], theme: Theme
) -> None:
    p = palette(theme)
    figure.add_bar(
        x=list(range(len(counts))),
        y=counts,
        width=0.6,
        marker={"color": p.low},
        text=[f"{n:,}" for n in counts],
        textposition="outside",
        textfont={"size": SMALL_FONT_SIZE, "color": p.text},
        cliponaxis=False,
        meta="counts",
        **hover_text(
            [
                f"{escape(w, limit=120)}: {count(n, 'patient')}"
                for w, n in zip(words, counts, strict=False)
            ]
        ),
        row=1,
        col=1,
    )


def _add_matrix(figure: go.Figure, shown: NDArray[np.bool_], theme: Theme) -> None:
    """Solid dots for modalities present, joined by a line; small open ones for those absent."""
    p = palette(theme)
    for column, row in enumerate(shown):
        ends = np.flatnonzero(row)
        if len(ends) > 1:
            figure.add_scatter(
                x=[column, column],
                y=[ends[0], ends[-1]],
                mode="lines",
                line={"color": p.text, "width": 2},
                hoverinfo="skip",
                meta="link",
                row=2,
                col=1,
            )
    for has, symbol, size, tone in (
        (True, "circle", DOT_SIZE, p.text),
        (False, "circle-open", DOT_SIZE - 4, p.outline),
    ):
        columns, rows = np.nonzero(shown == has)
        figure.add_scatter(
            x=columns,
            y=rows,
            mode="markers",
            marker={"symbol": symbol, "size": size, "color": tone},
            hoverinfo="skip",
            meta="present" if has else "absent",
            row=2,
            col=1,
        )


def _finding(present: NDArray[np.bool_], n_hidden: int, counts: NDArray[np.int_]) -> str:
    complete = int(present.all(axis=1).sum())
    nothing = int((~present.any(axis=1)).sum())
    m = present.shape[1]
    return (
        f"{complete:,} of {count(len(present), 'patient')} have all "
        f"{count(m, 'modality', 'modalities')}"
        + (f"; {nothing:,} {verb(nothing, 'has', 'have')} none" if nothing else "")
        + (
            f"; the {count(n_hidden, 'rarest combination')} ("
            f"{count(int(counts[-n_hidden:].sum()), 'patient')}) are "
            "in the table only"
            if n_hidden
            else ""
        )
        + "."
    )
