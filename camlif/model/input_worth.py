"""What clinical inputs are worth: held-out patients scored with and without them.

In go encoded training patients and a function that scores them held-out; out comes, for sets of
inputs, how well patients are ranked without them and how far their log risks move. A patient who
lacks inputs gets that much wider an interval, and no score where ranking fails. Nothing fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import BoolArray
from camlif.data.preprocessing import MISSING_SUFFIX, RawInputs, clinical_names
from camlif.data.schema import FeatureSchema
from camlif.exceptions import NoComparablePairsError
from camlif.statistics import bootstrap_c_index
from camlif.statistics.outcome import FollowUp

MAX_TOGETHER = 4
"""Every set of so many inputs is measured; of more, each one and all together."""
MIN_PATIENTS = 50
MIN_EVENTS = 10

Score = Callable[[RawInputs, NDArray[np.int_]], NDArray[np.float64]]
"""Held-out log risks, shape (r,), of encoded patients who stand at these rows of the cohort."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputWorth:
    """Held-out patients without some clinical inputs.

    Attributes
    ----------
    inputs : tuple of str
        Taken away together.
    n_patients, n_events : int
        Patients who have them all.
    c_index, low, high : float
        Without them, with the bootstrap interval.
    c_index_with : float
        Of the same patients with them.
    change : float
        Root mean square change of the log risk.
    """

    inputs: tuple[str, ...]
    n_patients: int
    n_events: int
    c_index: float
    low: float
    high: float
    c_index_with: float
    change: float

    @property
    def valid(self) -> bool:
        """Whether patients without these inputs may be scored: not shown to be ranked by chance.

        Few patients or events can't show it; they are scored, with the wider interval.
        """
        few = self.n_patients < MIN_PATIENTS or self.n_events < MIN_EVENTS
        return few or self.low > 0.5


def missing_inputs(raw: RawInputs, schema: FeatureSchema) -> BoolArray:
    """Whether each patient lacks each clinical input of a model, shape (n, q)."""
    names = clinical_names(schema)
    flags = [names.index(column.name + MISSING_SUFFIX) for column in schema.clinical]
    return np.asarray(raw.clinical[:, flags] == 1)


def without_inputs(raw: RawInputs, schema: FeatureSchema, inputs: Iterable[str]) -> RawInputs:
    """Return encoded patients as if some clinical inputs had not been given.

    Parameters
    ----------
    raw : RawInputs
        With the model's columns.
    schema : FeatureSchema
        Of the model.
    inputs : iterable of str
        Clinical inputs to take away.
    """
    names = clinical_names(schema)
    clinical = raw.clinical.copy()
    for column in schema.clinical:
        if column.name in set(inputs):
            if column.kind == "numeric":
                clinical[:, names.index(column.name)] = np.nan
            for level in column.levels:
                clinical[:, names.index(f"{column.name}={level}")] = 0
            clinical[:, names.index(column.name + MISSING_SUFFIX)] = 1
    return replace(raw, clinical=clinical)


def measure_worth(
    raw: RawInputs, schema: FeatureSchema, everyone: FollowUp, tested: BoolArray, score: Score
) -> tuple[InputWorth, ...]:
    """Measure what a model's clinical inputs are worth, alone and together.

    Parameters
    ----------
    raw : RawInputs, n patients
        Of the training cohort.
    schema : FeatureSchema
    everyone : FollowUp
        Of the same patients.
    tested : bool, shape (n,)
        Patients who have a held-out risk.
    score : function of (RawInputs, rows) to float64, shape (r,)

    Returns
    -------
    tuple of InputWorth
        Without an entry for inputs of whose patients no two can be compared.
    """
    missing = missing_inputs(raw, schema)
    position = {column.name: i for i, column in enumerate(schema.clinical)}
    found = []
    for inputs in _sets(tuple(position)):
        lacking = missing[:, [position[name] for name in inputs]].any(axis=1)
        rows = np.flatnonzero(tested & ~lacking)
        followed = everyone.take(rows)
        if len(rows) == 0:
            continue
        part = raw.take(rows)
        whole = score(part, rows)
        without = score(without_inputs(part, schema, inputs), rows)
        try:
            c_index, low, high = measure_ranking(without, followed)
        except NoComparablePairsError:
            continue
        found.append(
            InputWorth(
                inputs=inputs,
                n_patients=len(rows),
                n_events=int(followed.event.sum()),
                c_index=c_index,
                low=low,
                high=high,
                c_index_with=measure_ranking(whole, followed)[0],
                change=float(np.sqrt(np.mean((without - whole) ** 2))),
            )
        )
    return tuple(found)


def measure_ranking(risk: NDArray[np.float64], followed: FollowUp) -> tuple[float, float, float]:
    """Measure the C-index with its interval; equal risks rank nobody: chance, and no error here.

    Parameters
    ----------
    risk : float64, shape (n,)
    followed : FollowUp
        Of the same patients.

    Returns
    -------
    tuple of float
        C-index, lower and upper limit of the 95 % bootstrap interval.

    Raises
    ------
    NoComparablePairsError
        If no two patients can be compared.
    """
    if np.ptp(risk) == 0:
        return 0.5, 0.5, 0.5
    found = bootstrap_c_index(risk, followed.event, followed.duration, entry=followed.entry)
    return found.value, found.low, found.high


def _sets(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    sizes = range(1, len(names) + 1) if len(names) <= MAX_TOGETHER else (1, len(names))
    for size in sizes:
        yield from combinations(names, size)


def worth_of(inputs: Iterable[str], measured: Iterable[InputWorth]) -> InputWorth | None:
    """Return what was measured without exactly these inputs; None where that was not."""
    wanted = frozenset(inputs)
    return next((worth for worth in measured if frozenset(worth.inputs) == wanted), None)


def ranks_without(inputs: Sequence[str], measured: Sequence[InputWorth]) -> bool:
    """Whether patients without some inputs may be scored: it was measured, and they are ranked.

    Where they were not taken away together, none of them alone may be one that ranking needs.
    """
    together = worth_of(inputs, measured)
    if together is not None:
        return together.valid
    single = [worth_of((name,), measured) for name in inputs]
    return all(worth is not None and worth.valid for worth in single)


def change_without(inputs: Sequence[str], measured: Sequence[InputWorth]) -> float:
    """Root mean square change of the log risk without some inputs; NaN where it is not known.

    Where they were not taken away together, the sum of each one's: as much as it can be, if their
    changes add up.
    """
    together = worth_of(inputs, measured)
    if together is not None:
        return together.change
    single = [worth_of((name,), measured) for name in inputs]
    return float(sum(np.nan if one is None else one.change for one in single))
