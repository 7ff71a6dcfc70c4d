"""Clinical columns at a glance: a bar chart each, and a click on a bar filters by it.

The workspace goes in; the charts are drawn, of the patients shown in front of all.
"""

from __future__ import annotations

import streamlit as st

from camlif.data.cohort import Cohort
from camlif.wording import count
from dashboard.components.chart import show_chart, take_click, theme
from dashboard.components.text import plain
from dashboard.figures.clinical import ColumnCounts, clinical_chart
from dashboard.session import column_filters
from dashboard.session.column_filters import COLUMN_FILTERS, Bar, bars_of, values_of
from dashboard.session.keys import SessionKey
from dashboard.session.state import Workspace

MAX_DRAWN = 9
"""Columns that are drawn unless others are chosen."""
CLICKED: SessionKey[tuple[int, ...]] = SessionKey("clinical_click")


def clinical_view(workspace: Workspace) -> None:
    """Draw the clinical columns, and filter by what is clicked."""
    cohort = workspace.cohort
    bars = _columns(cohort)
    chosen = st.multiselect(
        "Columns",
        list(bars),
        key="clinical_columns",
        placeholder=f"The first {MAX_DRAWN}" if len(bars) > MAX_DRAWN else "All",
        select_all=False,
    )
    drawn = chosen or list(bars)[:MAX_DRAWN]
    filters = COLUMN_FILTERS.get() or {}
    counted = [_counts(workspace, name, bars[name], picked=filters.get(name, ())) for name in drawn]
    event = show_chart(clinical_chart(counted, theme=theme()), key="clinical", select=True)
    clicked = take_click(event, CLICKED)
    if clicked is not None:
        column, bar = clicked
        column_filters.toggle(drawn[column], bars[drawn[column]][bar])
        st.rerun()
    left_out = len(cohort.clinical.columns) - len(bars)
    if left_out:
        st.caption(
            plain(f"Not drawn: {count(left_out, 'column')} of one value, or of too many texts.")
        )


def _columns(cohort: Cohort) -> dict[str, tuple[Bar, ...]]:
    found = {str(name): bars_of(values_of(cohort, str(name))) for name in cohort.clinical}
    return {name: bars for name, bars in found.items() if bars}


def _counts(
    workspace: Workspace, name: str, bars: tuple[Bar, ...], *, picked: tuple[Bar, ...]
) -> ColumnCounts:
    values = values_of(workspace.cohort, name)
    held = [bar.holds(values) for bar in bars]
    return ColumnCounts(
        name=name,
        values=tuple(bar.text for bar in bars),
        shown=tuple(int((mask & workspace.shown).sum()) for mask in held),
        all=tuple(int(mask.sum()) for mask in held),
        picked=tuple(bar in picked for bar in bars),
    )
