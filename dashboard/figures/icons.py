"""Icon array: 100 people as an inline SVG, whole numbers that always total 100.

A number of 100 goes in, an SVG text comes out. Raises ValueError outside 0 to 100.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from dashboard.figures.palette import Theme, palette

PEOPLE = 100
PER_ROW = 10
CELL = 24
_PERSON = (
    "M12 3.2a3.1 3.1 0 1 1 0 6.2 3.1 3.1 0 0 1 0-6.2zM6.5 21v-6.6a4 4 0 0 1 4-4h3a4 4 0 0 1 4 4V21z"
)
_CROSS = "M5.5 7.5l2-2 4.5 4.5 4.5-4.5 2 2-4.5 4.5 4.5 4.5-2 2-4.5-4.5-4.5 4.5-2-2 4.5-4.5z"


def largest_remainder(shares: Sequence[float], total: int = PEOPLE) -> tuple[int, ...]:
    """Round shares to whole numbers that add up to ``total``.

    Parameters
    ----------
    shares : sequence of float
        Not negative, not all 0; any scale.
    total : int

    Raises
    ------
    ValueError
        If a share is negative or not finite, or all are 0.

    Notes
    -----
    Units left over go to the largest remainders, ties to the first share.
    """
    values = np.asarray(shares, dtype=float)
    if not np.isfinite(values).all() or (values < 0).any() or values.sum() == 0:
        raise ValueError(f"Shares must be finite, not negative and not all 0, not {shares}.")
    exact = total * values / values.sum()
    whole = np.floor(exact).astype(int)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return tuple(int(n) for n in whole)


def icon_array(alive_of_100: float, *, sentence: str, theme: Theme) -> str:
    """Draw how many of 100 patients are free of the event.

    Parameters
    ----------
    alive_of_100 : float
        Percentage, 0 to 100.
    sentence : str
        What the picture says; becomes its accessible name. Escaped.
    theme : {"light", "dark"}

    Returns
    -------
    str
        Inline SVG with ``role="img"``.

    Raises
    ------
    ValueError
        If the percentage is not between 0 and 100.
    """
    if not 0 <= alive_of_100 <= PEOPLE:
        raise ValueError(f"alive_of_100 must be between 0 and 100, not {alive_of_100}.")
    p = palette(theme)
    alive, _ = largest_remainder((alive_of_100, PEOPLE - alive_of_100))
    side = CELL * PER_ROW
    name = html.escape(sentence, quote=True)
    # Paths are repeated, not referenced: sanitisers of inline SVG drop <use>.
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{name}" '
        f'viewBox="0 0 {side} {side}" width="100%" style="max-width:{side}px">'
        f'<title>{name}</title><g fill="{p.low}">{_icons(_PERSON, "alive", range(alive))}</g>'
        f'<g fill="none" stroke="{p.outline}" stroke-width="1.6" stroke-linejoin="round">'
        f"{_icons(_CROSS, 'event', range(alive, PEOPLE))}</g></svg>"
    )


def _icons(path: str, kind: str, places: range) -> str:
    return "".join(
        f'<path class="{kind}" d="{path}" '
        f'transform="translate({CELL * (i % PER_ROW)} {CELL * (i // PER_ROW)})"/>'
        for i in places
    )
