"""Attribution figures: what raises and lowers the log risk of a case or a cohort.

Contributions are in log risk: positive ones raise it, negative ones lower it.
"""

from dashboard.figures.attribution.bars import (
    FeatureContribution,
    feature_bars,
    modality_bars,
    waterfall,
)
from dashboard.figures.attribution.beeswarm import Explanation, beeswarm
from dashboard.figures.attribution.model import method_agreement, owc_blocks
from dashboard.figures.attribution.shares import modality_share

__all__ = [
    "Explanation",
    "FeatureContribution",
    "beeswarm",
    "feature_bars",
    "method_agreement",
    "modality_bars",
    "modality_share",
    "owc_blocks",
    "waterfall",
]
