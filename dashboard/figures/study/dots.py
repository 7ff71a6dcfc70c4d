"""Dot and interval per variant: this run's splits and mean, and apart from them the printed value.

Rows of a study and printed values go in, a `Chart` comes out.

A mean of this run and a value printed in the paper belong to different patients; they are different
marks and never enter one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from camlif.wording import count
from dashboard.figures.agreement import stack
from dashboard.figures.chart import Chart, escape
from dashboard.figures.layout import (
    CHARACTER_PX,
    Marks,
    base_figure,
    empty_figure,
    hover_text,
)
from dashboard.figures.palette import Theme, palette, rgba, text_tone
from dashboard.figures.study.rows import Key, Measure, StudyRow

ROW_HEIGHT, SECTION_HEIGHT = 40, 30
"""Pixels of a row and of a section's heading."""
FRAME_HEIGHT = 130
STACK_WIDTH = 0.012
"""Dots of splits closer than this share of the axis are stacked."""
STACK_STEP = 0.09
SPLITS_Y = -0.18
"""Where the dots of splits start below their row's line."""
MAX_STACK = 4
BREAK_SHARE = 0.12
"""Share of the zoomed range left of it that holds the anchor and the break mark."""
MAX_TITLE = 34
PAPER_MARK = "printed in the paper, other patients"


@dataclass(frozen=True, slots=True)
class ZoomedAxis:
    """A value axis that leaves out the stretch between its anchor and the data.

    Attributes
    ----------
    start : float
        Left end of the axis.
    low, high : float
        Ends of the zoomed part.
    anchor_at : float
        Where the anchor is drawn: at its own value where nothing is left out.
    broken : bool
    """

    start: float
    low: float
    high: float
    anchor_at: float
    broken: bool

    @classmethod
    def around(cls, values: Sequence[float], anchor: float) -> ZoomedAxis:
        """Zoom to the values; without a break where the anchor is close to them."""
        low, high = min(values), max(values)
        margin = max(0.06 * (high - low), 0.005)
        low, high = low - margin, high + margin
        if low - anchor <= BREAK_SHARE * (high - low):
            start = min(low, anchor - margin)
            return cls(start, low, high, anchor, broken=False)
        gap = BREAK_SHARE * (high - low)
        return cls(low - 1.15 * gap, low, high, low - 0.9 * gap, broken=True)

    @property
    def ticks(self) -> list[float]:
        """Round values in the zoomed part, four to nine of them."""
        span = self.high - self.low
        step = next(
            s for s in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if span / s <= 8 or s == 1.0
        )
        first = int(np.ceil(self.low / step - 1e-9))
        return [round(k * step, 6) for k in range(first, int(np.floor(self.high / step)) + 1)]


def dot_chart(
    rows: Sequence[StudyRow],
    measure: Measure,
    *,
    theme: Theme,
    reference: Key | None = None,
    printed_of: str = "",
    not_comparable: str = "",
) -> Chart:
    """Draw every variant's mean with its interval above the dots of its splits.

    Parameters
    ----------
    rows : sequence of StudyRow
        From top to bottom; rows of one section are neighbours.
    measure : Measure
    theme : {"light", "dark"}
    reference : key, optional
        Row whose mean is carried through the chart as a dotted line.
    printed_of : str
        Cohort of the printed values, for the finding.
    not_comparable : str
        Written on the chart where it has printed values: why they do not compare with this run.

    Notes
    -----
    Filled dot: mean over this run's splits, with the 95 % interval of Nadeau and Bengio. Thin dots:
    splits. Hollow diamond: value printed in the paper.
    """
    alt = f"{measure.label} of {count(len(rows), 'variant')}: mean, interval and splits"
    if not rows:
        finding = f"No variant has a {measure.label} in the splits chosen."
        return Chart(empty_figure("Nothing to show", theme), finding, _table(rows), alt)
    places, headings = _places(rows)
    shown = [v for row in rows for v in _drawn_values(row)]
    axis = ZoomedAxis.around(shown, measure.anchor)
    figure, marks = go.Figure(), Marks(theme)
    _add_splits(figure, rows, places, axis, measure, theme)
    _add_means(figure, rows, places, measure, theme)
    _add_printed(figure, rows, places, theme)
    lowest = -sum(h for h in _heights(rows))
    warns = bool(not_comparable) and any(row.printed is not None for row in rows)
    top = SECTION_HEIGHT / ROW_HEIGHT if warns else 0.1
    base_figure(figure, theme, height=FRAME_HEIGHT + int(ROW_HEIGHT * (top - lowest)))
    _set_axes(figure, rows, places, axis, measure, (lowest - 0.1, top))
    _mark_axis(marks, axis)
    _mark_rows(marks, rows, places, headings, reference)
    if warns:
        _warn(marks, not_comparable)
    marks.put_on(figure)
    longest = max(len(row.text) for row in rows)
    figure.update_layout(margin={"r": 16 + int(CHARACTER_PX * longest)})
    return Chart(figure, _finding(rows, measure, printed_of), _table(rows), alt)


def _warn(marks: Marks, text: str) -> None:
    """Write a warning where no row is: above the first heading."""
    marks.text(
        escape(text),
        x=1,
        xref="paper",
        xanchor="right",
        y=1,
        yref="y domain",
        yanchor="top",
        color=text_tone(palette(marks.theme).raises, marks.theme),
    )


def _heights(rows: Sequence[StudyRow]) -> list[float]:
    """Room of each row in units of a row, with its section's heading."""
    heading = SECTION_HEIGHT / ROW_HEIGHT
    return [
        1.0 + (heading if k == 0 or row.section != rows[k - 1].section else 0.0)
        for k, row in enumerate(rows)
    ]


def _places(rows: Sequence[StudyRow]) -> tuple[list[float], dict[float, str]]:
    """Height of every row, and of every section's heading."""
    places, headings, y = [], {}, 0.0
    for k, (row, height) in enumerate(zip(rows, _heights(rows), strict=True)):
        if k == 0 or row.section != rows[k - 1].section:
            headings[y - 0.5 * (height - 1.0)] = row.section
        y -= height
        places.append(y + 0.5)
    return places, headings


def _drawn_values(row: StudyRow) -> list[float]:
    ends = [row.interval.low, row.interval.high] if row.interval is not None else []
    printed = [row.printed] if row.printed is not None else []
    return [*row.values.tolist(), *ends, *printed]


def _add_splits(
    figure: go.Figure,
    rows: Sequence[StudyRow],
    places: Sequence[float],
    axis: ZoomedAxis,
    measure: Measure,
    theme: Theme,
) -> None:
    """Thin dots, stacked downwards below their row's line."""
    p = palette(theme)
    x, y, texts = [], [], []
    for row, place in zip(rows, places, strict=True):
        level = stack(row.values, STACK_WIDTH * (axis.high - axis.start)) % MAX_STACK
        x += row.values.tolist()
        y += (place + SPLITS_Y - STACK_STEP * level).tolist()
        title = escape(row.title, limit=60)
        texts += [
            f"{title}<br>split {split + 1}: {escape(measure.label)} {value:.3f}"
            for split, value in zip(row.split.tolist(), row.values, strict=True)
        ]
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"symbol": "circle-open", "size": 6, "color": p.outline, "line": {"width": 1}},
        name="one split of this run",
        meta="splits",
        **hover_text(texts),
    )


def _add_means(
    figure: go.Figure,
    rows: Sequence[StudyRow],
    places: Sequence[float],
    measure: Measure,
    theme: Theme,
) -> None:
    p = palette(theme)
    low = [row.interval.low if row.interval else row.mean for row in rows]
    high = [row.interval.high if row.interval else row.mean for row in rows]
    means = [row.mean for row in rows]
    figure.add_scatter(
        x=means,
        y=list(places),
        mode="markers",
        marker={"symbol": "circle", "size": 11, "color": p.low},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [h - m for h, m in zip(high, means, strict=True)],
            "arrayminus": [m - v for m, v in zip(means, low, strict=True)],
            "color": p.low,
            "thickness": 2,
            "width": 5,
        },
        name="mean of this run, 95 % interval",
        meta="means",
        **hover_text(
            [
                f"{escape(row.title, limit=60)}<br>{escape(measure.label)} {escape(row.text)}"
                f"<br>{count(len(row.values), 'split')}"
                for row in rows
            ]
        ),
    )


def _add_printed(
    figure: go.Figure, rows: Sequence[StudyRow], places: Sequence[float], theme: Theme
) -> None:
    found = [(row, y) for row, y in zip(rows, places, strict=True) if row.printed is not None]
    if not found:
        return
    p = palette(theme)
    figure.add_scatter(
        x=[row.printed for row, _ in found],
        y=[y for _, y in found],
        mode="markers",
        marker={
            "symbol": "diamond-open",
            "size": 12,
            "color": p.raises,
            "line": {"color": p.raises, "width": 2},
        },
        name=PAPER_MARK,
        meta="printed",
        **hover_text(
            [
                f"{escape(row.title, limit=60)}<br>{PAPER_MARK}: {row.printed:.3f}"
                for row, _ in found
            ]
        ),
    )


def _set_axes(
    figure: go.Figure,
    rows: Sequence[StudyRow],
    places: Sequence[float],
    axis: ZoomedAxis,
    measure: Measure,
    extent: tuple[float, float],
) -> None:
    anchor = f"{measure.anchor:g}<br>{escape(measure.anchor_word)}"
    ticks = [tick for tick in axis.ticks if axis.broken or abs(tick - measure.anchor) > 1e-9]
    direction = "higher" if measure.better > 0 else "lower"
    figure.update_xaxes(
        range=[axis.start, axis.high],
        tickvals=[axis.anchor_at, *ticks],
        ticktext=[anchor, *(f"{tick:g}" for tick in ticks)],
        title_text=f"{escape(measure.label)} on held-out patients ({direction} is better)",
    )
    figure.update_yaxes(
        range=list(extent),
        tickvals=list(places),
        ticktext=[escape(row.title, limit=MAX_TITLE) for row in rows],
        showgrid=False,
    )


def _mark_axis(marks: Marks, axis: ZoomedAxis) -> None:
    """Draw the anchor, and break the axis between it and the zoomed part."""
    p = palette(marks.theme)
    marks.vertical(axis.anchor_at, color=p.muted, dash="dot")
    if axis.broken:
        marks.text(
            "//",
            x=(axis.anchor_at + axis.low) / 2,
            y=0,
            yref="y domain",
            yanchor="middle",
            bgcolor=p.page,
        )


def _mark_rows(
    marks: Marks,
    rows: Sequence[StudyRow],
    places: Sequence[float],
    headings: dict[float, str],
    reference: Key | None,
) -> None:
    p = palette(marks.theme)
    for row, y in zip(rows, places, strict=True):
        marks.text(escape(row.text), x=1, xref="paper", xanchor="left", xshift=8, y=y)
        if row.key == reference:
            marks.vertical(row.mean, color=p.low, dash="dot")
    for y, section in headings.items():
        marks.text(
            escape(section, limit=60),
            x=0,
            xref="paper",
            xanchor="left",
            y=y,
            yanchor="middle",
            color=p.muted,
            bgcolor=rgba(p.page, 0.75),
        )


def _table(rows: Sequence[StudyRow]) -> pd.DataFrame:
    """One row per variant and split, then its mean; printed values in a column of their own."""
    records = []
    for row in rows:
        names = dict(zip(("method", "variant", "head"), row.key, strict=True))
        shared = {"section": row.section, "title": row.title, **names}
        limits = (
            {"lower": row.interval.low, "upper": row.interval.high, "sd": row.interval.sd}
            if row.interval is not None
            else {"lower": np.nan, "upper": np.nan, "sd": np.nan}
        )
        printed = np.nan if row.printed is None else row.printed
        mean = {"split": "mean", "value": row.mean, **limits, "printed_in_paper": printed}
        records.append(shared | mean)
        records += [
            shared | {"split": str(split + 1), "value": value}
            for split, value in zip(row.split.tolist(), row.values.tolist(), strict=True)
        ]
    columns = ["section", "title", "method", "variant", "head", "split", "value", "lower"]
    return pd.DataFrame(records, columns=[*columns, "upper", "sd", "printed_in_paper"])


def _finding(rows: Sequence[StudyRow], measure: Measure, printed_of: str) -> str:
    best = max(rows, key=lambda row: measure.better * row.mean)
    word = "Highest" if measure.better > 0 else "Lowest"
    n = {len(row.values) for row in rows}
    splits = count(max(n), "split") if len(n) == 1 else f"{min(n)} to {count(max(n), 'split')}"
    text = (
        f"{word} mean {measure.label} of {count(len(rows), 'row')}: {best.title} {best.text}, "
        f"{splits} of this run"
    )
    n_printed = sum(row.printed is not None for row in rows)
    if n_printed:
        text += f"; {count(n_printed, 'hollow mark')} printed in the paper" + (
            f" for {printed_of}" if printed_of else ""
        )
    return f"{text}."
