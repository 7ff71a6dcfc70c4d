"""Hazard by subtype for several models side by side, on one scale: Figure 3 of the paper.

Held-out z with subtype and grade of each model go in, a `Chart` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from camlif.wording import count, listed
from dashboard.figures.agreement import stack
from dashboard.figures.chart import Chart, escape, signed
from dashboard.figures.hazard import MAX_GL_POINTS, MAX_SVG_POINTS, ordered_grades
from dashboard.figures.hazard_columns import add_grade_legend
from dashboard.figures.layout import (
    SMALL_FONT_SIZE,
    Marks,
    base_figure,
    empty_figure,
    hover_text,
)
from dashboard.figures.palette import (
    GradeStyle,
    Theme,
    grade_styles,
    palette,
    rgba,
    subtype_symbols,
)

HEIGHT = 470
DOT_Z = 0.09
"""Difference in z below which two dots lie beside each other."""
DOT_STEP = 0.085
SWARM_HALF_WIDTH = 0.42
DOT_SIZE = 5
BOX_GROUP_WIDTH = 0.8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HazardPanel:
    """Held-out hazards of one model; sequences have one entry per point.

    Attributes
    ----------
    title : str
    z : ndarray of float64, shape (n,)
    subtype, grade : sequence of str or None
        None where not given, or where the subtype is none of the figure's.
    """

    title: str
    z: NDArray[np.float64]
    subtype: Sequence[str | None]
    grade: Sequence[str | None]


def hazard_panels(
    panels: Sequence[HazardPanel],
    *,
    theme: Theme,
    unit: str,
    column_title: str = "Subtype",
    order: Sequence[str] = (),
    boxes: bool = False,
) -> Chart:
    """Draw one panel per model: hazard z-score by subtype, coloured by grade.

    Parameters
    ----------
    panels : sequence of HazardPanel
        Left to right.
    theme : {"light", "dark"}
    unit : str
        What one point is and how many patients are behind the points; part of the finding.
    column_title : str
        Word for subtype.
    order : sequence of str
        Subtypes left to right; others follow by name.
    boxes : bool
        Whether to draw boxes of each grade within a subtype in place of points.

    Notes
    -----
    Points without subtype or grade are left out and counted. More than 2,000 points in a panel are
    drawn by WebGL, more than 20,000 in all panels as boxes.

    References
    ----------
    CA-MLIF (AAAI 2025), Figure 3.
    """
    alt = f"Hazard z-score by subtype and grade for {count(len(panels), 'model')}"
    frames = [_frame(panel) for panel in panels]
    every = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    if every.empty:
        finding = f"No patient has both {column_title} and grade, so the figure has no point."
        return Chart(empty_figure("Subtype or grade not given", theme), finding, every, alt)
    columns = [name for name in order if (every["subtype"] == name).any()]
    columns += sorted(set(every["subtype"]) - set(columns))
    styles = grade_styles(ordered_grades(every["grade"].tolist()), theme)
    boxes = boxes or len(every) > MAX_GL_POINTS
    figure = make_subplots(rows=1, cols=len(panels), shared_yaxes=True, horizontal_spacing=0.015)
    for k, frame in enumerate(frames):
        if boxes:
            _add_boxes(figure, frame, columns, styles, k + 1)
        else:
            _add_swarms(figure, frame, columns, styles, k + 1, theme)
    if not boxes:
        for grade, style in styles.items():
            add_grade_legend(figure, grade, style)
    base_figure(figure, theme, height=HEIGHT)
    figure.update_layout(margin={"t": 66}, legend={"y": 1.0, "yref": "container", "yanchor": "top"})
    _set_axes(figure, every, columns, column_title)
    marks = Marks(theme)
    for k, (panel, frame) in enumerate(zip(panels, frames, strict=True)):
        _head(marks, panel, len(frame), k)
    marks.put_on(figure)
    return Chart(
        figure=figure,
        finding=_finding(panels, frames, columns, unit),
        table=_table(panels, frames),
        alt=alt,
    )


def _frame(panel: HazardPanel) -> pd.DataFrame:
    frame = pd.DataFrame({"z": panel.z, "subtype": list(panel.subtype), "grade": list(panel.grade)})
    return frame.dropna().reset_index(drop=True)


def swarm(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Horizontal offsets of dots around their column's centre, alternating sides."""
    level = stack(z, DOT_Z)
    side = np.where(level % 2 == 1, 1, -1) * ((level + 1) // 2)
    widest = int(np.abs(side).max(initial=0))
    step = min(DOT_STEP, SWARM_HALF_WIDTH / widest) if widest else DOT_STEP
    return np.asarray(side * step, dtype=np.float64)


def _add_swarms(
    figure: go.Figure,
    frame: pd.DataFrame,
    columns: Sequence[str],
    styles: dict[str, GradeStyle],
    panel: int,
    theme: Theme,
) -> None:
    frame = frame.assign(x=0.0)
    for place, name in enumerate(columns):
        inside = (frame["subtype"] == name).to_numpy()
        frame.loc[inside, "x"] = place + swarm(frame.loc[inside, "z"].to_numpy(np.float64))
    symbols = subtype_symbols(columns)
    for grade, style in styles.items():
        part = frame[frame["grade"] == grade]
        trace = go.Scatter if len(frame) <= MAX_SVG_POINTS else go.Scattergl
        points = trace(
            x=part["x"].to_numpy(),
            y=part["z"].to_numpy(),
            mode="markers",
            marker={
                "symbol": [symbols[name] for name in part["subtype"]],
                "size": DOT_SIZE + style.size - 7,
                "color": rgba(style.color, style.fill),
                "line": {"color": style.color, "width": 1},
            },
            legendgroup=grade,
            showlegend=False,
            meta="points",
            **hover_text(
                [
                    f"{escape(name, limit=40)}, grade {escape(grade, limit=24)}"
                    f"<br>z = {signed(value)}"
                    for name, value in zip(part["subtype"], part["z"], strict=True)
                ]
            ),
        )
        figure.add_trace(points, row=1, col=panel)
    _add_medians(figure, frame, columns, panel, theme)


def _add_medians(
    figure: go.Figure, frame: pd.DataFrame, columns: Sequence[str], panel: int, theme: Theme
) -> None:
    for place, name in enumerate(columns):
        z = frame.loc[frame["subtype"] == name, "z"].to_numpy(np.float64)
        if not len(z):
            continue
        median = float(np.median(z))
        figure.add_scatter(
            x=[place - SWARM_HALF_WIDTH, place + SWARM_HALF_WIDTH],
            y=[median, median],
            mode="lines",
            line={"color": palette(theme).text, "width": 2},
            showlegend=False,
            meta="median",
            **hover_text(
                [f"{escape(name, limit=40)}: median {signed(median)} (n = {len(z):,})"] * 2
            ),
            row=1,
            col=panel,
        )


def _add_boxes(
    figure: go.Figure,
    frame: pd.DataFrame,
    columns: Sequence[str],
    styles: dict[str, GradeStyle],
    panel: int,
) -> None:
    """Boxes of each grade within a subtype; a grade without patients there has none."""
    width = BOX_GROUP_WIDTH / len(styles)
    for k, (grade, style) in enumerate(styles.items()):
        part = frame[frame["grade"] == grade]
        places = [place for place, name in enumerate(columns) if (part["subtype"] == name).any()]
        groups = [part.loc[part["subtype"] == columns[place], "z"] for place in places]
        figure.add_box(
            x=[place + (k - (len(styles) - 1) / 2) * width for place in places],
            **_box([group.to_numpy(np.float64) for group in groups]),
            width=0.85 * width,
            line={"color": style.color, "width": 1.5},
            fillcolor=rgba(style.color, 0.15 + 0.35 * style.fill),
            name=f"grade {escape(grade, limit=24)}",
            legendgroup=grade,
            showlegend=panel == 1,
            hoverinfo="y",
            meta="boxes",
            row=1,
            col=panel,
        )


def _box(groups: Sequence[NDArray[np.float64]]) -> dict[str, list[float]]:
    """Quartiles of each group, and whiskers to the last point within 1.5 times their distance."""
    box: dict[str, list[float]] = {
        name: [] for name in ("q1", "median", "q3", "lowerfence", "upperfence")
    }
    for z in groups:
        q1, median, q3 = np.percentile(z, [25, 50, 75]).tolist()
        reach = 1.5 * (q3 - q1)
        inside = z[(z >= q1 - reach) & (z <= q3 + reach)]
        numbers = (q1, median, q3, float(inside.min()), float(inside.max()))
        for name, value in zip(box, numbers, strict=True):
            box[name].append(value)
    return box


def _set_axes(
    figure: go.Figure, every: pd.DataFrame, columns: Sequence[str], column_title: str
) -> None:
    figure.update_xaxes(
        range=[-0.55, len(columns) - 0.45],
        tickvals=list(range(len(columns))),
        ticktext=[escape(name, limit=18) for name in columns],
        tickfont={"size": SMALL_FONT_SIZE},
        title_text=escape(column_title, limit=30),
        showgrid=False,
    )
    low, high = float(every["z"].min()), float(every["z"].max())
    figure.update_yaxes(range=[low - 0.15, high + 0.15])
    figure.update_yaxes(col=1, title_text="Hazard z-score, held out")


def _head(marks: Marks, panel: HazardPanel, n: int, place: int) -> None:
    marks.over_panel(place, f"{escape(panel.title, limit=30)}<br>n = {n:,}", x=0.5)


def _table(panels: Sequence[HazardPanel], frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Quartiles of every model, subtype and grade: no single patient."""
    tables = []
    for panel, frame in zip(panels, frames, strict=True):
        z = frame.groupby(["subtype", "grade"])["z"]
        table = z.describe(percentiles=[0.25, 0.5, 0.75]).reset_index()
        names = {"count": "n", "25%": "q1_z", "50%": "median_z", "75%": "q3_z"}
        table = table.rename(columns=names)[["subtype", "grade", *names.values()]]
        table.insert(0, "model", panel.title)
        tables.append(table.astype({"n": int}))
    return pd.concat(tables, ignore_index=True)


def _finding(
    panels: Sequence[HazardPanel],
    frames: Sequence[pd.DataFrame],
    columns: Sequence[str],
    unit: str,
) -> str:
    last, frame = panels[-1], frames[-1]
    medians = [
        f"{name} {signed(float(np.median(part)))} (n = {len(part):,})"
        for name in columns
        if len(part := frame.loc[frame["subtype"] == name, "z"])
    ]
    n_left_out = len(last.z) - len(frame)
    left_out = f"; {n_left_out:,} without subtype or grade left out" if n_left_out else ""
    return f"Median hazard z of {last.title}: {listed(medians)}; {unit}{left_out}."
