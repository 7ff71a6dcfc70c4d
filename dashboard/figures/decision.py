"""Decision curve: net benefit of flagging by the model, everyone, or nobody.

A `DecisionCurve` goes in, a `Chart` comes out (Vickers and Elkin, Medical Decision Making 2006).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from camlif.wording import count, period
from dashboard.figures.chart import Chart
from dashboard.figures.layout import base_figure, hover_text
from dashboard.figures.palette import Theme, palette

if TYPE_CHECKING:
    from camlif.statistics import DecisionCurve

HEIGHT = 360
FLOOR = -0.05
"""Net benefit below it is not shown: flagging everyone falls without bound."""


def decision_chart(curve: DecisionCurve, *, event_noun: str, theme: Theme) -> Chart:
    """Draw net benefit by threshold.

    Parameters
    ----------
    curve : DecisionCurve
    event_noun : str
        What is predicted ("death").
    theme : {"light", "dark"}
    """
    p = palette(theme)
    percent = 100 * curve.thresholds
    figure = go.Figure()
    for values, name, color, dash, width in (
        (np.zeros(len(percent)), "flag nobody", p.outline, "dot", 1.5),
        (curve.everyone, "flag everyone", p.intermediate, "dash", 2),
        (curve.model, "flag by the model", p.low, "solid", 2.5),
    ):
        figure.add_scatter(
            x=percent,
            y=values,
            mode="lines",
            line={"color": color, "dash": dash, "width": width},
            name=name,
            meta=name,
            **hover_text(
                [
                    f"{name}, risk from {t:.0f} %: net benefit {v:.3f}"
                    for t, v in zip(percent, values, strict=True)
                ]
            ),
        )
    base_figure(figure, theme, height=HEIGHT)
    top = float(np.nanmax([*curve.model, *curve.everyone, 0.05]))
    figure.update_yaxes(range=[FLOOR, 1.08 * top], title_text="Net benefit per patient")
    figure.update_xaxes(
        title_text="Predicted risk from which a patient is flagged", ticksuffix=" %"
    )
    table = pd.DataFrame(
        {
            "threshold": curve.thresholds,
            "model": curve.model,
            "everyone": curve.everyone,
            "flagged": curve.n_flagged,
        }
    )
    when = period(curve.horizon)
    return Chart(
        figure, _finding(curve, event_noun, when), table, f"Decision curve for risk at {when}"
    )


def _finding(curve: DecisionCurve, event_noun: str, when: str) -> str:
    better = curve.model > np.maximum(curve.everyone, 0)  # NaN is not better
    who = f"{count(curve.n_patients, 'patient')}, {count(curve.n_events, 'event')} by {when}"
    if not better.any():
        return (
            f"At no threshold does flagging by the model gain more than flagging everyone or "
            f"nobody ({event_noun} by {when}; {who})."
        )
    shown = 100 * curve.thresholds[better]
    gaps = (
        ""
        if better[np.flatnonzero(better)[0] : np.flatnonzero(better)[-1] + 1].all()
        else (", with gaps")
    )
    return (
        f"Flagging by the model gains most for thresholds from {shown[0]:.0f} to {shown[-1]:.0f} % "
        f"risk of {event_noun} by {when}{gaps} ({who})."
    )
