"""What distinguishes groups: a volcano of all columns, and one column drawn by group.

Tested columns or the values of one go in, a `Chart` comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from camlif.wording import count, listed, verb
from dashboard.figures.chart import Chart, escape, signed
from dashboard.figures.layout import Marks, base_figure, coordinates, hover_text
from dashboard.figures.palette import (
    PATTERNS,
    SYMBOLS,
    Theme,
    line_styles,
    modality_colors,
    palette,
    rgba,
)

FALSE_DISCOVERY = 0.05
"""Share of false discoveries among the columns called different."""
MAX_SVG_POINTS = 2_000
LEAST_P = 1e-300
NAMED_IN_FINDING = 3


def volcano_chart(table: pd.DataFrame, names: Sequence[str], *, theme: Theme) -> Chart:
    """Draw p-values over standardised differences, a point per column.

    Parameters
    ----------
    table : DataFrame
        That of `camlif.statistics.GroupDifferences`, with ``table`` and ``mark`` of each column.
        A point's ``customdata`` is its row.
    names : sequence of str
        Of the groups.
    theme : {"light", "dark"}
    """
    figure, marks = go.Figure(), Marks(theme)
    drawn = table[np.isfinite(table["difference"].to_numpy(float)) & table["p_value"].notna()]
    trace = go.Scatter if len(drawn) <= MAX_SVG_POINTS else go.Scattergl
    tables = list(dict.fromkeys(table["table"]))
    colors = modality_colors(tables, theme)
    for i, name in enumerate(tables):
        part = drawn[drawn["table"] == name]
        figure.add_trace(
            trace(
                x=coordinates(part["difference"]),
                y=coordinates(_height(part["p_value"])),
                mode="markers",
                name=escape(name, limit=30),
                marker={
                    "color": rgba(colors[name], 0.7),
                    "symbol": SYMBOLS[i % len(SYMBOLS)],
                    "size": 7,
                },
                unselected={"marker": {"opacity": 0.35}},
                customdata=part.index.tolist(),
                meta="columns",
                **hover_text([_hover(row) for row in part.to_dict("records")]),
            )
        )
    found = table[table["q_value"] <= FALSE_DISCOVERY]
    if len(found):
        height = float(_height(found["p_value"]).min())
        marks.horizontal(height, color=palette(theme).muted)
        marks.text(
            f"q = {FALSE_DISCOVERY}", x=1, xref="paper", xanchor="right", y=height, yanchor="bottom"
        )
    base_figure(figure, theme, height=400)
    marks.put_on(figure)
    title = "Standardised difference"
    if len(names) == 2:
        title += f" (right: higher in {escape(names[0], limit=24)})"
    figure.update_xaxes(title_text=title)
    figure.update_yaxes(title_text="−log10 p", rangemode="tozero")
    alt = f"Volcano chart of {count(len(drawn), 'column')}"
    return Chart(figure, _finding(table, found, names), table, alt)


def _height(p_value: pd.Series) -> NDArray[np.float64]:
    return np.asarray(-np.log10(np.maximum(p_value.to_numpy(float), LEAST_P)))


def _hover(row: Mapping[str, object]) -> str:
    mark = f"<br>{escape(row['mark'])}" if row["mark"] else ""
    difference, p, q = (float(str(row[k])) for k in ("difference", "p_value", "q_value"))
    return (
        f"{escape(row['column'], limit=60)}<br>{signed(difference)} SD, "
        f"p = {p:.2g}, q = {q:.2g}{mark}"
    )


def _finding(table: pd.DataFrame, found: pd.DataFrame, names: Sequence[str]) -> str:
    tested = int(table["p_value"].notna().sum())
    between = listed(list(names))
    if not tested:
        return f"No column could be tested between {between}."
    if found.empty:
        return (
            f"None of {count(tested, 'column')} differs between {between} "
            f"(q at most {FALSE_DISCOVERY})."
        )
    top = found.sort_values("p_value", kind="stable")["column"].head(NAMED_IN_FINDING).tolist()
    return (
        f"{len(found):,} of {count(tested, 'column')} "
        f"{verb(len(found), 'differs', 'differ')} between {between} "
        f"(q at most {FALSE_DISCOVERY}), first {listed([str(name) for name in top])}."
    )


def column_chart(
    name: str, values: pd.Series, members: Mapping[str, NDArray[np.bool_]], *, theme: Theme
) -> Chart:
    """Draw one column by group: boxes of numbers, shares of categories.

    Parameters
    ----------
    name : str
        Of the column.
    values : Series, n rows
        Numbers, or texts; missing values are left out and counted.
    members : mapping of group to bool, shape (n,)
    theme : {"light", "dark"}
    """
    known = {group: values[mask].dropna() for group, mask in members.items()}
    missing = sum(int(mask.sum()) for mask in members.values()) - sum(map(len, known.values()))
    figure = go.Figure()
    if pd.api.types.is_numeric_dtype(values):
        table = _boxes(figure, known, theme)
        shown = [
            f"{group} {row:.3g}" for group, row in zip(table["group"], table["median"], strict=True)
        ]
        finding = f"{name}, median: {', '.join(shown)}"
        title = escape(name, limit=60)
    else:
        table = _shares(figure, known, theme)
        finding = f"{name} by group"
        title = f"{escape(name, limit=60)} (% of group)"
    base_figure(figure, theme, height=340, legend=not pd.api.types.is_numeric_dtype(values))
    figure.update_layout(barmode="stack")
    figure.update_yaxes(title_text=title)
    sizes = ", ".join(f"n = {len(part):,} in {group}" for group, part in known.items())
    lacking = f"; {count(missing, 'value')} missing" if missing else ""
    return Chart(figure, f"{finding}; {sizes}{lacking}.", table, f"{name} by group")


def _boxes(figure: go.Figure, known: Mapping[str, pd.Series], theme: Theme) -> pd.DataFrame:
    rows = []
    styles = line_styles([None] * len(known), theme)
    for (group, part), style in zip(known.items(), styles, strict=True):
        q1, median, q3 = part.quantile([0.25, 0.5, 0.75])
        rows.append(
            {"group": group, "n": len(part), "q1": q1, "median": median, "q3": q3}
            | {"min": part.min(), "max": part.max(), "mean": part.mean()}
        )
        figure.add_box(
            y=coordinates(part),
            name=f"{escape(group, limit=24)}<br>n = {len(part):,}",
            marker={"color": style.color},
            line={"width": 2},
            boxpoints="outliers",
            meta="column",
        )
    return pd.DataFrame(rows)


def _shares(figure: go.Figure, known: Mapping[str, pd.Series], theme: Theme) -> pd.DataFrame:
    counts = pd.DataFrame({group: part.value_counts() for group, part in known.items()})
    counts = counts.fillna(0).astype(int).sort_index()
    shares = 100 * counts / counts.sum().clip(lower=1)
    places = [f"{escape(g, limit=24)}<br>n = {len(part):,}" for g, part in known.items()]
    tones = palette(theme).categories
    for i, level in enumerate(shares.index):
        figure.add_bar(
            x=places,
            y=coordinates(shares.loc[level]),
            name=escape(level, limit=24),
            marker={
                "color": tones[i % len(tones)],
                "pattern": {"shape": PATTERNS[i % len(PATTERNS)]},
            },
            meta="column",
        )
    return counts.rename_axis("value").reset_index()
