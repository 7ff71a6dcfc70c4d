"""Ablation: what each component of CA-MLIF buys.

A study goes in; the view that is picked is drawn, and what it lacks is offered as a run.
"""

from __future__ import annotations

from camlif.study.ablations import FURTHER, TABLE_3
from dashboard.session import state
from dashboard.views.study.choice import choose, pick_study
from dashboard.views.study.runs import offer_missing
from dashboard.views.study.views import VIEWS, pick_view

FAMILIES = ("camlif", "ablation", "single modality")


def main() -> None:
    """Draw the page."""
    workspace = state.workspace()
    opened = pick_study(workspace, "ablation")
    if opened is None:
        offer_missing(None, "ablation", ("ablations",))
        return
    choice = choose(opened, "ablation", FAMILIES)
    VIEWS[pick_view("ablation", list(VIEWS))](choice)
    have = {row.variant for row in opened.study.summary.rows if row.family == "ablation"}
    missing = [a.name for a in (*TABLE_3, *FURTHER) if a.name not in have]
    offer_missing(opened.study, "ablation", missing)


main()
