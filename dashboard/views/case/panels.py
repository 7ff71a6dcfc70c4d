"""Panels 1 to 4 of the Case page, one function each: what fits one screen.

A scored case goes in and is drawn from its `CaseSummary`, as the PDF is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from camlif.model.case import CaseScore, HorizonSurvival
from camlif.model.sentences import GROUPS_ONLY, calibration_sentence, judged_sentence
from camlif.wording import MONTHS_PER_YEAR
from dashboard.components.case_view import ModelledCase, ScoredCase
from dashboard.components.chart import draw, show_chart, table_button, theme
from dashboard.components.text import plain
from dashboard.figures.agreement import agreement_strip
from dashboard.figures.chart import Chart
from dashboard.figures.icons import icon_array
from dashboard.figures.kaplan_meier import case_curve_chart
from dashboard.figures.prediction import PredictedCurve, predicted_chart
from dashboard.known_outcome import subtype_curve
from dashboard.report.record import DEFAULT_HORIZON
from dashboard.session.keys import SessionKey

CURVES_HEIGHT = 300  # pixels: the four panels fit a screen of 900
ICONS_WIDTH = 160  # pixels: people can be counted
STRATUM_COLOURS = {"low": "blue", "intermediate": "orange", "high": "red"}
STATE_COLOURS = {"consistent": "green", "borderline": "orange", "can't say": "gray"}
RANGE_COLOURS = {"in range": "green", "unusual": "orange", "outside": "red", "absent": "gray"}

YEAR: SessionKey[str] = SessionKey("year")
"""Horizon in view, as its button says it: ``3 y``."""


def result(case: ScoredCase) -> None:
    """The answer: risk group, percentile and survival at a horizon, in one of three views."""
    score = case.score
    with st.container(horizontal=True, vertical_alignment="center", key="result_heading"):
        st.header("Result", anchor=False)
        with st.popover("Details", type="tertiary", key="result_details"):
            st.markdown(plain(f"{score.spread_words[:1].upper()}{score.spread_words[1:]}."))
            st.markdown(plain(score.frequencies))
            st.markdown(plain(score.outlived.sentence))
    answer = st.container(key="case_answer")
    answer.markdown(group_line(score))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        horizon = _pick_horizon(score.horizons)
        view = _pick_view() if horizon.survival else ""
    if score.subset_sentence:
        st.markdown(f":orange-badge[:material/warning:] {plain(score.subset_sentence)}")
    if horizon.survival is None:
        st.markdown(plain(horizon.sentence))
        return
    answer.markdown(f"**{plain(horizon.statement)}**")
    VIEWS[view](case, horizon)


def group_line(score: CaseScore) -> str:
    """Risk group as a badge, and the percentile."""
    colour = "orange" if len(score.groups) > 1 else STRATUM_COLOURS.get(score.stratum, "gray")
    if score.unlike:
        colour = "gray"
    return f":{colour}-badge[{plain(score.label.upper())}] {plain(score.percentile_words)}"


def horizon_in_view(score: CaseScore) -> HorizonSurvival:
    """The horizon that the page shows."""
    months = MONTHS_PER_YEAR * int(YEAR.require().split(" ")[0])
    return next(horizon for horizon in score.horizons if horizon.months == months)


def _icons(case: ScoredCase, horizon: HorizonSurvival) -> None:
    if horizon.survival is None:
        return
    endpoint = case.scoring.bundle.info.endpoint
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key="case_picture"
    ):
        picture = icon_array(100 * horizon.survival.value, sentence=horizon.sentence, theme=theme())
        st.image(picture, alt=horizon.sentence, width=ICONS_WIDTH)
        with st.container(key="case_words"):
            st.markdown(plain("Each figure is one of 100 patients with a score like this."))
            st.markdown(plain(f"Blue: {endpoint.event_free}. Cross: {endpoint.event_noun}."))
            st.markdown(plain(GROUPS_ONLY))


def _curve(case: ScoredCase, horizon: HorizonSurvival) -> None:
    result_, row = case.scoring.result, case.row
    predicted = PredictedCurve.shown(
        result_.times, result_.survival[row], result_.survival_low[row], result_.survival_high[row]
    )
    if predicted is None:
        st.markdown(plain(horizon.sentence))
        return
    chart = draw(
        predicted_chart,
        predicted,
        horizon.months,
        statement=horizon.statement,
        endpoint=case.scoring.bundle.info.endpoint,
        theme=theme(),
    )
    show_chart(chart, key="case_predicted", finding=False, table=False)


def _words(case: ScoredCase, horizon: HorizonSurvival) -> None:
    with st.container(key="case_sentence"):
        st.code(horizon.sentence, language=None, wrap_lines=True)
    st.markdown(plain(case.score.outlived.sentence))


VIEWS: Mapping[str, Callable[[ScoredCase, HorizonSurvival], None]] = {
    "Icons": _icons,
    "Curve": _curve,
    "Words": _words,
}
"""The same survival, three ways."""


def _pick_view() -> str:
    return st.segmented_control(
        "Show as",
        list(VIEWS),
        default=next(iter(VIEWS)),
        key="answer_view",
        required=True,
        persist_state="session",
        label_visibility="collapsed",
    )


def _pick_horizon(horizons: tuple[HorizonSurvival, ...]) -> HorizonSurvival:
    by_year = {f"{h.months // MONTHS_PER_YEAR} y": h for h in horizons}
    usual = [year for year, h in by_year.items() if h.survival and h.months == DEFAULT_HORIZON]
    picked = st.segmented_control(
        "Horizon",
        list(by_year),
        default=usual[0] if usual else next(iter(by_year)),
        key=YEAR.name,
        required=True,
        bind="query-params",
        label_visibility="collapsed",
    )
    return by_year[picked]


def certainty(case: ScoredCase) -> None:
    """How sure, in one line with its reason; agreement, range and calibration once opened."""
    row, score = case.row, case.score
    bundle, result_ = case.scoring.bundle, case.scoring.result
    chart = draw(
        agreement_strip,
        bundle.reference.z(result_.member_log_risk[row]),
        result_.members_used[row],
        cutoffs=bundle.strata.cutoffs,
        strata=bundle.strata.names,
        theme=theme(),
        ensemble=(score.z.value, score.z.low, score.z.high),
        compact=True,
    )
    details = [score.agreement_sentence, score.borderline_sentence, score.subgroup_sentence]
    _heading("How sure", chart, "agreement", details=[*filter(None, details), _calibration(case)])
    state_and_reason(case)
    show_chart(chart, key="agreement", finding=False, table=False)
    if score.left_out:
        st.caption(f"Open circles: {score.left_out}.")
    _ranges(case)


def state_and_reason(case: ScoredCase) -> None:
    """How sure the answer is and why, in one line."""
    found = case.summary.certainty
    badge = f":{STATE_COLOURS[found.state]}-badge[{plain(found.state.upper())}]"
    st.markdown(f"{badge} {plain(f'{found.reason[:1].upper()}{found.reason[1:]}.')}")


def _ranges(case: ModelledCase) -> None:
    """Say which modalities are like the training data."""
    badges = [
        f":{RANGE_COLOURS[check.range]}-badge[{plain(check.label)}: {check.range}]"
        for check in case.summary.modalities
    ]
    st.markdown(" ".join(badges))


def _calibration(case: ScoredCase) -> str:
    if case.score.unlike:
        return "Calibration says nothing of a case unlike the training data."
    months = MONTHS_PER_YEAR * int(YEAR.require().split(" ")[0])
    (gate,) = (gate for gate in case.summary.gates if gate.horizon == months)
    judged = [j for j in case.summary.judged if j.horizon == months and j.verdict != "untested"]
    return judged_sentence(judged[0]) if gate.open and judged else calibration_sentence(gate)


def curves(case: ScoredCase) -> None:
    """The training strata with this case's predicted curve and its subtype."""
    scoring, score, row = case.scoring, case.score, case.row
    result_ = scoring.result
    chart = draw(
        case_curve_chart,
        scoring.bundle.reference.curves,
        score.stratum,
        result_.times,
        result_.survival[row],
        result_.survival_low[row],
        result_.survival_high[row],
        endpoint=scoring.bundle.info.endpoint,
        theme=theme(),
        height=CURVES_HEIGHT,
        subtype=subtype_curve(case.workspace.cohort, row, case.workspace.profile),
    )
    with st.container(key="case_curves_panel"):
        _heading("Where this case sits", chart, "case_curves")
        st.markdown(plain(chart.finding))
        show_chart(chart, key="case_curves", finding=False, table=False)


def _heading(title: str, chart: Chart, key: str, *, details: Sequence[str] = ()) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}_heading"):
        st.header(title, anchor=False)
        if details:
            with st.popover("Details", type="tertiary", key=f"{key}_details"):
                for line in details:
                    st.markdown(plain(line))
        with st.container(width="content"):
            table_button(chart, key=key)
