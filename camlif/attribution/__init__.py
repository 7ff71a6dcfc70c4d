"""Why a patient has its risk: contributions of modalities and features over the ensemble.

Contributions describe the model's arithmetic, not causes of disease.
"""

from camlif.attribution.diagnostics import (
    BlockWeights,
    ContextEntropy,
    context_entropy,
    owc_weights,
)
from camlif.attribution.features import explain_features
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
    "BlockWeights",
    "ContextEntropy",
    "Contribution",
    "FeatureAttribution",
    "Method",
    "ModalityAttribution",
    "PlayerContributions",
    "TopContributions",
    "agreement",
    "context_entropy",
    "explain_features",
    "explain_modalities",
    "owc_weights",
]
