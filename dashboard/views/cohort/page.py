"""Cohort: how the risk groups separate, and where the hazard lies by subtype and grade.

The workspace goes in; the view that is picked (`dashboard.views.cohort.views`) is drawn.
"""

from __future__ import annotations

import streamlit as st

from dashboard.session import state
from dashboard.session.keys import SessionKey
from dashboard.views.cohort import views
from dashboard.views.cohort.clinical import clinical_view
from dashboard.views.cohort.compare import compare_view
from dashboard.views.cohort.curves import kaplan_meier_view
from dashboard.views.cohort.groups import NEXT_VIEW

VIEW: SessionKey[str] = SessionKey("view")

VIEWS = {
    "Kaplan-Meier": kaplan_meier_view,
    "Hazard by subtype": views.hazard_view,
    "Clinical": clinical_view,
    "Groups": compare_view,
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
    following = NEXT_VIEW.pop()
    if following is not None:
        VIEW.set(following)
    picked = st.segmented_control(
        "View",
        list(VIEWS),
        default=None if following is not None else next(iter(VIEWS)),  # never both are set
        key=VIEW.name,
        required=True,
        bind="query-params",
    )
    VIEWS[picked or next(iter(VIEWS))](workspace)


main()
