"""Damaged and strange files: a report for each, never a traceback, and no row unaccounted for."""

from __future__ import annotations

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from camlif.data.manifest import Manifest
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.readers import read_cohort
from camlif.data.reading.repairs import options_for
from tests.data.formats.seeds import CLINICAL, FEATURES, SAMPLES, TEXTS, binaries

PIECES = (
    *(b"\0", b"\xff", b'"', b"\n", b"\r", b",", b"\t", b";", b"#", b"\xef\xbb\xbf", b"\xff\xfe"),
    *(b"1e999", b"-inf", b"nan", b"[Not Available]", b"999", b"9" * 400, b"=1+1", b"<b>"),
    *("é".encode(), "\u202e".encode(), b"patient_id", b"value", b"event", b"P1", b"1:x"),
)
EDIT = st.tuples(
    st.floats(0, 1), st.integers(0, 40), st.one_of(st.sampled_from(PIECES), st.binary(max_size=4))
)


def damage(data: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    """Replace some bytes at a share of the length by others."""
    for share, n_deleted, inserted in edits:
        at = int(share * len(data))
        data = data[:at] + inserted + data[at + n_deleted :]
    return data


def check(files: dict[str, bytes]) -> CheckReport:
    cohort, report = read_cohort(files)
    assert (cohort is not None) == report.usable
    json.dumps(report.to_json())
    for problem in report.problems:
        assert problem.message
        options_for(problem, report)
    return report


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(sorted(TEXTS)), st.lists(EDIT, min_size=1, max_size=6))
def test_damaged_text_gives_a_report(name: str, edits: list[tuple[float, int, bytes]]) -> None:
    others = {"clinical.csv": CLINICAL, "data_clinical_sample.txt": SAMPLES, "ct.csv": FEATURES}

    check({**others, name: damage(TEXTS[name], edits)})


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(sorted(binaries())), st.lists(EDIT, min_size=1, max_size=6))
def test_damaged_binary_files_give_a_report(
    name: str, edits: list[tuple[float, int, bytes]]
) -> None:
    check({"clinical.csv": CLINICAL, "mri.csv": FEATURES, name: damage(binaries()[name], edits)})


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(binaries())), st.sampled_from(sorted(TEXTS | binaries())))
def test_a_file_under_the_name_of_another_gives_a_report(name: str, content: str) -> None:
    data = {**TEXTS, **binaries()}[content]

    check({"clinical.csv": CLINICAL, "mri.csv": FEATURES, name: data})


NAMES = st.sampled_from(
    [
        *("patient_id", "PATIENT_ID", "id", "sample_id", "slide_id", "Image", "Object ID", "value"),
        *("Hugo_Symbol", "Tumor_Sample_Barcode", "Variant_Classification", "ImageNumber", "event"),
        *("survival_months", "os_days", "age", "sex", "grade", "attribute", "name", "label", "a"),
        *("original_shape_MeshVolume", "Metadata_Patient", "FileName_x", "P1", "P2", "", "é\u00a0"),
    ]
)
CELLS = st.sampled_from(
    [
        *(
            "",
            "NA",
            "P1",
            "P2",
            "P1.svs",
            "TCGA-02-0001-01A",
            "0",
            "1",
            "-3",
            "2.5",
            "1,5",
            "1e999",
        ),
        *(
            "inf",
            "999",
            "a@b.org",
            "0:LIVING",
            "Silent",
            "TP53",
            "=1+1",
            "<script>",
            "\u202e",
            " x ",
        ),
    ]
)
FILE_NAMES = st.sampled_from(
    [
        *("clinical.csv", "ct.csv", "data_clinical_sample.txt", "slides.csv", "samples.tsv"),
        *("../x/../é.csv", "a b.csv", "CT.CSV", "notes.txt", "wes.maf.txt"),
    ]
)


@st.composite
def strange_tables(draw: st.DrawFn) -> bytes:
    header = draw(st.lists(NAMES, min_size=1, max_size=6))
    row = st.lists(CELLS, min_size=len(header), max_size=len(header))
    rows = draw(st.lists(row, max_size=6))
    delimiter = draw(st.sampled_from(",;\t"))
    quoted = [[f'"{c}"' if delimiter in c else c for c in line] for line in [header, *rows]]
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    return "\n".join(delimiter.join(line) for line in quoted).encode(encoding)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(FILE_NAMES, strange_tables(), min_size=1, max_size=4),
)
@example(
    {
        "clinical.csv": b"patient_id,PATIENT_ID,id\n,,NA\n",
        "ct.csv": b"patient_id\n",
        "data_clinical_sample.txt": b"patient_id,PATIENT_ID,sample_id\n,,NA\nNA,,\nNA,,\n",
    }
)  # specimens of one patient, and no column left to tell them apart
def test_strange_tables_give_a_report(files: dict[str, bytes]) -> None:
    check(files)


# --- rows in = rows accounted for -------------------------------------------------------------

PATIENTS = st.sampled_from(["P1", "P2", "P3", "S-4", ""])
NUMBERS = st.sampled_from(["0", "1", "2.5", "NA"])


@st.composite
def flows(draw: st.DrawFn) -> tuple[dict[str, bytes], Manifest]:
    """Tables with rows that are repeated, unnamed, of other samples, unkept or sparse."""

    def rows(*columns: st.SearchStrategy[str]) -> list[str]:
        lines = draw(st.lists(st.tuples(*columns), min_size=1, max_size=8))
        # A table without any identifier is an error, and has no flow.
        return [",".join(line) for line in lines] + [",".join(["P1", *("1" for _ in columns[1:])])]

    genes = st.sampled_from(["TP53", "EGFR", "Unknown"])
    kinds = st.sampled_from(["Silent", "Missense_Mutation"])
    tables = {
        "ct.csv": ("patient_id,a,b", rows(PATIENTS, NUMBERS, NUMBERS)),
        "bag.csv": ("patient_id,a", rows(PATIENTS, NUMBERS)),
        "masks.csv": ("patient_id,label,v", rows(PATIENTS, st.sampled_from(["1", "2"]), NUMBERS)),
        "wes.csv": (
            "Tumor_Sample_Barcode,Hugo_Symbol,Variant_Classification",
            rows(PATIENTS, genes, kinds),
        ),
        "long.csv": ("patient_id,attribute,value", rows(PATIENTS, genes, NUMBERS)),
    }
    samples = draw(st.lists(st.sampled_from(["P2", "S-4", "P9"]), unique=True))
    matrix = ",".join(["Hugo_Symbol", "Entrez_Gene_Id", "P1", *samples])
    values = st.lists(NUMBERS, min_size=2 + len(samples), max_size=2 + len(samples))
    by_gene = draw(st.lists(st.tuples(genes, values), min_size=1, max_size=4))
    tables["matrix.csv"] = (matrix, [",".join([gene, *cells]) for gene, cells in by_gene])
    chosen = draw(st.sets(st.sampled_from(sorted(tables)), min_size=1))
    files = {n: "\n".join([h, *r]).encode() for n, (h, r) in tables.items() if n in chosen}
    files["clinical.csv"] = CLINICAL
    if draw(st.booleans()):
        specimens = rows(PATIENTS.filter(bool), st.sampled_from(["S-4", "S-5"]), NUMBERS)
        files["samples.csv"] = "\n".join(["patient_id,sample_id,purity", *specimens]).encode()
    sections: dict[str, dict[str, object]] = {n.removesuffix(".csv"): {} for n in sorted(chosen)}
    if "bag" in sections:
        sections["bag"] = {"type": "bag"}
    if "masks" in sections:
        sections["masks"] = {"keep": {"label": ["1"]}}
    duplicates = draw(st.sampled_from(["first", "mean"]))
    return files, Manifest.model_validate({"duplicates": duplicates, "modalities": sections})


@settings(max_examples=80, deadline=None)
@given(flows())
def test_rows_in_are_rows_accounted_for(drawn: tuple[dict[str, bytes], Manifest]) -> None:
    files, manifest = drawn

    cohort, report = read_cohort(files, manifest=manifest)

    assert cohort is not None, report.errors
    assert report.flow is not None
    lost = {f.name: sum(s.n for s in report.flow.steps if s.file == f.name) for f in report.files}
    for file in report.files:
        if file.name == "clinical.csv":
            kept = report.flow.n_clinical
        elif file.modality == "bag":
            kept = sum(map(len, cohort.bags["bag"]))
        else:
            kept = report.flow.patients.get(file.modality or "", 0)
        assert file.n_rows == kept + lost[file.name], file.name
    for name, n in report.flow.patients.items():
        assert n == int(cohort.presence[:, cohort.schema.names.index(name)].sum())
