"""The clinical inputs of patients as a model takes them: given, missing, unknown or far out.

In go a clinical table, its encoded columns and what the training cohort was; out come arrays by
patient and the sentences that a reader must see beside a result. Nothing fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlif.arrays import BoolArray
from camlif.data.preprocessing import CLINICAL, RawInputs, clinical_names
from camlif.data.reading.roles import is_age
from camlif.data.schema import FeatureSchema
from camlif.model.input_worth import InputWorth, change_without, missing_inputs, worth_of
from camlif.model.training_range import TrainingRange
from camlif.wording import listed, with_interval

WITHOUT = "scored without"
"""Begins the note on missing inputs; their names follow."""
InputStatus = Literal["given", "missing", "unknown", "far"]

AGE_REACH = 15.0
"""Years beyond the training range, from which a patient is unlike it: a child among adults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputCheck:
    """What a patient has of one clinical input.

    Attributes
    ----------
    name : str
    status : {"given", "missing", "unknown", "far"}
        Unknown: a level that the model does not know, or no number, treated as missing. Far: beyond
        anything in the training data, read as the end of its range.
    cell : str
        What is unknown; empty otherwise.
    """

    name: str
    status: InputStatus
    cell: str = ""

    @property
    def known(self) -> bool:
        """Whether the model reads the patient's own value."""
        return self.status in ("given", "far")

    @property
    def short(self) -> str:
        """Say what is wrong with it in a few words; empty where it is given."""
        return {
            "given": "",
            "missing": f"{self.name} missing",
            "unknown": f"{self.name} {self.cell} unknown",
            "far": f"{self.name} out of range",
        }[self.status]

    @property
    def words(self) -> str:
        """Say what a reader must know of it; empty where that is nothing."""
        return {
            "given": "",
            "missing": "",
            "unknown": f"{self.name}: {self.cell} is not known to the model, treated as missing",
            "far": f"{self.name}: beyond anything in the training data, read as the end of its "
            "range",
        }[self.status]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputChecks:
    """Clinical inputs of n patients by q inputs of a model.

    Attributes
    ----------
    names : tuple of str, length q
    missing : bool, shape (n, q)
        Treated as missing, for whatever reason.
    unknown : str, shape (n, q)
        Cell that the model does not know; empty where there is none.
    far : bool, shape (n, q)
        Beyond anything in the training data, see `TrainingRange.times_reach`.
    change : float64, shape (n,)
        Root mean square by which what is missing would move the log risk; 0 where nothing is, NaN
        where that was not measured.
    """

    names: tuple[str, ...]
    missing: BoolArray
    unknown: NDArray[np.object_]
    far: BoolArray
    change: NDArray[np.float64]

    @property
    def unlike(self) -> BoolArray:
        """Patients of whom an input is unlike the training data, shape (n,)."""
        return np.asarray(self.far.any(axis=1))

    def of(self, row: int) -> tuple[InputCheck, ...]:
        """Return what one patient has."""
        return tuple(
            InputCheck(name=name, status=self._status(row, j), cell=self.unknown[row, j])
            for j, name in enumerate(self.names)
        )

    def _status(self, row: int, j: int) -> InputStatus:
        if self.unknown[row, j]:
            return "unknown"
        if self.missing[row, j]:
            return "missing"
        return "far" if self.far[row, j] else "given"

    def warnings(self, measured: Sequence[InputWorth]) -> list[list[str]]:
        """Say what a reader must know of each patient's inputs.

        Parameters
        ----------
        measured : sequence of InputWorth
        """
        found: list[list[str]] = [[] for _ in self.missing]
        notes = {
            key: _without_words(
                [n for n, lacks in zip(self.names, key, strict=True) if lacks], measured
            )
            for key in set(map(tuple, self.missing.tolist()))
        }
        for row, lacking in enumerate(map(tuple, self.missing.tolist())):
            told = [check.words for check in self.of(row) if check.words]
            found[row] = [*told, *([notes[lacking]] if notes[lacking] else [])]
        return found


def check_inputs(
    clinical: pd.DataFrame,
    raw: RawInputs,
    schema: FeatureSchema,
    known: TrainingRange,
    measured: Sequence[InputWorth],
) -> InputChecks:
    """Check the clinical inputs of patients.

    Parameters
    ----------
    clinical : DataFrame, n rows
        As read.
    raw : RawInputs
        The same patients, encoded.
    schema : FeatureSchema
        Of the model.
    known : TrainingRange
    measured : sequence of InputWorth
        Of the model.
    """
    names = tuple(column.name for column in schema.clinical)
    missing = missing_inputs(raw, schema)
    unknown = np.full(missing.shape, "", dtype=object)
    for j, name in enumerate(names):
        if name in clinical:
            for row in np.flatnonzero(missing[:, j] & clinical[name].notna().to_numpy()):
                unknown[row, j] = cell_text(clinical[name].iloc[row])
    return InputChecks(
        names=names,
        missing=missing,
        unknown=unknown,
        far=_far(raw, schema, known),
        change=_changes(names, missing, measured),
    )


def join_inputs(parts: Sequence[InputChecks]) -> InputChecks:
    """Join the checks of patients that follow each other."""
    return InputChecks(
        names=parts[0].names,
        missing=np.concatenate([p.missing for p in parts]),
        unknown=np.concatenate([p.unknown for p in parts]),
        far=np.concatenate([p.far for p in parts]),
        change=np.concatenate([p.change for p in parts]),
    )


def cell_text(cell: object) -> str:
    """Return a cell as it stands in a table: a whole number without its decimal zero."""
    return f"{cell:g}" if isinstance(cell, float) else str(cell)


def _far(raw: RawInputs, schema: FeatureSchema, known: TrainingRange) -> BoolArray:
    far = np.zeros((len(raw), len(schema.clinical)), dtype=bool)
    if not schema.clinical:
        return far
    times, columns = known.times_reach(CLINICAL, raw.clinical), clinical_names(schema)
    for j, column in enumerate(schema.clinical):
        if column.kind == "numeric":
            at = columns.index(column.name)
            far[:, j] = times[:, at] > 1
            if is_age(column.name):
                ages, levels = raw.clinical[:, at], known.levels[CLINICAL][:, at]
                far[:, j] |= (ages < levels[0] - AGE_REACH) | (ages > levels[-1] + AGE_REACH)
    return far


def _changes(
    names: Sequence[str], missing: BoolArray, measured: Sequence[InputWorth]
) -> NDArray[np.float64]:
    """Change of the log risk by what each patient lacks, shape (n,)."""
    patterns = set(map(tuple, missing.tolist()))
    by_pattern = {
        pattern: change_without(
            [n for n, lacks in zip(names, pattern, strict=True) if lacks], measured
        )
        for pattern in patterns
    }
    return np.array([by_pattern[tuple(row)] for row in missing.tolist()], dtype=np.float64)


def _without_words(lacking: Sequence[str], measured: Sequence[InputWorth]) -> str:
    """Say what a score without some inputs is worth; empty where nothing is lacking."""
    if not lacking:
        return ""
    worth = worth_of(lacking, measured)
    if worth is None:
        return f"{WITHOUT} {listed(lacking)}, with a wider interval"
    c_index = with_interval(worth.c_index, worth.low, worth.high)
    return (
        f"{WITHOUT} {listed(lacking)}, with a wider interval (held-out C-index {c_index} "
        f"against {worth.c_index_with:.2f} with)"
    )
