"""Scoring, training and explaining on a device without float64, as Apple's MPS is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

import camlif.model.fit
from camlif.config import NetworkConfig, RunConfig, TrainConfig
from camlif.explain import (
    attention_weights,
    check_explanations,
    context_entropy,
    explain_features,
    explain_modalities,
    owc_weights,
)
from tests.builders.bundles import tiny_bundle, tiny_cohort
from tests.builders.cohorts import make_cohort

ROWS = np.arange(30)


class WithoutFloat64(TorchFunctionMode):
    """Stands in for such a device: only what ``cpu()`` gave may become float64."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if func is Tensor.cpu:
            moved = func(*args, **named).clone()
            moved.on_the_host = True
            return moved
        asked = func is Tensor.double or (
            func is Tensor.to and torch.float64 in (*args[1:], *named.values())
        )
        if asked and args[0].dtype != torch.float64 and not hasattr(args[0], "on_the_host"):
            raise TypeError("Cannot convert a tensor to float64: the device does not support it.")
        return func(*args, **named)


@pytest.fixture
def without_float64() -> Iterator[None]:
    with WithoutFloat64():
        yield


def test_the_stand_in_refuses_what_such_a_device_would(without_float64: None) -> None:
    x = torch.zeros(3)
    casts = (lambda: x.double(), lambda: x.to(torch.float64), lambda: x.to(dtype=torch.float64))
    for cast in casts:
        with pytest.raises(TypeError, match="float64"):
            cast()
    assert x.cpu().double().dtype == torch.float64


def test_a_model_is_scored_and_explained(without_float64: None) -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    assert np.isfinite(bundle.score(cohort).z).any()
    for explain in (owc_weights, context_entropy, explain_modalities, explain_features):
        explain(bundle, cohort, ROWS)
    complete = int(np.flatnonzero(cohort.presence.all(axis=1))[0])
    attention_weights(bundle, cohort, complete)
    check_explanations(bundle, cohort, ROWS, resamples=2)


def test_a_model_with_a_linear_part_is_trained(without_float64: None) -> None:
    config = RunConfig(
        network=NetworkConfig.from_preset("robust", width=16, lmf_width=16, mam_width=8),
        training=TrainConfig(splits=5, epochs=1, batch_size=32),
    )
    bundle = camlif.model.fit.train(make_cohort(100), config, device="cpu")
    assert np.isfinite(bundle.score(make_cohort(10, seed=4)).z).all()
