"""Cut-offs between risk strata: who goes where, and when no cut exists."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camlif.exceptions import ConfigError, DataError, EstimationError
from camlif.statistics.strata import Strata

Z = np.array([-1.0, 0.0, 0.5, 2.0])


def test_below_a_cutoff_is_low_and_equal_to_it_is_above() -> None:
    assert Strata.from_cutoffs([0.5]).assign(Z).tolist() == ["low", "low", "high", "high"]
    assert Strata.from_cutoffs([0.0, 0.5]).assign(Z).tolist() == [
        "low",
        "intermediate",
        "high",
        "high",
    ]


def test_names_are_in_order_of_risk() -> None:
    assert Strata.from_cutoffs([0.0]).names == ("low", "high")
    assert Strata.from_cutoffs([0.0, 1.0]).names == ("low", "intermediate", "high")


def test_the_median_halves_the_patients() -> None:
    z = np.random.default_rng(0).normal(size=100)
    strata = Strata.from_median(z)
    assert strata.cutoffs == (float(np.median(z)),)
    assert (strata.assign(z) == "low").sum() == 50


def test_tertiles_hold_a_third_of_the_patients_each() -> None:
    z = np.random.default_rng(0).normal(size=99)
    strata = Strata.from_tertiles(z)
    assert [int((strata.assign(z) == name).sum()) for name in strata.names] == [33, 33, 33]
    assert strata.cutoffs == pytest.approx(np.percentile(z, [100 / 3, 200 / 3]).tolist())


def test_other_patients_do_not_move_the_cutoffs() -> None:
    strata = Strata.from_tertiles(np.arange(9.0))
    assert set(strata.assign(np.arange(100.0, 110.0))) == {"high"}
    assert strata == Strata.from_tertiles(np.arange(9.0))


def test_coinciding_tertiles_raise_with_the_shared_risk() -> None:
    with pytest.raises(EstimationError, match=r"7 of 10 patients share the risk z = 0\.25"):
        Strata.from_tertiles([0.25] * 7 + [1.0, 2.0, 3.0])


@pytest.mark.parametrize("make", [Strata.from_median, Strata.from_tertiles])
def test_equal_risks_have_no_cutoff(make: object) -> None:
    with pytest.raises(EstimationError, match="coincide"):
        make([1.0] * 10)  # type: ignore[operator]


@pytest.mark.parametrize("z", [[], [1.0]])
def test_too_few_patients_raise(z: list[float]) -> None:
    with pytest.raises(EstimationError, match="not fill"):
        Strata.from_median(z)


def test_as_many_patients_as_strata_are_enough() -> None:
    assert Strata.from_median([0.0, 1.0]).cutoffs == (0.5,)
    assert Strata.from_tertiles([0.0, 3.0, 6.0]).cutoffs == pytest.approx((2.0, 4.0))


def test_a_label_names_every_stratum_that_the_interval_touches() -> None:
    strata = Strata.from_cutoffs([-0.5, 0.5])
    assert strata.label(-0.6, -0.5 - 1e-9) == "Low risk"
    assert strata.label(-0.6, -0.5) == "Borderline: low-intermediate"
    assert strata.label(0.4, 0.6) == "Borderline: intermediate-high"
    assert strata.label(-0.6, 0.6) == "Borderline: low to high"


def test_a_missing_risk_has_no_stratum() -> None:
    with pytest.raises(DataError, match="missing"):
        Strata.from_cutoffs([0.0]).assign([0.1, np.nan])


def test_nobody_to_assign_is_fine() -> None:
    assert Strata.from_cutoffs([0.0]).assign([]).tolist() == []


@pytest.mark.parametrize("cutoffs", [[], [0.0, 1.0, 2.0], [1.0, 1.0], [1.0, 0.0], [np.nan]])
def test_cutoffs_must_be_one_or_two_finite_and_ascending(cutoffs: list[float]) -> None:
    with pytest.raises(ConfigError):
        Strata.from_cutoffs(cutoffs)


@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=2, unique=True).map(sorted),
    st.lists(st.floats(-10, 10)),
)
def test_strata_survive_json_and_follow_the_order_of_risk(
    cutoffs: list[float], z: list[float]
) -> None:
    strata = Strata.from_cutoffs(cutoffs)
    assert Strata.from_json(json.loads(json.dumps(strata.to_json()))) == strata
    position = [strata.names.index(name) for name in strata.assign(sorted(z))]
    assert position == [sum(value >= c for c in cutoffs) for value in sorted(z)]
