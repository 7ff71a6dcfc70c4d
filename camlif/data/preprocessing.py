"""Raw tables to standardised matrices. Everything fitted is fitted on training rows only.

Encoding (`encode`) depends on the schema alone and gives raw numbers with NaN; `fit_columns` learns
per-column imputation, clipping and scaling from training rows; `standardise` applies them. A column
that one split drops is zero for that member, so all members share one architecture. Nothing here
fails on a value: `Cohort` has checked shapes, and what is missing is imputed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlif.arrays import BoolArray, Float32Array
from camlif.config import TrainConfig
from camlif.data.cohort import Cohort, mean_of_instances
from camlif.data.levels import as_levels
from camlif.data.schema import ClinicalColumn, FeatureSchema
from camlif.statistics.outcome import rows_of

MISSING_SUFFIX = " missing"
CLINICAL = "clinical"
"""Key of the clinical matrix beside the modalities; no modality may use it."""
MIN_VARIATION = 1e-6
"""Standard deviation, as a share of the mean, up to which a column counts as constant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawInputs:
    """Encoded patients in raw units: NaN marks a missing value.

    Attributes
    ----------
    tables : mapping of modality to float32, shape (n, n_features) or (n, k, d_inst)
    masks : mapping of modality to bool, shape (n, n_groups) or (n, k)
    presence : bool, shape (n, m)
    clinical : float32, shape (n, q)
    """

    tables: Mapping[str, Float32Array]
    masks: Mapping[str, BoolArray]
    presence: BoolArray
    clinical: Float32Array

    def __len__(self) -> int:
        return len(self.presence)

    def rows(self, name: str) -> Float32Array:
        """Values of a modality or `CLINICAL` as one row a patient; a bag is its instances' mean."""
        values = self.clinical if name == CLINICAL else self.tables[name]
        return values if values.ndim == 2 else mean_of_instances(values)

    def take(self, rows: NDArray[np.int_] | slice) -> RawInputs:
        """Return the given rows."""
        return RawInputs(
            tables={m: t[rows] for m, t in self.tables.items()},
            masks={m: t[rows] for m, t in self.masks.items()},
            presence=self.presence[rows],
            clinical=self.clinical[rows],
        )


def encode(cohort: Cohort, schema: FeatureSchema) -> RawInputs:
    """Encode a cohort in the column order of a schema.

    The cohort must have the schema's columns (see `Bundle.score`, which aligns and reports them);
    a modality it lacks altogether is absent for every patient.
    """
    presence = np.zeros((len(cohort), len(schema.modalities)), dtype=bool)
    tables: dict[str, Float32Array] = {}
    masks: dict[str, BoolArray] = {}
    for i, modality in enumerate(schema.modalities):
        name = modality.name
        if name not in cohort.schema.names:
            k = 1 if modality.bag else len(modality.groups)
            shape = (len(cohort), modality.n_features)
            tables[name] = np.full((shape[0], 1, shape[1]) if modality.bag else shape, np.nan, "f4")
            masks[name] = np.zeros((len(cohort), k), dtype=bool)
            continue
        presence[:, i] = cohort.presence[:, cohort.schema.names.index(name)]
        if modality.bag:
            tables[name], masks[name] = _pad_bags(cohort.bags[name], modality.n_features)
        else:
            tables[name] = cohort.tables[name]
            masks[name] = observed_groups(tables[name], [g.n_features for g in modality.groups])
    # A modality whose values are all missing is absent, whatever its file says.
    for i, modality in enumerate(schema.modalities):
        presence[:, i] &= masks[modality.name].any(axis=1)
    return RawInputs(
        tables=tables,
        masks=masks,
        presence=presence,
        clinical=encode_clinical(cohort.clinical, schema),
    )


def _pad_bags(bags: tuple[Float32Array, ...], width: int) -> tuple[Float32Array, BoolArray]:
    longest = max((len(bag) for bag in bags), default=0) or 1
    table = np.full((len(bags), longest, width), np.nan, dtype=np.float32)
    mask = np.zeros((len(bags), longest), dtype=bool)
    for i, bag in enumerate(bags):
        table[i, : len(bag)] = bag
        mask[i, : len(bag)] = True
    return table, mask


def observed_groups(table: Float32Array, widths: list[int]) -> BoolArray:
    """Feature groups with a value, (n, n_groups); the groups' columns follow each other."""
    ends = np.cumsum(widths)
    observed = np.isfinite(table)
    return np.stack(
        [observed[:, end - w : end].any(axis=1) for w, end in zip(widths, ends, strict=True)],
        axis=1,
    )


def clinical_names(schema: FeatureSchema) -> list[str]:
    """Names of the encoded clinical columns: value or levels, then a missing indicator."""
    names = []
    for column in schema.clinical:
        names += (
            [column.name]
            if column.kind == "numeric"
            else [f"{column.name}={level}" for level in column.levels]
        )
        names.append(column.name + MISSING_SUFFIX)
    return names


def read_input(clinical: pd.DataFrame, column: ClinicalColumn) -> pd.Series:
    """Return a clinical input as a model reads it: numbers, or levels that it knows.

    Missing where a cell is missing, no number, or a level that the column lacks (see
    `camlif.data.levels`), and throughout where the table has no such column.

    Parameters
    ----------
    clinical : DataFrame
    column : ClinicalColumn
        Of the model.
    """
    if column.name not in clinical:
        return pd.Series(np.nan, index=clinical.index, dtype="float64")
    values = clinical[column.name]
    if column.kind == "numeric":
        return pd.to_numeric(values, errors="coerce").astype("float64")
    return as_levels(values, column.levels)


def encode_clinical(clinical: pd.DataFrame, schema: FeatureSchema) -> Float32Array:
    """Encode clinical columns: numbers as they are, categories one-hot, plus missing indicators.

    What `read_input` gives as missing has an indicator of 1.

    Parameters
    ----------
    clinical : DataFrame, n rows
    schema : FeatureSchema

    Returns
    -------
    float32, shape (n, q)
        Columns as of `clinical_names`.
    """
    blocks: list[NDArray[np.floating]] = []
    for column in schema.clinical:
        values = read_input(clinical, column)
        if column.kind == "numeric":
            blocks.append(values.to_numpy("float64")[:, None])
        else:
            text = values.to_numpy(dtype=object)
            blocks.append(np.stack([text == level for level in column.levels], axis=1) * 1.0)
        blocks.append(values.isna().to_numpy()[:, None] * 1.0)
    if not blocks:
        return np.zeros((len(clinical), 0), dtype=np.float32)
    return np.concatenate(blocks, axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedColumns:
    """Per-column numbers learned from training rows, each shape (n_features,), float32.

    ``standardise`` computes ``keep * (clip(impute(x), low, high) - mean) / scale``.
    """

    median: Float32Array
    low: Float32Array
    high: Float32Array
    mean: Float32Array
    scale: Float32Array
    keep: Float32Array

    FIELDS = ("median", "low", "high", "mean", "scale", "keep")

    def arrays(self) -> dict[str, Float32Array]:
        """Return the arrays by name, for storage."""
        return {name: getattr(self, name) for name in self.FIELDS}


def quantiles(values: Float32Array, q: tuple[float, ...]) -> Float32Array:
    """Column quantiles of finite values, shape (len(q), n_features); 0 for an empty column."""
    finite = np.isfinite(values)
    ordered = np.sort(np.where(finite, values, np.nan), axis=0)  # NaN sorts last
    n_valid = finite.sum(axis=0)
    last = np.maximum(n_valid - 1, 0)
    columns = np.arange(values.shape[1])
    result = np.zeros((len(q), values.shape[1]), dtype=np.float32)
    for row, fraction in enumerate(q):
        position = fraction * last
        below = np.floor(position).astype(int)
        above = np.minimum(below + 1, last)
        weight = (position - below).astype(np.float32)
        result[row] = ordered[below, columns] * (1 - weight) + ordered[above, columns] * weight
    return np.where(n_valid > 0, result, 0).astype(np.float32)


def fit_columns(
    values: Float32Array, config: TrainConfig, *, indicators: bool = False
) -> FittedColumns:
    """Fit imputation, clipping and scaling on training rows.

    Parameters
    ----------
    values : float32, shape (n_train, n_features)
        Rows of training patients that have the modality; NaN = missing.
    config : TrainConfig
    indicators : bool
        Columns hold 0/1 that should stay so: only constant ones are dropped.
    """
    values = np.asarray(values, dtype=np.float32)
    n, width = values.shape
    if n == 0:
        zeros, ones = np.zeros(width, "f4"), np.ones(width, "f4")
        return FittedColumns(
            median=zeros, low=zeros, high=zeros, mean=zeros, scale=ones, keep=zeros
        )
    tail = config.clip_quantile
    low, median, high = quantiles(
        values, (0.0 if indicators else tail, 0.5, 1.0 if indicators else 1 - tail)
    )
    filled = np.clip(np.where(np.isfinite(values), values, median), low, high)
    mean = filled.mean(axis=0, dtype=np.float64)
    scale = filled.std(axis=0, dtype=np.float64)
    # Relative, because a column may be in any unit; rounding alone stays far below.
    informative = scale > MIN_VARIATION * np.maximum(np.abs(mean), np.finfo(np.float32).tiny)
    enough = np.isfinite(values).mean(axis=0) >= 1 - config.max_missing
    if indicators:
        mean, scale = np.zeros(width), np.ones(width)
    return FittedColumns(
        median=median,
        low=low,
        high=high,
        mean=mean.astype(np.float32),
        scale=np.where(informative, scale, 1.0).astype(np.float32),
        keep=(informative & enough).astype(np.float32),
    )


def fit_clinical(values: Float32Array, schema: FeatureSchema, config: TrainConfig) -> FittedColumns:
    """Fit the clinical matrix: numbers are standardised, levels and missing indicators stay 0/1.

    Parameters
    ----------
    values : float32, shape (n, n_columns)
        Encoded clinical columns of the training patients; NaN is missing.
    schema : FeatureSchema
        Says which of the columns are numbers.
    config : TrainConfig
        Says how missing values are filled and columns scaled.
    """
    names = clinical_names(schema)
    numeric = {c.name for c in schema.clinical if c.kind == "numeric"}
    is_number = np.array([name in numeric for name in names], dtype=bool)
    numbers = fit_columns(values, config).arrays()
    flags = fit_columns(values, config, indicators=True).arrays()
    return FittedColumns(
        **{key: np.where(is_number, numbers[key], flags[key]) for key in FittedColumns.FIELDS}
    )


def cox_score_statistic(
    values: Float32Array,
    event: BoolArray,
    duration: NDArray[np.float64],
    entry: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Univariate Cox score statistic U^2 / V at beta = 0 of each column, shape (n_features,).

    Breslow risk sets by cumulative sums, O(n log n) for all columns together; ``entry`` as of
    `camlif.statistics.outcome.check_entry`.

    Parameters
    ----------
    values : float, shape (n, n_features)
        Without missing values.
    event : bool, shape (n,)
    duration : float, shape (n,)
        Follow-up in any unit.
    entry : float, shape (n,), optional
        When each patient came under observation, in the unit of the durations.
    """
    order = np.argsort(-duration, kind="stable")
    x, d, t = values[order].astype(np.float64), event[order], duration[order]
    last = np.searchsorted(-t, -t, side="right") - 1  # last row of each risk set
    size, total, squares = last + 1, np.cumsum(x, axis=0)[last], np.cumsum(x**2, axis=0)[last]
    if entry is not None:
        late = np.flatnonzero(entry > 0)
        late = late[np.argsort(-entry[late], kind="stable")]
        absent = np.searchsorted(-entry[late], -t, side="right")
        own = values[late].astype(np.float64)
        none = np.zeros((1, own.shape[1]))
        size = size - absent
        total = total - np.concatenate([none, np.cumsum(own, axis=0)])[absent]
        squares = squares - np.concatenate([none, np.cumsum(own**2, axis=0)])[absent]
    mean = total / size[:, None]
    variance = squares / size[:, None] - mean**2
    u = ((x - mean) * d[:, None]).sum(axis=0)
    v = (variance * d[:, None]).sum(axis=0)
    return np.where(v > 1e-12, u**2 / np.maximum(v, 1e-12), 0.0)


def _selected(
    columns: FittedColumns,
    values: Float32Array,
    event: BoolArray,
    duration: NDArray[np.float64],
    entry: NDArray[np.float64] | None,
    top: int,
) -> FittedColumns:
    """Keep the ``top`` columns with the strongest univariate association in the training rows."""
    x = standardise(torch.from_numpy(values), _tensors(columns)).numpy()
    strength = cox_score_statistic(x, event, duration, entry) * columns.keep
    keep = np.zeros_like(columns.keep)
    best = np.argsort(-strength, kind="stable")[:top]
    keep[best] = columns.keep[best]
    return FittedColumns(**{**columns.arrays(), "keep": keep})


def _tensors(columns: FittedColumns) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values) for name, values in columns.arrays().items()}


@dataclass(frozen=True, slots=True)
class Preprocessor:
    """Fitted columns of every modality and of the clinical matrix, for one member."""

    columns: Mapping[str, FittedColumns]

    @classmethod
    def fit(
        cls,
        raw: RawInputs,
        schema: FeatureSchema,
        rows: NDArray[np.int_],
        config: TrainConfig,
        *,
        event: BoolArray,
        duration: NDArray[np.float64],
        entry: NDArray[np.float64] | None = None,
    ) -> Preprocessor:
        """Fit on the given rows only; no other row is read.

        Parameters
        ----------
        raw : RawInputs
        schema : FeatureSchema
        rows : int array
            Training rows of the split.
        config : TrainConfig
        event, duration, entry : shape (n,)
            Read at ``rows``, and only when ``config.select_top`` is set; no ``entry`` where nobody
            enters late.
        """
        train = raw.take(rows)
        columns: dict[str, FittedColumns] = {}
        for i, modality in enumerate(schema.modalities):
            here = train.presence[:, i]
            values = train.tables[modality.name][here]
            if modality.bag:
                values = values[train.masks[modality.name][here]]
            fitted = fit_columns(values, config)
            if config.select_top is not None and not modality.bag:
                own = rows[here]
                fitted = _selected(
                    fitted,
                    values,
                    event[own],
                    duration[own],
                    rows_of(entry, own),
                    config.select_top,
                )
            columns[modality.name] = fitted
        columns[CLINICAL] = fit_clinical(train.clinical, schema, config)
        return cls(columns)


StackedColumns = dict[str, dict[str, Tensor]]
"""Modality (and ``clinical``) to array name to Tensor (E, n_features)."""


def stack_columns(preprocessors: list[Preprocessor]) -> StackedColumns:
    """Stack the fitted columns of E members along a leading axis."""
    return {
        name: {
            key: torch.from_numpy(np.stack([getattr(p.columns[name], key) for p in preprocessors]))
            for key in FittedColumns.FIELDS
        }
        for name in preprocessors[0].columns
    }


def standardise(x: Tensor, columns: Mapping[str, Tensor]) -> Tensor:
    """Impute, clip and scale; broadcasts, so stacked columns (E, 1, F) give (E, n, F).

    Differentiable in ``x`` where it is observed and inside the clipping range.
    """
    filled = torch.where(torch.isnan(x), columns["median"], x)
    clipped = torch.minimum(torch.maximum(filled, columns["low"]), columns["high"])
    return (clipped - columns["mean"]) * (columns["keep"] / columns["scale"])
