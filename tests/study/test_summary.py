"""The study's table: means, intervals, paired tests, Holm, words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from camlif.config import HORIZONS
from camlif.data.splits import make_splits
from camlif.statistics import SplitPValues, split_p_values
from camlif.statistics.outcome import FollowUp
from camlif.statistics.splits import corrected_interval, corrected_t_test, holm, plain_half_width
from camlif.study.measures import split_measures
from camlif.study.printed import COHORTS, PRINTED
from camlif.study.summary import summarise, variant_p_values
from tests.builders.cohorts import simulate
from tests.study.test_store import FACTS, SETTINGS

SIZES = {"n_train": 80, "n_test": 20}
BASE = np.array([0.70, 0.72, 0.68, 0.71, 0.69])


def _rows(variant: str, values: NDArray[np.float64], **changes: object) -> pd.DataFrame:
    n = len(values)
    row = {
        "method": "camlif",
        "variant": variant,
        "head": "matched",
        "family": "ablation",
        "title": variant,
        "split": np.arange(n),
        "seed": 0,
        "n_train": 80,
        "n_test": 20,
        "events": 9,
        "c_index": values,
        "c_index_strict": values - 0.01,
        "ipcw_c": np.nan,
        "ibs": np.where(np.arange(n) == 0, np.nan, 0.2),
        "train_median": 0.0,
        **{f"auc_{h}": 0.7 for h in HORIZONS},
        "parameters": 10.0,
        "seconds": 2.0,
    }
    return pd.DataFrame(row | changes)


def _table(**variants: NDArray[np.float64]) -> pd.DataFrame:
    return pd.concat([_rows(name, values) for name, values in variants.items()])


def test_a_row_is_the_mean_over_splits_with_the_corrected_interval() -> None:
    (row,) = summarise(_table(default=BASE), {})
    interval = corrected_interval(BASE, **SIZES)
    assert (row.mean, row.sd, row.low, row.high) == pytest.approx(
        (interval.mean, interval.sd, interval.low, interval.high)
    )
    assert row.half_width == pytest.approx(plain_half_width(BASE))
    assert row.strict_mean == pytest.approx(0.69)
    assert row.ipcw_mean is None
    assert row.ibs_mean == pytest.approx(0.2)
    assert row.seconds == 10
    assert row.parameters == 10
    assert row.printed == {"gbmlgg": 0.908, "kirc": 0.732, "luad": 0.719}


def test_differences_are_paired_by_split_and_corrected_over_the_study() -> None:
    one = BASE + np.array([0.05, 0.06, 0.055, 0.05, 0.06])
    two = BASE - np.array([0.01, -0.02, 0.03, 0.0, 0.01])
    shuffled = _table(default=BASE, one=one, two=two).sample(frac=1, random_state=1)
    rows = {row.variant: row for row in summarise(shuffled, {})}
    tests = [corrected_t_test(v - BASE, **SIZES) for v in (one, two)]
    adjusted = holm([t.p_value for t in tests])
    for name, test, p in zip(("one", "two"), tests, adjusted, strict=True):
        comparison = rows[name].comparison
        assert comparison is not None
        assert comparison.difference == pytest.approx(test.interval.mean)
        assert (comparison.low, comparison.high) == pytest.approx(
            (test.interval.low, test.interval.high)
        )
        assert comparison.p_value == pytest.approx(test.p_value)
        assert comparison.adjusted == pytest.approx(p)
    assert rows["default"].comparison is None
    assert rows["one"].verdict == "Higher than CA-MLIF by 0.055 (wins 5 of 5 splits)."
    assert rows["two"].verdict == "No difference shown (wins 1 of 5 splits)."
    two_comparison = rows["two"].comparison
    assert two_comparison is not None
    assert (two_comparison.wins, two_comparison.losses) == (1, 3)


def test_a_clear_loss_is_named() -> None:
    worse = BASE - np.array([0.1, 0.11, 0.1, 0.1, 0.11])
    rows = summarise(_table(default=BASE, worse=worse), {})
    assert rows[1].verdict == "Lower than CA-MLIF by 0.104 (wins 0 of 5 splits)."


def test_only_common_splits_are_compared() -> None:
    later = _rows("later", BASE[:3] + 0.1).assign(split=[3, 4, 5])
    row = summarise(pd.concat([_table(default=BASE), later]), {})[1]
    assert row.n_splits == 3
    assert row.comparison is not None
    assert row.comparison.n_splits == 2


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        (BASE, "The same in every split."),
        (BASE[:1] + 0.1, "Not tested: too few splits."),
        (BASE + 0.125, "Not tested: the difference is the same in every split."),
    ],
)
def test_what_cannot_be_tested_is_not(values: NDArray[np.float64], verdict: str) -> None:
    base = np.round(BASE * 64) / 64  # exact in binary, so that equal differences are equal
    exact = np.round(values * 64) / 64
    row = summarise(pd.concat([_table(default=base), _rows("other", exact)]), {})[1]
    assert row.comparison is not None
    assert row.comparison.adjusted is None
    assert row.verdict == verdict


def test_p_values_are_those_of_the_whole_cross_validation() -> None:
    simulated = simulate(100, seed=4)
    cohort = simulated.cohort
    event, duration = cohort.outcome()
    splits = make_splits(cohort.patient_ids, event, n_splits=5, seed=0)
    rng = np.random.default_rng(0)
    risk = simulated.log_risk[:, None] + rng.normal(size=(100, 5))
    results = pd.DataFrame(
        {
            "split": range(5),
            "train_median": [np.median(risk[splits.train_rows(e), e]) for e in range(5)],
        }
    )
    risks = pd.concat(
        pd.DataFrame(
            {"split": e, "patient_id": cohort.patient_ids[rows], "log_risk": risk[rows, e]}
        )
        for e, rows in enumerate(splits.test)
    )
    found = variant_p_values(results, risks.sample(frac=1), cohort=cohort, splits=splits)
    expected = split_p_values(risk, event, duration, test=splits.test)
    assert found is not None
    assert (found.unique, found.pooled) == (expected.unique, expected.pooled)
    # The median of the median and the training risks themselves cut the same patients.
    assert (found.over_splits, found.n_splits) == (expected.over_splits, expected.n_splits)


def test_equal_risks_have_no_p_value() -> None:
    cohort = simulate(100).cohort
    splits = make_splits(cohort.patient_ids, cohort.outcome()[0], n_splits=5)
    results = pd.DataFrame({"split": range(5), "train_median": 0.0})
    risks = pd.concat(
        pd.DataFrame({"split": e, "patient_id": cohort.patient_ids[rows], "log_risk": 0.0})
        for e, rows in enumerate(splits.test)
    )
    assert variant_p_values(results, risks, cohort=cohort, splits=splits) is None


def test_a_p_value_is_put_into_its_row() -> None:
    values = SplitPValues(over_splits=0.2, n_splits=5, unique=0.01, pooled=0.001)
    (row,) = summarise(_table(default=BASE), {("camlif", "default", "matched"): values})
    assert row.p_values == values


def test_the_true_risk_beats_noise_by_every_measure() -> None:
    simulated = simulate(300, seed=2)
    event, duration = simulated.cohort.outcome()
    test = np.arange(300) % 5 == 0
    noise = np.random.default_rng(0).normal(size=300)
    followed = FollowUp(event, duration)
    good = split_measures(
        simulated.log_risk, followed, test=test, inner=_inner(simulated.log_risk, test)
    )
    bad = split_measures(noise, followed, test=test, inner=_inner(noise, test))
    assert set(good) == {"c_index", "c_index_strict", "ipcw_c", "ibs", "auc_12", "auc_36", "auc_60"}
    assert good["c_index"] > bad["c_index"] + 0.1
    assert good["ipcw_c"] > bad["ipcw_c"] + 0.1
    assert good["auc_12"] > bad["auc_12"] + 0.1
    assert good["ibs"] < bad["ibs"]


def _inner(risk: NDArray[np.float64], test: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Risks of the training part that owe nothing to its outcomes."""
    return np.where(test, np.nan, risk - risk[~test].mean())


def test_the_brier_score_does_not_tell_how_closely_a_model_fits_its_training_part() -> None:
    simulated = simulate(300, seed=2)
    event, duration = simulated.cohort.outcome()
    test, followed = np.arange(300) % 5 == 0, FollowUp(event, duration)
    honest, inner = simulated.log_risk, _inner(simulated.log_risk, test)
    # Before its event, a patient that was learned by heart has a risk that says so.
    by_heart = np.where(test, honest, honest[~test].mean() - 2 * _scaled(duration))
    by_heart += honest[~test].mean() - by_heart[~test].mean()
    by_heart[test] = honest[test]
    scores = [
        split_measures(risk, followed, test=test, inner=inner)["ibs"] for risk in (honest, by_heart)
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-12)
    assert np.isnan(split_measures(honest, followed, test=test)["ibs"])


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = (values - values.mean()) / values.std()
    return scaled


def test_risks_that_do_not_rank_are_scored_as_the_kaplan_meier_curve() -> None:
    simulated = simulate(300, seed=2)
    event, duration = simulated.cohort.outcome()
    test, followed = np.arange(300) % 5 == 0, FollowUp(event, duration)
    reverse = -simulated.log_risk
    found = split_measures(reverse, followed, test=test, inner=_inner(reverse, test))
    nobody = split_measures(np.zeros(300), followed, test=test, inner=_inner(np.zeros(300), test))
    assert found["ibs"] == nobody["ibs"]


def test_measures_of_a_test_part_do_not_depend_on_a_shift_of_the_risks() -> None:
    simulated = simulate(200, seed=3)
    event, duration = simulated.cohort.outcome()
    test = np.arange(200) % 5 == 0
    followed, inner = FollowUp(event, duration), _inner(simulated.log_risk, test)
    first = split_measures(simulated.log_risk, followed, test=test, inner=inner)
    second = split_measures(simulated.log_risk + 3, followed, test=test, inner=inner)
    assert np.isfinite(first["ibs"])
    assert second == pytest.approx(first, abs=1e-9)


def test_a_horizon_beyond_the_follow_up_leaves_its_measure_empty() -> None:
    simulated = simulate(200, seed=3)
    event, duration = simulated.cohort.outcome()
    short = np.minimum(duration, 30.0)
    followed = FollowUp(event & (duration <= 30), short)
    measures = split_measures(simulated.log_risk, followed, test=np.arange(200) % 5 == 0)
    assert np.isnan(measures["auc_36"])
    assert np.isfinite(measures["auc_12"])


def test_printed_values_name_their_cohort() -> None:
    assert PRINTED["camlif", "no_ca"]["luad"].mean == 0.696
    assert PRINTED["pg_mlif", "pg_mlif"]["gbmlgg"].half_width == 0.007
    assert PRINTED["unimodal", "pathology:stroma"]["luad"].label == "Path_St"
    assert all(set(cells) <= set(COHORTS) for cells in PRINTED.values())


def test_notes_say_what_a_quick_look_is() -> None:
    from camlif.study.summary import notes

    rows = summarise(_table(default=BASE), {})
    found = " ".join(notes(replace(SETTINGS, epochs=1), FACTS, rows))
    assert "1 rows rest on 5 splits instead of 15" not in found
    assert "1 row rests on 5 splits instead of 15" in found
    assert "1 epoch only" in found
    assert "not comparable" in found
