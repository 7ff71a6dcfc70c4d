"""Patients of whom it cannot be told whether they were in the training cohort."""

from __future__ import annotations

from dataclasses import replace

import pytest

from camlif.data.samples import load_sample
from dashboard.session import resources, state
from tests.dashboard.conftest import OpenApp
from tests.dashboard.views.test_pages import problems_of, text_of


@pytest.mark.parametrize(
    ("page", "sentences"),
    [
        (
            "case",
            (
                "Cannot tell whether this patient was in the training cohort",
                "that cannot have seen this patient",
                "models that may have seen this patient, not counted",
            ),
        ),
        ("cohort", ("shown it cannot be told whether they were",)),
        ("validation", ("it cannot be told whether they were in the training cohort",)),
    ],
)
def test_pages_say_so(open_app: OpenApp, page: str, sentences: tuple[str, ...]) -> None:
    cohort = load_sample("glioma")
    # The values of training patients with the age of another.
    older = replace(cohort, clinical=cohort.clinical.assign(age=cohort.clinical["age"] + 7))
    open_app()
    loaded = resources.loaded(state.UPLOADED, older)
    app = open_app(page, state.UPLOADED, **{state.UPLOAD.name: loaded})
    assert problems_of(app) == []
    shown = text_of(app)
    for sentence in sentences:
        assert sentence in shown
