"""Every repair: what offers it, what it changes, and that the problem is gone afterwards."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from camlif.data.cohort import Cohort
from camlif.data.manifest import Change, Manifest, apply_changes, read_manifest
from camlif.data.reading.assignments import FileUse, assign, confirm_all, file_use, use_file
from camlif.data.reading.checks import Assignment, CheckReport
from camlif.data.reading.problems import Problem
from camlif.data.reading.readers import read_cohort
from camlif.data.reading.repairs import REPAIRS, changes_of, mend, options_for
from camlif.data.reading.tokens import token
from camlif.exceptions import ConfigError, SchemaError
from tests.builders.workbooks import workbook

OF_A_MODEL = {"renames", "rename", "level"}
"""Repairs of what a model says of tables, which the tests of `score` accept."""
CLINICAL = "patient_id,survival_months,event,age\npat1,10,1,50\npat2,20,0,60\npat3,5,1,70\n"
CT = "patient_id,v,w,x,y\npat1,1,2,3,4\npat2,2,3,4,5\npat3,4,4,4,4\n"
FILES = {"clinical.csv": CLINICAL, "ct.csv": CT}


def read(files: Mapping[str, str | bytes]) -> tuple[Cohort | None, CheckReport]:
    return read_cohort(encoded(files))


def encoded(files: Mapping[str, str | bytes]) -> dict[str, bytes]:
    return {n: f.encode() if isinstance(f, str) else f for n, f in files.items()}


def mended(files: Mapping[str, str | bytes], *flags: str) -> tuple[Cohort, CheckReport]:
    cohort, report, applied = mend(encoded(files), flags, title="t")
    assert {o.flag for o in applied} == set(flags)
    assert cohort is not None, report.errors
    return cohort, report


def offered(report: CheckReport) -> list[str]:
    return [o.flag for p in report.problems for o in options_for(p, report)]


def with_clinical(text: str) -> dict[str, str]:
    return {**FILES, "clinical.csv": text}


def cells(text: str) -> list[list[str | float]]:
    return [list(line.split(",")) for line in text.splitlines()]


# --- one problem, one repair ------------------------------------------------------------------

REPEATED = {**FILES, "ct.csv": CT + "pat3,8,8,8,8\n"}
LONG_IDS = {**FILES, "ct.csv": CT.replace("pat1", "pat1_x").replace("pat2", "pat2_x")}
LONG_IDS["ct.csv"] = LONG_IDS["ct.csv"].replace("pat3", "pat3_x")
CASES: dict[str, tuple[Mapping[str, str | bytes], str, dict[str, object]]] = {
    "letters of another encoding": (
        {**FILES, "ct.csv": CT.replace("v", "łódź").encode("cp1250")},
        "encoding=cp1250",
        {"encodings": {"ct.csv": "cp1250"}},
    ),
    "thousands or decimals": (
        {**FILES, "ct.csv": CT.replace(",1,2,3,4", ',1,2,3,"1,735"')},
        "decimal=comma",
        {"decimal": {"ct.csv": ","}},
    ),
    "a table turned by mistake": (
        {"rna.csv": "symbol,a,b\npat1,1,2\npat2,3,5\n"},
        "transpose=rna.csv",
        {"patients_in": {"rna.csv": "rows"}},
    ),
    "keep the first row": (REPEATED, "duplicates=first", {"duplicates": "first"}),
    "average": (REPEATED, "duplicates=average", {"duplicates": "mean"}),
    "samples of a patient": (
        REPEATED,
        "duplicates=bag",
        {"modalities": {"ct": {"file": "ct.csv", "type": "bag"}}},
    ),
    "unit of time": (
        with_clinical(CLINICAL.replace("survival_months", "time")),
        "unit=days",
        {"clinical": {"duration_unit": "days"}},
    ),
    "event value": (
        with_clinical(CLINICAL.replace(",0,", ",2,")),
        "event=2",
        {"clinical": {"event": "event", "event_values": ["2"]}},
    ),
    "reversed": (
        with_clinical(CLINICAL.replace(",0,", ",1,")),
        "event=reverse",
        {"clinical": {"event": "event", "event_values": ["0"]}},
    ),
    "inferred coding": (
        with_clinical(CLINICAL.replace(",0,", ",alive,").replace(",1,", ",dead,")),
        "event=confirm",
        {"clinical": {"event": "event", "event_values": ["dead"]}},
    ),
    "negative durations": (
        with_clinical(CLINICAL.replace(",5,", ",-5,")),
        "negative=exclude",
        {"clinical": {"negative_durations": "drop"}},
    ),
    "a time that is no code": (
        with_clinical(CLINICAL.replace(",5,", ",999,")),
        "keep=survival_months",
        {"clinical": {"missing": {"survival_months": []}}},
    ),
    "zero durations": (
        with_clinical(CLINICAL.replace(",5,", ",0,")),
        "zero=exclude",
        {"clinical": {"zero_durations": "drop"}},
    ),
    "late entries": (
        with_clinical(CLINICAL.replace("age", "entry_months")),
        "entry=exclude",
        {"clinical": {"late_entries": "drop"}},
    ),
    "personal column": (
        with_clinical(CLINICAL.replace("age", "patient_name")),
        "drop=patient_name",
        {"drop": ["patient_name"]},
    ),
    "text among numbers": (
        {**FILES, "ct.csv": CT.replace("pat3,4", "pat3,high")},
        "missing=v",
        {"modalities": {"ct": {"file": "ct.csv", "missing": {"v": ["high"]}}}},
    ),
    "text column": (
        {**FILES, "ct.csv": CT.replace(",4\n", ",soft\n").replace(",5\n", ",hard\n")},
        "drop=y",
        {"drop": ["y"]},
    ),
    "code for missing": (
        with_clinical(CLINICAL + "pat4,3,0,999\npat5,3,0,55\n"),
        "missing=age",
        {"clinical": {"missing": {"age": ["999"]}}},
    ),
    "no identifier": (
        {
            "clinical.csv": CLINICAL.replace("\npat", "\n"),
            "ct.csv": "who,v,kind,x\n1,1,p,3\n2,2,p,4\n3,4,r,4\n",
        },
        "id=who",
        {"modalities": {"ct": {"file": "ct.csv", "id": "who"}}},
    ),
    "identifiers spelt alike": (
        {**FILES, "ct.csv": CT.replace("pat", "PAT-")},
        "same=yes",
        {"ids": "alike"},
    ),
    "identifiers with something behind": (
        {**FILES, "ct.csv": CT.replace("pat1", "pat1_CT")},
        "same=yes",
        {"ids": "within"},
    ),
    "two copies of a column": (
        with_clinical(
            "patient_id,survival_months,event,age.x,age.y\n"
            "pat1,10,1,50,50\npat2,20,0,60,61\npat3,30,1,70,70\n"
        ),
        "copy=age.x",
        {"drop": ["age.y"]},
    ),
    "a modality in two files": (
        {
            "clinical.csv": CLINICAL,
            "ct_1.csv": "patient_id,v\npat1,1\npat2,3\n",
            "ct_2.csv": "patient_id,v\npat3,2\n",
        },
        "parts=ct",
        {"parts": {"ct": ["ct_1.csv", "ct_2.csv"]}},
    ),
    "a tumour that is not the primary one": (
        {
            "clinical.csv": CLINICAL.replace("\npat", "\nTCGA-AA-000"),
            "ct.csv": "patient_id,v\nTCGA-AA-0001-01A,1\nTCGA-AA-0002-01A,2\nTCGA-AA-0003-02A,3\n",
        },
        "samples=tumour",
        {"samples": "tumour"},
    ),
    "ids too long": (LONG_IDS, "trim=4", {"id_length": 4}),
    "sheet": (
        {"clinical.csv": CLINICAL, "ct.xlsx": workbook([["a", "b"], [1.0, 2.0]], cells(CT))},
        "sheet=sheet2",
        {"sheets": {"ct.xlsx": "sheet2"}},
    ),
    "two clinical tables": (
        {**FILES, "patients.csv": CLINICAL},
        "clinical=clinical.csv",
        {"clinical": {"file": "clinical.csv"}},
    ),
    "a clinical table of another name": (
        {"ct.csv": CT, "facts.csv": CLINICAL.replace("survival_months,event", "seen,score")},
        "clinical=facts.csv",
        {"clinical": {"file": "facts.csv"}},
    ),
    "features beside an outcome": (
        {"facts.csv": CLINICAL.replace("age", "v"), "ct.csv": CT},
        "whole=facts.csv",
        {"clinical": {"file": "facts.csv"}},
    ),
    "an outcome in two tables of features": (
        {"a.csv": CLINICAL.replace("age", "v"), "b.csv": CLINICAL.replace("age", "w")},
        "outcome=a.csv",
        {
            "clinical": {"file": "a.csv"},
            "modalities": {"a": {"file": "a.csv"}, "b": {"file": "b.csv"}},
        },
    ),
    "how the time was made": (
        with_clinical(
            "patient_id,days_to_death,days_to_last_follow_up,vital_status\n"
            "pat1,100,,dead\npat2,,200,alive\npat3,50,,dead\n"
        ),
        "time=confirm",
        {"clinical": {"duration": "days_to_death", "duration_else": "days_to_last_follow_up"}},
    ),
    "follow-up column": (
        with_clinical(CLINICAL.replace("survival_months", "months_seen")),
        "time=months_seen",
        {"clinical": {"duration": "months_seen"}},
    ),
    "status column": (
        with_clinical(CLINICAL.replace("event", "outcome")),
        "status=outcome",
        {"clinical": {"event": "outcome"}},
    ),
    "another endpoint": (
        with_clinical("patient_id,pfs_months,pfs_status\npat1,10,1\npat2,20,0\npat3,5,1\n"),
        "endpoint=pfs",
        {
            "clinical": {"duration": "pfs_months", "event": "pfs_status"},
            "endpoint": {
                "name": "progression-free survival",
                "event_noun": "progression or death",
                "event_free": "free of progression",
            },
        },
    ),
    "age in days": (
        with_clinical(
            CLINICAL.replace("50", "18262").replace("60", "21915").replace("70", "25567")
        ),
        "age=days",
        {"clinical": {"age_unit": "days"}},
    ),
    "a column of the outcome that is wanted": (
        with_clinical(CLINICAL.replace("age", "pfi_time")),
        "input=pfi_time",
        {"clinical": {"include": ["pfi_time"]}},
    ),
    "order of day and month": (
        with_clinical(
            "patient_id,diagnosis_date,death_date,last_contact_date,vital_status\n"
            "pat1,01/02/2010,03/04/2011,03/04/2011,dead\npat2,02/03/2010,,05/06/2011,alive\n"
            "pat3,01/02/2010,03/07/2011,03/07/2011,dead\n"
        ),
        "date=day",
        {"clinical": {"date_order": "dmy"}},
    ),
    "where the follow-up begins": (
        with_clinical(
            "patient_id,diagnosis_date,start_date,death_date,last_contact_date,vital_status\n"
            "pat1,2010-02-01,2010-03-01,2011-04-03,2011-04-03,dead\n"
            "pat2,2010-02-03,2010-02-13,,2011-04-03,alive\n"
            "pat3,2010-02-04,2010-02-24,2011-07-03,2011-07-03,dead\n"
        ),
        "from=start_date",
        {"clinical": {"start": "start_date"}},
    ),
    "unreadable file": (
        {**FILES, "rna.parquet": b"no parquet"},
        "without=rna.parquet",
        {"ignore": ["rna.parquet"]},
    ),
    "broken mapping": (
        {**FILES, "cohort.toml": "id = "},
        "manifest=ignore",
        {"ignore": ["cohort.toml"]},
    ),
    "column that is gone": (
        {**FILES, "cohort.toml": '[clinical]\nduration = "old"\nsubtype = "age"\n'},
        "column=old",
        {"clinical": {"subtype": "age"}},
    ),
    "modality that is gone": (
        {**FILES, "cohort.toml": "[modalities.ct]\n[modalities.rna]\n"},
        "absent=rna",
        {"modalities": {"ct": {}}},
    ),
    "name that nothing has": (
        {**FILES, "cohort.toml": 'drop = ["old"]\n'},
        "forget=old",
        {},
    ),
    "table that the mapping does not name": (
        {**FILES, "rna.csv": CT, "cohort.toml": "[modalities.ct]\n"},
        "modality=rna.csv",
        {"modalities": {"ct": {}, "rna": {"file": "rna.csv"}}},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_repair_changes_the_mapping_and_its_problem_is_gone(case: str) -> None:
    files, flag, expected = CASES[case]
    _, before = read(files)
    assert flag in offered(before)
    repaired = {p for p in before.problems if flag in [o.flag for o in options_for(p, before)]}

    _, after = mended(files, flag)

    assert after.manifest.model_dump(mode="json", exclude_defaults=True) == expected
    assert repaired.isdisjoint(after.problems)
    assert after.usable


@pytest.mark.parametrize("case", CASES)
def test_a_mended_mapping_round_trips_through_its_file(case: str) -> None:
    files, flag, _ = CASES[case]
    cohort, report = mended(files, flag)
    toml = report.manifest.to_toml()

    again, second = read({**files, "cohort.toml": toml})

    assert read_manifest(toml) == report.manifest
    assert again is not None
    assert again.digest == cohort.digest
    assert offered(second) == offered(report)


def test_every_repair_is_covered() -> None:
    flags = {flag.partition("=")[0] for _, flag, _ in CASES.values()}
    assert flags | {"ids"} | OF_A_MODEL == {repair.name for repair in REPAIRS}


def test_renames_are_accepted_together_or_one_by_one() -> None:
    _, report = read(FILES)
    problem = Problem(
        severity="error",
        message="2 features are absent.",
        file="ct.csv",
        topic="suitability",
        columns=("v", "w"),
        values=("V1", "W1"),
    )
    options = {o.flag: o for o in options_for(problem, report)}
    assert list(options)[:3] == ["renames=ct.csv", "rename=v:V1", "rename=w:W1"]
    for flags in (["renames=ct.csv"], ["rename=v:V1", "rename=w:W1"]):
        cohort, _ = read_cohort(encoded(FILES), changes=changes_of(options[flag] for flag in flags))
        assert cohort is not None
        assert cohort.schema["ct"].columns == ("V1", "W1", "x", "y")


MAILS = {name: text.replace("pat1", "a.b@c.org") for name, text in FILES.items()}


@pytest.mark.parametrize(
    "files",
    [MAILS, {**FILES, "cohort.toml": '[clinical]\nid = "MRN"\n'}],
    ids=["addresses", "a record number"],
)
def test_personal_identifiers_become_tokens(files: dict[str, str]) -> None:
    if "cohort.toml" in files:
        files = {**files, "clinical.csv": CLINICAL.replace("patient_id", "MRN")}
    _, before = read(files)
    assert {p.code for p in before.errors} == {"E-17"}
    plain_ids = {line.split(",")[0] for line in files["clinical.csv"].splitlines()[1:]}

    cohort, report = mended(files, "ids=tokens")

    assert cohort.presence.all()
    assert len({token for token in cohort.patient_ids.tolist() if len(token) == 16}) == 3
    assert not plain_ids & set(cohort.patient_ids.tolist())
    assert cohort.clinical.index.tolist() == cohort.patient_ids.tolist()
    told = repr((report, cohort.problems))
    assert not any(patient in told for patient in plain_ids)


def test_the_same_key_gives_the_same_tokens_and_another_key_others() -> None:
    _, report = mended(MAILS, "ids=tokens")
    first, _ = read({**MAILS, "cohort.toml": report.manifest.to_toml()})
    again, _ = read({**MAILS, "cohort.toml": report.manifest.to_toml()})
    other, _ = mended(MAILS, "ids=tokens")
    assert first is not None
    assert again is not None
    assert first.patient_ids.tolist() == again.patient_ids.tolist()
    assert not set(first.patient_ids.tolist()) & set(other.patient_ids.tolist())


def test_a_token_is_the_start_of_a_keyed_hash() -> None:
    # RFC 4231, test case 2.
    assert token("Jefe", "what do ya want for nothing?") == "5bdcc146bf60754e"


def test_values_after_a_repair_are_what_it_promised() -> None:
    average, _ = mended(REPEATED, "duplicates=average")
    bag, _ = mended(REPEATED, "duplicates=bag")
    codes, _ = mended(CASES["code for missing"][0], "missing=age")
    event, _ = mended(CASES["event value"][0], "event=2")

    assert average.tables["ct"][2].tolist() == [6, 6, 6, 6]
    assert [len(b) for b in bag.bags["ct"]] == [1, 1, 2]
    np.testing.assert_array_equal(codes.clinical["age"], [50, 60, 70, np.nan, 55])
    assert event.event is not None
    assert event.event.tolist() == [False, True, False]


def test_repairs_may_come_in_any_order_and_uncover_each_other() -> None:
    clinical = CLINICAL.replace("survival_months", "time").replace(",5,", ",-5,")
    _, first = read(with_clinical(clinical))
    assert "negative=exclude" not in offered(first)

    cohort, _ = mended(with_clinical(clinical), "negative=exclude", "unit=years")

    assert cohort.duration is not None
    np.testing.assert_array_equal(cohort.duration, [120, 240, np.nan])


def test_a_repair_that_nothing_needs_is_refused_with_what_there_is() -> None:
    with pytest.raises(ConfigError, match="Nothing needs a repair"):
        mend(encoded(FILES), ["unit=days"], title="t")
    with pytest.raises(ConfigError, match=r"by duplicates=last\. Possible: duplicates=first"):
        mend(encoded(REPEATED), ["duplicates=last"], title="t")


def test_a_repair_is_taken_back_by_leaving_it_out() -> None:
    files = {**REPEATED, "clinical.csv": CLINICAL.replace("age", "e_mail")}
    _, before = read(files)
    options = [o for p in before.problems for o in options_for(p, before)]
    chosen = [o for o in options if o.flag in ("drop=e_mail", "duplicates=first")]

    _, both = read_cohort(encoded(files), changes=changes_of(chosen))
    _, one = read_cohort(encoded(files), changes=changes_of(chosen[:1]))

    assert both.usable
    assert [p.code for p in one.errors] == ["E-06"]


def test_ids_are_not_cut_where_patients_would_become_one() -> None:
    ct = CT.replace("pat1", "pat_1x").replace("pat2", "pat_2x").replace("pat3", "pat_3x")
    clinical = CLINICAL.replace("pat1", "pat_A").replace("pat2", "pat_B").replace("pat3", "pat_C")
    _, report = read({"clinical.csv": clinical, "ct.csv": ct})

    assert [p.code for p in report.errors] == ["E-07"]
    assert not [flag for flag in offered(report) if flag.startswith("trim")]


def test_a_table_read_later_is_not_lost_to_modalities_declared_before() -> None:
    files: dict[str, str | bytes] = {
        "clinical.csv": CLINICAL,
        "ct.csv": CT.replace("pat3,4", "pat3,high"),
        "rna.xlsx": workbook([["x", "y"], [1.0, 2.0]], cells(CT)),
    }
    cohort, _ = mended(files, "missing=v", "sheet=sheet2")
    assert cohort.schema.names == ("ct", "rna")


MASKS = (
    "patient_id,Mask,Label,diagnostics_Mask-original_VoxelNum,original_shape_MeshVolume,"
    "original_firstorder_Mean\n"
    "pat1,/scans/a.nii,1,10,5.5,1\npat1,/scans/a.nii,2,90,50.5,2\n"
    "pat2,/scans/b.nii,1,80,40.5,3\npat2,/scans/b.nii,2,9,4.5,4\n"
    "pat3,/scans/c.nii,2,7,3.5,6\n"
)


@pytest.mark.parametrize(
    ("flag", "means"),
    [
        ("duplicates=largest", [2, 3, 6]),
        ("duplicates=average", [1.5, 3.5, 6]),
        ("duplicates=2", [2, 4, 6]),
        ("duplicates=1", [1, 3, np.nan]),
    ],
)
def test_one_of_several_masks_is_chosen_by_size_by_label_or_averaged(
    flag: str, means: list[float]
) -> None:
    files = {**FILES, "ct.csv": MASKS}
    cohort, report = mended(files, flag)

    assert cohort.schema["ct"].columns == (
        "original_shape_MeshVolume",
        "original_firstorder_Mean",
    )
    np.testing.assert_array_equal(cohort.tables["ct"][:, 1], np.array(means, dtype=np.float32))
    assert report.flow is not None
    lost = sum(s.n for s in report.flow.steps if s.file == "ct.csv")
    assert report.flow.patients["ct"] + lost == 5
    again, _ = read({**files, "cohort.toml": report.manifest.to_toml()})
    assert again is not None
    assert again.digest == cohort.digest
    assert "/scans" not in repr(report)


def test_the_largest_mask_is_not_offered_without_a_size() -> None:
    _, report = read(REPEATED)
    assert "duplicates=largest" not in offered(report)
    _, report = read_cohort(encoded(REPEATED), changes=[Change(("duplicates",), "largest")])
    assert [p.code for p in report.errors] == ["E-06"]


# --- mapping ----------------------------------------------------------------------------------


def assignment(report: CheckReport, role: str, file: str = "clinical.csv") -> Assignment:
    (found,) = [a for a in report.mapping if a.role == role and a.file == file]
    return found


@pytest.mark.parametrize(
    ("column", "confidence"),
    [("survival_months", "sure"), ("os_days", "inferred"), ("follow_up_years", "inferred")],
)
def test_how_sure_a_name_makes_us(column: str, confidence: str) -> None:
    _, report = read(with_clinical(CLINICAL.replace("survival_months", column)))
    time = assignment(report, "time")
    assert (time.chosen, time.confidence) == ((column,), confidence)
    assert assignment(report, "unit").chosen == (column.rpartition("_")[2],)


def test_a_text_coding_is_inferred_and_a_number_coding_is_sure() -> None:
    _, sure = read(FILES)
    _, inferred = read(CASES["inferred coding"][0])
    assert assignment(sure, "event value").confidence == "sure"
    value = assignment(inferred, "event value")
    assert (value.chosen, value.confidence, value.uncertain) == (("dead",), "inferred", True)
    assert value.examples == ("dead (2 rows)", "alive (1 row)")


def test_columns_named_for_age_and_sex_get_the_models_names() -> None:
    clinical = CLINICAL.replace("age", "Age at diagnosis")
    cohort, report = read(with_clinical(clinical))
    assert cohort is not None
    assert cohort.clinical["age"].tolist() == [50, 60, 70]
    assert [c.name for c in cohort.schema.clinical] == ["age"]
    assert assignment(report, "age").confidence == "inferred"


def test_a_centre_is_never_a_model_input() -> None:
    clinical = (
        "patient_id,survival_months,event,age,ward\npat1,1,1,5,a\npat2,2,0,6,b\npat3,3,1,7,a\n"
    )
    cohort, report = read(with_clinical(clinical))
    assert cohort is not None
    assert "ward" in [c.name for c in cohort.schema.clinical]
    changes = assign(report, assignment(report, "centre"), ("ward",))
    cohort, _ = read_cohort(encoded(with_clinical(clinical)), changes=changes)
    assert cohort is not None
    assert [c.name for c in cohort.schema.clinical] == ["age"]
    assert "ward" in cohort.clinical


def test_another_time_column_forgets_the_unit_of_the_first() -> None:
    files = encoded(with_clinical(CLINICAL.replace("age", "os_days")))
    start = Manifest.model_validate(
        {"clinical": {"duration": "survival_months", "duration_unit": "years"}}
    )
    _, report = read_cohort(files, manifest=start)
    changes = assign(report, assignment(report, "time"), ("os_days",))
    assert apply_changes(start, changes).clinical.duration_unit is None


def test_confirming_writes_down_what_was_inferred_and_nothing_else() -> None:
    files = with_clinical(CLINICAL.replace("survival_months", "os_days"))
    _, report = read(files)
    _, after = read_cohort(encoded(files), changes=confirm_all(report))
    assert after.manifest == Manifest.model_validate({"clinical": {"duration": "os_days"}})
    assert not any(a.uncertain for a in after.mapping)


def test_a_mapping_for_programs_holds_no_cells() -> None:
    _, report = read(FILES)
    for entry in report.to_json()["mapping"]:
        assert set(entry) == {"role", "file", "chosen", "confidence", "because"}


@pytest.mark.parametrize(
    ("use", "names"),
    [
        (FileUse(role="left out"), ("rna",)),
        (FileUse(role="modality", modality="scan"), ("rna", "scan")),
        (FileUse(role="modality", modality="ct", exclude=("v",)), ("ct", "rna")),
    ],
)
def test_a_file_is_put_to_another_use(use: FileUse, names: tuple[str, ...]) -> None:
    files = encoded({**FILES, "rna.csv": CT})
    _, report = read_cohort(files)
    changes = use_file(report, "ct.csv", use)
    cohort, after = read_cohort(files, changes=changes)
    assert cohort is not None
    assert cohort.schema.names == names
    assert file_use(after, "ct.csv") == use

    back = use_file(after, "ct.csv", file_use(report, "ct.csv"))
    cohort, _ = read_cohort(files, changes=(*changes, *back))
    assert cohort is not None
    assert sorted(cohort.schema.names) == ["ct", "rna"]
    assert cohort.schema["ct"].n_features == 4


def test_the_clinical_table_can_be_another_one_or_none() -> None:
    files = encoded({**FILES, "extra.csv": CLINICAL.replace("10,1", "30,1")})
    _, report = read_cohort(files)
    changes = use_file(report, "extra.csv", FileUse(role="clinical"))
    changes = (*changes, *use_file(report, "clinical.csv", FileUse(role="left out")))
    cohort, _ = read_cohort(files, changes=changes)
    assert cohort is not None
    assert cohort.duration is not None
    assert cohort.duration.tolist() == [30, 20, 5]


# --- changes ----------------------------------------------------------------------------------


def test_changes_set_add_and_take_out() -> None:
    start = Manifest.model_validate({"drop": ["a"], "clinical": {"event": "e"}})
    changed = apply_changes(
        start,
        [
            Change(("drop",), ["b", "a"], add=True),
            Change(("clinical", "event"), None),
            Change(("modalities", "ct", "missing", "x.y [mm]"), ["9"]),
        ],
    )
    assert changed.drop == ("a", "b")
    assert changed.clinical.event is None
    assert changed.modalities["ct"].missing == {"x.y [mm]": ("9",)}
    assert read_manifest(changed.to_toml()) == changed


def test_a_change_that_makes_no_sense_is_an_error_that_names_the_entry() -> None:
    with pytest.raises(SchemaError, match=r"clinical\.duration_unit"):
        apply_changes(Manifest(), [Change(("clinical", "duration_unit"), "decades")])


# --- whole feature groups ---------------------------------------------------------------------


def test_a_wholly_missing_group_is_no_reason_to_lose_the_modality() -> None:
    columns = [f"{lesion}_{i}" for lesion in ("omentum", "ovary") for i in range(4)]
    frame = pd.DataFrame(1.0 * np.arange(24).reshape(3, 8), columns=columns)
    frame.loc[0, columns[4:]] = np.nan
    frame.loc[1, columns[2:]] = np.nan  # a group, and half of the other
    frame.insert(0, "patient_id", ["pat1", "pat2", "pat3"])

    cohort, report = read({**FILES, "ct.csv": frame.to_csv(index=False)})

    assert cohort is not None
    assert cohort.presence[:, 0].tolist() == [True, False, True]
    assert [g.name for g in cohort.schema["ct"].groups] == ["omentum", "ovary"]
    assert any("1 patient lacks whole feature groups" in p.message for p in report.notes)
    assert report.flow is not None
    assert [(s.file, s.reason, s.n) for s in report.flow.steps] == [
        ("ct.csv", "more than 30% missing", 1)
    ]
