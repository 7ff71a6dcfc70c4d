"""Pictures of charts for slides and papers, by ``pictures.js``: PNG, and SVG for a column."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_script = st.components.v2.component(
    "pictures", js=(Path(__file__).parent / "pictures.js").read_text(encoding="utf-8")
)


def mount() -> None:
    """Give every chart of the page its buttons."""
    _script(key="pictures")
