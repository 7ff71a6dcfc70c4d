"""Small networks on tokens, fitted and off their start, and what to feed them in tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from camlif.config import RivalConfig
from camlif.data.preprocessing import clinical_names
from camlif.data.schema import FeatureSchema, ModalitySpec
from camlif.networks.interface import FusionNetwork, Inputs, Outcome
from camlif.networks.registry import build_network, network_entry
from tests.builders.cohorts import make_schema
from tests.networks.batches import draw_outcome

TABLES = make_schema({"pathology": (3, 4), "genomics": (5, 2, 3)}, clinical=True)
BAG = make_schema({"genomics": (5, 2, 3)}, bags={"pathology": 6})
THREE = make_schema({"pathology": (3, 4), "genomics": (5, 2, 3), "ct": (4,)})
EVENT_TIMES = np.array([0.2, 0.4, 0.6, 0.8])


def settings_of(key: str, **changes: object) -> RivalConfig:
    config = network_entry(key).config
    return config(**{"dropout": 0.0, **changes})  # type: ignore[arg-type, return-value]


def build(schema: FeatureSchema, config: RivalConfig, *, seed: int = 0) -> Any:
    """Build a fitted float64 network in evaluation mode, vector parameters off their start."""
    torch.manual_seed(seed)
    network = build_network(schema, len(clinical_names(schema)), config)
    network.fit_outcome(np.ones(4, dtype=bool), EVENT_TIMES)
    with torch.no_grad():
        for p in network.double().parameters():
            if p.ndim == 1:
                p.add_(0.1 * torch.randn_like(p))
    return network.eval()


def outcome_of(network: FusionNetwork, inputs: Inputs) -> Outcome:
    outcome = draw_outcome(inputs)
    intervals = network.assign_intervals(outcome.duration.numpy())
    return outcome._replace(interval=None if intervals is None else torch.as_tensor(intervals))


def permuted_groups(
    schema: FeatureSchema, name: str, order: list[int]
) -> tuple[FeatureSchema, list[int]]:
    """Reorder the groups of one modality; returns the schema and the order of its columns."""
    modality = schema[name]
    starts = np.cumsum([0, *(group.n_features for group in modality.groups)])
    columns = [c for g in order for c in range(starts[g], starts[g + 1])]
    moved = ModalitySpec(name, tuple(modality.groups[g] for g in order))
    modalities = tuple(moved if m.name == name else m for m in schema.modalities)
    return FeatureSchema(modalities, schema.clinical), columns


def permuted_network(
    network: nn.Module, schema: FeatureSchema, config: RivalConfig, name: str, order: list[int]
) -> Any:
    """Build the network of a schema whose groups, and so tokenisers, come in another order."""
    other = build(schema, config, seed=9)
    state = network.state_dict()
    prefix = f"reader.tokenizers.{name}.groups."
    for new, old in enumerate(order):
        for key in [k for k in state if k.startswith(f"{prefix}{old}.")]:
            rest = key.removeprefix(f"{prefix}{old}.")
            other.get_parameter(f"{prefix}{new}.{rest}")  # it is there
            state[f"moved.{new}.{rest}"] = state[key]
    for key in [k for k in state if k.startswith("moved.")]:
        state[key.replace("moved.", prefix)] = state.pop(key)
    other.load_state_dict(state)
    return other


def padded(inputs: Inputs, name: str, extra: int) -> Inputs:
    """Append masked instances, with values that must not matter."""
    table, mask = inputs.tables[name], inputs.masks[name]
    noise = torch.randn(len(table), extra, table.shape[-1], dtype=table.dtype)
    hidden = torch.zeros(len(table), extra, dtype=torch.bool)
    return inputs._replace(
        tables={**inputs.tables, name: torch.cat([table, noise], dim=1)},
        masks={**inputs.masks, name: torch.cat([mask, hidden], dim=1)},
    )
