"""Groups of patients as objects: which there are, who is in them, and how one is made.

The workspace goes in; groups with their members come out, and the form that makes one. Groups are
kept with the cohort in the store, by case token; errors of the store are shown where they arise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from camlif.arrays import BoolArray
from camlif.data.preprocessing import CLINICAL
from camlif.exceptions import CamlifError
from camlif.wording import count, listed
from dashboard import messages
from dashboard.access.access import Action, allowed
from dashboard.components import drafts
from dashboard.components.text import plain, say_refusal
from dashboard.components.trail import cohort_key
from dashboard.components.worklists import show_errors
from dashboard.session import column_filters, resources, state
from dashboard.session.keys import SessionKey
from dashboard.session.state import Workspace
from dashboard.session.user import current_user
from dashboard.store import PatientGroup, StoreError
from dashboard.store.identifiers import check_free_of_identifiers
from dashboard.views.case import commit_first
from dashboard.views.cohort.columns import values_of

COMPARED: SessionKey[list[int]] = SessionKey("groups_chosen")
PICKED: SessionKey[list[int]] = SessionKey("compared_groups")
"""What their picker shows; the choice outlives it on other views."""
GROUPS = "Groups compared"
"""What patients are grouped by where groups are compared."""
MAX_COMPARED = 6
BY_RISK = "by the model's risk"
"""Begins the rule of a group that rests on risks."""
SHOWN, STRATUM, COLUMN, IDS = "Patients shown", "Risk group", "A column", "A list of identifiers"
UNKNOWN_NAMED = 10


@dataclass(frozen=True, slots=True)
class Made:
    """Members of a group to be, shape (n,), and its rule; ``unknown`` are texts that are nobody."""

    members: BoolArray
    rule: str
    unknown: tuple[str, ...] = ()


def available(workspace: Workspace) -> tuple[PatientGroup, ...]:
    """Groups of the loaded cohort; none where the store cannot be read."""
    try:
        return resources.store().groups.of(cohort_key(workspace.loaded))
    except StoreError:
        return ()


def groups_to_compare(workspace: Workspace) -> tuple[PatientGroup, ...]:
    """Groups that are compared: those chosen, by default the latest."""
    return _chosen(available(workspace))


def _chosen(found: tuple[PatientGroup, ...]) -> tuple[PatientGroup, ...]:
    chosen = COMPARED.get()
    known = tuple(group for group in found if group.id in (chosen or ()))
    return found[-MAX_COMPARED:] if chosen is None or (chosen and not known) else known


def members_of(workspace: Workspace, groups: Sequence[PatientGroup]) -> dict[str, BoolArray]:
    """Patients of each group who are shown, by name, each shape (n,)."""
    tokens = workspace.loaded.tokens
    return {
        group.name: np.array([t in group.tokens for t in tokens], dtype=bool) & workspace.shown
        for group in groups
    }


def rests_on_risk(groups: Sequence[PatientGroup]) -> bool:
    """Whether a group was made by the model's risk: tests between such groups are no evidence."""
    return any(group.rule.startswith(BY_RISK) for group in groups)


def choose(workspace: Workspace) -> tuple[PatientGroup, ...]:
    """Draw the choice of groups, the form for a new one and the list of all; return the chosen."""
    found = available(workspace)
    names = {group.id: group.name for group in found}

    def changed() -> None:
        COMPARED.set(PICKED.require())

    chosen = _chosen(found)
    PICKED.set([group.id for group in chosen])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.multiselect(
            GROUPS,
            list(names),
            key=PICKED.name,
            on_change=changed,
            format_func=lambda number: names.get(number, ""),
            max_selections=MAX_COMPARED,
            placeholder="Make two groups first",
            select_all=False,
        )
        with st.popover("New group", key="new_group", icon=":material/group_add:"):
            _form(workspace)
        if found:
            with st.popover("All groups", key="all_groups"):
                _list(workspace, found)
    return chosen


def _form(workspace: Workspace) -> None:
    if not allowed(Action.GROUP_CHANGED, current_user().role):
        st.caption("Groups are made by reviewers.")
        return
    sources = [SHOWN, COLUMN, IDS]
    if workspace.scoring is not None:
        sources.insert(1, STRATUM)
    source = st.selectbox("From", sources, key="group_source")
    made = {SHOWN: _shown, STRATUM: _stratum, COLUMN: _column, IDS: _ids}[source](workspace)
    if made is None:
        return
    st.caption(plain(f"{count(int(made.members.sum()), 'patient')}: {made.rule}."))
    if made.unknown:
        named = [*made.unknown[:UNKNOWN_NAMED]]
        more = len(made.unknown) - len(named)
        st.warning(
            plain(
                f"{count(len(made.unknown), 'identifier')} not in this cohort: "
                f"{', '.join(named)}{f' and {more:,} more' if more else ''}."
            )
        )
    tokens = [workspace.loaded.tokens[row] for row in np.flatnonzero(made.members)]
    save_form(workspace, tokens, made.rule, key="group")


def save_form(workspace: Workspace, tokens: Sequence[str], rule: str, *, key: str) -> None:
    """Draw name and button that keep patients as a group.

    Parameters
    ----------
    workspace : Workspace
    tokens : sequence of str
        Of the patients.
    rule : str
        How the group was made.
    key : str
        Begins the keys of its widgets.
    """
    name: SessionKey[str] = SessionKey(f"{key}_name")
    refused: SessionKey[str] = SessionKey(f"{key}_refused")

    def save() -> None:
        text = name.get() or ""
        try:
            ids = workspace.cohort.patient_ids
            check_free_of_identifiers(f"{text} {rule}", ids)
            group = resources.store().groups.create(
                current_user(), cohort_key(workspace.loaded), text, rule=rule, tokens=tokens
            )
        except CamlifError as error:
            refused.set(messages.describe(error))
            return
        drafts.saved(name, text)
        if COMPARED.is_set:
            COMPARED.set([*COMPARED.require(), group.id][-MAX_COMPARED:])

    st.text_input("Name of the group", key=name.name)
    st.button("Save group", key=f"{key}_save", on_click=save)
    say_refusal(refused)


def _shown(workspace: Workspace) -> Made:
    said = [
        f"{label}: {listed([words(level) for level in levels])}"
        for label, levels, words in (
            (
                workspace.profile.subtype_label,
                state.FILTER_SUBTYPE.get(),
                workspace.profile.subtype,
            ),
            (workspace.profile.grade_label, state.FILTER_GRADE.get(), workspace.profile.grade),
        )
        if levels
    ]
    limits = state.FILTER_AGE.get()
    if limits is not None and limits != state.age_limits(workspace.cohort):
        said.append(f"age {limits[0]} to {limits[1]}")
    if state.FILTER_COMPLETE.get():
        said.append("all modalities present")
    said += column_filters.in_words().values()
    return Made(workspace.shown, f"filters, {'; '.join(said)}" if said else "everybody")


def _stratum(workspace: Workspace) -> Made | None:
    scoring = workspace.scoring
    if scoring is None:
        return None
    name = st.selectbox("Risk group", scoring.bundle.strata.names, key="group_stratum")
    hidden = commit_first.withheld(workspace)
    commit_first.say_withheld(hidden)
    members = np.asarray(scoring.result.stratum == name) & ~hidden
    return Made(members, f"{BY_RISK}: {name}, model {scoring.bundle.name}")


def _column(workspace: Workspace) -> Made | None:
    cohort = workspace.cohort
    tables = {CLINICAL: [str(name) for name in cohort.clinical]}
    tables |= {m.name: list(m.columns) for m in cohort.schema.modalities}
    table = st.selectbox("Table", [name for name in tables if tables[name]], key="group_table")
    column = st.selectbox("Column", tables[table], key=f"group_column_{table}")
    values = values_of(cohort, table, column)
    key = f"{table}_{column}"
    if not values.notna().any():
        st.caption("No patient has a value.")
        return None
    if not pd.api.types.is_numeric_dtype(values):
        levels = sorted(values.dropna().unique())
        chosen = st.multiselect("Values", levels, key=f"group_levels_{key}", select_all=False)
        return Made(values.isin(chosen).to_numpy(bool), f"{column}: {listed(chosen) or 'none'}")
    low, high = float(values.min()), float(values.max())
    least = st.number_input("From", value=low, key=f"group_least_{key}", format="%g")
    most = st.number_input("To", value=high, key=f"group_most_{key}", format="%g")
    # A limit that was not moved lets its own patient in, whatever digits the browser showed.
    inside = values.ge(least if least > low else low) & values.le(most if most < high else high)
    return Made(inside.to_numpy(bool), f"{column} from {least:g} to {most:g}")


def _ids(workspace: Workspace) -> Made:
    text = st.text_area("Identifiers", key="group_ids", help="One a line, or parted by commas.")
    asked = list(dict.fromkeys(part for part in re.split(r"[\s,;]+", text) if part))
    ids = [str(i) for i in workspace.cohort.patient_ids]
    known = set(ids)
    members = np.isin(ids, asked)
    unknown = tuple(part for part in asked if part not in known)
    return Made(members, "a list of identifiers", unknown)


def _list(workspace: Workspace, found: Sequence[PatientGroup]) -> None:
    members = members_of(workspace, found)
    rows = [
        {"group": g.name, "patients": len(g.tokens), "shown": int(members[g.name].sum())}
        | {"made from": g.rule}
        for g in found
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="groups_table", alt="Groups kept")
    if not allowed(Action.GROUP_CHANGED, current_user().role):
        return
    names = {group.id: group.name for group in found}
    doomed = st.selectbox("Delete", list(names), format_func=names.__getitem__, key="group_doomed")
    if st.button("Delete group", key="group_delete"):
        with show_errors():
            resources.store().groups.delete(current_user(), doomed)
            st.rerun()
