"""Texts of messages, and what no text may say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from camlif.exceptions import CamlifError, ConfigError, DataError, SchemaError
from camlif.wording import count, format_p
from dashboard import messages
from dashboard.components.text import plain

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "dashboard").rglob("*.py"), *(ROOT / "camlif").rglob("*.py")])
TEXT_FILES = sorted(
    path
    for folder in ("dashboard", "camlif", "models")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".toml", ".md", ".html", ".jinja", ".j2", ".txt"}
)
BANNED = re.compile(
    r"\b(should|must|needs? to) (receive|be (treated|given|offered|operated))\b|\brecommend"
    r"|prognosis (is|of this)|\b(prescrib|administer(s|ed|ing)?\b)|\btreat (the|this) patient"
    r"|\bthis patient (will|is going to) (die|survive|live|relapse|progress)",
    re.IGNORECASE,
)
FIELD = re.compile(r"{(\w+)}")


def string_literals(source: str) -> list[str]:
    """Every string constant of a module, the parts of f-strings included."""
    nodes = ast.walk(ast.parse(source))
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def test_the_banner_says_that_this_is_for_research() -> None:
    assert messages.BANNER == (
        "Research use only. Not a medical device. Don't base patient care on this output."
    )


@pytest.mark.parametrize("code", sorted(messages.TEXTS))
def test_a_message_leads_with_its_id_and_leaves_no_field_open(code: str) -> None:
    fields = {name: f"<{name}>" for name in FIELD.findall(messages.TEXTS[code])}
    text = messages.text(code, **fields)
    assert text.startswith(f"{code}: ")
    assert not re.search(r"[{}]", text)
    assert all(value in text for value in fields.values())


def test_a_message_without_its_field_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        messages.text("E-50")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            DataError("Two.", file="a.csv", column="c", rows=(2, 3), fix="Mend it.", code="E-06"),
            "E-06: a.csv, column c, rows 2, 3: Two. Mend it.",
        ),
        (SchemaError("No column.", file="a.csv"), "a.csv: No column."),
        (ConfigError("No sample."), "No sample."),
    ],
)
def test_an_error_of_the_library_is_one_line_with_place_and_id(
    error: CamlifError, expected: str
) -> None:
    assert messages.describe(error) == expected


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_text_gives_advice_or_claims_a_prognosis(path: Path) -> None:
    found = [s for s in string_literals(path.read_text("utf-8")) if BANNED.search(s)]
    assert not found


@pytest.mark.parametrize("path", TEXT_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_text_file_of_the_product_gives_advice(path: Path) -> None:
    assert not BANNED.search(path.read_text("utf-8"))


@pytest.mark.parametrize(
    "source",
    [
        'f"We recommend {drug}."',
        '"He should receive it."',
        '"Her prognosis is poor."',
        '"This patient will die within a year."',
        '"The patient needs to be treated."',
        'f"Prescribe {drug}."',
    ],
)
def test_the_scan_for_banned_words_reads_strings_and_f_strings(source: str) -> None:
    assert any(BANNED.search(s) for s in string_literals(source))


def test_every_message_id_in_a_page_is_defined_and_every_text_is_used() -> None:
    pages = [p.read_text("utf-8") for p in SOURCES if "dashboard" in p.relative_to(ROOT).parts]
    called = {c for page in pages for c in re.findall(r'messages\.text\(\s*"(E-\d\d)"', page)}
    assert called
    assert called == set(messages.TEXTS)


@pytest.mark.parametrize(
    "text",
    ["**bold**", "[link](http://x)", ":red[x]", "$x^2$", "<b>x</b>", "# title", "`code`", "a_b_c"],
)
def test_markup_in_a_name_is_shown_as_it_is(text: str) -> None:
    escaped = plain(text)
    assert re.sub(r"\\(.)", r"\1", escaped) == text
    special = set("\\`*_{}[]()#+-.!|~:$<>&")
    bare = re.sub(r"\\.", "", escaped)
    assert not special & set(bare)


def test_line_breaks_and_runs_of_spaces_cannot_start_a_block() -> None:
    assert plain("a\n\n    b\t c") == "a b c"


def test_numbers_are_said_with_their_noun() -> None:
    assert count(1, "patient") == "1 patient"
    assert count(0, "patient") == "0 patients"
    assert count(1047, "patient") == "1,047 patients"
    assert count(2, "analysis", "analyses") == "2 analyses"


def test_p_values_have_two_digits_and_a_floor() -> None:
    assert format_p(0.0234) == "p = 0.023"
    assert format_p(0.001) == "p = 0.001"
    assert format_p(0.00099) == "p < 0.001"
