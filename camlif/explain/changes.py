"""Changes of one patient's inputs, and the training range that they stay within.

A patient's raw inputs and a change go in, changed inputs come out. Raises `ConfigError` for a value
outside the training range, or of something that the model or the patient has not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import Float32Array
from camlif.data.preprocessing import (
    CLINICAL,
    MISSING_SUFFIX,
    RawInputs,
    clinical_names,
    observed_groups,
)
from camlif.data.schema import ClinicalColumn, ModalitySpec
from camlif.exceptions import ConfigError
from camlif.model.training_range import LEVELS
from camlif.wording import AGE, OLDEST_SHOWN

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle

MEDIAN_PERCENT = 50.0


@dataclass(frozen=True, slots=True)
class SetFeature:
    """Give one feature another value, in raw units; in a bag every instance gets it."""

    modality: str
    column: str
    value: float


@dataclass(frozen=True, slots=True)
class SetGroup:
    """Give every feature of a group a percentile of its training values, by default the median."""

    modality: str
    group: str
    percent: float = MEDIAN_PERCENT


@dataclass(frozen=True, slots=True)
class SetClinical:
    """Give a clinical input another value: a number, or a level of a category."""

    column: str
    value: float | str


@dataclass(frozen=True, slots=True)
class DropModality:
    """Leave a modality out, as if the patient did not have it."""

    modality: str


WhatIfChange = SetFeature | SetGroup | SetClinical | DropModality


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingLimits:
    """Where a value may be moved, in raw units.

    Attributes
    ----------
    low, high : float
        Ends of the training range: its 0.5 and 99.5 % quantiles.
    median : float
        Of the training values.
    own : float or None
        Value of the case (of a bag: the mean over instances); None where missing. It may lie
        outside.
    percentile : float or None
        Of ``own`` among the training values; None where missing, and for clinical inputs.
    whole : bool
        Whether the training values are whole numbers.
    """

    low: float
    high: float
    median: float
    own: float | None
    percentile: float | None
    whole: bool

    @property
    def varies(self) -> bool:
        """Whether there is another value to try."""
        return self.high > self.low

    def require(self, name: str, value: float) -> None:
        """Check a value.

        Raises
        ------
        ConfigError
            Outside the training range.
        """
        if not self.low <= value <= self.high:
            raise ConfigError(
                f"{name} = {value:.6g} lies outside the training range, {self.low:.6g} to "
                f"{self.high:.6g}: the model has not learned what it means there."
            )


def feature_limits(bundle: Bundle, raw: RawInputs, modality: str, column: str) -> TrainingLimits:
    """Return where a feature may be moved.

    Parameters
    ----------
    bundle : Bundle
    raw : RawInputs
        One patient.
    modality, column : str
        The feature.

    Returns
    -------
    TrainingLimits
        In the feature's own unit.

    Raises
    ------
    ConfigError
        If the model has no such feature.
    """
    j = _column(bundle.schema[modality], column)
    levels = bundle.reference.training_range.levels[modality][:, j].astype(float)
    values = raw.rows(modality)
    percentile = bundle.reference.training_range.percentile(modality, values)[0, j]
    return TrainingLimits(
        low=levels[0],
        high=levels[-1],
        median=levels[LEVELS.index(0.5)],
        own=_number(values[0, j]),
        percentile=_number(percentile),
        whole=_is_whole(levels),
    )


def clinical_limits(bundle: Bundle, raw: RawInputs, column: str) -> TrainingLimits:
    """Return where a numeric clinical input may be moved; ages are whole years and end at 90.

    Parameters
    ----------
    bundle : Bundle
    raw : RawInputs
        One patient.
    column : str
        A numeric clinical input.

    Raises
    ------
    ConfigError
        If the model has no such input, or it is a category.
    """
    spec = _clinical(bundle, column)
    if spec.kind != "numeric":
        raise ConfigError(f"{column} is a category: choose one of {', '.join(spec.levels)}.")
    j = clinical_names(bundle.schema).index(column)
    fitted = bundle.ensemble.columns[CLINICAL]
    low, median, high = (
        float(np.median(fitted[key][:, j].cpu().numpy())) for key in ("low", "median", "high")
    )
    if column == AGE:
        low, high = float(math.ceil(low)), float(min(math.floor(high), OLDEST_SHOWN))
    return TrainingLimits(
        low=low,
        high=high,
        median=median,
        own=_number(raw.clinical[0, j]),
        percentile=None,
        whole=column == AGE or _is_whole(np.array([low, median, high])),
    )


def clinical_level(bundle: Bundle, raw: RawInputs, column: str) -> str | None:
    """Return the patient's level of a category; None where missing or unknown to the model.

    Parameters
    ----------
    bundle : Bundle
    raw : RawInputs
        One patient.
    column : str
        A clinical input that is a category.
    """
    names = clinical_names(bundle.schema)
    for level in _clinical(bundle, column).levels:
        if raw.clinical[0, names.index(f"{column}={level}")] == 1:
            return level
    return None


def apply_change(bundle: Bundle, raw: RawInputs, change: WhatIfChange) -> RawInputs:
    """Return a patient's inputs with one change.

    Parameters
    ----------
    bundle : Bundle
    raw : RawInputs
        One patient; it stays as it is.
    change : WhatIfChange
        Of one input, or of a modality or feature group altogether.

    Raises
    ------
    ConfigError
        If the change leaves the training range, or concerns what the model or the patient has not.
    SchemaError
        For an unknown modality.
    """
    if isinstance(change, SetClinical):
        return _set_clinical(bundle, raw, change)
    spec = bundle.schema[change.modality]
    at = bundle.schema.modalities.index(spec)
    if not raw.presence[0, at]:
        raise ConfigError(f"This patient has no {spec.name}, so nothing of it can be changed.")
    match change:
        case SetFeature(column=column, value=value):
            feature_limits(bundle, raw, spec.name, column).require(column, value)
            j = _column(spec, column)
            return _with_values(raw, spec, slice(j, j + 1), np.array([value], dtype=np.float32))
        case SetGroup():
            return _with_values(raw, spec, *_percentiles(bundle, spec, change))
        case _:
            presence = raw.presence.copy()
            presence[0, at] = False
            return replace(raw, presence=presence)


def _percentiles(
    bundle: Bundle, spec: ModalitySpec, change: SetGroup
) -> tuple[slice, Float32Array]:
    """Columns of a group, and the percentile asked for of each."""
    columns = _group_columns(spec, change.group)
    low, high = 100 * LEVELS[0], 100 * LEVELS[-1]
    if not low <= change.percent <= high:
        raise ConfigError(
            f"The percentile {change.percent:g} of {change.group} lies outside the training range, "
            f"{low:g} to {high:g}."
        )
    levels = bundle.reference.training_range.levels[spec.name][:, columns].T
    values = [np.interp(change.percent / 100, LEVELS, of_column) for of_column in levels]
    whole = [_is_whole(of_column) for of_column in levels]
    return columns, np.where(whole, np.round(values), values).astype(np.float32)


def _set_clinical(bundle: Bundle, raw: RawInputs, change: SetClinical) -> RawInputs:
    spec = _clinical(bundle, change.column)
    names = clinical_names(bundle.schema)
    clinical = raw.clinical.copy()
    clinical[0, names.index(change.column + MISSING_SUFFIX)] = 0
    if spec.kind == "numeric":
        if isinstance(change.value, str):
            raise ConfigError(f"{change.column} is a number, not {change.value!r}.")
        clinical_limits(bundle, raw, change.column).require(change.column, change.value)
        clinical[0, names.index(change.column)] = change.value
        return replace(raw, clinical=clinical)
    if change.value not in spec.levels:
        raise ConfigError(
            f"The model does not know {change.column} {change.value!r}: choose one of "
            f"{', '.join(spec.levels)}."
        )
    for level in spec.levels:
        clinical[0, names.index(f"{change.column}={level}")] = level == change.value
    return replace(raw, clinical=clinical)


def _clinical(bundle: Bundle, column: str) -> ClinicalColumn:
    known = {c.name: c for c in bundle.schema.clinical}
    if column not in known:
        raise ConfigError(f"The model has no clinical input {column}.")
    return known[column]


def _with_values(
    raw: RawInputs, spec: ModalitySpec, columns: slice, values: Float32Array
) -> RawInputs:
    """Set neighbouring columns of a table, or of every instance of a bag."""
    table = raw.tables[spec.name].copy()
    if spec.bag is not None:
        table[:, raw.masks[spec.name][0], columns] = values
        return replace(raw, tables={**raw.tables, spec.name: table})
    table[:, columns] = values
    mask = observed_groups(table, [group.n_features for group in spec.groups])
    return replace(
        raw, tables={**raw.tables, spec.name: table}, masks={**raw.masks, spec.name: mask}
    )


def _column(spec: ModalitySpec, column: str) -> int:
    if column not in spec.columns:
        raise ConfigError(f"The model has no feature {column} in {spec.name}.")
    return spec.columns.index(column)


def _group_columns(spec: ModalitySpec, name: str) -> slice:
    start = 0
    for group in spec.groups:
        if group.name == name:
            return slice(start, start + group.n_features)
        start += group.n_features
    raise ConfigError(f"The model has no feature group {name} in {spec.name}.")


def _is_whole(levels: NDArray[np.floating]) -> bool:
    return bool((levels == np.round(levels)).all())


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
