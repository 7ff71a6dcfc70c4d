"""What if: plain names and the words of codes; the codes themselves only behind them."""

from __future__ import annotations

import re

from tests.dashboard.conftest import OpenApp
from tests.dashboard.views.test_pages import few_patients, problems_of, text_of, unescaped

CODE = re.compile(r"\b[a-z]+_[a-z0-9_]+\b|\b(?:er_)?positive: [01]\b")


def test_what_is_changed_goes_by_plain_names(open_app: OpenApp) -> None:
    app = open_app(what_if=True)
    boxes = {box.label: box for box in app.multiselect}
    options = boxes["Change features"].options
    assert options[:2] == ["Clinical: Age", "Clinical: Sex"]
    assert len(set(options)) == len(options)
    offered = (*options, *boxes["Set feature groups"].options)
    assert [text for text in offered if CODE.search(text)] == []

    mutation = next(text for text in options if text.endswith("IDH mutation"))
    boxes["Change features"].select("Clinical: Age").select(mutation).run()
    (code,) = (box for box in app.selectbox if box.label == "IDH mutation")
    assert code.options == ["absent", "present"]
    assert code.help == "Column mut\\_IDH"
    assert "Age (years)" in [unescaped(slider.label) for slider in app.slider]
    other = next(text for text in code.options if text != code.value)
    code.select(other).run()
    assert "z from" in text_of(app)
    assert problems_of(app) == []


def test_explanations_of_a_cohort_go_by_plain_names(open_app: OpenApp) -> None:
    app = open_app("explain", age_range=few_patients("glioma"))
    said = next(line for line in text_of(app).splitlines() if "moves the log risk most" in line)
    assert not CODE.search(said)
    assert problems_of(app) == []
