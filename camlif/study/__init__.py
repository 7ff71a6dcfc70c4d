"""Studies: many methods on the same folds of one cohort, resumable, with honest statistics."""

from camlif.study.records import (
    Comparison,
    NotApplicable,
    StudySettings,
    StudySummary,
    VariantSummary,
)
from camlif.study.store import Study, is_study, read_study

__all__ = [
    "Comparison",
    "NotApplicable",
    "Study",
    "StudySettings",
    "StudySummary",
    "VariantSummary",
    "is_study",
    "read_study",
]
