"""Numbers in sentences, the same in messages, pages and papers."""

from __future__ import annotations


def count(n: int, noun: str, plural: str | None = None) -> str:
    """Return ``1 patient``, ``1,253 patients``."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"
