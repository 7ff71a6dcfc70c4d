"""Values of a model folder's JSON, read as what they were written from.

Plain values go in; dataclasses, numbers or text come out. Raises `ValueError` where a field is
absent, unknown, of another type or not finite.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter

Stored = TypeVar("Stored")
STRICT = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")


def read_stored(kind: type[Stored], values: Any) -> tuple[Stored, ...]:
    """Read a list of values of one type.

    Parameters
    ----------
    kind : type
        Such as a dataclass, whose fields may be of dataclasses, too.
    values : list
        As JSON has them, one a value.

    Raises
    ------
    ValueError
        If one is none of the type.
    """
    reader = TypeAdapter(list[kind], config=STRICT)  # type: ignore[valid-type]
    return tuple(reader.validate_json(json.dumps(values)))
