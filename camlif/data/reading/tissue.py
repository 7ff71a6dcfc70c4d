"""Which samples of a patient count: primary tumours, unless somebody wants more.

In comes a table with samples for identifiers, or with a column that says what they are; out comes
the same without normal tissue, metastases and recurrences, each with its count. A normal sample is
never a tumour's value.

References
----------
GDC, TCGA sample type codes: 01 to 09 are tumours (01, 03, 05 and 09 primary), 10 to 19 normal
tissue, 20 and above controls.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Literal

import numpy as np

from camlif.arrays import IntArray
from camlif.data.reading.coding import said_yes
from camlif.data.reading.patients import FlowStep, id_column_of
from camlif.data.reading.problems import MAX_ROWS, Findings
from camlif.data.reading.tables import TextTable
from camlif.data.reading.values import clean_ids
from camlif.data.reading.words import plain
from camlif.wording import count

Samples = Literal["primary", "tumour", "all"]
Tissue = Literal["primary", "other tumour", "normal", ""]
MIN_SHARE = 0.5
"""Share of the identifiers that must be sample barcodes, or cells that must say the tissue."""

_CODE = re.compile(r"TCGA[-._]\w{2}[-._]\w{4}[-._](\d\d)[A-Z]?(?:[-._]\w+)*", re.I)
_PRIMARY = ("01", "03", "05", "09")
_COLUMNS = (
    "sample_type",
    "tissue_type",
    "sample_type_id",
    "tissue",
    "sample_class",
    "tumor_normal",
    *("gewebe", "gewebeart", "tissue_status", "sample_group", "specimen_type"),
)
_NORMAL = re.compile(r"(.*[ _-])?(normal|adjacent|healthy|control|benign)([ _-].*)?", re.I)
_NORMAL_OTHER = re.compile(r"normal(es)? ?gewebe|tumorfrei|nat|nt|gesund(es gewebe)?|sain", re.I)
_CODES: dict[str, Tissue] = {
    **dict.fromkeys(("nt", "nb", "n", "solid tissue normal"), "normal"),
    **dict.fromkeys(("tm", "tr", "tam"), "other tumour"),
    **dict.fromkeys(("tp", "t", "tb", "tap"), "primary"),
}
"""Short letter codes of TCGA's sample types, and T and N."""

_IS_TUMOUR = frozenset({"is_tumor", "is_tumour", "tumor", "tumour", "is_cancer", "is_primary"})
_IS_NORMAL = frozenset({"is_normal", "normal", "is_control", "is_healthy"})
_SUFFIX = re.compile(r"(.+?)[._ -]?(?:(N|NT|NAT|normal)|(T|TP|tumou?r|primary))", re.I)
EDGE_COLUMNS = 20
"""So many columns at either side of a table may say the tissue by their cells alone."""

_OTHER = re.compile(r".*(metasta|recurren|additional|xenograft|cell line).*", re.I)
_TUMOUR = re.compile(r".*(primary|tumou?r|cancer|carcinoma).*", re.I)


def wanted_samples(
    table: TextTable,
    samples: Samples,
    id_column: str | None,
    found: Findings,
    *,
    known: AbstractSet[str] = frozenset(),
) -> tuple[TextTable, tuple[FlowStep, ...]]:
    """Return the rows of the samples that count, and where the others went.

    Parameters
    ----------
    table : TextTable
        Patients or samples in rows.
    samples : {"primary", "tumour", "all"}
    id_column : str or None
        As declared.
    found : Findings
        Gets a warning with what was left out.
    known : set of str
        Identifiers of patients; one of them with N behind it is normal tissue.
    """
    column = id_column_of(table, id_column)
    ids = [] if column is None else clean_ids(table.text(column))
    tissues = _by_barcode(ids) or _by_column(table, ids) or _by_suffix(ids, known)
    if tissues is None or samples == "all":
        return table, ()
    unwanted: dict[str, IntArray] = {}
    of_normal = np.flatnonzero([t == "normal" for t in tissues])
    of_others = np.flatnonzero([t == "other tumour" for t in tissues])
    if len(of_normal):
        unwanted["normal tissue"] = of_normal
    if len(of_others) and samples == "primary":
        unwanted["no primary tumour"] = of_others
    if not unwanted:
        return table, ()
    rows = np.concatenate(list(unwanted.values()))
    if len(rows) == len(table):
        _ask_for_samples(table, unwanted, found)
        return table, ()
    listed = " and ".join(f"{len(at)} of {what}" for what, at in unwanted.items())
    found.warn(
        f"{count(len(rows), 'sample')} left out ({listed}): "
        + ("only primary tumours are read." if samples == "primary" else "only tumours are read."),
        file=table.file,
        rows=tuple(int(r) for r in table.row_numbers[np.sort(rows)[:MAX_ROWS]]),
        fix="Say so if others are wanted.",
        topic="samples",
    )
    kept = np.setdiff1d(np.arange(len(table)), rows)
    steps = tuple(FlowStep(file=table.file, reason=w, n=len(at)) for w, at in unwanted.items())
    numbers = table.row_numbers[kept]
    cells = table.table.take(kept)
    said = [c for c in cells.column_names if plain(c) in _IS_TUMOUR | _IS_NORMAL]
    one = [c for c in said if len(cells[c].unique()) == 1]
    return replace(table, table=cells.drop_columns(one), row_numbers=numbers), steps


def _by_barcode(ids: Sequence[str]) -> list[Tissue] | None:
    codes = [_CODE.fullmatch(i) for i in ids]
    if not codes or sum(c is not None for c in codes) < MIN_SHARE * len(codes):
        return None
    return ["" if code is None else _of_code(code[1]) for code in codes]


def _by_suffix(ids: Sequence[str], known: AbstractSet[str]) -> list[Tissue] | None:
    """Return normal tissue by an N behind the identifier of a patient (CPTAC: ``C3L-00001.N``)."""
    ends = [_SUFFIX.fullmatch(i) if i not in known else None for i in ids]
    tumours = {end[1] for end in map(_SUFFIX.fullmatch, {*ids, *known}) if end and end[3]}
    patients = tumours.union(known, ids)
    tissues: list[Tissue] = [
        "normal" if end is not None and end[2] and end[1] in patients else "" for end in ends
    ]
    return tissues if any(tissues) else None


def _ask_for_samples(table: TextTable, unwanted: Mapping[str, IntArray], found: Findings) -> None:
    """Ask whether a table without any primary tumour is meant."""
    listed = " and ".join(f"{len(at)} of {what}" for what, at in unwanted.items())
    found.error(
        f"No sample is of a primary tumour ({listed}).",
        code="E-05",
        file=table.file,
        fix="Say that others are read, or leave the table out.",
        topic="samples",
    )


def _of_code(code: str) -> Tissue:
    if code in _PRIMARY:
        return "primary"
    return "other tumour" if code < "10" else "normal"


def _by_column(table: TextTable, ids: Sequence[str]) -> list[Tissue] | None:
    """Return tissues by a column of a usual name, or of a patient's rows by the cells of any."""
    usual = [c for c in table.columns if plain(c) in _COLUMNS]
    edge = [*table.columns[:EDGE_COLUMNS], *table.columns[-EDGE_COLUMNS:]]
    repeated = len(set(ids)) < len(ids)
    for column in dict.fromkeys([*usual, *(edge if repeated else [])]):
        cells = [(cell or "").strip().lower() for cell in table.text(column).to_pylist()]
        meaning = {cell: _of_cell(cell, plain(column)) for cell in set(cells)}
        tissues = [meaning[cell] for cell in cells]
        share = MIN_SHARE if column in usual else 1.0
        if sum(map(bool, tissues)) >= share * len(tissues) and len({*tissues} - {""}) > 1:
            return tissues
    return None


def _of_cell(cell: str, column: str) -> Tissue:
    if column in _IS_TUMOUR | _IS_NORMAL and (said := said_yes(cell)) is not None:
        return "primary" if said == (column in _IS_TUMOUR) else "normal"
    return _CODES.get(cell) or _of_words(cell)


def _of_words(cell: str) -> Tissue:
    if _NORMAL.fullmatch(cell) or _NORMAL_OTHER.fullmatch(cell):
        return "normal"
    if _OTHER.fullmatch(cell):
        return "other tumour"
    return "primary" if _TUMOUR.fullmatch(cell) else ""
