"""Words: disease profiles, what no page holds, the gate of a session, reading level."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from streamlit.testing.v1 import AppTest

from camlif.data.samples import SAMPLES, load_sample
from dashboard import messages
from dashboard.access.access import Action
from dashboard.profiles import FOLDER, Profile, load_profile
from dashboard.session import resources
from tests.dashboard.conftest import OpenApp
from tests.dashboard.test_messages import string_literals
from tests.dashboard.views.test_pages import few_patients, problems_of, unescaped

ROOT = Path(__file__).resolve().parents[3]

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


# The words of a disease live in its profile


DISEASE_WORDS = re.compile(
    r"\b(glioma|astrocytoma|oligodendroglioma|IDH|IWA|IMA|ODG|Fuhrman|renal|kidney|lung|smoking"
    r"|histological|head and neck|oral cavity)\b",
    re.IGNORECASE,
)
KEYS = {"glioma", "lung", "kidney"}
"""Names of samples and profiles, which code may hold; no page shows them."""
PAGE_CODE = sorted(
    path
    for folder in ("views", "components", "report")
    for path in (ROOT / "dashboard" / folder).rglob("*.py")
    if path.name != "paper_figures.py"  # figures that exist for the paper's diseases only
)


@pytest.mark.parametrize("path", PAGE_CODE, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_page_holds_the_words_of_a_disease(path: Path) -> None:
    texts = string_literals(path.read_text("utf-8"))
    assert not [t for t in texts if t not in KEYS and DISEASE_WORDS.search(t)]


def test_every_profile_has_words_that_the_scan_knows() -> None:
    named = [name for name in PROFILES if name not in {"generic", "breast"}]
    for name in named:
        profile = load_profile(name)
        words = [profile.title, profile.subtype_label, profile.grade_label, *profile.subtypes]
        assert any(DISEASE_WORDS.search(word) for word in words), name


# The gate of a session


def accepted_events() -> int:
    events = resources.store().audit_events()
    return sum(event.action == Action.GATE_ACCEPTED for event in events)


def asks(app: AppTest) -> bool:
    return any(button.key == "accept_research_use" for button in app.button)


def test_a_session_is_asked_once_and_its_answer_is_noted(open_app: OpenApp) -> None:
    app = open_app("help", research_use_accepted=False)
    assert asks(app)
    assert messages.BANNER in [unescaped(m.value) for m in app.markdown]
    before = accepted_events()
    app.button(key="accept_research_use").click().run()
    assert problems_of(app) == []
    assert accepted_events() == before + 1
    assert not asks(app)
    app.switch_page("views/about/records.py").run()
    assert not asks(app)
    assert accepted_events() == before + 1


def test_forgetting_the_data_asks_again(open_app: OpenApp) -> None:
    app = open_app("help")
    assert not asks(app)
    app.button(key="forget").click().run()
    assert asks(app)


# Reading level


LONGEST = 20
"""Words of a result sentence; what stands in brackets (denominators, intervals) is apart."""


def sentences(text: str) -> list[str]:
    bare = re.sub(r"\s*\([^()]*\)", "", text)
    return [part for part in re.split(r"(?<=[.!?:;])\s+", bare) if part.strip()]


@pytest.mark.parametrize("cohort", ["glioma", "transbig"])
def test_result_sentences_are_short(open_app: OpenApp, cohort: str) -> None:
    app = open_app("case", cohort, age_range=few_patients(cohort))
    said = [unescaped(e.value) for e in (*app.markdown, *app.code, *app.info, *app.warning)]
    long = [s for text in said for s in sentences(text) if len(s.split()) > LONGEST]
    assert not long


def test_words_in_brackets_do_not_count() -> None:
    text = "About 85 of 100 were alive (95% interval 75 to 91; n = 480). This is a group."
    assert sentences(text) == ["About 85 of 100 were alive.", "This is a group."]
