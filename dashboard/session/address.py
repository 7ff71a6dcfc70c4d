"""What the address of a page names, so that a reload and a link show the same again.

Query parameters go in at the beginning of a session and become its choices; they follow the
choices afterwards. Uploaded tables go by the first digits of their digest.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit, urlunsplit

import streamlit as st

from camlif.data.samples import SAMPLES
from dashboard.session import state
from dashboard.session.state import Workspace

COHORT, MODEL, CASE, COMMIT = "cohort", "model", "case", "commit"
DIGEST_DIGITS = 16
FIRST = "first"
OF_THIS_SESSION = (COMMIT,)
"""Parameters that a reload keeps and a link to others does not carry."""


def begin() -> None:
    """Take the choices of a new session from its address; what is not here is awaited."""
    if not state.COHORT.is_set:
        named = st.query_params.get(COHORT, state.DEFAULT_SAMPLE)
        state.COHORT.set(named if named in SAMPLES else state.DEFAULT_SAMPLE)
        state.MODEL.set(st.query_params.get(MODEL))
        if named not in SAMPLES:
            state.AWAITED.set(named)
            state.AWAITED_CASE.set(st.query_params.get(CASE))
    state.COMMIT_FIRST.start_with(st.query_params.get(COMMIT) == FIRST)
    state.initialise()


def follow(workspace: Workspace) -> None:
    """Name in the address what this session has chosen."""
    loaded, scoring = workspace.loaded, workspace.scoring
    _name(COHORT, loaded.key if loaded.key in SAMPLES else loaded.digest[:DIGEST_DIGITS])
    _name(COMMIT, FIRST if state.COMMIT_FIRST.get() else None)
    _name(MODEL, state.MODEL.get() if scoring is None else scoring.bundle.name)


def _name(part: str, value: str | None) -> None:
    if value is None:
        st.query_params.pop(part, None)
    elif st.query_params.get(part) != value:
        st.query_params[part] = value


def link() -> str:
    """Return the address of what is in view, for others to open."""
    parts = urlsplit(st.context.url or "")
    names = [name for name in st.query_params if name not in OF_THIS_SESSION]
    query = urlencode([(name, v) for name in names for v in st.query_params.get_all(name)])
    return urlunsplit(parts._replace(query=query))
