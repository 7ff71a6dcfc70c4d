"""Networks by the name of their architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
