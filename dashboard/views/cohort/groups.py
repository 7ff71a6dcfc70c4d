"""Patients of a view with a known outcome, and the groups they fall into.

The workspace goes in; outcomes, names and sentences come out for the views of the page.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from camlif.data.cohort import Cohort
from camlif.exceptions import EstimationError
from camlif.statistics import disjoint, log_rank, too_few
from camlif.statistics.outcome import LATE_ENTRY
from camlif.wording import format_p
from dashboard import messages
from dashboard.known_outcome import EVERYBODY, KnownOutcome, outcome_of
from dashboard.session import shared_results, state
from dashboard.session.keys import SessionKey
from dashboard.session.state import Workspace
from dashboard.views.cohort import patient_groups

RISK = "Risk group"
GROUP_BY: SessionKey[str] = SessionKey("group_by")
NEXT_VIEW: SessionKey[str] = SessionKey("next_view")
"""View that the page turns to on its next run: a view cannot change its own picker."""
SELECTION = "Selected patients"
MAX_GROUPS = 8
HIDDEN = "hidden: too few"


def need_outcome(workspace: Workspace, rows: NDArray[np.int_]) -> KnownOutcome | None:
    """Outcome of the rows, or a message why curves stay off."""
    outcome = outcome_of(workspace.cohort, rows)
    if outcome is None or not len(outcome.rows):
        st.info(messages.text("E-08"))
        return None
    return outcome


def say_late_entry(cohort: Cohort) -> None:
    """Say how late entry is taken into account, where some patients enter late."""
    if cohort.enters_late:
        st.caption(LATE_ENTRY)


def log_rank_words(outcome: KnownOutcome, group: NDArray[np.str_]) -> str:
    """Say the log-rank p-value of groups, hidden where a group is too small."""
    try:
        if too_few(outcome.event, group):
            return HIDDEN
        test = shared_results.compute_once(
            lambda: log_rank(outcome.event, outcome.duration, group, entry=outcome.entry),
            "log-rank",
            *outcome.arrays,
            group,
        )
        return format_p(test.p_value)
    except EstimationError:
        return "not defined"


def rests_on_held_out(workspace: Workspace, label: str, rows: NDArray[np.int_]) -> bool:
    """Whether a grouping of these rows rests on held-out risks, which makes tests of it wrong.

    Parameters
    ----------
    workspace : Workspace
    label : str
        What patients are grouped by.
    rows : int, shape (n,)
        Patients of the cohort.
    """
    scoring = workspace.scoring
    # Patients are selected in the hazard chart, so by their risk.
    by_risk = label in (RISK, SELECTION) or (
        label == patient_groups.GROUPS
        and patient_groups.rests_on_risk(patient_groups.groups_to_compare(workspace))
    )
    return (
        by_risk
        and scoring is not None
        and bool((scoring.result.is_training | scoring.result.unclear)[rows].any())
    )


def groupings_of(workspace: Workspace) -> dict[str, pd.Series]:
    """Everything patients can be grouped by: label -> one value per patient of the cohort."""
    cohort, profile = workspace.cohort, workspace.profile
    found: dict[str, pd.Series] = {}
    if workspace.scoring is not None:
        found[RISK] = pd.Series(workspace.scoring.result.stratum)
    named = (
        (profile.subtype_label, cohort.subtype, profile.subtype),
        (profile.grade_label, cohort.grade, profile.grade),
    )
    for label, column, words in named:
        if column is not None:
            found[label] = column.astype("string").map(words, na_action="ignore")
    used = {cohort.info.subtype_column, cohort.info.grade_column}
    for name in cohort.clinical.columns:
        column = cohort.clinical[name]
        if name not in used and 1 < column.nunique() <= MAX_GROUPS:
            found[str(name)] = column.astype("string")
    selected = state.SELECTION.get()
    if selected:
        chosen = np.isin(workspace.loaded.tokens, list(selected))
        found[SELECTION] = pd.Series(np.where(chosen, "selected", "others"))
    compared = patient_groups.groups_to_compare(workspace)
    if compared:
        group, _ = disjoint(patient_groups.members_of(workspace, compared))
        names = np.array([*(g.name for g in compared), None], dtype=object)
        found[patient_groups.GROUPS] = pd.Series(names[group])
    # Tables without a category or a model still have one curve.
    return found or {EVERYBODY: pd.Series(["all"] * len(cohort))}


def ordered_groups(workspace: Workspace, label: str, values: NDArray[np.object_]) -> list[str]:
    """Group names in legend order: risk groups by risk, named ones as made, others sorted.

    Parameters
    ----------
    workspace : Workspace
    label : str
        What patients are grouped by.
    values : object, shape (n,)
        Group of each patient; None or NaN where unknown.
    """
    present = {str(v) for v in values if pd.notna(v)}
    if label == RISK and workspace.scoring is not None:
        return [name for name in workspace.scoring.bundle.strata.names if name in present]
    if label == patient_groups.GROUPS:
        return [g.name for g in patient_groups.groups_to_compare(workspace) if g.name in present]
    return sorted(present)
