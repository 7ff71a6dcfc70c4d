"""What a patient has of each modality, and whether that is like the training data.

In go encoded patients and the training range; out come shares and distances by modality, and the
sentences that a reader must see beside a result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import BoolArray
from camlif.data.preprocessing import RawInputs
from camlif.data.schema import FeatureSchema
from camlif.model.training_range import (
    MAX_SHARE_OUTSIDE,
    UNLIKE_PERCENT,
    TrainingRange,
    far_words,
    is_unlike,
)

MAX_SILENT_IMPUTATION = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class DataChecks:
    """Checks of n patients by modality, each a mapping to shape (n,).

    Attributes
    ----------
    out_of_range : mapping to float64
        Share of the patient's values outside the training range; NaN where absent.
    far : mapping to int64
        Values that lie beyond anything seen, see `TrainingRange.times_reach`.
    farthest : mapping to str
        Column of the farthest of these; empty where there is none.
    imputed : mapping to float64
        Share of the model's columns that take the training median, see `imputed_share`.
    without : mapping to str
        Feature groups that the patient lacks altogether, which are masked; see `masked_groups`.
    distance_percent : mapping to float64
        Training patients of 100 nearer the middle; see `TrainingRange.distance_percent`.
    """

    out_of_range: Mapping[str, NDArray[np.float64]]
    far: Mapping[str, NDArray[np.int64]]
    farthest: Mapping[str, NDArray[np.str_]]
    imputed: Mapping[str, NDArray[np.float64]]
    without: Mapping[str, NDArray[np.str_]]
    distance_percent: Mapping[str, NDArray[np.float64]]

    @property
    def unlike(self) -> BoolArray:
        """Patients of whom a modality is unlike the training data, shape (n,)."""
        outside = [
            is_unlike(self.out_of_range[name], percent, self.far[name])
            for name, percent in self.distance_percent.items()
        ]
        found: BoolArray = np.any(outside, axis=0)
        return found

    def warnings(self) -> list[list[str]]:
        """Say what a reader must know of each patient's data."""
        found: list[list[str]] = [[] for _ in next(iter(self.imputed.values()))]
        for name, imputed in self.imputed.items():
            for row in np.flatnonzero(self.far[name]):
                words = far_words(int(self.far[name][row]), str(self.farthest[name][row]))
                found[row].append(f"{name}: {words}")
            for row in np.flatnonzero(self.out_of_range[name] > MAX_SHARE_OUTSIDE):
                share = 100 * self.out_of_range[name][row]
                found[row].append(f"{name}: {share:.0f}% of values outside the training range")
            for row in np.flatnonzero(self.distance_percent[name] >= UNLIKE_PERCENT):
                found[row].append(f"{name}: beyond the {UNLIKE_PERCENT}th percentile of distance")
            for row in np.flatnonzero(self.without[name] != ""):
                found[row].append(f"{name}: {self.without[name][row]} missing, masked")
            for row in np.flatnonzero(imputed > MAX_SILENT_IMPUTATION):
                found[row].append(f"{name}: {100 * imputed[row]:.0f}% of values imputed")
        return found


def check_data(raw: RawInputs, schema: FeatureSchema, known: TrainingRange) -> DataChecks:
    """Check encoded patients against the training range.

    Parameters
    ----------
    raw : RawInputs
        Before imputation.
    schema : FeatureSchema
    known : TrainingRange
        Of the model.
    """
    rows = {m: raw.rows(m) for m in schema.names}
    out = {m: known.times_reach(m, x) for m, x in rows.items()}
    return DataChecks(
        out_of_range={m: known.share_outside(m, x) for m, x in rows.items()},
        far={m: (times > 1).sum(axis=1) for m, times in out.items()},
        farthest={m: _farthest(times, schema[m].columns) for m, times in out.items()},
        imputed={m: imputed_share(raw, schema, m) for m in schema.names},
        without={m: masked_groups(raw, schema, m) for m in schema.names},
        distance_percent={
            m: known.distance_percent(m, known.distance(m, x)) for m, x in rows.items()
        },
    )


def _farthest(times: NDArray[np.float64], columns: Sequence[str]) -> NDArray[np.str_]:
    """Column of each patient's value farthest out, shape (n,); empty where none is beyond reach."""
    names = np.array(columns, dtype=object)[times.argmax(axis=1)]
    return np.where(times.max(axis=1, initial=0.0) > 1, names, "")


def join_checks(parts: Sequence[DataChecks]) -> DataChecks:
    """Join the checks of patients that follow each other."""
    names = parts[0].imputed

    def joined(field: str) -> dict[str, NDArray[np.generic]]:
        return {m: np.concatenate([getattr(p, field)[m] for p in parts]) for m in names}

    return DataChecks(**{f.name: joined(f.name) for f in fields(DataChecks)})  # type: ignore[arg-type]


def imputed_share(raw: RawInputs, schema: FeatureSchema, modality: str) -> NDArray[np.float64]:
    """Share of a modality's columns that take the training median, shape (n,); NaN where absent.

    Columns of a group of which the patient has nothing are masked, not imputed, and count nowhere.

    Parameters
    ----------
    raw : RawInputs
        The n patients, before imputation.
    schema : FeatureSchema
        Of the model.
    modality : str
    """
    observed = np.isfinite(raw.rows(modality))
    read = np.ones_like(observed)
    if not schema[modality].bag:
        widths = [group.n_features for group in schema[modality].groups]
        read = np.repeat(raw.masks[modality], widths, axis=1)
    count = read.sum(axis=1)
    share = (read & ~observed).sum(axis=1) / np.maximum(count, 1)
    present = raw.presence[:, schema.names.index(modality)]
    return np.where(present & (count > 0), share, np.nan)


def masked_groups(raw: RawInputs, schema: FeatureSchema, modality: str) -> NDArray[np.str_]:
    """Names of the feature groups of which a patient has nothing, shape (n,): ``cd3, cd8``.

    Empty where the modality is absent or a bag.

    Parameters
    ----------
    raw, schema, modality
        As in `imputed_share`.
    """
    names = np.array([group.name for group in schema[modality].groups])
    present = raw.presence[:, schema.names.index(modality)]
    if schema[modality].bag:
        return np.full(len(raw), "", dtype=object)
    return np.array(
        [
            ", ".join(names[~mask]) if there else ""
            for mask, there in zip(raw.masks[modality], present, strict=True)
        ],
        dtype=object,
    )
