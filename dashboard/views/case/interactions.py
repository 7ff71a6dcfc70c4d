"""Advanced: what acts together in a case, and what the network's layers pass on.

A scored case goes in; interactions and attention are computed when asked for, and drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from camlif.data.preprocessing import CLINICAL
from camlif.exceptions import CamlifError
from camlif.explain import (
    AttentionWeights,
    Interactions,
    Player,
    attention_weights,
    owc_weights,
)
from camlif.explain.diagnostics import INACTIVE_ENTROPY
from camlif.explain.interactions import InteractionLevel
from camlif.wording import count
from dashboard.components.case_view import ScoredCase
from dashboard.components.chart import show_chart, theme
from dashboard.components.contributions import display_name, group_name
from dashboard.components.text import plain
from dashboard.figures.attribution import (
    Input,
    Pair,
    attention_map,
    case_blocks,
    interaction_bars,
    interaction_map,
)
from dashboard.session import resources
from dashboard.views.case.what_if_inputs import contributions

LEVELS: dict[str, tuple[InteractionLevel, str]] = {
    "Modalities": ("modality", "modalities"),
    "Feature groups": ("group", "feature groups of two modalities"),
    "Strongest features": ("feature", "features of two modalities"),
}
MAX_ATTENTION = 6
"""Pairs of modalities whose attention is drawn."""


def panel(case: ScoredCase) -> None:
    """Offer the advanced panel; nothing is computed until it is opened."""
    box = st.expander(
        "Advanced: what acts together", key="interactions", on_change="rerun", icon=":material/hub:"
    )
    if box.open:
        with box:
            _interactions(case)
            _inside(case)


@st.fragment
def _interactions(case: ScoredCase) -> None:
    strongest = contributions(case)
    choice = st.segmented_control(
        "Pairs of",
        [
            name
            for name, (level, _) in LEVELS.items()
            if strongest is not None or level != "feature"
        ],
        default="Modalities",
        key="interaction_level",
        required=True,
        persist_state="session",
    )
    level, plural = LEVELS[choice]
    scoring, loaded = case.scoring, case.workspace.loaded
    try:
        with st.spinner("Evaluating the model with some inputs at the training median ..."):
            found = resources.interactions(
                loaded.digest,
                scoring.model.digest,
                case.row,
                level,
                scoring.missing,
                loaded.cohort,
                scoring.bundle,
                strongest,
            )
    except CamlifError as error:
        st.info(plain(str(error)))
        return
    left, right = st.columns(2, gap="large")
    with left:
        inputs = [_input(case, player) for player in found.players]
        chart = interaction_map(inputs, found.index, found.main, theme=theme())
        show_chart(chart, key="interaction_map", wide=True)
    with right:
        chart = interaction_bars(
            _pairs(case, found), n_members=found.n_members, theme=theme(), level=plural
        )
        show_chart(chart, key="interaction_bars")
    st.caption(plain(_told(found)))


def _input(case: ScoredCase, player: Player) -> Input:
    modality = display_name(case.workspace, player.modality)
    if player.name == CLINICAL:
        return Input(modality=modality, name=modality)
    return Input(modality=modality, name=group_name(case.workspace, player.modality, player.name))


def _pairs(case: ScoredCase, found: Interactions) -> list[Pair]:
    return [
        Pair(
            first=_input(case, pair.first),
            second=_input(case, pair.second),
            value=pair.value,
            member_sd=pair.member_sd,
        )
        for pair in found.cross_modal
    ]


def _told(found: Interactions) -> str:
    """How the index was computed, and what it says and does not say."""
    how = (
        "exact over all combinations"
        if found.rounds is None
        else f"{count(found.rounds, 'random sample')} of each pair, largest standard error "
        f"{found.standard_error.max():.3f}"
    )
    return (
        f"Shapley interaction index, {how}, {count(found.n_members, 'model')}, "
        f"{found.seconds:.1f} s. A positive pair raises the log risk by more than its two parts do "
        "by themselves, a negative one by less. On the diagonal: what an input adds alone. Pairs "
        "describe the model's arithmetic, not biology: two inputs that carry the same information "
        "can share or cancel an effect."
    )


def _inside(case: ScoredCase) -> None:
    st.markdown("**Inside the network**")
    try:
        _attention(case)
        _blocks(case)
    except CamlifError as error:
        st.info(plain(str(error)))


def _attention(case: ScoredCase) -> None:
    scoring = case.scoring
    found = attention_weights(
        scoring.bundle, case.workspace.cohort, case.row, missing=scoring.missing
    )[:MAX_ATTENTION]
    if not found:
        st.markdown("This case has one modality, so no group reads another modality.")
        return
    for start in range(0, len(found), 2):
        pairs = found[start : start + 2]
        for column, (i, weights) in zip(st.columns(2, gap="large"), enumerate(pairs), strict=False):
            with column:
                _attention_chart(case, weights, key=f"attention_{start + i}")
    st.caption(plain(_attention_told(case, found)))


def _attention_chart(case: ScoredCase, weights: AttentionWeights, *, key: str) -> None:
    chart = attention_map(
        _tokens(case, weights.modality, weights.readers),
        _tokens(case, weights.other, weights.read),
        weights.values,
        weights.member_sd,
        modality=display_name(case.workspace, weights.modality),
        other=display_name(case.workspace, weights.other),
        theme=theme(),
    )
    show_chart(chart, key=key)


def _tokens(case: ScoredCase, modality: str, names: Sequence[str]) -> list[str]:
    """Tokens of a modality as people call them: its feature groups; others have no other name."""
    groups = {group.name for group in case.scoring.bundle.schema[modality].groups}
    return [group_name(case.workspace, modality, n) if n in groups else n for n in names]


def _attention_told(case: ScoredCase, found: Sequence[AttentionWeights]) -> str:
    uniform = [w for w in found if w.entropy >= INACTIVE_ENTROPY]
    idle = ", ".join(
        f"{display_name(case.workspace, w.modality)} of {display_name(case.workspace, w.other)}"
        for w in uniform
    )
    return (
        f"Mean over {count(found[0].n_members, 'model')}, last cross-attention layer: how far what "
        "a group takes from the other modality moves when one group there is turned up or down, "
        "as a share. It says what is read, not whether the risk depends on it, and the "
        "other modality also enters by ways that are not attention. Class tokens do not take "
        "part. Equal shares say that no group stands out."
        + (f" Nearly uniform, so that it carries little: {idle}." if idle else "")
    )


def _blocks(case: ScoredCase) -> None:
    found = owc_weights(
        case.scoring.bundle, case.workspace.cohort, [case.row], missing=case.scoring.missing
    )
    names = case.scoring.bundle.schema.names
    blocks = [display_name(case.workspace, b) if b in names else b for b in found.blocks]
    chart = case_blocks(
        blocks,
        found.values[0],
        found.member_sd[0],
        n_members=int(found.n_members[0]),
        theme=theme(),
    )
    show_chart(chart, key="case_blocks")
    st.caption(
        plain(
            "Before the last layers, each block of the fused vector is multiplied by a learned "
            "weight. Training starts near 0.5. A weight is not an importance: a block with small "
            "numbers and a large weight may matter less than the reverse. Fusion is the product of "
            "the modalities' own vectors, enhanced fusion that of the cross-attended ones."
        )
    )
