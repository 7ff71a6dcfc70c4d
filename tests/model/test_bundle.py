"""Bundles: training, scoring's outer face, and what is on disk."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, safe_open, save_file

import camlif
from camlif.exceptions import AlignmentError, ArtifactError, ConfigError
from camlif.model.bundle import Bundle, load_bundle
from camlif.model.seal import SEAL, write_seal
from camlif.model.storage import CARD, CARD_TEXT, CONFIG, WEIGHTS, read_expected, read_schema
from tests.builders.bundles import new_patients, tiny_bundle, tiny_cohort, tiny_config
from tests.builders.cohorts import make_cohort

HEAVY = ("torch", "captum", "shap", "lifelines", "sksurv", "torchsurv", "plotly", "streamlit")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_bundle().save(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(saved, tmp_path / "tiny"))


def _load(folder: Path) -> Bundle:
    return load_bundle(folder, device="cpu")


SEALED = (WEIGHTS, CONFIG, CARD, CARD_TEXT)


def _edit(folder: Path, change: Callable[[dict[str, Any]], object], name: str = CONFIG) -> None:
    data = json.loads((folder / name).read_text())
    change(data)
    (folder / name).write_text(json.dumps(data))
    write_seal(folder, SEALED)


def _rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change tensors and seal the folder anew, so that later checks are reached."""
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, metadata=metadata)
    write_seal(folder, SEALED)


# The public face


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = f"import sys, camlif; print(*[m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


def test_public_names_exist() -> None:
    for name in camlif.__all__:
        assert getattr(camlif, name).__name__ == name
    assert set(camlif.__all__) <= set(dir(camlif))
    assert camlif.load_bundle is load_bundle


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        camlif.no_such_name  # noqa: B018


# Save and load


def test_saved_and_loaded_bundle_scores_bit_for_bit(saved: Path) -> None:
    before, after = tiny_bundle(), _load(saved)
    for cohort in (new_patients(), tiny_cohort()):
        one, two = before.score(cohort), after.score(cohort)
        np.testing.assert_array_equal(one.member_log_risk, two.member_log_risk)
        np.testing.assert_array_equal(one.embedding, two.embedding)
        np.testing.assert_array_equal(one.survival, two.survival)
        pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)


def test_loaded_bundle_keeps_everything_else(saved: Path) -> None:
    before, after = tiny_bundle(), _load(saved)
    for name in ("name", "info", "config", "card", "schema", "strata"):
        assert getattr(after, name) == getattr(before, name)
    assert [s.validation for s in after.reference.sets] == [
        s.validation for s in before.reference.sets
    ]
    assert after.digest == before.digest


def test_saving_a_loaded_bundle_writes_the_same_files(saved: Path, tmp_path: Path) -> None:
    _load(saved).save(tmp_path / "again")
    for name in (WEIGHTS, CONFIG, CARD, CARD_TEXT):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def test_digest_changes_with_a_weight_and_with_a_cutoff() -> None:
    bundle = tiny_bundle()
    name, value = next(iter(bundle.ensemble.parameters.items()))
    changed = replace(bundle.ensemble, parameters={**bundle.ensemble.parameters, name: value + 1})
    assert replace(bundle, ensemble=changed).digest != bundle.digest
    assert replace(bundle, reference=replace(bundle.reference, mean=9.0)).digest != bundle.digest


def test_weights_are_rounded_to_the_stored_precision_before_they_are_judged() -> None:
    for name, value in tiny_bundle().ensemble.parameters.items():
        assert torch.equal(value, value.half().to(value.dtype)), name


def test_folder_holds_no_pickle_and_no_patient_identifier(saved: Path) -> None:
    assert sorted(p.name for p in saved.iterdir()) == sorted([*SEALED, SEAL])
    for path in saved.iterdir():
        content = path.read_bytes()
        assert not content.startswith((b"\x80", b"PK"))
        assert b"P0001" not in content


def test_training_again_gives_the_same_scores() -> None:
    config = tiny_config(splits=2, split_scheme="monte_carlo", epochs=1)
    cohort = tiny_cohort()
    first, second = (camlif.train(cohort, config, device="cpu") for _ in range(2))
    assert first.digest == second.digest


def test_patients_without_outcome_are_left_out_and_counted() -> None:
    cohort = tiny_cohort()
    assert cohort.duration is not None
    duration = cohort.duration.copy()
    duration[:10] = np.nan
    bundle = camlif.train(
        replace(cohort, duration=duration),
        tiny_config(splits=2, split_scheme="monte_carlo", epochs=1),
        device="cpu",
    )
    assert bundle.card.data.n_without_outcome == 10
    assert bundle.card.data.n_patients == len(cohort) - 10


# Damage


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, CARD])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        _load(folder)


def test_a_folder_that_does_not_exist_is_an_artifact_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="nowhere"):
        _load(tmp_path / "nowhere")


def _columns(config: dict[str, Any]) -> list[str]:
    return config["schema"]["modalities"][1]["groups"][0]["columns"]


def test_a_renamed_column_is_named(folder: Path) -> None:
    _edit(folder, lambda c: _columns(c).__setitem__(2, "other"))
    with pytest.raises(ArtifactError, match=r"ct/ct_0_2 was renamed .* ct/other"):
        _load(folder)


def test_a_removed_column_is_named(folder: Path) -> None:
    _edit(folder, lambda c: _columns(c).pop(1))
    with pytest.raises(ArtifactError, match=r"ct/ct_0_1 is missing"):
        _load(folder)


def test_an_added_column_is_named(folder: Path) -> None:
    _edit(folder, lambda c: _columns(c).append("surplus"))
    with pytest.raises(ArtifactError, match=r"ct/surplus is not one"):
        _load(folder)


def test_a_moved_column_is_named(folder: Path) -> None:
    _edit(folder, lambda c: _columns(c).reverse())
    with pytest.raises(ArtifactError, match=r"ct/ct_0_4 is not where"):
        _load(folder)


def test_changed_clinical_levels_are_refused(folder: Path) -> None:
    _edit(folder, lambda c: c["schema"]["clinical"][1]["levels"].reverse())
    with pytest.raises(ArtifactError, match="clinical levels"):
        _load(folder)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_truncated_weights_are_refused(folder: Path, share: float) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: int(share * len(content))])
    with pytest.raises(ArtifactError, match=WEIGHTS):
        _load(folder)


def test_garbage_weights_are_refused(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(np.random.default_rng(0).bytes(5000))
    write_seal(folder, SEALED)
    with pytest.raises(ArtifactError, match="damaged"):
        _load(folder)


def test_a_header_of_enormous_length_is_refused(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((2**62).to_bytes(8, "little") + b"{}")
    write_seal(folder, SEALED)
    with pytest.raises(ArtifactError, match="damaged"):
        _load(folder)


def test_a_flipped_bit_is_refused(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(bytes(content))
    with pytest.raises(ArtifactError, match=f"{WEIGHTS}: not the file that was saved"):
        _load(folder)


@pytest.mark.parametrize(
    "prefix", ["member.", "columns.", "offset", "reference.sorted_z", "calibration.", "range."]
)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(folder: Path, prefix: str, value: float) -> None:
    def spoil(tensors: dict[str, torch.Tensor]) -> None:
        name = next(k for k, t in tensors.items() if k.startswith(prefix) and t.is_floating_point())
        tensors[name].view(-1)[0] = value

    _rewrite(folder, spoil)
    with pytest.raises(ArtifactError, match="not finite"):
        _load(folder)


def test_unknown_absent_and_misshapen_weights_are_refused(saved: Path, tmp_path: Path) -> None:
    def first(tensors: dict[str, torch.Tensor]) -> str:
        return next(k for k in tensors if k.startswith("member."))

    changes: dict[str, Callable[[dict[str, torch.Tensor]], object]] = {
        "unknown weights member.extra": lambda t: t.update({"member.extra": torch.zeros(1)}),
        "absent or has a wrong shape": lambda t: t.pop(first(t)),
        "has a wrong shape": lambda t: t.update({first(t): t[first(t)][:1].clone()}),
        "columns.ct": lambda t: t.pop(next(k for k in t if k.startswith("columns.ct."))),
        "range.ct": lambda t: t.pop("range.ct"),
        "reference.seen": lambda t: t.pop("reference.seen"),
        "unknown array note": lambda t: t.update({"note": torch.zeros(1)}),
        "unknown array curve.other.time": lambda t: t.update({"curve.other.time": torch.zeros(1)}),
        "offset has type": lambda t: t.update(offset=t["offset"].half()),
        "do not ascend": lambda t: t.update(
            {"reference.sorted_z": t["reference.sorted_z"].flip(0).contiguous()}
        ),
        "levels of the training range": lambda t: t.update(
            {"range.ct": t["range.ct"].flip(0).contiguous()}
        ),
        "scale of ct": lambda t: t["columns.ct.scale"].zero_(),
        "offset has a wrong shape": lambda t: t.update(offset=t["offset"][:1].clone()),
        "reach of the training range": lambda t: t["reach.ct"].zero_(),
        "training distances of other": lambda t: t.update(
            {"distance.other": t["distance.ct"].clone()}
        ),
        "distances of ct do not ascend": lambda t: t["distance.ct"].neg_(),
        "risks of the reference": lambda t: t.update(
            {"reference.sorted_z": torch.zeros(0).double()}
        ),
        "which member saw which patient": lambda t: t["reference.seen"].fill_(7),
        "stored calibration do not ascend": lambda t: t["calibration.0.time"].neg_(),
        "impossible values": lambda t: t["curve.low.survival"].add_(1),
    }
    for i, (message, change) in enumerate(changes.items()):
        spoiled = Path(shutil.copytree(saved, tmp_path / str(i)))
        _rewrite(spoiled, change)
        with pytest.raises(ArtifactError, match=message):
            _load(spoiled)


@pytest.mark.parametrize("name", [CONFIG, CARD])
@pytest.mark.parametrize("text", ["", "{", "[]", "\x00", "{}", "[" * 100_000])
def test_unreadable_json_is_refused(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(ArtifactError):
        _load(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(format=99),
        lambda c: c.pop("config"),
        lambda c: c.update(members=4),
        lambda c: c.update(info=[]),
        lambda c: c.update(config={"network": "x", "training": {}}),
        lambda c: c["config"]["network"].update(width=15),
        lambda c: c["config"]["network"].update(no_such_setting=1),
        lambda c: c["reference"].update(sd=0.0),
        lambda c: c["reference"].update(mean=float("nan")),
        lambda c: c["reference"]["sets"].pop(),
        lambda c: c["reference"]["sets"][-1]["gates"].pop(),
        lambda c: c["reference"].update(mean=10**400),
        lambda c: c["reference"].update(mean=True),
        lambda c: c["reference"].update(strata=None),
        lambda c: c["reference"]["spread"].update(trend="a"),
        lambda c: c["reference"]["spread"].update(prior_df=None),
        lambda c: c["reference"]["bound"].update(last=float("nan")),
        lambda c: c["reference"]["sets"][-1].update(low="0.6"),
        lambda c: c["reference"]["sets"][-1]["gates"][0].update(verdict="opened"),
        lambda c: c["reference"]["follow_up"].update(median=None),
        lambda c: c.update(name=None),
    ],
)
def test_a_spoiled_configuration_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    _edit(folder, change)
    with pytest.raises(ArtifactError):
        _load(folder)


def test_a_model_of_another_version_is_refused_with_what_to_do(folder: Path) -> None:
    _edit(folder, lambda c: c.update(format=2))
    for read in (_load, read_schema, read_expected):
        with pytest.raises(ArtifactError, match=r"format 2, not 3.*Train the model again"):
            read(folder)


def test_a_folder_that_cannot_be_written_is_an_artifact_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot be written"):
        tiny_bundle().save(tmp_path / "file" / "model")


@pytest.mark.parametrize("device", ["banana", "", "cuda:99", "meta", "mps"])
def test_a_device_that_is_not_there_is_named(saved: Path, device: str) -> None:
    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has MPS")
    with pytest.raises(ConfigError, match=device or "''"):
        load_bundle(saved, device=device)


def test_a_cohort_of_other_tables_is_refused_with_both_names() -> None:
    with pytest.raises(AlignmentError) as caught:
        tiny_bundle().score(make_cohort(5, {"radiology": (3,)}))
    assert caught.value.code == "E-30"
    assert "radiology" in str(caught.value)
    assert "pathology, ct" in str(caught.value)


# The seal


@pytest.mark.parametrize("name", SEALED)
def test_a_file_that_was_not_saved_with_the_others_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(ArtifactError, match=f"{name}: not the file that was saved"):
        _load(folder)


def test_another_number_of_the_reference_is_refused_though_it_could_be(folder: Path) -> None:
    config = json.loads((folder / CONFIG).read_text())
    config["reference"]["mean"] += 0.5
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n")
    with pytest.raises(ArtifactError, match=f"{CONFIG}: not the file that was saved"):
        _load(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": {"../x": "0"}, "digest": ""}'])
def test_a_spoiled_seal_is_refused(folder: Path, text: str) -> None:
    (folder / SEAL).write_text(text)
    with pytest.raises(ArtifactError, match=SEAL):
        _load(folder)


@pytest.mark.parametrize("names", [(), (WEIGHTS, CONFIG, CARD)])
def test_a_seal_that_leaves_out_a_file_is_refused(folder: Path, names: tuple[str, ...]) -> None:
    write_seal(folder, names)
    with pytest.raises(ArtifactError, match=f"{SEAL}: no list of the files"):
        _load(folder)


def test_a_seal_with_another_digest_of_itself_is_refused(folder: Path) -> None:
    seal = json.loads((folder / SEAL).read_text())
    seal["files"][CARD_TEXT] = "0" * 64
    (folder / SEAL).write_text(json.dumps(seal))
    with pytest.raises(ArtifactError, match="its own digest does not match"):
        _load(folder)


def test_a_model_signed_by_a_key_is_asked_for_it(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, other = tmp_path / "key", tmp_path / "other"
    key.write_bytes(b"k" * 32)
    other.write_bytes(b"o" * 32)
    monkeypatch.setenv("CAMLIF_MODEL_KEY", str(key))
    with pytest.raises(ArtifactError, match="not signed by the key"):
        _load(saved)  # saved without one
    signed = tmp_path / "signed"
    tiny_bundle().save(signed)
    assert _load(signed).digest == tiny_bundle().digest
    monkeypatch.setenv("CAMLIF_MODEL_KEY", str(other))
    with pytest.raises(ArtifactError, match="not signed by the key"):
        _load(signed)
    key.write_bytes(b"short")
    monkeypatch.setenv("CAMLIF_MODEL_KEY", str(key))
    with pytest.raises(ArtifactError, match="at least 16 bytes"):
        _load(signed)
    monkeypatch.delenv("CAMLIF_MODEL_KEY")
    assert _load(signed).digest == tiny_bundle().digest


def test_what_lies_beside_the_files_of_a_model_is_never_opened(folder: Path) -> None:
    (folder / "evil.pkl").write_bytes(b"\x80\x04.")
    assert _load(folder).digest == tiny_bundle().digest
