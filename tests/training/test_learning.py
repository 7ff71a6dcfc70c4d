"""What training finds in simulated cohorts of known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from camlif.config import FOLDS, NetworkConfig, RunConfig, SplitScheme
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import encode
from camlif.data.splits import Splits, make_splits
from camlif.statistics.concordance import concordance_index
from camlif.training.engine import train_ensemble
from tests.builders.cohorts import Signal, Simulated, simulate

GROUPS = {"pathology": (12, 20, 20, 15), "ct": (30, 20, 10)}
FULL = NetworkConfig(width=32)
UNIMODAL = replace(FULL, architecture="unimodal")


def drawn(signal: Signal, n_splits: int) -> tuple[Simulated, Splits]:
    simulated = simulate(600, GROUPS, signal=signal, event_share=0.57, seed=0)
    cohort = simulated.cohort
    scheme: SplitScheme = "monte_carlo" if n_splits % FOLDS else "covering"
    splits = make_splits(cohort.patient_ids, cohort.event, n_splits=n_splits, scheme=scheme, seed=0)
    return simulated, splits


def held_out_c_indices(
    cohort: Cohort, splits: Splits, network: NetworkConfig
) -> NDArray[np.float64]:
    """C-index of each split's member on its test part, after training as the paper does."""
    run = RunConfig(network=network)
    ensemble = train_ensemble(cohort, run, splits, device=torch.device("cpu")).ensemble
    log_risk = ensemble.predict(encode(cohort, cohort.schema)).log_risk
    return np.array(
        [
            concordance_index(log_risk[rows, e], cohort.event[rows], cohort.duration[rows])
            for e, rows in ((e, splits.test_rows(e)) for e in range(len(splits)))
        ]
    )


# T27: log hazard 1.5 z_P z_C; the true one has a C-index of about 0.73
@pytest.mark.slow
def test_fusion_learns_a_pure_interaction_that_no_modality_shows_alone() -> None:
    (cohort, log_risk), splits = drawn("interaction", 5)
    oracle = concordance_index(log_risk, cohort.event, cohort.duration)
    full = held_out_c_indices(cohort, splits, FULL).mean()
    alone = {
        m: held_out_c_indices(cohort.select(modalities=[m]), splits, UNIMODAL).mean()
        for m in cohort.schema.names
    }
    assert cohort.event.mean() == pytest.approx(0.57, abs=0.01)
    assert 0.62 < full < oracle + 0.03
    assert all(abs(value - 0.5) < 0.09 for value in alone.values())


# T27
@pytest.mark.slow
def test_noise_is_not_learned() -> None:
    (cohort, _), splits = drawn("none", 5)
    assert held_out_c_indices(cohort, splits, FULL).mean() == pytest.approx(0.5, abs=0.05)


# The encoder of one modality finds what is there when the effects are additive.
@pytest.mark.slow
def test_one_modality_finds_a_main_effect() -> None:
    (cohort, _), splits = drawn("main", 5)
    alone = held_out_c_indices(cohort.select(modalities=["ct"]), splits, UNIMODAL).mean()
    assert alone > 0.6
