"""Measures of ranking, of survival probabilities and of calibration."""

from camlif.metrics.brier import brier_score, integrated_brier_score
from camlif.metrics.concordance import (
    CIndexInterval,
    PairCounts,
    bootstrap_c_index,
    concordance_index,
    count_pairs,
)
from camlif.metrics.discrimination import ipcw_c_index, time_dependent_auc
from camlif.metrics.horizon import CalibrationBin, CalibrationResult, calibration

__all__ = [
    "CIndexInterval",
    "CalibrationBin",
    "CalibrationResult",
    "PairCounts",
    "bootstrap_c_index",
    "brier_score",
    "calibration",
    "concordance_index",
    "count_pairs",
    "integrated_brier_score",
    "ipcw_c_index",
    "time_dependent_auc",
]
