"""What a bundle remembers of its training cohort."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from camlif.config import HORIZONS
from camlif.data.preprocessing import encode
from camlif.exceptions import EstimationError
from camlif.model.modality_sets import SubsetValidation, complete_rows
from camlif.model.reference import fit_reference
from camlif.statistics import calibration_gates, concordance_index, fit_calibration
from camlif.training.ensemble import heldout_mean
from tests.builders.bundles import N_PATIENTS, tiny_bundle, tiny_cohort


def test_heldout_mean_takes_only_members_that_tested_the_patient() -> None:
    risk = np.array([[1.0, 5.0, 3.0], [2.0, 4.0, 9.0], [7.0, 7.0, 7.0]])
    test = np.array([[True, False, False], [False, True, False], [True, True, False]])
    np.testing.assert_array_equal(heldout_mean(risk, test), [2.0, 6.5, np.nan])


def test_scale_and_percentiles_are_of_heldout_risks() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    reference = bundle.reference
    member = bundle.ensemble.predict(encode(cohort, bundle.schema)).log_risk
    risk = heldout_mean(member, ~reference.seen.T)
    assert reference.mean == pytest.approx(risk.mean())
    assert reference.sd == pytest.approx(risk.std(ddof=1))
    z = (risk - risk.mean()) / risk.std(ddof=1)
    np.testing.assert_allclose(reference.sorted_z, np.sort(z))
    np.testing.assert_allclose(reference.strata.cutoffs, np.quantile(z, [1 / 3, 2 / 3]), atol=0.02)
    lower = 100 * (z[:, None] > z).mean(axis=1)
    np.testing.assert_allclose(reference.percentile(z), lower, atol=1e-6)
    # A training patient's own risk, computed again, is not lower than itself.
    np.testing.assert_allclose(reference.percentile(z + 2e-6), lower, atol=1e-6)
    assert np.isnan(reference.percentile(np.array([np.nan]))).all()


def test_equal_risks_of_all_patients_are_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    raw = encode(cohort, bundle.schema)
    risks = bundle.ensemble.predict(raw)
    equal = replace(risks, log_risk=np.ones_like(risks.log_risk))
    monkeypatch.setattr(type(bundle.ensemble), "predict", lambda *_, **__: equal)
    with pytest.raises(EstimationError, match="learned nothing"):
        fit_reference(
            cohort,
            raw,
            bundle.ensemble,
            ~bundle.reference.seen.T,
            bundle.config.training,
            digests=bundle.reference.digests,
        )


def test_curves_of_the_strata_hold_every_training_patient_once() -> None:
    reference = tiny_bundle().reference
    at_start = [float(np.asarray(c.at_risk)[0]) for c in reference.curves.values()]
    assert sum(at_start) == N_PATIENTS
    assert tuple(gate.horizon for gate in reference.whole.gates) == HORIZONS


def test_subsets_are_validated_on_heldout_risks_of_patients_who_have_them() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    validated = bundle.reference.validated(frozenset({"ct"}))
    assert validated is not None
    found = validated.validation
    rows = np.flatnonzero(cohort.presence[:, cohort.schema.names.index("ct")])
    part = cohort.take(rows)
    member = bundle.ensemble.predict(
        bundle.prepare(part, missing=("pathology",)),
    ).log_risk
    event, duration = part.outcome()
    risk = heldout_mean(member, ~bundle.reference.seen[rows].T)
    assert found.n_patients == len(rows)
    assert found.n_events == event.sum()
    assert found.c_index == pytest.approx(concordance_index(risk, event, duration))
    assert bundle.reference.validated(frozenset({"ct", "pathology"})) is bundle.reference.sets[-1]
    assert bundle.reference.validated(frozenset()) is None


VALID = SubsetValidation(
    modalities=("ct",),
    n_patients=50,
    n_events=10,
    c_index=0.7,
    low=0.6,
    high=0.8,
    median=0.0,
    slope=0.8,
    gates=(),
)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"low": 0.5}, "did not rank patients in validation (C-index 0.70 (0.50 to 0.80))"),
        ({"slope": 0.0}, "did not rank patients in validation (calibration slope 0.00)"),
        ({"slope": None}, "did not rank patients in validation (calibration slope none)"),
        ({"n_patients": 49}, "was validated on only 49 patients with 10 events"),
        ({"n_events": 9}, "was validated on only 50 patients with 9 events"),
    ],
)
def test_a_set_is_scored_only_if_it_ranked_enough_patients(
    changes: dict[str, float], fault: str
) -> None:
    found = replace(VALID, **changes)
    assert found.valid is (fault == "")
    assert found.fault.startswith(fault)


def test_each_set_of_modalities_has_the_calibration_of_its_own_risks() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    raw, test = encode(cohort, bundle.schema), ~bundle.reference.seen.T
    for found, _ in bundle.reference.by_set(raw.presence):
        shown = np.isin(bundle.schema.names, found.validation.modalities)
        rows = np.flatnonzero(raw.presence[:, shown].all(axis=1))
        part = raw.take(rows)
        masked = replace(part, presence=part.presence & shown)
        risk = heldout_mean(bundle.ensemble.predict(masked).log_risk, test[:, rows])
        followed = cohort.follow_up(rows)
        own = fit_calibration(risk, followed.event, followed.duration)
        assert found.validation.slope == pytest.approx(own.slope)
        assert found.validation.median == pytest.approx(np.median(risk))
        presence = np.repeat(shown[None], len(rows), axis=0)
        np.testing.assert_allclose(
            bundle.reference.survival(risk, presence, [12, 36]),
            own.survival(risk, [12, 36]),
            rtol=1e-6,
        )
        (gate,) = calibration_gates(risk, followed.event, followed.duration, horizons=[36])
        assert found.validation.gate(36) == gate
    slopes = {round(s.validation.slope or 0.0, 3) for s in bundle.reference.sets}
    assert len(slopes) == len(bundle.reference.sets)


def test_the_whole_is_validated_on_everyone_where_too_few_have_every_modality() -> None:
    presence = np.zeros((100, 2), dtype=bool)
    presence[:, 0] = presence[:49, 1] = True
    event, tested = np.ones(100, dtype=bool), np.arange(100) < 90
    assert complete_rows(presence, event, tested).tolist() == tested.tolist()
    presence[49, 1] = True
    assert complete_rows(presence, event, tested).sum() == 50
    event[:41] = False
    assert complete_rows(presence, event, tested).tolist() == tested.tolist()
