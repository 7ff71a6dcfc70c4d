"""Formats beside plain tables: what each gives, and that no row of it is lost."""

from __future__ import annotations

import gzip
import io
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from camlif.data.cohort import Cohort
from camlif.data.formats import slides
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.problems import Problem
from camlif.data.reading.readers import check_folder, load_cohort, read_cohort
from camlif.data.reading.repairs import mend
from tests.builders.workbooks import workbook

CLINICAL = "patient_id,survival_months,event\nP1,10,1\nP2,20,0\nP3,5,1\n"
CT = "patient_id,v\nP1,1\nP2,2\nP3,3\n"

CBIO_PATIENT = (
    "#Patient Identifier\tOverall Survival Status\tOverall Survival (Months)\tAge\n"
    "#Identifier\tStatus\tMonths\tAge\n#STRING\tSTRING\tNUMBER\tNUMBER\n#1\t1\t1\t1\n"
    "PATIENT_ID\tOS_STATUS\tOS_MONTHS\tAGE\n"
    "P-1\t1:DECEASED\t10\t50\nP-2\t0:LIVING\t20\t60\nP-3\t0:LIVING\t[Not Available]\t70\n"
)
CBIO_SAMPLE = (
    "#a\tb\tc\n#a\tb\tc\n#a\tb\tc\n#1\t1\t1\n"
    "PATIENT_ID\tSAMPLE_ID\tTUMOR_PURITY\nP-1\tP-1-T01\t0.5\nP-2\tP-2-T01\t0.7\n"
    "P-2\tP-2-T02\t0.7\nP-9\tP-9-T01\t0.1\n"
)
CBIO_MATRIX = (
    "Hugo_Symbol\tEntrez_Gene_Id\tP-1-T01\tP-2-T01\nTP53\t7157\t1.5\t2.5\nEGFR\t1956\t3\t4\n"
    "PTEN\t5728\t0\t1\n"
)
MAF = (
    "#version 2.4\nHugo_Symbol\tTumor_Sample_Barcode\tVariant_Classification\tProtein_Change\n"
    "TP53\tP-1-T01\tMissense_Mutation\tp.R1H\nTP53\tP-1-T01\tNonsense_Mutation\tp.R2*\n"
    "EGFR\tP-2-T02\tSilent\tp.L1L\nPTEN\tP-2-T01\tFrame_Shift_Del\tp.K\n"
    "Unknown\tP-7-T01\tMissense_Mutation\tp.A1B\nTTN\tP-7-T01\tIntron\t\n"
)
LONG = (
    "patientId,sampleId,clinicalAttributeId,value\nP1,s,AGE,50\nP2,s,AGE,60\nP1,s,T,1\nP1,s,T,1\n"
    "P3,s,AGE,55\n"
)
QUPATH = (
    "Image\tObject ID\tName\tClassification\tParent\tROI\tCentroid X µm\tNucleus: Area\n"
    "P1.svs - Series 1\tu1\tPathCell\tTumor\tRoot\tPolygon\t1.5\t10\n"
    "P1.svs\tu2\tPathCell\tStroma\tRoot\tPolygon\t2.5\t30\n"
    "C:\\scans\\P2.ome.tiff\tu3\tPathCell\tTumor\tRoot\tPolygon\t2.5\t50\n"
)
CELLPROFILER = (
    "ImageNumber,ObjectNumber,FileName_DNA,PathName_DNA,Metadata_Patient,AreaShape_Area,"
    "Location_Center_X\n1,1,a.tif,/home/x,P1,10,1\n1,2,a.tif,/home/x,P1,30,1\n2,1,b.tif,/y,P2,7,1\n"
)


def check(files: Mapping[str, str | bytes]) -> tuple[Cohort | None, CheckReport]:
    data = {n: f.encode() if isinstance(f, str) else f for n, f in files.items()}
    return read_cohort(data)


def cohort_of(files: Mapping[str, str | bytes], *repairs: str) -> Cohort:
    data = {n: f.encode() if isinstance(f, str) else f for n, f in files.items()}
    cohort, report, _ = mend(data, repairs, title="t")
    assert cohort is not None, report.errors
    return cohort


def error(files: Mapping[str, str | bytes]) -> Problem:
    errors = check(files)[1].errors
    assert len(errors) == 1, errors
    return errors[0]


def unaccounted(report: CheckReport, file: str, n_kept: int) -> int:
    """Rows of a file that are neither kept nor in a step of the flow table."""
    assert report.flow is not None
    (read,) = [f.n_rows for f in report.files if f.name == file]
    return read - n_kept - sum(s.n for s in report.flow.steps if s.file == file)


# --- one table, many formats ------------------------------------------------------------------

LESIONS = pd.DataFrame(
    {"patient_id": ["001", "002", "Zoë"], "größe": [1.5, -0.25, 3.125], "dichte": [7.5, 0.5, 2.25]}
)


def as_text(ending: str, encoding: str = "utf-8", **options: Any) -> tuple[str, bytes]:
    return f"ct.{ending}", LESIONS.to_csv(index=False, **options).encode(encoding)


def as_binary(ending: str) -> tuple[str, bytes]:
    buffer = io.BytesIO()
    if ending == "parquet":
        LESIONS.to_parquet(buffer, index=False)
    else:
        LESIONS.to_feather(buffer)
    return f"ct.{ending}", buffer.getvalue()


def as_workbook() -> tuple[str, bytes]:
    cells = [list(LESIONS.columns), *LESIONS.to_numpy().tolist()]
    return "ct.xlsx", workbook(cells)


SAME_TABLE = {
    "csv": as_text("csv"),
    "csv of Europe": as_text("csv", sep=";", decimal=","),
    "tsv with decimal comma": as_text("tsv", sep="\t", decimal=","),
    "txt with bars": as_text("txt", sep="|"),
    "gz": ("ct.csv.gz", gzip.compress(as_text("csv")[1])),
    "byte order mark": as_text("csv", "utf-8-sig"),
    "utf-16": as_text("txt", "utf-16", sep="\t"),
    "cp1252": as_text("csv", "cp1252", sep=";", decimal=","),
    "xlsx": as_workbook(),
    "parquet": as_binary("parquet"),
    "feather": as_binary("feather"),
}


@pytest.mark.parametrize("form", SAME_TABLE)
def test_the_same_table_gives_the_same_cohort_in_every_format(form: str) -> None:
    name, data = SAME_TABLE[form]

    cohort = cohort_of({name: data})

    assert cohort.patient_ids.tolist() == LESIONS["patient_id"].tolist()
    assert cohort.schema["ct"].columns == ("größe", "dichte")
    assert cohort.tables["ct"].tolist() == LESIONS[["größe", "dichte"]].to_numpy().tolist()


@pytest.mark.filterwarnings("ignore:Feather V1:DeprecationWarning")
def test_a_feather_file_of_version_1_is_read_as_one_of_version_2() -> None:
    buffer = io.BytesIO()
    LESIONS.to_feather(buffer, version=1)

    cohort = cohort_of({"ct.feather": buffer.getvalue()})

    assert buffer.getvalue().startswith(b"FEA1")
    assert cohort.tables["ct"].tolist() == LESIONS[["größe", "dichte"]].to_numpy().tolist()


# --- cBioPortal -------------------------------------------------------------------------------


def test_a_cbioportal_study_joins_patients_samples_matrix_and_mutations() -> None:
    files: dict[str, str | bytes] = {
        "data_clinical_patient.txt": CBIO_PATIENT,
        "data_clinical_sample.txt": CBIO_SAMPLE,
        "data_mrna.txt": CBIO_MATRIX,
        "data_mutations.txt": MAF,
        "meta_study.txt": "cancer_study_identifier: x\nname: Y\n",
        "meta_mrna_seq_v2_rsem.txt": "stable_id: x\n",
    }

    cohort, report = check(files)

    assert cohort is not None, report.errors
    assert cohort.patient_ids.tolist() == ["P-1", "P-2", "P-3", "P-7-T01"]
    assert cohort.with_outcome.tolist() == [True, True, False, False]
    assert cohort.clinical["TUMOR_PURITY"].tolist()[:2] == [0.5, 0.7]
    assert cohort.schema["data_mrna"].columns == ("TP53", "EGFR", "PTEN")
    assert cohort.tables["data_mrna"][:2].tolist() == [[1.5, 3, 0], [2.5, 4, 1]]
    assert cohort.schema["data_mutations"].columns == ("PTEN", "TP53")
    assert cohort.tables["data_mutations"][[0, 1, 3]].tolist() == [[0, 1], [1, 0], [0, 0]]
    assert {f.name: f.role for f in report.files}["data_clinical_sample.txt"] == "clinical"
    assert unaccounted(report, "data_clinical_sample.txt", 0) == 0
    assert unaccounted(report, "data_mutations.txt", 3) == 0
    strangers = [p for p in report.warnings if p.file == "data_clinical_sample.txt"]
    assert any("P-9" in p.message for p in strangers)


def test_samples_of_a_patient_that_differ_are_asked_about() -> None:
    files: dict[str, str | bytes] = {
        "data_clinical_patient.txt": CBIO_PATIENT,
        "data_clinical_sample.txt": CBIO_SAMPLE.replace("P-2-T02\t0.7", "P-2-T02\t0.9"),
        "data_mrna.txt": CBIO_MATRIX,
    }

    found = error(files)
    cohort = cohort_of(files, "duplicates=average")

    assert (found.code, found.file, found.rows) == ("E-06", "data_clinical_sample.txt", (7, 8))
    assert cohort.clinical["TUMOR_PURITY"].tolist()[:2] == pytest.approx([0.5, 0.8])


def test_a_sample_table_alone_is_the_clinical_table() -> None:
    sample = "PATIENT_ID\tSAMPLE_ID\tOS_STATUS\tOS_MONTHS\nP1\tS1\t0:LIVING\t4\nP2\tS2\t1:D\t5\n"

    cohort = cohort_of({"data_clinical_sample.txt": sample, "ct.csv": "sample_id,v\nS1,1\nS2,2\n"})

    assert cohort.patient_ids.tolist() == ["P1", "P2"]
    assert cohort.tables["ct"][:, 0].tolist() == [1, 2]


def test_a_slide_table_names_the_patient_of_each_slide() -> None:
    owners = "case_id,slide_id,scanner\nP1,a1,X\nP2,b1,X\nP3,c1,X\n"
    files: dict[str, str | bytes] = {
        "clinical.csv": CLINICAL,
        "slides.csv": owners,
        "path/a1.npz": npz(2),
        "path/b1.npz": npz(3),
    }

    cohort = cohort_of(files, "duplicates=bag")

    assert [len(bag) for bag in cohort.bags["path"]] == [2, 3, 0]


# --- mutations and long tables ----------------------------------------------------------------


def test_silent_variants_leave_a_patient_sequenced_with_zeros() -> None:
    maf = MAF.replace("P-1-T01", "P1").replace("P-2-T02", "P2").replace("P-2-T01", "P2")
    cohort, report = check(
        {"clinical.csv": CLINICAL, "ct.csv": CT, "wes.maf": maf.replace("P-7-T01", "P3")}
    )

    assert cohort is not None, report.errors
    assert cohort.tables["wes"].tolist() == [[0, 1], [1, 0], [0, 0]]
    assert unaccounted(report, "wes.maf", 3) == 0
    assert any("3 variants that change no protein" in p.message for p in report.warnings)


def test_tcga_samples_of_a_maf_are_patients() -> None:
    maf = MAF.replace("P-1-T01", "TCGA-02-0001-01A-01D").replace("P-2-T0", "TCGA-02-0002-0")
    clinical = CLINICAL.replace("P1", "TCGA-02-0001").replace("P2", "TCGA-02-0002")

    cohort = cohort_of({"clinical.csv": clinical, "maf.txt": maf})

    assert cohort.presence[:, 0].tolist() == [True, True, False, True]


def test_a_long_table_is_read_as_one_row_per_patient() -> None:
    cohort, report = check({"clinical.csv": CLINICAL, "long.csv": LONG})

    assert cohort is not None, report.errors
    assert cohort.schema["long"].columns == ("AGE", "T")
    assert cohort.tables["long"][0].tolist() == [50, 1]
    assert unaccounted(report, "long.csv", 1) == 0


def test_two_values_of_a_long_tables_attribute_are_asked_about() -> None:
    files: dict[str, str | bytes] = {"clinical.csv": CLINICAL, "long.csv": LONG + "P1,s,AGE,70\n"}

    assert error(files).code == "E-06"
    assert cohort_of(files, "duplicates=average").tables["long"][0, 0] == 60


# --- measurements of cells --------------------------------------------------------------------


@pytest.mark.parametrize(("name", "text"), [("qupath.tsv", QUPATH), ("cells.csv", CELLPROFILER)])
def test_measurements_of_cells_are_averaged_or_kept_as_a_bag(name: str, text: str) -> None:
    files: dict[str, str | bytes] = {"clinical.csv": CLINICAL, name: text}
    modality = name.split(".")[0]

    found = error(files)
    mean = cohort_of(files, "duplicates=average")
    bag = cohort_of(files, "duplicates=bag")

    assert (found.code, found.file) == ("E-06", name)
    assert mean.tables[modality][:2, 0].tolist() == [20, 50 if name == "qupath.tsv" else 7]
    assert len(mean.schema[modality].columns) == 1
    assert [len(b) for b in bag.bags[modality]] == [2, 1, 0]


def test_one_class_of_cells_can_be_kept() -> None:
    files: dict[str, str | bytes] = {"clinical.csv": CLINICAL, "qupath.tsv": QUPATH}

    assert cohort_of(files, "duplicates=Tumor").tables["qupath"][:2, 0].tolist() == [10, 50]


def test_images_name_patients_where_nothing_else_does() -> None:
    table = CELLPROFILER.replace("Metadata_Patient", "Metadata_Well").replace("a.tif", "P1.tif")
    files: dict[str, str | bytes] = {
        "clinical.csv": CLINICAL,
        "cells.csv": table.replace("b.tif", "P2.tif"),
    }

    assert cohort_of(files, "duplicates=average").tables["cells"][0].tolist() == [20]


# --- slides -----------------------------------------------------------------------------------


def npz(n: int, width: int = 4, name: str = "features", start: float = 0.0) -> bytes:
    buffer = io.BytesIO()
    values = start + np.arange(n * width, dtype=np.float32).reshape(n, width)
    arrays: dict[str, Any] = {name: values}
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def h5(n: int, width: int = 4, name: str = "features", lead: tuple[int, ...] = ()) -> bytes:
    h5py = pytest.importorskip("h5py")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        values = np.arange(n * width, dtype=np.float16).reshape(*lead, n, width)
        file.create_dataset(name, data=values, chunks=True, compression="gzip")
        file["coords"] = np.zeros((n, 2), dtype=int)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("path/P1.npz", npz(2)),
        ("path/P1.h5", h5(2)),
        ("path/P1.h5", h5(2, lead=(1,))),
        ("path/P1.h5", h5(2, name="Feats")),
        ("path/P1.npz", npz(2, name="anything")),
    ],
)
def test_patches_of_a_folder_of_slides_are_bags(one: str, two: bytes) -> None:
    cohort = cohort_of(
        {"clinical.csv": CLINICAL, one: two, "path/P3.npz": npz(3)}, "duplicates=bag"
    )

    assert cohort.schema.names == ("path",)
    assert cohort.bags["path"][0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert [len(b) for b in cohort.bags["path"]] == [2, 0, 3]


def test_slides_of_a_folder_on_disk_are_read_and_averaged(tmp_path: Path) -> None:
    (tmp_path / "clinical.csv").write_text(CLINICAL)
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "P1.npz").write_bytes(npz(2))
    (tmp_path / "path" / "P2.h5").write_bytes(h5(3))
    (tmp_path / "path" / "notes.csv").write_text("not read")
    (tmp_path / "cohort.toml").write_text('duplicates = "mean"\n')

    cohort = load_cohort(tmp_path)
    report = check_folder(tmp_path)

    assert cohort.tables["path"].tolist()[:2] == [[2, 3, 4, 5], [4, 5, 6, 7]]
    assert [(f.name, f.n_rows, f.format) for f in report.files if f.role == "modality"] == [
        ("path", 5, "slides")
    ]
    assert unaccounted(report, "path", 2) == 0


def test_too_many_patches_are_thinned_evenly_and_accounted_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slides, "MAX_VALUES", 40)
    files: dict[str, str | bytes] = {
        "clinical.csv": CLINICAL,
        "path/P1.npz": npz(16),
        "path/P2.npz": npz(4),
    }

    cohort = cohort_of(files, "duplicates=bag")
    _, report, _ = mend(
        {n: f.encode() if isinstance(f, str) else f for n, f in files.items()},
        ["duplicates=bag"],
        title="t",
    )

    assert [len(b) for b in cohort.bags["path"]] == [8, 2, 0]
    assert cohort.bags["path"][0][[0, -1], 0].tolist() == [0, 60]
    assert unaccounted(report, "path", 10) == 0


def bad_npz(header: bytes | None = None, **arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    if header is None:
        return buffer.getvalue()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        size = len(header).to_bytes(2, "little")
        archive.writestr("features.npy", b"\x93NUMPY\x01\x00" + size + header + b"\0" * 64)
    return out.getvalue()


class Runs:
    """Leaves a mark if it is unpickled."""

    ran = False

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return exec, ("from tests.data.formats.test_formats import Runs; Runs.ran = True",)


HUGE = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 4), }\n"
NESTED = b"{'descr': " + b"(" * 5000 + b"}\n"

BAD_SLIDES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "objects": ("x/P1.npz", lambda: bad_npz(features=np.array([[Runs()]], dtype=object)), "E-01"),
    "texts": ("x/P1.npz", lambda: bad_npz(features=np.array([["a"]])), "E-01"),
    "a lying header": ("x/P1.npz", lambda: bad_npz(HUGE), "E-01"),
    "a nested header": ("x/P1.npz", lambda: bad_npz(NESTED), "E-01"),
    "no archive": ("x/P1.npz", lambda: b"PK\x03\x04 not really", "E-01"),
    "two arrays, no name": (
        "x/P1.npz",
        lambda: bad_npz(a=np.ones((1, 2)), b=np.ones((1, 2))),
        "E-01",
    ),
    "no patches": ("x/P1.npz", lambda: bad_npz(features=np.ones((0, 2))), "E-03"),
    "a cube": ("x/P1.npz", lambda: bad_npz(features=np.ones((2, 2, 2))), "E-01"),
    "too wide": ("x/P1.npz", lambda: bad_npz(features=np.ones((1, 20_001))), "E-02"),
    "no HDF5": ("x/P1.h5", lambda: b"id,x\na,1\n", "E-01"),
    "a cut HDF5": ("x/P1.h5", lambda: h5(200)[:-300], "E-01"),
    "an external link": ("x/P1.h5", lambda: linked("external"), "E-01"),
    "a soft link": ("x/P1.h5", lambda: linked("soft"), "E-01"),
    "values in another file": ("x/P1.h5", lambda: linked("raw"), "E-01"),
    "a virtual dataset": ("x/P1.h5", lambda: linked("virtual"), "E-01"),
    "a folder called features": ("x/P1.h5", lambda: linked("group"), "E-01"),
    "a terabyte of nothing": ("x/P1.h5", lambda: linked("huge"), "E-02"),
}


def linked(kind: str) -> bytes:
    """An HDF5 file whose features lie elsewhere, or nowhere."""
    h5py = pytest.importorskip("h5py")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        if kind == "external":
            file["features"] = h5py.ExternalLink("/etc/passwd", "/features")
        elif kind == "soft":
            file["other"] = np.ones((2, 2))
            file["features"] = h5py.SoftLink("/other")
        elif kind == "group":
            file.create_group("features")["values"] = np.ones(2)
        elif kind == "raw":
            file.create_dataset("features", (2, 2), "f4", external=[("/etc/passwd", 0, 16)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout((2, 2), "f4")
            layout[:] = h5py.VirtualSource("/etc/passwd", "features", (2, 2))
            file.create_virtual_dataset("features", layout)
        else:
            file.create_dataset("features", (2**31, 128), "f4", chunks=(1024, 128))
    return buffer.getvalue()


@pytest.mark.parametrize("case", BAD_SLIDES)
def test_bad_slides_are_refused_by_name(case: str) -> None:
    name, make, code = BAD_SLIDES[case]

    found = error({"clinical.csv": CLINICAL, "ct.csv": CT, name: make()})

    assert (found.code, found.file) == (code, name)
    assert not Runs.ran


def test_a_slide_of_another_width_is_named_and_can_be_left_out() -> None:
    files: dict[str, str | bytes] = {
        "clinical.csv": CLINICAL,
        "path/P1.npz": npz(1),
        "path/P2.npz": npz(1, width=5),
    }

    assert error(files).file == "path/P2.npz"
    assert cohort_of(files, "without=path/P2.npz").presence[:, 0].tolist() == [True, False, False]


@pytest.mark.parametrize("ending", ["pt", "pth", "pkl", "pickle", "joblib", "npy", "rds", "RData"])
def test_files_that_can_run_code_are_left_out_with_two_lines_that_convert_them(ending: str) -> None:
    cohort, report = check({"clinical.csv": CLINICAL, "ct.csv": CT, f"m.{ending}": b"\x80\x04."})

    assert cohort is not None
    (found,) = [p for p in report.warnings if p.file == f"m.{ending}"]
    assert found.code == "E-01"
    assert found.fix is not None
    assert " and then " in found.fix
    assert "slide.npz" in found.fix or "table." in found.fix


# --- AnnData and MuData -----------------------------------------------------------------------


def annotated(**columns: list[object]) -> object:
    anndata = pytest.importorskip("anndata")
    sparse = pytest.importorskip("scipy.sparse")
    obs = pd.DataFrame(columns, index=["c1", "c2", "c3"])
    return anndata.AnnData(
        X=sparse.csr_matrix(np.array([[1.0, 0, 2], [3, 0, 4], [5, 6, 0]], dtype=np.float32)),
        obs=obs,
        var=pd.DataFrame(index=["TP53", "EGFR", "PTEN"]),
    )


def written(value: object, path: Path) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the writers warn of each other's coming versions
        value.write(path)  # type: ignore[attr-defined]
    return path.read_bytes()


OUTCOME: dict[str, list[object]] = {
    "patient_id": ["P1", "P1", "P2"],
    "os_months": [10.0, 10.0, 20.0],
    "os_status": ["dead", "dead", "alive"],
    "n_counts": [1.0, 2.0, 3.0],
}


def test_an_anndata_file_gives_a_modality_and_what_is_steady_of_its_patients(
    tmp_path: Path,
) -> None:
    data = written(annotated(**OUTCOME), tmp_path / "rna.h5ad")

    cohort = cohort_of({"rna.h5ad": data}, "duplicates=average")

    assert cohort.patient_ids.tolist() == ["P1", "P2"]
    assert cohort.schema["rna"].columns == ("TP53", "EGFR", "PTEN")
    assert cohort.tables["rna"].tolist() == [[2, 0, 3], [5, 6, 0]]
    assert cohort.event is not None
    assert cohort.event.tolist() == [True, False]
    assert "n_counts" not in cohort.clinical


def test_cells_of_an_anndata_file_can_be_bags_beside_a_clinical_table(tmp_path: Path) -> None:
    data = written(annotated(patient_id=["P3", "P1", "P3"]), tmp_path / "rna.h5ad")

    cohort = cohort_of({"clinical.csv": CLINICAL, "rna.h5ad": data}, "duplicates=bag")

    assert [b[:, 0].tolist() for b in cohort.bags["rna"]] == [[3], [], [1, 5]]


def test_a_mudata_file_gives_every_modality(tmp_path: Path) -> None:
    mudata = pytest.importorskip("mudata")
    anndata = pytest.importorskip("anndata")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mudata announces how 0.4 will pull columns
        protein = anndata.AnnData(
            np.array([[7.0], [8.0]]),
            obs=pd.DataFrame(index=["c3", "c1"]),
            var=pd.DataFrame(index=["CD8"]),
        )
        both = mudata.MuData({"rna": annotated(), "protein": protein})
        for name, values in OUTCOME.items():
            both.obs[name] = pd.Series(values, index=["c1", "c2", "c3"])
    data = written(both, tmp_path / "x.h5mu")

    cohort, report, _ = mend({"x.h5mu": data}, ["duplicates=average"], title="t")

    assert cohort is not None, report.errors
    assert cohort.schema.names == ("protein", "rna")
    assert cohort.tables["protein"].tolist() == [[8], [7]]
    assert cohort.duration is not None
    assert cohort.duration.tolist() == [10, 20]
    assert {f.name for f in report.files} == {"x.h5mu/rna", "x.h5mu/protein", "x.h5mu/clinical"}
    assert unaccounted(report, "x.h5mu/rna", 2) == 0


def damaged(path: Path, kind: str) -> bytes:
    h5py = pytest.importorskip("h5py")
    written(annotated(patient_id=["P1", "P2", "P3"]), path)
    with h5py.File(path, "r+") as file:
        if kind == "no matrix":
            del file["X"]
        elif kind == "indices outside":
            file["X/indices"][0] = 10**6
        elif kind == "another shape":
            file["X"].attrs["shape"] = [3, 2**30]
        elif kind == "a link":
            del file["obs"]
            file["obs"] = h5py.ExternalLink("/etc/passwd", "/obs")
        elif kind == "an unknown encoding":
            file["obs"].attrs["encoding-type"] = "dataf"
        elif kind == "repeated genes":
            file["var/_index"][1] = "TP53"
        else:
            del file["X"]
            file.create_dataset("X", (3, 2**40), "f4", chunks=(1, 1024))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("no matrix", "E-01"),
        ("indices outside", "E-01"),
        ("another shape", "E-01"),
        ("a link", "E-01"),
        ("repeated genes", "E-01"),
        ("an unknown encoding", "E-01"),
        ("a matrix too large", "E-02"),
    ],
)
def test_damaged_anndata_files_are_refused(tmp_path: Path, kind: str, code: str) -> None:
    files: dict[str, str | bytes] = {
        "clinical.csv": CLINICAL,
        "ct.csv": CT,
        "r.h5ad": damaged(tmp_path / "r.h5ad", kind),
    }

    found = error(files)

    assert (found.code, found.file) == (code, "r.h5ad")


def test_without_the_library_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setitem(sys.modules, "anndata", None)

    for name in ("x/P1.h5", "rna.h5ad"):
        found = error({"clinical.csv": CLINICAL, "ct.csv": CT, name: b"\x89HDF"})
        assert found.fix is not None
        assert "pip install" in found.fix


def test_a_slides_path_gives_its_group_and_name() -> None:
    assert slides.slide_group("..\\..\\path\\a.h5") == "path"
    assert slides.slide_group("../a.h5") == "patches"
    assert slides.slide_name("x/TCGA-1.2.svs.h5") == "TCGA-1.2.svs"


def _read(**changed: bytes) -> tuple[Cohort | None, CheckReport]:
    files = {"clinical.csv": CLINICAL.encode(), "ct.csv": CT.encode()}
    return read_cohort(files | {name.replace("_csv", ".csv"): b for name, b in changed.items()})


@pytest.mark.parametrize(
    "written",
    [
        ("sep=;\n" + CT.replace(",", ";")).encode(),
        ('"sep=;"\r\n' + CT.replace(",", ";")).encode(),
        ("sep=,\n" + CT).encode(),
        CT.encode("utf-16-le"),
        CT.encode("utf-16-be"),
        CT.encode("utf-16"),
    ],
    ids=["semicolon", "quoted", "comma", "utf-16-le", "utf-16-be", "utf-16"],
)
def test_a_line_that_names_the_delimiter_and_utf_16_without_a_mark_are_read(written: bytes) -> None:
    cohort, report = _read(ct_csv=written)
    assert cohort is not None, report.errors
    plain, _ = _read()
    assert plain is not None
    assert cohort.digest == plain.digest


def test_a_damaged_byte_among_letters_of_utf_8_is_refused_by_its_row() -> None:
    clinical = (
        CLINICAL.replace("event\n", "event,site\n").replace(",1\n", ",1,Köln-Süd\n")
    ).encode()
    damaged = clinical.replace(b",0\n", b",0,K\xf6ln\n")
    cohort, report = _read(clinical_csv=damaged)
    assert cohort is None
    problem = next(p for p in report.errors if "UTF-8" in p.message)
    assert (problem.code, problem.rows) == ("E-01", (3,))
    latin = clinical.replace(b",0\n", b",0,Bonn\n").decode().encode("cp1252")
    cohort, report = _read(clinical_csv=latin)
    assert cohort is not None, report.errors


def test_files_that_the_system_left_are_no_tables() -> None:
    left = {"._clinical.csv": b"\0\5\x16\7", "~$clinical.xlsx": b"\x05Name", ".DS_Store": b"\0"}
    files = {"clinical.csv": CLINICAL.encode(), "ct.csv": CT.encode()}
    cohort, report = read_cohort(files | left)
    assert cohort is not None, report.errors
    said = {p.file for p in report.problems if "Left by the system" in p.message}
    assert said == set(left)
