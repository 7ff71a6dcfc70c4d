"""Columns and codes that the manifest gives other names."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from camlif.data.cohort import Cohort
from camlif.data.manifest import Manifest, read_manifest
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.readers import read_cohort

CLINICAL = (
    "patient_id,survival_months,event,yrs_dx,mf\npat1,10,1,50,1\npat2,20,0,60,2\npat3,5,1,70,\n"
)
CT = "patient_id,v,w\npat1,1,2\npat2,2,3\npat3,4,4\n"
MANIFEST = """
[clinical.rename]
yrs_dx = "age"
mf = "sex"

[clinical.levels.sex]
1 = "male"
2 = "female"

[modalities.ct]
file = "ct.csv"

[modalities.ct.rename]
w = "volume"
"""


def read(manifest: str) -> tuple[Cohort | None, CheckReport]:
    files = {"clinical.csv": CLINICAL.encode(), "ct.csv": CT.encode()}
    return read_cohort(files, manifest=read_manifest(manifest))


def test_renamed_columns_and_codes_are_read_under_their_new_names() -> None:
    cohort, report = read(MANIFEST)
    assert cohort is not None, report.errors
    assert cohort.schema["ct"].columns == ("v", "volume")
    assert cohort.clinical["age"].tolist() == [50, 60, 70]
    assert cohort.clinical["sex"].tolist()[:2] == ["male", "female"]
    assert cohort.clinical["sex"].isna().tolist() == [False, False, True]
    assert [(c.name, c.kind, c.levels) for c in cohort.schema.clinical] == [
        ("age", "numeric", ()),
        ("sex", "category", ("female", "male")),
    ]
    notes = [p.message for p in report.notes]
    assert "Read under another name, as the mapping says: yrs_dx as age, mf as sex." in notes
    assert "1 cell of sex read as the mapping says." not in notes
    assert "2 cells of sex read as the mapping says." in notes


def test_numbers_of_typed_files_are_codes_too() -> None:
    stream = io.BytesIO()
    pd.read_csv(io.StringIO(CLINICAL)).to_parquet(stream)
    files = {"clinical.parquet": stream.getvalue(), "ct.csv": CT.encode()}
    cohort, report = read_cohort(files, manifest=read_manifest(MANIFEST))
    assert cohort is not None, report.errors
    assert cohort.clinical["sex"].tolist()[:2] == ["male", "female"]
    np.testing.assert_array_equal(cohort.clinical["age"], [50, 60, 70])


def test_a_renamed_column_that_is_not_there_is_an_error_at_its_place() -> None:
    cohort, report = read('[clinical.rename]\nage_years = "age"\n')
    assert cohort is None
    (error,) = report.errors
    assert (error.file, error.column) == ("clinical.csv", "age_years")


def test_a_name_given_twice_is_an_error() -> None:
    cohort, report = read('[clinical.rename]\nyrs_dx = "event"\n')
    assert cohort is None
    assert "gives two columns the name event" in report.errors[0].message


def test_codes_of_a_column_that_is_not_there_are_an_error() -> None:
    cohort, report = read('[clinical.levels.sex]\n1 = "male"\n')
    assert cohort is None
    assert report.errors[0].column == "sex"


def test_a_manifest_with_names_and_codes_is_written_and_read_back() -> None:
    manifest = read_manifest(MANIFEST)
    assert read_manifest(manifest.to_toml()) == manifest
    assert Manifest().clinical.rename == {}
