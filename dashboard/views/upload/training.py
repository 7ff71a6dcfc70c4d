"""The way from a cohort to its training: one button, or why there is none.

A cohort goes in; the Runs page opens with its form filled in.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.components.text import plain
from dashboard.runs.run_requests import refusal
from dashboard.session import state
from dashboard.session.resources import LoadedCohort


def offer_training(
    loaded: LoadedCohort,
    *,
    key: str = "train_here",
    before: Callable[[], None] = lambda: None,
) -> None:
    """Offer to train on a cohort; the Runs page opens with its form filled in.

    Parameters
    ----------
    loaded : LoadedCohort
    key : str
        Of the button.
    before : callable
        Called when the button is pressed, before the page is left.
    """
    reason = refusal(loaded.cohort)
    if reason is not None:
        st.caption(plain(f"Not enough to train a model on. {reason}"))
        return
    if st.button("Train on this cohort", key=key, icon=":material/model_training:"):
        before()
        state.choose_cohort(loaded.key, loaded if loaded.key == state.UPLOADED else None)
        st.switch_page("views/runs/page.py")
