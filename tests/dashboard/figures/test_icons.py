"""The icon array always shows 100 people."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.figures.icons import icon_array, largest_remainder

SVG = "{http://www.w3.org/2000/svg}"


def counts(svg: str) -> tuple[int, int]:
    paths = [path.get("class") for path in ET.fromstring(svg).iter(f"{SVG}path")]
    return paths.count("alive"), paths.count("event")


@pytest.mark.parametrize("percentage", range(101))
def test_every_whole_percentage_draws_that_many_of_100(percentage: int) -> None:
    svg = icon_array(percentage, sentence="s", theme="light")
    assert counts(svg) == (percentage, 100 - percentage)


@given(st.floats(0, 100))
def test_fractions_total_100_and_are_off_by_less_than_one(percentage: float) -> None:
    alive, event = largest_remainder((percentage, 100 - percentage))
    assert alive + event == 100
    assert abs(alive - percentage) < 1


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=8))
def test_shares_of_any_number_of_parts_total_100(shares: list[float]) -> None:
    assert sum(largest_remainder(shares)) == 100


def test_largest_remainders_are_rounded_up() -> None:
    assert largest_remainder((41.6, 33.2, 25.2)) == (42, 33, 25)


def test_people_do_not_overlap() -> None:
    svg = icon_array(41.5, sentence="s", theme="dark")
    places = {path.get("transform") for path in ET.fromstring(svg).iter(f"{SVG}path")}
    assert len(places) == 100


def test_the_sentence_is_the_accessible_name_and_is_escaped() -> None:
    sentence = 'Of 100, 41 "alive" <script>alert(1)</script> & well'
    svg = icon_array(41, sentence=sentence, theme="light")
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == sentence
    assert "<script" not in svg


@pytest.mark.parametrize("percentage", [-0.1, 100.1, float("nan")])
def test_what_is_no_percentage_is_refused(percentage: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 100"):
        icon_array(percentage, sentence="s", theme="light")
