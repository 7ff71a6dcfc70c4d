"""Tables to a cohort, and everything a check says on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camlif.data.cohort import Cohort
from camlif.data.manifest import ClinicalSection, Manifest, ModalitySection
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.durations import DAYS_PER_MONTH
from camlif.data.reading.problems import Problem
from camlif.data.reading.readers import check_folder, load_cohort, read_cohort
from camlif.data.reading.repairs import options_for
from camlif.exceptions import CohortError, DataError
from camlif.statistics import median_follow_up

REAL = Path(__file__).resolve().parents[4] / "shared" / "data"

CLINICAL = (
    "patient_id,survival_months,event,age,sex\n001,10,1,50,male\nNA,20,0,60,female\nc,5,0,,male\n"
)
PATHOLOGY = "patient_id,a,b\n001,1,2\nNA,3,\nc,5,6\n"
CT = "patient_id,v,w\n001,0.5,1\nc,2.5,3\n"
FILES = {"clinical.csv": CLINICAL, "pathology.csv": PATHOLOGY, "ct.csv": CT}


def check(
    files: Mapping[str, str | bytes], manifest: Manifest | None = None
) -> tuple[Cohort | None, CheckReport]:
    data = {n: f.encode() if isinstance(f, str) else f for n, f in files.items()}
    return read_cohort(data, manifest=manifest)


def cohort_of(files: Mapping[str, str | bytes], manifest: Manifest | None = None) -> Cohort:
    cohort, report = check(files, manifest)
    assert cohort is not None, report.errors
    return cohort


def problem(
    code: str, files: Mapping[str, str | bytes], manifest: Manifest | None = None
) -> Problem:
    found = [p for p in check(files, manifest)[1].problems if p.code == code]
    assert len(found) == 1, found
    return found[0]


def clinical(*rows: str, header: str = "patient_id,survival_months,event") -> dict[str, str]:
    ids = [row.split(",")[0] for row in rows]
    table = "patient_id,a,b\n" + "".join(f"{i},{k},{k * k}\n" for k, i in enumerate(ids))
    return {"clinical.csv": "\n".join([header, *rows]) + "\n", "pathology.csv": table}


# --- a whole cohort ---------------------------------------------------------------------------


def test_tables_are_aligned_by_patient_in_clinical_order() -> None:
    cohort = cohort_of(FILES)

    assert cohort.patient_ids.tolist() == ["001", "NA", "c"]
    assert cohort.schema.names == ("ct", "pathology")
    assert cohort.presence.tolist() == [[True, True], [False, False], [True, True]]
    np.testing.assert_array_equal(cohort.tables["ct"][0], np.float32([0.5, 1]))
    assert np.isnan(cohort.tables["ct"][1]).all()
    assert cohort.duration is not None
    assert cohort.event is not None
    assert cohort.duration.tolist() == [10, 20, 5]
    assert cohort.event.tolist() == [True, False, False]
    assert cohort.clinical["age"].tolist()[:2] == [50, 60]
    assert [(c.name, c.kind, c.levels) for c in cohort.schema.clinical] == [
        ("age", "numeric", ()),
        ("sex", "category", ("female", "male")),
    ]


def test_more_than_thirty_percent_missing_values_count_as_a_missing_modality() -> None:
    wide = "patient_id,a,b,c,d\n001,1,2,3,4\nNA,1,2,3,\nc,1,2,,\n"

    cohort, report = check({**FILES, "pathology.csv": wide})

    assert cohort is not None
    assert cohort.presence[:, 1].tolist() == [True, True, False]
    assert np.isnan(cohort.tables["pathology"][1, 3])
    assert [p.rows for p in report.warnings if p.file == "pathology.csv"] == [(4,)]


def test_patients_without_clinical_row_are_kept_without_outcome() -> None:
    cohort = cohort_of({**FILES, "ct.csv": CT + "new,1,1\n"})

    assert cohort.patient_ids.tolist() == ["001", "NA", "c", "new"]
    assert cohort.with_outcome.tolist() == [True, True, True, False]
    assert cohort.clinical.loc["new"].isna().all()


def test_a_folder_without_outcome_is_usable_for_scoring() -> None:
    for files in (
        {"pathology.csv": PATHOLOGY, "ct.csv": CT},
        {"clinical.csv": "patient_id,age\n001,50\nc,60\n", "ct.csv": CT},
    ):
        cohort, report = check(files)

        assert cohort is not None
        assert report.usable
        assert not cohort.has_outcome
        assert [p.code for p in report.warnings if p.file != "pathology.csv"] == ["E-08"]


@st.composite
def random_cohorts(draw: st.DrawFn) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    n = draw(st.integers(2, 12))
    ids = draw(
        st.lists(
            st.text("0123456789ABNa-_ /", min_size=1, max_size=6).filter(
                lambda s: s == s.strip() and s
            ),
            min_size=n,
            max_size=n,
            unique=True,
        )
    )
    number = st.floats(-1e6, 1e6, width=32)
    tables = {}
    for name in ("ct", "pathology"):
        k = draw(st.integers(1, 5))
        have = draw(st.lists(st.sampled_from(ids), min_size=1, unique=True))
        cells = draw(st.lists(number, min_size=k * len(have), max_size=k * len(have)))
        frame = pd.DataFrame(
            np.float32(cells).reshape(len(have), k), columns=[f"f{i}" for i in range(k)]
        )
        frame.insert(0, "patient_id", have)
        tables[name] = frame
    rows = {
        "patient_id": ids,
        "survival_months": draw(st.lists(st.integers(0, 400), min_size=n, max_size=n)),
        "event": draw(st.lists(st.sampled_from([0, 1]), min_size=n, max_size=n)),
        "age": draw(st.lists(st.integers(18, 90), min_size=n, max_size=n)),
    }
    return pd.DataFrame(rows), tables


@settings(max_examples=60, deadline=None)
@given(random_cohorts(), st.sampled_from(["csv", "tsv"]))
def test_a_written_cohort_reads_back_equal(
    drawn: tuple[pd.DataFrame, dict[str, pd.DataFrame]], form: str
) -> None:
    frame, tables = drawn
    separator = "," if form == "csv" else "\t"
    files = {
        f"{name}.{form}": table.to_csv(index=False, sep=separator).encode()
        for name, table in {"clinical": frame, **tables}.items()
    }

    # Identifiers such as 0 and 00 are asked about without this.
    cohort, _ = read_cohort(files, manifest=Manifest(ids="exact"))

    assert cohort is not None
    ids = frame["patient_id"].tolist()
    assert cohort.patient_ids.tolist() == ids
    assert cohort.duration is not None
    assert cohort.event is not None
    assert cohort.duration.tolist() == frame["survival_months"].tolist()
    assert cohort.event.astype(int).tolist() == frame["event"].tolist()
    assert cohort.clinical["age"].tolist() == frame["age"].tolist()
    for i, name in enumerate(("ct", "pathology")):
        expected = tables[name].set_index("patient_id").reindex(ids)
        np.testing.assert_array_equal(cohort.tables[name], expected.to_numpy("float32"))
        assert cohort.presence[:, i].tolist() == [p in set(tables[name]["patient_id"]) for p in ids]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "c", ""]), st.integers(0, 2)), min_size=1, max_size=12
    ).filter(lambda rows: any(patient for patient, _ in rows)),
    st.sampled_from(["first", "mean"]),
)
def test_every_row_is_accounted_for(rows: list[tuple[str, int]], duplicates: str) -> None:
    table = "patient_id,x\n" + "".join(f"{i},{v}\n" for i, v in rows)
    manifest = Manifest.model_validate({"duplicates": duplicates})

    _, report = check({"ct.csv": table, "pathology.csv": "patient_id,y\na,1\nb,2\nc,3\n"}, manifest)

    assert report.flow is not None
    kept = report.flow.patients.get("ct", 0)
    assert report.files[0].n_rows == len(rows)
    assert kept + sum(s.n for s in report.flow.steps if s.file == "ct.csv") == len(rows)
    assert kept == len({i for i, _ in rows if i})


# --- repeated and mismatched patients ---------------------------------------------------------


def test_identical_rows_are_dropped_with_a_count() -> None:
    cohort, report = check({**FILES, "ct.csv": CT + "c,2.5,3\n"})

    assert cohort is not None
    assert report.flow is not None
    assert [(s.file, s.reason, s.n) for s in report.flow.steps] == [
        ("ct.csv", "identical row", 1),
        ("pathology.csv", "more than 30% missing", 1),
    ]


def test_different_rows_of_a_patient_are_an_error_that_names_them() -> None:
    found = problem("E-06", {**FILES, "ct.csv": CT + "c,9,9\n"})

    assert (found.severity, found.file, found.rows) == ("error", "ct.csv", (3, 4))
    assert "c" in found.message


def test_repeated_patients_can_be_averaged_or_cut_to_the_first() -> None:
    files = {**FILES, "ct.csv": CT + "c,3.5,\n"}

    mean = cohort_of(files, Manifest(duplicates="mean"))
    first = cohort_of(files, Manifest(duplicates="first"))

    assert mean.tables["ct"][2].tolist() == [3.0, 3.0]
    assert first.tables["ct"][2].tolist() == [2.5, 3.0]


def test_several_rows_of_a_patient_are_a_bag_where_the_manifest_says_so() -> None:
    manifest = Manifest(
        modalities={
            "pathology": ModalitySection(type="bag", max_instances=9),
            "ct": ModalitySection(),
        }
    )

    cohort = cohort_of({**FILES, "pathology.csv": "patient_id,a\nc,1\n001,2\nc,3\n"}, manifest)

    assert cohort.schema.names == ("pathology", "ct")
    assert [bag[:, 0].tolist() for bag in cohort.bags["pathology"]] == [[2.0], [], [1.0, 3.0]]
    assert cohort.presence[:, 0].tolist() == [True, False, True]
    assert cohort.schema["pathology"].bag is not None
    assert cohort.schema["pathology"].bag.max_instances == 9


def test_tables_without_a_common_patient_are_an_error_with_examples() -> None:
    found = problem("E-07", {**FILES, "ct.csv": "patient_id,v\nX-1,1\nX-2,2\n"})

    assert found.severity == "error"
    assert "X-1" in found.message
    assert "001" in found.message


def test_a_table_without_identifiers_is_an_error() -> None:
    assert problem("E-05", {**FILES, "ct.csv": "v,w\n1,2\n3,4\n"}).file == "ct.csv"


@pytest.mark.parametrize("header", ["Patient ID", "PATIENT_ID", "case_id", "", "who"])
def test_other_names_of_the_identifier_are_recognised(header: str) -> None:
    cohort = cohort_of({**FILES, "ct.csv": f"{header},v\nc,1\nNA,2\n"})

    assert cohort.presence[:, 0].tolist() == [False, True, True]


def test_a_matrix_with_patients_in_columns_is_turned_with_a_warning() -> None:
    files = clinical("TCGA-02-0001,1,0", "TCGA-02-0002,2,1")
    files["rna.txt"] = (
        "Hugo_Symbol\tEntrez_Gene_Id\tTCGA-02-0002-01\tTCGA-02-0001-01\n"
        "TP53\t7157\t1.5\t2.5\nEGFR\t1956\tNA\t-1\nTP53\t7157\t9\t9\nPTEN\t5728\t0\t1\nX\t1\t4\t4\n"
    )

    cohort, report = check(files)

    assert cohort is not None
    assert cohort.schema["rna"].columns == ("TP53", "EGFR", "PTEN", "X")
    assert cohort.tables["rna"][:, 0].tolist() == [2.5, 1.5]
    assert np.isnan(cohort.tables["rna"][1, 1])
    assert "1 feature with an empty or repeated name" in report.warnings[0].message


def test_a_matrix_of_genes_is_turned_without_a_clinical_table_and_counts_by_patient() -> None:
    matrix = "Gene Symbol,description,s1,s2,s3\nTP53,x,1,2,3\nEGFR,y,4,5,6\n"

    cohort, report = check({"rna.csv": matrix})

    assert cohort is not None, report.errors
    assert cohort.patient_ids.tolist() == ["s1", "s2", "s3"]
    assert cohort.tables["rna"].tolist() == [[1, 4], [2, 5], [3, 6]]
    (file,) = report.files
    assert (file.n_rows, file.n_columns, file.turned) == (3, 2, True)
    assert any("the first column is Gene Symbol" in p.message for p in report.warnings)


def test_patients_named_like_genes_stay_in_rows_where_the_clinical_table_knows_them() -> None:
    files = {**FILES, "ct.csv": CT.replace("patient_id", "symbol", 1)}
    modalities = {"ct": ModalitySection(id="symbol"), "pathology": ModalitySection()}

    cohort = cohort_of(files, Manifest(modalities=modalities))

    np.testing.assert_array_equal(cohort.tables["ct"], cohort_of(FILES).tables["ct"])


def test_where_the_patients_are_can_be_said() -> None:
    numbers = "1,s1,s2\n7,1,2\n8,3,4\n"
    _, asked = check({"rna.csv": numbers})
    said = {"rna.csv": numbers, "cohort.toml": 'patients_in = { "rna.csv" = "columns" }\n'}

    cohort, report = check(said)

    assert asked.errors[0].code == "E-05"
    assert "transpose=rna.csv" in [o.flag for o in options_for(asked.errors[0], asked)]
    assert cohort is not None, report.errors
    assert cohort.patient_ids.tolist() == ["s1", "s2"]
    assert cohort.schema["rna"].columns == ("7", "8")


def test_tcga_sample_barcodes_are_cut_to_patients() -> None:
    files = clinical("TCGA-02-0001,1,0", "TCGA-02-0002,2,1")
    files["rna.csv"] = "sample_id,g\nTCGA-02-0001-01A,1\nTCGA-02-0002-01A,2\n"

    assert cohort_of(files).presence.all()


# --- cells ------------------------------------------------------------------------------------


def test_text_in_a_numeric_column_is_missing_and_named() -> None:
    wide = "patient_id,a,b,c,d\n001,1,2,3,4\nNA,1,2,3,high\nc,1,2,inf,4\n"

    cohort, report = check({**FILES, "pathology.csv": wide})

    assert cohort is not None
    words, infinite = [p for p in report.problems if p.code == "E-15"]
    for problem, column, row in ((words, "d", 3), (infinite, "c", 4)):
        assert (problem.severity, problem.file) == ("warning", "pathology.csv")
        assert (problem.column, problem.rows) == (column, (row,))
    assert "high" in words.message
    assert np.isnan(cohort.tables["pathology"][[1, 2], [3, 2]]).all()


def test_a_text_column_in_a_feature_table_is_left_out_and_reported() -> None:
    files = {**FILES, "ct.csv": "patient_id,kernel,v\n001,B30f,1\nc,B70f,2\n"}

    assert cohort_of(files).schema["ct"].columns == ("v",)
    assert problem("E-15", files).column == "kernel"


def test_outcome_and_provenance_columns_never_become_features() -> None:
    header = "patient_id,diagnostics_Versions_Numpy,Mask,v,event,survival_months"
    files = {**FILES, "ct.csv": f"{header}\n001,1.2,m.nii,1,1,10\nc,1.2,n.nii,2,0,5\n"}

    assert cohort_of(files).schema["ct"].columns == ("v",)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("patient_name", "A"),
        ("Date of birth", "1.1.50"),
        ("contact", "a.b@c.org"),
        ("MRN", "7"),
        ("phone", "1"),
    ],
)
def test_personal_data_are_an_error_that_does_not_repeat_them(column: str, value: str) -> None:
    files = clinical(f"p1,1,0,{value}", header=f"patient_id,survival_months,event,{column}")

    found = problem("E-17", files)

    assert (found.severity, found.column) == ("error", column)
    assert value not in found.message.replace(column, "").replace("personal data", "")


def test_formulas_are_plain_text() -> None:
    files = clinical(
        "p1,1,0,=1+1", "p2,2,1,@SUM(A1)", header="patient_id,survival_months,event,smoking"
    )

    assert cohort_of(files).clinical["smoking"].tolist() == ["=1+1", "@SUM(A1)"]


# --- follow-up and events ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "factor"),
    [("survival_days", 1 / DAYS_PER_MONTH), ("OS_MONTHS", 1.0), ("follow-up (years)", 12.0)],
)
def test_units_come_from_the_column_name(column: str, factor: float) -> None:
    cohort = cohort_of(clinical("p1,100,0", "p2,50,1", header=f"patient_id,{column},event"))

    assert cohort.duration is not None
    np.testing.assert_allclose(cohort.duration, [100 * factor, 50 * factor])


def test_a_unit_that_no_name_tells_is_asked_for() -> None:
    files = clinical("p1,900,0", "p2,50,1", header="patient_id,survival_time,event")

    assert "50 to 900" in problem("E-09", files).message
    cohort = cohort_of(files, Manifest(clinical=ClinicalSection(duration_unit="days")))
    assert cohort.duration is not None
    assert cohort.duration[0] == pytest.approx(900 / 30.4375)


@pytest.mark.parametrize(
    ("yes", "no"),
    [("1", "0"), ("1.0", "0.0"), ("TRUE", "false"), ("1:DECEASED", "0:LIVING"), ("dead", "Alive")],
)
def test_usual_event_codings_are_read(yes: str, no: str) -> None:
    cohort = cohort_of(
        clinical(f"p1,1,{yes}", f"p2,2,{no}", "p3,3,", header="patient_id,os_months,os_status")
    )

    assert cohort.event is not None
    assert cohort.event.tolist() == [True, False, False]
    assert cohort.with_outcome.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("header", "values"),
    [("event", ("1", "2")), ("event", ("x", "0")), ("censored", ("1", "0")), ("alive", ("1", "0"))],
)
def test_unclear_event_codings_are_asked_for(header: str, values: tuple[str, str]) -> None:
    files = clinical(
        f"p1,1,{values[0]}", f"p2,2,{values[1]}", header=f"patient_id,survival_months,{header}"
    )
    section = ClinicalSection(event=header, event_values=(values[0],))

    assert problem("E-11", files).column == header
    event = cohort_of(files, Manifest(clinical=section)).event
    assert event is not None
    assert event.tolist() == [True, False]


def test_an_unusual_event_rate_hints_at_a_reversed_coding() -> None:
    found = problem("E-12", clinical("p1,1,1", "p2,2,1"))

    assert found.severity == "warning"
    assert found.message.startswith("100%")


def test_negative_follow_up_is_an_error_or_dropped_on_request() -> None:
    files = clinical("p1,-3,0", "p2,4,1", "p3,0,0")

    found = problem("E-10", files)
    assert (found.severity, found.rows) == ("error", (2,))

    dropped = cohort_of(files, Manifest(clinical=ClinicalSection(negative_durations="drop")))
    assert dropped.with_outcome.tolist() == [False, True, True]


def test_the_median_follow_up_of_a_check_is_that_of_every_page() -> None:
    """The product of fractions that reaches one half at 3 months is a digit above it."""
    duration = [6, 3, 1, 2, 5, 2, 3, 6, 6, 3]
    event = [0, 1, 0, 0, 1, 0, 0, 0, 1, 0]
    rows = [f"p{i},{d},{e}" for i, (d, e) in enumerate(zip(duration, event, strict=True))]
    _, report = check(clinical(*rows))
    assert report.outcome is not None
    assert report.outcome.median_months == median_follow_up(event, duration) == 3


# --- clinical columns -------------------------------------------------------------------------


def test_outcome_derived_and_administrative_columns_are_never_inputs() -> None:
    columns = [
        *("rfs_months", "rfs_event", "cause", "tissue_source_site", "n_slides", "subtype_source"),
        *("published_fold", "vital_status", "centre", "batch", "days_to_death", "site"),
    ]
    kept = ["age", "er_status", "smoking_status", "metastasis_site", "t_stage"]
    header = ",".join(["patient_id", "survival_months", "event", *columns, *kept])
    files = clinical(
        *[f"p{i},{i},{i % 2}," + ",".join(["1"] * 12 + [f"5{i}"] + ["1"] * 4) for i in (1, 2)],
        header=header,
    )

    cohort, report = check(files)

    assert cohort is not None
    assert [c.name for c in cohort.schema.clinical] == kept
    assert set(columns) <= set(cohort.clinical.columns)
    warned = " ".join(p.message for p in report.warnings)
    assert all(column in warned for column in columns)


def test_grades_and_subtypes_are_categories_with_names_found() -> None:
    rows = [f"p{i},1,{i % 2},{g},x" for i, g in enumerate(["2.0", "3", "4", ""])]
    cohort = cohort_of(clinical(*rows, header="patient_id,survival_months,event,WHO grade,subtype"))

    assert (cohort.info.grade_column, cohort.info.subtype_column) == ("WHO grade", "subtype")
    assert cohort.grade is not None
    assert cohort.grade.dropna().tolist() == ["2", "3", "4"]


def test_a_few_texts_among_many_numbers_leave_a_column_numeric() -> None:
    rows = [f"p{i},1,{i % 2},{40 + i}" for i in range(12)] + ["px,1,0,unknown"]
    files = clinical(*rows, header="patient_id,survival_months,event,age")

    assert cohort_of(files).clinical["age"].dtype == np.float64
    assert problem("E-15", files).rows == (14,)


# --- manifest, report, errors -----------------------------------------------------------------


def test_the_manifest_in_the_folder_describes_the_cohort(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "cohort.toml").write_text(
        'title = "T"\nbadge = "public"\n[endpoint]\nname = "distant metastasis"\n'
        '[clinical]\ninputs = ["sex"]\n'
        '[modalities.path]\nfile = "pathology.csv"\ngroups = { g1 = ["b"], g2 = ["a"] }\n'
    )

    cohort = load_cohort(tmp_path)

    assert (cohort.info.title, cohort.info.badge) == ("T", "public")
    assert cohort.info.endpoint.name == "distant metastasis"
    assert [c.name for c in cohort.schema.clinical] == ["sex"]
    assert cohort.schema.names == ("path",)
    assert cohort.schema["path"].columns == ("b", "a")
    assert cohort.tables["path"][0].tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    "text",
    [
        "[modalities.mri]\n",
        "[clinical]\nduration = 'months_alive'\n",
        "[clinical]\ninputs = ['weight']\n",
        "[clinical]\nfile = 'absent.csv'\n",
        "surprise = 1\n",
        "[modalities.ct.groups]\nx = ['nothing*']\n",
    ],
)
def test_a_manifest_that_does_not_fit_is_an_error(text: str) -> None:
    cohort, report = check({**FILES, "cohort.toml": text})

    assert cohort is None
    assert not report.usable


def test_all_errors_are_collected_and_raised_once(tmp_path: Path) -> None:
    files = {
        "clinical.csv": "patient_id,survival_months,event\na,-1,0\nb,2,7\n",
        "ct.csv": "patient_id,v\na,1\na,2\n",
        "pathology.csv": "patient_id,v\na,1,2\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(CohortError) as raised:
        load_cohort(tmp_path)

    codes = {p.code for p in raised.value.problems if isinstance(p, Problem)}
    assert codes == {"E-01", "E-06", "E-10", "E-11"}
    assert "3 more errors" in str(raised.value)
    assert isinstance(raised.value, DataError)


def test_a_folder_that_is_not_there_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        load_cohort(tmp_path / "absent")
    with pytest.raises(CohortError, match="No feature table"):
        load_cohort(tmp_path)


def test_a_table_of_endpoints_is_no_modality() -> None:
    cohort, report = check(
        {**FILES, "endpoints.csv": "patient_id,stage,dss_days,dss_event\na,1,20,0\nb,2,30,1\n"}
    )
    assert cohort is not None
    assert "endpoints" not in cohort.schema.names
    assert "stage" in report.inputs
    assert not {"dss_days", "dss_event"} & set(report.inputs)
    (line,) = [p.line for p in report.problems if p.code == "E-19"]
    assert "dss_days, dss_event (of the outcome)" in line


def test_files_get_roles_and_the_report_is_plain_json() -> None:
    _, report = check(
        {
            **FILES,
            "risk.csv": "patient_id,log_risk,risk_group\na,1,High risk\n",
            "model.pkl": b"\x80\x04",
            "README.md": "# x",
            "cohort.toml": "",
        }
    )

    assert {f.name: f.role for f in report.files} == {
        "clinical.csv": "clinical",
        "pathology.csv": "modality",
        "ct.csv": "modality",
        "risk.csv": "predictions",
        "model.pkl": "ignored",
        "README.md": "ignored",
        "cohort.toml": "manifest",
    }
    plain = json.loads(json.dumps(report.to_json()))
    assert plain["usable"] is True
    assert plain["outcome"]["events"] == 1
    assert plain["flow"]["overlap"][0] == {"modalities": ["ct", "pathology"], "patients": 2}


def test_a_paper_sized_cohort_reads_in_about_a_second() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((1000, 1300)).round(4)).add_prefix("f")
    frame.insert(0, "patient_id", [f"p{i}" for i in range(1000)])
    data = {"ct.csv": frame.to_csv(index=False).encode()}

    start = time.process_time()
    cohort, _ = read_cohort(data)

    assert cohort is not None
    assert time.process_time() - start < 5  # generous: the machine may be shared


TOKENS = [b",", b"\n", b'"', b"\0", b"\xff", b";", b"\t", b"NA", b"-1", b"inf", b"1:x", b"#", b"\r"]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(FILES)),
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 6), st.sampled_from(TOKENS)), min_size=1),
)
def test_damaged_files_give_a_report_and_never_a_traceback(
    name: str, edits: list[tuple[int, int, bytes]]
) -> None:
    data = FILES[name].encode()
    for at, n_deleted, inserted in edits:
        data = data[:at] + inserted + data[at + n_deleted :]

    cohort, report = check({**FILES, name: data})

    assert (cohort is not None) == report.usable
    json.dumps(report.to_json())


# --- real cohorts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "patients", "events", "modalities", "complete"),
    [
        ("tcga_brca_path_gene", 1015, 146, 3, 1015),
        ("tcga_gbmlgg", 569, 187, 2, 569),
        ("tcga_kirc", 345, 92, 2, 345),
        ("nsclc_ct", 199, 128, 1, 199),
        ("hancock", 763, 213, 5, None),
        ("hgsoc_ct_path", 444, None, 2, None),
        ("hgsoc_ct_path/raw_upload", 444, None, 3, 122),
    ],
)
def test_real_cohorts_load_as_their_readmes_say(
    name: str, patients: int, events: int | None, modalities: int, complete: int | None
) -> None:
    folder = REAL / name
    if not folder.is_dir():
        pytest.skip(f"the real cohort {name} is not on this machine")

    report = check_folder(folder)
    cohort = load_cohort(folder)

    assert report.usable
    assert report.flow is not None
    for file in report.files:
        if file.role == "modality":
            lost = sum(step.n for step in report.flow.steps if step.file == file.name)
            assert file.n_rows == report.flow.patients[file.modality or ""] + lost
    assert len(cohort) == patients
    assert len(cohort.schema.modalities) == modalities
    if events is None:
        assert not cohort.has_outcome
    else:
        assert cohort.event is not None
        assert int(cohort.event.sum()) == events
    if complete is not None:
        assert int(cohort.presence.all(axis=1).sum()) == complete
