"""The views of the Cohort page, one function each; only the picked one is computed.

The workspace goes in; each view draws one chart, or says what it lacks.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from camlif.exceptions import EstimationError
from camlif.model.certainty import certainty_states
from camlif.model.scoring import ScoreResult
from camlif.model.sentences import told_sentence
from camlif.model.telling_inputs import telling_inputs
from camlif.statistics import bootstrap_c_index, cox_table, median_follow_up, too_few
from camlif.statistics.split_p_values import WITHHELD
from camlif.wording import count
from dashboard.components import worklists
from dashboard.components.chart import draw, selected_points, show_chart, show_numbers, theme
from dashboard.components.text import plain
from dashboard.figures.attribution.bars import whole_percentile
from dashboard.figures.forest import forest_chart
from dashboard.figures.hazard import HazardPoints, hazard_chart
from dashboard.figures.survivors import interval_composition, short_long_chart
from dashboard.known_outcome import KnownOutcome, outcome_of
from dashboard.session import shared_results, state
from dashboard.session.state import Scoring, Workspace
from dashboard.views.case import commit_first
from dashboard.views.case.case_exports import worklist_button
from dashboard.views.cohort import patient_groups
from dashboard.views.cohort.groups import (
    GROUP_BY,
    NEXT_VIEW,
    RISK,
    SELECTION,
    log_rank_words,
    need_outcome,
    rests_on_held_out,
)
from dashboard.views.cohort.patient_groups import GROUPS

SURVIVOR_CUTOFFS = {"kidney": 42.0}  # months; the paper's for KIRC, five years otherwise
DEFAULT_SURVIVOR_CUTOFF = 60.0


def metrics(workspace: Workspace) -> None:
    """Show denominators, follow-up, discrimination and separation."""
    cohort, rows = workspace.cohort, workspace.scored_rows
    outcome = outcome_of(cohort, np.flatnonzero(workspace.shown))
    columns = st.columns(5)
    columns[0].metric("Patients shown", f"{int(workspace.shown.sum()):,}")
    if outcome is None or not len(outcome.rows):
        return
    columns[1].metric(
        f"Events ({cohort.info.endpoint.event_noun})", f"{int(outcome.event.sum()):,}"
    )
    follow_up = median_follow_up(outcome.event, outcome.duration, outcome.entry)
    columns[2].metric("Median follow-up", "-" if follow_up is None else f"{follow_up:.0f} months")
    scored = outcome_of(cohort, rows)
    if workspace.scoring is None or scored is None:
        return
    risk = workspace.scoring.result.log_risk[scored.rows]
    try:
        c = shared_results.compute_once(
            lambda: bootstrap_c_index(risk, scored.event, scored.duration, entry=scored.entry),
            "C-index",
            risk,
            *scored.arrays,
        )
        columns[3].metric(
            "C-index (95% bootstrap)",
            f"{c.value:.3f}",
            help=f"Interval {c.low:.3f} to {c.high:.3f}; n = {c.n_patients:,}, "
            f"{count(c.n_events, 'event')}"
            + (
                f"; interval from {count(c.n_resampled_patients, 'patient')}"
                if c.subsampled
                else ""
            ),
            delta=f"{c.low:.3f} to {c.high:.3f}",
            delta_color="off",
            delta_arrow="off",
        )
    except EstimationError as error:
        columns[3].metric("C-index", "not defined", help=plain(error))
    stratum = workspace.scoring.result.stratum[scored.rows].astype(str)
    _separation(columns[4], workspace, scored, stratum)
    _say_training(workspace.scoring.result, rows)


def _say_training(result: ScoreResult, rows: NDArray[np.int_]) -> None:
    """Say how many of the patients shown were in the training cohort, or may have been."""
    training, unclear = int(result.is_training[rows].sum()), int(result.unclear[rows].sum())
    said = []
    if training:
        said.append(
            f"{count(training, 'patient')} shown were in the training cohort; their risks come "
            "only from models that did not see them."
        )
    if unclear:
        said.append(
            f"Of {count(unclear, 'patient')} shown it cannot be told whether they were; models "
            "that may have seen them are left out where others remain."
        )
    if said:
        st.caption(plain(" ".join(said)))


def _separation(
    column: DeltaGenerator,
    workspace: Workspace,
    outcome: KnownOutcome,
    stratum: NDArray[np.str_],
) -> None:
    """Show the log-rank p-value of the risk groups, of patients whom no model has seen."""
    if rests_on_held_out(workspace, RISK, outcome.rows):
        column.metric("Log-rank, risk groups", "withheld", help=plain(f"{WITHHELD}."))
    else:
        reason = too_few(outcome.event, stratum)
        column.metric(
            "Log-rank, risk groups",
            log_rank_words(outcome, stratum) if reason is None else "hidden",
            help=None if reason is None else plain(reason),
        )


def _words(
    column: pd.Series | None, words: Callable[[str], str], rows: NDArray[np.int_]
) -> list[str | None] | None:
    if column is None:
        return None
    levels = column.iloc[rows].astype("string")
    return [None if pd.isna(level) else words(str(level)) for level in levels]


def hazard_view(workspace: Workspace) -> None:
    """The hazard scatter; a lasso makes a group, one point opens its case."""
    if workspace.scoring is None:
        st.info("No model fits this cohort, so there is no hazard to show.")
        return
    hidden = commit_first.withheld(workspace)
    commit_first.say_withheld(hidden & workspace.shown)
    rows = workspace.scored_rows[~hidden[workspace.scored_rows]]
    if not len(rows):
        return
    cohort, profile = workspace.cohort, workspace.profile
    result, strata = workspace.scoring.result, workspace.scoring.bundle.strata
    tokens = np.array(workspace.loaded.tokens)
    current = state.CASE.get()
    groups = _compared_groups(workspace, rows)
    rows, columns = groups or (rows, _words(cohort.subtype, profile.subtype, rows))
    points = HazardPoints(
        token=tokens[rows].tolist(),
        z=result.z[rows],
        subtype=columns,
        grade=_words(cohort.grade, profile.grade, rows),
        stratum=result.stratum[rows].tolist(),
    )
    labels = [f"{a} | {b}" for a, b in zip(strata.names, strata.names[1:], strict=False)]
    chart = draw(
        hazard_chart,
        points,
        cutoffs=dict(zip(labels, strata.cutoffs, strict=True)),
        theme=theme(),
        current=None if current is None else str(tokens[current]),
        column_title=GROUPS
        if groups
        else profile.subtype_label
        if cohort.subtype is not None
        else RISK,
    )
    event = show_chart(chart, key="hazard", select=True, wide=True)
    _say_what_inputs_tell(workspace, workspace.scoring)
    _use_selection(workspace, event)


def _say_what_inputs_tell(workspace: Workspace, scoring: Scoring) -> None:
    """Say where subtype or grade is itself among the model's inputs, or what tells it."""
    cohort, profile = workspace.cohort, workspace.profile
    for label, levels in (
        (profile.subtype_label, cohort.subtype),
        (profile.grade_label, cohort.grade),
    ):
        if levels is not None:
            told = telling_inputs(scoring.bundle.schema, cohort, levels)
            if told:
                names = [profile.column_name(name) for name in told]
                st.caption(plain(told_sentence(label, names)))


def _compared_groups(
    workspace: Workspace, rows: NDArray[np.int_]
) -> tuple[NDArray[np.int_], list[str | None]] | None:
    """Rows and names of the groups compared, where columns are to be groups; None otherwise.

    Whoever is in several groups stands in the column of each.
    """
    compared = patient_groups.groups_to_compare(workspace)
    if not compared:
        return None
    label = workspace.profile.subtype_label if workspace.cohort.subtype is not None else RISK
    picked = st.segmented_control(
        "Columns",
        [label, GROUPS],
        default=GROUPS if GROUP_BY.get() == GROUPS else label,
        key="hazard_columns",
        required=True,
    )
    if picked != GROUPS:
        return None
    members = patient_groups.members_of(workspace, compared)
    parts = [(rows[mask[rows]], name) for name, mask in members.items()]
    names: list[str | None] = [name for part, name in parts for _ in part]
    return np.concatenate([part for part, _ in parts]), names


def _use_selection(workspace: Workspace, event: object) -> None:
    """Turn selected points into a group, or a single one into the open case."""
    picked = _picked_tokens(event)
    if not picked:
        st.caption("Lasso points to make a group, or click one to open its case.")
        return
    if len(picked) == 1:
        open_case(workspace, workspace.row_of(picked[0]))
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(count(len(picked), "patient") + " selected")
        if st.button("Compare in Kaplan-Meier", key="use_selection"):
            state.SELECTION.set(tuple(picked))
            GROUP_BY.set(SELECTION)
            NEXT_VIEW.set("Kaplan-Meier")
            st.rerun()
        with st.popover("Save as a group", key="selection_group"):
            rule = f"{patient_groups.BY_RISK}: drawn in the hazard chart"
            patient_groups.save_form(workspace, picked, rule, key="lasso")
        with st.popover("Send to a worklist", key="selection_worklist"):
            worklists.send(workspace, worklists.available(workspace), picked, key="selection")
        chosen = [row for token in picked if (row := workspace.row_of(token)) is not None]
        worklist_button(workspace, chosen, title="Selected cases", key="selection")


def _picked_tokens(event: object) -> list[str]:
    tokens = []
    for point in selected_points(event):
        data = point.get("customdata")
        token = data[0] if isinstance(data, (list, tuple)) and data else data
        if isinstance(token, str):
            tokens.append(token)
    return list(dict.fromkeys(tokens))  # whoever is in several groups has several points


def open_case(workspace: Workspace, row: int | None) -> None:
    """Open a case on the Case page."""
    if row is not None:
        state.OPEN_CASE.set(row)
        # Without parameters of its own, a switch fails while a view is bound to the address.
        token = workspace.loaded.tokens[row]
        st.switch_page("views/case/page.py", query_params={"case": token})


def table_view(workspace: Workspace) -> None:
    """One row per patient; picking a row opens the case."""
    cohort, profile = workspace.cohort, workspace.profile
    rows = np.flatnonzero(workspace.shown)
    table = pd.DataFrame({"patient": cohort.patient_ids[rows]})
    for label, column, words in (
        (profile.subtype_label, cohort.subtype, profile.subtype),
        (profile.grade_label, cohort.grade, profile.grade),
    ):
        named = _words(column, words, rows)
        if named is not None:
            table[label] = named
    if cohort.has_outcome:
        event, duration = cohort.outcome()
        table["months"] = duration[rows].round(1)
        table[cohort.info.endpoint.event_noun] = event[rows]
    if workspace.scoring is not None:
        hidden = commit_first.withheld(workspace)[rows]
        commit_first.say_withheld(hidden)
        scoring = workspace.scoring
        scores = scoring.result.table.iloc[rows].reset_index(drop=True)
        scores["how sure"] = certainty_states(scoring.bundle, scoring.result)[rows]
        scores = scores[~hidden].reindex(scores.index)
        shown = ["z", "percentile", "risk_group", "how sure", "agreement", "missing", "warnings"]
        table[shown] = scores[shown]
    picked = st.dataframe(
        _as_read(table),
        hide_index=True,
        key="cohort_table",
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "z": st.column_config.NumberColumn(format="%+.2f"),
            "percentile": st.column_config.ProgressColumn(
                min_value=0, max_value=100, format="%.0f"
            ),
            "agreement": st.column_config.NumberColumn(format="percent"),
        },
        alt="Patients shown; select a row to open its case",
    )
    st.caption("Select a row to open its case.")
    if picked.selection.rows:
        open_case(workspace, int(rows[picked.selection.rows[0]]))
    with st.popover(f"Send the {len(rows):,} shown to a worklist", key="shown_worklist"):
        tokens = [workspace.loaded.tokens[row] for row in rows]
        lists = worklists.available(workspace)
        worklists.send(workspace, lists, tokens, key="shown")
    with st.expander("Download"):
        show_numbers(table, key="patients")
        worklist_button(workspace, rows.tolist(), title="Cases shown", key="shown")


def _as_read(table: pd.DataFrame) -> pd.DataFrame:
    """The table with percentiles rounded as they are said: of some but not all never 0 or 100."""
    if "percentile" not in table:
        return table
    percentiles = table["percentile"].map(whole_percentile, na_action="ignore")
    return table.assign(percentile=percentiles)


SCORE = "Risk score (per SD)"


def forest_view(workspace: Workspace) -> None:
    """Show what the score adds to age, grade and subtype."""
    outcome = need_outcome(workspace, workspace.scored_rows)
    if outcome is None or workspace.scoring is None:
        return
    frame = _covariates(workspace, workspace.scoring, outcome.rows)
    complete = frame.notna().all(axis=1).to_numpy()
    if not complete.all():
        st.caption(
            plain(f"{count(int((~complete).sum()), 'patient')} with missing values left out.")
        )
    outcome = outcome.take(complete)
    kept = frame[complete]
    kept = kept.loc[:, kept.nunique() > 1].astype(float)
    try:
        ratios = shared_results.compute_once(
            lambda: cox_table(kept, outcome.event, outcome.duration, entry=outcome.entry),
            f"Cox model of {list(kept)}",
            kept.to_numpy(),
            *outcome.arrays,
        )
    except EstimationError as error:
        st.info(plain(str(error)))
        return
    n, events = len(outcome.event), int(outcome.event.sum())
    held_out = [SCORE] if rests_on_held_out(workspace, RISK, outcome.rows) else []
    chart = draw(forest_chart, ratios, n=n, events=events, theme=theme(), untested=held_out)
    show_chart(chart, key="forest", wide=True)
    why = f" The score has no p-value: {WITHHELD.partition(': ')[2]}." if held_out else ""
    st.caption(
        "One Cox model with all rows at once; risk score per training SD, age per 10 years."
        f"{plain(why)}"
    )


def _covariates(workspace: Workspace, scoring: Scoring, rows: NDArray[np.int_]) -> pd.DataFrame:
    cohort, profile = workspace.cohort, workspace.profile
    frame = pd.DataFrame({SCORE: scoring.result.z[rows]})
    if "age" in cohort.clinical:
        age = pd.to_numeric(cohort.clinical["age"].iloc[rows], errors="coerce")
        frame["Age (per 10 years)"] = age.to_numpy("float64") / 10
    for label, column, words in (
        (profile.grade_label, cohort.grade, profile.grade),
        (profile.subtype_label, cohort.subtype, profile.subtype),
    ):
        named = _words(column, words, rows)
        if named is None:
            continue
        levels = pd.Series(named, dtype="object")
        names = levels.value_counts().index.tolist()
        for name in names[1:]:
            frame[f"{label} {name} vs {names[0]}"] = (levels == name).where(levels.notna(), np.nan)
    return frame


def survivors_view(workspace: Workspace) -> None:
    """Show whether patients with an early event had higher scores than those with a late one."""
    outcome = need_outcome(workspace, workspace.scored_rows)
    if outcome is None or workspace.scoring is None:
        return
    default = SURVIVOR_CUTOFFS.get(workspace.cohort.info.profile, DEFAULT_SURVIVOR_CUTOFF)
    cutoff = st.number_input(
        "Short means up to (months)", 1.0, 240.0, default, step=6.0, key="survivor_cutoff"
    )
    chart = short_long_chart(
        workspace.scoring.result.z[outcome.rows],
        outcome.event,
        outcome.duration,
        cutoff_months=cutoff,
        endpoint=workspace.cohort.info.endpoint,
        theme=theme(),
    )
    show_chart(chart, key="survivors")
    _composition(workspace, outcome.rows)


def _composition(workspace: Workspace, rows: NDArray[np.int_]) -> None:
    """Grade composition within intervals of z, cut at the risk groups' cut-offs and one SD on."""
    scoring, profile = workspace.scoring, workspace.profile
    grades = _words(workspace.cohort.grade, profile.grade, rows)
    if scoring is None or grades is None:
        return
    cutoffs = scoring.bundle.strata.cutoffs
    edges = [-np.inf, cutoffs[0] - 1, *cutoffs, cutoffs[-1] + 1, np.inf]
    table = interval_composition(
        scoring.result.z[rows],
        [grade or "not given" for grade in grades],
        list(itertools.pairwise(edges)),
    )
    st.markdown(f"**{plain(profile.grade_label)} within intervals of z**")
    st.dataframe(table.round(2), hide_index=True, key="composition")
