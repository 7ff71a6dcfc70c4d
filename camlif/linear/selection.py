"""Choice of a setting inside the training part, by the C-index over five inner folds.

Shapes: n patients, a candidates.

In goes a function that fits all candidates on some rows; out come their out-of-fold risks and which
of them ranks best. Raises `NoComparablePairsError` where an inner fold cannot be ranked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from camlif.arrays import BoolArray, Float64Array, IntArray
from camlif.config import FOLDS
from camlif.data.splits import make_splits
from camlif.exceptions import NoComparablePairsError
from camlif.statistics import count_pairs
from camlif.statistics.outcome import rows_of

RiskPath = Callable[[IntArray, IntArray], Float64Array]
"""Fits on the first rows and returns risks of the second, shape (a, n_held_out)."""


@dataclass(frozen=True, slots=True)
class InnerRisks:
    """What the inner folds say of each candidate.

    Attributes
    ----------
    risks : float64, shape (a, n)
        Out-of-fold risk of every patient.
    c_index : float64, shape (a,)
        Concordant share of the pairs that lie within one fold, over all folds together: a fold
        without a comparable pair adds none, and risks of different fits are never compared.
    """

    risks: Float64Array
    c_index: Float64Array

    @property
    def best(self) -> int:
        """The candidate of the highest C-index, the first of equals."""
        return int(self.c_index.argmax())


def cross_validate(
    risk_path: RiskPath,
    event: BoolArray,
    duration: Float64Array,
    *,
    seed: int,
    entry: Float64Array | None = None,
) -> InnerRisks:
    """Compute out-of-fold risks and the C-index of each candidate over five inner folds.

    Parameters
    ----------
    risk_path : callable
        ``risk_path(train, held_out)`` fits on the first rows and gives the held-out risks of every
        candidate.
    event : bool, shape (n,)
    duration : float64, shape (n,)
    seed : int
        Of the event-stratified partition.
    entry : float64, shape (n,), optional
        As of `camlif.statistics.outcome.check_entry`.

    Raises
    ------
    NoComparablePairsError
        If no fold has a comparable pair.
    ConfigError
        With fewer than 10 patients or 5 events.
    """
    rows = np.arange(len(event)).astype(str)
    folds = make_splits(rows, event, n_splits=FOLDS, scheme="covering", seed=seed)
    risks, pairs = [], []
    for fold in range(len(folds)):
        held_out = folds.test_rows(fold)
        risks.append(risk_path(folds.train_rows(fold), held_out))
        late = rows_of(entry, held_out)
        pairs.append(_pairs(risks[-1], event[held_out], duration[held_out], late))
    concordant, comparable = np.sum(pairs, axis=0).T
    if not comparable.all():
        raise NoComparablePairsError("No inner fold has two patients who can be compared.")
    tested = np.concatenate([folds.test_rows(fold) for fold in range(len(folds))])
    return InnerRisks(
        risks=np.concatenate(risks, axis=1)[:, np.argsort(tested)],
        c_index=np.asarray(concordant / comparable),
    )


def _pairs(
    risks: Float64Array, event: BoolArray, duration: Float64Array, entry: Float64Array | None
) -> Float64Array:
    """Concordant (ties one half) and comparable pairs, shape (a, 2)."""
    counts = [count_pairs(risk, event, duration, entry=entry) for risk in risks]
    return np.array([(c.concordant + c.tied_risk / 2, c.comparable) for c in counts])
