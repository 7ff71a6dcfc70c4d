"""Inputs of the exploration: one row for each feature or clinical value that is changed.

A case goes in, changes of `camlif.explain.changes` come out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from camlif.data.preprocessing import CLINICAL
from camlif.data.schema import ColumnWords
from camlif.exceptions import ConfigError
from camlif.explain import (
    ExploredCase,
    FeatureAttribution,
    SetClinical,
    SetFeature,
    TrainingLimits,
    WhatIfChange,
    clinical_level,
    clinical_limits,
    feature_limits,
)
from camlif.wording import AGE, shown_age
from dashboard.components.case_view import ScoredCase
from dashboard.components.contributions import display_name
from dashboard.components.explanation_choice import choice_of
from dashboard.components.text import plain
from dashboard.figures.attribution.bars import ordinal
from dashboard.profiles import distinct
from dashboard.session import resources
from dashboard.session.keys import SessionKey

MAX_FEATURES = 4
STEPS = 200


@dataclass(frozen=True, slots=True, order=True)
class Pick:
    """A feature of a modality, or a clinical input."""

    player: str
    column: str


def contributions(case: ScoredCase) -> FeatureAttribution | None:
    """Contributions of this case's features, as the page has them; None if it shows none."""
    scoring, loaded = case.scoring, case.workspace.loaded
    shown = choice_of(case.workspace, scoring)
    if shown.method is None or shown.level != "feature":
        return None
    return resources.feature_attribution(
        loaded.digest,
        scoring.model.digest,
        (case.row,),
        shown.method,
        "median",
        scoring.missing,
        loaded.cohort,
        scoring.bundle,
    )


def feature_inputs(case: ScoredCase, explored: ExploredCase, prefix: str) -> list[WhatIfChange]:
    """Ask which features to change, and to what; a value left as it is is no change.

    Parameters
    ----------
    case : ScoredCase
    explored : ExploredCase
        The same patient, encoded.
    prefix : str
        Begins the keys of its widgets.
    """
    options = _options(case, explored)
    called = case.workspace.profile.column_name
    names = [f"{display_name(case.workspace, p.player)}: {called(p.column)}" for p in options]
    labels = dict(zip(options, distinct(names, [p.column for p in options]), strict=True))
    chosen = st.multiselect(
        "Change features",
        options,
        key=f"{prefix}_features",
        format_func=labels.__getitem__,
        max_selections=MAX_FEATURES,
        placeholder="Pick a feature",
        wrap=True,
        help="Clinical inputs first, then features by their contribution to this case, where a "
        "method passes the check of explanations.",
        select_all=False,
    )
    changes = (_change(case, explored, pick, f"{prefix}_{pick}") for pick in chosen)
    return [change for change in changes if change is not None]


def _options(case: ScoredCase, explored: ExploredCase) -> list[Pick]:
    found, schema = contributions(case), explored.bundle.schema
    picks = [Pick(CLINICAL, column.name) for column in schema.clinical]
    if found is None:
        return picks + [
            Pick(modality.name, column)
            for modality in schema.modalities
            if modality.name in explored.present
            for column in modality.columns
        ]
    sized = [
        (-abs(float(value)), Pick(player, column))
        for player in explored.present
        for column, value in zip(found[player].columns, found[player].values[0], strict=True)
    ]
    return picks + [pick for _, pick in sorted(sized)]


def _change(case: ScoredCase, explored: ExploredCase, pick: Pick, key: str) -> WhatIfChange | None:
    bundle, raw = explored.bundle, explored.raw
    words = case.workspace.profile.column(pick.column)
    if pick.player != CLINICAL:
        limits = feature_limits(bundle, raw, pick.player, pick.column)
        value = _number(pick.column, words, limits, key)
        return None if value is None else SetFeature(pick.player, pick.column, value)
    (spec,) = (c for c in bundle.schema.clinical if c.name == pick.column)
    if spec.kind == "numeric":
        value = _number(pick.column, words, clinical_limits(bundle, raw, pick.column), key)
        return None if value is None else SetClinical(pick.column, value)
    own = clinical_level(bundle, raw, pick.column)
    level = st.selectbox(
        plain(words.name),
        spec.levels,
        index=None if own is None else spec.levels.index(own),
        format_func=lambda level: words.levels.get(level, level),
        placeholder="not given",
        key=key,
        help=_column(pick.column),
    )
    return None if level is None or level == own else SetClinical(pick.column, level)


def _column(name: str) -> str:
    return plain(f"Column {name}")


def _number(column: str, words: ColumnWords, limits: TrainingLimits, key: str) -> float | None:
    """Slider and number that follow each other; None where the value is as it was.

    Codes with words are chosen by them.
    """
    label = f"{words.name} ({words.unit})" if words.unit else words.name
    if not limits.varies:
        st.caption(plain(f"{label} does not vary in the training data."))
        return None
    if words.levels and limits.whole:
        return _code(column, words, limits, key)
    start = float(
        np.clip(limits.median if limits.own is None else limits.own, limits.low, limits.high)
    )
    slide, typed = f"{key}_slide", f"{key}_typed"
    for widget in (slide, typed):
        held: SessionKey[float] = SessionKey(widget)
        held.start_with(start)
    step = 1.0 if limits.whole else (limits.high - limits.low) / STEPS
    style = "%.0f" if limits.whole else "%.4g"
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        st.slider(
            plain(label),
            limits.low,
            limits.high,
            step=step,
            format=style,
            key=slide,
            help=_column(column),
            on_change=_follow,
            args=(slide, typed, limits),
        )
    with right:
        value = st.number_input(
            plain(f"{label}, typed"),
            step=step,
            format=style,
            key=typed,
            on_change=_follow,
            args=(typed, slide, limits),
            label_visibility="collapsed",
        )
    st.caption(plain(_told(column, words.unit, limits)))
    if value is None or value == start:
        return None
    try:
        limits.require(words.name, value)
    except ConfigError as error:
        st.error(plain(str(error)))
        return None
    return float(value)


def _code(column: str, words: ColumnWords, limits: TrainingLimits, key: str) -> float | None:
    """Choose a code of the training range by its words; None where it is as it was."""
    codes = np.arange(limits.low, limits.high + 1).tolist()
    own = limits.own if limits.own in codes else None
    code = st.selectbox(
        plain(words.name),
        codes,
        index=None if own is None else codes.index(own),
        format_func=lambda code: words.levels.get(f"{code:g}", f"code {code:g}"),
        placeholder="not given" if limits.own is None else "outside the training range",
        key=key,
        help=_column(column),
    )
    return None if code is None or code == own else float(code)


def _follow(source: str, target: str, limits: TrainingLimits) -> None:
    """Move one input to the other's value, at most to the end of the training range."""
    followed: SessionKey[float | None] = SessionKey(source)
    follower: SessionKey[float] = SessionKey(target)
    value = followed.get()
    if value is not None:
        follower.set(float(np.clip(value, limits.low, limits.high)))


def _told(column: str, unit: str, limits: TrainingLimits) -> str:
    """The own value with unit and percentile, and the range that may be tried."""
    if limits.own is None:
        own = "missing, so the slider starts at the training median"
    else:
        own = shown_age(limits.own) if column == AGE else f"{limits.own:.4g}"
        own = f"{own} {unit}".strip()
        if limits.percentile is not None:
            own += f", {ordinal(limits.percentile)} percentile of training"
        if not limits.low <= limits.own <= limits.high:
            own += ", outside the training range"
    return f"Own value: {own}. Training range: {limits.low:.4g} to {limits.high:.4g}."
