"""Dependence on the outcome in any shape, against closed forms and least squares."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chatterjeexi

from camlif.data.reading.dependence import event_by, function_of, told_beside_others

RNG = np.random.default_rng(11)
N = 200
TIME = RNG.exponential(40, N)
EVENT = RNG.random(N) < 0.4
NOISE = RNG.normal(size=(N, 3))


def test_a_function_of_the_time_is_measured_as_scipy_measures_it() -> None:
    values = np.column_stack([np.abs(TIME - 40), NOISE[:, 0], np.round(NOISE[:, 1], 1)])

    measured = function_of(TIME, values)

    expected = [chatterjeexi(TIME, column).statistic for column in values.T]
    np.testing.assert_allclose(measured, expected, atol=1e-12)
    assert measured[0] > 0.9


def test_a_column_of_few_values_is_not_measured() -> None:
    assert function_of(TIME, (TIME > 300).astype(float)[:, None])[0] == 0


def test_neighbours_of_one_event_are_counted_as_in_a_table_by_hand() -> None:
    event = np.array([1, 1, 1, 0, 0, 0, 1, 1], dtype=bool)
    values = np.arange(8.0)[:, None]

    # Two changes, where 2 * 5 * 3 / 8 are expected.
    assert event_by(values, event)[0] == pytest.approx(1 - 2 / 3.75)


def test_what_another_column_leaves_correlates_as_residuals_of_least_squares_do() -> None:
    age = 60 + 10 * NOISE[:, 0]
    column = age + 0.05 * TIME + 0.3 * NOISE[:, 1]

    found = told_beside_others(column[:, None], age[:, None], EVENT, TIME, paired=False)

    design = np.column_stack([np.ones(N), age])
    left = column - design @ np.linalg.lstsq(design, column)[0]
    assert found[0] == (0, pytest.approx(abs(np.corrcoef(left, TIME)[0, 1])))


def test_of_two_columns_that_tell_it_together_the_sum_goes() -> None:
    values = np.column_stack([NOISE, NOISE[:, 0] + 2.0 * EVENT])

    found = told_beside_others(values, np.zeros((N, 0)), EVENT, TIME, paired=True)

    assert set(found) == {3}


def test_columns_that_another_one_copies_tell_nothing_more() -> None:
    values = np.column_stack([NOISE[:, 0], 2 * NOISE[:, 0] + 1])

    assert told_beside_others(values, values[:, :1], EVENT, TIME, paired=True) == {}
