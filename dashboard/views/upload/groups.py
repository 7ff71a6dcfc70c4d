"""Upload & check, step 2: the feature groups of every modality, shown and changed.

A check's report goes in; changed groups are a change of the mapping.
"""

from __future__ import annotations

import streamlit as st

from camlif.data.reading.assignments import file_use, regroup
from camlif.data.reading.checks import CheckReport, FeatureGroup, group_words
from camlif.data.reading.groups import groups_text, parse_groups
from camlif.exceptions import SchemaError
from dashboard.components.text import plain
from dashboard.views.upload import session

LINE_PIXELS, MIN_LINES, MAX_LINES = 26, 4, 16
HOW = (
    "One group a line: texture = glcm_*, glrlm_*. The star stands for any text, and what no group "
    "takes forms the group other. Leave it empty to group by the names of the columns."
)


def show_groups(report: CheckReport, *, disabled: bool) -> None:
    """Draw the groups, each read by a network of its own, with a way to group otherwise."""
    files = report.modality_files
    groups = {modality: _groups_of(report, modality) for modality in files}
    if not any(groups.values()):
        return
    st.markdown("Feature groups, with their columns")
    for modality, known in groups.items():
        if not known:
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(plain(f"{modality}: {group_words(known)}"))
            # The samples of a patient are read one by one, each as a whole.
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
    before = groups_text({group.name: group.patterns for group in groups})
    lines = min(max(before.count("\n") + 2, MIN_LINES), MAX_LINES)
    key = f"{modality}_{session.round_number()}"
    with (
        st.popover(plain(f"Group {modality} otherwise"), type="tertiary", key=f"grouping_{key}"),
        st.form(f"groups_form_{key}", border=False),
    ):
        text = st.text_area(
            plain(f"Feature groups of {modality}"),
            before,
            height=LINE_PIXELS * lines,
            key=f"groups_{key}",
        )
        st.caption(plain(HOW))
        pressed = st.form_submit_button("Regroup", key=f"regroup_{key}")
    if pressed and text != before:
        _regroup(report, modality, text)
        st.rerun()


def _regroup(report: CheckReport, modality: str, text: str) -> None:
    try:
        groups = parse_groups(text)
    except SchemaError as error:
        session.REFUSED.set(str(error))
        return
    title = f"Feature groups of {modality}: {', '.join(groups) or 'by the names of the columns'}"
    session.change(title, regroup(report, modality, groups))
