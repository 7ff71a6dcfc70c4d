"""Survival statistics: curves, tests of groups, ranking, probabilities and their calibration."""

from camlif.statistics.brier import brier_score, integrated_brier_score
from camlif.statistics.calibration import (
    Calibration,
    cross_fitted_survival,
    cross_fitted_survival_at_end,
    fit_calibration,
)
from camlif.statistics.concordance import (
    CIndexInterval,
    PairCounts,
    bootstrap_c_index,
    concordance_index,
    count_pairs,
)
from camlif.statistics.conformal import (
    Coverage,
    SurvivalBound,
    fit_survival_bound,
    measure_coverage,
)
from camlif.statistics.d_calibration import DCalibration, d_calibration
from camlif.statistics.decision import DecisionCurve, decision_curve
from camlif.statistics.discrimination import ipcw_c_index, time_dependent_auc
from camlif.statistics.gate import GateResult, calibration_gates, judge_predictions
from camlif.statistics.group_differences import (
    GroupDifferences,
    disjoint,
    group_differences,
)
from camlif.statistics.group_tests import (
    HazardRatio,
    LogRankResult,
    PairwiseLogRank,
    cox_table,
    group_hazard_ratios,
    log_rank,
    pairwise_log_rank,
    too_few,
)
from camlif.statistics.horizon import (
    CalibrationBin,
    CalibrationResult,
    calibration,
    observed_risk,
)
from camlif.statistics.kaplan_meier import KaplanMeierCurve, kaplan_meier, median_follow_up
from camlif.statistics.over_time import (
    HorizonPerformance,
    PerformanceOverTime,
    SubgroupPerformance,
    brier_times,
    performance_over_time,
    subgroup_performance,
)
from camlif.statistics.restricted_mean import RestrictedMeans, restricted_means
from camlif.statistics.split_p_values import SplitPValues, split_p_values

__all__ = [
    "CIndexInterval",
    "Calibration",
    "CalibrationBin",
    "CalibrationResult",
    "Coverage",
    "DCalibration",
    "DecisionCurve",
    "GateResult",
    "GroupDifferences",
    "HazardRatio",
    "HorizonPerformance",
    "KaplanMeierCurve",
    "LogRankResult",
    "PairCounts",
    "PairwiseLogRank",
    "PerformanceOverTime",
    "RestrictedMeans",
    "SplitPValues",
    "SubgroupPerformance",
    "SurvivalBound",
    "bootstrap_c_index",
    "brier_score",
    "brier_times",
    "calibration",
    "calibration_gates",
    "concordance_index",
    "count_pairs",
    "cox_table",
    "cross_fitted_survival",
    "cross_fitted_survival_at_end",
    "d_calibration",
    "decision_curve",
    "disjoint",
    "fit_calibration",
    "fit_survival_bound",
    "group_differences",
    "group_hazard_ratios",
    "integrated_brier_score",
    "ipcw_c_index",
    "judge_predictions",
    "kaplan_meier",
    "log_rank",
    "measure_coverage",
    "median_follow_up",
    "observed_risk",
    "pairwise_log_rank",
    "performance_over_time",
    "restricted_means",
    "split_p_values",
    "subgroup_performance",
    "time_dependent_auc",
    "too_few",
]
