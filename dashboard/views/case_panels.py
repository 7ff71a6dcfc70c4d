"""The panels of the Case page, one function each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from camlif.case import CaseScore, CaseSummary, HorizonSurvival, survival_sentence
from camlif.domain import MAX_SHARE_OUTSIDE
from camlif.similarity import similar_cases
from dashboard import messages, resources, state
from dashboard.components.chart import show_chart, theme
from dashboard.components.contributions import display_name, feature_contributions
from dashboard.components.text import plain
from dashboard.figures.agreement import agreement_strip
from dashboard.figures.attribution import feature_bars, modality_bars, waterfall
from dashboard.figures.chart import count
from dashboard.figures.icons import icon_array
from dashboard.figures.kaplan_meier import case_curve_chart
from dashboard.resources import Baseline
from dashboard.state import Scoring, Workspace

N_SIMILAR = 5
N_FEATURES = 10
CURVES_HEIGHT = 350  # pixels: the four panels fit a screen of 900
STRATUM_COLOURS = {"low": "blue", "intermediate": "orange", "high": "red"}
FEATURE_SHAPES = ("bars", "waterfall")
BASELINES = ("training median", "cohort mean", "same-subtype mean")


def patient(workspace: Workspace, row: int) -> None:
    """Who this is and which data exist."""
    cohort, profile = workspace.cohort, workspace.profile
    st.markdown("**Who and what data**")
    facts = [f"**{plain(cohort.patient_ids[row])}**"]
    clinical = cohort.clinical.iloc[row]
    if "age" in clinical and pd.notna(clinical["age"]):
        facts.append(plain(f"{float(clinical['age']):.0f} years"))
    if "sex" in clinical and pd.notna(clinical["sex"]):
        facts.append(plain(clinical["sex"]))
    for label, column, words in (
        (profile.subtype_label, cohort.subtype, profile.subtype),
        (profile.grade_label, cohort.grade, profile.grade),
    ):
        if column is not None:
            level = column.iloc[row]
            shown = words(str(level)) if pd.notna(level) else "not given"
            facts.append(plain(f"{label} {shown}"))
    st.markdown(" · ".join(facts))
    for name, status, colour in _completeness(workspace, row):
        with st.container(horizontal=True, gap="small"):
            st.badge(status, color=colour)  # type: ignore[arg-type]  # one of its literals
            st.markdown(plain(profile.modality(name)))


def _completeness(workspace: Workspace, row: int) -> list[tuple[str, str, str]]:
    cohort = workspace.cohort
    rows = []
    for i, modality in enumerate(cohort.schema.modalities):
        if not cohort.presence[row, i]:
            rows.append((modality.name, "absent", "red"))
            continue
        if modality.bag:
            rows.append(
                (modality.name, count(len(cohort.bags[modality.name][row]), "item"), "green")
            )
            continue
        observed = float(np.isfinite(cohort.tables[modality.name][row]).mean())
        complete = observed == 1
        status = "complete" if complete else f"{100 * observed:.0f}% observed"
        rows.append((modality.name, status, "green" if complete else "orange"))
    return rows


def no_model(workspace: Workspace) -> None:
    """Why nothing is scored."""
    if workspace.problem is not None:
        st.error(plain(messages.describe(workspace.problem)))
        return
    st.info("No installed model fits this cohort. See Upload & check for what is missing.")


def no_score(summary: CaseSummary) -> None:
    """Why this patient is not scored."""
    st.markdown("**Result**")
    st.warning(plain("; ".join(summary.notes).capitalize() + "."))


def result(scoring: Scoring, score: CaseScore) -> None:
    """Risk group, percentile, hazard ratio, survival as a frequency."""
    st.markdown("**Result**")
    colour = "orange" if score.neighbour else STRATUM_COLOURS.get(score.stratum, "gray")
    n_training = scoring.bundle.card.data.n_patients
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(score.label.upper(), color=colour)  # type: ignore[arg-type]
        st.markdown(
            plain(f"higher than {score.percentile:.0f}% of {n_training:,} training patients"),
            width="content",
        )
    z, ratio = score.z, score.hazard_ratio
    st.markdown(
        plain(
            f"z = {z.value:+.2f} ({z.low:+.2f} to {z.high:+.2f}); hazard ratio against the median "
            f"{ratio.value:.1f} ({ratio.low:.1f} to {ratio.high:.1f}, model spread)"
        )
    )
    _survival(scoring, score)


def _survival(scoring: Scoring, score: CaseScore) -> None:
    endpoint = scoring.bundle.info.endpoint
    n_training = scoring.bundle.card.data.n_patients
    by_year = {f"{h.months // 12} y": h for h in score.horizons}
    default = next((year for year, h in by_year.items() if h.survival and h.months == 36), None)
    picked = st.segmented_control(
        "Horizon",
        list(by_year),
        default=default or next(iter(by_year)),
        key="year",
        required=True,
        bind="query-params",
        label_visibility="collapsed",
    )
    horizon: HorizonSurvival = by_year[picked]
    sentence = survival_sentence(horizon, endpoint, n_training)
    if horizon.survival is None:
        st.markdown(plain(sentence))
        return
    icons, words = st.columns([1, 3], vertical_alignment="center")
    with icons:
        picture = icon_array(100 * horizon.survival.value, sentence=sentence, theme=theme())
        st.image(picture, alt=sentence, width="stretch")
    with words:
        st.markdown(plain(sentence))


def certainty(
    workspace: Workspace, scoring: Scoring, row: int, summary: CaseSummary, score: CaseScore
) -> None:
    """Agreement of the members, range and calibration."""
    st.markdown("**How sure**")
    bundle, result_ = scoring.bundle, scoring.result
    unseen = " that did not see this patient" if summary.is_training else ""
    if summary.members_used == 1:
        placed = f"The only model{unseen} places it in {score.stratum}."
    else:
        placed = (
            f"{score.members_agree} of the {summary.members_used} models{unseen} place it in "
            f"{score.stratum}."
        )
    st.markdown(plain(placed))
    chart = agreement_strip(
        bundle.reference.z(result_.member_log_risk[row]),
        result_.members_used[row],
        cutoffs=bundle.strata.cutoffs,
        strata=bundle.strata.names,
        theme=theme(),
        ensemble=(score.z.value, score.z.low, score.z.high),
        compact=True,
    )
    show_chart(chart, key="agreement", finding=False)
    if summary.is_training:
        st.caption("Open circles: models that saw this patient.")
    _ranges(workspace, {m: float(share[row]) for m, share in result_.out_of_range.items()})


def _ranges(workspace: Workspace, shares: dict[str, float]) -> None:
    """Say which modalities are like the training data."""
    name = workspace.profile.modality
    outside = {name(m): share for m, share in shares.items() if share > MAX_SHARE_OUTSIDE}
    within = [name(m) for m, share in shares.items() if share <= MAX_SHARE_OUTSIDE]
    if outside:
        listed = ", ".join(f"{m} {100 * share:.0f}%" for m, share in outside.items())
        st.warning(plain(messages.text("E-33", shares=listed)))
    if within:
        st.markdown(plain(f"In training range: {', '.join(within)}."))


def curves(scoring: Scoring, row: int, score: CaseScore) -> None:
    """The training strata with this case's predicted curve."""
    result_ = scoring.result
    chart = case_curve_chart(
        scoring.bundle.reference.curves,
        score.stratum,
        result_.times,
        result_.survival[row],
        result_.survival_low[row],
        result_.survival_high[row],
        endpoint=scoring.bundle.info.endpoint,
        theme=theme(),
        height=CURVES_HEIGHT,
    )
    st.markdown(f"**Where this case sits.** {plain(chart.finding)}")
    show_chart(chart, key="case_curves", finding=False)


def baseline_rows(workspace: Workspace, scoring: Scoring, row: int, choice: str) -> Baseline:
    """Reference of the explanation: the training median, or rows of the cohort in view."""
    if choice == BASELINES[0]:
        return "median"
    rows = np.flatnonzero(scoring.result.scored)
    subtype = workspace.cohort.subtype
    if choice == BASELINES[2] and subtype is not None:
        same = (subtype == subtype.iloc[row]).fillna(False).to_numpy(dtype=bool)
        rows = rows[same[rows]]
    rows = rows[rows != row]
    return tuple(rows.tolist()) if len(rows) else "median"


def contributions(workspace: Workspace, scoring: Scoring, row: int) -> None:
    """Which modalities and features move the score of this case."""
    st.markdown("##### Why")
    choice = st.segmented_control(
        "Explain against",
        BASELINES if workspace.cohort.subtype is not None else BASELINES[:2],
        default=BASELINES[0],
        key="baseline",
        required=True,
        bind="query-params",
    )
    baseline = baseline_rows(workspace, scoring, row, choice)
    model, loaded = scoring.model, workspace.loaded
    key = (loaded.digest, model.digest, (row,))
    modalities = resources.modality_attribution(
        *key, baseline, scoring.missing, loaded.cohort, model.bundle
    )
    features = resources.feature_attribution(
        *key, "ig", baseline, scoring.missing, loaded.cohort, model.bundle
    )
    left, right = st.columns([2, 3])
    with left:
        values = modalities.values[0].tolist()
        by_name = {
            display_name(workspace, player): value
            for player, value in zip(modalities.players, values, strict=True)
        }
        chart = modality_bars(by_name, theme=theme(), baseline=f"the {choice}")
        show_chart(chart, key="case_modalities")
    with right:
        shape = st.segmented_control(
            "Show features as",
            FEATURE_SHAPES,
            default=FEATURE_SHAPES[0],
            key="feature_shape",
            required=True,
            label_visibility="collapsed",
            persist_state="session",
        )
        found = feature_contributions(workspace, scoring, features, 0)
        if shape == "waterfall":
            base, total = float(features.base_value[0]), float(features.log_risk[0])
            chart = waterfall(found, baseline=base, total=total, k=N_FEATURES, theme=theme())
        else:
            chart = feature_bars(found, k=N_FEATURES, theme=theme(), baseline=f"the {choice}")
        show_chart(chart, key="case_features")
    gap = 100 * float(features.completeness_gap[0])
    st.caption(
        plain(
            f"Modalities: exact Shapley values. Features: integrated gradients, {features.steps} "
            f"steps, completeness gap {gap:.1f}%. Baseline: {choice}. "
            "Contributions describe the model's arithmetic, not causes of disease."
        )
    )


def similar(workspace: Workspace, scoring: Scoring, row: int) -> None:
    """The nearest cases of the loaded cohort in fused space, with their outcomes."""
    cohort, result_, profile = workspace.cohort, scoring.result, workspace.profile
    found = similar_cases(
        result_.embedding,
        row,
        k=N_SIMILAR,
        among=result_.scored,
        n_members=scoring.bundle.n_members,
    )
    st.markdown("##### Similar cases in the loaded cohort")
    if not len(found.rows):
        st.markdown("None.")
        return
    table = pd.DataFrame({"patient": cohort.patient_ids[found.rows]})
    for label, column, words in (
        (profile.subtype_label, cohort.subtype, profile.subtype),
        (profile.grade_label, cohort.grade, profile.grade),
    ):
        if column is not None:
            levels = column.iloc[found.rows].astype("string").fillna("not given")
            table[label] = [words(level) for level in levels]
    table["risk group"] = result_.table["stratum"].to_numpy()[found.rows]
    if cohort.duration is not None and cohort.event is not None:
        noun = cohort.info.endpoint.event_noun
        table["months"] = cohort.duration[found.rows].round(1)
        table["status"] = np.where(cohort.event[found.rows], noun, f"no {noun} so far")
    table["distance"] = found.distances.round(2)
    event = st.dataframe(
        table,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"similar_{workspace.loaded.tokens[row]}",
        alt="Five nearest cases; select a row to open it",
    )
    chosen = event.selection.rows
    if chosen:
        st.session_state["open_case"] = int(found.rows[chosen[0]])
        st.rerun()


def caveats(scoring: Scoring, summary: CaseSummary) -> None:
    """What a reader must keep in mind."""
    card = scoring.bundle.card
    st.markdown("##### Caveats")
    for warning in summary.notes:
        st.markdown(f"- {plain(warning)}")
    if summary.is_training:
        st.markdown(
            f"- This patient was in the training cohort. Only the {summary.members_used} of "
            f"{summary.members} models that did not see it are used."
        )
    d = card.discrimination
    st.markdown(
        "- "
        + plain(
            f"In its own cohort the model ranks pairs of unseen patients right in "
            f"{100 * d.mean:.0f} of 100 (C-index {d.mean:.3f}, SD {d.sd:.3f} over "
            f"{card.training.splits} splits)."
        )
    )
    for limit in card.limits:
        st.markdown(f"- {plain(limit)}")


def opened_case() -> None:
    """Move to a case that a table row asked for, before the picker is drawn."""
    row = st.session_state.pop("open_case", None)
    if row is not None:
        st.session_state[state.CASE] = row
