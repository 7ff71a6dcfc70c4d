"""The fonts of a report and the letters that they have.

DejaVu Sans comes with matplotlib, which lifelines needs; Noto Sans of Arabic, Hebrew, Ethiopic and
of South and South-East Asian scripts lies in ``fonts``; Noto Sans CJK comes as a package. All are
free to embed and to pass on (Bitstream Vera and SIL Open Font licences). A package that is missing
leaves its letters out.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import typst
from fontTools.ttLib import TTFont

MAIN, CJK = "DejaVu Sans", "CJK"
OWN = Path(__file__).parent / "fonts"
PACKAGES = {"matplotlib": "mpl-data/fonts/ttf", "noto_cjk_sans_jp_regular": ""}
"""Packages that bring fonts, and where in them these lie."""


@cache
def load_fonts() -> typst.Fonts:
    """Return the fonts of a report, and none of the machine."""
    found = {name: find_spec(name) for name in PACKAGES}
    folders = [
        Path(spec.origin).parent / PACKAGES[name]
        for name, spec in found.items()
        if spec is not None and spec.origin is not None
    ]
    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[str(folder) for folder in (OWN, *folders)],
    )


@cache
def families() -> dict[str, tuple[str, ...]]:
    """Return the files of each family in the order in which a letter is looked for."""
    files: dict[str, list[str]] = {}
    for font in load_fonts().fonts():
        wanted = font.family == MAIN or font.family.startswith("Noto Sans")
        if wanted and font.style == "normal" and font.path is not None:
            files.setdefault(font.family, []).append(font.path)
    # The largest last: it is read only for letters that no other has.
    names = sorted(files, key=lambda family: (family != MAIN, CJK in family, family))
    return {family: tuple(sorted(files[family])) for family in names}


@cache
def letters_of(family: str) -> frozenset[int]:
    """Return the code points that all weights of a family have."""
    found = []
    for path in families()[family]:
        with TTFont(path, lazy=True) as font:
            found.append(frozenset(font.getBestCmap()))
    return frozenset.intersection(*found)
