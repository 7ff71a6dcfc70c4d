"""Which level of a category a cell means: the same word, however it is written.

In come cells and the levels that a model knows, out comes the level of each cell, or None for a
word that the model never saw. Case, padding, Unicode form, hyphens and a decimal zero are no
difference; ``M`` and ``Mann`` are ``male`` where the levels are sexes. What a number stands for
is never guessed: a coding is declared in the manifest.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

import pandas as pd

SEXES = {
    "male": frozenset(
        {
            *("male", "m", "man", "männlich", "maennlich", "mann", "homme", "masculin", "boy"),
            *("hombre", "varón", "varon", "homem", "maschio", "uomo", "mies", "mand"),
            *("masculino",),
        }
    ),
    "female": frozenset(
        {
            *("female", "f", "woman", "weiblich", "w", "frau", "femme", "féminin", "feminin"),
            *("mujer", "femenino", "feminino", "femmina", "donna", "vrouw", "nainen", "kvinde"),
            *("kvinna", "mulher", "girl"),
        }
    ),
}
"""Words of the sexes in a column of sexes, by what models call them."""


def sex_of(cell: str) -> str | None:
    """Return what models call a sex; None for a number, or a word that is none."""
    key = word_key(cell)
    return next((sex for sex, words in SEXES.items() if key in words), None)


def word_key(cell: str) -> str:
    """Return a cell for comparison: ``" Stage-III"`` gives ``stage iii``, ``2.0`` gives ``2``."""
    text = unicodedata.normalize("NFKC", cell).casefold()
    text = " ".join(re.split(r"[\s_-]+", text)).strip()
    return re.sub(r"^(\d+)\.0+$", r"\1", text)


def match_levels(cells: Iterable[str], levels: Sequence[str]) -> dict[str, str | None]:
    """Return the level that each cell means; None where it is none of them, or may be several.

    Parameters
    ----------
    cells : iterable of str
    levels : sequence of str
        As the model knows them.

    Examples
    --------
    >>> match_levels(["MALE", "f ", "divers"], ["female", "male"])
    {'MALE': 'male', 'f ': 'female', 'divers': None}
    """
    known = set(levels)
    return {cell: cell if cell in known else _level_of(cell, levels) for cell in cells}


def _level_of(cell: str, levels: Sequence[str]) -> str | None:
    key, known = word_key(cell), {level: sex_of(level) for level in levels}
    found = [level for level in levels if word_key(level) == key]
    if not found and {*SEXES} <= {*known.values()}:
        found = [level for level, sex in known.items() if sex is not None and sex == sex_of(cell)]
    return found[0] if len(found) == 1 else None


def as_levels(values: pd.Series, levels: Sequence[str]) -> pd.Series:
    """Return a column in a model's words; missing where a cell is missing or of no known level.

    Parameters
    ----------
    values : Series, length n
        Texts, or numbers that name a level.
    levels : sequence of str
    """
    cells = values.dropna()
    known = match_levels({str(cell) for cell in cells}, levels)
    return values.map(lambda cell: None if pd.isna(cell) else known[str(cell)]).astype(object)
