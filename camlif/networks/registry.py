"""Networks by the name of their architecture.

A name, a schema and settings go in, a network comes out. Raises `ConfigError` for an unknown name.
A rival lives in one file of this package and registers itself there::

    @register("mcat", title="MCAT", config=McatConfig, native=NATIVE, citation="...", source="...")
    class Mcat(FusionNetwork): ...
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from camlif.config import NetworkConfig, RivalConfig, TrainConfig
from camlif.data.schema import FeatureSchema
from camlif.exceptions import ConfigError
from camlif.networks.interface import FusionNetwork

AnyNetworkConfig = NetworkConfig | RivalConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkEntry:
    """A registered architecture.

    Attributes
    ----------
    key, title : str
        Name in commands and files, and in figures.
    network : type
        Built from (schema, n_clinical, config).
    config : type of settings
        All fields but ``architecture`` have defaults.
    native : TrainConfig
        Training as the method's authors published it.
    citation : str
        First author, venue and year.
    source : str
        Where the settings of ``native`` were read: files of the authors' code, or the paper.
    """

    key: str
    title: str
    network: Callable[[FeatureSchema, int, Any], FusionNetwork]
    config: type[AnyNetworkConfig]
    native: TrainConfig
    citation: str
    source: str


_ENTRIES: dict[str, NetworkEntry] = {}
_OWN = {"camlif": "camlif.networks.camlif", "unimodal": "camlif.networks.rivals.unimodal"}
"""Homes of the architectures that the pages use: they are had without the rivals' imports."""


def register(
    key: str,
    *,
    title: str,
    config: type[AnyNetworkConfig],
    native: TrainConfig,
    citation: str,
    source: str,
) -> Callable[[type[FusionNetwork]], type[FusionNetwork]]:
    """Enter a network class under its key, and tell the class its title.

    Parameters
    ----------
    key, title, config, native, citation, source
        As in `NetworkEntry`.
    """

    def enter(network: type[FusionNetwork]) -> type[FusionNetwork]:
        network.title = title
        _ENTRIES[key] = NetworkEntry(
            key=key,
            title=title,
            network=network,
            config=config,
            native=native,
            citation=citation,
            source=source,
        )
        return network

    return enter


@cache
def networks() -> dict[str, NetworkEntry]:
    """Return every registered architecture by key; imports all files of the package once."""
    package = importlib.import_module("camlif.networks")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    return dict(sorted(_ENTRIES.items()))


def network_entry(key: str) -> NetworkEntry:
    """Return one registered architecture.

    Raises
    ------
    ConfigError
        If no architecture has the name; all names are listed.
    """
    if key in _OWN:
        importlib.import_module(_OWN[key])
    entry = _ENTRIES.get(key) or networks().get(key)
    if entry is None:
        raise ConfigError(f"Unknown network {key!r}. Choose one of {', '.join(networks())}.")
    return entry


def build_network(
    schema: FeatureSchema, n_clinical: int, config: AnyNetworkConfig
) -> FusionNetwork:
    """Build the network that ``config.architecture`` names.

    Parameters
    ----------
    schema : FeatureSchema
    n_clinical : int
        Encoded clinical columns; may be 0.
    config : NetworkConfig or a rival's settings

    Raises
    ------
    SchemaError
        If the architecture cannot take the schema.
    """
    return network_entry(config.architecture).network(schema, n_clinical, config)


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
    schema: FeatureSchema, n_clinical: int, config: AnyNetworkConfig
) -> FusionNetwork:
    """Build the network without storage, in evaluation mode: shapes, and a graph to run members.

    Draws no random number.

    Parameters
    ----------
    schema, n_clinical, config
        As in `build_network`, and so the errors.
    """
    with torch.device("meta"), _WithoutInitialisation():
        return build_network(schema, n_clinical, config).eval()
