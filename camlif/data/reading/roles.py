"""What files and columns are, by their names: roles, identifiers, things no model may read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from camlif.data.reading.tables import table_stem

Role = Literal["clinical", "modality", "manifest", "predictions", "ignored"]

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
CLINICAL_STEMS = ("clinical", "data_clinical_patient", "clinical_data", "patients")
SUBTYPE_NAMES = ("subtype", "who_subtype", "histological_subtype", "histology", "histological_type")
AGE_NAMES = ("age", "age_years", "age_at_diagnosis", "age_at_initial_pathologic_diagnosis")
SEX_NAMES = ("sex", "gender")
CENTRE_NAMES = ("centre", "center", "hospital", "institution", "site", "tissue_source_site")
GRADE_NAMES = ("grade", "who_grade", "tumor_grade", "tumour_grade", "histological_grade")

_DURATION = re.compile(
    r"(overall_)?(survival|os|follow_?up)_?(time|duration)?_?(in_)?(months?|days?|years?)?"
    r"|(duration|time)_?(in_)?(months?|days?|years?)?|days_to_last_information"
)
_EVENT = re.compile(
    r"event|status|death|dead|deceased|(os|overall_survival|survival|vital)_(event|status)|os"
)
_ENTRY = re.compile(
    r"((delayed|late|study)_)?entry(_time)?(_(in_)?(months?|days?|years?))?"
    r"|time_(at|of|to)_(study_)?entry|(left_)?truncation(_time)?(_(in_)?(months?|days?|years?))?"
)
_REVERSED = re.compile(r"alive|living|censor(ed|ing|ship)?|survived")

_OUTCOME = re.compile(
    r"(rfs|pfs|pfi|dfs|dfi|dss|efs|os|dmfs|ttp|recurrence|relapse|progression)([_. -].*)?"
    r"|cause|cause_of_.*|death.*|dead|deceased|alive|vital_status|.*survival.*|censor.*"
    r"|follow_?up.*|days_to_.*|months_to_.*|last_(contact|visit|follow_?up).*|event_.*|.*_event"
    r"|time_to_.*|status"
)
_ADMINISTRATIVE = re.compile(
    r"(tissue_source_|study_|treatment_|recruit\w*_)?site(_id|_code)?|n_slides|n_samples"
    r"|.*(^|_)(source|fold|split|batch|centre|center|hospital|institution|institute|scanner|plate"
    r"|operator|cohort|dataset|vendor)(_id|_code|_name)?|row_names|index"
)

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
PERSONAL_VALUES = {
    "e-mail addresses": r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$",
    "social security numbers": r"^\d{3}-\d{2}-\d{4}$",
}


def plain(name: str) -> str:
    """Return a column name in lower case with underscores: ``Patient ID`` gives ``patient_id``."""
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


_EVENT_OF = re.compile(r"(\w+_)(event|status)")
_TIMES_OF = ("days", "months", "years", "time", "weeks")


def find_id(columns: Sequence[str], declared: str | None = None) -> str | None:
    """Return the column of patient identifiers, by the declared or a usual name."""
    if declared in columns:
        return declared
    names = {plain(c): c for c in reversed(columns)}
    return next((names[n] for n in ID_NAMES if n in names), None)


def find_named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the first column with one of the names."""
    there = {plain(c): c for c in reversed(columns)}
    return next((there[n] for n in names if n in there), None)


def find_mask_size(columns: Sequence[str]) -> str | None:
    """Return the column that says how large a mask is; None where there is none."""
    return next((c for c in MASK_SIZES if c in columns), None)


def find_duration(columns: Sequence[str]) -> str | None:
    """Return the column of follow-up times: ``survival_months`` first, else a usual name."""
    found = [c for c in columns if _DURATION.fullmatch(plain(c)) and plain(c) != "os"]
    exact = [c for c in found if plain(c) == "survival_months"]
    return (exact + found)[0] if found else None


def find_event(columns: Sequence[str]) -> str | None:
    """Return the column of event status: ``event`` first, else a usual name."""
    found = [c for c in columns if _EVENT.fullmatch(plain(c))]
    exact = [c for c in found if plain(c) == "event"]
    return (exact + found)[0] if found else None


def find_entry(columns: Sequence[str]) -> str | None:
    """Return the column of entry times (delayed entry), by a usual name."""
    return next((c for c in columns if _ENTRY.fullmatch(plain(c))), None)


def find_reversed(columns: Sequence[str]) -> str | None:
    """Return a column whose name says the opposite of an event, such as ``alive``."""
    return next((c for c in columns if is_reversed(c)), None)


def is_reversed(column: str) -> bool:
    """Whether a name hints that 1 means "no event"."""
    return _REVERSED.fullmatch(plain(column)) is not None


def unsuitable_input(column: str) -> str | None:
    """Return why a clinical column must not be a model input; None if it may be one."""
    name = plain(column)
    if _OUTCOME.fullmatch(name) or _ENTRY.fullmatch(name):
        return "it derives from the outcome"
    return "it is administrative" if _ADMINISTRATIVE.fullmatch(name) else None


def personal_kind(column: str) -> str | None:
    """Return what personal data a column name promises; None for none."""
    name = plain(column)
    return next((kind for kind, rule in _PERSONAL.items() if rule.fullmatch(name)), None)


def is_clinical_name(file: str) -> bool:
    """Whether a file name is that of a clinical table."""
    return plain(table_stem(file)) in CLINICAL_STEMS


def outcome_pairs(columns: Sequence[str]) -> list[str]:
    """Return the events that have a time beside them, as ``dss_event`` has ``dss_days``."""
    names = {plain(column): column for column in columns}
    found = []
    for name, column in names.items():
        event = _EVENT_OF.fullmatch(name)
        if event is not None and any(f"{event[1]}{unit}" in names for unit in _TIMES_OF):
            found.append(column)
    return found


def modality_name(file: str) -> str:
    """Return the modality that a file holds: its name without folder and endings."""
    return re.sub(r"[^0-9A-Za-z_-]+", "_", table_stem(file)).strip("_") or "table"
