"""Linear skip: a log risk linear in all inputs and in cross-modal products, beside a network.

Standardised inputs go in, risks (n,) come out; nothing fails. It starts at the elastic-net Cox
solution of the training part (`camlif.linear.averaged`), so that the network learns only what that
solution leaves over.

Shapes: n cases, p columns of a modality, q clinical columns, k factors of a modality, j pairs of
modalities.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from camlif.config import NetworkConfig
from camlif.data.schema import FeatureSchema, ModalitySpec
from camlif.networks.interface import Inputs
from camlif.networks.layers import masked_mean, module_key


class LinearSkip(nn.Module):
    """Log risk ``sum_m w_m x_m + w_c c + sum_(l<m) (s_l' B_lm s_m - b_lm)`` with ``s_m = V_m x_m``.

    A modality, a feature group or a pair that the patient lacks adds nothing; a bag counts with the
    mean of its instances.

    Parameters
    ----------
    schema : FeatureSchema
    n_clinical : int
        Clinical columns that are read; may be 0.
    config : NetworkConfig
        ``skip_factors`` is k; with 0 there are no products.

    Attributes
    ----------
    weights : dict of Parameter, shape (p,), by modality
    clinical : Parameter, shape (q,), or None
    loadings : dict of Parameter V, shape (k, p), by modality
    products : Parameter B, shape (j, k, k), or None
        Pairs in the order of ``itertools.combinations``.
    level : Parameter b, shape (j,)
        Mean of each pair's product term over the training part.
    """

    def __init__(self, schema: FeatureSchema, n_clinical: int, config: NetworkConfig) -> None:
        super().__init__()
        self.modalities = schema.modalities
        self.pairs = tuple(combinations(range(len(self.modalities)), 2))
        self.n_factors = k = config.skip_factors
        self.n_crossed = config.skip_crossed
        self.weights = nn.ParameterDict(
            {module_key(m.name): nn.Parameter(torch.zeros(m.n_features)) for m in self.modalities}
        )
        self.clinical = nn.Parameter(torch.zeros(n_clinical)) if n_clinical else None
        self.loadings = nn.ParameterDict()
        self.products: nn.Parameter | None = None
        if k:
            self.loadings = nn.ParameterDict(
                {
                    module_key(m.name): nn.Parameter(torch.zeros(k, m.n_features))
                    for m in self.modalities
                }
            )
            self.products = nn.Parameter(torch.zeros(len(self.pairs), k, k))
            self.level = nn.Parameter(torch.zeros(len(self.pairs)))

    def fit_start(
        self,
        inputs: Inputs,
        event: NDArray[np.bool_],
        duration: NDArray[np.float64],
        *,
        entry: NDArray[np.float64] | None = None,
    ) -> None:
        """Set all parameters to the elastic-net Cox solution of a training part.

        Parameters
        ----------
        inputs : Inputs
            Standardised.
        event, duration : shape (n,)
        entry : shape (n,), optional

        Raises
        ------
        NoEventsError, EstimationError
            If a Cox model cannot be fitted.
        """
        from camlif.linear.averaged import fit_skip_start  # a fit needs it, scoring does not

        columns = [x.cpu().double().numpy() for x in self._columns(inputs)]
        clinical = inputs.clinical.cpu().double().numpy()
        start = fit_skip_start(
            columns,
            inputs.presence.cpu().numpy(),
            clinical if self.clinical is not None else clinical[:, :0],
            event,
            duration,
            entry=entry,
            n_factors=self.n_factors,
            n_crossed=self.n_crossed,
        )
        with torch.no_grad():
            for i, modality in enumerate(self.modalities):
                key = module_key(modality.name)
                _fill(self.weights[key], start.weights[i])
                if self.products is not None:
                    _fill(self.loadings[key], start.loadings[i])
            if self.clinical is not None:
                _fill(self.clinical, start.clinical)
            if self.products is not None:
                _fill(self.products, start.products)
                _fill(self.level, start.level)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the log risk, shape (n,)."""
        columns = self._columns(inputs)
        terms = [
            x @ self.weights[module_key(m.name)]
            for m, x in zip(self.modalities, columns, strict=True)
        ]
        if self.clinical is not None:
            terms.append(inputs.clinical @ self.clinical)
        if self.products is not None:
            terms += self._product_terms(self.products, columns, inputs.presence)
        return torch.stack(terms).sum(0)

    def _columns(self, inputs: Inputs) -> list[Tensor]:
        """Columns (n, p) of each modality, zero where the patient lacks them."""
        return [
            _visible(m, inputs.tables[m.name], inputs.masks[m.name], inputs.presence[..., i])
            for i, m in enumerate(self.modalities)
        ]

    def _product_terms(
        self, products: Tensor, columns: list[Tensor], presence: Tensor
    ) -> list[Tensor]:
        factors = [
            F.linear(x, self.loadings[module_key(m.name)])
            for m, x in zip(self.modalities, columns, strict=True)
        ]
        terms = []
        for j, (a, b) in enumerate(self.pairs):
            turned = F.linear(factors[a], products[j].transpose(0, 1))
            term = (turned * factors[b]).sum(-1) - self.level[j]
            terms.append(torch.where(presence[..., a] & presence[..., b], term, 0.0))
        return terms


def _visible(modality: ModalitySpec, x: Tensor, mask: Tensor, present: Tensor) -> Tensor:
    if modality.bag is not None:
        columns = masked_mean(x, mask)
    else:
        widths = [group.n_features for group in modality.groups]
        parts = zip(torch.split(x, widths, dim=-1), mask.unbind(-1), strict=True)
        columns = torch.cat([torch.where(m.unsqueeze(-1), p, 0.0) for p, m in parts], dim=-1)
    return torch.where(present.unsqueeze(-1), columns, 0.0)


def _fill(tensor: Tensor, values: NDArray[np.float64]) -> None:
    tensor.copy_(torch.as_tensor(values, dtype=tensor.dtype))
