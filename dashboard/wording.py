"""Disease profiles: the words a page uses for subtypes, grades and modalities of a disease."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

FOLDER = Path(__file__).parent / "profiles"
GENERIC = "generic"
ABBREVIATION = 3  # letters: CT, RNA


class Profile(BaseModel):
    """Words of one disease; a name without an entry is shown as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    subtype_label: str
    grade_label: str
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
