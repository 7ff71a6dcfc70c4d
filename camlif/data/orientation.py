"""Tables with features in rows and patients in columns, as genomic matrices often come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from camlif.data.problems import Findings, count
from camlif.data.roles import plain
from camlif.data.tables import TextTable
from camlif.data.values import TCGA_SAMPLE

MIN_SHARE = 0.5
"""Share of the headers (or of the known patients, if fewer) that must be patients."""

ANNOTATIONS = ("entrez_gene_id", "gene_id", "chromosome", "cytoband", "description", "locus_id")
"""Columns beside the feature names that describe the feature, not a patient."""


def upright(table: TextTable, patients: set[str], found: Findings) -> TextTable:
    """Return the table with patients in rows, turned if its headers are known patients.

    Parameters
    ----------
    table : TextTable
    patients : set of str
        Identifiers of the clinical table; without any, nothing is turned.
    found : Findings
        Gets a warning when the table was turned.
    """
    headers = table.columns[1:]
    hits = sum(TCGA_SAMPLE.sub(r"\1", h) in patients for h in headers)
    enough = MIN_SHARE * min(len(headers), len(patients))
    if not hits or hits < enough or _shares(table, patients):
        return table
    names = table.text(table.columns[0]).to_pylist()
    columns = [h for h in headers if plain(h) not in ANNOTATIONS]
    cells = [table.text(c).to_pylist() for c in columns]
    features = {"patient_id": columns}
    for i, name in enumerate(names):
        if name and name not in features:
            features[name] = [column[i] for column in cells]
    n_lost = len(names) - (len(features) - 1)
    found.warn(
        f"Patients are in columns ({hits} headers are patients); rows and columns were exchanged."
        + (
            f" {count(n_lost, 'feature')} with an empty or repeated name left out."
            if n_lost
            else ""
        ),
        file=table.file,
        fix="Save the table with one row per patient to avoid this.",
    )
    turned = pa.table({name: pa.array(v, pa.string()) for name, v in features.items()})
    return replace(table, table=turned, row_numbers=np.arange(2, 2 + len(columns)))


def _shares(table: TextTable, patients: set[str]) -> bool:
    """Whether any text column in front already holds patients."""
    return bool(patients & set(table.text(table.columns[0]).to_pylist()))
