"""Disease profiles: the words a page uses for subtypes, grades, modalities, groups and columns.

A name goes in, the frozen `Profile` of its TOML file comes out; an unknown name gives the generic
one. What a cohort says in its ``[names]`` goes before the profile, and that before the rules of
`dashboard.profiles.feature_rules`.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from camlif.data.manifest import NameEntry
from camlif.data.schema import ColumnWords
from camlif.wording import AGE, OLDEST_SHOWN, shown_age
from dashboard.profiles.feature_rules import name_by_rule

if TYPE_CHECKING:
    from camlif.data.cohort import Cohort
    from camlif.data.schema import CohortInfo

FOLDER = Path(__file__).parent
GENERIC = "generic"
ABBREVIATION = 3  # letters: CT, RNA
ANY = "*"


class Profile(BaseModel):
    """Words of one disease; a name without an entry is called by rule.

    ``columns`` are those of columns, feature groups and modalities; ``*`` in a name matches any
    text, and stands for it in the words. ``units`` are those that a cohort gives its columns.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    subtype_label: str
    grade_label: str
    subtypes: dict[str, str] = {}
    grades: dict[str, str] = {}
    modalities: dict[str, str] = {}
    columns: dict[str, NameEntry] = {}
    units: dict[str, str] = {}

    def subtype(self, level: str) -> str:
        """Short name of a subtype level."""
        return self.subtypes.get(level, level)

    def grade(self, level: str) -> str:
        """Short name of a grade level."""
        return self.grades.get(level, level)

    def modality(self, name: str) -> str:
        """Display name of a modality; a short name without an entry is an abbreviation."""
        words = name.replace("_", " ")
        shown = words.upper() if len(name) <= ABBREVIATION else words.capitalize()
        return self.modalities.get(name, shown)

    def column(self, name: str) -> ColumnWords:
        """Words of a column or a feature group."""
        words = self._listed(name) or name_by_rule(name)
        return replace(words, unit=self.units.get(name, words.unit))

    def column_name(self, name: str) -> str:
        """Plain name of a column or a feature group."""
        return self.column(name).name

    def value(self, column: str, value: Any) -> float | str | None:
        """Raw value as people read it: None where missing, no age over 89, codes in words."""
        if pd.isna(value):
            return None
        levels = self.column(column).levels
        if not isinstance(value, Real):
            return levels.get(str(value), str(value))
        number = float(value)
        if f"{number:g}" in levels:
            return levels[f"{number:g}"]
        if levels and number.is_integer():
            return f"code {number:g}"
        return shown_age(number) if column == AGE and number >= OLDEST_SHOWN else number

    def value_text(self, column: str, value: Any) -> str | None:
        """Value with its unit, as people read it; None where it is missing."""
        found = self.value(column, value)
        if column == AGE and isinstance(found, float):
            found = shown_age(found)
        text = f"{found:g}" if isinstance(found, float) else found
        return text and f"{text} {self.column(column).unit}".strip()

    def _listed(self, name: str) -> ColumnWords | None:
        """Words that profile or cohort give a name: by itself, else by a pattern."""
        if name in self.columns:
            return self.columns[name].words
        for pattern, entry in self.columns.items():
            start, any_text, end = pattern.partition(ANY)
            if any_text and name.startswith(start) and name.endswith(end):
                inner = name[len(start) : len(name) - len(end)]
                if inner:
                    words = entry.words
                    return replace(words, name=words.name.replace(ANY, inner))
        return None

    def with_names(self, info: CohortInfo) -> Profile:
        """Return the profile with the words that a cohort gives its columns before its own.

        The columns of subtype and grade are called by theirs: "ER status" instead of "Subtype".

        Parameters
        ----------
        info : CohortInfo
        """
        own = {name: NameEntry.of(words) for name, words in info.names.items()}
        named = self.model_copy(
            update={
                "columns": own | {k: v for k, v in self.columns.items() if k not in own},
                "modalities": self.modalities | {k: v.name for k, v in own.items()},
                "units": dict(info.units),
            }
        )
        labels: dict[str, str] = {}
        for label, column, usual in (
            ("subtype_label", info.subtype_column, "subtype"),
            ("grade_label", info.grade_column, "grade"),
        ):
            words = None if column in (None, usual) else named._listed(str(column))
            if column in own or words is not None:
                labels[label] = named.column_name(str(column))
        return named.model_copy(update=labels)


@cache
def load_profile(name: str) -> Profile:
    """Read a profile by name, with the generic columns; an unknown one gives the generic words."""
    path = FOLDER / f"{name}.toml"
    generic = _read(FOLDER / f"{GENERIC}.toml")
    if not path.is_file():
        return generic
    profile = _read(path)
    columns: Mapping[str, NameEntry] = generic.columns | profile.columns
    return profile.model_copy(update={"columns": columns})


def _read(path: Path) -> Profile:
    return Profile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def distinct(names: Sequence[str], codes: Sequence[str]) -> list[str]:
    """Return names, each with its code behind it where several columns go by the same.

    Parameters
    ----------
    names, codes : sequence of str, length n
    """
    return [
        f"{name} ({code})" if names.count(name) > 1 else name
        for name, code in zip(names, codes, strict=True)
    ]


def patient_facts(cohort: Cohort, row: int, profile: Profile) -> tuple[str, ...]:
    """Age, sex, subtype and grade of a patient, as far as the cohort has them.

    Parameters
    ----------
    cohort : Cohort
    row : int
        The patient.
    profile : Profile
        Says what subtype and grade are called.
    """
    clinical = cohort.clinical.iloc[row]
    facts = []
    if "age" in clinical and math.isfinite(age := float(clinical["age"])):
        facts.append(f"{shown_age(age)} years")
    if "sex" in clinical and pd.notna(clinical["sex"]):
        facts.append(str(clinical["sex"]))
    for label, column, words in (
        (profile.subtype_label, cohort.subtype, profile.subtype),
        (profile.grade_label, cohort.grade, profile.grade),
    ):
        if column is not None:
            level = column.iloc[row]
            facts.append(f"{label} {words(str(level)) if pd.notna(level) else 'not given'}")
    return tuple(facts)
