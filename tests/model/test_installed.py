"""The list of installed models, and which fits a cohort."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from camlif.data.schema import FeatureSchema
from camlif.model.installed import InstalledModel, installed_models, rank_models
from camlif.model.storage import CARD, CONFIG, WEIGHTS
from tests.builders.bundles import tiny_bundle
from tests.builders.cohorts import make_cohort, make_schema
from tests.model.test_matching import renamed


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tiny_bundle().save(folder / "good")
    shutil.copytree(folder / "good", folder / "bad_config")
    (folder / "bad_config" / CONFIG).write_text("{")
    shutil.copytree(folder / "good", folder / "bad_card")
    (folder / "bad_card" / CARD).write_text("{}")
    (folder / "manifest_only").mkdir()
    (folder / "manifest_only" / "cohort.toml").write_text("")
    (folder / "note.txt").write_text("")
    return folder


def test_models_are_listed_by_name_and_damaged_ones_carry_their_error(models: Path) -> None:
    found = installed_models(models)
    assert [m.name for m in found] == ["bad_card", "bad_config", "good"]
    bad_card, bad_config, good = found
    assert good.error is None
    assert good.schema == tiny_bundle().schema
    assert good.card == tiny_bundle().card
    for model, file in ((bad_card, CARD), (bad_config, CONFIG)):
        assert model.schema is None
        assert model.error is not None
        assert file in model.error


def test_models_of_several_folders_are_one_list_and_the_first_folder_wins(
    models: Path, tmp_path: Path
) -> None:
    for name in ("aaa", "good"):
        shutil.copytree(models / "good", tmp_path / name)
    found = installed_models(models, tmp_path, tmp_path / "absent")
    assert [m.name for m in found] == ["aaa", "bad_card", "bad_config", "good"]
    assert found[0].path.parent == tmp_path
    assert found[-1].path.parent == models


def test_damaged_weights_are_named_where_models_are_listed(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "good", tmp_path / "good")
    (tmp_path / "good" / WEIGHTS).write_bytes(b"damaged")
    (found,) = installed_models(tmp_path)
    assert found.error is not None
    assert WEIGHTS in found.error


@pytest.mark.parametrize("name", ["net.pkl", "net.pt", "folder/net.onnx"])
def test_models_of_other_programs_are_listed_and_not_opened(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\x80\x04.")
    (found,) = installed_models(tmp_path)
    assert found.name in name
    assert found.error is not None


def test_no_folder_means_no_models(tmp_path: Path) -> None:
    assert installed_models(tmp_path / "nowhere") == ()


def _model(name: str, schema: FeatureSchema) -> InstalledModel:
    return InstalledModel(path=Path(name), schema=schema)


def test_usable_models_come_first_then_the_larger_share_then_the_name() -> None:
    cohort = renamed(make_cohort(5, {"ct": (5,), "rna": (5,)}), "rna", rna_0_4="other")
    models = (
        _model("partly", make_schema({"rna": (5,)})),  # 4 of 5 columns: not usable
        _model("half", make_schema({"ct": (5,), "slides": (5,)})),
        _model("whole_b", make_schema({"ct": (5,)})),
        _model("whole_a", make_schema({"ct": (5,)})),
        _model("foreign", make_schema({"slides": (5,)})),
        InstalledModel(path=Path("damaged"), error="damaged"),
    )
    ranked = rank_models(models, cohort)
    assert [m.model.name for m in ranked] == ["whole_a", "whole_b", "half", "partly"]
    assert [m.report.usable for m in ranked] == [True, True, True, False]
