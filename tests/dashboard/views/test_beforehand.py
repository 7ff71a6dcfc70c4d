"""What Explain and Case show first is begun before anybody asks, once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dashboard.session.shared_results import Request
from dashboard.views.explain import beforehand


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
