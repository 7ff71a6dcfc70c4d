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

from camlif.arrays import IntArray
from camlif.data.levels import word_key
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
    read = {name: values.copy() for name, values in columns.items()}
    for name, values in read.items():
        for spellings in _alike(values.dropna()):
            told = spelt if _WORD.search(spellings[0]) else unsure
            told.setdefault(name, []).append(" and ".join(spellings))
            if told is spelt:
                values[values.isin(spellings)] = spellings[0]
    for told, what in ((spelt, "are one level"), (unsure, "stay levels of their own")):
        if told:
            found.note(
                f"Spellings that differ in capitals or spaces {what}: {_listed(told)}.",
                file=table.rows.file,
                column=next(iter(told)) if len(told) == 1 else None,
            )
    _tell_unknown(table, read, found)
    return read


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
    """Tell of levels that say that nobody knows."""
    where: dict[str, IntArray] = {}
    cells: dict[str, None] = {}
    for name, values in columns.items():
        levels = {level: word_key(level) in UNKNOWN for level in values.dropna().unique()}
        rows = np.flatnonzero([levels.get(cell, False) for cell in values])
        if len(rows) and not all(levels.values()):
            where[name] = rows
            cells |= dict.fromkeys(level for level, unknown in levels.items() if unknown)
    if not where:
        return
    n = sum(map(len, where.values()))
    found.note(
        f"{count(n, 'cell')} {verb(n, 'says', 'say')} that nobody knows ({examples(cells)}), and "
        f"{verb(n, 'is', 'are')} a level of {verb(n, 'its', 'their')} own: "
        f"{examples(f'{name} ({len(rows)})' for name, rows in where.items())}.",
        code="E-15",
        file=table.rows.file,
        column=next(iter(where)) if len(where) == 1 else None,
        rows=table.rows_at(np.unique(np.concatenate(list(where.values())))),
        topic="code",
        columns=tuple(where),
        values=tuple(cells),
    )
