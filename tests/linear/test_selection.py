"""Inner cross-validation: out-of-fold risks in the patients' order, ranked within folds."""

from __future__ import annotations

import numpy as np
import pytest

from camlif.arrays import Float64Array, IntArray
from camlif.data.splits import make_splits
from camlif.linear.selection import cross_validate
from camlif.statistics import count_pairs

N = 60


def test_each_candidate_counts_the_pairs_within_every_fold() -> None:
    rng = np.random.default_rng(0)
    value = rng.standard_normal(N).round()  # many are tied
    duration, event = rng.exponential(size=N), rng.random(N) < 0.7

    def risk_path(train: IntArray, held_out: IntArray) -> Float64Array:
        shift = 100.0 * train.sum()  # risks of different fits are never compared
        return np.stack([value[held_out] + shift, -duration[held_out] + shift])

    found = cross_validate(risk_path, event, duration, seed=3)
    folds = make_splits(np.arange(N).astype(str), event, n_splits=5, scheme="covering", seed=3)
    pairs = [
        count_pairs(value[t], event[t], duration[t])
        for t in (folds.test_rows(fold) for fold in range(5))
    ]
    expected = sum(p.concordant + p.tied_risk / 2 for p in pairs) / sum(p.comparable for p in pairs)
    assert found.c_index == pytest.approx([expected, 1.0])
    assert found.best == 1
    for fold in range(5):
        rows = folds.test_rows(fold)
        shift = 100.0 * folds.train_rows(fold).sum()
        np.testing.assert_allclose(
            found.risks[:, rows], [value[rows] + shift, shift - duration[rows]]
        )
