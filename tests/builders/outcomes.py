"""Simulated outcomes with a known log risk, and how often the calibration gate opens on them."""

from __future__ import annotations

from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from camlif.linear.penalised import ridge_path
from camlif.statistics import calibration_gates
from camlif.statistics.calibration import cross_fit_parts

N_EVENTS = 100
"""Of each cohort on which openings are counted."""
INDEX_LIMIT = "camlif.statistics.gate.index_limit"
"""The bootstrap limit is stated, decides nothing and takes six sevenths of the time."""


class Outcomes(NamedTuple):
    """Patients of a Cox model with hazard exp(log_risk) / 40, and their log risk."""

    log_risk: NDArray[np.float64]
    event: NDArray[np.bool_]
    duration: NDArray[np.float64]


def with_events(n: int, n_events: int, *, seed: int, spread: float = 0.8) -> Outcomes:
    """Patients of whom just so many have the event, the others censored at random."""
    rng = np.random.default_rng(seed)
    log_risk = spread * rng.standard_normal(n)
    until_event = rng.exponential(size=n) * 40 / np.exp(log_risk)
    until_leaving = rng.exponential(size=n)
    ratio = np.sort(until_event / until_leaving)
    until_leaving *= (ratio[n_events - 1] + ratio[n_events]) / 2
    return Outcomes(log_risk, until_event <= until_leaving, np.minimum(until_event, until_leaving))


def late_horizon(p: Outcomes) -> int:
    """Month by which about 70 of the events have happened."""
    return int(np.sort(p.duration[p.event])[70])


def count_opened(n_runs: int, *, n: int = 200, noise: bool, spread: float = 0.8) -> int:
    """Runs in which the gate opens for the true log risk, or for a risk that says nothing."""
    count = 0
    for seed in range(n_runs):
        p = with_events(n, N_EVENTS, seed=seed, spread=spread)
        risk = np.random.default_rng(1000 + seed).standard_normal(n) if noise else p.log_risk
        count += _is_open(p, risk)
    return count


def opened_by_models_of_noise(n_runs: int, n_columns: int, penalizer: float) -> int:
    """Runs in which it opens for held-out risks of a ridge Cox model of columns without effect."""
    count = 0
    for seed in range(n_runs):
        p = with_events(200, N_EVENTS, seed=seed)
        x = np.random.default_rng(1000 + seed).standard_normal((200, n_columns))
        count += _is_open(p, _held_out_risks(x, p, penalizer, seed))
    return count


def _is_open(p: Outcomes, risk: NDArray[np.float64]) -> bool:
    with patch(INDEX_LIMIT, return_value=None):
        (gate,) = calibration_gates(risk, p.event, p.duration, horizons=[late_horizon(p)])
    return gate.open


def _held_out_risks(
    x: NDArray[np.float64], p: Outcomes, penalizer: float, seed: int
) -> NDArray[np.float64]:
    """Mean over three 5-fold partitions of ridge Cox risks of patients left out."""
    total = np.zeros(len(x))
    for partition in range(3):
        part = cross_fit_parts(p.event, seed=100 * seed + partition)
        for k in range(5):
            rest = part != k
            path = ridge_path(x[rest], p.event[rest], p.duration[rest], penalizers=[penalizer])
            risk = x @ path[0]
            total[~rest] += risk[~rest] - risk[rest].mean()
    return total / 3
