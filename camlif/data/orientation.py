"""Tables with features in rows and patients in columns, as genomic matrices often come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from camlif.data.problems import Findings
from camlif.data.roles import find_id, plain
from camlif.data.tables import TextTable
from camlif.data.values import TCGA_SAMPLE
from camlif.wording import count

MIN_SHARE = 0.5
"""Share of the headers (or of the known patients, if fewer) that must be patients."""

GENE_SYMBOLS = ("hugo_symbol", "gene_symbol", "gene_name", "gene", "genes", "symbol")
ANNOTATIONS = (
    *("hugo_symbol", "entrez_gene_id", "gene_id", "chromosome", "cytoband", "description"),
    "locus_id",
)
"""Columns beside the feature names that describe the feature, not a patient."""


def upright(
    table: TextTable, patients: set[str], found: Findings, *, declared: str | None = None
) -> TextTable:
    """Return the table with patients in rows, turned if its headers are patients.

    Parameters
    ----------
    table : TextTable
    patients : set of str
        Identifiers of the clinical table and its samples.
    found : Findings
        Gets a warning when the table was turned.
    declared : {"rows", "columns"}, optional
        Where patients are, as somebody said; else known patients among the headers tell, or a first
        column of gene symbols beside no identifier.
    """
    if len(table.columns) < 2:
        return table
    hits = _known(table, patients)
    named = (
        plain(table.columns[0]) in GENE_SYMBOLS
        and find_id(table.columns) is None
        and not _shares(table, patients)
    )
    if declared == "rows" or (declared is None and not hits and not named):
        return table
    turned, n_lost = _turned(table)
    why = f"{hits} headers are patients" if hits else f"the first column is {table.columns[0]}"
    lost = f" {count(n_lost, 'feature')} with an empty or repeated name left out." if n_lost else ""
    found.warn(
        f"Patients are in columns ({'chosen' if declared else why}); rows and columns were "
        f"exchanged.{lost}",
        file=table.file,
        fix=None if declared else "Save the table with one row per patient to avoid this.",
        topic="" if declared else "turned",
    )
    return turned


def _known(table: TextTable, patients: set[str]) -> int:
    """Number of headers that are patients; 0 where too few are, or the first column has some."""
    headers = table.columns[1:]
    hits = sum(TCGA_SAMPLE.sub(r"\1", h) in patients for h in headers)
    enough = MIN_SHARE * min(len(headers), len(patients))
    return 0 if hits < enough or _shares(table, patients) else hits


def _turned(table: TextTable) -> tuple[TextTable, int]:
    """Exchange rows and columns; also the number of features that were lost on the way."""
    names = table.text(table.columns[0]).to_pylist()
    columns = [h for h in table.columns[1:] if plain(h) not in ANNOTATIONS]
    cells = [table.text(c).to_pylist() for c in columns]
    features = {"patient_id": columns}
    for i, name in enumerate(names):
        if name and name not in features:
            features[name] = [column[i] for column in cells]
    turned = pa.table({name: pa.array(v, pa.string()) for name, v in features.items()})
    numbers = np.arange(2, 2 + len(columns))
    return replace(table, table=turned, row_numbers=numbers), len(names) - (len(features) - 1)


def _shares(table: TextTable, patients: set[str]) -> bool:
    """Whether any text column in front already holds patients."""
    return bool(patients & set(table.text(table.columns[0]).to_pylist()))
