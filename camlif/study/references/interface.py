"""What goes into a classical model and what comes out.

A model is fitted on inputs that hold training patients only, so it cannot see another patient; a
fitted one gives risks (n,). Raises `SchemaError` where a model does not apply to a cohort.

Shapes: n patients, p columns of a modality, q clinical columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from camlif.arrays import BoolArray, Float64Array, IntArray
from camlif.data.preprocessing import (
    CLINICAL,
    Preprocessor,
    RawInputs,
    cox_score_statistic,
    stack_columns,
    standardise,
)
from camlif.statistics.outcome import FollowUp

MAX_COLUMNS = 200
"""A modality with more varying columns is cut."""
CUT_COLUMNS = 50
"""Columns that remain of it: those of the strongest univariate Cox score."""
MIN_SCALE = 1e-8
"""Standard deviation up to which a standardised column counts as constant."""

Predict = Callable[[Float64Array], Float64Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicalInputs:
    """Standardised inputs of n patients. Never holds the outcome.

    Attributes
    ----------
    tables : mapping of modality to float64, shape (n, p)
        No NaN; zeros for a patient without the modality.
    clinical : float64, shape (n, q), q may be 0
    presence : mapping of modality to bool, shape (n,)
    """

    tables: Mapping[str, Float64Array]
    clinical: Float64Array
    presence: Mapping[str, BoolArray]

    def __len__(self) -> int:
        return len(self.clinical)

    def take(self, rows: IntArray) -> ClassicalInputs:
        """Return the given rows."""
        return ClassicalInputs(
            tables={name: table[rows] for name, table in self.tables.items()},
            clinical=self.clinical[rows],
            presence={name: here[rows] for name, here in self.presence.items()},
        )

    @property
    def blocks(self) -> dict[str, Float64Array]:
        """The modalities, and the clinical columns under `CLINICAL` where there are any."""
        return {**self.tables, **({CLINICAL: self.clinical} if self.clinical.shape[1] else {})}

    def observed(self, block: str) -> BoolArray:
        """Patients who have a block, shape (n,); everyone has the clinical one."""
        return self.presence.get(block, np.ones(len(self), dtype=bool))


def classical_inputs(raw: RawInputs, preprocessor: Preprocessor) -> ClassicalInputs:
    """Standardise encoded patients by the columns that a split's training part fitted.

    Parameters
    ----------
    raw : RawInputs
        Of `camlif.data.preprocessing.encode`; any patients.
    preprocessor : Preprocessor
        Fitted on the training rows.

    Returns
    -------
    ClassicalInputs
        A bag of instances becomes the mean of its standardised instances.
    """
    columns = stack_columns([preprocessor])

    def scaled(name: str, values: NDArray[np.float32]) -> Float64Array:
        matrix = standardise(torch.from_numpy(values), columns[name]).numpy()
        return np.asarray(matrix, dtype=np.float64)

    tables, presence = {}, {}
    for i, (name, table) in enumerate(raw.tables.items()):
        values = scaled(name, table)
        if values.ndim == 3:
            mask = raw.masks[name][..., None]
            values = (values * mask).sum(1) / np.maximum(mask.sum(1), 1)
        presence[name] = raw.presence[:, i]
        tables[name] = np.where(presence[name][:, None], values, 0.0)
    return ClassicalInputs(
        tables=tables, clinical=scaled(CLINICAL, raw.clinical), presence=presence
    )


class FittedModel(Protocol):
    """A classical model after fitting."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Chosen hyper-parameters as plain JSON values."""
        ...

    def risk(self, x: ClassicalInputs) -> Float64Array:
        """Compute the risk of each patient, shape (n,); higher is worse."""
        ...


class ClassicalModel(Protocol):
    """A classical model before fitting: settings only."""

    def fit(self, x: ClassicalInputs, followed: FollowUp, *, seed: int) -> FittedModel:
        """Fit on training patients.

        Parameters
        ----------
        x : ClassicalInputs
            Of the n training patients, nobody else.
        followed : FollowUp
            Of the same patients.
        seed : int
            Of inner folds and random trees.

        Raises
        ------
        SchemaError
            If the model cannot take these inputs: it does not apply to the cohort.
        DataError, EstimationError, ConfigError
            If the patients do not allow a fit.
        """
        ...


@dataclass(frozen=True, slots=True)
class Design:
    """Blocks side by side, with chosen columns, standardised on training patients.

    Attributes
    ----------
    columns : mapping of block to int array
        Columns that are used.
    mean, scale : float64, shape (p,)
        Over all chosen columns.
    """

    columns: Mapping[str, IntArray]
    mean: Float64Array
    scale: Float64Array

    @classmethod
    def fit(
        cls,
        x: ClassicalInputs,
        followed: FollowUp,
        *,
        blocks: tuple[str, ...] | None = None,
        max_columns: int | None = MAX_COLUMNS,
    ) -> Design:
        """Choose and standardise columns on training patients.

        Parameters
        ----------
        x, followed
            Training patients.
        blocks : tuple of str, optional
            Modalities, or `CLINICAL`; all by default.
        max_columns : int or None
            A modality with more varying columns is cut to its `CUT_COLUMNS` best by univariate Cox
            score among the patients who have it. None: never.
        """
        chosen = {}
        for name in blocks or tuple(x.blocks):
            table = x.blocks[name]
            columns = np.flatnonzero(table.std(0) > MIN_SCALE)
            if max_columns is not None and len(columns) > max_columns:
                here = x.observed(name)
                columns = columns[_strongest(table[here][:, columns], followed.take(here))]
            chosen[name] = columns
        matrix = _side_by_side(x, chosen)
        return cls(chosen, matrix.mean(0), matrix.std(0))

    def __call__(self, x: ClassicalInputs) -> Float64Array:
        """Return the matrix of any patients, shape (n, p)."""
        return (_side_by_side(x, self.columns) - self.mean) / self.scale

    @property
    def n_columns(self) -> dict[str, int]:
        """Number of columns used, by block."""
        return {name: len(columns) for name, columns in self.columns.items()}


def _strongest(table: Float64Array, followed: FollowUp) -> IntArray:
    """Columns of the strongest univariate association, in their own order."""
    strength = cox_score_statistic(
        table.astype(np.float32), followed.event, followed.duration, followed.entry
    )
    return np.sort(np.argsort(-strength, kind="stable")[:CUT_COLUMNS])


def _side_by_side(x: ClassicalInputs, columns: Mapping[str, IntArray]) -> Float64Array:
    blocks = x.blocks
    return np.concatenate([blocks[name][:, chosen] for name, chosen in columns.items()], axis=1)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A design and what was fitted on its matrix."""

    design: Design
    predict: Predict
    settings: Mapping[str, Any]

    def risk(self, x: ClassicalInputs) -> Float64Array:
        """Compute the risk of each patient, shape (n,)."""
        return np.asarray(self.predict(self.design(x)), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class LinearRisk:
    """A log risk that is linear in the columns: ``coefficients`` has shape (p,)."""

    coefficients: Float64Array

    def __call__(self, matrix: Float64Array) -> Float64Array:
        """Compute log risks, shape (n,)."""
        return np.asarray(matrix @ self.coefficients)
