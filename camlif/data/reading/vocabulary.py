"""The words of which names of outcome columns are made, in the languages of registries.

One set a meaning, in lower case and without accents, for `camlif.data.reading.names` to read. A new
language or coding manual is more words here and nothing else. Nothing fails.
"""

from __future__ import annotations

from camlif.data.manifest import DurationUnit


def word_set(text: str) -> frozenset[str]:
    """Return the words of a list that is written as one text."""
    return frozenset(text.split())


def _phrases(text: str) -> frozenset[tuple[str, ...]]:
    """Return phrases parted by commas, each as its words."""
    return frozenset(tuple(phrase.split()) for phrase in text.split(",") if phrase.strip())


ENDPOINTS = word_set(
    "os pfs pfi dfs dfi dss css rfs efs mfs dmfs lrfs lfs ffs bfs ddfs idfs ttp ttr ttf ttd tte"
)
DEATH = word_set(
    "death dead died deceased decease mortality expired exitus tod tot todes sterbe verstorben "
    "gestorben deces mort muerte muerto fallecido fallecimiento defuncion morte obito morto "
    "decesso mors overleden overlijden zgon morts mortalite mortalidad mortalidade mortalita "
    "sterblichkeit ableben "
    "verstarb decede decedee fallecio falecido falecimento deceduto deceduta decessi dood doods "
    "sterfte dods avliden avled afdod kuollut kuolema kuolin kuolinpaiva kuolinsyy smierc smierci "
    "zgonu zmarl umrti zemrel halalozas elhunyt decedat olum eksitus vefat смерть смерти умер "
    "умерла θανατος وفاة الوفاة"
)
ALIVE = word_set("alive survived lebend vivant vivo viva levend жив жива")
SURVIVAL = word_set(
    "survival surv survivor lifetime uberleben ueberleben uberlebenszeit ueberlebenszeit survie "
    "supervivencia sobrevida sobrevivencia sopravvivenza overleving przezycie overlevnad "
    "uberlebens ueberlebens overlevings overlevelse overlevelses overlevnads levetid livstid "
    "lifespan overlevelsestid overlevnadstid "
    "uberlebt elossaolo elossaoloaika elinaika przezycia preziti supravietuire tuleles sagkalim "
    "выживаемость выживаемости επιβιωση البقاء"
)
CENSORED = word_set("censor censored uncensored censoring censorship cens cnsr zensiert censure")
LIVING = word_set("living live life lebens levens vie vida vita liv livs zycia")
"""Of the outcome beside a status or a time: ``LiveStatus``, ``dni_zycia``."""

DENIED = word_set("not non free without")
"""Of a status, they turn it round: ``not_dead``, ``event_free``."""

EVENT = word_set("event events evt ereignis evento evenement gebeurtenis zdarzenie olay событие")
RELAPSE = word_set(
    "recurrence recur recurred relapse relapsed progression progressed nte rezidiv progress "
    "recidive recidiva progresion progressione recurrences relapses progressions rezidive "
    "lokalrezidiv lokalrezidive fernrezidiv recidief recidiv rechute rechutes recaida recaidas "
    "tilbagefald tilbakefall aterfall uusiutuma wznowa wznowy nawrot nuks relaps progressie "
    "progresja progressao рецидив прогрессирование"
)
STATUS = word_set("status stat state indicator flag estado statut stato etat situacao")
FOLLOW_UP = word_set(
    "followup fup lenfol nachbeobachtung seguimiento suivi opvolging nachsorge "
    "nachverfolgung beobachtungszeit beobachtungsdauer seguimento acompanhamento opfolgning "
    "oppfolging uppfoljning seuranta obserwacji sledovani urmarire takip наблюдения"
)
LAST = word_set(
    "last latest letzte letzter letzten letzt ultimo ultima dernier derniere dernieres derniers "
    "laatste sidste siste sista senaste ostatni ostatnia ostatniego posledni viimeinen последний "
    "последнего"
)
LAST_SEEN = word_set(
    "contact visit seen known alive information followed observation encounter check status update "
    "fu follow followup date control kontakt visite nouvelles contacto visita consulta contatto "
    "contato wizyta wizyty besuch bezoek kontroll kontrole controle vorstellung besok"
)
_UNIT_WORDS: dict[DurationUnit, str] = {
    "days": "day days tag tage jour jours dias giorni dagen dni dage dagar dager дней",
    "weeks": "week weeks wk wks wochen semaines semanas settimane weken",
    "months": "month months mo mos mth mths monat monate mois meses mesi maanden miesiace "
    "miesiecy mon maneder manader месяцев",
    "years": "year years yr yrs jahr jahre ans annees anos anni jaren jaar lata лет",
}
UNITS = {word: unit for unit, words in _UNIT_WORDS.items() for word in words.split()}
SHORT_UNITS: dict[str, DurationUnit] = {"d": "days", "w": "weeks", "m": "months", "y": "years"}
"""Units only in brackets, or behind an outcome: ``OS [m]``, ``fu_d``."""

TIME = frozenset(UNITS) | word_set(
    "time times duration length interval zeit dauer tiempo temps tempo duree delai durata tijd "
    "duur czas tid время"
)
LENGTHS = word_set("length interval")
TRANSFORMED = word_set(
    "log ln log2 log10 log1p sqrt scaled rescaled norm normed normalised normalized standardised "
    "standardized std zscore zscored minmax rank ranked quantile decile quartile percentile"
)
"""Beside these, a time is no time any more: ``ln_survival_months``."""

DATE = word_set("date dates dt datum dato fecha datetime timestamp year jahr annee")
TO = word_set("to bis hasta jusque fino")
NO_TARGET = word_set("birth peak max maximum minimum enhancement washout half")
"""``days_to_birth`` is an age, ``time_to_peak`` a perfusion: what they run to is no outcome."""

TISSUE = word_set(
    "cell cells tissue tissues area areas nuclei nucleus density box receptor domain ligand "
    "pathway programmed space fraction ratio volume zone inducing signaling signalling"
)
"""Beside these, "dead" and "survival" speak of cells: ``dead_cell_density``."""

VITAL = word_set("vital vitale vitaler vitalite vitales vitala")
BEFORE = word_set(
    "prior previous history family preoperative past baseline vorherige anamnese antecedents "
    "antecedentes previo previa tidligere tidigare eerdere"
)
AGE = word_set("age alter edad idade leeftijd alder wiek")
CAUSE = word_set("cause causa ursache oorzaak orsak arsag arsak przyczyna причина")
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
    "stime": ("survival", "time"),
    "svtime": ("survival", "time"),
    "srv": ("survival",),
    "vitst": ("vital", "status"),
    "vstat": ("vital", "status"),
    "vstatus": ("vital", "status"),
    "lfu": ("lost", "fu"),
    "ltfu": ("lost", "fu"),
    "ddn": ("date", "last", "contact"),
    "dthfl": ("death", "flag"),
    "dthdt": ("death", "date"),
    "dthdtc": ("death", "date"),
    "dthcaus": ("cause", "death"),
    "lstalvdt": ("last", "alive", "date"),
    "lstalvdtc": ("last", "alive", "date"),
    **{f"{name}t": (name, "time") for name in ENDPOINTS},
}
"""Abbreviations of SEER, CDISC and R's data sets: ``DTHFL``, ``SRV_TIME_MON``, ``OST``."""

LETTERS = {"t": "time", "e": "event", "c": "censored", "s": "status"}
"""Beside an endpoint and nothing else: ``T_OS``, ``OS_E``."""

FRAGMENTS = {
    **dict.fromkeys(("死亡", "사망"), "death"),
    **dict.fromkeys(("生存", "생존"), "survival"),
    **dict.fromkeys(("存活",), "alive"),
    **dict.fromkeys(("生死",), "vital status"),
    **dict.fromkeys(("死因",), "cause of death"),
    **dict.fromkeys(("状态", "状態", "여부"), "status"),
    **dict.fromkeys(("时间", "時間", "期間", "기간"), "time"),
    **dict.fromkeys(("随访", "隨訪", "追跡", "추적"), "followup"),
    **dict.fromkeys(("复发", "復發", "再発", "재발"), "relapse"),
    **dict.fromkeys(("进展", "進展", "増悪", "진행"), "progression"),
    **dict.fromkeys(("结局", "結局", "转归", "轉歸", "転帰"), "outcome"),
    **dict.fromkeys(("末次", "最后", "最後", "최종"), "last"),
    **dict.fromkeys(("日期", "日付", "날짜"), "date"),
    **dict.fromkeys(("天数", "日数"), "days"),
    **dict.fromkeys(("月数", "개월"), "months"),
    **dict.fromkeys(("未", "无", "無", "没", "非", "미"), "not"),
}
"""Of scripts that put no sign between words, and the English word that each stands for."""

AFTERWARDS = _phrases(
    # what became of the patient, English
    "autopsy, necropsy, postmortem, post mortem, hospice, end of life, off study, off treatment, "
    "off therapy, off protocol, discontinued, discontinuation, withdrawn, withdrawal, withdrew, "
    "dropout, drop out, completed treatment, completed study, completed therapy, treatment end, "
    "treatment ended, therapy end, end of treatment, end of study, study end, treatment stopped, "
    "early termination, salvage, second line, third line, next line, next treatment, "
    "subsequent therapy, subsequent treatment, further treatment, discharge status, "
    "discharge disposition, regrowth, metachronous, metastasis later, later metastasis, "
    "local failure, distant failure, regional failure, locoregional failure, treatment failure, "
    "biochemical failure, additional pharmaceutical, additional radiation, additional surgery, "
    "readmission, readmitted, readm, dmets, lost to, "
    # how long it was seen
    "person years, person months, person days, patient years, time at risk, time on study, "
    "time on trial, time on treatment, days on study, days on treatment, days lived, months lived, "
    "years lived, observation time, observation period, observation days, observation months, "
    "observation years, observed time, observed days, observed months, days observed, "
    "months observed, years observed, obs time, obs days, obs months, obs period, "
    # what was to be predicted
    "ground truth, y true, ytrue, y pred, ypred, y prob, y hat, yhat, true label, class label, "
    "target label, "
    # other languages
    "im verlauf, obduktion, sektionsbefund, hospiz, therapieende, therapieabbruch, studienende, "
    "behandlungsende, autopsie, perdu de vue, perdus de vue, desfecho, desenlace, egreso, "
    "autopsia, esito, uitkomst, nabeloop, utfall, udfald, stat rec, исход"
)
"""In any place of a name: what is known only when the follow-up has ended."""

PREDICTED = _phrases(
    "predicted, prediction, predictions, predict, predictor, pred, prognosis, prognosis group, "
    "prognostic group, prognostic groups, prognostic index, prognostic score, prognostic class, "
    "prognostic category, prognostic risk, risk group, riskgroup, risk groups, risk class, "
    "risk category, risk score, riskscore, risk scores, risk stratum, risk strata, risk level, "
    "risk final, risk index, final risk, mean risk, log risk, logrisk, log hazard, hazard, "
    "hazards, hazard ratio, nomogram, cox score, rad score, radscore, ai score, dl score, "
    "ml score, model score, model output, ensemble score, risikogruppe, risikoscore, vorhersage, "
    "prognose, prognosegruppe, groupe de risque, score de risque, grupo de riesgo, grupo riesgo"
)
"""In any place of a name: what another model or somebody who knew the outcome says of a patient."""

COUNTS = word_set("n num number count counts anzahl nombre numero antal aantal liczba")
FILLERS = COUNTS | word_set("no nr of total is flag code cd bin binary final value val yn 0 1 2")
"""Left out of a name before it is looked up in `PERHAPS`: ``number_of_visits``, ``label_1``."""

_PERHAPS = _phrases(
    "label, labels, target, targets, truth, gt, gold standard, delta, endpoint, endpoints, "
    "start, stop, tstart, tstop, exit, exit time, exit date, exit status, exit days, los, "
    "length of stay, hospital stay, hospital days, days in study, study days, study time, t2e, "
    "py, dod, doc, ned, awd, pd, cr, pcr, p cr, recist, responder, best resp, tumor free, "
    "tumour free, visits, followups, "
    "scans, admissions, hospitalisations, hospitalizations, palliative care, lp, high risk, "
    "low risk, "
    "days since diagnosis, days from diagnosis, days since dx, days from dx, days since surgery, "
    "days from surgery, time since diagnosis, time from diagnosis, time since surgery, "
    "time from surgery, months since diagnosis, months from diagnosis, fate, lts, v status, "
    "vital st, "
    # codes of SEER and CDISC
    "cod, codpub, codkm, vsrtsadx, odthclass, aval, avalc, adt, adtm, ady, evntdesc, cnsdtdsc, "
    "startdt, trtedt, trtedtm, trtdurd, eosstt, eosdt, dcsreas, dsdecod, dsterm, rfendtc, "
    # other languages
    "verlauf, krankheitsverlauf, kontrolle, zustand, fernmetastasen, oas, gu, ulz, pfu, "
    "tumor frei, evolution, issue, recul, pdv, sg, ssp, evolucion, slp, evolucao, evoluzione, "
    "verloop, forlob, stan, kontrola, przebieg"
)
PERHAPS = frozenset(tuple(w for w in phrase if w not in FILLERS) for phrase in _PERHAPS)
"""Whole names that may be an outcome's or something else's, without the fillers."""

NO_LAST = word_set("name menstrual menses period pregnancy meal drink screening")
"""Beside these, "last" speaks of the time before the diagnosis."""

JOINABLE = (
    *(ENDPOINTS, DEATH, ALIVE, SURVIVAL, CENSORED, EVENT, RELAPSE, STATUS, TIME, DATE, FOLLOW_UP),
    word_set(
        "vital overall disease free specific tumor tumour patient fu follow up last to of at in"
    ),
    word_set("from since lost living live new contact diagnose letzt kontakt vorstellung is bin"),
    word_set("alter ursache oorzaak gesamt frei freiheit lebens levens non not"),
)
GLUE = word_set("to of at in from since until")
KNOWN = frozenset(word for words in JOINABLE for word in words if len(word) > 1)
LONGEST_WORD = max(map(len, KNOWN))
