"""Finding a model's columns in a cohort by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from camlif.data.cohort import Cohort
from camlif.data.schema import FeatureSchema, GroupSpec, ModalitySpec
from camlif.exceptions import SchemaError
from camlif.model.matching import align, match_columns
from tests.builders.cohorts import make_cohort, make_schema


def shuffled(cohort: Cohort, seed: int = 0) -> Cohort:
    """Return the cohort with the columns of every table, and the modalities, in another order."""
    rng = np.random.default_rng(seed)
    tables, specs = {}, []
    for modality in cohort.schema.modalities[::-1]:
        order = rng.permutation(modality.n_features)
        columns = tuple(modality.columns[i] for i in order)
        specs.append(ModalitySpec(modality.name, (GroupSpec("all", columns),)))
        tables[modality.name] = cohort.tables[modality.name][:, order]
    return replace(
        cohort,
        schema=FeatureSchema(tuple(specs), cohort.schema.clinical[::-1]),
        tables=tables,
        presence=cohort.presence[:, ::-1],
    )


def renamed(cohort: Cohort, modality: str, **names: str) -> Cohort:
    """Return the cohort with columns of one modality renamed."""
    specs = tuple(
        ModalitySpec(
            m.name,
            tuple(GroupSpec(g.name, tuple(names.get(c, c) for c in g.columns)) for g in m.groups),
        )
        if m.name == modality
        else m
        for m in cohort.schema.modalities
    )
    return replace(cohort, schema=FeatureSchema(specs, cohort.schema.clinical))


def test_align_restores_the_models_columns_and_order() -> None:
    cohort = make_cohort(20, gaps=0.2, clinical=True)
    found = align(shuffled(cohort), cohort.schema)
    assert found.schema == cohort.schema
    np.testing.assert_array_equal(found.presence, cohort.presence)
    for name, table in cohort.tables.items():
        np.testing.assert_array_equal(found.tables[name], table)


def test_align_restores_instance_columns_of_bags() -> None:
    cohort = make_cohort(10, {"ct": (3,)}, bags={"slides": 4})
    spec = cohort.schema["slides"]
    reversed_spec = replace(spec, groups=(GroupSpec("instances", spec.columns[::-1]),))
    other = replace(
        cohort,
        schema=FeatureSchema((cohort.schema["ct"], reversed_spec)),
        bags={"slides": tuple(bag[:, ::-1] for bag in cohort.bags["slides"])},
    )
    found = align(other, cohort.schema)
    for bag, expected in zip(found.bags["slides"], cohort.bags["slides"], strict=True):
        np.testing.assert_array_equal(bag, expected)


def test_missing_column_is_named() -> None:
    cohort = make_cohort(5)
    with pytest.raises(SchemaError, match="ct_0_2") as caught:
        align(renamed(cohort, "ct", ct_0_2="ct_other"), cohort.schema)
    assert caught.value.code == "E-13"
    assert caught.value.file == "ct"
    assert "1 of 7 features" in str(caught.value)


def test_modality_declared_missing_needs_no_columns() -> None:
    cohort = make_cohort(5)
    found = align(renamed(cohort, "ct", ct_0_2="x"), cohort.schema, missing=("ct",))
    assert found.schema.names == ("pathology",)
    assert found.presence.shape == (5, 1)


def test_unknown_modality_declared_missing_is_refused() -> None:
    cohort = make_cohort(5)
    with pytest.raises(SchemaError, match="genomics"):
        align(cohort, cohort.schema, missing=("genomics",))


def test_modality_under_another_name_is_found_by_its_columns() -> None:
    cohort = make_cohort(5)
    other = ModalitySpec("radiology", cohort.schema["ct"].groups)
    report = match_columns(
        cohort.schema, FeatureSchema((other, replace(cohort.schema["pathology"]))), ()
    )
    assert {m.modality: m.source for m in report.modalities} == {
        "pathology": "pathology",
        "ct": "radiology",
    }
    assert report.usable
    assert report.share == 1


def test_report_counts_found_missing_and_extra_columns() -> None:
    expected = make_schema({"ct": (4,)})
    columns = ("ct_0_1", "ct_0_0", "age_of_scan")
    found = FeatureSchema((ModalitySpec("ct", (GroupSpec("g", columns),)),))
    match = match_columns(expected, found, ()).modalities[0]
    assert (match.n_found, match.n_expected, match.share) == (2, 4, 0.5)
    assert match.missing == ("ct_0_2", "ct_0_3")
    assert match.extra == ("age_of_scan",)
    assert not match.complete


def test_half_a_modality_makes_the_cohort_unusable_and_none_of_it_does_not() -> None:
    schema = make_schema({"ct": (2,), "rna": (2,)})
    part = ModalitySpec("rna", (GroupSpec("g", ("rna_0_0",)),))
    assert match_columns(schema, FeatureSchema((schema["ct"],)), ()).usable
    assert not match_columns(schema, FeatureSchema((schema["ct"], part)), ()).usable
    assert not match_columns(schema, make_schema({"other": (2,)}), ()).usable


def test_missing_clinical_columns_are_listed() -> None:
    inputs = match_columns(make_schema(clinical=True), make_schema(), ["grade", "age"]).inputs
    assert inputs is not None
    assert (inputs.n_found, inputs.n_expected) == (1, 2)
    assert inputs.missing == ("sex",)
    assert inputs.extra == ("grade",)


def test_a_model_without_clinical_inputs_has_no_match_of_them() -> None:
    report = match_columns(make_schema(), make_schema(), ["age"])
    assert report.inputs is None
    assert report.tables == report.modalities


def test_one_table_never_serves_two_modalities_of_the_same_names() -> None:
    genes = (GroupSpec("genes", ("TP53", "EGFR")),)
    expected = FeatureSchema((ModalitySpec("cna", genes), ModalitySpec("rna", genes)))
    report = match_columns(expected, FeatureSchema((ModalitySpec("rna", genes),)), ())
    assert [(m.modality, m.source, m.complete) for m in report.modalities] == [
        ("cna", None, False),
        ("rna", "rna", True),
    ]


def test_tables_that_fit_equally_well_are_asked_about() -> None:
    genes = (GroupSpec("genes", ("TP53", "EGFR")),)
    cohort = replace(
        make_cohort(5, {"a": (2,), "b": (2,)}),
        schema=FeatureSchema((ModalitySpec("a", genes), ModalitySpec("b", genes))),
    )
    expected = FeatureSchema((ModalitySpec("rna", genes),))
    (match,) = match_columns(expected, cohort.schema, ()).modalities
    assert match.rivals == ("a", "b")
    assert not match.complete
    with pytest.raises(SchemaError, match="a and b both have the columns of rna"):
        align(cohort, expected)
    assert align(cohort, expected, missing=("rna",)).schema.names == ()


def test_one_wide_table_serves_several_modalities_of_different_columns() -> None:
    cohort = make_cohort(5)
    both = ModalitySpec("all", tuple(g for m in cohort.schema.modalities for g in m.groups))
    report = match_columns(cohort.schema, FeatureSchema((both,)), ())
    assert all(m.complete and m.source == "all" for m in report.modalities)
