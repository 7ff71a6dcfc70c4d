"""The views that Ablation and Comparison share: one study, some of its rows, some of its splits.

The workspace and choices go in; each view draws one chart of a study, with its numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from camlif.config import QUICK_SPLITS
from camlif.exceptions import EstimationError
from camlif.statistics.split_p_values import WITHHELD_SENTENCE
from camlif.study.heldout import MEDIAN, Unit, cut_strata
from camlif.study.printed import COHORTS
from camlif.wording import count, listed
from dashboard.components.chart import show_chart, theme
from dashboard.components.text import plain
from dashboard.figures.study.differences import slope_chart
from dashboard.figures.study.dots import dot_chart
from dashboard.figures.study.hazard_panels import HazardPanel, hazard_panels
from dashboard.figures.study.rows import (
    C_INDEX,
    paired_rows,
)
from dashboard.figures.study.small_multiples import WITHIN, CurvePanel, curves_by_variant
from dashboard.figures.study.strata_and_grades import pooling_words
from dashboard.views.study.choice import PRINTED_PROFILES, Page, StudyChoice
from dashboard.views.study.data import (
    REFERENCE,
    OpenStudy,
    figure_3_rows,
)
from dashboard.views.study.table import show_study_table

UNITS: dict[Unit, str] = {"patient": "one per patient", "pooled": "pooled over splits"}
MAX_CURVE_PANELS = 12
MAX_HAZARD_PANELS = 4
NO_PATIENTS = (
    "The patients of this study are not at hand, so curves and hazards cannot be drawn. Load the "
    "cohort it was run on; the measures need no patient and are shown."
)


def caption(choice: StudyChoice) -> str:
    """Say what was run on whom, and what may be compared."""
    study = choice.opened.study
    facts, settings = study.cohort, study.settings
    least, most = choice.n_splits
    n_splits = f"{most}" if least == most else f"{least} to {most}"
    parts = [
        f"Data: {facts.title} ({facts.badge}), {count(facts.n_patients, 'patient')}, "
        f"{count(facts.n_events, 'event')} ({facts.event_noun}), {facts.endpoint}",
        f"{n_splits} of {count(settings.splits, 'split')}, 80 % to 20 %, "
        f"{settings.scheme.replace('_', ' ')}, seed {settings.seed}",
    ]
    if least < QUICK_SPLITS:
        parts.append("a quick look: fewer than 15 splits")
    if settings.epochs is not None:
        parts.append(f"a quick look: {count(settings.epochs, 'epoch')}")
    if facts.n_incomplete and not settings.gaps:
        parts.append(f"{count(facts.n_incomplete, 'patient')} lacking a modality left out")
    if facts.n_never_tested:
        parts.append(f"{count(facts.n_never_tested, 'patient')} never tested")
    if choice.opened.cohort is not None and choice.opened.cohort.enters_late:
        parts.append("everyone counted from time zero, though some entered later")
    parts.append(f"paper values: {COHORTS[choice.printed_of]}; this run: {facts.title}")
    if facts.badge == "synthetic":
        parts.append("not comparable, since these patients are simulated")
    return "; ".join(parts) + "."


def _not_comparable(choice: StudyChoice) -> str:
    facts = choice.opened.study.cohort
    if facts.badge == "synthetic":
        return "Simulated patients: not comparable with printed values"
    if PRINTED_PROFILES[choice.printed_of] != facts.profile:
        return f"Printed values are of {choice.printed_of.upper()}: not comparable"
    return ""


def _settings(choice: StudyChoice) -> dict[str, object]:
    """Everything that reproduces a chart."""
    study = choice.opened.study
    return {
        "study": study.settings.to_json(),
        "cohort_digest": study.cohort.digest,
        "measure": choice.measure.column,
        "rows": [list(key) for key in choice.keys],
        "splits": [split + 1 for split in choice.opened.splits] or "all",
        "printed_values_of": choice.printed_of,
    }


def dots_view(choice: StudyChoice) -> None:
    """Means, intervals and splits of every variant, with the printed values apart."""
    chart = dot_chart(
        choice.rows,
        choice.measure,
        theme=theme(),
        reference=REFERENCE,
        printed_of=COHORTS[choice.printed_of],
        not_comparable=_not_comparable(choice),
    )
    show_chart(chart, key=f"{choice.page}_dots", wide=True, settings=_settings(choice))
    st.caption(plain(caption(choice)))
    if choice.measure is not C_INDEX:
        st.caption("The paper prints the C-index only, so no hollow mark is shown.")


def differences_view(choice: StudyChoice) -> None:
    """Paired differences to CA-MLIF on the same splits."""
    pairs = paired_rows(choice.rows, REFERENCE, choice.measure)
    # A constant risk has C = 0.5 in every split; on the common scale it would flatten all others.
    pairs = tuple(pair for pair in pairs if len(pair.own) == 1 or np.ptp(pair.own) > 0)
    chart = slope_chart(pairs, choice.measure, theme=theme(), reference="CA-MLIF")
    show_chart(chart, key=f"{choice.page}_differences", wide=True, settings=_settings(choice))
    st.caption(
        "Each line is one split. Below the number of splits: mean of variant minus CA-MLIF with "
        "its 95% Nadeau-Bengio interval. An interval around zero: no difference shown."
    )
    st.caption(plain(caption(choice)))


def pick_unit(key: str) -> Unit:
    """Let the user choose what one row of a figure is."""
    unit: Unit = st.segmented_control(
        "Held-out risks",
        list(UNITS),
        default="patient",
        format_func=UNITS.__getitem__,
        key=key,
        required=True,
    )
    return unit


def curves_view(choice: StudyChoice) -> None:
    """Kaplan-Meier curves of each variant's own risk groups."""
    opened = choice.opened
    if opened.cohort is None:
        st.info(NO_PATIENTS)
        return
    unit = pick_unit(f"{choice.page}_curves_unit")
    titles, panels, words = opened.titles, [], ""
    for key in choice.keys[:MAX_CURVE_PANELS]:
        try:
            patients = opened.patients(key, unit)
            stratum = cut_strata(patients.held.risk, MEDIAN)
        except EstimationError as error:
            st.caption(plain(f"{titles[key]} is left out: {error}"))
            continue
        words = words or pooling_words(patients.held)
        panels.append(CurvePanel(title=titles[key], followed=patients.followed, stratum=stratum))
    chart = curves_by_variant(panels, theme=theme(), endpoint=opened.endpoint)
    show_chart(
        chart, key=f"{choice.page}_curves", wide=True, settings={**_settings(choice), "unit": unit}
    )
    st.caption(
        f"{WITHIN[0].upper()}{WITHIN[1:]}. Cut at the median of the variant's own risks. "
        f"{WITHHELD_SENTENCE}"
    )
    if len(choice.keys) > MAX_CURVE_PANELS:
        n = len(choice.keys) - MAX_CURVE_PANELS
        st.caption(plain(f"{count(n, 'more variant')} not drawn; pick variants above."))
    st.caption(plain(f"{words[:1].upper()}{words[1:]}. {caption(choice)}"))


def hazard_view(choice: StudyChoice) -> None:
    """Hazards by subtype, in the layout of the paper's Figure 3."""
    show_figure_3(choice.opened, choice.page, _settings(choice), plain(caption(choice)))


def show_figure_3(opened: OpenStudy, prefix: str, settings: dict[str, object], note: str) -> None:
    """Draw Figure 3: hazard by subtype and grade for up to four models on one scale.

    Parameters
    ----------
    opened : OpenStudy
    prefix : str
        Begins the keys of its widgets.
    settings : dict
        What the numbers depend on, which the file's header states.
    note : str
        Below the figure.
    """
    if opened.cohort is None:
        st.info(NO_PATIENTS)
        return
    titles = opened.titles
    with st.container(horizontal=True, vertical_alignment="bottom"):
        keys = st.multiselect(
            "Models, left to right",
            list(titles),
            default=figure_3_rows(opened),
            format_func=titles.__getitem__,
            max_selections=MAX_HAZARD_PANELS,
            key=f"{prefix}_hazard_models",
            width=520,
            select_all=False,
        )
        unit = pick_unit(f"{prefix}_hazard_unit")
        boxes = st.toggle("Boxes by grade", key=f"{prefix}_hazard_boxes")
    if not keys:
        st.info("Pick at least one model.")
        return
    try:
        patients = {key: opened.patients(key, unit) for key in keys}
    except EstimationError as error:
        st.info(plain(str(error)))
        return
    profile = opened.profile
    if not any(level for p in patients.values() for level in p.subtype):
        st.info(
            plain(f"{profile.subtype_label} is not given in this cohort, so there is no figure.")
        )
        return
    words = pooling_words(patients[keys[-1]].held)
    panels = [
        HazardPanel(title=titles[key], z=p.held.z, subtype=p.subtype, grade=p.grade)
        for key, p in patients.items()
    ]
    chart = hazard_panels(
        panels,
        theme=theme(),
        unit=words,
        column_title=profile.subtype_label,
        order=list(profile.subtypes.values()),
        boxes=boxes,
    )
    show_chart(chart, key=f"{prefix}_hazard", wide=True, settings={**settings, "unit": unit})
    own = (
        f"z within the test part of each split; {words}. {_missing_panels(opened)}A subtype among "
        "the inputs separates by construction."
    )
    st.caption(f"{plain(own)} {note}")


def _missing_panels(opened: OpenStudy) -> str:
    """Say which of the paper's four panels the study cannot fill."""
    have = {key[0] for key in figure_3_rows(opened)}
    missing = [
        word
        for word, present in (
            ("single modalities", "unimodal" in have),
            ("an earlier fusion method", bool(have - {"unimodal", "camlif"})),
        )
        if not present
    ]
    return f"The study has no {listed(missing)} for the other panels. " if missing else ""


def table_view(choice: StudyChoice) -> None:
    """The study's table, all splits, with what failed."""
    if choice.opened.splits:
        st.caption("The table is of all splits of the study, whatever splits are chosen above.")
    show_study_table(choice.opened.study, (*choice.keys, *choice.folded), key=choice.page)
    st.caption(plain(caption(choice)))


VIEWS: dict[str, Callable[[StudyChoice], None]] = {
    "Measures": dots_view,
    "Differences": differences_view,
    "Curves by variant": curves_view,
    "Hazard by subtype": hazard_view,
    "Table": table_view,
}
"""Shared by both pages; only the picked one is computed."""


def pick_view(page: Page, views: Sequence[str]) -> str:
    """Let the user pick a view."""
    picked: str = st.segmented_control(
        "View", list(views), default=views[0], key=f"{page}_view", required=True
    )
    return picked
