"""Columns under other names: what is proposed, and that no column is proposed twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from camlif.data.preprocessing import encode_clinical, quantiles
from camlif.data.schema import ClinicalColumn, FeatureSchema
from camlif.model.renames import propose_features, propose_inputs
from camlif.model.training_range import LEVELS

SCHEMA = FeatureSchema(
    (),
    (
        ClinicalColumn("age", "numeric"),
        ClinicalColumn("sex", "category", ("female", "male")),
        ClinicalColumn("er_status", "category", ("negative", "positive")),
    ),
)
N = 200


def clinical(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.normal(60, 12, N),
            "sex": rng.choice(["female", "male"], N),
            "er_status": rng.choice(["negative", "positive"], N),
        }
    )


KNOWN = quantiles(encode_clinical(clinical(), SCHEMA), LEVELS)


def pairs(found: object) -> dict[str, str]:
    return {rename.name: rename.column for rename in found}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("missing", "unused", "expected"),
    [
        (["MCH", "MCV"], ["mcv", "m-c-h", "id"], {"MCV": 0}),
        (["TP53", "EGFR", "KRAS"], ["rna_tp53", "rna_egfr", "x"], {"TP53": 0, "EGFR": 1}),
        (["rna_TP53", "rna_EGFR"], ["EGFR", "TP53"], {"rna_TP53": 1, "rna_EGFR": 0}),
        (["haemoglobin"], ["hemoglobin", "platelets"], {"haemoglobin": 0}),
        (["glcm_energy_1"], ["glcm_energy_2"], {}),
        (["MCH"], ["weight"], {}),
        ([], ["a"], {}),
        (["a"], [], {}),
    ],
)
def test_features_of_alike_names_are_proposed(
    missing: list[str], unused: list[str], expected: dict[str, int | str]
) -> None:
    named = {n: unused[c] if isinstance(c, int) else c for n, c in expected.items()}
    assert pairs(propose_features(missing, unused)) == named


def test_one_column_is_proposed_for_one_name_only() -> None:
    found = propose_features(["lymphocytes_abs", "lymphocyte_abs"], ["lymphocytes_absolute", "x"])
    assert len(found) == 1
    many = propose_features([f"feature_{i}_mean" for i in range(50)], ["feature_7_meen", "f"])
    assert pairs(many) == {"feature_7_mean": "feature_7_meen"}


def test_a_thousand_names_with_a_common_prefix_are_proposed_at_once() -> None:
    names = [f"GENE{i}" for i in range(3000)]
    found = propose_features(names, [f"rna.{name.lower()}" for name in names[::-1]])
    assert pairs(found) == {name: f"rna.{name.lower()}" for name in names}


def test_clinical_inputs_are_proposed_by_their_values() -> None:
    table = clinical(1).rename(columns={"age": "yrs_dx", "sex": "mf"})
    table["mf"] = table["mf"].str[0].str.upper()
    table["bmi"] = np.random.default_rng(2).normal(26, 4, N)
    found = propose_inputs(["age", "sex"], table, SCHEMA, KNOWN)
    assert pairs(found) == {"age": "yrs_dx", "sex": "mf"}


def test_words_and_codes_of_many_columns_tell_nothing() -> None:
    table = clinical(1).rename(columns={"er_status": "metastasis"})
    table["stage"] = np.random.default_rng(0).choice([55.0, 60.0, 65.0], N)
    assert propose_inputs(["er_status"], table, SCHEMA, KNOWN) == ()
    assert propose_inputs(["age"], table.drop(columns="age"), SCHEMA, KNOWN) == ()


def test_alike_names_are_proposed_whatever_the_words() -> None:
    table = clinical(1).rename(columns={"er_status": "ER.status"})
    assert pairs(propose_inputs(["er_status"], table, SCHEMA, KNOWN)) == {"er_status": "ER.status"}


def test_one_column_is_proposed_for_one_clinical_input_only() -> None:
    table = clinical(1).rename(columns={"age": "years"}).assign(sex=1.0)
    schema = FeatureSchema(
        (), (ClinicalColumn("age", "numeric"), ClinicalColumn("age_at_scan", "numeric"))
    )
    levels = np.tile(KNOWN[:, :2], 2)
    found = propose_inputs(["age", "age_at_scan"], table, schema, levels)
    assert len(found) == 1
    assert found[0].column == "years"


def test_texts_are_never_proposed_for_numbers() -> None:
    table = clinical(1).assign(age_group="60-70").drop(columns="age")
    assert propose_inputs(["age"], table, SCHEMA, KNOWN) == ()
