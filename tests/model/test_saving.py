"""A model saved over another: whatever happens meanwhile, one of the two loads whole."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from camlif.exceptions import ArtifactError
from camlif.files import standing
from camlif.model import storage
from camlif.model.bundle import Bundle, load_bundle
from camlif.model.installed import installed_models
from camlif.model.storage import CARD, WEIGHTS, read_card, read_expected, read_schema
from tests.builders.bundles import tiny_bundle
from tests.builders.faults import DONE, FAILED, KILLED, SURVIVED, each_cut, each_limit


def other_bundle() -> Bundle:
    """A model that differs from `tiny_bundle` in weights and card."""
    bundle = tiny_bundle()
    shifted = replace(bundle.ensemble, offset=bundle.ensemble.offset + 1)
    card = bundle.card.model_copy(update={"reproduce": "another command"})
    return replace(bundle, ensemble=shifted, card=card)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The old model, with a manifest that was put beside it."""
    tiny_bundle().save(tmp_path / "model")
    (tmp_path / "model" / "cohort.toml").write_text("title = 'kept'")
    return tmp_path / "model"


def loaded(folder: Path) -> str:
    """Load whatever is there and say which it is; weights and card must be of one model."""
    bundle = load_bundle(folder, device="cpu")
    whole = {tiny_bundle().digest: "old", other_bundle().digest: "new"}[bundle.digest]
    assert bundle.card == (tiny_bundle() if whole == "old" else other_bundle()).card
    assert read_card(folder) == bundle.card
    assert read_schema(folder) == bundle.schema
    expected = read_expected(folder)
    assert expected.schema == bundle.schema
    assert expected.inputs == bundle.reference.inputs
    assert expected.follow_up == bundle.reference.follow_up
    assert expected.training_range.levels.keys() == bundle.reference.training_range.levels.keys()
    assert (standing(folder) / "cohort.toml").read_text() == "title = 'kept'"
    assert [(m.path, m.card) for m in installed_models(folder.parent)] == [(folder, bundle.card)]
    return whole


@pytest.mark.parametrize("fault", ["kill", "full disk"])
def test_wherever_saving_ends_the_old_or_the_new_model_loads_whole(
    fault: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = other_bundle()
    tensors = storage._tensors(new)  # not in a forked process: torch's threads do not live there
    monkeypatch.setattr(storage, "_tensors", lambda _: tensors)

    def save() -> None:
        try:
            new.save(folder)
        except ArtifactError as error:
            raise OSError(str(error)) from error

    outcomes = set()
    for status in each_cut(save, folder.parent, fault):  # type: ignore[arg-type]
        monkeypatch.undo()
        outcomes.add((status, loaded(folder)))
        tiny_bundle().save(folder)
        monkeypatch.setattr(storage, "_tensors", lambda _: tensors)

    cut = {(KILLED, "old"), (KILLED, "new")} if fault == "kill" else {(FAILED, "old")}
    assert outcomes - {(SURVIVED, "new")} == cut | {(DONE, "new")}


def test_a_disk_with_too_little_room_leaves_the_old_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = other_bundle()
    tensors = storage._tensors(new)
    monkeypatch.setattr(storage, "_tensors", lambda _: tensors)
    size = (folder / WEIGHTS).stat().st_size

    def save() -> None:
        try:
            new.save(folder)
        except ArtifactError as error:
            raise OSError(str(error)) from error

    statuses = list(each_limit(save, range(0, size, size // 20)))
    monkeypatch.undo()

    assert set(statuses) == {FAILED}
    assert loaded(folder) == "old"
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("name", [WEIGHTS, CARD])
def test_files_of_two_models_are_not_taken_for_one(name: str, folder: Path, tmp_path: Path) -> None:
    other_bundle().save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / name, folder / name)

    with pytest.raises(ArtifactError, match="not the file that was saved"):
        load_bundle(folder, device="cpu")
