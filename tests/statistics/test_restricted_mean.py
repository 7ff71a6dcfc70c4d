"""Restricted means. References: `lifelines.utils.restricted_mean_survival_time`, a bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test
from lifelines.utils import restricted_mean_survival_time

from camlif.exceptions import EstimationError
from camlif.statistics import restricted_means
from camlif.statistics.outcome import FollowUp


def group(seed: int, scale: float = 20, n: int = 80) -> FollowUp:
    rng = np.random.default_rng(seed)
    time, leaving = rng.exponential(scale, n), rng.uniform(5, 60, n)
    return FollowUp.check(time <= leaving, np.ceil(np.minimum(time, leaving)), None)


@pytest.mark.parametrize("until", [None, 24.0, 1000.0])
def test_restricted_means_equal_lifelines(until: float | None) -> None:
    one, other = group(0), group(1, 35)
    found = restricted_means(one, other, until=until)
    end = min(one.duration.max(), other.duration.max())
    assert found.until == (end if until is None else min(until, end))
    for part, value in ((one, found.first), (other, found.second)):
        curve = KaplanMeierFitter().fit(part.duration, part.event)
        assert value == pytest.approx(restricted_mean_survival_time(curve, found.until), rel=1e-12)
    assert found.difference == pytest.approx(found.first - found.second)


def test_without_censoring_the_interval_is_that_of_means() -> None:
    time = np.arange(1.0, 41.0)
    one = FollowUp.check(np.ones(40, bool), time, None)
    other = FollowUp.check(np.ones(40, bool), time + 5, None)
    found = restricted_means(one, other, until=30)
    spread = [np.minimum(part.duration, 30).var() / 40 for part in (one, other)]
    half = 1.959963984540054 * np.sqrt(sum(spread))
    assert found.high - found.difference == pytest.approx(half, rel=1e-9)


def test_crossing_hazards_are_seen_where_log_rank_is_blind() -> None:
    early = np.repeat([2.0, 40.0], [30, 30])
    late = np.repeat([20.0], 60) + np.linspace(0, 1, 60)
    one, other = (FollowUp.check(np.ones(60, bool), time, None) for time in (early, late))
    plain = logrank_test(one.duration, other.duration, one.event, other.event).p_value
    assert restricted_means(one, other).combined_p < 0.01
    assert plain > restricted_means(one, other).combined_p


def test_what_cannot_be_compared_says_why() -> None:
    one = group(0)
    nobody = FollowUp.check(np.zeros(0, bool), np.zeros(0), None)
    late = FollowUp.check(one.event, one.duration, np.minimum(one.duration / 2, 1))
    without = FollowUp.check(np.zeros_like(one.event), one.duration, None)
    for other, reason in ((nobody, "no patient"), (late, "time zero")):
        with pytest.raises(EstimationError, match=reason):
            restricted_means(one, other)
    with pytest.raises(EstimationError, match="No event"):
        restricted_means(without, without)
