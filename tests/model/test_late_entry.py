"""A model of a cohort whose patients enter late: every number of it counts them from entry on."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import camlif.model.fit
from camlif.config import HORIZONS
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import encode
from camlif.data.splits import make_splits
from camlif.model.bundle import Bundle
from camlif.model.evaluation import evaluate
from camlif.model.modality_sets import complete_rows
from camlif.statistics import (
    bootstrap_c_index,
    calibration_gates,
    concordance_index,
    fit_calibration,
    kaplan_meier,
    median_follow_up,
    split_p_values,
)
from camlif.statistics.outcome import LATE_ENTRY
from camlif.training.ensemble import heldout_mean
from tests.builders.bundles import N_SPLITS, tiny_cohort, tiny_config
from tests.builders.validated import ranked


@cache
def late_cohort() -> Cohort:
    """The cohort of `tiny_cohort`; two patients in three come after 70 % of their follow-up."""
    cohort = tiny_cohort()
    _, duration = cohort.outcome()
    return replace(cohort, entry=0.7 * duration * (np.arange(len(cohort)) % 3 > 0))


@cache
def late_bundle() -> Bundle:
    return ranked(camlif.model.fit.train(late_cohort(), tiny_config(), name="late", device="cpu"))


def test_the_reference_of_a_model_counts_patients_from_entry_on() -> None:
    cohort, bundle = late_cohort(), late_bundle()
    splits = make_splits(cohort.patient_ids, cohort.event, n_splits=N_SPLITS)
    raw = encode(cohort, cohort.schema)
    member = bundle.ensemble.predict(raw).log_risk
    risk = heldout_mean(member, splits.test)
    outcome, entry = cohort.outcome(), cohort.entry
    reference, card = bundle.reference, bundle.card

    whole = complete_rows(raw.presence, outcome[0], np.isfinite(risk))
    own = cohort.follow_up(whole)
    fitted = fit_calibration(risk[whole], own.event, own.duration, entry=own.entry)
    assert reference.calibration.slope == pytest.approx(fitted.slope)
    np.testing.assert_allclose(
        reference.calibration.cumulative_hazard, fitted.cumulative_hazard, rtol=1e-5
    )
    for gate in calibration_gates(
        risk[whole], own.event, own.duration, horizons=HORIZONS, entry=own.entry
    ):
        assert reference.whole.gate(gate.horizon).ratio == pytest.approx(gate.ratio)
    stratum = reference.strata.assign(reference.z(risk))
    for name, curve in reference.curves.items():
        rows = stratum == name
        group = kaplan_meier(outcome[0][rows], outcome[1][rows], entry[rows])
        np.testing.assert_array_equal(curve.survival, group.survival)

    found = card.discrimination
    held_out = bootstrap_c_index(risk, *outcome, entry=entry)
    assert found.heldout.value == pytest.approx(held_out.value)
    first = splits.test[0]
    own = concordance_index(
        member[first, 0], outcome[0][first], outcome[1][first], entry=entry[first]
    )
    assert found.per_split[0] == pytest.approx(own, abs=1e-4)
    expected = split_p_values(member, *outcome, test=splits.test, entry=entry)
    assert card.p_values is not None
    assert card.p_values.over_splits == pytest.approx(expected.over_splits)
    assert card.p_values.unique == pytest.approx(expected.unique)
    assert card.data.median_follow_up_months == median_follow_up(*outcome, entry)
    assert LATE_ENTRY in card.limits


def test_a_report_on_a_cohort_counts_patients_from_entry_on() -> None:
    cohort, bundle = late_cohort(), late_bundle()
    result = bundle.score(cohort, embed=False)
    rows = result.scored
    outcome, entry = [values[rows] for values in cohort.outcome()], cohort.entry[rows]
    report = evaluate(bundle, cohort)
    expected = bootstrap_c_index(result.log_risk[rows], *outcome, entry=entry)
    assert report["c_index"]["value"] == pytest.approx(expected.value)
    assert report["entry_note"] == LATE_ENTRY
    without = evaluate(bundle, tiny_cohort())
    assert without["c_index"]["value"] != pytest.approx(report["c_index"]["value"])
    assert without["entry_note"] is None
