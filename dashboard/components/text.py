"""Text shown as text: Markdown, math and HTML in a name, a cell or a note stay inert.

Text of a file or a user goes in, escaped Markdown comes out. Nothing fails.
"""

from __future__ import annotations

import re
from datetime import datetime

import streamlit as st

from camlif.wording import clock
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
    return clock(time, zone())


def zone() -> str:
    """Time zone of the browser."""
    return st.context.timezone or "UTC"
