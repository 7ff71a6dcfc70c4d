"""Late fusion: one ridge Cox model a block, their risks combined.

Training patients go in, a fitted model that gives risks (n,) comes out; errors are those of
`camlif.linear.penalised`. A block is a modality, or the clinical columns. Risks are z-scored by
mean and SD of the *out-of-fold* risks: in-sample ones spread more, the more columns a block has, so
the richest would dominate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from camlif.arrays import Float64Array
from camlif.linear.penalised import non_negative_cox
from camlif.statistics.outcome import FollowUp
from camlif.study.references.interface import ClassicalInputs, Fitted
from camlif.study.references.penalised import fit_ridge


@dataclass(frozen=True, slots=True)
class ScaledRisk:
    """The risk of one block's model as a z-score.

    Attributes
    ----------
    model : Fitted
    mean, scale : float
        Of the out-of-fold risks. A block without any signal has scale 0; its z-score is 0.
    """

    model: Fitted
    mean: float
    scale: float

    def standardise(self, risk: Float64Array) -> Float64Array:
        """Return z-scores of risks, shape (n,)."""
        return (risk - self.mean) / self.scale if self.scale > 0 else np.zeros_like(risk)


@dataclass(frozen=True, slots=True)
class FittedLateFusion:
    """Weighted sum of z-scored risks; a block that a patient lacks counts as average (z = 0)."""

    blocks: Mapping[str, ScaledRisk]
    weights: Mapping[str, float]

    def risk(self, x: ClassicalInputs) -> Float64Array:
        """Compute the risk of each patient, shape (n,)."""
        total = np.zeros(len(x))
        for name, block in self.blocks.items():
            z = block.standardise(block.model.risk(x))
            total += self.weights[name] * np.where(x.observed(name), z, 0.0)
        return total

    @property
    def settings(self) -> dict[str, Any]:
        """Weight of each block, and what was chosen for its model."""
        return {
            "weights": dict(self.weights),
            "blocks": {name: dict(block.model.settings) for name, block in self.blocks.items()},
        }


@dataclass(frozen=True, slots=True)
class LateFusion:
    """Combine one ridge Cox model a block.

    Attributes
    ----------
    combine : {"mean", "stack"}
        ``"mean"``: equal weights. ``"stack"``: weights of at least 0 by a Cox model on the
        out-of-fold z-scores; all are 0, and the risk constant, where no block ranks better than
        chance.
    """

    combine: Literal["mean", "stack"]

    def fit(self, x: ClassicalInputs, followed: FollowUp, *, seed: int) -> FittedLateFusion:
        """Fit on training patients; see `camlif.study.references.interface.ClassicalModel`.

        Parameters
        ----------
        x, followed, seed
            As in `ClassicalModel.fit`.
        """
        blocks: dict[str, ScaledRisk] = {}
        scores = np.zeros((len(x), len(x.blocks)))
        for i, name in enumerate(x.blocks):
            rows = np.flatnonzero(x.observed(name))
            fit = fit_ridge(x.take(rows), followed.take(rows), seed=seed, blocks=(name,))
            out_of_fold = fit.out_of_fold
            block = ScaledRisk(fit.model, float(out_of_fold.mean()), float(out_of_fold.std()))
            blocks[name] = block
            scores[rows, i] = block.standardise(out_of_fold)
        if self.combine == "mean":
            weights = np.full(len(blocks), 1 / len(blocks))
        else:
            weights = non_negative_cox(
                scores, followed.event, followed.duration, entry=followed.entry
            )
        return FittedLateFusion(blocks, dict(zip(blocks, weights.tolist(), strict=True)))
