"""What files and columns are: the one place that decides which column may be an input.

In come names, cells and, from `camlif.data.reading.evidence`, what the outcome says; out comes a
`ColumnRole` with its reason, for clinical and feature tables alike. A column whose name or cells
speak of the outcome, of administration, of dates or of the rows is never an input unless somebody
says so (``include`` in the manifest), and all of them are named in one warning a table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from camlif.data.reading.names import PromisedKind, may_be_gene, promise
from camlif.data.reading.problems import Findings, shorten
from camlif.data.reading.tables import INDEX_NAME, table_stem
from camlif.data.reading.values import Numbers, blank_missing, is_date
from camlif.data.reading.vocabulary import UNITS
from camlif.data.reading.words import named_unit, parts, plain, without_entity
from camlif.wording import count

Role = Literal["clinical", "modality", "manifest", "predictions", "course", "ignored"]
ColumnKind = PromisedKind | Literal["event", "duration", "feature", "clinical", "provenance"]
NO_INPUT: dict[ColumnKind, str] = {
    "outcome": "of the outcome",
    "perhaps outcome": "perhaps of the outcome",
    "prediction": "perhaps another model's, which knew the outcome",
    "event": "of the outcome",
    "duration": "of the outcome",
    "entry": "of the follow-up",
    "date": "dates",
    "administrative": "administrative",
    "row number": "row numbers",
    "identifier": "identifiers",
    "clinical": "of the clinical table",
}
"""How the kinds that are no inputs are said."""

MIN_VALUES = 10
FIRST_DAY, LAST_DAY = 19_000_101, 21_001_231
"""Whole numbers between these may be days, the year first."""

MAX_STEP = 10
"""Row numbers of a part of a table leave gaps, but no larger ones on average."""

_SHORT_ROW_NAMES = frozenset({"x", "n", "no", "nr", "num", "number", "obs", "row"})

ID_NAMES = (
    "patient_id",
    "case_id",
    "submitter_id",
    "bcr_patient_barcode",
    "patientid",
    "caseid",
    "patient",
    "sample_id",
    "id",
)
CLINICAL_WORDS = frozenset(
    {
        *("clinical", "clinic", "klinik", "klinisch", "klinische", "clinico", "clinica"),
        *("clinique", "patient", "patients", "phenotype", "phenotypes", "pheno", "survival"),
        *("outcome", "outcomes", "endpoint", "endpoints", "followup", "demographic"),
        *("demographics", "metadata", "cdr"),
    }
)
"""Words in the name of a file that is a clinical table where its columns say so, too."""

CLINICAL_STEMS = ("clinical", "data_clinical_patient", "clinical_data", "patients")
SUBTYPE_NAMES = ("subtype", "who_subtype", "histological_subtype", "histology", "histological_type")
SEX_NAMES = ("sex", "gender", "geschlecht", "sexo", "sexe", "sesso", "geslacht", "patient_sex")
_AGE_WORDS = ("age", "alter", "edad", "idade", "leeftijd", "eta", "wiek")
_AGE_AT = frozenset(UNITS) | frozenset(
    {
        *("at", "in", "on", "of", "y", "w", "d", "h", "hr", "hrs", "hour", "hours"),
        *("diagnosis", "dx", "initial", "pathologic", "surgery", "baseline", "enrolment"),
        *("enrollment", "inclusion", "operation", "treatment", "study", "entry", "scan", "imaging"),
        *("patient", "presentation", "registration", "index"),
    }
)
CENTRE_NAMES = ("centre", "center", "hospital", "institution", "site", "tissue_source_site")
GRADE_NAMES = ("grade", "who_grade", "tumor_grade", "tumour_grade", "histological_grade")


@dataclass(frozen=True, slots=True)
class ColumnRole:
    """What a column is, and why."""

    column: str
    kind: ColumnKind
    because: str


MASK_SIZES = (
    "original_shape_MeshVolume",
    "original_shape_VoxelVolume",
    "diagnostics_Mask-original_VoxelNum",
)
"""Columns of PyRadiomics that say how large a mask is, the best first."""

MASK_LABELS = (
    *("label", "mask_label", "roi", "roi_name", "segment", "structure", "lesion"),
    "classification",
)


def find_id(columns: Sequence[str], declared: str | None = None) -> str | None:
    """Return the column of patient identifiers, by the declared or a usual name."""
    if declared in columns:
        return declared
    names = {plain(c): c for c in reversed(columns)}
    return next((names[n] for n in ID_NAMES if n in names), None)


def find_named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the first column with one of the names."""
    there = {plain(without_entity(c)): c for c in reversed(columns)}
    there |= {plain(c): c for c in reversed(columns)}
    return next((there[n] for n in names if n in there), None)


def find_age(columns: Sequence[str]) -> str | None:
    """Return the column of ages, the plainest name first; ``days_to_birth`` is one, too."""
    found = [c for c in columns if is_age(c)]
    return min(found, key=lambda c: (plain(c) != "age", len(parts(c))), default=None)


def is_age(column: str) -> bool:
    """Whether a name is that of an age: ``age_at_diagnosis``, ``Alter``, ``years_to_birth``."""
    words = parts(without_entity(column))
    if {"to", "birth"} <= set(words):
        return named_unit(column) is not None
    return bool(words) and words[0] in _AGE_WORDS and set(words[1:]) <= _AGE_AT


def person_role(column: str) -> Literal["age", "sex"] | None:
    """Return what a column says of the person, by its name."""
    if is_age(column):
        return "age"
    return "sex" if plain(without_entity(column)) in SEX_NAMES else None


def find_mask_size(columns: Sequence[str]) -> str | None:
    """Return the column that says how large a mask is; None where there is none."""
    return next((c for c in MASK_SIZES if c in columns), None)


def role_by_name(column: str, *, among_genes: int = 0) -> ColumnRole | None:
    """Return the role that a name promises; None for one that may be any input's.

    Parameters
    ----------
    column : str
    among_genes : int
        Columns of its table where most of them are genes, so that ``TTR`` is one, too; else 0.
    """
    hint = promise(column)
    if hint is None or (among_genes and may_be_gene(column, among=among_genes)):
        return None
    return ColumnRole(column, hint.kind, "its name")


def role_by_values(
    column: str, numbers: Numbers, text: pa.ChunkedArray | None = None
) -> ColumnRole | None:
    """Return the role that the cells of a column show: dates, or the numbers of the rows.

    Parameters
    ----------
    column : str
    numbers : Numbers
        The column as numbers.
    text : arrow array of str, optional
        The column as text, where it is mostly text.
    """
    if text is not None:
        known = blank_missing(text)
        n_known = len(known) - known.null_count
        if n_known and 2 * int(is_date(known).sum()) > n_known:
            return ColumnRole(column, "date", "its cells are dates")
        return None
    values = numbers.values
    if not len(values) or np.isnan(values).any():
        values = values[np.isfinite(values)]
    if len(values) < MIN_VALUES or (values % 1 != 0).any():
        return None
    if values.min() >= FIRST_DAY and values.max() <= LAST_DAY and _are_days(values):
        return ColumnRole(column, "date", "its cells are dates such as 20150301")
    counted = np.arange(len(values)) + values[0]
    if len(values) == len(numbers.values) and (values == counted).all():
        return ColumnRole(column, "row number", "it counts the rows")
    return None


def is_row_number(column: str, numbers: Numbers) -> bool:
    """Whether all cells are different whole numbers, as a row number's are.

    A name that is hardly one, such as ``X``, needs more: many numbers, close together. A first
    column without any name is never more than that, whatever it holds.
    """
    if column == INDEX_NAME:
        return True
    values = numbers.values
    whole = len(values) and np.isfinite(values).all() and (values % 1 == 0).all()
    if not whole or len(np.unique(values)) < len(values):
        return False
    if plain(column) not in _SHORT_ROW_NAMES:
        return True
    return bool(len(values) >= MIN_VALUES and np.ptp(values) < MAX_STEP * len(values))


def _are_days(values: NDArray[np.float64]) -> bool:
    """Whether numbers such as 20150301 are days of the calendar."""
    month, day = values // 100 % 100, values % 100
    return bool(((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all())


def report_no_inputs(roles: Sequence[ColumnRole], file: str, found: Findings, *, what: str) -> None:
    """Warn once of all columns of a table that are no inputs, and why.

    Parameters
    ----------
    roles : sequence of ColumnRole
    file : str
    found : Findings
    what : str
        What they are not: ``feature`` or ``clinical input``.
    """
    if not roles:
        return
    groups: dict[str, list[str]] = {}
    for role in roles:
        shown = shorten(role.column)
        detail = shown if role.because == "its name" else f"{shown} ({role.because})"
        groups.setdefault(NO_INPUT[role.kind], []).append(detail)
    listed = "; ".join(f"{', '.join(names)} ({why})" for why, names in groups.items())
    found.warn(
        f"{count(len(roles), f'column is no {what}', f'columns are no {what}s')}: {listed}.",
        code="E-19",
        file=file,
        column=roles[0].column if len(roles) == 1 else None,
        fix="To use one all the same, say so.",
        topic="no input",
        columns=tuple(r.column for r in roles),
    )


def is_clinical_name(file: str) -> bool:
    """Whether a file name is that of a clinical table."""
    return plain(table_stem(file)) in CLINICAL_STEMS


def modality_name(file: str) -> str:
    """Return the modality that a file holds: its name without folder and endings."""
    return re.sub(r"[^0-9A-Za-z_-]+", "_", table_stem(file)).strip("_") or "table"
