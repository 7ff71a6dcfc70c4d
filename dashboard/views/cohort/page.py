"""Cohort: how the risk groups separate, and where the hazard lies by subtype and grade."""

from __future__ import annotations

import streamlit as st

from dashboard.session import state
from dashboard.views.cohort import views
from dashboard.views.cohort.curves import kaplan_meier_view

VIEWS = {
    "Kaplan-Meier": kaplan_meier_view,
    "Hazard by subtype": views.hazard_view,
    "Table": views.table_view,
    "Forest": views.forest_view,
    "Early and late events": views.survivors_view,
}


def main() -> None:
    """Draw the page."""
    workspace = state.workspace()
    if not workspace.shown.any():
        st.info("No patient passes the filters. Reset them in the sidebar.")
        return
    views.metrics(workspace)
    if "next_view" in st.session_state:
        st.session_state["view"] = st.session_state.pop("next_view")
    picked = st.segmented_control(
        "View",
        list(VIEWS),
        default=next(iter(VIEWS)),
        key="view",
        required=True,
        bind="query-params",
    )
    VIEWS[picked](workspace)


main()
