"""Patients whose every value is larger than the others': who is told of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from camlif.data.reading.readers import read_cohort
from camlif.data.reading.row_scale import row_scales
from tests.builders.study import N, ct, study

SITE = np.arange(N) < 15


def measured(negative: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    values = rng.lognormal(rng.normal(2, 1, 14), 0.5, (N, 14)) - (8 if negative else 0)
    return pd.DataFrame(values, columns=[f"m{i}" for i in range(14)])


def told(values: pd.DataFrame) -> list[str]:
    table = ct()[["patient_id"]].join(values)
    _, report = read_cohort(study(ct=table))
    return [p.message for p in report.warnings if p.code == "E-09"]


@pytest.mark.parametrize("times", [10, 1000, 0.1])
def test_rows_of_one_site_in_another_unit_are_told(times: float) -> None:
    values = measured()
    (words,) = told(values.mul(np.where(SITE, times, 1), axis=0))
    assert words.startswith("15 patients have values about ")
    assert ("larger" if times > 1 else "smaller") in words
    assert "KM-001" in words


def test_a_column_of_one_site_in_another_unit_is_told() -> None:
    values = measured().assign(m3=np.where(SITE, 10, 1) * np.linspace(5, 8, N))
    (words,) = told(values)
    assert words.startswith("1 column has values about two numbers and none between")
    assert "m3 (" in words


def test_larger_and_smaller_patients_are_no_other_unit() -> None:
    size = np.exp(np.random.default_rng(4).normal(0, 0.5, N))
    assert told(measured().mul(size, axis=0)) == []
    assert told(measured().assign(m0=np.where(SITE, 1, 4) * np.linspace(5, 8, N))) == []


def test_tables_of_both_signs_or_of_few_columns_tell_nothing() -> None:
    for values in (measured(negative=True), measured().iloc[:, :6]):
        assert np.isnan(row_scales(values.to_numpy(np.float32))).all()
