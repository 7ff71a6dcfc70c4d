"""Columns in another unit: which are found, which are not, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from camlif.arrays import Float64Array
from camlif.data.preprocessing import quantiles
from camlif.model.column_shift import find_other_sign, find_shifted, fit_reach, stretch
from camlif.model.training_range import LEVELS

N = 400


def drawn(seed: int, n: int = N) -> Float64Array:
    """Age, haemoglobin, a centred feature and a skewed one: one column each."""
    rng = np.random.default_rng(seed)
    return np.stack(
        [
            rng.normal(60, 12, n),
            rng.normal(13, 2, n),
            rng.normal(0, 1, n),
            rng.lognormal(2, 1, n),
        ],
        axis=1,
    )


KNOWN = quantiles(drawn(0).astype("f4"), LEVELS)


def shifted(values: Float64Array) -> list[int]:
    return [found.column for found in find_shifted(values, KNOWN, LEVELS)]


@pytest.mark.parametrize("n", [1, 5, 20, 100])
@pytest.mark.parametrize("seed", range(20, 30))
def test_patients_of_the_same_population_are_not_told_of(n: int, seed: int) -> None:
    assert shifted(drawn(seed, n)) == []


@pytest.mark.parametrize("share", [0.7, 0.74, 0.78])
@pytest.mark.parametrize("seed", range(10))
def test_a_floor_that_most_patients_have_is_no_other_unit(seed: int, share: float) -> None:
    """As of scaled read counts; a quantile between equal numbers is off by a rounding."""

    def floored(n: int, seed: int) -> Float64Array:
        rng = np.random.default_rng(seed)
        values = np.where(rng.random((n, 30)) < share, 0, rng.exponential(1, (n, 30)))
        return values - np.linspace(0.07, 0.5, 30)

    known = quantiles(floored(170, seed).astype("f4"), LEVELS)
    found = find_shifted(floored(170, seed + 100).astype("f4"), known, LEVELS)
    assert found == ()


@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("factor", [10, 1000, 365.25, 30.4375, 1 / 10, 1 / 365.25])
def test_a_column_in_another_unit_is_found_and_no_other(column: int, factor: float) -> None:
    values = drawn(1, 60)
    values[:, column] *= factor
    assert shifted(values) == [column]


@pytest.mark.parametrize("column", [0, 1, 3])
def test_logarithms_are_found(column: int) -> None:
    values = drawn(1, 60)
    values[:, column] = np.log2(values[:, column] + 1)
    assert shifted(values) == [column]


def test_an_offset_is_found() -> None:
    values = drawn(1, 60)
    values[:, 2] += 5
    (found,) = find_shifted(values, KNOWN, LEVELS)
    assert found.words == "median 4.9 against -0.0387 in training"


def test_the_difference_is_said_with_its_size() -> None:
    values = np.tile(np.linspace(40, 80, 101)[:, None], 4)
    known = quantiles(values.astype("f4"), LEVELS)
    wide, narrow = values.copy(), values.copy()
    wide[:, 0] *= 365
    narrow[:, 1] /= 10
    (found,) = find_shifted(wide, known, LEVELS)
    assert found.words == "median 21,900 against 60 in training, spread 365 times as wide"
    (found,) = find_shifted(narrow, known, LEVELS)
    assert found.words == "median 6 against 60 in training, spread 10 times narrower"


def test_flags_and_levels_of_a_few_values_give_no_false_alarm() -> None:
    rng = np.random.default_rng(0)
    training = rng.choice([-1.0, 0, 0, 0, 1, 2], (N, 50))
    known = quantiles(training.astype("f4"), LEVELS)
    for seed in range(10):
        values = np.random.default_rng(seed).choice([-1.0, 0, 0, 0, 1, 2], (30, 50))
        assert find_shifted(values, known, LEVELS) == ()


def test_flags_that_changed_places_are_found_and_one_rare_flag_is_not() -> None:
    rng = np.random.default_rng(0)
    share = rng.uniform(0.005, 0.2, 30)
    known = quantiles((rng.random((N, 30)) < share).astype("f4"), LEVELS)
    flags = (rng.random((60, 30)) < share).astype(float)
    assert find_shifted(flags, known, LEVELS, flags=True) == ()
    assert find_shifted(np.ones((1, 30)), known, LEVELS, flags=True) == ()
    found = find_shifted(1 - flags, known, LEVELS, flags=True)
    assert [one.column for one in found] == list(range(30))
    assert found[0].words == "median 1 against 0 in training"
    assert find_shifted(1 - flags, known, LEVELS) == ()


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (lambda x: x + 1, True),
        (lambda x: x * 0, True),
        (lambda x: 1 - x, False),
        (lambda x: x, False),
    ],
    ids=["ones and twos", "all of one", "nearly as many ones as noughts", "as they were"],
)
def test_a_flag_of_other_values_or_of_quite_another_share_is_found(
    write: Callable[[Float64Array], Float64Array], told: bool
) -> None:
    rng = np.random.default_rng(5)
    flag = (rng.random((900, 1)) < 0.6).astype(float)
    levels = quantiles(flag[:400].astype(np.float32), LEVELS)

    shifts = find_shifted(write(flag[400:460]), levels, LEVELS, flags=True)

    assert [s.column for s in shifts] == ([0] if told else [])


def test_the_sign_of_a_group_is_told_where_its_table_has_others() -> None:
    values = np.random.default_rng(6).normal(size=(300, 60))
    levels = quantiles(values[:200].astype(np.float32), LEVELS)
    values[200:, 30:] = np.exp(values[200:, 30:])

    said = find_other_sign(values[200:], levels, LEVELS, groups=[("cnv", 30), ("rna", 30)])

    assert said.startswith("of rna no value is negative")


def test_what_standardised_logarithms_are_of_is_told_by_its_sign() -> None:
    logs = np.random.default_rng(0).normal(size=(N, 20))
    known = quantiles(logs.astype("f4"), LEVELS)
    raw = quantiles(np.exp2(logs).astype("f4"), LEVELS)
    assert find_other_sign(np.exp2(logs), known, LEVELS).startswith("no value is negative")
    assert find_other_sign(logs, raw, LEVELS).endswith("are negative, in training none was")
    assert find_other_sign(logs, known, LEVELS) == ""
    assert find_other_sign(np.exp2(logs[:9]), known, LEVELS) == ""


def test_rows_of_one_patient_count_as_one() -> None:
    values = np.repeat(drawn(1, 3), 40, axis=0)
    values[:, 0] += 40
    assert find_shifted(values, KNOWN, LEVELS, n_patients=3) == ()


def test_missing_values_and_empty_columns_are_left_out() -> None:
    values = drawn(1, 60)
    values[::2, 0] = np.nan
    values[:, 1] = np.nan
    assert shifted(values) == []
    assert find_shifted(np.zeros((0, 4)), KNOWN, LEVELS) == ()


def test_only_so_many_patients_are_compared_and_the_answer_is_the_same() -> None:
    values = drawn(1, 9000)
    values[:, 1] *= 10
    assert shifted(values) == [1]


def test_positive_ranges_stretch_by_factors_and_others_by_width() -> None:
    low, high = np.array([10.0, -1.0, 0.0]), np.array([40.0, 3.0, 0.0])
    values = np.array([[400.0, 7.0, 6.0], [1.0, -5.0, 0.0], [20.0, 0.0, 0.0], [-20.0, np.nan, 0.0]])
    below, above = stretch(values, low, high)
    np.testing.assert_allclose(below, [[1, 1, 1], [10, 2, 1], [1, 1, 1], [2, 1, 1]])
    np.testing.assert_allclose(above, [[10, 2, 7], [1, 1, 1], [1, 1, 1], [1, 1, 1]])


def is_far(values: np.ndarray, low: np.ndarray, high: np.ndarray, reach: np.ndarray) -> np.ndarray:
    return (stretch(values, low, high) > reach[:, None]).any(axis=0)


def test_values_of_the_same_population_are_within_reach() -> None:
    training = drawn(0)
    low, high = KNOWN[0], KNOWN[-1]
    reach = fit_reach(training, low, high)
    assert (reach >= 3).all()
    far = is_far(drawn(1, 5000), low, high, reach)
    assert far.any(axis=1).mean() < 0.01


@pytest.mark.parametrize(("column", "factor"), [(0, 365.25), (1, 10), (1, 1 / 10), (0, 1 / 12)])
def test_one_patient_in_another_unit_is_out_of_reach(column: int, factor: float) -> None:
    low, high = KNOWN[0], KNOWN[-1]
    reach = fit_reach(drawn(0), low, high)
    patient = np.array([[60.0, 13.0, 0.0, 8.0]])
    patient[0, column] *= factor
    far = is_far(patient, low, high, reach)
    assert np.flatnonzero(far[0]).tolist() == [column]


def test_values_near_0_widen_the_lower_end_alone() -> None:
    rng = np.random.default_rng(2)
    table = rng.normal(480, 130, size=(400, 200))
    table[0, 0], table[1, 1] = 0.01, 0.02
    low, high = quantiles(table.astype("f4"), (0.005, 0.995))
    reach = fit_reach(table, low, high)
    assert reach[0].min() > 1000
    assert reach[1].max() == 3
    far = is_far(np.diag(np.full(200, 480e3)) + 480, low, high, reach)
    assert np.array_equal(far, np.eye(200, dtype=bool))


def test_rare_counts_are_far_only_where_a_cell_is_broken() -> None:
    counts = np.zeros((N, 1))
    counts[:4] = 9
    low, high = quantiles(counts.astype("f4"), (0.005, 0.995))
    reach = fit_reach(counts, low, high)
    assert is_far(np.array([[30.0], [1e38]]), low, high, reach)[:, 0].tolist() == [False, True]
