"""What every rival shares: the modalities that it takes, its settings and its clinical columns.

A schema and settings go in; a network of the shared contract (`camlif.networks.interface`) comes
out, or a `SchemaError` that says which modalities the method can read.
"""

from __future__ import annotations

from typing import ClassVar

from camlif.config import RivalConfig
from camlif.data.schema import FeatureSchema
from camlif.exceptions import SchemaError
from camlif.networks.interface import FusionNetwork
from camlif.networks.layers import module_key
from camlif.wording import count


def check_modalities(
    schema: FeatureSchema, title: str, *, at_least: int = 2, at_most: int | None = None
) -> None:
    """Refuse a schema that a method cannot read.

    Parameters
    ----------
    schema : FeatureSchema
    title : str
        Name of the method, for the error.
    at_least, at_most : int
        Modalities that it reads.

    Raises
    ------
    SchemaError
        With too few or too many modalities, or two names that differ in a full stop only.
    """
    n = len(schema.names)
    if at_most == 1 < n:
        raise SchemaError(
            f"{title} reads one modality; the cohort has {n}.",
            fix="Select one with Cohort.select.",
        )
    if n < at_least:
        raise SchemaError(
            f"{title} exchanges information between modalities.",
            found=f"{n} modality",
            expected=f"{at_least} or more",
            fix="Add a table, or compare single modalities in a study.",
        )
    if at_most is not None and n > at_most:
        raise SchemaError(
            f"{title} forms all products of the modalities' entries, too many beyond {at_most}.",
            found=f"{count(n, 'modality', 'modalities')}",
            expected=f"{at_most} or fewer",
            fix="Use PG-MLIF, whose cost is linear in the modalities, or select fewer.",
        )
    if len({module_key(name) for name in schema.names}) < n:
        raise SchemaError(
            "Two modality names are too much alike to name parameters by.",
            found=", ".join(schema.names),
            fix="Rename one of them.",
        )


class RivalNetwork(FusionNetwork):
    """A published or generic rival of CA-MLIF.

    A subclass is built from (schema, n_clinical, config): tables or bags, from ``at_least`` to
    ``at_most`` of them; encoded clinical columns, which may be 0; the settings of the method.

    Parameters
    ----------
    schema : FeatureSchema
    config : RivalConfig

    Attributes
    ----------
    at_least, at_most : int or None
        How many modalities the method reads.
    names : tuple of str
        The modalities, in the schema's order.

    Raises
    ------
    SchemaError
        See `check_modalities`.
    """

    at_least: ClassVar[int] = 2
    at_most: ClassVar[int | None] = None

    def __init__(self, schema: FeatureSchema, config: RivalConfig) -> None:
        super().__init__()
        check_modalities(schema, self.title, at_least=self.at_least, at_most=self.at_most)
        self.config = config
        self.names = schema.names
