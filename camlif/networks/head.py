"""Risk head with the clinical branch.

A fused vector (n, d) and clinical columns (n, q) go in, log risks (n,) come out.
Nothing fails. The ways to add clinical columns are decisions where An et al., AAAI 2025, is silent.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camlif.config import NetworkConfig, RivalConfig

RISK_BOUND = 3.0  # the predecessors' output range is (-3, 3)
CLINICAL_DROPOUT = 0.25


class RiskHead(nn.Module):
    """Regress the log hazard ratio on a fused vector and the clinical columns.

    Parameters
    ----------
    width : int
        Of the fused vector.
    n_clinical : int
        Encoded clinical columns, q; may be 0.
    config : NetworkConfig
        ``clinical``: "concat" appends a hidden layer of the columns, "additive" adds a linear term
        whose coefficients are log hazard ratios.
    """

    def __init__(self, width: int, n_clinical: int, config: NetworkConfig) -> None:
        super().__init__()
        self.kind = config.clinical if n_clinical else "none"
        self.n_clinical = 0 if self.kind == "none" else n_clinical
        self.risk_range = config.risk_range
        self.dropout = nn.Dropout(config.dropout)
        if self.kind == "concat":
            self.clinical = nn.Linear(n_clinical, config.clinical_width)
            width += config.clinical_width
        elif self.kind == "additive":
            self.clinical = nn.Linear(n_clinical, 1, bias=False)
        self.hidden = nn.Linear(width, config.head_hidden) if config.head_hidden else None
        # Cox loss cannot see a constant, so a bias is identified only where the range is bounded.
        self.out = nn.Linear(config.head_hidden or width, 1, bias=self.risk_range != "unbounded")

    def forward(self, x: Tensor, clinical: Tensor) -> Tensor:
        """Regress: (n, width), (n, q) -> (n,)."""
        if self.kind == "concat":
            x = torch.cat([x, self.dropout(F.relu(self.clinical(clinical)))], dim=-1)
        if self.hidden is not None:
            x = F.relu(self.hidden(x))
        risk: Tensor = self.out(x)
        if self.kind == "additive":
            risk = risk + self.clinical(clinical)
        risk = risk.squeeze(-1)
        match self.risk_range:
            case "sigmoid6":
                return 2 * RISK_BOUND * torch.sigmoid(risk) - RISK_BOUND
            case "tanh":
                return RISK_BOUND * torch.tanh(risk / RISK_BOUND)
            case _:
                return risk


class ClinicalConcat(nn.Module):
    """Append a hidden layer of the clinical columns to a rival's last vector, as CA-MLIF does.

    Parameters
    ----------
    width : int
        Of the vector.
    n_clinical : int
        Encoded clinical columns; 0 leaves the vector as it is, without parameters.
    config : RivalConfig

    Attributes
    ----------
    width : int
        Of the result.
    n_clinical : int
        Columns that are read.
    """

    def __init__(self, width: int, n_clinical: int, config: RivalConfig) -> None:
        super().__init__()
        self.n_clinical = n_clinical if config.clinical == "concat" else 0
        self.width = width + (config.clinical_width if self.n_clinical else 0)
        if self.n_clinical:
            self.hidden = nn.Linear(self.n_clinical, config.clinical_width)
            self.dropout = nn.Dropout(CLINICAL_DROPOUT)

    def forward(self, x: Tensor, clinical: Tensor) -> Tensor:
        """Append: (n, width), (n, q) -> (n, width of the result)."""
        if not self.n_clinical:
            return x
        return torch.cat([x, self.dropout(F.relu(self.hidden(clinical)))], dim=-1)
