"""Text shown as text: Markdown, math and HTML in a name, a cell or a note stay inert.

Text of a file or a user goes in, escaped Markdown comes out. Nothing fails.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from dashboard.session.keys import SessionKey

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:$<>&])")


def plain(text: object) -> str:
    """Escape everything that Markdown, its colour directives, math or HTML would interpret."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def plain_lines(text: str) -> str:
    """Escape as `plain` does and keep the lines."""
    return "  \n".join(plain(line) for line in text.splitlines())


def say_refusal(refused: SessionKey[str]) -> None:
    """Say once why what was sent was not kept."""
    why = refused.pop()
    if why:
        st.error(plain(why))


def moment(time: datetime) -> str:
    """Say a time as clocks show it where the browser is."""
    try:
        zone = ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return f"{time.astimezone(UTC):%d %b %Y, %H:%M} UTC"
    return f"{time.astimezone(zone):%d %b %Y, %H:%M %Z}"
