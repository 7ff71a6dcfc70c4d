"""A small trained bundle, made once in a test run."""

from __future__ import annotations

from functools import cache
from typing import Any

import camlif.model.fit
from camlif.config import NetworkConfig, RunConfig, TrainConfig
from camlif.data.cohort import Cohort
from camlif.model.bundle import Bundle
from tests.builders.cohorts import make_cohort

N_PATIENTS = 240
N_SPLITS = 5


def tiny_config(**training: Any) -> RunConfig:
    """Settings that train in seconds and rank patients: 5 splits, 3 epochs, width 16."""
    return RunConfig(
        network=NetworkConfig.from_preset("default", width=16, lmf_width=16, mam_width=8),
        training=TrainConfig(
            **{"splits": N_SPLITS, "epochs": 3, "batch_size": 32, "learning_rate": 0.02, **training}
        ),
    )


@cache
def tiny_cohort() -> Cohort:
    """Two modalities with gaps and clinical inputs, a strong main effect."""
    return make_cohort(N_PATIENTS, seed=1, clinical=True, gaps=0.15, strength=2.5)


@cache
def new_patients() -> Cohort:
    """Patients of the same columns that no member has seen."""
    return make_cohort(40, seed=2, clinical=True, gaps=0.2, strength=2.5)


@cache
def tiny_bundle() -> Bundle:
    """Trained on `tiny_cohort`, on the CPU."""
    return camlif.model.fit.train(tiny_cohort(), tiny_config(), name="tiny", device="cpu")
