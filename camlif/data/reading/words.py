"""A name as words: cut at signs, digits and capitals, glued words parted where all are known.

In comes a header, out come its words, the codes that it explains, and the unit of time it tells.
Nothing fails.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from camlif.data.manifest import DurationUnit
from camlif.data.reading.vocabulary import (
    ENDPOINTS,
    FRAGMENTS,
    KNOWN,
    LETTERS,
    LONGEST_WORD,
    SHORT_UNITS,
    SPECIAL,
    UNITS,
)

KEPT_NAMES = 65_536
"""So many names are remembered with what they say: three of the widest tables."""
MAX_NAME = 400
"""Characters of a name that are looked at; the patterns take the square of them."""

_FUNCTION = re.compile(r"\s*(log\d*p?|ln|sqrt|rank|exp)\s*\((.+)\)\s*", re.IGNORECASE)
_ENTITIES = r"demographics?|diagnos[ei]s|cases?|exposures?|patients?|clinical|follow_ups"
_ENTITY = re.compile(
    rf"^(?:(?:{_ENTITIES})(?:[.:]\d+)?[.:]|characteristics(?:_ch\d)?[.: ]+)"
    rf"|(?:[.:](?:{_ENTITIES})|:ch\d+)$",
    re.IGNORECASE,
)
"""In front of a name or behind it: of the GDC, UCSC Xena, FireBrowse and GEO."""

_UNACCENTED = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ı": "i"})
"""Letters that are no accented ones to Unicode."""


@lru_cache(maxsize=KEPT_NAMES)
def plain(name: str) -> str:
    """Return a column name in lower case with underscores: ``Patient ID`` gives ``patient_id``."""
    return re.sub(r"[^0-9a-z]+", "_", _ascii(name).lower()).strip("_")


def ends(name: str) -> str:
    """Return the start and the end of a name that is too long to be one: a cell of a gene, say."""
    half = MAX_NAME // 2
    return name if len(name) <= MAX_NAME else f"{name[:half]} {name[-half:]}"


def _ascii(name: str) -> str:
    """Return a name without accents; letters of other alphabets stay."""
    if name.isascii():
        return name
    parted = unicodedata.normalize("NFKD", name.translate(_UNACCENTED))
    return "".join(c for c in parted if not unicodedata.combining(c))


@lru_cache(maxsize=KEPT_NAMES)
def parts(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case: ``OSstatus`` gives os, status."""
    found: list[str] = []
    # Letters behind a digit are no word of their own: FANCD2OS is a gene.
    bounded = _ascii(_with_words(ends(name)))
    for chunk in re.findall(r"[^\W\d_]+\d+[^\W_]*[^\W\d_][^\W_]*|[^\W\d_]+|\d+", bounded):
        whole = chunk.lower()
        if counted := _counted(whole):
            found += counted
            continue
        if whole in SPECIAL or (not whole.isdigit() and any(c.isdigit() for c in whole)):
            found += SPECIAL.get(whole, (whole,))
            continue
        pieces = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+", chunk) or [chunk]
        found += _parted(whole) or [w for p in pieces for w in _parted(p.lower()) or [p.lower()]]
    if len(found) == 2 and ENDPOINTS & set(found):
        found = [LETTERS.get(word, word) for word in found]
    return tuple(found)


def _with_words(name: str) -> str:
    """Put words for the fragments of a name in Chinese, Japanese or Korean letters."""
    if not name.isascii():
        for fragment, word in FRAGMENTS.items():
            name = name.replace(fragment, f" {word} ")
    return name


def _counted(chunk: str) -> list[str]:
    """Part known words at a number: ``os5yr``, ``time2death``; empty where one is unknown."""
    digits = re.fullmatch(r"([a-z]{2,})(\d+)([a-z]+)", chunk)
    if digits is None:
        return []
    first, number, then = digits.groups()
    before, behind = _parted(first), _parted(then) or [then]
    if not before or not set(behind) <= KNOWN | SHORT_UNITS.keys():
        return []
    return [*before, "to" if number == "2" and len(then) > 2 else number, *behind]


def _parted(word: str) -> list[str]:
    """Part a glued word into known ones, as few as possible; empty where some of it is unknown."""
    best: dict[int, list[str]] = {0: []}
    for end in range(1, len(word) + 1):
        ways = [
            [*best[start], word[start:end]]
            for start in range(max(0, end - LONGEST_WORD), end)
            if start in best and word[start:end] in KNOWN
        ]
        if ways:
            best[end] = min(ways, key=len)
    return best.get(len(word), [])


def without_brackets(name: str) -> str:
    """Return a name without what stands in brackets; ``log10(OS_days)`` is of what it is."""
    if of := _FUNCTION.fullmatch(ends(name)):
        return f"{of[1]} {of[2]}"
    return re.sub(r"[(\[{][^)\]}]*[)\]}]", " ", ends(name))


def without_entity(name: str) -> str:
    """Return a name without what an export says it is of: ``demographic.gender``, ``age:ch1``."""
    return _ENTITY.sub("", name)


def named_unit(name: str) -> DurationUnit | None:
    """Return the unit of time that a column's name tells, in brackets, behind "in", or as a word.

    None where it tells none, and where it tells several: ``OS_months_from_day_0`` has to be asked
    about.
    """
    for inner in re.findall(r"[(\[{]([^)\]}]*)[)\]}]", ends(name)):
        for word in parts(inner):
            unit = UNITS.get(word) or SHORT_UNITS.get(word)
            if unit is not None:
                return unit
    words = parts(without_brackets(name))
    if len(words) > 1 and words[-2] == "in" and words[-1] in UNITS:
        return UNITS[words[-1]]
    found = {UNITS[word] for word in words if word in UNITS}
    if found:
        return found.pop() if len(found) == 1 else None
    last = plain(without_brackets(name)).rpartition("_")[2]
    return SHORT_UNITS.get(last) if len(words) > 1 else None
