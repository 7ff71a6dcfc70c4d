"""What a manifest names that is not there is told and can be taken out, wherever it stands."""

from __future__ import annotations

import pytest

from camlif.data.reading.checks import CheckReport
from camlif.data.reading.problems import Problem
from camlif.data.reading.readers import read_cohort
from camlif.data.reading.repairs import changes_of, options_for

ROWS = range(1, 31)
CLINICAL = "patient_id,survival_months,event,age\n" + "".join(
    f"P{i:02d},{10 + i},{i % 2},{40 + 12 * i % 31}\n" for i in ROWS
)
CT = "patient_id,energy,entropy\n" + "".join(f"P{i:02d},{7 * i % 31},{11 * i % 31}\n" for i in ROWS)
CT_SECTION = '[modalities.ct]\nfile = "ct.csv"\n'
CLINICAL_SECTION = '[clinical]\nfile = "clinical.csv"\n'


def read(manifest: str, **options: object) -> CheckReport:
    files = {"clinical.csv": CLINICAL, "ct.csv": CT, "cohort.toml": manifest}
    data = {name: text.encode() for name, text in files.items()}
    return read_cohort(data, **options)[1]  # type: ignore[arg-type]


def told(report: CheckReport, name: str) -> list[Problem]:
    return [p for p in report.problems if p.topic == "declared" and name in p.message]


@pytest.mark.parametrize(
    ("manifest", "file"),
    [
        ('id = "ident"\n', None),
        ('drop = ["ident"]\n', None),
        (CLINICAL_SECTION + 'id = "ident"\n', "clinical.csv"),
        (CLINICAL_SECTION + 'missing = { ident = ["x"] }\n', "clinical.csv"),
        (CT_SECTION + 'id = "ident"\n', "ct.csv"),
        (CT_SECTION + 'exclude = ["energy", "ident"]\n', "ct.csv"),
        (CT_SECTION + 'missing = { "ident" = ["x"] }\n', "ct.csv"),
        (CT_SECTION + 'keep = { ident = ["1"] }\n', "ct.csv"),
    ],
)
def test_a_column_that_nothing_has_is_an_error_which_is_mended_by_forgetting_it(
    manifest: str, file: str | None
) -> None:
    report = read(manifest)
    (problem,) = told(report, "ident")
    assert (problem.severity, problem.file, problem.column) == ("error", file, "ident")
    assert not report.usable
    (option,) = options_for(problem, report)
    assert option.flag == "forget=ident"
    mended = read(manifest, changes=changes_of([option]))
    assert mended.usable
    assert told(mended, "ident") == []


@pytest.mark.parametrize(
    ("manifest", "name"),
    [
        ('ignore = ["other.csv"]\n', "other.csv"),
        ('sheets = { "other.xlsx" = "a" }\n', "other.xlsx"),
        ('encodings = { "other.csv" = "cp1252" }\n', "other.csv"),
        ('patients_in = { "other.csv" = "rows" }\n', "other.csv"),
        ('[units]\nweight = "kg"\n', "weight"),
        ('[names]\nweight = "Weight"\n', "weight"),
        ('[names]\n"weight_*" = "Weight *"\n', "weight_*"),
    ],
)
def test_a_file_or_words_of_a_column_that_is_not_there_are_a_warning(
    manifest: str, name: str
) -> None:
    report = read(manifest)
    (problem,) = told(report, name)
    assert problem.severity == "warning"
    (option,) = options_for(problem, report)
    assert told(read(manifest, changes=changes_of([option])), name) == []


def test_names_and_patterns_that_are_there_are_no_finding() -> None:
    manifest = (
        'id = "patient_id"\ndrop = ["ent*"]\n'
        + CLINICAL_SECTION
        + 'missing = { "*" = ["x"] }\n'
        + CT_SECTION
        + 'exclude = ["ener*"]\n[units]\nage = "years"\n'
        + '[names]\nage = "Age at surgery"\nct = "Scan"\n"ener*" = "Energy *"\n'
    )
    report = read(manifest)
    assert [p for p in report.problems if p.topic == "declared"] == []


def test_a_table_without_the_identifier_of_the_others_is_a_note() -> None:
    other = CT.replace("patient_id", "case", 1)
    files = {"clinical.csv": CLINICAL, "ct.csv": other, "cohort.toml": 'id = "case"\n'}
    report = read_cohort({name: text.encode() for name, text in files.items()})[1]
    (note,) = [p for p in report.problems if "patients are told by another" in p.message]
    assert (note.severity, note.file) == ("note", "clinical.csv")
