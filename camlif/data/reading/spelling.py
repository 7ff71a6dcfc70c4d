"""How identifiers are spelt: what two spellings share, and what a spreadsheet has spoilt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from camlif.data.reading.problems import MAX_ROWS, Findings, examples
from camlif.data.reading.tables import TextTable
from camlif.wording import count

EXACT_DIGITS = 15
"""Of a number in a spreadsheet; further ones become zeros."""

MIN_SPOILT = 3
MAX_WORDS = 12
"""Of an identifier, which may be a path."""

_ROUNDED = r"^\d(?:[.,]\d+)?[eE]\+\d{2,}$|^\d[.,]\d+[eE]\d{2,}$"
_LONG = rf"^\d{{{EXACT_DIGITS + 1},}}$"
_BARCODE = re.compile(r"TCGA[-._](\w{2})[-._](\w{4})(?:[-._]\w+)*")
_SEPARATORS = re.compile(r"[\s_./:,;#=\"()\[\]{}<>-]+")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_LETTER_O = re.compile(r"(?<![^\W\d_])o+(?=\d)|(?<=\d)o+(?![^\W\d_])")
"""The letter among digits, where a nought was meant."""

_LOOK_ALIKES = str.maketrans(
    "АВЕКМНОРСТУХІЅЈавекмнорстухіѕјΑΒΕΖΗΙΚΜΝΟΡΤΥΧαβνορτυχκι",
    "ABEKMHOPCTYXISJabekmhopctyxisjABEZHIKMNOPTYXabvoptuxki",
)
"""Cyrillic and Greek letters that look like Latin ones."""
_BOUNDARY = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")


def alike(identifier: str) -> str:
    """Return a form that spellings of one identifier share: case, signs, zeros and Unicode aside,
    and what looks the same.

    ``P-001``, ``p001``, ``P_1`` and ``P 001`` are alike; ``1-11`` and ``11-1`` are not. Signs alone
    have no other form.
    """
    text = identifier if identifier.isascii() else _seen(identifier)
    text = _BARCODE.sub(r"TCGA-\1-\2", _THOUSANDS.sub("", text).upper())
    text = re.sub(r"^(\d+)\.0+$", r"\1", text.casefold().strip(" '\"`\u2019"))
    text = _LETTER_O.sub(lambda found: "0" * len(found[0]), text)
    words = _SEPARATORS.sub("-", _BOUNDARY.sub("-", text)).strip("-")
    return _ZEROS.sub("", words) or identifier


def _seen(text: str) -> str:
    """Return a text as it looks: without invisible characters, dashes as hyphens, Latin letters."""
    text = unicodedata.normalize("NFKC", text)
    kinds = [(c, unicodedata.category(c)) for c in text]
    seen = "".join("-" if k == "Pd" or c == "\u2212" else c for c, k in kinds if k != "Cf")
    latin = seen.translate(_LOOK_ALIKES)
    return latin if any("a" <= c <= "z" for c in seen.casefold()) or latin.isascii() else seen


def spell_alike(ids: Sequence[str], known: dict[str, str], *, within: bool = False) -> list[str]:
    """Return each identifier as it was first spelt; ``known`` is lengthened by new ones.

    Parameters
    ----------
    ids : sequence of str
    known : dict of str to str
        First spellings by their `alike` form.
    within : bool
        Whether ``P1_CT`` is ``P1`` where that was known before.
    """
    inner = known_within({alike(i) for i in ids if i}, known) if within else {}
    spelt = ((inner.get(alike(i), alike(i)), i) for i in ids)
    return [known.setdefault(form, i) if i else i for form, i in spelt]


def known_within(forms: Iterable[str], known: Collection[str]) -> dict[str, str]:
    """Return the one known identifier that stands in each other one, or in which that stands.

    ``p-1`` stands in ``p-1-ct`` and in ``data-p-1``; the longest counts, and two say nothing.

    Parameters
    ----------
    forms : iterable of str
        Identifiers as `alike` writes them.
    known : collection of str
        Others, written so, too.

    Returns
    -------
    dict of str to str
        By identifiers that are not known.
    """
    strange = [form for form in forms if form not in known]
    longer: dict[str, set[str]] = {}
    for form in known if strange else ():
        for part in _parts_of(form):
            longer.setdefault(part, set()).add(form)
    found = {}
    for form in strange:
        shorter = [part for part in _parts_of(form) if part in known]
        most = max((part.count("-") for part in shorter), default=0)
        fitting = {p for p in shorter if p.count("-") == most} or longer.get(form, set())
        if len(fitting) == 1 and any(c.isdigit() for c in form):
            found[form] = next(iter(fitting))
    return found


def _parts_of(form: str) -> Iterator[str]:
    """Yield the runs of words of an identifier that hold a number, but for all of them."""
    words = form.split("-")[:MAX_WORDS]
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            part = words[start:end]
            if len(part) < len(words) and any(w.isdigit() for w in part):
                yield "-".join(part)


def report_spoilt(
    table: TextTable, column: str, found: Findings, candidates: Callable[[], tuple[str, ...]]
) -> bool:
    """Refuse identifiers that a spreadsheet rounded; return whether it did.

    Those written like ``1.2E+11``, and those of more digits than a spreadsheet keeps that all end
    in zeros.

    Parameters
    ----------
    table : TextTable
    column : str
        Of identifiers.
    found : Findings
        Takes the error E-05.
    candidates : function without arguments to tuple of str
        Columns among which another one is chosen.
    """
    text = table.text(column)
    rounded = np.flatnonzero(pc.match_substring_regex(text, _ROUNDED).fill_null(False).to_numpy())
    if not len(rounded):
        long = pc.match_substring_regex(text, _LONG).fill_null(False)
        cells = text.filter(long).to_pylist()
        filled = [c for c in cells if not c[EXACT_DIGITS:].strip("0")]
        if len(filled) < MIN_SPOILT or len(filled) < len(cells):
            return False
        rounded = np.flatnonzero(long.to_numpy())
    shown = text.take(pa.array(rounded)).to_pylist()
    found.error(
        f"{count(len(rounded), 'identifier was', 'identifiers were')} rounded by a spreadsheet "
        f"({examples(dict.fromkeys(shown))}), so that patients can't be told apart.",
        code="E-05",
        file=table.file,
        column=column,
        rows=tuple(int(r) for r in table.row_numbers[rounded[:MAX_ROWS]]),
        fix="Export the column as text, or choose another one.",
        topic="id",
        columns=tuple(c for c in candidates() if c != column),
    )
    return True
