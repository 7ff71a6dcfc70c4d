"""Scoring in the background: progress, errors, and what the page shows meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from camlif.data.samples import load_sample
from camlif.exceptions import AlignmentError
from camlif.model.bundle import Bundle
from camlif.model.scoring import ScoreResult
from dashboard.runs.scoring_job import ScoringJob
from dashboard.session import resources
from dashboard.shell import waiting
from tests.dashboard.conftest import OpenApp
from tests.dashboard.views.test_pages import problems_of

PATIENCE = 60
Progress = Callable[[int, int], None]


@pytest.fixture
def anew() -> Iterator[None]:
    """Nothing scored before or kept after."""
    resources.sample_scores.clear()
    yield
    resources.sample_scores.clear()


def test_a_job_gives_what_the_bundle_gives_and_counts_patients() -> None:
    cohort, bundle = load_sample("luad"), resources.model("luad").bundle
    job = ScoringJob(bundle, cohort)

    assert job.ends_within(PATIENCE)
    assert job.result().table.equals(bundle.score(cohort).table)
    assert job.done == job.total == len(cohort)
    assert not job.failed


def test_an_error_is_told_where_the_result_is_read() -> None:
    job = ScoringJob(resources.model("transbig").bundle, load_sample("luad"))

    assert job.ends_within(PATIENCE)
    assert job.failed
    with pytest.raises(AlignmentError):
        job.result()


def test_scoring_that_failed_is_tried_anew(anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    model, loaded = resources.model("luad"), resources.sample_cohort("luad")
    key = (loaded.digest, model.digest, loaded.cohort, model.bundle)
    with monkeypatch.context() as patch:
        patch.setattr(Bundle, "score", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            resources.sample_scores(*key).result()

    assert len(resources.sample_scores(*key).result()) == len(loaded.cohort)


def test_the_observed_curve_and_the_progress_stand_in_for_scores(
    open_app: OpenApp, anew: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is drawn while half of the patients are done, then gives way to the case."""
    score, release, said = Bundle.score, threading.Event(), []
    say = waiting._say

    def slow(self: Bundle, cohort: Any, *, progress: Progress, **rest: Any) -> ScoreResult:
        progress(len(cohort) // 2, len(cohort))
        release.wait(PATIENCE)
        return score(self, cohort, progress=progress, **rest)

    def note(bar: Any, job: ScoringJob) -> None:
        said.append(job.done / job.total)
        say(bar, job)
        if len(said) > 1:
            release.set()

    monkeypatch.setattr(Bundle, "score", slow)
    monkeypatch.setattr(waiting, "AT_ONCE", 0.1)
    monkeypatch.setattr(waiting, "_say", note)
    charts: list[str] = []
    monkeypatch.setattr(waiting, "show_chart", lambda chart, **_: charts.append(chart.finding))

    app = open_app("cohort")

    assert said[0] == pytest.approx(0.5, abs=0.01)
    assert len(charts) == 1
    assert not problems_of(app)
    assert not any("Scoring" in m.value for m in app.markdown)
