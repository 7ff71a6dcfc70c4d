"""Figures 3, A5, A6(a) and A6(b) of the paper, on the cohort of a study.

A study with its cohort goes in and is drawn; a figure that the cohort cannot give says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from camlif.exceptions import EstimationError
from camlif.study.heldout import MEDIAN, QUARTILES, TERTILES
from dashboard.components.chart import show_chart, show_numbers, theme
from dashboard.components.text import plain
from dashboard.figures.study.strata_and_grades import (
    HeldOutPatients,
    name_rows,
    pooling_words,
    strata_chart,
)
from dashboard.figures.survivors import interval_composition, short_long_chart
from dashboard.views.cohort.views import DEFAULT_SURVIVOR_CUTOFF, SURVIVOR_CUTOFFS
from dashboard.views.study.choice import StudyChoice
from dashboard.views.study.data import REFERENCE, OpenStudy
from dashboard.views.study.views import NO_PATIENTS, caption, pick_unit, show_figure_3

FIGURE_3, FIGURE_A5 = "Figure 3", "Figure A5"
FIGURE_A6A, FIGURE_A6B = "Figure A6(a)", "Figure A6(b)"
EVERYONE = "All patients"
NOT_DRAWN = {"ODG": "IV"}
"""Grade that the predecessors leave out within a subtype: there is none in the classification."""
INTERVALS = {
    "glioma": ((-1.0, -0.5), (1.0, 1.25), (1.25, 1.5)),
    "kidney": ((-1.5, -0.75), (-0.75, 0.0), (0.0, 0.75), (0.75, 1.5)),
}
"""Intervals of z whose composition the predecessors tabulate."""
DEFAULT_INTERVALS = INTERVALS["kidney"]
PAPER_WORDS = "After the figure of the paper; other patients than the paper's."


def paper_view(choice: StudyChoice) -> None:
    """Draw the picked figure of the paper."""
    opened = choice.opened
    if opened.cohort is None:
        st.info(NO_PATIENTS)
        return
    figure = st.segmented_control(
        "Figure", [FIGURE_3, *_FIGURES], default=FIGURE_3, key="paper_figure", required=True
    )
    settings: dict[str, object] = {
        "study": opened.study.settings.to_json(),
        "figure": figure,
        "splits": [split + 1 for split in opened.splits] or "all",
    }
    note = plain(f"{PAPER_WORDS} {caption(choice)}")
    if figure == FIGURE_3:
        show_figure_3(opened, "paper", settings, note)
        return
    titles = opened.titles
    with st.container(horizontal=True, vertical_alignment="bottom"):
        keys = sorted(titles, key=lambda key: key != REFERENCE)
        key = st.selectbox(
            "Model", keys, format_func=titles.__getitem__, key="paper_model", width=320
        )
        unit = pick_unit("paper_unit")
    settings |= {"model": list(key), "unit": unit}
    try:
        patients = opened.patients(key, unit)
        words = _FIGURES[figure](opened, patients, settings)
    except EstimationError as error:
        st.info(plain(str(error)))
        return
    st.caption(plain(f"{titles[key]}; {words}.") + f" {note}")


def _figure_a5(opened: OpenStudy, patients: HeldOutPatients, settings: dict[str, object]) -> str:
    """Actual grades against predicted thirds, of everyone or within a subtype."""
    subtypes = sorted({name for name in patients.subtype if name is not None})
    order = list(opened.profile.subtypes.values())
    subtypes.sort(key=lambda name: order.index(name) if name in order else len(order))
    label = opened.profile.subtype_label
    picked = st.selectbox(label, [EVERYONE, *subtypes], key="paper_subtype", width=240)
    note = "cut at the percentiles 33 and 66"
    if picked != EVERYONE:
        keep = np.array([name == picked for name in patients.subtype])
        patients = _without_grade(patients.take(keep), NOT_DRAWN.get(picked))
        note += f" within {picked}"
        if picked in NOT_DRAWN:
            note += f"; grade {NOT_DRAWN[picked]} is not drawn"
    chart = strata_chart(patients, TERTILES, theme=theme(), endpoint=opened.endpoint)
    show_chart(chart, key="paper_a5", settings={**settings, "subtype": picked})
    return f"solid: predicted, {note}; dashed: actual grade; {pooling_words(patients.held)}"


def _without_grade(patients: HeldOutPatients, grade: str | None) -> HeldOutPatients:
    """Take a grade from the actual groups; its patients keep their predicted stratum."""
    kept = [None if level == grade else level for level in patients.grade]
    return replace(patients, grade=kept)


def _figure_a6a(opened: OpenStudy, patients: HeldOutPatients, settings: dict[str, object]) -> str:
    """Low against high risk, then quarters of the risk against the actual grades."""
    st.markdown("**Low against high, cut at the median**")
    binary = strata_chart(
        patients, MEDIAN, theme=theme(), endpoint=opened.endpoint, against_grades=False
    )
    show_chart(binary, key="paper_a6a_median", settings=settings)
    st.markdown(f"**Quarters against {plain(opened.profile.grade_label)}**")
    quarters = strata_chart(patients, QUARTILES, theme=theme(), endpoint=opened.endpoint)
    show_chart(quarters, key="paper_a6a_quarters", settings=settings)
    return (
        "above: cut at the median; below: solid, quarters of the risk, dashed, actual grade; "
        f"{pooling_words(patients.held)}"
    )


def _figure_a6b(opened: OpenStudy, patients: HeldOutPatients, settings: dict[str, object]) -> str:
    """Hazard of short and long survivors, and who lies in intervals of it."""
    profile = opened.study.cohort.profile
    cutoff = st.number_input(
        "Short means up to (months)",
        1.0,
        240.0,
        SURVIVOR_CUTOFFS.get(profile, DEFAULT_SURVIVOR_CUTOFF),
        step=6.0,
        key="paper_cutoff",
        width=240,
    )
    chart = short_long_chart(
        patients.held.z,
        patients.followed.event,
        patients.followed.duration,
        cutoff_months=cutoff,
        endpoint=opened.endpoint,
        theme=theme(),
    )
    show_chart(
        name_rows(chart, patients.held),
        key="paper_a6b",
        settings={**settings, "cutoff_months": cutoff},
    )
    _compositions(opened, patients, profile)
    return f"z within the test part of each split; {pooling_words(patients.held)}"


def _compositions(opened: OpenStudy, patients: HeldOutPatients, profile: str) -> None:
    """Grade and subtype within intervals of z that the user may change."""
    wanted = pd.DataFrame(INTERVALS.get(profile, DEFAULT_INTERVALS), columns=["low_z", "high_z"])
    with st.popover("Intervals of z"):
        edited = st.data_editor(
            wanted, num_rows="dynamic", hide_index=True, key="paper_intervals"
        ).dropna()
    intervals = list(zip(edited["low_z"], edited["high_z"], strict=True))
    for label, levels, name in (
        (opened.profile.grade_label, patients.grade, "grade"),
        (opened.profile.subtype_label, patients.subtype, "subtype"),
    ):
        if not any(levels):
            st.caption(plain(f"{label} is not given in this cohort."))
            continue
        st.markdown(f"**{plain(label)} within intervals of z**")
        table = interval_composition(
            patients.held.z, [level or "not given" for level in levels], intervals
        )
        show_numbers(table, key=f"paper_{name}_composition")


_Figure = Callable[[OpenStudy, HeldOutPatients, dict[str, object]], str]
_FIGURES: dict[str, _Figure] = {
    FIGURE_A5: _figure_a5,
    FIGURE_A6A: _figure_a6a,
    FIGURE_A6B: _figure_a6b,
}
"""Each draws and returns what its caption says first."""
