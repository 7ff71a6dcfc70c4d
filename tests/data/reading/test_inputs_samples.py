"""Samples of patients, matrices of genes with annotations, genes that spreadsheets spoilt."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from camlif.data.reading.readers import read_cohort
from tests.builders.study import (
    FEATURES,
    Files,
    Frame,
    Input,
    N,
    assert_same,
    clinical,
    csv,
    ct,
    examine,
    rna,
    study,
)

PATIENTS = [f"TCGA-{i % 7:02d}-{i:04d}" for i in range(N)]
GENES = ("TP53", "EGFR", "NHS", "ATRX", "IDH1", "CIC")


def tcga(table: Frame, suffix: str = "") -> Frame:
    return table.assign(patient_id=[p + suffix for p in PATIENTS])


def matrix(
    suffix: str = "-01A", *, normals: int = 0, others: dict[str, int] | None = None
) -> Frame:
    """Genes in rows, samples in columns; normal samples in front, all of them -9."""
    table = rna().set_index("patient_id").T
    table.columns = pd.Index([p + suffix for p in PATIENTS])
    for code, n in {"-11A": normals, **(others or {})}.items():
        for patient in PATIENTS[:n]:
            table.insert(0, patient + code, -9.0)
    table.index = pd.Index(GENES, name="gene")
    return table.reset_index()


def genes(table: Frame, name: str = "rna.tsv") -> Files:
    return study(clinical=tcga(clinical()), ct=tcga(ct()), rna=None, **{name: csv(table, sep="\t")})


def annotated() -> Frame:
    table = matrix()
    table.insert(0, "gene_id", [f"ENSG{i:011d}.5" for i in range(len(GENES))])
    table.insert(2, "gene_type", "protein_coding")
    return table.rename(columns={"gene": "gene_name"})


def counted() -> Frame:
    """With the counters of STAR above the genes."""
    table = annotated()
    above = table.iloc[:4].copy()
    above["gene_id"] = ["N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"]
    above["gene_name"] = above["gene_type"] = ""
    return pd.concat([above, table])


TABLES = {"ct": FEATURES, "rna": GENES}
ENSEMBL = tuple(f"ENSG{i:011d}.5" for i in range(len(GENES)))
INPUTS = {
    "a matrix of tumours": Input(files=lambda: genes(matrix()), tables=TABLES, same=False),
    "normal tissue in front of five tumours": Input(
        files=lambda: genes(matrix(normals=5)),
        names=("5 samples left out (5 of normal tissue)",), tables=TABLES, same=False,
    ),
    "normal tissue where repeated rows are averaged": Input(
        files=lambda: {**genes(matrix(normals=5)), "cohort.toml": b'duplicates = "mean"\n'},
        names=("5 of normal tissue",), tables=TABLES, same=False,
    ),
    "metastases and recurrences beside primaries": Input(
        files=lambda: genes(matrix(others={"-06A": 3, "-02A": 2})),
        names=("5 samples left out (5 of no primary tumour)",), tables=TABLES, same=False,
    ),
    "barcodes with dots, as R writes them": Input(
        files=lambda: genes(matrix().rename(columns=lambda c: c.replace("-", "."))),
        asks="E-07", names=("60 identifiers",), answers=("same=yes",), tables=TABLES, same=False,
    ),
    "normal tissue in barcodes with dots": Input(
        files=lambda: genes(matrix(normals=4).rename(columns=lambda c: c.replace("-", "."))),
        asks="E-07", names=("4 of normal tissue",), answers=("same=yes",),
        tables=TABLES, same=False,
    ),
    "a column that says the tissue": Input(
        files=lambda: study(
            ct=pd.concat([ct().head(4).assign(g0=-9.0, sample_type="Solid Tissue Normal"),
                          ct().assign(sample_type="Primary Tumor")])
        ),
        names=("4 samples left out",),
    ),
    "annotations of genes": Input(
        files=lambda: genes(annotated()), names=("gene_name, gene_type",),
        tables={"ct": FEATURES, "rna": ENSEMBL}, same=False,
    ),
    "numeric annotations of genes": Input(
        files=lambda: genes(annotated().assign(start=range(6), end=range(6), Length=range(6))),
        names=("gene_name, gene_type, start, end, Length",),
        tables={"ct": FEATURES, "rna": ENSEMBL}, same=False,
    ),
    "annotations in another language": Input(
        files=lambda: genes(annotated().assign(Beschreibung="Kinase")), names=("Beschreibung",),
        tables={"ct": FEATURES, "rna": ENSEMBL}, same=False,
    ),
    "words among numbered patients": Input(
        files=lambda: genes(annotated().assign(Genomic_Coordinate=range(6), score=range(6))),
        names=("Genomic_Coordinate, score",),
        tables={"ct": FEATURES, "rna": ENSEMBL}, same=False,
    ),
    "counters of reads": Input(
        files=lambda: genes(counted()), names=("N_unmapped, N_multimapping",),
        tables={"ct": FEATURES, "rna": ENSEMBL}, same=False,
    ),
    "genes that a spreadsheet made dates of": Input(
        files=lambda: genes(matrix().assign(gene=["1-Mar", "2-Sep", *GENES[2:]])),
        names=("2 features are called like a date (1-Mar, 2-Sep)",),
        tables={"ct": FEATURES, "rna": ("1-Mar", "2-Sep", *GENES[2:])}, same=False,
    ),
    "genes of old names": Input(
        files=lambda: genes(matrix().assign(gene=["SEPT2", "MARCH1", *GENES[2:]])),
        names=("SEPT2, MARCH1 are called SEPTIN",),
        tables={"ct": FEATURES, "rna": ("SEPT2", "MARCH1", *GENES[2:])}, same=False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INPUTS)
def test_only_what_is_a_patients_tumour_is_read(name: str) -> None:
    examine(INPUTS[name])


def test_values_of_patients_with_normal_tissue_are_those_of_their_tumours() -> None:
    wanted, _ = read_cohort(genes(matrix()))
    for table in (matrix(normals=5), matrix(normals=5, others={"-06A": 2})):
        cohort, _ = read_cohort({**genes(table), "cohort.toml": b'duplicates = "first"\n'})
        assert cohort is not None
        assert wanted is not None
        assert_same(cohort, wanted)


def test_other_tumours_are_read_where_somebody_says_so() -> None:
    toml = b'samples = "tumour"\nduplicates = "mean"\n'
    cohort, _ = read_cohort({**genes(matrix(others={"-06A": 1})), "cohort.toml": toml})

    assert cohort is not None
    value = cohort.tables["rna"][0, 0]
    np.testing.assert_allclose(value, (rna()["g0"][0] - 9.0) / 2, rtol=1e-6)
