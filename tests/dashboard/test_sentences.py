"""Every sentence with counts, for 0, 1, 2 and many: it agrees in number and says nothing twice."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camlif import wording
from camlif.data.schema import Endpoint
from camlif.model import sentences
from camlif.model.recognition import Membership
from camlif.statistics.splits import Interval
from dashboard.figures.agreement import agreement_strip
from dashboard.figures.hazard import HazardPoints, hazard_chart
from dashboard.figures.kaplan_meier import (
    Grouping,
    KmGroup,
    compare_groupings_chart,
    kaplan_meier_chart,
)
from dashboard.figures.overlap import overlap_chart
from dashboard.figures.survivors import short_long_chart
from dashboard.figures.what_if import changed_members
from dashboard.report.build import board_words

ROOT = Path(__file__).resolve().parents[2]
COUNTS = (0, 1, 2, 1234)
DEATH = Endpoint()
NOUNS = (
    *("patient", "model", "event", "split", "case", "member", "column", "row", "feature", "step"),
    *("group", "variant", "draw", "panel", "pair", "ranking"),
)
TIMES = ("month", "year")
PLURALS = "|".join(f"{noun}s" for noun in NOUNS)
FAULTS = {
    "one of many": rf"(?<![\d.,])1 ({PLURALS}|months|years)\b",
    "many of one": rf"(?<![\d.,])(0|[2-9]|\d[\d,]*\d) ({'|'.join((*NOUNS, *TIMES))})\b",
    "one are": r"(?<![\d.,of] )\b1 (were|are|have|place|move)\b",
    "many is": r"\b(0|[2-9]|\d[\d,]*\d) (was|is|has|places|moves)\b",
    "nothing said": r"\b(for|in|of) 0\b(?!\.)",
    "from a to a": r"(\d[\d.]*) to \1\b(?![.,]\d)",
    "no number": r"\b(nan|None|inf)\b",
    "gap": r"\s{2}| [,.;]|\.\.|;;",
}


def faults(sentence: str) -> list[str]:
    return [name for name, pattern in FAULTS.items() if re.search(pattern, sentence)]


def test_the_check_finds_what_readers_stumbled_over() -> None:
    assert faults("1 were followed 53 to 53 months without") == ["one are", "from a to a"]
    assert faults("subtype not given for 0") == ["nothing said"]
    assert faults("1 models agree; 2 model agrees") == ["one of many", "many of one"]
    assert faults("1 of 2 models places it at 0.50 (0.41 to 0.59).") == []


def group(n: int, name: str = "low") -> KmGroup:
    return KmGroup(name, np.arange(n) % 2 == 0, np.linspace(5, 60, n))


def points(n: int, **columns: Any) -> HazardPoints:
    return HazardPoints(token=[f"{i:x}" for i in range(n)], z=np.linspace(-1, 1, n), **columns)


def _charts(n: int) -> Iterator[str]:
    rng = np.random.default_rng(0)
    event, months = np.arange(n) % 2 == 0, np.linspace(1, 90, n)
    themed: dict[str, Any] = {"theme": "light"}
    drawn = {**themed, "endpoint": DEATH}
    yield kaplan_meier_chart([group(n), group(3, "high")], **drawn).finding
    kinds = (Grouping("Risk group", [group(n)]), Grouping("Sex", [group(max(n, 1), "male")]))
    yield compare_groupings_chart(*kinds, **drawn).finding
    known: list[str | None] = ["IWA" if i % 3 else None for i in range(n)]
    for columns in ({"stratum": ["low"] * n}, {"subtype": ["IWA"] * n}, {"subtype": known}):
        yield hazard_chart(points(n, **columns), cutoffs={}, **themed).finding
    yield short_long_chart(rng.normal(size=n), event, months, cutoff_months=60, **drawn).finding
    places: dict[str, Any] = {"cutoffs": (0.0,), "strata": ("low", "high"), **themed}
    few = min(max(n, 1), 15)
    z = rng.normal(size=few)
    for used in (np.ones(few, bool), np.arange(few) > 0, np.arange(few) < few - 1):
        yield agreement_strip(z[:few], used, **places).finding
    yield changed_members(z[:few], z[:few] + 0.1, **places).finding
    if n:
        presence = np.stack([np.ones(n), event], axis=1)
        yield overlap_chart(presence, ["pathology", "genomics"], **themed).finding
        yield overlap_chart(np.zeros((n, 1)), ["pathology"], **themed).finding


@pytest.mark.parametrize("n", COUNTS)
def test_findings_of_charts_agree_in_number(n: int) -> None:
    found = list(_charts(min(n, 300)))
    assert {text: faults(text) for text in found if faults(text)} == {}
    assert all(text.endswith(".") for text in found)


def _case_sentences(n: int) -> dict[str, list[str]]:
    """What each function of a case's sentences says of n."""
    z = Interval(value=0.5, low=0.4, high=0.6)
    event = np.arange(max(n, 1)) % 2 == 0
    months = np.linspace(50, 53, len(event))
    return {
        "percentile_words": [
            sentences.percentile_words(p, max(n, 1)) for p in (0, 0.5, 50, 99.5, 100)
        ],
        "survival_statement": [sentences.survival_statement(z, 36, DEATH)],
        "survival_sentence": [sentences.survival_sentence(z, 36, DEATH, n)],
        "models_words": [
            sentences.models_words(wording.count(n, "model"), m, held_out=True) for m in Membership
        ],
        "left_out_words": [sentences.left_out_words(m, held_out=True) for m in Membership],
        "agreement_sentence": [
            sentences.agreement_sentence(0.8, max(n, 1), "low", membership=m, held_out=True)
            for m in Membership
        ],
        "held_out_sentence": [sentences.held_out_sentence(n, max(n, 1))],
        "told_sentence": [
            text for text in [sentences.told_sentence("Subtype", ["input"] * min(n, 9))] if text
        ],
        "outcomes_sentence": [
            sentences.outcomes_sentence(event, months, DEATH),
            sentences.outcomes_sentence(~event, np.full(len(event), 53.0), DEATH),
        ],
        "seen_words": [sentences.seen_words(n, max(n, 2)), sentences.seen_words(1, max(n, 1))],
    }


@pytest.mark.parametrize("n", COUNTS)
def test_sentences_of_a_case_agree_in_number(n: int) -> None:
    said = [text for texts in _case_sentences(n).values() for text in texts]
    assert {text: faults(text) for text in said if faults(text)} == {}


def test_every_sentence_of_a_case_that_takes_a_count_is_generated() -> None:
    counted = {
        name
        for name, function in vars(sentences).items()
        if callable(function)
        and getattr(function, "__module__", "") == sentences.__name__
        and not name.startswith("_")
        and "int" in str(function.__annotations__.values())
    }
    without = {"hidden_sentence", "frequencies", "outlived_sentence"}  # of times, not counts
    assert counted - without - set(_case_sentences(1)) == set()


@pytest.mark.parametrize("n", COUNTS)
def test_helpers_of_wording_agree_in_number(n: int) -> None:
    said = [wording.count(n, noun) for noun in (*NOUNS, *TIMES)]
    said += [wording.extent(n, n, "month"), wording.extent(n, n + 1, "month")]
    said += [f"{n} {wording.verb(n, 'was', 'were')} followed"]
    assert {text: faults(text) for text in said if faults(text)} == {}


def test_a_board_that_kept_nothing_says_nothing() -> None:
    assert board_words({}) == []


SOURCES = sorted(
    path for folder in ("camlif", "dashboard") for path in (ROOT / folder).rglob("*.py")
)
NO_COUNTS = re.compile(
    r"(name|column|scheme|counts|observed|place|time|when|len\(sizes\))( == 1)?$|"
    r"(count|verb|listed|signed|_short|shown_age|replace|join)\("
)
"""Expressions before a plural that are words, or several numbers."""
VERBS = {"does", "has", "is", "this", "vs", "was", "across", "per", "thus", "unless", "as"}
_WHOLE = re.compile(r"\b(len|sum|int)\(|\bn_\w+$|\.n$")
"""Expressions that are counts whatever is counted."""


def _nouns(tree: ast.AST) -> Iterator[str]:
    """Plurals of what a module counts by the helper."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "count":
            words = [a.value for a in node.args[1:] if isinstance(a, ast.Constant)]
            if words:
                yield str(words[-1] if len(words) > 1 else f"{words[0]}s").split()[-1]


def _hand_made(tree: ast.AST, plurals: set[str]) -> Iterator[tuple[int, str]]:
    """Plurals that code sets after a number, or chooses by its being 1; constants are never 1."""
    for node in ast.walk(tree):
        if isinstance(node, ast.IfExp) and re.search(r"[!=]= 1$", test := ast.unparse(node.test)):
            words = all(
                isinstance(e, ast.Constant | ast.JoinedStr) for e in (node.body, node.orelse)
            )
            texts = isinstance(getattr(node.body, "value", ""), str)
            if words and texts and not NO_COUNTS.search(test) and "count(" not in ast.unparse(node):
                yield node.lineno, ast.unparse(node)
        if not isinstance(node, ast.JoinedStr):
            continue
        for before, value, after in zip(
            [ast.Constant(""), *node.values], node.values, node.values[1:], strict=False
        ):
            if not isinstance(value, ast.FormattedValue) or not isinstance(after, ast.Constant):
                continue
            noun = re.match(r" (?:(?!from)[a-z-]+[^s] )?([a-z-]+s)\b", str(after.value))
            said = ast.unparse(value.value)
            many = re.match(r" (are|were|have|do|wait|lack|need)\b", str(after.value))
            shared = str(getattr(before, "value", "")).endswith("of ")  # rows of a patient were
            if many and said.startswith("count(") and not shared:
                yield node.lineno, f"{ast.unparse(value)}{many[0]}"
            if noun is None or said.split(".")[-1].isupper() or NO_COUNTS.search(said):
                continue
            decimal = value.format_spec and re.search(
                r"\.\d[fg]|'g'", ast.unparse(value.format_spec)
            )
            if not decimal and (noun[1] in plurals or _WHOLE.search(said)) and noun[1] not in VERBS:
                yield node.lineno, f"{ast.unparse(value)}{noun[0]}"


def test_no_plural_is_set_by_hand() -> None:
    trees = {path: ast.parse(path.read_text("utf-8")) for path in SOURCES}
    plurals = {*PLURALS.split("|"), "months", "years"}
    plurals |= {noun for tree in trees.values() for noun in _nouns(tree)}
    found = [
        f"{path.relative_to(ROOT)}:{line}: {fault}"
        for path, tree in trees.items()
        if path.name != "wording.py"
        for line, fault in _hand_made(tree, plurals)
    ]
    assert found == []
