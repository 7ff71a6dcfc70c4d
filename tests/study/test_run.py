"""Running a study: same folds for all, resuming, failures, extension."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from camlif.config import NetworkConfig, RunConfig, TrainConfig
from camlif.data.splits import make_splits
from camlif.exceptions import ConfigError, SchemaError
from camlif.model.card import split_c_indices
from camlif.model.fit import train
from camlif.progress import Progress
from camlif.statistics import concordance_index
from camlif.statistics.calibration import cross_fit_parts
from camlif.study import Study, cells, run, store
from camlif.study.cells import Cell, CellOutcome, StudyData, split_seed
from camlif.study.methods import catalogue
from camlif.study.records import RESULT_COLUMNS, RISK_COLUMNS, StudySettings
from camlif.study.run import Where, run_study
from tests.builders.cohorts import make_cohort
from tests.study.tiny import SERIAL, TINY, tiny_cohort, tiny_study

QUICK = replace(TINY, methods=("km",))


def test_results_and_risks_are_tidy(tiny: Study) -> None:
    assert tuple(tiny.results.columns) == RESULT_COLUMNS
    assert tuple(tiny.risks.columns) == RISK_COLUMNS
    assert tiny.complete
    keys = tiny.results[["method", "variant", "head"]].drop_duplicates().to_numpy().tolist()
    assert keys == [
        ["camlif", "default", "matched"],
        ["camlif", "no_ca", "matched"],
        ["unimodal", "ct", "matched"],
        ["cox_clinical", "cox_clinical", "own"],
    ]
    assert tiny.results.groupby("title")["split"].apply(list).tolist() == [list(range(5))] * 4


def test_every_method_is_tested_on_the_folds_of_the_file(tiny: Study) -> None:
    for (_, split), risks in tiny.risks.groupby(["variant", "split"]):
        tested = tiny.splits.patient_ids[tiny.splits.test[split]]
        assert risks["patient_id"].tolist() == tested.tolist()


def results_of(study: Study, *key: str) -> pd.DataFrame:
    """Rows of one method, variant and head, by split."""
    return study.results.set_index(["method", "variant", "head", "split"]).sort_index().loc[key]


def test_the_c_index_is_that_of_the_stored_risks(tiny: Study) -> None:
    cohort = tiny_cohort()
    row_of = {patient: row for row, patient in enumerate(cohort.patient_ids.tolist())}
    assert cohort.event is not None
    assert cohort.duration is not None
    for (method, variant, head, split), risks in tiny.risks.groupby(
        ["method", "variant", "head", "split"]
    ):
        rows = [row_of[patient] for patient in risks["patient_id"]]
        found = results_of(tiny, method, variant, head).loc[split]
        expected = concordance_index(risks["log_risk"], cohort.event[rows], cohort.duration[rows])
        assert found["c_index"] == pytest.approx(expected, abs=1e-12)
        assert found["events"] == cohort.event[rows].sum()
        assert (found["n_train"], found["n_test"]) == (120 - len(rows), len(rows))


def test_inner_risks_are_of_models_that_saw_neither_the_patient_nor_the_test_part() -> None:
    cohort = tiny_cohort().select(clinical=("age",))
    event, duration = cohort.outcome()
    splits = make_splits(cohort.patient_ids, event, n_splits=5)
    variant = next(v for v in catalogue(TINY, cohort.schema) if v.method == "cox_clinical")
    cell = Cell(variant=variant, first=0, last=1)

    def inner(months: NDArray[np.float64]) -> NDArray[np.float64]:
        changed = replace(cohort, duration=months)
        return cells.inner_risk(cell, StudyData(cohort=changed, splits=splits, seed=0))

    found = inner(duration)
    assert (np.isnan(found) == splits.test[:2].T).all()
    garbage = np.random.default_rng(0).permutation(duration)
    for row in range(2):
        other = inner(np.where(splits.test[row], garbage, duration))
        np.testing.assert_array_equal(other[:, row], found[:, row])
    trained = np.flatnonzero(~splits.test[0])
    part = cross_fit_parts(event[trained], seed=split_seed(0, 0), parts=2)
    half = np.isin(np.arange(len(event)), trained[part == 0])
    other = inner(np.where(half, garbage, duration))[:, 0]
    np.testing.assert_array_equal(other[half], found[half, 0])
    rest = ~half & ~splits.test[0]
    assert (other[rest] != found[rest, 0]).any()


def test_the_default_row_is_what_train_gives(tiny: Study) -> None:
    cohort = tiny_cohort().select(clinical=("age",))
    config = RunConfig(network=NetworkConfig(), training=TrainConfig(splits=5, epochs=2))
    bundle = train(cohort, config, device="cpu")
    members = bundle.ensemble.predict(bundle.prepare(cohort)).log_risk
    expected = split_c_indices(members, cohort, tiny.splits.test)
    np.testing.assert_array_equal(
        results_of(tiny, "camlif", "default", "matched")["c_index"], expected
    )


def test_a_finished_study_is_not_computed_again(
    tiny: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "run_cell", _never)
    seen: list[Progress] = []
    again = run_study(tiny_cohort(), TINY, tiny.path, where=SERIAL, progress=seen.append)
    pd.testing.assert_frame_equal(again.results, tiny.results)
    assert [(p.step, p.total) for p in seen] == [(0, 0)]


def _never(cell: Cell, data: StudyData) -> CellOutcome:
    raise AssertionError(f"{cell.key} was computed again")


@pytest.mark.slow
def test_an_interrupted_study_goes_on_to_the_same_numbers(tiny: Study, tmp_path: Path) -> None:
    home = tmp_path / "part"
    seen: list[Progress] = []

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if progress.step == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(tiny_cohort(), TINY, home, where=SERIAL, progress=stop)
    part = store.read_study(home)
    assert not part.complete
    assert part.results["variant"].unique().tolist() == ["default"]
    assert (seen[-1].step, seen[-1].total) == (1, 4)
    assert seen[-1].eta_seconds is not None
    whole = tiny_study(home)
    assert whole.complete
    pd.testing.assert_frame_equal(whole.risks, tiny.risks, check_exact=True)


def test_numbers_do_not_depend_on_the_other_methods(tiny: Study, tmp_path: Path) -> None:
    alone = tiny_study(tmp_path, methods=("unimodal:ct",))
    pd.testing.assert_frame_equal(
        alone.risks,
        tiny.variant_risks("unimodal", "ct").reset_index(drop=True),
        check_exact=True,
    )
    (row,) = alone.summary.rows
    assert row.comparison is None
    assert row.verdict == "Not compared: CA-MLIF has no split in common."


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A catalogue whose constant model fails."""
    with monkeypatch.context() as patch:
        patch.setattr("camlif.study.cells.split_measures", _broken)
        yield patch


def _broken(*arguments: object, **options: object) -> dict[str, float]:
    raise ValueError("a risk\nhas no meaning")


def test_a_failed_cell_is_recorded_and_the_rest_goes_on(
    tmp_path: Path, broken: pytest.MonkeyPatch
) -> None:
    failed = run_study(tiny_cohort(), QUICK, tmp_path, where=SERIAL)
    assert failed.results.empty
    assert failed.failed["reason"].tolist() == ["ValueError: a risk has no meaning"]
    assert failed.failed["cell"].tolist() == ["km.km.own.00-04"]
    assert failed.summary.n_failed == 1
    assert failed.complete
    broken.undo()
    more = run_study(
        tiny_cohort(), replace(QUICK, methods=("km", "cox_clinical")), tmp_path, where=SERIAL
    )
    assert more.results["method"].unique().tolist() == ["cox_clinical"]
    assert more.summary.n_failed == 1
    mended = run_study(tiny_cohort(), QUICK, tmp_path, where=SERIAL, retry_failed=True)
    assert mended.failed.empty
    assert not (tmp_path / "failed.csv").exists()
    assert set(mended.results["method"]) == {"km", "cox_clinical"}


def test_a_retry_that_fails_again_is_recorded_once(
    tmp_path: Path, broken: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        found = run_study(tiny_cohort(), QUICK, tmp_path, where=SERIAL, retry_failed=True)
    assert len(found.failed) == 1


def test_the_constant_model_is_at_one_half(tmp_path: Path) -> None:
    found = run_study(tiny_cohort(), QUICK, tmp_path, where=SERIAL)
    assert (found.results["c_index"] == 0.5).all()
    assert (found.results["c_index_strict"] == 0).all()
    assert found.results["ibs"].between(0.05, 0.4).all()


@pytest.mark.slow
def test_methods_that_know_no_entry_are_not_run_on_late_patients(tmp_path: Path) -> None:
    cohort = tiny_cohort(100)
    late = replace(cohort, entry=0.6 * cohort.duration * (np.arange(100) % 2 == 0))
    methods = ("km", "cox_ridge", "cox_enet", "late_stack", "random_survival_forest", "mcat")
    settings = replace(TINY, methods=methods, heads="both", epochs=1)
    found = run_study(late, settings, tmp_path, where=SERIAL)
    refused = {n.variant: n.reason for n in found.summary.not_applicable}
    assert set(refused) == {"random_survival_forest", "mcat"}
    assert all("from time zero" in reason for reason in refused.values())
    done = {(row.method, row.head) for row in found.summary.rows}
    assert done == {
        ("km", "own"),
        ("cox_ridge", "own"),
        ("cox_enet", "own"),
        ("late_stack", "own"),
        ("mcat", "matched"),
    }
    assert found.failed.empty
    risks = found.variant_risks("cox_ridge", "cox_ridge", "own")
    first = risks[risks["split"] == 0]
    rows = [int(name[1:]) for name in first["patient_id"]]
    followed = late.follow_up(rows)
    expected = concordance_index(
        first["log_risk"], followed.event, followed.duration, entry=followed.entry
    )
    own = found.results.query("method == 'cox_ridge' and split == 0")["c_index"].item()
    assert own == pytest.approx(expected)
    ignored = concordance_index(first["log_risk"], followed.event, followed.duration)
    assert own != pytest.approx(ignored)


def test_what_cannot_take_the_cohort_is_listed_with_the_reason(tmp_path: Path) -> None:
    cohort = make_cohort(60, {"rna": (4,)})
    settings = StudySettings(data="one", methods=("default", "km", "no_clinical"), splits=5)
    found = run_study(cohort, settings, tmp_path, where=SERIAL)
    reasons = {n.variant: n.reason for n in found.summary.not_applicable}
    assert "fuses two modalities" in reasons["default"]
    assert reasons["no_clinical"] == "The study has no clinical inputs."
    assert found.results["method"].unique().tolist() == ["km"]
    assert found.complete


def test_incomplete_patients_are_left_out_and_counted(tmp_path: Path) -> None:
    cohort = make_cohort(120, gaps=0.2, clinical=True)
    whole = int(cohort.presence.all(axis=1).sum())
    out = run_study(cohort, QUICK, tmp_path / "complete", where=SERIAL)
    kept = run_study(cohort, replace(QUICK, gaps=True), tmp_path / "gaps", where=SERIAL)
    assert 0 < whole < 120
    assert (out.cohort.n_patients, out.cohort.n_incomplete) == (whole, 120 - whole)
    assert kept.cohort.n_patients == 120
    assert any("left out for every method" in note for note in out.summary.notes)


def test_first_splits_can_be_extended_to_all(tmp_path: Path) -> None:
    settings = replace(QUICK, splits=10)
    first = run_study(tiny_cohort(), settings, tmp_path, where=SERIAL, use_splits=3)
    assert first.results["split"].tolist() == [0, 1, 2]
    assert first.complete
    every = run_study(tiny_cohort(), settings, tmp_path, where=SERIAL)
    assert every.results["split"].tolist() == list(range(10))
    pd.testing.assert_frame_equal(every.results.head(3), first.results)
    cells = sorted(path.stem for path in (tmp_path / "cells").glob("*.json"))
    assert [cell.rpartition(".")[2] for cell in cells] == ["00-02", "03-07", "08-09"]


def test_too_many_first_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="5 splits; 6"):
        run_study(tiny_cohort(), QUICK, tmp_path, where=SERIAL, use_splits=6)


def test_other_patients_are_refused(tmp_path: Path) -> None:
    run_study(tiny_cohort(), QUICK, tmp_path, where=SERIAL)
    with pytest.raises(ConfigError, match="other data"):
        run_study(tiny_cohort(121), QUICK, tmp_path, where=SERIAL)


def test_an_unknown_clinical_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="weight"):
        run_study(tiny_cohort(), replace(QUICK, clinical=("weight",)), tmp_path, where=SERIAL)


def test_the_folder_says_what_the_study_was(tiny: Study) -> None:
    header = json.loads((tiny.path / "study.json").read_text())
    assert header["cohort"]["n_patients"] == 120
    assert header["cohort"]["digest"] == tiny_cohort().select(clinical=("age",)).digest
    assert header["environment"]["torch"]
    assert len(header["planned"]) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "cloud"}, "Unknown backend"),
        ({"address": "somewhere:1"}, "names a cluster"),
    ],
)
def test_a_place_that_cannot_be_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Where(**options)  # type: ignore[arg-type]
