"""Validation: do probabilities hold, do risks rank, for whom, and who is unlike the training.

A scored cohort with outcomes goes in and is drawn; a measure that is undefined gives its reason.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import streamlit as st

from camlif.config import HORIZONS
from camlif.exceptions import EstimationError
from camlif.model.sentences import RECALIBRATED
from camlif.model.training_range import DISTANCE_PERCENTS
from camlif.statistics import DCalibration, GateResult, decision_curve, subgroup_performance
from camlif.statistics.gate import (
    MAX_ICI,
    MAX_RATIO,
    MAX_SLOPE,
    MIN_EVENTS,
    MIN_PATIENTS,
    MIN_RATIO,
    MIN_SLOPE,
)
from camlif.statistics.over_time import MIN_EVENTS as GROUP_EVENTS
from camlif.statistics.over_time import SubgroupPerformance
from camlif.wording import count, format_p, period, with_interval
from dashboard import messages
from dashboard.components.chart import show_chart, show_numbers, theme
from dashboard.components.contributions import display_name
from dashboard.components.popover import fill_when_opened
from dashboard.components.text import plain
from dashboard.figures.calibration import calibration_chart
from dashboard.figures.decision import decision_chart
from dashboard.figures.distance import ModalityDistance, distance_chart
from dashboard.figures.over_time import auc_chart, brier_chart
from dashboard.figures.palette import palette
from dashboard.session import state
from dashboard.session.state import Scoring, Workspace
from dashboard.views.cohort.groups import need_outcome, say_late_entry
from dashboard.views.validation.data import Measured, measure, subgroups
from dashboard.views.validation.new_patients import new_patients_section

THRESHOLDS = np.arange(0.02, 0.99, 0.02)
TOO_FEW = "too few"
EVEN = 0.05


def main() -> None:
    """Draw the page."""
    workspace = state.workspace()
    scoring = workspace.scoring
    if scoring is None:
        if workspace.problem is not None:
            st.error(plain(messages.describe(workspace.problem)))
        else:
            st.info("No model fits this cohort, so there is nothing to validate.")
        return
    if not len(workspace.scored_rows):
        st.info("No patient shown has a score. Reset the filters in the sidebar.")
        return
    outcome = need_outcome(workspace, workspace.scored_rows)
    if outcome is not None:
        try:
            found = measure(workspace, scoring, outcome)
        except EstimationError as error:
            st.info(plain(str(error)))
        else:
            _who(workspace, found)
            new_patients_section(workspace, scoring)
            _calibration(workspace, scoring, found)
            _over_time(found)
            _subgroups(workspace, found)
            _decision(workspace, found)
    _distances(workspace, scoring)


def _who(workspace: Workspace, found: Measured) -> None:
    """Say whose outcomes these are, and where their predictions come from."""
    outcome, n = found.predictions.outcome, len(found.predictions.outcome.rows)
    training = int(found.predictions.is_training.sum())
    unclear = int(found.predictions.unclear.sum())
    who = (
        f"{count(n, 'patient')} with a score and an outcome, "
        f"{count(int(outcome.event.sum()), 'event')} ({workspace.cohort.info.endpoint.name})."
    )
    frozen = "the risk comes from all members, the probability from the model's frozen calibration."
    held_out = (
        "the risk comes only from members that did not see the patient, the probability from a "
        "calibration fitted on other training patients."
    )
    if training == n:
        used = f"All are patients of the training cohort: {held_out} No other cohort confirms this."
    elif training:
        used = (
            f"For {training:,} of the training cohort {held_out} "
            f"For {count(n - training, 'other')} {frozen}"
        )
    elif unclear:
        used = f"None is known to be of the training cohort: {frozen}"
    else:
        used = f"None is of the training cohort: {frozen}"
    if unclear:
        used += (
            f" Of {count(unclear, 'patient')} it cannot be told whether they were in the training "
            "cohort: members that may have seen them are left out where others remain."
        )
    st.markdown(plain(f"{who} {used}"))
    say_late_entry(workspace.cohort)


def _calibration(workspace: Workspace, scoring: Scoring, found: Measured) -> None:
    st.header("Calibration", anchor=False)
    if found.panels:
        endpoint = workspace.cohort.info.endpoint
        chart = calibration_chart(found.panels, endpoint=endpoint, theme=theme())
        show_chart(chart, key="validation_calibration", wide=True)
    own = {gate.horizon: gate for gate in scoring.bundle.reference.whole.gates}
    rows = [
        {
            "Horizon": period(gate.horizon),
            "Patients": gate.n_patients,
            "Events by then": gate.n_events,
            "Expected / observed": _interval(gate.ratio, gate.ratio_low, gate.ratio_high),
            "ICI (points)": _points(gate.ici, gate.ici_high),
            "Slope": _interval(gate.slope, gate.slope_low, gate.slope_high),
            "These patients": _verdict(gate),
            "Training cohort": _verdict(own[gate.horizon]),
        }
        for gate in found.gates
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="calibration_gate",
        alt="Calibration gate at each horizon",
    )
    with st.expander("What absolute risk needs to be shown"):
        st.caption(
            f"{MIN_PATIENTS} patients, {MIN_EVENTS} events by the horizon, expected over observed "
            f"events of {MIN_RATIO:g} to {MAX_RATIO:g}, a calibration slope whose lower limit is "
            f"above 0 and an ICI of at most {100 * MAX_ICI:.0f} points; risks held out in "
            f"training, also a slope of {MIN_SLOPE:g} to {MAX_SLOPE:g} once calibrated on other "
            "patients. ICI: mean distance of predicted and smoothed observed probability, with "
            f"its upper 95 % limit. Training cohort: {RECALIBRATED}."
        )
    _at_the_event(found)


def _at_the_event(found: Measured) -> None:
    """Say what shows only at each patient's own time: D-calibration, and the outlived times."""
    tenths = found.d_calibration
    if isinstance(tenths, str):
        st.markdown(plain(f"D-calibration is not given: {tenths}."))
    else:
        even = "fall evenly into tenths" if tenths.p_value >= EVEN else "do not fall evenly"
        st.markdown(
            plain(
                f"D-calibration: predicted probabilities at the event {even} "
                f"({format_p(tenths.p_value)}; n = {tenths.n_patients:,}, "
                f"{count(tenths.n_events, 'event')})."
            )
        )
        with st.popover("Show tenths", type="tertiary", key="d_calibration"):
            st.dataframe(_tenths(tenths), hide_index=True, key="d_calibration_table")
    reached = found.outlived
    if not isinstance(reached, str):
        st.markdown(
            plain(
                f"Of the patients new to the model, {100 * reached.value:.0f} of 100 "
                f"({100 * reached.low:.0f} to {100 * reached.high:.0f}) outlived the time that "
                "Case says 9 of 10 do."
            )
        )


def _tenths(found: DCalibration) -> pd.DataFrame:
    edges = np.linspace(0, 1, len(found.counts) + 1)
    return pd.DataFrame(
        {
            "predicted survival at the event": [
                f"{low:.1f} to {high:.1f}" for low, high in pairwise(edges)
            ],
            "patients": found.counts.round(1),
            "if even": round(found.n_patients / len(found.counts), 1),
        }
    )


def _verdict(gate: GateResult) -> str:
    """Say what a gate found, and why it is not open."""
    return "open" if gate.open else f"{gate.verdict}: {gate.reason}"


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "not defined"
    return f"{value:.2f}" if low is None or high is None else with_interval(value, low, high)


def _points(value: float | None, high: float | None) -> str:
    if value is None:
        return "not defined"
    return f"{100 * value:.1f}" + ("" if high is None else f" (at most {100 * high:.1f})")


def _over_time(found: Measured) -> None:
    st.header("Discrimination and error over time", anchor=False)
    left, right = st.columns(2)
    with left:
        show_chart(auc_chart(found.over_time, theme=theme()), key="validation_auc")
    with right:
        show_chart(brier_chart(found.over_time, theme=theme()), key="validation_brier")
    st.caption(
        "AUC at a time: who had the event by then against who was followed beyond. Censoring is "
        "weighed by its Kaplan-Meier estimate in the patients shown."
    )


def _subgroups(workspace: Workspace, found: Measured) -> None:
    st.header("Subgroups", anchor=False)
    horizon = st.segmented_control(
        "Expected over observed at",
        HORIZONS,
        default=HORIZONS[1],
        format_func=period,
        key="subgroup_horizon",
        required=True,
        bind="query-params",
    )
    rows = _subgroup_rows(workspace, found, horizon)
    table = _subgroup_table(rows, horizon)
    grey = f"color: {palette(theme()).outline}"
    styled = table.style.map(lambda cell: grey if cell == TOO_FEW else "")
    st.dataframe(
        styled, hide_index=True, key="subgroups", alt="C-index and calibration by subgroup"
    )
    few = sum(r.n_events_by_horizon < GROUP_EVENTS for _, _, r in rows)
    st.caption(
        plain(
            f"95 % intervals: bootstrap for the C-index, Kaplan-Meier for expected / observed. "
            f"{TOO_FEW.capitalize()}: under {GROUP_EVENTS} events ({count(few, 'row')}). Groups "
            "differ in case mix, so their C-indices are not comparable one to one."
        )
    )
    fill_when_opened(
        "Table",
        lambda: show_numbers(_subgroup_numbers(rows), key="subgroup_numbers"),
        key="subgroups_table",
    )


def _subgroup_rows(
    workspace: Workspace, found: Measured, horizon: int
) -> list[tuple[str, str, SubgroupPerformance]]:
    p = found.predictions
    everyone = np.ones(len(workspace.cohort), dtype=bool)
    rows = []
    for grouping, group, members in [("All", "", everyone), *subgroups(workspace)]:
        inside = members[p.outcome.rows]
        if inside.any():
            own = p.outcome.take(inside)
            result = subgroup_performance(
                p.risk[inside],
                p.at(horizon)[inside],
                own.event,
                own.duration,
                horizon=horizon,
                entry=own.entry,
            )
            rows.append((grouping, group, result))
    return rows


def _subgroup_table(rows: list[tuple[str, str, SubgroupPerformance]], horizon: int) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "By": grouping,
                "Group": group or "all shown",
                "n": r.n_patients,
                "Events": r.n_events,
                "C-index": _cell(r.c_index, r.c_low, r.c_high, r.n_events),
                f"Events by {period(horizon)}": r.n_events_by_horizon,
                "Expected / observed": _cell(
                    r.ratio, r.ratio_low, r.ratio_high, r.n_events_by_horizon
                ),
            }
            for grouping, group, r in rows
        ]
    )


def _cell(value: float | None, low: float | None, high: float | None, n_events: int) -> str:
    return TOO_FEW if n_events < GROUP_EVENTS else _interval(value, low, high)


def _subgroup_numbers(rows: list[tuple[str, str, SubgroupPerformance]]) -> pd.DataFrame:
    fields = SubgroupPerformance.__dataclass_fields__
    return pd.DataFrame(
        [
            {"grouping": grouping, "group": group, **{name: getattr(r, name) for name in fields}}
            for grouping, group, r in rows
        ]
    )


def _decision(workspace: Workspace, found: Measured) -> None:
    with st.expander("Advanced: decision curve"):
        p = found.predictions
        horizon = st.segmented_control(
            "Risk at",
            HORIZONS,
            default=HORIZONS[1],
            format_func=period,
            key="decision_horizon",
            required=True,
        )
        try:
            curve = decision_curve(
                p.at(horizon),
                p.outcome.event,
                p.outcome.duration,
                horizon=horizon,
                thresholds=THRESHOLDS,
                entry=p.outcome.entry,
            )
        except EstimationError as error:
            st.info(plain(str(error)))
            return
        noun = workspace.cohort.info.endpoint.event_noun
        show_chart(decision_chart(curve, event_noun=noun, theme=theme()), key="validation_decision")
        st.caption(
            "Net benefit: flagged patients with the event, less flagged patients without it "
            "weighed by the odds of the threshold, per patient; censored ones through "
            "Kaplan-Meier. The threshold says how many false alarms one true one is worth; the "
            "curve does not say which is right."
        )


def _distances(workspace: Workspace, scoring: Scoring) -> None:
    st.header("Unlike the training data", anchor=False)
    rows = _distance_rows(workspace, scoring)
    show_chart(distance_chart(rows, theme=theme()), key="validation_distance", wide=True)
    st.caption(
        plain(
            "Distance: root mean square of a patient's values in robust SDs from the training "
            "median, the modality's columns taken as independent. Percentiles are those of the "
            "training cohort, stored with the model."
        )
    )


def _distance_rows(workspace: Workspace, scoring: Scoring) -> list[ModalityDistance]:
    """Distances of the patients shown, against percentiles of the training patients."""
    distances = scoring.bundle.distances(workspace.cohort, missing=scoring.missing)
    stored = scoring.bundle.reference.training_range.distances
    return [
        ModalityDistance(
            name=display_name(workspace, name),
            distance=distance[workspace.shown],
            p95=float(stored[name][DISTANCE_PERCENTS.index(95)]),
            p99=float(stored[name][DISTANCE_PERCENTS.index(99)]),
        )
        for name, distance in distances.items()
        if name in stored
    ]


main()
