"""Files about cases: PDF, JSON and FHIR of one, PDF of a worklist. Made when they are asked for.

Cases go in, bytes to download come out, each with an event in the audit trail.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Container, Sequence

import streamlit as st

from camlif.explain import METHODS, FeatureAttribution, explain_features, explain_modalities
from camlif.wording import MONTHS_PER_YEAR, count
from dashboard.components import worklists
from dashboard.components.case_view import ModelledCase, view_case
from dashboard.components.contributions import display_name, feature_contributions
from dashboard.components.download import offer_download
from dashboard.components.explanation_choice import choice_of
from dashboard.report.build import CaseReport, ReportSource, case_report, withhold
from dashboard.report.cover import Minutes
from dashboard.report.fhir import to_json
from dashboard.report.pdf import PAPERS, Paper, case_pdf, worklist_pdf
from dashboard.report.record import ExplanationRecord, FeaturesRecord
from dashboard.session.keys import SessionKey
from dashboard.session.state import Scoring, Workspace
from dashboard.views.case import board, commit_first
from dashboard.views.case.panels import YEAR

MAX_CASES = 60
"""Cases of one worklist file: more make nobody's meeting and a long wait."""

PAPER: SessionKey[Paper] = SessionKey("report_paper")
SHOW_ID: SessionKey[bool] = SessionKey("report_id")
BASELINE = "training median"


def menu(case: ModelledCase) -> None:
    """Draw the print button and the menu of the other files."""
    paper, show_id, horizon = _paper(), bool(SHOW_ID.get()), _horizon()

    def report() -> CaseReport:
        return reports([case], show_id=show_id, horizon=horizon)[0]

    _offer(
        case,
        "PDF",
        lambda: case_pdf(report(), paper),
        kind="report",
        suffix="pdf",
        mime="application/pdf",
        shortcut="Alt+P",
        help=f"{paper}, one page unless notes are long, with "
        f"{'the patient id' if show_id else 'the case token only'}.",
    )
    with st.popover("Export", key="export_menu"):
        options()
        _offer(
            case,
            "Case (JSON)",
            lambda: report().record.to_json(),
            kind="case",
            suffix="json",
            mime="application/json",
        )
        _offer(
            case,
            "RiskAssessment (FHIR)",
            lambda: to_json(report().record),
            kind="fhir",
            suffix="json",
            mime="application/fhir+json",
            help="FHIR R4B, status preliminary; never with the patient id.",
        )
        worklist = worklists.chosen(case.workspace)
        if worklist is not None:
            rows = worklists.rows(case.workspace, None) or []
            worklist_button(case.workspace, rows, title=worklist.name, key="walked")


def options() -> None:
    """Choose the paper, and whether files name the patient."""
    st.segmented_control(
        "Paper", list(PAPERS), default="A4", key=PAPER.name, required=True, persist_state="session"
    )
    st.checkbox(
        "Show the patient id in files",
        key=SHOW_ID.name,
        persist_state="session",
        help="Off: files name the case by its token only.",
    )


def _paper() -> Paper:
    return PAPER.get() or "A4"


def worklist_button(
    workspace: Workspace,
    rows: Sequence[int],
    *,
    title: str,
    key: str,
    label: str | None = None,
    note: str = "",
    minutes: Callable[[], Minutes] | None = None,
) -> None:
    """Offer a PDF with a cover and a page for each case; commit first hides its results there, too.

    Parameters
    ----------
    workspace : Workspace
    rows : sequence of int
        Patients of its cohort; up to `MAX_CASES`.
    title : str
        Of the document.
    key : str
        Of the button.
    label : str, optional
        Of the button; by default how many cases there are.
    note : str
        On the cover.
    minutes : callable, optional
        Gives those of a meeting about these cases, when the file is made; without them the cover is
        an agenda.
    """
    if workspace.scoring is None or not len(rows):
        return
    if len(rows) > MAX_CASES:
        st.caption(f"A PDF holds at most {MAX_CASES} cases; {len(rows):,} are chosen.")
        return
    views = [view_case(workspace, int(row)) for row in rows]
    cases = [view for view in views if isinstance(view, ModelledCase)]
    hidden = {case.row for case in cases if commit_first.waiting(case)}
    if hidden:
        waits = f"Hidden until the board's estimate: {count(len(hidden), 'result')}."
        st.caption(waits)
        note = f"{note} {waits}".strip()
    paper, show_id = _paper(), bool(SHOW_ID.get())

    def data() -> bytes:
        pages = reports(cases, show_id=show_id, hidden=hidden)
        said = None if minutes is None else minutes()
        return worklist_pdf(pages, paper, title=title, note=note, minutes=said)

    offer_download(
        label or f"PDF of {count(len(cases), 'case')}",
        data,
        file_name="worklist.pdf" if minutes is None else "minutes.pdf",
        mime="application/pdf",
        key=f"{key}_pdf",
        export_type="worklist pdf",
        model_digest=workspace.scoring.model.digest,
        help=f"{paper}, a cover and a page a case.",
    )


def reports(
    cases: Sequence[ModelledCase],
    *,
    show_id: bool = False,
    horizon: int | None = None,
    hidden: Container[int] = (),
) -> list[CaseReport]:
    """Collect what is said of cases of one workspace.

    Parameters
    ----------
    cases : sequence of ModelledCase
        At least one.
    show_id : bool
        Print identifiers beside the tokens.
    horizon : int, optional
        Months of the survival stated; the profile's by default.
    hidden : container of int
        Rows whose result waits for the board's estimate.
    """
    workspace, scoring = cases[0].workspace, cases[0].scoring
    source = source_of(workspace, scoring)
    shown = [case.row for case in cases if case.summary.score and case.row not in hidden]
    explained = _explanations(workspace, scoring, shown)
    created = dt.datetime.now(dt.UTC).date()
    found = []
    for case in cases:
        report = case_report(
            source,
            case.row,
            case.summary,
            created=created,
            explanation=explained.get(case.row),
            board=board.record(case),
            show_id=show_id,
            horizon=horizon,
        )
        found.append(withhold(report) if case.row in hidden else report)
    return found


def source_of(workspace: Workspace, scoring: Scoring) -> ReportSource:
    """Return what the pages look at, as a report takes it."""
    return ReportSource(
        cohort=workspace.cohort,
        tokens=workspace.loaded.tokens,
        cohort_digest=workspace.loaded.digest,
        bundle=scoring.bundle,
        model_digest=scoring.model.digest,
        result=scoring.result,
        profile=workspace.profile,
    )


def _horizon() -> int | None:
    """Months that the page's icon array shows."""
    year = str(YEAR.get() or "").split(" ")[0]
    return MONTHS_PER_YEAR * int(year) if year.isdigit() else None


def _explanations(
    workspace: Workspace, scoring: Scoring, rows: list[int]
) -> dict[int, ExplanationRecord]:
    """Contributions against the training median, as the Case page shows them first."""
    if not rows:
        return {}
    known = (scoring.bundle, workspace.cohort, rows)
    modalities = explain_modalities(*known, missing=scoring.missing)
    choice = choice_of(workspace, scoring)
    features = (
        None
        if choice.method is None
        else explain_features(*known, method=choice.method, missing=scoring.missing)
    )
    return {
        row: ExplanationRecord(
            baseline=BASELINE,
            modalities={
                display_name(workspace, player): float(value)
                for player, value in zip(modalities.players, modalities.values[i], strict=True)
            },
            features=None if features is None else _features(workspace, scoring, features, i),
            verdict=choice.verdict,
        )
        for i, row in enumerate(rows)
    }


def _features(
    workspace: Workspace, scoring: Scoring, found: FeatureAttribution, position: int
) -> FeaturesRecord:
    return FeaturesRecord.of(
        feature_contributions(workspace, scoring, found, position),
        method=METHODS[found.method].label,
        level=found.level,
        steps=found.steps,
        completeness_gap=float(found.completeness_gap[position]),
    )


def _offer(
    case: ModelledCase,
    label: str,
    data: Callable[[], str | bytes],
    *,
    kind: str,
    suffix: str,
    mime: str,
    help: str = "Names the case by its token.",  # Streamlit's word
    shortcut: str | None = None,
) -> None:
    offer_download(
        label,
        data,
        file_name=f"{kind}_{case.token}.{suffix}",
        mime=mime,
        key=f"{kind}_{suffix}",
        export_type=f"{kind} {suffix}",
        token=case.token,
        model_digest=case.scoring.model.digest,
        help=help,
        shortcut=shortcut,
    )
