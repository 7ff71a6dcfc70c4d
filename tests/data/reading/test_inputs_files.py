"""Which file is what: clinical tables of any name, outcomes elsewhere, files of all roles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from camlif.data.reading.readers import read_cohort
from tests.builders.study import (
    FEATURES,
    Files,
    Frame,
    Input,
    N,
    clinical,
    csv,
    ct,
    examine,
    rna,
    study,
)

OUTCOME = clinical()[["patient_id", "survival_days", "event"]]
PERSON = clinical()[["patient_id", "age", "sex"]]


def joined(left: Frame, right: Frame) -> Frame:
    return left.merge(right, on="patient_id")


def renamed(name: str, table: Frame | None = None) -> Files:
    """The study whose clinical table has another file name."""
    return study(clinical=None, **{name: csv(clinical() if table is None else table)})


def again(table: Frame) -> Frame:
    """The table, a little other."""
    return table.assign(**{f: table[f] + 0.5 for f in FEATURES})


def stretched(table: Frame, factor: float) -> Frame:
    """A feature table whose numbers are all so many times as large."""
    return table.assign(**{name: table[name] * factor for name in FEATURES})


def on_its_side(table: Frame) -> bytes:
    """Patients in columns."""
    turned = table.set_index("patient_id").T
    turned.index.name = "attrib_name"
    return csv(turned.reset_index(), sep="\t")


def prefixed(table: Frame, prefix: str) -> Frame:
    return table.rename(columns={f: f"{prefix}_{f}" for f in FEATURES})


def datahub() -> Files:
    """A study with the official names of cBioPortal's files."""
    ids = clinical()["patient_id"].tolist()
    samples = [f"{i}-T01" for i in ids]
    patients = clinical()
    patients["OS_STATUS"] = patients["event"].map({1: "1:DECEASED", 0: "0:LIVING"})
    patients["OS_MONTHS"] = patients["survival_days"] / 30.4375
    patients = patients.rename(columns={"patient_id": "PATIENT_ID", "age": "AGE", "sex": "SEX"})
    patients = patients[["PATIENT_ID", "AGE", "SEX", "OS_MONTHS", "OS_STATUS"]]
    header = "".join(f"#{t}\n" for t in ("a", "b", "STRING", "1"))

    def matrix(table: Frame) -> bytes:
        genes = table.set_index("patient_id").T
        genes.columns = pd.Index(samples)
        genes.index.name = "Hugo_Symbol"
        return csv(genes.reset_index(), sep="\t")

    meta = b"cancer_study_identifier: x\ngenetic_alteration_type: CLINICAL\ndatatype: TIMELINE\n"
    timeline = pd.DataFrame({"PATIENT_ID": ids * 2, "START_DATE": 1, "STOP_DATE": 2})
    timeline["EVENT_TYPE"] = "TREATMENT"
    panel = pd.DataFrame({"SAMPLE_ID": samples, "mutations": "IMPACT468", "cna": "IMPACT468"})
    variants = pd.DataFrame(
        {"Sample_Id": samples[:9] * 2, "SV_Status": "SOMATIC", "Site1_Hugo_Symbol": "EGFR"}
    )
    variants["Site1_Position"] = range(18)
    sample = pd.DataFrame({"SAMPLE_ID": samples, "PATIENT_ID": ids, "ONCOTREE_CODE": "GBM"})
    return {
        "data_clinical_patient.txt": header.encode() + csv(patients, sep="\t"),
        "data_clinical_sample.txt": header.encode() + csv(sample, sep="\t"),
        "data_mrna_seq_v2_rsem.txt": matrix(rna()),
        "data_cna.txt": matrix(ct().round(0)),
        "data_timeline_treatment.txt": csv(timeline, sep="\t"),
        "data_gene_panel_matrix.txt": csv(panel, sep="\t"),
        "data_sv.txt": csv(variants, sep="\t"),
        "data_cna_hg19.seg": b"ID\tchrom\n",
        **{
            f"meta_{name}.txt": meta
            for name in ("study", "timeline_treatment", "gene_panel_matrix", "linear_cna", "x")
        },
    }


BOTH = b'[clinical]\nfile = "all.csv"\n[modalities.ct]\nfile = "all.csv"\n[modalities.rna]\n'
ALL = joined(clinical(), ct())
INPUTS = {
    # names of the clinical table
    **{
        f"the clinical table is called {name}": Input(files=lambda name=name: renamed(name))
        for name in (
            *("labels.csv", "NSCLC.clinical-version3.csv", "data.csv", "brca_survival.csv"),
            *("Phenotype.csv", "outcomes.csv", "Klinische Daten.csv", "table_S1.csv"),
        )
    },
    # several tables
    "the outcome stands in a table of its own": Input(
        files=lambda: study(clinical=PERSON, outcome=OUTCOME), names=("outcome.csv", "joined")
    ),
    "the outcome's table comes before and is called anything": Input(
        files=lambda: study(clinical=PERSON, a=OUTCOME), names=("a.csv", "joined")
    ),
    "time and status stand in tables of their own": Input(
        files=lambda: study(
            clinical=PERSON,
            status=OUTCOME[["patient_id", "event"]],
            time=OUTCOME[["patient_id", "survival_days"]],
        )
    ),
    "no table is called clinical": Input(
        files=lambda: study(clinical=None, persons=PERSON, follow_up=OUTCOME)
    ),
    "names of Xena": Input(
        files=lambda: study(
            clinical=None,
            **{
                "TCGA-X.survival.tsv": csv(OUTCOME, sep="\t"),
                "TCGA-X.clinical.tsv": csv(PERSON, sep="\t"),
            },
        )
    ),
    "the outcome's rows come in another order": Input(
        files=lambda: study(clinical=PERSON, outcome=OUTCOME[::-1])
    ),
    "a second table of endpoints": Input(
        files=lambda: study(
            endpoints=pd.DataFrame(
                {
                    "patient_id": clinical()["patient_id"],
                    "stage": [f"Stage {'I' * (1 + i % 3)}" for i in range(N)],
                    "os_days": clinical()["survival_days"],
                    "os_event": clinical()["event"],
                    "pfi_days": clinical()["survival_days"] // 2,
                    "pfi_event": clinical()["event"],
                }
            )
        ),
        names=("endpoints.csv", "os_days", "pfi_days"),
        inputs=("age", "sex", "stage"),
    ),
    "a table of treatments, several rows a patient": Input(
        files=lambda: study(
            clinical_follow_up=pd.DataFrame(
                {
                    "patient_id": clinical()["patient_id"].tolist() * 2,
                    "visit": [1] * N + [2] * N,
                    "disease_status": ["stable"] * N + ["progressive"] * N,
                }
            )
        ),
        names=("clinical_follow_up.csv left out", "120 rows of 60 patients"),
    ),
    "two clinical tables that both tell the outcome": Input(
        files=lambda: study(patients=clinical()),
        asks="E-08", names=("clinical.csv, patients.csv",), answers=("clinical=clinical.csv",),
    ),
    # one file for all
    "one file holds all": Input(
        files=lambda: {"all.csv": csv(joined(clinical(), joined(
            prefixed(ct(), "ct"), prefixed(rna(), "rna"))))},
        names=("all.csv holds clinical columns", "12 features"),
        tables={"all": tuple(f"{m}_{f}" for m in ("ct", "rna") for f in FEATURES)},
        same=False,
    ),
    "one file holds clinical columns and a modality": Input(
        files=lambda: study(clinical=None, ct=ALL), names=("ct.csv holds clinical columns",)
    ),
    "the outcome stands among features": Input(
        files=lambda: study(clinical=PERSON, ct=joined(OUTCOME, ct())),
        names=("ct.csv holds clinical columns (survival_days, event)",),
    ),
    "the outcome stands among two tables of features": Input(
        files=lambda: study(
            clinical=None, ct=joined(clinical(), ct()), rna=joined(OUTCOME, rna())
        ),
        asks="E-08", names=("ct.csv, rna.csv",), answers=("outcome=ct.csv",),
    ),
    "a file named for both purposes": Input(
        files=lambda: {
            "all.csv": csv(ALL), "rna.csv": csv(rna()), "cohort.toml": BOTH,
        },
        names=("all.csv holds clinical columns",),
    ),
    # on its side
    "the clinical table has patients in columns": Input(
        files=lambda: study(clinical=None, **{"clinical.tsv": on_its_side(clinical())}),
        names=("Patients are in columns",),
    ),
    "a modality has patients in columns": Input(
        files=lambda: study(ct=None, **{"ct.tsv": on_its_side(ct())}),
        names=("Patients are in columns",),
    ),
    "all tables have patients in columns": Input(
        files=lambda: {
            f"{n}.tsv": on_its_side(t)
            for n, t in (("clinical", clinical()), ("ct", ct()), ("rna", rna()))
        }
    ),
    # studies
    "a study of cBioPortal": Input(
        files=datahub,
        names=("data_timeline_treatment.txt", "data_sv.txt", "data_gene_panel_matrix.txt"),
        tables={"data_mrna_seq_v2_rsem": FEATURES, "data_cna": FEATURES},
        inputs=("age", "sex", "ONCOTREE_CODE"),
        same=False,
    ),
    **{
        f"a file that ends in {ending}": Input(
            files=lambda ending=ending: study(**{f"other{ending}": b"whatever"}),
            names=(f"other{ending}", "convert it"),
        )
        for ending in (".dta", ".sav", ".xpt", ".sas7bdat", ".xls", ".ods", ".rda", ".mat")
    },
    "the clinical table alone is of an old format": Input(
        files=lambda: study(clinical=None, **{"clinical.sav": b"$FL2"}),
        names=("clinical.sav", "convert it"), events=None, inputs=(), same=False,
    ),
    "a modality in two files of patients": Input(
        files=lambda: study(ct=None, ct_1=ct().head(25), ct_2=ct().tail(N - 25)),
        asks="E-07", names=("ct_1.csv, ct_2.csv have the same columns",), answers=("parts=ct",),
    ),
    "a modality of three sites": Input(
        files=lambda: study(
            ct=None, ct_siteA=ct().head(25), ct_siteB=ct()[25:40], ct_siteC=ct()[40:]
        ),
        asks="E-07", names=("one table, ct, of 60 patients",), answers=("parts=ct",),
    ),
    "a modality in two files of columns": Input(
        files=lambda: study(
            ct=None, ct_part1=ct()[["patient_id", *FEATURES[:3]]],
            ct_part2=ct()[["patient_id", *FEATURES[3:]]],
        ),
        asks="E-07", names=("ct_part1.csv, ct_part2.csv have the same patients and other",),
        answers=("parts=ct",),
    ),
    "columns of two files, the patients in another order and some in one only": Input(
        files=lambda: study(
            ct=None, ct_a=ct()[["patient_id", *FEATURES[:3]]],
            ct_b=ct()[["patient_id", *FEATURES[3:]]][::-1].rename(columns={"patient_id": "ID"}),
        ),
        asks="E-07", names=("one table, ct, of 60 patients",), answers=("parts=ct",),
    ),
    "files of columns, features in rows": Input(
        files=lambda: study(
            ct=None, ct_1=on_its_side(ct().head(25)), ct_2=on_its_side(ct().tail(N - 25))
        ),
        asks="E-07", names=("ct_1.csv, ct_2.csv",), answers=("parts=ct",),
    ),
    "two batches, four patients in both": Input(
        files=lambda: study(ct=None, ct_1=ct().head(32), ct_2=ct().tail(N - 28)),
        asks="E-07", names=("4 patients in common",), answers=("parts=ct",),
    ),
    "two batches, four patients measured in both": Input(
        files=lambda: study(ct=None, ct_1=ct().head(32), ct_2=again(ct().tail(N - 28))),
        asks="E-07", names=("4 patients in common",), answers=("parts=ct", "duplicates=first"),
        same=False,
    ),
    "two batches, one with a column more": Input(
        files=lambda: study(ct=None, ct_1=ct().head(25), ct_2=ct().tail(N - 25).assign(g=1)),
        asks="E-07", names=("nearly the same columns",), answers=("parts=ct",),
        tables={"ct": (*FEATURES, "g"), "rna": FEATURES}, same=False,
    ),
    "a modality and one of another scanner setting": Input(
        files=lambda: study(ct=None, ct_new=ct(), ct_old=stretched(ct(), 1.01)),
        names=("100 of 100 values", "ct_old.csv", "rise and fall with them"),
        tables={"ct_new": FEATURES, "ct_old": FEATURES, "rna": FEATURES}, same=False,
    ),
    "a modality and an older version of it": Input(
        files=lambda: study(ct=None, ct_new=ct(), ct_old=ct().assign(g1=0.5).tail(N - 3)),
        names=("100 values of ct_old.csv are those of ct_new.csv",),
        tables={"ct_new": FEATURES, "ct_old": FEATURES, "rna": FEATURES}, same=False,
    ),
    "two phases of one modality": Input(
        files=lambda: study(
            ct=None, ct_arterial=ct(), ct_venous=ct().set_axis(["patient_id", *"abcdef"], axis=1)
        ),
        tables={"ct_arterial": FEATURES, "ct_venous": tuple("abcdef"), "rna": FEATURES}, same=False,
    ),
    "two modalities of other patients, as somebody said": Input(
        files=lambda: study(ct=None, ct_1=ct().head(25), ct_2=ct().tail(N - 25)),
        asks="E-07", names=("ct_1.csv",), answers=("parts=apart",),
        tables={"ct_1": FEATURES, "ct_2": FEATURES, "rna": FEATURES}, same=False,
    ),
    "training and test patients": Input(
        files=lambda: study(
            clinical=None, train=clinical().head(40), test=clinical().tail(N - 40)
        ),
        asks="E-07", names=("train.csv",), answers=("parts=clinical",),
    ),
    "everything of two hospitals": Input(
        files=lambda: study(
            **dict.fromkeys(("clinical", "ct", "rna")),
            **{
                f"{name}_{i}": rows
                for name, table in (("clinical", clinical()), ("ct", ct()), ("rna", rna()))
                for i, rows in enumerate((table.head(30), table.tail(N - 30)))
            },
        ),
        asks="E-07", names=("clinical_0.csv, clinical_1.csv",),
        answers=("parts=clinical", "parts=ct", "parts=rna"),
    ),
    "a file that is no table": Input(
        files=lambda: study(**{"clinical.json": b"{}"}), names=("clinical.json", "no table")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INPUTS)
def test_every_file_is_what_it_holds(name: str) -> None:
    examine(INPUTS[name])


def test_tables_that_cannot_be_the_clinical_one_are_not_offered() -> None:
    _, report = read_cohort(study(clinical=None))

    (told,) = [p for p in report.warnings if p.code == "E-08"]

    assert told.values == ()


def test_rows_of_joined_and_parted_tables_are_accounted_for() -> None:
    files = study(clinical=PERSON, outcome=pd.concat([OUTCOME, OUTCOME[:2]]))

    _, report = read_cohort(files)

    assert report.flow is not None
    lost = [s.n for s in report.flow.steps if s.file == "outcome.csv"]
    assert sum(lost) == len(OUTCOME) + 2


def test_a_column_of_two_tables_counts_as_in_the_clinical_one() -> None:
    other = OUTCOME.assign(age=np.arange(N))

    cohort, report = read_cohort(study(clinical=PERSON, outcome=other))

    assert cohort is not None
    assert cohort.clinical["age"].tolist() == PERSON["age"].tolist()
    assert any(
        p.column == "age" and "differs from clinical.csv" in p.message for p in report.warnings
    )
