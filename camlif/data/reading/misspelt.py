"""Levels of a category that are perhaps another one with a slip of the pen.

The levels of a column and how often each occurs go in; pairs of a rare level and the common one
that it is one letter away from come out, such as ``femal`` and ``female``. Nothing is merged, and
nothing fails: ``G1`` and ``G2``, ``IIIA`` and ``IIIB``, ``typical`` and ``atypical`` are two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from camlif.data.levels import word_key

MAX_RARE, MIN_TIMES = 5, 10
"""Cells of a misspelt level, and times that the right one is as frequent."""
MIN_LETTERS = 4
"""Of the word that differs; of shorter ones one letter is another word."""
MAX_LEVELS = 50

_LOOK_ALIKES = str.maketrans("|1I0", "lllo")
_ROMAN = re.compile(r"[ivx]+[a-d]?", re.IGNORECASE)


def misspelt(counts: Mapping[str, int]) -> dict[str, str]:
    """Return rare levels, each with the common one that was perhaps meant.

    Parameters
    ----------
    counts : mapping of level to int
        Cells of each level of a column.

    Examples
    --------
    >>> misspelt({"female": 200, "femal": 1, "male": 150, "mael": 2})
    {'femal': 'female', 'mael': 'male'}
    >>> misspelt({"IIIA": 90, "IIIB": 2, "typical": 80, "atypical": 3})
    {}
    """
    if len(counts) > MAX_LEVELS:
        return {}
    found = {}
    for rare, n in counts.items():
        common = [c for c, m in counts.items() if n <= MAX_RARE and m >= MIN_TIMES * n]
        meant = [c for c in common if c != rare and _slipped(rare, c)]
        if meant:
            found[rare] = max(meant, key=lambda c: counts[c])
    return found


def _slipped(rare: str, common: str) -> bool:
    if _seen(rare) == _seen(common):
        return any(c.isalpha() for c in common)
    words, others = word_key(rare).split(), word_key(common).split()
    if len(words) != len(others):
        return "".join(words) == "".join(others)
    apart = [(a, b) for a, b in zip(words, others, strict=True) if a != b]
    return len(apart) == 1 and _one_letter(*apart[0])


def _seen(level: str) -> str:
    """Return a level as it looks: ``Stage lllB`` as ``Stage IIIB``."""
    return level.translate(_LOOK_ALIKES).casefold()


def _one_letter(word: str, other: str) -> bool:
    """Whether one letter is wrong, missing, too many, or two are exchanged, but for the first."""
    if not (word.isalpha() and other.isalpha()) or min(len(word), len(other)) < MIN_LETTERS:
        return False
    if _ROMAN.fullmatch(word) or _ROMAN.fullmatch(other) or word[0] != other[0]:
        return False
    start = next((i for i, (a, b) in enumerate(zip(word, other, strict=False)) if a != b), None)
    if start is None:
        return abs(len(word) - len(other)) == 1
    one, two = word[start:], other[start:]
    exchanged = one[:2] == two[1::-1] and one[2:] == two[2:]
    return one[1:] == two[1:] or one[1:] == two or one == two[1:] or exchanged
