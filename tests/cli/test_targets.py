"""What a command may write to: nothing of the user's is replaced unless it is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from camlif.data.reading.writing import write_cohort
from tests.builders.bundles import tiny_bundle, tiny_cohort
from tests.cli.conftest import Command


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "cohort"
    write_cohort(tiny_cohort(), folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_bundle().save(folder)
    return folder


@pytest.mark.parametrize("command", ["score", "explain", "evaluate"])
@pytest.mark.parametrize("target", ["clinical.csv", "cohort.toml", "notes.csv"])
def test_an_input_another_table_or_a_manifest_is_not_overwritten(
    camlif: Command, data: Path, model: Path, command: str, target: str
) -> None:
    (data / "notes.csv").write_text("patient_id,comment\n", "utf-8")
    before = (data / target).read_bytes()
    run = camlif(command, data, "--model", model, "--out", data / target)
    assert run.status == 2
    assert "--force" in run.err
    assert (data / target).read_bytes() == before


def test_a_result_is_replaced_by_its_like_and_anything_by_force(
    camlif: Command, data: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "risk.csv"
    assert camlif("score", data, "--model", model, "--out", out).status == 0
    first = out.read_bytes()
    assert camlif("score", data, "--model", model, "--out", out).status == 0
    assert out.read_bytes() == first
    out.write_text("mine\n", "utf-8")
    assert camlif("score", data, "--model", model, "--out", out).status == 2
    assert camlif("score", data, "--model", model, "--out", out, "--force").status == 0
    assert out.read_bytes() == first


def test_an_existing_model_or_cohort_folder_is_not_replaced(
    camlif: Command, data: Path, model: Path
) -> None:
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    for run in (
        camlif("train", data, "--out", model, "--splits", 5, "--epochs", 1),
        camlif("simulate", "glioma", "--out", data, "--patients", 50),
        camlif("study", data, "--methods", "km", "--splits", 5, "--out", model),
    ):
        assert run.status == 2
        assert "is not empty" in run.err
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before


def test_a_manifest_is_written_over_by_force_only(
    camlif: Command, data: Path, tmp_path: Path
) -> None:
    target = tmp_path / "mapping.toml"
    assert camlif("check", data, "--write-manifest", target).status == 0
    text = target.read_text("utf-8")
    target.write_text(text + "# by hand\n", "utf-8")
    assert camlif("check", data, "--write-manifest", target).status == 2
    assert target.read_text("utf-8").endswith("# by hand\n")
    assert camlif("check", data, "--write-manifest", target, "--force").status == 0
    assert target.read_text("utf-8") == text


def test_a_command_that_fails_leaves_no_folder_behind(
    camlif: Command, data: Path, model: Path, tmp_path: Path
) -> None:
    home = tmp_path / "new" / "deep"
    for run in (
        camlif("score", tmp_path / "nowhere", "--model", model, "--out", home / "risk.csv"),
        camlif("score", data, "--model", tmp_path, "--out", home / "risk.csv"),
        camlif("score", data, "--model", model, "--missing", "mri", "--out", home / "risk.csv"),
        camlif("train", tmp_path / "nowhere", "--out", home / "model"),
        camlif("study", tmp_path / "nowhere", "--methods", "km", "--out", home / "study"),
    ):
        assert run.status == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("sample", ["glioma", "transbig"])
def test_check_takes_a_sample_like_every_command(camlif: Command, sample: str) -> None:
    run = camlif("check", sample)
    assert run.status == 0
    assert "usable" in run.out


def test_a_manifest_counts_for_a_sample_too(camlif: Command, tmp_path: Path) -> None:
    manifest = tmp_path / "other.toml"
    manifest.write_text('[clinical]\nduration = "no_such_column"\n', "utf-8")
    run = camlif("check", "glioma", "--manifest", manifest)
    assert run.status == 2
    assert "no_such_column" in run.out + run.err


def test_two_trainings_into_one_folder_do_not_meet(
    camlif: Command, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    code = (
        "import sys\nfrom pathlib import Path\nfrom camlif.files import only_writer\n"
        f"with only_writer(Path({str(out)!r})):\n"
        "    print('in', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        run = camlif("train", data, "--out", out, "--splits", 5, "--epochs", 1)
        assert run.status == 2
        assert "another process is writing there" in run.err
        other.communicate("")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cohort"]
