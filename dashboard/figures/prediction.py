"""One patient's predicted survival curve over Kaplan-Meier curves.

Times and probabilities go in; a curve is added to a figure, or None where there is none to show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from camlif.data.schema import Endpoint
from camlif.wording import of_100
from dashboard.figures.chart import Chart
from dashboard.figures.layout import Marks, TimeAxis, base_figure, coordinates, hover_text
from dashboard.figures.palette import Theme, palette, rgba
from dashboard.figures.sketch import Sketch
from dashboard.figures.survival_lines import BAND_OPACITY

THIS_CASE = "this case (predicted)"
ALONE_HEIGHT = 170


@dataclass(frozen=True, slots=True)
class PredictedCurve:
    """One patient's predicted curve: months and probabilities, each shape (t,), t >= 2.

    ``low`` and ``high`` are NaN where no interval is given.
    """

    times: NDArray[np.float64]
    survival: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def shown(
        cls,
        times: ArrayLike,
        survival: ArrayLike,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
    ) -> PredictedCurve | None:
        """Keep the part that may be shown (not NaN); None if that is no curve.

        Parameters
        ----------
        times : array_like, shape (t,)
            Months.
        survival : array_like, shape (t,)
            Probabilities in [0, 1]; NaN where none may be shown.
        low, high : array_like, shape (t,), optional
            Ends of the interval.
        """
        months, values = np.asarray(times, dtype=float), np.asarray(survival, dtype=float)
        keep = np.isfinite(values)
        if keep.sum() < 2:
            return None
        bounds = (
            np.full(len(values), np.nan) if part is None else np.asarray(part, dtype=float)
            for part in (low, high)
        )
        return cls(months[keep], values[keep], *(part[keep] for part in bounds))

    def at(self, months: float) -> tuple[float, float, float]:
        """Survival, low and high at a time, as probabilities."""
        value, low, high = (
            float(np.interp(months, self.times, part))
            for part in (self.survival, self.low, self.high)
        )
        return value, low, high

    def table(self) -> pd.DataFrame:
        """Numbers of the curve with the column names of `survival_table`."""
        return pd.DataFrame(
            {
                "group": THIS_CASE,
                "time_months": self.times,
                "survival": self.survival,
                "lower": self.low,
                "upper": self.high,
            }
        )


def add_prediction(
    figure: go.Figure | Sketch, predicted: PredictedCurve, axis: TimeAxis, theme: Theme
) -> tuple[str, float, float, str]:
    """Draw a predicted curve, with its interval if given; return its end label.

    The label is as `survival_lines.add_end_labels` takes it.

    Parameters
    ----------
    figure : Figure or Sketch
    predicted : PredictedCurve
    axis : TimeAxis
    theme : {"light", "dark"}
    """
    color = palette(theme).text
    shown = predicted.times <= axis.end
    x, y = axis.scale(predicted.times[shown]), 100 * predicted.survival[shown]
    if np.isfinite(predicted.low).all():
        low, high = 100 * predicted.low[shown], 100 * predicted.high[shown]
        figure.add_scatter(
            x=coordinates(np.concatenate([x, x[::-1]])),
            y=coordinates(np.concatenate([low, high[::-1]])),
            mode="lines",
            line={"width": 0},
            fill="toself",
            fillcolor=rgba(color, BAND_OPACITY),
            showlegend=False,
            hoverinfo="skip",
            meta="prediction band",
        )
    texts = [
        f"{THIS_CASE}<br>{t:.3g} {axis.unit}: {of_100(s)} of 100"
        for t, s in zip(x, predicted.survival[shown], strict=True)
    ]
    figure.add_scatter(
        x=coordinates(x),
        y=coordinates(y),
        mode="lines",
        line={"color": color, "dash": "dash", "width": 2.5},
        name=THIS_CASE,
        legendrank=2000,
        meta="prediction",
        **hover_text(texts),
    )
    return "this case", float(predicted.times[shown][-1]), float(y[-1]), color


def predicted_chart(
    predicted: PredictedCurve, months: int, *, statement: str, endpoint: Endpoint, theme: Theme
) -> Chart:
    """Draw the predicted curve alone, with the horizon at which it is read.

    Parameters
    ----------
    predicted : PredictedCurve
    months : int
        The horizon.
    statement : str
        What is read there.
    endpoint : Endpoint
    theme : {"light", "dark"}
    """
    axis = TimeAxis(float(predicted.times[-1]), "years")
    figure = go.Figure()
    add_prediction(figure, predicted, axis, theme)
    at, value = float(axis.scale(months)), 100 * predicted.at(months)[0]
    color = palette(theme).text
    figure.add_scatter(
        x=[at],
        y=[value],
        mode="markers",
        marker={"color": color, "size": 9},
        meta="horizon",
        **hover_text([statement]),
    )
    layout = {
        "margin": {"l": 48, "r": 10, "t": 8, "b": 40},
        "xaxis": axis.settings() | {"title": {"text": "Years"}},
        "yaxis": {
            "range": [0, 102],
            "tickvals": [0, 50, 100],
            "title": {"text": f"{endpoint.event_free.capitalize()} (%)"},
        },
    }
    base_figure(figure, theme, height=ALONE_HEIGHT, legend=False, layout=layout)
    marks = Marks(theme)
    marks.vertical(at, color=color, dash="dot")
    marks.put_on(figure)
    alt = f"Predicted {endpoint.name} of this case"
    return Chart(figure, f"{statement}.", predicted.table(), alt)
