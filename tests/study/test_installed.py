"""Which folders are studies, where they are looked for, and what damaged ones say."""

from __future__ import annotations

import json
import os
from pathlib import Path

from camlif.study.installed import installed_studies
from camlif.study.store import FOLDS_FILE, RESULTS, RISKS, STUDY, SUMMARY

HEADER = {
    "settings": {"data": "glioma", "splits": 5},
    "cohort": {
        "title": "Some cohort",
        "badge": "synthetic",
        "profile": "glioma",
        "endpoint": "overall survival",
        "event_noun": "death",
        "event_free": "alive",
        "subtype_column": None,
        "grade_column": None,
        "digest": "abc",
        "modalities": {"rna": 3},
        "n_patients": 20,
        "n_events": 10,
        "n_without_outcome": 0,
        "n_incomplete": 0,
        "n_never_tested": 0,
        "oracle_c_index": None,
    },
}


def _study(folder: Path, header: str | None = None) -> Path:
    folder.mkdir(parents=True)
    for name in (FOLDS_FILE, RESULTS, RISKS, SUMMARY):
        (folder / name).touch()
    (folder / STUDY).write_text(header or json.dumps(HEADER), "utf-8")
    return folder


def test_shipped_studies_come_first_then_those_of_the_user(tmp_path: Path) -> None:
    samples, runs = tmp_path / "samples", tmp_path / "runs"
    _study(runs / "b")
    _study(runs / "20260101-000000-abcdef" / "study")
    _study(samples / "luad" / "study")
    _study(samples / "glioma" / "study")
    found = installed_studies(samples=samples, runs=runs)
    assert [entry.name for entry in found] == ["glioma", "luad", "20260101-000000-abcdef", "b"]
    assert all(entry.cohort and entry.cohort.title == "Some cohort" for entry in found)


def test_folders_without_a_finished_cell_are_no_studies(tmp_path: Path) -> None:
    (_study(tmp_path / "runs" / "begun") / SUMMARY).unlink()
    (tmp_path / "runs" / "empty").mkdir()
    assert installed_studies(samples=tmp_path / "none", runs=tmp_path / "runs") == ()


def test_no_folder_has_no_study(tmp_path: Path) -> None:
    assert installed_studies(samples=tmp_path / "a", runs=tmp_path / "b") == ()


def test_a_damaged_header_is_told(tmp_path: Path) -> None:
    _study(tmp_path / "runs" / "a", "{")
    _study(tmp_path / "runs" / "b", json.dumps({"settings": HEADER["settings"]}))
    first, second = installed_studies(samples=tmp_path, runs=tmp_path / "runs")
    assert first.cohort is second.cohort is None
    assert first.error is not None
    assert first.error.startswith("JSONDecodeError")
    assert second.error == "KeyError: 'cohort'"


def test_a_study_that_grows_has_changed(tmp_path: Path) -> None:
    folder = _study(tmp_path / "runs" / "a")
    (before,) = installed_studies(samples=tmp_path, runs=tmp_path / "runs")
    os.utime(folder / SUMMARY, (before.changed + 5, before.changed + 5))
    (after,) = installed_studies(samples=tmp_path, runs=tmp_path / "runs")
    assert after.changed == before.changed + 5
