"""Disease profiles: the words a page uses for subtypes, grades and modalities of a disease.

A name goes in, the frozen `Profile` of its TOML file comes out; an unknown name gives the generic
one.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from pydantic import BaseModel, ConfigDict

from camlif.wording import shown_age

if TYPE_CHECKING:
    from camlif.data.cohort import Cohort

FOLDER = Path(__file__).parent
GENERIC = "generic"
ABBREVIATION = 3  # letters: CT, RNA


class Profile(BaseModel):
    """Words of one disease; a name without an entry is shown as it is.

    ``subtype_note`` stands below charts by subtype.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    subtype_label: str
    grade_label: str
    subtype_note: str = ""
    subtypes: dict[str, str] = {}
    grades: dict[str, str] = {}
    modalities: dict[str, str] = {}

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


@cache
def load_profile(name: str) -> Profile:
    """Read a profile by name; an unknown one gives the generic words."""
    path = FOLDER / f"{name}.toml"
    if not path.is_file():
        path = FOLDER / f"{GENERIC}.toml"
    return Profile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


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
    if "age" in clinical and pd.notna(clinical["age"]):
        facts.append(f"{shown_age(float(clinical['age']))} years")
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
