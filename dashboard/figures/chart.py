"""What every figure function returns, and how untrusted text enters a figure.

`Chart` holds figure, finding, alternative text and table. Text goes in raw, and comes out
escaped for Plotly's markup.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure with everything that makes it readable without seeing it.

    Attributes
    ----------
    figure : plotly Figure
    finding : str
        The main finding in one sentence, with n and denominators. Plain text, not escaped.
    table : DataFrame
        The numbers drawn, for its table and CSV. Plain text, not escaped.
    alt : str
        Short name of the chart. Plain text, not escaped.
    """

    figure: go.Figure
    finding: str
    table: pd.DataFrame
    alt: str


def escape(text: object, *, limit: int | None = None) -> str:
    """Escape text of a user's file for Plotly, which renders a subset of HTML in any label.

    Parameters
    ----------
    text : object
        Shown as ``str(text)``; line breaks become spaces.
    limit : int, optional
        Longest text in characters; a longer one is cut and ends in an ellipsis.
    """
    plain = " ".join(str(text).split())
    if limit is not None and len(plain) > limit:
        plain = plain[: limit - 1].rstrip() + ELLIPSIS
    # A "%{" would be read as a template variable wherever a label passes through a template.
    return html.escape(plain, quote=False).replace("%{", "%&#123;")


def signed(value: float, digits: int = 2) -> str:
    """Return a number with its sign, a true minus, and no sign on a rounded zero."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return f"{'+' if value > 0 else '−'}{text}"
