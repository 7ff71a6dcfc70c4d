"""What Explain shows first is begun before anybody asks, once."""

from __future__ import annotations

import pytest

from dashboard.session.shared_results import Request
from dashboard.views.explain import beforehand


def test_explanations_of_the_cohort_in_view_begin_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    asked = [Request(key=key, compute=lambda k=key: calls.append(k), long=True) for key in "ab"]
    monkeypatch.setattr(beforehand, "_requests", lambda _: asked)
    monkeypatch.setattr(beforehand, "_begun", set())
    monkeypatch.setattr(Request, "begin", lambda request: request.compute())
    for _ in range(2):
        beforehand.plan(object())()  # type: ignore[arg-type]
    assert calls == ["a", "b"]


def test_without_a_cohort_nothing_begins() -> None:
    beforehand.plan(None)()
