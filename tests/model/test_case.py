"""One case in words and numbers."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from camlif.data.samples import load_sample
from camlif.data.schema import Endpoint
from camlif.model.bundle import Bundle
from camlif.model.case import CaseSummary, summarise_case
from camlif.model.modality_check import check_modality
from camlif.model.recognition import Membership
from camlif.model.scoring import ScoreResult
from camlif.model.sentences import (
    agreement_sentence,
    calibration_sentence,
    closed_words,
    hidden_sentence,
    outlived_sentence,
    percentile_words,
    spread_words,
    survival_sentence,
)
from camlif.statistics import Coverage, GateResult, SurvivalBound
from camlif.statistics.gate import Verdict
from camlif.statistics.splits import Interval
from camlif.wording import listed
from tests.builders.bundles import N_SPLITS, tiny_bundle, tiny_cohort
from tests.builders.cohorts import make_cohort
from tests.builders.validated import with_gates, with_parts, with_whole, without_parts


def _bundle(*, is_open: bool = True) -> Bundle:
    """The tiny bundle with three groups cut at z = -1 and 1, and its gates set."""
    bundle = tiny_bundle()
    reference = bundle.reference
    verdict: Verdict = "open" if is_open else "untested"
    gated = with_gates(reference, lambda g: replace(g, verdict=verdict, reason="few events"))
    strata = replace(reference.strata, cutoffs=(-1.0, 1.0))
    return replace(bundle, reference=replace(gated, strata=strata))


def _result(bundle: Bundle, z: float, half: float) -> ScoreResult:
    """A result of one patient with a chosen z and half its interval."""
    result = bundle.score(make_cohort(1, seed=9, clinical=True))
    reference = bundle.reference
    table = result.table.assign(
        z=z,
        z_low=z - half,
        z_high=z + half,
        log_risk=reference.mean + z * reference.sd,
        risk_group=reference.strata.label(z - half, z + half),
        agreement=0.9,
        percentile=float(reference.percentile(np.array([z]))[0]),
    )
    stratum = reference.strata.assign(np.array([z])).astype(object)
    return replace(result, table=table, stratum=stratum, scored=np.array([True]))


@pytest.mark.parametrize(
    ("percentile", "said"),
    [
        (0.0, "not higher than any of 480"),
        (0.2, "among the lowest 1% of 480"),
        (41.7, "higher than 42% of 480"),
        (98.6, "higher than 99% of 480"),
        (99.8, "among the highest 1% of 480"),
        (100.0, "higher than all 480"),
    ],
)
def test_no_percentile_is_rounded_to_none_or_all(percentile: float, said: str) -> None:
    assert percentile_words(percentile, 480) == f"{said} training patients"


@given(percentile=st.floats(0, 100), n=st.integers(2, 10_000))
def test_every_percentile_is_said_in_one_comparison(percentile: float, n: int) -> None:
    said = percentile_words(percentile, n)
    start, share, rest = re.fullmatch(
        r"(higher than all|not higher than any of|among the lowest|among the highest|higher than)"
        r"(?: (\d+)% of)? ([\d,]+) training patients",
        said,
    ).groups()  # type: ignore[union-attr]
    assert rest == f"{n:,}"
    assert (share is None) == (percentile in (0, 100))
    if share is not None:
        low, high = {"among the lowest": (0, 1), "among the highest": (99, 100)}.get(
            start, (int(share) - 0.5, int(share) + 0.5)
        )
        assert 1 <= int(share) <= 99
        assert low <= percentile <= high


@pytest.mark.parametrize(
    ("z", "half", "label", "groups"),
    [
        (2.0, 0.1, "High risk", ("high",)),
        (-2.0, 0.1, "Low risk", ("low",)),
        (0.0, 0.1, "Intermediate risk", ("intermediate",)),
        (1.1, 0.2, "Borderline: intermediate-high", ("intermediate", "high")),
        (0.9, 0.2, "Borderline: intermediate-high", ("intermediate", "high")),
        (-1.1, 0.2, "Borderline: low-intermediate", ("low", "intermediate")),
        (0.1, 2.0, "Borderline: low to high", ("low", "intermediate", "high")),
    ],
)
def test_a_case_is_borderline_where_its_interval_crosses_a_cutoff(
    z: float, half: float, label: str, groups: tuple[str, ...]
) -> None:
    bundle = _bundle()
    score = summarise_case(bundle, _result(bundle, z, half), 0).score
    assert score is not None
    assert (score.label, score.groups) == (label, groups)
    assert (score.z.low, score.z.high) == pytest.approx((z - half, z + half))
    assert (score.borderline_sentence is None) == (len(groups) == 1)
    if len(groups) == 3:
        crossed = "The interval of z crosses the cut-offs -1.00 and +1.00."
        assert score.borderline_sentence == crossed


def test_hazard_ratio_is_one_at_the_median_patient_and_follows_the_slope() -> None:
    bundle = _bundle()
    reference = bundle.reference
    median = (reference.whole.median - reference.mean) / reference.sd
    ratios = []
    for z in (median - 1, median, median + 1):
        summary = summarise_case(bundle, _result(bundle, z, 0.2), 0)
        assert summary.score is not None
        ratio = summary.score.hazard_ratio
        assert ratio.low < ratio.value < ratio.high
        ratios.append(ratio.value)
    step = np.exp(bundle.calibration.slope * reference.sd)
    np.testing.assert_allclose(ratios, [1 / step, 1.0, step])
    assert (np.diff(ratios) * np.sign(bundle.calibration.slope) > 0).all()


def test_horizons_hold_survival_where_open_and_the_reason_where_closed() -> None:
    bundle = _bundle()
    result = _result(bundle, 0.5, 0.2)
    score = summarise_case(bundle, result, 0).score
    assert score is not None
    for horizon in score.horizons:
        assert horizon.survival is not None
        expected = bundle.calibration.survival(result.log_risk, np.array([float(horizon.months)]))
        assert horizon.survival.value == pytest.approx(float(expected[0, 0]))
        assert horizon.survival.low <= horizon.survival.value <= horizon.survival.high
    closed = _bundle(is_open=False)
    score = summarise_case(closed, _result(closed, 0.5, 0.2), 0).score
    assert score is not None
    assert [(h.survival, h.reason) for h in score.horizons] == [
        (None, "calibration is untested (few events)")
    ] * 3


def test_summary_counts_members_and_modalities() -> None:
    bundle, cohort = _bundle(), tiny_cohort()
    result = bundle.score(cohort)
    row = int(np.flatnonzero(result.scored)[0])
    summary = summarise_case(bundle, result, row)
    assert summary.membership == Membership.TRAINING
    assert summary.members == N_SPLITS
    assert set(summary.present) | set(summary.absent) == {"pathology", "ct"}
    score = summary.score
    assert score is not None
    assert 0 < score.agreement <= 1
    assert score.members_used == result.members_used[row].sum() < N_SPLITS
    assert [member.used for member in score.members] == result.members_used[row].tolist()
    seen = f"Only the {score.members_used} of {N_SPLITS} models that did not see it "
    assert any(seen in caveat for caveat in summary.caveats)


def test_a_patient_without_score_has_the_reason_and_no_numbers() -> None:
    bundle = tiny_bundle()
    bundle = replace(bundle, reference=without_parts(bundle.reference))
    result = bundle.score(make_cohort(1, seed=9, clinical=True), missing=("ct",))
    summary = summarise_case(bundle, result, 0, modality=str.upper)
    assert summary.score is None
    assert summary.absent == ("ct",)
    assert summary.notes[0].startswith("not scored: ct missing")
    assert summary.no_score == (
        "E-32: CT is missing for this case. The model was not validated on pathology alone. "
        "No score is shown."
    )
    assert summary.caveats == bundle.card.limits


def test_summary_survives_json() -> None:
    bundle = _bundle()
    summary = summarise_case(bundle, _result(bundle, 0.9, 0.2), 0)
    stored = TypeAdapter(CaseSummary)
    text = stored.dump_json(summary)
    assert stored.validate_json(text) == summary
    assert b"NaN" not in text
    assert b'"label":"Borderline: intermediate-high"' in text


def test_notes_are_the_warnings_of_the_table() -> None:
    bundle = _bundle()
    result = bundle.score(make_cohort(30, seed=9, clinical=True))
    for row in range(30):
        warnings = pd.Series(result.table["warnings"]).iloc[row]
        assert "; ".join(summarise_case(bundle, result, row).notes) == warnings


def test_sentence_gives_frequency_interval_endpoint_and_denominator() -> None:
    text = survival_sentence(Interval(value=0.412, low=0.3, high=0.5), 36, Endpoint(), 763)
    assert text == (
        "Of 100 patients with a score like this, the model expects about 41 to be alive at 3 years "
        "(model interval 30 to 50; overall survival, training cohort n = 763). "
        "This describes groups, not this person's certain outcome."
    )


def test_sentence_of_another_endpoint_does_not_speak_of_life_and_death() -> None:
    endpoint = load_sample("transbig").info.endpoint
    text = survival_sentence(Interval(value=0.9, low=0.8, high=1.0), 12, endpoint, 198)
    assert "to be free of distant metastasis at 1 year (" in text
    assert endpoint.name in text
    for word in ("alive", "death", "died", "overall"):
        assert word not in text


def test_a_gate_with_too_few_events_is_untested_and_does_not_fail() -> None:
    gate = GateResult(
        horizon=60, verdict="untested", reason="few events", ratio=1.03, n_patients=90, n_events=3
    )
    assert hidden_sentence(60, closed_words(gate)) == (
        "E-22: Absolute risk at 5 years is hidden: calibration is untested (few events). Rank and "
        "group are still shown."
    )
    assert calibration_sentence(gate) == "Calibration at 5 years is untested: few events."


def test_a_closed_gate_says_why_and_an_open_one_that_it_is_no_external_check() -> None:
    gate = GateResult(
        horizon=36, verdict="closed", reason="far off", ratio=3.12, n_patients=200, n_events=90
    )
    assert "the calibration check fails (far off)" in closed_words(gate)
    assert calibration_sentence(gate) == (
        "Calibration at 3 years fails: far off (recalibrated within this cohort; not an external "
        "check)."
    )
    opened = replace(gate, verdict="open", reason="", ratio=1.02, ici=0.021, ici_high=0.044)
    assert calibration_sentence(opened) == (
        "Calibration at 3 years: recalibrated within this cohort; not an external check. Expected "
        "over observed events 1.02 (n = 200, 90 events by then)."
    )


def test_a_hopeless_or_boundless_prediction_is_said_as_a_bound() -> None:
    text = survival_sentence(Interval(value=0.003, low=0.0, high=0.12), 60, Endpoint(), 100)
    assert "expects fewer than 5 to be alive at 5 years (model interval fewer than 5 to 12;" in text
    z = Interval(value=5.0, low=4.5, high=5.5)
    words = spread_words(z, Interval(value=319.7, low=179.0, high=570.0))
    assert words.endswith("against the median over 10 (over 10, model interval)")
    words = spread_words(z, Interval(value=8.2, low=6.1, high=12.0))
    assert words.endswith("8.20 (6.10 to over 10, model interval)")


def _fitted(*, last: float) -> SurvivalBound:
    return SurvivalBound(
        threshold=0.9,
        reason="",
        last=last,
        coverage=Coverage(value=0.894, low=0.863, high=0.926),
        n_patients=480,
        n_events=175,
    )


@pytest.mark.parametrize(
    ("months", "words"),
    [
        (14.7, "9 of 10 such patients live longer than 14 months (held-out patients who"),
        (1.47, "9 of 10 such patients live longer than 1.4 months ("),
        (96.0, "live longer than 96 months, as far as follow-up can tell (held-out"),
    ],
)
def test_a_time_is_said_that_nine_of_ten_outlive(months: float, words: str) -> None:
    text = outlived_sentence(months, _fitted(last=96.0), Endpoint())
    assert words in text
    assert text.endswith("who did: 89 of 100, 86 to 93; n = 480).")


def test_the_outlived_time_of_another_endpoint_is_said_in_its_words() -> None:
    endpoint = load_sample("transbig").info.endpoint
    text = outlived_sentence(20.0, _fitted(last=96.0), endpoint)
    assert text.startswith(
        "9 of 10 such patients stay free of distant metastasis longer than 20 months"
    )


def test_why_no_outlived_time_is_given_is_said() -> None:
    bundle = _bundle()
    none = replace(_fitted(last=0.0), threshold=None, reason="only 9 events; 30 are needed")
    bundle = replace(bundle, reference=replace(bundle.reference, bound=none))
    result = bundle.score(tiny_cohort())
    row = int(np.flatnonzero(result.scored & ~result.unlike & result.presence.all(axis=1))[0])
    score = summarise_case(bundle, result, row).score
    assert score is not None
    assert score.outlived.months is None
    assert score.outlived.sentence.endswith("is given: only 9 events; 30 are needed.")


def test_a_case_unlike_the_training_data_has_no_absolute_risk() -> None:
    bundle, cohort = _bundle(), make_cohort(1, seed=9, clinical=True)
    broken = {**cohort.tables, "ct": np.full_like(cohort.tables["ct"], 1e38)}
    summary = summarise_case(bundle, bundle.score(replace(cohort, tables=broken)), 0)
    score = summary.score
    assert score is not None
    assert score.unlike
    assert score.label.endswith(", unlike the training data")
    reason = "this patient's data are unlike the training data"
    assert (score.outlived.months, score.outlived.reason) == (None, reason)
    assert [(h.survival, h.reason) for h in score.horizons] == [(None, reason)] * 3
    ct = next(check for check in summary.modalities if check.name == "ct")
    assert ct.status == "7 values out of range"
    assert ct.reasons[0].startswith("7 values beyond anything in the training data")


def test_the_result_says_how_many_members_it_rests_on() -> None:
    assert agreement_sentence(0.873, 1, "high", membership=Membership.TRAINING, held_out=True) == (
        "Rests on 1 model that did not see this patient; of 100 ensembles of many models, about 87 "
        "would place it in high."
    )
    text = agreement_sentence(0.998, 15, "low", membership=Membership.NEW, held_out=True)
    assert text.startswith("Rests on 15 models; of 100 ensembles of many models, more than 99 ")


@pytest.mark.parametrize(
    ("outside", "percent", "verdict"),
    [
        (0.0, 94, "in range"),
        (0.2, None, "in range"),
        (0.0, 95, "unusual"),
        (0.0, 99, "outside"),
        (0.21, 10, "outside"),
    ],
)
def test_range_verdict_by_distance_and_by_values_outside(
    outside: float, percent: int | None, verdict: str
) -> None:
    check = check_modality(
        "ct",
        label="CT",
        present=True,
        imputed=0.0,
        without="",
        far=0,
        farthest="",
        outside=outside,
        distance_percent=percent,
    )
    assert check.range == verdict
    assert bool(check.reasons) == (verdict == "outside")


def test_summary_says_what_each_modality_and_clinical_input_lacks() -> None:
    bundle, cohort = _bundle(), make_cohort(3, seed=9, clinical=True)
    table = cohort.tables["ct"].copy()
    table[0, :2] = np.nan
    clinical = cohort.clinical.copy()
    clinical.iloc[0, clinical.columns.get_loc("age")] = np.nan
    cohort = replace(cohort, tables={**cohort.tables, "ct": table}, clinical=clinical)
    result = bundle.score(cohort)
    first, second = (summarise_case(bundle, result, row) for row in (0, 1))
    by_name = {check.name: check for check in first.modalities}
    assert by_name["ct"].imputed == pytest.approx(2 / 7)
    assert by_name["pathology"].imputed == 0
    assert [check.name for check in first.inputs if not check.known] == ["age"]
    assert all(check.known for check in second.inputs)


def test_an_absent_modality_has_no_range() -> None:
    bundle = _bundle()
    result = bundle.score(make_cohort(1, seed=9, clinical=True), missing=("ct",))
    absent = summarise_case(bundle, result, 0).modalities[1]
    assert (absent.name, absent.present, absent.range) == ("ct", False, "absent")
    assert (absent.imputed, absent.outside, absent.distance_percent) == (None, None, None)


def test_a_case_without_a_score_quotes_no_calibration() -> None:
    bundle = _bundle()
    bundle = replace(bundle, reference=with_whole(bundle.reference, slope=-0.1))
    result = bundle.score(make_cohort(1, seed=9, clinical=True))
    summary = summarise_case(bundle, result, 0)
    assert summary.score is None
    assert summary.gates == ()
    assert "he model did not rank patients in validation (calibration slope -0.10)" in (
        summary.no_score
    )


def test_a_case_with_some_modalities_is_told_how_they_did_and_what_else_was_read() -> None:
    bundle = _bundle()
    reference = with_parts(
        bundle.reference, n_patients=100, n_events=50, c_index=0.563, low=0.516, high=0.606
    )
    bundle = replace(bundle, reference=reference)
    cohort = make_cohort(1, seed=9, clinical=True)
    inputs = [c.name for c in bundle.schema.clinical if cohort.clinical[c.name].notna().all()]
    assert inputs
    score = summarise_case(bundle, bundle.score(cohort, missing=("ct",)), 0).score
    assert score is not None
    assert score.subset_sentence == (
        f"Scored from {listed(['pathology', *inputs])} only: held-out C-index of the model without "
        "the rest 0.56 (0.52 to 0.61; n = 100, 50 events). This is weak: little better than chance."
    )
    part = reference.validated(frozenset({"pathology"}))
    assert part is not None
    slope, median = part.validation.slope, part.validation.median
    risk = reference.mean + reference.sd * score.z.value
    assert slope is not None
    assert score.hazard_ratio.value == pytest.approx(np.exp(slope * (risk - median)))
    whole = summarise_case(bundle, bundle.score(cohort), 0).score
    assert whole is not None
    assert whole.subset_sentence == ""
