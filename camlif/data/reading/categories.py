"""Categories in cells: one spelling a level, and words that say that nobody knows.

A column of texts goes in. Levels that differ in capitals and spaces only are one; words such as
``unbekannt`` are told of and stay a level, until somebody says that they mean "missing". Nothing
fails.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import groupby

import numpy as np
import pandas as pd

from camlif.data.levels import word_key
from camlif.data.reading.coding import said_yes
from camlif.data.reading.misspelt import misspelt
from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import Findings, examples
from camlif.wording import count, verb


def _cells(text: str) -> frozenset[str]:
    """Return the cells of a list that is written as one text."""
    return frozenset(cell.strip() for cell in text.split(","))


UNKNOWN = _cells(
    "unknown, unk, not known, not stated, not specified, unspecified, undefined, undetermined, "
    "not determined, not done, not assessed, not evaluated, not examined, not tested, "
    "not collected, not documented, not noted, no information, no value, insufficient data, "
    "cannot be determined, refused, prefer not to say, declined, declined to answer, tbd, "
    "pending, void, empty, unclear, missing data, "
    "unbekannt, nicht bekannt, nicht erhoben, nicht bestimmt, nicht untersucht, keine angabe, "
    "keine angaben, k. a., unklar, fehlt, fehlend, entfällt, "
    "inconnu, inconnue, non connu, non renseigné, non renseignée, non précisé, non fait, "
    "desconocido, desconocida, no consta, no disponible, sin datos, sin dato, no realizado, "
    "s/d, ns/nc, sconosciuto, sconosciuta, non noto, non disponibile, non eseguito, "
    "desconhecido, ignorado, não informado, sem informação, "
    "onbekend, niet bekend, ukjent, ukendt, okänd, okänt, ei tiedossa, tuntematon, "
    "nieznany, nieznane, brak danych, neznámý, neznámé, neuvedeno, ismeretlen, bilinmiyor, "
    "necunoscut, неизвестно, нет данных, невідомо, άγνωστο, غير معروف, "
    "未知, 不详, 不詳, 不明, 모름, 미상"
)
"""Whole cells, in lower case, that say that nobody knows; "indeterminate" is a result."""

PERHAPS_UNKNOWN = _cells(
    "nc, nr, nx, ne, nd, ns, n.d., n.e., n.b., nx?, unk/ns, not applicable, indeterminate, "
    "see note, see comment, other/unknown, n.z., nicht zutreffend, non applicable, no aplica"
)
"""Whole cells that say so in some columns and are a result in others: NR is also no responder."""

MIN_LEVELS, MAX_SHARE = 3, 0.2
"""Levels of a column and share of its cells up to which one of `PERHAPS_UNKNOWN` is told of: of
two, NR is a result."""

_WORD = re.compile(r"[^\W\d_]{3}")
"""Of fewer letters, capitals may tell: genotypes Aa and AA."""


def one_spelling(
    table: PatientTable, columns: Mapping[str, pd.Series], found: Findings
) -> dict[str, pd.Series]:
    """Return columns of texts with one spelling a level, the commonest.

    Parameters
    ----------
    table : PatientTable
    columns : mapping of column to Series of str, length n
        NaN where missing.
    found : Findings
        Takes a note of what was one, and another of words for the unknown.
    """
    spelt: dict[str, list[str]] = {}
    unsure: dict[str, list[str]] = {}
    said: dict[str, list[str]] = {}
    read = {name: values.copy() for name, values in columns.items()}
    for name, values in read.items():
        for words in _yes_and_no(values.dropna()):
            said.setdefault(name, []).append(" and ".join(words))
            values[values.isin(words)] = words[0]
        for spellings in _alike(values.dropna()):
            told = spelt if _WORD.search(spellings[0]) else unsure
            told.setdefault(name, []).append(" and ".join(spellings))
            if told is spelt:
                values[values.isin(spellings)] = spellings[0]
    alike = "Spellings that differ in capitals or spaces"
    for told, what in (
        (spelt, f"{alike} are one level"),
        (unsure, f"{alike} stay levels of their own"),
        (said, "Words for yes and no are one level each"),
    ):
        if told:
            found.note(
                f"{what}: {_listed(told)}.",
                file=table.rows.file,
                column=next(iter(told)) if len(told) == 1 else None,
            )
    _tell_unknown(table, read, found)
    _warn_of_slips(table, read, found)
    return read


def _yes_and_no(values: pd.Series) -> Iterable[list[str]]:
    """Yield several words for yes, and for no, in a column of nothing else, the commonest first."""
    counts = values.value_counts()
    meant = {
        level: None if level.isdigit() else said_yes(level)
        for level in counts.index
        if word_key(level) not in UNKNOWN
    }
    if None in meant.values():
        return
    for answer in (True, False):
        words = [level for level in counts.index if meant.get(level) is answer]
        if len({_folded(word) for word in words}) > 1:
            yield sorted(words, key=lambda level: (-counts[level], level))


def _alike(values: pd.Series) -> Iterable[list[str]]:
    """Yield spellings of one level each, the commonest first."""
    counts = values.value_counts()
    levels = sorted(counts.index, key=_folded)
    for _, spellings in groupby(levels, key=_folded):
        several = sorted(spellings, key=lambda level: (-counts[level], level))
        if len(several) > 1:
            yield several


def _folded(level: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", level).casefold().split())


def _listed(told: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{name} ({examples(groups)})" for name, groups in told.items())


def _tell_unknown(table: PatientTable, columns: Mapping[str, pd.Series], found: Findings) -> None:
    """Tell of levels that say that nobody knows, or that may."""
    sure: dict[str, list[str]] = {}
    perhaps: dict[str, list[str]] = {}
    for name, values in columns.items():
        shares = values.value_counts(normalize=True)
        levels = [level for level in shares.index if word_key(level) in UNKNOWN]
        if levels and len(levels) < len(shares):
            sure[name] = levels
        doubtful = [level for level in shares.index if word_key(level) in PERHAPS_UNKNOWN]
        if doubtful and len(shares) >= MIN_LEVELS and shares[doubtful].sum() <= MAX_SHARE:
            perhaps[name] = doubtful
    _note_unknown(table, columns, sure, found, verb_of=("says", "say"))
    _note_unknown(table, columns, perhaps, found, verb_of=("may say", "may say"))


def _note_unknown(
    table: PatientTable,
    columns: Mapping[str, pd.Series],
    levels: Mapping[str, list[str]],
    found: Findings,
    *,
    verb_of: tuple[str, str],
) -> None:
    if not levels:
        return
    where = {name: np.flatnonzero(columns[name].isin(those)) for name, those in levels.items()}
    cells = tuple(dict.fromkeys(level for those in levels.values() for level in those))
    n = sum(map(len, where.values()))
    found.note(
        f"{count(n, 'cell')} {verb(n, *verb_of)} that nobody knows ({examples(cells)}), and "
        f"{verb(n, 'is', 'are')} a level of {verb(n, 'its', 'their')} own: "
        f"{examples(f'{name} ({len(rows)})' for name, rows in where.items())}.",
        code="E-15",
        file=table.rows.file,
        column=next(iter(where)) if len(where) == 1 else None,
        rows=table.rows_at(np.unique(np.concatenate(list(where.values())))),
        topic="code",
        columns=tuple(where),
        values=cells,
    )


def _warn_of_slips(table: PatientTable, columns: Mapping[str, pd.Series], found: Findings) -> None:
    """Warn of rare levels that are one letter away from a common one."""
    for name, values in columns.items():
        counts = {str(level): int(n) for level, n in values.value_counts().items()}
        for rare, common in misspelt(counts).items():
            found.warn(
                f"{name} holds {rare} ({counts[rare]}) beside {common} ({counts[common]}): a slip "
                "of the pen? It is a level of its own.",
                code="E-15",
                file=table.rows.file,
                column=name,
                rows=table.rows_at(np.flatnonzero(values == rare)),
                fix=f"Write {common} if that is meant.",
                topic="level",
                columns=(name,),
                values=(rare,),
                choices=(common,),
            )
