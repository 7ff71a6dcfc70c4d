"""The command line: its names, columns and exit statuses are a contract."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from camlif.data.preprocessing import RawInputs
from camlif.data.reading.readers import load_cohort
from camlif.model.bundle import Bundle, load_bundle
from camlif.model.scoring import COLUMNS
from camlif.model.storage import WEIGHTS
from camlif.statistics import concordance_index
from camlif.training.ensemble import Ensemble, Prediction
from camlif.training.kept import KeptMembers, TrainedPart
from tests.builders.validated import judged_as_a_whole
from tests.cli.conftest import Command, Run

N_PATIENTS = 120
PROJECT = Path(__file__).resolve().parents[2]
SAMPLE, MODELS = PROJECT / "sample_data" / "glioma", PROJECT / "models"


def _process(*arguments: object) -> Run:
    command = [sys.executable, "-m", "camlif", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Run(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated cohort folder, by the command."""
    folder = tmp_path_factory.mktemp("cli") / "glioma"
    run = _process("simulate", "glioma", "--patients", N_PATIENTS, "--seed", 1, "--out", folder)
    assert run.status == 0, run.err
    assert "oracle C-index" in run.out
    return folder


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder, by the command; too small to rank its subgroups."""
    folder = tmp_path_factory.mktemp("cli") / "model"
    run = _process(
        *("train", data, "--out", folder, "--splits", 5, "--epochs", 1, "--width", 16),
        *("--device", "cpu", "--seed", 3, "--json"),
    )
    assert run.status == 0, run.err
    assert run.err == ""
    printed = json.loads(run.out)
    assert {p["severity"] for p in printed.pop("problems")} <= {"note"}
    assert printed == json.loads((folder / "card.json").read_text())
    judged_as_a_whole(load_bundle(folder, device="cpu")).save(folder)
    return folder


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# What works


def test_help_lists_the_commands() -> None:
    run = _process("--help")
    assert run.status == 0
    for command in ("check", "train", "score", "evaluate", "validate", "explain", "simulate"):
        assert f" {command} " in run.out


def test_check_says_what_is_there(camlif: Command, data: Path) -> None:
    run = camlif("check", data)
    assert run.status == 0
    assert f"{N_PATIENTS} patients" in run.out
    assert run.out.splitlines()[-1] == "usable"
    report = json.loads(camlif("check", data, "--json").out)
    assert report["usable"] is True


def test_check_of_a_folder_without_tables_is_2(camlif: Command, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    run = camlif("check", tmp_path, "--json")
    assert run.status == 2


def test_train_keeps_its_settings_and_the_command(model: Path) -> None:
    bundle = load_bundle(model, device="cpu")
    training = bundle.config.training
    assert (training.splits, training.epochs, training.seed) == (5, 1, 3)
    assert bundle.config.network.width == 16
    assert [c.name for c in bundle.schema.clinical] == ["age", "sex"]
    assert bundle.card.reproduce.startswith("python -m camlif train ")
    assert "--seed 3" in bundle.card.reproduce


@pytest.mark.slow
def test_train_interrupted_says_what_is_kept_and_the_same_command_goes_on(
    camlif: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = ("--splits", 8, "--split-scheme", "monte-carlo", "--epochs", 1, "--width", 16)
    train = ("train", data, *quick, "--select-top", 10, "--processes", 1, "--out")

    def interrupt(kept: KeptMembers, part: TrainedPart) -> None:
        add(kept, part)
        raise KeyboardInterrupt

    add = KeptMembers.add
    with monkeypatch.context() as patched:
        patched.setattr(KeptMembers, "add", interrupt)
        run = camlif(*train, tmp_path / "m")
    assert run.status != 0
    assert "Members 0 to 3 of 8 are kept" in run.err
    assert [path.name for path in tmp_path.iterdir()] == [".m.members"]
    run = camlif(*train, tmp_path / "m")
    assert run.status == 0, run.err
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert camlif(*train, tmp_path / "whole").status == 0
    weights = [(tmp_path / name / WEIGHTS).read_bytes() for name in ("m", "whole")]
    assert weights[0] == weights[1]


def test_train_takes_scheme_modalities_and_clinical(
    camlif: Command, data: Path, tmp_path: Path
) -> None:
    run = camlif(
        *(
            "train",
            data,
            "--out",
            tmp_path / "m",
            "--splits",
            2,
            "--epochs",
            1,
            "--width",
            16,
        ),
        *("--split-scheme", "monte-carlo", "--modalities", "genomics,pathology"),
        *("--clinical", "none", "--batch-size", 0, "--select-top", 20),
    )
    assert run.status == 0, run.err
    assert "C-index" in run.out
    bundle = load_bundle(tmp_path / "m", device="cpu")
    assert bundle.schema.names == ("genomics", "pathology")
    assert bundle.schema.clinical == ()
    assert bundle.config.training.split_scheme == "monte_carlo"
    assert bundle.config.training.select_top == 20


def test_score_writes_the_columns_of_the_contract(
    camlif: Command, data: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new folder" / "risk.csv"
    run = camlif("score", data, "--model", model, "--out", out, "--json")
    assert run.status == 0, run.err
    summary = json.loads(run.out)
    assert out.read_text().splitlines()[0] == ",".join(COLUMNS)
    rows = _rows(out)
    assert [r["patient_id"] for r in rows] == load_cohort(data).patient_ids.tolist()
    assert summary["patients"] == len(rows) == N_PATIENTS
    assert summary["scored"] == sum(r["log_risk"] != "" for r in rows)
    assert summary["scored"] == summary["heldout"] + summary["unclear"]
    assert {r["in_training"] for r in rows} <= {"yes", "cannot tell"}
    for row in rows:
        assert (row["log_risk"] == "") == row["warnings"].startswith("not scored")
        if row["log_risk"]:
            assert row["risk_group"].startswith(("Low", "Intermediate", "High", "Borderline: "))
            assert 0 <= float(row["percentile"]) <= 100


def test_score_says_why_survival_is_left_empty(
    camlif: Command, data: Path, model: Path, tmp_path: Path
) -> None:
    run = camlif("score", data, "--model", model, "--out", tmp_path / "risk.csv")

    gates = load_bundle(model, device="cpu").reference.whole.gates
    closed = [gate for gate in gates if not gate.open]
    assert closed
    assert run.out.count("E-22: Absolute risk at ") == len(closed)
    assert all(gate.reason in run.out for gate in closed)
    for gate in closed:
        column = f"survival_{gate.horizon:g}m"
        assert {row[column] for row in _rows(tmp_path / "risk.csv")} == {""}


def test_score_goes_on_without_a_gpu_that_is_full(
    camlif: Command, data: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert camlif("score", data, "--model", model, "--out", tmp_path / "cpu.csv").status == 0
    predict = Ensemble.predict

    def without_memory(self: Ensemble, raw: RawInputs, **options: Any) -> Prediction:
        if options.pop("chunk", 0) > 0:
            raise torch.OutOfMemoryError
        return predict(self, raw, **options)

    monkeypatch.setattr(Ensemble, "predict", without_memory)
    monkeypatch.setattr(Bundle, "device", property(lambda _: torch.device("cuda")))
    run = camlif("score", data, "--model", model, "--out", tmp_path / "gpu.csv")

    assert run.status == 0
    assert "patients scored on cpu" in run.out
    assert "E-40: The GPU ran out of memory; continued on the CPU (slower)." in run.out
    assert (tmp_path / "gpu.csv").read_bytes() == (tmp_path / "cpu.csv").read_bytes()


def test_what_the_pages_warn_of_stands_in_the_score_file(
    camlif: Command, data: Path, model: Path, tmp_path: Path
) -> None:
    said = {
        "E-32": "not scored: genomics missing, and",
        "E-33": "pathology: beyond the 99th percentile of distance",
    }
    patients = {}
    for name in ("clinical.csv", "pathology.csv", "genomics.csv"):
        rows = _rows(data / name)
        if name == "pathology.csv":
            patients = {"E-32": rows[0]["patient_id"], "E-33": rows[1]["patient_id"]}
            numbers = {k: str(1e4 * float(v or 1)) for k, v in rows[1].items() if k != "patient_id"}
            rows[1].update(numbers)
        if name == "genomics.csv":
            rows = [row for row in rows if row["patient_id"] != patients["E-32"]]
        with (tmp_path / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)

    run = camlif("score", tmp_path, "--model", model, "--out", tmp_path / "risk.csv")

    assert run.status == 0, run.err
    written = _rows(tmp_path / "risk.csv")
    warnings = {row["patient_id"]: row["warnings"] for row in written}
    unscored = sum(row["log_risk"] == "" for row in written)
    unlike = sum("99th percentile" in w or "outside the training" in w for w in warnings.values())
    assert f"E-32: {unscored} patients have no score; the column warnings says why." in run.out
    assert re.search(rf"E-33: {unlike} patients? (is|are) unlike the training data", run.out)
    assert {code: words in warnings[patients[code]] for code, words in said.items()} == {
        "E-32": True,
        "E-33": True,
    }


def _changed_sample(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    """The first patients of the glioma sample, their clinical table changed."""
    folder.mkdir()
    for name in ("cohort.toml", "pathology.csv", "genomics.csv"):
        (folder / name).write_bytes((SAMPLE / name).read_bytes())
    table = pd.read_csv(SAMPLE / "clinical.csv")
    change(table).to_csv(folder / "clinical.csv", index=False)
    return folder


def test_inputs_under_other_names_are_told_and_read_once_accepted(
    camlif: Command, tmp_path: Path
) -> None:
    usual = _changed_sample(tmp_path / "usual", lambda t: t)
    other = _changed_sample(
        tmp_path / "other", lambda t: t.rename(columns={"age": "yrs_dx", "sex": "mf"})
    )
    scored = partial(camlif, "score", "--model", MODELS / "glioma", "--device", "cpu", "--json")
    assert scored(usual, "--out", tmp_path / "usual.csv").status == 0
    run = scored(other, "--out", tmp_path / "other.csv")
    assert run.status == 0, run.err
    (problem,) = [p for p in json.loads(run.out)["problems"] if p["code"] == "E-13"]
    assert "2 of 2 clinical inputs of the model are absent: age and sex." in problem["message"]
    assert "Perhaps yrs_dx is age, mf is sex." in problem["fix"]
    without, reference = _rows(tmp_path / "other.csv"), _rows(tmp_path / "usual.csv")
    for row, whole in zip(without, reference, strict=True):
        assert row["missing"].endswith("age; sex")
        assert "scored without age and sex, with a wider interval" in row["warnings"]
        width = [float(r["z_high"]) - float(r["z_low"]) for r in (row, whole)]
        assert width[0] > width[1]
    run = scored(other, "--out", tmp_path / "read.csv", "--repair", "renames=clinical.csv")
    assert run.status == 0, run.err
    assert _rows(tmp_path / "read.csv") == reference


def test_words_that_a_model_does_not_know_are_missing_told_and_can_be_said(
    camlif: Command, tmp_path: Path
) -> None:
    usual = _changed_sample(tmp_path / "usual", lambda t: t)
    coded = _changed_sample(
        tmp_path / "coded", lambda t: t.assign(sex=t["sex"].map({"male": 1, "female": 2}))
    )
    scored = partial(camlif, "score", "--model", MODELS / "glioma", "--device", "cpu")
    assert scored(usual, "--out", tmp_path / "usual.csv").status == 0
    run = scored(coded, "--out", tmp_path / "coded.csv")
    assert run.status == 0, run.err
    assert "warning E-15 clinical.csv, column sex: sex holds 1, 2, which the model" in run.err
    assert "--repair level=sex:1=female | level=sex:1=male | " in run.err
    for row in _rows(tmp_path / "coded.csv"):
        assert row["missing"].endswith("sex")
        assert re.search("sex: [12] is not known to the model, treated as missing", row["warnings"])
    said = ("--repair", "level=sex:1=male", "--repair", "level=sex:2=female")
    assert scored(coded, "--out", tmp_path / "read.csv", *said).status == 0
    assert _rows(tmp_path / "read.csv") == _rows(tmp_path / "usual.csv")


def test_score_works_without_outcome_columns(
    camlif: Command, data: Path, model: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("pathology.csv", "genomics.csv"):
        (bare / name).write_bytes((data / name).read_bytes())
    clinical = _rows(data / "clinical.csv")
    with (bare / "clinical.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["patient_id", "age", "sex"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(clinical)
    assert camlif("score", bare, "--model", model, "--out", bare / "o.csv").status == 0
    assert camlif("score", data, "--model", model, "--out", tmp_path / "o.csv").status == 0
    with_outcome = {r["patient_id"]: r["log_risk"] for r in _rows(tmp_path / "o.csv")}
    for row in _rows(bare / "o.csv"):
        expected = with_outcome[row["patient_id"]]
        assert (row["log_risk"] == "") == (expected == "")
        if expected:
            assert float(row["log_risk"]) == pytest.approx(float(expected), abs=1e-6)


def test_score_keeps_patients_of_a_modality_declared_missing(
    camlif: Command, data: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "risk.csv"
    assert (
        camlif("score", data, "--model", model, "--out", out, "--missing", "genomics").status == 0
    )
    rows = _rows(out)
    assert len(rows) == N_PATIENTS
    assert all("genomics" in row["missing"].split("; ") for row in rows)


def test_evaluate_reports_what_the_scores_say(
    camlif: Command, data: Path, model: Path, tmp_path: Path
) -> None:
    report = json.loads(camlif("evaluate", data, "--model", model).out)
    run = camlif("evaluate", data, "--model", model, "--out", tmp_path / "r.json")
    assert run.status == 0
    assert json.loads((tmp_path / "r.json").read_text()) == report
    camlif("score", data, "--model", model, "--out", tmp_path / "risk.csv")
    scored = np.array([r["log_risk"] != "" for r in _rows(tmp_path / "risk.csv")])
    risk = np.array([float(r["log_risk"] or "nan") for r in _rows(tmp_path / "risk.csv")])
    event, duration = load_cohort(data).outcome()
    expected = concordance_index(risk[scored], event[scored], duration[scored])
    assert report["c_index"]["value"] == pytest.approx(expected)
    assert report["n"] == scored.sum()


def test_explain_writes_contributions_that_add_up(
    camlif: Command, data: Path, model: Path, tmp_path: Path
) -> None:
    complete = [
        patient
        for patient, there in zip(
            load_cohort(data).patient_ids, load_cohort(data).presence.all(axis=1), strict=True
        )
        if there
    ][:2]
    out = tmp_path / "a.csv"
    chosen = [word for patient in complete for word in ("--patient", patient)]
    run = camlif("explain", data, "--model", model, "--out", out, "--method", "ig", *chosen)
    assert run.status == 0, run.err
    rows = _rows(out)
    assert list(rows[0]) == [
        *("patient_id", "level", "modality", "group", "feature", "value"),
        *("contribution", "method", "completeness_gap"),
    ]
    assert {row["patient_id"] for row in rows} == set(complete)
    for patient in complete:
        levels = {
            level: sum(
                float(r["contribution"])
                for r in rows
                if r["patient_id"] == patient and r["level"] == level
            )
            for level in {r["level"] for r in rows}
        }
        assert {"modality", "feature"} <= set(levels)
        assert all(np.isfinite(value) for value in levels.values())


def test_simulate_writes_the_same_bytes_for_the_same_seed(
    camlif: Command, data: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    camlif("simulate", "glioma", "--patients", N_PATIENTS, "--seed", 1, "--out", again)
    for path in data.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes()


# What cannot work


def _wrong(data: Path, model: Path, tmp: Path) -> dict[str, tuple[tuple[object, ...], str]]:
    """Commands that must fail, with a word that their one line holds."""
    (tmp / "file").write_text("")
    broken = tmp / "broken"
    broken.mkdir()
    for path in data.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    header, rest = (broken / "genomics.csv").read_text().split("\n", 1)
    column = header.split(",")[5]
    (broken / "genomics.csv").write_text(header.replace(f",{column},", ",other,") + "\n" + rest)
    (broken / "cohort.toml").unlink()
    (tmp / "bad.toml").write_text("title = ")
    scores = ("score", data, "--model", model, "--out")
    trains = ("train", data, "--out", tmp / "m")
    return {
        "no folder": (("check", tmp / "nowhere"), "nowhere"),
        "no folder, train": (("train", tmp / "nowhere", "--out", tmp / "m"), "nowhere"),
        "no folder, evaluate": (("evaluate", tmp / "nowhere", "--model", model), "nowhere"),
        "missing column": (("score", broken, "--model", model, "--out", tmp / "o.csv"), column),
        "preset": ((*trains, "--preset", "grand"), "grand"),
        "modality": ((*trains, "--modalities", "proteomics"), "proteomics"),
        "clinical": ((*trains, "--clinical", "age,bmi"), "bmi"),
        "width": ((*trains, "--width", 15), "width"),
        "zero width": ((*trains, "--width", 0), "width"),
        "batch": ((*trains, "--batch-size", 2), "batch_size"),
        "splits": ((*trains, "--splits", 1), "--splits"),
        "epochs": ((*trains, "--epochs", 0), "--epochs"),
        "scheme": ((*trains, "--split-scheme", "loo"), "loo"),
        "device": ((*trains, "--device", "banana"), "banana"),
        "device, score": ((*scores, tmp / "o.csv", "--device", "cuda:99"), "cuda:99"),
        "train out": (("train", data, "--out", tmp / "file" / "m"), "cannot be written"),
        "train out is a file": (("train", data, "--out", tmp / "file"), "cannot be written"),
        "score out": ((*scores, tmp / "file" / "o.csv"), "cannot be written"),
        "score out is a folder": ((*scores, tmp), "cannot be written"),
        "evaluate out": (
            ("evaluate", data, "--model", model, "--out", tmp / "file" / "r"),
            "cannot be written",
        ),
        "simulate out": (
            ("simulate", "luad", "--out", tmp / "file" / "s"),
            "cannot be written",
        ),
        "model": (("score", data, "--model", data, "--out", tmp / "o.csv"), "model.safetensors"),
        "missing": ((*scores, tmp / "o.csv", "--missing", "proteomics"), "proteomics"),
        "method": (
            ("explain", data, "--model", model, "--out", tmp / "a.csv", "--method", "lime"),
            "lime",
        ),
        "patient": (
            ("explain", data, "--model", model, "--out", tmp / "a.csv", "--patient", "nobody"),
            "nobody",
        ),
        "no manifest": (("check", data, "--manifest", tmp / "none.toml"), "none.toml"),
        "bad manifest": (("check", data, "--manifest", tmp / "bad.toml"), "TOML"),
        "scenario": (("simulate", "melanoma", "--out", tmp / "s"), "melanoma"),
        "too few": (("simulate", "luad", "--patients", 5, "--out", tmp / "s"), "--patients"),
        "command": (("predict",), "predict"),
        "option": ((*trains, "--no-such-option"), "no-such-option"),
        "no model": (("evaluate", data), "--model"),
    }


def test_bad_input_is_one_line_on_standard_error_and_status_2(
    camlif: Command, data: Path, model: Path, tmp_path: Path
) -> None:
    failures: dict[str, Any] = {}
    for name, (arguments, word) in _wrong(data, model, tmp_path).items():
        run = camlif(*arguments)
        if run.status != 2 or run.out or len(run.err.splitlines()) != 1 or word not in run.err:
            failures[name] = run
    assert failures == {}


def test_bad_input_leaves_no_traceback_in_a_process(data: Path, tmp_path: Path) -> None:
    run = _process("score", data, "--model", tmp_path / "none", "--out", tmp_path / "o.csv")
    assert run.status == 2
    assert run.out == ""
    assert run.err.splitlines() == ["none: no file model.safetensors. A model folder needs it."]


def test_a_reader_that_goes_away_is_no_traceback(data: Path) -> None:
    command = f"{sys.executable} -m camlif check {data} --json | head -c 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout == "{"
    assert "Traceback" not in done.stderr
