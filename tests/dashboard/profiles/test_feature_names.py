"""Plain names of columns: by rule, by profile, by what a cohort says of its own."""

from __future__ import annotations

import re

import pytest

from camlif.data.manifest import Manifest, read_manifest
from camlif.data.samples import SAMPLES, TRANSBIG_INFO, load_sample
from camlif.data.schema import ColumnWords
from camlif.exceptions import SchemaError
from camlif.model.bundle import load_bundle
from dashboard.profiles import load_profile
from dashboard.profiles.feature_rules import name_by_rule
from tests.dashboard.views.test_case_page import SHIPPED

BY_RULE = {
    # PyRadiomics: filter_class_Feature, after a mask's name where there are several.
    "original_shape_Maximum3DDiameter": ("Maximum 3D diameter (shape)", "mm"),
    "original_shape_Maximum2DDiameterRow": ("Maximum 2D diameter row (shape)", "mm"),
    "original_shape_MeshVolume": ("Mesh volume (shape)", "mm³"),
    "original_shape_SurfaceArea": ("Surface area (shape)", "mm²"),
    "original_shape_SurfaceVolumeRatio": ("Surface volume ratio (shape)", ""),
    "original_firstorder_10Percentile": ("10th percentile (intensity)", ""),
    "wavelet-LLH_glcm_JointEntropy": ("Joint entropy (co-occurrence texture, wavelet LLH)", ""),
    "ovary_original_ngtdm_Busyness": ("Busyness (neighbourhood texture, ovary)", ""),
    "log-sigma-3-0-mm-3D_glcm_MCC": ("MCC (co-occurrence texture, log sigma 3 0 mm 3D)", ""),
    # IBSI
    "morph_volume": ("Volume (shape)", ""),
    "ivh_v10": ("V10 (intensity-volume histogram)", ""),
    # QuPath
    "Nucleus: Area µm^2": ("Area (nucleus)", "µm²"),
    "Cell: Max diameter um": ("Max diameter (cell)", "µm"),
    "Nucleus: Hematoxylin OD mean": ("Hematoxylin optical density mean (nucleus)", ""),
    "Nucleus/Cell area ratio": ("Area ratio (nucleus/cell)", ""),
    # Genes, with Entrez identifiers, assays, probes
    "TP53|7157": ("TP53", ""),
    "TP53 (7157)": ("TP53", ""),
    "NKX2-1_rnaseq": ("NKX2-1 expression", ""),
    "IDH1_mut": ("IDH1 mutation", ""),
    "cnv_10q": ("10q copy number", ""),
    "rna_042": ("Gene 042 expression", ""),
    "X200726_at": ("Gene probe 200726_at", ""),
    "ILMN_1762337": ("Gene probe ILMN_1762337", ""),
    "ENSG00000141510.15": ("Gene ENSG00000141510", ""),
    # Staging, statistics, units, the rest
    "ypT_stage": ("ypT stage", ""),
    "pN": ("pN stage", ""),
    "necrosis_area_share_q10": ("Necrosis area share, 10th percentile", ""),
    "nuclei_orientation_q90_r3": ("Nuclei orientation, 90th percentile, region 3", ""),
    "tumour_length_in_mm": ("Tumour length", "mm"),
    "cd8_density": ("CD8 density", ""),
    "n": ("N", ""),
    "": ("", ""),
}


@pytest.mark.parametrize("column", BY_RULE)
def test_a_rule_gives_a_column_its_name_and_unit(column: str) -> None:
    words = name_by_rule(column)
    assert (words.name, words.unit) == BY_RULE[column]


def test_codes_of_assays_have_words_and_stages_a_direction() -> None:
    assert name_by_rule("TP53_mut").levels["1"] == "present"
    assert name_by_rule("EGFR_cnv").levels["-1"] == "loss"
    assert name_by_rule("t_stage").worse == "higher"
    assert name_by_rule("n").worse == ""


@pytest.mark.parametrize("model", ["glioma", "hancock", "luad", "transbig"])
def test_no_column_or_group_of_a_shipped_model_is_shown_as_its_code(model: str) -> None:
    bundle = load_bundle(SHIPPED / model, device="cpu")
    profile = load_profile(bundle.info.profile).with_names(bundle.info)
    shown = [profile.column_name(c.name) for c in bundle.schema.clinical]
    for modality in bundle.schema.modalities:
        names = [profile.column_name(column) for column in modality.columns]
        assert len(set(names)) == len(names)
        shown += [*names, *(profile.column_name(g.name) for g in modality.groups)]
    codes = [name for name in shown if re.search(r"_(?!at\b|s_at|x_at)", name) or not name]
    assert codes == []
    assert [name for name in shown if name[:1].islower() and name[:2] not in {"pT", "pN"}] == []


def test_stage_letters_stand_for_the_codes_of_the_source() -> None:
    words = load_profile("head_neck").column("pT_stage_ordinal_code")
    assert (words.name, words.levels["7"], words.worse) == ("pT stage", "pT4a", "higher")


def test_a_cohort_names_its_columns_before_profile_and_rule() -> None:
    text = """
    [names]
    grade = "Differentiation"
    "gene_*" = "Gene *"
    necrosis = "Dead tissue"
    pathology = "Slides"
    code = { name = "pT stage", worse = "higher", levels = { 1 = "pT1" } }
    """
    info = read_manifest(text).info("x", None, None)
    profile = load_profile("glioma").with_names(info)
    assert profile.column_name("grade") == "Differentiation"
    assert profile.column_name("gene_TP53") == "Gene TP53"
    assert profile.column_name("necrosis") == "Dead tissue"
    assert profile.column_name("nuclei") == "Nuclei"
    assert profile.modality("pathology") == "Slides"
    assert profile.column("code") == ColumnWords("pT stage", "", {"1": "pT1"}, "higher")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ('"a*b*" = "x"', r"names\.a\*b\*\S* .*one \* only"),
        ('a = ""', r"names\.a\.name: String should have at least 1 character"),
        ('a = { name = "x", worse = "up" }', r"names\.a\.worse: Input should be"),
        ('a = { name = "x", wrong = "y" }', r"names\.a\.wrong: Extra inputs"),
        ("a = 3", r"names\.a: "),
    ],
)
def test_a_name_that_cannot_be_used_is_told_with_its_entry(entry: str, told: str) -> None:
    with pytest.raises(SchemaError, match=told):
        read_manifest(f"[names]\n{entry}\n")


def test_names_survive_the_manifest_and_a_saved_model() -> None:
    text = '[names]\nb = "Bee"\nc = { name = "Sea", unit = "mm", levels = { 1 = "one" } }\n'
    manifest = read_manifest(text)
    assert read_manifest(manifest.to_toml()) == manifest
    assert Manifest().to_toml().strip() == ""


def test_labels_of_subtype_and_grade_are_those_of_their_columns() -> None:
    profile = load_profile(TRANSBIG_INFO.profile).with_names(TRANSBIG_INFO)
    assert profile.subtype_label == "ER status"
    assert profile.grade_label == "Histological grade"
    assert profile.modality("pathology") == "Grade, size and ER"
    glioma = load_sample("glioma").info
    assert load_profile("glioma").with_names(glioma).subtype_label == "WHO subtype"


@pytest.mark.parametrize("key", sorted(SAMPLES))
def test_every_column_of_a_sample_has_a_name(key: str) -> None:
    cohort = load_sample(key)
    profile = load_profile(cohort.info.profile).with_names(cohort.info)
    assert all("_" not in profile.column_name(str(name)) for name in cohort.clinical.columns)
