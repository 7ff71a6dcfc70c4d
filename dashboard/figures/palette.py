"""Colours of both themes and the second codes (dash, symbol, fill, pattern) that go with them.

A theme or a role goes in, a colour and its second code come out. Nothing fails.

Marks have at least 3:1 contrast against the page, text at least 4.5:1 (WCAG 2.2); tests compute
both. The light strata are those of the product specification. Grey is never a stratum: it means
"not selected" or "not given".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Theme = Literal["light", "dark"]
GRADE_ORDER = ("I", "II", "III", "IV")
STRATUM_ROLES = ("low", "intermediate", "high")
DASHES = ("solid", "dash", "dashdot", "dot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "pentagon", "hexagon", "star", "hourglass")
SUBTYPE_SYMBOLS = {"IWA": "circle", "IMA": "square", "ODG": "triangle-up"}
PATTERNS = ("", "/", ".", "x", "-", "+", "|", "\\")
MISSING_PATTERN = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Tones of one theme, as ``#RRGGBB``.

    Attributes
    ----------
    page : str
        Background that contrasts are computed against; figures themselves are transparent.
    text, muted : str
        Main and secondary text, also the highlight (black on light, near white on dark).
    grid : str
        Grid lines; decoration, exempt from contrast.
    outline : str
        Marks without a meaning of their own: "not given", reference lines.
    low, intermediate, high : str
        Risk strata.
    quarters : tuple of str
        Four ordered risk groups, told apart in grey as well.
    modalities : tuple of str
        Pathology, genomics or CT, clinical, then extra ones in order.
    lowers, raises : str
        Contributions.
    grades : tuple of str
        I, II, III, IV.
    categories : tuple of str
        Groups that are neither strata nor grades.
    scale : tuple of str
        Ends of sequential scales, weak to strong.
    values : tuple of str
        Low and high feature values in a beeswarm.
    """

    page: str
    text: str
    muted: str
    grid: str
    outline: str
    low: str
    intermediate: str
    high: str
    quarters: tuple[str, str, str, str]
    modalities: tuple[str, ...]
    lowers: str
    raises: str
    grades: tuple[str, ...]
    categories: tuple[str, ...]
    scale: tuple[str, str]
    values: tuple[str, str]

    @property
    def strata(self) -> tuple[str, str, str]:
        """Low, intermediate, high."""
        return self.low, self.intermediate, self.high


LIGHT = Palette(
    page="#FFFFFF",
    text="#1B1B1B",
    muted="#4A4A4A",
    grid="#E3E3E3",
    outline="#6B6B6B",
    low="#0072B2",
    intermediate="#A66F00",
    high="#8B1A1A",
    quarters=("#3C93D6", "#8A5CC8", "#943400", "#5C0A1E"),
    modalities=("#5E3C99", "#00796B", "#595959", "#B0307A", "#1F6FB5", "#8A5A00"),
    lowers="#2166AC",
    raises="#B35806",
    grades=("#7A3FA0", "#2E9E5B", "#1F4FB0", "#B84A00"),
    categories=("#0072B2", "#A66F00", "#8B1A1A", "#00796B", "#5E3C99", "#B0307A"),
    scale=("#E8EEF5", "#3A8AC4"),
    values=("#2166AC", "#B35806"),
)

DARK = Palette(
    page="#0E1117",
    text="#F2F2F2",
    muted="#B8BEC8",
    grid="#2A2F3A",
    outline="#8D95A3",
    low="#4FA8E8",
    intermediate="#F0C75E",
    high="#E2574C",
    quarters=("#C9E6FF", "#BBA2F0", "#CE7A26", "#CF3F3F"),
    modalities=("#B9A0EC", "#5CC9B8", "#BDBDBD", "#F08CC0", "#7DB9F2", "#E0B25A"),
    lowers="#6DB1F0",
    raises="#F2A154",
    grades=("#C89BE8", "#8CE0A8", "#5B8DEF", "#F0862E"),
    categories=("#4FA8E8", "#F0C75E", "#E2574C", "#5CC9B8", "#B9A0EC", "#F08CC0"),
    scale=("#1B2433", "#4C8CCB"),
    values=("#6DB1F0", "#F2A154"),
)


def palette(theme: Theme) -> Palette:
    """Return the tones of a theme."""
    return DARK if theme == "dark" else LIGHT


@dataclass(frozen=True, slots=True)
class LineStyle:
    """Colour, dash and width in px of a curve."""

    color: str
    dash: str
    width: float = 2.0


def strata_colors(n: int, theme: Theme) -> tuple[str, ...]:
    """Colours of n ordered risk groups, lowest risk first."""
    p = palette(theme)
    if n <= 1:
        return (p.low,)[:n]
    if n == 2:
        return p.low, p.high
    if n == 3:
        return p.strata
    if n == 4:
        return p.quarters
    return tuple(p.categories[i % len(p.categories)] for i in range(n))


def line_styles(roles: Sequence[str | None], theme: Theme) -> tuple[LineStyle, ...]:
    """Style each curve: by its stratum role where it has one, else by its place in the order."""
    p = palette(theme)
    strata = dict(zip(STRATUM_ROLES, p.strata, strict=True))
    styles = []
    for place, role in enumerate(roles):
        if role in strata:
            dash = DASHES[STRATUM_ROLES.index(str(role))]
            styles.append(LineStyle(strata[str(role)], dash))
        else:
            color = p.categories[place % len(p.categories)]
            styles.append(LineStyle(color, DASHES[place % len(DASHES)]))
    return tuple(styles)


NARROWEST, WIDEST = 1.5, 4.0
"""Of unbroken lines of ordered groups, px."""


def solid_styles(n: int, theme: Theme) -> tuple[LineStyle, ...]:
    """Style n ordered groups by unbroken lines, thicker by rank, so that grey tells them apart."""
    colors = strata_colors(n, theme)
    step = (WIDEST - NARROWEST) / max(n - 1, 1)
    return tuple(LineStyle(color, "solid", NARROWEST + step * i) for i, color in enumerate(colors))


def broken_styles(n: int, theme: Theme) -> tuple[LineStyle, ...]:
    """Style n ordered groups beside those of `solid_styles`: no colour and no dash is theirs."""
    tones, dashes = palette(theme).grades, DASHES[1:]
    return tuple(LineStyle(tones[i % len(tones)], dashes[i % len(dashes)]) for i in range(n))


def modality_colors(names: Sequence[str], theme: Theme) -> dict[str, str]:
    """Colour of each modality by order; the clinical player always has the clinical grey."""
    tones = palette(theme).modalities
    clinical = tones[2]
    others = tuple(tone for tone in tones if tone != clinical)
    colors: dict[str, str] = {}
    for name in names:
        if name.lower() == "clinical":
            colors[name] = clinical
        else:
            place = sum(color != clinical for color in colors.values())
            colors[name] = others[place % len(others)]
    return colors


def modality_patterns(names: Sequence[str]) -> dict[str, str]:
    """Fill pattern of each modality by order, the second code beside its colour."""
    return {name: PATTERNS[i % len(PATTERNS)] for i, name in enumerate(names)}


@dataclass(frozen=True, slots=True)
class GradeStyle:
    """Colour, fill share (0 open, 1 solid) and size in px of a grade's points."""

    color: str
    fill: float
    size: int


def grade_styles(levels: Sequence[str], theme: Theme) -> dict[str, GradeStyle]:
    """Style grades from low to high: roman numerals I to IV by name, other levels by order."""
    tones = palette(theme).grades
    if set(levels) <= set(GRADE_ORDER):
        places = [GRADE_ORDER.index(level) for level in levels]
    elif len(levels) <= 3:
        places = list(range(1, len(levels) + 1))
    else:
        places = [i % len(GRADE_ORDER) for i in range(len(levels))]
    last = max(len(levels) - 1, 1)
    return {
        level: GradeStyle(tones[place], fill=i / last if len(levels) > 1 else 1.0, size=7 + i)
        for i, (level, place) in enumerate(zip(levels, places, strict=True))
    }


def subtype_symbols(levels: Sequence[str]) -> dict[str, str]:
    """Point symbol of each subtype: the fixed ones by name, others by order."""
    free = [s for s in SYMBOLS if s not in SUBTYPE_SYMBOLS.values()] or list(SYMBOLS)
    if not set(levels) & set(SUBTYPE_SYMBOLS):
        free = list(SYMBOLS)
    symbols = {}
    for level in levels:
        if level in SUBTYPE_SYMBOLS:
            symbols[level] = SUBTYPE_SYMBOLS[level]
        else:
            place = sum(name not in SUBTYPE_SYMBOLS for name in symbols)
            symbols[level] = free[place % len(free)]
    return symbols


def rgba(color: str, alpha: float) -> str:
    """Return ``#RRGGBB`` with an opacity."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"


def relative_luminance(color: str) -> float:
    """Relative luminance of ``#RRGGBB`` in sRGB (WCAG 2.2)."""
    channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    lighter, darker = sorted((relative_luminance(first), relative_luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def blend(first: str, second: str, share: float) -> str:
    """Mix two colours; share 0 gives the first, 1 the second.

    Parameters
    ----------
    first, second : str
        ``#RRGGBB``.
    share : float
        In [0, 1].
    """
    mixed = (
        round((1 - share) * int(first[i : i + 2], 16) + share * int(second[i : i + 2], 16))
        for i in (1, 3, 5)
    )
    return "#" + "".join(f"{channel:02X}" for channel in mixed)


FAINTEST, STRONGEST = 1.08, 1.6
"""Contrast with the page of the first and the last of several bands."""


def band_tones(n: int, theme: Theme) -> tuple[str, ...]:
    """Opaque tones of the bands of n ordered strata, each further from the page, in grey as well.

    Parameters
    ----------
    n : int
    theme : {"light", "dark"}
    """
    page = palette(theme).page
    step = (STRONGEST / FAINTEST) ** (1 / max(n - 1, 1))
    return tuple(
        next(
            tone
            for share in range(101)
            if contrast(tone := blend(page, color, share / 100), page) >= FAINTEST * step**rank
        )
        for rank, color in enumerate(strata_colors(n, theme))
    )


def text_tone(color: str, theme: Theme, minimum: float = 4.5) -> str:
    """Move a mark's colour towards the text colour until it is readable as text.

    Parameters
    ----------
    color : str
        ``#RRGGBB``.
    theme : {"light", "dark"}
    minimum : float
        Contrast with the page; 4.5 is what WCAG 2.2 asks of text (criterion 1.4.3, level AA).
    """
    p = palette(theme)
    for step in range(11):
        tone = blend(color, p.text, step / 10)
        if contrast(tone, p.page) >= minimum:
            return tone
    return p.text


def readable_on(color: str, theme: Theme) -> str:
    """Text colour for writing on a mark: the theme's text or page tone, whichever stands out."""
    p = palette(theme)
    return max((p.text, p.page), key=lambda tone: contrast(tone, color))
