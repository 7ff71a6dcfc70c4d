"""Numbers and words in cells: what is read, what is asked about, what is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from tests.builders.study import (
    FEATURES,
    Files,
    Frame,
    Input,
    N,
    book,
    clinical,
    csv,
    ct,
    examine,
    rna,
    study,
)

SHARED = {"ct": FEATURES, "rna": FEATURES}


def days(write: Callable[[int], str]) -> Frame:
    """The clinical table with follow-up written by a function."""
    table = clinical()
    table["survival_days"] = [write(int(d)) for d in table["survival_days"]]
    return table


def grouped(mark: str) -> Callable[[int], str]:
    return lambda number: f"{number:,}".replace(",", mark)


def decimal_comma(table: Frame) -> Frame:
    """Write fractions of all columns with a comma."""
    changed = table.copy()
    for column in changed.columns:
        if changed[column].dtype == float:
            changed[column] = [repr(v).replace(".", ",") for v in changed[column]]
    return changed


def european(table: Frame) -> bytes:
    return csv(decimal_comma(table), sep=";")


def with_cell(table: Frame, column: str, row: int, cell: str) -> Frame:
    """Return a table with one cell written otherwise."""
    changed = table.astype(object)
    changed.loc[row, column] = cell
    return changed


def with_column(table: Frame, name: str, cells: list[object]) -> Frame:
    return table.assign(**{name: cells})


def extra(name: str, write: Callable[[int], object]) -> Callable[[], Files]:
    """Add a clinical column of the numbers 100, 101, ... as a function writes them."""
    return lambda: study(
        clinical=with_column(clinical(), name, [write(i) for i in range(len(clinical()))])
    )


def _all_open() -> Files:
    """Follow-up above 1,000 days only, so that every cell has a comma and nothing else decides."""
    table = days(lambda d: f"{d + 1000:,}")
    table["age"] = table["age"].round().astype(int)
    integers = ct().copy()
    integers[list(FEATURES)] = np.arange(6 * len(integers)).reshape(len(integers), 6)
    return {
        "clinical.csv": csv(table),
        "ct.csv": csv(integers),
        "rna.csv": csv(integers),
    }


CODES = {
    9: [1 + i % 4 for i in range(N)],
    99: [i % 7 for i in range(N)],
    -1: [i % 3 for i in range(N)],
    88: [1 + i % 4 for i in range(N)],
    99.9: [20.5 + i % 13 for i in range(N)],
    0: [150 + i % 41 for i in range(N)],
    -9: [float(i * i % 61) for i in range(N)],
}
"""What means "unknown", and the values of a clinical column beside it: stages, nodes, heights."""


def with_code(column: Sequence[float], code: float) -> list[float]:
    """Return a column whose first three values are unknown."""
    return [code] * 3 + list(column[3:])


FULL_WIDTH = {ord(str(d)): 0xFF10 + d for d in range(10)}
INPUTS = {
    **{
        f"a clinical code of {code}": Input(
            files=lambda code=code, column=column: study(
                clinical=clinical().assign(nodes=with_code(column, code))
            ),
            names=(f"nodes holds {code}, far from its other values",),
            inputs=("age", "sex", "nodes"),
        )
        for code, column in CODES.items()
    },
    **{
        f"a code of {code:g} among features": Input(
            files=lambda code=code: study(ct=ct().assign(g9=with_code(ct()["g0"], code))),
            names=("far from all other values: g9",),
            tables={"ct": (*FEATURES, "g9"), "rna": FEATURES},
        )
        for code in (-9999, 99999, 9999.99, -1e30, 1e20)
    },
    # thousands
    "commas of thousands beside smaller numbers": Input(
        files=lambda: study(clinical=days(grouped(","))), names=("survival_days",)
    ),
    "commas of thousands in a table of tabs": Input(
        files=lambda: study(clinical=None, **{"clinical.tsv": csv(days(grouped(",")), sep="\t")}),
        names=("survival_days",),
    ),
    "points of thousands in a table of decimal commas": Input(
        files=lambda: study(
            clinical=csv(decimal_comma(days(grouped("."))), sep=";"),
            ct=european(ct()),
            rna=european(rna()),
        ),
        names=("survival_days",),
    ),
    "points of thousands in a table without fractions": Input(
        files=lambda: study(clinical=days(grouped(".")).drop(columns="age")),
        asks="E-15",
        names=("survival_days", "1."),
        answers=("decimal=comma",),
        inputs=("sex",),
        same=False,
    ),
    "points of thousands in a table with decimal points": Input(
        files=lambda: study(clinical=days(grouped("."))),
        asks="E-15",
        names=("survival_days", "1."),
        answers=("decimal=comma",),
    ),
    "points of thousands in a workbook": Input(
        files=lambda: study(clinical=None, **{"clinical.xlsx": book(days(grouped(".")))}),
        asks="E-15",
        names=("survival_days", "1."),
        answers=("decimal=comma",),
    ),
    "gaps of thousands": Input(files=lambda: study(clinical=days(grouped(" ")))),
    "no-break spaces of thousands": Input(files=lambda: study(clinical=days(grouped("\u00a0")))),
    "narrow spaces of thousands": Input(files=lambda: study(clinical=days(grouped("\u202f")))),
    "apostrophes of thousands": Input(files=lambda: study(clinical=days(grouped("'")))),
    "thousands with two decimals": Input(
        files=lambda: study(clinical=days(lambda d: f"{d:,}.00"))
    ),
    "thousands and decimals of a German table": Input(
        files=lambda: study(
            clinical=csv(
                decimal_comma(days(lambda d: f"{d:,}".replace(",", ".") + ",00")), sep=";"
            )
        )
    ),
    "commas that no other number explains": Input(
        files=_all_open, asks="E-15", names=("survival_days",), answers=("decimal=point",),
        median=None, same=False,
    ),
    "commas of thousands in a table of decimal commas": Input(
        files=lambda: study(clinical=csv(decimal_comma(days(grouped(","))), sep=";")),
        asks="E-15", names=("survival_days",), answers=("decimal=point",), same=False,
    ),
    "commas of thousands in a workbook": Input(
        files=lambda: study(
            clinical=None, **{"clinical.xlsx": book(days(grouped(",")))}
        ),
        names=("survival_days",),
    ),
    "points of thousands and nothing else": Input(
        files=lambda: study(
            clinical=csv(days(lambda d: f"{d + 1000:,}".replace(",", ".")).drop(columns="age"),
                         sep=";")
        ),
        asks="E-15", names=("survival_days", "1."), answers=("decimal=comma",),
        median=(2844 + 1000) / 30.4375, inputs=("sex",), same=False,
    ),
    "three decimals and nothing else": Input(
        files=lambda: study(
            clinical=clinical().drop(columns="age").assign(
                survival_days=[f"{d / 365.25 + 1:.3f}" for d in clinical()["survival_days"]]
            ).rename(columns={"survival_days": "survival_years"})
        ),
        asks="E-15", names=("survival_years",), answers=("decimal=point",),
        median=None, inputs=("sex",), same=False,
    ),
    "three decimals beside other decimals": Input(
        files=lambda: study(
            clinical=clinical().assign(bmi=[f"{20 + i / 7:.3f}" for i in range(60)])
        ),
        inputs=("age", "sex", "bmi"),
    ),
    "platelets by thousands": Input(
        files=extra("platelets", lambda i: f"{20 + 9 * i}.000"),
        asks="E-15", names=("platelets", "20.000"), answers=("decimal=comma",),
        inputs=("age", "sex", "platelets"),
    ),
    "platelets with decimals that say nothing": Input(
        files=extra("platelets", lambda i: f"{20 + 9 * i}.000"),
        asks="E-15", names=("platelets", "20.000"), answers=("decimal=point",),
        inputs=("age", "sex", "platelets"),
    ),
    # decimals
    "decimal commas": Input(
        files=lambda: study(clinical=european(clinical()), ct=european(ct()), rna=european(rna())),
        names=("decimal commas",),
    ),
    "decimal commas quoted between commas": Input(
        files=lambda: study(ct=decimal_comma(ct()))
    ),
    "decimal commas of three digits": Input(
        files=lambda: study(
            ct=csv(decimal_comma(ct().round(3)), sep=";"), rna=csv(rna().round(3))
        ),
        same=False,
    ),
    "commas and points in one column": Input(
        files=lambda: study(ct=with_cell(decimal_comma(ct()), "g2", 7, "0.25")),
        asks="E-15", names=("g2", "0.25"), answers=("decimal=comma",), same=False,
    ),
    # marks, infinite numbers, texts
    "dashes of the GDC": Input(
        files=extra("pack_years", lambda i: "'--" if i % 3 else i),
        names=("pack_years (40)",), inputs=("age", "sex", "pack_years"),
    ),
    "dashes of the GDC among stages": Input(
        files=extra("stage", lambda i: "'--" if i % 4 == 0 else f"Stage {'I' * (1 + i % 3)}"),
        names=("stage (15)",), inputs=("age", "sex", "stage"),
    ),
    "errors of a spreadsheet": Input(
        files=lambda: study(ct=with_cell(ct(), "g1", 4, "#DIV/0!")),
        names=("g1", "#DIV/0!", "rows 6"), same=False,
    ),
    "not available of a spreadsheet among words": Input(
        files=extra("smoking", lambda i: "#N/A" if i < 5 else ("never", "former")[i % 2]),
        names=("smoking (5)",), inputs=("age", "sex", "smoking"),
    ),
    "a star": Input(
        files=lambda: study(ct=with_cell(ct(), "g1", 4, "*")), names=("g1", "rows 6"), same=False
    ),
    "below a limit": Input(
        files=lambda: study(ct=with_cell(ct(), "g1", 4, "<0.5")),
        names=("g1", "<0.5", "rows 6"), same=False,
    ),
    "a number in brackets": Input(
        files=lambda: study(ct=with_cell(ct(), "g1", 4, "[1.25]")),
        names=("g1", "[1.25]", "rows 6"), same=False,
    ),
    **{
        f"negative numbers such as {mark}": Input(
            files=lambda mark=mark: study(
                ct=ct().assign(g0=[mark.format(abs(v)) if v < 0 else v for v in ct()["g0"]])
            ),
            names=() if mark.endswith("}") else ("read as negative", "g0"),
        )
        for mark in ("({})", "{}-", "- {}", "\u2013{}")
    },
    "a laboratory value in two units": Input(
        files=lambda: study(
            clinical=clinical().assign(
                hb=[v if i % 2 else v / 10 for i, v in enumerate(np.linspace(80, 160, N))]
            )
        ),
        names=("hb has 30 values about 11.9", "as of two units"), inputs=("age", "sex", "hb"),
    ),
    "full-width digits": Input(
        files=lambda: study(
            ct=ct().assign(g0=[str(v).translate(FULL_WIDTH) for v in ct()["g0"]])
        ),
    ),
    "infinity": Input(
        files=lambda: study(ct=with_cell(ct(), "g1", 4, "inf")), names=("g1", "rows 6"), same=False
    ),
    "a number beyond all": Input(
        files=lambda: study(ct=with_cell(ct(), "g1", 4, "1e400")),
        names=("g1", "rows 6", "too large"), same=False,
    ),
    "a number beyond single precision": Input(
        files=lambda: study(ct=with_cell(ct(), "g1", 4, "1e39")), names=("g1", "rows 6"), same=False
    ),
    "infinity in a clinical column": Input(
        files=lambda: study(clinical=with_cell(clinical(), "age", 4, "-Infinity")),
        names=("age", "rows 6"), same=False,
    ),
    "a unit behind one number": Input(
        files=lambda: study(ct=with_cell(ct(), "g1", 4, "12 mm")),
        names=("g1", "12 mm", "rows 6"), same=False,
    ),
    "one unit behind all numbers": Input(
        files=lambda: study(ct=ct().assign(g1=[f"{v!r} mm" for v in ct()["g1"]])),
        names=("g1 (mm)",),
    ),
    "per cent behind all numbers": Input(
        files=lambda: study(ct=ct().assign(g1=[f"{v!r}%" for v in ct()["g1"]])),
        names=("g1 (%)",),
    ),
    "two units in a column": Input(
        files=lambda: study(
            ct=ct().assign(g1=[f"{v!r} {('cm', 'mm')[i % 2]}" for i, v in enumerate(ct()["g1"])])
        ),
        names=("g1", "left out, as most of it is text"),
        tables={"ct": tuple(f for f in FEATURES if f != "g1"), "rna": FEATURES},
        same=False,
    ),
    "a minus sign of a typesetter": Input(
        files=lambda: study(
            ct=ct().assign(g1=[repr(v).replace("-", "\u2212") for v in ct()["g1"]])
        )
    ),
    "numbers and words in halves": Input(
        files=extra("ki67", lambda i: i % 5 if i % 2 else "not done"),
        names=("ki67 holds 30 numbers and 30 texts",), inputs=("age", "sex", "ki67"),
    ),
    # true and false
    "true and false as features": Input(
        files=lambda: study(
            ct=ct().assign(g0=ct()["g0"] > 0), rna=rna().assign(g0=(rna()["g0"] > 0).astype(int))
        ),
        same=False,
    ),
    **{
        f"{word} among stages": Input(
            files=extra("stage", lambda i, word=word: word if i < 5 else ("I", "II", "III")[i % 3]),
            names=("5 cells say that nobody knows", word, "stage (5)"),
            inputs=("age", "sex", "stage"),
        )
        for word in ("Unknown", "k. A.", "non renseigné", "неизвестно", "不详")
    },
    "levels in several spellings": Input(
        files=extra("histology", lambda i: ("Adeno", "adeno ", "ADENO", "squamous")[i % 4]),
        names=("are one level: histology (ADENO and Adeno and adeno)",),
        inputs=("age", "sex", "histology"),
    ),
    "genotypes": Input(
        files=extra("genotype", lambda i: ("AA", "Aa", "aa")[i % 3]),
        names=("stay levels of their own: genotype (AA and Aa and aa)",),
        inputs=("age", "sex", "genotype"),
    ),
    "a feature of -1 among many others": Input(
        files=lambda: study(ct=ct().assign(g9=[-1 if i < 4 else i / 7 for i in range(N)])),
        names=("far from all other values: g9",),
        tables={"ct": (*FEATURES, "g9"), "rna": FEATURES},
    ),
    "a feature of -1, 0 and 1": Input(
        files=lambda: study(ct=ct().assign(g9=[i % 3 - 1 for i in range(N)])),
        tables={"ct": (*FEATURES, "g9"), "rna": FEATURES},
    ),
    "zeros of patients who were not measured": Input(
        files=lambda: study(
            ct=ct().assign(
                h=ct()["g1"] + 1, **{g: [0] * 4 + ct()[g].tolist()[4:] for g in FEATURES}
            )
        ),
        names=("4 patients have a zero in up to 6 columns", "KM-001"),
        tables={"ct": (*FEATURES, "h"), "rna": FEATURES}, same=False,
    ),
    "true and false as a clinical column": Input(
        files=extra("metastasis", lambda i: i % 3 == 0), inputs=("age", "sex", "metastasis")
    ),
    # dates
    "a date among numbers": Input(
        files=lambda: study(ct=with_cell(ct(), "g3", 9, "2015-03-01")),
        asks="E-15", names=("g3", "2015-03-01", "rows 11"), answers=("missing=g3",), same=False,
    ),
    "a date that a spreadsheet made": Input(
        files=lambda: study(ct=with_cell(ct(), "g3", 9, "1-Mar")),
        asks="E-15", names=("g3", "1-Mar", "rows 11"), answers=("missing=g3",), same=False,
    ),
    "a date with points": Input(
        files=lambda: study(clinical=with_cell(clinical(), "age", 9, "12.03.2015")),
        asks="E-15", names=("age", "12.03.2015"), answers=("missing=age",), same=False,
    ),
    "a date among follow-up times": Input(
        files=lambda: study(clinical=with_cell(clinical(), "survival_days", 9, "01/03/2015")),
        asks="E-15", names=("survival_days", "01/03/2015"), answers=("missing=survival_days",),
        events=36, median=None, same=False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INPUTS)
def test_cells_are_read_asked_about_or_told(name: str) -> None:
    examine(INPUTS[name])


def test_thousands_are_thousands_of_days() -> None:
    from camlif.data.reading.readers import read_cohort

    cohort, _ = read_cohort(study(clinical=days(grouped(","))))

    assert cohort is not None
    assert cohort.duration is not None
    assert np.median(cohort.duration) * 30.4375 == pytest.approx(1771.0)
    assert pd.Series(cohort.duration).max() == pytest.approx(3482 / 30.4375)
