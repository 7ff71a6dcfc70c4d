"""Commit first: the board says its own estimate before it sees the model's.

A case goes in; where the session asks for it, the result waits until an estimate is kept.
"""

from __future__ import annotations

import numpy as np
import streamlit as st

from camlif.arrays import BoolArray
from camlif.wording import count
from dashboard.access.access import Action, allowed
from dashboard.components.case_view import CaseView, ScoredCase
from dashboard.components.text import moment, plain
from dashboard.components.trail import case_key, cohort_key
from dashboard.components.worklists import show_errors
from dashboard.session import resources, state
from dashboard.session.state import Workspace
from dashboard.session.user import current_user
from dashboard.store import Estimate, RiskGroup, SettingName, StoreError


def is_on() -> bool:
    """Whether this session commits first.

    Where estimates cannot be kept, nothing is hidden: it could not be shown again.
    """
    try:
        keeps = resources.store().is_on(SettingName.KEEP_RECORDS)
    except StoreError:
        return False
    return keeps and bool(state.COMMIT_FIRST.get())


def withheld(workspace: Workspace) -> BoolArray:
    """Patients whose result stays hidden until an estimate, shape (n,)."""
    hidden = np.zeros(len(workspace.cohort), dtype=bool)
    scoring = workspace.scoring
    if scoring is None or not is_on():
        return hidden
    done = resources.store().estimated(cohort_key(workspace.loaded), scoring.model.digest)
    is_done = np.isin(workspace.loaded.tokens, list(done))
    return np.asarray(scoring.result.scored & ~is_done)


def say_withheld(hidden: BoolArray) -> None:
    """Say how many of the patients shown are without their result, if any."""
    if hidden.any():
        st.info(
            f"Commit first is on in this browser tab: {count(int(hidden.sum()), 'result')} of "
            "single patients stay hidden here until the board has recorded its estimates on Case."
        )


def waiting(case: CaseView) -> ScoredCase | None:
    """Return a case whose result stays hidden until the board's estimate is recorded, else None."""
    if not isinstance(case, ScoredCase) or not is_on():
        return None
    return case if estimate_of(case) is None else None


def form(case: ScoredCase) -> None:
    """Ask for the board's estimate; the result shows once it is recorded."""
    st.header("Commit first", anchor=False)
    st.markdown(
        "The model's result is hidden until the board has recorded its own estimate. Commit first "
        "is on in this browser tab; the menu of worklists turns it off."
    )
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
