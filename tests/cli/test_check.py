"""``check``: what it proposes, and the same repairs as the page by a flag."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from camlif.cli.commands import main
from camlif.data.manifest import read_manifest
from camlif.data.reading.readers import load_cohort

CLINICAL = "patient_id,time,status,first_name\npat1,900,2,A\npat2,300,1,B\npat3,20,2,C\n"
CT = "patient_id,v,w\npat1,1,2\npat2,2,3\npat3,4,4\npat3,6,6\n"
FLAGS = ("unit=days", "event=2", "drop=first_name", "duplicates=average")


class Run(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Run]:
    """Run ``check`` in this process and return its status and output."""

    def run(*arguments: object) -> Run:
        monkeypatch.setattr(sys, "argv", ["camlif", "check", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return Run(int(caught.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cohort folder with four problems."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "clinical.csv").write_text(CLINICAL)
    (data / "ct.csv").write_text(CT)
    return data


def repairs(*flags: str) -> list[str]:
    return [word for flag in flags for word in ("--repair", flag)]


def test_feature_groups_are_printed(check: Callable[..., Run], folder: Path) -> None:
    assert "feature groups of ct: ct (2)" in check(folder, *repairs(*FLAGS)).out


def test_every_problem_is_printed_with_the_flags_that_mend_it(
    check: Callable[..., Run], folder: Path
) -> None:
    run = check(folder)
    assert run.status == 2
    lines = run.out.splitlines()
    for code, flag in zip(("E-09", "E-11", "E-17", "E-06"), FLAGS, strict=True):
        (at,) = [i for i, line in enumerate(lines) if f"error {code}" in line]
        assert lines[at + 1].strip().startswith("--repair ")
        assert flag in lines[at + 1]
    assert "event: status in clinical.csv (inferred, confirm), because of its name" in lines


def test_repairs_make_the_folder_usable_and_are_listed(
    check: Callable[..., Run], folder: Path
) -> None:
    run = check(folder, *repairs(*FLAGS))
    assert run.status == 0
    assert run.out.splitlines()[-1] == "usable"
    for flag in FLAGS:
        assert f"repaired {flag}: " in run.out


def test_the_written_mapping_gives_the_mended_cohort_to_every_command(
    check: Callable[..., Run], folder: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "mended.toml"
    assert check(folder, *repairs(*FLAGS), "--write-manifest", saved).status == 0

    cohort = load_cohort(folder, manifest=read_manifest(saved))

    assert cohort.event is not None
    assert cohort.event.tolist() == [True, False, True]
    assert cohort.tables["ct"][2].tolist() == [5, 5]
    assert check(folder, "--manifest", saved).status == 0
    (folder / "cohort.toml").write_text(saved.read_text())
    assert load_cohort(folder).digest == cohort.digest
    assert check(folder).status == 0


def test_programs_get_repairs_done_and_repairs_possible(
    check: Callable[..., Run], folder: Path
) -> None:
    run = check(folder, *repairs("unit=days"), "--json")
    found = json.loads(run.out)
    assert run.status == 2
    assert found["repaired"] == ["unit=days"]
    by_code = dict(zip((p["code"] for p in found["problems"]), found["repairs"], strict=True))
    assert by_code["E-11"] == ["event=1", "event=2"]
    assert by_code["E-17"] == ["drop=first_name"]
    unit = next(a for a in found["mapping"] if a["role"] == "unit")
    assert unit == {
        "role": "unit",
        "file": "clinical.csv",
        "chosen": ["days"],
        "confidence": "given",
        "because": "",
    }


@pytest.mark.parametrize("flag", ["unit=decades", "colour=red", "unit"])
def test_a_repair_that_nothing_needs_is_one_line_and_2(
    check: Callable[..., Run], folder: Path, flag: str
) -> None:
    run = check(folder, "--repair", flag)
    assert run.status == 2
    assert run.err.startswith(f"Nothing to repair by {flag}. Possible: unit=days, ")
    assert len(run.err.splitlines()) == 1
