"""Which method may be shown: the first that passes its check, never one that does not add up."""

from __future__ import annotations

import numpy as np
import pytest

from camlif.explain import METHODS, verdicts
from camlif.explain.verdicts import BY_FEATURE, BY_GROUP, check_model, choose, spread_by_risk
from camlif.model.card import ExplanationVerdict, render_markdown
from tests.builders.bundles import tiny_bundle, tiny_cohort


def verdict(method: str, *, passes: bool) -> ExplanationVerdict:
    failures = () if passes else ("deletion is not better than random order",)
    label = METHODS[method].label
    return ExplanationVerdict(method=method, label=label, failures=failures, n_patients=50)


def known(**passes: bool) -> dict[str, ExplanationVerdict]:
    return {method: verdict(method, passes=found) for method, found in passes.items()}


FAILED = dict.fromkeys(BY_FEATURE, False)
FAILED_GROUPS = dict.fromkeys(BY_GROUP, False)


@pytest.mark.parametrize(
    ("passes", "method", "said"),
    [
        ({}, "ig", "Integrated Gradients has not been through the check"),
        ({"ig": True}, "ig", "Integrated Gradients passes the check of explanations on this model"),
        ({"ig": False}, "deeplift", "DeepLift has not been through the check"),
        ({"ig": False, "deeplift": True}, "deeplift", "Integrated Gradients fails it: deletion"),
        ({"gradient_shap": True}, "gradient_shap", "GradientShap passes"),
        (FAILED, "shapley_sampling", "Modalities and feature groups only."),
        (FAILED | {"feature_ablation": True}, "shapley_sampling", "Modalities and feature groups"),
        (FAILED | {"kernel_shap": True}, "kernel_shap", "KernelShap passes the check"),
        (FAILED | FAILED_GROUPS, None, "Modalities only. No method for features or groups passes"),
    ],
)
def test_a_method_that_passes_is_shown_else_groups_else_modalities(
    passes: dict[str, bool], method: str | None, said: str
) -> None:
    choice = choose(known(**passes).get)
    assert choice.method == method
    assert said in choice.verdict
    assert choice.level == (None if method is None else METHODS[method].levels[0])


def test_methods_that_do_not_add_up_are_never_chosen() -> None:
    assert "feature_ablation" not in BY_FEATURE + BY_GROUP
    assert all(METHODS[key].adds_up for key in BY_FEATURE + BY_GROUP)


def checked(monkeypatch: pytest.MonkeyPatch, **passes: bool) -> tuple[list[str], str]:
    """Methods checked, in order, and the card, where the check knows its answers."""
    calls: list[str] = []

    class Found:
        def __init__(self, method: str) -> None:
            self.verdict = verdict(method, passes=passes.get(method, False))

    def check(bundle: object, cohort: object, rows: np.ndarray, *, method: str) -> Found:
        assert len(rows) >= verdicts.MIN_PATIENTS
        calls.append(method)
        return Found(method)

    monkeypatch.setattr(verdicts, "check_explanations", check)
    bundle = check_model(tiny_bundle(), tiny_cohort())
    assert [v.method for v in bundle.card.explanations] == calls
    return calls, render_markdown(bundle.card)


def test_methods_are_checked_until_one_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, card = checked(monkeypatch, deeplift=True)
    assert calls == ["ig", "deeplift"]
    assert (
        "Integrated Gradients, 50 patients: fails: deletion is not better than random order."
        in card
    )
    assert "DeepLift, 50 patients: passes." in card
    assert checked(monkeypatch)[0] == [*BY_FEATURE, *BY_GROUP]


def test_too_few_patients_leave_the_card_without_verdicts() -> None:
    few = tiny_cohort().take(np.arange(verdicts.MIN_PATIENTS - 1))
    assert check_model(tiny_bundle(), few).card.explanations == ()


def test_patients_are_spread_over_all_risks() -> None:
    z = np.random.default_rng(0).standard_normal(200)
    rows = np.arange(0, 200, 2)
    chosen = spread_by_risk(z, rows, 11)
    assert len(set(chosen.tolist())) == 11
    assert set(chosen) <= set(rows)
    assert {z[chosen].min(), z[chosen].max()} == {z[rows].min(), z[rows].max()}
    np.testing.assert_array_equal(spread_by_risk(z, rows, 100), rows)
