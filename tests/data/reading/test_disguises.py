"""The same study written otherwise: it is read as the same, or asked about, and nothing else.

A `Disguise` changes units, codings, separators, layouts, identifiers, encodings, orders, columns
and how the study is split over files. Whatever comes of it has the values of the undisguised study
to 1e-6, at once or once the questions are answered by the truth; every question names a column or
a file.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from camlif.data.cohort import Cohort
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.readers import read_cohort
from camlif.data.reading.repairs import Option, changes_of, options_for
from tests.builders.study import (
    FEATURES,
    Files,
    Frame,
    N,
    assert_same,
    book,
    clinical,
    ct,
    rna,
    sound,
)

IDS = clinical()["patient_id"].tolist()
DAYS = clinical()["survival_days"]
DEAD = clinical()["event"].astype(bool)
AGE = clinical()["age"]

DAYS_PER = {"days": 1.0, "weeks": 7.0, "months": 30.4375, "years": 365.25}
TIMES = {
    "survival_days": "days", "OS_days": "days", "futime": "days", "OS.time": "days",
    "follow-up (weeks)": "weeks", "OS_MONTHS": "months", "survival_time": "months",
    "OS [months]": "months", "survival_years": "years", "Überlebenszeit (Monate)": "months",
}  # fmt: skip
"""Names of the time and what it is in, which some of them do not say."""

STATUSES: dict[str, tuple[str, str, str]] = {
    "event": ("event", "1", "0"),
    "status of ones and twos": ("status", "2", "1"),
    "words": ("vital_status", "Dead", "Alive"),
    "words of cBioPortal": ("OS_STATUS", "1:DECEASED", "0:LIVING"),
    "digits against words": ("OS_STATUS", "0:DECEASED", "1:LIVING"),
    "true": ("death", "True", "False"),
    "a legend": ("Censor (alive=0; dead=1)", "1", "0"),
    "the reverse": ("CNSR", "0", "1"),
    "censored": ("censored", "no", "yes"),
    "German": ("Vitalstatus", "verstorben", "lebend"),
    "letters": ("vital_status", "D", "A"),
}
"""Column, cell of a death, cell of no death."""

SEXES: dict[str, tuple[str, Callable[[str], str]]] = {
    "sex": ("sex", str),
    "capitals": ("Gender", str.upper),
    "a letter": ("SEX", lambda s: s[0].upper()),
    "a capital": ("sex", str.capitalize),
}
AGES: dict[str, tuple[str, Callable[[Frame], pd.Series]]] = {
    "years": ("age", lambda t: t["age"]),
    "another name": ("Age at diagnosis", lambda t: t["age"]),
    "days": ("age_at_diagnosis", lambda t: t["age"] * 365.25),
    "days to birth": ("DAYS_TO_BIRTH", lambda t: -t["age"] * 365.25),
    "months": ("age", lambda t: t["age"] * 12),
    "months by name": ("age_months", lambda t: t["age"] * 12),
}
ID_STYLES: dict[str, Callable[[int], str]] = {
    "as they are": lambda i: f"KM-{i:03d}",
    "barcodes": lambda i: f"TCGA-02-{i:04d}",
    "numbers": lambda i: str(10_000 + 13 * i),
    "leading zeros": lambda i: f"{i:05d}",
    "with a space": lambda i: f"Pat {i}",
}
OTHERWISE: dict[str, Callable[[str], str]] = {
    "the same": str,
    "lower case": str.lower,
    "dots": lambda i: i.replace("-", "."),
    "no zeros": lambda i: i.lstrip("0"),
    "padded": lambda i: f" {i} ",
    "full-width": lambda i: i.replace("K", "\uff2b").replace("P", "\uff30"),
}
MORE: dict[str, object] = {
    "cause of death": DEAD.map({True: "tumour", False: "none"}),
    "year_of_death": (2010 + DAYS // 365).where(DEAD),
    "tumor_status": DEAD.map({True: "WITH TUMOR", False: "TUMOR FREE"}),
    "PFI.time": DAYS * 0.8,
    "alive_at_5y": (DAYS > 1826).astype(int),
    "fold": [i % 5 for i in range(N)],
    "scan_date": [20150101 + i % 28 for i in range(N)],
    "row_number": list(range(1, N + 1)),
    "z1": DEAD.astype(int),
    "z2": np.log1p(DAYS) * 3,
    "notes": [f"see letter {i % 7}" for i in range(N)],
}
SEPARATORS = {",": False, ";": False, "\t": False, "|": False, "; and decimal commas": True}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252")
HOW_TIME = ("a column", "two columns", "dates", "German dates")
SPLITS = ("clinical table", "outcome apart", "person apart", "in the features")
PARTS = ("one file", "rows in two", "columns in two")
FORMATS = ("text", "text, packed", "workbook")


@dataclass(frozen=True)
class Disguise:
    """How a study is written; the defaults are the undisguised study."""

    time: str = "survival_days"
    how_time: str = "a column"
    status: str = "event"
    sex: str = "sex"
    age: str = "years"
    separator: str = ","
    thousands: bool = False
    encoding: str = "utf-8"
    form: str = "text"
    ids: str = "as they are"
    otherwise: str = "the same"
    turned: bool = False
    split: str = "clinical table"
    parts: str = "one file"
    order: int = 0
    more: tuple[str, ...] = ()
    more_features: tuple[str, ...] = ()


def strategy() -> st.SearchStrategy[Disguise]:
    """Draw a disguise; each part may be left out, so that few parts differ in the end."""
    few = st.lists(st.sampled_from(sorted(MORE)), max_size=3, unique=True).map(tuple)
    numbers = st.lists(
        st.sampled_from(["PFI.time", "alive_at_5y", "fold", "row_number", "z1", "z2"]),
        max_size=2,
        unique=True,
    ).map(tuple)
    return st.builds(
        Disguise,
        time=st.sampled_from(list(TIMES)),
        how_time=st.sampled_from(HOW_TIME),
        status=st.sampled_from(list(STATUSES)),
        sex=st.sampled_from(list(SEXES)),
        age=st.sampled_from(list(AGES)),
        separator=st.sampled_from(list(SEPARATORS)),
        thousands=st.booleans(),
        encoding=st.sampled_from(ENCODINGS),
        form=st.sampled_from(FORMATS),
        ids=st.sampled_from(list(ID_STYLES)),
        otherwise=st.sampled_from(list(OTHERWISE)),
        turned=st.booleans(),
        split=st.sampled_from(SPLITS),
        parts=st.sampled_from(PARTS),
        order=st.integers(0, 3),
        more=few,
        more_features=numbers,
    )


def patients(disguise: Disguise) -> dict[str, str]:
    """Return how each patient is called."""
    style = ID_STYLES[disguise.ids]
    return {patient: style(i) for i, patient in enumerate(IDS, start=1)}


def written(disguise: Disguise) -> Files:
    """Return the study in disguise."""
    names = patients(disguise)
    person, outcome = _person(disguise), _outcome(disguise)
    for column in disguise.more:
        outcome[column] = MORE[column]
    features = {"ct": ct(), "rna": rna()}
    for column in set(disguise.more_features) - set(disguise.more):
        features["ct"][column] = MORE[column]
    tables = {**_split(disguise, person, outcome, features["ct"])}
    tables |= _parted(disguise, features["rna"])
    spell = OTHERWISE[disguise.otherwise]
    files: Files = {}
    for number, (name, table) in enumerate(tables.items()):
        ids = table["patient_id"].map(names)
        table = table.assign(patient_id=ids.map(spell) if "rna" in name else ids)
        table = _shuffled(table, disguise.order + number if disguise.order else 0)
        if disguise.turned and "rna" in name:
            table = table.set_index("patient_id").T.rename_axis("gene").reset_index()
        file, data = _file(disguise, name, table)
        files[file] = data
    return files


def _person(disguise: Disguise) -> Frame:
    sex, spell = SEXES[disguise.sex]
    age, write = AGES[disguise.age]
    table = clinical()
    return pd.DataFrame(
        {"patient_id": IDS, age: write(table), sex: [spell(s) for s in table["sex"]]}
    )


def _outcome(disguise: Disguise) -> Frame:
    name, dead, alive = STATUSES[disguise.status]
    columns: dict[str, object] = {"patient_id": IDS}
    if disguise.how_time == "a column":
        unit = TIMES[disguise.time]
        times = DAYS / DAYS_PER[unit]
        whole = unit == "days"
        cells = DAYS if whole else times
        if whole and disguise.thousands:
            mark = "." if SEPARATORS[disguise.separator] else ","
            columns[disguise.time] = [f"{d:,}".replace(",", mark) for d in cells]
        else:
            columns[disguise.time] = cells
    elif disguise.how_time == "two columns":
        columns["days_to_death"] = DAYS.where(DEAD).astype("Int64")
        columns["days_to_last_follow_up"] = DAYS.where(~DEAD).astype("Int64")
    else:
        form = "%Y-%m-%d" if disguise.how_time == "dates" else "%d.%m.%Y"
        start = pd.Series(pd.to_datetime("2010-01-01") + pd.to_timedelta(7 * np.arange(N), "D"))
        end = start + pd.to_timedelta(DAYS, "D")
        columns["date_of_diagnosis"] = start.dt.strftime(form)
        columns["date_of_death"] = end.dt.strftime(form).where(DEAD)
        columns["date_last_follow_up"] = end.dt.strftime(form)
    columns[name] = DEAD.map({True: dead, False: alive})
    return pd.DataFrame(columns)


def _split(disguise: Disguise, person: Frame, outcome: Frame, ct_table: Frame) -> dict[str, Frame]:
    whole = person.merge(outcome, on="patient_id")
    return {
        "clinical table": {"clinical": whole, "ct": ct_table},
        "outcome apart": {"clinical": person, "outcome": outcome, "ct": ct_table},
        "person apart": {"follow_up": outcome, "persons": person, "ct": ct_table},
        "in the features": {"ct": whole.merge(ct_table, on="patient_id")},
    }[disguise.split]


def _parted(disguise: Disguise, table: Frame) -> dict[str, Frame]:
    columns, half = [c for c in table.columns if c != "patient_id"], len(table) // 2
    return {
        "one file": {"rna": table},
        "rows in two": {"rna_part1": table.head(half), "rna_part2": table.tail(len(table) - half)},
        "columns in two": {
            "rna_a": table[["patient_id", *columns[:3]]],
            "rna_b": table[["patient_id", *columns[3:]]],
        },
    }[disguise.parts]


def _shuffled(table: Frame, seed: int) -> Frame:
    if not seed:
        return table
    rng = np.random.default_rng(seed)
    columns = ["patient_id", *rng.permutation([c for c in table.columns if c != "patient_id"])]
    return table.iloc[rng.permutation(len(table))][columns].reset_index(drop=True)


def _file(disguise: Disguise, name: str, table: Frame) -> tuple[str, bytes]:
    if disguise.form == "workbook" and len(table.columns) <= 26 and "rna" not in name:
        filled = table.astype(object).where(table.notna(), "")
        return f"{name}.xlsx", book(filled)
    separator, decimal = disguise.separator[0], "," if SEPARATORS[disguise.separator] else "."
    text = table.to_csv(index=False, sep=separator, decimal=decimal)
    try:
        data = text.encode(disguise.encoding)
    except UnicodeEncodeError:  # a letter that this encoding lacks
        data = text.encode()
    if disguise.form == "text, packed":
        return f"{name}.csv.gz", gzip.compress(data, mtime=0)
    return f"{name}.csv", data


def truths(disguise: Disguise) -> set[str]:
    """Return the answers that a person who knows the study gives."""
    unit = "days" if disguise.how_time != "a column" else TIMES[disguise.time]
    _, dead, _ = STATUSES[disguise.status]
    decimal = "comma" if SEPARATORS[disguise.separator] else "point"
    return {
        f"unit={unit}",
        f"event={dead}",
        f"decimal={decimal}",
        "age=months" if "month" in disguise.age else "age=days",
        "same=yes",
        "date=day",
        "parts=rna",
    }


def read_and_answered(disguise: Disguise) -> tuple[Cohort | None, CheckReport, int]:
    """Read a disguise, answer every question by the truth, and say how many answers it took.

    Every error on the way must name a column or a file.
    """
    files, wanted = written(disguise), truths(disguise)
    applied: list[Option] = []
    while True:
        cohort, report = read_cohort(files, changes=changes_of(applied), title="disguised")
        assert [p.line for p in report.errors if not (p.column or p.file)] == []
        done = [o.flag for o in applied]
        offered = [o for p in report.errors for o in options_for(p, report)]
        truth = next((o for o in offered if o.flag in wanted and o.flag not in done), None)
        if cohort is not None or truth is None:
            return cohort, report, len(applied)
        applied.append(truth)


def prove(disguise: Disguise) -> str:
    """Assert that a disguise is seen through, or asked about by name; return which."""
    cohort, report, n_answers = read_and_answered(disguise)
    if cohort is None:
        return "refused"
    assert {m.name for m in cohort.schema.modalities} == {"ct", "rna"}
    for modality in cohort.schema.modalities:
        assert set(modality.columns) == set(FEATURES)
    assert set(report.inputs) - {"notes"} == {"age", "sex"}
    assert len(cohort) == N
    assert_same(cohort, sound(), ids=patients(disguise))
    return "asked" if n_answers else "right"


@settings(max_examples=100, deadline=None)
@given(strategy())
@example(Disguise(split="person apart", more=("z1",)))
@example(Disguise(split="person apart", more=("row_number",)))
@example(Disguise(form="workbook", separator="; and decimal commas", thousands=True))
@example(
    Disguise(
        form="workbook", separator="; and decimal commas", thousands=True, split="outcome apart"
    )
)
@example(Disguise(split="in the features", more=("fold",), more_features=("z1",)))
def test_a_disguised_study_is_the_same_study_or_asked_about(disguise: Disguise) -> None:
    prove(disguise)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))  # for as many processes
@settings(max_examples=500, deadline=None)
@given(disguise=strategy())
def test_thousands_of_disguises_are_the_same_study_or_asked_about(
    part: int, disguise: Disguise
) -> None:
    prove(disguise)
