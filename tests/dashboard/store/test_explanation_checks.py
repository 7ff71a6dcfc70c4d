"""Verdicts on explanations: kept by digest, shown on Explain, and deciding the default method."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from camlif.explain import METHODS, Faithfulness, OrderTest, Stability
from camlif.explain.verdicts import BY_FEATURE, BY_GROUP
from dashboard.components.explanation_choice import MEMORY
from dashboard.figures.attribution import faithfulness_curves
from dashboard.store import explanation_checks
from dashboard.store.explanation_checks import Checks
from dashboard.views.explain.trust import CHOSEN, verdict_table
from tests.dashboard.conftest import OpenApp
from tests.dashboard.views.test_pages import few_patients, problems_of, text_of

GOOD = OrderTest(
    ordered=(1.0, -1.0, 0.0), random=(1.0, 0.5, 0.0), gain=0.75, low=0.5, high=1.0, p_value=0.05
)
POOR = replace(GOOD, gain=0.1, low=-0.2, high=0.4, p_value=0.35)


def verdict(method: str = "ig", *, passes: bool = True) -> Faithfulness:
    return Faithfulness(
        method=method,
        level=METHODS[method].levels[0],
        fractions=(0.0, 0.5, 1.0),
        deletion=GOOD if passes else POOR,
        insertion=GOOD,
        stability=Stability(median=0.8, low=0.6, n_members=15),
        gap=0.01,
        n_patients=50,
        n_units=400,
        rankings=19,
        seed=0,
        seconds=1.0,
    )


def fixed(outcome: dict[str, bool], calls: list[str]) -> object:
    """A check that knows its answers; methods left out pass."""

    def check(*_: object, method: str, **__: object) -> Faithfulness:
        calls.append(method)
        return verdict(method, passes=outcome.get(method, True))

    return check


def checks(folder: Path | None, **fields: object) -> Checks:
    kept: dict[str, object] = {"cohort_digest": "c", "model_digest": "m", "folder": folder}
    return Checks(**(kept | fields))  # type: ignore[arg-type]


def compute(kept: Checks, method: str = "ig") -> Faithfulness:
    return kept.compute(method, None, None, np.arange(3))  # type: ignore[arg-type]


# Storage


def test_a_verdict_outlives_the_session_and_belongs_to_its_digests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explanation_checks, "check_explanations", fixed({}, []))
    found = compute(checks(tmp_path))
    assert checks(tmp_path).known("ig") == found
    for other in (
        checks(tmp_path, model_digest="n"),
        checks(tmp_path, cohort_digest="d"),
        checks(tmp_path, missing=("ct",)),
        checks(None),
    ):
        assert other.known("ig") is None
    assert checks(tmp_path).known("deeplift") is None


def test_a_damaged_or_foreign_file_counts_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explanation_checks, "check_explanations", fixed({}, []))
    compute(checks(tmp_path))
    (file,) = tmp_path.iterdir()
    for content in (b"", b"{}", file.read_bytes()[:-30]):
        file.write_bytes(content)
        assert checks(tmp_path).known("ig") is None


def test_uploads_are_kept_in_memory_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanation_checks, "check_explanations", fixed({}, []))
    kept = checks(None)
    assert compute(kept) is kept.known("ig")


def test_a_folder_that_cannot_be_written_costs_only_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explanation_checks, "check_explanations", fixed({}, []))
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    kept = checks(blocked)
    assert compute(kept) is kept.known("ig")


def test_verdicts_on_this_cohort_come_before_those_of_the_card(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fails = {"ig": False}
    monkeypatch.setattr(explanation_checks, "check_explanations", fixed(fails, []))
    card = (verdict("ig").verdict, verdict("deeplift", passes=False).verdict)
    kept = checks(None, card=card)
    assert kept.choice().method == "ig"
    assert "passes the check" in kept.choice().sentence
    assert kept.failed
    compute(kept, "ig")
    assert kept.choice().method == "gradient_shap"
    for method in BY_FEATURE + BY_GROUP:
        kept.memory[kept.key(method)] = verdict(method, passes=False)
    assert kept.choice().method is None


# Figure and table


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_curves_are_drawn_over_random_order_with_areas_in_words(theme: str) -> None:
    chart = faithfulness_curves(
        replace(verdict(), insertion=POOR),
        method="Integrated Gradients",
        theme=theme,  # type: ignore[arg-type]
    )
    drawn = {trace.meta: list(trace.y) for trace in chart.figure.data}
    assert drawn["deletion ordered"] == [1.0, -1.0, 0.0]
    assert drawn["deletion random"] == [1.0, 0.5, 0.0]
    assert set(drawn) == {
        f"{t} {o}" for t in ("deletion", "insertion") for o in ("ordered", "random")
    }
    removed, put_back, _ = chart.finding.split(". ", 2)
    assert removed.endswith("more than a random order does: by 0.75 (0.50 to 1.00), p = 0.05")
    assert put_back.endswith("no more than a random order does: by 0.10 (-0.20 to 0.40), p = 0.35")
    assert "mean of 50 patients; p against 19 random rankings." in chart.finding
    assert chart.table.shape == (6, 4)


def test_the_table_of_verdicts_says_what_was_measured() -> None:
    table = verdict_table(
        [verdict(passes=False), replace(verdict("feature_ablation"), stability=None)]
    ).set_index("Method")
    assert table["Verdict"].tolist() == ["fails", "passes"]
    assert (
        table.loc["Integrated Gradients", "Deletion beats random by"]
        == "0.10 (-0.20 to 0.40), p = 0.35"
    )
    assert "by nature" in table.loc["Feature ablation", "Completeness gap"]
    assert table.loc["Feature ablation", "Stability"] == "not measured"


# Page


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, bool]:
    """Verdicts that the page gets; nothing is stored."""
    outcome: dict[str, bool] = {}
    monkeypatch.setattr(explanation_checks, "check_explanations", fixed(outcome, []))
    monkeypatch.setattr("dashboard.components.explanation_choice.FOLDER", str(tmp_path))
    return outcome


def test_explain_says_that_its_default_passes(open_app: OpenApp, answers: dict[str, bool]) -> None:
    app = open_app("explain", age_range=few_patients("glioma"))
    assert problems_of(app) == []
    assert app.selectbox(key="explain_method").value == "ig"
    assert "Can these explanations be trusted?" in text_of(app)
    assert "Integrated Gradients passes the check on this model." in text_of(app)
    assert len(app.session_state[MEMORY.name]) == 1
    app.button(key="check_all").click().run()
    assert len(app.session_state[MEMORY.name]) == len(METHODS)


def test_a_method_that_fails_is_not_the_default_and_the_page_says_why(
    open_app: OpenApp, answers: dict[str, bool]
) -> None:
    answers["ig"] = False
    app = open_app("explain", age_range=few_patients("glioma"))
    assert app.selectbox(key="explain_method").value == "deeplift"
    assert "Integrated Gradients fails it" in text_of(app)
    assert "deletion is not better than random order" in text_of(app)
    assert "DeepLift passes the check on this model." in text_of(app)
    app.selectbox(key="explain_method").select("ig").run()
    assert app.session_state[CHOSEN.name]
    assert "Do not rely on these contributions" in text_of(app)
    assert app.selectbox(key="explain_method").value == "ig"


def test_where_all_fail_no_features_are_drawn_until_a_method_is_picked(
    open_app: OpenApp, answers: dict[str, bool]
) -> None:
    answers |= dict.fromkeys(METHODS, False)
    app = open_app("explain", age_range=few_patients("glioma"))
    assert problems_of(app) == []
    assert app.selectbox(key="explain_method").value is None
    assert "Modalities only." in text_of(app)
    assert "completeness gap" not in text_of(app)
    app.selectbox(key="explain_method").select("deeplift").run()
    assert problems_of(app) == []
    assert "Do not rely on these contributions" in text_of(app)
    assert "completeness gap" in text_of(app)


def test_case_draws_what_the_verdicts_allow(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {method: verdict(method, passes=False) for method in BY_FEATURE}
    found["shapley_sampling"] = verdict("shapley_sampling")
    monkeypatch.setattr(Checks, "known", lambda _, method: found.get(method))
    app = open_app("case")
    assert problems_of(app) == []
    assert "Modalities and feature groups only." in text_of(app)
    assert "Feature groups: Shapley sampling" in text_of(app)
    found |= {method: verdict(method, passes=False) for method in BY_GROUP}
    app.run()
    assert problems_of(app) == []
    assert "Modalities only." in text_of(app)
    assert "completeness gap" not in text_of(app)


def test_too_few_patients_are_said_not_raised(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    from camlif.exceptions import EstimationError

    def refuse(*_: object, **__: object) -> Faithfulness:
        raise EstimationError("Explanations are checked on at least 10 scored patients, not 3.")

    monkeypatch.setattr(explanation_checks, "check_explanations", refuse)
    monkeypatch.setattr("dashboard.components.explanation_choice.FOLDER", "elsewhere")
    app = open_app("explain", age_range=few_patients("glioma"))
    assert problems_of(app) == []
    assert "They could not be checked: Explanations are checked on at least 10" in text_of(app)
