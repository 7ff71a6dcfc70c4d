"""What of a text is printed: letters that a font has, in an order that nothing turns around.

Any text goes in; one that Typst can write as PDF/UA comes out. Nothing fails: what cannot be
printed is named by its code. Order follows the Unicode bidirectional algorithm (UAX 9).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from camlif.typeset.families import families, letters_of

FSI, PDI = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
ZWSP, ZWJ, ZWNJ = "\N{ZERO WIDTH SPACE}", "\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}"
KEPT = frozenset((FSI, PDI, ZWSP, ZWJ, ZWNJ))
"""Format controls (category Cf) that stay: nothing is drawn for them, whatever the font."""
NEVER = ("Cc", "Cs", "Cn")
"""Categories that no page shows: controls, surrogates, what is no letter; PDF/UA forbids some."""
RIGHT_TO_LEFT = ("R", "AL")
LONG_WORD, PART = 16, 10
"""Letters of a word that may break, and of the parts of one without a mark to break after."""
_AFTER = re.compile(r"([_/.:;,|])(?=[^\s\u0300-\u036f])")
# Without marks, and without scripts that join letters or that Typst breaks by rules of their own.
_RUN = re.compile(rf"[^\s\u0300-\u036f\u0590-\U0010ffff_/.:;,|-]{{{LONG_WORD + 1},}}")


def isolate(text: str) -> str:
    """Keep a text with letters from right to left as one piece: words and numbers beside it stay.

    Other texts are returned as they are.
    """
    if not any(unicodedata.bidirectional(letter) in RIGHT_TO_LEFT for letter in text):
        return text
    return f"{FSI}{text.replace(FSI, '').replace(PDI, '')}{PDI}"


def printable(text: str, lacking: set[str], names: Sequence[str] = ()) -> str:
    """Return a text as it can be printed.

    A letter that no font has is replaced by its code point in brackets, which loses nothing. The
    names in it are isolated; other controls, such as those that turn the order of letters around,
    are left out.

    Parameters
    ----------
    text : str
    lacking : set of str
        Grows by the codes of the letters that no font has.
    names : sequence of str
        Names that the text may hold, longest first.
    """
    for name in names:
        text = text.replace(name, isolate(name))
    if not (text.isascii() and text.isprintable()):
        text = "".join(_printable(cluster, lacking) for cluster in _clusters(text))
    return text


def breakable(text: str) -> str:
    """Return a text, its spaces single, whose long words may break wherever a column ends."""
    return " ".join(_in_parts(word) if len(word) > LONG_WORD else word for word in text.split())


def _in_parts(word: str) -> str:
    def cut(run: re.Match[str]) -> str:
        return ZWSP.join(run[0][i : i + PART] for i in range(0, len(run[0]), PART))

    return _RUN.sub(cut, _AFTER.sub(rf"\1{ZWSP}", word))


def _clusters(text: str) -> Iterator[str]:
    """Letters with the marks that belong to them, which one font has to have."""
    cluster = ""
    for letter in text:
        kind = unicodedata.category(letter)
        if kind == "Cf" and letter not in KEPT:
            continue
        joins = letter in (ZWJ, ZWNJ) or kind.startswith("M")
        if cluster and not joins:
            yield cluster
            cluster = ""
        cluster += letter
    yield cluster


def _printable(cluster: str, lacking: set[str]) -> str:
    if _has(cluster):
        return cluster
    kept = cluster[0] if _has(cluster[0]) else ""
    lost = [letter for letter in cluster[len(kept) :] if letter not in KEPT]
    codes = [f"[U+{ord(letter):04X}]" for letter in lost]
    lacking.update(codes)
    return kept + "".join(codes)


def _has(cluster: str) -> bool:
    drawn = [letter for letter in cluster if letter not in KEPT and not letter.isspace()]
    if any(unicodedata.category(letter) in NEVER for letter in drawn):
        return False
    needed = set(map(ord, drawn))
    return any(needed <= letters_of(family) for family in families())
