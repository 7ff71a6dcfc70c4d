"""Every registered network in each of its heads, built and fitted for tests without naming it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np
import torch
from torch import Tensor, nn

from camlif.config import TrainConfig
from camlif.data.preprocessing import clinical_names
from camlif.data.schema import FeatureSchema
from camlif.exceptions import SchemaError
from camlif.networks.interface import FusionNetwork, Inputs, Outcome, Step
from camlif.networks.registry import (
    AnyNetworkConfig,
    build_architecture,
    build_network,
    network_entry,
    networks,
)
from tests.builders.cohorts import make_schema
from tests.networks.batches import draw_inputs, draw_outcome

P, C, G = "pathology", "ct", "genomics"
N_CLASSES = 3
SCHEMAS = {
    "two": make_schema({P: (3, 4), C: (5, 2)}, clinical=True),
    "three": make_schema({P: (3, 4), C: (6,), G: (2, 1, 2, 3, 2, 1)}, clinical=True),
    "one": make_schema({P: (2, 1, 2, 3, 2, 1)}, clinical=True),
    "one group": make_schema({P: (6,)}),
    "single groups": make_schema({P: (6,), G: (4,)}),
    "bag": make_schema({C: (5, 2)}, bags={P: 4}, clinical=True),
}


def with_known(config: AnyNetworkConfig, **changes: object) -> AnyNetworkConfig:
    """Change the settings that the class has; leave out those it lacks."""
    known = {f.name for f in fields(config)}
    return replace(config, **{k: v for k, v in changes.items() if k in known})  # type: ignore[arg-type]


def every_network() -> dict[str, AnyNetworkConfig]:
    """Settings by a readable name: each network, matched and native where it has both."""
    configs = {}
    for key, entry in networks().items():
        config = with_known(entry.config(architecture=key), aux_classes=N_CLASSES)
        if not hasattr(config, "head"):
            configs[key] = config
            continue
        for head in ("matched", "native"):
            configs[f"{key}-{head}"] = with_known(config, head=head)
    return configs


def unbounded(config: AnyNetworkConfig) -> AnyNetworkConfig:
    """Switch off an output bound."""
    return with_known(config, bounded=False)


def without_dropout(network: FusionNetwork) -> FusionNetwork:
    """Switch off every dropout layer in place."""
    for layer in network.modules():
        if isinstance(layer, (nn.Dropout, nn.AlphaDropout)):
            layer.p = 0.0
    return network


def accepts(config: AnyNetworkConfig, schema: FeatureSchema) -> bool:
    """Whether the network can be built for the schema."""
    try:
        build_architecture(schema, len(clinical_names(schema)), config)
    except SchemaError:
        return False
    return True


def first_accepted(config: AnyNetworkConfig) -> FeatureSchema:
    """Return the first of `SCHEMAS` that the network takes."""
    return next(schema for schema in SCHEMAS.values() if accepts(config, schema))


def every_accepted() -> dict[str, tuple[AnyNetworkConfig, FeatureSchema]]:
    """Return all pairs of a network and a schema that it takes, by a readable name."""
    return {
        f"{name}-{label}": (config, schema)
        for name, config in every_network().items()
        for label, schema in SCHEMAS.items()
        if accepts(config, schema)
    }


def draw(
    schema: FeatureSchema, n: int, *, seed: int = 1, dtype: torch.dtype = torch.float32
) -> tuple[Inputs, Outcome]:
    """Draw inputs and an outcome with a class label of which one in five is missing."""
    inputs = draw_inputs(schema, n, seed=seed, dtype=dtype)
    outcome = draw_outcome(inputs, seed=seed + 1)
    label = torch.arange(n) % N_CLASSES
    return inputs, outcome._replace(label=torch.where(torch.arange(n) % 5 == 4, -1, label))


def fitted(
    config: AnyNetworkConfig,
    schema: FeatureSchema,
    inputs: Inputs,
    outcome: Outcome,
    *,
    seed: int = 0,
) -> tuple[FusionNetwork, Outcome]:
    """Build a network, let it take what it takes from data, and fill the outcome's intervals."""
    torch.manual_seed(seed)
    network = build_network(schema, len(clinical_names(schema)), config)
    network = network.to(inputs.clinical.dtype)
    event, duration = outcome.event.numpy(), outcome.duration.numpy().astype(np.float64)
    network.fit_outcome(event, duration)
    network.fit_start(inputs, event, duration)
    intervals = network.assign_intervals(duration)
    interval = None if intervals is None else torch.as_tensor(intervals)
    return network, outcome._replace(interval=interval)


def native_training(config: AnyNetworkConfig) -> TrainConfig:
    """Training as published."""
    return network_entry(config.architecture).native


def every_step(network: FusionNetwork, config: AnyNetworkConfig) -> Iterator[Step]:
    """Two batches, the first and the second, of each stage of the native training."""
    for stage in network.stages(native_training(config)):
        yield from (Step(stage.name, batch, batch) for batch in (0, 1))


def penalty_of(network: FusionNetwork, step: Step) -> dict[str, Tensor]:
    """Penalties of a single network: its parameters as a stack of one."""
    state = dict(network.named_parameters()) | dict(network.named_buffers())
    penalties = network.penalty({k: p.unsqueeze(0) for k, p in state.items()}, step)
    return {name: value.squeeze(0) for name, value in penalties.items()}
