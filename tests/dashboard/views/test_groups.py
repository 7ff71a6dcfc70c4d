"""Groups of patients as objects: made, kept, compared in every column, in curves and in hazard."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from streamlit.testing.v1 import AppTest

from camlif.data.samples import load_sample
from camlif.model.recognition import Membership
from dashboard.access.access import Role, User
from dashboard.components import trail
from dashboard.session import resources
from dashboard.session.state import Workspace
from dashboard.store import CohortKey, PatientGroup, Store
from dashboard.views.cohort.groups import SELECTION, rests_on_held_out
from dashboard.views.cohort.patient_groups import BY_RISK, GROUPS
from tests.dashboard.conftest import OpenApp, PointAt
from tests.dashboard.views.test_pages import problems_of, text_of

AUTHOR = User(name="session 2222cccc", role=Role.ADMINISTRATOR)


@pytest.fixture(autouse=True)
def _pointed(models: Path, point_at: PointAt) -> None:
    """Tokens are those of the installation that the pages see."""
    point_at(models)


def cohort_key() -> CohortKey:
    return trail.cohort_key(resources.sample_cohort("glioma"))


def made(
    store: Store, name: str, members: np.ndarray, rule: str = "a test's own choice"
) -> PatientGroup:
    tokens = np.array(resources.sample_cohort("glioma").tokens)[members].tolist()
    return store.groups.create(AUTHOR, cohort_key(), name, rule=rule, tokens=tokens)


def groups_view(open_app: OpenApp, **session: object) -> AppTest:
    app = open_app("cohort", **session)
    app.segmented_control(key="view").select("Groups").run()
    assert problems_of(app) == []
    return app


def save(app: AppTest, name: str) -> AppTest:
    app.text_input(key="group_name").input(name).run()
    app.button(key="group_save").click().run()
    return app


def ages() -> np.ndarray:
    return pd.to_numeric(load_sample("glioma").clinical["age"]).to_numpy()


def differences(app: AppTest) -> pd.DataFrame:
    return next(t.value for t in app.dataframe if list(t.value)[:3] == ["table", "column", "mark"])


def test_two_groups_are_made_and_what_distinguishes_them_is_tested(
    open_app: OpenApp, store: Store
) -> None:
    app = groups_view(open_app)
    assert "Make or choose two groups" in text_of(app)
    app.selectbox(key="group_source").select("A column").run()
    app.number_input(key="group_most_clinical_age").set_value(45.0).run()
    save(app, "Young")
    app.selectbox(key="group_column_clinical").select("grade").run()
    app.multiselect(key="group_levels_clinical_grade").select("4").run()
    save(app, "Grade 4")
    assert problems_of(app) == []
    young, grade_4 = store.groups.of(cohort_key())
    grade = load_sample("glioma").clinical["grade"].astype(str).to_numpy()
    is_young, is_4 = ages() <= 45, grade == "4"
    assert (len(young.tokens), len(grade_4.tokens)) == (is_young.sum(), is_4.sum())
    assert (grade_4.name, grade_4.rule) == ("Grade 4", "grade: 4")
    both = int((is_young & is_4).sum())
    assert f"{both} patients in several groups, left out of tests" in text_of(app)
    table = differences(app).set_index("column")
    expected = stats.mannwhitneyu(ages()[is_young & ~is_4], ages()[is_4 & ~is_young])
    assert np.isclose(table.loc["age", "p_value"], expected.pvalue, rtol=1e-12)
    assert table.loc["age", "mark"] == "model input"
    assert table["p_value"].is_monotonic_increasing


def test_a_group_of_the_patients_shown_says_its_filters(open_app: OpenApp, store: Store) -> None:
    app = groups_view(open_app, grade=["4"])
    save(app, "Filtered")
    (group,) = store.groups.of(cohort_key())
    assert group.rule == "filters, WHO grade: IV"
    assert len(group.tokens) == int((load_sample("glioma").clinical["grade"] == "4").sum())


def test_a_risk_group_becomes_a_group_that_says_it_rests_on_risk(
    open_app: OpenApp, store: Store
) -> None:
    app = groups_view(open_app)
    app.selectbox(key="group_source").select("Risk group").run()
    save(app, "High")
    assert store.groups.of(cohort_key())[0].rule.startswith(BY_RISK)


def test_patients_selected_by_hazard_are_not_tested_where_risks_are_held_out() -> None:
    rows = np.arange(2)
    for membership, held_out in ((Membership.NEW, False), (Membership.UNCLEAR, True)):
        result = SimpleNamespace(
            is_training=np.zeros(2, dtype=bool),
            unclear=np.full(2, membership == Membership.UNCLEAR),
        )
        workspace = cast(Workspace, SimpleNamespace(scoring=SimpleNamespace(result=result)))
        assert rests_on_held_out(workspace, SELECTION, rows) == held_out


def test_identifiers_that_are_nobody_are_named(open_app: OpenApp, store: Store) -> None:
    ids = [str(i) for i in load_sample("glioma").patient_ids[:3]]
    app = groups_view(open_app)
    app.selectbox(key="group_source").select("A list of identifiers").run()
    app.text_area(key="group_ids").input(f"{ids[0]}, {ids[1]}\nNOBODY;{ids[2]}").run()
    assert "1 identifier not in this cohort: NOBODY." in text_of(app)
    save(app, ids[0])
    assert "1 patient identifier" in problems_of(app)[0]
    save(app, "Pasted")
    (group,) = store.groups.of(cohort_key())
    assert group.tokens == set(resources.sample_cohort("glioma").tokens[:3])
    assert all(i not in group.rule for i in ids)


def test_a_picked_column_is_drawn_by_group(open_app: OpenApp, store: Store) -> None:
    made(store, "Young", ages() <= 45)
    made(store, "Old", ages() > 45)
    for drawn, shown in (
        (("clinical", "sex"), "sex by group"),
        (("clinical", "age"), "age, median"),
    ):
        app = groups_view(open_app, drawn_column=drawn)
        assert len(app.get("plotly_chart")) == 2
        assert shown in text_of(app)


def test_the_column_drawn_of_another_cohort_is_forgotten(open_app: OpenApp, store: Store) -> None:
    made(store, "Young", ages() <= 45)
    made(store, "Old", ages() > 45)
    app = groups_view(open_app, drawn_column=("ct", "none"))
    assert len(app.get("plotly_chart")) == 1


def test_overlapping_groups_are_drawn_whole_and_tested_apart(
    open_app: OpenApp, store: Store
) -> None:
    made(store, "Below 50", ages() < 50)
    made(store, "Above 40", ages() > 40)
    app = groups_view(open_app)
    app.button(key="groups_Kaplan-Meier").click().run()
    assert problems_of(app) == []
    assert app.selectbox(key="group_by").value == GROUPS
    both = int(((ages() < 50) & (ages() > 40)).sum())
    assert f"{both} in several groups: in each curve, in no test" in text_of(app)
    assert f"n = {(ages() < 50).sum()}" in text_of(app)
    means = next(t.value for t in app.dataframe if "combined weights" in t.value)
    assert means["pair"].tolist() == ["Below 50 vs Above 40"]


def test_groups_by_risk_of_training_patients_have_no_p_value(
    open_app: OpenApp, store: Store
) -> None:
    made(store, "A", ages() < 50, f"{BY_RISK}: low")
    made(store, "B", ages() >= 50, f"{BY_RISK}: high")
    app = groups_view(open_app)
    assert "by construction" in text_of(app)
    app.button(key="groups_Kaplan-Meier").click().run()
    assert not any("log-rank p" in caption.value for caption in app.caption)


def test_groups_are_columns_of_the_hazard_chart(open_app: OpenApp, store: Store) -> None:
    made(store, "Below 50", ages() < 50)
    made(store, "Above 40", ages() > 40)
    app = groups_view(open_app)
    app.button(key="groups_Hazard by subtype").click().run()
    assert problems_of(app) == []
    layout = json.loads(app.get("plotly_chart")[0].proto.spec)["layout"]
    names = {text.split("<br>")[0] for text in layout["xaxis"]["ticktext"]}
    assert names == {"Below 50", "Above 40"}


def test_contributions_are_shown_by_group(open_app: OpenApp, store: Store) -> None:
    order = np.argsort(ages())
    made(store, "Youngest", order[:3])
    made(store, "Oldest", order[-3:])
    app = groups_view(open_app)
    app.segmented_control(key="compare_part").select("Reasons").run()
    assert problems_of(app) == []
    shown = text_of(app)
    assert "Youngest" in shown
    assert "n = 3" in shown


def test_a_group_is_deleted(open_app: OpenApp, store: Store) -> None:
    made(store, "Young", ages() <= 45)
    app = groups_view(open_app)
    app.button(key="group_delete").click().run()
    assert store.groups.of(cohort_key()) == ()
    assert problems_of(app) == []
