"""Held-out risks of one variant, as the paper's figures pool them, and strata cut on them.

Rows of a study's risks go in; one z a patient, or one a row as the predecessors pool them (Pathomic
Fusion, PG-MLIF), and strata come out. Raises `EstimationError` where there is no risk, or where
equal ones leave a stratum empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from camlif.exceptions import EstimationError
from camlif.statistics.outcome import check_numbers
from camlif.wording import count

Unit = Literal["patient", "pooled"]
"""One row per patient, or one per patient and split that tested it."""

TERTILES, MEDIAN, QUARTILES = (33, 66), (50,), (25, 50, 75)
"""Percentiles at which the paper's predecessors cut."""
STRATUM_NAMES = {
    2: ("low", "high"),
    3: ("low", "intermediate", "high"),
    4: ("first quarter", "second quarter", "third quarter", "fourth quarter"),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldOut:
    """Held-out risks of one variant; every array has shape (n,).

    Attributes
    ----------
    unit : {"patient", "pooled"}
    patient_id : ndarray of str
        Repeats where the unit is ``pooled``.
    z : ndarray of float64
        Standardised within the test part of each split (population SD); a patient's mean over the
        splits that tested it where the unit is ``patient``.
    risk : ndarray of float64
        What strata are cut on: the log risk where the unit is ``pooled``, else ``z``, since the log
        risks of differently trained models are not on one scale.
    n_patients, n_splits : int
        Behind the rows.
    """

    unit: Unit
    patient_id: NDArray[np.str_]
    z: NDArray[np.float64]
    risk: NDArray[np.float64]
    n_patients: int
    n_splits: int

    def __len__(self) -> int:
        return len(self.patient_id)

    @property
    def repeats(self) -> bool:
        """Whether a patient has several rows, which tests take for several patients."""
        return len(self) > self.n_patients


def held_out(risks: pd.DataFrame, *, unit: Unit = "patient") -> HeldOut:
    """Bring the held-out risks of one variant into the form that figures draw.

    Parameters
    ----------
    risks : DataFrame
        ``split, patient_id, log_risk`` of one variant.
    unit : {"patient", "pooled"}
        ``pooled`` is the predecessors' way, in which a patient has a row for every split that
        tested it.

    Raises
    ------
    EstimationError
        If there is no row, or a patient occurs twice in a split.
    DataError
        If a risk is not finite.

    References
    ----------
    Predecessors of CA-MLIF (Pathomic Fusion, PG-MLIF): figures of held-out risks.
    """
    if risks.empty:
        raise EstimationError("This variant has no held-out risk.")
    if risks.duplicated(["split", "patient_id"]).any():
        raise EstimationError("A patient occurs twice in the test part of a split.")
    log_risk = check_numbers("log_risk", risks["log_risk"].to_numpy())
    ids = risks["patient_id"].to_numpy(dtype=str)
    frame = pd.DataFrame({"id": ids, "split": risks["split"].to_numpy(), "log_risk": log_risk})
    frame["z"] = frame.groupby("split")["log_risk"].transform(_standardised)
    n_patients, n_splits = frame["id"].nunique(), frame["split"].nunique()
    if unit == "patient":
        mean = frame.groupby("id", sort=False)["z"].mean()
        ids, z = mean.index.to_numpy(dtype=str), mean.to_numpy(np.float64)
        risk = z
    else:
        z, risk = frame["z"].to_numpy(np.float64), log_risk
    return HeldOut(
        unit=unit, patient_id=ids, z=z, risk=risk, n_patients=n_patients, n_splits=n_splits
    )


def _standardised(risk: pd.Series[float]) -> pd.Series[float]:
    """Standardise one test part; equal risks, which tell nobody apart, have z 0."""
    if risk.max() == risk.min():  # an SD of equal numbers may come out just above 0
        return risk * 0.0
    return (risk - risk.mean()) / risk.std(ddof=0)


def cut_strata(risk: ArrayLike, percentiles: Sequence[float]) -> NDArray[np.str_]:
    """Cut risks at their own percentiles; a risk equal to a cut-off belongs above it.

    Parameters
    ----------
    risk : array_like, shape (n,)
    percentiles : sequence of float
        One to three, ascending, each between 0 and 100.

    Returns
    -------
    ndarray of str, shape (n,)
        Names of `STRATUM_NAMES`.

    Raises
    ------
    EstimationError
        If ties leave a stratum empty.

    Examples
    --------
    >>> cut_strata([0.3, 0.1, 0.2, 0.4], (50,)).tolist()
    ['high', 'low', 'low', 'high']
    """
    values = check_numbers("risk", risk)
    names = np.array(STRATUM_NAMES[len(percentiles) + 1])
    if not len(values):
        raise EstimationError("There is no risk to cut into strata.")
    place = np.searchsorted(np.percentile(values, percentiles), values, side="right")
    empty = [str(name) for k, name in enumerate(names) if not (place == k).any()]
    if empty:
        raise EstimationError(
            f"Cut at the percentiles {', '.join(f'{q:g}' for q in percentiles)}, these "
            f"{count(len(values), 'risk leaves', 'risks leave')} nobody in {', '.join(empty)}: "
            "too many are equal."
        )
    return names[place]
