"""Similar cases: nearest patients in the space of the members' fusion vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camlif.data.cohort import BoolArray
from camlif.exceptions import ConfigError, EstimationError


@dataclass(frozen=True, slots=True)
class SimilarCases:
    """Nearest cases, the nearest first; ties in row order.

    Attributes
    ----------
    rows : int array, shape (k,) or shorter where there are fewer cases
    distances : float64, same shape
        0 for equal fusion vectors; 1 for two cases as far apart as two random ones typically are.
    """

    rows: NDArray[np.int_]
    distances: NDArray[np.float64]


def similar_cases(
    embedding: NDArray[np.float32],
    row: int,
    *,
    k: int = 5,
    among: BoolArray | None = None,
    n_members: int = 1,
    members: BoolArray | None = None,
) -> SimilarCases:
    """Find the cases whose fusion vectors are nearest to a patient's.

    Parameters
    ----------
    embedding : float32, shape (n, e * h)
        Fusion vectors of all members side by side; NaN rows are not scored and never found.
    row : int
        The patient; not among the cases found.
    k : int
    among : bool, shape (n,), optional
        Patients to choose from.
    n_members : int
        e: every member's vectors are brought to the same spread, so that none rules the distance.
    members : bool, shape (e,), optional
        Members whose vectors count. A member that saw the patient in training has placed it by its
        outcome, so leave those out.

    Raises
    ------
    EstimationError
        If the patient has no fusion vector, or no member counts.
    ConfigError
        If ``k`` is below 1 or the columns cannot be shared between the members.
    """
    n, width = embedding.shape
    if k < 1:
        raise ConfigError("k must be at least 1.")
    if not width or width % n_members:
        raise ConfigError(f"{width} columns are no fusion vectors of {n_members} members.")
    known: BoolArray = np.asarray(np.isfinite(embedding).all(axis=1))
    if not known[row]:
        raise EstimationError("The patient is not scored, so it has no place among the others.")
    candidate = known.copy() if among is None else np.asarray(known & among)
    candidate[row] = False
    rows = np.flatnonzero(candidate)
    blocks = embedding.astype(np.float64).reshape(n, n_members, -1)
    # Over all scored cases: a filter must not change how far apart two cases are.
    variance = blocks[known].var(axis=0).mean(axis=-1)
    varied = variance > 0 if members is None else (variance > 0) & members
    if not varied.any():
        raise EstimationError("No model that may be used tells the cases apart.")
    squared = ((blocks[rows][:, varied] - blocks[row, varied]) ** 2).mean(axis=-1)
    # The mean squared difference of two random cases is twice the variance.
    distances = np.sqrt((squared / (2 * variance[varied])).mean(axis=1))
    order = np.argsort(distances, kind="stable")[:k]
    return SimilarCases(rows=rows[order], distances=distances[order])
