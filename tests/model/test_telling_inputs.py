"""Inputs that tell a subtype: charts by it then separate by construction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from camlif.data.samples import load_sample
from camlif.model.bundle import load_bundle
from camlif.model.telling_inputs import telling_inputs

SHIPPED = Path(__file__).resolve().parents[2] / "models"


@pytest.mark.parametrize(
    ("key", "column", "told"),
    [
        ("transbig", "er_status", ("er_positive",)),
        ("transbig", "grade", ("grade",)),
        ("glioma", "subtype", ("mut_IDH",)),
        ("glioma", "grade", ()),
        ("luad", "stage", ()),
        ("luad", "sex", ("sex",)),
    ],
)
def test_inputs_that_tell_a_column_are_found_by_their_values(
    key: str, column: str, told: tuple[str, ...]
) -> None:
    cohort, bundle = load_sample(key), load_bundle(SHIPPED / key, device="cpu")
    assert telling_inputs(bundle.schema, cohort, cohort.clinical[column]) == told


def test_levels_of_a_few_patients_tell_nothing() -> None:
    cohort = load_sample("transbig")
    levels = pd.Series([f"p{i // 4}" for i in range(len(cohort))])
    assert telling_inputs(cohort.schema, cohort, levels) == ()
    assert telling_inputs(cohort.schema, cohort, pd.Series([np.nan] * len(cohort))) == ()
