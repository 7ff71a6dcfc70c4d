"""What columns are, in clinical and feature tables: nothing that tells the outcome is an input."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from camlif.data.manifest import Manifest
from camlif.data.reading.names import promise
from camlif.data.reading.readers import read_cohort
from camlif.data.reading.repairs import mend
from tests.builders.study import (
    FEATURES,
    Files,
    Frame,
    Input,
    clinical,
    csv,
    ct,
    examine,
    rna,
    study,
)

DAYS = clinical()["survival_days"]
EVENT = clinical()["event"]
AGE, SEX = clinical()["age"], clinical()["sex"]
DEAD = EVENT == 1

OUTCOMES: dict[str, object] = {
    "OS": EVENT,
    "OS.time": DAYS,
    "OS_MONTHS": DAYS / 30.4,
    "OS_STATUS": EVENT.map({1: "1:DECEASED", 0: "0:LIVING"}),
    "deadstatus.event": EVENT,
    "days_to_death": DAYS.where(DEAD),
    "days_to_last_follow_up": DAYS.where(~DEAD),
    "DAYS_LAST_FOLLOWUP": DAYS,
    "vital_status": EVENT.map({1: "Dead", 0: "Alive"}),
    "time": DAYS / 30.4,
    "status": EVENT,
    "futime": DAYS,
    "fustat": EVENT,
    "rtime": DAYS * 0.7,
    "dtime": DAYS,
    "censorship": 1 - EVENT,
    "CNSR": 1 - EVENT,
    "tumor_status": EVENT.map({1: "WITH TUMOR", 0: "TUMOR FREE"}),
    "PERSON_NEOPLASM_CANCER_STATUS": EVENT.map({1: "WITH TUMOR", 0: "TUMOR FREE"}),
    "NEW_TUMOR_EVENT_DX_DAYS_TO": DAYS / 2,
    "treatment_outcome_first_course": EVENT.map({1: "PD", 0: "CR"}),
    "cause_of_death": EVENT.map({1: "cancer", 0: "none"}),
    "year_of_death": (2010 + DAYS // 365).where(DEAD),
    "PFI.time": DAYS * 0.8,
    "Recurrence (0/1)": EVENT,
    "Time to progression": DAYS / 3,
    "last_seen": DAYS,
    "alive_at_5y": (DAYS > 1826).astype(int),
    "surv_class": np.where(DAYS > 1500, "long", "short"),
    "PFSstatus": EVENT,
    "Vitalstatus": EVENT.map({1: "verstorben", 0: "lebt"}),
    "Überlebenszeit (Tage)": DAYS,
    "statut_vital": EVENT,
    "supervivencia_dias": DAYS,
    "best_response": np.where(DEAD, "PD", "CR"),
}
MEANWHILE = [i % 7 % 3 for i in range(60)]
"""Numbers that no evidence finds: the name alone keeps them out."""

AFTERWARDS: dict[str, object] = dict.fromkeys(
    [
        *("STAT_REC", "DTHFL", "DTHCAUS", "SRV_TIME_MON", "VITST", "isdead", "uncensored"),
        *("OSbin", "OST", "EFST", "RFST", "dead5y", "time2death", "OS5yr", "n_relapses"),
        *("number_of_recurrences", "salvage_therapy", "hospice", "autopsy", "withdrawn"),
        *("treatment_end", "person_years", "obs_time", "y_true", "additional_radiation_therapy"),
        *("Sterbealter", "Überlebensstatus", "Nachsorge_Monate", "Letztkontakt", "ÜberlebtTage"),
        *("fernmetastasen_im_Verlauf", "overlevingsduur", "levensstatus", "doodsoorzaak"),
        *("overlevelse_dage", "dødsdato", "överlevnadstid", "utfall", "kuolinsyy", "elossaolo"),
        *("vitalité", "perdu_de_vue", "rechute", "causa_muerte", "seguimiento_meses"),
        *("desenlace", "desfecho", "acompanhamento", "stato_in_vita", "recidiva", "esito"),
        *("dni_zycia", "data_zgonu", "wznowa", "ölüm", "sağkalım", "смерть", "выживаемость"),
        *("死亡", "生存时间", "転帰", "사망여부"),
    ],
    MEANWHILE,
)
DOUBTFUL: dict[str, object] = dict.fromkeys(
    [
        *("label", "target_1", "stop", "exit", "los", "length_of_stay", "COD", "AVAL", "ADT"),
        *("CNSDTDSC", "n_visits", "number_of_scans", "last_scan", "ecog_last", "Verlauf", "stan"),
    ],
    MEANWHILE,
)
PREDICTED: dict[str, object] = dict.fromkeys(
    [
        *("risk_group_final", "prognostic_group", "predicted_risk", "PredictedClass", "risk_score"),
        *("Risk.Group", "log_risk", "cox_score", "nomogram_points", "rad_score", "hazard_ratio"),
        *("prognosis", "model_output", "high_risk", "Prognosegruppe", "groupe_de_risque"),
    ],
    MEANWHILE,
)
BOOKKEEPING: dict[str, object] = {
    "fold": [i % 5 for i in range(60)],
    "cv_split": [i % 3 for i in range(60)],
    "train": [int(i % 4 > 0) for i in range(60)],
    "scan_date": [20150101 + i % 28 for i in range(60)],
    "acquisition": [20150301 + i % 28 for i in range(60)],
    "Unnamed: 0": list(range(60)),
    "X": list(range(1, 61)),
    "index": list(range(60)),
    "row_number": list(range(1, 61)),
    "position": list(range(1, 61)),
    "site": [f"{i % 4}" for i in range(60)],
    "scanner": [i % 2 for i in range(60)],
    "sample_uuid": [f"{i:08d}-aa" for i in range(60)],
}
HIDDEN: dict[str, object] = {
    "copy of the event": EVENT,
    "its reverse": 1 - EVENT,
    "the event in words": EVENT.map({1: "yes", 0: "no"}),
    "copy of the time": DAYS / 30,
    "a monotone function of the time": np.log1p(DAYS) ** 3,
    "minus the time": -1.0 * DAYS,
    "the time with a little noise": DAYS * (1 + 0.05 * rna()["g0"]),
    "missing without the event": ct()["g0"].where(DEAD),
    "missing with the event": ct()["g0"].where(~DEAD),
    "classes of the time": DAYS // 700,
    "the time of eighteen patients": DAYS.where(DAYS.index < 18),
    "the time of half of the dead": DAYS.where(DEAD & (DAYS.index % 2 == 0)),
    "the event of eighteen patients": EVENT.where(DAYS.index < 18),
    "the event with one error": EVENT.where(EVENT.index > 0, 1 - EVENT),
    "the time folded": (DAYS - DAYS.median()).abs(),
    "the time folded at its quarter": (DAYS - DAYS.quantile(0.25)).abs(),
    "the time in shuffled classes": (DAYS // 350).map(lambda c: (7 * c + 3) % 10),
    "the age at the end": AGE + DAYS / 365.25,
    "the age at the end in whole years": (AGE + DAYS / 365.25).astype(int),
    "the time times the age": DAYS * AGE,
    "the age where the event was": AGE * (1 + EVENT),
    "the event added to the age": AGE + EVENT,
    "odd numbers for the event": 2 * (17 * EVENT.index % 60) + EVENT,
    "the event between the others": EVENT.where(DEAD, EVENT.index % 2 * 4 - 1),
}
HIDDEN_AMONG_FEATURES: dict[str, object] = {
    "a feature and the time": ct()["g0"] + DAYS / 1000,
    "a feature and the event": ct()["g1"] + EVENT,
    "a feature times the time": ct()["g2"] * DAYS,
}
HIDDEN_IN_LEVELS: dict[str, object] = {
    "the time in twenty intervals": [f"{180 * (d // 180)}-{180 * (d // 180 + 1)}" for d in DAYS],
    "the time in thirteen intervals": [f"{d // 270}th part" for d in DAYS],
    "the event in fourteen words": [f"{'abcdefg'[i % 7]}{'xy'[e]}" for i, e in enumerate(EVENT)],
}
HONEST: dict[str, object] = {
    "stage": [f"{1 + i % 4}" for i in range(60)],
    "er_status": [f"{'pos' if i % 3 else 'neg'}" for i in range(60)],
    "smoking_status": [("never", "former")[i % 2] for i in range(60)],
    "metastasis_at_diagnosis": [i % 2 for i in range(60)],
    "pack_years": [float(i % 31) for i in range(60)],
    "dead_cell_density": rna()["g1"].to_numpy()[::-1],
    "time_to_peak": rna()["g2"].to_numpy()[::-1],
    "HALLMARK_APOPTOSIS": rna()["g3"].to_numpy()[::-1],
    "performance_status": [i % 3 for i in range(60)],
}


def in_ct(columns: dict[str, object]) -> Callable[[], Files]:
    return lambda: study(ct=ct().assign(**columns))


def in_clinical(columns: dict[str, object]) -> Callable[[], Files]:
    return lambda: study(clinical=clinical().assign(**columns))


def named(columns: dict[str, object]) -> tuple[str, ...]:
    return (f"{len(columns)} columns are no" if len(columns) > 1 else "1 column is no", *columns)


GENES = ("TP53", "EGFR", "TTR", "EFS", "NHS", "STAT3")


def genes(**more: object) -> Files:
    table = ct().rename(columns=dict(zip(FEATURES, GENES, strict=True))).assign(**more)
    return study(ct=None, genes=table)


def copied(column: str, first: str, second: str, *, differ: bool = False) -> Frame:
    """The clinical table with a column twice, as a merge of two tables leaves it."""
    table = clinical().rename(columns={column: first})
    cells = table[first]
    if differ:
        other = cells.map({"female": "male", "male": "female"}) if column == "sex" else cells + 7
        cells = cells.where(cells.index >= 5, other)
    return table.assign(**{second: cells})


def codes() -> pd.Series:
    """Codes of short, middle and long follow-up that do not rise with it."""
    days = clinical()["survival_days"]
    return pd.cut(days, [0, 1200, 2500, 9999], labels=False).map({0: 2, 1: 1, 2: 3})


INPUTS = {
    "outcome columns in a feature table": Input(files=in_ct(OUTCOMES), names=named(OUTCOMES)),
    "what is known afterwards in a feature table": Input(
        files=in_ct(AFTERWARDS), names=named(AFTERWARDS)
    ),
    "names that may be an outcome's": Input(
        files=in_clinical(DOUBTFUL), names=(*DOUBTFUL, "(perhaps of the outcome)")
    ),
    "what another model said in the clinical table": Input(
        files=in_clinical(PREDICTED), names=(*named(PREDICTED), "perhaps another model's")
    ),
    "what another model said in a feature table": Input(
        files=in_ct(PREDICTED), names=named(PREDICTED)
    ),
    "age and sex in a feature table": Input(
        files=in_ct({"Age": AGE.astype(int), "gender": (SEX == "male").astype(int), "yrs": AGE}),
        names=("3 columns are no features", "Age (age", "gender (sex", "yrs (the values of age"),
    ),
    "a label in a feature table": Input(
        files=in_ct({"label": MEANWHILE}), names=("1 column is no feature", "label")
    ),
    "a label of masks": Input(
        files=in_ct({"label": 1}), names=("1 column about the extraction", "label")
    ),
    "bookkeeping in a feature table": Input(files=in_ct(BOOKKEEPING), names=named(BOOKKEEPING)),
    "bookkeeping in the clinical table": Input(
        files=in_clinical(BOOKKEEPING), names=named(BOOKKEEPING)
    ),
    **{
        f"{name} in a feature table": Input(
            files=in_ct({"z1": values}) if not isinstance(values[1], str)  # type: ignore[index]
            else in_clinical({"z1": values}),
            names=("1 column is no", "z1 ("),
        )
        for name, values in (HIDDEN | HIDDEN_AMONG_FEATURES).items()
    },
    **{
        f"{name} in the clinical table": Input(
            files=in_clinical({"z1": values}), names=("1 column is no", "z1 (")
        )
        for name, values in (HIDDEN | HIDDEN_IN_LEVELS).items()
    },
    "honest clinical columns": Input(
        files=in_clinical(HONEST), inputs=("age", "sex", *HONEST)
    ),
    "honest features with telling names": Input(
        files=in_ct({k: v for k, v in HONEST.items() if not isinstance(v, list)}),
        tables={
            "ct": (*FEATURES, "dead_cell_density", "time_to_peak", "HALLMARK_APOPTOSIS"),
            "rna": FEATURES,
        },
    ),
    "genes called like outcomes and personal data": Input(
        files=genes, tables={"genes": GENES, "rna": FEATURES}, same=False
    ),
    "an outcome among genes": Input(
        files=lambda: genes(OS=EVENT, **{"OS.time": DAYS}),
        names=("2 columns are no features: OS, OS.time",),
        tables={"genes": GENES, "rna": FEATURES},
        same=False,
    ),
    "a gene that tells the time": Input(
        files=lambda: genes(TTF1=DAYS * 1.0),
        names=("TTF1 (",),
        tables={"genes": GENES, "rna": FEATURES},
        same=False,
    ),
    "a national number among genes": Input(
        files=lambda: genes(NHS=[9434765919 + i for i in range(60)]),
        asks="E-17",
        names=("NHS",),
        answers=("drop=NHS",),
        tables={"genes": tuple(g for g in GENES if g != "NHS"), "rna": FEATURES},
        same=False,
    ),
    **{
        f"{column} twice, as {first} and {second}": Input(
            files=lambda column=column, first=first, second=second: study(
                clinical=copied(column, first, second)
            ),
            names=(f"{first}, {second} are equal",),
        )
        for column in ("age", "sex", "event", "survival_days")
        for first, second in ((f"{column}.x", f"{column}.y"), (column, f"{column}.1"))
    },
    **{
        f"{column} twice with differences": Input(
            files=lambda column=column: study(
                clinical=copied(column, f"{column}.x", f"{column}.y", differ=True)
            ),
            asks="E-01", names=(f"{column}.x, {column}.y", "differ for 5 patients"),
            answers=(f"copy={column}.x",),
        )
        for column in ("age", "sex")
    },
    "every column of two merged tables": Input(
        files=lambda: study(clinical=clinical().merge(clinical(), on="patient_id")),
    ),
    "a feature twice": Input(
        files=lambda: study(ct=ct().rename(columns={"g0": "g0.x"}).assign(**{"g0.y": ct()["g0"]})),
        names=("g0.x, g0.y are equal",),
    ),
    "two coordinates": Input(
        files=lambda: study(
            ct=ct().rename(columns={"g0": "centre.x"}).assign(**{"centre.y": ct()["g1"][::-1]})
        ),
        tables={"ct": ("centre.x", "centre.y", *FEATURES[1:]), "rna": FEATURES}, same=False,
    ),
    "codes of the time in any order": Input(
        files=lambda: study(
            clinical=clinical().assign(cluster=codes()), ct=ct().assign(group=codes())
        ),
        names=("cluster", "group"),
    ),
    "a number of the hospital": Input(
        files=lambda: study(
            clinical=clinical().assign(hospital_no=range(5000, 5060), lfd=range(300, 360))
        ),
        names=("hospital_no", "lfd"),
    ),
    "an empty first column": Input(
        files=lambda: study(clinical=b"," + csv(clinical()).replace(b"\n", b"\n,").rstrip(b",")),
        names=("row names (row numbers)",),
    ),
    "sex merged over rows": Input(
        files=in_clinical({"stage": ["III", *[None] * 29, "II", *[None] * 29]}),
        names=("missing, of 60 patients: stage (58)",),
        inputs=("age", "sex", "stage"),
    ),
    "days to birth": Input(
        files=lambda: study(
            clinical=clinical().assign(DAYS_TO_BIRTH=-(AGE * 365.25)).drop(columns="age")
        ),
        names=("DAYS_TO_BIRTH", "days"),
    ),
    "an age in days": Input(
        files=lambda: study(
            clinical=clinical().assign(age_at_diagnosis=AGE * 365.25).drop(columns="age")
        ),
        names=("age_at_diagnosis", "days"),
    ),
    "an age in months": Input(
        files=lambda: study(clinical=clinical().assign(age=AGE * 12)),
        asks="E-09",
        names=("age", "days, weeks or months"),
        answers=("age=months",),
    ),
    "an age whose name tells months": Input(
        files=lambda: study(clinical=clinical().assign(age_months=AGE * 12).drop(columns="age")),
        names=("age_months", "months"),
    ),
    "an age whose name tells weeks": Input(
        files=lambda: study(
            clinical=clinical().assign(age_weeks=AGE * 365.25 / 7).drop(columns="age")
        ),
        names=("age_weeks", "weeks"),
    ),
    "an age in hours": Input(
        files=lambda: study(clinical=clinical().assign(age_h=AGE * 8766).drop(columns="age")),
        asks="E-09", names=("age_h",), refused=True,
    ),
    "an age in German months": Input(
        files=lambda: study(clinical=clinical().assign(Alter_Monate=AGE * 12).drop(columns="age")),
        names=("Alter_Monate", "months"),
    ),
    "an age in German": Input(
        files=lambda: study(
            clinical=clinical().rename(columns={"age": "Alter", "sex": "Geschlecht"})
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INPUTS)
def test_nothing_that_tells_the_outcome_is_an_input(name: str) -> None:
    examine(INPUTS[name])


@pytest.mark.parametrize("column", OUTCOMES | AFTERWARDS)
def test_each_outcome_column_is_kept_out_of_the_clinical_inputs(column: str) -> None:
    cohort, report = read_cohort(
        study(clinical=clinical().assign(**{column: (OUTCOMES | AFTERWARDS)[column]})),
        manifest=Manifest.model_validate(
            {"clinical": {"duration": "survival_days", "event": "event"}}
        ),
    )

    assert cohort is not None, report.errors
    assert report.inputs == ("age", "sex")
    assert column in " ".join(p.message for p in report.warnings)


@pytest.mark.parametrize("column", ["risk_score", "age", "label"])
def test_what_is_no_feature_is_one_where_somebody_says_so(column: str) -> None:
    cohort, report, _ = mend(
        in_ct({column: AGE if column == "age" else MEANWHILE})(), [f"input={column}"], title="t"
    )

    assert cohort is not None, report.errors
    assert column in cohort.schema["ct"].columns


@pytest.mark.parametrize("table", ["clinical", "ct"])
def test_a_column_is_an_input_all_the_same_where_somebody_says_so(table: str) -> None:
    files = {"clinical": in_clinical, "ct": in_ct}[table]({"PFI.time": DAYS * 0.8})()

    cohort, report, _ = mend(files, ["input=PFI.time"], title="t")

    assert cohort is not None, report.errors
    assert ("PFI.time" in report.inputs) == (table == "clinical")
    assert ("PFI.time" in cohort.schema["ct"].columns) == (table == "ct")


def test_what_columns_are_is_kept_with_its_reason() -> None:
    _, report = read_cohort(study(ct=ct().assign(**{"OS.time": DAYS, "z1": EVENT})))

    assert [(r.column, r.kind) for r in report.no_inputs["ct.csv"]] == [
        ("OS.time", "outcome"),
        ("z1", "outcome"),
    ]
    assert report.no_inputs["ct.csv"][1].because.startswith("tells the event")
    assert report.to_json()["no_inputs"]["ct.csv"][0]["because"] == "its name"


@pytest.mark.parametrize(
    "name",
    [
        *("TP53", "STAT3", "FUT1", "TIMELESS", "FANCD2OS", "ANO1", "original_glcm_Idmn", "age"),
        *("ball_hall_index_of_cancer_in_epithelial", "n_foreground_tiles", "menostat", "grade"),
        *("risk_factors", "stage_event_pathologic_stage", "5-FU", "tumour_size", "entry_site"),
        *("REACTOME_EVENTS_OF_PHAGOCYTOSIS", "vital_capacity", "prior_recurrence", "deadline"),
        *("length", "days", "interval", "mo", "prior_relapses", "target_volume", "HPV_status"),
        *("Tumorlast", "last_menstrual_period", "start_codon", "family_history_hospice", "VIT"),
        *("MOS", "quality_of_life", "cod_paciente", "time_to_half_life", "AT2R", "T2D"),
    ],
)
def test_names_of_features_promise_nothing(name: str) -> None:
    assert promise(name) is None


def test_a_small_cohort_is_not_judged_by_its_values() -> None:
    few = [clinical().head(12), ct().head(12).assign(z1=EVENT.head(12)), rna().head(12)]
    files = {f"{n}.csv": csv(t) for n, t in zip(("clinical", "ct", "rna"), few, strict=True)}

    cohort, _ = read_cohort(files)

    assert cohort is not None
    assert "z1" in cohort.schema["ct"].columns


def test_a_doubtful_name_is_an_input_where_somebody_says_so() -> None:
    files = in_clinical({"label": MEANWHILE})()

    cohort, report, _ = mend(files, ["input=label"], title="t")

    assert cohort is not None, report.errors
    assert set(report.inputs) == {"age", "sex", "label"}


@pytest.mark.parametrize(("n_genes", "is_feature"), [(40, True), (6, False)])
def test_a_doubtful_name_is_a_gene_among_many(n_genes: int, is_feature: bool) -> None:
    values = np.random.default_rng(3).normal(size=(60, n_genes))
    more = {f"ABC{i}": values[:, i] for i in range(n_genes)}

    cohort, _ = read_cohort(study(ct=ct().assign(**more, COD=MEANWHILE, label=MEANWHILE)))

    assert cohort is not None
    assert ("COD" in cohort.schema["ct"].columns) == is_feature
    assert "label" not in cohort.schema["ct"].columns


def test_a_name_in_other_letters_numbers_no_rows() -> None:
    assert promise("血小板") is None
    assert promise("возраст") is None
    assert promise("#") == promise("Unnamed: 0")


def test_clinical_inputs_of_one_value_are_named() -> None:
    table = clinical().assign(tumour_no=1)
    _, report = read_cohort(study(clinical=table))
    assert [p.line for p in report.problems if "without variation" in p.message] == [
        "clinical.csv: 1 clinical input without variation, from which a model learns nothing: "
        "tumour_no."
    ]
