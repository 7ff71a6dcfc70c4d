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
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from camlif.data.reading.names import plain
from camlif.data.reading.patients import FlowStep, id_column_of
from camlif.data.reading.problems import MAX_ROWS, Findings
from camlif.data.reading.tables import TextTable
from camlif.data.reading.values import clean_ids
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
)
_NORMAL = re.compile(r"(.*[ _-])?(normal|adjacent|healthy|control|benign)([ _-].*)?", re.I)
_OTHER = re.compile(r".*(metasta|recurren|additional|xenograft|cell line).*", re.I)
_TUMOUR = re.compile(r".*(primary|tumou?r|cancer|carcinoma).*", re.I)


def wanted_samples(
    table: TextTable, samples: Samples, id_column: str | None, found: Findings
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
    """
    tissues = _by_barcode(table, id_column) or _by_column(table)
    if tissues is None or samples == "all":
        return table, ()
    unwanted: dict[str, NDArray[np.int_]] = {}
    of_normal = np.flatnonzero([t == "normal" for t in tissues])
    of_others = np.flatnonzero([t == "other tumour" for t in tissues])
    if len(of_normal):
        unwanted["normal tissue"] = of_normal
    if len(of_others) and samples == "primary":
        unwanted["no primary tumour"] = of_others
    if not unwanted:
        return table, ()
    rows = np.concatenate(list(unwanted.values()))
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
    return replace(table, table=table.table.take(kept), row_numbers=numbers), steps


def _by_barcode(table: TextTable, id_column: str | None) -> list[Tissue] | None:
    column = id_column_of(table, id_column)
    if column is None:
        return None
    codes = [_CODE.fullmatch(i) for i in clean_ids(table.text(column))]
    if not codes or sum(c is not None for c in codes) < MIN_SHARE * len(codes):
        return None
    return ["" if code is None else _of_code(code[1]) for code in codes]


def _of_code(code: str) -> Tissue:
    if code in _PRIMARY:
        return "primary"
    return "other tumour" if code < "10" else "normal"


def _by_column(table: TextTable) -> list[Tissue] | None:
    column = next((c for c in table.columns if plain(c) in _COLUMNS), None)
    if column is None:
        return None
    tissues = [_of_words(cell or "") for cell in table.text(column).to_pylist()]
    known = [t for t in tissues if t]
    if len(known) < MIN_SHARE * len(tissues) or len(set(known)) < 2:
        return None
    return tissues


def _of_words(cell: str) -> Tissue:
    if _NORMAL.fullmatch(cell):
        return "normal"
    if _OTHER.fullmatch(cell):
        return "other tumour"
    return "primary" if _TUMOUR.fullmatch(cell) else ""
