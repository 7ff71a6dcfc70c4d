"""Kaplan-Meier curves, comparisons of groups, and absolute risk from held-out risks."""

from camlif.survival.absolute_risk import (
    Calibration,
    GateResult,
    calibration_gate,
    cross_fitted_survival,
    fit_calibration,
    gate_reason,
)
from camlif.survival.comparison import (
    HazardRatio,
    LogRankResult,
    PairwiseLogRank,
    cox_table,
    group_hazard_ratios,
    log_rank,
    pairwise_log_rank,
    too_few,
)
from camlif.survival.curves import KaplanMeierCurve, kaplan_meier, median_follow_up
from camlif.survival.split_p_values import SplitPValues, split_p_values

__all__ = [
    "Calibration",
    "GateResult",
    "HazardRatio",
    "KaplanMeierCurve",
    "LogRankResult",
    "PairwiseLogRank",
    "SplitPValues",
    "calibration_gate",
    "cox_table",
    "cross_fitted_survival",
    "fit_calibration",
    "gate_reason",
    "group_hazard_ratios",
    "kaplan_meier",
    "log_rank",
    "median_follow_up",
    "pairwise_log_rank",
    "split_p_values",
    "too_few",
]
