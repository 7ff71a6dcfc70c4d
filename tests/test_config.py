"""Settings: presets, checks, JSON and the learning rate schedule."""

from __future__ import annotations

import json
import re
from dataclasses import FrozenInstanceError, fields
from typing import Literal, get_origin, get_type_hints

import pytest

from camlif.config import PRESETS, NetworkConfig, RunConfig, TrainConfig
from camlif.exceptions import ConfigError
from camlif.networks.registry import networks


def differences(a: NetworkConfig, b: NetworkConfig) -> dict[str, object]:
    changed = {
        f.name: getattr(b, f.name) for f in fields(a) if getattr(a, f.name) != getattr(b, f.name)
    }
    changed.pop("preset")
    return changed


def test_the_printed_preset_differs_in_the_named_fields_only() -> None:
    default, printed = (NetworkConfig.from_preset(name) for name in ("default", "printed"))
    assert differences(default, printed) == {
        "width": 256,
        "embed_hidden": 512,
        "ca_scale": "none",
        "ca_kv_norm": False,
        "ca_skip": False,
        "sim_detach": False,
    }


def test_the_release_preset_differs_in_the_named_fields_only() -> None:
    default, release = (NetworkConfig.from_preset(name) for name in ("default", "release"))
    assert differences(default, release) == {
        "width": 256,
        "embed_hidden": 512,
        "cross_attention": "softmax",
        "ca_layers": 1,
        "ca_heads": 1,
        "encoder_layers": 1,
        "mlif": "nested",
        "risk_range": "sigmoid6",
        "clinical": "none",
        "cox_reduction": "batch",
    }


def test_the_robust_preset_differs_in_the_named_fields_only() -> None:
    default, robust = (NetworkConfig.from_preset(name) for name in ("default", "robust"))
    assert differences(default, robust) == {"linear_skip": True, "network_scale": 0.1}
    run = RunConfig.from_preset("robust", network={"width": 32}, splits=5, epochs=2)
    assert (run.camlif.preset, run.camlif.width) == ("robust", 32)
    training = run.training
    assert (training.select_top, training.batch_size, training.splits) == (None, 128, 5)
    assert training.epochs == 2


@pytest.mark.parametrize("preset", PRESETS)
def test_a_run_of_a_preset_has_its_network(preset: str) -> None:
    run = RunConfig.from_preset(preset)
    assert run.network == NetworkConfig.from_preset(preset)
    as_published = preset in ("printed", "release")
    assert run.training.modality_dropout == (0.0 if as_published else None)


def test_the_default_preset_is_the_class_default_with_the_stated_values() -> None:
    config = NetworkConfig.from_preset("default")
    assert config == NetworkConfig()
    assert (config.width, config.hidden, config.heads, config.gate) == (64, 64, 4, "concat")
    assert (config.encoder_layers, config.ca_layers, config.lmf_rank, config.alpha) == (
        2,
        2,
        4,
        0.5,
    )


def test_a_preset_takes_changes() -> None:
    config = NetworkConfig.from_preset("printed", width=32, alpha=0.1)
    assert (config.preset, config.width, config.alpha, config.ca_skip) == (
        "printed",
        32,
        0.1,
        False,
    )


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=", ".join(PRESETS)):
        NetworkConfig.from_preset("paper")


@pytest.mark.parametrize("preset", PRESETS)
def test_settings_survive_json_with_their_digest(preset: str) -> None:
    run = RunConfig(
        network=NetworkConfig.from_preset(preset, embed_dropout=(0.1, 0.2)),
        training=TrainConfig(epochs=7, select_top=50),
    )
    read = RunConfig.from_json(json.loads(json.dumps(run.to_json())))
    assert read == run
    assert read.digest == run.digest


def test_any_changed_setting_changes_the_digest() -> None:
    run = RunConfig()
    assert run.digest != run.with_training(seed=1).digest
    assert run.digest != RunConfig(network=NetworkConfig(lmf_rank=8)).digest


def test_unknown_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="NetworkConfig: depth, size"):
        NetworkConfig.from_json({"size": 3, "width": 64, "depth": 2})


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        NetworkConfig().width = 32  # type: ignore[misc]


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 62},
        {"ca_heads": 3},
        {"dropout": 1.0},
        {"encoder_layers": 0},
        {"n_tokens": 0},
        {"lmf_rank": 0},
        {"cross_attention": "softmax", "ca_layers": 2},
        {"alpha": -0.1},
    ],
)
def test_network_settings_out_of_range_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        NetworkConfig(**changes)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    "changes",
    [
        {"splits": 1},
        {"epochs": 0},
        {"batch_size": 3},
        {"test_fraction": 0.5},
        {"test_fraction": 0.0},
        {"modality_dropout": 1.0},
        {"clip_quantile": 0.5},
    ],
)
def test_training_settings_out_of_range_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        TrainConfig(**changes)  # type: ignore[arg-type]  # wrong on purpose


# T28
def test_the_learning_rate_is_constant_then_falls_linearly() -> None:
    config = TrainConfig(learning_rate=1.0)
    assert config.n_constant == 10
    rates = [config.learning_rate_at(epoch) for epoch in (0, 9, 10, 29)]
    assert rates == pytest.approx([1, 1, 20 / 21, 1 / 21], abs=1e-12)


# T28
def test_the_constant_part_is_a_third_unless_set() -> None:
    assert TrainConfig(epochs=12).n_constant == 4
    assert TrainConfig(epochs=12, constant_epochs=0).learning_rate_at(0) < 1e-3
    constant = TrainConfig(epochs=12, constant_epochs=12)
    assert constant.learning_rate_at(11) == constant.learning_rate


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("optimiser", "adamw", "'adam', 'sgd'"),
        ("split_scheme", "nonsense", "'covering', 'monte_carlo'"),
        ("stored_precision", "float8", "'float16', 'float32'"),
        ("sampler", "stratified", "'event_stratified', 'random'"),
        ("strata", "quartiles", "'tertiles', 'median'"),
        ("epochs", 3.5, "a whole number"),
        ("epochs", True, "a whole number"),
        ("learning_rate", "fast", "a finite number"),
        ("learning_rate", float("nan"), "a finite number"),
        ("learning_rate", 0.0, "above 0"),
        ("betas", (0.9,), "a tuple"),
        ("betas", (0.9, 1.0), "[0, 1)"),
        ("select_top", 0, "at least 1"),
        ("weight_decay", -1.0, "negative"),
        ("max_missing", 1.5, "[0, 1]"),
        ("clip_norm", 0.0, "above 0"),
        ("seed", -1, "negative"),
        ("momentum", 0.5, "has no effect"),
    ],
)
def test_a_training_setting_that_is_not_allowed_is_named_with_what_is(
    name: str, value: object, said: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        RunConfig.from_preset("robust", **{name: value})
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cross_attention": "flash"}, "'linear', 'softmax', 'none'"),
        ({"second_fusion": "both"}, "'original_only'"),
        ({"width": 64.0}, "a whole number"),
        ({"ca_softmax_dim": 0}, "-2, -1"),
        ({"n_copies": 3}, "has no effect: it needs tokens='copies'"),
        ({"ablate_ca": "drop_branch"}, "cross_attention='none'"),
        ({"cross_attention": "none", "ca_layers": 3}, "has no effect"),
        ({"lmf": "concat", "lmf_rank": 8}, "lmf='low_rank'"),
        ({"alpha": 0.0, "sim_detach": False}, "has no effect"),
        ({"embed_dropout": (0.2, 1.0)}, "[0, 1)"),
        ({"widht": 32}, "Did you mean width"),
    ],
)
def test_a_network_setting_that_is_not_allowed_or_not_read_is_an_error(
    changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        RunConfig.from_preset("default", network=changes)


def test_settings_of_rivals_are_checked_alike() -> None:
    for entry in networks().values():
        closed = [
            (field.name, kind)
            for field in fields(entry.config)
            if get_origin(kind := get_type_hints(entry.config)[field.name]) is Literal
        ]
        for name, _ in closed:
            with pytest.raises(ConfigError, match=name):
                entry.config(**{name: "nonsense"})


def test_every_effect_is_said_of_a_setting_that_exists() -> None:
    for kind in (NetworkConfig, TrainConfig):
        assert set(kind.NEEDS) <= {field.name for field in fields(kind)}
