"""Text from files shown as text: Markdown, math and HTML in a name or a cell stay inert."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:$<>&])")


def plain(text: object) -> str:
    """Escape everything that Markdown, its colour directives, math or HTML would interpret."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))
