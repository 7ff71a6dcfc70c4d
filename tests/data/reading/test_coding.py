"""What the cells of an event column mean."""

from __future__ import annotations

import pytest

from camlif.data.reading.coding import coding_of, word_meaning

NEGATED = (
    ("verstorben", "nicht verstorben"),
    ("verstorben", "noch nicht tot"),
    ("décédé", "non décédé"),
    ("fallecido", "no fallecido"),
    ("deceduto", "non deceduto"),
    ("death", "no death"),
    ("deceased", "non-deceased"),
    ("dead", "not yet dead"),
    ("dead", "no death recorded"),
    ("dead", "0: not yet dead"),
    ("recurrence", "no evidence of recurrence"),
)


@pytest.mark.parametrize(("happened", "negated"), NEGATED)
def test_a_negated_word_is_never_the_event(happened: str, negated: str) -> None:
    assert word_meaning(happened) is True
    assert coding_of("status", (happened, negated))[negated] is not True


@pytest.mark.parametrize("cell", ["no event", "not dead", "None", "no relapse", "event-free"])
def test_usual_negations_are_known(cell: str) -> None:
    assert word_meaning(cell) is False


def test_a_relapse_among_deaths_is_asked_about() -> None:
    found = coding_of("status", ("dead", "relapsed", "alive"))
    assert found == {"dead": True, "relapsed": None, "alive": False}
    assert coding_of("OS_event", ("death", "progression", "none"))["progression"] is None


def test_a_relapse_among_none_is_the_event() -> None:
    found = coding_of("relapse_status", ("relapsed", "no relapse"))
    assert found == {"relapsed": True, "no relapse": False}


def test_a_relapse_among_deaths_of_a_legend_is_asked_about() -> None:
    found = coding_of("status (0=alive, 1=relapse, 2=dead)", ("0", "1", "2"))
    assert found == {"0": False, "1": None, "2": True}
