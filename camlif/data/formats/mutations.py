"""Mutation annotation files (MAF): one row per variant to one row of gene flags per patient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from camlif.data.formats.limits import check_shape
from camlif.data.patients import FlowStep
from camlif.data.problems import Findings
from camlif.data.roles import find_named
from camlif.data.tables import TextTable
from camlif.wording import count

SILENT = frozenset(
    {
        *("silent", "intron", "3'utr", "5'utr", "3'flank", "5'flank", "igr", "rna", "lincrna"),
        *("targeted_region", "splice_region"),
    }
)
"""Classes of variants that leave the protein as it is; cBioPortal hides them, too."""

_NO_GENE = frozenset({"", "unknown", "."})


def is_mutations(columns: Sequence[str]) -> bool:
    """Whether the columns are those of a MAF."""
    needed = ("hugo_symbol", "tumor_sample_barcode", "variant_classification")
    return all(find_named(columns, (name,)) for name in needed)


def gene_flags(
    table: TextTable, patient_of: Callable[[str], str], found: Findings
) -> tuple[TextTable, FlowStep]:
    """Return 1 for each patient and gene with a variant that changes the protein, else 0.

    Parameters
    ----------
    table : TextTable
        A MAF (see `is_mutations`).
    patient_of : function of str to str
        Patient of a sample. Two samples of a patient count together.
    found : Findings

    Returns
    -------
    flags : TextTable
        ``patient_id`` and one column per gene, in alphabetical order. A patient whose variants are
        all silent was sequenced, and has zeros; one without any row is not known to have been.
    step : FlowStep
        The rows that are no patient's own.

    References
    ----------
    GDC MAF Format v1.0.0, columns 1, 9 and 16.
    """
    gene, sample, kind = (
        find_named(table.columns, (n,)) or ""
        for n in ("hugo_symbol", "tumor_sample_barcode", "variant_classification")
    )
    patients: dict[str, int] = {}
    mutated: dict[str, set[int]] = {}
    first_rows, n_silent, n_nobody = [], 0, 0
    cells = (table.text(c).fill_null("").to_pylist() for c in (sample, gene, kind))
    for at, (barcode, symbol, variant) in enumerate(zip(*cells, strict=True)):
        patient = patient_of(barcode)
        if not patient:
            n_nobody += 1
            continue
        if patient not in patients:
            patients[patient] = len(patients)
            first_rows.append(at)
        if variant.lower() in SILENT or symbol.lower() in _NO_GENE:
            n_silent += 1
        else:
            mutated.setdefault(symbol, set()).add(patients[patient])
    found.warn(
        f"Mutations of {count(len(patients), 'patient')} were read as flags of "
        f"{count(len(mutated), 'gene')}; {count(n_silent, 'variant')} that change no protein are "
        "not counted. A patient without any row counts as not sequenced.",
        file=table.file,
        fix="Add a table of zeros for patients who were sequenced and have no mutation.",
    )
    step = FlowStep(
        file=table.file,
        reason="variant, counted in its patient's row" if not n_nobody else "variant",
        n=len(table) - len(patients),
    )
    numbers = table.row_numbers[np.array(first_rows, dtype=int)]
    return replace(table, table=_flags(list(patients), mutated), row_numbers=numbers), step


def _flags(patients: list[str], mutated: dict[str, set[int]]) -> pa.Table:
    """Return one row per patient and one column per gene."""
    check_shape(len(patients), len(mutated))
    columns = {"patient_id": pa.array(patients, pa.string())}
    for symbol in sorted(mutated):
        flags = np.zeros(len(patients), dtype=np.int8)
        flags[list(mutated[symbol])] = 1
        columns[symbol] = pa.array(flags)
    return pa.table(columns)
