"""Why a patient has its risk: contributions of modalities and features over the ensemble.

Contributions describe the model's arithmetic, not causes of disease.
"""

from camlif.attribution.attention import AttentionWeights, attention_weights
from camlif.attribution.diagnostics import (
    BlockWeights,
    ContextEntropy,
    context_entropy,
    owc_weights,
)
from camlif.attribution.faithfulness import Faithfulness, OrderTest, Stability, check_explanations
from camlif.attribution.features import explain_features
from camlif.attribution.interactions import (
    Interactions,
    PairInteraction,
    Player,
    explain_interactions,
    strongest_features,
)
from camlif.attribution.methods import METHODS, Method
from camlif.attribution.modalities import explain_modalities
from camlif.attribution.results import (
    COLUMNS,
    Contribution,
    FeatureAttribution,
    ModalityAttribution,
    PlayerContributions,
    TopContributions,
    agreement,
)

__all__ = [
    "COLUMNS",
    "METHODS",
    "AttentionWeights",
    "BlockWeights",
    "ContextEntropy",
    "Contribution",
    "Faithfulness",
    "FeatureAttribution",
    "Interactions",
    "Method",
    "ModalityAttribution",
    "OrderTest",
    "PairInteraction",
    "Player",
    "PlayerContributions",
    "Stability",
    "TopContributions",
    "agreement",
    "attention_weights",
    "check_explanations",
    "context_entropy",
    "explain_features",
    "explain_interactions",
    "explain_modalities",
    "owc_weights",
    "strongest_features",
]
