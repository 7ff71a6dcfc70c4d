"""A figure that is collected and made at once.

Plotly checks every trace twice and every layout anew when something is added: most of the time that
a chart of curves takes. What is collected here is not checked; tests do that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go


@dataclass(slots=True)
class Sketch:
    """Traces and layout as Plotly's JSON has them."""

    traces: list[dict[str, Any]] = field(default_factory=list)
    layout: dict[str, Any] = field(default_factory=dict)

    def add_scatter(self, *, row: int = 1, col: int = 1, **trace: Any) -> None:
        """Add a trace; parameters are those of `plotly.graph_objects.Figure.add_scatter`.

        Parameters
        ----------
        row : int
            Of plots one above the other.
        col : int
            The only one.
        **trace
            Properties by their names in JSON; nested ones as mappings.
        """
        place = "" if row == col else str(row)
        self.add("scatter", xaxis=f"x{place}", yaxis=f"y{place}", **trace)

    def add(self, kind: str, **trace: Any) -> None:
        """Add a trace of any kind, in the first plot unless it names its axes.

        Parameters
        ----------
        kind : str
            As Plotly's JSON calls it.
        **trace
            As in `add_scatter`.
        """
        self.traces.append({"type": kind, **trace})

    def figure(self) -> go.Figure:
        """Return what was collected as a figure."""
        return go.Figure({"data": self.traces, "layout": self.layout}, _validate=False)
