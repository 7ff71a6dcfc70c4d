"""The command ``watch``: months, alarms, exit status, and what is wrong with dates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import Command

PROJECT = Path(__file__).resolve().parents[2]
SAMPLE, MODEL = PROJECT / "sample_data" / "glioma", PROJECT / "models" / "glioma"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Patients like those of the glioma model, none in its third month; two are of its training."""
    folder = tmp_path_factory.mktemp("watch") / "use"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("clinical", "pathology", "genomics"):
        table = pd.read_csv(SAMPLE / f"{name}.csv")
        table = table[table["patient_id"] <= "SYN-G0060"].reset_index(drop=True)
        if name == "clinical":
            table["seen_on"] = [f"2025-{1 + 3 * (i % 2):02d}-{1 + i % 28:02d}" for i in range(60)]
            table.loc[2:, "age"] += 1
        else:
            values = table.iloc[:, 1:].astype(float)
            moved = 0.2 * values.std().to_numpy() * rng.normal(size=values.shape)
            moved[:2] = 0
            table = pd.concat([table[["patient_id"]], values + moved], axis=1)
        table.to_csv(folder / f"{name}.csv", index=False)
    (folder / "cohort.toml").write_text((SAMPLE / "cohort.toml").read_text())
    return folder


def _arguments(data: Path) -> tuple[object, ...]:
    return ("watch", data, "--model", MODEL, "--date", "seen_on", "--device", "cpu")


def test_the_command_shows_every_month_and_leaves_training_patients_out(
    camlif: Command, data: Path
) -> None:
    run = camlif(*_arguments(data), "--json")
    assert run.status == 0, run.err
    found = json.loads(run.out)
    assert (found["n_training"], found["n_patients"]) == (2, 58)
    months = {month["month"]: month for month in found["months"]}
    assert [months[f"2025-0{m}"]["n_patients"] for m in range(1, 6)] == [29, 0, 0, 29, 0]
    assert months["2025-02"]["stability"]["pathology"] is None
    assert months["2025-01"]["stability"]["pathology"] > 0
    last = found["months"][-1]
    assert 0 < last["low"] <= last["expected"] < last["high"]
    assert last["c_index_low"] < last["c_index"] < last["c_index_high"]


def test_alarms_fail_only_where_that_is_asked_for(camlif: Command, data: Path) -> None:
    table = data / "pathology.csv"
    before = table.read_text()
    scaled = pd.read_csv(table)
    scaled.iloc[:, 1:] *= 1.5
    scaled.to_csv(table, index=False)
    run = camlif(*_arguments(data), "--fail-on-alarm")
    table.write_text(before)
    assert run.status == 1
    assert "Alarm in 2025-01, since about 2025-01: pathology has other values" in run.out
    assert "at most 5 of 100 first years bring an alarm" in run.out


def test_a_column_that_is_not_there_is_an_error(camlif: Command, data: Path) -> None:
    run = camlif("watch", data, "--model", MODEL, "--date", "day", "--device", "cpu")
    assert run.status == 2
    assert "clinical.csv, column day: There is no column day. Columns of dates: seen_on." in run.err
