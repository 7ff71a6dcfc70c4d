"""Attribution figures: what raises and lowers the log risk of a case or a cohort.

Contributions are in log risk: positive ones raise it, negative ones lower it.
"""

from dashboard.figures.attribution.attention import attention_map
from dashboard.figures.attribution.bars import (
    FeatureContribution,
    direction,
    feature_bars,
    modality_bars,
    waterfall,
)
from dashboard.figures.attribution.beeswarm import Explanation, beeswarm
from dashboard.figures.attribution.faithfulness import faithfulness_curves
from dashboard.figures.attribution.groups import (
    GroupContribution,
    dominance_sentence,
    fold,
    group_bars,
    sum_by_group,
)
from dashboard.figures.attribution.interactions import (
    Input,
    Pair,
    interaction_bars,
    interaction_map,
)
from dashboard.figures.attribution.model import case_blocks, method_agreement, owc_blocks
from dashboard.figures.attribution.paired import paired_group_bars
from dashboard.figures.attribution.shares import modality_share

__all__ = [
    "Explanation",
    "FeatureContribution",
    "GroupContribution",
    "Input",
    "Pair",
    "attention_map",
    "beeswarm",
    "case_blocks",
    "direction",
    "dominance_sentence",
    "faithfulness_curves",
    "feature_bars",
    "fold",
    "group_bars",
    "interaction_bars",
    "interaction_map",
    "method_agreement",
    "modality_bars",
    "modality_share",
    "owc_blocks",
    "paired_group_bars",
    "sum_by_group",
    "waterfall",
]
