"""Tables as people lay them out: titles, two headers, Markdown, open times, other samples."""

from __future__ import annotations

import numpy as np
import pytest

from camlif.data.reading.patients import helpful_lengths
from camlif.data.reading.readers import read_cohort
from tests.builders.study import Files, Frame, Input, N, clinical, csv, ct, examine, rna, study
from tests.builders.workbooks import workbook

TEXT = csv(clinical()).decode()
DAYS, DEAD = clinical()["survival_days"], clinical()["event"] == 1
PATIENTS = [f"TCGA-02-{i:04d}" for i in range(N)]
SHORT = [f"P{i}" for i in range(1, N + 1)]
ABOVE = ("above the header left out",)


def sheet(*above: list[str]) -> Files:
    """The clinical table as a workbook, with rows above its header."""
    rows = [[v if isinstance(v, str) else float(v) for v in r] for r in clinical().to_numpy()]
    files = study(clinical=None)
    files["clinical.xlsx"] = workbook([*above, list(clinical().columns), *rows])
    return files


def opened(mark: str, those: object) -> Frame:
    cells = np.where(those, DAYS.map(lambda d: mark.format(d)), DAYS.astype(str))
    return clinical().assign(survival_days=cells)


def spelt(male: tuple[str, ...], female: tuple[str, ...], unknown: str = "") -> Frame:
    cells = [(male if s == "male" else female)[i % 3] for i, s in enumerate(clinical()["sex"])]
    return clinical().assign(sex=[unknown or c if i < 3 else c for i, c in enumerate(cells)])


def markdown(rule: str = "---|") -> bytes:
    lines = ["| " + " | ".join(line.split(",")) + " |" for line in TEXT.splitlines()]
    return "\n".join([lines[0], "|" + rule * 5, *lines[1:]]).encode()


def of_r(table: Frame) -> bytes:
    """A table as R's write.table writes it: texts in quotes, no name above those of the rows."""
    columns = " ".join(f'"{c}"' for c in table.columns)
    rows = (
        (f'"{i}"', *(f'"{v}"' if isinstance(v, str) else str(v) for v in row))
        for i, *row in table.itertuples()
    )
    return "\n".join([columns, *map(" ".join, rows), ""]).encode()


def with_ids(ids: list[str], suffix: str) -> Files:
    tables = {"clinical": clinical(), "ct": ct(), "rna": rna()}
    files = {k: csv(t.assign(patient_id=ids)) for k, t in tables.items()}
    files["rna"] = csv(rna().assign(patient_id=[i + suffix for i in ids]))
    return {f"{k}.csv": data for k, data in files.items()}


INPUTS = {
    "a title": Input(
        files=lambda: study(clinical=b"Study XYZ\n\n" + TEXT.encode()), names=(*ABOVE, "Study XYZ")
    ),
    "a title in a row of cells": Input(
        files=lambda: study(clinical=b"Study XYZ,,,,\n,,,,\n" + TEXT.encode()),
        names=(*ABOVE, "Study XYZ"),
    ),
    "a title in a workbook": Input(
        files=lambda: sheet(["Study XYZ", "", "", "", ""], [""] * 5), names=(*ABOVE, "Study XYZ")
    ),
    "groups of columns above the header": Input(
        files=lambda: study(clinical=b",Person,,Outcome,\n" + TEXT.encode()),
        names=(*ABOVE, "Person, Outcome"),
    ),
    "groups of columns in a workbook": Input(
        files=lambda: sheet(["", "Person", "", "Outcome", ""]), names=(*ABOVE, "Person, Outcome")
    ),
    "units below the header": Input(
        files=lambda: study(clinical=TEXT.replace("\n", "\n,years,,days,0/1\n", 1).encode()),
        names=("row without patient identifier",),
    ),
    "Markdown": Input(files=lambda: study(clinical=markdown())),
    "Markdown with sides": Input(files=lambda: study(clinical=markdown(" :---: |"))),
    "a table that R wrote, with row names": Input(
        files=lambda: study(ct=None, **{"ct.txt": of_r(ct().set_index("patient_id"))}),
    ),
    "a table that R wrote, with numbers of rows": Input(
        files=lambda: study(clinical=None, **{"clinical.txt": of_r(clinical())}),
    ),
    "a page of the web beside the tables": Input(
        files=lambda: {**study(), "clinical.html": clinical().to_html(index=False).encode()},
        names=("clinical.html", "This is no table that is read; left out."),
    ),
    "a document beside the tables": Input(
        files=lambda: {**study(), "clinical notes.DOCX": b"PK", "protocol.pdf": b"%PDF"},
        names=("clinical notes.DOCX", "protocol.pdf", "Save a table that stands in it as CSV."),
    ),
    **{
        f"open times such as {mark.format(120)}": Input(
            files=lambda mark=mark: study(clinical=opened(mark, ~DEAD)),
            names=("survival_days is open", "without the event"),
        )
        for mark in ("{}+", ">{}", "> {}", ">={}", "≥{}")
    },
    "an open time of the dead": Input(
        files=lambda: study(clinical=opened("{}+", DEAD & (DAYS < 700))),
        asks="E-15",
        names=("survival_days is open", "with the event"),
        refused=True,
    ),
    "a sex in six spellings": Input(
        files=lambda: study(clinical=spelt(("M", "male", "Male"), ("F", "female", "w"))),
        names=("M, Male, male as male", "F, female, w as female"),
    ),
    "numbers beside the words of a sex": Input(
        files=lambda: study(clinical=spelt(("M", "male", "1"), ("F", "female", "2"))),
        asks="E-11",
        names=("sex holds 1, 2",),
        answers=("level=sex:1=male", "level=sex:2=female"),
    ),
    "a ninth sex": Input(
        files=lambda: study(clinical=spelt(("1", "1", "1"), ("2", "2", "2"), unknown="9")),
        asks="E-11",
        names=("sex holds 9 in 3 rows beside 1, 2",),
        answers=("missing=sex",),
        same=False,
    ),
    **{
        f"an age of {code}": Input(
            files=lambda code=code: study(
                clinical=clinical().assign(age=clinical()["age"].where(DAYS.index > 1, code))
            ),
            asks="E-09",
            names=(f"age holds {code}", "in 2 rows"),
            answers=("missing=age",),
            same=False,
        )
        for code in (-1, 0, 99, 999)
    },
    "an age of 99 that is one": Input(
        files=lambda: study(
            clinical=clinical().assign(age=clinical()["age"].where(DAYS.index > 1, 99))
        ),
        asks="E-09",
        answers=("keep=age",),
        same=False,
    ),
    "a header that starts like a comment": Input(
        files=lambda: study(ct=ct().rename(columns={"patient_id": "#"})),
        names=("identified by column #",),
    ),
    "a header that starts like a comment below one": Input(
        files=lambda: study(clinical=b"# made by R\n#" + TEXT.encode()),
        names=("identified by column #patient_id",),
    ),
    "no header": Input(
        files=lambda: study(ct=ct().to_csv(index=False, header=False).encode()),
        asks="E-01",
        names=("ct.csv", "KM-001", "names of columns"),
        refused=True,
    ),
    "bands of ages": Input(
        files=lambda: study(
            clinical=clinical().assign(
                age=[f"{a:.0f}-{a + 9:.0f}" for a in clinical()["age"] // 10 * 10]
            )
        ),
        asks="E-15",
        names=("age holds bands",),
        answers=("drop=age",),
        inputs=("sex",),
        same=False,
    ),
    "ages divided by a hundred": Input(
        files=lambda: study(clinical=clinical().assign(age=clinical()["age"] / 100)),
        asks="E-09",
        names=("age runs from", "are these years"),
        refused=True,
    ),
    "metastases alone": Input(
        files=lambda: with_ids(PATIENTS, "-06A"),
        asks="E-05",
        names=("rna.csv", "No sample is of a primary tumour (60 of no primary tumour)"),
        answers=("samples=tumour",),
        same=False,
    ),
    "identifiers with something behind them": Input(
        files=lambda: with_ids([f"KM{i:03d}" for i in range(N)], "_S1"),
        asks="E-07",
        names=("Trim to 5 characters",),
        answers=("trim=5",),
        same=False,
    ),
    "identifiers of several lengths with something behind them": Input(
        files=lambda: with_ids(SHORT, "_CT"),
        asks="E-07",
        names=("rna.csv", "60 of 60 identifiers"),
        answers=("same=yes",),
        same=False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INPUTS)
def test_a_layout_is_seen_through_or_asked_about(name: str) -> None:
    examine(INPUTS[name])


def test_no_length_is_proposed_that_cuts_a_number_or_leaves_a_sign() -> None:
    assert helpful_lengths(set(SHORT), {f"{i}_CT" for i in SHORT}) == []
    assert helpful_lengths({"P1", "P2", "P3"}, {"P10", "P20", "P30"}) == []
    assert helpful_lengths({"P01", "P02", "P03"}, {"P01-a", "P02-a", "P03-b"}) == [3]


def test_an_age_that_nobody_has_is_told_of_once() -> None:
    table = clinical()
    table.loc[5, "age"] = 999

    _, report = read_cohort(study(clinical=table))

    assert [p.code for p in report.problems if "999" in p.message] == ["E-09"]
