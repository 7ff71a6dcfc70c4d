"""What an explanation is: contributions by modality and by feature, and views of them.

Contributions go in; frozen records and tables come out, by group, by patient or over a cohort.
Raises `ConfigError` where two explanations are not of the same patients, `EstimationError` where
too few features have contributions that differ. Shapes: n patients (all that were asked for), p
players, f columns of a player. Patients that are not scored have NaN and a reason; tables leave
them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlif.arrays import Float64Array
from camlif.data.preprocessing import CLINICAL, MISSING_SUFFIX
from camlif.data.schema import ClinicalColumn, FeatureSchema
from camlif.exceptions import ConfigError, EstimationError
from camlif.wording import cap_ages

if TYPE_CHECKING:
    import shap

COLUMNS = (
    "patient_id",
    "level",
    "modality",
    "group",
    "feature",
    "value",
    "contribution",
    "method",
    "completeness_gap",
)
"""Columns of an attribution table; ``value`` is in raw units, ``contribution`` in log risk."""

GAP_FLOOR = 0.1
"""Smallest difference that a gap is a share of: a hazard ratio of 1.1 that nobody acts on."""

MIN_COMPARED = 3
SHAPLEY = "shapley"
Level = Literal["feature", "group"]


def completeness_gap(
    total: Float64Array, log_risk: Float64Array, base_value: Float64Array
) -> Float64Array:
    """Share of log risk minus base value that contributions miss or overshoot, shape (n,).

    Differences below `GAP_FLOOR` count as `GAP_FLOOR`.

    Parameters
    ----------
    total : float64, shape (n,)
        Sum of a patient's contributions.
    log_risk, base_value : float64, shape (n,)
        What they should add up to, and from.
    """
    wanted = log_risk - base_value
    gap: Float64Array = np.abs(total - wanted) / np.maximum(np.abs(wanted), GAP_FLOOR)
    return gap


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityAttribution:
    """Exact Shapley values of modalities.

    Attributes
    ----------
    players : tuple of str
        Modalities, and ``clinical`` where the model reads it.
    baseline : str
    values : float64, shape (n, p)
        Log risk; 0 for an absent modality.
    base_value, log_risk : float64, shape (n,)
        Ensemble log risk at the baseline and of the patient.
    reasons : tuple of (str or None)
        Why a patient has no values.
    seconds : float
    """

    players: tuple[str, ...]
    baseline: str
    values: Float64Array
    base_value: Float64Array
    log_risk: Float64Array
    reasons: tuple[str | None, ...]
    seconds: float

    @property
    def shares(self) -> Float64Array:
        """Each player's part of the sum of absolute values, shape (n, p); NaN where all are 0."""
        size = np.abs(self.values)
        total = size.sum(axis=1, keepdims=True)
        shares: Float64Array = np.divide(
            size, total, out=np.full_like(size, np.nan), where=total > 0
        )
        return shares

    @property
    def completeness_gap(self) -> Float64Array:
        """Rounding error as a share of the explained difference, shape (n,)."""
        return completeness_gap(self.values.sum(axis=1), self.log_risk, self.base_value)

    def to_frame(self, patient_ids: Sequence[str] | NDArray[np.str_]) -> pd.DataFrame:
        """Return a long table, columns `COLUMNS`; ``patient_ids`` names the n patients."""
        rows = _scored(self.reasons)
        n, p = len(rows), len(self.players)
        gap = self.completeness_gap[rows]
        return pd.DataFrame(
            {
                "patient_id": np.repeat(np.asarray(patient_ids)[rows], p),
                "level": "modality",
                "modality": list(self.players) * n,
                "group": None,
                "feature": None,
                "value": np.nan,
                "contribution": self.values[rows].ravel(),
                "method": SHAPLEY,
                "completeness_gap": np.repeat(gap, p),
            }
        )


@dataclass(frozen=True, slots=True)
class Contribution:
    """One feature of one patient.

    ``raw`` is the value in raw units (of a bag: the mean over instances), a level's name for a
    merged category, or None if it is missing or stands for a whole group.
    """

    player: str
    group: str
    column: str
    value: float
    raw: float | str | None


@dataclass(frozen=True, slots=True)
class TopContributions:
    """The largest contributions of a patient, by absolute value, and the sum of the others.

    ``base_value + sum of values + rest`` is the log risk up to the completeness gap.
    """

    items: tuple[Contribution, ...]
    n_rest: int
    rest: float
    base_value: float
    log_risk: float

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Contribution]:
        return iter(self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerContributions:
    """Columns of one player.

    Attributes
    ----------
    columns, groups : tuple of str, length f
        Column names (for clinical: encoded names) and the feature group of each; the "group" of a
        clinical column is its name before encoding.
    values : float64, shape (n, f)
    raw : object or float64, shape (n, f)
        Raw values; NaN or None where missing.
    """

    columns: tuple[str, ...]
    groups: tuple[str, ...]
    values: Float64Array
    raw: NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureAttribution:
    """Contributions of features, or of feature groups for methods that work on groups.

    Attributes
    ----------
    method, baseline : str
    level : {"feature", "group"}
    steps : int
        Points of the integral (the most that a patient took), or samples; 1 where there are none.
    players : tuple of str
    contributions : tuple of PlayerContributions, in player order
    base_value, log_risk : float64, shape (n,)
    reasons : tuple of (str or None)
        Why a patient has no values.
    seconds : float
    seed : int
    """

    method: str
    baseline: str
    level: Level
    steps: int
    players: tuple[str, ...]
    contributions: tuple[PlayerContributions, ...]
    base_value: Float64Array
    log_risk: Float64Array
    reasons: tuple[str | None, ...]
    seconds: float
    seed: int

    def __getitem__(self, player: str) -> PlayerContributions:
        return self.contributions[self.players.index(player)]

    @property
    def values(self) -> Float64Array:
        """All columns of all players side by side, shape (n, sum of f)."""
        return np.concatenate([c.values for c in self.contributions], axis=1)

    @property
    def raw(self) -> NDArray[Any]:
        """Raw values beside ``values``."""
        return np.concatenate([c.raw for c in self.contributions], axis=1)

    @property
    def columns(self) -> tuple[tuple[str, str, str], ...]:
        """(player, group, column) of ``values``."""
        return tuple(
            (player, group, column)
            for player, c in zip(self.players, self.contributions, strict=True)
            for group, column in zip(c.groups, c.columns, strict=True)
        )

    @property
    def feature_names(self) -> list[str]:
        """Column names, with the player in front where two players share one."""
        names = [column for _, _, column in self.columns]
        repeated = {name for name in names if names.count(name) > 1} if _doubles(names) else set()
        return [
            f"{player}: {column}" if column in repeated else column
            for player, _, column in self.columns
        ]

    @property
    def completeness_gap(self) -> Float64Array:
        """See `completeness_gap`; shape (n,)."""
        return completeness_gap(self.values.sum(axis=1), self.log_risk, self.base_value)

    def by_group(self) -> FeatureAttribution:
        """Sum the columns of each feature group, and the encoded ones of each clinical column."""
        if self.level == "group":
            return self
        return replace(
            self, level="group", contributions=tuple(_summed(c) for c in self.contributions)
        )

    def by_clinical_column(self, schema: FeatureSchema) -> FeatureAttribution:
        """Sum levels and missing indicator of each clinical column; features stay as they are.

        The raw value of a category is the name of its level.
        """
        if self.level == "group" or CLINICAL not in self.players:
            return self
        at = self.players.index(CLINICAL)
        encoded = self.contributions[at]
        summed = replace(_summed(encoded), raw=_decoded(encoded, schema.clinical))
        return replace(
            self,
            contributions=(*self.contributions[:at], summed, *self.contributions[at + 1 :]),
        )

    def top(self, row: int, k: int = 10) -> TopContributions:
        """Return the ``k`` largest contributions of a patient and what the others sum to.

        Ties keep column order.
        """
        values, raw, columns = self.values[row], self.raw[row], self.columns
        order = np.argsort(-np.abs(values), kind="stable")
        items = []
        for i in order[:k]:
            player, group, column = columns[i]
            items.append(Contribution(player, group, column, float(values[i]), _plain(raw[i])))
        rest = order[k:]
        return TopContributions(
            items=tuple(items),
            n_rest=len(rest),
            rest=float(values[rest].sum()),
            base_value=float(self.base_value[row]),
            log_risk=float(self.log_risk[row]),
        )

    def to_frame(self, patient_ids: Sequence[str] | NDArray[np.str_]) -> pd.DataFrame:
        """Return a long table, columns `COLUMNS`; ``patient_ids`` names the n patients."""
        rows = _scored(self.reasons)
        players, groups, columns = (list(c) for c in zip(*self.columns, strict=True))
        n, f = len(rows), len(players)
        by_feature = self.level == "feature"
        return pd.DataFrame(
            {
                "patient_id": np.repeat(np.asarray(patient_ids)[rows], f),
                "level": self.level,
                "modality": players * n,
                "group": groups * n,
                "feature": columns * n if by_feature else None,
                "value": cap_ages(self.raw[rows], columns).ravel() if by_feature else np.nan,
                "contribution": self.values[rows].ravel(),
                "method": self.method,
                "completeness_gap": np.repeat(self.completeness_gap[rows], f),
            }
        )

    def to_shap(self) -> shap.Explanation:
        """Return the scored patients as a `shap.Explanation`, for beeswarm and waterfall."""
        import shap

        rows = _scored(self.reasons)
        return shap.Explanation(
            values=self.values[rows],
            base_values=self.base_value[rows],
            data=cap_ages(self.raw[rows], [column for _, _, column in self.columns]),
            feature_names=self.feature_names,
        )


def agreement(a: FeatureAttribution, b: FeatureAttribution, *, k: int = 30) -> float:
    """Spearman rank correlation of two methods' mean absolute contributions.

    Taken over the features that are among the top ``k`` of either, for the patients that both
    explain; over feature groups if one of the two works on groups.

    Parameters
    ----------
    a, b : FeatureAttribution
        Of the same patients by the same model.
    k : int
        At least 1.

    Raises
    ------
    ConfigError
        If the two explain other patients or columns.
    EstimationError
        With fewer than three features, or if all contributions of a method are equal.
    """
    if "group" in (a.level, b.level):
        a, b = a.by_group(), b.by_group()
    if a.columns != b.columns or a.reasons != b.reasons:
        raise ConfigError("Two explanations can be compared for the same patients and model only.")
    rows = _scored(a.reasons)
    return rank_agreement(*(np.abs(x.values[rows]).mean(axis=0) for x in (a, b)), k=k)


def rank_agreement(first: Float64Array, second: Float64Array, *, k: int) -> float:
    """Spearman rank correlation of two importances (f,) over the top ``k`` of either.

    Parameters
    ----------
    first, second : float64, shape (f,)
        At least 0, of the same f features.
    k : int
        At least 1.

    Raises
    ------
    EstimationError
        With fewer than three features, or if all importances of one are equal.
    """
    from scipy.stats import spearmanr

    top = np.union1d(*(np.argsort(-size, kind="stable")[:k] for size in (first, second)))
    first, second = first[top], second[top]
    if len(top) < MIN_COMPARED or np.ptp(first) == 0 or np.ptp(second) == 0:
        raise EstimationError(
            f"Agreement needs {MIN_COMPARED} features with contributions that differ."
        )
    return float(spearmanr(first, second).statistic)


def _scored(reasons: tuple[str | None, ...]) -> NDArray[np.int_]:
    return np.flatnonzero([reason is None for reason in reasons])


def _doubles(names: list[str]) -> bool:
    return len(set(names)) < len(names)


def _summed(c: PlayerContributions) -> PlayerContributions:
    names = tuple(dict.fromkeys(c.groups))
    member_of = np.array([[group == name for group in c.groups] for name in names], dtype=float)
    return PlayerContributions(
        columns=names,
        groups=names,
        values=c.values @ member_of.T,
        raw=np.full((len(c.values), len(names)), np.nan),
    )


def _decoded(encoded: PlayerContributions, schema: tuple[ClinicalColumn, ...]) -> NDArray[Any]:
    """Clinical values as read, shape (n, n_clinical), of object dtype."""
    position = {name: i for i, name in enumerate(encoded.columns)}
    decoded = np.full((len(encoded.raw), len(schema)), None, dtype=object)
    for j, column in enumerate(schema):
        known = encoded.raw[:, position[column.name + MISSING_SUFFIX]] == 0
        if column.kind == "numeric":
            decoded[known, j] = encoded.raw[known, position[column.name]]
            continue
        for level in column.levels:
            decoded[encoded.raw[:, position[f"{column.name}={level}"]] == 1, j] = level
    return decoded


def _plain(raw: Any) -> float | str | None:
    if raw is None or isinstance(raw, str):
        return raw
    return float(raw) if np.isfinite(raw) else None
