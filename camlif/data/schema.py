"""Schemas: which columns belong to which feature group, modality and clinical variable.

Names go in; frozen records come out that round-trip to JSON. Raises `SchemaError` for names given
twice and for modalities that are not there. The order of modalities, groups and columns is part of
a saved model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from camlif.exceptions import SchemaError

OUTCOME_COLUMNS = ("survival_months", "event")
ENTRY_COLUMN = "entry_months"
ClinicalKind = Literal["numeric", "category"]


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """A named feature group: the columns that one tokeniser network reads."""

    name: str
    columns: tuple[str, ...]

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.columns)


@dataclass(frozen=True, slots=True)
class BagSpec:
    """A bag of instances per patient (regions, patches), each a vector of ``d_inst`` features."""

    d_inst: int
    max_instances: int | None = None


@dataclass(frozen=True, slots=True)
class ModalitySpec:
    """One modality: feature groups of a patient-level table, or a bag of instances.

    A bag modality keeps its instance columns in a single group, so that names survive.
    """

    name: str
    groups: tuple[GroupSpec, ...]
    bag: BagSpec | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, in group order: the column order of the modality's matrix."""
        return tuple(column for group in self.groups for column in group.columns)

    @property
    def n_features(self) -> int:
        """Number of columns over all groups."""
        return sum(group.n_features for group in self.groups)


@dataclass(frozen=True, slots=True)
class ClinicalColumn:
    """A clinical input: numeric, or a category with the levels known to the model."""

    name: str
    kind: ClinicalKind
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeatureSchema:
    """Ordered modalities and clinical inputs of a model or cohort.

    Raises
    ------
    SchemaError
        If a modality or a column name within one modality occurs twice.
    """

    modalities: tuple[ModalitySpec, ...]
    clinical: tuple[ClinicalColumn, ...] = ()

    def __post_init__(self) -> None:
        _require_unique("modality", (m.name for m in self.modalities))
        for modality in self.modalities:
            _require_unique(f"column of {modality.name}", modality.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Modality names, in order."""
        return tuple(m.name for m in self.modalities)

    def __getitem__(self, name: str) -> ModalitySpec:
        for modality in self.modalities:
            if modality.name == name:
                return modality
        raise SchemaError(f"No modality named {name}.", expected=", ".join(self.names))

    def to_json(self) -> dict[str, Any]:
        """Return a plain structure that `from_json` reads back."""
        return {
            "modalities": [
                {
                    "name": m.name,
                    "groups": [{"name": g.name, "columns": list(g.columns)} for g in m.groups],
                    "bag": None
                    if m.bag is None
                    else {"d_inst": m.bag.d_inst, "max_instances": m.bag.max_instances},
                }
                for m in self.modalities
            ],
            "clinical": [
                {"name": c.name, "kind": c.kind, "levels": list(c.levels)} for c in self.clinical
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FeatureSchema:
        """Build a schema from the structure of `to_json`."""
        return cls(
            modalities=tuple(
                ModalitySpec(
                    name=m["name"],
                    groups=tuple(GroupSpec(g["name"], tuple(g["columns"])) for g in m["groups"]),
                    bag=BagSpec(**m["bag"]) if m["bag"] else None,
                )
                for m in data["modalities"]
            ),
            clinical=tuple(
                ClinicalColumn(c["name"], c["kind"], tuple(c["levels"])) for c in data["clinical"]
            ),
        )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What ``event`` means, in words that pages and cards use.

    ``event_free`` completes "41 of 100 were ..." ("alive"); ``event_noun`` names the event
    ("death").
    """

    name: str = "overall survival"
    event_noun: str = "death"
    event_free: str = "alive"


Worse = Literal["", "higher", "lower"]


@dataclass(frozen=True, slots=True)
class ColumnWords:
    """What people call a column, a feature group or a modality.

    Attributes
    ----------
    name : str
    unit : str
    levels : mapping of value to str
        What codes stand for, by their text: ``{"7": "pT4a"}``.
    worse : {"", "higher", "lower"}
        Which direction is known to be worse for patients; empty where it is not said.
    """

    name: str
    unit: str = ""
    levels: Mapping[str, str] = field(default_factory=dict)
    worse: Worse = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortInfo:
    """What a cohort says of itself (from ``cohort.toml``, else defaults).

    Attributes
    ----------
    badge : {"synthetic", "public", "uploaded"}
        Shown wherever the cohort shows.
    profile : str
        Disease profile of the dashboard: ``glioma``, ``kidney``, ``lung``, ``head_neck``,
        ``breast`` or ``generic``.
    subtype_column, grade_column : str or None
        Clinical columns used for figures; never model inputs unless named as such.
    units : mapping of column to unit
    names : mapping of column, feature group or modality to ColumnWords
        ``*`` in a name matches any text, and stands for it in the words.
    oracle_c_index : float or None
        C-index of the true log-hazard, for simulated cohorts.
    """

    title: str
    badge: Literal["synthetic", "public", "uploaded"] = "uploaded"
    profile: str = "generic"
    endpoint: Endpoint = field(default_factory=Endpoint)
    subtype_column: str | None = None
    grade_column: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, ColumnWords] = field(default_factory=dict)
    source: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()
    oracle_c_index: float | None = None


def _require_unique(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SchemaError(f"The {what} {name!r} occurs twice.", column=name)
        seen.add(name)
