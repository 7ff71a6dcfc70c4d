"""Upload & check, step 4: which installed model fits the tables, and scoring.

An upload goes in; models with their share of columns are drawn, one is chosen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from camlif.model.installed import ModelMatch
from camlif.model.suitability import UNUSED
from camlif.wording import count
from dashboard.session import resources, state
from dashboard.session.resources import LoadedCohort
from dashboard.views.upload import session
from dashboard.views.upload.check import show_problem
from dashboard.views.upload.session import CheckedUpload
from dashboard.views.upload.training import offer_training


def show_match(upload: CheckedUpload, loaded: LoadedCohort) -> None:
    """Draw the step."""
    st.header("4. Model match and score", anchor=False)
    matches = resources.ranked_models(loaded)
    fits = bool(matches) and _score(upload, loaded, matches)
    if not matches:
        st.info(
            "No installed model shares columns with these tables. Train one, or open the tables as "
            "they are: the Cohort page shows their curves."
        )
    offer_training(loaded, before=session.release_files)
    if not fits and st.button("Open without a model", key="open_plain"):
        session.release_files()
        state.choose_cohort(state.UPLOADED, loaded)
        st.switch_page("views/cohort/page.py")


def _score(upload: CheckedUpload, loaded: LoadedCohort, matches: Sequence[ModelMatch]) -> bool:
    """Offer the models that share columns, and say what stands against scoring with one."""
    st.dataframe(_match_table(matches), hide_index=True, key="match", alt="Columns found by model")
    names = [m.model.name for m in matches]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Model", names, key="match_model", width=280)
        match = matches[names.index(name)]
        parts = [m.modality for m in match.report.modalities if m.n_found]
        missing = tuple(
            st.multiselect(
                "Treat as missing", parts, key=f"match_missing_{name}", width=280, select_all=False
            )
        )
        problems = session.suitability(
            loaded.digest, match.model.path, missing, upload.report.table_files, loaded.cohort
        )
        button = st.container(width="content")
    seen: Counter[str] = Counter()
    unused = [p for p in problems if p.code == UNUSED]
    for problem in problems:
        if problem.code != UNUSED:
            show_problem(problem, upload, seen, where="match_")
    if unused:
        with st.expander(f"Columns that this model does not use ({count(len(unused), 'table')})"):
            for problem in unused:
                show_problem(problem, upload, seen, where="match_")
    fits = ready = not any(p.severity == "error" for p in problems)
    if fits and any(p.severity == "warning" for p in problems):
        ready = st.checkbox("Score all the same", key=f"match_anyway_{name}")
    if button.button("Score this cohort", type="primary", disabled=not ready, key="score"):
        session.release_files()
        state.choose_cohort(state.UPLOADED, loaded)
        state.choose_model(name, missing)
        st.switch_page(_next_page())
    return fits


def _next_page() -> str:
    """Where scored tables are looked at: on Case where a link waits for one of them."""
    return "views/case/page.py" if state.AWAITED_CASE.get() else "views/cohort/page.py"


def _match_table(matches: Sequence[ModelMatch]) -> pd.DataFrame:
    rows = [
        {
            "model": match.model.name,
            "modality": m.modality,
            "columns found": f"{m.n_found:,} of {m.n_expected:,}",
            "table": m.source or "absent",
            "missing": ", ".join(m.missing[:5]) + (" ..." if len(m.missing) > 5 else "")
            if m.n_found
            else "all",
            "not used": len(m.extra),
        }
        for match in matches
        for m in match.report.tables
    ]
    return pd.DataFrame(rows)
