"""The words of which names of outcome columns are made, in the languages of registries.

One set a meaning, in lower case and without accents, for `camlif.data.reading.names` to read. A new
language or coding manual is more words here and nothing else. Nothing fails.
"""

from __future__ import annotations

from camlif.data.manifest import DurationUnit


def word_set(text: str) -> frozenset[str]:
    """Return the words of a list that is written as one text."""
    return frozenset(text.split())


ENDPOINTS = word_set(
    "os pfs pfi dfs dfi dss css rfs efs mfs dmfs lrfs lfs ffs bfs ddfs idfs ttp ttr ttf ttd tte"
)
DEATH = word_set(
    "death dead died deceased decease mortality expired exitus tod tot todes sterbe verstorben "
    "gestorben deces mort muerte muerto fallecido fallecimiento defuncion morte obito morto "
    "decesso overleden overlijden zgon"
)
ALIVE = word_set("alive survived lebend vivant vivo viva levend")
SURVIVAL = word_set(
    "survival surv survivor lifetime uberleben ueberleben uberlebenszeit ueberlebenszeit survie "
    "supervivencia sobrevida sobrevivencia sopravvivenza overleving przezycie overlevnad"
)
CENSORED = word_set("censor censored censoring censorship cens cnsr zensiert censure")
EVENT = word_set("event events evt ereignis evento evenement")
RELAPSE = word_set(
    "recurrence recur recurred relapse relapsed progression progressed nte rezidiv progress "
    "recidive recidiva progresion progressione"
)
STATUS = word_set("status stat state indicator flag estado statut stato")
FOLLOW_UP = word_set("followup fup lenfol nachbeobachtung seguimiento suivi opvolging")
LAST = word_set("last latest letzte letzter letzten ultimo ultima dernier derniere laatste")
LAST_SEEN = word_set(
    "contact visit seen known alive information followed observation encounter check status update "
    "fu follow followup date control kontakt visite nouvelles contacto visita consulta contatto"
)
_UNIT_WORDS: dict[DurationUnit, str] = {
    "days": "day days tag tage jour jours dias giorni dagen dni",
    "weeks": "week weeks wk wks wochen semaines semanas settimane weken",
    "months": "month months mo mos mth mths monat monate mois meses mesi maanden miesiace",
    "years": "year years yr yrs jahr jahre ans annees anos anni jaren lata",
}
UNITS = {word: unit for unit, words in _UNIT_WORDS.items() for word in words.split()}
SHORT_UNITS: dict[str, DurationUnit] = {"d": "days", "w": "weeks", "m": "months", "y": "years"}
"""Units only in brackets, or behind an outcome: ``OS [m]``, ``fu_d``."""

TIME = frozenset(UNITS) | word_set(
    "time times duration length interval zeit dauer tiempo temps tempo duree delai durata tijd czas"
)
LENGTHS = word_set("length interval")
TRANSFORMED = word_set(
    "log ln log2 log10 log1p sqrt scaled rescaled norm normed normalised normalized standardised "
    "standardized std zscore zscored minmax rank ranked quantile decile quartile percentile"
)
"""Beside these, a time is no time any more: ``ln_survival_months``."""

DATE = word_set("date dates dt datum fecha datetime timestamp year jahr annee")
TO = word_set("to bis hasta jusque fino")
NO_TARGET = word_set("birth peak max maximum minimum enhancement washout half")
"""``days_to_birth`` is an age, ``time_to_peak`` a perfusion: what they run to is no outcome."""

TISSUE = word_set(
    "cell cells tissue tissues area areas nuclei nucleus density box receptor domain ligand "
    "pathway programmed space fraction ratio volume zone inducing signaling signalling"
)
"""Beside these, "dead" and "survival" speak of cells: ``dead_cell_density``."""

VITAL = word_set("vital vitale vitaler")
BEFORE = word_set("prior previous history family preoperative past baseline")
GENE_SETS = word_set("hallmark kegg reactome go gobp gocc gomf biocarta pid wp")
PLACES_OF_STATUS = word_set(
    "tumor tumour cancer neoplasm disease patient life living last final current vital subject"
)
RESPONSE = word_set(
    "best objective measure treatment therapy recist overall complete clinical pathologic "
    "pathological tumor tumour of to success"
)
SPECIAL = {
    "rtime": ("recurrence", "time"),
    "dtime": ("death", "time"),
    "futime": ("fu", "time"),
    "fustat": ("fu", "status"),
    "fstat": ("fu", "status"),
    "tte": ("time", "to", "event"),
}
JOINABLE = (
    *(ENDPOINTS, DEATH, ALIVE, SURVIVAL, CENSORED, EVENT, RELAPSE, STATUS, TIME, DATE, FOLLOW_UP),
    word_set(
        "vital overall disease free specific tumor tumour patient fu follow up last to of at in"
    ),
    word_set("from since lost living new contact diagnose"),
)
GLUE = word_set("to of at in from since until")
KNOWN = frozenset(word for words in JOINABLE for word in words if len(word) > 1)
LONGEST_WORD = max(map(len, KNOWN))
