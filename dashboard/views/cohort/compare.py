"""Groups compared: what distinguishes them in every column, and what the model rests on in each.

The workspace goes in; the choice of groups, a table, a volcano chart and one column by group are
drawn. A click on a row or a point draws its column.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from camlif.arrays import BoolArray
from camlif.exceptions import CamlifError, EstimationError
from camlif.explain.verdicts import spread_by_risk
from camlif.statistics import GroupDifferences, disjoint, group_differences
from camlif.wording import count, listed
from dashboard.components.chart import MAX_ROWS, show_chart, take_click, theme
from dashboard.components.contributions import display_name
from dashboard.components.text import plain
from dashboard.figures.attribution import modality_share
from dashboard.figures.group_columns import column_chart, volcano_chart
from dashboard.session import resources, shared_results
from dashboard.session.keys import SessionKey
from dashboard.session.state import Workspace
from dashboard.views.case import commit_first
from dashboard.views.cohort import patient_groups
from dashboard.views.cohort.columns import columns_of, marks_of, values_of
from dashboard.views.cohort.groups import GROUP_BY, NEXT_VIEW

DRAWN: SessionKey[tuple[str, str]] = SessionKey("drawn_column")
"""Table and name of the column that is drawn by group."""
CLICKED: SessionKey[tuple[int, ...]] = SessionKey("volcano_point")
PICKED: SessionKey[dict[str, dict[str, list[int]]]] = SessionKey("differences")
"""Rows of the table of differences that are selected."""
MOST_EXPLAINED = 25
"""Patients of each group whose contributions are computed."""
SHOWN = (
    *("table", "column", "mark", "difference", "log2_ratio", "p_value", "q_value"),
    *("test", "n", "first", "second"),
)
COLUMNS, REASONS = "What distinguishes them", "Reasons"


def compare_view(workspace: Workspace) -> None:
    """Choose groups, and compare them."""
    groups = patient_groups.choose(workspace)
    members = patient_groups.members_of(workspace, groups)
    if len(groups) < 2:
        st.info("Make or choose two groups to compare: from filters, a column, risk or a list.")
        return
    _say_sizes(members)
    if patient_groups.rests_on_risk(groups):
        st.caption(
            "A group was made by the model's risk: groups then differ in the model's inputs and "
            "in survival by construction."
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        part = st.segmented_control(
            "Compare", [COLUMNS, REASONS], default=COLUMNS, key="compare_part", required=True
        )
        for view, label in (
            ("Kaplan-Meier", "In Kaplan-Meier"),
            ("Hazard by subtype", "In hazard"),
        ):
            if st.button(label, key=f"groups_{view}"):
                GROUP_BY.set(patient_groups.GROUPS)
                NEXT_VIEW.set(view)
                st.rerun()
    if part == REASONS:
        _reasons(workspace, members)
    else:
        _columns(workspace, members)


def _say_sizes(members: Mapping[str, BoolArray]) -> None:
    sizes = listed([f"{name} (n = {int(mask.sum()):,})" for name, mask in members.items()])
    _, n_shared = disjoint(members)
    shared = f"; {count(n_shared, 'patient')} in several groups, left out of tests"
    st.caption(plain(f"{sizes}{shared if n_shared else ''}."))


def _columns(workspace: Workspace, members: Mapping[str, BoolArray]) -> None:
    columns = columns_of(workspace.cohort)

    def compare() -> tuple[GroupDifferences, pd.DataFrame]:
        found = group_differences(columns.numbers.values(), columns.categories, members)
        table = found.table.assign(table=columns.tables)
        marks = marks_of(workspace, columns)
        keys = zip(table["table"], table["column"], strict=True)
        return found, table.assign(mark=[marks.get(key, "") for key in keys])

    scoring = workspace.scoring
    model = None if scoring is None else scoring.model.digest
    try:
        found, table = shared_results.compute_once(
            compare,
            f"differences of {list(members)} in {workspace.loaded.digest} beside {model}",
            np.stack(list(members.values())),
        )
    except EstimationError as error:
        st.info(plain(str(error)))
        return
    event = show_chart(volcano_chart(table, found.names, theme=theme()), key="volcano", select=True)
    clicked = take_click(event, CLICKED)
    if clicked is not None:
        DRAWN.set((str(table.at[clicked[0], "table"]), str(table.at[clicked[0], "column"])))
    _sortable(table)
    if columns.left_out:
        st.caption(plain(f"Not compared, of too many values: {listed(columns.left_out)}."))
    _draw_column(workspace, members)


def _sortable(table: pd.DataFrame) -> None:
    ranked = table.sort_values(["p_value", "column"], kind="stable", na_position="last")
    shown = ranked.head(MAX_ROWS)[list(SHOWN)]

    def picked() -> None:
        for row in PICKED.require()["selection"]["rows"]:
            DRAWN.set((str(shown.iloc[row]["table"]), str(shown.iloc[row]["column"])))

    st.dataframe(
        shown,
        hide_index=True,
        key=PICKED.name,
        height=280,
        on_select=picked,
        selection_mode="single-row",
        column_config={
            "difference": st.column_config.NumberColumn("difference (SD)", format="%+.2f"),
            "log2_ratio": st.column_config.NumberColumn("log2 ratio", format="%+.2f"),
            "p_value": st.column_config.NumberColumn("p", format="%.2e"),
            "q_value": st.column_config.NumberColumn("q", format="%.2e"),
        },
        alt="Columns by p-value; select a row to draw its column by group",
    )
    cut = (
        f" The first {MAX_ROWS:,} of {count(len(table), 'column')}."
        if len(table) > MAX_ROWS
        else ""
    )
    st.caption(
        f"Select a row or a point to draw its column. Difference: first less second group.{cut}"
    )


def _draw_column(workspace: Workspace, members: Mapping[str, BoolArray]) -> None:
    drawn = DRAWN.get()
    if drawn is None:
        return
    table, column = drawn
    try:
        values = values_of(workspace.cohort, table, column)
    except (KeyError, ValueError, CamlifError):
        DRAWN.pop()  # of another cohort
        return
    show_chart(column_chart(column, values, members, theme=theme()), key="column_by_group")


def _reasons(workspace: Workspace, members: Mapping[str, BoolArray]) -> None:
    """Mean contributions of modalities in each group, of patients evenly spaced by risk."""
    scoring = workspace.scoring
    if scoring is None:
        st.info("No model fits this cohort, so there is nothing to explain.")
        return
    hidden = commit_first.withheld(workspace)
    commit_first.say_withheld(hidden & workspace.shown)
    able = scoring.result.scored & ~hidden
    drawn = {
        name: spread_by_risk(scoring.result.z, np.flatnonzero(mask & able), MOST_EXPLAINED)
        for name, mask in members.items()
    }
    drawn = {name: rows for name, rows in drawn.items() if len(rows)}
    if not drawn:
        st.info("No patient of these groups has a score.")
        return
    rows = np.unique(np.concatenate(list(drawn.values())))
    found = resources.modality_attribution(
        workspace.loaded.digest,
        scoring.model.digest,
        tuple(rows.tolist()),
        "median",
        scoring.missing,
        workspace.cohort,
        scoring.bundle,
    )
    names = [display_name(workspace, player) for player in found.players]
    size = np.abs(found.values)
    means = {
        group: dict(zip(names, size[np.isin(rows, of)].mean(axis=0).tolist(), strict=True))
        for group, of in drawn.items()
    }
    chart = modality_share(means, {g: len(of) for g, of in drawn.items()}, theme=theme())
    show_chart(chart, key="reasons_by_group")
    st.caption(
        f"Exact Shapley values of the log risk, of at most {MOST_EXPLAINED} patients a group, "
        "evenly spaced by risk."
    )
