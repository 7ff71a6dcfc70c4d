"""Measures of ranking, of survival probabilities and of calibration."""

from camlif.metrics.concordance import (
    CIndexInterval,
    PairCounts,
    bootstrap_c_index,
    concordance_index,
    count_pairs,
)

__all__ = [
    "CIndexInterval",
    "PairCounts",
    "bootstrap_c_index",
    "concordance_index",
    "count_pairs",
]
