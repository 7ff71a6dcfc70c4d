"""Networks by the name of their architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from camlif.config import NetworkConfig
from camlif.data.schema import FeatureSchema
from camlif.networks.camlif import CaMlif
from camlif.networks.interface import FusionNetwork
from camlif.networks.unimodal import UnimodalEncoder

NETWORKS: Mapping[str, Callable[[FeatureSchema, int, NetworkConfig], FusionNetwork]] = {
    "camlif": CaMlif,
    "unimodal": UnimodalEncoder,
}


def build_network(schema: FeatureSchema, n_clinical: int, config: NetworkConfig) -> FusionNetwork:
    """Build the network that ``config.architecture`` names.

    Parameters
    ----------
    schema : FeatureSchema
    n_clinical : int
        Encoded clinical columns; may be 0.
    config : NetworkConfig

    Raises
    ------
    SchemaError
        If the architecture cannot take the schema.
    """
    return NETWORKS[config.architecture](schema, n_clinical, config)


class _WithoutInitialisation(TorchFunctionMode):
    """Leave parameters as they are made.

    Without storage there is nothing to fill, yet the first call of an initialiser there imports
    a second's worth of torch.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # the protocol's
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if getattr(func, "__module__", None) == torch.nn.init.__name__:
            return args[0] if args else named["tensor"]
        return func(*args, **named)


def build_architecture(
    schema: FeatureSchema, n_clinical: int, config: NetworkConfig
) -> FusionNetwork:
    """Build the network without storage, in evaluation mode: shapes, and a graph to run members.

    Draws no random number. Parameters and errors as for `build_network`.
    """
    with torch.device("meta"), _WithoutInitialisation():
        return build_network(schema, n_clinical, config).eval()
