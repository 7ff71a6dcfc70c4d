"""Long tables, one cell per row (patient, attribute, value), to one row per patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from camlif.data.formats.limits import check_shape
from camlif.data.patients import FlowStep
from camlif.data.problems import Findings
from camlif.data.roles import find_id, find_named
from camlif.data.tables import TextTable
from camlif.wording import count

ATTRIBUTES = (
    *("clinicalattributeid", "clinical_attribute_id", "attribute_id", "attribute", "feature"),
    *("feature_name", "variable", "hugo_symbol", "gene", "marker"),
)
VALUES = ("value", "measurement")
SAMPLES = ("sampleid", "sample_id", "slide_id")
MAX_LONG_COLUMNS = 12
"""A table with more columns holds something beside its cells."""


def is_long(columns: Sequence[str]) -> bool:
    """Whether each row is one cell of a table: an identifier, a name and a value."""
    return len(columns) <= MAX_LONG_COLUMNS and None not in (
        find_id(columns),
        find_named(columns, ATTRIBUTES),
        find_named(columns, VALUES),
    )


def widened(table: TextTable, found: Findings) -> tuple[TextTable, FlowStep]:
    """Return one row per patient (and sample) and one column per attribute.

    A second, different value of the same attribute opens a second row of the patient, so that it
    is settled as every repeated patient is.

    Parameters
    ----------
    table : TextTable
        See `is_long`.
    found : Findings

    Returns
    -------
    wide : TextTable
    step : FlowStep
        The rows that are no row of their own any more.
    """
    patient = find_id(table.columns) or ""
    name = find_named(table.columns, ATTRIBUTES) or ""
    value = find_named(table.columns, VALUES) or ""
    sample = find_named([c for c in table.columns if c != patient], SAMPLES)
    read = [table.text(c).fill_null("").to_pylist() for c in (patient, name, value)]
    samples = table.text(sample).fill_null("").to_pylist() if sample else [""] * len(table)
    seen: Counter[tuple[str, str, str]] = Counter()
    known: set[tuple[str, str, str, str]] = set()
    rows: dict[tuple[str, str, int], dict[str, str]] = {}
    first: list[int] = []
    attributes: dict[str, None] = {}
    for at, (who, which, what, of) in enumerate(zip(*read, samples, strict=True)):
        if (who, of, which, what) in known or not which:
            continue
        known.add((who, of, which, what))
        attributes[which] = None
        key = (who, of, seen[who, of, which])
        seen[who, of, which] += 1
        if key not in rows:
            rows[key] = {}
            first.append(at)
        rows[key][which] = what
    check_shape(len(rows), len(attributes))
    columns = {patient: pa.array([who for who, _, _ in rows], pa.string())}
    for which in attributes:
        if which != patient:
            columns[which] = pa.array([row.get(which) for row in rows.values()], pa.string())
    found.note(
        f"{count(len(table), 'row')} with one value each were read as "
        f"{count(len(attributes), 'column')} of {count(len(rows), 'row')}.",
        file=table.file,
    )
    step = FlowStep(file=table.file, reason="cell of a long table", n=len(table) - len(rows))
    numbers = table.row_numbers[np.array(first, dtype=int)]
    return replace(table, table=pa.table(columns), row_numbers=numbers), step
