"""Case review: the sixty-second answer about one patient."""

from __future__ import annotations

import json

import streamlit as st

from camlif.case import summarise_case
from dashboard import messages, state
from dashboard.components.text import plain
from dashboard.state import Workspace
from dashboard.views import case_panels as panels

LINK = "case"  # query parameter: a token, never an identifier


def _options(workspace: Workspace) -> list[int]:
    return [int(row) for row in workspace.shown.nonzero()[0]]


def _follow_link(workspace: Workspace) -> None:
    """Open the case of a link once; an unknown token leaves the choice as it is."""
    token = st.query_params.get(LINK)
    if token is None or token == st.session_state.get("followed_link"):
        return
    st.session_state["followed_link"] = token
    row = workspace.row_of(token)
    if row is None:
        st.warning(plain(messages.text("E-31")))
    else:
        st.session_state[state.CASE] = row


def _step(options: list[int], by: int) -> None:
    at = options.index(st.session_state[state.CASE])
    st.session_state[state.CASE] = options[(at + by) % len(options)]


def _pick(workspace: Workspace, options: list[int]) -> int:
    ids = workspace.cohort.patient_ids
    if st.session_state.get(state.CASE) not in options:
        st.session_state[state.CASE] = options[0]
    with st.container(horizontal=True, vertical_alignment="center", key="case_bar"):
        row: int = st.selectbox(
            "Case",
            options,
            key=state.CASE,
            format_func=lambda r: str(ids[r]),
            persist_state="session",
            width=260,
            label_visibility="collapsed",
            help="Type to search.",
        )
        for label, by, keys in (("Previous", -1, "Alt+K"), ("Next", 1, "Alt+J")):
            st.button(label, key=f"case_{by}", on_click=_step, args=(options, by), shortcut=keys)
        st.markdown(f"{options.index(row) + 1:,} of {len(options):,} shown", width="content")
        _download(workspace, row)
    token = workspace.loaded.tokens[row]
    st.query_params[LINK] = token
    st.session_state["followed_link"] = token
    return row


def _download(workspace: Workspace, row: int) -> None:
    scoring = workspace.scoring
    if scoring is None:
        return
    record = summarise_case(scoring.bundle, scoring.result, row).to_json() | {
        "patient_id": workspace.loaded.tokens[row],
        "notice": messages.BANNER,
        "endpoint": scoring.bundle.info.endpoint.name,
        "model": scoring.bundle.name,
        "model_digest": scoring.model.digest,
        "data_digest": workspace.loaded.digest,
    }
    st.download_button(
        "Case (JSON)",
        json.dumps(record, indent=1),
        file_name=f"case_{workspace.loaded.tokens[row]}.json",
        mime="application/json",
        key="case_json",
        on_click="ignore",
        help="Named by case token; holds no identifier.",
    )


def main() -> None:
    """Draw the page."""
    workspace = state.workspace()
    panels.opened_case()
    _follow_link(workspace)
    options = _options(workspace)
    if not options:
        st.info("No patient passes the filters. Reset them in the sidebar.")
        return
    with st.container(key="case_page"):
        row = _pick(workspace, options)
        _panels(workspace, row)


def _panels(workspace: Workspace, row: int) -> None:
    left, middle, right = st.columns([6, 12, 8], border=True)
    with left:
        panels.patient(workspace, row)
    scoring = workspace.scoring
    if scoring is None:
        with middle:
            panels.no_model(workspace)
        return
    summary = summarise_case(scoring.bundle, scoring.result, row)
    if summary.score is None:
        with middle:
            panels.no_score(summary)
        return
    with middle:
        panels.result(scoring, summary.score)
    with right:
        panels.certainty(workspace, scoring, row, summary, summary.score)
    panels.curves(scoring, row, summary.score)
    panels.contributions(workspace, scoring, row)
    panels.similar(workspace, scoring, row)
    panels.caveats(scoring, summary)


main()
