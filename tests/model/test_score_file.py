"""A score file that is written block by block, interrupted and gone on with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import camlif.model.bundle
from camlif.data.cohort import Cohort
from camlif.exceptions import SchemaError
from camlif.model.bundle import Bundle
from camlif.model.score_file import write_scores
from camlif.wording import to_csv
from tests.builders.bundles import new_patients, tiny_bundle
from tests.builders.faults import DONE, FAILED, KILLED, SURVIVED, each_cut
from tests.model.test_matching import renamed

BLOCK = 8


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camlif.model.bundle, "BLOCK", BLOCK)


def started(bundle: Bundle, cohort: Cohort, out: Path, *, patients: int) -> None:
    """Score until so many patients are written, then break off."""

    def stop(done: int, _: int) -> None:
        if done >= patients:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_scores(bundle, cohort, out, progress=stop)
    assert not out.exists()


def rest(bundle: Bundle, cohort: Cohort, out: Path) -> list[int]:
    """Score again; return the patients done after each block."""
    told: list[int] = []
    write_scores(bundle, cohort, out, progress=lambda done, _: told.append(done))
    return told


def test_the_file_is_the_table_of_all_patients_and_nothing_else_is_left(tmp_path: Path) -> None:
    bundle, cohort = tiny_bundle(), new_patients()

    written = write_scores(bundle, cohort, tmp_path / "risk.csv")

    result = bundle.score(cohort, embed=False)
    assert (tmp_path / "risk.csv").read_text("utf-8") == to_csv(result.table)
    assert [p.name for p in tmp_path.iterdir()] == ["risk.csv"]
    assert (written.patients, written.scored) == (len(cohort), int(result.scored.sum()))
    assert written.heldout == written.unclear == 0


@pytest.mark.parametrize("torn", [b"", b"P9999,0.1"])
def test_after_an_interruption_it_goes_on_and_gives_the_same_file(
    torn: bytes, tmp_path: Path
) -> None:
    bundle, cohort, out = tiny_bundle(), new_patients(), tmp_path / "risk.csv"
    write_scores(bundle, cohort, tmp_path / "whole.csv")
    started(bundle, cohort, out, patients=2 * BLOCK)
    with (tmp_path / ".risk.csv.part").open("ab") as file:
        file.write(torn)

    assert rest(bundle, cohort, out)[0] == 3 * BLOCK
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize("fault", ["kill", "full disk"])
def test_wherever_writing_ends_the_file_of_before_stays_and_the_next_call_completes_it(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, cohort, out = tiny_bundle(), new_patients(), tmp_path / "risk.csv"
    write_scores(bundle, cohort, tmp_path / "whole.csv")
    whole = (tmp_path / "whole.csv").read_bytes()
    blocks = list(bundle.score_blocks(cohort, embed=False))
    digest = bundle.digest  # both before the fork: torch's threads do not live in a forked process
    monkeypatch.setattr(Bundle, "digest", digest)
    monkeypatch.setattr(Bundle, "score_blocks", lambda *_, start, **__: blocks[start // BLOCK :])

    out.write_bytes(b"before")
    for status in each_cut(lambda: write_scores(bundle, cohort, out), tmp_path, fault):  # type: ignore[arg-type]
        assert out.read_bytes() in (b"before", whole)
        write_scores(bundle, cohort, out)
        assert out.read_bytes() == whole
        out.write_bytes(b"before")
        assert status in ((KILLED, DONE) if fault == "kill" else (FAILED, SURVIVED, DONE))


def test_what_another_cohort_or_model_has_begun_is_not_gone_on_with(tmp_path: Path) -> None:
    bundle, cohort, out = tiny_bundle(), new_patients(), tmp_path / "risk.csv"
    started(bundle, cohort, out, patients=BLOCK)
    other = cohort.take(range(len(cohort) - 1, -1, -1))
    assert rest(bundle, other, out)[0] == BLOCK

    started(bundle, cohort, out.with_name("b.csv"), patients=BLOCK)
    changed = replace(bundle, reference=replace(bundle.reference, mean=9.0))
    assert rest(changed, cohort, out.with_name("b.csv"))[0] == BLOCK


@pytest.mark.parametrize("state", ["", "[]", json.dumps({"key": 1, "more": 2})])
def test_a_damaged_state_means_to_begin_anew(state: str, tmp_path: Path) -> None:
    bundle, cohort, out = tiny_bundle(), new_patients(), tmp_path / "risk.csv"
    started(bundle, cohort, out, patients=BLOCK)
    (tmp_path / ".risk.csv.json").write_text(state)

    assert rest(bundle, cohort, out)[0] == BLOCK


def test_a_part_that_was_lost_or_cut_means_to_begin_anew(tmp_path: Path) -> None:
    bundle, cohort, out = tiny_bundle(), new_patients(), tmp_path / "risk.csv"
    started(bundle, cohort, out, patients=BLOCK)
    (tmp_path / ".risk.csv.part").write_bytes(b"patient_id")

    assert rest(bundle, cohort, out)[0] == BLOCK


def test_a_cohort_that_cannot_be_scored_leaves_no_file(tmp_path: Path) -> None:
    cohort = renamed(new_patients(), "ct", ct_1_1="hounsfield")

    with pytest.raises(SchemaError):
        write_scores(tiny_bundle(), cohort, tmp_path / "risk.csv")

    assert not list(tmp_path.iterdir())
