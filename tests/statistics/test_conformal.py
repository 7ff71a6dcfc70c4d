"""The lower bound of a patient's survival time covers as it says, or abstains."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from camlif.exceptions import DataError, EstimationError
from camlif.model.stored_values import read_stored
from camlif.statistics import (
    SurvivalBound,
    fit_calibration,
    fit_survival_bound,
    measure_coverage,
)
from camlif.statistics.conformal import MIN_EVENTS, MIN_PATIENTS
from tests.builders.predicted import Predicted, draw_predicted

N_NEW = 2000


def _bound(patients: Predicted) -> SurvivalBound:
    return fit_survival_bound(patients.risk, patients.event, patients.duration)


def _coverage(known: Predicted, new: Predicted) -> float:
    """Share of new patients whose true time reaches their bound."""
    calibration = fit_calibration(known.risk, known.event, known.duration)
    return float((new.to_event >= _bound(known).times(calibration, new.risk)).mean())


def _mean_coverage(repetitions: int, n: int, **kind: bool) -> float:
    rng = np.random.default_rng(0)
    return float(
        np.mean(
            [
                _coverage(
                    draw_predicted(n, rng, members=3, **kind),
                    draw_predicted(N_NEW, rng, members=15, **kind),
                )
                for _ in range(repetitions)
            ]
        )
    )


def test_nine_of_ten_new_patients_outlive_their_bound() -> None:
    assert _mean_coverage(15, 300) == pytest.approx(0.9, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [{"risk_censors": True}, {"proportional": False}], ids=["censored by risk", "not Cox"]
)
def test_the_bound_covers_where_the_model_of_survival_is_wrong(kind: dict[str, bool]) -> None:
    assert _mean_coverage(200, 480, **kind) == pytest.approx(0.9, abs=0.01)


def test_measured_coverage_holds_the_true_coverage_in_its_interval() -> None:
    rng = np.random.default_rng(3)
    inside = []
    for _ in range(15):
        known, new = draw_predicted(300, rng), draw_predicted(N_NEW, rng)
        measured = _bound(known).coverage
        assert measured is not None
        inside.append(measured.low <= _coverage(known, new) <= measured.high)
    assert np.mean(inside) >= 0.8


def test_without_censoring_and_ranking_the_bound_is_a_quantile_of_the_durations() -> None:
    rng = np.random.default_rng(1)
    n = 199
    risk, duration = rng.standard_normal(n), rng.exponential(30.0, n)
    bound = fit_survival_bound(risk, np.ones(n), duration)
    # Risks that say nothing: the bound is about the same tenth of the durations for everybody.
    times = bound.times(fit_calibration(risk, np.ones(n), duration), [0.0])
    assert times[0] == pytest.approx(np.quantile(duration, 0.1), rel=0.25)


def test_higher_risk_gives_no_later_bound() -> None:
    known = draw_predicted(300, np.random.default_rng(2))
    calibration = fit_calibration(known.risk, known.event, known.duration)
    times = _bound(known).times(calibration, np.linspace(-5, 5, 50))
    assert (np.diff(times) <= 0).all()
    assert times[0] > times[-1]


def test_a_bound_ends_where_twenty_patients_are_still_followed() -> None:
    known = draw_predicted(300, np.random.default_rng(2))
    calibration = fit_calibration(known.risk, known.event, known.duration)
    bound = _bound(known)
    assert bound.last == np.sort(known.duration)[-20]
    assert bound.times(calibration, [-50.0])[0] == bound.last


@pytest.mark.parametrize(
    ("n", "event_share", "reason"),
    [(80, 0.5, "only 80 patients"), (200, 0.1, "events; 30 are needed")],
)
def test_too_few_patients_or_events_give_no_bound(n: int, event_share: float, reason: str) -> None:
    known = draw_predicted(n, np.random.default_rng(0), event_share=event_share)
    bound = _bound(known)
    assert bound.threshold is None
    assert reason in bound.reason
    assert np.isnan(bound.times(fit_calibration(*known[:1], known.event, known.duration), [0.0]))


def test_follow_up_that_shows_under_a_tenth_of_events_gives_no_bound() -> None:
    rng = np.random.default_rng(0)
    n = 1000
    to_event = rng.exponential(100.0, n)
    bound = fit_survival_bound(rng.standard_normal(n), to_event < 8, np.minimum(to_event, 8.0))
    assert bound.threshold is None
    assert "Follow-up is too short" in bound.reason


def test_late_entry_gives_no_bound() -> None:
    known = draw_predicted(200, np.random.default_rng(0))
    entry = np.where(np.arange(200) == 7, known.duration / 2, 0.0)
    bound = fit_survival_bound(known.risk, known.event, known.duration, entry=entry)
    assert bound.reason == "some patients enter after time zero"


def test_coverage_of_given_times_is_that_of_all_patients_under_censoring() -> None:
    rng = np.random.default_rng(5)
    new = draw_predicted(4000, rng, risk_censors=True)
    times = np.quantile(new.to_event, 0.1) * np.exp(-0.3 * new.risk)
    found = measure_coverage(times, new.risk, new.event, new.duration)
    assert found.value == pytest.approx(float((new.to_event >= times).mean()), abs=0.005)
    assert found.low < found.value < found.high
    with pytest.raises(EstimationError, match="Only 7 patients"):
        measure_coverage(
            np.where(np.arange(4000) < 7, times, np.nan), new.risk, new.event, new.duration
        )


def test_who_is_censored_at_the_time_of_an_event_was_not_censored_before() -> None:
    risk, event = np.random.default_rng(0).standard_normal(200), np.arange(200) % 4 == 0
    found = measure_coverage(np.full(200, 6.0), risk, event, np.full(200, 5.0))
    half = 1.959964 * event.std(ddof=1) / np.sqrt(200)
    assert found.value == pytest.approx(0.75)
    assert (found.low, found.high) == pytest.approx((0.75 - half, 0.75 + half))


def test_just_enough_patients_and_events_give_a_bound() -> None:
    rng = np.random.default_rng(4)
    risk, event = rng.standard_normal(MIN_PATIENTS), np.arange(MIN_PATIENTS) < MIN_EVENTS
    bound = fit_survival_bound(
        risk, event, np.where(event, 1.0, 2.0) * rng.uniform(1, 5, len(risk))
    )
    assert (bound.n_patients, bound.n_events, bound.reason) == (100, 30, "")
    assert bound.threshold is not None


def test_a_bound_survives_json() -> None:
    bound = _bound(draw_predicted(200, np.random.default_rng(0)))
    assert read_stored(SurvivalBound, [asdict(bound)]) == (bound,)


def test_a_missing_risk_is_refused() -> None:
    known = draw_predicted(200, np.random.default_rng(0))
    with pytest.raises(DataError, match="risk holds 1 missing"):
        fit_survival_bound(
            np.where(np.arange(200) == 3, np.nan, known.risk), known.event, known.duration
        )
