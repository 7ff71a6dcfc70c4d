"""Random network inputs and small schemas for tests of networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from camlif.config import NetworkConfig
from camlif.data.preprocessing import clinical_names
from camlif.data.schema import FeatureSchema
from camlif.networks.camlif import CaMlif
from camlif.networks.interface import Inputs, Outcome

SMALL = {"width": 8, "mam_width": 5, "lmf_width": 6, "lmf_rank": 2, "owc_hidden": 7}


def small_config(**changes: object) -> NetworkConfig:
    """Return narrow settings without dropout."""
    settings = {**SMALL, "dropout": 0.0, "embed_dropout": (0.0, 0.0), **changes}
    return NetworkConfig(**settings)  # type: ignore[arg-type]  # checked by the class


def build(schema: FeatureSchema, config: NetworkConfig, *, seed: int = 0) -> CaMlif:
    """Build a float64 network from a seed, with every vector parameter away from its start."""
    torch.manual_seed(seed)
    network = CaMlif(schema, len(clinical_names(schema)), config).double()
    with torch.no_grad():
        for p in network.parameters():
            if p.ndim == 1:
                p.add_(0.1 * torch.randn_like(p))
    return network


def draw_inputs(
    schema: FeatureSchema,
    n: int,
    *,
    seed: int = 1,
    instances: int = 3,
    dtype: torch.dtype | None = None,
) -> Inputs:
    """Draw complete standard normal inputs; bags have ``instances`` each."""
    g = torch.Generator().manual_seed(seed)
    dtype = dtype or torch.float64
    tables, masks = {}, {}
    for m in schema.modalities:
        shape = (n, instances, m.n_features) if m.bag else (n, m.n_features)
        tables[m.name] = torch.randn(shape, generator=g, dtype=dtype)
        masks[m.name] = torch.ones(n, instances if m.bag else len(m.groups), dtype=torch.bool)
    return Inputs(
        tables=tables,
        masks=masks,
        presence=torch.ones(n, len(schema.modalities), dtype=torch.bool),
        clinical=torch.randn(n, len(clinical_names(schema)), generator=g, dtype=dtype),
    )


def draw_outcome(inputs: Inputs, *, seed: int = 2) -> Outcome:
    """Draw an outcome with about two events in three."""
    g = torch.Generator().manual_seed(seed)
    n = len(inputs.presence)
    return Outcome(
        event=torch.rand(n, generator=g) < 0.67,
        duration=torch.rand(n, generator=g, dtype=torch.float64),
        presence=inputs.presence,
    )


def take(inputs: Inputs, rows: list[int] | Tensor) -> Inputs:
    """Return the inputs of some patients."""
    return Inputs(
        tables={m: t[rows] for m, t in inputs.tables.items()},
        masks={m: t[rows] for m, t in inputs.masks.items()},
        presence=inputs.presence[rows],
        clinical=inputs.clinical[rows],
    )


def n_parameters(module: nn.Module) -> int:
    """Count trainable numbers."""
    return sum(p.numel() for p in module.parameters())
