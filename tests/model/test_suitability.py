"""What a user of a model is told of tables before they are scored, with its place and remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from camlif.data.cohort import Cohort
from camlif.data.preprocessing import CLINICAL, clinical_names
from camlif.data.reading.problems import Problem
from camlif.data.schema import FeatureSchema, GroupSpec, ModalitySpec
from camlif.model.inputs import AGE_REACH
from camlif.model.suitability import check_suitability, table_notes
from camlif.model.training_range import LEVELS
from tests.builders.bundles import new_patients, tiny_bundle
from tests.builders.cohorts import make_cohort

FILES = {"clinical": "patients.csv", "ct": "ct.tsv"}


def check(cohort: Cohort, *, missing: tuple[str, ...] = ()) -> list[Problem]:
    found = check_suitability(cohort, tiny_bundle().expected, missing=missing, files=FILES)
    return [problem for problem in found if problem.severity != "note"]


def with_clinical(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Cohort:
    cohort = make_cohort(60, seed=7, clinical=True)
    return replace(cohort, clinical=change(cohort.clinical.copy()))


def with_column(name: str, column: int, change: Callable[[np.ndarray], np.ndarray]) -> Cohort:
    cohort = make_cohort(60, seed=7, clinical=True)
    table = cohort.tables[name].copy()
    table[:, column] = change(table[:, column])
    return replace(cohort, tables={**cohort.tables, name: table})


EXCHANGED = {"male": "female", "female": "male"}


def with_shares(male: float) -> dict[str, np.ndarray]:
    """The training quantiles with so many men."""
    known, names = tiny_bundle().expected, clinical_names(tiny_bundle().schema)
    levels = dict(known.training_range.levels)
    clinical = levels[CLINICAL].copy()
    at = np.asarray(LEVELS)
    clinical[:, names.index("sex=male")] = at >= 1 - male
    clinical[:, names.index("sex=female")] = at >= male
    return levels | {CLINICAL: clinical}


def renamed_table(cohort: Cohort, name: str, rename: Callable[[str], str]) -> Cohort:
    specs = tuple(
        ModalitySpec(
            m.name, tuple(GroupSpec(g.name, tuple(map(rename, g.columns))) for g in m.groups)
        )
        if m.name == name
        else m
        for m in cohort.schema.modalities
    )
    return replace(cohort, schema=FeatureSchema(specs, cohort.schema.clinical))


def test_tables_of_the_same_kind_have_nothing_told_of() -> None:
    assert check(make_cohort(60, seed=7, clinical=True)) == []


def test_absent_clinical_inputs_are_told_with_their_worth() -> None:
    (problem,) = check(with_clinical(lambda t: t.drop(columns=["age", "sex"])))
    worth = tiny_bundle().reference.inputs[-1]
    assert (problem.severity, problem.code, problem.file) == ("warning", "E-13", "patients.csv")
    assert problem.message.startswith("2 of 2 clinical inputs of the model are absent: age and sex")
    assert f"held-out C-index {worth.c_index:.2f} (" in problem.message
    assert f"against {worth.c_index_with:.2f} with them" in problem.message
    assert problem.columns == ()


def test_inputs_under_other_names_are_proposed_by_their_values() -> None:
    def rename(table: pd.DataFrame) -> pd.DataFrame:
        table = table.rename(columns={"age": "yrs_dx", "sex": "mf"})
        return table.assign(mf=table["mf"].str[0].str.upper())

    (problem,) = check(with_clinical(rename))
    assert problem.topic == "inputs"
    assert (problem.columns, problem.values) == (("yrs_dx", "mf"), ("age", "sex"))
    assert problem.fix is not None
    assert problem.fix.startswith("Perhaps yrs_dx is age, mf is sex. ")


def test_inputs_without_which_a_model_does_not_rank_are_an_error() -> None:
    expected = tiny_bundle().expected
    strict = replace(expected, inputs=tuple(replace(w, low=0.4) for w in expected.inputs))
    cohort = with_clinical(lambda t: t.drop(columns="sex"))
    (problem,) = check_suitability(cohort, strict)
    assert problem.severity == "error"
    assert "so none is scored" in problem.message


def test_unknown_levels_are_counted_and_can_be_said() -> None:
    def recode(table: pd.DataFrame) -> pd.DataFrame:
        cells = table["sex"].map({"male": 1.0, "female": 2.0})
        return table.assign(sex=cells)

    cohort = with_clinical(recode)
    (problem,) = check(cohort)
    assert (problem.severity, problem.code, problem.column) == ("warning", "E-15", "sex")
    assert set(problem.values) == {"1", "2"}
    assert problem.choices == ("female", "male")
    known = int(cohort.clinical["sex"].notna().sum())
    assert f"treated as missing in {known} patients" in problem.message


def test_the_same_words_are_a_note_and_change_no_score() -> None:
    bundle, cohort = tiny_bundle(), with_clinical(lambda t: t)
    other = with_clinical(lambda t: t.assign(sex=t["sex"].str.upper()))
    notes = [p for p in check_suitability(other, bundle.expected) if p.severity == "note"]
    assert [p.message for p in notes] == [
        "sex is read as the model's words: FEMALE as female, MALE as male."
    ]
    pd.testing.assert_frame_equal(bundle.score(cohort).table, bundle.score(other).table)


def test_texts_where_the_model_reads_numbers_are_told() -> None:
    (problem,) = check(with_clinical(lambda t: t.assign(age="60-70")))
    assert (problem.code, problem.column) == ("E-15", "age")
    assert "(60-70): treated as missing in 60 patients" in problem.message


@pytest.mark.parametrize(("factor", "times"), [(365.25, "365"), (12, "12")])
def test_an_age_in_another_unit_is_told_with_its_factor(factor: float, times: str) -> None:
    (problem,) = check(with_clinical(lambda t: t.assign(age=t["age"] * factor)))
    assert (problem.code, problem.column, problem.file) == ("E-16", "age", "patients.csv")
    spread = problem.message.partition("spread ")[2].split(" ")[0].replace(",", "")
    assert float(spread) == pytest.approx(float(times), rel=0.6)


def test_the_unit_that_fits_is_named() -> None:
    (problem,) = check(with_clinical(lambda t: t.assign(age=t["age"] * 12)))
    assert problem.message.endswith("as months would be, where training has years.")


def test_sexes_the_wrong_way_round_are_told_in_the_check_and_in_every_score() -> None:
    mostly = np.where(np.arange(60) % 6 == 0, "female", "male")
    training = replace(tiny_bundle().expected.training_range, levels=with_shares(0.8))
    expected = replace(tiny_bundle().expected, training_range=training)
    cohort = with_clinical(lambda t: t.assign(sex=mostly))
    assert not [p for p in check_suitability(cohort, expected) if p.column == "sex"]
    cohort = with_clinical(lambda t: t.assign(sex=mostly[::-1]).replace({"sex": EXCHANGED}))
    (problem,) = (p for p in check_suitability(cohort, expected) if p.column == "sex")
    assert (problem.severity, problem.code) == ("warning", "E-16")
    assert problem.message == (
        "sex is in another unit, coding or scale than in training: 83% are female, as if the words "
        "were exchanged."
    )
    assert table_notes(cohort, expected)[CLINICAL].endswith("(sex)")


def test_one_patient_with_an_age_in_days_is_told() -> None:
    cohort = with_clinical(lambda t: t.assign(age=t["age"] * 365.25)).take([0])
    (problem,) = check(cohort)
    assert (problem.code, problem.column) == ("E-16", "age")


@pytest.mark.parametrize("factor", [10, 1 / 10, 1000])
def test_one_feature_in_another_unit_is_told_and_named(factor: float) -> None:
    cohort = with_column("ct", 3, lambda x: x * factor)
    (problem,) = check(cohort)
    assert (problem.code, problem.file, problem.topic) == ("E-16", "ct.tsv", "suitability")
    column = cohort.schema["ct"].columns[3]
    assert problem.message.startswith(
        "1 of 7 columns of ct is in another unit, coding or scale than in training: "
        f"{column} (median "
    )


def test_follow_up_in_another_unit_is_told() -> None:
    cohort = make_cohort(100, seed=5, clinical=True)
    assert cohort.duration is not None
    (problem,) = check(replace(cohort, duration=cohort.duration * 30.4375))
    assert (problem.severity, problem.code, problem.topic) == ("warning", "E-09", "unit")
    assert "median follow-up" in problem.message


def test_renamed_features_are_proposed_once_each() -> None:
    cohort = renamed_table(new_patients(), "ct", lambda c: c.upper() if c[-1] in "01" else c)
    (problem,) = check(cohort)
    assert (problem.severity, problem.code) == ("error", "E-13")
    assert len(problem.columns) == len(set(problem.columns)) == len(set(problem.values)) == 4
    assert all(old == new.upper() for old, new in zip(problem.columns, problem.values, strict=True))


def test_a_table_whose_every_column_is_renamed_is_offered_for_the_absent_modality() -> None:
    cohort = renamed_table(new_patients(), "ct", lambda c: f"radiomics.{c}")
    (problem,) = check(cohort)
    assert (problem.severity, problem.code, problem.file) == ("warning", "E-13", "ct.tsv")
    assert "No column has the name of one of ct, which is treated as missing." in problem.message
    assert len(problem.columns) == 7


def test_a_modality_declared_missing_is_not_checked() -> None:
    cohort = with_column("ct", 3, lambda x: x * 1000)
    assert check(cohort, missing=("ct",)) == []


def test_every_patient_of_a_table_in_another_unit_is_told_in_the_scores() -> None:
    cohort = with_column("ct", 3, lambda x: x / 1000)
    column = cohort.schema["ct"].columns[3]
    note = f"ct: another unit, coding or scale than in training ({column})"
    assert table_notes(cohort, tiny_bundle().expected) == {"ct": note}
    table = tiny_bundle().score(cohort).table
    assert table["warnings"].str.contains(note, regex=False).all()
    absent = tiny_bundle().score(cohort, missing=("ct",)).table
    assert not absent["warnings"].str.contains("another unit").any()


def test_an_age_in_days_makes_patients_unlike_the_training_data() -> None:
    cohort = with_clinical(lambda t: t.assign(age=t["age"] * 365.25))
    result = tiny_bundle().score(cohort)
    given = cohort.clinical["age"].notna().to_numpy()
    assert result.unlike[result.scored & given].all()
    told = result.table["warnings"][result.scored & given]
    assert told.str.contains("age: beyond anything in the training data").all()
    assert told.str.contains(
        "clinical: another unit, coding or scale than in training (age)", regex=False
    ).all()


def test_a_child_among_adults_is_unlike_the_training_data_and_an_older_adult_is_not() -> None:
    low, high = tiny_bundle().reference.training_range.levels[CLINICAL][[0, -1], 0]
    ages = [0.0, low - AGE_REACH - 1, low - AGE_REACH + 1, high + AGE_REACH - 1, 119.0]
    cohort = with_clinical(lambda t: t.assign(age=np.resize(ages, len(t)))).take(np.arange(5))
    assert tiny_bundle().score(cohort).inputs.far[:, 0].tolist() == [True, True, False, False, True]


@pytest.mark.parametrize(
    ("men", "women", "asked"), [("H", "M", "M"), ("m", "v", "m"), ("m", "w", ""), ("M", "f", "")]
)
def test_a_letter_beside_an_unknown_one_may_stand_for_another_word(
    men: str, women: str, asked: str
) -> None:
    coded = with_clinical(lambda t: t.assign(sex=t["sex"].map({"male": men, "female": women})))

    told = [p for p in check_suitability(coded, tiny_bundle().expected) if p.column == "sex"][-1]

    assert told.values == tuple(asked)
    assert (told.severity == "warning") == bool(asked)
