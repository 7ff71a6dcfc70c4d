"""Panels 1 to 4 of the Case page, one function each: what fits one screen.

A scored case goes in and is drawn from its `CaseSummary`, as the PDF is.
"""

from __future__ import annotations

import streamlit as st

from camlif.model.case import CaseScore, HorizonSurvival
from camlif.model.sentences import calibration_sentence, judged_sentence
from camlif.wording import MONTHS_PER_YEAR
from dashboard.components.case_view import ModelledCase, ScoredCase
from dashboard.components.chart import show_chart, table_button, theme
from dashboard.components.text import plain
from dashboard.figures.agreement import agreement_strip
from dashboard.figures.chart import Chart
from dashboard.figures.icons import icon_array
from dashboard.figures.kaplan_meier import case_curve_chart
from dashboard.known_outcome import subtype_curve
from dashboard.report.record import DEFAULT_HORIZON
from dashboard.session.keys import SessionKey

CURVES_HEIGHT = 300  # pixels: the four panels fit a screen of 900
ICONS_WIDTH = 160  # pixels: people can be counted
STRATUM_COLOURS = {"low": "blue", "intermediate": "orange", "high": "red"}
RANGE_COLOURS = {"in range": "green", "unusual": "orange", "outside": "red", "absent": "gray"}

YEAR: SessionKey[str] = SessionKey("year")
"""Horizon in view, as its button says it: ``3 y``."""


def result(case: ScoredCase) -> None:
    """Risk group, percentile, hazard ratio, survival as a frequency."""
    score = case.score
    st.header("Result", anchor=False)
    colour = "orange" if len(score.groups) > 1 else STRATUM_COLOURS.get(score.stratum, "gray")
    if score.unlike:
        colour = "gray"
    st.markdown(f":{colour}-badge[{plain(score.label.upper())}] {plain(score.percentile_words)}")
    st.markdown(plain(score.spread_words))
    if score.subset_sentence:
        st.markdown(f":orange-badge[:material/warning:] {plain(score.subset_sentence)}")
    _survival(score)


def _survival(score: CaseScore) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        horizon = _pick_horizon(score.horizons)
        st.markdown(plain(score.frequencies), width="content")
    sentence = horizon.sentence
    outlived = plain(score.outlived.sentence)
    if horizon.survival is None:
        st.markdown(plain(sentence))
        st.markdown(outlived)
        return
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key="case_picture"
    ):
        picture = icon_array(100 * horizon.survival.value, sentence=sentence, theme=theme())
        st.image(picture, alt=sentence, width=ICONS_WIDTH)
        with st.container(key="case_words"):
            with st.container(key="case_sentence"):
                st.code(sentence, language=None, wrap_lines=True)
            st.markdown(outlived)


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
    """Agreement of the members, range and calibration."""
    row, score = case.row, case.score
    bundle, result_ = case.scoring.bundle, case.scoring.result
    chart = agreement_strip(
        bundle.reference.z(result_.member_log_risk[row]),
        result_.members_used[row],
        cutoffs=bundle.strata.cutoffs,
        strata=bundle.strata.names,
        theme=theme(),
        ensemble=(score.z.value, score.z.low, score.z.high),
        compact=True,
    )
    details = f"{score.borderline_sentence} {score.subgroup_sentence}".strip()
    _heading("How sure", chart, "agreement", details=details)
    st.markdown(plain(score.agreement_sentence))
    show_chart(chart, key="agreement", finding=False, table=False)
    if score.left_out:
        st.caption(f"Open circles: {score.left_out}.")
    _ranges(case)
    _calibration(case)


def _ranges(case: ModelledCase) -> None:
    """Say which modalities are like the training data."""
    badges = [
        f":{RANGE_COLOURS[check.range]}-badge[{plain(check.label)}: {check.range}]"
        for check in case.summary.modalities
    ]
    st.markdown(" ".join(badges))


def _calibration(case: ScoredCase) -> None:
    if case.score.unlike:
        st.markdown("Calibration says nothing of a case unlike the training data.")
        return
    months = MONTHS_PER_YEAR * int(YEAR.require().split(" ")[0])
    (gate,) = (gate for gate in case.summary.gates if gate.horizon == months)
    judged = [j for j in case.summary.judged if j.horizon == months and j.verdict != "untested"]
    said = judged_sentence(judged[0]) if gate.open and judged else calibration_sentence(gate)
    st.markdown(plain(said))


def curves(case: ScoredCase) -> None:
    """The training strata with this case's predicted curve and its subtype."""
    scoring, score, row = case.scoring, case.score, case.row
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
        subtype=subtype_curve(case.workspace.cohort, row, case.workspace.profile),
    )
    with st.container(key="case_curves_panel"):
        _heading("Where this case sits", chart, "case_curves")
        st.markdown(plain(chart.finding))
        show_chart(chart, key="case_curves", finding=False, table=False)


def _heading(title: str, chart: Chart, key: str, *, details: str = "") -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}_heading"):
        st.header(title, anchor=False)
        if details:
            with st.popover("Details", type="tertiary", key=f"{key}_details"):
                st.markdown(plain(details))
        table_button(chart, key=key)
