"""Upload & check, step 2: the feature groups of every modality, shown and changed."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from camlif.data.assignments import file_use, regroup
from camlif.data.checks import CheckReport, FeatureGroup, group_words
from dashboard.components.text import plain
from dashboard.views import data_session as session

EDITOR_PIXELS = 640
HELP = "Names of columns; * stands for any text. What no group takes forms the group other."


def show_groups(report: CheckReport, *, disabled: bool) -> None:
    """Draw the groups, each read by a network of its own, with a way to group otherwise."""
    files = report.modality_files
    groups = {m: _groups_of(report, m) for m in files}
    if not any(groups.values()):
        return
    st.markdown("Feature groups, with their columns")
    for modality, known in groups.items():
        if not known:
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(plain(f"{modality}: {group_words(known)}"))
            # Samples of one patient are read as a whole, column by column alike.
            if not disabled and file_use(report, files[modality]).kind != "bag":
                _editor(report, modality, known)


def _groups_of(report: CheckReport, modality: str) -> tuple[FeatureGroup, ...]:
    """Groups as read; where they could not be, as the manifest has them, so as to be mended."""
    if modality in report.groups:
        return report.groups[modality]
    section = report.manifest.modalities.get(modality)
    declared = section.groups if section is not None else {}
    return tuple(FeatureGroup(name, 0, patterns) for name, patterns in declared.items())


def _editor(report: CheckReport, modality: str, groups: tuple[FeatureGroup, ...]) -> None:
    table = pd.DataFrame(
        {
            "group": [group.name for group in groups],
            "columns": [list(group.patterns) for group in groups],
        }
    )
    key = f"{modality}_{session.round_number()}"
    with (
        st.popover(plain(f"Group {modality} otherwise"), type="tertiary", width="content"),
        st.form(f"groups_form_{key}", border=False),
    ):
        edited = st.data_editor(
            table,
            hide_index=True,
            num_rows="dynamic",
            width=EDITOR_PIXELS,
            column_config={
                "group": st.column_config.TextColumn("Feature group", required=True, max_chars=40),
                "columns": st.column_config.ListColumn("Columns", help=HELP),
            },
            key=f"mapping_groups_{key}",
            alt=f"Feature groups of {modality}",
        )
        st.caption(f"{HELP} Without any group the names of the columns tell them.")
        pressed = st.form_submit_button("Regroup", key=f"regroup_{key}")
    if pressed and not edited.equals(table):
        _regroup(report, modality, edited)
        st.rerun()


def _regroup(report: CheckReport, modality: str, edited: pd.DataFrame) -> None:
    """Make the change; a name given twice joins its columns."""
    groups: dict[str, list[str]] = {}
    for name, columns in zip(edited["group"], edited["columns"], strict=True):
        patterns = [] if columns is None else [str(column).strip() for column in columns]
        if patterns:
            groups.setdefault(str(name).strip(), []).extend(patterns)
    title = f"Feature groups of {modality}: {', '.join(groups) or 'by the names of the columns'}"
    session.change(title, regroup(report, modality, groups))
