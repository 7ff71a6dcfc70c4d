"""Level 1: exact Shapley values over modalities (and clinical) of the ensemble's log risk.

A bundle and patients go in; one value a player comes out, which add up to the log risk (Shapley,
"A value for n-person games", 1953). Raises `ConfigError` beyond `MAX_PLAYERS` players,
`EstimationError` where no patient is scored.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlif.data.cohort import Cohort
from camlif.exceptions import ConfigError
from camlif.explain.background import MEDIAN, BaselineChoice
from camlif.explain.explained import Batch, Explained, by_part, evaluate, prepare
from camlif.explain.results import ModalityAttribution

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle

MAX_PLAYERS = 10
"""2^10 coalitions a patient; beyond, sampling at group level is the tool."""


def shapley_weights(p: int) -> NDArray[np.float64]:
    """Matrix (p, 2^p) that turns the values of all coalitions into Shapley values.

    Coalition c holds player j if bit j of c is set.

    References
    ----------
    Shapley, "A value for n-person games", 1953.
    """
    weights = np.zeros((p, 2**p))
    for coalition in range(2**p):
        size = coalition.bit_count()
        for player in range(p):
            if coalition >> player & 1:
                share = math.factorial(size - 1) * math.factorial(p - size) / math.factorial(p)
                weights[player, coalition] += share
                weights[player, coalition ^ (1 << player)] -= share
    return weights


def exact_shapley(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shapley values (n, p) of coalition values (n, 2^p); see `shapley_weights` for the order."""
    p = values.shape[1].bit_length() - 1
    shapley: NDArray[np.float64] = values @ shapley_weights(p).T
    return shapley


def coalition_values(batch: Batch) -> NDArray[np.float64]:
    """Log risk (n, 2^p) with the players outside each coalition at the baseline.

    A coalition has the value of its players that the patient has, so an absent one changes nothing.
    """
    n, p = len(batch), len(batch.values)
    inside = np.arange(2**p)[:, None] >> np.arange(p) & 1 > 0
    points = tuple(
        _mixed(x, b, inside[:, j])
        for j, (x, b) in enumerate(zip(batch.values, batch.baseline, strict=True))
    )
    fixed = tuple(x.repeat_interleave(2**p, dim=0) for x in batch.fixed)
    values = evaluate(batch.risk, points, fixed).reshape(n, 2**p)
    held = (batch.present << np.arange(p)).sum(axis=1)
    return np.take_along_axis(values, np.arange(2**p) & held[:, None], axis=1)


def _mixed(x: Tensor, baseline: Tensor, inside: NDArray[np.bool_]) -> Tensor:
    """Points (n * c, ...) in patient-major order: the value inside a coalition, else baseline."""
    own = torch.from_numpy(inside).to(x.device).view(1, -1, *(1,) * (x.ndim - 1))
    return torch.where(own, x.unsqueeze(1), baseline.unsqueeze(1)).flatten(0, 1)


def explain_modalities(
    bundle: Bundle,
    cohort: Cohort,
    rows: Sequence[int] | NDArray[np.int_],
    *,
    baseline: BaselineChoice = MEDIAN,
    missing: tuple[str, ...] = (),
    progress: Callable[[int, int], None] | None = None,
) -> ModalityAttribution:
    """Compute exact Shapley values of the modalities, and of clinical where the model reads it.

    The value of a coalition is the ensemble's log risk with all other players at the baseline. Only
    members that did not see the patient count. An absent modality gets 0.

    Parameters
    ----------
    bundle : Bundle
    cohort : Cohort
    rows : sequence of int, shape (n,)
        Patients of the cohort. One that is not scored has NaN, and its reason in ``reasons``.
    baseline : "median", "mean", "cohort_median" or sequence of int
        Training median or mean of each column, its median in the cohort; or rows of the cohort,
        whose mean is taken.
    missing : tuple of str
        Modalities to treat as missing whatever columns are there.
    progress : callable, optional
        Called with (patients done, patients).

    Raises
    ------
    ConfigError
        With an empty selection, an unknown baseline, or more than `MAX_PLAYERS` players.
    EstimationError
        If none of the patients is scored.
    """
    explained = prepare(bundle, cohort, rows, baseline=baseline, missing=missing)
    return attribute_modalities(explained, progress=progress)


def attribute_modalities(
    explained: Explained, *, progress: Callable[[int, int], None] | None = None
) -> ModalityAttribution:
    """Compute exact Shapley values of prepared patients; see `explain_modalities`."""
    start = time.perf_counter()
    n, p = len(explained), len(explained.players)
    if p > MAX_PLAYERS:
        raise ConfigError(f"Exact Shapley values take at most {MAX_PLAYERS} modalities, not {p}.")
    values, base, risk = np.full((n, p), np.nan), np.full(n, np.nan), np.full(n, np.nan)
    done = 0
    for part, of_coalition in by_part(coalition_values, explained.batches, 2**p):
        values[part.positions] = np.where(part.present, exact_shapley(of_coalition), 0.0)
        base[part.positions] = of_coalition[:, 0]
        risk[part.positions] = of_coalition[:, -1]
        done += len(part)
        if progress is not None:
            progress(done, explained.n_scored)
    return ModalityAttribution(
        players=explained.players,
        baseline=explained.baseline,
        values=values,
        base_value=base,
        log_risk=risk,
        reasons=explained.reasons,
        seconds=time.perf_counter() - start,
    )
