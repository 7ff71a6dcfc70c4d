"""The command ``validate``: a folder with the report of new patients."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from camlif.data.simulator import simulate, write_simulated
from tests.builders.models import tiny_models
from tests.cli.conftest import Command

FILES = {"validation.html", "validation.json", "validation.pdf"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models(tmp_path_factory, ["glioma"]) / "glioma"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    write_simulated(simulate("glioma", n_patients=80, seed=11), folder)
    return folder


def test_the_report_is_a_folder_of_three_files_and_its_claims_are_printed(
    camlif: Command, data: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report"
    run = camlif("validate", data, "--model", model, "--out", out, "--setting", "elsewhere")
    assert run.status == 0, run.err
    assert {path.name for path in out.iterdir()} == FILES
    record = json.loads((out / "validation.json").read_text("utf-8"))
    assert record["flow"]["n_read"] == 80
    assert record["setting"] == "elsewhere"
    assert "external validation on" in run.out
    for claim in record["claims"]:
        assert " ".join(claim["sentence"].split()) in " ".join(run.out.split())
    again = camlif("validate", data, "--model", model, "--out", out)
    assert again.status == 2
    assert "--force" in again.err
    assert camlif("validate", data, "--model", model, "--out", out, "--force").status == 0
    assert json.loads((out / "validation.json").read_text("utf-8"))["setting"] == "unknown"


def test_programs_get_the_json_alone(
    camlif: Command, data: Path, model: Path, tmp_path: Path
) -> None:
    run = camlif("validate", data, "--model", model, "--out", tmp_path / "r", "--json")
    assert run.status == 0
    assert run.err == ""
    assert json.loads(run.out) == json.loads(
        (tmp_path / "r" / "validation.json").read_text("utf-8")
    )


def test_the_training_cohort_validates_nothing(
    camlif: Command, model: Path, tmp_path: Path
) -> None:
    run = camlif("validate", "glioma", "--model", model, "--out", tmp_path / "r")
    assert run.status == 2
    assert "are of the training cohort" in run.err
    assert not (tmp_path / "r").exists()


def test_beside_the_training_cohort_the_new_patients_are_told_apart(
    camlif: Command, data: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r"
    run = camlif("validate", data, "--model", model, "--out", out, "--training", "glioma")
    assert run.status == 0, run.err
    member = json.loads((out / "validation.json").read_text("utf-8"))["membership"]
    assert (member["n_new"], member["n_training"]) == (80, 480)
    assert 0.5 < member["auc"] <= 1
