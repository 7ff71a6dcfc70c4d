"""Panel 1 of the Case page: who the patient is and which data exist; and what to do about gaps.

A case goes in and is drawn; where it has no score, the reason is.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from camlif.data.cohort import completeness
from camlif.exceptions import EstimationError
from camlif.explain.sensitivity import SensitivityRange, sensitivity_range
from camlif.wording import count, in_sentence
from dashboard import messages
from dashboard.components.case_view import CaseView, ModelledCase
from dashboard.components.popover import fill_when_opened
from dashboard.components.text import plain
from dashboard.profiles import patient_facts


def patient(case: CaseView) -> None:
    """Who this is and which data exist."""
    cohort, profile = case.workspace.cohort, case.workspace.profile
    st.header("Who and what data", anchor=False)
    facts = [f"**{plain(cohort.patient_ids[case.row])}**"]
    facts += [plain(fact) for fact in patient_facts(cohort, case.row, profile)]
    st.markdown(" · ".join(facts))
    states = _modalities(case)
    if isinstance(case, ModelledCase):
        states += _clinical(case)
    badges = [f":{colour}-badge[{plain(status)}] {plain(name)}" for name, status, colour in states]
    st.markdown("  \n".join(badges))  # a line each
    if isinstance(case, ModelledCase) and case.summary.unlike:
        st.markdown(f":red[{plain(case.summary.unlike)}]")
    if len(cohort.clinical.columns):
        draw_columns = partial(_clinical_values, case)
        fill_when_opened("All clinical columns", draw_columns, key="case_clinical")


def _modalities(case: CaseView) -> list[tuple[str, str, str]]:
    """Name, status and colour of each modality: of the model's columns, else of the cohort's."""
    if not isinstance(case, ModelledCase):
        name = case.workspace.profile.modality
        return [
            (name(c.modality), c.status, "red" if c.observed == 0 else "gray")
            for c in completeness(case.workspace.cohort, case.row)
        ]
    colours = {"absent": "red", "complete": "green"}
    return [
        (check.label, check.status, colours.get(check.status, "orange"))
        for check in case.summary.modalities
    ]


def _clinical(case: ModelledCase) -> list[tuple[str, str, str]]:
    """Name, status and colour of the clinical inputs of the model; empty where it has none."""
    inputs = case.summary.inputs
    if not inputs:
        return []
    called = case.workspace.profile.column_name
    named = [replace(check, name=in_sentence(called(check.name))) for check in inputs]
    wrong = ", ".join(check.short for check in named if check.short)
    name = f"Clinical ({', '.join(check.name for check in named)})"
    return [(name, wrong or "complete", "orange" if wrong else "green")]


def _clinical_values(case: CaseView) -> None:
    """Every clinical column, with the share of the cohort that has it."""
    clinical, called = case.workspace.cohort.clinical, case.workspace.profile
    inputs: set[str] = set()
    if isinstance(case, ModelledCase):
        inputs = {column.name for column in case.scoring.bundle.schema.clinical}
    values = clinical.iloc[case.row]
    table = pd.DataFrame(
        {
            "what": [called.column_name(str(n)) for n in clinical.columns],
            "column": [str(name) for name in clinical.columns],
            "value": [
                called.value_text(str(n), values[n]) or "not given" for n in clinical.columns
            ],
            "read by the model": ["yes" if n in inputs else "no" for n in clinical.columns],
            "known in the cohort": [f"{100 * s:.0f}%" for s in clinical.notna().mean()],
        }
    )
    st.dataframe(table, hide_index=True, key="case_clinical_table")


def no_model(case: CaseView) -> None:
    """Why nothing is scored."""
    st.header("Result", anchor=False)
    problem = case.workspace.problem
    if problem is not None:
        st.error(plain(messages.describe(problem)))
    else:
        st.info("No installed model fits this cohort. Upload & check says what is missing.")
    st.page_link("views/upload/page.py", label="Open Upload & check")


def no_score(case: ModelledCase) -> None:
    """Why this patient is not scored, and how far what is missing could move it."""
    st.header("Result", anchor=False)
    st.warning(plain(case.summary.no_score))
    if case.summary.present and case.summary.absent and not case.summary.withheld:
        _sensitivity(case)


def _sensitivity(case: ModelledCase) -> None:
    asked = st.toggle(
        "Sensitivity range",
        key="case_sensitivity",
        help="Scores this patient with what is missing taken from similar patients.",
    )
    if not asked:
        return
    scoring = case.scoring
    try:
        found = sensitivity_range(
            scoring.bundle,
            case.workspace.cohort,
            case.row,
            np.asarray(case.same_subtype),
            missing=scoring.missing,
        )
    except EstimationError as error:
        st.info(plain(f"No sensitivity range: {error}"))
        return
    st.markdown(plain(_said(case, found)))
    st.caption("Exploration, not a result: what is missing was never measured in this patient.")


def _said(case: ModelledCase, found: SensitivityRange) -> str:
    absent = " and ".join(case.workspace.profile.modality(name) for name in found.absent)
    strata = " to ".join(dict.fromkeys((found.strata[0], found.strata[-1])))
    same = "same-subtype patients" if case.knows_subtype else "other patients"
    return (
        f"With {absent} of {found.donors:,} {same} ({count(found.draws, 'draw')}), z would lie "
        "between "
        f"{found.low:+.2f} and {found.high:+.2f} in 95 of 100 draws: {strata} risk. Other draws "
        f"move the ends by about {found.low_error:.2f} and {found.high_error:.2f} (SE)."
    )
