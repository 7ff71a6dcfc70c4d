"""A file format is one entry: what reads it, what the page offers and what the README says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from camlif.data.formats import registry
from camlif.data.formats.raw import RawTable, ReadOptions, Source, unpack
from camlif.data.formats.registry import (
    FORMATS,
    PACKED,
    REFUSED,
    FileFormat,
    TableReader,
    conversion,
    format_of,
    offered_types,
    offered_words,
    without_ending,
)
from camlif.data.reading.readers import read_cohort
from tests.data.formats.seeds import CLINICAL, FEATURES, TEXTS, binaries

README = Path(__file__).resolve().parents[3] / "README.md"
COMPLETE = {"clinical.csv": CLINICAL, "ct.csv": FEATURES}


def name_of(name: str) -> str | None:
    form = format_of(name)
    return None if form is None else form.name


def readme_rows() -> dict[str, str]:
    """What the README's table of formats says is read, by its first cell."""
    section = README.read_text("utf-8").split("### Formats")[1].split("\n## ")[0]
    cells = [[c.strip() for c in line.split(" | ")] for line in section.splitlines()]
    return {row[0].removeprefix("| "): row[1] for row in cells if len(row) == 3}


def first_cell(form: FileFormat) -> str:
    names = ", ".join(ending.removeprefix(".") for ending in form.endings)
    packed = f", also {PACKED}" if form.packed else ""
    extra = f" (`pip install 'camlif[{form.extra}]'`)" if form.extra else ""
    return names + packed + extra


def test_the_readme_has_a_row_for_every_format_and_says_what_the_entry_says() -> None:
    rows = readme_rows()
    for form in FORMATS:
        assert rows[first_cell(form)] == form.about


def test_the_readme_names_no_ending_that_is_not_in_the_registry() -> None:
    known = {ending.removeprefix(".") for form in FORMATS for ending in form.endings}
    refused = ", ".join(ending.removeprefix(".") for ending in REFUSED)
    assert readme_rows()[refused].startswith("refused")
    lower = (cell for cell in readme_rows() if re.fullmatch(r"[a-z0-9]+(, [a-z0-9]+)*", cell))
    named = {name for cell in lower if cell != refused for name in cell.split(", ")}
    assert named - {"format"} <= known  # the heading


def test_every_ending_belongs_to_one_format_and_the_page_offers_it() -> None:
    endings = [ending for form in FORMATS for ending in form.endings]
    assert len(set(endings)) == len(endings)
    assert offered_types() == [e.removeprefix(".") for e in (*endings, PACKED, *REFUSED)]
    assert all(ending.removeprefix(".") in offered_words() for ending in endings)


def test_names_give_their_format_whatever_their_case_and_folder() -> None:
    assert name_of("a/CT.CSV.GZ") == "text"
    assert name_of("A.H5AD") == "h5ad"
    assert name_of("x/P1.hdf5") == "h5"
    assert name_of("model.pkl") is None
    assert name_of("x.parquet.gz") is None
    assert without_ending("ct_features.csv.gz") == "ct_features"
    assert conversion("x.RData") == REFUSED[".rdata"]
    assert conversion("x.csv") is None


def test_files_of_each_format_start_as_its_entry_says() -> None:
    seen = set()
    for name, data in {**TEXTS, **binaries()}.items():
        form = format_of(name)
        if form is not None and form.signatures:
            assert data.startswith(form.signatures), name
            seen.add(form.name)
    assert seen == {form.name for form in FORMATS if form.signatures} - {"h5mu"}


@pytest.mark.parametrize("name", ["ct.xlsx", "ct.parquet", "ct.feather", "path/P1.npz"])
def test_a_file_under_the_name_of_another_format_is_told_its_own(name: str) -> None:
    wrong = "rna.csv" if name != "ct.parquet" else "rna.feather"

    report = read_cohort({**COMPLETE, wrong: binaries()[name]})[1]

    (problem,) = [p for p in report.errors if p.file == wrong]
    assert problem.fix is not None
    assert Path(name).suffix in problem.fix
    assert problem.fix.endswith("if it is one, name it so.")


# --- one more format --------------------------------------------------------------------------


def read_pairs(source: Source, options: ReadOptions) -> RawTable:
    """Read a made-up format: ``name=1,2;name=3,4``."""
    text = unpack(source, max_bytes=options.max_bytes).decode()
    columns = dict(part.split("=") for part in text.split(";"))
    table = pa.table([pa.array(c.split(",")) for c in columns.values()], names=list(columns))
    rows = np.arange(2, 2 + table.num_rows)
    return RawTable(header=list(columns), table=table, row_numbers=rows)


@pytest.fixture
def one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = FileFormat(
        name="pairs", endings=(".pairs",), reader=TableReader(read_pairs), about="made up"
    )
    monkeypatch.setattr(registry, "FORMATS", (*FORMATS, pairs))


@pytest.mark.usefixtures("one_more")
def test_one_entry_makes_a_format_readable_and_offered() -> None:
    data = b"patient_id=P1,P2,P3;density=1.5,2.5,3.5;length=3,4,5"

    cohort, report = read_cohort({**COMPLETE, "mri.pairs": data})

    assert cohort is not None, report.errors
    assert cohort.tables["mri"][:3].tolist() == [[1.5, 3], [2.5, 4], [3.5, 5]]
    assert [f.format for f in report.files if f.name == "mri.pairs"] == ["pairs"]
    assert "pairs" in offered_types()
    assert "pairs" in offered_words()
