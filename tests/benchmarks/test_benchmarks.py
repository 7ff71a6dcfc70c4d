"""The benchmark's entry point: jobs on a device beside the CPU, a table, a file of results."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.benchmarks import __main__ as entry
from tests.benchmarks import load
from tests.benchmarks.harness import Line, Timing, measure, table


def fake_job(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace every job by one that notes its device."""
    asked: list[str] = []

    def run(device: str, *, full: bool) -> list[Line]:
        asked.append(device)
        ours, theirs = Timing(0.5, 0.5), Timing(2.0, 2.0)
        return [Line("sort", ours, "< 1 s", "bubble sort", theirs, note=f"full={full}")]

    monkeypatch.setattr(importlib, "import_module", lambda name: SimpleNamespace(run=run))
    return asked


def test_another_device_runs_the_same_job_after_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fake_job(monkeypatch)
    lines = list(entry.measured("training", "cuda:0", full=False))
    assert asked == ["cpu", "cuda:0"]
    assert [line.job for line in lines] == ["sort", "sort (cuda:0)"]
    assert list(entry.measured("training", "cpu", full=False)) == lines[:1]


def test_the_table_has_both_times_and_the_ratio(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_job(monkeypatch)
    entry.main(["ranking", "--full"])
    row = "| sort | 500 ms / 500 ms | bubble sort: 2 s / 2 s | 4x | < 1 s | full=True |"
    assert row in capsys.readouterr().out


def test_writing_replaces_the_section_of_the_job_only(tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    for job, text in (("a", "old"), ("b", "kept"), ("a", "new")):
        entry.write_section(file, job, text)
    assert file.read_text("utf-8").split("\n## ")[1:] == ["a\n\nnew\n", "b\n\nkept\n"]


def test_unknown_jobs_and_devices_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_job(monkeypatch)
    for arguments in (["nothing"], ["ranking", "--device", "abacus"]):
        with pytest.raises(SystemExit):
            entry.main(arguments)


@pytest.mark.parametrize("job", entry.JOBS)
def test_every_job_can_be_run(job: str) -> None:
    assert callable(importlib.import_module(f"tests.benchmarks.{job}").run)


def test_jobs_take_turns_after_a_round_that_is_not_counted() -> None:
    calls: list[str] = []
    timings = measure(lambda: calls.append("ours"), lambda: calls.append("peer"), repeats=2)
    assert calls == ["ours", "peer"] * 3
    assert len(timings) == 2
    assert table([Line("x", timings[0])]).count("\n") == 2


def test_a_visitor_walks_twenty_interactions_and_ends_where_it_began() -> None:
    assert len(load.WALK) == 20
    assert load.WALK[-1] == load.CASE


def test_a_load_says_what_is_asked_of_it() -> None:
    assert load.LOADS[-1].goal == "0.12 s of processor, p95 2 s, none over 4 s"
    assert load.LOADS[0].name == "5 protocol clients, 2 s between clicks"
