"""Columns that fit training better as another quantity: which are named, which are left alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from camlif.arrays import Float64Array
from camlif.data.preprocessing import quantiles
from camlif.data.units import conversions
from camlif.model.better_fit import (
    find_better,
    find_mirrored,
    find_other_profile,
    is_reversed,
    misfit,
)
from camlif.model.training_range import LEVELS

AT = np.asarray(LEVELS)
NAMES = ("hemoglobin", "infiltration_depth_in_mm", "pT_code", "ki67", "marker")


def drawn(seed: int, n: int) -> Float64Array:
    """Haemoglobin, a depth, codes from 1 to 4 and two measurements of other ranges."""
    rng = np.random.default_rng(seed)
    return np.stack(
        [
            rng.normal(14.2, 1.6, n),
            rng.lognormal(1.9, 0.8, n),
            rng.choice([1.0, 2, 3, 4], n, p=[0.3, 0.35, 0.2, 0.15]),
            rng.normal(20, 3, n),
            rng.normal(40, 5, n),
        ],
        axis=1,
    )


KNOWN = quantiles(drawn(0, 400).astype("f4"), LEVELS)


def better(values: Float64Array) -> dict[str, str]:
    found = find_better(NAMES, values, KNOWN, LEVELS)
    return {NAMES[j]: words for j, words in found.items()}


def changed(column: int, change: Callable[[Float64Array], Float64Array]) -> Float64Array:
    values = drawn(1, 60)
    values[:, column] = change(values[:, column])
    return values


@pytest.mark.parametrize("n", [1, 5, 20, 200])
@pytest.mark.parametrize("seed", range(20, 30))
def test_patients_of_the_same_population_are_not_told_of(n: int, seed: int) -> None:
    assert better(drawn(seed, n)) == {}


@pytest.mark.parametrize(
    ("column", "factor", "unit"),
    [(0, 0.6206, "mmol/L"), (0, 10, "g/L"), (1, 0.1, "cm"), (1, 1000, "µm")],
)
def test_another_unit_is_named(column: int, factor: float, unit: str) -> None:
    (words,) = better(changed(column, lambda x: x * factor)).values()
    assert words.startswith(f"as {unit} would be")


def test_a_sicker_cohort_is_in_no_other_unit() -> None:
    assert better(changed(0, lambda x: x - 3.5)) == {}
    assert better(changed(0, lambda x: 0.8 * x)) == {}


def test_some_patients_in_another_unit_are_counted() -> None:
    values = changed(0, lambda x: np.where(np.arange(60) < 12, 0.6206 * x, x))
    (words,) = better(values).values()
    assert "of 60 values as mmol/L would be" in words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x - 1, "codes 0 to 3, in training 1 to 4"),
        (lambda x: x + 1, "codes 2 to 5, in training 1 to 4"),
        (lambda x: np.ceil(x / 2), "codes 1 to 2 with other shares than in training (1 to 4)"),
        (lambda x: np.minimum(x, 3), ""),
    ],
    ids=["from nought", "from two", "two of four", "without the last"],
)
def test_codes_that_begin_elsewhere_are_told(
    change: Callable[[Float64Array], Float64Array], words: str
) -> None:
    assert better(changed(2, change)) == ({"pT_code": words} if words else {})


def test_codes_with_gaps_that_begin_elsewhere_are_told_by_what_fills_the_gaps() -> None:
    codes, shares = [1.0, 2, 3, 5, 6, 7, 8], [0.01, 0.31, 0.04, 0.36, 0.17, 0.1, 0.01]
    rng = np.random.default_rng(0)
    known = quantiles(rng.choice(codes, (760, 1), p=shares).astype("f4"), LEVELS)
    drawn = [rng.choice(codes, (60, 1), p=shares) for _ in range(20)]
    assert all(find_better(["pT_code"], own, known, LEVELS) == {} for own in drawn)
    assert sum(bool(find_better(["pT_code"], own - 1, known, LEVELS)) for own in drawn) >= 18


def test_columns_in_each_others_place_are_named() -> None:
    values = drawn(1, 60)
    values[:, [3, 4]] = values[:, [4, 3]]
    assert better(values) == {
        "ki67": "as marker was in training",
        "marker": "as ki67 was in training",
    }


@pytest.mark.parametrize(("share", "told"), [(0.2, True), (0.75, False), (1.0, False)])
def test_a_flag_turned_round_is_told_by_its_share(share: float, told: bool) -> None:
    rng = np.random.default_rng(4)
    known = quantiles((rng.random((400, 1)) < 0.8).astype("f4"), LEVELS)[:, 0]
    flag = (rng.random(80) < share).astype(float)
    assert is_reversed(flag, known, LEVELS) is told
    assert not is_reversed(flag[:5], known, LEVELS)


def test_negated_columns_are_told_by_the_side_of_their_tails() -> None:
    rng = np.random.default_rng(5)
    tail = rng.uniform(-1, 1, 80)

    def skewed(n: int, seed: int) -> Float64Array:
        drawn = np.random.default_rng(seed)
        x = drawn.normal(size=(n, 80))
        x += tail * drawn.exponential(2, (n, 80))
        return np.asarray(x - np.median(x, axis=0))

    known = quantiles(skewed(300, 1).astype("f4"), LEVELS)
    groups = [("mRNA", 80)]
    assert find_mirrored(skewed(60, 2), known, LEVELS, groups=groups) == ""
    assert "mRNA" in find_mirrored(-skewed(60, 2), known, LEVELS, groups=groups)
    assert find_mirrored(-skewed(5, 2), known, LEVELS, groups=groups) == ""


def test_patients_who_were_centred_or_negated_are_counted() -> None:
    rng = np.random.default_rng(6)
    profile = rng.normal(8, 3, 200)
    known = quantiles((profile + rng.normal(size=(300, 200))).astype("f4"), LEVELS)
    values = profile + rng.normal(size=(40, 200))
    groups = [("mRNA", 200)]
    assert find_other_profile(values, known, LEVELS, groups=groups) == ""
    for other in (values - profile, -values):
        mixed = np.where(np.arange(40)[:, None] < 15, other, values)
        words = find_other_profile(mixed, known, LEVELS, groups=groups)
        assert words.startswith("15 patients have quite another profile of the columns of mRNA")
    standardised = known - profile.astype("f4")
    assert find_other_profile(values - profile, standardised, LEVELS, groups=groups) == ""


def test_a_misfit_is_the_largest_difference_of_shares() -> None:
    levels = np.linspace(0, 1, len(LEVELS))[:, None]
    values = np.array([[2.0], [2.0], [np.nan], [-1.0]])
    assert misfit(values, levels, AT) == pytest.approx([0.995 - 1 / 3])
    assert misfit(values * np.nan, levels, AT) == pytest.approx([0])


@pytest.mark.parametrize(
    ("name", "unit", "other", "factor"),
    [
        ("Hb (g/dL)", "g/dL", "mmol/L", 0.6206),
        ("Hämoglobin", "g/dL", "g/L", 10),
        ("serum_creatinine", "mg/dL", "µmol/L", 88.42),
        ("age_at_diagnosis", "years", "days", 365.25),
        ("age_at_diagnosis", "years", "weeks", 365.25 / 7),
        ("tumor_size", "mm", "cm", 0.1),
    ],
)
def test_units_are_known_by_the_name(name: str, unit: str, other: str, factor: float) -> None:
    assert any(
        (c.unit, c.other, c.factor) == (unit, other, pytest.approx(factor))
        for c in conversions(name)
    )


@pytest.mark.parametrize(
    "name",
    ["HBA1", "grade", "stage", "nuclei_area", "sex=male", "axis_length_of_the_zone"],
)
def test_other_names_have_no_units(name: str) -> None:
    assert conversions(name) == ()
