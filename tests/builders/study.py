"""A small sound study, and the same with one thing written otherwise: what a check makes of it.

Sixty made patients with follow-up in whole days, age and sex, and two feature tables of six
columns. An `Input` is a folder that says the same in another way, or something that must not be
guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd

from camlif.data.cohort import Cohort
from camlif.data.levels import as_levels
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.readers import read_cohort
from camlif.data.reading.repairs import mend, options_for
from tests.builders.workbooks import workbook

N = 60
EVENTS = 37
MEDIAN_MONTHS = 93.43737
"""Median follow-up by reverse Kaplan-Meier: 2,844 days of 30.4375 a month."""

FEATURES = tuple(f"g{i}" for i in range(6))
Files = dict[str, bytes]
Frame = pd.DataFrame


@cache
def _tables() -> tuple[Frame, Frame, Frame]:
    rng = np.random.default_rng(19)
    ids = [f"KM-{i:03d}" for i in range(1, N + 1)]
    clinical = pd.DataFrame(
        {
            "patient_id": ids,
            "age": rng.uniform(31, 88, N).round(1),
            "sex": rng.choice(["female", "male"], N),
            "survival_days": rng.permutation(np.arange(60, 60 + 58 * N, 58)),
            "event": (rng.random(N) < 0.55).astype(int),
        }
    )
    values = rng.normal(size=(2, N, len(FEATURES))).round(4)
    ct, rna = (pd.DataFrame(v, columns=list(FEATURES)) for v in values)
    for table in (ct, rna):
        table.insert(0, "patient_id", ids)
    return clinical, ct, rna


def clinical() -> Frame:
    """Return the clinical table: id, age, sex, survival_days, event."""
    return _tables()[0].copy()


def ct() -> Frame:
    """Return the first feature table."""
    return _tables()[1].copy()


def rna() -> Frame:
    """Return the second feature table."""
    return _tables()[2].copy()


def csv(table: Frame, *, sep: str = ",", encoding: str = "utf-8") -> bytes:
    """Write a table as text, missing cells empty."""
    return table.to_csv(index=False, sep=sep).encode(encoding)


def study(**tables: Frame | bytes | None) -> Files:
    """Return the files of the sound study, some replaced, left out (None) or added.

    ``ct=frame`` is the file ``ct.csv``; a name with a dot in it needs ``**{"a.tsv": data}``.
    """
    files: dict[str, Frame | bytes | None] = {"clinical": clinical(), "ct": ct(), "rna": rna()}
    files |= tables
    return {
        name if "." in name else f"{name}.csv": csv(t) if isinstance(t, pd.DataFrame) else t
        for name, t in files.items()
        if t is not None
    }


@cache
def sound() -> Cohort:
    """Return the study as it is meant."""
    cohort, report = read_cohort(study())
    assert cohort is not None, report.errors
    return cohort


@dataclass(frozen=True, kw_only=True)
class Input:
    """One folder and what is to become of it.

    Attributes
    ----------
    files : function without arguments to files
    asks : str
        Code of the error by which it is asked about; empty where it is read at once.
    names : tuple of str
        Columns, files or words that the messages must name.
    answers : tuple of str
        Flags of ``check --repair``, after which it is the sound study.
    refused : bool
        Whether nothing but another file mends it.
    patients, events, median : numbers of the study read in the end
        The median follow-up in months; None where it is not looked at.
    tables : mapping of modality to columns, or None
        Where it is not ct and rna with six columns each.
    inputs : tuple of str
        Clinical columns that a model may read.
    same : bool
        Whether all values must be those of the sound study.
    """

    files: Callable[[], Files]
    asks: str = ""
    names: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    refused: bool = False
    patients: int = N
    events: int | None = EVENTS
    median: float | None = MEDIAN_MONTHS
    tables: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"ct": FEATURES, "rna": FEATURES}
    )
    inputs: tuple[str, ...] = ("age", "sex")
    same: bool = True


def outcome_of(case: Input) -> str:
    """Return what is expected of an input: right, asked or refused."""
    return "refused" if case.refused else "asked" if case.asks else "right"


def examine(case: Input) -> None:
    """Read an input and assert that what becomes of it is what is expected."""
    files = case.files()
    cohort, report = read_cohort(files)
    if case.asks:
        assert cohort is None, f"read without a question: {_brief(report)}"
        asked = [p for p in report.errors if p.code == case.asks]
        assert asked, report.errors
        _names_all(case, report)
        if case.refused:
            return
        offered = [o.flag for p in report.problems for o in options_for(p, report)]
        assert case.answers, offered
        cohort, report, _ = mend(files, case.answers, title="mended")
    else:
        _names_all(case, report)
    assert cohort is not None, report.errors
    examine_numbers(case, cohort, report)
    if case.same:
        assert_same(cohort, sound())


def _brief(report: CheckReport) -> list[str]:
    return [p.line for p in report.problems]


def _names_all(case: Input, report: CheckReport) -> None:
    said = "\n".join(_brief(report))
    missing = [name for name in case.names if name not in said]
    assert not missing, (missing, said)


def examine_numbers(case: Input, cohort: Cohort, report: CheckReport) -> None:
    """Assert that a study was read with the numbers that are expected of an input."""
    assert len(cohort) == case.patients
    read = {m.name: m.columns for m in cohort.schema.modalities}
    assert {k: set(v) for k, v in read.items()} == {k: set(v) for k, v in case.tables.items()}
    assert set(report.inputs) == set(case.inputs)
    if case.events is None:
        assert not cohort.has_outcome
        return
    assert cohort.event is not None
    assert int(cohort.event.sum()) == case.events
    assert report.outcome is not None
    if case.median is not None:
        assert report.outcome.median_months is not None
        np.testing.assert_allclose(report.outcome.median_months, case.median, rtol=1e-5)


def assert_same(cohort: Cohort, wanted: Cohort, *, ids: Mapping[str, str] | None = None) -> None:
    """Assert that the columns of one cohort have the same values in another, to 1e-6.

    ``ids`` tells how the patients of ``wanted`` are called in ``cohort``.
    """
    position = {patient: i for i, patient in enumerate(cohort.patient_ids.tolist())}
    called = wanted.patient_ids.tolist() if ids is None else [ids[p] for p in wanted.patient_ids]
    rows = [position[patient] for patient in called]
    assert cohort.duration is not None
    assert cohort.event is not None
    assert wanted.duration is not None
    np.testing.assert_allclose(cohort.duration[rows], wanted.duration, rtol=1e-6)
    np.testing.assert_array_equal(cohort.event[rows], wanted.event)
    for modality in wanted.schema.modalities:
        table = cohort.tables[modality.name][rows]
        columns = cohort.schema[modality.name].columns
        order = [columns.index(c) for c in modality.columns]
        np.testing.assert_allclose(
            table[:, order], wanted.tables[modality.name], rtol=1e-6, atol=1e-6
        )
    ages = cohort.clinical["age"].iloc[rows].to_numpy(dtype=float)
    np.testing.assert_allclose(ages, wanted.clinical["age"].to_numpy(dtype=float), rtol=1e-6)
    sexes = as_levels(cohort.clinical["sex"].iloc[rows], ["female", "male"]).tolist()
    assert sexes == wanted.clinical["sex"].tolist()


def book(table: Frame) -> bytes:
    """Write a table as a workbook: numbers as numbers, everything else as text."""
    rows = [list(map(_cell, row)) for row in table.itertuples(index=False)]
    return workbook([list(table.columns), *rows])


def _cell(value: object) -> str | float:
    return float(value) if isinstance(value, int | float | np.number) else str(value)
