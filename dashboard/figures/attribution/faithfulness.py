"""What happens to the risk when features are removed, or put back, in the order of a method.

The curves of `camlif.explain.faithfulness` go in, a `Chart` comes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from camlif.wording import count, format_p, with_interval
from dashboard.figures.chart import Chart
from dashboard.figures.layout import base_figure, hover_text
from dashboard.figures.palette import Theme, palette, rgba

if TYPE_CHECKING:
    from camlif.explain import Faithfulness, OrderTest

HEIGHT = 300
AREA_OPACITY = 0.15
TITLES = {"deletion": "Removed, risk-raising first", "insertion": "Put back, risk-raising first"}


def faithfulness_curves(checked: Faithfulness, *, method: str, theme: Theme) -> Chart:
    """Draw deletion and insertion curves in a method's order and in random order.

    Parameters
    ----------
    checked : Faithfulness
    method : str
        Display name.
    theme : {"light", "dark"}
    """
    tests = {"deletion": checked.deletion, "insertion": checked.insertion}
    figure = make_subplots(
        cols=2, shared_yaxes=True, subplot_titles=list(TITLES.values()), horizontal_spacing=0.06
    )
    share = [100 * f for f in checked.fractions]
    for col, (task, test) in enumerate(tests.items(), start=1):
        _curves(figure, col, share, test, method, task, theme)
    base_figure(figure, theme, height=HEIGHT)
    units = "groups" if checked.level == "group" else "features"
    figure.update_xaxes(range=[-1, 101], ticksuffix="%")
    figure.update_xaxes(title_text=f"{units.capitalize()} at the baseline", col=1)
    figure.update_xaxes(title_text=f"{units.capitalize()} with the patient's value", col=2)
    figure.update_yaxes(title_text="Log risk above the baseline", col=1)
    figure.update_layout(legend={"y": 1.14}, margin={"t": 64})
    table = pd.concat(
        [
            pd.DataFrame(
                {
                    "curve": task,
                    "share": checked.fractions,
                    "in_order": test.ordered,
                    "at_random": test.random,
                }
            )
            for task, test in tests.items()
        ],
        ignore_index=True,
    )
    alt = f"Deletion and insertion curves of {method}"
    return Chart(figure, _finding(checked), table, alt)


def _curves(
    figure: go.Figure,
    col: int,
    share: list[float],
    test: OrderTest,
    method: str,
    task: str,
    theme: Theme,
) -> None:
    """Random order dashed, the method's order solid, the area between them shaded."""
    p = palette(theme)
    for name, values, line in (
        ("Random order", test.random, {"color": p.muted, "dash": "dash", "width": 2}),
        (method, test.ordered, {"color": p.low, "dash": "solid", "width": 3}),
    ):
        figure.add_scatter(
            x=share,
            y=list(values),
            mode="lines",
            line=line,
            name=name,
            legendgroup=name,
            showlegend=col == 1,
            fill="tonexty" if values is test.ordered else None,
            fillcolor=rgba(p.low, AREA_OPACITY),
            meta=f"{task} {'ordered' if values is test.ordered else 'random'}",
            row=1,
            col=col,
            **hover_text(
                [f"{name}, {s:.0f}%: {v:+.2f}" for s, v in zip(share, values, strict=True)]
            ),
        )


def _finding(checked: Faithfulness) -> str:
    parts = []
    for verb, test in (("Removing", checked.deletion), ("Putting back", checked.insertion)):
        found = "more" if test.beats_random else "no more"
        parts.append(
            f"{verb} the largest contributions first moves the log risk {found} than a random "
            f"order does: by {with_interval(test.gain, test.low, test.high)}, "
            f"{format_p(test.p_value)}."
        )
    compared = (
        "Areas between the curves with 95% intervals, mean of "
        f"{count(checked.n_patients, 'patient')}; p against "
        f"{count(checked.rankings, 'random ranking')}."
    )
    return " ".join([*parts, compared])
