"""The manifest file, and feature groups by name."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camlif.data.manifest import ClinicalSection, Manifest, ModalitySection, read_manifest
from camlif.data.reading.groups import feature_groups, group_patterns, groups_text, parse_groups
from camlif.exceptions import SchemaError

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)


@given(
    title=texts,
    notes=st.lists(texts, max_size=3),
    units=st.dictionaries(texts, texts, max_size=3),
    group=texts,
    inputs=st.none() | st.lists(texts, max_size=2),
)
def test_a_written_manifest_reads_back_equal(
    title: str, notes: list[str], units: dict[str, str], group: str, inputs: list[str] | None
) -> None:
    manifest = Manifest(
        title=title,
        notes=tuple(notes),
        units=units,
        oracle_c_index=0.75,
        clinical=ClinicalSection(inputs=None if inputs is None else tuple(inputs)),
        modalities={"ct": ModalitySection(type="bag", groups={group: ("a_*", "b")})},
    )

    assert read_manifest(manifest.to_toml()) == manifest


def test_a_modality_without_entries_survives_writing() -> None:
    manifest = Manifest(modalities={"a b": ModalitySection(), "c": ModalitySection()})

    assert list(tomllib.loads(manifest.to_toml())["modalities"]) == ["a b", "c"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour = 'red'", "colour"),
        ("[modalities.ct]\nkind = 'bag'", "modalities.ct.kind"),
        ("badge = 'secret'", "badge"),
        ("title = ", "TOML"),
    ],
)
def test_an_unsuitable_manifest_says_what_is_wrong(text: str, named: str) -> None:
    with pytest.raises(SchemaError, match=named):
        read_manifest(text)


def names(columns: list[str], **declared: list[str]) -> dict[str, int]:
    return {g.name: g.n_features for g in feature_groups("m", columns, declared or None)}


def test_radiomics_families_are_groups() -> None:
    columns = [f"original_{f}_{i}" for f in ("shape", "firstorder", "glcm") for i in range(3)]
    columns += [f"wavelet-{b}_glcm_{i}" for b in ("LLH", "HHH") for i in range(2)]

    assert names(columns) == {"shape": 3, "firstorder": 3, "glcm": 3, "wavelet_glcm": 4}


def test_many_filters_are_one_group_each() -> None:
    families = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm")
    columns = [f"original_{f}_{i}" for f in (*families, "shape") for i in (0, 1)]
    columns += [f"wavelet-LLH_{f}_{i}" for f in families for i in (0, 1)]

    assert names(columns) == {**dict.fromkeys((*families, "shape"), 2), "wavelet": 12}


def test_genomic_suffixes_are_groups_even_with_one_column() -> None:
    assert names(["A_rnaseq", "B_rnaseq", "A_cnv", "C_cnv", "IDH1_mut"]) == {
        "rnaseq": 2,
        "cnv": 2,
        "mut": 1,
    }


@pytest.mark.parametrize(
    "columns",
    [
        ["a_1", "a_2", "a_3"],  # one prefix
        ["a_1", "a_2", "b_1"],  # a prefix of one column
        ["a_1", "a_2", "b_1", "b_2", "plain"],  # a column without prefix
        [f"p{i}_{j}" for i in range(13) for j in (1, 2)],  # too many prefixes
    ],
)
def test_names_that_do_not_split_give_a_single_group(columns: list[str]) -> None:
    assert names(columns) == {"m": len(columns)}


def test_prefixes_are_groups_in_column_order() -> None:
    assert list(names(["b_1", "a.1", "b_2", "a.2"])) == ["b", "a"]


def test_declared_groups_take_patterns_and_leave_a_rest() -> None:
    groups = feature_groups("m", ["x1", "y1", "x2", "z"], {"x": ["x*"], "one": ["y1"]})

    assert [(g.name, g.columns) for g in groups] == [
        ("x", ("x1", "x2")),
        ("one", ("y1",)),
        ("other", ("z",)),
    ]


@pytest.mark.parametrize("declared", [{"x": ["absent"]}, {"x": ["x*"], "y": ["x1"]}])
def test_declared_groups_that_do_not_fit_are_refused(declared: dict[str, list[str]]) -> None:
    with pytest.raises(SchemaError):
        feature_groups("m", ["x1", "x2"], declared)


words = st.sampled_from(
    ["glcm", "shape", "rna", "a", "B", "[x]", "y z", "original", "wavelet-HLL", "1"]
)
headers = st.lists(words, min_size=1, max_size=4).map("_".join)


@given(columns=st.lists(headers, min_size=1, max_size=12, unique=True))
def test_groups_said_as_patterns_are_the_same_groups_again(columns: list[str]) -> None:
    groups = feature_groups("m", columns)
    patterns = group_patterns(groups, {})

    assert feature_groups("m", columns, patterns) == groups
    assert group_patterns(groups, patterns) == patterns
    assert parse_groups(groups_text(patterns)) == patterns


@pytest.mark.parametrize(
    ("columns", "patterns"),
    [
        (["TP53_rna", "MYC_rna", "TP53_mut"], {"rna": ("*_rna",), "mut": ("TP53_mut",)}),
        (["cd3_a", "cd8_a", "cd3_b", "cd8_b"], {"cd3": ("cd3_*",), "cd8": ("cd8_*",)}),
        (
            [
                f"ct_wavelet-{b}_{f}_{i}"
                for b in ("LL", "HH")
                for f in ("glcm", "glrlm")
                for i in "ab"
            ],
            {
                "ct_wavelet_glcm": ("ct_wavelet-*glcm_*",),
                "ct_wavelet_glrlm": ("ct_wavelet-*glrlm_*",),
            },
        ),
        (["a", "b_1"], {"m": ("*",)}),
    ],
)
def test_inferred_groups_are_said_in_a_pattern(
    columns: list[str], patterns: dict[str, tuple[str, ...]]
) -> None:
    assert group_patterns(feature_groups("m", columns), {}) == patterns


def test_what_no_declared_group_takes_has_no_pattern() -> None:
    declared = {"x": ["x*"]}

    found = group_patterns(feature_groups("m", ["x1", "x2", "y"], declared), declared)

    assert found == {"x": ("x*",), "other": ()}


def test_groups_as_text_leave_out_the_rest_and_join_lines_of_one_name() -> None:
    assert groups_text({"x": ("x*", "a,b"), "other": ()}) == "x = x*, a?b"
    assert parse_groups("\nx = x*,, y \n x= z") == {"x": ("x*", "y", "z")}


@pytest.mark.parametrize("text", ["x", "x =", "= a", "x = a\ny = ,"])
def test_a_group_without_name_or_column_is_refused(text: str) -> None:
    with pytest.raises(SchemaError, match=f"Line {text.count(chr(10)) + 1} "):
        parse_groups(text)
