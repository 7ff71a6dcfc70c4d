"""Contributions of one case by feature group: which of them raise and lower its risk, and how much.

Contributions of features in log risk go in; sums by group, a sentence and a `Chart` come out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from camlif.wording import count, listed
from dashboard.figures.attribution.bars import (
    FeatureContribution,
    add_bars,
    direction,
    frame_bars,
)
from dashboard.figures.chart import Chart, escape, signed
from dashboard.figures.layout import empty_figure
from dashboard.figures.palette import Theme, palette
from dashboard.figures.sketch import Sketch

MAX_NAME = 34
GROUP_ROW = 40
MOST = 0.5
"""Of all that moves a score: so much do the groups carry that are named first, if few do."""
MOST_NAMED = 3
MOST_DRAWN = 6
FOLDED = 0.1
"""Share of all that moves a score that may be drawn as one row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupContribution:
    """Sum of the contributions of one feature group.

    Attributes
    ----------
    name : str
        Display name; untrusted.
    contribution : float
        In log risk.
    share : float
        Of the sum of absolute contributions of all groups, in [0, 1].
    n_features : int
    """

    name: str
    contribution: float
    share: float
    n_features: int

    @property
    def words(self) -> str:
        """Direction and share: ``raises, 34 %``."""
        return f"{direction(self.contribution).removesuffix(' risk')}, {100 * self.share:.0f} %"


def sum_by_group(features: Sequence[FeatureContribution]) -> list[GroupContribution]:
    """Sum contributions by feature group, the largest first.

    Parameters
    ----------
    features : sequence of FeatureContribution
        All of one case.
    """
    sums: dict[str, float] = {}
    sizes: dict[str, int] = {}
    for feature in features:
        sums[feature.group] = sums.get(feature.group, 0.0) + feature.contribution
        sizes[feature.group] = sizes.get(feature.group, 0) + feature.n_features
    total = sum(map(abs, sums.values())) or 1.0
    return [
        GroupContribution(
            name=name, contribution=value, share=abs(value) / total, n_features=sizes[name]
        )
        for name, value in sorted(sums.items(), key=lambda item: -abs(item[1]))
    ]


def dominance_sentence(groups: Sequence[GroupContribution]) -> str:
    """Say which groups move a score most, and what all of them sum to.

    Parameters
    ----------
    groups : sequence of GroupContribution
        The largest first.
    """
    if not groups:
        return "No feature group is explained."
    total = sum(group.contribution for group in groups)
    if direction(groups[0].contribution) == "no change":
        return "No feature group moves this score away from the baseline."
    carried = np.cumsum([group.share for group in groups])
    named = groups[: min(int(np.searchsorted(carried, MOST - 1e-9)) + 1, MOST_NAMED)]
    said = f"What moves this score most: {listed([f'{g.name} ({g.words})' for g in named])}."
    return f"{said} {count(len(groups), 'group')}: {signed(total)} in log risk."


def group_bars(groups: Sequence[GroupContribution], *, theme: Theme) -> Chart:
    """Draw feature groups with the direction and the share of each, in words.

    Parameters
    ----------
    groups : sequence of GroupContribution
        All of the case, the largest first. Of many the last, which have a small share, are drawn
        as one.
    theme : {"light", "dark"}
    """
    table = pd.DataFrame(
        {
            "group": [g.name for g in groups],
            "features": [g.n_features for g in groups],
            "contribution": [g.contribution for g in groups],
            "direction": [direction(g.contribution) for g in groups],
            "share_percent": [100 * g.share for g in groups],
        }
    )
    finding = dominance_sentence(groups)
    alt = "Contribution of each feature group to this case"
    if not groups:
        return Chart(empty_figure("No feature group", theme), finding, table, alt)
    drawn = fold(groups)
    muted = palette(theme).muted
    labels = [
        f"{escape(g.name, limit=MAX_NAME)}<br>"
        f'<span style="color:{muted}">{count(g.n_features, "feature")}</span>'
        for g in drawn
    ]
    values = [g.contribution for g in drawn]
    texts = [g.words for g in drawn]
    hovers = [f"{escape(g.name, limit=80)}<br>{signed(g.contribution)}: {g.words}" for g in drawn]
    sketch = Sketch()
    add_bars(sketch, labels, values, texts, theme, hovers=hovers)
    frame_bars(sketch, labels, values, theme, row_height=GROUP_ROW, longest=max(map(len, texts)))
    return Chart(sketch.figure(), finding, table, alt)


def fold(groups: Sequence[GroupContribution], most: int = MOST_DRAWN) -> list[GroupContribution]:
    """Sum up the groups at the end that together have no more than a small share.

    Parameters
    ----------
    groups : sequence of GroupContribution
        The largest first.
    most : int
        So many are left as they are.
    """
    at = len(groups)
    while at > most and sum(group.share for group in groups[at - 1 :]) <= FOLDED:
        at -= 1
    rest = groups[at:]
    if len(rest) < 2:
        return list(groups)
    other = GroupContribution(
        name=count(len(rest), "other group"),
        contribution=sum(group.contribution for group in rest),
        share=sum(group.share for group in rest),
        n_features=sum(group.n_features for group in rest),
    )
    return [*groups[:at], other]
