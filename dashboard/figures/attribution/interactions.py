"""What acts together: pairs of modalities, feature groups or features of one case.

Pairs with their numbers go in, a `Chart` comes out.

An interaction is in log risk: what two inputs change together beyond what each changes by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from camlif.wording import count
from dashboard.figures.attribution.bars import add_bars, frame_bars
from dashboard.figures.attribution.cells import CELL_HEIGHT, CellScale, add_cells, cell_axes
from dashboard.figures.chart import Chart, escape, signed
from dashboard.figures.layout import SMALL_FONT_SIZE, base_figure, empty_figure
from dashboard.figures.palette import Theme, modality_colors, palette
from dashboard.figures.sketch import Sketch

DENSE_HEIGHT = 34
"""Row height from `DENSE_FROM` rows on."""
DENSE_FROM = 8
MAX_NAME = 26
ROW_HEIGHT = 46
MIN_SCALE = 0.01
"""Interactions up to this size take at most the palest tones."""
CROSSED = " × "


@dataclass(frozen=True, slots=True)
class Input:
    """One input of the heat map; texts are untrusted.

    ``modality`` is the display name that gives the colour, ``name`` what is written.
    """

    modality: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two inputs and their interaction in log risk, with the SD over the models (or NaN)."""

    first: Input
    second: Input
    value: float
    member_sd: float

    @property
    def name(self) -> str:
        """Both names, with their modalities where these are not the same word."""
        return CROSSED.join(_full_name(x) for x in (self.first, self.second))


def interaction_map(
    inputs: Sequence[Input],
    index: ArrayLike,
    main: ArrayLike,
    *,
    theme: Theme,
    baseline: str = "the training median",
) -> Chart:
    """Draw every pair below the diagonal, and what each input contributes by itself on it.

    Parameters
    ----------
    inputs : sequence of Input, length p
    index : array_like, shape (p, p)
        Symmetric Shapley interaction index.
    main : array_like, shape (p,)
        Shapley value less half of the interactions; all cells drawn sum to the log risk less that
        of the baseline.
    theme : {"light", "dark"}
    baseline : str
        What the case is compared with.
    """
    p = len(inputs)
    cells = np.tril(np.asarray(index, dtype=float), -1) + np.diag(np.asarray(main, dtype=float))
    cells[np.triu_indices(p, 1)] = np.nan
    table = _map_table(inputs, cells)
    alt = "Interaction of each pair of inputs of this case"
    if p < 2:
        finding = "Two inputs are needed for an interaction."
        return Chart(empty_figure("Fewer than two inputs", theme), finding, table, alt)
    tones = palette(theme)
    size = max(float(np.nanmax(np.abs(cells))), MIN_SCALE)
    figure = go.Figure()
    add_cells(
        figure,
        cells,
        texts=[["" if np.isnan(v) else signed(v) for v in row] for row in cells],
        hovers=[[_hover(inputs, cells, i, j) for j in range(p)] for i in range(p)],
        scale=CellScale((tones.lowers, tones.page, tones.raises), low=-size, high=size),
        theme=theme,
    )
    height = CELL_HEIGHT if p < DENSE_FROM else DENSE_HEIGHT
    base_figure(figure, theme, height=110 + height * p, legend=False)
    labels = _labels(inputs, theme)
    cell_axes(figure, rows=labels, columns=labels)
    return Chart(figure, _map_finding(inputs, cells, baseline), table, alt)


def interaction_bars(
    pairs: Sequence[Pair],
    *,
    n_members: int,
    theme: Theme,
    k: int = 8,
    level: str = "inputs of two modalities",
) -> Chart:
    """Draw the pairs of two modalities that matter most for one case.

    Parameters
    ----------
    pairs : sequence of Pair
        In any order.
    n_members : int
        Models behind the values; their SD is drawn to both sides.
    theme : {"light", "dark"}
    k : int
        Pairs drawn.
    level : str
        What the inputs are, in the plural.
    """
    ordered = sorted(pairs, key=lambda pair: -abs(pair.value))
    top = ordered[:k]
    table = pd.DataFrame(
        {
            "pair": [pair.name for pair in ordered],
            "interaction": [pair.value for pair in ordered],
            "member_sd": [pair.member_sd for pair in ordered],
        }
    )
    alt = f"The {count(len(top), 'pair')} of {level} that matter most"
    if not top:
        finding = "This case has no pair of inputs from two modalities."
        return Chart(empty_figure("No pair", theme), finding, table, alt)
    values = [pair.value for pair in top]
    modalities = [x.modality for pair in pairs for x in (pair.first, pair.second)]
    labels = [
        "<br>".join(_label(x, theme, modalities, right=True) for x in (pair.first, pair.second))
        for pair in top
    ]
    spread = np.nan_to_num([pair.member_sd for pair in top]).tolist()
    sketch = Sketch()
    texts = [signed(v) for v in values]
    add_bars(sketch, labels, values, [""] * len(top), theme, spread=spread, hovers=texts)
    reach = [v + s if v > 0 else v - s for v, s in zip(values, spread, strict=True)]
    sketch.add_scatter(
        x=reach,
        y=list(range(len(top))),
        mode="text",
        text=[f"  {text}  " for text in texts],
        textposition=["middle right" if v > 0 else "middle left" for v in values],
        textfont={"size": SMALL_FONT_SIZE, "color": palette(theme).text},
        cliponaxis=False,
        hoverinfo="skip",
        meta="values",
    )
    title = "Interaction in log risk; line: SD over the models"
    frame_bars(sketch, labels, reach, theme, row_height=ROW_HEIGHT, longest=8, title=title)
    first = top[0]
    finding = (
        f"Of {count(len(ordered), 'pair')} of {level}, {first.name} matters most: "
        f"{signed(first.value)} in log risk beyond what each does by itself"
        + (
            f" (SD {first.member_sd:.2f} over {count(n_members, 'model')})."
            if n_members > 1
            else "."
        )
    )
    return Chart(sketch.figure(), finding, table, alt)


def _full_name(x: Input) -> str:
    return x.name if x.name == x.modality else f"{x.modality}: {x.name}"


def _label(x: Input, theme: Theme, modalities: Sequence[str], *, right: bool = False) -> str:
    """Name with the colour of its modality, on the right where labels are aligned there."""
    color = modality_colors(list(dict.fromkeys(modalities)), theme)[x.modality]
    mark, name = f'<span style="color:{color}">■</span>', escape(x.name, limit=MAX_NAME)
    return f"{name} {mark}" if right else f"{mark} {name}"


def _labels(inputs: Sequence[Input], theme: Theme) -> list[str]:
    return [_label(x, theme, [i.modality for i in inputs]) for x in inputs]


def _hover(inputs: Sequence[Input], cells: NDArray[np.float64], i: int, j: int) -> str:
    if np.isnan(cells[i, j]):
        return ""
    first = escape(_full_name(inputs[i]), limit=80)
    if i == j:
        return f"{first} by itself: {signed(cells[i, j])}"
    second = escape(_full_name(inputs[j]), limit=80)
    return f"{second}{CROSSED}{first}<br>together beyond each: {signed(cells[i, j])}"


def _map_table(inputs: Sequence[Input], cells: NDArray[np.float64]) -> pd.DataFrame:
    rows = [
        {
            "input": _full_name(inputs[j]),
            "with": "by itself" if i == j else _full_name(inputs[i]),
            "log_risk": cells[i, j],
        }
        for i in range(len(inputs))
        for j in range(i + 1)
    ]
    return pd.DataFrame(rows, columns=["input", "with", "log_risk"])


def _map_finding(inputs: Sequence[Input], cells: NDArray[np.float64], baseline: str) -> str:
    alone = float(np.diag(cells).sum())
    pairs = float(np.nansum(np.tril(cells, -1)))
    i, j = np.tril_indices(len(inputs), -1)
    at = int(np.abs(cells[i, j]).argmax())
    first, second = inputs[j[at]], inputs[i[at]]
    return (
        f"Against {baseline}: {signed(alone)} from inputs by themselves and {signed(pairs)} from "
        f"pairs, {signed(alone + pairs)} in log risk; the largest pair is {_full_name(first)}"
        f"{CROSSED}{_full_name(second)} ({signed(cells[i[at], j[at]])})."
    )
