"""Signed contributions of one case: by modality, by feature, and as a waterfall.

Records of contributions in log risk go in, a `Chart` comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from camlif.data.schema import Worse
from camlif.wording import count
from dashboard.figures.chart import Chart, escape, signed
from dashboard.figures.layout import (
    CHARACTER_PX,
    SMALL_FONT_SIZE,
    base_layout,
    empty_figure,
    hover_text,
    label_room,
)
from dashboard.figures.palette import (
    MISSING_PATTERN,
    Theme,
    modality_colors,
    palette,
    text_tone,
)
from dashboard.figures.sketch import Sketch

MAX_NAME = 38
MODALITY_ROW, FEATURE_ROW = 46, 42
AXIS_TITLE = "Contribution to log risk"
MIN_SPAN = 1e-6
LABEL_GAP, AXIS_PX, OUTSIDE_PX = 6, 56, 90
"""Pixels between labels and bars; below them for tick labels and title; above and below in all."""
GAP_TOLERANCE = 0.005
"""Smallest difference of sum and score that a waterfall shows: what rounds to 0.01."""
PLOT_PX = 320
"""Plot width that labels outside bars are planned for, the narrowest supported screen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureContribution:
    """Contribution of one feature to one case.

    Attributes
    ----------
    name : str
        Display name; untrusted.
    contribution : float
        In log risk.
    value : float, str or None
        Raw value; None where missing.
    unit : str
    percentile : float or None
        Of the value among training patients, of a clinical one within the cohort; 0 to 100.
    column : str
        What tables and models call it; untrusted.
    group : str
        Display name of its feature group; untrusted.
    worse : {"", "higher", "lower"}
        Which direction is known to be worse.
    n_features : int
        More than one where it stands for a feature group.
    """

    name: str
    contribution: float
    value: float | str | None = None
    unit: str = ""
    percentile: float | None = None
    column: str = ""
    group: str = ""
    worse: Worse = ""
    n_features: int = 1

    @property
    def value_text(self) -> str:
        """Raw value with unit and cohort percentile, or ``(missing)``."""
        if self.value is None:
            return "(missing)"
        shown = _figures(self.value) if isinstance(self.value, int | float) else self.value
        text = f"{shown} {self.unit}".strip()
        if self.percentile is not None:
            text = f"{text}, {ordinal(self.percentile)} percentile"
        return f"{text}; {self.worse} is worse" if self.worse else text


def modality_bars(
    contributions: Mapping[str, float], *, theme: Theme, baseline: str = "the training median"
) -> Chart:
    """Draw the contribution of every modality of one case, with its direction in words.

    Parameters
    ----------
    contributions : mapping of modality to float
        Exact Shapley values in log risk.
    theme : {"light", "dark"}
    baseline : str
        What the case is compared with.
    """
    names = sorted(contributions, key=lambda name: -abs(contributions[name]))
    values = [float(contributions[name]) for name in names]
    colors = modality_colors(list(contributions), theme)
    labels = [
        f'<span style="color:{colors[name]}">■</span> {escape(name, limit=MAX_NAME)}'
        for name in names
    ]
    table = pd.DataFrame(
        {"modality": names, "contribution": values, "direction": [direction(v) for v in values]}
    )
    alt = "Contribution of each modality to this case"
    if not names:
        return Chart(empty_figure("No modality", theme), "No modality is explained.", table, alt)
    sketch = Sketch()
    # On two lines: beside a long name the column leaves little room.
    add_bars(sketch, labels, values, [f"{signed(v)}<br>{direction(v)}" for v in values], theme)
    frame_bars(sketch, labels, values, theme, row_height=MODALITY_ROW, longest=len("raises risk"))
    parts = [f"{n} {direction(v)} ({signed(v)})" for n, v in zip(names, values, strict=True)]
    finding = f"Against {baseline}: {', '.join(parts)}; sum {signed(sum(values))} in log risk."
    return Chart(sketch.figure(), finding, table, alt)


def feature_bars(
    features: Sequence[FeatureContribution],
    *,
    theme: Theme,
    k: int = 10,
) -> Chart:
    """Draw the k features that contribute most, and the sums of all others by feature group.

    Parameters
    ----------
    features : sequence of FeatureContribution
        All features of the case, in any order.
    theme : {"light", "dark"}
    k : int
        Features drawn singly.
    """
    ordered = sorted(features, key=lambda f: -abs(f.contribution))
    top, rest = ordered[:k], ordered[k:]
    alt = f"The {count(len(top), 'feature')} that contribute most to this case"
    if not top:
        table = _feature_table(top, [])
        return Chart(empty_figure("No feature", theme), "No feature is explained.", table, alt)
    labels = [_feature_label(f, theme) for f in top]
    values = [f.contribution for f in top]
    sketch = Sketch()
    others = _others(rest)
    labels += [escape(name, limit=MAX_NAME) for name, _ in others]
    values += [value for _, value in others]
    texts = [signed(v) for v in values]
    hovers = [
        f"{escape(f.name, limit=80)}<br>{escape(f.value_text)}<br>"
        f"{signed(f.contribution)} in log risk: {direction(f.contribution)}"
        for f in top
    ] + [f"{escape(name, limit=80)}<br>sum {signed(value)} in log risk" for name, value in others]
    patterns = [MISSING_PATTERN if f.value is None else "" for f in top] + ["."] * len(others)
    add_bars(sketch, labels, values, texts, theme, patterns=patterns, hovers=hovers)
    frame_bars(sketch, labels, values, theme, row_height=FEATURE_ROW, longest=6)
    return Chart(sketch.figure(), _feature_finding(top[0], rest), _feature_table(top, others), alt)


def _feature_finding(first: FeatureContribution, rest: Sequence[FeatureContribution]) -> str:
    """Name the largest single feature, never without what the others come to."""
    said = (
        f"Largest single feature: {first.name} ({first.value_text}), "
        f"{signed(first.contribution)}, {direction(first.contribution)}."
    )
    if not rest:
        return said
    remainder = signed(sum(f.contribution for f in rest))
    return f"{said} {count(len(rest), 'feature')} not drawn singly: {remainder}."


def _others(rest: Sequence[FeatureContribution]) -> list[tuple[str, float]]:
    """What features that are not drawn singly come to, by feature group, the largest first."""
    groups: dict[str, list[float]] = {}
    for feature in rest:
        groups.setdefault(feature.group, []).append(feature.contribution)
    named = [
        (f"{len(values):,} more" + (f" of {group}" if group else ""), sum(values))
        for group, values in groups.items()
    ]
    return sorted(named, key=lambda item: -abs(item[1]))


def waterfall(
    features: Sequence[FeatureContribution],
    *,
    baseline: float,
    total: float,
    theme: Theme,
    k: int = 10,
) -> Chart:
    """Draw how contributions lead from the baseline to the log risk of the case.

    Parameters
    ----------
    features : sequence of FeatureContribution
    baseline, total : float
        Log risk of the baseline and of the case. What the contributions leave unexplained becomes
        a row of its own.
    theme : {"light", "dark"}
    k : int
        Features drawn singly.
    """
    p = palette(theme)
    ordered = sorted(features, key=lambda f: -abs(f.contribution))
    top, rest = ordered[:k], ordered[k:]
    rows = [(_feature_label(f, theme), f.name, f.contribution) for f in top]
    rows += [(escape(name, limit=MAX_NAME), name, value) for name, value in _others(rest)]
    gap = total - baseline - sum(f.contribution for f in ordered)
    if abs(gap) >= GAP_TOLERANCE:
        rows.append(("not attributed", "not attributed", gap))
    labels = ["baseline", *(label for label, _, _ in rows), "log risk of this case"]
    values = [baseline, *(value for _, _, value in rows), total]
    texts = [signed(v) for v in values]
    sketch = Sketch()
    sketch.add(
        "waterfall",
        orientation="h",
        y=list(range(len(labels))),
        x=values,
        measure=["absolute", *["relative"] * len(rows), "total"],
        text=texts,
        textposition="outside",
        textfont={"size": SMALL_FONT_SIZE, "color": p.text},
        cliponaxis=False,
        increasing={"marker": {"color": p.raises}},
        decreasing={"marker": {"color": p.lowers}},
        totals={"marker": {"color": p.outline}},
        connector={"line": {"color": p.muted, "width": 1, "dash": "dot"}},
        meta="waterfall",
        **hover_text([f"{label}<br>{text}" for label, text in zip(labels, texts, strict=True)]),
    )
    levels = np.cumsum(values[:-1]).tolist()
    ends = [*levels, total]
    frame_bars(sketch, labels, ends, theme, row_height=FEATURE_ROW, longest=6, title="Log risk")
    return Chart(
        figure=sketch.figure(),
        finding=(
            f"Log risk {signed(total)} = baseline {signed(baseline)} "
            f"{signed(sum(f.contribution for f in ordered))} from {count(len(ordered), 'feature')}"
            + (f" {signed(gap)} not attributed" if abs(gap) >= GAP_TOLERANCE else "")
            + "."
        ),
        table=pd.DataFrame(
            {
                "row": ["baseline", *(name for _, name, _ in rows), "log risk of this case"],
                "log_risk": values,
            }
        ),
        alt="From the baseline to the log risk of this case",
    )


def whole_percentile(percentile: float) -> int:
    """Round a percentile; 0 only where nothing is below, 100 only where nothing is above."""
    return round(percentile) if percentile in (0, 100) else min(max(round(percentile), 1), 99)


def ordinal(percentile: float) -> str:
    """Return a percentile as ``1st``, ``42nd``, ``13th``; see `whole_percentile`."""
    n = whole_percentile(percentile)
    if 10 <= n % 100 <= 20:
        return f"{n}th"
    return f"{n}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th') }"


def _figures(value: float) -> str:
    """Three significant digits, without an exponent below a million."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def direction(value: float) -> str:
    """Say what a contribution does, as far as two digits show it."""
    if float(f"{abs(value):.2f}") == 0:
        return "no change"
    return "raises risk" if value > 0 else "lowers risk"


def _feature_label(feature: FeatureContribution, theme: Theme) -> str:
    muted = palette(theme).muted
    return (
        f"{escape(feature.name, limit=MAX_NAME)}<br>"
        f'<span style="color:{muted}">{escape(feature.value_text, limit=MAX_NAME)}</span>'
    )


def _feature_table(
    top: Sequence[FeatureContribution], others: Sequence[tuple[str, float]]
) -> pd.DataFrame:
    rows = [
        {
            "feature": f.name,
            "group": f.group,
            "column": f.column,
            "value": None if f.value is None else str(f.value),
            "unit": f.unit,
            "percentile": f.percentile,
            "contribution": f.contribution,
        }
        for f in top
    ]
    rows += [{"feature": name, "unit": "", "contribution": value} for name, value in others]
    columns = ["feature", "group", "column", "value", "unit", "percentile", "contribution"]
    return pd.DataFrame(rows, columns=columns)


def add_bars(
    sketch: Sketch,
    labels: Sequence[str],
    values: Sequence[float],
    texts: Sequence[str],
    theme: Theme,
    *,
    patterns: Sequence[str] | None = None,
    hovers: Sequence[str] | None = None,
    spread: Sequence[float] | None = None,
) -> None:
    """Draw one signed bar per row, with a line of ``spread`` to both sides where given.

    Parameters
    ----------
    sketch : Sketch
    labels, texts : sequence of str
        Name of each row, and what stands at the end of its bar, as markup: names from files are
        escaped before.
    values : sequence of float
        Contributions in log risk.
    theme : {"light", "dark"}
    patterns, hovers : sequence of str, optional
        Fill of each bar, and its text on hover.
    spread : sequence of float, optional
        Half-length of each bar's line, in log risk.
    """
    p = palette(theme)
    tones = [p.raises if v > 0 else p.lowers for v in values]
    sketch.add(
        "bar",
        orientation="h",
        x=list(values),
        y=list(range(len(labels))),
        width=0.6,
        marker={
            "color": tones,
            "line": {"color": tones, "width": 1},
            "pattern": {
                "shape": list(patterns or [""] * len(values)),
                "fillmode": "overlay",
                "fgcolor": p.page,
                "size": 7,
            },
        },
        text=list(texts),
        textposition="outside",
        textfont={
            "size": SMALL_FONT_SIZE,
            "color": [text_tone(tone, theme) for tone in tones],
        },
        cliponaxis=False,
        error_x=None
        if spread is None
        else {"array": list(spread), "color": p.text, "thickness": 1.5, "width": 4},
        meta="contributions",
        **hover_text(hovers or [f"{a}<br>{b}" for a, b in zip(labels, texts, strict=True)]),
    )


def frame_bars(
    sketch: Sketch,
    labels: Sequence[str],
    values: Sequence[float],
    theme: Theme,
    *,
    row_height: int,
    longest: int,
    title: str = AXIS_TITLE,
) -> None:
    """Frame bars: first row on top, room beyond their ends for so many characters.

    Parameters
    ----------
    sketch, labels, values, theme
        As in `add_bars`.
    row_height : int
        Pixels.
    longest : int
        Characters of the longest text at a bar's end.
    title : str
        Of the axis.
    """
    low, high = min(0.0, *values), max(0.0, *values)
    span = max(high - low, MIN_SPAN)
    sides = (low < 0) + (high > 0)
    share = min(CHARACTER_PX * longest / PLOT_PX, 0.3)
    pad = span * share / (1 - sides * share)
    axes = {
        "margin": {"l": label_room(labels, LABEL_GAP), "b": AXIS_PX},
        "xaxis": {
            "range": [low - pad * (low < 0) - 0.03 * span, high + pad * (high > 0) + 0.03 * span],
            "title": {"text": title},
            "zeroline": True,
            "zerolinecolor": palette(theme).text,
            "zerolinewidth": 1,
        },
        "yaxis": {
            "range": [len(labels) - 0.5, -0.5],
            "tickvals": list(range(len(labels))),
            "ticktext": list(labels),
            "showgrid": False,
            "showline": False,
            "ticklabelstandoff": LABEL_GAP,
        },
    }
    height = OUTSIDE_PX + row_height * len(labels)
    sketch.layout = base_layout(sketch.layout, theme, height=height, legend=False, layout=axes)
