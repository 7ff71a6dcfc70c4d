"""How sure a risk group is: three states, the same for one patient and for a table of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from camlif.data.samples import load_sample
from camlif.model.bundle import Bundle, load_bundle
from camlif.model.case import summarise_case
from camlif.model.certainty import Certainty, certainty_states
from camlif.model.scoring import ScoreResult
from tests.builders.validated import with_parts

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def scored() -> tuple[Bundle, ScoreResult]:
    bundle = load_bundle(ROOT / "models" / "glioma", device="cpu")
    return bundle, bundle.score(load_sample("glioma").take(np.arange(120)), embed=False)


def with_interval(result: ScoreResult, low: float, high: float) -> ScoreResult:
    return replace(result, table=result.table.assign(z_low=low, z_high=high))


def test_a_patient_is_said_as_sure_as_the_table_says(scored: tuple[Bundle, ScoreResult]) -> None:
    bundle, result = scored
    states = certainty_states(bundle, result)
    found = [summarise_case(bundle, result, row) for row in range(len(states))]
    assert [case.certainty.state for case in found] == states.tolist()
    for case in found:
        if case.score is None or case.score.unlike:
            assert case.certainty.state == "can't say"
        elif case.score.subset_sentence == "":
            borderline = len(case.score.groups) > 1
            assert case.certainty.state == ("borderline" if borderline else "consistent")


@pytest.mark.parametrize(
    ("side", "state"), [(0.0, "borderline"), (0.01, "consistent"), (-0.01, "borderline")]
)
def test_an_interval_that_ends_at_a_cutoff_is_in_the_upper_group(
    scored: tuple[Bundle, ScoreResult], side: float, state: str
) -> None:
    bundle, result = scored
    cutoff = bundle.strata.cutoffs[0]
    low, high = (cutoff + side, cutoff + 0.02) if side > 0 else (cutoff - 0.1, cutoff)
    usual = result.scored & ~result.unlike & result.presence.all(axis=1)
    found = certainty_states(bundle, with_interval(result, low, high))[usual]
    assert set(found) == {state}


def test_nothing_is_said_without_a_score_or_of_a_case_unlike_the_training_data(
    scored: tuple[Bundle, ScoreResult],
) -> None:
    bundle, result = scored
    none = replace(result, scored=np.zeros_like(result.scored))
    assert set(certainty_states(bundle, none)) == {"can't say"}
    row = int(np.flatnonzero(result.unlike)[0])
    said = summarise_case(bundle, result, row).certainty
    assert said.sentence == "Can't say: this patient's data are unlike the training data."


def test_a_case_ranked_hardly_better_than_chance_names_what_it_lacks(
    scored: tuple[Bundle, ScoreResult],
) -> None:
    bundle, result = scored
    row = int(np.flatnonzero(result.scored & ~result.presence.all(axis=1) & ~result.unlike)[0])
    weak = replace(bundle, reference=with_parts(bundle.reference, c_index=0.55))
    said = summarise_case(weak, result, row, modality=str.upper).certainty
    (absent,) = np.array(bundle.schema.names)[~result.presence[row]]
    reason = f"without {absent.upper()} the model ranks little better than chance"
    assert said == Certainty("can't say", reason)


def test_nothing_beside_how_sure_is_said_twice(scored: tuple[Bundle, ScoreResult]) -> None:
    bundle, result = scored
    for row in range(len(result.table)):
        case = summarise_case(bundle, result, row)
        if case.score is None:
            continue
        told = [case.certainty.sentence, case.score.agreement_sentence]
        told += filter(None, [case.score.borderline_sentence, case.score.subset_sentence])
        clauses = [c.strip() for text in (*told, *case.caveats) for c in text.split(";")]
        assert sum(c.startswith("Borderline") for c in clauses) <= 1
        assert sum("of 100 ensembles" in c for c in clauses) == 1
        assert sum(c.lower().startswith(("scored without", "scored from")) for c in clauses) <= 1
