"""Levels of categories and codes in columns: what is one, what is told of, what stays two."""

from __future__ import annotations

import pandas as pd
import pytest

from camlif.data.reading.misspelt import misspelt
from camlif.data.reading.readers import read_cohort
from camlif.data.reading.repairs import mend
from camlif.data.reading.values import feature_codes, tiny_codes
from tests.builders.study import FEATURES, Files, Input, N, clinical, ct, examine, study

STAGES = ("I", "II", "III")


def with_level(**cells: list[str]) -> Files:
    return study(clinical=clinical().assign(**cells))


def with_feature(values: list[float]) -> Input:
    return Input(
        files=lambda: study(ct=ct().assign(g9=values)),
        names=("far from all other values: g9",),
        tables={"ct": (*FEATURES, "g9"), "rna": FEATURES},
    )


INPUTS = {
    **{
        f"{word} among stages": Input(
            files=lambda word=word: with_level(
                stage=[word if i < 5 else STAGES[i % 3] for i in range(N)]
            ),
            names=("5 cells may say that nobody knows", word, "stage (5)"),
            inputs=("age", "sex", "stage"),
        )
        for word in ("NC", "NX", "NR", "Not applicable", "Indeterminate")
    },
    "a slip of the pen": Input(
        files=lambda: with_level(
            histology=["adenocarcinoma"] * 40 + ["adenocarcinma"] + ["squamous"] * 19
        ),
        names=("histology holds adenocarcinma (1) beside adenocarcinoma (40)", "rows 42"),
        inputs=("age", "sex", "histology"),
    ),
    "a letter for another": Input(
        files=lambda: with_level(
            stage=["Stage lllB", *["Stage IIIB"] * 30, *["Stage IIIA"] * (N - 31)]
        ),
        names=("stage holds Stage lllB (1) beside Stage IIIB (30)",),
        inputs=("age", "sex", "stage"),
    ),
    "yes and no in two languages": Input(
        files=lambda: with_level(smoker=[("yes", "nein", "ja", "no")[i % 4] for i in range(N)]),
        names=("Words for yes and no are one level each", "ja and yes", "nein and no"),
        inputs=("age", "sex", "smoker"),
    ),
    "a feature of 1e-30 where nothing was measured": with_feature(
        [1e-30 if i < 5 else 1 + i / 7 for i in range(N)]
    ),
}


@pytest.mark.parametrize("name", INPUTS)
def test_levels_and_codes_are_told(name: str) -> None:
    examine(INPUTS[name])


@pytest.mark.parametrize(
    "counts",
    [
        {"G1": 90, "G2": 2},
        {"T1": 90, "T2": 2, "T1a": 3},
        {"IIIA": 90, "IIIB": 2, "II": 80, "I": 5},
        {"N0": 90, "N1": 1},
        {"male": 200, "female": 3},
        {"IDH-mut": 90, "IDH-wt": 3},
        {"T-cell": 90, "B-cell": 4},
        {"Luminal A": 90, "Luminal B": 3},
        {"typical": 90, "atypical": 3},
        {"symptomatic": 90, "asymptomatic": 3},
        {"resected": 90, "unresected": 3},
        {"hypothyroid": 90, "hyperthyroid": 3},
        {"KRAS": 90, "NRAS": 4},
        {"BRCA1": 90, "BRCA2": 4},
        {"ER+": 90, "ER-": 2},
        {"oral": 30, "orals": 9},
    ],
    ids=lambda counts: " and ".join(counts),
)
def test_levels_that_differ_on_purpose_are_no_slip(counts: dict[str, int]) -> None:
    assert misspelt(counts) == {}


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("femal", "female"),
        ("femlae", "female"),
        ("femmale", "female"),
        ("femalr", "female"),
        ("wildtype", "wild type"),
        ("Ieft", "left"),
        ("stage lV", "stage IV"),
    ],
)
def test_a_slip_is_told_with_the_level_that_was_meant(slip: str, meant: str) -> None:
    assert misspelt({meant: 200, "other words": 90, slip: 2}) == {slip: meant}


def test_a_slip_is_mended_where_somebody_says_so() -> None:
    files = with_level(histology=["adenocarcinoma"] * 40 + ["adenocarcinma"] + ["squamous"] * 19)
    cohort, report, _ = mend(files, ("level=histology:adenocarcinma=adenocarcinoma",), title="t")
    assert cohort is not None
    assert sorted(cohort.clinical["histology"].unique()) == ["adenocarcinoma", "squamous"]
    assert not [p for p in report.problems if "slip of the pen" in p.message]


def test_words_for_yes_and_no_are_two_levels_and_beside_others_stay() -> None:
    answers = [("yes", "nein", "ja", "no")[i % 4] for i in range(N)]
    cohort, _ = read_cohort(with_level(smoker=answers))
    assert cohort is not None
    assert cohort.clinical["smoker"].nunique() == 2
    cohort, _ = read_cohort(with_level(smoker=["former", *answers[1:]]))
    assert cohort is not None
    assert cohort.clinical["smoker"].nunique() == 5


def test_a_result_that_half_of_the_patients_have_is_not_told_of() -> None:
    _, report = read_cohort(with_level(response=[("R", "NR")[i % 2] for i in range(N)]))
    assert not [p for p in report.problems if "nobody knows" in p.message]


def test_minus_one_is_a_code_among_counts_of_few_values() -> None:
    counts = pd.Series([0, 1, 2, 1, -1, 0, 3] * 5).to_numpy(float)
    assert feature_codes(counts) == ()
    assert feature_codes(counts, counted=True) == (-1.0,)


def test_what_is_left_of_a_computed_zero_is_no_code() -> None:
    values = pd.Series([1.0, 2.0, -1.0, 0.0, 2e-17, -1e-16]).to_numpy()
    assert tiny_codes(values) == ()
    values[4] = 1e-30
    assert tiny_codes(values) == (1e-30,)
