"""Small models of the samples, trained once in a test run however many processes it has."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from camlif.config import NetworkConfig, RunConfig, TrainConfig
from camlif.data.samples import load_sample
from camlif.model.fit import train
from tests.builders.validated import judged_as_a_whole

TINY = RunConfig(
    network=NetworkConfig(width=16, mam_width=8, lmf_width=16),
    training=TrainConfig(splits=5, epochs=2, batch_size=64),
)


def tiny_models(factory: pytest.TempPathFactory, samples: Iterable[str]) -> Path:
    """Return a folder of this process with a link to one tiny model per sample."""
    base = factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "tiny-models"
    shared.mkdir(exist_ok=True)
    folder = factory.mktemp("models")
    for key in samples:
        with (shared / f"{key}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (shared / key).exists():
                trained = train(load_sample(key), TINY, name=key, device="cpu")
                judged_as_a_whole(trained).save(shared / key)
        (folder / key).symlink_to(shared / key)
    return folder
