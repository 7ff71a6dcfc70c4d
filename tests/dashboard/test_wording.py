"""Disease profiles."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from camlif.data.samples import SAMPLES, load_sample
from dashboard.wording import FOLDER, Profile, load_profile

PROFILES = sorted(path.stem for path in FOLDER.glob("*.toml"))


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_valid(name: str) -> None:
    profile = load_profile(name)
    assert profile.title
    assert profile.subtype_label != profile.grade_label


def test_an_unknown_profile_gives_the_generic_words() -> None:
    assert load_profile("none of these") == load_profile("generic")


def test_a_name_without_an_entry_is_shown_as_it_is() -> None:
    profile = load_profile("glioma")
    assert profile.subtype("IDH-wt astrocytoma") == "IWA"
    assert profile.subtype("something else") == "something else"
    assert profile.grade("4") == "IV"
    assert profile.grade("9") == "9"
    assert profile.modality("cell_density") == "Cell density"
    assert profile.modality("ct") == "CT"


def test_a_misspelt_entry_is_refused() -> None:
    with pytest.raises(ValidationError):
        Profile.model_validate({"title": "x", "subtype_label": "a", "grade_label": "b", "typo": {}})


@pytest.mark.parametrize("key", sorted(SAMPLES))
def test_the_words_of_a_sample_cover_its_levels(key: str) -> None:
    """A profile that names some levels must name all of them, or a legend mixes two languages."""
    cohort = load_sample(key)
    profile = load_profile(cohort.info.profile)
    for column, words in ((cohort.subtype, profile.subtypes), (cohort.grade, profile.grades)):
        if column is not None and words:
            assert set(column.dropna().astype(str)) <= set(words)
