"""Patients that the model was not made of: what they show of it, and the report to take along.

A scored cohort with outcomes goes in and is drawn; all its new patients count, whatever the filters
show. Nothing is measured before somebody asks.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from camlif.exceptions import CamlifError
from camlif.transport.document import Heading, Paragraph, Table, blocks
from camlif.transport.report import to_html, to_json, to_pdf
from camlif.transport.validation import Setting, Validation, validate
from camlif.wording import count
from dashboard import messages
from dashboard.components.download import offer_download
from dashboard.components.text import plain
from dashboard.session.keys import SessionKey
from dashboard.session.shared_results import Request
from dashboard.session.state import Scoring, Workspace
from dashboard.store.kept_explanations import digest_of

ASKED: SessionKey[str] = SessionKey("validation_asked_for")
"""Which cohort and model were asked for: the answer stays until another is opened."""
FROM: dict[Setting, str] = {
    "unknown": "not told",
    "elsewhere": "another hospital",
    "later": "the training hospital, later",
}
SECTIONS = ("Flow of patients", "Case mix, beside training")
"""Of the report, on the page; the rest of it stands on the page anyway, for those in view."""
BADGES = {"shown": "green", "contradicted": "red", "not shown": "gray"}


def new_patients_section(workspace: Workspace, scoring: Scoring) -> None:
    """Offer to measure the patients that are not of the training cohort, where there are any."""
    n = _count(workspace, scoring)
    if not n:
        return
    st.header("Patients new to the model", anchor=False)
    key = digest_of("validation", workspace.loaded.digest, scoring.model.digest, scoring.missing)
    setting: Setting = st.segmented_control(
        "Where are they from?",
        list(FROM),
        default="unknown",
        format_func=FROM.__getitem__,
        key="validation_setting",
        required=True,
        help="Only patients of another hospital make a validation external.",
    )
    if ASKED.get() != key:
        st.markdown(
            plain(
                f"{count(n, 'patient')} with a score and an outcome are not of the training cohort."
            )
        )
        st.button(
            "What do they show of this model?",
            key="validate_new",
            on_click=ASKED.set,
            args=(key,),
        )
        return
    try:
        with st.spinner("Resampling the patients ..."):
            found = _request(key, workspace, scoring).result()
    except CamlifError as error:
        st.info(plain(messages.describe(error)))
        return
    _draw(replace(found, setting=setting), scoring)


def _count(workspace: Workspace, scoring: Scoring) -> int:
    result = scoring.result
    new = result.scored & ~(result.is_training | result.unclear)
    return int(np.sum(new & workspace.cohort.with_outcome)) if workspace.cohort.has_outcome else 0


def _request(key: str, workspace: Workspace, scoring: Scoring) -> Request[Validation]:
    def compute() -> Validation:
        return validate(scoring.bundle, workspace.cohort, result=scoring.result)

    return Request(key=key, compute=compute, long=True)


def _draw(found: Validation, scoring: Scoring) -> None:
    for claim in found.claims:
        color = BADGES[claim.verdict]
        st.markdown(f":{color}-badge[{claim.verdict}] {plain(claim.sentence)}")
    _files(found, scoring)
    with st.expander("Who they are, beside the training patients"):
        inside = False
        for block in blocks(found):
            if isinstance(block, Heading):
                inside = block.words in SECTIONS
                if inside:
                    st.markdown(f"**{plain(block.words)}**")
            elif inside and isinstance(block, Paragraph):
                st.markdown(plain(block.words))
            elif inside and isinstance(block, Table):
                table = pd.DataFrame(block.rows, columns=list(block.head))
                st.dataframe(table, hide_index=True, key=f"validation_{block.head[0]}")
                st.caption(plain(f"{block.caption}."))


def _files(found: Validation, scoring: Scoring) -> None:
    today = dt.datetime.now(dt.UTC).date()
    kinds: tuple[tuple[str, str, Callable[[], Any]], ...] = (
        ("pdf", "application/pdf", lambda: to_pdf(found, today)),
        ("html", "text/html", lambda: to_html(found, today)),
        ("json", "application/json", lambda: to_json(found)),
    )
    with st.container(horizontal=True):
        for kind, mime, make in kinds:
            offer_download(
                f"Report ({kind.upper()})",
                make,
                file_name=f"validation_{found.model}.{kind}",
                mime=mime,
                key=f"validation_{kind}",
                export_type=f"validation {kind}",
                model_digest=scoring.model.digest,
            )
