"""Contributions in the form that figures draw: names, raw values, units, percentiles."""

from __future__ import annotations

import numpy as np

from camlif.attribution import FeatureAttribution
from camlif.data.preprocessing import CLINICAL
from dashboard.figures.attribution import FeatureContribution
from dashboard.state import Scoring, Workspace


def display_name(workspace: Workspace, player: str) -> str:
    """Name of a modality, or of the clinical inputs."""
    return "Clinical" if player == CLINICAL else workspace.profile.modality(player)


def feature_contributions(
    workspace: Workspace, scoring: Scoring, features: FeatureAttribution, position: int
) -> list[FeatureContribution]:
    """All contributions to one patient of an explanation.

    Percentiles are those of the training cohort; clinical columns have none.
    """
    units = workspace.cohort.info.units
    merged = features.by_clinical_column(scoring.bundle.schema)
    found = []
    for player, part in zip(merged.players, merged.contributions, strict=True):
        raw = part.raw[position]
        percentile = np.full(len(raw), np.nan)
        if player != CLINICAL and features.level == "feature":
            values = raw.astype(np.float64)[None]
            percentile = scoring.bundle.reference.training_range.percentile(player, values)[0]
        for j, column in enumerate(part.columns):
            found.append(
                FeatureContribution(
                    name=column,
                    contribution=float(part.values[position, j]),
                    value=None if raw[j] is None else raw[j],
                    unit=units.get(column, ""),
                    percentile=float(percentile[j]) if np.isfinite(percentile[j]) else None,
                )
            )
    return found
