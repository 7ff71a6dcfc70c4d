"""One small valid file per format, from which fuzz tests start."""

from __future__ import annotations

import gzip
import io
import tempfile
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

from tests.builders.workbooks import workbook

CLINICAL = b"patient_id,survival_months,event,age,sex\nP1,10,1,50,m\nP2,20,0,,f\nP3,5,1,70,m\n"
FEATURES = b"patient_id,a,b\nP1,1,2.5\nP2,3,NA\nP3,5,-6e3\n"
MAF = (
    b"#version 2.4\nHugo_Symbol\tTumor_Sample_Barcode\tVariant_Classification\n"
    b"TP53\tP1-T1\tMissense_Mutation\nEGFR\tP2-T1\tSilent\nPTEN\tP1-T1\tNonsense_Mutation\n"
)
SAMPLES = b"PATIENT_ID\tSAMPLE_ID\tPURITY\nP1\tP1-T1\t0.5\nP2\tP2-T1\t0.7\nP2\tP2-T2\t0.7\n"
MATRIX = b"Hugo_Symbol\tEntrez_Gene_Id\tP1-T1\tP2-T1\nTP53\t7157\t1.5\t2.5\nEGFR\t1956\t3\t4\n"
LONG = b"patientId,clinicalAttributeId,value\nP1,AGE,50\nP2,AGE,60\nP1,T,1\n"
QUPATH = (
    "Image\tObject ID\tName\tClassification\tCentroid X µm\tNucleus: Area\n"
    "P1.svs - Series 1\tu1\tCell\tTumor\t1.5\t10\nP2.svs\tu2\tCell\tStroma\t2.5\t30\n"
).encode()
MANIFEST = (
    b'title = "T"\nduplicates = "mean"\n[clinical]\nduration = "survival_months"\n'
    b'event = "event"\n[modalities.ct]\nfile = "ct.csv"\ngroups = { g = ["a*"] }\n'
)


def frame() -> pd.DataFrame:
    return pd.DataFrame({"patient_id": ["P1", "P2", "P3"], "a": [1.0, 2.5, np.nan], "b": [4, 5, 6]})


def _parquet() -> bytes:
    buffer = io.BytesIO()
    pa.parquet.write_table(pa.Table.from_pandas(frame()), buffer)
    return buffer.getvalue()


def _feather(compression: str) -> bytes:
    buffer = io.BytesIO()
    table = pa.table(
        {**frame().to_dict("list"), "c": pa.array(["x", "y", "x"]).dictionary_encode()}
    )
    pa.feather.write_feather(table, buffer, compression=compression)
    return buffer.getvalue()


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, features=np.arange(12, dtype=np.float32).reshape(3, 4))
    return buffer.getvalue()


def _h5() -> bytes:
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        values = np.arange(12, dtype=np.float32).reshape(3, 4)
        file.create_dataset("features", data=values, chunks=(2, 4), compression="gzip")
        file["coords"] = np.zeros((3, 2), dtype=int)
    return buffer.getvalue()


def _h5ad() -> bytes:
    import anndata
    from scipy import sparse

    value = anndata.AnnData(
        X=sparse.csr_matrix(np.array([[1.0, 0, 2], [3, 0, 4], [5, 6, 0]], dtype=np.float32)),
        obs=pd.DataFrame(
            {"patient_id": ["P1", "P2", "P3"], "kind": pd.Categorical(["a", "b", "a"])},
            index=["c1", "c2", "c3"],
        ),
        var=pd.DataFrame(index=["TP53", "EGFR", "PTEN"]),
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the writer warns of its coming versions
        value.write_h5ad(Path(folder) / "x.h5ad")
        return (Path(folder) / "x.h5ad").read_bytes()


TEXTS: dict[str, bytes] = {
    "clinical.csv": CLINICAL,
    "ct.csv": FEATURES,
    "wide.txt": FEATURES.replace(b",", b"\t").decode().encode("utf-16"),
    "data_mutations.txt": MAF,
    "data_clinical_sample.txt": SAMPLES,
    "data_mrna.txt": MATRIX,
    "long.csv": LONG,
    "qupath.tsv": QUPATH,
    "cohort.toml": MANIFEST,
}


@cache
def binaries() -> dict[str, bytes]:
    """Return the files whose formats are not text."""
    return {
        "ct.csv.gz": gzip.compress(FEATURES, mtime=0),
        "ct.xlsx": workbook([["patient_id", "x"], ["P1", 1.5], ["P2", 2.0]]),
        "ct.parquet": _parquet(),
        "ct.feather": _feather("zstd"),
        "plain.feather": _feather("uncompressed"),
        "path/P1.npz": _npz(),
        "path/P1.h5": _h5(),
        "rna.h5ad": _h5ad(),
    }
