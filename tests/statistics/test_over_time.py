"""Measures at several horizons and by subgroup, against the single measures they are made of."""

from __future__ import annotations

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from numpy.typing import NDArray

from camlif.statistics import (
    bootstrap_c_index,
    brier_score,
    brier_times,
    calibration,
    calibration_gates,
    cross_fitted_survival,
    fit_calibration,
    integrated_brier_score,
    performance_over_time,
    subgroup_performance,
    time_dependent_auc,
)
from camlif.statistics.over_time import MIN_EVENTS

HORIZONS = np.array([12.0, 24.0, 36.0, 48.0, 60.0])
Drawn = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]


def draw(n: int = 300, *, end: float = 90.0, seed: int = 0) -> Drawn:
    """Risk, hazard a month, event and duration."""
    rng = np.random.default_rng(seed)
    risk = rng.standard_normal(n)
    hazard = np.exp(risk) / 40
    until, leaving = rng.exponential(1 / hazard), np.minimum(rng.exponential(80, n), end)
    return risk, hazard, until <= leaving, np.minimum(until, leaving)


def test_every_horizon_has_the_single_measures() -> None:
    risk, hazard, event, duration = draw()
    survival = np.exp(-hazard[:, None] * HORIZONS)
    own = {"train_event": event, "train_duration": duration}
    found = performance_over_time(
        risk, survival, event, duration, horizons=HORIZONS, n_resamples=60
    )
    auc = time_dependent_auc(risk, event, duration, horizons=HORIZONS, **own)
    curve = KaplanMeierFitter().fit(duration, event)
    for i, h in enumerate(found.horizons):
        assert h.auc == pytest.approx(auc[i])
        assert h.low is not None
        assert h.high is not None
        assert h.low < auc[i] < h.high
        assert h.brier == pytest.approx(
            brier_score(survival[:, i], event, duration, horizon=h.horizon, **own)
        )
        everyone = np.full(len(risk), curve.predict(h.horizon))
        assert h.null == pytest.approx(
            brier_score(everyone, event, duration, horizon=h.horizon, **own)
        )
        assert h.brier is not None
        assert h.null is not None
        assert h.brier < h.null
        assert h.n_cases == (event & (duration <= h.horizon)).sum()
        assert h.n_controls == (duration > h.horizon).sum()
    assert found.ibs is None


def test_the_integrated_score_runs_to_the_last_horizon_followed() -> None:
    risk, hazard, event, duration = draw(end=50.0)
    times = brier_times(duration, HORIZONS)
    assert (times[0], times[-1]) == (12.0, 48.0)
    grid = np.exp(-hazard[:, None] * times)
    found = performance_over_time(
        risk,
        np.exp(-hazard[:, None] * HORIZONS),
        event,
        duration,
        horizons=HORIZONS,
        grid_survival=grid,
        n_resamples=0,
    )
    assert (found.first, found.last) == (12.0, 48.0)
    assert found.ibs == pytest.approx(
        integrated_brier_score(
            grid, event, duration, times=times, train_event=event, train_duration=duration
        )
    )
    assert found.ibs is not None
    assert found.null_ibs is not None
    assert found.ibs < found.null_ibs
    beyond = found.horizons[-1]
    assert (beyond.auc, beyond.brier, beyond.null) == (None, None, None)
    assert found.horizons[0].low is None  # no resamples, no interval


def test_without_two_horizons_followed_nothing_is_integrated() -> None:
    assert len(brier_times([20.0, 5.0], HORIZONS)) == 0
    assert len(brier_times([], HORIZONS)) == 0


def test_intervals_are_reproducible_and_narrow_with_patients() -> None:
    def width(n: int) -> float:
        risk, hazard, event, duration = draw(n)
        survival = np.exp(-hazard[:, None] * [36.0])
        both = [
            performance_over_time(risk, survival, event, duration, horizons=[36.0], n_resamples=80)
            for _ in range(2)
        ]
        assert both[0] == both[1]
        one = both[0].horizons[0]
        assert one.low is not None
        assert one.high is not None
        return one.high - one.low

    assert width(1200) < 0.7 * width(300)


# Subgroups


def test_a_group_has_the_c_index_and_ratio_of_its_patients() -> None:
    risk, hazard, event, duration = draw()
    survival = np.exp(-36 * hazard)
    found = subgroup_performance(risk, survival, event, duration, horizon=36.0)
    c = bootstrap_c_index(risk, event, duration)
    assert (found.c_index, found.c_low, found.c_high) == (c.value, c.low, c.high)
    assert found.ratio == pytest.approx(calibration(survival, event, duration, horizon=36.0).ratio)
    band = KaplanMeierFitter().fit(duration, event).confidence_interval_.loc[:36.0].iloc[-1]
    expected = (1 - survival).mean()
    assert found.ratio_low == pytest.approx(expected / (1 - band.iloc[0]), rel=1e-6)
    assert found.ratio_high == pytest.approx(expected / (1 - band.iloc[1]), rel=1e-6)


def test_a_group_with_too_few_events_has_counts_only() -> None:
    risk, hazard, event, duration = draw()
    rows = np.flatnonzero(event)[: MIN_EVENTS - 1]
    few = subgroup_performance(
        risk[rows], np.exp(-36 * hazard[rows]), event[rows], duration[rows], horizon=36.0
    )
    assert few.n_events == MIN_EVENTS - 1
    assert (few.c_index, few.ratio) == (None, None)
    rows = np.flatnonzero(event)[:MIN_EVENTS]
    enough = subgroup_performance(
        risk[rows], np.exp(-36 * hazard[rows]), event[rows], duration[rows], horizon=36.0
    )
    assert enough.c_index is not None


def test_too_few_events_by_the_horizon_leave_only_the_ratio_out() -> None:
    risk, hazard, event, duration = draw()
    early = float(np.sort(duration[event])[MIN_EVENTS - 2])
    found = subgroup_performance(risk, np.exp(-early * hazard), event, duration, horizon=early)
    assert found.n_events_by_horizon == MIN_EVENTS - 1
    assert found.ratio is None
    assert found.c_index is not None


# Cross-fitted survival


def test_each_patient_is_predicted_by_a_calibration_of_the_others() -> None:
    risk, _, event, duration = draw()
    times = [12.0, 36.0]
    found = cross_fitted_survival(risk, event, duration, times=times)
    own = fit_calibration(risk, event, duration).survival(risk, times)
    assert found.shape == own.shape
    assert not np.isclose(found, own).all(axis=1).any()  # nobody's own outcome is in it
    assert np.abs(found - own).max() < 0.1
    for horizon, column in zip((12, 36), found.T, strict=True):
        (gate,) = calibration_gates(risk, event, duration, horizons=[horizon])
        ratio = calibration(column, event, duration, horizon=horizon).ratio
        assert gate.ratio == pytest.approx(ratio)


def test_cross_fitted_survival_ends_with_follow_up() -> None:
    risk, _, event, duration = draw(end=50.0)
    found = cross_fitted_survival(risk, event, duration, times=[36.0, 50.0, 50.1])
    assert np.isfinite(found[:, :2]).all()
    assert np.isnan(found[:, 2]).all()
