"""A chart with what makes it readable without seeing it: finding, alternative text, table, CSV.

A `Chart` goes in, and stands on the page with a button for its numbers.
"""

from __future__ import annotations

import hashlib
import json
import pickle  # nosec B403
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, ParamSpec, cast

import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio
import streamlit as st

from camlif.wording import count, to_csv
from dashboard.components.download import offer_download
from dashboard.components.popover import fill_when_opened
from dashboard.components.text import plain
from dashboard.figures.chart import Chart
from dashboard.figures.palette import Theme
from dashboard.session.keys import SessionKey
from dashboard.session.shared_results import SESSION_TTL, did_not_fail, share, wait

P = ParamSpec("P")
MAX_ROWS = 1000
"""Of a table beside its file: it goes to the browser at every rerun."""
MAX_DRAWN = 24
"""Charts that a session holds: those of some cases."""
CONFIG = {
    "displaylogo": False,
    "toImageButtonOptions": {"format": "svg"},
    "modeBarButtonsToRemove": ["autoScale2d"],
}


def theme() -> Theme:
    """Theme that the browser shows."""
    return "dark" if st.context.theme.type == "dark" else "light"


def show_chart(
    chart: Chart,
    *,
    key: str,
    select: bool = False,
    settings: Mapping[str, Any] | None = None,
    finding: bool = True,
    table: bool = True,
    wide: bool = False,
) -> Any:
    """Draw a chart, its finding, and its numbers as a table with downloads.

    Parameters
    ----------
    chart : Chart
    key : str
        Unique on the page.
    select : bool
        Return the lasso, box or point selection and rerun on it.
    settings : mapping, optional
        Settings behind the chart, offered as JSON beside the numbers.
    finding : bool
        Whether to print the finding above the chart.
    table : bool
        Whether to offer the numbers below; if not, `table_button` belongs elsewhere.
    wide : bool
        Has several plots, or texts on both sides: on a phone it scrolls sideways by itself.
    """
    if finding:
        st.markdown(plain(chart.finding))
    with st.container(key=f"wide_{key}") if wide else nullcontext():
        event = st.plotly_chart(
            _ready(chart.figure),
            key=key,
            on_select="rerun" if select else "ignore",
            config=CONFIG,
            theme=None,  # the figure brings its own fonts and colours
            alt=chart.alt,
        )
    if table:
        table_button(chart, key=key, settings=settings)
    return cast(Any, event)


def selected_points(event: object) -> list[dict[str, Any]]:
    """Return the points of a selection that `show_chart` returned; none where there is none."""
    points = getattr(getattr(event, "selection", None), "points", None)
    return list(points or [])


def take_click(event: object, last: SessionKey[tuple[int, ...]]) -> tuple[int, ...] | None:
    """Return the ``customdata`` of a point that was clicked, once.

    The browser tells of a click in every rerun until the next one.

    Parameters
    ----------
    event : object
        What `show_chart` returned.
    last : SessionKey
        Holds the click that was taken.
    """
    points = selected_points(event)
    data = points[0].get("customdata") if points else None
    if data is None:
        last.pop()
        return None
    clicked = tuple(map(int, data if isinstance(data, list) else [data]))
    if clicked == last.get():
        return None
    last.set(clicked)
    return clicked


def draw(function: Callable[P, Chart], *args: P.args, **options: P.kwargs) -> Chart:
    """Return a chart, the one that this or another session holds of equal values if one does.

    Parameters
    ----------
    function : callable
        One of `dashboard.figures`.
    *args, **options
        What it is called with; values, not objects that look something up.
    """
    # Pickled to be compared, never to be read. What is pickled otherwise is only drawn anew.
    values = pickle.dumps((function.__module__, function.__qualname__, args, options))
    future = _drawn(hashlib.sha256(values).hexdigest(), partial(function, *args, **options))
    return wait(future)


@st.cache_resource(
    scope="session",
    max_entries=MAX_DRAWN,
    ttl=SESSION_TTL,
    show_spinner=False,
    validate=did_not_fail,
)
def _drawn(key: str, _draw: Callable[[], Chart]) -> Future[Chart]:
    def drawn() -> Chart:
        chart = _draw()
        return replace(chart, figure=_ready(chart.figure))

    return share(key, drawn)


def forget() -> None:
    """Let go of the charts that this session holds."""
    _drawn.clear()


class _Ready(go.Figure):  # type: ignore[misc]  # Plotly has no types
    """A figure that nothing is added to: its JSON values, made once.

    They have a revision that changes with anything in them. Streamlit hands every chart to Plotly
    twice, the second time as a copy. By the revision Plotly knows that the copy's lists are the
    same and leaves what it has drawn.
    """

    def __init__(self, figure: go.Figure) -> None:
        super().__init__()
        self._values: dict[str, Any] = figure.to_dict()
        self._values["layout"].pop("datarevision", None)
        content = pio.to_json(self._values, validate=False)
        self._values["layout"]["datarevision"] = zlib.crc32(content.encode())

    def to_dict(self) -> dict[str, Any]:
        """Return the values, which nobody changes."""
        return self._values


def _ready(figure: go.Figure) -> _Ready:
    return figure if isinstance(figure, _Ready) else _Ready(figure)


def table_button(chart: Chart, *, key: str, settings: Mapping[str, Any] | None = None) -> None:
    """Offer the numbers of a chart as a table with downloads, and its caption.

    Parameters
    ----------
    chart : Chart
    key : str
        Begins the keys of its widgets, and names the file.
    settings : mapping, optional
        What the numbers depend on, which the file's header states.
    """

    def fill() -> None:
        show_numbers(chart.table, key=key, settings=settings)
        offer_download(
            "Caption (text)",
            f"{chart.alt}. {chart.finding}",
            file_name=f"{key}.txt",
            mime="text/plain",
            key=f"{key}_caption",
            export_type=f"caption of {key}",
        )

    fill_when_opened("Table", fill, key=f"{key}_table")


def show_numbers(
    table: pd.DataFrame, *, key: str, settings: Mapping[str, Any] | None = None
) -> None:
    """Show a table of numbers, a long one in part, with downloads of the whole.

    Parameters
    ----------
    table : DataFrame
    key, settings
        As in `table_button`.
    """
    st.dataframe(table.head(MAX_ROWS), hide_index=True, key=f"{key}_numbers")
    if len(table) > MAX_ROWS:
        st.caption(f"The first {MAX_ROWS:,} of {count(len(table), 'row')}; the file has them all.")
    with st.container(horizontal=True):
        offer_download(
            "Numbers (CSV)",
            partial(to_csv, table),
            file_name=f"{key}.csv",
            mime="text/csv",
            key=f"{key}_csv",
            export_type=f"numbers of {key}",
        )
        if settings is not None:
            offer_download(
                "Settings (JSON)",
                partial(json.dumps, settings, indent=1, default=str),
                file_name=f"{key}.json",
                mime="application/json",
                key=f"{key}_settings",
                export_type=f"settings of {key}",
            )
