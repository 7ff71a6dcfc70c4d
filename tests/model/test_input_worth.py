"""What clinical inputs are worth: measured held-out, and what a patient without them gets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from camlif.data.preprocessing import encode
from camlif.model.input_worth import (
    InputWorth,
    change_without,
    measure_worth,
    missing_inputs,
    without_inputs,
    worth_of,
)
from camlif.model.reference import heldout_mean
from camlif.statistics import concordance_index
from tests.builders.bundles import new_patients, tiny_bundle, tiny_cohort
from tests.builders.cohorts import make_cohort


def worth(*inputs: str, change: float = 0.2, low: float = 0.6, n: int = 200) -> InputWorth:
    return InputWorth(
        inputs=inputs,
        n_patients=n,
        n_events=n // 2,
        c_index=0.65,
        low=low,
        high=0.7,
        c_index_with=0.7,
        change=change,
    )


def test_inputs_taken_away_are_missing_and_nothing_else_changes() -> None:
    cohort = make_cohort(20, clinical=True)
    raw = encode(cohort, cohort.schema)
    without = without_inputs(raw, cohort.schema, ["sex"])
    assert missing_inputs(raw, cohort.schema).tolist() == [[False, False]] * 20
    assert missing_inputs(without, cohort.schema).tolist() == [[False, True]] * 20
    blank = replace(cohort, clinical=cohort.clinical.drop(columns="sex"))
    np.testing.assert_array_equal(without.clinical, encode(blank, cohort.schema).clinical)
    assert without.tables is raw.tables


def test_worth_is_that_of_held_out_patients() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    raw = encode(cohort, cohort.schema)
    test = ~bundle.reference.seen.T
    found = worth_of(frozenset({"age", "sex"}), bundle.reference.inputs)
    assert found is not None
    whole = heldout_mean(bundle.ensemble.predict(raw).log_risk, test)
    blank = without_inputs(raw, cohort.schema, ["age", "sex"])
    without = heldout_mean(bundle.ensemble.predict(blank).log_risk, test)
    rows = ~missing_inputs(raw, cohort.schema).any(axis=1)
    followed = cohort.follow_up(rows)
    outcome = (followed.event, followed.duration)
    assert found.n_patients == rows.sum()
    assert found.n_events == followed.event.sum()
    assert found.c_index == pytest.approx(concordance_index(without[rows], *outcome), abs=1e-6)
    assert found.c_index_with == pytest.approx(concordance_index(whole[rows], *outcome), abs=1e-6)
    change = np.sqrt(np.mean((without - whole)[rows] ** 2))
    assert found.change == pytest.approx(change, rel=1e-4)


def test_every_set_of_few_inputs_is_measured_and_of_many_each_and_all() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    assert [w.inputs for w in bundle.reference.inputs] == [("age",), ("sex",), ("age", "sex")]
    many = tuple(replace(cohort.schema.clinical[0], name=f"c{i}") for i in range(6))
    frame = pd.DataFrame({c.name: cohort.clinical["age"] for c in many})
    wide = replace(cohort, clinical=frame, schema=replace(cohort.schema, clinical=many))
    raw = encode(wide, wide.schema)
    found = measure_worth(
        raw,
        wide.schema,
        wide.follow_up(),
        np.ones(len(wide), dtype=bool),
        lambda part, rows: np.nan_to_num(part.clinical[:, 0]).astype(float),
    )
    assert [len(w.inputs) for w in found] == [1, 1, 1, 1, 1, 1, 6]
    assert found[0].change == pytest.approx(np.sqrt(np.mean(frame["c0"] ** 2)), rel=1e-5)
    assert [w.change for w in found[1:6]] == [0.0] * 5


def test_a_set_not_measured_together_changes_as_much_as_its_parts_can() -> None:
    measured = (worth("a", change=0.1), worth("b", change=0.3))
    assert change_without(frozenset("ab"), measured) == pytest.approx(0.4)
    assert change_without(frozenset("a"), measured) == 0.1
    assert change_without(frozenset(), measured) == 0
    assert np.isnan(change_without(frozenset("ac"), measured))


def test_ranking_by_chance_withholds_a_score_and_few_patients_do_not() -> None:
    assert worth("a").valid
    assert not worth("a", low=0.49).valid
    assert worth("a", low=0.49, n=40).valid


def test_a_patient_without_inputs_gets_a_wider_interval_and_is_told() -> None:
    bundle, cohort = tiny_bundle(), new_patients()
    whole = bundle.score(cohort)
    blank = replace(cohort, clinical=cohort.clinical.drop(columns=["age", "sex"]))
    without = bundle.score(blank)
    measured = worth_of(frozenset({"age", "sex"}), bundle.reference.inputs)
    assert measured is not None
    rows = np.flatnonzero(without.scored & whole.scored)
    assert len(rows)
    raw = bundle.prepare(blank)
    interval = bundle.reference.spread.interval(
        without.member_log_risk, without.members_used, without.z
    )
    expected = interval.half_width / interval.scale * np.hypot(interval.scale, measured.change)
    width = (without.table["z_high"] - without.z).to_numpy() * bundle.reference.sd
    np.testing.assert_allclose(width[rows], expected[rows], rtol=1e-6)
    assert missing_inputs(raw, bundle.schema).all()
    told = without.table.iloc[rows]
    assert told["missing"].str.contains("age; sex").all()
    assert told["warnings"].str.contains("scored without age and sex, with a wider interval").all()
    assert not whole.table["warnings"].str.contains("scored without age").any()


def test_a_score_is_withheld_where_the_model_ranks_by_chance_without() -> None:
    bundle = tiny_bundle()
    inputs = (worth("age"), worth("sex", low=0.45), worth("age", "sex"))
    strict = replace(bundle, reference=replace(bundle.reference, inputs=inputs))
    cohort = new_patients()
    table = strict.score(replace(cohort, clinical=cohort.clinical.drop(columns="sex"))).table
    complete = cohort.presence.all(axis=1)
    assert (
        table["warnings"][complete]
        .str.startswith(
            "not scored: sex missing, and without the model did not rank patients in validation "
            "(C-index 0.65 (0.45 to 0.70))"
        )
        .all()
    )


def test_a_score_is_withheld_where_the_worth_of_what_is_missing_was_not_measured() -> None:
    bundle = tiny_bundle()
    older = replace(bundle, reference=replace(bundle.reference, inputs=()))
    cohort = new_patients()
    blank = replace(cohort, clinical=cohort.clinical.drop(columns="sex"))
    table = older.score(blank).table
    complete = cohort.presence.all(axis=1)
    assert table["z"].isna().all()
    assert table["warnings"][complete].str.startswith("not scored: ").all()
    assert (
        table["warnings"][complete]
        .str.endswith("missing, and what a score without is worth was not measured")
        .all()
    )
