"""What the cells of an event column mean: words first, then codes, else a question.

In come cells, out comes for each whether the event happened, or None where that has to be asked.
``1:LIVING`` is no event, whatever its digit; ``1`` and ``2`` are asked about, and so is every code
of a column such as ``CNSR`` or ``alive`` unless its name explains it: ``Censor (alive=0; dead=1)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from camlif.data.reading.names import is_reversed
from camlif.data.reading.vocabulary import word_set
from camlif.data.reading.words import ends, parts

ANY = "*"
"""In ``event_values``: whatever is written in the column means the event, a blank cell none."""
BLANK = "(blank)"
"""In ``event_values``: a blank cell means the event, whatever is written none."""


_HAPPENED = word_set(
    "dead deceased death died exitus expired event recurred recurrence relapsed relapse "
    "progressed progression tot verstorben gestorben tod muerto muerta fallecido fallecida decede "
    "decedee mors mort morte morto deceduto deceduta overleden obito falecido zmarl zmarla zgon "
    "avliden dod dode умер умерла мертв мертва 死亡 사망"
)
_DID_NOT = word_set(
    "alive living lives censored censor survived survivor lebend lebt lebendig vivo viva vivant "
    "vivante lost ltfu lfu withdrawn withdrew "
    "levend levende zyje zywy zywa elossa levande жив жива живой живая 生存 存活 생존"
)
_RELAPSED = word_set("recurred recurrence relapsed relapse progressed progression")
_NEGATED = word_set(
    "no not non none never without nicht kein keine keinen ohne pas sans sin senza zonder geen "
    "niet inte ikke ej nie bez sem nao não не без"
)
_FREE = re.compile(
    r"no event|event[ -]?free|disease[ -]?free|progression[ -]?free|recurrence[ -]?free"
    r"|relapse[ -]?free|no evidence of disease|no recurrence|no progression|no relapse|none"
    r"|not dead|not deceased|tumou?r[ -]free"
)
_CODES = ("0", "1", "2")
_UNKNOWN = word_set("unknown unk uk unbekannt inconnu desconocido sconosciuto onbekend unclear")
_YES = word_set("1 true t yes y ja si sí oui sim da tak ano evet kyllä")
_NO = word_set("0 false f no n nein non nao não niet nee nej nei nie ne hayır ei")


def key_of(cell: str) -> str:
    """Return a cell for comparison: lower case, ``1.0`` as ``1``."""
    return re.sub(r"^(\d+)\.0*$", r"\1", cell.strip().lower())


def word_meaning(cell: str) -> bool | None:
    """Whether words say that the event happened; None where they say neither, both, or negate."""
    text = _without_code(cell)
    if _FREE.fullmatch(text):
        return False
    words = _words_of(text)
    happened, did_not = bool(words & _HAPPENED), bool(words & _DID_NOT)
    # Of "nicht verstorben" or "no death recorded" a word alone would say the opposite.
    return None if happened == did_not or words & _NEGATED else happened


def is_unknown(cell: str) -> bool:
    """Whether a cell says that nobody knows."""
    return bool(_words_of(_without_code(cell)) & _UNKNOWN)


def _without_code(cell: str) -> str:
    return re.sub(r"^\s*\d+\s*[:=.)-]\s*", "", key_of(cell))


def _words_of(text: str) -> set[str]:
    return set(parts(text)) | set(re.findall(r"\w+", text))


def usual_meaning(cell: str) -> bool | None:
    """Whether a cell usually means the event; None where no usage is known."""
    by_word = word_meaning(cell)
    if by_word is not None:
        return by_word
    if _words_of(_without_code(cell)) & (_HAPPENED | _DID_NOT):
        return None
    coded = re.match(r"([01])\s*[:=]", key_of(cell))
    return said_yes(coded[1] if coded else cell)


def said_yes(cell: str) -> bool | None:
    """Whether a cell says yes; None where it says neither yes nor no."""
    key = key_of(cell)
    return True if key in _YES else False if key in _NO else None


def legend(name: str) -> dict[str, bool]:
    """Return the codes that a name explains: ``Censor (alive=0; dead=1)``, ``alive1_dead0``."""
    meanings = {code: word_meaning(word) for code, word in _explained(name).items()}
    return {code: meaning for code, meaning in meanings.items() if meaning is not None}


def _explained(name: str) -> dict[str, str]:
    """Return the word of each code that a name explains."""
    found: dict[str, str] = {}
    for inner in re.findall(r"[(\[{]([^)\]}]*)[)\]}]", ends(name)):
        for word, code in re.findall(r"([^\W\d][^=:;,/]*?)\s*[=:]\s*(\d+)", inner):
            found[code] = word
        for code, word in re.findall(r"(\d+)\s*[=:]\s*([^\W\d][^=:;,/]*)", inner):
            found.setdefault(code, word)
    told = any(word_meaning(word) is not None for word in found.values())
    return found if told else _pairs(name)


def _pairs(name: str) -> dict[str, str]:
    """Return the codes that stand before or behind a word of each, whatever parts the two."""
    tokens = re.findall(r"\d+|[^\W\d_]+", ends(name))
    codes = [i for i, token in enumerate(tokens) if token in _CODES]
    for side in (-1, 1):
        words = [tokens[i + side] if 0 <= i + side < len(tokens) else "" for i in codes]
        pairs = {tokens[i]: word for i, word in zip(codes, words, strict=True)}
        if len(pairs) > 1 and all(word_meaning(word) is not None for word in pairs.values()):
            return pairs
    return {}


def names_codes(name: str) -> bool:
    """Whether a name seems to explain codes, so that their usual meaning is none of its own."""
    codes = set(re.findall(r"(?<!\d)[012](?!\d)", name))
    return len(codes) > 1 or bool(re.search(r"\d\s*[=:]|[=:]\s*\d", name))


def coding_of(column: str, cells: Iterable[str]) -> dict[str, bool | None]:
    """Return what each cell of a column means, as its words, its name or usage tell.

    Parameters
    ----------
    column : str
        Its name may explain the codes, or turn them round.
    cells : iterable of str
    """
    explained = legend(column)
    found: dict[str, bool | None] = {}
    for cell in cells:
        by_word = word_meaning(cell)
        if by_word is not None:
            found[cell] = by_word
        elif key_of(cell) in explained:
            found[cell] = explained[key_of(cell)]
        else:
            unsure = is_reversed(column) or names_codes(column)
            found[cell] = None if unsure else usual_meaning(cell)
    open_cells = [cell for cell, happened in found.items() if happened is None]
    if len(explained) == len(open_cells) == 1 and len(found) == 2:  # "(1 = dead)" says what 0 is
        found[open_cells[0]] = not next(iter(explained.values()))
    return {**found, **dict.fromkeys(_of_two_endpoints(found, _explained(column)))}


def _of_two_endpoints(found: Mapping[str, bool | None], explained: Mapping[str, str]) -> list[str]:
    """Return the cells of a relapse in a column that knows deaths as well."""
    said = {cell: explained.get(key_of(cell), cell) for cell, event in found.items() if event}
    words = {cell: _words_of(_without_code(text)) for cell, text in said.items()}
    relapsed = [cell for cell, said in words.items() if said & _RELAPSED]
    deaths = any(said & (_HAPPENED - _RELAPSED - {"event"}) for said in words.values())
    return relapsed if deaths else []


def is_told_by_words(column: str, cells: Iterable[str]) -> bool:
    """Whether words leave no doubt about any cell, so that nothing can be the wrong way round."""
    explained = legend(column)
    return all(word_meaning(cell) is not None or key_of(cell) in explained for cell in cells)


def contradicts(cell: str) -> bool:
    """Whether a cell's digit, by usage, says the opposite of its word: ``1:LIVING``."""
    coded = re.match(r"([01])\s*[:=]", key_of(cell))
    meaning = word_meaning(cell)
    return coded is not None and meaning is not None and (coded[1] == "1") != meaning
