"""Tables that the program wrote itself, beside a cohort's inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from camlif.data.products import PRODUCTS, product_of
from camlif.data.reading.readers import check_folder, load_cohort
from camlif.data.reading.writing import write_cohort
from camlif.data.simulator import simulate, write_simulated
from camlif.data.splits import make_splits
from camlif.explain.results import COLUMNS as CONTRIBUTIONS
from camlif.model.scoring import COLUMNS as SCORES
from camlif.study.records import FAILED_COLUMNS, RESULT_COLUMNS, RISK_COLUMNS
from dashboard.store.export import COLUMNS as RECORDS
from tests.builders.cohorts import make_cohort

WRITERS = {
    "scores of a model": SCORES,
    "contributions to scores": CONTRIBUTIONS,
    "results of a study": RESULT_COLUMNS,
    "held-out risks of a study": RISK_COLUMNS,
    "failed cells of a study": FAILED_COLUMNS,
    "records of cases": RECORDS,
}


def test_every_writer_is_known_by_its_columns() -> None:
    assert set(WRITERS) == set(PRODUCTS)
    for title, columns in WRITERS.items():
        assert product_of(columns) == title
        assert product_of([name.upper() for name in columns]) == title


def test_tables_of_others_are_no_products() -> None:
    for columns in (["patient_id", "age"], ["patient_id"], ["patient_id", "split_cell_count"]):
        assert product_of(columns) is None


@pytest.mark.parametrize("title", WRITERS)
def test_a_result_in_the_folder_is_left_out_and_said(title: str, tmp_path: Path) -> None:
    cohort = make_cohort(40, {"ct": (2, 3)}, seed=1)
    write_cohort(cohort, tmp_path)
    rows = {name: ["1"] * 40 for name in WRITERS[title]}
    table = pd.DataFrame({**rows, "patient_id": cohort.patient_ids})
    table.to_csv(tmp_path / "result.csv", index=False)
    event = np.arange(40) % 2 == 0
    make_splits(cohort.patient_ids, event, n_splits=5).write(tmp_path / "folds.csv")
    again = load_cohort(tmp_path)
    assert again.schema.names == ("ct",)
    assert again.patient_ids.tolist() == cohort.patient_ids.tolist()
    report = check_folder(tmp_path)
    assert {f.name: f.role for f in report.files}["result.csv"] == "predictions"
    said = [p.line for p in report.problems if "a result and no input" in p.line]
    assert any("result.csv" in line for line in said)
    assert any("folds.csv" in line for line in said)


def test_what_a_simulation_or_command_leaves_beside_tables_is_no_unread_table(
    tmp_path: Path,
) -> None:
    write_simulated(simulate("glioma", n_patients=40, seed=0), tmp_path)
    (tmp_path / "m.problems.json").write_text("[]", "utf-8")
    report = check_folder(tmp_path)
    assert not [p for p in report.problems if p.code == "E-01"]
