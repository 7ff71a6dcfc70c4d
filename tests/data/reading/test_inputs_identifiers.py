"""Identifiers: the column that fits, spellings, what spreadsheets did to them."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camlif.data.manifest import Manifest
from camlif.data.reading.readers import read_cohort
from camlif.data.reading.repairs import mend
from camlif.data.reading.spelling import alike
from camlif.wording import to_csv
from tests.builders.study import (
    EVENTS,
    FEATURES,
    Files,
    Frame,
    Input,
    N,
    assert_same,
    book,
    clinical,
    csv,
    ct,
    examine,
    rna,
    sound,
    study,
)

IDS = clinical()["patient_id"].tolist()
UUIDS = [str(uuid.UUID(int=i)) for i in range(N)]


def spelt(table: Frame, spell: Callable[[str], str], rows: int = N) -> Frame:
    """Return a table with the first identifiers spelt otherwise."""
    ids = table["patient_id"].tolist()
    return table.assign(patient_id=[spell(i) if k < rows else i for k, i in enumerate(ids)])


def everywhere(spell: Callable[[str], str]) -> Files:
    return study(clinical=spelt(clinical(), spell), ct=spelt(ct(), spell), rna=spelt(rna(), spell))


def numbered(table: Frame, start: int) -> Frame:
    """Return a table with whole numbers for identifiers."""
    number = {i: start + 7 * k for k, i in enumerate(IDS)}
    return table.assign(patient_id=table["patient_id"].map(number))


def barcode(identifier: str) -> str:
    return f"TCGA-02-{identifier[-3:]}A"


def twice(table: Frame) -> Frame:
    """Return a table whose first ten patients come again under another name."""
    again = table.head(10)
    return pd.concat([table, again.assign(patient_id="again-" + again["patient_id"])])


def prefixed(table: Frame) -> Frame:
    return table.rename(columns={f: f"mri_{f}" for f in FEATURES})


SPELLINGS = {
    "lower case": str.lower,
    "dots for dashes": lambda i: i.replace("-", "."),
    "underscores": lambda i: i.replace("-", "_"),
    "spaces": lambda i: i.replace("-", " "),
    "no sign": lambda i: i.replace("-", ""),
    "no zeros": lambda i: f"KM-{int(i[3:])}",
    "full-width letters": lambda i: i.replace("KM", "\uff2b\uff2d"),
    "an apostrophe": lambda i: f"\u2019{i}",
}
INPUTS = {
    # which column
    "identifiers of a database beside those of the tables": Input(
        files=lambda: study(
            clinical=clinical().rename(columns={"patient_id": "submitter_id"}).assign(case_id=UUIDS)
        ),
        names=("submitter_id",),
    ),
    "a column of another name that fits": Input(
        files=lambda: study(
            clinical=clinical().rename(columns={"patient_id": "Study code"})
            .assign(patient_id=UUIDS)
        ),
        names=("Study code",),
    ),
    "features by sample, clinical table with both": Input(
        files=lambda: study(
            clinical=clinical().assign(PATIENT=[f"pt{i}" for i in range(N)])
            .rename(columns={"patient_id": "SAMPLE_ID", "PATIENT": "PATIENT_ID"})
        ),
        names=("SAMPLE_ID",),
    ),
    # spellings
    **{
        f"{name} in one table": Input(
            files=lambda spell=spell: study(ct=spelt(ct(), spell)),
            asks="E-07", names=("60 identifiers are spelt differently",), answers=("same=yes",),
        )
        for name, spell in SPELLINGS.items()
    },
    **{
        f"{name} for three patients": Input(
            files=lambda spell=spell: study(ct=spelt(ct(), spell, 3)),
            asks="E-07", names=("3 identifiers are spelt differently",), answers=("same=yes",),
        )
        for name, spell in SPELLINGS.items()
    },
    "outer spaces": Input(files=lambda: study(ct=spelt(ct(), lambda i: f"  {i} "))),
    "no-break spaces": Input(files=lambda: study(ct=spelt(ct(), lambda i: f"{i}\u00a0"))),
    "a clinical table spelt otherwise": Input(
        files=lambda: study(clinical=spelt(clinical(), str.lower)),
        asks="E-07", names=("spelt differently",), answers=("same=yes",), same=False,
    ),
    "samples of some patients": Input(
        files=lambda: {
            **everywhere(barcode),
            "ct.csv": csv(spelt(spelt(ct(), barcode), lambda i: f"{i}-01A", 3)),
        },
        asks="E-07", names=("3 identifiers",), answers=("same=yes",), same=False,
    ),
    "decomposed letters": Input(
        files=lambda: {
            **everywhere(lambda i: i.replace("K", "\u00e4")),
            "ct.csv": csv(spelt(ct(), lambda i: i.replace("K", "a\u0308"))),
        },
        same=False,
    ),
    "the two letters mu": Input(
        files=lambda: {
            **everywhere(lambda i: i.replace("K", "\u00b5")),
            "ct.csv": csv(spelt(ct(), lambda i: i.replace("K", "\u03bc"))),
        },
        asks="E-07", names=("60 identifiers",), answers=("same=yes",), same=False,
    ),
    # numbers
    "whole numbers": Input(
        files=lambda: study(
            clinical=numbered(clinical(), 100), ct=numbered(ct(), 100), rna=numbered(rna(), 100)
        ),
        same=False,
    ),
    "whole numbers with a point in one table": Input(
        files=lambda: study(
            clinical=numbered(clinical(), 100), rna=numbered(rna(), 100),
            ct=spelt(numbered(ct(), 100).astype({"patient_id": str}), lambda i: f"{i}.0"),
        ),
        asks="E-07", names=("60 identifiers",), answers=("same=yes",), same=False,
    ),
    "seventeen digits as text": Input(
        files=lambda: study(
            clinical=numbered(clinical(), 12345678901234567),
            ct=numbered(ct(), 12345678901234567), rna=numbered(rna(), 12345678901234567),
        ),
        same=False,
    ),
    "seventeen digits in a workbook": Input(
        files=lambda: study(
            clinical=numbered(clinical(), 12345678901234567), ct=None,
            rna=numbered(rna(), 12345678901234567),
            **{"ct.xlsx": book(numbered(ct(), 12345678901234567))},
        ),
        asks="E-05", names=("ct.xlsx", "rounded by a spreadsheet"), refused=True,
    ),
    "seventeen digits of which a spreadsheet kept fifteen": Input(
        files=lambda: study(
            ct=spelt(ct(), lambda i: f"12345678901{int(i[3:]):04d}00"),
        ),
        asks="E-05", names=("60 identifiers were rounded",), refused=True,
    ),
    "exponents": Input(
        files=lambda: study(ct=spelt(ct(), lambda i: f"1.{i[3:]}E+11")),
        asks="E-05", names=("1.001E+11",), refused=True,
    ),
    "plates that look like exponents": Input(
        files=lambda: everywhere(lambda i: f"{i[3:]}E05"), same=False
    ),
    "apostrophes before identifiers that start like a formula": Input(
        files=lambda: {
            **everywhere(lambda i: f"-{i}"), "ct.csv": csv(spelt(ct(), lambda i: f"'-{i}"))
        },
        same=False,
    ),
    # repeated
    "ten patients under two identifiers": Input(
        files=lambda: study(
            **{name: twice(t) for name, t in
               (("clinical", clinical()), ("ct", ct()), ("rna", rna()))}
        ),
        names=("20 patients share all values", "KM-001 and again-KM-001", "ct.csv", "rna.csv"),
        patients=N + 10, events=EVENTS + int(clinical()["event"].head(10).sum()), median=None,
    ),
    "one table given as two modalities": Input(
        files=lambda: study(mri=prefixed(ct().sample(frac=1, random_state=3))),
        names=("All 6 columns of mri.csv have the values of columns of ct.csv",),
        tables={"ct": FEATURES, "rna": FEATURES, "mri": tuple(f"mri_{f}" for f in FEATURES)},
    ),
    "a patient twice in one table with the same row": Input(
        files=lambda: study(ct=ct().loc[[*range(N), 4]])
    ),
    "a patient twice with different rows": Input(
        files=lambda: study(ct=ct().loc[[*range(N), 4]].assign(g0=[*ct()["g0"], 9.0])),
        asks="E-06", names=("KM-005",), answers=("duplicates=first",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INPUTS)
def test_patients_are_found_by_identifier_or_asked_about(name: str) -> None:
    examine(INPUTS[name])


def test_identifiers_that_are_said_to_differ_stay_two_patients() -> None:
    files = study(ct=spelt(ct(), str.lower, 3))

    cohort, report, _ = mend(files, ["same=no"], title="t")

    assert cohort is not None, report.errors
    assert len(cohort) == N + 3


def test_a_patient_keeps_the_clinical_tables_spelling() -> None:
    cohort, _, _ = mend(study(ct=spelt(ct(), str.lower)), ["same=yes"], title="t")

    assert cohort is not None
    assert cohort.patient_ids.tolist() == sound().patient_ids.tolist()
    assert_same(cohort, sound())


def test_alike_identifiers_in_one_table_alone_are_not_asked_about() -> None:
    both = [table.loc[[*range(N)]] for table in (clinical(), ct(), rna())]
    renamed = [spelt(t, lambda i: i if i != "KM-002" else "km-001") for t in both]
    files = {f"{n}.csv": csv(t) for n, t in zip(("clinical", "ct", "rna"), renamed, strict=True)}

    cohort, report = read_cohort(files)

    assert cohort is not None, report.errors
    assert len(cohort) == N


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("P-001", "p1", True),
        ("TCGA-02-0001-01A", "tcga.02.0001", True),
        ("12.0", "12", True),
        ("\u00b51", "\u03bc1", True),
        ("1-11", "11-1", False),
        ("P1", "P11", False),
        ("A12B", "A1-2B", False),
        ("0", "00", True),
    ],
)
def test_what_is_alike(one: str, other: str, same: bool) -> None:
    assert (alike(one) == alike(other)) is same


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("'=+-@A1", min_size=1, max_size=4), min_size=2, max_size=6, unique=True))
def test_identifiers_come_back_from_a_table_for_spreadsheets(ids: list[str]) -> None:
    table = pd.DataFrame({"patient_id": ids, "x": range(len(ids)), "y": range(len(ids))})
    files = {f"{name}.csv": to_csv(table).encode() for name in ("ct", "rna")}

    cohort, report = read_cohort(files, manifest=Manifest(ids="exact"))

    assert cohort is not None, report.errors
    assert cohort.patient_ids.tolist() == ids


def test_equal_rows_of_flags_are_no_patient_under_two_identifiers() -> None:
    flags = ct().assign(**{f: [i % 2 for i in range(N)] for f in FEATURES})

    _, report = read_cohort(study(ct=flags, mri=flags.rename(columns={"g0": "h0"})))

    assert not [p for p in report.problems if "share all values" in p.message]
    assert not [p for p in report.problems if "count twice" in p.message]
