"""One file to text columns: nothing shifted, renamed or converted."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from camlif.data.formats import limits
from camlif.data.reading import tables
from camlif.data.reading.problems import Findings
from camlif.data.reading.tables import TextTable, read_table, table_stem
from tests.builders.workbooks import workbook


def read(data: bytes, name: str = "x.csv") -> TextTable:
    found = Findings()
    table = read_table(name, data, found)
    assert table is not None, found.problems
    return table


def refused(data: bytes, name: str = "x.csv") -> tuple[str, str, tuple[int, ...]]:
    found = Findings()
    assert read_table(name, data, found) is None
    (problem,) = [p for p in found.problems if p.severity == "error"]
    assert problem.file == name
    return problem.code, problem.message, problem.rows


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_is_read_in_every_delimiter_and_encoding(delimiter: str, encoding: str) -> None:
    text = "id,größe\n001,ä\nNA,1\n".replace(",", delimiter)

    table = read(text.encode(encoding))

    assert table.table.to_pydict() == {"id": ["001", "NA"], "größe": ["ä", "1"]}
    assert table.delimiter == delimiter


def test_quoted_cells_keep_delimiters_quotes_and_line_ends() -> None:
    table = read(b'id,note\n1,"a, ""b""\nc"\n2,d\n')

    assert table.table["note"].to_pylist() == ['a, "b"\nc', "d"]


def test_blank_lines_are_skipped_and_rows_keep_their_file_numbers() -> None:
    table = read(b"id,x\n\na,1\n,\nb,2\n\n")

    assert table.table["id"].to_pylist() == ["a", "b"]
    assert table.row_numbers.tolist() == [3, 5]


def test_comment_rows_above_the_header_are_skipped() -> None:
    table = read(b"#Patient\tAge\n#text\tnumber\nPATIENT_ID\tAGE\np1\t50\n")

    assert table.columns == ["PATIENT_ID", "AGE"]
    assert table.row_numbers.tolist() == [4]


def test_rows_with_a_field_too_many_are_named_not_shifted() -> None:
    code, message, rows = refused(b"id,x\na,1,9\nb,2\nc\n")

    assert code == "E-01"
    assert rows == (2, 4)
    assert "2 rows" in message


def test_repeated_headers_are_refused_not_renamed() -> None:
    assert refused(b"id,x,x\na,1,2\n")[1] == "Column names occur more than once: x."


def test_an_unnamed_last_column_is_left_out_with_a_trailing_delimiter() -> None:
    assert read(b"id,x,\na,1,\nb,2,\n").columns == ["id", "x"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "E-03"),
        (b"id,x\n", "E-03"),
        (b"id,x\n\n,\n", "E-03"),
        (pickle.dumps({"a": 1}), "E-01"),
        (b"id,x\na,\0\n", "E-01"),
        (gzip.compress(b"id,x\na,1\n", mtime=0)[:-6], "E-01"),
    ],
)
def test_files_without_a_table_are_refused(data: bytes, code: str) -> None:
    assert refused(data)[0] == code


def test_a_gzip_bomb_is_stopped_while_unpacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_BYTES", 100_000)
    bomb = gzip.compress(b"id,x\n" + b"0" * 50_000_000)

    assert refused(bomb, "x.csv.gz")[0] == "E-02"


def test_a_workbook_that_unpacks_too_far_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_BYTES", 100_000)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 5_000_000)

    assert refused(buffer.getvalue(), "x.xlsx")[0] == "E-02"


def test_too_many_columns_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_COLUMNS", 2)

    assert refused(b"id,x,y\na,1,2\n")[0] == "E-02"


def test_typed_formats_keep_numbers_and_identifiers(tmp_path: Path) -> None:
    table = pa.table({"id": ["001", "NA"], "x": [0.1, None], "k": [3, 4], "b": [True, False]})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    pa.feather.write_feather(table, str(tmp_path / "t.feather"))

    for name in ("t.parquet", "t.feather"):
        found = Findings()
        got = read_table(name, tmp_path / name, found)

        assert got is not None
        assert got.text("id").to_pylist() == ["001", "NA"]
        assert got.table["x"].to_pylist() == [0.1, None]
        assert got.text("b").to_pylist() == ["true", "false"]


def test_lists_in_a_parquet_column_are_refused(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"id": ["a"], "x": [[1, 2]]}), tmp_path / "t.parquet")

    assert refused((tmp_path / "t.parquet").read_bytes(), "t.parquet")[0] == "E-01"


def test_offsets_outside_a_feather_file_are_refused_before_they_are_followed() -> None:
    buffer = io.BytesIO()
    table = pa.table({"id": ["a", "b", "c"], "x": [1.0, 2.0, 3.0]})
    pa.feather.write_feather(table, buffer, compression="uncompressed")
    offsets = np.arange(4, dtype="<i4").tobytes()
    assert buffer.getvalue().count(offsets) == 1
    hostile = np.array([0, 2**30, 2**30 + 1, 2**30 + 2], dtype="<i4").tobytes()

    assert refused(buffer.getvalue().replace(offsets, hostile), "x.feather")[0] == "E-01"


def test_a_name_gives_the_stem() -> None:
    assert table_stem("folder\\ct_features.csv.gz") == "ct_features"


def test_a_paper_sized_table_reads_as_pandas_reads_it() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((60, 300))).add_prefix("f")
    frame.insert(0, "patient_id", [f"{i:03d}" for i in range(60)])

    table = read(frame.to_csv(index=False).encode())

    expected = pd.read_csv(io.StringIO(frame.to_csv(index=False)), dtype=str)
    pd.testing.assert_frame_equal(table.table.to_pandas().astype(object), expected.astype(object))


def test_a_workbook_reads_as_text_with_identifiers_kept() -> None:
    table = read(workbook([["id", "x"], ["001", 1.5], ["NA", 2.0]]), "t.xlsx")

    assert table.table.to_pydict() == {"id": ["001", "NA"], "x": ["1.5", "2"]}


def test_a_workbook_with_several_filled_sheets_asks_which() -> None:
    sheet: list[list[str | float]] = [["id", "x"], ["a", 1.0]]
    code, message, _ = refused(workbook(sheet, sheet), "t.xlsx")

    assert code == "E-04"
    assert "sheet1, sheet2" in message


def test_a_file_that_only_calls_itself_a_workbook_is_refused() -> None:
    assert refused(b"id,x\na,1\n", "t.xlsx")[0] == "E-01"
