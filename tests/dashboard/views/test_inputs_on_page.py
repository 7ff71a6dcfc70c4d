"""Inputs of the reading tests through Upload & check: asked, answered, and the same numbers."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import pytest

from camlif.data.formats.registry import offered_types
from tests.builders.study import Input, assert_same, examine_numbers, sound
from tests.dashboard.conftest import OpenApp
from tests.dashboard.views.test_upload import (
    checked,
    cohort_of,
    errors_of,
    press_or_choose,
    said,
    upload,
)

EVERY = "EVERY_INPUT" in os.environ
"""Set the variable to try all of them, which takes five minutes."""
CHOSEN = (*offered_types(), "toml")
"""Endings of files that the browser lets a user choose."""
PROJECT = Path(__file__).resolve().parents[3]
INPUTS: dict[str, Input] = {
    name: case
    for file in sorted((PROJECT / "tests" / "data" / "reading").glob("test_inputs_*.py"))
    for name, case in import_module(f"tests.data.reading.{file.stem}").INPUTS.items()
}


def one_of_each_kind() -> list[str]:
    """Names of inputs of which no two are asked about and answered in the same way."""
    kinds: dict[tuple[object, ...], str] = {}
    for name, case in INPUTS.items():
        answers = tuple(answer.partition("=")[0] for answer in case.answers)
        kinds.setdefault((case.asks, answers, case.refused, tuple(case.tables)), name)
    return sorted(kinds.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", INPUTS if EVERY else one_of_each_kind())
def test_an_input_is_asked_about_and_answered_on_the_page(open_app: OpenApp, name: str) -> None:
    case = INPUTS[name]
    app = open_app("data", folder=PROJECT / "models")
    files = case.files()
    upload(app, {name: data for name, data in files.items() if name.endswith(CHOSEN)})

    assert not app.exception
    if case.asks:
        assert any(line.startswith(case.asks) for line in errors_of(app))
        assert checked(app).loaded is None
    shown = "\n".join(said(app))
    if case.asks:
        assert not [word for word in case.names if word not in shown]
    if case.refused:
        return
    for answer in case.answers:
        press_or_choose(app, answer)

    examine_numbers(case, cohort_of(app), checked(app).report)
    if case.same:
        assert_same(cohort_of(app), sound())
