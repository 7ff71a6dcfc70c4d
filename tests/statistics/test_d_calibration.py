"""D-calibration against its definition, patient by patient, and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from camlif.exceptions import DataError, NoEventsError
from camlif.statistics import d_calibration

# Five patients by hand: survival 0.85 and 0.05 with the event; 1, 0.25 and 0 without. The second
# of these shares 0.05 / 0.25 with its own bin and 0.1 / 0.25 with each below, the last has no
# choice.
BY_HAND = [0.1 + 0.4 + 1 + 1, 0.1 + 0.4, 0.1 + 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 1.1, 0.1]


def test_counts_equal_those_by_hand() -> None:
    survival = [0.85, 0.05, 1.0, 0.25, 0.0]
    repeated = np.tile(survival, 15)
    found = d_calibration(repeated, np.tile([1, 1, 0, 0, 0], 15))
    assert found.counts / 15 == pytest.approx(BY_HAND)
    assert found.counts.sum() == pytest.approx(75)
    expected = 75 / 10
    statistic = float(((found.counts - expected) ** 2 / expected).sum())
    assert found.statistic == pytest.approx(statistic)
    assert found.p_value == pytest.approx(chi2.sf(statistic, 9))


def _survival(n: int, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Exponential times, predicted with log hazards that are off by ``shift``."""
    rng = np.random.default_rng(seed)
    log_hazard = rng.standard_normal(n)
    to_event = rng.exponential(np.exp(-log_hazard))
    censoring = rng.exponential(2.0, n)
    end = np.minimum(to_event, censoring)
    return np.exp(-end * np.exp(log_hazard + shift)), to_event <= censoring


def test_true_probabilities_pass_and_others_fail() -> None:
    passed = [d_calibration(*_survival(500, 0.0, seed)).p_value >= 0.05 for seed in range(200)]
    assert np.mean(passed) >= 0.95  # censoring makes the test cautious
    failed = [d_calibration(*_survival(500, 0.7, seed)).p_value < 0.05 for seed in range(20)]
    assert np.mean(failed) == 1


def test_too_few_events_and_broken_probabilities_are_refused() -> None:
    with pytest.raises(NoEventsError, match="Only 3 events"):
        d_calibration(np.full(40, 0.5), np.arange(40) < 3)
    with pytest.raises(DataError, match="outside 0 to 1"):
        d_calibration(np.full(40, 1.5), np.ones(40))
