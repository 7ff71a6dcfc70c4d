"""Held-out risks as figures pool them, against hand-worked numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from camlif.exceptions import DataError, EstimationError
from camlif.study.heldout import MEDIAN, QUARTILES, TERTILES, cut_strata, held_out

RISKS = pd.DataFrame(
    {
        "split": [0, 0, 0, 1, 1],
        "patient_id": ["01", "02", "03", "01", "04"],
        "log_risk": [1.0, 2.0, 3.0, 10.0, 0.0],
    }
)
SD = np.sqrt(2 / 3)  # population SD of 1, 2, 3


def test_z_is_taken_within_a_split_with_the_population_sd() -> None:
    pooled = held_out(RISKS, unit="pooled")
    assert pooled.z == pytest.approx([-1 / SD, 0, 1 / SD, 1, -1])
    assert pooled.patient_id.tolist() == ["01", "02", "03", "01", "04"]
    assert pooled.risk.tolist() == RISKS["log_risk"].tolist()


def test_a_patient_has_the_mean_of_its_z() -> None:
    found = held_out(RISKS)
    assert found.patient_id.tolist() == ["01", "02", "03", "04"]
    assert found.z == pytest.approx([(1 - 1 / SD) / 2, 0, 1 / SD, -1])
    assert found.risk is found.z


@pytest.mark.parametrize("unit", ["patient", "pooled"])
def test_patients_and_splits_are_counted(unit: str) -> None:
    found = held_out(RISKS, unit=unit)  # type: ignore[arg-type]
    assert (found.n_patients, found.n_splits) == (4, 2)


def test_patients_repeat_where_several_splits_of_a_pool_tested_them() -> None:
    assert held_out(RISKS, unit="pooled").repeats
    assert not held_out(RISKS).repeats
    assert not held_out(RISKS[RISKS["split"] == 0], unit="pooled").repeats


def test_equal_risks_of_a_split_have_z_zero() -> None:
    assert held_out(RISKS.assign(log_risk=0.1)).z.tolist() == [0, 0, 0, 0]


def test_no_risk_is_refused() -> None:
    with pytest.raises(EstimationError, match="no held-out risk"):
        held_out(RISKS.iloc[:0])


def test_a_patient_twice_in_a_split_is_refused() -> None:
    with pytest.raises(EstimationError, match="occurs twice"):
        held_out(pd.concat([RISKS, RISKS.iloc[:1]]))


def test_an_unknown_risk_is_refused() -> None:
    with pytest.raises(DataError):
        held_out(RISKS.assign(log_risk=[1.0, np.nan, 1.0, 1.0, 1.0]))


@pytest.mark.parametrize(
    ("percentiles", "sizes"),
    [
        (MEDIAN, {"low": 50, "high": 50}),
        (TERTILES, {"low": 33, "intermediate": 33, "high": 34}),
        (QUARTILES, dict.fromkeys(["first quarter", "fourth quarter"], 25)),
    ],
)
def test_strata_have_the_sizes_of_their_percentiles(
    percentiles: tuple[int, ...], sizes: dict[str, int]
) -> None:
    stratum = cut_strata(np.random.default_rng(0).permutation(100.0 * np.arange(100)), percentiles)
    for name, n in sizes.items():
        assert (stratum == name).sum() == n


def test_higher_risks_lie_in_higher_strata() -> None:
    risk = np.random.default_rng(0).normal(size=99)
    stratum = cut_strata(risk, TERTILES)
    assert risk[stratum == "low"].max() < risk[stratum == "intermediate"].min()
    assert risk[stratum == "intermediate"].max() < risk[stratum == "high"].min()


def test_a_risk_at_the_cutoff_belongs_above_it() -> None:
    assert cut_strata([0.0, 1.0, 2.0], MEDIAN).tolist() == ["low", "high", "high"]


def test_ties_that_empty_a_stratum_are_named() -> None:
    with pytest.raises(EstimationError, match=r"3 risks leave nobody in low: too many are equal"):
        cut_strata([1.0, 1.0, 2.0], MEDIAN)
