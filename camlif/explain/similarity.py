"""Similar cases: nearest patients in the space of the members' fusion vectors.

A scored cohort's vectors and a patient go in; the nearest patients with their distances come out.
Raises `EstimationError` where the patient is not scored or no member counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import BoolArray
from camlif.exceptions import ConfigError, EstimationError
from camlif.wording import count


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


@dataclass(frozen=True, slots=True, eq=False)
class FusedSpace:
    """Fusion vectors of n patients by e members, with what does not depend on whom one asks for.

    Attributes
    ----------
    blocks : float32, shape (n, e, h)
    known : bool, shape (n,)
        Patients with vectors: those that are scored.
    variance : float64, shape (e,)
        Of each member's vectors over all of them: a filter must not change how far apart two are.
    """

    blocks: NDArray[np.float32]
    known: BoolArray
    variance: NDArray[np.float64]

    @classmethod
    def of(cls, embedding: NDArray[np.float32], n_members: int = 1) -> FusedSpace:
        """Take the vectors of all members side by side, shape (n, e * h); NaN rows have none.

        Raises
        ------
        ConfigError
            If the columns cannot be shared between the members.
        """
        n, width = embedding.shape
        if not width or width % n_members:
            raise ConfigError(
                f"{count(width, 'column is', 'columns are')} no fusion vectors of "
                f"{count(n_members, 'member')}."
            )
        known = np.asarray(np.isfinite(embedding).all(axis=1))
        blocks = embedding.reshape(n, n_members, -1)
        variance = [blocks[known, e].var(axis=0, dtype=np.float64).mean() for e in range(n_members)]
        return cls(blocks, known, np.array(variance))


def similar_cases(
    space: FusedSpace,
    row: int,
    *,
    k: int = 5,
    among: BoolArray | None = None,
    members: BoolArray | None = None,
) -> SimilarCases:
    """Find the cases whose fusion vectors are nearest to a patient's.

    Parameters
    ----------
    space : FusedSpace
    row : int
        The patient; not among the cases found.
    k : int
    among : bool, shape (n,), optional
        Patients to choose from.
    members : bool, shape (e,), optional
        Members whose vectors count. A member that saw the patient in training has placed it by its
        outcome, so leave those out.

    Raises
    ------
    EstimationError
        If the patient has no fusion vector, or no member counts.
    ConfigError
        If ``k`` is below 1.
    """
    if k < 1:
        raise ConfigError("k must be at least 1.")
    if not space.known[row]:
        raise EstimationError("The patient is not scored, so it has no place among the others.")
    candidate = space.known.copy() if among is None else np.asarray(space.known & among)
    candidate[row] = False
    rows = np.flatnonzero(candidate)
    varied = space.variance > 0 if members is None else (space.variance > 0) & members
    if not varied.any():
        raise EstimationError("No model that may be used tells the cases apart.")
    # The mean squared difference of two random cases is twice the variance, so every member has
    # the same say.
    scaled = [
        _mean_square(space.blocks[:, e], row)[rows] / (2 * space.variance[e])
        for e in np.flatnonzero(varied)
    ]
    distances = np.sqrt(np.mean(scaled, axis=0))
    order = np.argsort(distances, kind="stable")[:k]
    return SimilarCases(rows=rows[order], distances=distances[order])


def _mean_square(vectors: NDArray[np.float32], row: int) -> NDArray[np.float64]:
    """Mean squared difference of every vector (n, h) to that of a row, (n,)."""
    difference = vectors - vectors[row]
    squares = np.einsum("nh,nh->n", difference, difference)
    mean: NDArray[np.float64] = np.asarray(squares, dtype=np.float64) / vectors.shape[1]
    return mean
