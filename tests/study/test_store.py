"""A study's folder: what is written is read back, and what must not change is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from camlif.data.splits import Splits, make_splits
from camlif.exceptions import ArtifactError, ConfigError
from camlif.statistics import SplitPValues
from camlif.study import read_study, store
from camlif.study.records import (
    FAILED_COLUMNS,
    CohortFacts,
    Comparison,
    NotApplicable,
    StudySettings,
    StudySummary,
    VariantSummary,
)

IDS = np.array([f"00{i}" for i in range(20)])
SETTINGS = StudySettings(data="somewhere", methods=("paper",), splits=5, clinical=("age",))
FACTS = CohortFacts(
    title="Twenty",
    badge="synthetic",
    profile="glioma",
    endpoint="overall survival",
    event_noun="death",
    event_free="alive",
    subtype_column=None,
    grade_column="grade",
    digest="abc",
    modalities={"rna": 3},
    n_patients=20,
    n_events=10,
    n_without_outcome=1,
    n_incomplete=2,
    n_never_tested=0,
    oracle_c_index=0.8,
)
ROW = VariantSummary(
    method="camlif",
    variant="default",
    head="matched",
    family="camlif",
    title="CA-MLIF",
    n_splits=1,
    mean=0.7,
    sd=None,
    low=None,
    high=None,
    half_width=None,
    strict_mean=0.7,
    ipcw_mean=None,
    ibs_mean=0.2,
    auc_means={"12": None, "36": 0.7, "60": 0.71},
    p_values=SplitPValues(over_splits=None, n_splits=0, unique=0.01, pooled=0.001),
    comparison=None,
    parameters=12,
    seconds=1.5,
    printed={"luad": 0.719},
)
SUMMARY = StudySummary(
    reference="CA-MLIF",
    rows=(
        ROW,
        replace(
            ROW,
            variant="w/o CA",
            comparison=Comparison(
                n_splits=1, wins=0, losses=1, difference=-0.1, low=None, high=None, p_value=None
            ),
        ),
    ),
    not_applicable=(
        NotApplicable(
            method="multicofusion",
            variant="multicofusion",
            head="matched",
            family="rival",
            title="MultiCoFusion",
            reason="no grade",
        ),
    ),
    n_cells=2,
    n_done=1,
    n_failed=1,
    notes=("A note.",),
)


def _splits() -> Splits:
    return make_splits(IDS, np.arange(20) % 2 == 0, n_splits=5, seed=0)


def _results(variant: str = "default") -> pd.DataFrame:
    row = {"method": "camlif", "variant": variant, "head": "matched", "family": "camlif"}
    numbers = {"split": 0, "seed": 0, "n_train": 16, "n_test": 4, "events": 2}
    measures = {"c_index": 1 / 3, "c_index_strict": 0.3, "ipcw_c": np.nan, "ibs": 0.1 + 0.2}
    times = {"auc_12": np.nan, "auc_36": 0.5, "auc_60": 0.6, "train_median": -1e-9}
    cost = {"parameters": 12.0, "seconds": 1.5}
    return pd.DataFrame([row | {"title": "CA-MLIF"} | numbers | measures | times | cost])


def _risks(variant: str = "default") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "method": "camlif",
            "variant": variant,
            "head": "matched",
            "split": 0,
            "patient_id": IDS[:4],
            "log_risk": [1 / 3, -1.0, 0.0, 2.0],
        }
    )


def _written(home: Path) -> Path:
    store.open_study(home, SETTINGS, FACTS, _splits())
    store.plan(home, SETTINGS, FACTS, ["one", "two"])
    store.write_cell(home, "one", _results(), _risks())
    results, risks = store.read_cells(home, ["one"])
    failed = pd.DataFrame(
        [["two", "camlif", "w/o CA", "matched", 0, 4, "It broke, twice."]],
        columns=list(FAILED_COLUMNS),
    )
    store.write_tables(home, results=results, risks=risks, failed=failed, summary=SUMMARY)
    return home


def test_a_study_is_read_as_it_was_written(tmp_path: Path) -> None:
    study = read_study(_written(tmp_path / "mine"))
    assert study.name == "mine"
    assert study.settings == SETTINGS
    assert study.cohort == FACTS
    assert study.summary == SUMMARY
    assert study.complete
    np.testing.assert_array_equal(study.splits.test, _splits().test)
    pd.testing.assert_frame_equal(study.results, _results(), check_exact=True)
    pd.testing.assert_frame_equal(study.risks, _risks(), check_exact=True)
    assert study.failed["reason"].tolist() == ["It broke, twice."]
    assert study.risks["patient_id"].tolist() == ["000", "001", "002", "003"]


def test_rows_of_a_variant_are_found(tmp_path: Path) -> None:
    home = _written(tmp_path)
    study = read_study(home)
    assert len(study.variant_risks("camlif", "default")) == 4
    assert study.variant_risks("camlif", "default", "native").empty
    assert study.summary.row("camlif", "w/o CA") == SUMMARY.rows[1]
    assert study.summary.row("camlif", "other") is None


def test_a_cell_counts_as_finished_only_with_its_results(tmp_path: Path) -> None:
    home = _written(tmp_path)
    (home / "cells" / "three.parquet").write_bytes((home / "cells" / "one.parquet").read_bytes())
    assert store.finished_cells(home) == {"one"}


def test_methods_may_be_added_to_a_study(tmp_path: Path) -> None:
    home = _written(tmp_path)
    more = replace(SETTINGS, methods=("classical", "paper"), heads="native")
    merged = store.open_study(home, more, FACTS, _splits())
    assert merged.methods == ("paper", "classical")
    assert merged.heads == "both"
    assert store.plan(home, merged, FACTS, ["two", "three"]) == ("one", "two", "three")


@pytest.mark.parametrize(
    "change",
    [
        {"splits": 10},
        {"scheme": "monte_carlo"},
        {"seed": 1},
        {"clinical": ()},
        {"gaps": True},
        {"epochs": 2},
        {"select_top": 50},
        {"probabilities": "in_sample"},
    ],
)
def test_a_changed_protocol_is_refused_by_name(tmp_path: Path, change: dict[str, object]) -> None:
    home = _written(tmp_path)
    with pytest.raises(ConfigError, match=f"other settings: {next(iter(change))} "):
        store.open_study(home, replace(SETTINGS, **change), FACTS, _splits())  # type: ignore[arg-type]


def test_other_data_are_refused(tmp_path: Path) -> None:
    home = _written(tmp_path)
    with pytest.raises(ConfigError, match="other data"):
        store.open_study(home, SETTINGS, replace(FACTS, digest="abd"), _splits())


def test_a_folder_without_a_study_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="holds no study"):
        read_study(tmp_path)


@pytest.mark.parametrize("name", ["study.json", "results.csv", "risks.parquet", "summary.json"])
def test_a_damaged_file_gives_one_error(tmp_path: Path, name: str) -> None:
    home = _written(tmp_path)
    (home / name).write_text("{")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_study(home)


def test_a_study_of_a_later_version_is_refused(tmp_path: Path) -> None:
    home = _written(tmp_path)
    header = json.loads((home / "study.json").read_text())
    (home / "study.json").write_text(json.dumps(header | {"format": 99}))
    with pytest.raises(ArtifactError, match="later version"):
        read_study(home)


def test_no_part_files_are_left(tmp_path: Path) -> None:
    home = _written(tmp_path)
    assert not [path for path in home.rglob("*") if path.name.endswith(".part")]


def test_a_study_of_before_inner_risks_is_read_as_what_it_is() -> None:
    earlier = SETTINGS.to_json()
    del earlier["probabilities"]
    settings = StudySettings.from_json(earlier)
    assert settings == replace(SETTINGS, probabilities="in_sample")
    assert StudySettings.from_json(SETTINGS.to_json()) == SETTINGS
    assert settings.protocol != SETTINGS.protocol
