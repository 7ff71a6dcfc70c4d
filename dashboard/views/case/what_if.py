"""Explore: what if. The model's answer to a changed case, marked and kept out of every file.

A scored case goes in; it is scored again with changes (`camlif.explain.what_if`) and drawn. A
change that is refused gives its reason.
"""

from __future__ import annotations

import numpy as np
import streamlit as st

from camlif.exceptions import CamlifError
from camlif.explain import (
    Answer,
    DropModality,
    ExploredCase,
    SetGroup,
    WhatIfChange,
)
from camlif.model.case import CaseScore
from dashboard.components.case_view import ScoredCase
from dashboard.components.chart import show_chart, theme
from dashboard.components.contributions import display_name, group_name
from dashboard.components.popover import fill_when_opened
from dashboard.components.text import plain
from dashboard.figures.attribution.bars import ordinal
from dashboard.figures.chart import Chart, signed
from dashboard.figures.prediction import PredictedCurve
from dashboard.figures.what_if import changed_contributions, changed_curves, changed_members
from dashboard.session.keys import SessionKey
from dashboard.views.case.what_if_inputs import feature_inputs

NOTICE = (
    "Exploration, not a prediction for this patient. It shows how the model reacts to other "
    "inputs, not what treating or changing a patient would do. It enters no export of the case."
)
PERCENTS = (5.0, 25.0, 50.0, 75.0, 95.0)
MAX_GROUPS = 3
OPENED: SessionKey[tuple[tuple[object, ...], ExploredCase, Answer]] = SessionKey("what_if_case")
ROUND: SessionKey[int] = SessionKey("what_if_round")
"""Session keys: the case explored last with its unchanged answer; how often it was reset."""


def panel(case: ScoredCase) -> None:
    """Offer the exploration; nothing is computed until it is opened."""
    box = st.expander("Explore: what if", key="what_if", on_change="rerun", icon=":material/tune:")
    if box.open:
        with box:
            _explore(case)


@st.fragment
def _explore(case: ScoredCase) -> None:
    st.warning(NOTICE, icon=":material/science:")
    explored, before = _opened(case)
    controls, shown = st.columns([2, 3], gap="large")
    with controls:
        changes = _changes(case, explored)
    with shown:
        if not changes:
            st.markdown(
                "Nothing is changed yet. Pick a feature, a group or a modality, and set it."
            )
            return
        try:
            after = explored.ask(changes)
        except CamlifError as error:
            st.error(plain(str(error)))
            return
        _show(case, before, after)


def _opened(case: ScoredCase) -> tuple[ExploredCase, Answer]:
    """The case with the model's answer as it is; kept until another case is opened."""
    scoring, loaded = case.scoring, case.workspace.loaded
    key = (loaded.digest, scoring.model.digest, case.row, scoring.missing)
    kept = OPENED.get()
    if kept is None or kept[0] != key:
        explored = ExploredCase.open(
            scoring.bundle,
            loaded.cohort,
            case.row,
            missing=scoring.missing,
            judged=scoring.result.judged,
        )
        kept = (key, explored, explored.ask())
        OPENED.set(kept)
    _, explored, before = kept
    return explored, before


def _reset() -> None:
    """Give all inputs new keys, so that they start from the case as it is."""
    ROUND.set((ROUND.get() or 0) + 1)


def _changes(case: ScoredCase, explored: ExploredCase) -> list[WhatIfChange]:
    prefix = f"what_if_{case.token}_{ROUND.get() or 0}"
    changes = feature_inputs(case, explored, prefix)
    changes += _group_inputs(case, explored, prefix)
    changes += _dropped(case, explored, prefix)
    st.button("Reset", key="what_if_reset", icon=":material/restart_alt:", on_click=_reset)
    return changes


def _group_inputs(case: ScoredCase, explored: ExploredCase, prefix: str) -> list[WhatIfChange]:
    options = [
        (modality, group.name)
        for modality in explored.present
        for group in explored.bundle.schema[modality].groups
    ]
    names = {pick: _group_label(case, *pick) for pick in options}
    chosen = st.multiselect(
        "Set feature groups",
        options,
        key=f"{prefix}_groups",
        format_func=names.__getitem__,
        max_selections=MAX_GROUPS,
        placeholder="Pick a group",
        wrap=True,
        help="Every feature of the group takes this percentile of its own training values.",
        select_all=False,
    )
    changes: list[WhatIfChange] = []
    for modality, group in chosen:
        percent = st.segmented_control(
            plain(f"{names[modality, group]}: percentile of training"),
            PERCENTS,
            default=50.0,
            key=f"{prefix}_group_{modality}_{group}",
            format_func=lambda p: "median" if p == 50 else f"{p:.0f}th",
            required=True,
        )
        changes.append(SetGroup(modality, group, percent))
    return changes


def _group_label(case: ScoredCase, modality: str, group: str) -> str:
    name = group_name(case.workspace, modality, group)
    return name if group == modality else f"{display_name(case.workspace, modality)}: {name}"


def _dropped(case: ScoredCase, explored: ExploredCase, prefix: str) -> list[WhatIfChange]:
    if len(explored.present) < 2:
        return []
    chosen = st.multiselect(
        "Leave out modalities",
        explored.present,
        key=f"{prefix}_dropped",
        format_func=lambda modality: display_name(case.workspace, modality),
        max_selections=len(explored.present) - 1,
        placeholder="Pick a modality",
        wrap=True,
        help="As if the patient did not have it; only where the model was validated without it.",
        select_all=False,
    )
    return [DropModality(modality) for modality in chosen]


def _show(case: ScoredCase, before: Answer, after: Answer) -> None:
    was, now = before.summary.score, after.summary.score
    if was is None or now is None:
        st.warning(plain(f"As changed: {after.summary.no_score}"))
        return
    _numbers(before, after, was, now)
    for note in after.summary.notes:
        st.caption(plain(f"As changed: {note}."))
    bundle = case.scoring.bundle
    curves = changed_curves(
        _curve(before), _curve(after), endpoint=bundle.info.endpoint, theme=theme()
    )
    _chart(curves, key="what_if_curves")
    z = bundle.reference.z
    members = changed_members(
        z(before.member_log_risk),
        z(after.member_log_risk),
        cutoffs=bundle.strata.cutoffs,
        strata=bundle.strata.names,
        theme=theme(),
    )
    _chart(members, key="what_if_members")
    contributions = changed_contributions(
        _by_modality(case, before), _by_modality(case, after), theme=theme()
    )
    _chart(contributions, key="what_if_contributions")


def _numbers(before: Answer, after: Answer, was: CaseScore, now: CaseScore) -> None:
    risk, change = after.log_risk, after.log_risk - before.log_risk
    cells = (
        ("Risk group", now.label, f"was {was.label}"),
        ("Percentile", ordinal(now.percentile), f"was {ordinal(was.percentile)}"),
        ("z", signed(now.z.value), f"was {signed(was.z.value)}"),
        ("Log risk", signed(risk), f"{signed(change)} from {signed(before.log_risk)}"),
    )
    for column, (label, value, text) in zip(st.columns([3, 2, 2, 3]), cells, strict=True):
        with column:
            st.markdown(f"{label}  \n**{plain(value)}**  \n:small[{plain(text)}]")
    st.caption(
        plain(
            f"z from {signed(now.z.low)} to {signed(now.z.high)} (model interval; was "
            f"{signed(was.z.low)} to {signed(was.z.high)}). {now.agreement_sentence}"
        )
    )


def _curve(answer: Answer) -> PredictedCurve | None:
    result = answer.result
    return PredictedCurve.shown(
        result.times, result.survival[0], result.survival_low[0], result.survival_high[0]
    )


def _by_modality(case: ScoredCase, answer: Answer) -> dict[str, float]:
    found = answer.modalities
    if found is None:
        return {}
    return {
        display_name(case.workspace, player): float(np.nan_to_num(value))
        for player, value in zip(found.players, found.values[0], strict=True)
    }


def _chart(chart: Chart, *, key: str) -> None:
    """Draw a chart whose numbers can be read but not taken away as a file."""
    show_chart(chart, key=key, table=False)

    def fill() -> None:
        st.caption("Exploration, not a prediction for this patient.")
        st.table(chart.table.round(3), hide_index=True)

    fill_when_opened("Table", fill, key=f"{key}_table")
