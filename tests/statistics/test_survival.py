"""Curves, group tests and absolute risk against lifelines, scikit-survival and known truth."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from camlif.exceptions import DataError, EstimationError, NoEventsError
from camlif.losses import cox_partial_likelihood
from camlif.statistics import (
    Calibration,
    KaplanMeierCurve,
    cox_table,
    fit_calibration,
    group_hazard_ratios,
    kaplan_meier,
    log_rank,
    median_follow_up,
    pairwise_log_rank,
    too_few,
)
from tests.builders.strategies import Patients, patients

# Months 2 and 3 hold ties: an event with a patient who leaves, and two events.
EVENT = [1, 0, 1, 1, 0, 1]
DURATION = [2.0, 2.0, 3.0, 3.0, 5.0, 7.0]


class Outcomes(NamedTuple):
    """Patients of a Cox model with hazard rate * exp(log_risk), and their log risk."""

    log_risk: NDArray[np.float64]
    event: NDArray[np.bool_]
    duration: NDArray[np.float64]


def draw(
    n: int, *, rate: float = 1 / 40, spread: float = 1.0, leave: float = 60.0, seed: int = 0
) -> Outcomes:
    rng = np.random.default_rng(seed)
    log_risk = spread * rng.standard_normal(n)
    until_event = rng.exponential(size=n) / (rate * np.exp(log_risk))
    until_leaving = rng.exponential(leave, n)
    return Outcomes(log_risk, until_event <= until_leaving, np.minimum(until_event, until_leaving))


# Curves


def test_at_risk_counts_patients_followed_at_least_that_long() -> None:
    curve = kaplan_meier(EVENT, DURATION)
    times = [0, 2, 2.5, 3, 5, 6, 7, 8]
    assert curve.at_risk_at(times).tolist() == [6, 6, 4, 4, 2, 1, 1, 0]


def test_curve_lists_who_leaves_with_and_without_event() -> None:
    curve = kaplan_meier(EVENT, DURATION)
    assert curve.events.tolist() == [1, 2, 0, 1]
    assert curve.censored.tolist() == [1, 0, 1, 0]
    assert (curve.n_patients, curve.n_events) == (6, 4)


@settings(max_examples=40)
@given(p=patients(min_events=1))
def test_curve_equals_lifelines(p: Patients) -> None:
    from lifelines import KaplanMeierFitter

    fitted = KaplanMeierFitter().fit(p.duration, p.event)
    curve = kaplan_meier(p.event, p.duration)
    expected = fitted.survival_function_["KM_estimate"].loc[1:]
    band = fitted.confidence_interval_.loc[1:].to_numpy()
    moved = (curve.survival > 0) & (curve.survival < 1)
    assert curve.survival == pytest.approx(expected.to_numpy(), abs=1e-12)
    assert curve.low[moved] == pytest.approx(band[moved, 0], abs=1e-9)
    assert curve.high[moved] == pytest.approx(band[moved, 1], abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_curve_with_late_entries_equals_lifelines(seed: int) -> None:
    from lifelines import KaplanMeierFitter

    rng = np.random.default_rng(seed)
    duration = rng.exponential(20, 200) + 1
    entry = np.where(rng.random(200) < 0.5, 0.0, rng.uniform(0, duration))
    event = rng.random(200) < 0.6
    fitted = KaplanMeierFitter().fit(duration, event, entry=entry)
    curve = kaplan_meier(event, duration, entry)
    assert curve.n_patients == 200
    times = np.sort(duration)
    expected = fitted.survival_function_at_times(times).to_numpy()
    assert curve.at(times) == pytest.approx(expected, abs=1e-12)
    points = rng.uniform(0, 60, 30)
    by_hand = [((entry < t) & (duration >= t)).sum() for t in points]
    assert curve.at_risk_at(points).tolist() == by_hand


@given(p=patients())
def test_curve_never_rises_and_stays_between_0_and_1(p: Patients) -> None:
    survival = kaplan_meier(p.event, p.duration).at(np.linspace(0, p.duration.max(), 50))
    assert survival[0] == 1
    assert (np.diff(survival) <= 0).all()
    assert (survival >= 0).all()


@given(p=patients())
def test_curve_survives_storage(p: Patients) -> None:
    curve = kaplan_meier(p.event, p.duration)
    stored = KaplanMeierCurve.from_arrays(curve.to_arrays())
    for name, values in curve.to_arrays().items():
        np.testing.assert_array_equal(stored.to_arrays()[name], values)


def test_median_is_the_first_time_at_one_half() -> None:
    assert kaplan_meier([1, 1, 1, 1], [1.0, 2.0, 3.0, 4.0]).median == 2.0
    assert kaplan_meier(np.ones(10), np.arange(1.0, 11.0)).median == 5.0
    assert kaplan_meier([1, 0, 0], [1.0, 2.0, 3.0]).median is None


def test_an_empty_group_has_an_empty_curve() -> None:
    curve = kaplan_meier([], [])
    assert (curve.n_patients, curve.n_events, curve.median) == (0, 0, None)
    assert np.isnan(curve.at([0.0, 12.0])).all()
    assert curve.at_risk_at([0.0, 12.0]).tolist() == [0, 0]
    assert KaplanMeierCurve.from_arrays(curve.to_arrays()).n_patients == 0


def test_an_incomplete_stored_curve_raises() -> None:
    arrays = kaplan_meier(EVENT, DURATION).to_arrays()
    del arrays["low"]
    with pytest.raises(DataError, match="incomplete"):
        KaplanMeierCurve.from_arrays(arrays)


def test_median_follow_up_of_a_hand_table() -> None:
    # Leaving without event: 1 of 5 at risk at month 2, 1 of 3 at month 4, 1 of 2 at month 6.
    assert median_follow_up([0, 1, 0, 0, 1], [2.0, 3.0, 4.0, 6.0, 8.0]) == 6.0


@given(p=patients())
def test_median_follow_up_equals_reverse_kaplan_meier_in_exact_fractions(p: Patients) -> None:
    staying = Fraction(1)
    expected = None
    for time in np.unique(p.duration):
        leaving = int((~p.event & (p.duration == time)).sum())
        staying *= 1 - Fraction(leaving, int((p.duration >= time).sum()))
        if expected is None and staying <= Fraction(1, 2):
            expected = time
    assert median_follow_up(p.event, p.duration) == expected


# Groups


@settings(max_examples=40)
@given(p=patients(min_size=6, min_events=3), n_groups=st.integers(2, 3))
def test_log_rank_equals_scikit_survival(p: Patients, n_groups: int) -> None:
    from sksurv.compare import compare_survival
    from sksurv.util import Surv

    group = np.array(["low", "mid", "high"])[np.arange(len(p.risk)) % n_groups]
    try:
        expected = compare_survival(Surv.from_arrays(p.event, p.duration), group)
    except np.linalg.LinAlgError:
        assume(False)
    assume(np.isfinite(expected[0]))
    found = log_rank(p.event, p.duration, group)
    assert found.statistic == pytest.approx(expected[0], rel=1e-6, abs=1e-9)
    assert found.p_value == pytest.approx(expected[1], rel=1e-6, abs=1e-9)
    assert found.dof == n_groups - 1


@pytest.mark.parametrize(
    ("event", "stratum", "match"),
    [
        ([1, 1, 0, 1], ["low"] * 4, "needs two groups"),
        ([0, 0, 0, 0], ["low", "low", "high", "high"], "No event"),
        ([0, 0, 1, 1], ["low", "low", "high", "high"], "undefined: low"),
        ([0, 0, 0, 1], ["low", "high", "low", "high"], "undefined"),
    ],
)
def test_undefined_log_rank_raises(event: list[int], stratum: list[str], match: str) -> None:
    with pytest.raises(EstimationError, match=match):
        log_rank(event, [1.0, 2.0, 3.0, 4.0], stratum)


def test_a_patient_without_group_raises() -> None:
    with pytest.raises(DataError, match="no group"):
        log_rank([1, 1], [1.0, 2.0], np.array(["low", None], dtype=object))


def three_groups(n: int = 40) -> tuple[Outcomes, NDArray[np.str_]]:
    outcomes = draw(3 * n, spread=1.5)
    rank = np.argsort(np.argsort(outcomes.log_risk))
    return outcomes, np.array(["low", "intermediate", "high"])[rank // n]


def test_pairs_are_corrected_by_holm_in_the_order_wanted() -> None:
    (_, event, duration), group = three_groups()
    pairs = pairwise_log_rank(event, duration, group, names=("low", "intermediate", "high"))
    assert [(p.first, p.second) for p in pairs] == [
        ("low", "intermediate"),
        ("low", "high"),
        ("intermediate", "high"),
    ]
    raw = [p.p_value for p in pairs]
    for pair in pairs:
        rows = np.isin(group, (pair.first, pair.second))
        assert pair.p_value == log_rank(event[rows], duration[rows], group[rows]).p_value
        assert pair.p_value is not None
        bound = sorted(raw).index(pair.p_value)  # type: ignore[type-var]
        assert pair.adjusted is not None
        assert pair.adjusted >= min(1.0, (3 - bound) * pair.p_value)
        assert pair.reason == ""


def test_a_small_group_gets_the_reason_instead_of_a_p_value() -> None:
    (_, event, duration), group = three_groups()
    group = group.copy()
    high = np.flatnonzero(group == "high")
    group[high[9:]] = "low"
    n_events = int(event[group == "high"].sum())
    expected = (
        "E-20: At least 10 patients and 5 events per group are needed for a p-value; "
        f"high has 9 and {n_events}."
    )
    assert too_few(event, group) == expected
    tested = {(p.first, p.second): p for p in pairwise_log_rank(event, duration, group)}
    assert tested["high", "low"].p_value is None
    assert tested["high", "low"].reason == expected
    assert tested["intermediate", "low"].adjusted == tested["intermediate", "low"].p_value


def test_few_events_suppress_a_p_value_whatever_the_group_size() -> None:
    event = np.zeros(60, dtype=bool)
    event[:24] = True
    group = np.where(np.arange(60) < 20, "low", "high")
    assert too_few(event, group) == (
        "E-20: At least 10 patients and 5 events per group are needed for a p-value; "
        "high has 40 and 4."
    )
    event[24] = True
    assert too_few(event, group) is None


def test_a_group_without_patients_is_said_to_have_none() -> None:
    (_, event, duration), group = three_groups()
    pairs = pairwise_log_rank(event, duration, group, names=("low", "grade V"))
    assert pairs[0].reason == "grade V has no patient."


# Cox models


def covariates(n: int = 200, seed: int = 3) -> tuple[pd.DataFrame, Outcomes]:
    rng = np.random.default_rng(seed)
    outcomes = draw(n, seed=seed)
    months = np.ceil(outcomes.duration)  # ties
    frame = pd.DataFrame(
        {
            "score": outcomes.log_risk + rng.normal(size=n),
            "age": rng.normal(60, 10, n),
            "grade 4": (rng.random(n) < 0.3).astype(float),
        }
    )
    return frame, outcomes._replace(duration=months)


def test_hazard_ratios_equal_scikit_survival_with_efron_ties() -> None:
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    frame, (_, event, duration) = covariates()
    table = cox_table(frame, event, duration)
    fitted = CoxPHSurvivalAnalysis(ties="efron", tol=1e-12)
    fitted.fit(frame.to_numpy(), Surv.from_arrays(event, duration))
    assert [row.name for row in table] == ["score", "age", "grade 4"]
    # lifelines stops once the log likelihood changes by less than 1e-9 of itself.
    assert [row.ratio for row in table] == pytest.approx(np.exp(fitted.coef_).tolist(), rel=1e-4)


def test_hazard_ratio_intervals_come_from_the_curvature_of_the_partial_likelihood() -> None:
    frame, (_, event, duration) = covariates()
    table = cox_table(frame, event, duration)
    x = torch.from_numpy(frame.to_numpy())

    def loss(beta: torch.Tensor) -> torch.Tensor:
        return cox_partial_likelihood(
            x @ beta,
            torch.from_numpy(event),
            torch.from_numpy(duration),
            ties="efron",
            reduction="sum",
        )

    beta = torch.tensor([np.log(row.ratio) for row in table], dtype=torch.float64)
    hessian = torch.autograd.functional.hessian(loss, beta)
    error = torch.linalg.inv(hessian).diagonal().sqrt().numpy()
    for row, b, se in zip(table, beta.tolist(), error, strict=True):
        assert np.log([row.low, row.high]) == pytest.approx(
            [b - 1.959964 * se, b + 1.959964 * se], rel=1e-4, abs=1e-5
        )


def test_hazard_ratio_is_per_unit_of_the_column() -> None:
    frame, (_, event, duration) = covariates()
    per_year = cox_table(frame, event, duration)[1].ratio
    per_decade = cox_table(frame.assign(age=frame["age"] / 10), event, duration)[1].ratio
    assert per_decade == pytest.approx(per_year**10, rel=1e-6)


def test_too_few_events_per_variable_are_refused() -> None:
    frame, (_, event, duration) = covariates()
    few = np.zeros_like(event)
    few[np.flatnonzero(event)[:29]] = True
    with pytest.raises(EstimationError, match=r"3 variables needs 30 events .* there are 29"):
        cox_table(frame, few, duration)


@pytest.mark.parametrize(
    ("column", "values", "match"),
    [
        ("centre", lambda f, e: 1.0, "centre is the same for everyone.*Remove centre"),
        ("months", lambda f, e: 12 * f["age"] + 1, "months is a combination of the other"),
        ("relapse", lambda f, e: e.astype(float), "relapse alone tells who has the event"),
    ],
)
def test_a_cox_model_that_cannot_converge_names_the_variable(
    column: str, values: object, match: str
) -> None:
    frame, (_, event, duration) = covariates()
    frame[column] = values(frame, event)  # type: ignore[operator]
    with pytest.raises(EstimationError, match=rf"E-21: The Cox model did not converge \({match}"):
        cox_table(frame, event, duration)


@pytest.mark.parametrize(("value", "match"), [(np.nan, "1 value is missing"), ("old", "no number")])
def test_a_gap_or_text_among_variables_raises(value: object, match: str) -> None:
    frame, (_, event, duration) = covariates()
    frame["age"] = frame["age"].astype(object)
    frame.loc[3, "age"] = value
    with pytest.raises(DataError, match=match):
        cox_table(frame, event, duration)


def test_group_hazard_ratios_are_against_the_reference_in_the_order_wanted() -> None:
    (_, event, duration), group = three_groups()
    rows = group_hazard_ratios(
        event, duration, group, reference="low", names=("low", "intermediate", "high")
    )
    assert [row.name for row in rows] == ["intermediate", "high"]
    assert 1 < rows[0].ratio < rows[1].ratio
    back = group_hazard_ratios(event, duration, group, reference="high")
    assert {r.name: r.ratio for r in back}["low"] == pytest.approx(1 / rows[1].ratio, rel=1e-6)


def test_a_reference_group_without_patients_raises() -> None:
    (_, event, duration), group = three_groups()
    with pytest.raises(EstimationError, match="reference group grade II"):
        group_hazard_ratios(event, duration, group, reference="grade II")


# Absolute risk


def test_calibration_recovers_slope_and_survival_of_a_cox_model() -> None:
    truth = draw(6000, spread=0.8)
    fitted = fit_calibration(2.5 * truth.log_risk, truth.event, truth.duration)
    assert fitted.slope == pytest.approx(1 / 2.5, abs=0.02)
    log_risk, times = np.array([-1.0, 0.0, 1.0]), np.array([6.0, 24.0, 60.0])
    expected = np.exp(-np.exp(log_risk)[:, None] * times / 40)
    found = fitted.survival(2.5 * log_risk, times)
    np.testing.assert_allclose(found, expected, atol=0.025)


def test_baseline_equals_scikit_survival_at_the_same_slope() -> None:
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    risk, event, duration = draw(300, seed=5)
    duration = np.ceil(duration)
    cox = CoxPHSurvivalAnalysis(ties="efron", tol=1e-12)
    cox.fit(risk[:, None], Surv.from_arrays(event, duration))
    fitted = fit_calibration(risk, event, duration)
    assert fitted.slope == pytest.approx(cox.coef_[0], rel=1e-6)
    expected = cox.predict_survival_function(risk[:4, None])
    times = np.array([3.0, 12.0, 40.0])
    found = fitted.survival(risk[:4], times)
    np.testing.assert_allclose(found, [s(times) for s in expected], rtol=1e-5)


def test_slope_does_not_depend_on_the_scale_of_risks() -> None:
    risk, event, duration = draw(200)
    slope = fit_calibration(risk, event, duration).slope
    for scale in (1e-4, 1e3):
        assert fit_calibration(scale * risk, event, duration).slope * scale == pytest.approx(
            slope, rel=1e-6
        )


def fitted_calibration() -> Calibration:
    return fit_calibration(*draw(200))


def test_survival_starts_at_one_and_falls_with_time_and_risk() -> None:
    calibration = fitted_calibration()
    times = np.linspace(0, calibration.time[-1], 30)
    survival = calibration.survival([-1.0, 0.0, 2.0], times)
    assert survival.shape == (3, 30)
    assert (survival[:, 0] == 1).all()
    assert (np.diff(survival, axis=1) <= 0).all()
    assert (np.diff(survival, axis=0)[:, 1:] < 0).all()


def test_a_missing_risk_has_missing_survival() -> None:
    survival = fitted_calibration().survival([np.nan, 0.0], [1.0, 12.0])
    assert np.isnan(survival[0]).all()
    assert np.isfinite(survival[1]).all()


def test_survival_beyond_the_last_follow_up_is_missing() -> None:
    calibration = fitted_calibration()
    last = calibration.time[-1]
    survival = calibration.survival([0.0], [last, last + 0.1])[0]
    assert np.isfinite(survival[0])
    assert np.isnan(survival[1])


def test_extreme_risks_give_survival_of_0_and_1_without_overflow() -> None:
    survival = fitted_calibration().survival([-1e5, 1e5], [24.0])
    assert survival[:, 0].tolist() == [1.0, 0.0]


def test_calibration_survives_storage() -> None:
    calibration = fitted_calibration()
    stored = Calibration.from_arrays(calibration.to_arrays())
    assert stored.slope == calibration.slope
    times = np.array([1.0, 20.0])
    np.testing.assert_array_equal(stored.survival([0.3], times), calibration.survival([0.3], times))


@pytest.mark.parametrize("broken", ["slope", "time", "cumulative_hazard"])
def test_an_incomplete_stored_calibration_raises(broken: str) -> None:
    arrays = fitted_calibration().to_arrays()
    with pytest.raises(DataError):
        Calibration.from_arrays({k: v for k, v in arrays.items() if k != broken})
    with pytest.raises(DataError):
        Calibration.from_arrays({**arrays, broken: np.full_like(arrays[broken], np.nan)})


@pytest.mark.parametrize(
    ("risk", "event", "error", "match"),
    [
        ([0.0, 1.0, 2.0], [0, 0, 0], NoEventsError, "No event"),
        ([1.0, 1.0, 1.0], [1, 1, 0], EstimationError, "All risks are equal"),
        ([0.0, np.nan, 2.0], [1, 1, 0], DataError, "missing"),
    ],
)
def test_unusable_risks_have_no_calibration(
    risk: list[float], event: list[int], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        fit_calibration(risk, event, [1.0, 2.0, 3.0])
