"""What Explain and Case show first is begun before anybody asks, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dashboard.session.shared_results import Request
from dashboard.views.explain import beforehand

OF_CASES: Callable[..., Iterable[Any]] = beforehand._of_cases
"""As the server has it: tests of pages put nothing in its place."""


def _workspace(key: str = "glioma") -> SimpleNamespace:
    scoring = SimpleNamespace(model=SimpleNamespace(digest="m"), missing=())
    return SimpleNamespace(loaded=SimpleNamespace(key=key, digest="c"), scoring=scoring)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was begun and prepared, in order."""
    calls: list[str] = []
    method = SimpleNamespace(choice=lambda: SimpleNamespace(method="ig"))
    requests = [Request(key=key, compute=object, long=True) for key in "ab"]
    monkeypatch.setattr(beforehand, "checks_of", lambda *_: method)
    monkeypatch.setattr(beforehand, "_of_explain", lambda *_: requests)
    monkeypatch.setattr(beforehand, "_of_cases", lambda *_: requests)
    monkeypatch.setattr(beforehand, "_begun", set())
    monkeypatch.setattr(Request, "begin", lambda request: calls.append(f"{request.key} begun"))
    monkeypatch.setattr(Request, "prepare", lambda request: calls.append(f"{request.key} later"))
    return calls


def test_explanations_of_the_cohort_in_view_begin_once(calls: list[str]) -> None:
    for _ in range(2):
        beforehand.plan(_workspace())()  # type: ignore[arg-type]
    assert calls == ["a begun", "b begun", "a later", "b later"]


def test_nothing_begins_without_a_cohort_or_for_uploaded_tables(calls: list[str]) -> None:
    beforehand.plan(None)()
    beforehand.plan(_workspace("upload-1"))()  # type: ignore[arg-type]
    assert calls == []


@pytest.mark.parametrize(("method", "asked"), [("ig", ["ig", "ig"]), ("shapley_sampling", [])])
def test_features_of_every_case_are_explained_ahead_by_a_quick_method_only(
    monkeypatch: pytest.MonkeyPatch, method: str, asked: list[str]
) -> None:
    features: list[str] = []
    modalities: list[tuple[int, ...]] = []
    monkeypatch.setattr(
        beforehand.resources, "modality_request", lambda *a: modalities.append(a[2])
    )
    monkeypatch.setattr(beforehand.resources, "feature_request", lambda *a: features.append(a[3]))
    result = SimpleNamespace(scored=np.array([True, False, True]))
    scoring = SimpleNamespace(
        model=SimpleNamespace(digest="m"), missing=(), bundle=None, result=result
    )
    workspace = SimpleNamespace(loaded=SimpleNamespace(digest="c"), cohort=None)
    list(OF_CASES(workspace, scoring, method))
    assert modalities == [(0,), (2,)]
    assert features == asked
