"""Files of the Case page: they say what the page says, and are made on the click only."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from camlif.data.samples import load_sample
from camlif.explain import METHODS
from camlif.model.card import ExplanationVerdict
from camlif.model.sentences import calibration_sentence
from dashboard import messages
from dashboard.components.case_view import ModelledCase, ScoredCase, view_case
from dashboard.profiles import load_profile
from dashboard.report.build import HIDDEN
from dashboard.report.content import shown_words
from dashboard.report.pdf import case_pdf
from dashboard.session import resources, state
from dashboard.session.state import Scoring, Workspace
from dashboard.store.explanation_checks import Checks
from dashboard.views.case import case_exports
from tests.dashboard.conftest import OpenApp
from tests.dashboard.report.cases import read, squeezed, text_of
from tests.dashboard.views.test_pages import problems_of
from tests.dashboard.views.test_pages import text_of as page_text

HORIZONS = {"1 y": 12, "3 y": 36, "5 y": 60}


def _workspace(key: str) -> Workspace:
    """What the app looks at, assembled without a session."""
    loaded = resources.sample_cohort(key)
    model = resources.model(key)
    job = resources.sample_scores(loaded.digest, model.digest, loaded.cohort, model.bundle)
    return Workspace(
        loaded=loaded,
        matches=(),
        scoring=Scoring(model, job.result()),
        problem=None,
        shown=loaded.cohort.presence.any(axis=1),
        profile=load_profile(loaded.cohort.info.profile).with_names(loaded.cohort.info),
    )


@pytest.fixture
def no_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing kept about any case."""
    monkeypatch.setattr(case_exports.board, "record", lambda case: {})


@pytest.mark.parametrize("cohort", ["glioma", "transbig"])
@pytest.mark.usefixtures("no_board")
def test_the_pdf_says_what_the_page_says(open_app: OpenApp, cohort: str) -> None:
    app = open_app("case", cohort)
    assert problems_of(app) == []
    shown = squeezed(page_text(app))
    case = view_case(_workspace(cohort), app.session_state[state.CASE.name])
    assert isinstance(case, ScoredCase)
    year = app.session_state["year"]
    (report,) = case_exports.reports([case], horizon=HORIZONS[year])
    printed = text_of(case_pdf(report))
    result = report.record.result
    assert result is not None
    horizon = next(h for h in result.horizons if h.months == HORIZONS[year])
    if horizon.survival:  # The page tells of the chosen horizon, the paper of all.
        gates = [g for g in report.record.gates if g.open]
        gate = next(g for g in gates if g.horizon == horizon.months)
        assert calibration_sentence(gate) in shown
        assert squeezed(shown_words(gates)) in printed
    for sentence in (
        result.percentile_words,
        result.agreement_sentence,
        result.borderline_sentence or "",
        report.record.curve.finding if report.record.curve else "",
        horizon.sentence,
        *report.record.caveats,
        *report.record.facts,
        messages.BANNER,
    ):
        assert squeezed(sentence) in printed, sentence
        assert squeezed(sentence) in shown, sentence
    why = report.record.explanation
    assert why is not None
    for name, value in why.modalities.items():
        assert name in printed
        assert f"{abs(value):.2f}" in printed
        assert f"{abs(value):.2f}" in shown
    # Another test may have checked this model's methods on the Explain page before.
    assert (why.features is None) == why.verdict.startswith("Modalities only")
    assert squeezed(why.verdict) in printed
    assert squeezed(why.verdict) in shown


@pytest.mark.usefixtures("no_board")
def test_files_hold_no_features_where_no_method_passes(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = ("deletion is not better than random order",)

    def verdict(_: Checks, method: str) -> ExplanationVerdict:
        label = METHODS[method].label
        return ExplanationVerdict(method=method, label=label, failures=failed, n_patients=50)

    monkeypatch.setattr(Checks, "verdict", verdict)
    open_app()
    case = view_case(_workspace("glioma"), 0)
    assert isinstance(case, ScoredCase)
    (report,) = case_exports.reports([case])
    said = json.loads(report.record.to_json())["explanation"]
    assert said["features"] is None
    assert said["modalities"]
    assert said["verdict"].startswith("Modalities only. No method for features or groups passes")
    assert "Why: features" not in text_of(case_pdf(report))


def test_buttons_are_on_the_page_and_make_nothing_before_the_click(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError("made before the click")

    monkeypatch.setattr(case_exports, "reports", refuse)
    app = open_app()
    assert problems_of(app) == []
    labels = _buttons(app)
    for label in ("PDF", "Case (JSON)", "RiskAssessment (FHIR)"):
        assert label in labels


def _buttons(app: AppTest) -> dict[str, Any]:
    return {e.proto.label: e.proto for e in app.get("download_button")}


def test_without_a_model_no_file_is_offered(open_app: OpenApp, tmp_path: Any) -> None:
    assert "PDF" not in _buttons(open_app(folder=tmp_path))


@pytest.mark.usefixtures("no_board")
def test_the_identifier_leaves_in_a_file_only_when_it_is_ticked(open_app: OpenApp) -> None:
    open_app()
    case = view_case(_workspace("glioma"), 0)
    assert isinstance(case, ModelledCase)
    patient = str(load_sample("glioma").patient_ids[0])
    (silent,) = case_exports.reports([case])
    assert patient not in silent.record.to_json()
    (named,) = case_exports.reports([case], show_id=True)
    assert json.loads(named.record.to_json())["patient_id"] == patient


def test_the_board_is_in_the_file_and_its_words_on_the_paper(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_app()
    common = {"recorded": "2026-03-01T09:30:00+00:00", "author": "chair"}
    kept = {
        "estimate": common | {"kind": "estimate", "risk_group": "low"},
        "decisions": [common | {"kind": "decision", "risk_group": "high", "text": "See again"}],
        "notes": [common | {"kind": "note", "text": "Scan is old"}],
    }
    monkeypatch.setattr(case_exports.board, "record", lambda case: kept)
    case = view_case(_workspace("glioma"), 0)
    assert isinstance(case, ModelledCase)
    (report,) = case_exports.reports([case])
    assert json.loads(report.record.to_json())["board"] == kept
    printed = text_of(case_pdf(report))
    for words in (
        "2026-03-01, chair, estimate: low risk",
        "2026-03-01, chair, decision: high risk: See again",
        "2026-03-01, chair, note: Scan is old",
    ):
        assert words in printed


def test_a_worklist_file_hides_results_behind_commit_first_and_says_so(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_app()
    offered: list[Any] = []
    captions: list[str] = []
    monkeypatch.setattr(case_exports, "offer_download", lambda *a, **k: offered.append((a, k)))
    monkeypatch.setattr(case_exports, "st", SimpleNamespace(caption=captions.append))
    monkeypatch.setattr(
        case_exports.commit_first, "waiting", lambda case: case if case.row == 1 else None
    )
    monkeypatch.setattr(case_exports.board, "record", lambda case: {})
    workspace = _workspace("glioma")
    case_exports.worklist_button(workspace, [0, 1, 2], title="Monday", key="walked")
    note = "Hidden until the board's estimate: 1 result."
    assert captions == [note]
    ((label, data), options) = offered[0]
    assert label == "PDF of 3 cases"
    assert options["export_type"] == "worklist pdf"
    cover, *pages = [squeezed(page.extract_text()) for page in read(data()).pages]
    assert note in cover
    assert HIDDEN in cover
    (waiting,) = (page for page in pages if HIDDEN in page)
    hidden = view_case(workspace, 1)
    assert isinstance(hidden, ScoredCase)
    for told in (hidden.score.percentile_words, hidden.score.agreement_sentence, "How sure", "Why"):
        assert told not in cover + waiting, told


def test_more_cases_than_a_meeting_has_are_not_printed(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_app("cohort", query={"view": "Table"})
    assert problems_of(app) == []
    captions = [c.value for c in app.caption]
    assert any(f"at most {case_exports.MAX_CASES} cases" in c for c in captions)
