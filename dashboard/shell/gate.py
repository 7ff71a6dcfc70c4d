"""The gate of a session: what results are for is accepted before anything can be done.

The session's answer goes in; without one, the page stops here.
"""

from __future__ import annotations

import streamlit as st

from dashboard import messages
from dashboard.access.access import Action
from dashboard.components import trail
from dashboard.components.text import plain
from dashboard.session.keys import SessionKey

ACCEPTED: SessionKey[bool] = SessionKey("research_use_accepted")
ACCEPT = "I understand"


def is_passed() -> bool:
    """Whether this session has accepted; else ask, and note in the audit trail that it did."""
    if ACCEPTED.get():
        return True
    _dialog()
    return False


@st.dialog("Research use only", dismissible=False)
def _dialog() -> None:
    st.markdown(plain(messages.BANNER))
    for line in messages.GATE:
        st.markdown(f"- {plain(line)}")
    if st.button(ACCEPT, key="accept_research_use", type="primary"):
        ACCEPTED.set(True)
        trail.record(Action.GATE_ACCEPTED)
        st.rerun()
