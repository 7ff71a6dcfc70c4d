"""Measures of ranking, of survival probabilities and of calibration."""

from camlif.metrics.brier import brier_score, integrated_brier_score
from camlif.metrics.concordance import (
    CIndexInterval,
    PairCounts,
    bootstrap_c_index,
    concordance_index,
    count_pairs,
)
from camlif.metrics.decision import DecisionCurve, decision_curve
from camlif.metrics.discrimination import ipcw_c_index, time_dependent_auc
from camlif.metrics.horizon import CalibrationBin, CalibrationResult, calibration
from camlif.metrics.over_time import (
    HorizonPerformance,
    PerformanceOverTime,
    brier_times,
    performance_over_time,
)
from camlif.metrics.subgroups import SubgroupPerformance, subgroup_performance

__all__ = [
    "CIndexInterval",
    "CalibrationBin",
    "CalibrationResult",
    "DecisionCurve",
    "HorizonPerformance",
    "PairCounts",
    "PerformanceOverTime",
    "SubgroupPerformance",
    "bootstrap_c_index",
    "brier_score",
    "brier_times",
    "calibration",
    "concordance_index",
    "count_pairs",
    "decision_curve",
    "integrated_brier_score",
    "ipcw_c_index",
    "performance_over_time",
    "subgroup_performance",
    "time_dependent_auc",
]
