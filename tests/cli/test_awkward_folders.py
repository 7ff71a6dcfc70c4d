"""Folders laid out as public studies are: what ``check`` says, and what is trained or scored.

The folders lie beside the checkout, each with what is expected of it; nothing of them is kept here.
Durations are those of their tables, at 30.4375 days a month.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from camlif.data.reading.durations import DAYS_PER_MONTH
from camlif.data.reading.readers import load_cohort
from tests.cli.conftest import Command

PROJECT = Path(__file__).resolve().parents[2]
CASES = PROJECT.parent / "shared" / "cases"
SAMPLE = PROJECT / "sample_data" / "glioma"
MODEL = PROJECT / "models" / "glioma"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the folders are not here")


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What becomes of a folder once its questions are answered.

    Attributes
    ----------
    asked : tuple of str
        Columns named in the errors that stop it at first; empty where it is read at once.
    answers : tuple of str
        Flags that answer them.
    says : tuple of str
        What must be told in any case.
    patients, events, median : numbers
        The median of the times, in months.
    tables : mapping of modality to number of columns
    inputs : tuple of str
        Clinical columns that a model may read.
    """

    asked: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    patients: int = 60
    events: int = 33
    median: float = 23.64
    tables: dict[str, int] = field(default_factory=lambda: {"ct": 6, "rna": 6})
    inputs: tuple[str, ...] = ("age", "sex")


STAGES = ("clinical.T.Stage", "Clinical.N.Stage", "Clinical.M.Stage", "Overall.Stage")
FOLDERS = {
    "cgga_os_is_time": Expected(
        asked=("OS",), answers=("unit=days",), says=("Read as event: 1; as no event: 0",),
        patients=40, events=20, median=515.5 / DAYS_PER_MONTH, tables={"mrna": 4},
        inputs=("age", "sex", "PRS_type"),
    ),
    "clinical_leak_names": Expected(
        says=("28 columns are no clinical inputs", "DAYS_LAST_FOLLOWUP", "futime", "fustat",
              "year_of_death", "tumor_status", "OSstatus"),
        patients=40, events=20, median=950 / 30,
    ),
    "datahub_study": Expected(
        says=("data_timeline_treatment.txt", "data_gene_panel_matrix.txt", "data_sv.txt"),
        patients=50, events=26, median=24.36,
        tables={"data_cna": 6, "data_mrna_seq_v2_rsem": 6, "data_mutations": 2},
        inputs=("sex", "ONCOTREE_CODE"),
    ),
    "dates_only": Expected(
        says=("date_of_death where the event was, else date_last_follow_up, from date_of_diag",),
        median=719.5 / DAYS_PER_MONTH,
    ),
    "feature_outcome_leak": Expected(says=("23 columns are no features",)),
    "gdc_dashes": Expected(
        says=("pack_years (40)", "ajcc_pathologic_stage (15)"),
        inputs=("age", "sex", "pack_years", "ajcc_pathologic_stage"),
    ),
    "gdc_last_follow_up": Expected(
        says=("days_to_death where the event was, else days_to_last_follow_up",),
        median=709.5 / DAYS_PER_MONTH,
    ),
    "gdc_two_ids": Expected(
        says=("column submitter_id", "age_at_diagnosis is an age in days"),
        patients=40, events=20, median=515.5 / DAYS_PER_MONTH, tables={"ct": 4, "rna": 4},
    ),
    "gene_nhs": Expected(
        patients=40, events=20, median=515.5 / DAYS_PER_MONTH,
        tables={"ct": 4, "data_mrna_seq_v2_rsem": 4}, inputs=(),
    ),
    "lung1_names": Expected(
        asked=("Survival.time",), answers=("unit=days",),
        patients=80, events=73, median=370.5 / DAYS_PER_MONTH,
        tables={"genomics": 6, "radiomics": 6},
        inputs=("age", "sex", "Histology", *STAGES),
    ),
    "normals_first": Expected(
        says=("5 of normal tissue",), events=29, median=20.585, tables={"HiSeqV2": 8, "ct": 6}
    ),
    "row_names_as_features": Expected(
        says=("column row names", "column X", "column rownames", "column index"),
        median=14.5, tables=dict.fromkeys("abcde", 4),
    ),
    "star_counts_annotation": Expected(
        says=("gene_name, gene_type",), events=29, median=20.585, tables={"ct": 6, "tpm": 8}
    ),
    "thousands_separator": Expected(
        says=("survival_days",), patients=40, events=20, median=950 / DAYS_PER_MONTH
    ),
}  # fmt: skip


def answers(expected: Expected) -> list[str]:
    return [word for flag in expected.answers for word in ("--repair", flag)]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_is_read_as_it_was_meant_or_asked_about(
    camlif: Command, name: str, tmp_path: Path
) -> None:
    expected, manifest = FOLDERS[name], tmp_path / "cohort.toml"
    first = camlif("check", CASES / name, "--json")
    report = json.loads(first.out)
    errors = [p["column"] for p in report["problems"] if p["severity"] == "error"]
    assert errors == list(expected.asked)
    assert first.status == (2 if expected.asked else 0)
    told = camlif("check", CASES / name).out
    assert [words for words in expected.says if words not in told] == []

    second = camlif(
        *("check", CASES / name, *answers(expected)), *("--write-manifest", manifest, "--json")
    )
    assert second.status == 0, second.err
    assert set(json.loads(second.out)["clinical_inputs"]) == set(expected.inputs)
    cohort = load_cohort(CASES / name, manifest=manifest)
    assert cohort.event is not None
    assert (len(cohort), int(cohort.event.sum())) == (expected.patients, expected.events)
    assert cohort.duration is not None
    assert np.median(cohort.duration) == pytest.approx(expected.median, rel=1e-6)
    assert {m.name: len(m.columns) for m in cohort.schema.modalities} == expected.tables


def test_tables_of_formats_that_are_not_read_are_named_with_how_to_convert_them(
    camlif: Command,
) -> None:
    run = camlif("check", CASES / "old_formats")
    for file, read in (("dta", "stata"), ("sav", "spss"), ("xls", "excel"), ("xpt", "sas")):
        (line,) = [line for line in run.out.splitlines() if f"E-01 clinical.{file}" in line]
        assert f"x = pd.read_{read}('table.{file}'" in line
    assert "clinical=" not in run.out, "a table of features was offered as the clinical one"


def test_normal_tissue_gives_no_patient_a_value() -> None:
    cohort = load_cohort(CASES / "normals_first")
    assert cohort.tables["HiSeqV2"].min() > -9


def test_ages_in_days_become_years() -> None:
    ages = load_cohort(CASES / "gdc_two_ids").clinical["age"]
    assert 40 < ages.min() < ages.max() < 80


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n, e in FOLDERS.items() if len(e.tables) > 1])
def test_a_model_is_trained_on_a_folder(camlif: Command, name: str, tmp_path: Path) -> None:
    expected, manifest = FOLDERS[name], tmp_path / "cohort.toml"
    camlif("check", CASES / name, *answers(expected), "--write-manifest", manifest)
    run = camlif(
        *("train", CASES / name, "--out", tmp_path / "m", "--manifest", manifest),
        *("--splits", 2, "--split-scheme", "monte-carlo", "--epochs", 1, "--width", 8),
        *("--clinical", "all", "--device", "cpu", "--processes", 1, "--json"),
    )
    assert run.status == 0, run.err
    data = json.loads(run.out)["data"]
    assert (data["n_patients"], data["n_events"]) == (expected.patients, expected.events)


def test_a_sex_or_an_age_written_otherwise_changes_no_risk(camlif: Command, tmp_path: Path) -> None:
    make = CASES / "unseen_level_and_age_unit" / "make.py"
    subprocess.run([sys.executable, make, SAMPLE], cwd=tmp_path, check=True)
    risks = {}
    for name in ("ok", "Male", "days"):
        out = tmp_path / f"{name}.csv"
        run = camlif("score", tmp_path / name, "--model", MODEL, "--out", out)
        assert run.status == 0, run.err
        with out.open(newline="", encoding="utf-8") as file:
            risks[name] = [float(row["log_risk"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(risks["Male"], risks["ok"], rtol=0, atol=1e-6)
    # Whole days round an age by half a day.
    np.testing.assert_allclose(risks["days"], risks["ok"], rtol=0, atol=1e-3)
