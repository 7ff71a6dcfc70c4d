"""A popover whose content is made once somebody opens it: most are never opened.

A label and a function that draws go in. Opening and closing draw the popover alone, not the page.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st


@st.fragment
def fill_when_opened(label: str, fill: Callable[[], None], *, key: str) -> None:
    """Draw a popover, and its content while it is open.

    Parameters
    ----------
    label : str
    fill : callable
        Draws the content; nothing that the rest of the page depends on.
    key : str
        Unique on the page.
    """
    box = st.popover(label, type="tertiary", key=key, on_change="rerun")
    if box.open:
        with box:
            fill()
