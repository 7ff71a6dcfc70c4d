"""A case beside another patient, or against a group: result, reasons, differing features.

A scored case goes in and is drawn beside the other once the view is opened. Commit first hides
what it hides elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from camlif.arrays import BoolArray
from camlif.model.sentences import outcomes_sentence
from camlif.wording import count, in_sentence
from dashboard.components.case_view import CaseView, ScoredCase, view_case
from dashboard.components.chart import draw, show_chart, theme
from dashboard.components.text import plain
from dashboard.figures.attribution import (
    FeatureContribution,
    group_bars,
    paired_group_bars,
    sum_by_group,
)
from dashboard.profiles import patient_facts
from dashboard.views.case import commit_first, evidence, panels
from dashboard.views.cohort import patient_groups

PATIENT, GROUP = "A patient", "A group"
MOST_OFFERED = 1000
"""Patients offered in the list, which goes to the browser at every rerun."""
N_FEATURES = 10
HIDDEN = "The other patient's result stays hidden until the board has recorded its estimate."


def panel(case: ScoredCase) -> None:
    """Offer the comparison; nothing is computed until it is opened."""
    box = st.expander(
        "Compare with a patient or a group",
        key="case_compare",
        on_change="rerun",
        icon=":material/compare_arrows:",
    )
    if not box.open:
        return
    with box:
        kind = st.segmented_control(
            "Compare with",
            [PATIENT, GROUP],
            default=PATIENT,
            key="compare_kind",
            required=True,
            persist_state="session",
            label_visibility="collapsed",
        )
        if kind == PATIENT:
            _beside(case)
        else:
            _against(case)


def _beside(case: ScoredCase) -> None:
    ids = case.workspace.cohort.patient_ids
    rows = [int(row) for row in np.flatnonzero(case.workspace.shown) if row != case.row]
    if len(rows) > MOST_OFFERED:
        st.caption(
            f"Of {count(len(rows), 'patient')}, the first {MOST_OFFERED:,} shown are offered."
        )
    picked = st.selectbox(
        "Other patient",
        rows[:MOST_OFFERED],
        index=None,
        key="compare_patient",
        format_func=lambda row: str(ids[row]),
        placeholder="Pick a patient",
        width=320,
    )
    if picked is None:
        return
    other = view_case(case.workspace, picked)
    hidden = commit_first.waiting(other) is not None
    for column, shown in zip(st.columns(2, border=True), (case, other), strict=True):
        with column:
            _who(shown)
            if hidden and shown is other:
                st.info(HIDDEN)
            elif isinstance(shown, ScoredCase):
                _answer(shown)
            else:
                st.markdown("No score.")
    if not hidden and isinstance(other, ScoredCase):
        _reasons_of_both(case, other)


def _who(case: CaseView) -> None:
    cohort = case.workspace.cohort
    facts = patient_facts(cohort, case.row, case.workspace.profile)
    st.markdown(" · ".join([f"**{plain(cohort.patient_ids[case.row])}**", *map(plain, facts)]))


def _answer(case: ScoredCase) -> None:
    """Risk group, survival at the horizon in view and how sure, a line each."""
    horizon = panels.horizon_in_view(case.score)
    st.markdown(panels.group_line(case.score))
    st.markdown(f"**{plain(horizon.statement)}**" if horizon.statement else plain(horizon.sentence))
    st.markdown(plain(case.summary.certainty.sentence))


def _reasons_of_both(case: ScoredCase, other: ScoredCase) -> None:
    ids = case.workspace.cohort.patient_ids
    (_, first), (_, second) = (evidence.explained(c, "median") for c in (case, other))
    if not first or not second:
        st.info("No method for feature groups passes its check on this model.")
        return
    names = [str(ids[c.row]) for c in (case, other)]
    sums = {name: sum_by_group(f) for name, f in zip(names, (first, second), strict=True)}
    show_chart(draw(paired_group_bars, sums, theme=theme()), key="compare_reasons")
    st.caption("Both against the training median, each by the models that did not see the patient.")
    if any(feature.n_features > 1 for feature in first):
        return
    pairs = sorted(
        zip(first, second, strict=True), key=lambda p: -abs(p[0].contribution - p[1].contribution)
    )
    table: dict[str, Sequence[object]] = {
        "feature": [a.name for a, _ in pairs[:N_FEATURES]],
        names[0]: [a.value_text for a, _ in pairs[:N_FEATURES]],
        names[1]: [b.value_text for _, b in pairs[:N_FEATURES]],
        "difference in log risk": [
            round(a.contribution - b.contribution, 2) for a, b in pairs[:N_FEATURES]
        ],
    }
    _table(table, "Features whose contributions differ most")


def _table(columns: Mapping[str, Sequence[object]], title: str) -> None:
    st.markdown(f"**{title}**")
    st.dataframe(pd.DataFrame(columns), hide_index=True, key="compare_features", alt=title)


def _groups(case: ScoredCase) -> dict[str, BoolArray]:
    """Groups to compare with, by name: of the cohort, its subtype, and those that were named."""
    workspace, result = case.workspace, case.scoring.result
    found = {"All patients shown": workspace.shown}
    if case.knows_subtype:
        found["Same " + in_sentence(workspace.profile.subtype_label)] = case.same_subtype
    for name in case.scoring.bundle.strata.names:
        found[f"Risk group {name}"] = np.asarray(result.stratum == name) & workspace.shown
    found |= patient_groups.members_of(workspace, patient_groups.available(workspace))
    usable = result.scored & ~commit_first.withheld(workspace)
    usable[case.row] = False
    return {name: members & usable for name, members in found.items() if (members & usable).any()}


def _against(case: ScoredCase) -> None:
    groups = _groups(case)
    if not groups:
        st.info("No other patient shown here has a score.")
        return
    name = st.selectbox("Group", list(groups), key="compare_group", width=320)
    rows = np.flatnonzero(groups[name])
    left, right = st.columns(2, border=True)
    with left:
        _who(case)
        _answer(case)
    with right:
        st.markdown(f"**{plain(name)}**: {count(len(rows), 'other patient')} with a score")
        labels, sizes = np.unique(case.scoring.result.stratum[rows].astype(str), return_counts=True)
        order = [s for s in case.scoring.bundle.strata.names if s in labels]
        held = dict(zip(labels.tolist(), sizes.tolist(), strict=True))
        st.markdown(plain("; ".join(f"{s} risk: {held[s]:,}" for s in order)))
        st.markdown(plain(_course(case, rows)))
    _, features = evidence.explained(case, tuple(rows.tolist()))
    if not features:
        st.info("No method for feature groups passes its check on this model.")
        return
    st.caption(plain(f"What raises or lowers this case's risk against the mean of: {name}."))
    show_chart(draw(group_bars, sum_by_group(features), theme=theme()), key="compare_reasons")
    if any(feature.n_features > 1 for feature in features):
        return
    top = sorted(features, key=lambda f: -abs(f.contribution))[:N_FEATURES]
    table: dict[str, Sequence[object]] = {
        "feature": [f.name for f in top],
        "this case": [f.value_text for f in top],
        "group (median or most frequent)": [_typical(case, f, rows) for f in top],
        "contribution to log risk": [round(f.contribution, 2) for f in top],
    }
    _table(table, "Features that set this case apart most")


def _course(case: ScoredCase, rows: NDArray[np.int_]) -> str:
    cohort = case.workspace.cohort
    known = rows[cohort.with_outcome[rows]]
    if cohort.event is None or cohort.duration is None or not len(known):
        return "Their outcomes are not known."
    return outcomes_sentence(cohort.event[known], cohort.duration[known], cohort.info.endpoint)


def _typical(case: ScoredCase, feature: FeatureContribution, rows: NDArray[np.int_]) -> str:
    """Median of a column in the group, or its most frequent value."""
    cohort, words = case.workspace.cohort, case.workspace.profile.column(feature.column)
    if feature.column in cohort.clinical:
        values = cohort.clinical[feature.column].iloc[rows].dropna()
        if not len(values):
            return "not known"
        numeric = pd.api.types.is_numeric_dtype(values)
        value = values.median() if numeric else values.mode().iloc[0]
        return case.workspace.profile.value_text(feature.column, value) or "not known"
    for modality in cohort.schema.modalities:
        if feature.column in modality.columns and modality.name in cohort.tables:
            column = cohort.tables[modality.name][rows, modality.columns.index(feature.column)]
            known = column[np.isfinite(column)]
            text = f"{np.median(known):.3g}" if len(known) else "not known"
            return f"{words.levels.get(text, text)} {feature.unit}".strip()
    return "not known"
