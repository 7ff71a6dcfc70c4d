"""Changes of a manifest as data, so that each can be listed, repeated and taken back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from camlif.data.manifest import MANIFEST, Manifest
from camlif.exceptions import SchemaError


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a manifest gets another value.

    Attributes
    ----------
    path : tuple of str
        Sections and entry: ``("clinical", "duration_unit")``.
    value : object
        Text, number, list or dictionary of these; None takes the entry out.
    add : bool
        Whether a list is lengthened by the new members of ``value`` instead of replaced.
    """

    path: tuple[str, ...]
    value: Any
    add: bool = False


def apply_changes(manifest: Manifest, changes: Iterable[Change]) -> Manifest:
    """Return the manifest with the changes made, in their order.

    Raises
    ------
    SchemaError
        If the result is no valid manifest.
    """
    data = manifest.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    for change in changes:
        section = data
        for name in change.path[:-1]:
            section = section.setdefault(name, {})
        key = change.path[-1]
        if change.value is None:
            section.pop(key, None)
        elif change.add:
            section[key] = list(dict.fromkeys([*section.get(key, ()), *change.value]))
        else:
            section[key] = change.value
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise SchemaError(
            f"The entry {'.'.join(map(str, first['loc']))} can't be set: {first['msg']}.",
            file=MANIFEST,
        ) from error
