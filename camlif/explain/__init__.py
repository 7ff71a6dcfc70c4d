"""Why a patient has its risk, and what the model would say if the patient were different.

Contributions of modalities and features over the ensemble, and explorations of changed cases. Both
describe the model's arithmetic, not causes of disease.
"""

from camlif.explain.attention import AttentionWeights, attention_weights
from camlif.explain.changes import (
    MEDIAN_PERCENT,
    DropModality,
    SetClinical,
    SetFeature,
    SetGroup,
    TrainingLimits,
    WhatIfChange,
    clinical_level,
    clinical_limits,
    feature_limits,
)
from camlif.explain.diagnostics import (
    BlockWeights,
    ContextEntropy,
    context_entropy,
    owc_weights,
)
from camlif.explain.faithfulness import Faithfulness, OrderTest, Stability, check_explanations
from camlif.explain.features import explain_features
from camlif.explain.interactions import (
    Interactions,
    PairInteraction,
    Player,
    explain_interactions,
    strongest_features,
)
from camlif.explain.methods import METHODS, Method
from camlif.explain.modalities import explain_modalities
from camlif.explain.results import (
    COLUMNS,
    Contribution,
    FeatureAttribution,
    ModalityAttribution,
    PlayerContributions,
    TopContributions,
    agreement,
)
from camlif.explain.what_if import Answer, ExploredCase, WhatIf

__all__ = [
    "COLUMNS",
    "MEDIAN_PERCENT",
    "METHODS",
    "Answer",
    "AttentionWeights",
    "BlockWeights",
    "ContextEntropy",
    "Contribution",
    "DropModality",
    "ExploredCase",
    "Faithfulness",
    "FeatureAttribution",
    "Interactions",
    "Method",
    "ModalityAttribution",
    "OrderTest",
    "PairInteraction",
    "Player",
    "PlayerContributions",
    "SetClinical",
    "SetFeature",
    "SetGroup",
    "Stability",
    "TopContributions",
    "TrainingLimits",
    "WhatIf",
    "WhatIfChange",
    "agreement",
    "attention_weights",
    "check_explanations",
    "clinical_level",
    "clinical_limits",
    "context_entropy",
    "explain_features",
    "explain_interactions",
    "explain_modalities",
    "feature_limits",
    "owc_weights",
    "strongest_features",
]
