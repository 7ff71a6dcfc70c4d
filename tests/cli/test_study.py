"""The command study: what it writes, prints and refuses; progress files."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

import pytest

from camlif.cli.commands import _reproducing
from camlif.cli.console import interruptible
from camlif.data.simulator import simulate, write_simulated
from camlif.progress import Progress, kept_in, read_progress
from camlif.study import read_study
from tests.cli.conftest import Command


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated glioma cohort folder."""
    folder = tmp_path_factory.mktemp("study") / "glioma"
    write_simulated(simulate("glioma", n_patients=120, seed=1), folder)
    return folder


def test_a_study_is_run_reported_and_continued(camlif: Command, data: Path, tmp_path: Path) -> None:
    out, progress = tmp_path / "runs" / "mine", tmp_path / "progress.json"
    options = ("--splits", 5, "--out", out, "--jobs", 1, "--device", "cpu")
    run = camlif("study", data, "--methods", "km,cox_clinical", *options, "--progress", progress)
    assert (run.status, run.err) == (0, "")
    assert "Kaplan-Meier (constant risk)" in run.out
    assert "0.500 (0.500 to 0.500)" in run.out
    done = read_progress(progress)
    assert done is not None
    assert (done.state, done.step, done.total) == ("finished", 2, 2)
    study = read_study(out)
    assert study.settings.clinical == ("age", "sex")
    assert study.settings.methods == ("km", "cox_clinical")
    report = camlif("study", "--report", "--out", out)
    assert (report.status, report.out) == (0, run.out)
    as_json = camlif("study", data, "--methods", "km", *options, "--json")
    assert json.loads(as_json.out)["n_done"] == 2


def test_multicofusion_learns_the_grade(camlif: Command, data: Path, tmp_path: Path) -> None:
    options = ("--splits", 2, "--split-scheme", "monte-carlo", "--epochs", 1)
    options += ("--jobs", 1, "--device", "cpu", "--json")
    run = camlif("study", data, "--methods", "multicofusion", "--out", tmp_path / "a", *options)
    assert run.status == 0
    assert json.loads(run.out)["rows"][0]["title"] == "MultiCoFusion"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Name a cohort folder"),
        (("DATA", "--methods", "nothing"), "Unknown method 'nothing'"),
        (("DATA", "--backend", "cloud"), "cloud"),
        (("DATA", "--address", "here:1"), "--address names a cluster"),
        (("--report",), "holds no study"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    camlif: Command, data: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    given = [str(data) if argument == "DATA" else argument for argument in arguments]
    run = camlif("study", *given, "--out", tmp_path / "x")
    assert run.status == 2
    assert message in run.err
    assert run.err.count("\n") == 1


def test_other_settings_in_the_same_folder_are_refused(
    camlif: Command, data: Path, tmp_path: Path
) -> None:
    base = ("study", data, "--methods", "km", "--splits", 5, "--jobs", 1, "--out", tmp_path)
    assert camlif(*base).status == 0
    run = camlif(*base, "--seed", 3)
    assert run.status == 2
    assert "other settings: seed 0, now 3" in run.err


def test_a_failed_cell_shows_in_the_exit_status(
    camlif: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **options: object) -> dict[str, float]:
        raise ValueError("no measure")

    monkeypatch.setattr("camlif.study.cells.split_measures", broken)
    run = camlif(*("study", data, "--methods", "km", "--splits", 5, "--jobs", 1, "--out", tmp_path))
    assert run.status == 1
    assert "failed: km km (own), splits 0 to 4: ValueError: no measure" in run.out


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (ValueError("it broke"), "failed", "it broke"),
        (KeyboardInterrupt(), "cancelled", "cancelled"),
    ],
)
def test_a_progress_file_says_how_a_run_ended(
    tmp_path: Path, error: BaseException, state: str, message: str
) -> None:
    path = tmp_path / "progress.json"

    def work() -> None:
        with kept_in(path) as keep:
            keep(Progress.running(3, 10, 7.5, "at work"))
            assert read_progress(path) == Progress.running(3, 10, 7.5, "at work")
            raise error

    with pytest.raises(type(error)):
        work()
    ended = read_progress(path)
    assert ended is not None
    assert (ended.state, ended.step, ended.total, ended.message) == (state, 3, 10, message)
    assert ended.eta_seconds is None


def test_there_is_no_progress_before_a_run(tmp_path: Path) -> None:
    assert read_progress(tmp_path / "none.json") is None


def test_a_request_to_end_acts_like_an_interrupt() -> None:
    assert threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_train_keeps_its_progress_and_leaves_the_file_out_of_the_card(
    camlif: Command, data: Path, tmp_path: Path
) -> None:
    out, progress = tmp_path / "model", tmp_path / "progress.json"
    run = camlif(
        *("train", data, "--out", out, "--splits", 2, "--epochs", 2, "--width", 16),
        *("--split-scheme", "monte-carlo", "--device", "cpu", "--progress", progress, "--json"),
    )
    assert run.status == 0
    done = read_progress(progress)
    assert done is not None
    assert (done.state, done.step, done.total) == ("finished", 2, 2)
    assert "--progress" not in json.loads(run.out)["reproduce"]
    assert "progress.json" not in json.loads(run.out)["reproduce"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["train", "x", "--progress", "p", "--json"], ["train", "x", "--json"]),
        (["train", "--progress=p", "x"], ["train", "x"]),
        (["train", "x"], ["train", "x"]),
    ],
)
def test_the_command_of_a_card_is_what_determines_it(given: list[str], kept: list[str]) -> None:
    assert _reproducing(given) == kept
