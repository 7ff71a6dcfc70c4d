"""What the model would say if a case were different: exploration, not a prediction for a patient.

Changes stay within the range that the model was trained on. The members that score the case are
those that score it unchanged, so a training patient keeps its held-out ones however much is
changed. Nothing of an exploration enters a result, a file or a report of the case.
"""

from camlif.what_if.changes import (
    MEDIAN_PERCENT,
    Change,
    DropModality,
    Limits,
    SetClinical,
    SetFeature,
    SetGroup,
    clinical_level,
    clinical_limits,
    feature_limits,
)
from camlif.what_if.explore import Answer, ExploredCase, WhatIf

__all__ = [
    "MEDIAN_PERCENT",
    "Answer",
    "Change",
    "DropModality",
    "ExploredCase",
    "Limits",
    "SetClinical",
    "SetFeature",
    "SetGroup",
    "WhatIf",
    "clinical_level",
    "clinical_limits",
    "feature_limits",
]
