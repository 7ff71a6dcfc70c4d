"""Delayed entry in every risk set: against counting by hand, lifelines, and simulated truth."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from camlif.exceptions import DataError, EstimationError
from camlif.statistics import (
    bootstrap_c_index,
    brier_score,
    calibration,
    calibration_gates,
    count_pairs,
    cox_table,
    decision_curve,
    fit_calibration,
    group_hazard_ratios,
    integrated_brier_score,
    ipcw_c_index,
    kaplan_meier,
    log_rank,
    median_follow_up,
    pairwise_log_rank,
    performance_over_time,
    split_p_values,
    subgroup_performance,
    time_dependent_auc,
)
from camlif.statistics.censoring import CensoringWeights
from camlif.statistics.outcome import MIN_AT_RISK, life_table
from tests.builders.late_entry import draw_late, true_survival


class Tied(NamedTuple):
    """Few patients with many ties between entries, events and leaving; shape (n,)."""

    risk: NDArray[np.float64]
    event: NDArray[np.bool_]
    duration: NDArray[np.float64]
    entry: NDArray[np.float64]


@st.composite
def tied(draw: st.DrawFn, min_size: int = 2, max_size: int = 25) -> Tied:
    n = draw(st.integers(min_size, max_size))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    duration = rng.integers(1, 9, n).astype(float)
    entry = np.where(rng.random(n) < 0.6, np.minimum(rng.integers(0, 8, n), duration - 1), 0.0)
    return Tied(
        rng.integers(0, 5, n).astype(float), rng.random(n) < 0.6, duration, entry.astype(float)
    )


# Pairs under observation together


def pairs_by_hand(p: Tied, ties: Literal["half", "strict"]) -> tuple[int, int, int]:
    concordant = tied_risk = comparable = 0
    for i in np.flatnonzero(p.event):
        for j in range(len(p.risk)):
            same_time = ties == "half" and p.duration[j] == p.duration[i] and not p.event[j]
            leaves_later = p.duration[j] > p.duration[i] or same_time
            if i == j or not leaves_later or 0 < p.entry[j] >= p.duration[i]:
                continue
            comparable += 1
            concordant += int(p.risk[j] < p.risk[i])
            tied_risk += int(p.risk[j] == p.risk[i])
    return concordant, tied_risk, comparable


@settings(max_examples=150, deadline=None)
@given(tied())
def test_pairs_are_those_under_observation_together(p: Tied) -> None:
    for ties in ("half", "strict"):
        found = count_pairs(p.risk, p.event, p.duration, entry=p.entry, ties=ties)
        expected = pairs_by_hand(p, ties)
        assert (found.concordant, found.tied_risk, found.comparable) == expected


@settings(max_examples=20, deadline=None)
@given(tied(min_size=10))
def test_both_counters_agree_where_patients_enter_late(p: Tied) -> None:
    from camlif.statistics import concordance, pairs

    expected = count_pairs(p.risk, p.event, p.duration, entry=p.entry)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(concordance, "COMPILED_FROM", 0)
        patch.setattr(concordance, "compiled_counter", lambda: pairs.count_later)
        assert count_pairs(p.risk, p.event, p.duration, entry=p.entry) == expected


def test_a_resample_counts_pairs_of_whoever_was_drawn() -> None:
    p = draw_late(60, np.random.default_rng(0))
    found = bootstrap_c_index(p.log_risk, p.event, p.duration, entry=p.entry, n_resamples=40)
    rng, values = np.random.default_rng(0), []
    for row in rng.integers(60, size=(40, 60)):
        c = count_pairs(p.log_risk[row], p.event[row], p.duration[row], entry=p.entry[row])
        values.append((c.concordant + c.tied_risk / 2) / c.comparable)
    assert (found.low, found.high) == pytest.approx(np.quantile(values, [0.025, 0.975]))


# Entry at zero changes nothing


def test_entry_from_the_start_changes_no_number() -> None:
    rng = np.random.default_rng(1)
    p = draw_late(150, rng, latest=0.0)
    assert (p.entry == 0).all()
    risk, event, duration = p.log_risk, p.event, p.duration
    group = np.where(risk > 0, "high", "low")
    survival = true_survival(risk, [24.0])[:, 0]
    own = {"train_event": event, "train_duration": duration}
    late = {"entry": p.entry, "train_entry": p.entry}
    frame = pd.DataFrame({"risk": risk})
    for at, without in (
        (log_rank(event, duration, group, entry=p.entry), log_rank(event, duration, group)),
        (cox_table(frame, event, duration, entry=p.entry), cox_table(frame, event, duration)),
        (
            brier_score(survival, event, duration, horizon=24, **own, **late),
            brier_score(survival, event, duration, horizon=24, **own),
        ),
        (
            ipcw_c_index(risk, event, duration, tau=40, **own, **late),
            ipcw_c_index(risk, event, duration, tau=40, **own),
        ),
        (
            calibration(survival, event, duration, horizon=24, entry=p.entry),
            calibration(survival, event, duration, horizon=24),
        ),
        (
            calibration_gates(risk, event, duration, horizons=[24], entry=p.entry),
            calibration_gates(risk, event, duration, horizons=[24]),
        ),
    ):
        assert at == without


# Where an estimate starts


def test_an_event_at_a_risk_set_of_one_does_not_end_the_curve() -> None:
    entry = np.concatenate([[0.0], np.linspace(1, 6, 40)])
    duration = np.concatenate([[0.35], np.linspace(8, 40, 40)])
    event = np.concatenate([[True], np.arange(40) % 2 == 0])
    curve = kaplan_meier(event, duration, entry)
    assert curve.start == entry[MIN_AT_RISK]  # the fifth of those still there has just entered
    assert curve.at([0.5, 7.9]).tolist() == [1, 1]
    assert 0 < curve.at(20) < 1
    assert curve.median is not None
    assert curve.median > 8
    assert curve.events[0] == 1  # it is counted, and moves nothing


def test_a_group_that_dies_out_before_others_enter_does_not_stand_for_them() -> None:
    duration = np.concatenate([[1.0] * 6, np.linspace(10, 30, 20)])
    entry = np.concatenate([[0.0] * 6, np.linspace(2, 5, 20)])
    curve = kaplan_meier(np.ones(26, dtype=bool), duration, entry)
    assert curve.start > 2
    assert curve.at(10.5) == pytest.approx(19 / 20)


def test_a_few_patients_start_where_most_of_them_are_there() -> None:
    curve = kaplan_meier([1, 1, 1], [1.0, 5.0, 6.0], [0.0, 2.0, 3.0])
    assert curve.start == 3
    assert curve.at([4, 5, 6]).tolist() == [1, 0.5, 0]


def test_without_late_entry_a_curve_starts_at_zero() -> None:
    assert kaplan_meier([1, 0], [1.0, 2.0]).start == 0
    assert kaplan_meier([1, 1, 0], [1.0, 1.0, 2.0], [0.0, 0.0, 0.0]).at(1) == pytest.approx(1 / 3)
    assert kaplan_meier([], []).start == 0


@settings(max_examples=40, deadline=None)
@given(tied(min_size=12, max_size=40))
def test_the_curve_after_its_start_equals_lifelines(p: Tied) -> None:
    from lifelines import KaplanMeierFitter

    curve = kaplan_meier(p.event, p.duration, p.entry)
    later = (p.duration > curve.start) | (curve.start == 0)
    # lifelines has somebody at risk after the entry; time zero is the start for all others.
    entry = np.where(p.entry > 0, np.maximum(p.entry, curve.start), curve.start)[later]
    fitted = KaplanMeierFitter().fit(p.duration[later], p.event[later], entry=entry)
    times = np.arange(np.ceil(curve.start), p.duration.max() + 1)
    expected = fitted.survival_function_at_times(times).to_numpy()
    np.testing.assert_allclose(curve.at(times), expected, atol=1e-12)


# Groups


def test_log_rank_counts_whoever_has_entered() -> None:
    """Observed less expected and its variance from a table of risk sets, by hand."""
    event = np.array([1, 1, 1, 1, 0], dtype=bool)
    duration = np.array([2.0, 3.0, 4.0, 5.0, 6.0])
    entry = np.array([0.0, 0.0, 2.5, 1.0, 3.5])
    group = np.array(["a", "b", "a", "b", "a"])
    # At 2: patients 0, 1, 3 (one a of three); at 3: 1, 2, 3 (one a of three); at 4: 2, 3, 4 (two of
    # three); at 5: 3, 4 (one of two).
    expected = 1 / 3 + 1 / 3 + 2 / 3 + 1 / 2
    variance = 3 * (1 / 3 * 2 / 3) + 1 / 4
    found = log_rank(event, duration, group, entry=entry)
    assert found.statistic == pytest.approx((2 - expected) ** 2 / variance)


def test_three_groups_equal_the_score_test_of_a_cox_model() -> None:
    """Without ties the log-rank statistic is the score test of Cox's model at zero."""
    import torch

    from camlif.losses import cox_partial_likelihood

    p = draw_late(80, np.random.default_rng(3))
    group = np.array(["a", "b", "c"])[np.arange(80) % 3]
    x = torch.tensor(np.stack([group == "b", group == "c"], axis=1).astype(float))

    def likelihood(beta: torch.Tensor) -> torch.Tensor:
        return cox_partial_likelihood(
            x @ beta,
            torch.from_numpy(p.event),
            torch.from_numpy(p.duration),
            entry=torch.from_numpy(p.entry),
            reduction="sum",
        )

    zero = torch.zeros(2, dtype=torch.float64)
    score = torch.func.grad(likelihood)(zero)
    information = torch.func.hessian(likelihood)(zero)
    statistic = float(score @ torch.linalg.solve(information, score))
    assert log_rank(p.event, p.duration, group, entry=p.entry).statistic == pytest.approx(statistic)


def test_a_group_that_never_shares_a_risk_set_is_refused() -> None:
    group = ["late"] * 3 + ["early"] * 3
    with pytest.raises(EstimationError, match="late is not at risk at any event"):
        log_rank(
            [0, 0, 0, 1, 1, 1],
            [9.0, 9.0, 9.0, 1.0, 2.0, 3.0],
            group,
            entry=[4.0, 4.0, 4.0, 0.0, 0.0, 0.0],
        )


def test_hazard_ratios_are_those_of_the_simulation() -> None:
    p = draw_late(4000, np.random.default_rng(5))
    (found,) = cox_table(pd.DataFrame({"x": p.log_risk}), p.event, p.duration, entry=p.entry)
    assert found.low < np.e < found.high
    assert found.high / found.low < 1.2


# Wrong input


def test_an_entry_after_the_end_is_refused_everywhere() -> None:
    wrong = {"entry": [3.0, 0.0]}
    for measure in (
        lambda: log_rank([1, 1], [2.0, 3.0], ["a", "b"], **wrong),
        lambda: fit_calibration([0.0, 1.0], [1, 1], [2.0, 3.0], **wrong),
        lambda: count_pairs([0.0, 1.0], [1, 1], [2.0, 3.0], **wrong),
        lambda: kaplan_meier([1, 1], [2.0, 3.0], [3.0, 0.0]),
    ):
        with pytest.raises(DataError, match="when the follow-up is over"):
            measure()


def test_no_decision_curve_of_those_who_lived_to_enter() -> None:
    p = draw_late(100, np.random.default_rng(0))
    survival = true_survival(p.log_risk, [36.0])[:, 0]
    with pytest.raises(EstimationError, match="enter after time zero"):
        decision_curve(survival, p.event, p.duration, horizon=36, thresholds=[0.5], entry=p.entry)


# Simulated truth


@pytest.fixture(scope="module")
def many() -> NDArray[np.float64]:
    """Log risks of everyone, those who died before they could enter included."""
    return np.random.default_rng(9).standard_normal(400_000)


HORIZON = 36.0


def test_weights_of_one_cohort_sum_to_one_after_the_start() -> None:
    """Cases weigh as much as the curve falls, controls as much as is left of it."""
    p = draw_late(400, np.random.default_rng(4))
    weights = CensoringWeights(p.event, p.duration, p.entry)
    cases = p.event & (p.duration <= HORIZON)
    controls = (p.duration > HORIZON) & (p.entry < HORIZON)
    curve = kaplan_meier(p.event, p.duration, p.entry)
    fallen = weights.at(p.duration[cases]).sum()
    assert fallen == pytest.approx(1 - float(curve.at(HORIZON)))
    assert controls.sum() * weights.at(HORIZON) == pytest.approx(float(curve.at(HORIZON)))
    assert life_table(p.event, p.duration, p.entry).start < 2


@settings(max_examples=60, deadline=None)
@given(tied(min_size=6))
def test_the_weight_of_a_time_is_survival_before_it_over_those_at_risk(p: Tied) -> None:
    entry = np.maximum(p.entry, 0.5)  # all enter late, so the weights are those of late entry
    weights = CensoringWeights(p.event, p.duration, entry)
    start = life_table(p.event, p.duration, entry).start

    def at_risk(time: float) -> int:
        return int(((entry < time) & (p.duration >= time)).sum())

    def event_free_before(time: float) -> float:
        times = np.unique(p.duration[p.event & (p.duration > start) & (p.duration < time)])
        lost = [(p.event & (p.duration == t)).sum() / at_risk(t) for t in times]
        return float(np.prod([1 - share for share in lost]))

    assert weights.at(start) == 0
    for time in (*np.unique(p.duration), start + 0.25):
        if time > start and at_risk(time):
            expected = event_free_before(time) / at_risk(time)
            assert weights.at(time) == pytest.approx(expected)
    with pytest.raises(EstimationError, match="No training patient was followed beyond"):
        weights.at(p.duration.max() + 0.25)


def test_measures_of_a_large_cohort_are_those_of_everyone(many: NDArray[np.float64]) -> None:
    """Survivors who enter late stand for everyone, with and without a model."""
    p = draw_late(6000, np.random.default_rng(2))
    outcome = (p.event, p.duration)
    times = np.linspace(12, 60, 13)
    truth = true_survival(many, times)
    at = int(np.flatnonzero(times == HORIZON)[0])
    curve = kaplan_meier(*outcome, p.entry)
    np.testing.assert_allclose(curve.at(times), truth.mean(axis=0), atol=0.015)

    fitted = fit_calibration(p.log_risk, *outcome, entry=p.entry)
    assert fitted.slope == pytest.approx(1, abs=0.06)
    np.testing.assert_allclose(
        fitted.survival([0.0], times)[0], true_survival([0.0], times)[0], atol=0.02
    )

    own = {"train_event": p.event, "train_duration": p.duration, "train_entry": p.entry}
    predicted = true_survival(p.log_risk, times)
    brier = brier_score(predicted[:, at], *outcome, horizon=HORIZON, entry=p.entry, **own)
    assert brier == pytest.approx(float((truth[:, at] * (1 - truth[:, at])).mean()), abs=0.006)
    ibs = integrated_brier_score(predicted, *outcome, times=times, entry=p.entry, **own)
    everyone = np.trapezoid((truth * (1 - truth)).mean(axis=0), times) / (times[-1] - times[0])
    assert ibs == pytest.approx(float(everyone), abs=0.006)

    auc = time_dependent_auc(p.log_risk, *outcome, horizons=[HORIZON], entry=p.entry, **own)
    assert float(auc[0]) == pytest.approx(true_auc(many, truth[:, at]), abs=0.015)
    harrell = ipcw_c_index(p.log_risk, *outcome, tau=HORIZON, entry=p.entry, **own)
    assert harrell == pytest.approx(true_c_index(many, HORIZON), abs=0.01)

    found = calibration(predicted[:, at], *outcome, horizon=HORIZON, entry=p.entry)
    assert found.ratio == pytest.approx(1, abs=0.03)
    assert found.ici is not None
    assert found.ici < 0.02
    for part in found.bins:
        assert part.observed == pytest.approx(part.predicted, abs=0.08)

    over_time = performance_over_time(
        p.log_risk, predicted, *outcome, horizons=times, entry=p.entry, n_resamples=2
    )
    null = over_time.horizons[at].null
    mean = truth[:, at].mean()
    assert null == pytest.approx(float(mean * (1 - mean)), abs=0.006)
    group = subgroup_performance(
        p.log_risk, predicted[:, at], *outcome, horizon=HORIZON, entry=p.entry
    )
    assert group.ratio == pytest.approx(found.ratio)
    assert group.ratio_low is not None
    assert group.ratio_high is not None
    assert group.ratio_low < 1 < group.ratio_high


def true_auc(risk: NDArray[np.float64], survival: NDArray[np.float64]) -> float:
    """Chance that a random case has a higher risk than a random control, by weighted ranks."""
    order = np.argsort(risk)
    case, control = (1 - survival)[order], survival[order]
    below = np.cumsum(control) - control
    return float((case * below).sum() / (case.sum() * control.sum()))


def true_c_index(risk: NDArray[np.float64], tau: float) -> float:
    """Chance that the first of two events before ``tau`` has the higher risk, for exponentials.

    A pair's first event falls on i with chance h_i / (h_i + h_j), independently of its time, which
    is before tau with chance 1 - exp(-(h_i + h_j) tau).
    """
    rng = np.random.default_rng(0)
    hazard = -np.log(true_survival(risk, [1.0])[:, 0])
    a, b = rng.permutation(hazard), rng.permutation(hazard)
    seen = 1 - np.exp(-(a + b) * tau)
    return float((seen * np.maximum(a, b) / (a + b)).sum() / seen.sum())


@pytest.mark.parametrize("factor", [0.6, 1.7])
def test_wrong_predictions_are_found_out_by_the_ratio(factor: float) -> None:
    p = draw_late(2000, np.random.default_rng(6))
    wrong = true_survival(p.log_risk, [HORIZON])[:, 0] ** factor
    found = calibration(wrong, p.event, p.duration, horizon=HORIZON, entry=p.entry)
    right = true_survival(p.log_risk, [HORIZON])[:, 0]
    assert found.observed == pytest.approx(float((1 - right).mean()), abs=0.03)
    assert abs(found.ratio - 1) > 0.15


def test_late_entry_counts_follow_up_from_entry_on() -> None:
    """Reverse Kaplan-Meier: leaving is what is waited for, at risk from entry on."""
    p = draw_late(3000, np.random.default_rng(8))
    late = median_follow_up(p.event, p.duration, p.entry)
    leaving = np.sort(p.entry + np.random.default_rng(0).uniform(12, 96, 3000))
    assert late == pytest.approx(float(np.median(leaving)), abs=6)


def test_p_values_over_splits_take_entry() -> None:
    rng = np.random.default_rng(11)
    p = draw_late(200, rng)
    test = np.zeros((5, 200), dtype=bool)
    test[np.arange(200) % 5, np.arange(200)] = True
    noise = rng.standard_normal((200, 5))
    found = split_p_values(noise, p.event, p.duration, test=test, entry=p.entry)
    z = np.zeros(200)
    for e, rows in enumerate(test):
        own = noise[rows, e]
        z[rows] = (own - own.mean()) / own.std(ddof=1)
    group = np.where(z < np.median(z), "low", "high")
    assert found.unique == log_rank(p.event, p.duration, group, entry=p.entry).p_value
    pairs = pairwise_log_rank(p.event, p.duration, group, entry=p.entry)
    assert pairs[0].p_value == pytest.approx(found.unique)
    ratio = group_hazard_ratios(p.event, p.duration, group, reference="low", entry=p.entry)
    assert ratio[0].low < 1 < ratio[0].high


# As it was measured


@pytest.mark.slow
def test_the_baseline_is_recovered_in_60_cohorts() -> None:
    """True Cox model, entry over 0 to 24 months: ignoring it said 0.54 where 0.41 is true."""
    rng = np.random.default_rng(0)
    found, ignored = [], []
    for _ in range(60):
        p = draw_late(500, rng)
        for entry, kept in ((p.entry, found), (None, ignored)):
            fitted = fit_calibration(p.log_risk, p.event, p.duration, entry=entry)
            kept.append(float(fitted.survival([0.0], [HORIZON])[0, 0]))
    assert np.mean(ignored) == pytest.approx(0.54, abs=0.01)
    error = np.std(found, ddof=1) / np.sqrt(60)
    assert np.mean(found) == pytest.approx(0.41, abs=3 * error)
    assert error < 0.006


@pytest.mark.slow
def test_equal_hazards_differ_in_5_of_100_runs_where_one_group_enters_late() -> None:
    """Ignoring the entry said p < 0.05 in 88 of 100 runs, and a hazard ratio of 0.66."""
    rng = np.random.default_rng(1)
    latest = np.repeat([0.0, 24.0], 200)
    group = np.repeat(["early", "late"], 200)
    below, below_ignored, ratios = 0, 0, []
    runs = 400
    for _ in range(runs):
        p = draw_late(400, rng, spread=0.0, latest=latest)
        below += log_rank(p.event, p.duration, group, entry=p.entry).p_value < 0.05
        below_ignored += log_rank(p.event, p.duration, group).p_value < 0.05
        (ratio,) = group_hazard_ratios(p.event, p.duration, group, reference="early", entry=p.entry)
        ratios.append(np.log(ratio.ratio))
    assert below_ignored / runs > 0.6
    assert 0.03 <= below / runs <= 0.08
    error = np.std(ratios, ddof=1) / np.sqrt(runs)
    assert abs(np.mean(ratios)) < 3 * error


@pytest.mark.slow
def test_no_curve_of_500_cohorts_ends_at_an_early_event() -> None:
    rng = np.random.default_rng(2)
    for _ in range(500):
        p = draw_late(100, rng)
        curve = kaplan_meier(p.event, p.duration, p.entry)
        assert float(curve.at(10.0)) > 0.3
        assert curve.start < 10
