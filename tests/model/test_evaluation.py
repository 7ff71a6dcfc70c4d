"""The report of a bundle on a cohort with outcome."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from camlif.data.reading.readers import load_cohort
from camlif.exceptions import DataError, EstimationError
from camlif.model.bundle import Bundle
from camlif.model.card import split_c_indices
from camlif.model.evaluation import evaluate
from camlif.model.recognition import Membership
from camlif.statistics import concordance_index, log_rank
from camlif.statistics.split_p_values import WITHHELD
from tests.builders.bundles import new_patients, tiny_bundle, tiny_cohort
from tests.builders.cohorts import make_cohort
from tests.builders.validated import without_parts

ROOT = Path(__file__).parents[2]
HANCOCK = ROOT.parent / "shared" / "data" / "hancock"


def test_report_agrees_with_the_scores() -> None:
    bundle, cohort = tiny_bundle(), make_cohort(600, seed=5, clinical=True)
    report = evaluate(bundle, cohort)
    result = bundle.score(cohort)
    rows = result.scored
    event, duration = (values[rows] for values in cohort.outcome())
    risk = result.log_risk[rows]
    assert report["n"] == rows.sum()
    assert report["unscored"] == (~rows).sum()
    assert report["events"] == event.sum()
    assert report["c_index"]["value"] == pytest.approx(concordance_index(risk, event, duration))
    assert report["c_index"]["low"] <= report["c_index"]["value"] <= report["c_index"]["high"]
    groups = result.stratum[rows]
    assert report["log_rank"]["p_value"] == pytest.approx(log_rank(event, duration, groups).p_value)
    assert set(report["strata"]) == set(groups)  # a group without members is not listed
    for name, group in report["strata"].items():
        assert group == {"n": (groups == name).sum(), "events": event[groups == name].sum()}


def test_training_patients_count_with_heldout_risks_and_calibration_is_cautioned() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    report = evaluate(bundle, cohort)
    result = bundle.score(cohort)
    unseen = np.where(result.members_used, result.member_log_risk, np.nan)[result.scored]
    event, duration = (values[result.scored] for values in cohort.outcome())
    heldout = concordance_index(np.nanmean(unseen, axis=1), event, duration)
    assert report["heldout"] == result.is_training[result.scored].sum()
    assert report["heldout"] + report["unclear"] == report["n"]
    assert report["c_index"]["value"] == pytest.approx(heldout)
    assert str(report["heldout"]) in report["calibration_note"]
    assert "training cohort" in report["calibration_note"]


def test_new_patients_need_no_caution() -> None:
    report = evaluate(tiny_bundle(), new_patients())
    assert report["heldout"] == report["unclear"] == 0
    assert report["calibration_note"] is None


def test_groups_of_held_out_risks_are_not_tested() -> None:
    report = evaluate(tiny_bundle(), tiny_cohort())
    assert report["heldout"] > 0
    assert report["log_rank"] == {"p_value": None, "reason": WITHHELD}


def test_groups_of_patients_who_may_be_of_the_training_cohort_are_not_tested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle, cohort = tiny_bundle(), new_patients()
    result = bundle.score(cohort)
    unclear = np.full(len(cohort), Membership.UNCLEAR, dtype=object)
    unsure = replace(result, membership=unclear)
    monkeypatch.setattr(Bundle, "score", lambda *_, **__: unsure)
    report = evaluate(bundle, cohort)
    assert (report["heldout"], report["unclear"]) == (0, report["n"])
    assert report["log_rank"] == {"p_value": None, "reason": WITHHELD}


def test_report_is_valid_json() -> None:
    report = evaluate(tiny_bundle(), new_patients())
    data = json.loads(json.dumps(report, allow_nan=False))
    assert data["c_index"] == report["c_index"]
    assert [c["horizon"] for c in data["calibration"]] == [12, 36, 60]


@pytest.mark.parametrize("n", [2, 3, 5])
def test_few_patients_give_a_report_without_nan(n: int) -> None:
    cohort = make_cohort(40, seed=5, clinical=True)
    assert cohort.event is not None
    few = cohort.take(np.flatnonzero(cohort.event)[:n])
    report = evaluate(tiny_bundle(), few)
    assert report["n"] == n
    assert report["log_rank"]["p_value"] is None
    assert report["log_rank"]["reason"].startswith("E-20: At least 10 patients and 5 events")
    json.dumps(report, allow_nan=False)


def test_a_cohort_without_events_is_a_clear_error() -> None:
    cohort = make_cohort(40, seed=5, clinical=True)
    with pytest.raises(EstimationError):
        evaluate(tiny_bundle(), replace(cohort, event=np.zeros(40, dtype=bool)))


def test_patients_without_outcome_are_not_counted() -> None:
    cohort = make_cohort(60, seed=5, clinical=True)
    assert cohort.duration is not None
    duration = cohort.duration.copy()
    duration[:20] = np.nan
    assert evaluate(tiny_bundle(), replace(cohort, duration=duration))["n"] == 40


def test_a_cohort_without_outcome_is_refused() -> None:
    bare = replace(new_patients(), event=None, duration=None)
    with pytest.raises(DataError, match="no follow-up") as caught:
        evaluate(tiny_bundle(), bare)
    assert caught.value.code == "E-08"


def test_a_cohort_of_which_nobody_is_scored_is_refused() -> None:
    bundle = tiny_bundle()
    bundle = replace(bundle, reference=without_parts(bundle.reference))
    with pytest.raises(DataError, match="could be scored"):
        evaluate(bundle, new_patients().select(modalities=["ct"]))


def test_split_c_indices_are_of_each_members_test_part() -> None:
    cohort = make_cohort(40, seed=6)
    event, duration = cohort.outcome()
    risk = np.stack([-duration, duration], axis=1)
    test = np.zeros((2, 40), dtype=bool)
    test[0, :20] = test[1, 20:] = True
    np.testing.assert_array_equal(split_c_indices(risk, cohort, test), [1.0, 0.0])
    risk[20:, 0] = np.nan  # outside its test part a member's risk is not looked at
    np.testing.assert_array_equal(split_c_indices(risk, cohort, test), [1.0, 0.0])
    assert event.any()


@pytest.mark.skipif(not HANCOCK.is_dir(), reason="the HANCOCK tables are not beside the project")
def test_hancock_is_read_by_the_models_manifest() -> None:
    manifest = ROOT / "models" / "hancock" / "cohort.toml"
    if not manifest.is_file():
        pytest.skip("no manifest for HANCOCK")
    cohort = load_cohort(HANCOCK, manifest=manifest)
    assert len(cohort) == 763
    assert cohort.schema.names == ("pathology", "blood", "pathology_report", "tma_cell_density")
    assert cohort.info.badge == "public"
    assert not cohort.presence.all()
    inputs = {c.name for c in cohort.schema.clinical}
    assert not inputs & {"rfs_months", "rfs_event", "cause", "survival_months", "event"}
