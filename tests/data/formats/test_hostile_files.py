"""Files made to exhaust or to fool a reader: refused in bounded time and memory, or harmless."""

from __future__ import annotations

import csv
import gzip
import io
import pickle
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from camlif.data.cohort import Cohort
from camlif.data.formats import slides
from camlif.data.reading import tables
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.problems import Findings, Problem
from camlif.data.reading.readers import read_cohort
from camlif.data.reading.repairs import options_for
from camlif.data.reading.tables import TextTable, read_table
from tests.builders.workbooks import workbook

MAX_SECONDS = 20.0
"""Of the processor, with tracing on; a quadratic reader takes hours on these files."""

MAX_BYTES = 32 * 2**20
"""The limit of these tests: bombs need not be larger than what they are to exceed."""

MAX_MEMORY = 5 * MAX_BYTES
MEAN = b'duplicates = "mean"\n'


@pytest.fixture(autouse=True)
def _small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_BYTES", MAX_BYTES)


def read(name: str, data: bytes) -> tuple[TextTable | None, list[Problem]]:
    """Read a file within the bounds of this module."""
    found = Findings()
    arrow = pa.total_allocated_bytes()
    tracemalloc.start()
    start = time.process_time()
    try:
        table = read_table(name, data, found)
        seconds = time.process_time() - start
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seconds < MAX_SECONDS
    assert peak < MAX_MEMORY
    assert pa.total_allocated_bytes() - arrow < MAX_MEMORY
    return table, found.problems


def bounded(files: dict[str, bytes]) -> tuple[Cohort | None, CheckReport]:
    """Read a cohort within the bounds of this module."""
    tracemalloc.start()
    start = time.process_time()
    try:
        result = read_cohort(files)
        seconds = time.process_time() - start
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seconds < MAX_SECONDS
    assert peak < MAX_MEMORY
    return result


def parquet(table: pa.Table, **options: object) -> bytes:
    buffer = io.BytesIO()
    pa.parquet.write_table(table, buffer, **options)
    return buffer.getvalue()


def feather(table: pa.Table, **options: object) -> bytes:
    buffer = io.BytesIO()
    pa.feather.write_feather(table, buffer, **options)
    return buffer.getvalue()


def one_text_often() -> pa.Table:
    """A megabyte of text that 300 rows name: 300 MB when it is written out."""
    rows = pa.array(np.zeros(300, dtype=int))
    return pa.table({"id": pa.DictionaryArray.from_arrays(rows, pa.array(["a" * 2**20]))})


def seen_often(kind: pa.DataType) -> pa.Table:
    """The same without a dictionary of Arrow's, which Parquet then makes itself."""
    text = "a" * 2**20 if kind == pa.large_string() else b"a" * 2**20
    return pa.table({"id": pa.array([text] * 300, kind)})


def views() -> pa.Table:
    """The same as views of one buffer."""
    view = struct.pack("<i4sii", 2**20, b"aaaa", 0, 0)
    buffers = [None, pa.py_buffer(view * 300), pa.py_buffer(b"a" * 2**20)]
    return pa.table({"id": pa.Array.from_buffers(pa.string_view(), 300, buffers)})


def nested(depth: int) -> pa.Table:
    value: object = 1
    kind = pa.int64()
    for _ in range(depth):
        value, kind = [value], pa.list_(kind)
    return pa.table({"id": ["a"], "x": pa.array([value], kind)})


def with_parts(book: bytes, **parts: str) -> bytes:
    """Replace or add parts of a workbook; ``sheet`` and ``strings`` stand for the usual paths."""
    paths = {"sheet": "xl/worksheets/sheet1.xml", "strings": "xl/sharedStrings.xml"}
    new = {paths.get(name, name): text for name, text in parts.items()}
    source = zipfile.ZipFile(io.BytesIO(book))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            if name not in new:
                archive.writestr(name, source.read(name))
        for name, text in new.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def sheet(rows: str, above: str = "") -> str:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return (
        f'<?xml version="1.0"?>{above}<worksheet xmlns="{main}"><sheetData>{rows}</sheetData>'
        "</worksheet>"
    )


BOOK = workbook([["id", "x"], ["a", 1.0]])
FAR_CELL = sheet(
    '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
)
SHARED = sheet('<row r="1">' + '<c t="s"><v>0</v></c>' * 5000 + "</row>")
STRINGS = f"<sst><si><t>{'a' * 2**18}</t></si></sst>"
ENTITIES = sheet(
    '<row r="1"><c r="A1" t="str"><v>&b;</v></c></row>',
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]>',
)

HOSTILE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "gzip bomb": ("x.csv.gz", lambda: gzip.compress(b"id,x\n" + b"0" * 48 * 2**20), "E-02"),
    "gzip under another name": ("x.csv", lambda: gzip.compress(b"id,x\n\0"), "E-01"),
    "a million columns": ("x.csv", lambda: b",".join([b"c%d" % i for i in range(10**6)]), "E-02"),
    "an endless quoted cell": ("x.csv", lambda: b'id,x\n"' + b"a" * 10**7, "E-01"),
    "NUL bytes": ("x.csv", lambda: b"id,x\na,\0\n", "E-01"),
    "a pickle called csv": ("x.csv", lambda: pickle.dumps({"id": ["a"]}), "E-01"),
    "a pickle called parquet": ("x.parquet", lambda: pickle.dumps({"id": ["a"]}), "E-01"),
    "a pickle called xlsx": ("x.xlsx", lambda: pickle.dumps({"id": ["a"]}), "E-01"),
    "text called parquet": ("x.parquet", lambda: b"id,x\na,1\n", "E-01"),
    "text called feather": ("x.feather", lambda: b"id,x\na,1\n", "E-01"),
    "parquet called csv": ("x.csv", lambda: parquet(pa.table({"id": ["a"]})), "E-01"),
    "deeply nested parquet": ("x.parquet", lambda: parquet(nested(40)), "E-01"),
    "parquet nested past the limit": ("x.parquet", lambda: parquet(nested(120)), "E-01"),
    "a text repeated by parquet": (
        "x.parquet",
        lambda: parquet(one_text_often(), store_schema=False),
        "E-02",
    ),
    "a text repeated by feather": ("x.feather", lambda: feather(one_text_often()), "E-02"),
    "long texts repeated by parquet": (
        "x.parquet",
        lambda: parquet(seen_often(pa.large_string()), dictionary_pagesize_limit=2**30),
        "E-02",
    ),
    "bytes repeated by parquet": (
        "x.parquet",
        lambda: parquet(seen_often(pa.binary()), dictionary_pagesize_limit=2**30),
        "E-02",
    ),
    "fixed bytes repeated by parquet": (
        "x.parquet",
        lambda: parquet(seen_often(pa.binary(2**20)), dictionary_pagesize_limit=2**30),
        "E-02",
    ),
    "views of one text in feather": (
        "x.feather",
        lambda: feather(views()),
        "E-02",
    ),
    "constant rows of parquet": (
        "x.parquet",
        lambda: parquet(pa.table({"x": np.zeros(10**7)})),
        "E-02",
    ),
    "zeros packed by feather": (
        "x.feather",
        lambda: feather(
            pa.table({"id": pa.array([b"\0" * 48 * 2**20], pa.large_binary())}),
            compression="zstd",
        ),
        "E-02",
    ),
    "a workbook bomb": ("x.xlsx", lambda: with_parts(BOOK, sheet="0" * 48 * 2**20), "E-02"),
    "a cell at the far corner": ("x.xlsx", lambda: with_parts(BOOK, sheet=FAR_CELL), "E-02"),
    "a text shared by many cells": (
        "x.xlsx",
        lambda: with_parts(BOOK, sheet=SHARED, strings=STRINGS),
        "E-02",
    ),
    "entities in a workbook": ("x.xlsx", lambda: with_parts(BOOK, sheet=ENTITIES), "E-01"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused_in_bounded_time_and_memory(case: str) -> None:
    name, make, code = HOSTILE[case]

    table, problems = read(name, make())

    assert table is None
    assert [(p.severity, p.code, p.file) for p in problems] == [("error", code, name)]
    assert len(problems[0].line) < 400


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("leading.csv", lambda: b"\n" * 3 * 10**6 + b"id,x\na,1\n"),
        ("comments.csv", lambda: b"#\n" * 10**6 + b"id,x\na,1\n"),
        ("members.csv.gz", lambda: gzip.compress(b"") * 50_000 + gzip.compress(b"id,x\na,1\n")),
    ],
)
def test_empty_content_costs_time_in_proportion_only(name: str, make: Callable[[], bytes]) -> None:
    table, _ = read(name, make())

    assert table is not None
    assert table.table.to_pydict() == {"id": ["a"], "x": ["1"]}


def test_a_wide_table_of_long_lines_is_read() -> None:
    columns = [f"gene{i}" for i in range(15_000)]
    line = ",".join(["p1"] + ["-1.23456789"] * len(columns))

    table, problems = read("x.csv", f"patient_id,{','.join(columns)}\n{line}\n".encode())

    assert table is not None, problems
    assert table.delimiter == ","
    assert len(table.columns) == 1 + len(columns)


def test_references_to_far_cells_do_not_make_a_sheet_large() -> None:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rows = '<row r="1"><c r="A1"><v>1</v></c></row><row r="2"><c r="A2"><v>2</v></c></row>'
    xml = (
        f'<worksheet xmlns="{main}"><dimension ref="A1:XFD1048576"/><sheetData>{rows}</sheetData>'
        '<conditionalFormatting sqref="A1:XFD1048576"/></worksheet>'
    )

    table, _ = read("x.xlsx", with_parts(BOOK, sheet=xml))

    assert table is not None
    assert table.table.to_pydict() == {"1": ["2"]}


def test_texts_of_every_arrow_kind_are_read() -> None:
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        ids = pa.array(["001", None, "é" * 40], kind)
        table = pa.table({"id": ids, "x": [1, 2, 3]})
        for name, data in (("x.parquet", parquet(table)), ("x.feather", feather(table))):
            got, problems = read(name, data)

            assert got is not None, problems
            assert got.table["id"].to_pylist() == ["001", None, "é" * 40]


def test_formulas_links_and_markup_stay_text_in_headers_ids_and_cells() -> None:
    script, formula = "<script>alert(1)</script>", '=HYPERLINK("http://a.b","c")'
    clinical = (
        f'patient_id,survival_months,event,{script}\n"{script}",1,1,+1+1\n'
        f'"{formula.replace(chr(34), chr(34) * 2)}",2,0,@SUM(A1)\n../../etc/passwd,3,1,-cmd\n'
    )
    features = clinical.replace("survival_months,event", "v,w").replace("+1+1", "1")

    cohort, report = read_cohort(
        {"clinical.csv": clinical.encode(), "../<b>ct</b>.csv": features.encode()}
    )

    assert cohort is not None, report.errors
    assert cohort.patient_ids.tolist() == [script, formula, "../../etc/passwd"]
    assert cohort.clinical[script].tolist() == ["+1+1", "@SUM(A1)", "-cmd"]
    (modality,) = cohort.schema.names
    assert not set("<>/.") & set(modality)


CLINICAL = "patient_id,survival_months,event\na,1,1\nb,2,0\nc,3,1\n"
HUGE_TEXT = "h" * 2**20
FEATURES = "patient_id,v,w\na,1,2\nb,2,4\nc,3,5\n"


@pytest.mark.parametrize(
    ("clinical", "features"),
    [
        (CLINICAL, FEATURES.replace("1,2", f"1,{HUGE_TEXT}")),
        (CLINICAL, FEATURES.replace("a,", f"{HUGE_TEXT},").replace("b,", f"{HUGE_TEXT},")),
        (CLINICAL, FEATURES.replace("v", HUGE_TEXT)),
        (CLINICAL.replace("1,1", f"1,{HUGE_TEXT}"), FEATURES),
        (CLINICAL.replace("1,1", f"{HUGE_TEXT},1"), FEATURES),
        (CLINICAL.replace("event", HUGE_TEXT), FEATURES),
        (CLINICAL, f"gene,a,b\n{HUGE_TEXT},1,2\n{HUGE_TEXT},1,2\nG,3,5\n"),
    ],
    ids=["a cell", "an id", "a header", "an event", "a time", "a clinical header", "a gene"],
)
@pytest.mark.parametrize("limit", [131_072, 2**30])
def test_a_huge_cell_is_nowhere_told_in_full(
    clinical: str, features: str, limit: int, request: pytest.FixtureRequest
) -> None:
    # Python's bound on a cell is the whole process's, and some packages raise it.
    before = csv.field_size_limit(limit)
    request.addfinalizer(lambda: csv.field_size_limit(before))
    _, report = bounded({"clinical.csv": clinical.encode(), "ct.csv": features.encode()})

    told = [*(p.line for p in report.problems), *(e for a in report.mapping for e in a.examples)]
    told += [o.label for p in report.problems for o in options_for(p, report)]
    assert max(map(len, told)) < 600


def test_an_event_column_of_many_texts_offers_no_list_of_them() -> None:
    rows = [f"p{i},{i + 1},note {i}" for i in range(5000)]
    clinical = "\n".join(["patient_id,survival_months,event", *rows])
    features = "\n".join(["patient_id,v", *(f"p{i},{i}" for i in range(5000))])
    _, report = bounded({"clinical.csv": clinical.encode(), "ct.csv": features.encode()})

    (problem,) = [p for p in report.problems if p.code == "E-08"]
    assert "event holds too many different cells for one" in problem.message
    assert len(options_for(problem, report)) <= 20


def slide(name: str, values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bytes:
    array, archive = io.BytesIO(), io.BytesIO()
    np.save(array, values)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, array.getvalue())
    return archive.getvalue()


def test_slides_that_unpack_too_far_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slides, "MAX_BYTES", MAX_BYTES)
    bomb = slide("features.npy", np.zeros((2**20, 12), dtype=np.float32))

    _, report = bounded({"clinical.csv": CLINICAL.encode(), "path/a.npz": bomb})

    assert ("E-02", "path/a.npz") in {(p.code, p.file) for p in report.errors}
    assert len(bomb) < 2**20


def test_a_slide_that_claims_to_be_small_is_not_unpacked_further() -> None:
    lying = slide("features.npy", np.zeros((2**20, 12), dtype=np.float32))
    size, small = struct.pack("<I", 2**20 * 48 + 128), struct.pack("<I", 1000)
    assert size in lying

    _, report = bounded(
        {"clinical.csv": CLINICAL.encode(), "path/a.npz": lying.replace(size, small)}
    )

    assert ("E-01", "path/a.npz") in {(p.code, p.file) for p in report.errors}


def test_paths_in_a_slides_archive_reach_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {
        f"path/{patient}.npz": slide("../../features.npy", np.ones((2, 3), dtype=np.float32))
        for patient in "abc"
    }

    cohort, report = bounded({"clinical.csv": CLINICAL.encode(), "cohort.toml": MEAN, **files})

    assert cohort is not None, report.errors
    assert cohort.tables["path"].tolist() == [[1, 1, 1]] * 3
    assert not list(tmp_path.parent.rglob("features.npy"))


def test_formula_cells_of_a_workbook_give_their_stored_values() -> None:
    rows = (
        '<row r="1"><c r="A1" t="str"><v>id</v></c><c r="B1" t="str"><v>x</v></c></row>'
        '<row r="2"><c r="A2" t="str"><v>a</v></c><c r="B2"><f>CMD()</f><v>3</v></c></row>'
    )

    table, _ = read("x.xlsx", with_parts(BOOK, sheet=sheet(rows)))

    assert table is not None
    assert table.table.to_pydict() == {"id": ["a"], "x": ["3"]}


def test_paths_in_a_workbooks_archive_reach_no_file() -> None:
    table, _ = read("x.xlsx", with_parts(BOOK, **{"../../outside.xml": "<a/>", "/etc/x": "b"}))

    assert table is not None
    assert table.table.to_pydict() == {"id": ["a"], "x": ["1"]}
