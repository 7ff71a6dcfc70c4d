"""Figures 3, A5, A6(a) and A6(b) of the paper, on the cohort of a study.

A study with its cohort goes in and is drawn; a figure that the cohort cannot give says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from dashboard.views.study.data import REFERENCE, OpenStudy, figure_3_rows
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
Models = Mapping[str, HeldOutPatients]
"""Held-out patients by the title of a model, left to right."""
MAX_BESIDE = 3
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
        keys = st.multiselect(
            "Models, left to right",
            sorted(titles, key=lambda key: key != REFERENCE),
            default=figure_3_rows(opened)[-2:],
            format_func=titles.__getitem__,
            max_selections=MAX_BESIDE,
            key="paper_models",
            width=520,
            select_all=False,
        )
        unit = pick_unit("paper_unit")
    if not keys:
        st.info("Pick at least one model.")
        return
    settings |= {"models": [list(key) for key in keys], "unit": unit}
    try:
        models = {titles[key]: opened.patients(key, unit) for key in keys}
        words = _FIGURES[figure](opened, models, settings)
    except EstimationError as error:
        st.info(plain(str(error)))
        return
    st.caption(plain(f"{words}.") + f" {note}")


def _side_by_side(models: Models) -> Iterator[tuple[int, HeldOutPatients]]:
    """Yield each model's number and patients in a column of its own, under its name."""
    columns = st.columns(len(models))
    for number, (column, (title, patients)) in enumerate(zip(columns, models.items(), strict=True)):
        with column:
            st.markdown(f"**{plain(title)}**")
            yield number, patients


def _pooled(models: Models) -> str:
    """Say what was pooled, of each model where they differ."""
    words = dict.fromkeys(pooling_words(patients.held) for patients in models.values())
    return "; ".join(words)


def _figure_a5(opened: OpenStudy, models: Models, settings: dict[str, object]) -> str:
    """Actual grades against predicted thirds, of everyone or within a subtype."""
    subtypes = sorted({n for p in models.values() for n in p.subtype if n is not None})
    order = list(opened.profile.subtypes.values())
    subtypes.sort(key=lambda name: order.index(name) if name in order else len(order))
    label = opened.profile.subtype_label
    picked = EVERYONE
    if subtypes:
        picked = st.selectbox(label, [EVERYONE, *subtypes], key="paper_subtype", width=240)
    note = "cut at the percentiles 33 and 66"
    if picked != EVERYONE:
        note += f" within {picked}"
        if picked in NOT_DRAWN:
            note += f"; grade {NOT_DRAWN[picked]} is not drawn"
    for number, patients in _side_by_side(models):
        if picked != EVERYONE:
            keep = np.array([name == picked for name in patients.subtype])
            patients = _without_grade(patients.take(keep), NOT_DRAWN.get(picked))
        chart = strata_chart(patients, TERTILES, theme=theme(), endpoint=opened.endpoint)
        show_chart(
            chart, key=f"paper_a5_{number}", wide=True, settings={**settings, "subtype": picked}
        )
    without = "" if subtypes else f"{label} is not given in this cohort; "
    return f"solid: predicted, {note}; dashed: actual grade; {without}{_pooled(models)}"


def _without_grade(patients: HeldOutPatients, grade: str | None) -> HeldOutPatients:
    """Take a grade from the actual groups; its patients keep their predicted stratum."""
    kept = [None if level == grade else level for level in patients.grade]
    return replace(patients, grade=kept)


def _figure_a6a(opened: OpenStudy, models: Models, settings: dict[str, object]) -> str:
    """Low against high risk, then quarters of the risk against the actual grades."""
    for number, patients in _side_by_side(models):
        binary = strata_chart(
            patients, MEDIAN, theme=theme(), endpoint=opened.endpoint, against_grades=False
        )
        show_chart(binary, key=f"paper_a6a_median_{number}", wide=True, settings=settings)
        quarters = strata_chart(patients, QUARTILES, theme=theme(), endpoint=opened.endpoint)
        show_chart(quarters, key=f"paper_a6a_quarters_{number}", wide=True, settings=settings)
    return (
        "above: low against high, cut at the median; below: solid, quarters of the risk, dashed, "
        f"actual {opened.profile.grade_label}; {_pooled(models)}"
    )


def _figure_a6b(opened: OpenStudy, models: Models, settings: dict[str, object]) -> str:
    """Hazard of short and long survivors, and who lies in intervals of it."""
    profile = opened.study.cohort.profile
    with st.container(horizontal=True, vertical_alignment="bottom"):
        cutoff = st.number_input(
            "Short means up to (months)",
            1.0,
            240.0,
            SURVIVOR_CUTOFFS.get(profile, DEFAULT_SURVIVOR_CUTOFF),
            step=6.0,
            key="paper_cutoff",
            width=240,
        )
        intervals = _pick_intervals(profile)
    for number, patients in _side_by_side(models):
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
            key=f"paper_a6b_{number}",
            settings={**settings, "cutoff_months": cutoff},
        )
        _compositions(opened, patients, intervals, number)
    return f"z within the test part of each split; {_pooled(models)}"


def _pick_intervals(profile: str) -> list[tuple[float, float]]:
    wanted = pd.DataFrame(INTERVALS.get(profile, DEFAULT_INTERVALS), columns=["low_z", "high_z"])
    with st.popover("Intervals of z"):
        edited = st.data_editor(
            wanted, num_rows="dynamic", hide_index=True, key="paper_intervals"
        ).dropna()
    return list(zip(edited["low_z"], edited["high_z"], strict=True))


def _compositions(
    opened: OpenStudy,
    patients: HeldOutPatients,
    intervals: Sequence[tuple[float, float]],
    number: int,
) -> None:
    """Grade and subtype within intervals of z."""
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
        show_numbers(table, key=f"paper_{name}_composition_{number}")


_Figure = Callable[[OpenStudy, Models, dict[str, object]], str]
_FIGURES: dict[str, _Figure] = {
    FIGURE_A5: _figure_a5,
    FIGURE_A6A: _figure_a6a,
    FIGURE_A6B: _figure_a6b,
}
"""Each draws and returns what its caption says first."""
