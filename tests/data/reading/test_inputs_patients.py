"""Rows that are no patients, repeated and normal samples, and identifiers that look alike."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from camlif.data.reading.readers import read_cohort
from camlif.data.reading.spelling import alike
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

IDS = clinical()["patient_id"].tolist()


def below(name: str, table: Frame, **cells: object) -> Frame:
    """Return a table with another row below."""
    return pd.concat([table, pd.DataFrame([{"patient_id": name, **cells}])], ignore_index=True)


def above(table: Frame, *cells: str) -> Frame:
    first = pd.DataFrame([dict(zip(table.columns, cells, strict=True))])
    return pd.concat([first, table], ignore_index=True)


def genes(**more: str) -> bytes:
    """Return a table with patients in columns, and others behind that repeat the first ones."""
    table = ct().set_index("patient_id").T
    for k, (name, of) in enumerate(more.items()):
        table[name] = table[of] + k + 1
    return csv(table.rename_axis("gene").reset_index())


def paired(column: str, normal: object, tumour: object) -> Files:
    """Every patient has normal tissue first, all of it 50."""
    tissue = ct()
    tissue[FEATURES[0]] = 50.0
    both = pd.concat([tissue.assign(**{column: normal}), ct().assign(**{column: tumour})])
    return study(ct=both)


def some(spell: Callable[[str], str], n: int = 3) -> Files:
    ids = [spell(i) if k < n else i for k, i in enumerate(IDS)]
    return study(ct=ct().assign(patient_id=ids))


MEANS = dict.fromkeys(FEATURES, 0.25)
AVERAGES = clinical()[["age", "survival_days", "event"]].mean().round(3).to_dict()
NONE = ("no patient's",)
NORMAL = ("of normal tissue",)
YES = {"asks": "E-07", "answers": ("same=yes",)}
INPUTS = {
    "a row of means": Input(files=lambda: study(ct=below("Mean", ct(), **MEANS)), names=NONE),
    "a row of deviations": Input(files=lambda: study(ct=below("Std. Dev.", ct(), **MEANS)),
                                 names=NONE),
    "a row of totals": Input(
        files=lambda: study(clinical=below("Total", clinical(), event=33)), names=("Total",)
    ),
    **{
        f"{name!r} below the table": Input(
            files=lambda name=name, cells=cells: study(clinical=below(name, clinical(), **cells)),
            names=(*NONE, name or "no name"),
        )
        for name, cells in {
            "Median follow-up": {"survival_days": 2844},
            "All patients": AVERAGES | {"sex": "30/30", "event": 37},
            "Events": {"event": 37},
            "%": {"event": 61.7},
            "female": {"sex": "33"},
            "Range 31-88": {"age": "31-88"},
            "60": AVERAGES,
            "": AVERAGES,
        }.items()
    },
    "a patient with the mean age": Input(
        files=lambda: study(ct=below("KM-061", ct(), **dict.fromkeys(FEATURES, 0.5))),
        patients=61,
    ),
    "patients with ALL among others": Input(
        files=lambda: study(**{
            name: table.assign(
                patient_id=[f"ALL-{i:03d}" if i > 57 else f"AML-{i:03d}" for i in range(N)]
            )
            for name, table in (("clinical", clinical()), ("ct", ct()), ("rna", rna()))
        }),
        same=False,
    ),
    "a row of counts": Input(
        files=lambda: study(clinical=below("N", clinical(), event=33)), names=NONE
    ),
    "a note below": Input(
        files=lambda: study(clinical=below("Source: registry 2024", clinical())),
        names=("Source: registry 2024",),
    ),
    "a footnote below": Input(
        files=lambda: study(clinical=below("* follow-up until 2020", clinical())), names=NONE
    ),
    "a row of types": Input(files=lambda: study(ct=above(ct(), "string", *["float"] * 6)),
                            names=("second header row",)),
    "the header twice": Input(files=lambda: study(ct=above(ct(), *ct().columns)),
                              names=("second header row",)),
    "columns of means": Input(
        files=lambda: study(ct=genes(mean=IDS[0], SD=IDS[1])), names=("Left out: mean, SD",)
    ),
    "numbered copies": Input(
        files=lambda: study(ct=genes(**{f"{IDS[0]}.1": IDS[0], f"{IDS[1]}.1": IDS[1]})),
        asks="E-06", answers=("duplicates=first",), names=(f"{IDS[0]}.1",),
    ),
    "NT and TP": Input(files=lambda: paired("tissue", "NT", "TP"), names=NORMAL),
    "normal and tumour by group": Input(files=lambda: paired("group", "normal", "tumor"),
                                        names=NORMAL),
    "a flag of tumours": Input(files=lambda: paired("is_tumor", 0, 1), names=NORMAL),
    "a flag of normal tissue": Input(files=lambda: paired("is_normal", "yes", "no"), names=NORMAL),
    "German tissue": Input(files=lambda: paired("Gewebe", "Normalgewebe", "Tumorgewebe"),
                           names=NORMAL),
    "N behind a patient": Input(
        files=lambda: study(ct=genes(**{f"{i}.N": i for i in IDS[:9]})), names=NORMAL
    ),
    "normal behind a patient": Input(
        files=lambda: study(ct=genes(**{f"{i}-normal": i for i in IDS[:9]})), names=NORMAL
    ),
    "a zero-width space": Input(files=lambda: some(lambda i: i + "\u200b"), **YES),
    "a mark inside": Input(files=lambda: some(lambda i: "\ufeff" + i, 2), **YES),
    "an en dash": Input(files=lambda: some(lambda i: i.replace("-", "\u2013")), **YES),
    "a soft hyphen": Input(files=lambda: some(lambda i: i.replace("-", "-\u00ad"), 1), **YES),
    "brackets": Input(files=lambda: some(lambda i: f"[{i}]"), **YES),
    "the letter O": Input(files=lambda: some(lambda i: i.replace("0", "O"), 2), **YES),
    "something behind": Input(
        files=lambda: some(lambda i: i + "_L"),
        asks="E-07", names=(f"{IDS[0]}_L and {IDS[0]}", "3 of 60 identifiers"),
        answers=("same=yes",),
    ),
    "something before": Input(
        files=lambda: some(lambda i: f"CT {i}"),
        asks="E-07", names=(f"CT {IDS[0]} and {IDS[0]}",), answers=("same=yes",),
    ),
    "a path": Input(
        files=lambda: some(lambda i: f"scans/{i}/ct.nii.gz"),
        asks="E-07", names=(f"{IDS[0]}/ct.nii.gz",), answers=("same=yes",),
    ),
    "something behind, of somebody else": Input(
        files=lambda: some(lambda i: i + "_L"), patients=len(IDS) + 3, same=False,
        asks="E-07", names=("before or behind",), answers=("same=no",),
    ),
    "somebody else": Input(
        files=lambda: some(lambda i: "XX" + i[2:]), patients=len(IDS) + 3, same=False,
        names=(f"XX{IDS[0][2:]}", "not in clinical.csv"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", INPUTS.values(), ids=INPUTS)
def test_no_row_is_a_patient_in_silence(case: Input) -> None:
    examine(case)


@pytest.mark.parametrize("name", ["MAX-1", "N 12", "S total"])
def test_patient_with_the_word_of_a_summary_in_the_name_stays(name: str) -> None:
    ids = [name, *IDS[1:]]
    files = study(
        clinical=clinical().assign(patient_id=ids),
        ct=ct().assign(patient_id=ids),
        rna=None,
    )
    cohort, report = read_cohort(files)
    assert cohort is not None, report.errors
    assert name in cohort.patient_ids.tolist()


@pytest.mark.parametrize(
    ("one", "other"),
    [("BRK-1", "BR\u041a-1"), ("A-001", "\u0391-001"), ("1000", "1,000"), ("P-10", "P-1O")],
)
def test_look_alikes_are_alike(one: str, other: str) -> None:
    assert alike(one) == alike(other)


@pytest.mark.parametrize(("one", "other"), [("DOE-1", "D0E-1"), ("\u0414-1", "A-1")])
def test_other_letters_are_not_alike(one: str, other: str) -> None:
    assert alike(one) != alike(other)
