"""The error rates of recognition that a card states."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from camlif.data.cohort import Cohort
from camlif.data.preprocessing import encode
from camlif.model.card import render_markdown
from camlif.model.recognition import fit_digests
from camlif.model.recognition_rates import (
    MembershipCounts,
    RecognitionRates,
    measure_recognition,
)
from tests.builders.bundles import tiny_bundle
from tests.builders.cohorts import make_cohort

N_PATIENTS = 200


def _cohort() -> Cohort:
    """Measurements that tell every patient, and two flags that tell none."""
    cohort = make_cohort(N_PATIENTS, {"flags": (2,), "rna": (80,)}, gaps={"rna": 0.2})
    rng = np.random.default_rng(0)
    flags = rng.integers(0, 2, (N_PATIENTS, 2)).astype(np.float32)
    return replace(cohort, tables={**cohort.tables, "flags": flags})


def _rates() -> dict[tuple[str, ...], RecognitionRates]:
    cohort = _cohort()
    raw = encode(cohort, cohort.schema)
    digests = fit_digests(raw, cohort.schema, salt=b"salt")
    rates = measure_recognition(digests, raw, cohort.schema, seed=0)
    return {found.modalities: found for found in rates}


def _counts(patients: int, *, training: int, unclear: int) -> MembershipCounts:
    return MembershipCounts(patients=patients, training=training, unclear=unclear)


def test_every_patient_is_met_once_as_new_and_once_as_known() -> None:
    rates = _rates()
    n_rna = int(_cohort().presence[:, 1].sum())
    assert list(rates) == [("flags", "rna"), ("flags",), ("rna",)]
    for shown, n in (("flags", "rna"), N_PATIENTS), (("flags",), N_PATIENTS), (("rna",), n_rna):
        found = rates[shown]
        assert found.new.patients == found.unchanged.patients == found.rounded.patients == n


def test_measurements_tell_everyone_and_flags_nobody() -> None:
    rates = _rates()
    n_rna = rates[("rna",)].new.patients
    assert rates[("rna",)].new == _counts(n_rna, training=0, unclear=0)
    assert rates[("rna",)].rounded == _counts(n_rna, training=n_rna, unclear=0)
    assert rates[("flags",)].new == _counts(N_PATIENTS, training=0, unclear=N_PATIENTS)
    assert rates[("flags",)].unchanged == _counts(N_PATIENTS, training=0, unclear=N_PATIENTS)
    assert rates[("flags",)].rounded.new == 0


def test_the_card_states_them() -> None:
    card = tiny_bundle().card
    assert [r.modalities for r in card.recognition] == [
        ("pathology", "ct"),
        ("pathology",),
        ("ct",),
    ]
    rates = RecognitionRates(
        modalities=("ct",),
        new=_counts(70, training=1, unclear=2),
        unchanged=_counts(90, training=80, unclear=7),
        rounded=_counts(90, training=75, unclear=11),
    )
    text = render_markdown(card.model_copy(update={"recognition": (rates,)}))
    assert "| ct | 70 | 1 | 2 | 90 | 3 | 7 | 4 |" in text
    assert card.recognition_note in text
