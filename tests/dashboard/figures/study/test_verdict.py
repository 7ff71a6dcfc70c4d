"""A study in a sentence, for any number of variants, and its rows in the order of their weight."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from dashboard.figures.study.rows import C_INDEX, MEASURES, PairedRow, paired_rows, study_rows
from dashboard.figures.study.verdict import arrange, fold, foldable, verdict
from tests.dashboard.figures.study.figures import REFERENCE, results

N_SPLITS = 15
IBS = MEASURES["Integrated Brier score"]


def variants(shifts: dict[str, float], noise: float = 0.01) -> pd.DataFrame:
    """Results of the reference and of variants that differ from it by about so much."""
    rng = np.random.default_rng(5)
    base = rng.normal(0.7, 0.02, N_SPLITS)
    frame = []
    for name, shift in {"default": 0.0, **shifts}.items():
        reference = name == "default"
        values = base + shift + (0 if reference else 1) * rng.normal(0, noise, N_SPLITS)
        frame.append(
            pd.DataFrame(
                {
                    "method": "camlif",
                    "variant": name,
                    "head": "matched",
                    "family": "camlif" if reference else "ablation",
                    "title": "CA-MLIF" if reference else name,
                    "split": range(N_SPLITS),
                    "n_train": 80,
                    "n_test": 20,
                    "c_index": values,
                    "ibs": 0.2 - (values - base) / 2,
                }
            )
        )
    return pd.concat(frame, ignore_index=True)


def pairs_of(frame: pd.DataFrame) -> tuple[PairedRow, ...]:
    return paired_rows(study_rows(frame, C_INDEX), REFERENCE, C_INDEX)


@pytest.mark.parametrize(
    ("shifts", "said"),
    [
        ({}, ""),
        ({"a": 0.0001}, "1 variant against CA-MLIF on the same splits, by C-index: no difference"),
        ({"a": -0.1}, "1 variant against CA-MLIF on the same splits, by C-index: 1 worse."),
        ({"a": -0.1, "b": 0.1}, "2 variants against CA-MLIF on the same splits, by C-index: "
         "1 better and 1 worse. The furthest behind is a (−0.10"),
        ({"a": -0.1, "b": 0.1, "c": 0.0}, "1 better, 1 worse and no difference shown for 1."),
    ],
)  # fmt: skip
def test_the_verdict_counts_what_is_shown(shifts: dict[str, float], said: str) -> None:
    text = verdict(pairs_of(variants(shifts)), C_INDEX, reference="CA-MLIF")
    assert said in text
    assert bool(text) == bool(shifts)


def test_a_lower_brier_score_is_better() -> None:
    rows = study_rows(variants({"a": -0.1}), IBS)
    text = verdict(paired_rows(rows, REFERENCE, IBS), IBS, reference="CA-MLIF")
    assert "1 worse. The mean difference is +0.0" in text


def test_variants_are_tested_together_with_the_corrected_variance() -> None:
    """Ten differences that a plain t-test finds: few stay once folds and number are allowed for."""
    pairs = pairs_of(variants({f"v{k}": -0.006 for k in range(10)}))
    plain = sum(ttest_1samp(pair.difference, 0).pvalue <= 0.05 for pair in pairs)
    assert plain >= 3
    text = verdict(pairs, C_INDEX, reference="CA-MLIF")
    assert "no difference shown for 10" in text


def test_equal_values_are_no_difference() -> None:
    text = verdict(pairs_of(variants({"a": 0.0, "b": 0.0}, noise=0)), C_INDEX, reference="CA-MLIF")
    assert "no difference shown for 2. All have the same mean." in text


def test_the_part_that_costs_most_stands_first_and_of_other_sections_the_best() -> None:
    rows = arrange(study_rows(variants({"a": -0.02, "b": -0.1, "c": 0.02}), C_INDEX), C_INDEX)
    assert [row.title for row in rows] == ["CA-MLIF", "b", "a", "c"]
    others = arrange(study_rows(results(), C_INDEX), C_INDEX)
    rivals = [row.mean for row in others if row.section == "Published rivals, matched heads"]
    assert len(rivals) == 2
    assert rivals == sorted(rivals, reverse=True)


def test_large_sections_show_their_first_rows_until_opened() -> None:
    frame = variants({name: -0.01 * k for k, name in enumerate("abcdef")})
    rows = arrange(study_rows(frame, C_INDEX), C_INDEX)
    section = rows[-1].section
    assert foldable(rows) == {section: 6}
    assert [row.title for row in fold(rows, opened=())] == ["CA-MLIF", "f", "e", "d"]
    assert fold(rows, opened=(section,)) == rows
    kept = fold(rows, opened=(), keep=(rows[-1].key,))
    assert [row.title for row in kept] == ["CA-MLIF", "f", "e", "d", "a"]
