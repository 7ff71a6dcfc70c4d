"""Contributions in the form that figures draw: names, raw values, units, percentiles.

An explanation of n patients and a position go in, records for `dashboard.figures.attribution` come
out. Nothing fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from camlif.data.preprocessing import CLINICAL
from camlif.explain import FeatureAttribution
from dashboard.figures.attribution import FeatureContribution
from dashboard.profiles import distinct
from dashboard.session.state import Scoring, Workspace


def display_name(workspace: Workspace, player: str) -> str:
    """Name of a modality, or of the clinical inputs."""
    return "Clinical" if player == CLINICAL else workspace.profile.modality(player)


def group_name(workspace: Workspace, player: str, group: str) -> str:
    """Name of a feature group; a modality's only group is called by the modality.

    Parameters
    ----------
    workspace : Workspace
    player : str
        Its modality, or `camlif.data.preprocessing.CLINICAL`.
    group : str
        As the schema calls it.
    """
    if group == player:
        return display_name(workspace, player)
    return workspace.profile.column_name(group)


def feature_names(workspace: Workspace, features: FeatureAttribution) -> list[str]:
    """Plain names of the features or feature groups of an explanation, all different."""
    if features.level == "group":
        return list(group_names(workspace, features).values())
    columns = [column for _, _, column in features.columns]
    names = distinct([workspace.profile.column_name(c) for c in columns], columns)
    players = [display_name(workspace, player) for player, _, _ in features.columns]
    return distinct(names, players)


def feature_contributions(
    workspace: Workspace, scoring: Scoring, features: FeatureAttribution, position: int
) -> list[FeatureContribution]:
    """All contributions to one patient of an explanation, by feature or by feature group.

    A group has no value. Percentiles are those of the training
    cohort; of clinical numbers, of the cohort in view.

    Parameters
    ----------
    workspace : Workspace
    scoring : Scoring
        Of its cohort.
    features : FeatureAttribution
        Of n patients.
    position : int
        Which of the n.
    """
    groups = group_names(workspace, features)
    if features.level == "group":
        sizes = {
            (modality.name, group.name): group.n_features
            for modality in scoring.bundle.schema.modalities
            for group in modality.groups
        }
        return _group_contributions(features, position, groups, sizes)
    profile = workspace.profile
    merged = features.by_clinical_column(scoring.bundle.schema)
    found = []
    for player, part in zip(merged.players, merged.contributions, strict=True):
        raw = part.raw[position]
        percentile = np.full(len(raw), np.nan)
        if player != CLINICAL:
            values = raw.astype(np.float64)[None]
            percentile = scoring.bundle.reference.training_range.percentile(player, values)[0]
        else:
            percentile = _clinical_percentiles(workspace, part.columns, raw)
        for j, (column, group) in enumerate(zip(part.columns, part.groups, strict=True)):
            words = profile.column(column)
            found.append(
                FeatureContribution(
                    name=words.name,
                    column=column,
                    group=groups[player, group],
                    contribution=float(part.values[position, j]),
                    value=profile.value(column, raw[j]),
                    unit=words.unit,
                    worse=words.worse,
                    percentile=float(percentile[j]) if np.isfinite(percentile[j]) else None,
                )
            )
    return found


def group_names(workspace: Workspace, features: FeatureAttribution) -> dict[tuple[str, str], str]:
    """Display name of each (player, group); the modality is said where two share one."""
    keys = list(dict.fromkeys((player, group) for player, group, _ in features.columns))
    names = [group_name(workspace, player, group) for player, group in keys]
    return {
        key: f"{display_name(workspace, key[0])}: {name}" if names.count(name) > 1 else name
        for key, name in zip(keys, names, strict=True)
    }


def _group_contributions(
    features: FeatureAttribution,
    position: int,
    names: Mapping[tuple[str, str], str],
    sizes: Mapping[tuple[str, str], int],
) -> list[FeatureContribution]:
    return [
        FeatureContribution(
            name=names[player, group],
            column=group,
            group=names[player, group],
            contribution=float(value),
            value="clinical input" if player == CLINICAL else "feature group",
            n_features=sizes.get((player, group), 1),
        )
        for player, part in zip(features.players, features.contributions, strict=True)
        for group, value in zip(part.groups, part.values[position], strict=True)
    ]


def _clinical_percentiles(
    workspace: Workspace, columns: Sequence[str], raw: NDArray[np.object_]
) -> NDArray[np.float64]:
    """Percentage of the cohort with a lower value, and half of those with an equal one."""
    found = np.full(len(columns), np.nan)
    for j, (column, value) in enumerate(zip(columns, raw, strict=True)):
        known = workspace.cohort.clinical.get(column, pd.Series(dtype=float)).dropna()
        if isinstance(value, Real) and np.isfinite(float(value)) and is_numeric_dtype(known):
            lower = (known < float(value)).mean() + 0.5 * (known == float(value)).mean()
            found[j] = 100 * float(lower)
    return found
