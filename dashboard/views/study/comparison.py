"""Comparison: CA-MLIF beside rivals, classical references and single modalities.

A study goes in; the view that is picked is drawn, and what it lacks is offered as a run.
"""

from __future__ import annotations

from dashboard.session import state
from dashboard.views.study.choice import choose, pick_study
from dashboard.views.study.paper_figures import paper_view
from dashboard.views.study.runs import missing_methods, offer_missing
from dashboard.views.study.views import VIEWS, pick_view

FAMILIES = ("camlif", "rival", "generic", "single modality", "classical")
OWN_VIEWS = {**VIEWS, "Figures of the paper": paper_view}


def main() -> None:
    """Draw the page."""
    workspace = state.workspace()
    opened = pick_study(workspace, "comparison")
    if opened is None:
        offer_missing(None, "comparison", ("all",))
        return
    choice = choose(opened, "comparison", FAMILIES)
    OWN_VIEWS[pick_view("comparison", list(OWN_VIEWS))](choice)
    offer_missing(opened.study, "comparison", missing_methods(opened, FAMILIES))


main()
