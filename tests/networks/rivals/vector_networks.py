"""Rivals on vectors, built for tests."""

from __future__ import annotations

import torch
from torch import Tensor

from camlif.data.schema import FeatureSchema
from camlif.networks.interface import FusionNetwork
from camlif.networks.registry import (
    AnyNetworkConfig,
    build_network,
    network_entry,
)
from tests.builders.cohorts import make_schema

P, G, C = "pathology", "genomics", "ct"
TWO = make_schema({P: (3, 4), G: (2, 2, 2)})
THREE = make_schema({P: (3, 4), C: (5,), G: (2, 2, 2)})
FOUR = make_schema({P: (3,), C: (5,), G: (4,), "mri": (2,)})
REFERENCE = make_schema({P: (58, 290, 290, 155), G: (54, 54, 53, 53, 53, 53)})
STAGED = ("pathomic_fusion", "pg_mlif")
BOUNDED = (*STAGED, "gpdbn", "multicofusion")
KEYS = (*BOUNDED, "concat", "tensor_fusion")


def settings(key: str, **changes: object) -> AnyNetworkConfig:
    return network_entry(key).config(architecture=key, **changes)  # type: ignore[arg-type]


def native(key: str, **changes: object) -> AnyNetworkConfig:
    return settings(key, head="native", **changes)


def build(schema: FeatureSchema, config: AnyNetworkConfig, *, seed: int = 0) -> FusionNetwork:
    """Float64 network in evaluation mode with every vector parameter away from its start."""
    torch.manual_seed(seed)
    network = build_network(schema, 0, config).double().eval()
    with torch.no_grad():
        for p in network.parameters():
            if p.ndim == 1:
                p.add_(0.1 * torch.randn_like(p))
    return network


def stacked_state(network: FusionNetwork) -> dict[str, Tensor]:
    """Two members: the network and its double."""
    return {name: torch.stack([p, 2 * p]) for name, p in network.named_parameters()}
