"""The quick Cox model against lifelines and scikit-survival."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from camlif.exceptions import EstimationError
from camlif.statistics.cox import fit_cox, quick_cox

Drawn = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]


def draw(seed: int, *, tied: bool, n: int = 200) -> Drawn:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 2))
    until_event = rng.exponential(size=n) * np.exp(-x @ [0.5, -0.3])
    until_leaving = rng.exponential(size=n)
    duration = np.minimum(until_event, until_leaving)
    if tied:
        duration = np.ceil(duration * 5) / 5
    return x, until_event <= until_leaving, duration


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_coefficients_and_errors_equal_lifelines(seed: int, *, tied: bool) -> None:
    x, event, duration = draw(seed, tied=tied)
    frame = pd.DataFrame(x, columns=["a", "b"])
    theirs, ours = fit_cox(frame, event, duration), quick_cox(x, event, duration)
    np.testing.assert_allclose(ours.coefficients, theirs.params_, atol=2e-5)
    np.testing.assert_allclose(ours.errors, theirs.standard_errors_, rtol=1e-4)


def test_patients_count_from_just_after_they_enter() -> None:
    rng = np.random.default_rng(0)
    x, event, duration = draw(4, tied=True)
    entry = np.where(rng.random(len(x)) < 0.5, np.floor(rng.uniform(0, duration) * 5) / 5, 0.0)
    kept = entry < duration
    x, event, duration, entry = x[kept], event[kept], duration[kept], entry[kept]
    found = quick_cox(x, event, duration, entry)
    theirs = fit_cox(pd.DataFrame(x, columns=["a", "b"]), event, duration, entry)
    np.testing.assert_allclose(found.coefficients, theirs.params_, atol=2e-5)


def test_a_step_that_leads_too_far_is_halved() -> None:
    rng = np.random.default_rng(39)
    x = np.exp(2 * rng.normal(size=(12, 1)))
    duration, event = rng.exponential(np.sqrt(x[:, 0])), np.ones(12, dtype=bool)
    expected = CoxPHSurvivalAnalysis(ties="efron", tol=1e-12)
    expected.fit(x, Surv.from_arrays(event, duration))
    found = quick_cox(x, event, duration)
    assert found.coefficients == pytest.approx(expected.coef_, rel=1e-6)


def test_risks_that_order_the_events_without_fault_have_no_estimate() -> None:
    duration = np.arange(1.0, 31.0)
    with pytest.raises(EstimationError, match="no finite estimate"):
        quick_cox(-duration[:, None] / 10, np.ones(30, dtype=bool), duration)


def test_equal_columns_and_no_events_are_refused() -> None:
    x, event, duration = draw(0, tied=False)
    with pytest.raises(EstimationError, match="undetermined"):
        quick_cox(np.zeros_like(x), event, duration)
    with pytest.raises(EstimationError, match="No event"):
        quick_cox(x, np.zeros_like(event), duration)
