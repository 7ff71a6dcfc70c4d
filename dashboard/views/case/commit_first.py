"""Commit first: the board says its own estimate before it sees the model's.

A case goes in; where the installation asks for it, the result waits until an estimate is kept.
"""

from __future__ import annotations

import streamlit as st

from dashboard.access.access import Action, allowed
from dashboard.components.case_view import CaseView, ScoredCase
from dashboard.components.text import moment, plain
from dashboard.components.trail import case_key
from dashboard.components.worklists import show_errors
from dashboard.session import resources
from dashboard.session.user import current_user
from dashboard.store import Estimate, RiskGroup, SettingName, StoreError


def waiting(case: CaseView) -> ScoredCase | None:
    """Return a case whose result stays hidden until the board's estimate is recorded, else None.

    Where estimates cannot be kept, nothing is hidden: it could not be shown again.
    """
    if not isinstance(case, ScoredCase):
        return None
    try:
        store = resources.store()
        asked = store.is_on(SettingName.COMMIT_FIRST) and store.is_on(SettingName.KEEP_RECORDS)
        return case if asked and store.estimate(case_key(case)) is None else None
    except StoreError:
        return None


def form(case: ScoredCase) -> None:
    """Ask for the board's estimate; the result shows once it is recorded."""
    st.header("Commit first", anchor=False)
    st.markdown("The model's result is hidden until the board has recorded its own estimate.")
    if not allowed(Action.ESTIMATE_RECORDED, current_user().role):
        st.info("Estimates are recorded by reviewers.")
        return
    with st.form(f"estimate_{case.token}", border=False):
        endpoint = case.scoring.bundle.info.endpoint.name
        group = st.segmented_control(
            plain(f"The board's estimate of risk ({endpoint})"),
            list(RiskGroup),
            format_func=lambda g: g.value.capitalize(),
            key=f"estimate_group_{case.token}",
        )
        if st.form_submit_button("Record and show the result", type="primary", key="commit"):
            if group is None:
                st.error("Choose low, intermediate or high first.")
                return
            with show_errors():
                resources.store().record_estimate(
                    current_user(), case_key(case), group, model_result=case.score.label
                )
                st.rerun()


def estimate_of(case: CaseView) -> Estimate | None:
    """Return the board's estimate of a case; None where there is none or it cannot be read."""
    if not isinstance(case, ScoredCase):
        return None
    try:
        return resources.store().estimate(case_key(case))
    except StoreError:
        return None


def estimate_sentence(estimate: Estimate) -> str:
    """Say the board's estimate beside the model's result, and which came first."""
    first = "before the result was shown"
    if estimate.result_shown is not None:
        first = f"after the result had been shown ({moment(estimate.result_shown)})"
    return (
        f"Board's estimate: {estimate.risk_group.value}, recorded {moment(estimate.recorded)}, "
        f"{first}. Model: {estimate.model_result.lower()}."
    )
