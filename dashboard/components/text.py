"""Text from files shown as text: Markdown, math and HTML in a name or a cell stay inert."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:$<>&])")


def plain(text: object) -> str:
    """Escape everything that Markdown, its colour directives, math or HTML would interpret."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def count(n: int, noun: str, plural: str | None = None) -> str:
    """Say a number with its noun: "1 patient", "1,047 patients"."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def p_value(p: float | None) -> str:
    """Say a p-value to two significant digits, with a floor."""
    if p is None:
        return "p not given"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
