"""The TRIPOD+AI table: every answer comes from the bundle."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from camlif.model.bundle import Bundle
from camlif.model.tripod import (
    COLUMNS,
    Status,
    TripodRow,
    tripod_markdown,
    tripod_rows,
    tripod_table,
)
from tests.builders.bundles import N_SPLITS, tiny_bundle

MAIN_ITEMS = [str(n) for n in range(1, 28)]


def _by_number(bundle: Bundle) -> dict[str, TripodRow]:
    return {row.number: row for row in tripod_rows(bundle)}


def _card(**changes: Any) -> Bundle:
    bundle = tiny_bundle()
    return replace(bundle, card=bundle.card.model_copy(update=changes))


def test_table_holds_the_27_items_in_order() -> None:
    numbers = [row.number.rstrip("abcdefg") for row in tripod_rows(tiny_bundle())]
    assert list(dict.fromkeys(numbers)) == MAIN_ITEMS
    assert len(numbers) == 52


def test_every_source_is_a_place_in_the_bundle_and_every_answer_has_one() -> None:
    for row in tripod_rows(tiny_bundle()):
        for source in row.sources:
            value: Any = tiny_bundle()
            for name in source.split("."):
                value = getattr(value, name)
        answered = row.status in (Status.REPORTED, Status.PARTIAL)
        assert bool(row.sources) == answered, row.number
        assert bool(row.answer) == (row.status is not Status.NOT_REPORTED), row.number


@pytest.mark.parametrize(
    ("number", "changes", "expected"),
    [
        ("12c", {"learning_rate": 0.0123}, "learning rate 0.0123"),
        ("12c", {"epochs": 77}, "77 epochs"),
        ("12a", {"test_fraction": 0.31, "split_scheme": "monte_carlo"}, "31 % held out"),
        ("12g", {"stored_precision": "float32"}, "weights as float32"),
        ("7", {"max_missing": 0.17}, "more than 17 % missing"),
        ("9a", {"select_top": 9}, "the 9 strongest columns"),
    ],
)
def test_another_configuration_gives_another_answer(
    number: str, changes: dict[str, Any], expected: str
) -> None:
    bundle = tiny_bundle()
    assert expected not in _by_number(bundle)[number].answer
    changed = replace(bundle, config=bundle.config.with_training(**changes))
    assert expected in _by_number(changed)[number].answer


def test_numbers_of_the_card_reach_the_table() -> None:
    card = tiny_bundle().card
    data = card.data.model_copy(
        update={"n_patients": 4321, "n_events": 987, "n_without_outcome": 12}
    )
    flow = _by_number(_card(data=data))["20a"].answer
    assert flow.startswith("4333 patients, 12 without an outcome left out, 4321 used, 987 with")
    mean = card.discrimination.model_copy(update={"mean": 0.6789})
    assert "C-index 0.679 (95 %" in _by_number(_card(discrimination=mean))["23a"].answer


def test_what_the_bundle_does_not_know_is_not_reported() -> None:
    data = tiny_bundle().card.data.model_copy(update={"median_follow_up_months": None})
    rows = _by_number(_card(data=data))
    for number in ("3c", "5b", "6c", "14", "17", "18a", "18d", "18e", "19"):
        assert rows[number].status is Status.NOT_REPORTED, number
        assert rows[number].answer == ""


def test_a_source_and_a_licence_are_reported_where_the_cohort_names_them() -> None:
    bundle = tiny_bundle()
    info = replace(bundle.info, source="A registry", licence="CC BY 4.0")
    row = _by_number(replace(bundle, info=info))["18e"]
    assert row.status is Status.REPORTED
    assert row.answer == "Source: A registry Licence: CC BY 4.0"


def test_markdown_and_table_hold_the_same_cells() -> None:
    bundle = tiny_bundle()
    rows = tripod_rows(replace(bundle, info=replace(bundle.info, title="A | B")))
    table = tripod_table(rows)
    assert tuple(table.columns) == COLUMNS
    lines = tripod_markdown(rows).splitlines()
    cells = [line.replace("\\|", "\0").count("|") for line in lines if line.startswith("|")]
    assert all(a == b for a, b in pairwise(cells))
    assert len(cells) == len(table) + 2
    assert f"{N_SPLITS} covering splits of one cohort" in tripod_markdown(rows)
    assert "A \\| B" in tripod_markdown(rows)
