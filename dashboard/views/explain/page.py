"""Explain: what the model relies on, for a cohort or a risk group.

Patients in view go in; contributions are computed for up to a stated number of them, and drawn.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from camlif.exceptions import ConfigError, EstimationError
from camlif.explain import METHODS, FeatureAttribution, agreement, owc_weights
from camlif.explain.verdicts import spread_by_risk
from camlif.wording import count
from dashboard.components.chart import draw, show_chart, theme
from dashboard.components.contributions import display_name, feature_names
from dashboard.components.explanation_choice import checks_of
from dashboard.components.text import plain
from dashboard.figures.attribution import beeswarm, method_agreement, modality_share, owc_blocks
from dashboard.session import resources, state
from dashboard.session.state import Scoring, Workspace
from dashboard.store.explanation_checks import Checks
from dashboard.views.explain import trust
from dashboard.views.explain.beforehand import SIZES, request_key

LARGE_GAP = 0.05
N_FEATURES = 15
COMPARED = ("ig", "deeplift", "gradient_shap", "feature_ablation")
WHOLE = "Everyone shown"


def main() -> None:
    """Draw the page."""
    workspace = state.workspace()
    st.markdown("Contributions describe the model's arithmetic, not causes of disease.")
    scoring = workspace.scoring
    if scoring is None:
        st.info("No model fits this cohort, so there is nothing to explain.")
        return
    rows = _rows(workspace, scoring)
    if not len(rows):
        st.info("Pick at least one patient: no patient shown here has a score.")
        return
    _modalities(workspace, scoring, rows)
    checks = checks_of(workspace, scoring)
    features = _features(workspace, scoring, rows, checks)
    if features is not None:
        _agreement(workspace, scoring, rows, features)
    _blocks(workspace, scoring, rows)
    # Last: the charts need not wait for it.
    trust.trust_section(workspace, scoring, checks, None if features is None else features.method)


def _rows(workspace: Workspace, scoring: Scoring) -> NDArray[np.int_]:
    """The patients explained: evenly spaced by risk, so that all risk groups are among them."""
    stratum = scoring.result.stratum
    with st.container(horizontal=True, vertical_alignment="bottom"):
        group = st.selectbox(
            "Patients", [WHOLE, *scoring.bundle.strata.names], key="explain_group", width=240
        )
        size = st.segmented_control(
            "At most",
            SIZES,
            default=SIZES[0],
            key="explain_n",
            required=True,
            bind="query-params",
        )
    rows = workspace.scored_rows
    if group != WHOLE:
        rows = rows[stratum[rows] == group]
    rows = spread_by_risk(scoring.result.z, rows, size)
    st.caption(plain(f"{count(len(rows), 'patient')} explained, evenly spaced by risk."))
    return rows


def _modalities(workspace: Workspace, scoring: Scoring, rows: NDArray[np.int_]) -> None:
    st.header("Modalities", anchor=False)
    found = resources.modality_attribution(
        *request_key(workspace, scoring, rows),
        "median",
        scoring.missing,
        workspace.cohort,
        scoring.bundle,
    )
    size = np.abs(found.values)
    stratum = scoring.result.stratum[rows]
    names = [display_name(workspace, player) for player in found.players]
    members = {"all explained": np.ones(len(rows), dtype=bool)}
    members |= {f"{name} risk": stratum == name for name in scoring.bundle.strata.names}
    members = {name: member for name, member in members.items() if member.any()}
    groups = {
        name: dict(zip(names, size[member].mean(axis=0).tolist(), strict=True))
        for name, member in members.items()
    }
    sizes = {name: int(member.sum()) for name, member in members.items()}
    show_chart(draw(modality_share, groups, sizes, theme=theme()), key="modality_share", wide=True)
    st.caption("Exact Shapley values of the ensemble's log risk against the training median.")


def _attribution(
    workspace: Workspace, scoring: Scoring, rows: NDArray[np.int_], method: str
) -> FeatureAttribution:
    with st.spinner(f"{METHODS[method].label}, {count(len(rows), 'patient')} ..."):
        return resources.feature_attribution(
            *request_key(workspace, scoring, rows),
            method,
            "median",
            scoring.missing,
            workspace.cohort,
            scoring.bundle,
        )


def _features(
    workspace: Workspace, scoring: Scoring, rows: NDArray[np.int_], checks: Checks
) -> FeatureAttribution | None:
    st.header("Features", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = trust.method_picker(checks)
        grouped = st.toggle("Sum by feature group", key="explain_grouped")
    trust.say_default(checks, method)
    if method is None:
        return None
    features = _attribution(workspace, scoring, rows, method)
    shown = features.by_group() if grouped else features.by_clinical_column(scoring.bundle.schema)
    explanation = shown.to_shap()
    explanation.data = _numbers(explanation.data)
    explanation.feature_names = feature_names(workspace, shown)
    tokens = [workspace.loaded.tokens[row] for row in rows]
    chart = beeswarm(explanation, k=N_FEATURES, tokens=tokens, theme=theme())
    show_chart(chart, key="beeswarm", wide=True, settings=_settings(workspace, scoring, features))
    _gap(method, features)
    if not grouped:
        st.caption("Sums within feature groups are more stable than single features.")
    return features


def _numbers(data: NDArray[np.object_]) -> NDArray[np.float64]:
    """Raw values as numbers: a category becomes the rank of its level, a gap NaN."""
    return np.stack([_column_numbers(c) for c in np.asarray(data, dtype=object).T], axis=1)


def _column_numbers(column: NDArray[np.object_]) -> NDArray[np.float64]:
    if not any(isinstance(value, str) for value in column):
        return column.astype(np.float64)
    rank = pd.Categorical(column).codes.astype(np.float64)
    return np.where(rank < 0, np.nan, rank)


def _settings(
    workspace: Workspace, scoring: Scoring, features: FeatureAttribution
) -> dict[str, object]:
    return {
        "method": features.method,
        "baseline": features.baseline,
        "steps": features.steps,
        "seed": features.seed,
        "data": workspace.loaded.digest,
        "model": scoring.model.digest,
    }


def _gap(method: str, features: FeatureAttribution) -> None:
    gap = float(np.nanmedian(features.completeness_gap))
    worst = float(np.nanmax(features.completeness_gap))
    text = (
        f"{METHODS[method].label}: {METHODS[method].description} Baseline {features.baseline}, "
        f"{count(features.steps, 'step')}, {features.seconds:.1f} s, seed {features.seed}; "
        f"completeness gap {100 * gap:.1f}% median, {100 * worst:.1f}% worst."
    )
    if METHODS[method].adds_up and gap > LARGE_GAP:
        st.warning(plain(text + " The contributions do not add up; prefer another method."))
    else:
        st.caption(plain(text))


def _agreement(
    workspace: Workspace, scoring: Scoring, rows: NDArray[np.int_], features: FeatureAttribution
) -> None:
    st.header("Do methods agree?", anchor=False)
    others = [m for m in COMPARED if m != features.method]
    chosen = st.multiselect(
        "Compare with",
        others,
        key="explain_compare",
        format_func=lambda key: METHODS[key].label,
        placeholder="Pick a method",
        select_all=False,
    )
    if not chosen:
        return
    found = [features, *(_attribution(workspace, scoring, rows, m) for m in chosen)]
    names = [METHODS[f.method].label for f in found]
    table = pd.DataFrame(np.eye(len(found)), index=names, columns=names)
    for i, first in enumerate(found):
        for j in range(i + 1, len(found)):
            try:
                rho = agreement(first, found[j])
            except EstimationError:
                rho = float("nan")
            table.iloc[i, j] = table.iloc[j, i] = rho
    show_chart(method_agreement(table, n_features=30, theme=theme()), key="agreement")


def _blocks(workspace: Workspace, scoring: Scoring, rows: NDArray[np.int_]) -> None:
    """How much each fused block counts, once opened: every member runs for it."""
    box = st.expander("Advanced: how much each fused block counts", key="blocks", on_change="rerun")
    if not box.open:
        return
    with box:
        try:
            found = owc_weights(scoring.bundle, workspace.cohort, rows, missing=scoring.missing)
        except (ConfigError, EstimationError) as error:
            st.info(plain(str(error)))
            return
        weights = {
            block: found.values[np.isfinite(found.values[:, j]), j].tolist()
            for j, block in enumerate(found.blocks)
        }
        show_chart(owc_blocks(weights, theme=theme()), key="owc")
        st.caption(
            "Optimal weight concatenation scales each block of the fused vector between 0 and 1. "
            "A weight near 0.5 is where training starts."
        )


main()
