"""Discrimination and error over the years of follow-up.

A `PerformanceOverTime` goes in, a `Chart` comes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go

from camlif.wording import MONTHS_PER_YEAR, count, listed, period
from dashboard.figures.chart import Chart
from dashboard.figures.discrimination import CHANCE
from dashboard.figures.layout import base_figure, empty_figure, hover_text
from dashboard.figures.palette import Theme, palette

if TYPE_CHECKING:
    from camlif.statistics import HorizonPerformance, PerformanceOverTime

HEIGHT = 320
NOT_DEFINED = "Not defined at any horizon"


def auc_chart(result: PerformanceOverTime, *, theme: Theme) -> Chart:
    """Draw the time-dependent AUC with its bootstrap interval at every horizon.

    Parameters
    ----------
    result : PerformanceOverTime
    theme : {"light", "dark"}
    """
    p = palette(theme)
    table = _table(result)[["years", "auc", "lower", "upper", "cases", "controls"]]
    alt = "AUC over time"
    known = [h for h in result.horizons if h.auc is not None]
    if not known:
        finding = "The AUC is defined at no horizon: it needs events before and follow-up beyond."
        return Chart(empty_figure(NOT_DEFINED, theme), finding, table, alt)
    figure = go.Figure()
    value = [h.auc or 0.0 for h in known]
    figure.add_scatter(
        x=[h.horizon / MONTHS_PER_YEAR for h in known],
        y=value,
        mode="lines+markers",
        line={"color": p.low, "width": 1.5, "dash": "dot"},
        marker={"symbol": "circle", "size": 10, "color": p.low},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [(h.high or v) - v for h, v in zip(known, value, strict=True)],
            "arrayminus": [v - (h.low or v) for h, v in zip(known, value, strict=True)],
            "color": p.low,
            "thickness": 1.5,
        },
        name="AUC, 95 % bootstrap interval",
        meta="auc",
        **hover_text([_auc_words(h) for h in known]),
    )
    figure.add_hline(y=CHANCE, line={"color": p.muted, "dash": "dash", "width": 1})
    base_figure(figure, theme, height=HEIGHT)
    lowest = min(
        CHANCE, *(h.low if h.low is not None else v for h, v in zip(known, value, strict=True))
    )
    figure.update_yaxes(range=[lowest - 0.03, 1.0], title_text="AUC")
    _years(figure, result)
    figure.add_annotation(
        x=1,
        xref="paper",
        xanchor="right",
        y=CHANCE,
        yanchor="bottom",
        text="0.5: chance",
        showarrow=False,
        font={"color": p.muted},
    )
    said = listed([f"{h.auc:.2f} at {period(h.horizon)}" for h in (known[0], known[-1])])
    finding = (
        f"AUC {said if len(known) > 1 else f'{known[0].auc:.2f} at {period(known[0].horizon)}'} "
        f"({count(result.n_patients, 'patient')}, {count(result.n_events, 'event')})."
    )
    return Chart(figure, finding, table, alt)


def _auc_words(h: HorizonPerformance) -> str:
    bounds = "" if h.low is None or h.high is None else f" ({h.low:.2f} to {h.high:.2f})"
    return (
        f"{period(h.horizon)}: {h.auc:.3f}{bounds}<br>{count(h.n_cases, 'event')} before, "
        f"{h.n_controls:,} followed beyond"
    )


def brier_chart(result: PerformanceOverTime, *, theme: Theme) -> Chart:
    """Draw the Brier score of the predictions and of the Kaplan-Meier estimate for everyone.

    Parameters
    ----------
    result : PerformanceOverTime
    theme : {"light", "dark"}
    """
    p = palette(theme)
    table = _table(result)[["years", "brier", "kaplan_meier"]]
    alt = "Brier score over time"
    known = [h for h in result.horizons if h.brier is not None and h.null is not None]
    if not known:
        finding = "The Brier score is defined at no horizon: nobody is followed beyond."
        return Chart(empty_figure(NOT_DEFINED, theme), finding, table, alt)
    figure = go.Figure()
    years = [h.horizon / MONTHS_PER_YEAR for h in known]
    for values, name, color, dash, symbol in (
        (
            [h.null for h in known],
            "Kaplan-Meier, the same for everyone",
            p.outline,
            "dash",
            "square",
        ),
        ([h.brier for h in known], "model", p.low, "solid", "circle"),
    ):
        figure.add_scatter(
            x=years,
            y=values,
            mode="lines+markers",
            line={"color": color, "dash": dash, "width": 2},
            marker={"symbol": symbol, "size": 9, "color": color},
            name=name,
            meta="model" if name == "model" else "null",
            **hover_text(
                [
                    f"{name}, {period(h.horizon)}: {v:.3f}"
                    for h, v in zip(known, values, strict=True)
                ]
            ),
        )
    base_figure(figure, theme, height=HEIGHT)
    top = max(max(h.null or 0.0, h.brier or 0.0) for h in known)
    figure.update_yaxes(range=[0, 1.15 * top or 1], title_text="Brier score (0 is perfect)")
    _years(figure, result)
    return Chart(figure, _brier_finding(result, known), table, alt)


def _brier_finding(result: PerformanceOverTime, known: list[HorizonPerformance]) -> str:
    if result.ibs is None or result.null_ibs is None or result.first is None:
        last = known[-1]
        return (
            f"Brier score {last.brier:.3f} at {period(last.horizon)}, against {last.null:.3f} "
            "for Kaplan-Meier."
        )
    years = [f"{months / MONTHS_PER_YEAR:g}" for months in (result.first, result.last or 0)]
    scores = (
        f"Brier score over years {' to '.join(years)}: {result.ibs:.3f}; Kaplan-Meier "
        f"{result.null_ibs:.3f}"
    )
    if result.null_ibs == 0:  # nobody has the event within these years
        return f"{scores}."
    change = 100 * (1 - result.ibs / result.null_ibs)
    word = "less" if change > 0 else "more"
    return f"{scores} ({abs(change):.0f} % {word} error)."


def _years(figure: go.Figure, result: PerformanceOverTime) -> None:
    years = [h.horizon / MONTHS_PER_YEAR for h in result.horizons]
    figure.update_xaxes(
        range=[min(years) - 0.3, max(years) + 0.3], tickvals=years, title_text="Years"
    )


def _table(result: PerformanceOverTime) -> pd.DataFrame:
    rows = [
        (
            h.horizon / MONTHS_PER_YEAR,
            h.auc,
            h.low,
            h.high,
            h.n_cases,
            h.n_controls,
            h.brier,
            h.null,
        )
        for h in result.horizons
    ]
    names = ["years", "auc", "lower", "upper", "cases", "controls", "brier", "kaplan_meier"]
    table = pd.DataFrame(rows, columns=names)
    return table.astype({name: float for name in names if name not in ("cases", "controls")})
