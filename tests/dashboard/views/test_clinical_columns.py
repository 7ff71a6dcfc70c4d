"""Clinical columns on Cohort: their bars, and filters by a bar wherever patients are counted."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from camlif.data.samples import load_sample
from dashboard.session.column_filters import COLUMN_FILTERS, bars_of, values_of
from tests.dashboard.conftest import OpenApp
from tests.dashboard.views.test_pages import problems_of, text_of

WOMEN = int((load_sample("glioma").clinical["sex"] == "female").sum())


def filtered_by_women(open_app: OpenApp) -> AppTest:
    (bar,) = [
        bar for bar in bars_of(values_of(load_sample("glioma"), "sex")) if bar.text == "female"
    ]
    app = open_app("cohort", **{COLUMN_FILTERS.name: {"sex": (bar,)}})
    app.segmented_control(key="view").select("Clinical").run()
    assert problems_of(app) == []
    return app


def test_a_filter_by_a_column_counts_everywhere_and_is_dropped(open_app: OpenApp) -> None:
    app = filtered_by_women(open_app)
    assert f"n = {WOMEN:,} of 480 shown" in text_of(app, sidebar=True)
    assert f"{WOMEN:,} of 480 patients shown, filtered by sex." in text_of(app)
    app.button(key="drop_filter_sex").click().run()
    assert "n = 480 of 480 shown" in text_of(app, sidebar=True)
    assert problems_of(app) == []


def test_reset_drops_filters_by_columns_as_well(open_app: OpenApp) -> None:
    app = filtered_by_women(open_app)
    app.button(key="reset_filters").click().run()
    assert "n = 480 of 480 shown" in text_of(app, sidebar=True)


def test_another_cohort_is_not_filtered_by_a_column_of_the_last(open_app: OpenApp) -> None:
    app = filtered_by_women(open_app)
    app.selectbox(key="pick_cohort").select("luad").run()
    assert "n = 480 of 480 shown" in text_of(app, sidebar=True)


def test_a_group_of_the_patients_shown_says_the_column(open_app: OpenApp) -> None:
    app = filtered_by_women(open_app)
    app.segmented_control(key="view").select("Groups").run()
    assert problems_of(app) == []
    assert "sex: female" in text_of(app)
