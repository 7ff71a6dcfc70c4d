"""Personal data in tables: what names of columns promise, and what cells are.

A name alone is enough, unless the cells are no identifier's: the gene NHS has fractions or small
counts, an NHS number ten digits.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from camlif.data.reading.patients import PatientTable
from camlif.data.reading.problems import Findings
from camlif.data.reading.values import to_numbers
from camlif.data.reading.words import plain

SMALLEST_NUMBER = 1_000_000
"""Record, national and phone numbers have at least seven digits; counts of a gene hardly."""

_PERSONAL = {
    "a name": re.compile(
        r"(first|last|family|given|middle|full|maiden|patient|sur|fore)_?name|name|initials"
    ),
    "a date of birth": re.compile(r"dob|(date_of_)?birth_?(date|day)?|born"),
    "an e-mail address": re.compile(r"e_?mail(_address)?"),
    "a phone number": re.compile(r"(tele)?phone(_?(no|number))?|mobile(_?(no|number))?|fax"),
    "an address": re.compile(r"(home_|street_)?address|street|post_?code|zip(_?code)?"),
    "a record or national number": re.compile(
        r"mrn|ssn|(medical_)?record_?(no|number)|nhs(_?(no|number))?|social_security.*"
        r"|national_id.*|passport.*|insurance_?(no|number)|health_card.*"
    ),
}
_VALUES = {
    "e-mail addresses": r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$",
    "social security numbers": r"^\d{3}-\d{2}-\d{4}$",
    "national or phone numbers": r"^\d{3}[ -]\d{3}[ -]\d{4}$",
}


def personal_kind(
    column: str, cells: pa.ChunkedArray | None = None, *, among_genes: bool = False
) -> str | None:
    """Return what personal data a column promises by its name; None for none.

    Parameters
    ----------
    column : str
    cells : arrow array, optional
        May show that the name is that of a feature.
    among_genes : bool
        Whether small whole numbers may be counts of a gene.
    """
    name = plain(column)
    kind = next((kind for kind, rule in _PERSONAL.items() if rule.fullmatch(name)), None)
    if kind is None or cells is None:
        return kind
    numbers = to_numbers(cells)
    known = numbers.values[np.isfinite(numbers.values)]
    if len(numbers.bad_rows) >= len(known):
        return kind
    fractions = bool((known % 1 != 0).any())
    return None if fractions or (among_genes and known.max() < SMALLEST_NUMBER) else kind


def report_personal(
    table: PatientTable, column: str, found: Findings, *, among_genes: bool = False
) -> bool:
    """Add an error if a column's name or texts look like personal data; return whether they do.

    Parameters
    ----------
    table : PatientTable
    column : str
        One of its columns.
    found : Findings
        Takes the error E-17.
    among_genes : bool
        Whether small whole numbers may be counts of a gene.
    """
    cells = table.rows.table[column]
    kind = personal_kind(column, cells, among_genes=among_genes) or _kind_of_values(cells)
    if kind is not None:
        found.error(
            f"Column {column} looks like personal data ({kind}). Nothing was stored.",
            code="E-17",
            file=table.rows.file,
            column=column,
            fix="Remove it before continuing.",
            topic="personal",
            columns=(column,),
        )
    return kind is not None


def report_personal_ids(table: PatientTable, found: Findings) -> None:
    """Add an error if the identifiers themselves look like personal data."""
    ids = pa.chunked_array([pa.array(table.ids, pa.string())])
    kind = personal_kind(table.id_column) or _kind_of_values(ids)
    if kind is not None:
        found.error(
            f"The identifiers of column {table.id_column} look like personal data ({kind}). "
            "Nothing was stored.",
            code="E-17",
            file=table.rows.file,
            column=table.id_column,
            fix="Replace them by tokens, or choose another column.",
            topic="personal id",
        )


def _kind_of_values(cells: pa.ChunkedArray) -> str | None:
    """Return what personal data some texts are; None for none."""
    if not pa.types.is_string(cells.type):
        return None
    text = pc.utf8_trim_whitespace(cells)
    for what, rule in _VALUES.items():
        if pc.any(pc.match_substring_regex(text, rule)).as_py():
            return what
    return None
