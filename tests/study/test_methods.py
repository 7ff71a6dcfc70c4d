"""The catalogue: names, sets and what each variant runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from camlif.config import NetworkConfig, RunConfig
from camlif.exceptions import ConfigError
from camlif.networks.registry import networks
from camlif.study.ablations import FURTHER, TABLE_3
from camlif.study.cells import reason_not_applicable
from camlif.study.methods import (
    REFERENCE,
    ClassicalRun,
    NetworkRun,
    Variant,
    catalogue,
    select_variants,
)
from camlif.study.records import StudySettings
from camlif.study.references import CLASSICAL
from tests.builders.cohorts import make_cohort, make_schema

SCHEMA = make_schema(clinical=True)


def _settings(*methods: str, **changes: object) -> StudySettings:
    return replace(StudySettings(data="", methods=methods), **changes)  # type: ignore[arg-type]


def _variants(*methods: str, **changes: object) -> tuple[Variant, ...]:
    return select_variants(_settings(*methods, **changes), SCHEMA)


def _names(*methods: str, **changes: object) -> list[tuple[str, str]]:
    return [(v.method, v.variant) for v in _variants(*methods, **changes)]


def test_every_registered_method_is_in_the_catalogue() -> None:
    methods = {variant.method for variant in catalogue(_settings("all"), SCHEMA)}
    assert methods == set(networks()) | set(CLASSICAL)


def test_rows_have_names_of_their_own() -> None:
    keys = [v.key for v in catalogue(_settings("all", heads="both"), SCHEMA)]
    assert len(set(keys)) == len(keys)
    assert keys[0] == REFERENCE


def test_the_paper_is_its_three_tables() -> None:
    found = _variants("paper")
    families = {variant.family for variant in found}
    assert families == {"camlif", "ablation", "rival", "single modality"}
    assert [v.variant for v in found if v.family == "ablation"] == [a.name for a in TABLE_3]
    single = [v.variant for v in found if v.method == "unimodal"]
    assert single == [
        *("pathology", "pathology:group0", "pathology:group1"),
        *("ct", "ct:group0", "ct:group1"),
    ]


def test_all_adds_classical_and_generic_methods_to_the_paper() -> None:
    more = set(_names("all")) - set(_names("paper"))
    added = {v.family for v in _variants("all") if (v.method, v.variant) in more}
    assert added == {"generic", "classical"}


def test_ablations_start_with_those_of_table_3() -> None:
    found = [v.variant for v in _variants("ablations") if v.family == "ablation"]
    assert found == [a.name for a in (*TABLE_3, *FURTHER)]


def test_every_ablation_differs_from_the_default() -> None:
    default, *others = [v.run for v in _variants("ablations")]
    assert all(run != default for run in others)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no_ca", [("camlif", "no_ca")]),
        ("camlif:no_ca", [("camlif", "no_ca")]),
        ("printed", [("camlif", "printed")]),
        ("unimodal:ct", [("unimodal", "ct")]),
        ("cox_ridge", [("cox_ridge", "cox_ridge")]),
    ],
)
def test_a_name_stands_for_a_variant(name: str, expected: list[tuple[str, str]]) -> None:
    assert _names(name) == expected


def test_camlif_stands_for_the_presets_of_the_product() -> None:
    assert ("camlif", "default") in _names("camlif")
    assert not {"printed", "release", "no_ca"} & {variant for _, variant in _names("camlif")}


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"Unknown method 'mcatt'.*\bmcat\b.*no_ca"):
        _variants("paper", "mcatt")


def test_heads_choose_how_rivals_run() -> None:
    matched, native = _variants("mcat", heads="both")
    assert (matched.head, native.head) == ("matched", "native")
    assert isinstance(matched.run, NetworkRun)
    assert isinstance(native.run, NetworkRun)
    assert (matched.run.training.batch_size, matched.run.training.epochs) == (16, 30)
    assert native.run.training.batch_size == networks()["mcat"].native.batch_size
    assert matched.run.with_clinical
    assert not native.run.with_clinical
    assert _variants("mcat", heads="native") == (native,)
    assert [v.head for v in _variants("default", heads="native")] == ["matched"]


def test_a_quick_look_shortens_every_network() -> None:
    runs = [v.run for v in _variants("all", heads="both", epochs=2)]
    epochs = {run.training.epochs for run in runs if isinstance(run, NetworkRun)}
    assert epochs == {2}


def test_selection_is_the_same_for_every_method() -> None:
    tops = {
        run.select_top if isinstance(run, ClassicalRun) else run.training.select_top
        for run in (v.run for v in _variants("all", heads="both", select_top=7))
    }
    assert tops == {7}


def test_a_modality_without_groups_has_no_row_for_its_group() -> None:
    schema = make_schema({"rna": (9,), "cnv": (4, 3)})
    found = [v.variant for v in select_variants(_settings("unimodal"), schema)]
    assert found == ["rna", "cnv", "cnv:group0", "cnv:group1"]


def test_every_variant_can_take_a_usual_cohort() -> None:
    cohort = make_cohort(20, clinical=True)
    every = catalogue(_settings("all", heads="both"), cohort.schema)
    reasons = {v.key: reason_not_applicable(v, cohort) for v in every}
    refused = {key[0]: reason for key, reason in reasons.items() if reason}
    assert set(refused) == {"multicofusion"}
    assert "learns the tumour grade" in str(refused["multicofusion"])


def test_presets_come_with_their_own_training() -> None:
    for variant in _variants("camlif", "printed", "release"):
        assert isinstance(variant.run, NetworkRun)
        expected = RunConfig.from_preset(variant.variant)
        assert variant.run.network == expected.network
        assert variant.run.training == expected.training


def test_the_default_is_the_default_preset() -> None:
    (variant,) = _variants("default")
    assert isinstance(variant.run, NetworkRun)
    assert variant.run.network == NetworkConfig()
