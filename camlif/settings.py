"""What every class of settings shares: checks of values, effects, JSON and a digest.

Values go in by field name; a frozen dataclass comes out, or a `ConfigError` names the field and
what it admits. No value is taken for another, and none is kept that nothing reads.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, asdict, dataclass, fields
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType, UnionType
from typing import Any, ClassVar, Literal, Self, Union, get_args, get_origin, get_type_hints

from camlif.exceptions import ConfigError


@dataclass(frozen=True, slots=True)
class Needs:
    """When a setting has an effect.

    Attributes
    ----------
    holds : callable
        From the settings to whether it has.
    words : str
        The condition, as an error says it.
    """

    holds: Callable[[Any], bool]
    words: str


class Settings:
    """Checks, JSON round trip and digest shared by all settings classes.

    Every value is checked against its field's type, a closed choice against its values. A class
    adds its ranges in ``_check_ranges``, which runs after those of its parents, and in ``NEEDS``
    when a field has an effect: one that is not at its default without an effect is an error.
    """

    __slots__ = ()
    NEEDS: ClassVar[Mapping[str, Needs]] = MappingProxyType({})

    def __post_init__(self) -> None:
        known = fields(self)  # type: ignore[arg-type]  # always a dataclass
        kinds = _kinds(type(self))  # type: ignore[arg-type]  # mypy takes the class for an instance
        for each in known:
            _check_value(each.name, getattr(self, each.name), kinds[each.name])
        for cls in reversed(type(self).__mro__):
            check = vars(cls).get("_check_ranges")
            if check is not None:
                check(self)
        self.require_effect(each.name for each in known if self._is_own(each))

    def _is_own(self, each: Field[Any]) -> bool:
        """Whether a field was chosen, as far as its value tells."""
        return bool(getattr(self, each.name) != each.default)

    def require_effect(self, names: Iterable[str]) -> None:
        """Raise ConfigError for the first of some fields that nothing reads as settings are."""
        for name in names:
            needs = self.NEEDS.get(name)
            if needs is not None and not needs.holds(self):
                raise ConfigError(
                    f"{name}={getattr(self, name)!r} has no effect: it needs {needs.words}."
                )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]  # always a dataclass

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from plain values; unknown names raise ConfigError."""
        require_names(cls, data)
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})

    @property
    def digest(self) -> str:
        """SHA-256 of the JSON form."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


@cache
def _kinds(settings: type[Any]) -> dict[str, Any]:
    """Types of a class' fields, resolved once: a study makes hundreds of settings."""
    return get_type_hints(settings)


def require_names(kind: type[Any], given: Iterable[str]) -> None:
    """Raise ConfigError for names that are no settings of a class, with the nearest that are."""
    known = [f.name for f in fields(kind)]
    unknown = sorted(set(given) - set(known))
    if unknown:
        near = get_close_matches(unknown[0], known, n=2)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ConfigError(f"Unknown settings for {kind.__name__}: {', '.join(unknown)}.{meant}")


def check(condition: bool, message: str) -> None:
    """Raise ConfigError with the message unless the condition holds."""
    if not condition:
        raise ConfigError(message)


def _check_value(name: str, value: Any, kind: Any) -> None:
    """Refuse a value that a field's type does not admit; the error lists what it admits."""
    if not _admits(kind, value):
        raise ConfigError(f"{name} must be {_admitted(kind)}, not {value!r}.")


def _parts(kind: Any) -> tuple[Any, ...]:
    """Members of a union; any other type is its only one."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _admits(kind: Any, value: Any) -> bool:
    for part in _parts(kind):
        if get_origin(part) is Literal:
            found = any(value == one and type(value) is type(one) for one in get_args(part))
        elif get_origin(part) is tuple:
            inner = get_args(part)
            if inner[-1] is Ellipsis:
                found = isinstance(value, tuple) and all(_admits(inner[0], v) for v in value)
            else:
                found = (
                    isinstance(value, tuple)
                    and len(value) == len(inner)
                    and all(map(_admits, inner, value))
                )
        elif part is float:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            found = number and math.isfinite(value)
        elif part is int:
            found = isinstance(value, int) and not isinstance(value, bool)
        else:
            found = isinstance(value, part)
        if found:
            return True
    return False


_WORDS = {int: "a whole number", float: "a finite number", bool: "True or False", str: "text"}


def _admitted(kind: Any) -> str:
    words = []
    for part in _parts(kind):
        if get_origin(part) is Literal:
            words += [repr(one) for one in get_args(part)]
        elif get_origin(part) is tuple:
            inner = [one for one in get_args(part) if one is not Ellipsis]
            words.append(f"a tuple of ({', '.join(_admitted(one) for one in inner)})")
        elif part is type(None):
            words.append("None")
        else:
            words.append(_WORDS.get(part, getattr(part, "__name__", str(part))))
    return ("one of " if len(words) > 1 else "") + ", ".join(words)
