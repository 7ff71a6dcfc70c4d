"""What the name of a column promises, read part by part: ``OS_MONTHS``, ``deadstatus.event``.

In comes a header, out comes a `Promise`, or None where the name promises nothing. Nothing here
looks at values, and nothing fails. The words are those of cBioPortal, GDC, UCSC Xena, TCIA, CDISC
ADTTE and R's survival data sets, in the languages in which registries write them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from camlif.data.reading.vocabulary import (
    AFTERWARDS,
    AGE,
    ALIVE,
    BEFORE,
    CAUSE,
    CENSORED,
    COUNTS,
    DATE,
    DEATH,
    DENIED,
    ENDPOINTS,
    EVENT,
    FILLERS,
    FOLLOW_UP,
    GENE_SETS,
    GLUE,
    LAST,
    LAST_SEEN,
    LENGTHS,
    LIVING,
    NO_LAST,
    NO_TARGET,
    PERHAPS,
    PLACES_OF_STATUS,
    PREDICTED,
    RELAPSE,
    RESPONSE,
    SHORT_UNITS,
    STATUS,
    SURVIVAL,
    TIME,
    TISSUE,
    TO,
    TRANSFORMED,
    UNITS,
    VITAL,
    word_set,
)
from camlif.data.reading.words import KEPT_NAMES, parts, plain, without_brackets, without_entity

PromisedKind = Literal[
    "outcome",
    "perhaps outcome",
    "prediction",
    "entry",
    "date",
    "administrative",
    "row number",
    "identifier",
]
Aspect = Literal["time", "event", "death", "last contact", "start", ""]
MANY_GENES = 30
"""A table of so many columns like genes is one of genes; a smaller one may be a coding manual's."""

_LONGEST_PHRASE = max(map(len, AFTERWARDS))

_ADMINISTRATIVE = re.compile(
    r"(tissue_source_|study_|treatment_|recruit\w*_)?site(_id|_code)?|n_slides|n_samples"
    r"|(.*_)?(source|fold|split|batch|centre|center|hospital|institution|institute|scanner|plate"
    r"|operator|cohort|dataset|vendor|partition|manufacturer|klinik|zentrum)"
    r"(_?\d+|_id|_code|_name|_no|_nr|_number)?"
    r"|(is_)?(train|training|test|testing|valid|validation|holdout)(_?(train|test|validation|set))*"
    r"|(.*_)?(filename|file_name|filepath|file_path)|unnamed_\d+"
)
_IDENTIFIER = re.compile(
    r"(.*_)?(uuid|guid|uid|barcode|accession|(patient|case|sample|slide|specimen|subject|aliquot"
    r"|submitter|image|scan|record|person|donor|participant|study|row)_?(id|ids|no|nr|number))|id"
)
_ROW_NUMBER = re.compile(
    r"|row_?names?|row(_?(number|num|no|id|index))?|unnamed(_\d+)?|index|idx|x|no|nr|num|number|obs"
    r"|lfd_?nr|serial(_(number|no))?|s_?no|level_0|n"
)
_ENTRY = re.compile(
    r"((delayed|late|study)_)?entry(_time)?(_(in_)?(days?|weeks?|months?|years?))?"
    r"|time_(at|of|to)_(study_)?entry"
    r"|(left_)?truncation(_time)?(_(in_)?(days?|weeks?|months?|years?))?"
)
_START = re.compile(
    r"(.*_)?(\w*diagnos\w*|dx|surgery|operation|resection|op|randomi[sz]ation|enrol+ment"
    r"|inclusion|baseline|start)(_.*)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a name says of its column.

    Attributes
    ----------
    kind : str
    aspect : str
        Of an outcome: ``time`` to the end of follow-up, ``event``, time to ``death`` alone, time to
        the ``last contact``; of a date: what it is the date of; else empty.
    endpoint : str
        ``os``, ``pfs`` ...; empty where the name does not tell.
    whole : bool
        Whether an abbreviation is all there is, which may be a gene's: ``TTR``, ``EFS``.
    """

    kind: PromisedKind
    aspect: Aspect = ""
    endpoint: str = ""
    whole: bool = False


def is_reversed(name: str) -> bool:
    """Whether a name speaks of life rather than death, so that its coding has to be asked for."""
    words = parts(without_brackets(name))
    there = set(words)
    lives = there & (SURVIVAL | VITAL | {"living"}) and not there & (EVENT | DEATH)
    denied = words[:1] == ("no",) or there & DENIED
    return bool(there & (ALIVE | CENSORED) or lives or denied)


@lru_cache(maxsize=KEPT_NAMES)
def promise(name: str) -> Promise | None:
    """Return what a column's name promises; None for a name that may be that of any feature."""
    simple = plain(name)
    # Nothing is left of a name in Chinese or Cyrillic letters, which numbers no rows for that.
    if _ROW_NUMBER.fullmatch(simple) and (simple or not any(c.isalpha() for c in name)):
        return Promise(kind="row number")
    if _ENTRY.fullmatch(simple):
        return Promise(kind="entry")
    words = parts(without_brackets(without_entity(name)))
    if words[:2] == ("number", "of") and set(words[2:3]) & UNITS.keys():
        words = words[2:]
    outcome = _outcome(words)
    # Of "data_zgonu" or "data_obito" the word says something else in English.
    dated = any(w in DATE for w in words) or (outcome is not None and words[0] == "data")
    dated = dated and not _is_duration(words)
    if dated and (outcome or words[0] in DATE or words[-1] in DATE):
        return _date(words, simple, outcome)
    if outcome is not None:
        return outcome
    if words and words[0] not in GENE_SETS and _has_phrase(words, PREDICTED):
        return Promise(kind="prediction")
    if _may_tell(words, simple):
        return Promise(kind="perhaps outcome")
    if _IDENTIFIER.fullmatch(simple):
        return Promise(kind="identifier")
    return Promise(kind="administrative") if _ADMINISTRATIVE.fullmatch(simple) else None


def _is_duration(words: tuple[str, ...]) -> bool:
    """``5_year_survival`` and ``survival_year`` count years; ``year_of_death`` is a date."""
    there = set(words)
    # "days from date of diagnosis to date of death"
    since = next((i for i, w in enumerate(words) if w in ("from", "since", "between")), 0)
    if set(words[:since]) & UNITS.keys():
        return True
    counted = "year" in there and (words[-1] == "year" or "to" in there)
    if len(words) > 1 and words[-2] == "in" and words[-1] in UNITS:
        return True
    return bool(there & SURVIVAL) or (counted and bool(there & ENDPOINTS))


def _date(words: tuple[str, ...], simple: str, outcome: Promise | None) -> Promise:
    aspect: Aspect = ""
    if outcome is not None and outcome.aspect in ("death", "last contact"):
        aspect = outcome.aspect
    elif outcome is not None and set(words) & DEATH:
        aspect = "death"
    elif outcome is None and _START.fullmatch(simple):
        aspect = "start"
    return Promise(kind="date", aspect=aspect, endpoint="" if outcome is None else outcome.endpoint)


def _outcome(words: tuple[str, ...]) -> Promise | None:
    """Return the promise of an outcome, or of what derives from one."""
    there = set(words)
    if not words or words[0] in GENE_SETS or ("stage" in there and "event" in there):
        return None
    if "fu" in there and "5" in there:  # fluorouracil
        there.discard("fu")
    to_what = _behind(words)
    if to_what & NO_TARGET:
        return None
    followed = bool(
        there & FOLLOW_UP
        or "fu" in there
        or {"follow", "up"} <= there
        or (there & LAST and there & LAST_SEEN)
    )
    died = _died(there)
    relapsed = bool(there & RELAPSE) and not there & BEFORE
    about_end = (
        followed
        or died
        or relapsed
        or bool(there & (ENDPOINTS | CENSORED))
        or (bool(there & SURVIVAL) and not there & TISSUE)
        or (bool(there & EVENT) and not there & BEFORE)
        or bool(to_what)
        or _status_of_disease(words, there)
        or _response(words, there)
        or bool(there & {"outcome", "outcomes"})
        or "cause" in there
        or _new_tumour(there)
        or ("free" in there and bool(there & (TIME | STATUS)))
        or (there <= TIME | GLUE and bool(there & TIME - UNITS.keys() - LENGTHS))
    )
    if not about_end:
        afterwards = _has_phrase(words, AFTERWARDS) and not there & BEFORE
        return Promise(kind="outcome") if afterwards else None
    endpoint = _endpoint(words, there, died=died, relapsed=relapsed)
    whole = len([w for w in words if not w.isdigit()]) == 1 and bool(there & ENDPOINTS)
    aspect = _aspect(there, to_what, last_letter=words[-1], followed=followed, died=died)
    return Promise(kind="outcome", aspect=aspect, endpoint=endpoint, whole=whole)


def _behind(words: tuple[str, ...]) -> set[str]:
    """Return what a time runs to: ``days_to_death`` gives death."""
    for i, word in enumerate(words[:-1]):
        if word in TO and i and words[i - 1] in TIME:
            return set(words[i + 1 :])
        if word in TIME and i + 2 < len(words) and words[-1] in TIME and words[i + 1] in TO:
            return set(words[i + 2 :])
    return set(words[:-1]) if words and words[-1] in TO and set(words) & TIME else set()


def _died(there: set[str]) -> bool:
    if there & TISSUE:
        return False
    vital = bool(there & VITAL) and (len(there) == 1 or bool(there & STATUS))
    living = bool(there & LIVING) and not there & {"half", "quality"}
    living = living and (there == {"living"} or bool(there & (STATUS | TIME)))
    return bool(there & (DEATH | ALIVE)) or vital or living


def _status_of_disease(words: tuple[str, ...], there: set[str]) -> bool:
    status = there & {"status", "stat", "estado", "statut", "stato"}
    return bool(status) and (len(words) == 1 or bool(there & PLACES_OF_STATUS))


def _response(words: tuple[str, ...], there: set[str]) -> bool:
    if "response" in there:
        return len(words) == 1 or bool(there & RESPONSE)
    return "success" in there and bool(there & {"treatment", "therapy", "outcome"})


def _has_phrase(words: tuple[str, ...], phrases: frozenset[tuple[str, ...]]) -> bool:
    """Whether some of the words, one behind the other, are one of the phrases."""
    return any(
        words[i : i + n] in phrases
        for n in range(1, _LONGEST_PHRASE + 1)
        for i in range(len(words) - n + 1)
    )


def _may_tell(words: tuple[str, ...], simple: str) -> bool:
    """Whether a whole name may be an outcome's, ``label``, or the last of many, ``ecog_last``."""
    if tuple(w for w in words if w not in FILLERS) in PERHAPS:
        return True
    ends = {simple.partition("_")[0], simple.rpartition("_")[2]}
    return bool(ends & LAST) and len(words) > 1 and not set(words) & (NO_LAST | BEFORE)


def _new_tumour(there: set[str]) -> bool:
    grown = there & {"tumor", "tumour", "neoplasm", "lesion", "metastasis"}
    return "new" in there and bool(grown)


def _endpoint(words: tuple[str, ...], there: set[str], *, died: bool, relapsed: bool) -> str:
    """Return the endpoint that a name tells; ``os`` for death of any cause."""
    named = [w for w in words if w in ENDPOINTS and w != "tte"]
    if named:
        return named[0]
    ill = bool(there & {"tumor", "tumour", "neoplasm", "disease", "cancer"})
    if ill and ("specific" in there or died):
        return "dss"
    if "free" in there:
        return f"{words[0]} free"
    if relapsed or _new_tumour(there) or ill:
        return "relapse"
    return "os" if died or "overall" in there else ""


def _aspect(
    there: set[str], to_what: set[str], *, last_letter: str, followed: bool, died: bool
) -> Aspect:
    """Tell a time from a status; neither where the name says something else of the outcome."""
    if there & (AGE | CAUSE | COUNTS | {"class", "group", "type", "site", "lost", *"123456789"}):
        return ""
    if any(w.isdigit() and w != "0" for w in there):
        return ""
    timed = bool(there & (TIME | {"length"})) or last_letter in SHORT_UNITS
    if there & TRANSFORMED:
        return ""
    if to_what:
        if to_what & LAST_SEEN and to_what & LAST:
            return "last contact"
        if to_what & (DEATH | ALIVE):
            return "death"
        return "time" if to_what & (EVENT | RELAPSE) or _new_tumour(there) else ""
    if there & (EVENT | CENSORED | STATUS):
        return "" if "outcome" in there else "event"
    if followed:
        return "last contact" if there & LAST else "time"
    if timed or there & SURVIVAL:
        return "death" if there & DEATH else "time"
    return "event" if died or there & RELAPSE or there <= ENDPOINTS else ""


def may_be_gene(name: str, *, among: int = 0) -> bool:
    """Whether a name that promises an outcome is the symbol of a gene, too: ``TTR``.

    Among many genes, so is every doubtful name that is written like one.
    """
    if name.upper() in _GENES_LIKE_OUTCOMES:
        return True
    hint = promise(name) if among >= MANY_GENES and _GENE.fullmatch(name) else None
    return hint is not None and hint.kind == "perhaps outcome"


def is_gene_like(names: Sequence[str]) -> bool:
    """Whether most names of a table look like those of genes."""
    return len(names) > 1 and 2 * sum(bool(_GENE.fullmatch(n)) for n in names) > len(names)


_GENES_LIKE_OUTCOMES = word_set("TTR EFS TTF1 TTF2 OS9 MOS MORT DSS1 NHS NHSL1 NHSL2 NAME")
_GENE = re.compile(
    r"[A-Z][A-Z0-9]{1,9}(-[A-Z0-9]{1,5}){0,2}|[A-Z][a-z]{1,6}\d+[a-z]?|C\d+orf\d+"
    r"|ENS[A-Z]*G\d{6,}(\.\d+)?|[A-Z0-9-]+[_.](rnaseq|rna|mrna|cnv|cna|mut|meth|mirna|prot)"
)
