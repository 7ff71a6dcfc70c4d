"""Large tables: read and converted some columns at a time, with nothing told differently."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from camlif.data.cohort import Cohort
from camlif.data.formats import columnar, limits
from camlif.data.reading import matrices, tables
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.problems import Findings
from camlif.data.reading.readers import load_cohort, read_cohort
from camlif.data.reading.tables import read_table

N = 40
IDS = [f"p{i:03d}" for i in range(N)]


def messy() -> dict[str, pa.Table]:
    """Tables with everything that is told of cells; the second lacks patients and has others."""
    rng = np.random.default_rng(0)
    ct = {f"shape_{i}": rng.normal(size=N) for i in range(7)}
    ct["shape_0"][3] = np.nan
    ct["shape_1"][4] = np.inf
    ct["shape_2"][5] = 1e300
    ct["shape_3"][6] = 999.0
    ct["shape_4"][:] = 2.0
    ct |= {f"texture_{i}": rng.normal(size=N) for i in range(3)}
    for name in ct:
        ct[name][8 if name.startswith("texture") else 7] = np.nan
    genes: dict[str, object] = {f"g{i}": rng.normal(size=N).astype("float32") for i in range(5)}
    genes |= {"g5": ["x", *["1.5"] * (N - 1)], "note": ["text"] * N, "g6": rng.permutation(N)}
    clinical = {"survival_months": np.arange(1.0, N + 1), "event": np.arange(N) % 2}
    return {
        "clinical": pa.table({"patient_id": IDS, **clinical}),
        "ct": pa.table({"patient_id": IDS, **ct}),
        "genomics": pa.table(
            {"patient_id": [*IDS[5:][::-1], *(f"new{i}" for i in range(5))], **genes}
        ),
    }


def parquet(table: pa.Table, **options: object) -> bytes:
    buffer = io.BytesIO()
    pa.parquet.write_table(table, buffer, **options)
    return buffer.getvalue()


def as_files(made: Mapping[str, pa.Table], **options: object) -> dict[str, bytes]:
    return {f"{name}.parquet": parquet(table, **options) for name, table in made.items()}


def read(files: Mapping[str, bytes | Path]) -> tuple[Cohort, CheckReport]:
    cohort, report = read_cohort(files)
    assert cohort is not None, report.errors
    return cohort, report


@pytest.mark.parametrize("at_once", [1, 3])
def test_blocks_of_columns_and_rows_give_what_the_whole_table_gives(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, expected = read(as_files(messy()))
    monkeypatch.setattr(columnar, "_COLUMNS_AT_ONCE", at_once)
    monkeypatch.setattr(matrices, "COLUMNS_AT_ONCE", at_once)

    parts, report = read(as_files(messy(), row_group_size=7))

    assert report.to_json() == expected.to_json()
    assert parts.digest == whole.digest
    told = " ".join(p.line for p in report.problems)
    for word in ("infinite", "codes such as", "without variation", "masked", "missing (", "E-15"):
        assert word in told or word in {p.code for p in report.problems}


def test_a_file_in_a_folder_is_read_as_one_in_memory(tmp_path: Path) -> None:
    files = as_files(messy())
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)

    found, _ = read({name: tmp_path / name for name in files})

    assert found.digest == read(files)[0].digest


def test_values_are_single_precision_and_not_changed_otherwise() -> None:
    cohort, _ = read(as_files(messy()))
    rows = [cohort.patient_ids.tolist().index(i) for i in IDS[5:][::-1]]
    genes = messy()["genomics"]

    for column in ("g0", "g6"):
        at = cohort.schema["genomics"].columns.index(column)
        values = genes[column].to_numpy()[: N - 5].astype("float32")
        np.testing.assert_array_equal(cohort.tables["genomics"][rows, at], values)


@pytest.mark.parametrize(
    ("text", "most_numbers", "code"),
    [("short", 10**6, None), ("long" * 100, 10**6, "E-02"), ("short", 1_000, "E-02")],
)
def test_numbers_and_text_have_limits_of_their_own(
    text: str,
    most_numbers: int,
    code: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = np.random.default_rng(0).normal(size=(20, N))  # 6,400 bytes
    ids = [f"{text}{i}" for i in range(N)]
    table = pa.table({"patient_id": ids, **{f"x{i}": x for i, x in enumerate(numbers)}})
    monkeypatch.setattr(tables, "MAX_BYTES", 2_000)
    monkeypatch.setattr(columnar, "MAX_NUMBER_BYTES", most_numbers)
    (tmp_path / "x.parquet").write_bytes(parquet(table, use_dictionary=False))
    found = Findings()

    got = read_table("x.parquet", tmp_path / "x.parquet", found)

    assert (got is None) == (code is not None)
    assert [p.code for p in found.problems] == ([code] if code else [])


def test_a_hundred_thousand_patients_by_1300_features_are_within_the_limits() -> None:
    limits.check_shape(100_000, 1_300)
    assert limits.MAX_NUMBER_BYTES >= 8 * 100_000 * 1_300


@pytest.mark.parametrize("data", [b"", b"id,x\na,1\n"])
def test_a_damaged_file_of_a_folder_is_an_error_with_its_start(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(data)
    found = Findings()

    assert read_table(path.name, path, found) is None

    (problem,) = found.problems
    assert problem.code == ("E-01" if data else "E-03")
    assert ascii(data.decode()) in problem.message or not data


def test_reading_and_checking_tell_how_far_they_are(tmp_path: Path) -> None:
    for name, data in as_files(messy()).items():
        (tmp_path / name).write_bytes(data)
    told: list[tuple[int, int, str]] = []

    load_cohort(tmp_path, progress=lambda *now: told.append(now))

    assert list(dict.fromkeys(what for _, _, what in told)) == [
        "reading clinical.parquet",
        "reading ct.parquet",
        "reading genomics.parquet",
        "checking ct.parquet",
        "checking genomics.parquet",
    ]
    last = {what: (done, total) for done, total, what in told}
    assert all(done == total > 0 for done, total in last.values())
