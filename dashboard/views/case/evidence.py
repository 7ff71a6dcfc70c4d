"""Panels below the first screen of the Case page: why, similar cases, caveats.

A scored case goes in and is drawn; an explanation that cannot be computed gives its reason.
"""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from camlif.data.cohort import Cohort
from camlif.data.course import course_line
from camlif.exceptions import EstimationError
from camlif.explain import METHODS, FeatureAttribution, ModalityAttribution
from camlif.explain.similarity import SimilarCases, similar_cases
from camlif.explain.verdicts import NOUNS
from camlif.model import sentences
from camlif.wording import count
from dashboard.components.case_view import ScoredCase
from dashboard.components.chart import draw, show_chart, theme
from dashboard.components.contributions import display_name, feature_contributions
from dashboard.components.explanation_choice import choice_of
from dashboard.components.text import plain
from dashboard.figures.attribution import (
    FeatureContribution,
    feature_bars,
    group_bars,
    modality_bars,
    sum_by_group,
    waterfall,
)
from dashboard.session import resources, shared_results, state
from dashboard.session.resources import BaselineKey

N_SIMILAR = 5
N_FEATURES = 10
FEATURE_SHAPES = ("bars", "waterfall")
ALL_GROUPS = "All groups"
SAME_SUBTYPE = "same-subtype mean"
NAMED_BASELINES: dict[str, BaselineKey] = {
    "training median": "median",
    "training mean": "mean",
    "cohort median": "cohort_median",
}


def baseline_of(case: ScoredCase, choice: str) -> BaselineKey:
    """Reference of the explanation; the training median where nobody else has the subtype."""
    if choice != SAME_SUBTYPE:
        return NAMED_BASELINES[choice]
    rows = np.flatnonzero(case.scoring.result.scored & case.same_subtype)
    others = rows[rows != case.row]
    return tuple(others.tolist()) if len(others) else "median"


def contributions(case: ScoredCase) -> None:
    """Which feature groups and modalities move the score of this case, and the features inside.

    Groups and features only by a method that has not failed its check on this model.
    """
    st.header("Why", anchor=False)
    choice = _pick_baseline(case)
    baseline, shown = baseline_of(case, choice), choice_of(case.workspace, case.scoring)
    left, right = st.columns([3, 2])
    features, found = explained(case, baseline)
    if features is not None:
        with left:
            chart = draw(group_bars, sum_by_group(found), theme=theme())
            show_chart(chart, key="case_groups")
    with right if features else left:
        modalities = resources.modality_attribution(
            *_key(case), baseline, case.scoring.missing, case.workspace.cohort, case.scoring.bundle
        )
        _modality_chart(case, modalities, choice)
        if shown.limit:
            st.info(plain(shown.limit))
    if features is not None and features.level == "feature":
        box = st.expander("Features inside the groups", key="why_features", on_change="rerun")
        if box.open:
            with box:
                _inside(features, found)
    st.caption("Contributions describe the model's arithmetic, not causes of disease.")
    with st.expander("How this is computed"):
        how = "" if features is None else _how(features)
        st.caption(
            plain(f"Modalities: exact Shapley values. {how}Baseline: {choice}. {shown.verdict}")
        )


def explained(
    case: ScoredCase, baseline: BaselineKey
) -> tuple[FeatureAttribution | None, list[FeatureContribution]]:
    """Explain a case by the method that may be shown; None and nothing where none may.

    Parameters
    ----------
    case : ScoredCase
    baseline : BaselineKey
    """
    workspace, scoring = case.workspace, case.scoring
    cohort, missing = workspace.cohort, scoring.missing
    method = choice_of(workspace, scoring).method
    if method is None:
        return None, []
    found = resources.feature_attribution(
        *_key(case), method, baseline, missing, cohort, scoring.bundle
    )
    contributions = shared_results.compute_once(
        partial(feature_contributions, workspace, scoring, found, 0),
        f"contributions of {_key(case)}, {method}, {baseline}, {missing}, {workspace.profile}",
        objects=True,
    )
    return found, contributions


def _key(case: ScoredCase) -> tuple[str, str, tuple[int, ...]]:
    return case.workspace.loaded.digest, case.scoring.model.digest, (case.row,)


def _pick_baseline(case: ScoredCase) -> str:
    with st.popover("Options", type="tertiary", key="why_options"):
        return st.segmented_control(
            "Explain against",
            [*NAMED_BASELINES, *([SAME_SUBTYPE] if case.knows_subtype else [])],
            default=next(iter(NAMED_BASELINES)),
            key="baseline",
            required=True,
            bind="query-params",
        )


def _inside(found: FeatureAttribution, features: list[FeatureContribution]) -> None:
    """Single features: the largest of all groups, or those of one."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        group = st.selectbox(
            "Feature group",
            [ALL_GROUPS, *(group.name for group in sum_by_group(features))],
            key="why_group",
            width=320,
        )
        shape = st.segmented_control(
            "Show as",
            FEATURE_SHAPES,
            default=FEATURE_SHAPES[0],
            key="feature_shape",
            required=True,
            persist_state="session",
        )
    if group != ALL_GROUPS:
        chosen = [feature for feature in features if feature.group == group]
        chart = draw(feature_bars, chosen, k=N_FEATURES, theme=theme())
    elif shape == "waterfall":
        base, total = float(found.base_value[0]), float(found.log_risk[0])
        chart = draw(waterfall, features, baseline=base, total=total, k=N_FEATURES, theme=theme())
    else:
        chart = draw(feature_bars, features, k=N_FEATURES, theme=theme())
    show_chart(chart, key="case_features")


def _how(features: FeatureAttribution) -> str:
    gap = 100 * float(features.completeness_gap[0])
    how = (
        f"{NOUNS[features.level].capitalize()}: {METHODS[features.method].label}, "
        f"{count(features.steps, 'step')}, completeness gap {gap:.1f}%. "
    )
    if features.level == "group":
        return how
    return f"{how}Percentiles: among training patients; of clinical columns, in this cohort. "


def _modality_chart(case: ScoredCase, found: ModalityAttribution, choice: str) -> None:
    by_name = {
        display_name(case.workspace, player): value
        for player, value in zip(found.players, found.values[0].tolist(), strict=True)
    }
    chart = draw(modality_bars, by_name, theme=theme(), baseline=f"the {choice}")
    show_chart(chart, key="case_modalities")


def similar(case: ScoredCase) -> None:
    """The nearest cases of the loaded cohort in fused space, with their outcomes, once opened."""
    st.header("Similar cases", anchor=False)
    with st.expander("In the loaded cohort, and how they fared"):
        _similar(case)


def _similar(case: ScoredCase) -> None:
    result = case.scoring.result
    space = resources.fused_space(
        case.workspace.loaded.digest, case.scoring.model.digest, case.scoring.missing, result
    )
    try:
        found = similar_cases(
            space,
            case.row,
            k=N_SIMILAR,
            among=result.scored,
            members=result.members_used[case.row],
        )
    except EstimationError as error:
        st.markdown(plain(error))
        return
    if not len(found.rows):
        st.markdown("No other patient of this cohort has a score.")
        return
    st.markdown(plain(_outcomes(case, found.rows)))
    st.markdown(plain(sentences.NO_COMPARISON))
    event = st.dataframe(
        _similar_table(case, found),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"similar_{case.token}",
        alt="Five nearest cases; select a row to open it",
    )
    st.caption(plain(_where_compared(case, found.rows)))
    chosen = event.selection.rows
    if chosen:
        state.OPEN_CASE.set(int(found.rows[chosen[0]]))
        st.rerun()


def _similar_table(case: ScoredCase, found: SimilarCases) -> pd.DataFrame:
    cohort, profile, rows = case.workspace.cohort, case.workspace.profile, found.rows
    table = pd.DataFrame({"patient": cohort.patient_ids[rows]})
    for label, column, words in (
        (profile.subtype_label, cohort.subtype, profile.subtype),
        (profile.grade_label, cohort.grade, profile.grade),
    ):
        if column is not None:
            levels = column.iloc[rows]
            table[label] = [words(str(v)) if pd.notna(v) else "not given" for v in levels]
    table["risk group"] = case.scoring.result.table["risk_group"].to_numpy()[rows]
    if cohort.duration is not None and cohort.event is not None:
        noun = cohort.info.endpoint.event_noun
        known = cohort.with_outcome[rows]
        status = np.where(cohort.event[rows], noun, f"no {noun} so far")
        table["months"] = cohort.duration[rows].round(1)
        table["status"] = np.where(known, status, "not known")
    for name in _treatments(cohort):
        values = cohort.clinical[name].iloc[rows]
        table[profile.column_name(name)] = [
            profile.value_text(name, v) or "not given" for v in values
        ]
    courses = [course_line(cohort.course_of(int(row))) for row in rows]
    if any(courses):
        table["course (months)"] = [course or "not given" for course in courses]
    table["distance"] = found.distances.round(2)
    return table


# Of parts of words in names of columns, in which `camlif.data.reading.course` looks for whole words
# of what happened when: "adjuvant" and "regimen" are no event there, "biopsy" is no treatment here.
TREATMENT = re.compile(
    r"treat|therap|chemo|radiat|radioth|surger|operation|resection|regimen|adjuvant|drug|transplant",
    re.IGNORECASE,
)


def _treatments(cohort: Cohort) -> list[str]:
    """Clinical columns that by their names tell how patients were treated."""
    return [str(name) for name in cohort.clinical.columns if TREATMENT.search(str(name))]


def _outcomes(case: ScoredCase, rows: NDArray[np.int_]) -> str:
    """How the similar cases fared."""
    cohort = case.workspace.cohort
    known = rows[cohort.with_outcome[rows]]
    if cohort.event is None or cohort.duration is None or not len(known):
        return "Their outcomes are not known."
    return sentences.outcomes_sentence(
        cohort.event[known], cohort.duration[known], cohort.info.endpoint
    )


def _where_compared(case: ScoredCase, rows: NDArray[np.int_]) -> str:
    result = case.scoring.result
    members = int(result.members_used[case.row].sum())
    models = sentences.models_words(
        count(members, "model"), case.summary.membership, held_out=case.summary.held_out
    )
    text = f"Nearest in the fused space of the {models}. Distance 1 is that of two random cases."
    seen = int(result.is_training[rows].sum())
    return f"{text}{sentences.seen_words(seen, len(rows))}"


def caveats(case: ScoredCase) -> None:
    """What a reader must keep in mind."""
    lines = [f"- {plain(caveat)}" for caveat in case.summary.caveats]
    st.header("Caveats", anchor=False)
    with st.expander(count(len(lines), "caveat")):
        st.markdown("\n".join(lines))
