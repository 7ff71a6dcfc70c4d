"""A patient's risk is its own: company, order and size of a batch do not matter."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from camlif.config import PRESETS, NetworkConfig, RunConfig, TrainConfig
from camlif.data.preprocessing import encode
from camlif.data.splits import make_splits
from camlif.training import ensemble
from camlif.training.engine import train_ensemble
from camlif.training.ensemble import Ensemble
from tests.builders.cohorts import make_cohort

N = 50
COHORT = make_cohort(
    N, {"p": (3, 4), "c": (5,)}, bags={"w": 3}, clinical=True, gaps=0.3, missing_values=0.1
)
RAW = encode(COHORT, COHORT.schema)
TOLERANCE = 1e-6


@cache
def trained(preset: str) -> tuple[Ensemble, NDArray[np.float64]]:
    """Five members and the risks of all patients in one batch."""
    config = RunConfig(
        network=NetworkConfig.from_preset(preset, width=8, embed_hidden=8),
        training=TrainConfig(epochs=1),
    )
    splits = make_splits(COHORT.patient_ids, COHORT.event, n_splits=5, seed=1)
    found = train_ensemble(COHORT, config, splits, device=torch.device("cpu")).ensemble
    return found, found.predict(RAW).log_risk


@pytest.mark.parametrize("preset", PRESETS)
@given(
    rows=st.lists(st.integers(0, N - 1), min_size=1, max_size=N),
    chunk=st.integers(1, N),
)
@settings(max_examples=25, deadline=None)
def test_a_risk_is_the_same_alone_in_any_batch_and_in_any_order(
    preset: str, rows: list[int], chunk: int
) -> None:
    members, together = trained(preset)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ensemble, "CHUNK", chunk)
        found = members.predict(RAW.take(np.array(rows))).log_risk
    np.testing.assert_allclose(found, together[rows], atol=TOLERANCE, rtol=0)


def test_the_patients_differ_in_what_they_lack() -> None:
    _, together = trained("default")
    assert len(np.unique(COHORT.presence, axis=0)) > 3
    assert (together.std(axis=0) > 1e3 * TOLERANCE).all()
