"""Hazard by subtype: half-violins with points coloured by grade, cut-offs and the case at hand.

Points with z, subtype and grade go in, a `Chart` comes out. After Figure 3 of An et al., AAAI 2025.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from camlif.arrays import Float64Array
from camlif.wording import count, listed
from dashboard.figures.chart import Chart, escape, signed
from dashboard.figures.hazard_columns import (
    POINT_END,
    POINT_START,
    add_density,
    add_grade_legend,
    add_median,
    add_violin,
)
from dashboard.figures.layout import Marks, base_figure, empty_figure, hover_text, spread
from dashboard.figures.palette import (
    GRADE_ORDER,
    STRATUM_ROLES,
    GradeStyle,
    Theme,
    grade_styles,
    palette,
    rgba,
    subtype_symbols,
)

NOT_GIVEN = "not given"
OTHER = "other"
MAX_COLUMNS = 12
"""Most columns drawn; the smallest subtypes beyond it share one column."""
BY_CONSTRUCTION = (
    "No subtype is given, so the columns are the risk groups: these are cut from the same z, and "
    "separate by construction."
)
MAX_SVG_POINTS = 2_000
MAX_GL_POINTS = 20_000
LABEL_MARGIN = 130
"""Pixels right of the plot for the names of cut-offs."""
LABEL_HEIGHT = 0.1
"""Smallest distance of two of them, as a share of the range of z."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HazardPoints:
    """Patients of the scatter, each shape (n,).

    Attributes
    ----------
    token : sequence of str
        Keyed hash of the patient, the only identifier that reaches the browser.
    z : float
        Hazard z-score; NaN where unscored.
    subtype : sequence of str or None, optional
        Column of the chart; None where not given. Without it, columns are ``stratum``.
    grade : sequence of str or None, optional
    stratum : sequence of str or None, optional
    """

    token: Sequence[str]
    z: Float64Array
    subtype: Sequence[str | None] | None = None
    grade: Sequence[str | None] | None = None
    stratum: Sequence[str | None] | None = None


def hazard_chart(
    points: HazardPoints,
    *,
    cutoffs: Mapping[str, float],
    theme: Theme,
    grades: Sequence[str] | None = None,
    current: str | None = None,
    on_demand: Collection[str] = (),
    column_title: str = "Subtype",
    unit: str = "one point per patient",
) -> Chart:
    """Draw the hazard z-score by subtype, coloured by grade.

    Parameters
    ----------
    points : HazardPoints
    cutoffs : mapping of label to z
        Frozen cut-offs, for example ``{"intermediate | high": 0.41}``.
    theme : {"light", "dark"}
    grades : sequence of str, optional
        Grades from low to high; by default roman numerals by value, other names sorted.
    current : str, optional
        Token of the case marked by a ring.
    on_demand : collection of str
        Tokens drawn as points where the cohort is too large for all of them.
    column_title, unit : str
        Title of the x axis; what one point is (patients, or patient and split).

    Notes
    -----
    Columns are ordered by their median; "not given" is the last one, never dropped. Jitter is a
    hash of the token, so that a point keeps its place. Up to 2,000 points are SVG, up to 20,000
    WebGL; above that a count per cell of the column stands for them.
    """
    frame = _frame(points)
    n_unscored = int((~np.isfinite(frame["z"])).sum())
    frame = frame[np.isfinite(frame["z"])].reset_index(drop=True)
    summary = _summary(frame, cutoffs)
    if frame.empty:
        finding = f"No patient has a score ({count(n_unscored, 'patient')} unscored)."
        return Chart(empty_figure("No scored patient", theme), finding, summary, "Hazard scatter")
    columns = _ordered_columns(frame, by_stratum=points.subtype is None)
    levels = list(grades) if grades is not None else ordered_grades(frame["grade"])
    figure = go.Figure()
    dense = len(frame) > MAX_GL_POINTS
    if dense:
        add_density(figure, frame, columns, theme)
        drawn = frame[frame["token"].isin([*on_demand, *([current] if current else [])])]
    else:
        drawn = frame
    by_column = [frame["z"].to_numpy()[frame["column"] == name] for name in columns]
    for place, z in enumerate(() if dense else by_column):
        add_violin(figure, z, place, theme)
    _add_points(figure, drawn, columns, levels, theme)
    for place, z in enumerate(by_column):
        add_median(figure, z, place, theme)
    marks = Marks(theme)
    if current is not None:
        _add_current(figure, marks, frame, columns, current)
    _finish(figure, marks, frame, columns, cutoffs, column_title)
    marks.put_on(figure)
    figure.update_yaxes(title_text=f"Hazard z-score ({escape(unit)})")
    return Chart(
        figure=figure,
        finding=_finding(frame, columns, n_unscored, points.subtype is None),
        table=summary,
        alt=f"Hazard z-score by {'risk group' if points.subtype is None else 'subtype'} and grade",
    )


def ordered_grades(grade: Collection[str]) -> list[str]:
    """Grades present, low to high: roman numerals by value, else by name; without "not given"."""
    present = set(grade) - {NOT_GIVEN}
    if present <= set(GRADE_ORDER):
        return [g for g in GRADE_ORDER if g in present]
    return sorted(present)


def jitter(token: str) -> float:
    """Place of a token between 0 and 1, the same in every session."""
    digest = hashlib.blake2b(token.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 0xFFFFFFFF


def _frame(points: HazardPoints) -> pd.DataFrame:
    n = len(points.token)
    column = points.subtype if points.subtype is not None else points.stratum
    return pd.DataFrame(
        {
            "token": list(points.token),
            "z": np.asarray(points.z, dtype=float),
            "column": _named(column, n),
            "grade": _named(points.grade, n),
        }
    )


def _named(values: Sequence[str | None] | None, n: int) -> list[str]:
    """Text of each value; missing ones (None, NaN, empty) become "not given"."""
    if values is None:
        return [NOT_GIVEN] * n
    return [NOT_GIVEN if v is None or v != v or not str(v).strip() else str(v) for v in values]


def _ordered_columns(frame: pd.DataFrame, *, by_stratum: bool) -> list[str]:
    """Order the columns and merge the smallest beyond `MAX_COLUMNS`, in place."""
    sizes = frame.loc[frame["column"] != NOT_GIVEN, "column"].value_counts()
    if len(sizes) > MAX_COLUMNS:
        frame.loc[frame["column"].isin(sizes.index[MAX_COLUMNS - 1 :]), "column"] = OTHER
    medians = frame.groupby("column")["z"].median().sort_values(kind="stable")
    names = [name for name in medians.index if name not in (NOT_GIVEN, OTHER)]
    if by_stratum and set(names) <= set(STRATUM_ROLES):
        names = [role for role in STRATUM_ROLES if role in names]
    return names + [name for name in (OTHER, NOT_GIVEN) if name in medians.index]


def _summary(frame: pd.DataFrame, cutoffs: Mapping[str, float]) -> pd.DataFrame:
    """Numbers of every column, whole and by grade."""
    rows = []
    whole = frame.assign(grade="all")
    for (column, grade), part in pd.concat([whole, frame]).groupby(["column", "grade"], sort=True):
        z = part["z"].to_numpy()
        z = z[np.isfinite(z)]
        if not len(z):
            continue
        q1, median, q3 = np.percentile(z, [25, 50, 75])
        rows.append(
            {
                "column": column,
                "grade": grade,
                "n": len(z),
                "median_z": median,
                "q1_z": q1,
                "q3_z": q3,
                "min_z": z.min(),
                "max_z": z.max(),
                **{f"at_or_above {k} ({v:+.2f})": int((z >= v).sum()) for k, v in cutoffs.items()},
            }
        )
    columns = ["column", "grade", "n", "median_z", "q1_z", "q3_z", "min_z", "max_z"]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)


def _positions(frame: pd.DataFrame, columns: Sequence[str]) -> Float64Array:
    place = frame["column"].map({name: i for i, name in enumerate(columns)}).to_numpy(float)
    offset = np.array([jitter(token) for token in frame["token"]], dtype=float)
    return np.asarray(place + POINT_START + (POINT_END - POINT_START) * offset, dtype=float)


def _add_points(
    figure: go.Figure,
    frame: pd.DataFrame,
    columns: Sequence[str],
    levels: Sequence[str],
    theme: Theme,
) -> None:
    """One trace per grade; ``customdata`` holds the token and nothing else."""
    p = palette(theme)
    trace = go.Scatter if len(frame) <= MAX_SVG_POINTS else go.Scattergl
    symbols = subtype_symbols(columns)
    styles: dict[str, GradeStyle] = grade_styles(levels, theme)
    styles[NOT_GIVEN] = GradeStyle(p.outline, fill=0.0, size=7)
    x = _positions(frame, columns)
    z = frame["z"].to_numpy()
    for grade, style in styles.items():
        rows = np.flatnonzero(frame["grade"] == grade)
        if not len(rows):
            continue
        part = frame.iloc[rows]
        add_grade_legend(figure, grade, style, f" (n = {len(rows):,})")
        figure.add_trace(
            trace(
                x=x[rows],
                y=z[rows],
                mode="markers",
                marker={
                    "symbol": [symbols[column] for column in part["column"]],
                    "size": style.size,
                    "color": rgba(style.color, style.fill),
                    "line": {"color": style.color, "width": 1.3},
                },
                unselected={"marker": {"opacity": 0.25}},
                legendgroup=grade,
                showlegend=False,
                meta="points",
                customdata=part["token"].tolist(),
                **hover_text(
                    [
                        f"{escape(column, limit=40)}, grade {escape(grade, limit=24)}"
                        f"<br>z = {signed(value)}"
                        for column, value in zip(part["column"], z[rows], strict=True)
                    ]
                ),
            )
        )


def _add_current(
    figure: go.Figure, marks: Marks, frame: pd.DataFrame, columns: Sequence[str], current: str
) -> None:
    """Ring and label of the case at hand, if it has a score."""
    own = frame[frame["token"] == current]
    if own.empty:
        return
    p = palette(marks.theme)
    x, y = float(_positions(own, columns)[0]), float(own["z"].iloc[0])
    figure.add_scatter(
        x=[x],
        y=[y],
        mode="markers",
        marker={
            "symbol": "circle-open",
            "size": 16,
            "color": p.text,
            "line": {"color": p.text, "width": 2.5},
        },
        showlegend=False,
        hoverinfo="skip",
        customdata=[current],
        meta="current",
    )
    marks.text(
        f"this case, z = {signed(y)}",
        x=x,
        y=y,
        showarrow=True,
        ax=0,
        ay=-26,
        arrowcolor=p.text,
        bgcolor=rgba(p.page, 0.85),
    )


def _finish(
    figure: go.Figure,
    marks: Marks,
    frame: pd.DataFrame,
    columns: Sequence[str],
    cutoffs: Mapping[str, float],
    column_title: str,
) -> None:
    p = palette(marks.theme)
    base_figure(figure, marks.theme, height=460)
    sizes = frame["column"].value_counts()
    figure.update_xaxes(
        range=[-0.5, len(columns) - 0.5],
        tickvals=list(range(len(columns))),
        ticktext=[f"{escape(name, limit=22)}<br>n = {sizes[name]:,}" for name in columns],
        title_text=escape(column_title, limit=40),
        showgrid=False,
    )
    if not cutoffs:
        return
    figure.update_layout(margin={"r": LABEL_MARGIN})
    gap = LABEL_HEIGHT * float(np.ptp(frame["z"]))
    heights = spread(list(cutoffs.values()), gap)
    for (label, value), height in zip(cutoffs.items(), heights, strict=True):
        marks.horizontal(value, color=p.muted)
        marks.text(
            f"{escape(label, limit=22)}<br>{signed(value)}",
            x=1,
            xref="paper",
            xanchor="left",
            xshift=4,
            y=height,
            yanchor="middle",
            align="left",
            color=p.muted,
        )


def _finding(frame: pd.DataFrame, columns: Sequence[str], n_unscored: int, by_stratum: bool) -> str:
    medians = frame.groupby("column")["z"].median().to_dict()
    sizes = frame["column"].value_counts()
    known = [name for name in columns if name != NOT_GIVEN]
    ends = [known[-1], known[0]] if len(known) > 1 else known
    parts = [f"{name} {signed(float(medians[name]))} (n = {sizes[name]:,})" for name in ends]
    word = "risk group" if by_stratum else "subtype"
    n_missing = int((frame["column"] == NOT_GIVEN).sum())
    text = (
        f"Median hazard z, highest to lowest: {listed(parts)}"
        if parts
        else f"No patient has a {word}"
    )
    return (
        f"{text}; {count(len(frame), 'patient')} scored"
        + (f", {word} not given for {n_missing:,}" if n_missing else "")
        + (f", {n_unscored:,} without a score" if n_unscored else "")
        + "."
        + (f" {BY_CONSTRUCTION}" if by_stratum else "")
    )
