"""The way from a study's page to the Runs page, with the methods that are missing filled in.

Names of methods go in; a button to the Runs page stands on the page.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import streamlit as st

from camlif.study import Study
from camlif.study.methods import CAMLIF, catalogue
from camlif.wording import count
from dashboard.components.text import plain
from dashboard.session import state
from dashboard.views.study.choice import Page
from dashboard.views.study.data import OpenStudy

NAMED = 8
"""Most names in the sentence about what is missing."""
WORDS = {"ablation": "Run missing ablations", "comparison": "Run missing methods"}
NO_STUDY = "Run a study of this cohort"


def missing_methods(opened: OpenStudy, families: Collection[str]) -> list[str]:
    """Methods of the catalogue that the study neither has nor found inapplicable."""
    if opened.cohort is None:
        return []
    study = opened.study
    known = {row.method for row in study.summary.rows}
    known |= {entry.method for entry in study.summary.not_applicable}
    known |= set(study.failed["method"])
    every = catalogue(study.settings, opened.cohort.schema)
    return list(
        dict.fromkeys(v.method for v in every if v.family in families and v.method not in known)
    )


def offer_missing(study: Study | None, page: Page, methods: Sequence[str]) -> None:
    """Offer to run methods that a study lacks, or a first study; the Runs page starts it.

    A run is of the cohort in view, so nothing is offered beside a study of another one.

    Parameters
    ----------
    study : Study or None
        The one on the page; None where there is none.
    page : {"comparison", "ablation"}
    methods : sequence of str
        As ``study --methods`` takes them.
    """
    title = state.current_cohort().cohort.info.title
    if not methods or (study is not None and study.cohort.title != title):
        return
    if study is not None:
        named = ", ".join(methods[:NAMED]) + (", ..." if len(methods) > NAMED else "")
        n = count(len(methods), "method is", "methods are")
        st.caption(plain(f"{n} not in this study: {named}. {_estimate(study, len(methods))}"))
    label = NO_STUDY if study is None else WORDS[page]
    if st.button(label, key=f"{page}_run_missing", icon=":material/play_arrow:"):
        # A run is a study of its own: without CA-MLIF in it, nothing could be compared.
        wanted = methods if study is None else (CAMLIF, *methods)
        state.STUDY_METHODS.set(tuple(wanted))
        st.switch_page("views/runs/page.py")


def _estimate(study: Study, n_methods: int) -> str:
    """How long it may take, from what this study's networks took."""
    networks = study.results[study.results["family"] != "classical"]
    if networks.empty:
        return ""
    per_split = float(networks["seconds"].median())
    minutes = per_split * n_methods * study.settings.splits / 60
    return (
        f"About {max(minutes, 1):.0f} min on one core, at the {per_split:.1f} s that a network "
        "takes per split here."
    )
