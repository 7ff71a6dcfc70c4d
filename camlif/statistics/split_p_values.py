"""Three log-rank p-values of one cross-validation, which answer different questions.

In go the risks that each split's model gives and who was tested in it; out come the p-value over
splits, which does not exceed its level, and those of one risk a patient and of pooled rows (the way
of Pathomic Fusion, IEEE TMI 2022), which do. Raises `DataError` for shapes that differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from camlif.arrays import Float64Array
from camlif.exceptions import DataError, EstimationError
from camlif.statistics.group_tests import LogRankResult, log_rank
from camlif.statistics.outcome import check_entry, check_outcome, rows_of

LOW, HIGH = "low", "high"
WITHHELD = (
    "no log-rank p-value: held-out risks come from models that learned from the others' outcomes, "
    "so it would be too small"
)
"""Said where groups of held-out risks are compared without `split_p_values`."""
WITHHELD_SENTENCE = f"{WITHHELD[0].upper()}{WITHHELD[1:]}."


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPValues:
    """Log-rank p-values of low against high risk over the test parts of a cross-validation.

    Attributes
    ----------
    over_splits : float or None
        Of the mean over splits of the test part's own z, cut at the training median, with the
        correlation of splits that share patients. None where no split has both groups. Of null
        cohorts 2.5 to 5.8 in 100 have it below 0.05, by learner; so beside curves it is withheld.
    n_splits : int
        Splits behind it.
    unique : float
        One row per patient, its z averaged over the splits that tested it, tested as if risks knew
        nothing of the outcomes. They do, of all the others', so it is too small: of null cohorts
        11 to 16 in 100 have it below 0.05.
    pooled : float
        All test rows of all splits together, raw risks, as earlier papers print it. A patient
        counts once per split that tested it, so it is far too small; only for comparison with them.
    """

    over_splits: float | None
    n_splits: int
    unique: float
    pooled: float


def split_p_values(
    log_risk: ArrayLike,
    event: ArrayLike,
    duration: ArrayLike,
    *,
    test: ArrayLike,
    entry: ArrayLike | None = None,
) -> SplitPValues:
    """Compute the p-value over splits of a cross-validation, and those of two older readings.

    Parameters
    ----------
    log_risk : array_like, shape (n, e)
        Risk of every patient by every split's model.
    event : array_like of bool (or 0 and 1), shape (n,)
    duration : array_like, shape (n,)
    test : array_like of bool, shape (e, n)
        Patients in the test part of each split.
    entry : array_like, shape (n,), optional
        As in `camlif.statistics.log_rank`.

    Raises
    ------
    EstimationError
        If the unique or the pooled p-value is undefined.
    DataError
        If shapes differ or a value is missing.

    Notes
    -----
    A risk below the cut-off is low. Unique: z over the split's test patients, cut at the median.

    Over splits: within one test part the z of the log-rank test is standard normal if nothing is
    to be learned, since the model has not seen these outcomes. Two splits are correlated: they
    share tested patients, and each tests patients that the other learned from. Nadeau and Bengio
    take the correlation for the share of tested patients; simulated learners had 0.10 to 0.22 where
    that is 0.20, so the mean of k splits has the variance 1/k + (1 - 1/k) n_test/n.

    References
    ----------
    Nadeau and Bengio, Machine Learning 2003, section 3 (correlation of splits). Pooled rows: the
    evaluation of Chen et al., Pathomic Fusion, IEEE TMI 2022.
    """
    events, durations = check_outcome(event, duration)
    risks, tested = np.asarray(log_risk, dtype=np.float64), np.asarray(test, dtype=bool)
    if risks.shape != tested.T.shape or len(risks) != len(events):
        raise DataError(
            "log_risk and test do not hold one value per patient and split.",
            found=f"shapes {risks.shape} and {tested.shape}",
            expected=f"({len(events)}, e) and (e, {len(events)})",
        )
    entries = check_entry(entry, durations)

    def test_groups(risk: Float64Array, rows: NDArray[np.generic], cutoff: float) -> LogRankResult:
        group = np.where(risk < cutoff, LOW, HIGH)
        return log_rank(events[rows], durations[rows], group, entry=rows_of(entries, rows))

    split, row = np.nonzero(tested)
    pooled = risks[row, split]
    z = _z_of_splits(risks, tested, test_groups)
    known = np.flatnonzero(tested.any(axis=0))
    unique = _mean_z(risks, tested)[known]
    return SplitPValues(
        over_splits=_p_of_mean(z, float(tested.mean())) if len(z) else None,
        n_splits=len(z),
        unique=test_groups(unique, known, float(np.median(unique))).p_value,
        pooled=test_groups(pooled, row, float(np.median(pooled))).p_value,
    )


def _p_of_mean(z: Float64Array, correlation: float) -> float:
    """Two-sided p-value of the mean of standard normal z that are correlated."""
    variance = 1 / len(z) + (1 - 1 / len(z)) * correlation
    return float(2 * ndtr(-abs(z.mean()) / np.sqrt(variance)))


def _mean_z(risk: Float64Array, test: NDArray[np.bool_]) -> Float64Array:
    """Mean over the splits that tested a patient of its z in the test part; NaN where none did."""
    total, count = np.zeros(len(risk)), test.sum(axis=0)
    for e, rows in enumerate(test):
        values = risk[rows, e]
        # The SD of equal numbers can come out just above 0.
        if len(values) > 1 and np.ptp(values) > 0:
            total[rows] += (values - values.mean()) / values.std(ddof=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _z_of_splits(
    risk: Float64Array,
    test: NDArray[np.bool_],
    test_groups: Callable[[Float64Array, NDArray[np.generic], float], LogRankResult],
) -> Float64Array:
    """Signed root of each split's statistic, positive where high risk has more events, (k,)."""
    found = []
    for e, rows in enumerate(test):
        if rows.all():
            continue  # without a training part there is no cut-off
        try:
            result = test_groups(risk[rows, e], rows, float(np.median(risk[~rows, e])))
        except EstimationError:
            continue  # one group only, or no event: this split has no test
        high, _ = result.excess  # alphabetical order
        found.append(np.sign(high) * np.sqrt(result.statistic))
    return np.array(found)
